"""Which rows of a training table make a batch, and which sample each row visits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Batches:
    """`samples` in batches of `size`, the last of an epoch short where they do not divide; an update after each.

    The table has a batch for every step from 0 to `steps`; rows (visits) count from 0.
    """

    samples: int
    size: int
    steps: int

    @property
    def per_epoch(self) -> int:
        return -(-self.samples // self.size)

    def start(self, step: int) -> int:
        """The batch's first row."""
        epoch, batch = divmod(step, self.per_epoch)
        return epoch * self.samples + batch * self.size

    def stop(self, step: int) -> int:
        return self.start(step) + self.count(step)

    def count(self, step: int) -> int:
        return min(self.size, self.samples - step % self.per_epoch * self.size)

    @property
    def smallest(self) -> int:
        """The fewest rows of a batch."""
        return self.count(min(self.steps, self.per_epoch - 1))

    @property
    def visits(self) -> int:
        """All rows."""
        return self.stop(self.steps)

    def step_of(self, visit: int) -> int:
        epoch, rest = divmod(visit, self.samples)
        return epoch * self.per_epoch + rest // self.size

    @property
    def several(self) -> bool:
        """Whether some batch has several rows."""
        return self.size > 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(first row, rows) of every step."""
        return ((self.start(step), self.count(step)) for step in range(self.steps + 1))


def shuffled(batches: Batches, seed: int) -> list[int]:
    """For every visit its sample, counted from 0: a new order of all samples in each epoch."""
    chance, order = Random(seed), list[int]()
    while len(order) < batches.visits:
        # random() alone is promised to give the same numbers in every version of Python.
        keys = [chance.random() for _ in range(batches.samples)]
        order += sorted(range(batches.samples), key=keys.__getitem__)
    return order[: batches.visits]


def masks(batches: Batches, p: float, units: int, seed: int) -> list[tuple[float, ...]]:
    """For every visit a 0 or 1 for each unit, 0 with probability p."""
    chance = Random(seed)
    return [tuple(float(chance.random() >= p) for _ in range(units)) for _ in range(batches.visits)]
