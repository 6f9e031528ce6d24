"""What was measured as a table, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    title: str  # none where it is empty
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1  # columns that are texts; the others are numbers, on the right

    def as_text(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows)]
        lines = [self._line(row, widths) for row in (self.header, ["-" * width for width in widths], *self.rows)]
        return "\n".join([*((self.title, "") if self.title else ()), *lines])

    def as_markdown(self) -> str:
        rule = ["---" if k < self.texts else "---:" for k in range(len(self.header))]
        lines = [f"| {' | '.join(row)} |" for row in (self.header, rule, *self.rows)]
        return "\n".join([*((f"## {self.title}", "") if self.title else ()), *lines])

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [text.ljust(w) if k < self.texts else text.rjust(w) for k, (text, w) in enumerate(zip(row, widths))]
        return "  ".join(cells).rstrip()
