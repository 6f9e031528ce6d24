"""A worksheet whose long table is written row by row, as shared formulas, and never held in memory.

XlsxWriter runs 29 regular expressions over each formula and keeps each cell; a training table has
hundreds of thousands of cells and some thirty different formulas. Its worksheet class is made to
be derived from; this one writes the rows of the table's body itself, straight into the sheet's
XML, with each column's formula once (`<f t="shared" ref=...>`) and only values below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from xml.sax.saxutils import escape

from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from xlbackprop.sheet.address import cell_name, column_name


@dataclass(frozen=True)
class StreamedColumn:
    """A column of the body: its format and, by row counted from 0, its formulas (without `=`).

    Rows of the same shape have the same formula, filled down. A row whose shape is None has no
    cell; one whose shape is ALONE has a formula that no other row shares; one whose shape is EMPTY
    has a cell with nothing in it, in the format `empty`.
    """

    format: Format
    formula: Callable[[int], str]
    shape: Callable[[int], Hashable]
    empty: Format | None = None


ALONE, EMPTY = object(), object()


class ExactSheet(Worksheet):  # type: ignore[misc]
    """A worksheet that writes numbers with all their digits; XlsxWriter's own keeps 16, which loses bits.

    Formulas are written as they are. XlsxWriter looks in each for functions newer than we use.
    """

    def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
        return formula.removeprefix("=")

    def _xml_number_element(self, number: float, attributes: Sequence[tuple[str, object]] = ()) -> None:
        attr = "".join(f' {key}="{value}"' for key, value in attributes)
        self.fh.write(f"<c{attr}><v>{number!r}</v></c>")


class StreamedSheet(ExactSheet):
    dim_rowmax: int  # XlsxWriter's: the last row with anything in it
    _top = 0
    _count = 0
    _columns: Sequence[StreamedColumn] = ()
    _rows: Callable[[], Iterable[Sequence[float]]] = tuple
    _alike: Callable[[int], Hashable] = bool

    def stream(
        self,
        top: int,
        count: int,
        columns: Sequence[StreamedColumn],
        rows: Callable[[], Iterable[Sequence[float]]],
        alike: Callable[[int], Hashable] = bool,
    ) -> None:
        """Set the body: `count` rows from row `top`, in columns from 0 on.

        `rows` is called once, when the sheet is written; it gives a value for each cell of a row, nan
        for an error. Rows that are `alike` have cells of the same shapes.
        """
        self._top, self._count, self._columns, self._rows, self._alike = top, count, columns, rows, alike
        self._check_dimensions(top, 0)
        self._check_dimensions(top + count - 1, len(columns) - 1)

    # What follows stands in for XlsxWriter's own steps in writing a sheet.

    def _write_rows(self) -> None:
        last, self.dim_rowmax = self.dim_rowmax, self._top - 1
        super()._write_rows()
        self.dim_rowmax = last
        self.fh.writelines(self._body())

    def _body(self) -> Iterable[str]:
        styles = [
            (column.format._get_xf_index(), column.empty and column.empty._get_xf_index()) for column in self._columns
        ]
        shared: dict[tuple[int, Hashable], int] = {}  # the number of each shared formula
        templates: dict[Hashable, tuple[str, list[bool] | None]] = {}  # and which cells hold their value
        for k, calculated in enumerate(self._rows()):
            row, kind = str(self._top + k + 1), self._alike(k)
            made = templates.get(kind)
            if made is None:
                known, shapes = len(shared), [column.shape(k) for column in self._columns]
                cells = [self._cell(k, index, style, shared) for index, style in enumerate(styles)]
                made = "".join(cells), [shape is not EMPTY for shape in shapes] if EMPTY in shapes else None
                if len(shared) == known and ALONE not in shapes:  # else it says what later rows need not say again
                    templates[kind] = made
            template, filled = made
            values = calculated if filled is None else list(compress(calculated, filled))
            template = template.replace("\0", row)
            if math.isfinite(math.fsum(values)):
                yield f'<row r="{row}">' + template % tuple(values) + "</row>"
            else:
                yield f'<row r="{row}">' + _with_errors(template, values) + "</row>"

    def _cell(self, k: int, index: int, style: tuple[int, int | None], shared: dict[tuple[int, Hashable], int]) -> str:
        """The cell of column `index` in the body's k-th row, with %r for its value and NUL for its row."""
        column = self._columns[index]
        shape = column.shape(k)
        if shape is None:
            return ""
        if shape is EMPTY:
            return f'<c r="{column_name(index)}\0" s="{style[1]}"/>'
        number = shared.get((index, shape))
        if shape is ALONE:
            formula = f"<f>{escape(column.formula(k))}</f>"
        elif number is None:
            number = shared[index, shape] = len(shared)
            ref = f"{cell_name(self._top + k, index)}:{cell_name(self._top + self._count - 1, index)}"
            formula = f'<f t="shared" ref="{ref}" si="{number}">{escape(column.formula(k))}</f>'
        else:
            formula = f'<f t="shared" si="{number}"/>'
        return f'<c r="{column_name(index)}\0" s="{style[0]}">{formula.replace("%", "%%")}<v>%r</v></c>'


def _with_errors(template: str, values: Sequence[float]) -> str:
    *cells, rest = template.split("</c>")
    written = []
    for text, value in zip(cells, values):
        if math.isnan(value):
            empty, start, cell = text.rpartition("<c ")  # cells that hold nothing may stand before it
            cell = cell.replace(' s="', ' t="e" s="', 1).replace("%r", "#NUM!").replace("%%", "%")
            written.append(f"{empty}{start}{cell}</c>")
        else:
            written.append(text % value + "</c>")
    return "".join(written) + rest
