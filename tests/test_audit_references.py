"""Structured references of Excel tables: which cell or column each means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from xlbackprop.audit.book import read
from xlbackprop.audit.drawings import ListObject
from xlbackprop.audit.formula import Field
from xlbackprop.audit.references import Formulas

# D6:F12 with a header and totals: the numbers stand in rows 7 to 11, counted from 1.
TABLE = ListObject("Training", "Sheet", 5, 3, 11, 5, 1, 1, ("w1", "a h1", "E'"))
INSIDE, OUTSIDE = (7, 4), (7, 6)
AREA = ("Sheet", (6, 4), (10, 4))


@pytest.fixture(scope="module")
def formulas(small: Path) -> Formulas:
    return Formulas(replace(read(small), list_objects={"Training": TABLE}))


@pytest.mark.parametrize(
    ("field", "place", "area"),
    [
        (Field("Training", "a h1", False), OUTSIDE, AREA),
        (Field("TRAINING", "A H1", False), OUTSIDE, AREA),
        (Field("", "a h1", False), INSIDE, AREA),
        (Field("", "w1", False), INSIDE, ("Sheet", (6, 3), (10, 3))),
        (Field("", "w1", False), OUTSIDE, None),
        (Field("Training", "w2", False), INSIDE, None),
        (Field("Other", "w1", False), INSIDE, None),
    ],
)
def test_a_column_is_what_stands_between_header_and_totals(
    formulas: Formulas, field: Field, place: tuple[int, int], area: object
) -> None:
    assert formulas.field_area(field, "Sheet", place) == area


@pytest.mark.parametrize(
    ("field", "sheet", "place", "cell"),
    [
        (Field("Training", "a h1", True), "Sheet", OUTSIDE, (7, 4)),
        (Field("", "w1", True), "Sheet", (11, 5), (11, 3)),
        (Field("", "w1", True), "Sheet", (12, 5), None),
        (Field("", "w1", True), "Other", (11, 5), None),
        (Field("Training", "w1", True), "Other", INSIDE, None),
        (Field("Training", "w1", False), "Sheet", INSIDE, None),
    ],
)
def test_a_cell_of_this_row(formulas: Formulas, field: Field, sheet: str, place: tuple[int, int], cell: object) -> None:
    assert formulas.field(field, sheet, place) == cell
