"""Numbers of a logarithmic axis in letters: matplotlib's own need its mathematics, as long to load as two graphs."""

from __future__ import annotations

import re

from matplotlib.ticker import LogFormatterSciNotation

_LETTERS = {r"$\mathdefault{": "", "}$": "", r"\times": "×", "-": "−"}
_RAISED = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Powers(LogFormatterSciNotation):
    """`2×10⁻³` where the class above writes `$\\mathdefault{2\\times10^{-3}}$`."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        for mathematics, letters in _LETTERS.items():
            text = text.replace(mathematics, letters)
        return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(_RAISED), text)
