"""The other half of the network: outputs and targets, errors, gradients, updates and the rate."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xlbackprop.audit.formula import Call, Fixed, Lane, Num, Outside, Tree, leaves
from xlbackprop.audit.labels import Kind
from xlbackprop.audit.lanes import matched
from xlbackprop.audit.losses import loss_of
from xlbackprop.audit.network import Output, Parameter, Unit, Variable
from xlbackprop.audit.polynomial import polynomial

if TYPE_CHECKING:
    from xlbackprop.audit.infer import Inference


def outputs_and_updates(inference: Inference) -> None:
    training = _Training(inference)
    training.find_outputs()
    training.find_errors()
    training.find_gradients()
    training.find_rate()
    training.find_helpers()


class _Training:
    def __init__(self, inference: Inference) -> None:
        self.inference, self.network, self.lanes = inference, inference.network, inference.lanes
        self.signals = {variable: name for name, variable in self.network.inputs.items()}

    def _signal(self, unit: Unit) -> Variable | None:
        return None if unit.signal is None else Lane(unit.signal)

    def find_outputs(self) -> None:
        if not self.network.layers:
            return
        units = {unit.name: unit for unit in self.network.layers[-1]}
        joined = {unit: self._signal(one) for unit, one in units.items()}
        candidates = self._targets()
        lanes = [lane for lane in self.lanes.calculated() if self._may_be_error(lane)]

        def score(unit: str, target: Variable) -> float:
            together = sum(
                1.0 if len(self.lanes.variables(lane)) <= 3 else 0.2
                for lane in lanes
                if {joined[unit], target} <= self.lanes.variables(lane)
            )
            number = self.lanes.label(target).of[1:]
            named = self.lanes.label(target).kind is Kind.TARGET and number and number == unit[1:]
            return min(together, 3.0) + 0.6 * bool(named) + 0.01

        pairs = matched(list(units), candidates, score)
        for name in units:
            if name in pairs:
                label = self.lanes.label(pairs[name])
                target = label.of if label.kind is Kind.TARGET else f"t{len(self.network.outputs) + 1}"
                self.network.outputs.append(Output(target, name, pairs[name]))

    def _targets(self) -> list[Variable]:
        taken = set(self.network.inputs.values()) | {one.variable for one in self.network.parameters.values()}
        given: set[Variable] = {Lane(lane) for lane in self.lanes.given}
        for lane in self.lanes.calculated():
            given |= {v for v in self.lanes.variables(lane) if isinstance(v, Outside)}
        labelled = [v for v in given if self.lanes.label(v).kind is Kind.TARGET]
        others = [
            v
            for v in given - taken
            if self.lanes.label(v).kind in (Kind.OTHER, Kind.INPUT)
            and any(v in self.lanes.variables(k) for k in self._errors())
        ]
        return sorted(
            labelled or others,
            key=lambda v: (isinstance(v, Outside), repr(v) if isinstance(v, Outside) else "", getattr(v, "lane", 0)),
        )

    def _errors(self) -> list[int]:
        return [lane for lane in self.lanes.calculated() if self._may_be_error(lane)]

    def _may_be_error(self, lane: int) -> bool:
        return lane not in self.network.unit_lanes

    def find_errors(self) -> None:
        labelled = [lane for lane in range(len(self.lanes.forms)) if self.lanes.kind(lane) is Kind.ERROR]
        totals = [lane for lane in range(len(self.lanes.forms)) if self.lanes.kind(lane) is Kind.TOTAL_ERROR]
        signals = {one.unit: self._signal(self.network.units[one.unit]) for one in self.network.outputs}

        def score(lane: int, k: int) -> float:
            output = self.network.outputs[k]
            found = self.lanes.variables(lane)
            number = self.lanes.labels[lane].of[1:]
            return 1.0 * (signals[output.unit] in found) + 1.0 * (output.target in found) + 0.9 * (number == str(k + 1))

        free = [lane for lane in self._errors() if self.lanes.kind(lane) is Kind.OTHER and self._is_error(lane)]
        indices = list(range(len(self.network.outputs)))
        for lane, k in matched(labelled or free, indices, score).items():
            self.network.outputs[k].error = lane
        errors = {Lane(one.error) for one in self.network.outputs if one.error is not None}
        if not totals and len(self.network.outputs) > 1:
            totals = [
                lane
                for lane in self.lanes.calculated()
                if self.lanes.kind(lane) is Kind.OTHER and errors and self.lanes.variables(lane) == errors
            ]
        live = [lane for lane in totals if self.lanes.variables(lane) & (errors | set(signals.values()) - {None})]
        self.network.total = next(iter(live or totals), None)

    def _is_error(self, lane: int) -> bool:
        """Whether an unlabelled lane is made of a target and its output alone, and is no difference of the two."""
        for output in self.network.outputs:
            signal = self._signal(self.network.units[output.unit])
            if self.lanes.variables(lane) == {signal, output.target}:
                return self._is_loss(lane, signal, output.target)
        return False

    def _is_loss(self, lane: int, signal: Variable | None, target: Variable) -> bool:
        form = self.lanes.forms[lane]
        return form is not None and signal is not None and loss_of(form, target, signal) is not None

    # Gradients and updates.

    def find_gradients(self) -> None:
        lanes, parameters = self.lanes, list(self.network.parameters.values())
        taken = self.network.unit_lanes
        taken |= {one.error for one in self.network.outputs} | {self.network.total}
        for parameter in parameters:
            parameter.trained = isinstance(parameter.variable, Lane) and parameter.variable.lane in lanes.updated
            parameter.updated = self._new_value(parameter)
        used = {
            one.name: {leaf.lane for leaf in leaves(form) if isinstance(leaf, (Lane, Fixed))}
            for one in parameters
            if (form := self._update(one)) is not None
        }
        new = {one.updated for one in parameters}
        candidates = [
            lane
            for lane in range(len(lanes.forms))
            if lane not in taken | new
            and (lane not in lanes.given or lanes.forms[lane] is None)
            and (lanes.kind(lane) is Kind.GRADIENT or any(lane in found for found in used.values()))
            and lane not in lanes.updated
            and not self._of_unit(lane)
        ]

        def score(lane: int, k: int) -> float:
            parameter = parameters[k]
            own = lanes.kind(lane) is Kind.GRADIENT and lanes.labels[lane].of == parameter.name
            return (
                1.6 * own
                + 1.0 * (lane in used.get(parameter.name, set()))
                - 0.5 * (lanes.kind(lane) in (Kind.TARGET, Kind.INPUT))
            )

        for lane, k in matched(candidates, range(len(parameters)), score).items():
            if lanes.kind(lane) is Kind.GRADIENT or self._is_factor(lane, parameters[k]):
                parameters[k].gradient = lane

    def _of_unit(self, lane: int) -> bool:
        """A lane of ∂E/∂a_h1, which is no weight's gradient."""
        return self.lanes.kind(lane) is Kind.GRADIENT and self.lanes.labels[lane].of.startswith("a_")

    def _is_factor(self, lane: int, parameter: Parameter) -> bool:
        """Whether the update takes the lane as the gradient, a product with nothing but the rate."""
        form = self._update(parameter)
        terms = None if form is None else polynomial(form)
        if terms is None:
            return False
        return any(Lane(lane) in product and len(product) <= 2 for product in terms) and lane not in self.lanes.given

    def _new_value(self, parameter: Parameter) -> int | None:
        """The lane that holds the parameter's new value in the same step, labelled or read by the next step."""
        for lane, label in enumerate(self.lanes.labels):
            if label.kind is Kind.UPDATED and label.of == parameter.name:
                return lane
        if isinstance(parameter.variable, Lane) and parameter.variable.lane in self.lanes.updated:
            form = self.lanes.forms[parameter.variable.lane]
            if isinstance(form, Lane) and form.offset == -1 and form.lane != parameter.variable.lane:
                return form.lane
        return None

    def _update(self, parameter: Parameter) -> Tree | None:
        if parameter.updated is not None:
            return self.lanes.forms[parameter.updated]
        return (
            self.lanes.forms[parameter.variable.lane]
            if parameter.trained and isinstance(parameter.variable, Lane)
            else None
        )

    def find_rate(self) -> None:
        """The cell, the lane or the number that most updates multiply their gradient with."""
        votes: Counter[Variable] = Counter()
        bound = self.lanes.bound
        known = self.network.unit_lanes
        for parameter in self.network.parameters.values():
            lane = parameter.updated
            if lane is None and parameter.trained and isinstance(parameter.variable, Lane):
                lane = parameter.variable.lane
            if lane is None:
                continue
            for form, steps in bound.groups(lane).items():
                for leaf in self._rates(form):
                    here = Lane(leaf.lane) if isinstance(leaf, (Lane, Fixed)) else leaf
                    if isinstance(here, Lane) and (here.lane in known or here.lane not in self.lanes.given):
                        continue
                    if self.lanes.label(here).kind in (Kind.TARGET, Kind.INPUT, Kind.WEIGHT, Kind.BIAS):
                        continue
                    weight = 1000 if self.lanes.label(here).kind is Kind.RATE else 1
                    votes[here] += weight * len(steps) + (10 if steps[0] <= 1 else 0)
        self.network.rate = max(votes, key=lambda one: votes[one]) if votes else None

    def _rates(self, form: Tree) -> list[Variable]:
        found: list[Variable] = [leaf for leaf in leaves(form) if isinstance(leaf, (Outside, Lane, Fixed))]  # type: ignore[misc]
        if not any(isinstance(leaf, Outside) for leaf in found):
            found += list(_factors(form))
        return found

    def find_helpers(self) -> None:
        network = self.network
        taken = network.unit_lanes
        taken |= {one.error for one in network.outputs} | {network.total}
        taken |= {lane for one in network.parameters.values() for lane in (one.gradient, one.updated)}
        taken |= {v.lane for v in (one.variable for one in network.parameters.values()) if isinstance(v, Lane)}
        network.helpers = [
            lane
            for lane, form in enumerate(self.lanes.forms)
            if form is not None and lane not in taken and lane not in self.lanes.given | self.lanes.updated
        ]


def _factors(tree: Tree) -> list[Num]:
    """The numbers that a product of the formula has, other than 1."""
    if not isinstance(tree, Call):
        return []
    own = [arg for arg in tree.args if tree.name == "*" and isinstance(arg, Num) and arg.value != 1]
    return own + [one for arg in tree.args for one in _factors(arg)]
