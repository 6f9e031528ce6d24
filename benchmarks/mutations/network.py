"""A small network, the names of its quantities, and its training told in plain loops over units.

This is the judge of the generated sheets, so it shares nothing with the package under test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

RATE, STEP = "rate", "step"
Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Network:
    """Layer 0 is the inputs. `numbers` holds the inputs, targets, first weights and biases, and the rate."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]  # of each layer past the inputs: sigmoid, tanh, relu or linear
    loss: str  # half (1/2 (t-a)^2), square ((t-a)^2) or cross-entropy
    biases: str  # none, trained (one a unit), fixed or shared (one a layer, not trained or trained)
    by_source: bool  # weights are numbered by the unit they come from, not by the one they go to
    numbers: Numbers

    @property
    def last(self) -> int:
        return len(self.sizes) - 1

    def units(self, layer: int) -> list[str]:
        if layer == 0:
            return [f"i{k + 1}" for k in range(self.sizes[0])]
        if layer == self.last:
            return [f"o{k + 1}" for k in range(self.sizes[-1])]
        start = sum(self.sizes[1:layer])
        return [f"h{start + k + 1}" for k in range(self.sizes[layer])]

    def signals(self, layer: int) -> list[str]:
        """What the layer passes on."""
        return [unit if layer == 0 else f"a_{unit}" for unit in self.units(layer)]

    def weight(self, layer: int, unit: int, source: int) -> str:
        before = sum(a * b for a, b in zip(self.sizes[: layer - 1], self.sizes[1:layer]))
        n_out, n_in = self.sizes[layer], self.sizes[layer - 1]
        return f"w{before + 1 + (source * n_out + unit if self.by_source else unit * n_in + source)}"

    def weights(self, layer: int) -> list[str]:
        names = [self.weight(layer, k, j) for k in range(self.sizes[layer]) for j in range(self.sizes[layer - 1])]
        return sorted(names, key=lambda name: int(name[1:]))

    def bias(self, layer: int, unit: int) -> str | None:
        if self.biases == "none":
            return None
        return f"b{sum(self.sizes[1:layer]) + unit + 1}" if self.biases == "trained" else f"b{layer}"

    def layer_biases(self, layer: int) -> list[str]:
        return list(dict.fromkeys(name for k in range(self.sizes[layer]) if (name := self.bias(layer, k))))

    @property
    def targets(self) -> list[str]:
        return [f"t{k + 1}" for k in range(self.sizes[-1])]

    @property
    def errors(self) -> list[str]:
        """A single output's error is the total."""
        return [f"E{k + 1}" for k in range(self.sizes[-1])] if self.sizes[-1] > 1 else ["E_total"]

    @cached_property
    def trained(self) -> list[str]:
        layers = range(1, self.last + 1)
        biases = [name for k in layers for name in self.layer_biases(k)] if self.biases != "fixed" else []
        return [name for k in layers for name in self.weights(k)] + biases

    @cached_property
    def roles(self) -> dict[str, tuple[str, int]]:
        """For every quantity what it is, and the layer it belongs to; alike are those that can be mistaken."""
        roles: dict[str, tuple[str, int]] = {RATE: ("rate", 0), STEP: ("step", 0)}
        roles |= dict.fromkeys(self.units(0), ("input", 0)) | dict.fromkeys(self.targets, ("target", self.last))
        for layer in range(1, self.last + 1):
            roles |= dict.fromkeys(self.weights(layer), ("weight", layer))
            roles |= dict.fromkeys(self.layer_biases(layer), ("bias", layer))
            for unit in self.units(layer):
                roles |= {unit: ("sum", layer), f"a_{unit}": ("activation", layer)}
                roles |= {f"delta_{unit}": ("delta", layer), slope_name(unit): ("slope", layer)}
                roles[f"dE/da_{unit}"] = ("upstream", layer)
        roles |= {diff_name(k): ("diff", self.last) for k in range(self.sizes[-1])}
        roles |= dict.fromkeys(self.errors, ("error", self.last)) | {"E_total": ("total", self.last)}
        roles |= {f"dE/d{name}": ("gradient", roles[name][1]) for name in self.trained}
        roles |= {f"update {name}": ("update", roles[name][1]) for name in self.trained}
        return roles

    def role(self, name: str) -> str:
        return self.roles[name][0]

    def siblings(self, name: str) -> list[str]:
        """The others of the same kind in the same layer."""
        return [other for other, role in self.roles.items() if role == self.roles[name] and other != name]


def slope_name(unit: str) -> str:
    return f"a_{unit}(1-a_{unit})"


def diff_name(output: int) -> str:
    return f"a_o{output + 1}-t{output + 1}"


def train(network: Network, given: Sequence[Numbers]) -> dict[str, list[float]]:
    """Every quantity at each step; `given` are each step's inputs, targets, rate and constants.

    The first also has the weights. What "update w1" holds is the next step's w1.
    """
    weights = {name: given[0][name] for name in network.trained}
    told: dict[str, list[float]] = {}
    for numbers in given:
        row = {**numbers, **weights}
        for name, value in chain(_forward(network, row), _backward(network, row)):
            row[name] = float(value)
        weights = {name: row[name] - row[RATE] * row[f"dE/d{name}"] for name in weights}
        row |= {f"update {name}": value for name, value in weights.items()}
        for name, value in row.items():
            told.setdefault(name, []).append(value)
    return told


def _forward(network: Network, row: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Each quantity as soon as it is known; the caller puts it in the row."""
    for layer in range(1, network.last + 1):
        for k, unit in enumerate(network.units(layer)):
            total = np.float64(0)
            for j, signal in enumerate(network.signals(layer - 1)):
                total += row[network.weight(layer, k, j)] * row[signal]
            bias = network.bias(layer, k)
            yield unit, total + (row[bias] if bias else 0.0)
            yield f"a_{unit}", _activation(network.activations[layer - 1], row[unit])
    errors = []
    for k, name in enumerate(network.errors):
        t, a = row[f"t{k + 1}"], row[f"a_o{k + 1}"]
        if network.loss == "cross-entropy":
            errors.append(-t * np.log(a) - (1 - t) * np.log1p(-a))
        else:
            errors.append((t - a) * (t - a) / (2 if network.loss == "half" else 1))
        yield name, errors[-1]
    yield "E_total", sum(errors)


def _backward(network: Network, row: dict[str, float]) -> Iterator[tuple[str, float]]:
    deltas: dict[tuple[int, int], float] = {}
    for layer in range(network.last, 0, -1):
        for k, unit in enumerate(network.units(layer)):
            a, f = row[f"a_{unit}"], network.activations[layer - 1]
            slope = {"sigmoid": a - a * a, "tanh": 1 - a * a, "relu": float(row[unit] > 0), "linear": 1.0}[f]
            if layer == network.last:
                t = row[f"t{k + 1}"]
                yield diff_name(k), a - t
                ahead = (a - t) / (a - a * a) if network.loss == "cross-entropy" else a - t
                ahead *= 2 if network.loss == "square" else 1
            else:
                after = range(network.sizes[layer + 1])
                ahead = sum(deltas[layer + 1, m] * row[network.weight(layer + 1, m, k)] for m in after)
            deltas[layer, k] = ahead * slope
            yield f"dE/da_{unit}", ahead
            yield slope_name(unit), slope
            yield f"delta_{unit}", deltas[layer, k]
        gradients: dict[str, float] = {}
        for k in range(network.sizes[layer]):
            for j, signal in enumerate(network.signals(layer - 1)):
                gradients[f"dE/d{network.weight(layer, k, j)}"] = deltas[layer, k] * row[signal]
            if bias := network.bias(layer, k):
                gradients[f"dE/d{bias}"] = gradients.get(f"dE/d{bias}", 0.0) + deltas[layer, k]
        yield from gradients.items()


def _activation(name: str, z: float) -> float:
    if name == "sigmoid":
        return float(1 / (1 + np.exp(-z)))
    return {"tanh": float(np.tanh(z)), "relu": max(z, 0.0), "linear": z}[name]
