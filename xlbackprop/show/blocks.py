"""The drawing of a network with other layers than dense ones: a block a layer, from the inputs down to the error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from xlbackprop.graph.program import Role
from xlbackprop.sheet.styles import HEADER_COLOUR
from xlbackprop.show.drawing import GREY, NORMAL, SMALL, Drawing, number, shortened, width_of
from xlbackprop.spec import Spec, gradient_name, total_error
from xlbackprop.spec.layer import times
from xlbackprop.spec.layers import Circuit, Conv, Pool, Residual
from xlbackprop.spec.placing import INPUTS
from xlbackprop.spec.shapes import Names, Placed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADS = ("layer", "what it does", "makes", "its outputs", "parameters")
HEADS_BACKWARD = (*HEADS[:3], "‖∂E/∂outputs‖", "‖∂E/∂parameters‖")
MOST_SHOWN = 3  # numbers or names; of more stand the ends
LINE, BETWEEN, PADDING, ARC = 0.24, 0.26, 0.12, 0.5  # inches
OPTIONS = ("stride", "padding", "dilation", "p", "groups", "copies", "parts", "causal", "mode")


@dataclass(frozen=True)
class Block:
    """A layer: a text for each head, formulas below, and the place of the block that a skip connection comes from."""

    texts: tuple[str, ...]
    role: Role
    formulas: tuple[str, ...] = ()
    skip: int | None = None

    @property
    def height(self) -> float:
        return LINE * (1 + len(self.formulas)) + 0.06


def blocks(spec: Spec, values: Mapping[str, float], *, backward: bool) -> list[Block]:
    """The blocks from the inputs to the error."""

    def told(outputs: Names, parameters: Names) -> tuple[str, str]:
        if not backward:
            return _numbers([values[name] for name in outputs if name in values]), _names(parameters)
        return _norm(values, map(spec.adjoint, outputs)), _norm(values, map(gradient_name, parameters))

    result = [Block((INPUTS, "", times(spec.shape_in), *told(spec.inputs, ())), Role.INPUT)]
    places = {INPUTS: 0}
    for place, one in enumerate(spec.placed, 1):
        parameters = tuple(dict.fromkeys(name for tensor in one.tensors for name in tensor.names if name))
        texts = (shortened(one.name), _what(one), times(one.shape), *told(one.outputs, parameters))
        skip = places[one.layer.of] if isinstance(one.layer, Residual) else None
        formulas = _formulas(spec, one.layer, values, backward=backward) if isinstance(one.layer, Circuit) else ()
        result.append(Block(texts, Role.DELTA if backward else Role.UNIT, tuple(formulas), skip))
        places[one.name] = place
    total = "1" if backward else _numbers([values[name] for name in [total_error()] if name in values])
    return [*result, Block((total_error(), spec.loss, "", total, ""), Role.TOTAL_ERROR)]


def draw(network: Sequence[Block], title: str, about: str, *, backward: bool) -> Figure:
    """The drawing; arrows go the way that the numbers are calculated, a skip connection's in an arc at the right."""
    heads = HEADS_BACKWARD if backward else HEADS
    rows = [heads, *(block.texts for block in network)]
    widths = [max(width_of(row[k], NORMAL, "normal" if k else "bold") for row in rows) + 2 * PADDING for k in range(5)]
    formulas = [width_of(text) for block in network for text in block.formulas]
    width = max(sum(widths), *formulas, 0.0) + PADDING if formulas else sum(widths)
    arc = ARC if any(block.skip is not None for block in network) else 0.0
    height = sum(block.height for block in network) + BETWEEN * (len(network) - 1)
    drawing = Drawing.framed(width + arc, height + 0.3, title, about, [])
    left, right, y = (drawing.width - width - arc) / 2, (drawing.width + width - arc) / 2, drawing.bottom + height
    _row(drawing, heads, widths, left, y + 0.17, size=SMALL, color=GREY)
    tops = []
    for block in network:
        tops.append(y)
        drawing.rectangle(
            left, y - block.height, width, block.height, facecolor=HEADER_COLOUR[block.role], edgecolor="#777777"
        )
        _row(drawing, block.texts, widths, left, y - block.height / 2 + LINE * len(block.formulas) / 2)
        for k, text in enumerate(block.formulas, 1):
            drawing.text(left + 2 * PADDING, y - 0.03 - LINE * (k + 0.5), text, ha="left")
        y -= block.height + BETWEEN
    middle = left + width / 2
    for (upper, top), (_, below) in pairwise(zip(network, tops)):
        ends = ((middle, top - upper.height), (middle, below))
        drawing.arrow(*(ends[::-1] if backward else ends), linewidth=1.5)
    for block, top in zip(network, tops):
        if block.skip is not None:
            ends = ((right, tops[block.skip] - LINE / 2), (right, top - LINE / 2))
            # An arc reaches out by half its bend: as far as there is room, however long it is.
            bend = 2 * (ARC - 0.1) / (ends[0][1] - ends[1][1])
            drawing.arrow(*(ends[::-1] if backward else ends), bend=bend if backward else -bend, linewidth=1.5)
    return drawing.figure


def _row(drawing: Drawing, texts: Sequence[str], widths: Sequence[float], left: float, y: float, **style: Any) -> None:
    for k, (text, width) in enumerate(zip(texts, widths)):
        drawing.text(left + PADDING, y, text, ha="left", weight="normal" if k else "bold", **style)
        left += width


def _numbers(values: Sequence[float]) -> str:
    if len(values) <= MOST_SHOWN:
        return ", ".join(map(number, values))
    return f"{number(min(values))} to {number(max(values))}"


def _names(parameters: Names) -> str:
    if len(parameters) <= MOST_SHOWN:
        return ", ".join(map(shortened, parameters))
    return f"{len(parameters)}: {shortened(parameters[0])} ... {shortened(parameters[-1])}"


def _norm(values: Mapping[str, float], names: Iterable[str]) -> str:
    """The Euclidean norm of those that are calculated; nothing if none are."""
    numbers = [values[name] for name in names if name in values]
    return number(math.hypot(*numbers)) if numbers else ""


def _what(one: Placed) -> str:
    """The layer's kind with what is not as usual, and its activation function."""
    layer = one.layer
    words = [str(layer.__struct_config__.tag)]
    if isinstance(layer, Residual):
        words = [f"adds {shortened(layer.of)}"]
    if isinstance(layer, Pool):
        words = [f"{layer.how} pool"]
    if isinstance(layer, (Conv, Pool)):
        words.append(f"kernel {times(layer.window(one.shape_in).kernel)}")
    usual = dict(zip(reversed(layer.__struct_fields__), reversed(layer.__struct_defaults__)))
    for key in OPTIONS:
        value = getattr(layer, key, usual.get(key))
        if value != usual.get(key):
            shown = times(value) if isinstance(value, tuple) else str(value)
            words.append(shown if key == "mode" else key if value is True else f"{key} {shown}")
    return ", ".join([*words, *([one.activation] if one.activation else [])])


def _formulas(spec: Spec, layer: Circuit, values: Mapping[str, float], *, backward: bool) -> Iterable[str]:
    """Each formula with its value, or with the gradient of the error by it."""
    for name, formula in layer.cells:
        told = spec.adjoint(name) if backward else name
        equals = f"{shortened(name)} = {formula}" + (f"    {told}" if backward else "")
        yield f"{equals} = {number(values[told])}" if told in values else equals
