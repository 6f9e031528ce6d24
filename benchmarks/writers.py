"""The formulas of the training tables by other means: openpyxl, XlsxWriter, and the least that Python can do."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from benchmarks.case import Case, Setting
from xlbackprop.graph.program import Cell
from xlbackprop.sheet.address import cell_name, column_name
from xlbackprop.sheet.layout import Kind, Layout

_ROW = 555_555_555  # no formula has this number of its own
_OWN, _ABOVE = "\0", "\1"  # what stands for a row's number and that of the row above, until they are known
_BLOCK = 256  # rows that are handed to zlib at once

_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

Row = tuple[float, ...]


class Tables:
    """The training tables as texts: in every sheet the same formulas."""

    def __init__(self, setting: Setting) -> None:
        self.layout = layout = setting.layout
        self.path = setting.folder / "other.xlsx"
        self.top, self.count = layout.FIRST_ROW, layout.batches.visits
        self.down = [_template(layout, cell) for cell in layout.shown]
        self.first = [None if cell.first is None else layout.table_rows.formula(cell, 0) for cell in layout.shown]
        self._check()

    @property
    def cells(self) -> int:
        return len(self.layout.sheets) * self.count * len(self.down)

    def formulas(self) -> list[list[str]]:
        """Row by row, with their `=`."""
        whole = "\n".join("=" + text for text in self.down)
        rows = [_in_row(whole, row).split("\n") for row in range(self.top, self.top + self.count)]
        rows[0] = [text if first is None else f"={first}" for text, first in zip(rows[0], self.first)]
        return rows

    def values(self, rate: int) -> list[Row]:
        from xlbackprop.sheet.tables import given
        from xlbackprop.sheet.values import table_rows

        return list(table_rows(self.layout.table, given(self.layout, rate), self.layout.batches))

    def _check(self) -> None:
        """The templates give what the layout gives."""
        runs = [run for run in self.layout.runs() if run.kind is Kind.TABLE and run.rate == 0]
        last = [_in_row(text, self.top + self.count - 1) for text in self.down]
        assert last == [self.layout.run_formula(run, self.count - 1) for run in runs]


def _template(layout: Layout, cell: Cell) -> str:
    """The formula without its `=`, with signs in place of the numbers of its row and the row above."""
    return (
        layout.table_rows.formula(cell, _ROW - layout.FIRST_ROW).replace(str(_ROW + 1), _OWN).replace(str(_ROW), _ABOVE)
    )


def _in_row(template: str, row: int) -> str:
    return template.replace(_OWN, str(row + 1)).replace(_ABOVE, str(row))


# openpyxl and XlsxWriter


def openpyxl_normal(setting: Setting) -> Case:
    return _openpyxl(setting, write_only=False)


def openpyxl_write_only(setting: Setting) -> Case:
    return _openpyxl(setting, write_only=True)


def _openpyxl(setting: Setting, *, write_only: bool) -> Case:
    import openpyxl.packaging.extended  # noqa: F401  # which it loads when it saves
    from openpyxl import Workbook

    tables = Tables(setting)
    above: list[list[str]] = [[]] * tables.top
    rows = above + tables.formulas()

    def work() -> None:
        book = Workbook(write_only=write_only)
        if not write_only:
            book.remove(book.active)
        for name in tables.layout.sheets:
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(row)
        book.save(tables.path)

    return Case(work, tables.cells)


def xlsxwriter_as_it_comes(setting: Setting) -> Case:
    from xlsxwriter import Workbook

    tables = Tables(setting)
    rows = tables.formulas()
    values = [tables.values(rate) for rate in range(len(tables.layout.sheets))]

    def work() -> None:
        book = Workbook(str(tables.path))
        for name, table in zip(tables.layout.sheets, values):
            sheet = book.add_worksheet(name)
            for k, (row, numbers) in enumerate(zip(rows, table), tables.top):
                for column, (formula, number) in enumerate(zip(row, numbers)):
                    sheet.write_formula(k, column, formula, None, number)
        book.close()

    return Case(work, tables.cells)


# The floor: nothing but the cells, each column's formula once, and values that are given


def floor(setting: Setting) -> Case:
    tables = Tables(setting)
    values = [tables.values(rate) for rate in range(len(tables.layout.sheets))]
    return Case(lambda: _write_floor(tables, values), tables.cells)


def _write_floor(tables: Tables, values: Sequence[Sequence[Row]]) -> None:
    with zipfile.ZipFile(tables.path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        for path, text in _frame(tables.layout.sheets).items():
            package.writestr(path, text)
        for k, rows in enumerate(values, 1):
            with package.open(f"xl/worksheets/sheet{k}.xml", "w") as part:
                part.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                for block in _blocks(tables, rows):
                    part.write(block.encode())
                part.write(b"</sheetData></worksheet>")


def _blocks(tables: Tables, rows: Sequence[Row]) -> Iterator[str]:
    heads = [_row_template(tables, k) for k in range(3)]
    for start in range(0, len(rows), _BLOCK):
        yield "".join(
            heads[min(k, 2)].replace(_OWN, str(tables.top + k + 1)) % values
            for k, values in enumerate(rows[start : start + _BLOCK], start)
        )


def _row_template(tables: Tables, k: int) -> str:
    """The body's k-th row (from 2 on they are alike), with a sign for its number and %r for each value."""
    cells = []
    for column, (first, down) in enumerate(zip(tables.first, tables.down)):
        shared_from = int(first is not None)
        formula = f'<f t="shared" si="{column}"/>'
        if k == shared_from:
            span = f"{cell_name(tables.top + k, column)}:{cell_name(tables.top + tables.count - 1, column)}"
            formula = f'<f t="shared" ref="{span}" si="{column}">{escape(_in_row(down, tables.top + k))}</f>'
        elif k < shared_from:
            formula = f"<f>{escape(first or '')}</f>"
        cells.append(f'<c r="{column_name(column)}{_OWN}">{formula.replace("%", "%%")}<v>%r</v></c>')
    return f'<row r="{_OWN}">' + "".join(cells) + "</row>"


def _frame(sheets: Sequence[str]) -> dict[str, str]:
    """The parts that a workbook needs beside its worksheets."""
    parts = [f"worksheets/sheet{k}.xml" for k in range(1, len(sheets) + 1)]
    overrides = "".join(f'<Override PartName="/xl/{part}" ContentType="{_TYPES}.worksheet+xml"/>' for part in parts)
    listed = "".join(f'<sheet name={quoteattr(name)} sheetId="{k}" r:id="rId{k}"/>' for k, name in enumerate(sheets, 1))
    return {
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>{overrides}</Types>',
        "_rels/.rels": _relations("officeDocument", ["xl/workbook.xml"]),
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations("worksheet", parts),
    }


def _relations(kind: str, targets: Sequence[str]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{k}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for k, target in enumerate(targets, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'
