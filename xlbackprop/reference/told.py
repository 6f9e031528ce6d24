"""How a pass is told: named quantities go to a witness as they appear, and what it returns goes on.

A lane is one network at one step: a learning rate, a batch of a sheet, a copy with other roundings.
Every array is (lanes, rows, n): the rows are the samples of a batch, the last axis the named
quantities; parameters have one row where it is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.spec.names import over_batch, updated_name
from xlbackprop.spec.shapes import Names


@dataclass(frozen=True)
class Calculator:
    """What is known of the calculator whose numbers are compared."""

    epsilon: float = 2.0**-52  # relative: what its last digit is worth
    exp_overflows: bool = False  # whether its EXP fails where a double overflows
    erf_error: float = 1e-15  # absolute: how far its ERF may be off


EXACT = Calculator()  # that keeps all that a double holds


class Witness(Protocol):
    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        """Take the values (lanes, rows, len(names)) of these quantities; return those to go on with.

        `rough` is how far, absolutely, the worksheet's own formula may be off by rounding.
        """
        ...

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        """The same for what a batch has once, (lanes, len(names))."""
        ...


class Nobody:
    """A witness that only lets everything pass."""

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        return values

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        return values


@dataclass(frozen=True)
class Named:
    names: Names
    values: Array  # (lanes, rows, len(names))


@dataclass(frozen=True)
class Stage:
    """One step of a forward pass: `made` is f of the arguments' values."""

    made: Names
    f: Callable[..., Array]
    arguments: Sequence[Named]
    values: Array  # of what was made, as the witness hands it on
    over_rows: bool = False  # whether it is the mean over the batch
    # Of an elementwise function, its slope by (argument, made): where the worksheet's slope uses what was made.
    slope: Callable[[Array, Array], Array] | None = None
    rough_slope: Callable[[Array], Array] | None = None  # of the argument: how far the worksheet's may be off


class Forward:
    """A forward pass; `again`: the pass after the update, under its own names. Keeps its stages if asked to."""

    def __init__(self, witness: Witness, *, again: bool = False) -> None:
        self.stages: list[Stage] = []
        self._witness, self._again = witness, again

    def stage(
        self,
        names: Names,
        f: Callable[..., Array],
        *arguments: Named,
        rough: Array | None = None,
        over_rows: bool = False,
        slope: Callable[[Array, Array], Array] | None = None,
        rough_slope: Callable[[Array], Array] | None = None,
    ) -> Named:
        values = f(*(argument.values for argument in arguments))
        made = tuple(map(updated_name, names)) if self._again else names
        values = self._witness.see(made, values, rough)
        self.stages.append(Stage(names, f, arguments, values, over_rows, slope, rough_slope))
        return Named(names, values)


class Backward:
    """A backward pass: adjoints by name, summed where a quantity has several users."""

    def __init__(self, witness: Witness, adjoints: Callable[[Names], Names]) -> None:
        self._witness, self._adjoints = witness, adjoints
        self._pending: dict[Names, Array] = {}
        self._rough: dict[Names, Array] = {}  # how far what is pending may be off
        self.gradients: dict[str, Array] = {}  # of the parameters, (lanes, rows)

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        """The adjoints of these quantities."""
        return self._witness.see(self._adjoints(names), values, rough)

    def mean(self, names: Names, adjoint: Array) -> Array:
        """What the mean over the batch hands back to each row: the mean of the adjoints."""
        mean = np.broadcast_to(adjoint.mean(axis=1, keepdims=True), adjoint.shape)
        return self._witness.see(tuple(map(over_batch, self._adjoints(names))), mean)

    def add(self, names: Names, values: Array, rough: Array | None = None) -> None:
        """One user's part of the adjoint of what a layer hands on."""
        if rough is not None:
            self._rough[names] = rough
        earlier = self._pending.get(names)
        self._pending[names] = values if earlier is None else earlier + values

    def pending(self, names: Names) -> Array:
        """The whole adjoint of what a layer hands on, which nobody has seen yet."""
        return self._pending.pop(names)

    def taken(self, names: Names) -> Array:
        """The same, seen."""
        return self.see(names, self.pending(names), self._rough.pop(names, None))

    def add_gradients(self, names: Names, values: Array) -> None:
        """Gradients of parameters; one that is used in several places gets the sum over its uses."""
        for k, name in enumerate(names):
            if name:
                earlier = self.gradients.get(name)
                self.gradients[name] = values[..., k] if earlier is None else earlier + values[..., k]
