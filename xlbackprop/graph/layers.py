"""Layers: what each adds to a program."""

from __future__ import annotations

from xlbackprop.graph.expr import Expr, Ref, build, mul, total
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Layer, activation_name


def dense(program: Program, layer: Layer, below: tuple[str, ...]) -> tuple[str, ...]:
    """z = W x + b and a = f(z) for each unit, W (n_out, n_in); the names of the activations."""
    outputs = []
    for j, (unit, weights) in enumerate(zip(layer.units, layer.weight_names)):
        terms: list[Expr] = [mul(Ref(weight), Ref(x)) for weight, x in zip(weights, below)]
        if bias := layer.bias_of(j):
            terms.append(Ref(bias))
        z = program.define(unit, Role.PRE_ACTIVATION, total(terms))
        activation = build(layer.activation, z)
        program.define(activation_name(unit), Role.ACTIVATION, activation, note=layer.activation)
        outputs.append(activation_name(unit))
    return tuple(outputs)
