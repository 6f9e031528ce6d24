"""GitHub's Markdown: any text as text, equations as blocks of mathematics."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from xlbackprop.show.derivation import Equation

# What Markdown, HTML or GitHub's mathematics would read as a mark; the entity is never one.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "|": "&#124;", "`": "&#96;", "~": "&#126;"}
_MARKS = re.compile(r"([\\*\[\]])|(?<!\w)(_)|(_)(?!\w)")
_AT_START = re.compile(r"^([-+=#]|\d+(?=[.)]))")


def text(words: str) -> str:
    """The words as they are, on one line, wherever they stand in a page."""
    line = " ".join(words.split())
    line = "".join(_ENTITIES.get(letter, letter) for letter in line)
    line = _MARKS.sub(lambda match: "\\" + match[0], line)
    return _AT_START.sub(lambda match: "".join(f"&#{ord(letter)};" for letter in match[0]), line)


def link(path: str) -> str:
    """A file's name as the target of a link or picture."""
    return "".join(
        quote(os.fsencode(letter)) if letter in _NO_LINK or not letter.isprintable() else letter for letter in path
    )


_NO_LINK = ' ()<>"\\|%?#'


def mathematics(equations: Iterable[Equation]) -> str:
    """The equations below each other; what is equal stands in one row as far as it fits."""
    rows = []
    for equation in equations:
        left = equation.left
        for row in _joined(equation.rows, WIDTH - _width(left)):
            rows.append(f"{left} &= {row}")
            left = ""
    return "```math\n\\begin{aligned}\n" + " \\\\[6pt]\n".join(rows) + "\n\\end{aligned}\n```"


WIDTH = 80  # letters of mathematics that a page shows beside each other


def _joined(parts: Sequence[str], width: int) -> list[str]:
    rows = [parts[0]]
    for part in parts[1:]:
        if _width(rows[-1]) + _width(part) + 3 <= width:
            rows[-1] += f" = {part}"
        else:
            rows.append(part)
    return rows


def _width(latex: str) -> int:
    """About how many letters it takes: of a fraction the wider part, of a command one letter."""
    latex = re.sub(r"\\frac\{(.*?)\}\{", lambda match: match[1].replace("\\partial", "") + "{", latex)
    latex = re.sub(r"\\(left|right|mathrm|partial|,)", "", latex)
    return len(re.sub(r"\\[a-zA-Z]+|[{}_^]", lambda match: "x" if match[0].startswith("\\") else "", latex))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; all columns but the first stand right."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ruler, *rows))
