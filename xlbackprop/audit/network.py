"""The network that a table trains, as its own formulas tell it.

A variable is a leaf of the bound formulas: a lane of the table at the formula's own step, or a
cell outside. Labels say what an author meant; they name things and break ties, and what joins
what is read from the forward formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xlbackprop.audit.formula import Lane, Num, Outside

Variable = Lane | Outside | Num  # Num: a rate that is typed into the updates


@dataclass
class Unit:
    """A neuron: z = sum of weight * source + bias, a = f(z). A lane that the table leaves out is None."""

    name: str
    layer: int
    z: int | None = None
    a: int | None = None
    inputs: list[tuple[Variable, str]] = field(default_factory=list)  # (weight, source), a source by its name
    bias: Variable | None = None

    @property
    def signal(self) -> int | None:
        """The lane that others read: the activation, or the pre-activation of a unit that has none."""
        return self.z if self.a is None else self.a


@dataclass
class Output:
    """One output against its target, and its error's lane where there is one."""

    name: str
    unit: str
    target: Variable
    error: int | None = None


@dataclass
class Parameter:
    name: str
    variable: Variable
    gradient: int | None = None
    updated: int | None = None  # a lane that holds the new value in the same step
    trained: bool = False


@dataclass
class Network:
    inputs: dict[str, Variable] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    activations: list[str] = field(default_factory=list)  # by layer
    outputs: list[Output] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    total: int | None = None
    loss: str = "half squared error"
    scale: float = 1.0  # of the total error: 1, or 1/outputs for a mean
    convention: str = "gradient"  # what the gradient lanes hold
    rate: Variable | None = None
    helpers: list[int] = field(default_factory=list)

    @property
    def layers(self) -> list[list[Unit]]:
        result: list[list[Unit]] = [[] for _ in self.activations]
        for unit in self.units.values():
            result[unit.layer].append(unit)
        return result

    @property
    def unit_lanes(self) -> set[int | None]:
        """The lanes of all pre-activations and activations."""
        return {lane for unit in self.units.values() for lane in (unit.z, unit.a)}

    def parameter_of(self, variable: Variable) -> Parameter | None:
        return next((one for one in self.parameters.values() if one.variable == variable), None)

    @property
    def summary(self) -> str:
        """`2-2-2 sigmoid, half squared error`."""
        sizes = [len(self.inputs), *(len(layer) for layer in self.layers)]
        shape = "-".join(map(str, sizes))
        kinds = list(dict.fromkeys(self.activations))
        biased = any(unit.bias is not None for unit in self.units.values())
        words = [f"{shape} {'/'.join(kinds) if len(kinds) == 1 else '-'.join(self.activations)}"]
        words += ["with biases"] if biased else []
        words.append(self.loss + (", mean" if self.scale != 1 else ""))
        return ", ".join(words)
