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
from xlbackprop.spec.batches import Batches
from xlbackprop.spec.names import RATE
from xlbackprop.spec.shapes import Names

PERIOD = 32  # steps after which the roundings of a copy repeat; a training learns away what stays the same
COPIES = 4  # with other roundings, beside the plain one
ROWS = 256  # of a training whose copies are kept at a time: enough for speed, too few to fill memory


@dataclass(frozen=True)
class Numbers:
    """Quantities by name, each of one shape, and beside each its noise."""

    values: dict[str, Array]
    noise: dict[str, Array]


class Tape:
    """The witness of trainings: spreads the copies, and keeps every quantity of every row with its noise.

    Lanes are the plain trainings, `lanes` of them, then as many for each copy. What the copies had
    is let go once their spread is known.
    """

    def __init__(self, batches: Batches, lanes: int, epsilon: float) -> None:
        self._lanes, self._epsilon, self._size = lanes, epsilon, batches.size
        self._rows = _Block(batches.visits, max(ROWS, batches.size))
        self._steps = _Block(batches.steps + 1, ROWS)
        self._random = np.random.default_rng(0)
        self._overflowed = False

    def overflow(self, *_: object) -> None:
        """From now on look for infinities, which is not worth while before."""
        self._overflowed = True

    def at(self, step: int, start: int, count: int) -> None:
        """Go on to a step, whose batch has `count` rows from `start` on."""
        self._rows.at(start, count)
        self._steps.at(step, 1)

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        return self._seen(self._rows, names, values, rough)

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        rough = None if rough is None else rough[:, None]
        return self._seen(self._steps, names, values[:, None], rough)[:, 0]

    def _seen(self, block: _Block, names: Names, values: Array, rough: Array | None) -> Array:
        kept = block.kept.get(names)
        if kept is None:
            kept = block.kept[names] = self._begun(block, len(names))
        roundings = slice(block.period, block.period + values.shape[1])
        if rough is not None:
            values = values + rough * kept.digits[roundings].transpose(1, 0, 2) / 8
        if self._overflowed:
            values = _without_infinities(values)
        # What has one row, as parameters have, is the same in all rows of the batch.
        kept.copies[block.rows] = values.transpose(1, 0, 2)
        return np.asarray(values * kept.factors[roundings].transpose(1, 0, 2))

    def _begun(self, block: _Block, n: int) -> _Kept:
        digits = _last_digits(self._random, (PERIOD, self._lanes * (1 + COPIES), n))
        digits[:, : self._lanes] = 0
        digits = digits[np.arange(PERIOD + self._size) % PERIOD]
        copies = np.empty((block.most, *digits.shape[1:]))
        kept = (np.empty((n, self._lanes, block.total)) for _ in "vn")
        return _Kept(digits, 1 + self._epsilon * digits, copies, *kept)

    def numbers(self, lanes: slice) -> Numbers:
        """Of some of the trainings, every quantity (lanes, rows)."""
        result = Numbers({}, {})
        for block in (self._rows, self._steps):
            block.finish()
            for names, kept in block.kept.items():
                result.values.update(zip(names, kept.values[:, lanes]))
                result.noise.update(zip(names, kept.noise[:, lanes]))
        return result


@dataclass(frozen=True)
class _Kept:
    """Quantities of one place in a pass."""

    digits: Array  # by which the copies are off, (PERIOD and a batch more, lanes, n)
    factors: Array  # the same as what a value is multiplied by
    copies: Array  # of the block's rows, (rows, lanes, n)
    values: Array  # (n, plain lanes, all rows)
    noise: Array


class _Block:
    """The rows, of `total`, whose copies are kept: at most `most` at a time."""

    def __init__(self, total: int, most: int) -> None:
        self.total, self.most = total, min(total, most)
        self.kept: dict[Names, _Kept] = {}
        self.rows, self.period = slice(0), 0  # of the step: its rows of the block, and where roundings have come to
        self._first = self._stop = 0

    def at(self, start: int, count: int) -> None:
        if start + count - self._first > self.most:
            self.finish()
        self._stop = start + count
        self.rows, self.period = slice(start - self._first, self._stop - self._first), start % PERIOD

    def finish(self) -> None:
        """Find the noise of the block's rows, and begin the next."""
        there = slice(self._first, self._stop)
        for kept in self.kept.values():
            copies = kept.copies[: self._stop - self._first].transpose(2, 1, 0)
            plain, *others = np.split(copies, 1 + COPIES, axis=1)
            kept.values[..., there] = plain
            kept.noise[..., there] = np.maximum.reduce([_distance(plain, other) for other in others])
        self._first = self._stop


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
        if not np.isfinite(values).all():
            values = _without_infinities(values)
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


def _without_infinities(values: Array) -> Array:
    """A cell cannot hold one: it is an error, and so is all that uses it."""
    return np.where(np.isfinite(values), values, np.nan)


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
