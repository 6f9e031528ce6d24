"""Why calculators differ, by the calculator and the function of the formula in which a difference begins.

A difference that no row explains is shown as unexplained, and the command then fails.
"""

from __future__ import annotations

from benchmarks.crosscheck.compare import Difference

ANY = "any"  # of whatever functions, as long as the verifier does not object
UNEXPLAINED = "unexplained"
_TEXT = "a number inside a text: the same digits, written {how}; a text of the Forward and Backward pages, which nothing uses"
_LIBRARY = "its own {what}, off by units of the last binary digit"
_ARRAYS = (
    "SIGN takes one number there, also inside SUMPRODUCT, where Excel takes a column: how often the error rose, "
    "on Overview, which nothing uses"
)

WHY: dict[tuple[str, str], str] = {
    ("IronCalc", "ROUND"): _TEXT.format(how="0.00001 for 1E-05"),
    ("IronCalc", "ERF"): "its ERF is good to 6e-11 only; the verifier allows that, and only where ERF is used",
    ("LibreOffice", ANY): "it saves 15 digits, and takes a difference in the last two bits for 0",
    ("formualizer", "ROUND"): _TEXT.format(how="0.00001 for 1E-05"),
    ("formualizer", "SUMPRODUCT"): _ARRAYS,
    ("HyperFormula", "ROUND"): (
        "INT cuts negative numbers towards 0 there, so texts of the pages, rounded by INT(LOG10(x)), have a digit less"
    ),
    ("HyperFormula", "EXP"): _LIBRARY.format(what="EXP"),
    ("Gnumeric", ANY): "it calculates with more digits than a double has, and rounds when it saves",
    ("Gnumeric", "SUMPRODUCT"): _ARRAYS,
}


def why(calculator: str, causes: tuple[str, ...], difference: Difference) -> str:
    """The words for a difference, or that there are none."""
    for cause in causes:
        if (calculator, cause) in WHY:
            return WHY[calculator, cause]
    return UNEXPLAINED if difference.outside else WHY.get((calculator, ANY), UNEXPLAINED)
