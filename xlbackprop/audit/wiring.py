"""Which weight joins which source to which unit, as the forward formulas have it.

Where they are consistent they are right, whatever the numbering. Where two weights claim one
place, or a weight has none, the gradients' formulas and then the order of the weights decide, and
the forward cell that says otherwise is found wrong when it is compared.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from xlbackprop.audit.formula import Lane, Outside
from xlbackprop.audit.labels import Kind
from xlbackprop.audit.lanes import matched
from xlbackprop.audit.network import Parameter, Unit, Variable

if TYPE_CHECKING:
    from xlbackprop.audit.infer import Inference

Slot = tuple[str, str]  # unit and source


def wire(inference: Inference) -> None:
    wiring = _Wiring(inference)
    wiring.name_inputs()
    wiring.place_weights()
    wiring.place_biases()


class _Wiring:
    def __init__(self, inference: Inference) -> None:
        self.inference, self.network, self.lanes = inference, inference.network, inference.lanes
        self.votes = inference.votes
        self.units = inference.network.units
        self.sources: dict[Variable, str] = {}

    # Sources: the inputs, and the units of the layer below.

    def name_inputs(self) -> None:
        used: Counter[Variable] = Counter(
            signal
            for unit in self.units.values()
            if unit.layer == 0
            for weight, signal in self.votes[unit.name]
            if weight is not None and self.inference.unit_of(signal) is None
        )
        labelled = [Lane(lane) for lane in sorted(self.lanes.given) if self.lanes.kind(lane) is Kind.INPUT]
        one_given = [v for v in used if self.lanes.label(v).kind not in (Kind.TARGET, Kind.RATE) and self._is_given(v)]
        for variable in sorted({*labelled, *one_given}, key=_order):
            label = self.lanes.label(variable)
            name = label.of if label.kind is Kind.INPUT else ""
            self.network.inputs[name if name and name not in self.network.inputs else self._free("i")] = variable
        self.sources = {variable: name for name, variable in self.network.inputs.items()}

    def _is_given(self, variable: Variable) -> bool:
        return isinstance(variable, Outside) or (isinstance(variable, Lane) and variable.lane in self.lanes.given)

    def _free(self, letter: str) -> str:
        number = 1
        while f"{letter}{number}" in self.network.inputs or f"{letter}{number}" in self.network.parameters:
            number += 1
        return f"{letter}{number}"

    def _source(self, signal: Variable) -> str | None:
        return self.sources.get(signal) or self.inference.unit_of(signal)

    def _below(self, unit: Unit) -> list[str]:
        """What may feed a unit: the layer below, and what most of its layer's units also use."""
        layer = [one for one in self.units.values() if one.layer == unit.layer]
        below = (
            [*self.network.inputs]
            if unit.layer == 0
            else [one.name for one in self.units.values() if one.layer == unit.layer - 1]
        )
        voted = Counter(
            source
            for one in layer
            for weight, signal in self.votes[one.name]
            if weight is not None and (source := self._source(signal)) is not None
        )
        skips = [s for s, count in voted.items() if s not in below and count == len(layer) > 1 and s not in self.units]
        return below + skips

    # Weights.

    def place_weights(self) -> None:
        claims: dict[Variable, list[Slot]] = {}
        for name, votes in self.votes.items():
            for weight, signal in votes:
                if weight is not None:
                    source = self._source(signal)
                    slot = (name, source or "")
                    claims.setdefault(weight, []).append(slot)
        biases = {signal for votes in self.votes.values() for weight, signal in votes if weight is None}
        labelled = {one for one in self.inference.parameters if self.lanes.label(one).kind is Kind.WEIGHT}
        weights = sorted((set(claims) | labelled) - (biases - labelled), key=_order)
        slots = [(unit.name, source) for unit in self.units.values() for source in self._below(unit)]
        places = self._consistent(claims, weights, slots) or self._decided(claims, weights, slots)
        for weight in weights:
            name = self._name(weight, Kind.WEIGHT, "w")
            self.network.parameters[name] = Parameter(name, weight)
            for to, source in places.get(weight, []):
                self.units[to].inputs.append((weight, source))
        for unit in self.units.values():
            order = {source: k for k, source in enumerate(self._below(unit))}
            unit.inputs.sort(key=lambda pair: order.get(pair[1], 0))

    def _consistent(
        self, claims: dict[Variable, list[Slot]], weights: list[Variable], slots: list[Slot]
    ) -> dict[Variable, list[Slot]] | None:
        """The claims themselves where each place has one weight and each weight a place."""
        claimed = [slot for places in claims.values() for slot in places]
        if len(claimed) != len(set(claimed)) or not set(claimed) <= set(slots) or set(weights) != set(claims):
            return None
        orphaned = len(weights) >= len(slots) and any(len(places) > 1 for places in claims.values())
        return None if orphaned and len(set(claimed)) < len(slots) else claims

    def _decided(
        self, claims: dict[Variable, list[Slot]], weights: list[Variable], slots: list[Slot]
    ) -> dict[Variable, list[Slot]]:
        """A place for each weight, by what the forward formulas, the gradients and the order say of it."""
        rank = {weight: k for k, weight in enumerate(sorted(weights, key=self._number))}
        position = {slot: k for k, slot in enumerate(sorted(slots, key=self._numbers))}
        in_order = len(weights) == len(slots)

        def score(weight: Variable, slot: Slot) -> float:
            points = 0.0
            if slot in claims.get(weight, []):
                points += 2.0
            elif any(unit == slot[0] for unit, _ in claims.get(weight, [])):
                points += 0.6
            points += self._gradient_says(weight, slot)
            if in_order and rank[weight] == position[slot]:
                points += 0.7
            return points or 0.01 / (1 + abs(rank[weight] - position[slot]))

        return {weight: [slot] for weight, slot in matched(weights, slots, score).items()}

    def _numbers(self, slot: Slot) -> tuple[int, ...]:
        """A place in the order of numbering: by layer, unit and source."""
        return (self.units[slot[0]].layer, *(int(re.sub(r"\D", "", name) or 0) for name in slot))

    def _gradient_says(self, weight: Variable, slot: Slot) -> float:
        """How far the formula of the lane labelled with this weight's gradient speaks for a place."""
        name = self.lanes.label(weight).of
        lane = next(
            (
                k
                for k, label in enumerate(self.lanes.labels)
                if label.kind is Kind.GRADIENT and label.of == name and name
            ),
            None,
        )
        if lane is None or (terms := self.lanes.variables(lane)) is None:
            return 0.0
        unit, source = slot
        source_variable = self.network.inputs.get(source)
        if source_variable is None and source in self.units and self.units[source].a is not None:
            source_variable = Lane(self.units[source].a)  # type: ignore[arg-type]
        own = self.units[unit].a
        return 0.5 * (source_variable in terms) + 0.25 * (own is not None and Lane(own) in terms)

    def _number(self, weight: Variable) -> tuple[int, tuple[object, ...]]:
        digits = re.sub(r"\D", "", self.lanes.label(weight).of)
        return (int(digits) if digits else 10**6, _order(weight))

    def _name(self, variable: Variable, kind: Kind, letter: str) -> str:
        label = self.lanes.label(variable)
        name = label.of if label.kind is kind else ""
        return name if name and name not in self.network.parameters else self._free(letter)

    # Biases: all units of a layer have one, or none has.

    def place_biases(self) -> None:
        for layer in self.network.layers:
            voted = {
                unit.name: [v for weight, v in self.votes[unit.name] if weight is None and self._may_serve(v)]
                for unit in layer
            }
            having = [name for name, found in voted.items() if found]
            if not having or len(having) * 2 < len(layer):
                continue
            counts = Counter(found[0] for found in voted.values() if found)
            shared = len(having) > 1 and len(counts) == 1
            for unit in layer:
                found = voted[unit.name]
                if found and not (counts[found[0]] > 1 and not shared):
                    unit.bias = found[0]
            orphans = self._orphans()
            for unit in layer:
                if unit.bias is None:
                    if shared or not orphans:
                        unit.bias = counts.most_common(1)[0][0]
                    else:
                        unit.bias = orphans.pop(0)
        for unit in self.units.values():
            if unit.bias is not None and self.network.parameter_of(unit.bias) is None:
                name = self._name(unit.bias, Kind.BIAS, "b")
                self.network.parameters[name] = Parameter(name, unit.bias)

    def _may_serve(self, variable: Variable) -> bool:
        parameter = self.network.parameter_of(variable)
        return variable not in self.sources and parameter is None

    def _orphans(self) -> list[Variable]:
        """Parameters labelled as biases that no unit uses."""
        used: set[Variable] = {unit.bias for unit in self.units.values() if unit.bias is not None}
        used |= {signal for votes in self.votes.values() for weight, signal in votes if weight is None}
        given: set[Variable] = {Lane(lane) for lane in self.lanes.given if self.lanes.kind(lane) is Kind.BIAS}
        found = {one for one in self.inference.parameters if self.lanes.label(one).kind is Kind.BIAS}
        return sorted((found | given) - used, key=_order)


def _order(variable: Variable) -> tuple[object, ...]:
    match variable:
        case Lane(lane, _):
            return (0, "", lane, 0)
        case Outside(sheet, row, column):
            return (1, sheet, row, column)
    return (2, "", 0, 0)
