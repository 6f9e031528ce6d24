"""Drawing in inches: text that is never read as mathematics, measured before it is placed, and boxes and arrows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xlbackprop.sheet.styles import LINE_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Point = tuple[float, float]

NORMAL, SMALL, LARGE = 9.0, 8.0, 12.0  # points
INK, GREY = "#222222", "#666666"
ABOVE, BELOW = LINE_COLOURS[0], LINE_COLOURS[3]  # of zero; what is below has dashes too, where colours are not seen
LONGEST = 24  # characters of a name
MARGIN = 0.25  # inches
LEAST_WIDTH = 5.5


class Drawing:
    """A figure of so many inches; coordinates are inches from its lower left corner."""

    def __init__(self, width: float, height: float, bottom: float = 0.0) -> None:
        # The classes themselves, not pyplot: half the import time, and no window system.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height, self.bottom = width, height, bottom
        self.figure: Figure = Figure(figsize=(width, height), dpi=120)
        FigureCanvasAgg(self.figure)
        self._axes: Any = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, width), ylim=(0, height))
        self._axes.set_axis_off()

    @classmethod
    def framed(cls, width: float, height: float, title: str, about: str, notes: Sequence[str]) -> Drawing:
        """With room for a drawing of that size below the title and above the notes; `bottom` is where it begins."""
        whole = max(width + 2 * MARGIN, LEAST_WIDTH)
        heading = folded(title, LARGE, whole - 2 * MARGIN)
        said = [line for note in notes for line in folded(note, SMALL, whole - 2 * MARGIN)]
        below = folded(about, NORMAL, whole - 2 * MARGIN)
        bottom = 0.3 + 0.17 * len(said)
        drawing = cls(whole, bottom + height + 0.3 + 0.23 * len(heading) + 0.2 * len(below), bottom)
        top = drawing.height - 0.25
        for k, line in enumerate(heading):
            drawing.text(MARGIN, top - 0.23 * k, line, size=LARGE, ha="left")
        for k, line in enumerate(below):
            drawing.text(MARGIN, top - 0.23 * len(heading) - 0.2 * k, line, ha="left", color=GREY)
        for k, line in enumerate(reversed(said)):
            drawing.text(MARGIN, 0.17 + 0.17 * k, line, size=SMALL, ha="left", color=GREY)
        return drawing

    def text(self, x: float, y: float, text: str, *, size: float = NORMAL, **style: Any) -> None:
        """Text as it is: a `$` in a name is a dollar sign. No picture file may hold a control character."""
        text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
        style = {"ha": "center", "va": "center", "color": INK, "zorder": 4} | style
        self._axes.text(x, y, text, fontsize=size, parse_math=False, **style)

    def label(self, x: float, y: float, text: str) -> None:
        """Small text on white, which interrupts the arrow that it stands on."""
        white = {"boxstyle": "square,pad=0.08", "facecolor": "white", "edgecolor": "none"}
        self.text(x, y, text, size=SMALL, bbox=white, zorder=2)

    def rectangle(self, left: float, bottom: float, width: float, height: float, **style: Any) -> None:
        from matplotlib.patches import Rectangle

        self._axes.add_patch(Rectangle((left, bottom), width, height, **{"zorder": 3, "linewidth": 0.8} | style))

    def arrow(self, start: Point, end: Point, *, bend: float = 0.0, **style: Any) -> None:
        """An arrow; `bend` makes an arc of it, that far to the side in parts of its length."""
        from matplotlib.patches import FancyArrowPatch

        ends = {"arrowstyle": "-|>", "mutation_scale": 9, "shrinkA": 0, "shrinkB": 0}
        style = {"color": GREY, "linewidth": 1.0, "zorder": 1, **ends, **style}
        self._axes.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **style))


@lru_cache(maxsize=4096)
def width_of(text: str, size: float = NORMAL, weight: str = "normal") -> float:
    """The width of a line in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    properties = FontProperties(size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0]) / 72


def folded(text: str, size: float, width: float) -> list[str]:
    """The text in lines that are not wider, broken between words, and inside words that no line has room for."""
    lines: list[str] = []
    for word in re.findall(rf"\S{{1,{LONGEST}}}", text):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def shortened(name: str) -> str:
    """A name that has room in a box."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def number(value: float) -> str:
    """Four digits, enough to follow by hand."""
    return f"{value + 0.0:.4g}"  # never -0


def sign_style(value: float | None, largest: float) -> dict[str, Any]:
    """How a line tells a number: by its colour and dashes the sign, by its width the size, of the largest at most."""
    if value is None or not math.isfinite(value) or not largest:
        return {}
    width = 0.7 + 2.0 * abs(value) / largest
    return {"color": BELOW, "linestyle": (0, (4, 2)), "linewidth": width} if value < 0 else {
        "color": ABOVE, "linewidth": width
    }  # fmt: skip
