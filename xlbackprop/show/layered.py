"""The drawing of a network of dense layers: a box for each unit, an arrow for each weight, the error at the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from xlbackprop.sheet.styles import HEADER_COLOUR
from xlbackprop.show.columns import Column, Edge, Unit
from xlbackprop.show.drawing import GREY, SMALL, Drawing, shortened, sign_style, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELS = 24  # on the arrows between two layers; more of them hide the arrows
WITH_LABELS = (1.3, 1.5, 1.8, 2.1, 2.4, 2.8)  # inches between layers that have labels
CROSSING = 0.2  # inches of width that it is worth to have a label cross one arrow less
BARE, CROWDED = 0.6, 1.6  # between columns whose arrows have none, because they are no weights, or too many
LINE, PADDING = 0.19, 0.06  # inches
ALONG = sorted((k / 40 for k in range(4, 37)), key=lambda t: (abs(t - 0.5), t))  # where a label may stand on its arrow


@dataclass(frozen=True)
class Label:
    """A text on an arrow; its centre, counted from the lower end of the gap, and its size in inches."""

    text: str
    x: float
    y: float

    @property
    def width(self) -> float:
        return width_of(self.text, SMALL) + 0.08

    height = 0.16

    def meets(self, other: Label) -> bool:
        beside = abs(self.x - other.x) >= (self.width + other.width) / 2
        return not beside and abs(self.y - other.y) < self.height


@dataclass(frozen=True)
class Gap:
    """The room between two columns; `edges` with the heights of their two ends, `labels` where they have room."""

    width: float
    edges: tuple[tuple[Edge, float, float], ...]
    labels: tuple[Label, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether it has weights that are not named."""
        return not self.labels and any(edge.weight for edge, _, _ in self.edges)


def draw(network: Sequence[Column], title: str, about: str, notes: Sequence[str], *, backward: bool) -> Figure:
    """The drawing, of the weights' names and numbers with as many as have room."""
    tall = max(1.0, *(len(column.units) * _pitch(column) for column in network))
    if any(len(column.units) > 1 for column in network):
        tall = max(tall, 2.6)  # slanted arrows have room for their labels then
    gaps = [_gap(before, column, tall) for before, column in pairwise(network)]
    widths = [_width(column) for column in network]
    if any(gap.is_silent for gap in gaps):
        notes = [*notes, "Where too many weights meet, their names are left out."]
    headings = 0.17 * max(len(column.heading) for column in network)
    inner = sum(widths) + sum(gap.width for gap in gaps)
    drawing = Drawing.framed(inner, tall + headings + 0.1, title, about, notes)
    left, bottom = (drawing.width - inner) / 2, drawing.bottom
    weights = [edge.weight.value for gap in gaps for edge, _, _ in gap.edges if edge.weight]
    largest = max((abs(value) for value in weights if value is not None and math.isfinite(value)), default=0.0)
    for column, width, gap in zip(network, widths, [*gaps, Gap(0, ())]):
        for k, text in enumerate(column.heading):
            style = {"size": SMALL, "color": GREY} if k else {"weight": "bold"}
            drawing.text(left + width / 2, bottom + tall + headings - 0.17 * k, text, **style)
        for k, unit in enumerate(column.units):
            _draw_unit(drawing, unit, left, bottom + _height(column, tall, k), width)
        left += width
        for edge, start, end in gap.edges:
            ends = ((left, bottom + start), (left + gap.width, bottom + end))
            style = sign_style(edge.weight.value if edge.weight else None, largest)
            drawing.arrow(*(ends[::-1] if backward else ends), **style)
        for label in gap.labels:
            drawing.label(left + label.x, bottom + label.y, label.text)
        left += gap.width
    return drawing.figure


def _width(column: Column) -> float:
    """Of its boxes, which are all as wide as the longest line, and of its heading."""
    texts = [one.text for unit in column.units if unit for one in (*unit.quantities, unit.bias) if one]
    boxes = max(map(width_of, texts)) + 4 * PADDING
    return max(boxes, *(width_of(text, weight="bold") for text in column.heading))


def _pitch(column: Column) -> float:
    """The least distance of its units from each other."""
    return max(LINE * (len(unit.quantities) + bool(unit.bias)) for unit in column.units if unit) + 0.25


def _height(column: Column, tall: float, k: int) -> float:
    """Where the centre of its k-th unit is."""
    return tall * (1 - (k + 0.5) / len(column.units))


def _draw_unit(drawing: Drawing, unit: Unit | None, left: float, y: float, width: float) -> None:
    if unit is None:
        drawing.text(left + width / 2, y, "⋮", size=14)
        return
    top = y + LINE * len(unit.quantities) / 2
    for k, one in enumerate(unit.quantities):
        bottom = top - LINE * (k + 1)
        drawing.rectangle(left, bottom, width, LINE, facecolor=HEADER_COLOUR[one.role], edgecolor="none")
        drawing.text(left + width / 2, bottom + LINE / 2, one.text)
    whole = LINE * len(unit.quantities)
    drawing.rectangle(left, top - whole, width, whole, facecolor="none", edgecolor="#777777")
    if unit.bias:
        bottom = top - whole - 0.03 - LINE
        drawing.rectangle(left, bottom, width, LINE, facecolor=HEADER_COLOUR[unit.bias.role], edgecolor="none")
        drawing.text(left + width / 2, bottom + LINE / 2, unit.bias.text, size=SMALL)


def _gap(before: Column, column: Column, tall: float) -> Gap:
    """A gap whose labels have room, with the numbers if these have too, and cross few arrows."""
    edges = tuple(
        (edge, _height(before, tall, edge.source), _height(column, tall, edge.target)) for edge in column.edges
    )
    weights = [edge.weight for edge in column.edges if edge.weight]
    if not weights:
        return Gap(BARE, edges)
    ends = [(start, end) for _, start, end in edges]
    if len(weights) <= MOST_LABELS:
        for texts in ([one.text for one in weights], [shortened(one.name) for one in weights]):
            tried = [(width, *labelled) for width in WITH_LABELS if (labelled := _labels(texts, ends, width))]
            if tried:
                width, labels, _ = min(tried, key=lambda one: one[0] + CROSSING * one[2])
                return Gap(width, edges, tuple(labels))
    return Gap(CROWDED, edges)


def _labels(texts: Sequence[str], ends: Sequence[tuple[float, float]], width: float) -> tuple[list[Label], int] | None:
    """A label on each arrow, meeting no other and few arrows, and how many these are; None without room."""
    placed: list[Label] = []
    crossings = 0
    for text, (start, end) in zip(texts, ends):
        candidates = [Label(text, t * width, start + t * (end - start)) for t in ALONG]
        inside = [one for one in candidates if one.width / 2 <= min(one.x, width - one.x) - 0.08]
        free = [one for one in inside if not any(one.meets(other) for other in placed)]
        if not free:
            return None
        crossed = [sum(_crosses(one, *line, width) for line in ends) - 1 for one in free]
        crossings += min(crossed)
        placed.append(free[crossed.index(min(crossed))])
    return placed, crossings


def _crosses(label: Label, start: float, end: float, width: float) -> bool:
    """Whether an arrow from one side of the gap to the other runs through the label."""
    ys = [start + (end - start) * (label.x + side * label.width / 2) / width for side in (-1, 1)]
    return min(ys) < label.y + label.height / 2 and max(ys) > label.y - label.height / 2
