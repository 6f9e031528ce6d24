"""The network's picture: forward with what each number is, backward with the gradient of the error by each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from xlbackprop.show import blocks, layered
from xlbackprop.show.columns import columns, is_layered
from xlbackprop.show.plots import png, svg
from xlbackprop.spec import Spec, dumps, loads, override

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORWARD, BACKWARD = "network", "network-backward"  # the ends of the files' names


def drawn(spec: Spec, stem: str) -> Iterator[tuple[str, bytes]]:
    """Both pictures, as PNG and as SVG, each with the name of its file."""
    for end, figure in pictures(spec).items():
        on_overview = end == FORWARD and "forward" not in spec.left
        yield f"{stem}-{end}.png", forward_png(spec) if on_overview else png(figure)
        yield f"{stem}-{end}.svg", svg(figure)


def pictures(spec: Spec) -> dict[str, Figure]:
    """The forward picture as `network`, and `backward`; both with the numbers of step 0."""
    values = step_0(spec)
    forward = _drawn(spec, values, backward=False) if "forward" in spec.left else _forward(dumps(spec))[0]
    return {FORWARD: forward, BACKWARD: _drawn(spec, values, backward=True)}


def forward_png(spec: Spec) -> bytes:
    """The forward picture for a workbook's Overview."""
    return _forward(dumps(spec))[1]  # a circuit's parameters are a dictionary, which no cache takes


@lru_cache(maxsize=1)  # a run has it in the workbook and as files
def _forward(text: str) -> tuple[Figure, bytes]:
    spec = loads(text)
    figure = _drawn(spec, forward_values(spec), backward=False)
    return figure, png(figure)


def forward_values(spec: Spec) -> dict[str, float]:
    """What the forward picture tells: of a worksheet whose units are to be filled in, only what is given."""
    values = step_0(spec)
    if "forward" not in spec.left:
        return values
    return {name: values[name] for name in (*spec.inputs, *spec.targets, *spec.initial)}


def step_0(spec: Spec) -> dict[str, float]:
    """Every quantity of the first row of the training table, which has the weights that the network starts with."""
    from xlbackprop.reference.run import train

    first = override(spec, steps=1, rates=spec.rates[:1])
    return {name: float(values[0, 0]) for name, values in train(first).values.items()}


def _drawn(spec: Spec, values: dict[str, float], *, backward: bool) -> Figure:
    what = "From the error back, its gradient by each number" if backward else "Forward"
    about = f"{what}, {_row(spec)}"
    if is_layered(spec):
        gradient = "gradient" if backward else "weight"
        note = f"An arrow is as wide as its {gradient} is large; blue is above 0, orange and dashed below."
        return layered.draw(columns(spec, values, backward=backward), spec.title, about, [note], backward=backward)
    return blocks.draw(blocks.blocks(spec, values, backward=backward), spec.title, about, backward=backward)


def _row(spec: Spec) -> str:
    """What the numbers are those of."""
    sample = spec.order[0] + 1 if spec.order else 1
    return "step 0" + (f", sample {sample} of {len(spec.samples)}" if len(spec.samples) > 1 else "")
