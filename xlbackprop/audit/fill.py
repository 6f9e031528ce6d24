"""What a formula says in the cells below it, so that a column that was filled down is read and bound once.

Most programs write such a column out, each cell with a text of its own. A text that is the one above
with its relative rows moved along means the same in the table's terms.
"""

from __future__ import annotations

from xlbackprop.audit.formula import MOST_CHARACTERS, TOKEN

_ROWS = 1 << 20  # of a sheet


class Fill:
    """A formula's text with holes for the relative rows; the columns stay, since the fill goes down."""

    def __init__(self, text: str, row: int) -> None:
        """Raises ValueError for a text that is not read to its end, or has whole rows in it."""
        if 2 * len(text) > MOST_CHARACTERS:
            raise ValueError("is too long")
        self._row = row
        self._rows: list[int] = []
        pieces, position, end = [], 0, len(text.rstrip())
        while position < end:
            match = TOKEN.match(text, position)
            if match is None or match.end() == position or match.lastgroup == "rows":
                raise ValueError("is no formula that moves with its cell")
            piece, position = match[0], match.end()
            if match.lastgroup == "cell" and "$" not in match["cell"][1:]:
                column = piece.rstrip("0123456789")
                row_of_it = int(piece[len(column) :])
                if not 1 <= row_of_it <= _ROWS:
                    raise ValueError("refers to a row that no sheet has")
                self._rows.append(row_of_it)
                pieces.append(column.replace("%", "%%") + "%d")
            else:
                pieces.append(piece.replace("%", "%%"))
        self._pattern = "".join(pieces)

    def at(self, row: int) -> str:
        """The text that the formula has in another row."""
        down = row - self._row
        return self._pattern % tuple([one + down for one in self._rows])
