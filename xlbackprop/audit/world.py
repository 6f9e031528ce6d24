"""A world of random numbers in which every quantity is right: the ground on which formulas are compared.

Each step of the table has inputs, targets and weights of its own, drawn anew; pre-activations,
activations and errors follow from these by definition, and every derivative is a complex step,
Im E(q + ih)/h, which knows no rule of calculus. A formula evaluated here on right precedents is
wrong by itself or not at all, and neither equal targets nor round numbers can hide it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xlbackprop.audit.evaluate import Array
from xlbackprop.audit.formula import Lane, Num
from xlbackprop.audit.functions import LOSSES, apply
from xlbackprop.audit.network import Network, Variable

FEWEST = 24  # rows of numbers in all, where there are few steps
LONG = 1000  # steps from which on one draw for each is enough
_H = 1e-200  # of the complex step: too small to round anything


class World:
    """Right values, each (draws, steps), or (draws, 1) for a cell outside."""

    def __init__(self, network: Network, steps: int, seed: int = 0) -> None:
        self.network, self.steps = network, steps
        # Where ReLU is 0 its neighbours may be anything, so it takes more draws to find them wrong.
        least = 24 if "relu" in network.activations else 1 if steps > LONG else 2
        self.draws = max(least, -(-FEWEST // steps))
        self._chance = np.random.default_rng(seed)
        self.given: dict[Variable, Array] = {}
        self._draw()
        self.forget()

    def forget(self) -> None:
        """Calculate everything anew from `given`."""
        self._base: dict[str, Array] = self.forward()
        self._derivatives: dict[str, Array] = {}

    def _draw(self) -> None:
        network, uniform = self.network, self._chance.uniform
        between_0_and_1 = "cross-entropy" in network.loss

        def shape(variable: Variable) -> tuple[int, int]:
            return (self.draws, self.steps if isinstance(variable, Lane) else 1)

        def signed(variable: Variable) -> Array:
            return uniform(0.2, 1.3, shape(variable)) * self._chance.choice((-1.0, 1.0), shape(variable))

        for variable in network.inputs.values():
            self.given[variable] = signed(variable)
        for parameter in network.parameters.values():
            self.given[parameter.variable] = signed(parameter.variable)
        for output in network.outputs:
            low, high = (0.05, 0.95) if between_0_and_1 else (-1.0, 1.5)
            self.given[output.target] = uniform(low, high, shape(output.target))
        if network.activations[-1:] == ["softmax"]:  # targets are shares of 1
            total = sum(self.given[output.target] for output in network.outputs)
            for output in network.outputs:
                self.given[output.target] = self.given[output.target] / total
        if network.rate is not None:
            number = isinstance(network.rate, Num)
            drawn = np.full((self.draws, 1), network.rate.value if isinstance(network.rate, Num) else 1.0)
            self.given[network.rate] = drawn if number else uniform(0.1, 0.9, (self.draws, 1))

    def forward(self, moved: str = "") -> dict[str, Array]:
        """Every quantity by name; the one named `moved` has ih added where it is defined."""
        with np.errstate(all="ignore"):  # a loss that does not fit may have no number
            return self._forward(moved)

    def _forward(self, moved: str) -> dict[str, Array]:
        network, values = self.network, dict[str, Array]()

        def put(name: str, value: Array) -> Array:
            values[name] = value + 1j * _H if name == moved else value
            return values[name]

        for name, variable in network.inputs.items():
            put(name, self.given[variable])
        parameters = {one.variable: put(one.name, self.given[one.variable]) for one in network.parameters.values()}
        for layer, activation in zip(network.layers, network.activations):
            zs = []
            for unit in layer:
                terms = [parameters[weight] * values[self._signal(source)] for weight, source in unit.inputs]
                terms += [parameters[unit.bias]] if unit.bias is not None else []
                zs.append(put(f"z_{unit.name}", sum(terms[1:], start=terms[0]) if terms else np.zeros((self.draws, 1))))
            for unit, a in zip(layer, apply(activation, zs)):
                put(f"a_{unit.name}", a)
        errors = []
        for k, output in enumerate(network.outputs):
            error = LOSSES[network.loss](put(output.name, self.given[output.target]), values[f"a_{output.unit}"])
            errors.append(put(f"E{k + 1}", error))
        if errors:
            put("E_total", sum(errors[1:], start=errors[0]) * network.scale)
        return values

    def _signal(self, source: str) -> str:
        return source if source in self.network.inputs else f"a_{source}"

    def value(self, name: str) -> Array:
        """A quantity of the forward pass, (draws, steps)."""
        return self._wide(np.real(self._base[name]))

    def derivative(self, of: str, by: str) -> Array:
        """∂of/∂by, (draws, steps), by the complex step."""
        key = f"{of}/{by}"
        if key not in self._derivatives:
            moved = self.forward(by)
            for name, value in moved.items():
                self._derivatives[f"{name}/{by}"] = self._wide(np.imag(value) / _H)
        return self._derivatives[key]

    def gradient(self, by: str) -> Array:
        return self.derivative("E_total", by)

    def rate(self) -> Array:
        rate = self.network.rate
        return np.ones((self.draws, 1)) if rate is None else self.given[rate]

    def next_value(self, parameter: str) -> Array:
        """The parameter after the update of each step."""
        old = self._wide(self.given[self.network.parameters[parameter].variable])
        return old - self.rate() * self.gradient(parameter)

    def _wide(self, value: Array) -> Array:
        return np.broadcast_to(value, (self.draws, self.steps))


def lane_values(world: World) -> dict[int, Array]:
    """The right values of every lane that is a quantity of the network."""
    network, result = world.network, dict[int, Array]()
    for variable, drawn in world.given.items():
        if isinstance(variable, Lane):
            result[variable.lane] = np.broadcast_to(drawn, (world.draws, world.steps))
    for unit in network.units.values():
        for lane, letter in ((unit.z, "z"), (unit.a, "a")):
            if lane is not None:
                result[lane] = world.value(f"{letter}_{unit.name}")
    for k, output in enumerate(network.outputs):
        if output.error is not None:
            result[output.error] = world.value(f"E{k + 1}")
    if network.total is not None and network.outputs:
        result[network.total] = world.value("E_total")
    for parameter in network.parameters.values():
        if network.outputs and parameter.gradient is not None:
            result[parameter.gradient] = CONVENTIONS[network.convention](world, parameter.name)
        if network.outputs and parameter.updated is not None:
            result[parameter.updated] = world.next_value(parameter.name)
    return result


# What people keep in a gradient's column. Each is right where the updates agree with it.
CONVENTIONS: dict[str, Callable[[World, str], Array]] = {
    "gradient": lambda world, name: world.gradient(name),
    "negative gradient": lambda world, name: -world.gradient(name),
    "change": lambda world, name: world.rate() * world.gradient(name),
    "negative change": lambda world, name: -world.rate() * world.gradient(name),
}


def meanings(world: World) -> dict[str, Array]:
    """What a helper column may hold: the intermediate values of a backward pass, by their names."""
    network, result = world.network, dict[str, Array]()
    if not network.outputs:
        return result
    for unit in network.units.values():
        z, a = f"z_{unit.name}", f"a_{unit.name}"
        result[f"delta_{unit.name}"] = world.gradient(z)
        result[f"dE/da_{unit.name}"] = world.gradient(a)
        local = world.derivative(a, z)
        result[f"da_{unit.name}/d{unit.name}"] = local
        for weight, source in unit.inputs:
            signal = source if source in network.inputs else f"a_{source}"
            name = (network.parameter_of(weight) or next(iter(network.parameters.values()))).name
            if source in network.units:
                result[f"dE/d{unit.name}*{name}"] = world.gradient(z) * world.value(name)
                result[f"dE/d{unit.name}*{name}*da_{source}/d{source}"] = (
                    world.gradient(z) * world.value(name) * world.derivative(f"a_{source}", f"z_{source}")
                )
            result[f"da_{unit.name}/d{name}"] = local * world.value(signal)
    for k, output in enumerate(network.outputs):
        a = f"a_{output.unit}"
        result[f"dE{k + 1}/da_{output.unit}"] = world.derivative(f"E{k + 1}", a)
        result[f"{output.name}-a_{output.unit}"] = world.value(output.name) - world.value(a)
        for unit in network.units.values():
            if unit.layer < len(network.activations) - 1:
                result[f"dE{k + 1}/da_{unit.name}"] = world.derivative(f"E{k + 1}", f"a_{unit.name}")
                result[f"dE{k + 1}/d{unit.name}"] = world.derivative(f"E{k + 1}", f"z_{unit.name}")
    for parameter in network.parameters.values():
        result[f"rate*dE/d{parameter.name}"] = world.rate() * world.gradient(parameter.name)
        result[f"dE/d{parameter.name}"] = world.gradient(parameter.name)
        result[f"update {parameter.name}"] = world.next_value(parameter.name)
    for name in list(result):
        result[f"-{name}"] = -result[name]
    return result
