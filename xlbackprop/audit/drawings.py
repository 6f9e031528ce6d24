"""What stands on a worksheet beside its cells: charts, and Excel's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xlbackprop.audit.cells import Place, plain, read_range, whole
from xlbackprop.audit.parts import Damaged, Node, Parts

_ANCHORS = ("twoCellAnchor", "oneCellAnchor", "absoluteAnchor")
_DRAWING = frozenset((*_ANCHORS, "from", "row", "col", "chart"))
# Among them those that only keep what is below them from counting as their parent's.
_CHART = frozenset(
    (
        *("chart", "title", "p", "t", "plotArea", "ser", "tx", "val", "yVal", "cat", "xVal", "f", "v"),
        *("extLst", "dLbls", "trendline", "errBars", "bubbleSize", "legend"),
    )
)
_TABLE = frozenset(("tableColumn",))


@dataclass(frozen=True)
class ListObject:
    """An Excel table; its range holds the header and the totals."""

    name: str
    sheet: str
    first_row: int
    first_column: int
    last_row: int
    last_column: int
    header_rows: int
    totals_rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    name: str | None  # the text of a reference, or a literal text
    name_is_reference: bool
    values: str | None  # the text of a reference
    categories: str | None


@dataclass(frozen=True)
class Chart:
    sheet: str
    title: str
    series: tuple[Series, ...]
    anchor: Place | None  # the cell under its top left corner


def read_list_object(parts: Parts, part: str, sheet: str) -> ListObject:
    """Raises Damaged."""
    root = parts.tree(part, _TABLE)
    attributes = root.attributes
    name, area = attributes.get("displayName") or attributes.get("name"), read_range(attributes.get("ref", ""))
    if not name or area is None:
        raise Damaged(f"{part} names no range")
    columns = tuple(plain(column.attributes.get("name", "")) for column in root.below("tableColumn"))
    header, totals = whole(attributes.get("headerRowCount", "1")), whole(attributes.get("totalsRowCount", "0"))
    return ListObject(name, sheet, *area, 1 if header is None else header, totals or 0, columns)


def read_charts(parts: Parts, drawing: str, sheet: str, notes: list[str]) -> Iterator[Chart]:
    """The charts of a drawing; of one that is damaged a note. Raises Damaged for the drawing itself."""
    relations = parts.relations(drawing)
    seen = set()  # a chart is named again in what stands in for it where it cannot be drawn
    for anchor in parts.tree(drawing, _DRAWING).children:
        for node in anchor.below("chart"):
            relation = relations.get(node.attributes.get("id", ""))
            if relation is None or relation.kind != "chart" or relation.target in seen:
                continue
            seen.add(relation.target)
            try:
                yield _chart(parts.tree(relation.target, _CHART), sheet, _corner(anchor))
            except Damaged as error:
                notes.append(f"{sheet}: a chart was not read; {error}")


def _corner(anchor: Node) -> Place | None:
    start = anchor.child("from") or Node("from", {})
    row, column = (start.child(tag) for tag in ("row", "col"))
    return (whole(row.text) or 0, whole(column.text) or 0) if row and column else None


def _chart(root: Node, sheet: str, anchor: Place | None) -> Chart:
    chart = root.child("chart") or root
    plot = chart.child("plotArea")
    series = tuple(_series(node) for node in plot.children if node.tag == "ser") if plot else ()
    return Chart(sheet, _title(chart.child("title")), series, anchor)


def _title(title: Node | None) -> str:
    """As it is shown: its own text, or what the file carries for the cell that it refers to."""
    if title is None:
        return ""
    paragraphs = ["".join(run.text for run in paragraph.below("t")) for paragraph in title.below("p")]
    return " ".join(filter(None, paragraphs)) or " ".join(node.text for node in title.below("v"))


def _series(node: Node) -> Series:
    name = node.child("tx")
    reference = _reference(name)
    text = next(name.below("v"), None) if name else None
    return Series(
        reference if reference is not None else text.text if text else None,
        reference is not None,
        _reference(node.child("val") or node.child("yVal")),
        _reference(node.child("cat") or node.child("xVal")),
    )


def _reference(node: Node | None) -> str | None:
    formula = next(node.below("f"), None) if node else None
    return formula.text.strip().removeprefix("=") or None if formula else None
