"""Counting what was compared, and the largest difference in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TypeVar

from xlbackprop.reference.functions import Array
from xlbackprop.sheet.address import cell_name
from xlbackprop.verification.compare import Cells, relative_difference
from xlbackprop.verification.held import Place
from xlbackprop.verification.report import Mismatch, Worst

Key = TypeVar("Key")


class Tally:
    """How many cells were compared, how near they came, and for each wrong one what is wrong with it."""

    def __init__(self) -> None:
        self.cells = 0
        self.rounding = 0
        self.worst = Worst()
        self.mismatches: dict[Place, Mismatch] = {}

    def count(self, name: str, found: Array, expected: Cells, place: Callable[[int], Place]) -> None:
        """The cells of a quantity beside what they should hold; `place` says where the k-th stands."""
        self.cells += len(found)
        relative, rounding = relative_difference(found, expected)
        self.rounding += int(rounding.sum())
        if relative.max() > self.worst.relative:
            top = int(relative.argmax())
            sheet, row, column = place(top)
            self.worst = Worst(float(relative[top]), sheet, cell_name(row, column), name)


def near(inputs: Mapping[Key, float]) -> dict[Key, float]:
    """Every input changed by its own random factor near 1, so that no two stay equal and none stays 0."""
    chance = Random(0)  # the same each time
    return {one: (value or chance.choice((-0.1, 0.1))) * chance.uniform(0.8, 1.25) for one, value in inputs.items()}
