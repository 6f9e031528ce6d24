"""The workbooks that are compared: every template in every form that changes its formulas, for a few steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xlbackprop import kinds
from xlbackprop.errors import NetworkError
from xlbackprop.networks import TRAINING, load, load_any, template_names, templates
from xlbackprop.spec import override

STEPS = 3
RATES = 2  # the sheets of more have the same formulas at other addresses
OTHER_STYLE = {"class": "delta", "delta": "class"}
# Of worksheets: what is not left out is written as in the template's own workbook.
LEVELS = ("scaffolded", "blank")
AT_LEVELS = ("era-s6", "tiny-cnn")


def books(folder: Path, only: tuple[str, ...] = ()) -> Iterator[tuple[str, Path]]:
    """Each workbook's name and its file, one at a time in the same place; of the templates named, or of all."""
    path = folder / "book.xlsx"
    training = template_names(TRAINING)
    for name in only or tuple(templates()):
        if name not in training:
            yield name, kinds.build(load_any(name), path)
            continue
        short = {"steps": STEPS, "rates": load(name).rates[:RATES]}
        yield name, kinds.build(override(load(name), **short), path)
        for form in _forms(name):
            try:
                kinds.build(override(load(name), **short, **form), path)
            except NetworkError:
                continue  # not every network can be laid out so
            yield f"{name}, {', '.join(form.values())}", path


def _forms(name: str) -> Iterator[dict[str, Any]]:
    yield {"style": OTHER_STYLE[load(name).style]}
    yield {"layout": "matrix"}
    if name in AT_LEVELS:
        yield from ({"level": level} for level in LEVELS)
