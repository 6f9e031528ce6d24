"""Infer the network: first what each lane is, then what joins what.

Each pairing below (activation and pre-activation, error and output, gradient and weight) is a
matching of two lists by scores: what the formulas say counts most, the labels next, the order
last. So one wrong cell leaves the others their places, and is then found to be wrong in its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

from xlbackprop.audit.binding import BoundTable
from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Call, Fixed, Lane, Num, Outside, Tree, leaves
from xlbackprop.audit.functions import ACTIVATIONS
from xlbackprop.audit.labels import NOTHING, Kind, Label
from xlbackprop.audit.network import Network, Output, Parameter, Unit, Variable
from xlbackprop.audit.polynomial import Polynomial, polynomial

A = TypeVar("A", bound=Hashable)
B = TypeVar("B", bound=Hashable)

_POINTS = 7
# Labels that say nothing of a column that is calculated: they say what is given, or nothing.
_NOT_CALCULATED = (Kind.OTHER, Kind.BIAS, Kind.INPUT, Kind.TARGET, Kind.STEP, Kind.RATE)


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
    found = (Lane(leaf.lane) if isinstance(leaf, Fixed) else _here(leaf) for leaf in leaves(tree))
    return {one for one in found if one is not None}


def _here(leaf: Tree) -> Variable | None:
    match leaf:
        case Lane(lane, _):
            return Lane(lane)
        case Outside():
            return leaf
    return None


def _counts(form: Tree, lane: int) -> bool:
    """`A33+1` below A33 counts the steps."""
    return isinstance(form, Call) and set(leaves(form)) == {Lane(lane, -1)}


def fits(tree: Tree, variable: Variable, function: Callable[[Array], Array]) -> bool:
    """Whether the formula is the function of its one variable, at points that tell functions apart."""
    points = np.array([-1.7, -0.9, -0.31, 0.13, 0.47, 1.1, 2.3])

    def look(leaf: Tree) -> Array:
        return points if _here(leaf) == variable or isinstance(leaf, Fixed) else np.full(_POINTS, np.nan)

    try:
        return bool(np.allclose(evaluate(tree, look), function(points), rtol=1e-9, atol=1e-12))
    except UnknownFunction:
        return False


def activation_of(tree: Tree, variable: Variable) -> str | None:
    return next((name for name, function in ACTIVATIONS.items() if fits(tree, variable, function)), None)


def infer(lanes: Lanes) -> Network:
    """The network of a table; what cannot be found is left out of it."""
    return _Inference(lanes).network


class _Inference:
    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.network = lanes, Network()
        self.z_lanes: list[int] = []
        self.a_lanes: list[int] = []
        self.parameters = self._parameters()
        self._sort_lanes()
        self._units()
        self.votes = {unit.name: self._votes(unit) for unit in self.network.units.values()}
        self._layers()
        from xlbackprop.audit.wiring import wire

        wire(self)
        from xlbackprop.audit.training import outputs_and_updates

        outputs_and_updates(self)

    def _parameters(self) -> set[Variable]:
        lanes = self.lanes
        found: set[Variable] = {Lane(lane) for lane in lanes.updated}
        found |= {Lane(lane) for lane in lanes.given if lanes.kind(lane) in (Kind.WEIGHT, Kind.BIAS)}
        for lane in lanes.calculated():
            for variable in lanes.variables(lane):
                if isinstance(variable, Outside) and lanes.outside(variable).kind in (Kind.WEIGHT, Kind.BIAS):
                    found.add(variable)
        return found

    # What each lane is.

    def _sort_lanes(self) -> None:
        lanes = self.lanes
        calculated = lanes.calculated()
        for lane in calculated:
            if lanes.kind(lane) is Kind.ACTIVATION:
                self.a_lanes.append(lane)
            elif lanes.kind(lane) is Kind.PRE_ACTIVATION:
                (self.a_lanes if self._bends(lane) else self.z_lanes).append(lane)
        for lane, form in enumerate(lanes.forms):  # typed or empty columns of a table that is not live
            if form is None and lanes.kind(lane) in (Kind.ACTIVATION, Kind.PRE_ACTIVATION):
                (self.a_lanes if lanes.kind(lane) is Kind.ACTIVATION else self.z_lanes).append(lane)
        unlabelled = [lane for lane in calculated if lanes.kind(lane) in _NOT_CALCULATED]
        signals: set[Variable] = {Lane(lane) for lane in [*lanes.given, *self.a_lanes]}
        signals |= {v for lane in calculated for v in lanes.variables(lane) if isinstance(v, Outside)}
        grown = True
        while grown:
            grown = False
            for lane in unlabelled:
                if lane in self.z_lanes or lane in self.a_lanes:
                    continue
                if self._is_weighted_sum(lane, signals - self.parameters):
                    self.z_lanes.append(lane)
                    signals.add(Lane(lane))  # an output without activation, or a next layer that reads it directly
                    grown = True
                elif self._activates(lane):
                    self.a_lanes.append(lane)
                    signals.add(Lane(lane))
                    grown = True
        self.z_lanes.sort()
        self.a_lanes.sort()

    def _bends(self, lane: int) -> bool:
        """Whether a lane labelled like h1 is an activation: a function, but no sum of products, of one other lane."""
        found = self.lanes.variables(lane)
        if self.lanes.polynomials[lane] is not None or len(found) != 1:
            return False
        variable = next(iter(found))
        return isinstance(variable, Lane) and self.lanes.polynomials.get(variable.lane) is not None

    def _is_weighted_sum(self, lane: int, signals: set[Variable]) -> bool:
        terms = self.lanes.polynomials[lane]
        if not terms:
            return False
        products = [product for product in terms if len(product) == 2]
        weights = [v for product in products for v in product if v in self.parameters]
        return (
            len(products) >= 1
            and len(weights) == len(set(weights)) == len(products)
            and all(len(product) in (1, 2) for product in terms)
            and all(coefficient == 1 for coefficient in terms.values())
            and all(v in self.parameters or v in signals for product in terms for v in product)
        )

    def _activates(self, lane: int) -> bool:
        form, found = self.lanes.forms[lane], self.lanes.variables(lane)
        if form is None or len(found) != 1 or isinstance(form, (Lane, Fixed)):
            return False
        variable = next(iter(found))
        return variable in {Lane(z) for z in self.z_lanes} and activation_of(form, variable) not in (None, "identity")

    # Units: an activation and its pre-activation.

    def _units(self) -> None:
        lanes = self.lanes

        def score(a: int, z: int) -> float:
            uses = Lane(z) in lanes.variables(a)
            same = lanes.labels[a].of == lanes.labels[z].of != ""
            return 2.0 * uses + 1.0 * same

        pairs = matched(self.a_lanes, self.z_lanes, score)
        of_z = {z: a for a, z in pairs.items()}
        found: list[tuple[int | None, int | None]] = [(z, of_z.get(z)) for z in self.z_lanes]
        found += [(None, a) for a in self.a_lanes if a not in pairs]
        found.sort(key=lambda pair: min(lane for lane in pair if lane is not None))
        for z, a in found:
            label = next((lanes.labels[lane].of for lane in (z, a) if lane is not None and lanes.labels[lane].of), "")
            name = label if label and label not in self.network.units else f"unit{len(self.network.units) + 1}"
            self.network.units[name] = Unit(name, 0, z, a)

    def unit_of(self, variable: Variable) -> str | None:
        """The unit whose signal, or whose pre-activation, a variable is."""
        for unit in self.network.units.values():
            if variable in (Lane(-1 if unit.a is None else unit.a), Lane(-1 if unit.z is None else unit.z)):
                return unit.name
        return None

    def _votes(self, unit: Unit) -> list[tuple[Variable | None, Variable]]:
        """(weight, signal) of each product in the unit's sum, and (None, bias) of what stands alone."""
        form = self.lanes.forms[unit.z] if unit.z is not None else None
        terms = self.lanes.polynomials[unit.z] if unit.z is not None else None
        if unit.z is None and unit.a is not None and (whole := self.lanes.forms[unit.a]) is not None:
            form, terms = self._sum_inside(whole)
        if form is None or terms is None:
            return []
        votes: list[tuple[Variable | None, Variable]] = []
        for product in terms:
            weights = [v for v in product if v in self.parameters]
            signals = [v for v in product if v not in self.parameters]
            if len(product) == 2 and len(weights) == 1:
                votes.append((weights[0], signals[0]))
            elif len(product) == 1 and self._may_be_bias(product[0]):
                votes.append((None, product[0]))
        return votes

    def _may_be_bias(self, variable: Variable) -> bool:
        kind = self.lanes.label(variable).kind
        if variable in self.parameters:
            return kind is not Kind.WEIGHT
        return kind in (Kind.BIAS, Kind.OTHER) and self.unit_of(variable) is None

    def _sum_inside(self, tree: Tree) -> tuple[Tree | None, Polynomial | None]:
        """The largest weighted sum inside an activation that has no pre-activation of its own."""
        terms = polynomial(tree)
        if terms and any(len(product) == 2 and set(product) & self.parameters for product in terms):
            return (
                (tree.args[0], polynomial(tree.args[0]))
                if isinstance(tree, Call) and tree.name == "neg"
                else (tree, terms)
            )
        if isinstance(tree, Call):
            for arg in tree.args:
                found = self._sum_inside(arg)
                if found[0] is not None:
                    return found
        return None, None

    # Layers: what is fed by inputs alone comes first.

    def _layers(self) -> None:
        units = self.network.units
        layer = dict.fromkeys(units, 0)
        for _ in range(len(units)):
            before = dict(layer)
            for name, votes in self.votes.items():
                sources = [self.unit_of(signal) for weight, signal in votes if weight is not None]
                depths = Counter(-1 if source is None else before[source] for source in sources if source != name)
                if depths:
                    most = max(depths.values())
                    layer[name] = 1 + max(depth for depth, count in depths.items() if count == most)
            if layer == before:
                break
        self._siblings(layer)
        levels = {level: k for k, level in enumerate(sorted(set(layer.values())))}
        for name, unit in units.items():
            unit.layer = levels[layer[name]]
        self.network.units = dict(sorted(units.items(), key=lambda item: item[1].layer))
        self.network.activations = [self._activation(units_) for units_ in self._by_layer()]

    def _siblings(self, layer: dict[str, int]) -> None:
        """Units without votes, and outputs, stand with those of the same letter; outputs come last."""
        hidden = [name for name in layer if name[0] != "o"]
        if hidden and not any(self.votes.values()):  # a table of typed numbers
            layer.update({name: 1 for name in layer if name[0] == "o"})
        for letter in {name[0] for name in layer}:
            family = [name for name in layer if name[0] == letter]
            levels = Counter(layer[name] for name in family if self.votes[name])
            if not levels:
                continue
            common = min(levels, key=lambda level: (-levels[level], level))
            for name in family:
                if not self.votes[name] or letter == "o":
                    layer[name] = common

    def _by_layer(self) -> list[list[Unit]]:
        units = self.network.units.values()
        return [[u for u in units if u.layer == k] for k in range(1 + max((u.layer for u in units), default=-1))]

    def _activation(self, units: list[Unit]) -> str:
        """The function that most of a layer's units apply."""
        found: Counter[str] = Counter()
        for unit in units:
            form = self.lanes.forms[unit.a] if unit.a is not None else None
            if unit.a is None:
                found["identity"] += 1
            elif form is not None:
                name = self._function(unit, form, units)
                if name is not None:
                    found[name] += 1
        if not found:
            return "sigmoid"
        return max(found, key=lambda name: found[name])

    def _function(self, unit: Unit, form: Tree, units: list[Unit]) -> str | None:
        found = variables(form)
        inner = self._sum_inside(form)[0] if unit.z is None else None
        if inner is not None:
            hidden = Lane(10**6)
            return activation_of(_replaced(form, inner, hidden), hidden)
        if len(found) == 1:
            return activation_of(form, next(iter(found)))
        zs = {Lane(u.z) for u in units if u.z is not None}
        return "softmax" if len(found) > 1 and found <= zs else None


def _replaced(tree: Tree, old: Tree, new: Tree) -> Tree:
    if tree == old:
        return new
    return Call(tree.name, tuple(_replaced(arg, old, new) for arg in tree.args)) if isinstance(tree, Call) else tree


__all__ = ["Lanes", "Num", "Output", "Parameter", "infer", "matched", "variables"]
