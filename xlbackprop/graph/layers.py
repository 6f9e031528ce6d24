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

from xlbackprop.graph.expr import ONE, Block, Expr, Number, Ref, add, build, div, mul, neg, sub, total
from xlbackprop.graph.ops import of_kind, stable
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Spec, layers
from xlbackprop.spec.formulas import parsed
from xlbackprop.spec.names import activation_name, delta_name
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


def _define(program: Program, one: Placed, spec: Spec, units: Sequence[Expr], note: str) -> None:
    """The layer's units, in order, each with its activation."""
    for unit, expr in zip(one.units, units, strict=True):
        _unit(program, one, spec, unit, expr, note)


def _unit(program: Program, one: Placed, spec: Spec, unit: str, expr: Expr, note: str) -> None:
    role = Role.PRE_ACTIVATION if spec.adjoint(unit) == delta_name(unit) else Role.UNIT
    program.define(unit, role, expr, note=note)
    _activate(program, one, spec, unit)


def _activate(program: Program, one: Placed, spec: Spec, unit: str) -> None:
    if one.activation is not None:
        value = build(stable(one.activation, wanted=spec.is_stable), Ref(unit))
        program.define(activation_name(unit), Role.ACTIVATION, value, note=one.activation)


def _part(program: Program, name: str, expr: Expr, note: str) -> Ref:
    return program.define(name, Role.PART, expr, note=note)


def _refs(names: Sequence[str]) -> tuple[Ref, ...]:
    return tuple(map(Ref, names))


def _products(weights: Sequence[str], xs: Sequence[str]) -> list[Expr]:
    """w x for each connection; `""` is none."""
    return [mul(Ref(weight), Ref(x)) for weight, x in zip(weights, xs, strict=True) if weight]


def _dense(program: Program, one: Placed, spec: Spec) -> None:
    weights, bias = one.by_key["weights"], one.by_key.get("bias")
    n_in, units = len(one.below), []
    for j in range(len(one.units)):
        terms = _products(weights.names[j * n_in : (j + 1) * n_in], one.below)
        units.append(total([*terms, Ref(bias.names[j])] if bias else terms))
    _define(program, one, spec, units, "the weighted sum into the unit")


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
    _define(program, one, spec, units, "the weighted sum of its window")


def _pool(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Pool)
    window, units = one.layer.window(one.shape_in), []
    for channel, *place in positions(one.shape):
        seen = _refs([one.input(channel, *position) for _, position in window.sources(tuple(place))])
        if one.layer.how == "max":
            units.append(build("max", *seen))
        elif len(seen) == size(window.kernel):
            units.append(build("average", *seen))
        else:  # padding counts as zeros
            units.append(div(total(list(seen)), Number(size(window.kernel))))
    _define(program, one, spec, units, f"{'largest' if one.layer.how == 'max' else 'average'} of a window")


def _global_average(program: Program, one: Placed, spec: Spec) -> None:
    places = size(one.shape_in[1:])
    groups = [_refs(one.below[c * places : (c + 1) * places]) for c in range(one.shape[0])]
    _define(program, one, spec, [build("average", *group) for group in groups], "average of a channel")


def _what_is_below(program: Program, one: Placed, spec: Spec) -> None:
    """The units are what is below."""
    for unit in one.units:
        _activate(program, one, spec, unit)


def _residual(program: Program, one: Placed, spec: Spec) -> None:
    units = [add(Ref(x), Ref(skipped)) for x, skipped in zip(one.below, one.skip, strict=True)]
    _define(program, one, spec, units, "what is below plus the skip connection")


def _duplicate(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Duplicate)
    _define(program, one, spec, _refs(one.below * one.layer.copies), "copy of an input")


def _parts(one: Placed) -> list[tuple[Ref, ...]]:
    """For each unit its inputs, one from each part."""
    count = len(one.units)
    return [_refs(one.below[k::count]) for k in range(count)]


def _add(program: Program, one: Placed, spec: Spec) -> None:
    _define(program, one, spec, [total(list(parts)) for parts in _parts(one)], "sum")


def _max(program: Program, one: Placed, spec: Spec) -> None:
    _define(program, one, spec, [build("max", *parts) for parts in _parts(one)], "largest")


def _scaled(one: Placed, hats: Sequence[Ref], features: Sequence[int]) -> list[Expr]:
    """γ x̂ + β."""
    scale, shift = one.by_key["scale"].names, one.by_key["shift"].names
    return [add(mul(Ref(scale[f]), hat), Ref(shift[f])) for hat, f in zip(hats, features, strict=True)]


def _batch_norm(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.BatchNorm)
    places = tuple(one.shape_in[1:])
    count = size(places)
    hats: list[Ref] = []
    for c in range(one.shape[0]):
        xs = _refs(one.below[c * count : (c + 1) * count])
        names = [one.part("x̂", c, *place) for place in positions(places)]
        if one.layer.couples:
            mean = _over_batch(program, one, "μ", c, xs, "mean of the channel over the batch")
            shifted = [
                _part(program, one.part("x-μ", c, *place), sub(x, mean), "distance from the mean")
                for place, x in zip(positions(places), xs)
            ]
            squares = [build("square", x) for x in shifted]
            variance = _over_batch(program, one, "σ²", c, squares, "variance of the channel over the batch")
        else:
            mean, variance = Ref(one.at("mean", c)), Ref(one.at("variance", c))
            shifted = [
                _part(program, one.part("x-μ", c, *place), sub(x, mean), "distance from the given mean")
                for place, x in zip(positions(places), xs)
            ]
        hats += _normalised(program, one, (c,), names, shifted, variance)
    features = [c for c in range(one.shape[0]) for _ in range(count)]
    _define(program, one, spec, _scaled(one, hats, features), "normalised, scaled and shifted")


def _over_batch(program: Program, one: Placed, what: str, c: int, terms: Sequence[Expr], note: str) -> Ref:
    """The mean of the terms of a row, and of that over the rows of the batch."""
    row = terms[0] if len(terms) == 1 else build("average", *terms)
    if not isinstance(row, Ref):
        row = _part(program, one.part(f"{what}row", c), row, f"this row's part of the {note}")
    return program.define(one.part(what, c), Role.PART, build("batch mean", Block(row.name)), note=note)


def _normalised(
    program: Program, one: Placed, group: tuple[int, ...], names: Sequence[str], shifted: Sequence[Ref], variance: Ref
) -> list[Ref]:
    """x̂ = (x - μ)/√(σ² + ε)."""
    assert isinstance(one.layer, (layers.BatchNorm, layers.LayerNorm, layers.GroupNorm))
    deviation = _part(
        program, one.part("σ", *group), build("sqrt", add(variance, Number(one.layer.epsilon))), "√(σ² + ε)"
    )
    return [_part(program, name, div(x, deviation), "normalised") for name, x in zip(names, shifted, strict=True)]


def _row_norm(program: Program, one: Placed, spec: Spec, groups: int, features: Sequence[int]) -> None:
    """Normalise groups of a row's units, of equal size."""
    count = len(one.below) // groups
    hats: list[Ref] = []
    for g in range(groups):
        xs = _refs(one.below[g * count : (g + 1) * count])
        mean = _part(program, one.part("μ", g), build("average", *xs), "mean of the group")
        shifted = [
            _part(program, one.part("x-μ", g, k), sub(x, mean), "distance from the mean") for k, x in enumerate(xs)
        ]
        squares = [build("square", x) for x in shifted]
        variance = _part(program, one.part("σ²", g), build("average", *squares), "variance of the group")
        hats += _normalised(program, one, (g,), one.parts("x̂", groups, count)[g * count :][:count], shifted, variance)
    _define(program, one, spec, _scaled(one, hats, features), "normalised, scaled and shifted")


def _layer_norm(program: Program, one: Placed, spec: Spec) -> None:
    groups = one.shape[0] if len(one.shape) == 2 else 1
    count = len(one.below) // groups
    _row_norm(program, one, spec, groups, [k % count for k in range(len(one.below))])


def _group_norm(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.GroupNorm)
    places = size(one.shape[1:])
    _row_norm(program, one, spec, one.layer.groups, [k // places for k in range(len(one.below))])


def _dropout(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Dropout)
    if one.layer.mode == "evaluation":
        _define(program, one, spec, _refs(one.below), "handed on: nothing is dropped in evaluation")
        return
    masks = one.parts("mask", *one.shape) if one.layer.drawn else one.by_key["mask"].names
    kept = sub(ONE, Number(one.layer.p))
    units = [div(mul(Ref(x), Ref(mask)), kept) for x, mask in zip(one.below, masks, strict=True)]
    _define(program, one, spec, units, "kept or dropped, and scaled by 1/(1-p)")


def _rows(shape: tuple[int, ...]) -> int:
    """How many rows softmax works on: tokens, or one."""
    return shape[0] if len(shape) == 2 else 1


def _exponentials(
    program: Program, one: Placed, row: int, zs: Sequence[Expr], names: Sequence[str], is_stable: bool
) -> tuple[list[Ref], Ref, Expr]:
    """e^(z-m) of each, their sum, and the shift m: the largest of them, or none."""
    shift: Expr = Number(0)
    if is_stable:
        shift = _part(program, one.part("max", row), build("shift", *zs), "largest: subtracted, so that EXP stays small")
    exponentials = [
        _part(program, name, build("exp", sub(z, shift)), "exponential") for name, z in zip(names, zs, strict=True)
    ]
    return exponentials, _part(program, one.part("Σe", row), total(list(exponentials)), "sum of exponentials"), shift


def _softmax(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Softmax)
    is_stable = spec.is_stable if one.layer.stable is None else one.layer.stable
    rows = _rows(one.shape)
    count = len(one.below) // rows
    units: list[Expr] = []
    for row in range(rows):
        zs = _refs(one.below[row * count : (row + 1) * count])
        names = [one.part("e", row, k) for k in range(count)]
        exponentials, sum_of, _ = _exponentials(program, one, row, zs, names, is_stable)
        units += [div(e, sum_of) for e in exponentials]
    _define(program, one, spec, units, "likelihood: its part of the sum of exponentials")


def _log_softmax(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.LogSoftmax)
    is_stable = spec.is_stable if one.layer.stable is None else one.layer.stable
    rows = _rows(one.shape)
    count = len(one.below) // rows
    units: list[Expr] = []
    for row in range(rows):
        zs = _refs(one.below[row * count : (row + 1) * count])
        names = [one.part("e", row, k) for k in range(count)]
        _, sum_of, shift = _exponentials(program, one, row, zs, names, is_stable)
        log = _part(program, one.part("lnΣe", row), build("ln", sum_of), "logarithm of the sum")
        units += [sub(sub(z, shift), log) for z in zs]
    _define(program, one, spec, units, "logarithm of the likelihood")


def _positional_encoding(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.PositionalEncoding)
    tokens, features = one.shape
    units: list[Expr] = []
    for t, k in positions((tokens, features)):
        power = build("power", Number(one.layer.base), div(Number(k - k % 2), Number(features)))
        wave = build("cos" if k % 2 else "sin", div(Number(t), power))
        encoding = _part(program, one.part("pe", t, k), wave, "encoding of the position")
        units.append(add(Ref(one.input(t, k)), encoding))
    _define(program, one, spec, units, "with its position")


def _attention(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Attention)
    tokens, features = one.shape_in
    d, d_value = one.by_key["query"].shape[0], one.by_key["value"].shape[0]

    def projected(key: str, letter: str, width: int) -> list[list[Ref]]:
        return [
            [
                _part(
                    program,
                    one.part(letter, t, k),
                    total([mul(Ref(one.at(key, k, f)), Ref(one.input(t, f))) for f in range(features)]),
                    f"{key} of the token",
                )
                for k in range(width)
            ]
            for t in range(tokens)
        ]

    queries, keys, values = projected("query", "q", d), projected("key", "k", d), projected("value", "v", d_value)
    mixed: list[list[Expr]] = []
    for t in range(tokens):
        seen = range(t + 1 if one.layer.causal else tokens)
        scores = [
            _part(
                program,
                one.part("s", t, other),
                div(total([mul(q, k) for q, k in zip(queries[t], keys[other])]), build("sqrt", Number(d))),
                "score of one token for another",
            )
            for other in seen
        ]
        names = [one.part("e", t, other) for other in seen]
        exponentials, sum_of, _ = _exponentials(program, one, t, scores, names, is_stable=True)
        weights = [
            _part(program, one.part("α", t, other), div(e, sum_of), "attention weight")
            for other, e in zip(seen, exponentials)
        ]
        mixed.append(
            [total([mul(weight, values[other][k]) for weight, other in zip(weights, seen)]) for k in range(d_value)]
        )
    if "output" not in one.by_key:
        _define(program, one, spec, [x for row in mixed for x in row], "values, mixed by attention")
        return
    heads = [
        [_part(program, one.part("c", t, k), x, "values, mixed by attention") for k, x in enumerate(row)]
        for t, row in enumerate(mixed)
    ]
    units = [
        total([mul(Ref(one.at("output", k, c)), x) for c, x in enumerate(heads[t])]) for t, k in positions(one.shape)
    ]
    _define(program, one, spec, units, "projected back")


def _circuit(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Circuit)
    handed_on: Names = one.layer.handed_on
    for name, formula in one.layer.cells:
        expr = _translated(parsed(formula), stable_forms=spec.is_stable)
        if name in handed_on:
            _unit(program, one, spec, name, expr, formula)
        else:
            _part(program, name, expr, formula)


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


def called(name: str) -> bool:
    """Whether a circuit's formula may call a function of that name."""
    return name in _CALLED or name.replace("_", " ") in of_kind("activation")


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
        _batch_norm,
        "x̂ = (x-μ)/√(σ²+ε), y = γ x̂ + β; μ, σ² of the batch",
        "∂E/∂x = ∂E/∂x̂/σ + 2(x-μ) mean ∂E/∂σ² + mean ∂E/∂μ",
    ),
    layers.LayerNorm: Layer(_layer_norm, "the same, μ and σ² of the sample", "the same, over the sample"),
    layers.GroupNorm: Layer(_group_norm, "the same, μ and σ² of a group of channels", "the same, over the group"),
    layers.Dropout: Layer(_dropout, "y = x mask/(1-p)", "∂E/∂x = ∂E/∂y mask/(1-p)"),
    layers.Softmax: Layer(_softmax, "p = e^(z-max)/Σe", "∂E/∂z = e (∂E/∂p/Σe + ∂E/∂Σe)"),
    layers.LogSoftmax: Layer(_log_softmax, "y = z - max - ln Σe", "∂E/∂z = ∂E/∂y + e ∂E/∂Σe"),
    layers.PositionalEncoding: Layer(_positional_encoding, "y = x + sin or cos(t/base^(2k/n))", "∂E/∂x = ∂E/∂y"),
    layers.Attention: Layer(_attention, "softmax(Q Kᵀ/√d) V", "through each of Q, K, V, scores and weights"),
    layers.Circuit: Layer(_circuit, "the formulas of the network file", "each operation's own rule"),
}
