"""Build: a spec as an .xlsx file, whole or not at all, the same bytes for the same spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from xlbackprop.sheet import check_page, overview, pages, styles, tables
from xlbackprop.sheet.book import Picture, Progress, insert_picture, new_book, write_network_file
from xlbackprop.sheet.layout import CHECKS, COMPARE, NETWORK_FILE, OVERVIEW, PAGES, Layout
from xlbackprop.sheet.streamed import ExactSheet, StreamedSheet
from xlbackprop.sheet.values import page_values, table_rows
from xlbackprop.spec import Spec, dumps, override
from xlbackprop.spec.names import RATE, other_name


@dataclass(frozen=True)
class Beside:
    """A sheet that another room writes, beside those of the training."""

    name: str
    write: Callable[[Any, styles.Formats], None]


def build(
    spec: Spec,
    path: Path,
    progress: Progress = lambda phase: None,
    picture: Picture | None = None,
    beside: Sequence[Beside] = (),
) -> Path:
    """Write the workbook, with the network's picture on Overview, drawn when all else has been found to fit.

    The sheets `beside` stand right of Compare and Checks. Raises OutputError where the file cannot be
    written; an earlier file then stays.
    """
    if spec.level != "worked":
        spec = override(spec, about="")  # which may tell results
    layout = Layout(spec)
    with new_book(path, spec.title) as (book, formats):
        _write(book, formats, layout, progress, beside)
        if picture:
            insert_picture(book.get_worksheet_by_name(OVERVIEW), formats, layout.picture_place, picture())
    return path


def _write(book: Any, formats: styles.Formats, layout: Layout, progress: Progress, beside: Sequence[Beside]) -> None:
    spec = layout.spec
    streamed = {COMPARE, *layout.sheets}
    names = layout.all_sheets
    right = names.index(CHECKS if CHECKS in names else COMPARE) + 1
    for name in (*names[:right], *(one.name for one in beside), *names[right:]):
        book.add_worksheet(name, StreamedSheet if name in streamed else ExactSheet)
    for name, range_ in layout.defined_names():
        book.define_name(name, f"={range_}")
    told = [tables.errors(layout, rate) for rate in range(len(spec.rates))]
    histories = [by_step for by_step, _ in told]
    shown = shown_values(layout)
    by_epochs = [tables.epoch_errors(layout, by_row) for _, by_row in told]
    checked = check_page.check_values(layout, shown)
    overview.write_overview(book, formats, layout, histories, by_epochs, checked)
    for page in PAGES:
        pages.write_page(book, formats, layout, page, shown)
    tables.write_tables(book, formats, layout, histories, progress)
    tables.write_compare(book, formats, layout, histories)
    if CHECKS in names:
        check_page.write_checks(book, formats, layout, shown, checked)
    for one in beside:
        one.write(book, formats)
    if layout.epochs:
        tables.write_epochs(book, formats, layout, by_epochs)
    if layout.drawn:
        tables.write_drawn(book, formats, layout)
    file = book.get_worksheet_by_name(NETWORK_FILE)
    write_network_file(file, formats, dumps(spec), inputs=f"{OVERVIEW} has")


def shown_values(layout: Layout) -> dict[str, float]:
    """The values on the pages: those of the row and rate that a new workbook shows, the first of each."""
    first_batch = list(
        islice(table_rows(layout.table_now, tables.given(layout, 0), layout.batches), layout.batches.count(0))
    )
    picked = {RATE: layout.spec.rates[0]}
    for cell in layout.page:
        if cell.expr is None and cell.name != RATE:
            column = layout.columns.get(cell.name)  # what was before the first batch is 0
            row = first_batch[-1 if cell.once else 0]
            picked[cell.name] = 0.0 if column is None else row[column]
    for name in layout.checks.others:
        picked |= {other_name(name, k): first_batch[k][layout.columns[name]] for k in layout.checks.rows}
    return page_values(layout.page_now, picked)
