"""Layers: what each adds to a program.

A function of the table takes the program, the layer in its place and the spec, and defines the
layer's units; the activation function, if any, is put on top for all kinds alike. To add a kind,
add its class in `spec/layers.py`, a function here and one on the reference's side.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from xlbackprop.graph import normal_layers as normal
from xlbackprop.graph.expr import ONE, Expr, Number, Ref, add, build, div, mul, neg, sub, total
from xlbackprop.graph.ops import of_kind, stable
from xlbackprop.graph.program import Program
from xlbackprop.graph.units import activate, define, part, refs_of, unit_of
from xlbackprop.spec import Spec, layers
from xlbackprop.spec.formulas import parsed
from xlbackprop.spec.shapes import Names, Placed, positions, size


@dataclass(frozen=True)
class Layer:
    """How a kind defines its cells, and its two rules as people write them."""

    define: Callable[[Program, Placed, Spec], None]
    forward: str
    backward: str


def add_layer(program: Program, one: Placed, spec: Spec) -> None:
    """Define the layer's quantities, from what it takes to what it hands on."""
    LAYERS[type(one.layer)].define(program, one, spec)


def _products(weights: Sequence[str], xs: Sequence[str]) -> list[Expr]:
    """w x for each connection; `""` is none."""
    return [mul(Ref(weight), Ref(x)) for weight, x in zip(weights, xs, strict=True) if weight]


def _dense(program: Program, one: Placed, spec: Spec) -> None:
    weights, bias = one.by_key["weights"], one.by_key.get("bias")
    n_in, units = len(one.below), []
    for j in range(len(one.units)):
        terms = _products(weights.names[j * n_in : (j + 1) * n_in], one.below)
        units.append(total([*terms, Ref(bias.names[j])] if bias else terms))
    define(program, one, spec, units, "the weighted sum into the unit")


def _conv(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Conv)
    window, units = one.layer.window(one.shape_in), []
    for channel, *place in positions(one.shape):
        terms: list[Expr] = [
            mul(Ref(one.at("weights", channel, below, *offset)), Ref(one.input(below, *position)))
            for below in range(one.shape_in[0])
            for offset, position in window.sources(tuple(place))
        ]
        if "bias" in one.by_key:
            terms.append(Ref(one.at("bias", channel)))
        units.append(total(terms))
    define(program, one, spec, units, "the weighted sum of its window")


def _pool(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Pool)
    window, units = one.layer.window(one.shape_in), []
    for channel, *place in positions(one.shape):
        seen = refs_of([one.input(channel, *position) for _, position in window.sources(tuple(place))])
        if one.layer.how == "max":
            units.append(build("max", *seen))
        elif len(seen) == size(window.kernel):
            units.append(build("average", *seen))
        else:  # padding counts as zeros
            units.append(div(total(list(seen)), Number(size(window.kernel))))
    define(program, one, spec, units, f"{'largest' if one.layer.how == 'max' else 'average'} of a window")


def _global_average(program: Program, one: Placed, spec: Spec) -> None:
    places = size(one.shape_in[1:])
    groups = [refs_of(one.below[c * places : (c + 1) * places]) for c in range(one.shape[0])]
    define(program, one, spec, [build("average", *group) for group in groups], "average of a channel")


def _what_is_below(program: Program, one: Placed, spec: Spec) -> None:
    """The units are what is below."""
    for unit in one.units:
        activate(program, one, spec, unit)


def _residual(program: Program, one: Placed, spec: Spec) -> None:
    units = [add(Ref(x), Ref(skipped)) for x, skipped in zip(one.below, one.skip, strict=True)]
    define(program, one, spec, units, "what is below plus the skip connection")


def _duplicate(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Duplicate)
    define(program, one, spec, refs_of(one.below * one.layer.copies), "copy of an input")


def _parts(one: Placed) -> list[tuple[Ref, ...]]:
    """For each unit its inputs, one from each part."""
    count = len(one.units)
    return [refs_of(one.below[k::count]) for k in range(count)]


def _add(program: Program, one: Placed, spec: Spec) -> None:
    define(program, one, spec, [total(list(parts)) for parts in _parts(one)], "sum")


def _max(program: Program, one: Placed, spec: Spec) -> None:
    define(program, one, spec, [build("max", *parts) for parts in _parts(one)], "largest")


def _dropout(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Dropout)
    if one.layer.mode == "evaluation":
        define(program, one, spec, refs_of(one.below), "handed on: nothing is dropped in evaluation")
        return
    masks = one.parts("mask", *one.shape) if one.layer.drawn else one.by_key["mask"].names
    kept = sub(ONE, Number(one.layer.p))
    units = [div(mul(Ref(x), Ref(mask)), kept) for x, mask in zip(one.below, masks, strict=True)]
    define(program, one, spec, units, "kept or dropped, and scaled by 1/(1-p)")


def _circuit(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Circuit)
    handed_on: Names = one.layer.handed_on
    for name, formula in one.layer.cells:
        expr = _translated(parsed(formula), stable_forms=spec.is_stable)
        if name in handed_on:
            unit_of(program, one, spec, name, expr, formula)
        else:
            part(program, name, expr, formula)


_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_CALLED = {"exp": "exp", "log": "ln", "max": "max"}


def _translated(tree: ast.expr, *, stable_forms: bool) -> Expr:
    again = partial(_translated, stable_forms=stable_forms)
    match tree:
        case ast.Name(name):
            return Ref(name)
        case ast.Constant(value=float() | int() as value):
            return Number(float(value))
        case ast.UnaryOp(_, operand):
            return neg(again(operand))
        case ast.BinOp(left, ast.Pow(), _):
            return build("square", again(left))
        case ast.BinOp(left, op, right):
            return build(_OPERATORS[type(op)], again(left), again(right))
        case ast.Call(ast.Name(called), args):
            symbol = _CALLED.get(called) or stable(called.replace("_", " "), wanted=stable_forms)
            return build(symbol, *map(again, args))
    raise AssertionError(f"{ast.dump(tree)} is refused by parsed()")


def callable_in_formulas() -> set[str]:
    """The functions that a circuit's formula may call; spaces are written as _."""
    return {*_CALLED, *(symbol.replace(" ", "_") for symbol in of_kind("activation"))}


LAYERS: dict[type[layers.Layer], Layer] = {
    layers.Dense: Layer(_dense, "z = W x + b", "∂E/∂W = δ xᵀ, ∂E/∂b = δ, ∂E/∂x = Wᵀ δ"),
    layers.Conv: Layer(_conv, "z = Σ w x over the window + b", "∂E/∂w = Σ δ x over its uses, ∂E/∂x = Σ δ w"),
    layers.Pool: Layer(_pool, "y = MAX or AVERAGE of a window", "to the first largest, or 1/n to each"),
    layers.GlobalAverage: Layer(_global_average, "y = AVERAGE of a channel", "1/n to each place"),
    layers.Flatten: Layer(_what_is_below, "y = x", "∂E/∂x = ∂E/∂y"),
    layers.Activate: Layer(_what_is_below, "a = f(x)", "∂E/∂x = ∂E/∂a f'(x)"),
    layers.Residual: Layer(_residual, "z = x + s", "∂E/∂x = δ, ∂E/∂s adds δ"),
    layers.Duplicate: Layer(_duplicate, "y1 = x, y2 = x", "∂E/∂x = ∂E/∂y1 + ∂E/∂y2"),
    layers.Add: Layer(_add, "y = x1 + x2", "∂E/∂x1 = ∂E/∂x2 = ∂E/∂y"),
    layers.Max: Layer(_max, "y = MAX(x1, x2)", "∂E/∂y to the larger, 0 to the other"),
    layers.BatchNorm: Layer(
        normal.batch_norm,
        "x̂ = (x-μ)/√(σ²+ε), y = γ x̂ + β; μ, σ² of the batch",
        "∂E/∂x = ∂E/∂x̂/σ + 2(x-μ) mean ∂E/∂σ² + mean ∂E/∂μ",
    ),
    layers.LayerNorm: Layer(normal.layer_norm, "the same, μ and σ² of the sample", "the same, over the sample"),
    layers.GroupNorm: Layer(normal.group_norm, "the same, μ and σ² of a group of channels", "the same, over the group"),
    layers.Dropout: Layer(_dropout, "y = x mask/(1-p)", "∂E/∂x = ∂E/∂y mask/(1-p)"),
    layers.Softmax: Layer(normal.softmax, "p = e^(z-max)/Σe", "∂E/∂z = e (∂E/∂p/Σe + ∂E/∂Σe)"),
    layers.LogSoftmax: Layer(normal.log_softmax, "y = z - max - ln Σe", "∂E/∂z = ∂E/∂y + e ∂E/∂Σe"),
    layers.PositionalEncoding: Layer(normal.positional_encoding, "y = x + sin or cos(t/base^(2k/n))", "∂E/∂x = ∂E/∂y"),
    layers.Attention: Layer(normal.attention, "softmax(Q Kᵀ/√d) V", "through each of Q, K, V, scores and weights"),
    layers.Circuit: Layer(_circuit, "the formulas of the network file", "each operation's own rule"),
}
