"""What of a worksheet fits a picture that can be read: the first rows of a long one, a wide one in pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from xlbackprop.engine.extent import Area, Extent
from xlbackprop.sheet.address import column_name

# In pixels at 96 to the inch. A README shows about 1000 across: a text of 11 points is then about 10 pixels high.
WIDEST, TALLEST = 1550.0, 1000.0
PIECE = 1150.0  # wide, of a sheet that is wider than that
MOST_PIECES = 4
LARGEST = 6000.0  # of what somebody asks for, in both directions


@dataclass(frozen=True)
class Frame:
    """The areas to show of one sheet, a picture each."""

    areas: tuple[Area, ...]
    repeated: int = 0  # first columns that stand before every area without them
    cut: str = ""  # what was left out, in words


def frame(extent: Extent, rows: int | None = None) -> Frame:
    """The used range, cut after `rows` rows below the frozen ones, or after about a screen and a half."""
    used = extent.used
    if used is None:
        return Frame(())
    bottom = min(used.bottom, extent.frozen_rows + rows - 1) if rows else _bottom(extent, used)
    shown = Area(used.top, used.left, bottom, used.right)
    repeated = extent.frozen_columns
    if repeated and extent.wide(0, repeated - 1) > WIDEST / 3:
        repeated = 0
    left_out = [] if bottom == used.bottom else [f"rows {bottom + 2} to {used.bottom + 1}"]
    pieces = _pieces(extent, shown, repeated)
    if len(pieces) > MOST_PIECES:
        pieces = pieces[:MOST_PIECES]
        left_out.append(f"columns {column_name(pieces[-1].right + 1)} to {column_name(used.right)}")
    return Frame(tuple(pieces), repeated, f"{' and '.join(left_out)} are left out" if left_out else "")


def _bottom(extent: Extent, used: Area) -> int:
    """The last row to show: where the drawings end, or a section does, and never within a drawing."""
    tall, last = 0.0, used.top - 1
    while last < used.bottom and (tall := tall + extent.high(last + 1, last + 1)) <= TALLEST:
        last += 1
    if last == used.bottom:
        return last
    ends = [area.bottom for area in extent.drawings if area.top <= last]
    if ends and max(ends) > last:
        return max(ends) if extent.high(used.top, max(ends)) <= 2 * TALLEST else last
    near = used.top + (last - used.top) * 2 // 3
    if ends and max(ends) >= near:
        return max(ends)
    return next((row - 1 for row in range(last + 1, near, -1) if _is_gap(extent, used, row)), last)


def _is_gap(extent: Extent, area: Area, row: int) -> bool:
    return extent.empty(replace(area, top=row, bottom=row))


def _pieces(extent: Extent, shown: Area, repeated: int) -> list[Area]:
    """The area in pieces of columns, about equally wide, none of which ends within a drawing."""
    wide = extent.wide(shown.left, shown.right)
    count = 1 if wide <= WIDEST else math.ceil(wide / PIECE)
    drawings = [drawing for drawing in extent.drawings if drawing.meets(shown)]
    edges = [
        column
        for column in range(max(shown.left, repeated) + 1, shown.right + 1)
        if not any(drawing.left < column <= drawing.right for drawing in drawings)
    ]
    starts = [shown.left]
    for k in range(1, count):
        later = [column for column in edges if column > starts[-1]]
        if later:
            starts.append(min(later, key=lambda column: abs(extent.wide(shown.left, column - 1) - wide * k / count)))
    pieces = [
        Area(shown.top, left, shown.bottom, right - 1) for left, right in zip(starts, [*starts[1:], shown.right + 1])
    ]
    return [_without_blank_rows(extent, piece) for piece in pieces if not extent.empty(piece)]


def _without_blank_rows(extent: Extent, piece: Area) -> Area:
    """Without those above and below: a sheet's title stands above the first piece alone."""
    filled = [row for row in range(piece.top, piece.bottom + 1) if not _is_gap(extent, piece, row)]
    return replace(piece, top=filled[0], bottom=filled[-1])
