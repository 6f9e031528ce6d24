"""How far rounding alone could have moved each number, and the witnesses that find it out.

How exact a number can be depends on what it is made of: a difference of nearly equal numbers
keeps few digits, whoever calculates it. So each calculation is made several times, once plainly
and then with every intermediate quantity off by some units of its last digit (`epsilon`,
relative), up or down at random; how far the copies spread is the noise that two honest calculators may differ by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.spec import Spec
from xlbackprop.spec.names import RATE
from xlbackprop.spec.shapes import Names

PERIOD = 32  # steps after which the roundings of a copy repeat; a training learns away what stays the same
COPIES = 4  # with other roundings, beside the plain one


@dataclass(frozen=True)
class Numbers:
    """Quantities by name, each of one shape, and beside each its noise."""

    values: dict[str, Array]
    noise: dict[str, Array]


class Tape:
    """The witness of a training: keeps every quantity of every row, and spreads the copies."""

    def __init__(self, spec: Spec, epsilon: float) -> None:
        self._rates, self._epsilon = len(spec.rates), epsilon
        self._visits, self._steps = spec.batches.visits, spec.batches.steps + 1
        self._step, self._start, self._count = 0, 0, 1
        self._kept: dict[Names, Array] = {}
        self._digits: dict[Names, Array] = {}
        self._random = np.random.default_rng(0)

    def at(self, step: int, start: int, count: int) -> None:
        """Go on to a step, whose batch has `count` rows from `start` on."""
        self._step, self._start, self._count = step, start, count

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        lanes, rows, n = values.shape
        if names not in self._kept:
            self._kept[names] = np.empty((self._visits, lanes, n))
            self._spread(names, lanes, n)
        digits = self._digits[names]
        if rows == 1:
            digits = digits[self._start % PERIOD][:, None]
        else:
            digits = digits[(self._start + np.arange(rows)) % PERIOD].transpose(1, 0, 2)
        if rough is not None:
            values = values + rough * digits / 8
        # What has one row, as parameters have, is the same in all rows of the batch.
        self._kept[names][self._start : self._start + self._count] = values.transpose(1, 0, 2)
        return np.asarray(values * (1 + self._epsilon * digits))

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        if names not in self._kept:
            self._kept[names] = np.empty((self._steps, *values.shape))
            self._spread(names, *values.shape)
        digits = self._digits[names][self._step % PERIOD]
        if rough is not None:
            values = values + rough * digits / 8
        self._kept[names][self._step] = values
        return np.asarray(values * (1 + self._epsilon * digits))

    def _spread(self, names: Names, lanes: int, n: int) -> None:
        digits = _last_digits(self._random, (PERIOD, lanes, n))
        digits[:, : self._rates] = 0
        self._digits[names] = digits

    def numbers(self) -> Numbers:
        result = Numbers({}, {})
        for names, kept in self._kept.items():
            for k, name in enumerate(names):
                copies = kept[:, :, k].T.reshape(1 + COPIES, self._rates, -1)
                distances = [_distance(copies[0], copy) for copy in copies[1:]]
                result.values[name], result.noise[name] = copies[0], np.maximum.reduce(distances)
        return result


class Row:
    """The witness of single rows: keeps what is implied, and goes on with what is observed."""

    def __init__(
        self, observed: Mapping[str, Array], epsilon: float, seed: int, noise: Mapping[str, float] | None = None
    ) -> None:
        self.seen: dict[str, Array] = {}  # (lanes, rows)
        self.seen_once_values: dict[str, Array] = {}  # (lanes,)
        self._observed, self._epsilon = observed, epsilon
        self._noise = noise or {}  # absolute: what is known of an observed quantity's
        self._random = np.random.default_rng(seed)

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        return self._seen(self.seen, names, values, rough)

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        return self._seen(self.seen_once_values, names, values, rough)

    def _seen(self, seen: dict[str, Array], names: Names, values: Array, rough: Array | None) -> Array:
        if rough is not None and self._epsilon:
            values = values + rough * _last_digits(self._random, values.shape) / 8
        seen.update(zip(names, np.moveaxis(values, -1, 0)))
        if any(name in self._observed for name in names):
            columns = [self._observed.get(name, values[..., k]) for k, name in enumerate(names)]
            values = np.stack(np.broadcast_arrays(*columns), axis=-1)
        return self._spread(names, values)

    def observed(self, names: Names) -> Array:
        """What is observed, as it is where a row begins: (lanes, rows, n)."""
        if not names:
            return np.zeros((*self._observed[RATE].shape, 0))
        return self._spread(names, np.stack([self._observed[name] for name in names], axis=-1))

    def once(self, names: Names) -> Array:
        """(1, n) of what a page shows of the step before, 0 if it shows nothing."""
        values = [self._observed[name].reshape(1) if name in self._observed else np.zeros(1) for name in names]
        return self._spread(names, np.stack(values, axis=-1))

    def numbers(self) -> dict[str, float]:
        """Of a page's only row, every number that is observed."""
        names = tuple(self._observed)
        values = np.array([values.item() for values in self._observed.values()])
        return dict(zip(names, self._spread(names, values).tolist()))

    def _spread(self, names: Names, values: Array) -> Array:
        if not self._epsilon:
            return values
        digits = _last_digits(self._random, values.shape)
        if np.iscomplexobj(values):  # its parts are numbers of their own
            moved = values.real * (1 + self._epsilon * digits) + 0j
            moved.imag = values.imag * (1 + self._epsilon * _last_digits(self._random, values.shape))
            return np.asarray(moved)
        values = values * (1 + self._epsilon * digits)
        if self._noise:
            values = values + np.array([self._noise.get(name, 0.0) for name in names]) * np.sign(digits)
        return np.asarray(values)


AT_ONCE = 200_000  # numbers whose noise is found together: enough for speed, too few to fill memory


def with_noise(once: Callable[[int], dict[str, Array]]) -> Numbers:
    """What the plain calculation gives, copy 0, and how far the copies spread."""
    with np.errstate(all="ignore"):
        plain = once(0)
        noise = {name: np.zeros_like(values) for name, values in plain.items()}
        groups = list(_groups(plain))
        for copy in range(1, 1 + COPIES):
            found = once(copy)
            for names in groups:
                distances = _distance(*(np.stack([one[name] for name in names]) for one in (plain, found)))
                for name, distance in zip(names, distances):
                    noise[name] = np.maximum(noise[name], distance)
    return Numbers(plain, noise)


def _groups(plain: Mapping[str, Array]) -> Iterator[list[str]]:
    """Names of arrays of one shape, AT_ONCE numbers together."""
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, values in plain.items():
        by_shape.setdefault(values.shape, []).append(name)
    for shape, names in by_shape.items():
        count = max(1, AT_ONCE // max(1, math.prod(shape)))
        yield from (names[k : k + count] for k in range(0, len(names), count))


_UNITS = np.array([*range(-64, 0), *range(1, 65)], dtype=float)


def _last_digits(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """1 to 64 units up or down: so many different ones that two never cancel in a difference in all copies."""
    return _UNITS[random.integers(len(_UNITS), size=shape, dtype=np.uint8)]


# A spread this large, of the number, is no rounding that grew but a choice that rounding made: at the
# kink of a ReLU, or between two maxima.
_CHOICE = 1e-7


def _distance(plain: Array, copy: Array) -> Array:
    """How far a copy is from the plain value; infinite where rounding decides about overflow.

    Where rounding decides between two values, other calculators may decide further on otherwise too.
    """
    with np.errstate(all="ignore"):
        distance = np.abs(copy - plain)
        distance = np.where(distance > _CHOICE * np.abs(plain), 4 * distance, distance)
    overflow = np.where(np.isfinite(plain) == np.isfinite(copy), 0.0, np.inf)
    return np.asarray(np.where(np.isfinite(distance), distance, overflow))
