"""Native charts: the error by step, live, with titled axes and all rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from xlsxwriter.chart_scatter import ChartScatter

from xlbackprop.sheet.styles import LINE_COLOURS

DASHES = ("solid", "dash", "round_dot", "long_dash_dot")


class LineChart(ChartScatter):  # type: ignore[misc]
    """A chart whose names are texts, and that writes its own copy of long columns at once.

    XlsxWriter takes a name such as `=a!B1` for a reference to a cell, and longer than the table for a column.
    """

    def _process_names(self, name: str | None, name_formula: str | None) -> tuple[str | None, str | None]:
        return name, name_formula

    def _write_num_cache(self, data: Sequence[float]) -> None:
        points = (f'<c:pt idx="{k}"><c:v>{v!r}</c:v></c:pt>' for k, v in enumerate(data) if not math.isnan(v))
        self._xml_start_tag("c:numCache")
        self._write_format_code("General")
        self._write_pt_count(len(data))
        self.fh.write("".join(points))
        self._xml_end_tag("c:numCache")


def add_chart(book: Any, subtype: str = "straight") -> Any:
    """What the workbook's own add_chart does, for a class of ours."""
    chart = LineChart({"subtype": subtype})
    chart.embedded, chart.date_1904, chart.remove_timezone = True, book.date_1904, book.remove_timezone
    book.charts.append(chart)
    return chart


def error_by_step(
    book: Any, title: str, steps: int, error: str, *, axis: str = "step", log: bool = False, legend: bool = False
) -> Any:
    chart = add_chart(book)
    chart.set_title({"name": title, "name_font": {"size": 12}, "overlay": False})
    style = {"name_font": {"bold": False}, "major_gridlines": {"visible": True, "line": {"color": "#DDDDDD"}}}
    chart.set_x_axis({**style, "name": axis, "min": 0, "max": steps, "label_position": "low"})
    scale = {"log_base": 10, "num_format": "0E+00", "crossing": "min"} if log else {"min": 0}
    chart.set_y_axis({**style, "name": error, **scale})
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
    """A line, named by a cell; the values are the chart's own copy, which viewers that do not recalculate draw."""
    colour, dash = LINE_COLOURS[index % len(LINE_COLOURS)], DASHES[index // len(LINE_COLOURS) % len(DASHES)]
    chart.add_series(
        {
            "name_formula": f"={name}",
            "categories": f"={steps}",
            "values": f"={errors}",
            "categories_data": step_values,
            "values_data": error_values,
            "line": {"color": colour, "width": 2, "dash_type": dash},
            "marker": {"type": "none"},
        }
    )
