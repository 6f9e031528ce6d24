"""Build: an architecture as an .xlsx file of live formulas, whole or not at all, the same bytes for the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlbackprop.architecture import layout as at
from xlbackprop.architecture.formulas import formulas
from xlbackprop.architecture.layout import SHEET, TOTALS, Input, Layout
from xlbackprop.architecture.spec import Architecture
from xlbackprop.architecture.toml import dumps
from xlbackprop.graph.program import Role
from xlbackprop.sheet import styles
from xlbackprop.sheet.address import absolute, in_sheet
from xlbackprop.sheet.book import Progress, new_book, write_network_file
from xlbackprop.sheet.layout import NETWORK_FILE

# Columns side by side that belong together: what stands above them, and the role whose colour they have.
_BANDS = (
    ("the layer", at.TEXTS, Role.STEP),
    ("change any of these", at.OPTIONS, Role.RATE),
    ("what it takes", at.IN, Role.INPUT),
    ("what it makes", at.OUT, Role.ACTIVATION),
    ("what it sees of the image", (at.FIELD, at.JUMP), Role.TARGET),
    ("what it learns", (at.WEIGHTS, at.BIASES, at.PARAMETERS, at.SO_FAR, at.RUNNING), Role.WEIGHT),
    ("the session's rules", (at.AFTER, at.RULE), Role.ERROR),
)
_NOTES = {
    "takes": "The layer whose output it takes, where that is not the layer above; for a residual join both.",
    "dilation": "From one row that the kernel looks at to the next.",
    "groups": "The channels are split into so many groups, each with kernels of its own.",
    "bias": "1: with a bias for each channel; 0: without.",
    "height out": "floor((height + 2 padding - dilation (kernel - 1) - 1) / stride) + 1",
    "width out": "floor((width + 2 padding - dilation (kernel - 1) - 1) / stride) + 1",
    at.FIELD: "How many rows of the image one output sees: r + dilation (kernel - 1) jump. Of two branches the larger.",
    at.JUMP: "How many rows of the image lie between two outputs side by side: jump * stride.",
    at.WEIGHTS: "kernel * kernel * channels in / groups * channels out; of a batch norm one scale for each channel.",
    at.BIASES: "One for each channel; of a batch norm its shift.",
    at.RUNNING: "The mean and the variance of each channel, which a batch norm keeps and does not train.",
    at.AFTER: "Convolutions and dense layers below it in the list; the last of them is the prediction.",
    at.RULE: "What does not fit together, and which rules of the session are broken; empty where all is well.",
}  # fmt: skip
_COUNTED = "Counted in convolutions and dense layers; towards the prediction it counts as well."
_WIDTHS = {
    "layer": 22,
    "kind": 14,
    "takes": 18,
    at.AFTER: 13,
    at.RULE: 54,
    **dict.fromkeys((at.IN[0], at.OUT[0]), 12),
    **dict.fromkeys((at.WEIGHTS, at.PARAMETERS, at.SO_FAR), 14),
}
_WIDTH = 9.5
_WHOLE = {"num_format": "#,##0"}
_WARNING = {"font_color": "#B03A00", "bold": True, "indent": 1}


def build(architecture: Architecture, path: Path, progress: Progress = lambda phase: None) -> Path:
    """Write the workbook. Raises OutputError where the file cannot be written; an earlier file then stays."""
    progress("building")
    with new_book(path, architecture.title) as (book, formats):
        _write(book, formats, Layout(architecture))
    return path


def _write(book: Any, formats: styles.Formats, layout: Layout) -> None:
    sheet = book.add_worksheet(SHEET)
    page = _Page(book, formats, sheet, layout)
    page.write_head()
    page.write_header()
    page.write_layers()
    page.write_formulas()
    page.insert_chart()
    file = book.add_worksheet(NETWORK_FILE)
    write_network_file(file, formats, dumps(layout.architecture), inputs=f"{SHEET} has")


class _Page:
    def __init__(self, book: Any, formats: styles.Formats, sheet: Any, layout: Layout) -> None:
        self.book, self._formats, self.sheet, self.layout = book, formats, sheet, layout

    def format(self, *properties: dict[str, Any]) -> Any:
        """The workbook's one format that has these properties."""
        return self._formats({key: value for one in properties for key, value in one.items()})

    def write_head(self) -> None:
        architecture, sheet, layout = self.layout.architecture, self.sheet, self.layout
        sheet.write_string(0, 0, architecture.title, self.format(styles.TITLE))
        source = architecture.source and f"Source: {architecture.source}"
        for row, text in enumerate((architecture.about, source), 1):
            sheet.write_string(row, 0, text, self.format(styles.SUBTITLE))
        hint = "Change any yellow cell: sizes, receptive fields, parameters and rules follow."
        sheet.write_string(3, 0, hint, self.format({"bold": True}))
        titles = ((0, "All in all"), (layout.SETTING_LABELS, "The image, and the session's rules"))
        for column, text in titles:
            sheet.write_string(layout.TOP - 1, column, text, self.format(styles.SECTION))
        for key in at.ALL_TOTALS:
            row, column = layout.place(TOTALS, key)
            if column:
                sheet.write_string(row, 0, key, self.format())
        for key, one in layout.settings.items():
            sheet.write_string(one.place[0], layout.SETTING_LABELS, at.SETTINGS.get(key, key), self.format())
            self.write_input(one)
            if key in at.DISTANCES:
                sheet.write_string(one.place[0], one.place[1] + 1, "layers", self.format(styles.SUBTITLE))
                sheet.write_comment(*one.place, _COUNTED, {"x_scale": 2})

    def write_header(self) -> None:
        sheet, row = self.sheet, self.layout.header_row
        column = 0
        for text, keys, role in _BANDS:
            for k, key in enumerate(keys):
                sheet.write_string(row - 1, column, "" if k else text, self.format(styles.band(role)))
                wrapped = {
                    "text_wrap": True,
                    "valign": "vcenter",
                    "align": "left" if key in (*at.TEXTS, at.RULE) else "center",
                }
                sheet.write_string(row, column, key, self.format(styles.header(role), wrapped))
                if key in _NOTES:
                    sheet.write_comment(row, column, _NOTES[key], {"x_scale": 2})
                sheet.set_column(column, column, _WIDTHS.get(key, _WIDTH))
                column += 1
        sheet.set_row(row, 32)
        sheet.freeze_panes(0, 1)
        styles.print_setup(sheet, row)

    def write_layers(self) -> None:
        for (row, column), text in self.layout.texts().items():
            if row != self.layout.header_row:
                self.sheet.write_string(row, column, text, self.format())
        by_key: dict[str, list[Input]] = {}
        for one in self.layout.options.values():
            self.write_input(one)
            by_key.setdefault(one.key, []).append(one)
        for same in (*by_key.values(), *([one] for one in self.layout.settings.values())):
            self.validate(same)

    def write_input(self, one: Input) -> None:
        self.sheet.write_number(*one.place, one.value, self.format(styles.INPUT, _WHOLE))

    def validate(self, same: list[Input]) -> None:
        """Excel takes only whole numbers in these cells."""
        least, most = same[0].least, same[0].most
        name = at.SETTINGS.get(same[0].key, same[0].key)
        ranges = [[*one.place, *one.place] for one in same]
        self.sheet.data_validation(
            *ranges[0],
            {
                "validate": "integer", "criteria": "between", "minimum": least, "maximum": most,
                "error_message": f"{name}: a whole number from {least} to {most}.", "other_cells": ranges[1:],
            },
        )  # fmt: skip

    def write_formulas(self) -> None:
        for (row, key), live in formulas(self.layout).items():
            kind = _WARNING if key == at.RULE else _WHOLE
            total = {"bold": True, "align": "left"} if row == TOTALS else {}
            self.sheet.write_formula(
                *self.layout.place(row, key), f"={live.text}", self.format(kind, total), live.value
            )
        place = self.layout.place(TOTALS, at.STATUS)
        broken = absolute(*self.layout.place(TOTALS, at.BROKEN))
        for criteria, colour in ((f"={broken}>0", "#B03A00"), (f"={broken}=0", "#00724F")):
            shown = self.book.add_format({"font_color": colour, "bold": True})
            self.sheet.conditional_format(*place, *place, {"type": "formula", "criteria": criteria, "format": shown})

    def insert_chart(self) -> None:
        """Where the parameters are: one bar for each layer."""
        first, last = 1, len(self.layout.architecture.layers)
        chart = self.book.add_chart({"type": "column"})
        names, counts = (
            f"={in_sheet(SHEET, absolute(*self.layout.place(first, key)))}:{absolute(*self.layout.place(last, key))}"
            for key in ("layer", at.PARAMETERS)
        )
        colour = styles.LINE_COLOURS[0]
        chart.add_series(
            {"name": at.PARAMETERS, "categories": names, "values": counts, "fill": {"color": colour}, "gap": 40}
        )
        chart.set_title({"name": "Parameters by layer", "name_font": {"size": 12}, "overlay": False})
        style = {"name_font": {"bold": False}, "num_font": {"size": 8}}
        chart.set_x_axis({**style, "num_font": {"size": 8, "rotation": -45}})
        chart.set_y_axis(
            {**style, "num_format": "#,##0", "major_gridlines": {"visible": True, "line": {"color": "#DDDDDD"}}}
        )
        chart.set_legend({"none": True})
        chart.set_size({"width": 1100, "height": 340})
        self.sheet.insert_chart(self.layout.last_row + 2, 0, chart)
