"""Warnings: what does not make the mathematics wrong, but misleads who reads the sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from xlbackprop.audit.formula import Lane
from xlbackprop.audit.labels import Kind
from xlbackprop.audit.live import drifting_inputs
from xlbackprop.audit.report import Warning
from xlbackprop.audit.typed import not_live
from xlbackprop.audit.values import Values
from xlbackprop.sheet.address import cell_name

if TYPE_CHECKING:
    from xlbackprop.audit.table_audit import TableAudit

_REASONS = {
    "#CIRC!": ("circular-reference", "is part of a circular reference, which iterative calculation only hides"),
    "#NAME?": ("unknown-name", "uses a name or a function that the calculator does not know"),
    "#ERROR!": ("unread-formula", "has a formula that the calculator cannot read"),
}


def table_warnings(audit: TableAudit) -> list[Warning]:
    """What is odd in one table."""
    found = [] if audit.live else [not_live(audit)]
    return [*found, *_labels(audit), *_drifting(audit), *_convention(audit)]


def book_warnings(values: Values) -> list[Warning]:
    """What is odd in the workbook as a whole."""
    book = values.book
    found = [Warning("", "", "reading", note) for note in book.notes]
    if not book.full_precision:
        says = (
            "the workbook calculates with precision as displayed: its numbers are rounded to the digits shown, "
            "and are not wrong by that"
        )
        found.append(Warning("", "", "precision-as-displayed", says))
    if book.external_links:
        found.append(Warning("", "", "external-links", "links to other files, which were not read"))
    if book.macros:
        found.append(Warning("", "", "macros", "has macros, which were not run"))
    first: dict[tuple[str, str], tuple[int, int]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for (sheet, row, column), error in sorted(values.carried.items()):
        first.setdefault((sheet, error), (row, column))
        counts[sheet, error] += 1
    for (sheet, error), place in first.items():
        kind, says = _REASONS.get(error, ("calculator-error", f"is {error} when it is recalculated"))
        more = f", as are {counts[sheet, error] - 1:,} more cells that use it" if counts[sheet, error] > 1 else ""
        shown = "; the value shown is the one that the file carries"
        found.append(Warning(sheet, cell_name(*place), kind, says + more + shown))
    return found


def _labels(audit: TableAudit) -> Iterator[Warning]:
    """Labels that say another thing than the wiring."""
    network, labels, table = audit.network, audit.lanes.labels, audit.table

    def odd(lane: int, label: str, is_: str) -> Warning:
        says = f"is labelled {label}, but by the formulas it is {is_}"
        return Warning(table.sheet, audit.places.cell(lane, 0), "label-contradicts-wiring", says)

    for unit in network.units.values():
        if unit.a is not None and labels[unit.a].kind is Kind.ACTIVATION and labels[unit.a].of != unit.name:
            yield odd(unit.a, labels[unit.a].quantity, f"the activation of {unit.name}")
    for one in network.parameters.values():
        lane = one.gradient
        if lane is not None and labels[lane].kind is Kind.GRADIENT and labels[lane].of != one.name:
            yield odd(lane, labels[lane].quantity, f"the gradient of {one.name}")
    for k, output in enumerate(network.outputs):
        lane = output.error
        if lane is not None and labels[lane].kind is Kind.ERROR and labels[lane].of != f"E{k + 1}":
            yield odd(lane, labels[lane].of, f"the error of {output.unit}")
        target = output.target
        if not isinstance(target, Lane) or labels[target.lane].kind is not Kind.TARGET or len(network.outputs) == 1:
            continue
        if output.unit[1:].isdigit() and output.name[1:] != output.unit[1:]:
            yield odd(target.lane, output.name, f"the target of {output.unit}")


def _drifting(audit: TableAudit) -> Iterator[Warning]:
    for lane in drifting_inputs(audit.bound, audit.network):
        values = [one for one in audit.bound.contents[lane] if isinstance(one, float)]
        says = (
            f"{audit.roles.name(Lane(lane))} drifts from {values[0]:.15g} to {values[-1]:.15g}, as a dragged fill does"
        )
        yield Warning(audit.table.sheet, audit.places.cell(lane, 0), "drifting-constant", says)


def _convention(audit: TableAudit) -> Iterator[Warning]:
    convention = audit.network.convention
    if convention == "gradient":
        return
    lane = next((one.gradient for one in audit.network.parameters.values() if one.gradient is not None), None)
    if lane is not None and audit.lanes.labels[lane].kind is Kind.GRADIENT:
        what = {
            "negative gradient": "-dE/dw, which the updates add",
            "change": "the learning rate times dE/dw",
            "negative change": "the learning rate times -dE/dw, which the updates add",
        }[convention]
        says = f"the columns labelled as gradients hold {what}"
        yield Warning(audit.table.sheet, audit.places.cell(lane, 0), "convention", says)
