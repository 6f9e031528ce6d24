"""Where everything of a workbook in the matrix layout stands: the inputs on Overview, the bands of each rate's sheet.

Rows and columns count from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.graph.program import Cell
from xlbackprop.matrix.blocks import PARAMETER_LABELS, STRIPS, Band, Place, matrix
from xlbackprop.matrix.formulas import MOST_CHARACTERS, Formulas, placed_in, step_program
from xlbackprop.sheet.address import absolute, cell_name, in_sheet
from xlbackprop.sheet.places import COMPARE, NETWORK_FILE, OVERVIEW, Input
from xlbackprop.spec import Sample, Spec, layers, total_error
from xlbackprop.spec import names as naming
from xlbackprop.spec.checks import MAX_COLUMNS, MAX_FAN, MAX_ROWS
from xlbackprop.spec.names import RATE, STEP
from xlbackprop.spec.shapes import Names, Placed, Tensor

CURE = "or use layout rows"


@dataclass(frozen=True)
class Given:
    """A matrix of inputs on Overview, under its title, with the names of its rows and columns around it."""

    title: str
    row: int  # of the title
    rows: Names
    columns: Names
    cells: tuple[Input, ...]
    repeated: Mapping[Place, Input] = field(default_factory=dict)  # where an input stands a second time


@dataclass(frozen=True)
class Template:
    """A cell of every band: its quantity, and its formula in the first band and in the others."""

    place: Place
    cell: Cell
    first: str
    other: str

    def formula(self, step: int, top: int) -> str:
        return placed_in(self.other if step else self.first, top)


@dataclass(frozen=True)
class View:
    """A cell outside the bands that shows a quantity at a rate's index and a step."""

    sheet: str
    place: Place
    name: str
    rate: int
    step: int
    formula: str


class Layout:
    """A spec's workbook. Raises NetworkError for what the matrix layout does not take, or a sheet cannot hold."""

    RATE_CELL: Place = (2, 1)
    TOP = 4  # the first band's first row
    RATES_ROW, CHART_ROWS, LEGEND_COLUMN = 7, 18, 8  # of Overview
    HEADER_ROW = 3  # of Compare

    def __init__(self, spec: Spec) -> None:
        check(spec)
        self.spec = spec
        self.program = step_program(spec)
        self.band = Band(spec, self.program)
        self.bands = spec.batches.steps + 1
        self.sheets = [f"η={rate!r}" for rate in spec.rates]
        self._check_room()

    @property
    def all_sheets(self) -> list[str]:
        return [OVERVIEW, *self.sheets, COMPARE, NETWORK_FILE]

    # The inputs: all on Overview

    @cached_property
    def rates(self) -> list[Input]:
        return [
            Input(f"rate_{k + 1}", self.RATES_ROW + k, 1, rate, f"rate {k + 1}")
            for k, rate in enumerate(self.spec.rates)
        ]

    @property
    def chart_row(self) -> int:
        return self.RATES_ROW + len(self.rates) + 1

    @property
    def picture_place(self) -> tuple[int, int]:
        """Where the heading of the network's picture stands: right of the legend and of all matrices."""
        return self.RATES_ROW - 1, max(self.LEGEND_COLUMN + 3, *(2 + len(given.columns) for given in self.given))

    @cached_property
    def given(self) -> list[Given]:
        """The samples, then each layer's parameters, below each other."""
        result = [self._samples(self.chart_row + self.CHART_ROWS)]
        seen: dict[str, Input] = {}
        for one in self.spec.placed:
            for tensor in one.tensors:
                above = result[-1]
                result.append(_tensor(one, tensor, above.row + len(above.rows) + 3, seen))
        return result

    def _samples(self, row: int) -> Given:
        spec = self.spec
        sources = [*map(naming.input_source, spec.inputs), *map(naming.target_source, spec.targets)]
        cells = tuple(
            Input(source, row + 2 + p, 1 + k, value, source)
            for p, sample in enumerate(spec.samples)
            for k, (source, value) in enumerate(zip(sources, (*sample.inputs, *sample.targets)))
        )
        count = len(spec.samples)
        title = "The sample" if count == 1 else f"The {count} samples, in turn"
        return Given(title, row, tuple(str(p + 1) for p in range(count)), (*spec.inputs, *spec.targets), cells)

    def inputs(self) -> Iterator[Input]:
        yield from self.rates
        for given in self.given:
            yield from given.cells

    def spec_with(self, inputs: Mapping[Input, float]) -> Spec:
        """The spec with these numbers for its inputs."""
        spec = self.spec
        samples, *tensors = self.given
        width, n_in = len(samples.columns), len(spec.inputs)
        numbers = [inputs[one] for one in samples.cells]
        rows = [tuple(numbers[k : k + width]) for k in range(0, len(numbers), width)]
        return msgspec.structs.replace(
            spec.with_parameters({one.label: inputs[one] for given in tensors for one in given.cells}),
            samples=tuple(Sample(row[:n_in], row[n_in:]) for row in rows),
            rates=tuple(inputs[one] for one in self.rates),
        )

    def defined_names(self) -> Iterator[tuple[str, str]]:
        for one in self.rates:
            yield one.name, self._input(one)

    def _input(self, one: Input) -> str:
        return in_sheet(OVERVIEW, absolute(one.row, one.column))

    # The bands: a sheet for each rate

    def top(self, step: int) -> int:
        """The first row of a step's band."""
        return self.TOP + step * self.band.height

    def at(self, name: str, step: int) -> Place:
        """Where a quantity is calculated, on every rate's sheet."""
        row, column = self.band.places[name][0]
        return self.top(step) + row, column

    @cached_property
    def templates(self) -> list[Template]:
        """Every cell of a band, row by row."""
        formulas = Formulas(self.band, self.program, self.outside)
        result = []
        for place, name in sorted(self.band.names.items()):
            first, other = (formulas.of(place, first=first) for first in (True, False))
            result.append(Template(place, self.program[name], first, other))
            if (count := len(placed_in(other, self.top(self.bands)))) > MOST_CHARACTERS:
                raise NetworkError(
                    f"layers: the formula of {name} has {count:,} characters and a cell takes {MOST_CHARACTERS:,}; "
                    f"use fewer units, {CURE}"
                )
        return result

    @property
    def outside(self) -> dict[str, str]:
        """Where what does not stand in a band stands: the rate, and the inputs."""
        samples, *tensors = self.given
        result = {RATE: absolute(*self.RATE_CELL)}
        result |= {one.name: self._input(one) for given in tensors for one in given.cells}
        columns: dict[str, list[Input]] = {}
        for one in samples.cells:
            columns.setdefault(one.name, []).append(one)
        for name, (one, *more) in columns.items():
            last = more[-1] if more else one
            end = f":{absolute(last.row, last.column)}" if more else ""
            result[name] = self._input(one) + end
        return result

    def views(self) -> Iterator[View]:
        """The cells that show, outside the bands, what is calculated or given elsewhere."""
        last = self.bands - 1
        for rate, one in enumerate(self.rates):
            yield View(self.sheets[rate], self.RATE_CELL, RATE, rate, 0, one.name)
            yield View(COMPARE, (self.HEADER_ROW, 1 + rate), RATE, rate, 0, one.name)
            for column, step in ((2, 0), (3, last)):
                yield self._view(OVERVIEW, (one.row, column), total_error(), rate, step)
        for step in range(self.bands):
            row = self.HEADER_ROW + 1 + step
            yield self._view(COMPARE, (row, 0), STEP, 0, step)
            for rate in range(len(self.rates)):
                yield self._view(COMPARE, (row, 1 + rate), total_error(), rate, step)
        for given in self.given:
            for place, one in given.repeated.items():
                yield View(OVERVIEW, place, one.name, 0, 0, cell_name(one.row, one.column))

    def _view(self, sheet: str, place: Place, name: str, rate: int, step: int) -> View:
        return View(sheet, place, name, rate, step, in_sheet(self.sheets[rate], cell_name(*self.at(name, step))))

    # What verify reads back

    def given_numbers(self, spec: Spec) -> Iterator[tuple[Input, float]]:
        """The parameters' inputs, with the numbers of a spec of the same shape."""
        for given in self.given[1:]:
            for one in given.cells:
                yield one, spec.initial[one.label][0]

    def formulas(self) -> Iterator[tuple[str, Place, str]]:
        """Every formula of the workbook, without `=`."""
        for sheet in self.sheets:
            for step in range(self.bands):
                top = self.top(step)
                for one in self.templates:
                    yield sheet, (top + one.place[0], one.place[1]), one.formula(step, top)
        for view in self.views():
            yield view.sheet, view.place, view.formula

    def labels(self) -> Iterator[tuple[str, Place, str]]:
        """The texts by which a block is known to stand where it was written."""
        for sheet in self.sheets:
            for top in map(self.top, range(self.bands)):
                for block in self.band.blocks:
                    row, column = block.label_place
                    yield sheet, (top + row, column), block.label
        for given in self.given:
            yield OVERVIEW, (given.row, 0), given.title

    def _check_room(self) -> None:
        widths = [self.band.width, *(1 + len(given.columns) for given in self.given)]
        if (columns := max(widths)) > MAX_COLUMNS:
            raise NetworkError(
                f"layers: the matrix layout needs {columns:,} columns and a sheet has {MAX_COLUMNS:,}; use fewer units"
            )
        if (rows := self.top(self.bands)) > MAX_ROWS:
            raise NetworkError(
                f"steps: {self.bands - 1:,} steps of {self.band.height:,} rows need {rows:,} rows and a sheet has "
                f"{MAX_ROWS:,}; give fewer steps, {CURE}"
            )


def _tensor(one: Placed, tensor: Tensor, row: int, seen: dict[str, Input]) -> Given:
    """A parameter's numbers before the first step; `seen` are those that stand on Overview already."""
    cells: list[Input] = []
    repeated: dict[Place, Input] = {}
    rows = matrix(tensor.names, tensor.shape)
    width = len(rows[0])
    for k, (name, value) in enumerate(zip(tensor.names, tensor.values)):
        place = (row + 2 + k // width, 1 + k % width)
        if name in seen:
            repeated[place] = seen[name]
        elif name:
            seen[name] = Input(naming.start_name(name), *place, value, name)
            cells.append(seen[name])
    label = PARAMETER_LABELS[tensor.key]
    title = f"Layer {one.index + 1}: {label} before the first step" + ("" if tensor.trained else ", not trained")
    numbered = tuple(f"{k + 1}" for k in range(max(len(rows), width)))
    if isinstance(one.layer, layers.Dense):
        return Given(title, row, one.units, (label,) if tensor.bias else one.below, tuple(cells), repeated)
    return Given(title, row, numbered[: len(rows)], numbered[:width], tuple(cells), repeated)


def check(spec: Spec) -> None:
    """Raises NetworkError for what the matrix layout does not take."""
    for one in spec.placed:
        place, kind = f"layers[{one.index}]", str(one.layer.__struct_config__.tag)
        if type(one.layer) not in STRIPS:
            known = ", ".join(str(layer.__struct_config__.tag) for layer in STRIPS)
            raise NetworkError(f"{place}: is {kind}, and the matrix layout takes {known}; use these, {CURE}")
        if kind != "dense" and (widest := max(*one.shape, *one.shape_in)) > MAX_FAN:
            raise NetworkError(f"{place}: has {widest} units in a row; the matrix layout takes {MAX_FAN}; use fewer")
    if not spec.is_simple:
        raise NetworkError(
            f"training: the matrix layout takes one sample a step and plain sgd; leave out the rest, {CURE}"
        )
    for key in ("normalize", "shuffle"):
        if getattr(spec, key) not in (False, None):
            raise NetworkError(f"{key}: the matrix layout takes samples in turn, as they are; leave it out, {CURE}")
    if spec.update == "sequential":
        raise NetworkError(f"update: the matrix layout updates all weights together; leave out sequential, {CURE}")
