"""Sixteen hand-made workbooks, where they are at hand: every wrong quantity is named, and nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from xlbackprop.checking import verify
from xlbackprop.errors import XlbackpropError

Wrong = dict[
    str, tuple[str, str]
]  # quantity: (topmost wrong cell, kind of mistake); several of one quantity: "update w3", "update w3 2"

TEMPLATE: Wrong = {"dE/dw3": ("Z33", "wrong-neuron"), "dE/dw4": ("AA33", "wrong-neuron")}


def _template(row: int) -> Wrong:
    return {"dE/dw3": (f"Z{row}", "wrong-neuron"), "dE/dw4": (f"AA{row}", "wrong-neuron")}


SIX_RATES: Wrong = {
    **{f"update w{k}": (f"{column}36", "drifting-rate") for k, column in enumerate("EFGHMNOP", 1)},
    "update w3 2": ("G35", "overwritten-cell"),
    "update w4 2": ("H35", "overwritten-cell"),
    "h1": ("I35", "overwritten-cell"),
    "E2": ("V35", "wrong-output"),
    **{f"dE/dw{k}": (f"{column}32", "wrong-operator") for k, column in enumerate(("X", "Y", "Z", "AA"), 1)},
    "dE/dw4 2": ("AA35", "overwritten-cell"),
    "dE/dw7": ("AD34", "wrong-output"),
}
PARENTHESES: Wrong = {f"dE/dw{k}": (f"{column}33", "parentheses") for k, column in enumerate(("X", "Y", "Z", "AA"), 1)}
NAMES: Wrong = {
    "dE/dw1": ("X16", "parentheses"),
    "dE/dw3": ("Z16", "pre-activation"),  # and a parenthesis misplaced
    "dE/dw4": ("AA16", "pre-activation"),
}
RATES = ("0.1", "0.2", "0.5", "0.8", "1.0", "2.0")
SEVEN = ("Neural Network", *(f"η = {rate}" for rate in ("0.1", "0.2", "0.5", "0.8", "1", "2")))

# For each file the tables: (sheet, rows, verdict, what is wrong).
VERDICTS: dict[str, list[tuple[str, tuple[int, int], str, Wrong]]] = {
    "01-class-template": [("Sheet1", (33, 100), "wrong", TEMPLATE)],
    "02-seven-tables": [(sheet, (22, 84), "correct", {}) for sheet in SEVEN],
    "03-libreoffice": [("Sheet1", (33, 120), "correct", {})],
    "04-two-sheets": [("Rohan", (33, 100), "wrong", TEMPLATE), ("Self", (33, 103), "wrong", PARENTHESES)],
    "05-six-rates": [(f"LR_{rate}", (32, 65), "wrong", SIX_RATES) for rate in ("0.1", "0.2", "0.5", "0.8", "1", "2")],
    "06-one-table": [
        (
            "Calculation",
            (30, 70),
            "wrong",
            {"update w3": ("J31", "wrong-gradient"), "update w4": ("K31", "wrong-gradient")},
        )
    ],
    "07-260-steps": [
        ("Sheet1", (41, 300), "wrong", {"dE/dw6": ("AC41", "pre-activation"), "update w4": ("H42", "frozen-reference")})
    ],
    "08-six-rates": [(rate, (24, 74), "wrong", {"dE/dw2": ("Y24", "wrong-neuron")}) for rate in RATES],
    "09-pasted-sheets": [
        ("L.R. 0.1", (29, 69), "wrong", _template(29)),
        *(
            (f"L.R. {rate}", rows, "not live", {})
            for rate, rows in (("0.2", (4, 44)), ("0.5", (3, 43)), ("0.8", (4, 44)), ("1", (3, 43)), ("2", (3, 43)))
        ),
    ],
    "10-defined-names": [("Simulation", (16, 100), "wrong", NAMES)],
    "11-other-numbering": [("Sheet1", (51, 150), "correct", {})],
    "12-circular": [
        (f"LR={rate}", (28, 112), "wrong", {"a_h1": ("K28", "row-offset")})
        for rate in ("0.5", "0.1", "0.2", "0.8", "1.0", "2.0")
    ],
    "13-no-formulas": [("Sheet1", (33, 33), "not live", {})],
    "14-other-weights": [
        (f"LR_{rate}", (5, 54), "wrong", _template(5)) for rate in ("0.1", "0.2", "0.5", "0.8", "1", "2", "8", "20")
    ],
    "15-helper-columns": [("Sheet1", (41, 125), "wrong", {"delta_h2": ("Y41", "wrong-neuron")})],
    "16-learningrate_0.5": [("Sheet1", (33, 100), "wrong", TEMPLATE)],
}


@cache
def _json(path: Path) -> dict[str, object]:
    return verify(path).as_json()


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(wild: Path, name: str) -> None:
    found = _json(wild / f"{name}.xlsx")
    expected = VERDICTS[name]
    assert [(t["sheet"], (t["first_row"], t["last_row"]), t["verdict"]) for t in found["tables"]] == [
        table[:3] for table in expected
    ]
    for sheet, _, _, wrong in expected:
        named: Wrong = {}
        for one in found["mistakes"]:
            if one["sheet"] == sheet:
                again = one["quantity"] in named
                named[one["quantity"] + " 2" * again] = (one["cell"], one["kind"])
        assert _sorted(named) == _sorted(wrong)


def _sorted(wrong: Wrong) -> list[tuple[str, str, str]]:
    return sorted((quantity.removesuffix(" 2"), *what) for quantity, what in wrong.items())


def test_all_of_them_are_looked_at(wild: Path) -> None:
    assert {path.stem for path in wild.glob("*.xlsx")} == set(VERDICTS)


def test_a_helper_spoils_those_who_use_it(wild: Path) -> None:
    (mistake,) = _json(wild / "15-helper-columns.xlsx")["mistakes"]
    assert mistake["spoils"] == ["dE/dw3", "dE/dw4"]


def test_the_published_slip(wild: Path) -> None:
    """The class template's own: its value, and what it should be."""
    mistake = _json(wild / "01-class-template.xlsx")["mistakes"][0]
    assert mistake["range"] == "Z33:Z100"
    assert mistake["found"] == pytest.approx(0.000351868665135, rel=1e-11)
    assert mistake["expected"] == pytest.approx(0.000351776321591, rel=1e-11)
    assert "L33" in mistake["fix"] and "J33" not in mistake["fix"]


def test_every_file_has_an_outcome(wild: Path) -> None:
    for path in wild.glob("*.xlsx"):
        try:
            _json(path)
        except XlbackpropError as error:
            pytest.fail(f"{path.name}: {error}")
