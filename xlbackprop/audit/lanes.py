"""The lanes of a table by what stands in them, and the matching of two lists by scores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from xlbackprop.audit.binding import BoundTable
from xlbackprop.audit.formula import Call, Fixed, Lane, Outside, Tree, leaves
from xlbackprop.audit.labels import NOTHING, Kind, Label
from xlbackprop.audit.network import Variable
from xlbackprop.audit.polynomial import Polynomial, polynomial

A = TypeVar("A", bound=Hashable)
B = TypeVar("B", bound=Hashable)


def matched(rows: Sequence[A], columns: Sequence[B], score: Callable[[A, B], float]) -> dict[A, B]:
    """Pairs, the highest score first; a pair that scores nothing is not made."""
    pairs = [
        (score(row, column), -i, -j, row, column) for i, row in enumerate(rows) for j, column in enumerate(columns)
    ]
    result: dict[A, B] = {}
    taken: set[B] = set()
    for points, _, _, row, column in sorted(pairs, key=lambda pair: pair[:3], reverse=True):
        if points > 0 and row not in result and column not in taken:
            result[row] = column
            taken.add(column)
    return result


class Lanes:
    """The lanes of a table by what stands in them: given, updated from the step before, or calculated."""

    def __init__(self, bound: BoundTable, labels: Sequence[Label], outside: Callable[[Outside], Label]) -> None:
        self.bound, self.labels, self.outside = bound, list(labels), outside
        self.forms = [bound.form(lane) for lane in range(len(bound.contents))]
        self.given = {lane for lane in range(len(self.forms)) if self._is_given(lane)}
        self.updated = {lane for lane in range(len(self.forms)) if self._is_updated(lane)}
        self.polynomials: dict[int, Polynomial | None] = {
            lane: None if form is None else polynomial(form) for lane, form in enumerate(self.forms)
        }

    def _is_given(self, lane: int) -> bool:
        form = self.forms[lane]
        if form is None:
            return any(isinstance(one, float) for one in self.bound.contents[lane])
        found = list(leaves(form))
        if not any(isinstance(leaf, (Lane, Fixed)) for leaf in found):
            return self.labels[lane].kind in (Kind.OTHER, Kind.INPUT, Kind.TARGET, Kind.WEIGHT, Kind.BIAS, Kind.RATE)
        return form in (Lane(lane, -1), Fixed(lane, 0)) or self.labels[lane].kind is Kind.STEP or _counts(form, lane)

    def _is_updated(self, lane: int) -> bool:
        form = self.forms[lane]
        if form is None or lane in self.given:
            return False
        if isinstance(form, Lane) and form.offset == -1 and form.lane != lane:
            new = self.forms[form.lane]
            return new is not None and any(leaf == Lane(lane) for leaf in leaves(new))
        found = set(leaves(form))
        if self.labels[lane].kind in (Kind.WEIGHT, Kind.BIAS):  # be its own last value another weight's, or fixed
            return any(isinstance(leaf, (Lane, Fixed)) for leaf in found) and self.bound.steps > 1
        return Lane(lane, -1) in found

    def kind(self, lane: int) -> Kind:
        return self.labels[lane].kind

    def label(self, variable: Variable) -> Label:
        match variable:
            case Lane(lane, _):
                return self.labels[lane]
            case Outside():
                return self.outside(variable)
        return NOTHING

    def variables(self, lane: int) -> set[Variable]:
        """What a lane's formula uses, whatever the step."""
        form = self.forms[lane]
        return set() if form is None else variables(form)

    def calculated(self) -> list[int]:
        return [
            lane for lane, form in enumerate(self.forms) if lane not in self.given | self.updated and form is not None
        ]


def variables(tree: Tree) -> set[Variable]:
    found = (Lane(leaf.lane) if isinstance(leaf, Fixed) else here(leaf) for leaf in leaves(tree))
    return {one for one in found if one is not None}


def here(leaf: Tree) -> Variable | None:
    match leaf:
        case Lane(lane, _):
            return Lane(lane)
        case Outside():
            return leaf
    return None


def _counts(form: Tree, lane: int) -> bool:
    """`A33+1` below A33 counts the steps."""
    return isinstance(form, Call) and set(leaves(form)) == {Lane(lane, -1)}
