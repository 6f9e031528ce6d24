"""Native charts: the error by step, live, with titled axes and all rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from xlbackprop.spec import total_error

# Okabe and Ito's colours, told apart by colour-blind readers; beyond eight they repeat with dashes.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999933")
DASHES = ("solid", "dash", "round_dot", "long_dash_dot")


def error_by_step(book: Any, title: str, steps: int, *, log: bool = False, legend: bool = False) -> Any:
    chart = book.add_chart({"type": "scatter", "subtype": "straight"})
    chart.set_title({"name": title, "name_font": {"size": 12}, "overlay": False})
    axis = {"name_font": {"bold": False}, "major_gridlines": {"visible": True, "line": {"color": "#DDDDDD"}}}
    chart.set_x_axis({**axis, "name": "step", "min": 0, "max": steps, "label_position": "low"})
    scale = {"log_base": 10, "num_format": "0E+00", "crossing": "min"} if log else {"min": 0}
    chart.set_y_axis({**axis, "name": total_error(), **scale})
    chart.set_legend({"position": "right"} if legend else {"none": True})
    chart.set_size({"width": 640, "height": 340})
    return chart


def add_series(
    chart: Any,
    name: str,
    steps: str,
    errors: str,
    step_values: Sequence[int],
    error_values: Sequence[float],
    index: int,
) -> None:
    """A line; the values are the chart's own copy, which viewers that do not recalculate draw."""
    colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
    chart.add_series(
        {
            "name": name,
            "categories": f"={steps}",
            "values": f"={errors}",
            "categories_data": list(step_values),
            "values_data": ["" if math.isnan(value) else value for value in error_values],
            "line": {"color": colour, "width": 2, "dash_type": dash},
            "marker": {"type": "none"},
        }
    )
