"""Charts of a table: each range that shows less or more than the column is named, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import LineChart, Reference, ScatterChart
from openpyxl.chart import Series as ChartSeries

from xlbackprop.audit.book import read
from xlbackprop.audit.charts import area_of, chart_warnings, missing
from xlbackprop.audit.tables import Column, Table

FIRST, LAST = 5, 14  # rows of the table, from 1; its header is in row 4
ROWS, HEADER, VALUE = "chart-rows", "chart-header", "chart-first-value"


@pytest.mark.parametrize(
    ("shown", "lane", "expected"),
    [
        ((4, 13), (4, 13), (0, 0)),
        ((3, 13), (4, 13), (0, 0)),
        ((4, 500), (4, 13), (0, 0)),
        ((5, 13), (4, 13), (1, 0)),
        ((4, 12), (4, 13), (0, 1)),
        ((7, 9), (4, 13), (3, 4)),
    ],
)
def test_missing(shown: tuple[int, int], lane: tuple[int, int], expected: tuple[int, int]) -> None:
    assert missing(shown, lane) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sheet1!$W$33:$W$100", ("Sheet1", (32, 22, 99, 22))),
        ("'η = 0.1'!$W$22:$W$84", ("η = 0.1", (21, 22, 83, 22))),
        ("$B$2", ("Here", (1, 1, 1, 1))),
        ("A!$C:$C", ("A", (0, 2, 1048575, 2))),
        ("(A!$B$1:$B$3,A!$B$5)", None),
        ("A!losses", None),
        ("#REF!", None),
        ("", None),
        (None, None),
    ],
)
def test_area_of(text: str | None, expected: tuple[str, tuple[int, ...]] | None) -> None:
    assert area_of(text, "Here") == expected


def _tables(*sheets: str, vertical: bool = True) -> list[Table]:
    def place(row: int, column: int) -> tuple[int, int]:
        return (row, column) if vertical else (column, row)

    rows = range(FIRST - 1, LAST)
    columns = tuple(
        Column(label, tuple(place(row, k) for row in rows)) for k, label in enumerate(("step", "E_total"), 1)
    )
    return [Table(sheet, columns, len(rows), vertical) for sheet in sheets]


def _workbook(path: Path, *series: ChartSeries, scatter: bool = False, vertical: bool = True) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "My sheet"
    for row in range(FIRST - 1, LAST + 1):
        for column, value in ((2, row - FIRST), (3, 1 / row)):
            where = (row, column) if vertical else (column, row)
            sheet.cell(*where, "E_total" if row < FIRST else value)
    sheet["B2"] = "Loss"
    chart: Any = ScatterChart() if scatter else LineChart()
    chart.title = "Falling"
    for one in series:
        chart.series.append(one)
    sheet.add_chart(chart, "H3")
    workbook.save(path)
    return path


def _series(values: str, name: str | None = None) -> ChartSeries:
    from openpyxl.chart.series import SeriesLabel

    series = ChartSeries(Reference(range_string="'My sheet'!$A$1:$A$2"))
    series.val.numRef.f = values
    series.tx = SeriesLabel(strRef=openpyxl.chart.data_source.StrRef(name)) if name else None
    return series


S = "'My sheet'!"
CASES = [
    ((f"{S}$C$5:$C$14", None), []),
    ((f"{S}$C$5:$C$14", f"{S}$C$4"), []),
    ((f"{S}$C$5:$C$900", f"{S}$B$2"), []),  # blank cells below
    ((f"{S}$C$5:$C$13", f"{S}$C$4"), [(ROWS, "leaves out the last row of the table (C14); its values")]),
    ((f"{S}$C$7:$C$11", None), [(ROWS, "first 2 rows of the table (C5:C6)"), (ROWS, "last 3 rows")]),
    ((f"{S}$C$4:$C$14", None), [(HEADER, "the header (C4) as a value; its values should be 'My sheet'!$C$5:$C$14")]),
    ((f"{S}$C:$C", None), [(HEADER, "(C4)")]),
    ((f"{S}$C$6:$C$14", f"{S}$C$5"), [(VALUE, "takes the first value (C5) for the name")]),
    ((f"{S}$C$6:$C$9", f"{S}$C$5"), [(VALUE, "(C5)"), (ROWS, "the last 5 rows")]),
    ((f"{S}$C$8:$C$14", f"{S}$C$5"), [(VALUE, "(C5)"), (ROWS, "the first 3 rows")]),
    ((f"{S}$D$5:$D$9", None), []),  # beside the table
    ((f"{S}$C$20:$C$30", None), []),  # below it
    ((f"{S}$B$5:$C$9", None), []),  # of two columns
    ((f"({S}$C$5,{S}$C$9)", None), []),  # chosen cells
    (("Other!$C$5:$C$9", None), []),
]  # fmt: skip


@pytest.mark.parametrize(("series", "expected"), CASES)
def test_one_series(tmp_path: Path, series: tuple[str, str | None], expected: list[tuple[str, str]]) -> None:
    book = read(_workbook(tmp_path / "chart.xlsx", _series(*series)))
    assert len(book.charts[0].series) == 1
    found = chart_warnings(book, _tables("My sheet"))
    assert [one.kind for one in found] == [kind for kind, _ in expected]
    for warning, (_, says) in zip(found, expected):
        assert (warning.sheet, warning.cell) == ("My sheet", "H3")
        assert warning.says.startswith('"Falling" ')
        assert says in warning.says


def test_steps_to_the_right(tmp_path: Path) -> None:
    book = read(_workbook(tmp_path / "chart.xlsx", _series(f"{S}$D$3:$M$3"), vertical=False))
    found = chart_warnings(book, _tables("My sheet", vertical=False))
    assert [(one.kind, one.says) for one in found] == [
        (HEADER, "\"Falling\" shows the header (D3) as a value; its values should be 'My sheet'!$E$3:$N$3"),
        (ROWS, '"Falling" leaves out the last column of the table (N3); '
               "its values should be 'My sheet'!$E$3:$N$3"),
    ]  # fmt: skip


def test_a_scatter_chart(tmp_path: Path) -> None:
    series = ChartSeries(
        Reference(range_string="'My sheet'!$C$5:$C$9"), Reference(range_string="'My sheet'!$B$5:$B$9"), title="E"
    )
    book = read(_workbook(tmp_path / "chart.xlsx", series, scatter=True))
    assert [one.kind for one in chart_warnings(book, _tables("My sheet"))] == [ROWS]


def test_two_series_that_share_a_column(tmp_path: Path) -> None:
    halves = _series(f"{S}$C$5:$C$9"), _series(f"{S}$C$10:$C$14")
    book = read(_workbook(tmp_path / "chart.xlsx", *halves))
    assert chart_warnings(book, _tables("My sheet")) == []


def test_each_series_of_a_chart(tmp_path: Path) -> None:
    book = read(_workbook(tmp_path / "chart.xlsx", _series(f"{S}$B$5:$B$14"), _series(f"{S}$C$5:$C$9")))
    assert [one.kind for one in chart_warnings(book, _tables("My sheet"))] == [ROWS]


def test_a_form_has_no_rows_to_miss(tmp_path: Path) -> None:
    book = read(_workbook(tmp_path / "chart.xlsx", _series(f"{S}$C$4:$C$9")))
    form = Table("My sheet", (Column("E_total", ((4, 2),)),), 1)
    assert chart_warnings(book, [form]) == []


WILD = {
    "01-class-template": [],
    "02-seven-tables": [],
    "03-libreoffice": [VALUE, ROWS],
}


@pytest.mark.parametrize("name", WILD)
def test_charts_of_the_wild(wild: Path, name: str) -> None:
    from xlbackprop.audit.references import Formulas
    from xlbackprop.audit.tables import find_tables

    book = read(wild / f"{name}.xlsx")
    tables = [table for sheet in book.sheets.values() for table in find_tables(sheet, Formulas(book))]
    assert [one.kind for one in chart_warnings(book, tables)] == WILD[name]
