"""The workbooks that are compared: every template, and some in other forms, for a few steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xlbackprop import kinds
from xlbackprop.networks import TRAINING, load, load_any, template_names, templates
from xlbackprop.spec import override

STEPS = 3
RATES = 1  # the sheets of more have the same formulas at other addresses
# What other forms write otherwise, by a template that can have them.
FORMS: dict[str, tuple[dict[str, Any], ...]] = {
    "era-s6": ({"style": "delta"}, {"layout": "matrix"}, {"level": "scaffolded"}, {"level": "blank"}),
    "three-hidden": ({"style": "class"}, {"layout": "matrix"}),
    "attention": ({"layout": "matrix"},),
    "xor": ({"style": "class"},),
    "tiny-cnn": ({"level": "blank"},),
}


def books(folder: Path, only: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    """Each workbook's name and its file, one at a time in the same place; of the templates named, or of all."""
    path = folder / "book.xlsx"
    training = template_names(TRAINING)
    for name in only or tuple(templates()):
        if name not in training:
            yield name, kinds.build(load_any(name), path)
            continue
        short: dict[str, Any] = {"steps": STEPS, "rates": load(name).rates[:RATES]}
        yield name, kinds.build(override(load(name), **short), path)
        for form in FORMS.get(name, ()):
            yield f"{name}, {', '.join(form.values())}", kinds.build(override(load(name), **short, **form), path)
