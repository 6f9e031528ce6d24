"""The audit of one table: its network, its mistakes, and what is odd in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from xlbackprop.audit.binding import BoundTable
from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Fixed, Lane, Num, Outside, Tree
from xlbackprop.audit.hypotheses import best_explanation
from xlbackprop.audit.labels import Label
from xlbackprop.audit.lanes import Lanes
from xlbackprop.audit.live import Typed, is_live, typed_cells
from xlbackprop.audit.mapping import map_labels, outside_labels
from xlbackprop.audit.naming import Named, Naming
from xlbackprop.audit.network import Network
from xlbackprop.audit.places import Places
from xlbackprop.audit.report import MistakeReport, TableReport, Value, Warning
from xlbackprop.audit.right import right_formulas
from xlbackprop.audit.roles import Roles
from xlbackprop.audit.sentences import Sentences, typed_says
from xlbackprop.audit.tables import Table
from xlbackprop.audit.values import Values
from xlbackprop.audit.warn import table_warnings
from xlbackprop.sheet.address import cell_name

_LOOSE = 1e-12  # of a small difference of larger numbers, which two calculators round differently


@dataclass(frozen=True)
class _Found:
    """Where a mistake is, in the table's own terms."""

    lane: int
    steps: list[int]
    right: Tree | None
    named: Named | None

    @property
    def place(self) -> tuple[int, int]:
        return self.lane, self.steps[0]


class TableAudit:
    """The audit of one table."""

    def __init__(
        self, table: Table, bound: BoundTable, values: Values, mapping: Mapping[str, str], known: dict[object, Named]
    ) -> None:
        self.table, self.bound, self.values = table, bound, values
        labels: list[Label] = map_labels(table, mapping)
        self.lanes = Lanes(bound, labels, outside_labels(values.book, table, mapping))
        self._known = known
        self.mistakes: list[MistakeReport] = []
        self._found: dict[str, _Found] = {}  # by a mistake's range
        self.warnings: list[Warning] = []
        self.comparing = best_explanation(self.lanes, self.actual)
        self.network: Network = self.comparing.network
        self.places = Places(table)

    @property
    def range(self) -> str:
        rows = [place for column in self.table.columns for place in column.places]
        first = cell_name(min(row for row, _ in rows), min(column for _, column in rows))
        return f"{first}:{cell_name(max(row for row, _ in rows), max(column for _, column in rows))}"

    def lacks(self) -> str:
        """What the table lacks to be one that trains a network; nothing if it is one."""
        network = self.network
        if not network.units:
            return "no pre-activations or activations were found"
        if not network.parameters:
            return "no weights were found"
        if not network.outputs:
            return "no target of an output was found"
        has_training = any(
            one.gradient is not None or one.trained or one.updated for one in network.parameters.values()
        )
        return "" if has_training else "neither gradients nor updates were found"

    def run(self) -> None:
        self.roles = Roles(self.network, self.table)
        self.formulas = right_formulas(self.network)
        self.sentences = Sentences(self.roles, self.places)
        self.live = is_live(self.bound, self.network)
        if self.live:
            naming = Naming(self.comparing, self.roles, self.formulas, self._known)
            for named in naming.all():
                self._add_named(named)
            for typed in typed_cells(self.bound, self.network, self.roles):
                self._add_typed(typed)
            self.mistakes.sort(key=lambda one: self._found[one.range].place)
        self._add_unread()
        self._compare_with_calculator()
        self.warnings += table_warnings(self)
        self.report = self._report()

    # Mistakes.

    def _add_named(self, named: Named) -> None:
        lane, step = named.lane, named.steps[0]
        spoils = tuple(self.roles.quantity(one) for one in sorted(self.comparing.result.spoiled.get(lane, ())))
        self._add(
            lane, named.steps, named.kind, named.all_kinds or (named.kind,), self._says(named),
            self._written(named.wrong, lane, step),
            named.right, spoils, named,
        )  # fmt: skip

    def _says(self, named: Named) -> str:
        return self.sentences.says(named, self._quantity(named.lane)) + self._effective_rate(named)

    def _effective_rate(self, named: Named) -> str:
        """What an update multiplies its gradient by, where that is not the learning rate."""
        if named.kind not in ("drifting-rate", "wrong-rate") or self.network.rate is None:
            return ""
        effective = self.evaluate(named.edits[0].before, named.lane, named.steps[0])
        shown = "no number" if math.isnan(effective) else f"{effective:g}"
        return f"; the effective rate is {shown}, not {self.actual(self.network.rate):g}"

    def _written(self, form: Tree, lane: int, step: int) -> str:
        """The formula in its author's own writing; one shared with other cells as it would stand here."""
        place = self.table.columns[lane].places[step]
        cell = self.values.book.sheets[self.table.sheet].cells[place]
        if cell.formula is not None and (cell.formula.row, cell.formula.column) == place:
            return "=" + cell.formula.text
        return self.places.formula(form, lane, step)

    def _add_typed(self, typed: Typed) -> None:
        lane, step = typed.lane, typed.steps[0]
        right = self._right(lane)
        content = self.bound.contents[lane][step]
        expected = self.evaluate(right, lane, step)
        holds = isinstance(content, float) and _near(content, expected)
        if typed.first_only and holds:
            says = f"is typed in the first row, where it could be calculated; its value is right ({content:.12g})"
            self._warn(lane, step, "typed-first-row", f"{self._quantity(lane)} {says}")
            return
        if self.comparing.is_given(lane):
            says = "differs from all other rows of its column"
        else:
            says = typed_says(typed.kind, content is None, holds)
        self._add(lane, typed.steps, typed.kind, (typed.kind,), says, "", right, ())

    def _right(self, lane: int) -> Tree | None:
        """The right formula of a lane: its own at other steps, or the printed one."""
        if self.comparing.is_given(lane):
            numbers = [one for one in self.bound.contents[lane] if isinstance(one, float)]
            return Num(max(set(numbers), key=numbers.count)) if numbers else None
        form = self.bound.form(lane)
        wrong = self.comparing.result.wrong.get(lane, {})
        return form if form is not None and form not in wrong else self.formulas.get(lane)

    def _add(
        self, lane: int, steps: list[int], kind: str, kinds: tuple[str, ...], says: str, formula: str,
        right: Tree | None, spoils: tuple[str, ...], named: Named | None = None,
    ) -> None:  # fmt: skip
        step = steps[0]
        found = self.values.at(self.table.sheet, *self.table.columns[lane].places[step])
        expected: Value = None if right is None else self.evaluate(right, lane, step)
        fix = "" if right is None else self.places.formula(right, lane, step)
        if isinstance(right, Num):
            fix = fix[1:]
        report = MistakeReport(
            self.table.sheet, self.places.cell(lane, step), self.places.range(lane, steps), len(steps),
            self._quantity(lane), kind, kinds, says, formula, fix, found, expected, spoils,
        )  # fmt: skip
        self._found[report.range] = _Found(lane, steps, right, named)
        self.mistakes.append(report)

    def mistake_at(self, lane: int, step: int) -> tuple[str, str]:
        """What is wrong with a cell's own formula, and the right one there; nothing if nothing is."""
        for one in self.mistakes:
            found = self._found[one.range]
            if found.lane == lane and step in found.steps:
                says = one.says if found.named is None else self._says(replace(found.named, steps=[step]))
                return says, "" if found.right is None else self.places.formula(found.right, lane, step)
        return "", ""

    def _quantity(self, lane: int) -> str:
        return self.roles.quantity(lane, self.comparing.result.means.get(lane, ""))

    def _add_unread(self) -> None:
        for (lane, step), reason in self.bound.unread.items():
            self._warn(lane, step, "unread-formula", f"its formula {reason}; the cell was not checked")
            break
        functions: dict[str, tuple[int, int]] = {}
        for (lane, step), name in self.comparing.result.unknown.items():
            functions.setdefault(name, (lane, step))
        for name, (lane, step) in functions.items():
            self._warn(
                lane,
                step,
                "unknown-function",
                f"uses {name}, a function that is not known here; the cells that use it were not checked",
            )

    def _compare_with_calculator(self) -> None:
        """Our own reading of each formula, on the numbers that stand there, against the calculator's.

        A formula that we read otherwise than a spreadsheet does would be judged wrongly.
        """
        if self.values.recalculated is None:
            return
        for lane in range(len(self.table.columns)):
            for form, steps in self.bound.groups(lane).items():
                for step in {steps[0], steps[-1]}:
                    place = self.table.columns[lane].places[step]
                    theirs = self.values.at(self.table.sheet, *place)
                    ours = self.evaluate(form, lane, step)
                    known = isinstance(theirs, float) and (self.table.sheet, *place) not in self.values.carried
                    if known and not math.isnan(ours) and not _near(float(theirs or 0), ours, _LOOSE):
                        says = (
                            f"reads {ours:.12g} here and {theirs:.12g} in the calculator; it was compared as read here"
                        )
                        self._warn(lane, step, "calculator-differs", says)
                        return

    @property
    def rate_cell(self) -> str:
        """Where the rate stands, as an address of the table's sheet."""
        rate = self.network.rate
        return "" if rate is None or isinstance(rate, Num) else self.places.leaf(rate, 0).replace("$", "")

    def _warn(self, lane: int, step: int, kind: str, says: str) -> None:
        self.warnings.append(Warning(self.table.sheet, self.places.cell(lane, step), kind, says))

    def _report(self) -> TableReport:
        rate = self.network.rate
        number = None if rate is None else self.actual(rate)
        cells = sum(len(steps) for lane in range(len(self.table.columns)) for steps in self.bound.groups(lane).values())
        verdict = "not live" if not self.live else "wrong" if self.mistakes else "correct"
        return TableReport(
            self.table.sheet, self.range, self.table.first_row + 1, self.table.last_row + 1, verdict,
            self.network.summary, None if number is None or math.isnan(number) else number, cells,
        )  # fmt: skip

    # Numbers as they stand.

    def actual(self, leaf: Tree) -> float:
        match leaf:
            case Outside(sheet, row, column):
                return self.values.number(sheet, row, column)
            case Lane(lane, _):
                return self.values.number(self.table.sheet, *self.table.columns[lane].places[0])
            case Num(value):
                return value
        return math.nan

    def _number(self, lane: int, step: int) -> float:
        return self.values.number(self.table.sheet, *self.table.columns[lane].places[step])

    def evaluate(self, tree: Tree | None, lane: int, step: int, other: Mapping[Tree, float] | None = None) -> float:
        """A formula's value with the numbers that stand in the sheet; `other` has other numbers for some leaves."""
        if tree is None:
            return math.nan

        def look(leaf: Tree) -> Array:
            if other and leaf in other:
                return np.asarray(other[leaf])
            match leaf:
                case Lane(of, offset):
                    inside = 0 <= step + offset < self.table.steps  # beyond stands a blank
                    return np.asarray(self._number(of, step + offset) if inside else 0.0)
                case Fixed(of, at):
                    return np.asarray(self._number(of, at))
            return np.asarray(self.actual(leaf))

        try:
            return float(np.real(evaluate(tree, look)))
        except (UnknownFunction, TypeError):
            return math.nan


def _near(found: float, right: float, absolute: float = 1e-15) -> bool:
    return abs(found - right) <= 1e-9 * abs(right) + absolute
