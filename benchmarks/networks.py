"""The networks that are measured beside the class network: many samples in batches, and a convolution."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlbackprop.spec import Spec

# What each is, and how it is told from its template.
ABOUT = {
    "half-moons": "2-10-1, 200 samples in batches of 10, 100 epochs, one rate",
    "tiny-cnn": "6×6 digits, every gradient, one rate, 100 steps",
}


@cache
def network(name: str) -> Spec:
    from xlbackprop.networks import load, template_text
    from xlbackprop.spec import loads, override

    if name == "half-moons":
        text = template_text(name)
        for old, new in (("count = 40", "count = 200"), ("epochs = 10", "epochs = 100")):
            assert old in text, old
            text = text.replace(old, new)
        return override(loads(text), rates=(0.1,))
    return override(load(name), rates=(0.5,), steps=100)
