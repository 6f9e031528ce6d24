"""One comparison: what every calculated cell holds, beside what it should hold, told twice.

*Trained* is the whole training, told again from the inputs; *implied* is what a cell must be by
the other cells of its row and of the row above, as they stand. A cell that is not as implied is
wrong by itself; one that is as implied and not as trained inherits a mistake.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xlbackprop.engine import Engine, Recalculated
from xlbackprop.reference import run as reference
from xlbackprop.reference.functions import Array
from xlbackprop.reference.run import RATE, SAMPLE, STEP, Numbers, Options
from xlbackprop.sheet.layout import RISES, Kind, Run
from xlbackprop.spec import Spec, total_error
from xlbackprop.verification.read import Workbook, numbers

RELATIVE = 1e-12  # what two honest calculators may differ by, of the larger number
ROUNDINGS = 0.5  # and this part of the noise that moving last digits by up to 64 units was seen to make
FLOOR = 1e-290  # and this: nearer to 0 doubles lose digits, and calculators differ in what they keep


@dataclass(frozen=True)
class Cells:
    """The numbers of a run, (count,), and how far rounding may move each."""

    values: Array
    noise: Array


class Comparison:
    """A workbook's cells, read once, for the inputs of `spec`, with its pages at (rate, step) `shown`."""

    def __init__(
        self, workbook: Workbook, recalculated: Recalculated, engine: Engine, spec: Spec, shown: tuple[int, int]
    ) -> None:
        self.layout, self.spec, self.shown = workbook.layout, spec, shown
        # LibreOffice rounds differences too, not only what it keeps, so a whole training has this rounding.
        self._options: Options = {"epsilon": engine.epsilon, "exp_overflows": engine.exp_overflows}
        self.found: dict[Run, Array] = {run: numbers(recalculated, run) for run in self.layout.runs()}
        self.trained: Numbers = reference.train(spec, **self._options)

    def __iter__(self) -> Iterator[tuple[Run, Array, Cells, Cells]]:
        """Each run with what it holds, and what it should by the whole training and by its own row."""
        for run, found in self.found.items():
            yield run, found, *self.expected(run)

    @cached_property
    def tables(self) -> dict[str, Array]:
        """The cells of the training tables, each quantity (n_rates, steps + 1), the rate included."""
        columns: dict[str, list[Array]] = {}
        for run, values in self.found.items():
            if run.kind is Kind.TABLE:
                columns.setdefault(run.name, []).append(values)
            elif run.name == RATE and run.sheet in self.layout.sheets:
                columns.setdefault(RATE, []).append(np.repeat(values, self.spec.steps + 1))
        return {name: np.stack(parts) for name, parts in columns.items()}

    @cached_property
    def implied(self) -> Numbers:
        return reference.implied(self.spec, self.tables, **self._options)

    @cached_property
    def from_weights(self) -> Numbers:
        """What the rows must be by their rate, sample and weights alone, with the noise of that longer way."""
        spec = self.spec
        rests = {RATE, STEP, SAMPLE, *spec.inputs, *spec.targets, *(name for name, _, _ in spec.parameters())}
        return reference.implied(spec, {k: v for k, v in self.tables.items() if k in rests}, **self._options)

    @cached_property
    def page(self) -> Numbers:
        """The pages by the whole training: calculated from its row, with at least the noise of that row."""
        picked = [cell.name for cell in self.layout.page if cell.expr is None and cell.name != RATE]
        start = {name: float(self.trained.values[name][self.shown]) for name in picked}
        noise = {name: float(self.trained.noise[name][self.shown]) for name in picked}
        relative = [noise[name] / abs(value) for name, value in start.items() if value and math.isfinite(noise[name])]
        start[RATE], noise[RATE] = self.spec.rates[self.shown[0]], 0.0
        options: Options = {**self._options, "epsilon": max([self._options["epsilon"], *relative])}
        return _with(reference.page(self.spec, start, **options), start, noise)

    @cached_property
    def page_implied(self) -> Numbers:
        """The pages by their own lines; what they pick, by the table's row."""
        cells = {run.name: float(values[0]) for run, values in self.found.items() if run.kind is Kind.PAGE}
        picked = [cell.name for cell in self.layout.page if cell.expr is None]
        start = {name: float(self.tables[name][self.shown]) for name in picked}
        start[RATE] = self.spec.rates[self.shown[0]]
        noise = {name: abs(value) * self._options["epsilon"] for name, value in start.items()}
        return _with(reference.page(self.spec, cells, **self._options), start, noise)

    def expected(self, run: Run) -> tuple[Cells, Cells]:
        """By the whole training, and as implied."""
        if run.kind is Kind.PAGE:
            return _cells(self.page, run.name, ()), _cells(self.page_implied, run.name, ())
        if run.name == RATE or run.rate is None:
            rate = self.shown[0] if run.rate is None else run.rate
            value = float(self.shown[1]) if run.name == STEP else self.spec.rates[rate]
            copied = Cells(np.array([value]), np.array([abs(value) * self._options["epsilon"]]))
            return copied, copied
        table = Numbers({total_error(): self.tables[total_error()]}, self.implied.noise)
        if run.name == RISES:
            lag = len(self.spec.samples)
            return _rises(self.trained, run.rate, lag), _rises(table, run.rate, lag)
        assert run.step is not None
        place = (run.rate, slice(run.step, run.step + run.count))
        trained = _cells(self.trained, run.name, place)
        if run.kind is Kind.TABLE:
            return trained, _cells(self.implied, run.name, place)
        shown = self.tables[run.name][place]
        return trained, Cells(shown, np.abs(shown) * self._options["epsilon"])


def agrees(found: Array, expected: Cells, floor: float = FLOOR) -> Array:
    """Cell by cell: as near as rounding allows, or both without a number."""
    values, noise = expected.values, expected.noise
    with np.errstate(all="ignore"):
        allowed = RELATIVE * np.maximum(np.abs(found), np.abs(values)) + ROUNDINGS * noise + floor
        near = np.abs(found - values) <= allowed
    same: Array = near | (~np.isfinite(found) & ~np.isfinite(values)) | np.isinf(noise)
    return same


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


def _with(numbers: Numbers, values: dict[str, float], noise: dict[str, float]) -> Numbers:
    def arrays(one: dict[str, float]) -> dict[str, Array]:
        return {name: np.array(value) for name, value in one.items()}

    return Numbers({**numbers.values, **arrays(values)}, {**numbers.noise, **arrays(noise)})


def _rises(numbers: Numbers, rate: int, lag: int) -> Cells:
    """How many visits to a sample found a larger error; a change no larger than rounding may count or not."""
    errors, noise = numbers.values[total_error()][rate], numbers.noise[total_error()][rate]
    if lag >= len(errors):
        return Cells(np.zeros(1), np.zeros(1))
    if not np.isfinite(errors).all():
        return Cells(np.array([np.nan]), np.zeros(1))
    change = errors[lag:] - errors[:-lag]
    doubtful = np.abs(change) <= RELATIVE * errors[lag:] + ROUNDINGS * (noise[lag:] + noise[:-lag])
    return Cells(np.array([float((change > 0).sum())]), np.array([doubtful.sum() / ROUNDINGS]))
