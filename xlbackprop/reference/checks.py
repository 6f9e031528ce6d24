"""The checks of gradients told again: the forward pass with each parameter stepped by ε, by -ε and by ih.

Each parameter is a lane of its own. Real and imaginary parts are compared apart, for the one is
larger than the other by a hundred orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.reference.noise import Numbers, Row, with_noise
from xlbackprop.reference.told import Calculator
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import gradient_name

_RELATIVE, _OF_LARGEST, _FLOOR, _LEAST = 1e-9, 1e-12, 1e-100, 1e-300
_SUBNORMAL = 1e-305  # an imaginary part nearer to 0 may have lost digits, which are many after a division by h
_BANDS = (naming.PLUS, naming.MINUS, naming.RE, naming.IM)
_IM = naming.IM.partition("{")[0]
_FAILS = complex(np.nan, np.nan)


@dataclass(frozen=True)
class Start:
    """What the checks start from: the pages' numbers, how far each may be off for all checks alike, and the steps."""

    names: Sequence[str]  # of what is stepped
    values: Mapping[str, Array]  # (samples,): the one shown, then those that take part in its forward pass
    noise: Mapping[str, float]
    epsilon: float
    h: float


def checks(spec: Spec, start: Start, observed: Mapping[str, Array], calculator: Calculator) -> Numbers:
    """Every quantity of the checks, (checks,) or (1,), by the start alone or as the `observed` cells imply.

    `observed` holds whole columns, (checks,) each: where a parameter does not move a quantity, what
    stands for it. A column that is not there is calculated or, if it is on a page, as the start has it.
    """
    network = Network(spec, calculator)
    cells = {name: values[:, None] for name, values in observed.items()}

    def begun(row: Row) -> dict[str, Array]:
        return {name: np.repeat(row.observed((name,))[..., 0], len(start.names), axis=0) for name in start.values}

    stands = begun(Row(_arrays(start), 0.0, 0))
    on_sheet = {band: _on_sheet(stands, cells, band) for band in _BANDS}

    def once(copy: int) -> dict[str, Array]:
        epsilon = calculator.epsilon if copy else 0.0
        begin = stands if observed else begun(Row(_arrays(start), epsilon, copy, start.noise))
        return _Copy(network, start, begin, cells, on_sheet, epsilon, copy).told()

    return _with_doubt(with_noise(once), start.h, trained=not observed)


def _with_doubt(numbers: Numbers, h: float, *, trained: bool) -> Numbers:
    """With more noise where rounding decides, or where an overflow is near.

    Where the real forward pass fails, a formula's imaginary part may be a number all the same, or not.
    By the whole training, a relative difference of what is rounding alone may be anything, and so may
    what is decided by it.
    """
    values, noise = numbers.values, numbers.noise
    for name in values:
        if name.startswith(_IM):
            noise[name][np.isnan(values[name])] = np.inf
    if trained:
        noise[naming.COMPLEX] = noise[naming.COMPLEX] + _SUBNORMAL / h
        for name, off in ((naming.CENTRAL, naming.CENTRAL_OFF), (naming.COMPLEX, naming.COMPLEX_OFF)):
            rounding = noise[naming.ANALYTIC] + noise[name]
            with np.errstate(all="ignore"):
                noise[off] = noise[off] + 2 * rounding / _larger(values[naming.ANALYTIC], values[name])
            noise[off][np.isnan(values[off]) | np.isnan(noise[off])] = np.inf
        distance, allowed = _distances(values[naming.ANALYTIC], values[naming.COMPLEX], values[naming.LARGEST])
        doubtful = np.isnan(distance) | (np.abs(distance - allowed) <= rounding)
        noise[naming.AGREES][doubtful] = np.inf
        noise[naming.DISAGREE] += 2.0 * np.count_nonzero(doubtful)
    return numbers


def _distances(gradient: Array, stepped: Array, largest: Array) -> tuple[Array, Array]:
    """How far a gradient is from the complex step, and how far it may be."""
    return np.abs(gradient - stepped), _RELATIVE * _larger(gradient, stepped) + _OF_LARGEST * largest + _FLOOR


def _arrays(start: Start) -> dict[str, Array]:
    return {name: values[None, :] for name, values in start.values.items()}


class _Copy:
    """One copy of all checks.

    `begin` has what it starts from, (checks, samples) each, and `cells` the columns of Checks, (checks, 1) each,
    which `on_sheet` has by band.
    """

    def __init__(
        self,
        network: Network,
        start: Start,
        begin: Mapping[str, Array],
        cells: Mapping[str, Array],
        on_sheet: Mapping[str, dict[str, Array]],
        epsilon: float,
        copy: int,
    ) -> None:
        self._network, self._start, self._begin, self._cells = network, start, begin, cells
        self._on_sheet = on_sheet
        # Each pass has roundings of its own; else they would cancel in the central difference.
        self._epsilon, self._seeds = epsilon, count(10 * copy)
        self._row = Row(cells, epsilon, next(self._seeds))

    def told(self) -> dict[str, Array]:
        start = self._start
        value = self._see(naming.VALUE, self._own(lambda name: name))
        gradient = self._see(naming.ANALYTIC, self._own(gradient_name))
        plus, result = self._forward(self._see(naming.UP, value + start.epsilon), naming.PLUS)
        minus, more = self._forward(self._see(naming.DOWN, value - start.epsilon), naming.MINUS)
        moved, parts = self._complex(value)
        central = self._see(naming.CENTRAL, (plus - minus) / (2 * start.epsilon))
        stepped = self._see(naming.COMPLEX, moved / start.h)
        for name, other in ((naming.CENTRAL_OFF, central), (naming.COMPLEX_OFF, stepped)):
            self._see(name, np.abs(gradient - other) / np.maximum(_larger(gradient, other), _LEAST))
        largest = self._see(naming.LARGEST, np.abs(gradient).max(axis=0, keepdims=True))
        distance, allowed = _distances(gradient, stepped, largest)
        agrees = self._see(naming.AGREES, np.where(np.isfinite(distance), distance < allowed, np.nan))
        self._see(naming.DISAGREE, np.array([[len(start.names) - np.count_nonzero(np.round(agrees) == 1)]]))
        return {name: values[:, 0] for name, values in (result | more | parts | self._row.seen).items()}

    def _see(self, name: str, values: Array) -> Array:
        return self._row.see((name,), values[..., None])[..., 0]

    def _own(self, name_of: Callable[[str], str]) -> Array:
        """Of each check, a quantity of the parameter that it steps."""
        return np.stack([self._begin[name_of(name)][k, :1] for k, name in enumerate(self._start.names)])

    def _forward(self, w: Array, band: str) -> tuple[Array, dict[str, Array]]:
        """E of all samples, and every quantity of the band, with each check's parameter at w."""
        row = Row(self._stepped(w) | self._on_sheet[band], self._epsilon, next(self._seeds))
        error = self._error(row)
        return error, self._apart(band, row.seen)

    def _complex(self, value: Array) -> tuple[Array, dict[str, Array]]:
        """Im E and both parts of every quantity; none where the real forward pass fails."""
        stepped = self._stepped(value + 1j * self._start.h)
        imaginary = self._on_sheet[naming.IM]
        for name, re in self._on_sheet[naming.RE].items():
            stepped[name] = _complex(re, imaginary.get(name, np.zeros_like(re)))
        row = Row(stepped, self._epsilon, next(self._seeds))
        real = Row({name: values.real for name, values in stepped.items()}, 0.0, 0)
        error, plain = self._error(row), self._error(real)
        works = {name: np.where(np.isfinite(real.seen[name]), values, _FAILS) for name, values in row.seen.items()}
        parts = self._apart(naming.RE, {name: values.real for name, values in works.items()})
        parts |= self._apart(naming.IM, {name: values.imag for name, values in works.items()})
        return np.where(np.isfinite(plain) | bool(self._cells), error.imag, np.nan), parts

    def _apart(self, band: str, seen: Mapping[str, Array]) -> dict[str, Array]:
        """The band's quantities of each sample, (checks, 1); what is the same for all checks has one lane."""
        result = {}
        for name, values in seen.items():
            columns = np.broadcast_to(values, (len(self._start.names), values.shape[1])).T[..., None]
            result[band.format(name)] = columns[0]
            result |= {band.format(naming.other_name(name, k)): column for k, column in enumerate(columns) if k}
        return result

    def _stepped(self, w: Array) -> dict[str, Array]:
        """What a forward pass begins with, with each check's own parameter at w."""
        result = dict(self._begin)
        for k, name in enumerate(self._start.names):
            column = result[name].astype(w.dtype)
            column[k, 0] = w[k, 0]
            result[name] = column
        return result

    def _error(self, row: Row) -> Array:
        network, spec = self._network, self._network.spec
        drawn = {name: row.observed((name,))[..., 0] for name in spec.drawn}
        by_name = {name: row.observed((name,))[..., 0] for name in spec.initial}
        passed = network.forward(row.observed(spec.inputs), network.parameters(by_name, drawn), row)
        return np.asarray(network.error(row.observed(spec.targets), passed, row).sum(axis=1, keepdims=True))


def _on_sheet(begin: Mapping[str, Array], cells: Mapping[str, Array], band: str) -> dict[str, Array]:
    """The cells of a band, (checks, samples) each; of what has none, nothing."""
    result = {}
    for name, values in begin.items():
        samples = [name, *(naming.other_name(name, k) for k in range(1, values.shape[1]))]
        columns = [cells.get(band.format(one)) for one in samples]
        if any(column is not None for column in columns):
            there = values if band != naming.IM else np.zeros_like(values)
            kept = [there[:, k : k + 1] if column is None else column for k, column in enumerate(columns)]
            result[name] = np.concatenate(kept, axis=1)
    return result


def _larger(a: Array, b: Array) -> Array:
    return np.maximum(np.abs(a), np.abs(b))


def _complex(re: Array, im: Array) -> Array:
    """re + i im, where an infinite part does not spoil the other."""
    result = np.empty(re.shape, dtype=complex)
    result.real, result.imag = re, im
    return result
