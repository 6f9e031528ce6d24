"""The curves of function tables and of their derivatives, as PNG files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xlbackprop.sheet.styles import LINE_COLOURS
from xlbackprop.show.plots import DASHES, figure_of, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xlbackprop.curves.spec import Functions, Table


def drawn(functions: Functions, stem: str) -> Iterator[tuple[str, bytes]]:
    """For each table that has curves, functions left and derivatives right, a picture with the name of its file.

    The numbers are the reference's.
    """
    for table in functions.tables:
        if table.curves:
            yield f"{stem}-{_slug(table.title)}.png", png(_drawn(functions, table))


def _drawn(functions: Functions, table: Table) -> Figure:
    from xlbackprop.curves import reference

    z, curves = reference.curves(table)
    panels = [("values", "value")]
    if table.derivatives:
        panels.append(("derivatives", f"derivative by {table.argument}"))
    figure, axes = figure_of(5.8 * len(panels), 4.6, len(panels), right=2.2)
    for k, curve in enumerate(curves):
        label = (
            curve.function if curve.target is None else f"{curve.function}, {table.target}\u00a0=\u00a0{curve.target:g}"
        )
        for one, values in zip(axes, (curve.values, curve.slopes)):
            _line(one, z, values, k, textwrap.fill(label, 22), joined=table.grid is not None)
    for one, (title, name) in zip(axes, panels):
        one.set_title(title)
        one.set_xlabel(table.argument)
        one.set_ylabel(name)
    if table.derivatives and table.derivative_range:
        axes[1].set_ylim(*table.derivative_range)
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.suptitle(f"{functions.title}: {table.title}", y=0.985)
    return figure


def _line(axes: Any, z: Any, values: Any, k: int, label: str, *, joined: bool) -> None:
    """Lines over a grid, points over numbers that stand in no order."""
    colour = LINE_COLOURS[k % len(LINE_COLOURS)]
    style = {"linestyle": DASHES[k // 8 % 4], "linewidth": 2} if joined else {"linestyle": "", "marker": "o"}
    axes.plot(z, values, label=label, color=colour, **style)


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")
