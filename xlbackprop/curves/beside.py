"""The sheets of functions beside a training: the curves of its own activations and of its own loss.

They are tables of functions derived from the network, so that they are laid out, written and
verified as those of a file of functions are. Their targets are the ones that stand on Overview.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from xlbackprop.curves.layout import Layout
from xlbackprop.curves.spec import Grid, Table, elementwise_losses, target_names
from xlbackprop.sheet.layout import OVERVIEW
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming

if TYPE_CHECKING:
    from xlbackprop.sheet.workbook import Beside

ACTIVATIONS, LOSSES = "Activations", "Losses"
COMPARED = ("sigmoid", "tanh", "relu")  # stand beside the network's own
MOST_CURVES = 4  # of a loss, a target each
MOST_TARGET = 1e6  # beyond it a curve from 1 below to 1 above shows nothing
_ARGUMENTS = Grid(first=-6, last=6, count=61)
_PROBABILITIES = Grid(first=0.01, last=0.99, count=99)
_GRIDS = {
    "binary cross-entropy": _PROBABILITIES,
    "cross-entropy": _PROBABILITIES,
    "kl divergence": _PROBABILITIES,
    "binary cross-entropy from logits": _ARGUMENTS,
    "nll": Grid(first=-5, last=0, count=51),
}
_STEEP = (-10.0, 10.0)  # of derivatives that grow without bound
# A loss of all outputs together, and the one that it is of the probability that softmax gives.
_OF_PROBABILITY = {"cross-entropy from logits": "cross-entropy"}


@dataclass(frozen=True)
class Target:
    """A target of a sample, both counted from 0, which a curve takes from Overview."""

    sample: int
    index: int

    def of(self, spec: Spec) -> float:
        return spec.samples[self.sample].targets[self.index]

    def formula(self, spec: Spec) -> str:
        source = naming.target_source(spec.targets[self.index])
        return source if len(spec.samples) == 1 else f"INDEX({source},{self.sample + 1})"

    def words(self, spec: Spec) -> str:
        name = spec.targets[self.index]
        return name if len(spec.samples) == 1 else f"{name} of sample {self.sample + 1}"


def layouts(spec: Spec) -> list[Layout]:
    """The sheets of a network's functions; none where it has no function of one number."""
    tables = [table for table in (_activations(spec), _losses(spec)) if table]
    links = {name: target.formula(spec) for name, target in targets(spec).items()}
    return [Layout(table, links=links) for table in tables]


def sheets(spec: Spec) -> list[Beside]:
    """What `sheet.workbook.build` adds to a training workbook."""
    from xlbackprop.curves.sheet import write_sheet  # what writes workbooks is not loaded to verify one
    from xlbackprop.sheet.workbook import Beside

    return [Beside(layout.sheet, partial(write_sheet, layout=layout)) for layout in layouts(spec)]


def targets(spec: Spec) -> dict[str, Target]:
    """The first place of each different target, at most four of them, from the smallest to the largest."""
    first: dict[float, Target] = {}
    for p, sample in enumerate(spec.samples):
        for k, value in enumerate(sample.targets):
            if abs(value) <= MOST_TARGET:
                first.setdefault(value, Target(p, k))
    places = [first[value] for value in sorted(first)]
    if len(places) > MOST_CURVES:
        places = [places[k * (len(places) - 1) // (MOST_CURVES - 1)] for k in range(MOST_CURVES)]
    return dict(zip(target_names("t", len(places)), places))


def _activations(spec: Spec) -> Table | None:
    applied = dict.fromkeys(one.layer.applied for one in spec.placed)
    used = tuple(name for name in applied if name not in (None, "identity"))
    if not used:
        return None
    others = tuple(name for name in COMPARED if name not in used)
    beside = f"; {_and(others)} stand beside for comparison" if others else ""
    return Table(
        title=ACTIVATIONS,
        about=f"This network uses {_and(used)}{beside}.",
        notes=("Where a derivative is near 0, hardly any gradient passes back.",),
        variable="z",
        grid=_ARGUMENTS,
        activations=(*used, *others),
    )


def _losses(spec: Spec) -> Table | None:
    loss, chosen = _OF_PROBABILITY.get(spec.loss, spec.loss), targets(spec)
    if loss not in elementwise_losses() or not chosen:
        return None
    values = tuple(target.of(spec) for target in chosen.values())
    of = "one output" if loss == spec.loss else "the probability that softmax gives"
    where = ", ".join(f"{name} is {target.words(spec)}" for name, target in chosen.items())
    first, last = math.floor(min(values)) - 1, math.ceil(max(values)) + 1
    around = Grid(first=first, last=last, count=20 * (last - first) + 1 if last - first <= 5 else 101)
    grid = _GRIDS.get(loss, around)
    return Table(
        title=LOSSES,
        about=f"The {loss} of {of}, and its derivative, where the backward pass begins.",
        notes=(f"Targets, from {OVERVIEW}: {where}.",),
        variable="output",
        grid=grid,
        losses=(loss,),
        targets=values,
        target="t",
        derivative_range=_STEEP if grid is _PROBABILITIES else None,
    )


def _and(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
