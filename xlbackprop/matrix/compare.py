"""One comparison: what every cell of the bands holds, beside what it should hold, told twice.

*Trained* is the whole training, told again from the inputs; *implied* is what a cell must be by
the other cells of its band and the band above, as they stand. Where a quantity stands in several
blocks its first place is calculated, the others show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from xlbackprop.engine import Engine, Recalculated, Value
from xlbackprop.matrix.blocks import Place
from xlbackprop.matrix.layout import Layout, View
from xlbackprop.reference import complex_step
from xlbackprop.reference.functions import Array
from xlbackprop.reference.implied import implied
from xlbackprop.reference.noise import Numbers
from xlbackprop.reference.run import train
from xlbackprop.reference.told import Calculator
from xlbackprop.spec import Spec, gradient_name, updated_name
from xlbackprop.spec.names import RATE, SAMPLE, STEP
from xlbackprop.verification import MOST_WITNESSED
from xlbackprop.verification.compare import Cells, agrees, denied

MOST_WEIGHTS = 2_000  # each pass of the complex step takes them all, so with more it takes too long


@dataclass(frozen=True)
class Told:
    """Cells of one quantity: what they hold, and what they should by the whole training and by their neighbours."""

    sheet: str
    places: list[Place]
    name: str
    found: Array
    trained: Cells
    right: tuple[Cells, ...]  # what they may be as implied; one of them

    def place(self, k: int) -> tuple[str, int, int]:
        """Where the k-th stands."""
        return (self.sheet, *self.places[k])


class Comparison:
    """A workbook's bands and views, read once, for the inputs of `spec`."""

    def __init__(self, layout: Layout, recalculated: Recalculated, engine: Engine, spec: Spec) -> None:
        self.layout, self.spec, self._recalculated = layout, spec, recalculated
        self._calculator = Calculator(engine.epsilon, engine.exp_overflows, engine.erf_error)
        self._bands = [self._read(sheet) for sheet in layout.sheets]
        # One step more, because a band ends with the weights of the next.
        self._trained = train(msgspec.structs.replace(spec, steps=spec.batches.steps + 1), self._calculator)

    def _read(self, sheet: str) -> Array:
        """(rows, columns) of all bands of a sheet; nan for an error, a blank or text."""
        layout = self.layout
        rows = layout.bands * layout.band.height
        columns = [self._recalculated.column(sheet, layout.TOP, column, rows) for column in range(layout.band.width)]
        return np.array([[_float(value) for value in column] for column in columns]).T

    def __iter__(self) -> Iterator[Told]:
        for rate, sheet in enumerate(self.layout.sheets):
            for name, places in self.layout.band.places.items():
                trained = _row(self._of_training(name), rate)
                for k, place in enumerate(places):
                    right = self._implied(name, rate) if k == 0 else (self._copy(self.homes[name][rate]),)
                    cells = [(self.layout.top(step) + place[0], place[1]) for step in range(self.layout.bands)]
                    yield Told(sheet, cells, name, self._at(place)[rate], trained, right)
        for view in self.layout.views():
            yield self._view(view)

    def _at(self, place: Place) -> Array:
        """(n_rates, bands) of a place of the bands."""
        row, column = place
        return np.stack([band[row :: self.layout.band.height, column] for band in self._bands])

    @cached_property
    def homes(self) -> dict[str, Array]:
        """The quantities where they are calculated, each (n_rates, bands)."""
        return {name: self._at(places[0]) for name, places in self.layout.band.places.items()}

    @cached_property
    def _observed(self) -> dict[str, Array]:
        return {name: values for name, values in self.homes.items() if not self._is_updated(name)} | {RATE: self._rates}

    @cached_property
    def _rates(self) -> Array:
        column = [self._single(sheet, self.layout.RATE_CELL) for sheet in self.layout.sheets]
        return np.repeat(np.array(column)[:, None], self.layout.bands, axis=1)

    @cached_property
    def _updated(self) -> dict[str, str]:
        return {updated_name(name): name for name in self.spec.trained}

    def _is_updated(self, name: str) -> bool:
        return name in self._updated

    def _of_training(self, name: str) -> Numbers:
        """A quantity by the whole training, (n_rates, bands)."""
        count, late = self.layout.bands, int(self._is_updated(name))
        name = self._updated.get(name, name)
        chosen = slice(late, late + count)
        values, noise = self._trained.values[name][:, chosen], self._trained.noise[name][:, chosen]
        return Numbers({"": values}, {"": noise})

    @cached_property
    def _by_homes(self) -> Numbers:
        return implied(self.spec, self._observed, self._calculator)

    @cached_property
    def _by_copies(self) -> Numbers:
        """The same where the cells take what they use from the other places, which may be wrong by themselves."""
        places = self.layout.band.places
        copies = {name: self._at(places[name][-1]) for name in self._observed if name in places}
        return implied(self.spec, {**self._observed, **copies}, self._calculator)

    def _implied(self, name: str, rate: int) -> tuple[Cells, ...]:
        """What a cell must be by the others of its band and the band above."""
        epsilon = self._calculator.epsilon
        if self._is_updated(name):
            weight = self.homes[self._updated[name]][rate]
            change = self._rates[rate] * self.homes[gradient_name(self._updated[name])][rate]
            return (Cells(weight - change, 2 * epsilon * (np.abs(weight) + np.abs(change))),)
        if name in self.spec.initial:
            start = self.spec.initial[name][0]
            after = self.homes.get(updated_name(name), np.full_like(self._rates, start))[rate]
            return (self._copy(np.concatenate([[start], after[:-1]])),)
        told = [self._by_homes]
        if not agrees(self.homes[name][rate], _cells(self._by_homes, name, rate)).all():
            told.append(self._by_copies)
        return tuple(_cells(numbers, name, rate) for numbers in told)

    def _view(self, view: View) -> Told:
        found = np.array([self._single(view.sheet, view.place)])
        at = slice(view.step, view.step + 1)
        if view.name in self.homes:
            numbers = self._of_training(view.name)
            trained = Cells(numbers.values[""][view.rate, at], numbers.noise[""][view.rate, at])
            right = self._copy(self.homes[view.name][view.rate, at])
        else:
            given = {one.name: value for one, value in self.layout.given_numbers(self.spec)} | {
                RATE: self.spec.rates[view.rate]
            }
            trained = right = self._copy(np.array([given[view.name]]))
        return Told(view.sheet, [view.place], view.name, found, trained, (right,))

    def _single(self, sheet: str, place: Place) -> float:
        return _float(self._recalculated.column(sheet, *place, 1)[0])

    def _copy(self, values: Array) -> Cells:
        return Cells(values, np.abs(values) * self._calculator.epsilon)

    def gradients(self) -> Iterator[tuple[int, str, Array, Array, Array]]:
        """By the complex step, from the band's own inputs and weights: rate, name, found, derivative, denied."""
        spec = self.spec
        if len(spec.differentiated) > MOST_WEIGHTS:
            return
        stride = 1 + self._rates.size * len(spec.differentiated) // MOST_WITNESSED
        given = {STEP, SAMPLE, RATE, *spec.inputs, *spec.targets, *spec.initial}
        rests = {name: values for name, values in self._observed.items() if name in given}
        witness = complex_step.Witness(spec, rests, np.arange(0, self.layout.bands, stride))
        noise = implied(spec, rests, self._calculator).noise
        for name, values in witness.gradients.items():
            for rate in range(len(spec.rates)):
                found = self.homes[name][rate]
                yield rate, name, found, values[rate], denied(found, witness, name, rate, noise[name][rate])


def _float(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _row(numbers: Numbers, rate: int) -> Cells:
    return _cells(numbers, "", rate)


def _cells(numbers: Numbers, name: str, rate: int) -> Cells:
    return Cells(numbers.values[name][rate], numbers.noise[name][rate])
