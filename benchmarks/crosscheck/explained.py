"""Why calculators differ, by the calculator and the function of the formula in which a difference begins.

A difference that no row explains is shown as unexplained, and the command then fails.
"""

from __future__ import annotations

from benchmarks.crosscheck.compare import REFERENCE, Difference

ANY = "any"  # of whatever functions, as long as the verifier does not object
UNEXPLAINED = "unexplained"
_TEXT = "a number inside a text has the same digits, written as 0.00001 for 1E-05; only in texts of the pages"
_LIBRARY = "its own {}, off by some units of the last binary digit, more where the formula subtracts"
_ARRAYS = (
    "SIGN takes one number there, also inside SUMPRODUCT, where Excel takes a column; only how often the error rose"
)
_ORDER = "adds up in an order of its own"
_BLANK = "a reference to an empty cell is empty there, and not 0; only in worksheets to be filled"

WHY: dict[tuple[str, str], str] = {
    ("IronCalc", "ROUND"): _TEXT,
    ("IronCalc", "ERF"): "its ERF is good to 6e-11 only; the verifier allows that, and only where ERF is used",
    **{("IronCalc", name): _ORDER for name in ("MMULT", "STDEVP", "SUMPRODUCT")},
    ("LibreOffice", ANY): "it saves 15 digits, and takes a difference in the last bits for 0",
    ("formualizer", "ROUND"): _TEXT,
    ("formualizer", "ERF"): _LIBRARY.format("ERF"),
    ("formualizer", "MMULT"): "it has no MMULT, which the matrix layout uses",
    ("formualizer", "SUMPRODUCT"): _ARRAYS,
    ("HyperFormula", "ROUND"): (
        "INT cuts negative numbers towards 0 there, so texts of the pages, rounded by INT(LOG10(x)), have a digit less"
    ),
    **{("HyperFormula", name): _LIBRARY.format(name) for name in ("COS", "ERF", "EXP", "LN", "SIN", "TANH")},
    **{("HyperFormula", name): _ORDER for name in ("AVERAGE", "MMULT", "STDEVP", "SUMPRODUCT")},
    ("HyperFormula", "^"): _LIBRARY.format("power"),
    ("HyperFormula", REFERENCE): _BLANK,
    ("Gnumeric", ANY): "it calculates with more digits than a double has, and rounds when it saves",
    ("Gnumeric", "SUMPRODUCT"): _ARRAYS,
    (
        "Gnumeric",
        "EXP",
    ): "EXP(1000) is a number there, in its longer format; softmax-side-by-side shows how it overflows",
}


def why(calculator: str, causes: tuple[str, ...], difference: Difference) -> tuple[tuple[str, ...], str]:
    """The functions that explain a difference, or all of the formula's, and the words for it."""
    if not difference.outside and (calculator, ANY) in WHY:
        return (ANY,), WHY[calculator, ANY]
    known = [cause for cause in causes if (calculator, cause) in WHY]
    return (causes, WHY[calculator, known[0]]) if known else (causes, UNEXPLAINED)
