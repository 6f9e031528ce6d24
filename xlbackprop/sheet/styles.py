"""Colours and number formats: one table by role, and the few formats that are not a role's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from xlbackprop.graph.program import Role

Formats = Callable[..., Any]  # takes properties, gives the workbook's one format that has them

# Okabe and Ito's colours, told apart by colour-blind readers: for the lines of charts and pictures.
# Beyond eight they repeat, with dashes.
LINE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999933")

# Tints of the Okabe-Ito colours, which colour-blind readers tell apart; the header is the stronger
# tint, and its text names the role as well.
HEADER_COLOUR = {
    Role.STEP: "#D9D9D9",
    Role.RATE: "#FFF6C9",
    Role.TARGET: "#F9D5A7",
    Role.INPUT: "#F5E9A3",
    Role.WEIGHT: "#B3D4EC",
    Role.BIAS: "#B3D4EC",
    Role.MASK: "#D9D9D9",
    Role.PART: "#DDEFE8",
    Role.UNIT: "#A9DDCB",
    Role.PRE_ACTIVATION: "#C5E8DC",
    Role.ACTIVATION: "#8FD3BA",
    Role.ERROR: "#F2C4AC",
    Role.TOTAL_ERROR: "#EBA27D",
    Role.LOCAL: "#E4E4E4",
    Role.UPSTREAM: "#EBD3E1",
    Role.DELTA: "#E5C0D6",
    Role.GRADIENT: "#D9A5C4",
    Role.BATCH_ERROR: "#EBA27D",
    Role.BATCH_GRADIENT: "#D9A5C4",
    Role.STATE: "#CFC6E4",
    Role.UPDATED: "#B3D4EC",
    Role.CHANGE: "#EBA27D",
}

# Eight decimals where they say something and fit; `by_size` shows other numbers otherwise. No conditions in
# brackets do it: LibreOffice drops the sign of what is left to a last section.
DECIMALS, FEWER, POWERS = "0.00000000", "0.0###", "0.00000E+00"
SMALL, LARGE, HUGE = 1e-3, 100, 1e6
WIDTH = 15  # characters that any of them takes, with air for other fonts
NUMBER_FORMAT = {
    **dict.fromkeys(Role, DECIMALS),
    **dict.fromkeys((Role.STEP, Role.MASK), "0"),
    **dict.fromkeys((Role.RATE, Role.TARGET, Role.INPUT), "0.0#######"),  # typed with few digits, nearly always
}

TITLE = {"bold": True, "font_size": 16}
SUBTITLE = {"font_color": "#555555"}
SECTION = {"bold": True, "font_size": 12, "bottom": 1, "bottom_color": "#999999"}
INPUT = {"font_color": "#0000FF", "bg_color": "#FFFBE0", "border": 1, "border_color": "#C9B458"}
ANSWER = {"bg_color": "#FFFFFF", "border": 1, "border_color": "#808080"}  # a cell to be filled
COLUMN_HEADER = {"bold": True, "bottom": 1, "bottom_color": "#999999", "text_wrap": True, "valign": "top"}
TEXT = {"text_wrap": True, "valign": "top"}
MONOSPACE = {"font_name": "Consolas", "font_size": 10}
LINK = {"font_color": "#0B5394", "underline": 1}


def _light(colour: str) -> str:
    """Three quarters of the way to white."""
    parts = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{255 - (255 - part) // 4:02X}" for part in parts)


_BODY_COLOUR = {role: _light(colour) for role, colour in HEADER_COLOUR.items()}


def header(role: Role) -> dict[str, Any]:
    return {"bold": True, "align": "center", "bg_color": HEADER_COLOUR[role], "bottom": 1, "bottom_color": "#777777"}


def band(role: Role) -> dict[str, Any]:
    return {"italic": True, "font_size": 9, "bg_color": HEADER_COLOUR[role], "align": "left"}


def body(role: Role, *, first: bool = False) -> dict[str, Any]:
    """A table's cell; the first of a band has a line on its left."""
    style = {"num_format": NUMBER_FORMAT[role], "bg_color": _BODY_COLOUR[role]}
    return {**style, "left": 1, "left_color": "#999999"} if first else style


def by_size(sheet: Any, formats: Formats, first_row: int, first_column: int, last_row: int, last_column: int) -> None:
    """How the calculated numbers of these cells are shown: 0 as 0, large ones shorter, extreme ones as powers."""
    rules: tuple[tuple[str, dict[str, Any]], ...] = (
        ("0", {"criteria": "=", "value": 0}),
        (POWERS, {"criteria": "between", "minimum": -SMALL, "maximum": SMALL}),
        (POWERS, {"criteria": "not between", "minimum": -HUGE, "maximum": HUGE}),
        (FEWER, {"criteria": "not between", "minimum": -LARGE, "maximum": LARGE}),
    )
    for shown, rule in rules:
        how = {"type": "cell", **rule, "format": formats({"num_format": shown}), "stop_if_true": True}
        sheet.conditional_format(first_row, first_column, last_row, last_column, how)


def answer(role: Role) -> dict[str, Any]:
    """A cell that is left to be filled."""
    return {"num_format": NUMBER_FORMAT[role], **ANSWER}


_TITLE_HEIGHT = 24  # points
COLUMNS_A_PAGE = 20  # more than that nobody can read in print


def print_setup(sheet: Any, header: int | None = None, columns: int = 1) -> None:
    """A4 across, as many pages down as it takes, the header row on each; of many columns, several pages wide."""
    pages = math.ceil(columns / COLUMNS_A_PAGE)
    sheet.set_landscape()
    sheet.fit_to_pages(pages, 0)
    if header is not None:
        sheet.repeat_rows(header)
        if pages > 1:
            sheet.repeat_columns(0)
    sheet.set_paper(9)
    sheet.set_row(0, _TITLE_HEIGHT)  # LibreOffice does not raise a row for its larger letters
