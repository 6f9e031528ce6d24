"""One comparison: what every calculated cell holds, beside what it should hold, told twice.

*Trained* is the whole training, told again from the inputs; *implied* is what a cell must be by
the other cells of its row and of the row above, as they stand. A cell that is not as implied is
wrong by itself; one that is as implied and not as trained inherits a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xlbackprop.graph.checks import BANDS
from xlbackprop.reference import checks, complex_step
from xlbackprop.reference import implied as rows
from xlbackprop.reference.functions import Array
from xlbackprop.reference.noise import Numbers
from xlbackprop.reference.samples import input_statistics
from xlbackprop.reference.told import Calculator
from xlbackprop.sheet.layout import BATCH_FIRST, BATCH_LAST, CHECKS, EPOCH_ERROR, OVERVIEW, RISES, Kind, Layout, Run
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import RATE, SAMPLE, STEP, VISIT, total_error
from xlbackprop.verification.read import Found

RELATIVE = 1e-12  # what two honest calculators may differ by, of the larger number
ROUNDINGS = 0.5  # and this part of the noise that moving last digits by up to 64 units was seen to make
FLOOR = 1e-305  # and this: below 2.2e-308 doubles lose digits, and calculators differ in what they keep


@dataclass(frozen=True)
class Cells:
    """The numbers of a run, (count,), and how far rounding may move each."""

    values: Array
    noise: Array


class Comparison:
    """A workbook's cells for the inputs of `spec`, whose training is `trained`, with its pages at (rate, step) `shown`.

    `steps` are those of Checks: ε and h, or none.
    """

    def __init__(
        self,
        layout: Layout,
        found: Found,
        spec: Spec,
        trained: Numbers,
        shown: tuple[int, int],
        steps: tuple[float, ...],
        calculator: Calculator,
    ) -> None:
        self.layout, self.spec, self.trained, self.shown, self.steps = layout, spec, trained, shown, steps
        self.found, self._tables, self._calculator = found.numbers, found.tables, calculator

    def __iter__(self) -> Iterator[tuple[Run, Array, Cells, Cells]]:
        """Each run with what it holds, and what it should by the whole training and by its own row."""
        for run, found in self.found.items():
            yield run, found, *self.expected(run)

    @cached_property
    def tables(self) -> dict[str, Array]:
        """The cells of the training tables, each quantity (n_rates, cells), the rate included."""
        sheets, visits = self.layout.sheets, self.spec.batches.visits
        rates = [values for run, values in self.found.items() if run.name == RATE and run.sheet in sheets]
        return {RATE: np.repeat(np.stack(rates), visits, axis=1), **self._tables}

    @cached_property
    def implied(self) -> Numbers:
        return rows.implied(self.spec, self.tables, self._calculator, self.tables)

    @cached_property
    def from_weights(self) -> Numbers:
        """What gradients must be by their row's rate, sample and weights alone, with the noise of that longer way."""
        spec = self.spec
        rests = {RATE, STEP, VISIT, SAMPLE, *spec.inputs, *spec.targets, *spec.initial, *spec.drawn}
        observed = {name: values for name, values in self.tables.items() if name in rests}
        return rows.implied(spec, observed, self._calculator, set(map(naming.gradient_name, spec.differentiated)))

    @property
    def _on_pages(self) -> set[str]:
        return {cell.name for cell in self.layout.page}

    @cached_property
    def _shown(self) -> dict[str, float]:
        """What the pages hold."""
        return {run.name: float(values[0]) for run, values in self.found.items() if run.kind is Kind.PAGE}

    @cached_property
    def page(self) -> Numbers:
        """The pages by the whole training: calculated from its row, with at least the noise of that row."""
        start, noise = self._picked(self.trained)
        told = _with(rows.page(self.spec, start, self._calculator, self._on_pages, noise), start, noise)
        # What cannot be told, beside a number that is none, is taken as it stands, in the texts too.
        untold = {name for name in self._shown if np.isinf(told.noise.get(name, 0.0)).all()}
        return Numbers({**told.values, **{name: np.array(self._shown[name]) for name in untold}}, told.noise)

    @cached_property
    def page_implied(self) -> Numbers:
        """The pages by their own lines; what they pick, by the table's row."""
        start, _ = self._picked(Numbers(self.tables, {}))
        noise = {name: abs(value) * self._calculator.epsilon for name, value in start.items()}
        return _with(rows.page(self.spec, self._shown, self._calculator, self._on_pages, by_factors=True), start, noise)

    @cached_property
    def checks(self) -> Numbers:
        """The checks by the whole training."""
        names = {RATE, *self.spec.inputs, *self.spec.targets, *self.spec.initial, *self.spec.drawn}
        names |= set(map(naming.gradient_name, self.layout.checks.names))
        shown = {name: float(self.page.values[name]) for name in names}
        noise = {name: float(self.page.noise.get(name, 0.0)) for name in names}
        return self._checks(self._with_others(shown, self.trained.values), noise, {})

    @cached_property
    def checks_implied(self) -> Numbers:
        """The checks by the cells of the pages and of their own rows."""
        sheet, found = self.layout.checks, self._on_checks(Kind.CHECK)
        start = self._with_others(self._shown, self.tables)
        for run, values in self._on_checks(Kind.OTHER).items():
            if run.name != VISIT:
                start[run.name][1:] = values
        stands = {name: values[0] for name, values in start.items()}
        stands |= {naming.other_name(name, k): values[k] for name, values in start.items() for k in sheet.rows}
        observed: dict[str, Array] = {}
        for run, values in found.items():
            if run.name in sheet.columns:
                observed[run.name] = np.full(len(sheet.names), stands.get(sheet.quantities.get(run.name, ""), 0.0))
                observed[run.name][list(run.offsets or ())] = values
            elif run.name == naming.LARGEST:
                observed[run.name] = values
        for band in BANDS:  # what is taken over the batch has one cell for all samples
            for name in sheet.shared:
                if (column := band.format(name)) in observed:
                    observed |= {band.format(naming.other_name(name, k)): observed[column] for k in sheet.rows}
        return self._checks(start, {}, observed)

    def _checks(self, values: dict[str, Array], noise: dict[str, float], observed: dict[str, Array]) -> Numbers:
        start = checks.Start(self.layout.checks.names, values, noise, *self.steps)
        return checks.checks(self.spec, start, observed, self._calculator)

    def _on_checks(self, kind: Kind) -> dict[Run, Array]:
        return {run: values for run, values in self.found.items() if run.kind is kind and run.sheet == CHECKS}

    @cached_property
    def _others(self) -> Array:
        """The visits of the other samples of the batch shown that Checks has."""
        _, visit = self.shown
        start = self.spec.batches.start(self.spec.batches.step_of(visit))
        count = 1 + len(self.layout.checks.rows)
        return np.array([k for k in range(start, start + count) if k != visit], dtype=int)[: count - 1]

    def _with_others(self, shown: dict[str, float], tables: Mapping[str, Array]) -> dict[str, Array]:
        """What is shown, and beside it the same of the other samples: (1 + others,) each."""
        rate, visits = self.shown[0], self.spec.batches.visits
        result = {}
        for name, value in shown.items():
            in_rows = name in tables and tables[name].shape[1] == visits  # else a batch has it once
            others = tables[name][rate, self._others] if in_rows else [value] * len(self._others)
            result[name] = np.array([value, *others])
        return result

    def _other(self, run: Run) -> tuple[Cells, Cells]:
        """Of the other samples of the batch: which they are, or what the table has of them."""
        rate, _ = self.shown
        if run.name == VISIT:
            counted = Cells(self._others.astype(float), np.zeros(len(self._others)))
            return counted, counted
        visits = next(values for run, values in self._on_checks(Kind.OTHER).items() if run.name == VISIT)
        column = self.tables[run.name][rate]
        picked = [column[int(k)] if k in range(len(column)) else np.nan for k in visits]
        trained = self.trained.values[run.name][rate, self._others], self.trained.noise[run.name][rate, self._others]
        return Cells(*trained), _copy(np.array(picked), self._calculator)

    def _status(self) -> Cells:
        """What Overview repeats."""
        found = next(values for run, values in self._on_checks(Kind.CHECK).items() if run.name == naming.DISAGREE)
        return _copy(found, self._calculator)

    def _picked(self, numbers: Numbers) -> tuple[dict[str, float], dict[str, float]]:
        """What the pages pick from the tables' numbers, and its noise."""
        rate, visit = self.shown
        step = self.spec.batches.step_of(visit)
        values, noise = {RATE: self.spec.rates[rate]}, {RATE: 0.0}
        for cell in self.layout.page:
            if cell.expr is not None or cell.name == RATE:
                continue
            name, at = cell.name, step if cell.once else visit
            if name not in numbers.values:  # of the step before
                name, at = cell.name.removesuffix(naming.before_name("")), step - 1
            values[cell.name] = float(numbers.values[name][rate, at]) if at >= 0 else 0.0
            noise[cell.name] = float(numbers.noise[name][rate, at]) if at >= 0 and name in numbers.noise else 0.0
        return values, noise

    def expected(self, run: Run) -> tuple[Cells, Cells]:
        """By the whole training, and as implied."""
        if run.kind is Kind.PAGE:
            return _cells(self.page, run.name, ()), _cells(self.page_implied, run.name, ())
        if run.kind is Kind.CHECK:
            trained, implied = (_at(numbers, run) for numbers in (self.checks, self.checks_implied))
            return trained, self._status() if run.sheet == OVERVIEW else implied
        if run.kind is Kind.OTHER:
            return self._other(run)
        if run.name == RATE or run.rate is None:
            copied = self._copied(run)
            return copied, copied
        error, steps = self.layout.error, self.spec.batches.steps + 1
        table = Numbers({name: self.tables[name] for name in (error, total_error())}, self.implied.noise)
        if run.name == RISES:
            lag = self.spec.batches.per_epoch
            return _rises(self.trained, error, run.rate, lag), _rises(table, error, run.rate, lag)
        if run.name == EPOCH_ERROR:
            return self._epochs(self.trained, run), self._epochs(table, run)
        assert run.step is not None
        place = (run.rate, slice(run.step, run.step + run.count))
        if run.kind is Kind.TABLE:
            return _cells(self.trained, run.name, place), _cells(self.implied, run.name, place)
        if run.name == STEP and self.spec.batches.several:
            counted = Cells(np.arange(float(steps)), np.zeros(steps))
            return counted, _copy(self.tables[STEP][0][list(self.layout.table_rows.last_visits)], self._calculator)
        return _cells(self.trained, run.name, place), _copy(self.tables[run.name][place], self._calculator)

    def _copied(self, run: Run) -> Cells:
        """What is neither in a table nor on a page: copies of inputs, and what follows from inputs alone."""
        spec, (rate, visit) = self.spec, self.shown
        start = spec.batches.start(spec.batches.step_of(visit))
        if run.kind is Kind.DRAWN:
            values = np.array(self.layout.drawn[run.name])
        elif run.name == RATE:
            values = np.array([spec.rates[rate if run.rate is None else run.rate]])
        elif run.name in self.layout.statistics:
            means, deviations = input_statistics(spec)
            found = {naming.mean_name(name): value for name, value in zip(spec.inputs, means)}
            found |= {naming.deviation_name(name): value for name, value in zip(spec.inputs, deviations)}
            largest = max(abs(x) for sample in spec.samples for x in sample.inputs)
            return Cells(np.array([found[run.name]]), np.array([16 * largest * self._calculator.epsilon]))
        else:
            stop = start + spec.batches.count(spec.batches.step_of(visit))
            values = np.array([float({BATCH_FIRST: start + 1, BATCH_LAST: stop}.get(run.name, visit))])
        return _copy(values, self._calculator)

    def _epochs(self, numbers: Numbers, run: Run) -> Cells:
        """The average of the total errors of each epoch."""
        samples = self.spec.batches.samples

        def rows(values: Array) -> Array:
            return values[run.rate, : self.layout.epochs * samples].reshape(-1, samples)

        errors = rows(numbers.values[total_error()])
        rounding = samples * self._calculator.epsilon * np.abs(errors).mean(axis=1)
        return Cells(errors.mean(axis=1), rows(numbers.noise[total_error()]).max(axis=1) + rounding)


def _copy(values: Array, calculator: Calculator) -> Cells:
    return Cells(values, np.abs(values) * calculator.epsilon)


def agrees(found: Array, expected: Cells, floor: float = FLOOR) -> Array:
    """Cell by cell: as near as rounding allows, or both without a number."""
    values, noise = expected.values, expected.noise
    with np.errstate(all="ignore"):
        allowed = RELATIVE * np.maximum(np.abs(found), np.abs(values)) + ROUNDINGS * noise + floor
        near = np.abs(found - values) <= allowed
    same: Array = near | (~np.isfinite(found) & ~np.isfinite(values)) | np.isinf(noise)
    return same


def denied(found: Array, witness: complex_step.Witness, name: str, rate: int, noise: Array) -> Array:
    """Which cells of a gradient the complex step confirms with neither of its steps."""
    off = ~agrees(found, Cells(witness.gradients[name][rate], noise), complex_step.FLOOR)
    if off.any():
        off &= ~agrees(found, Cells(witness.again[name][rate], noise), complex_step.FLOOR)
    return off


def relative_difference(found: Array, expected: Cells) -> tuple[Array, Array]:
    """|found - expected| over the larger of both, and which cells are too near 0 for that to tell anything.

    Those are where rounding alone may move a cell by more than RELATIVE; their difference, and
    that of what is not a number, is given as 0.
    """
    with np.errstate(all="ignore"):
        larger = np.maximum(np.abs(found), np.abs(expected.values))
        rounding = ROUNDINGS * expected.noise + FLOOR > RELATIVE * larger
        relative = np.abs(found - expected.values) / larger
    return np.where(np.isfinite(relative) & ~rounding, relative, 0.0), rounding


def _cells(numbers: Numbers, name: str, place: tuple[int, slice] | tuple[()]) -> Cells:
    return Cells(np.atleast_1d(numbers.values[name][place]), np.atleast_1d(numbers.noise[name][place]))


def _at(numbers: Numbers, run: Run) -> Cells:
    """Of whole columns, the run's cells."""
    offsets = list(run.offsets or (0,))
    return Cells(numbers.values[run.name][offsets], numbers.noise[run.name][offsets])


def _with(numbers: Numbers, values: dict[str, float], noise: dict[str, float]) -> Numbers:
    def arrays(one: dict[str, float]) -> dict[str, Array]:
        return {name: np.array(value) for name, value in one.items()}

    return Numbers({**numbers.values, **arrays(values)}, {**numbers.noise, **arrays(noise)})


def _rises(numbers: Numbers, error: str, rate: int, lag: int) -> Cells:
    """How many visits to a sample found a larger error; a change no larger than rounding may count or not."""
    errors, noise = numbers.values[error][rate], numbers.noise[error][rate]
    if lag >= len(errors):
        return Cells(np.zeros(1), np.zeros(1))
    if not np.isfinite(errors).all():
        return Cells(np.array([np.nan]), np.zeros(1))
    change = errors[lag:] - errors[:-lag]
    doubtful = np.abs(change) <= RELATIVE * errors[lag:] + ROUNDINGS * (noise[lag:] + noise[:-lag])
    return Cells(np.array([float((change > 0).sum())]), np.array([doubtful.sum() / ROUNDINGS]))
