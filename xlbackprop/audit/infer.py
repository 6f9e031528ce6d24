"""Infer the network: first what each lane is, then what joins what.

Each pairing below (activation and pre-activation, error and output, gradient and weight) is a
matching of two lists by scores: what the formulas say counts most, the labels next, the order
last. So one wrong cell leaves the others their places, and is then found to be wrong in its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Call, Fixed, Lane, Outside, Tree, replace_leaves
from xlbackprop.audit.functions import ACTIVATIONS, apply
from xlbackprop.audit.labels import Kind
from xlbackprop.audit.lanes import Lanes, here, matched, variables
from xlbackprop.audit.network import Network, Unit, Variable
from xlbackprop.audit.polynomial import Polynomial, polynomial
from xlbackprop.audit.training import outputs_and_updates
from xlbackprop.audit.wiring import wire

_POINTS = 7
_MOST_OPENED = 4  # helper lanes from one to the next
# Labels that say nothing of a column that is calculated: they say what is given, or nothing.
_NOT_CALCULATED = (Kind.OTHER, Kind.BIAS, Kind.INPUT, Kind.TARGET, Kind.STEP, Kind.RATE)


def fits(tree: Tree, variable: Variable, function: Callable[[Array], Array]) -> bool:
    """Whether the formula is the function of its one variable, at points that tell functions apart."""
    points = np.array([-1.7, -0.9, -0.31, 0.13, 0.47, 1.1, 2.3])

    def look(leaf: Tree) -> Array:
        return points if here(leaf) == variable or isinstance(leaf, Fixed) else np.full(_POINTS, np.nan)

    try:
        return bool(np.allclose(evaluate(tree, look), function(points), rtol=1e-9, atol=1e-12))
    except UnknownFunction:
        return False


def activation_of(tree: Tree, variable: Variable) -> str | None:
    return next((name for name, function in ACTIVATIONS.items() if fits(tree, variable, function)), None)


def infer(lanes: Lanes) -> Network:
    """The network of a table; what cannot be found is left out of it."""
    return Inference(lanes).network


class Inference:
    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.network = lanes, Network()
        self.z_lanes: list[int] = []
        self.a_lanes: list[int] = []
        self.softmax: dict[
            int, int
        ] = {}  # of an activation over all units of its layer, the pre-activation that is its own
        self.parameters = self._parameters()
        self._sort_lanes()
        self._units()
        self.votes = {unit.name: self._votes(unit) for unit in self.network.units.values()}
        self._layers()
        wire(self)
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
                elif self._activates(lane) or self._is_softmax(lane):
                    self.a_lanes.append(lane)
                    signals.add(Lane(lane))
                    grown = True
        self.z_lanes.sort()
        self.a_lanes.sort()
        for lane in self.a_lanes:
            if lanes.forms[lane] is not None and lane not in self.softmax:
                self._is_softmax(lane)

    def _bends(self, lane: int) -> bool:
        """Whether a lane labelled like h1 is an activation: a function, but no sum of products, of one other lane."""
        found = self.lanes.variables(lane)
        if self.lanes.polynomials[lane] is not None or len(found) != 1:
            return False
        variable = next(iter(found))
        return isinstance(variable, Lane) and self.lanes.polynomials.get(variable.lane) is not None

    def _is_softmax(self, lane: int) -> bool:
        """Whether a lane is EXP of one pre-activation over the sum of EXP of several."""
        form = self._opened(lane)
        zs = sorted(variables(form), key=repr)
        if len(zs) < 2 or not all(isinstance(z, Lane) and z.lane in self.z_lanes for z in zs):
            return False
        points = np.linspace(-1.3, 1.7, len(zs) * _POINTS).reshape(len(zs), _POINTS) ** 3
        try:
            found = evaluate(form, lambda leaf: points[zs.index(Lane(leaf.lane))] if isinstance(leaf, Lane) else np.nan)
        except UnknownFunction:
            return False
        for z, values in zip(zs, apply("softmax", list(points))):
            if isinstance(z, Lane) and np.allclose(found, values, rtol=1e-9, atol=0):
                self.softmax[lane] = z.lane
        return lane in self.softmax

    def _opened(self, lane: int, depth: int = 0) -> Tree:
        """A lane's formula with those of unlabelled lanes in place of these."""
        form = self.lanes.forms[lane]
        assert form is not None

        def opened(leaf: Tree) -> Tree:
            match leaf:
                case Lane(used, 0) if depth < _MOST_OPENED and used not in self.z_lanes:
                    if self.lanes.kind(used) in _NOT_CALCULATED and used in self.lanes.calculated():
                        return self._opened(used, depth + 1)
            return leaf

        return replace_leaves(form, opened)

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
            return 2.0 * uses + 1.0 * same + 3.0 * (self.softmax.get(a) == z)

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
            elif unit.a in self.softmax:
                found["softmax"] += 1
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
        return None


def _replaced(tree: Tree, old: Tree, new: Tree) -> Tree:
    if tree == old:
        return new
    return Call(tree.name, tuple(_replaced(arg, old, new) for arg in tree.args)) if isinstance(tree, Call) else tree
