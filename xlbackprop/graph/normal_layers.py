"""Layers that normalise, as cells: norms, softmax, attention, and the encoding of positions."""

from __future__ import annotations

from collections.abc import Sequence

from xlbackprop.graph.expr import Block, Expr, Number, Ref, add, build, div, mul, sub, total
from xlbackprop.graph.program import Program, Role
from xlbackprop.graph.units import define, part, refs_of
from xlbackprop.spec import Spec, layers
from xlbackprop.spec.shapes import Placed, positions, size


def _scaled(one: Placed, hats: Sequence[Ref], features: Sequence[int]) -> list[Expr]:
    """γ x̂ + β."""
    scale, shift = one.by_key["scale"].names, one.by_key["shift"].names
    return [add(mul(Ref(scale[f]), hat), Ref(shift[f])) for hat, f in zip(hats, features, strict=True)]


def batch_norm(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.BatchNorm)
    places = tuple(one.shape_in[1:])
    count = size(places)
    hats: list[Ref] = []
    for c in range(one.shape[0]):
        xs = refs_of(one.below[c * count : (c + 1) * count])
        names = [one.part("x̂", c, *place) for place in positions(places)]
        if one.layer.couples:
            mean = _over_batch(program, one, "μ", c, xs, "mean of the channel over the batch")
            shifted = [
                part(program, one.part("Δ", c, *place), sub(x, mean), "distance from the mean")
                for place, x in zip(positions(places), xs)
            ]
            squares = [build("square", x) for x in shifted]
            variance = _over_batch(program, one, "σ²", c, squares, "variance of the channel over the batch")
        else:
            mean, variance = Ref(one.at("mean", c)), Ref(one.at("variance", c))
            shifted = [
                part(program, one.part("Δ", c, *place), sub(x, mean), "distance from the given mean")
                for place, x in zip(positions(places), xs)
            ]
        hats += _normalised(program, one, (c,), names, shifted, variance)
    features = [c for c in range(one.shape[0]) for _ in range(count)]
    define(program, one, spec, _scaled(one, hats, features), "normalised, scaled and shifted")


def _over_batch(program: Program, one: Placed, what: str, c: int, terms: Sequence[Expr], note: str) -> Ref:
    """The mean of the terms of a row, and of that over the rows of the batch."""
    row = terms[0] if len(terms) == 1 else build("average", *terms)
    if not isinstance(row, Ref):
        row = part(program, one.part(f"{what}row", c), row, f"this row's part of the {note}")
    return program.define(one.part(what, c), Role.PART, build("batch mean", Block(row.name)), note=note)


def _normalised(
    program: Program, one: Placed, group: tuple[int, ...], names: Sequence[str], shifted: Sequence[Ref], variance: Ref
) -> list[Ref]:
    """x̂ = (x - μ)/√(σ² + ε)."""
    assert isinstance(one.layer, (layers.BatchNorm, layers.LayerNorm, layers.GroupNorm))
    deviation = part(
        program, one.part("σ", *group), build("sqrt", add(variance, Number(one.layer.epsilon))), "√(σ² + ε)"
    )
    return [part(program, name, div(x, deviation), "normalised") for name, x in zip(names, shifted, strict=True)]


def _row_norm(program: Program, one: Placed, spec: Spec, groups: int, features: Sequence[int]) -> None:
    """Normalise groups of a row's units, of equal size."""
    count = len(one.below) // groups
    hats: list[Ref] = []
    for g in range(groups):
        xs = refs_of(one.below[g * count : (g + 1) * count])
        mean = part(program, one.part("μ", g), build("average", *xs), "mean of the group")
        shifted = [part(program, one.part("Δ", g, k), sub(x, mean), "distance from the mean") for k, x in enumerate(xs)]
        squares = [build("square", x) for x in shifted]
        variance = part(program, one.part("σ²", g), build("average", *squares), "variance of the group")
        hats += _normalised(program, one, (g,), one.parts("x̂", groups, count)[g * count :][:count], shifted, variance)
    define(program, one, spec, _scaled(one, hats, features), "normalised, scaled and shifted")


def layer_norm(program: Program, one: Placed, spec: Spec) -> None:
    groups = one.shape[0] if len(one.shape) == 2 else 1
    count = len(one.below) // groups
    _row_norm(program, one, spec, groups, [k % count for k in range(len(one.below))])


def group_norm(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.GroupNorm)
    places = size(one.shape[1:])
    _row_norm(program, one, spec, one.layer.groups, [k // places for k in range(len(one.below))])


def _rows(shape: tuple[int, ...]) -> int:
    """How many rows softmax works on: tokens, or one."""
    return shape[0] if len(shape) == 2 else 1


def _exponentials(
    program: Program, one: Placed, row: int, zs: Sequence[Expr], names: Sequence[str], is_stable: bool
) -> tuple[list[Ref], Ref, Expr]:
    """e^(z-m) of each, their sum, and the shift m: the largest of them, or none."""
    shift: Expr = Number(0)
    if is_stable:
        shift = part(program, one.part("max", row), build("shift", *zs), "largest: subtracted, so that EXP stays small")
    exponentials = [
        part(program, name, build("exp", sub(z, shift)), "exponential") for name, z in zip(names, zs, strict=True)
    ]
    return exponentials, part(program, one.part("Σe", row), total(list(exponentials)), "sum of exponentials"), shift


def softmax(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Softmax)
    is_stable = spec.is_stable if one.layer.stable is None else one.layer.stable
    rows = _rows(one.shape)
    count = len(one.below) // rows
    units: list[Expr] = []
    for row in range(rows):
        zs = refs_of(one.below[row * count : (row + 1) * count])
        names = [one.part("e", row, k) for k in range(count)]
        exponentials, sum_of, _ = _exponentials(program, one, row, zs, names, is_stable)
        units += [div(e, sum_of) for e in exponentials]
    define(program, one, spec, units, "likelihood: its part of the sum of exponentials")


def log_softmax(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.LogSoftmax)
    is_stable = spec.is_stable if one.layer.stable is None else one.layer.stable
    rows = _rows(one.shape)
    count = len(one.below) // rows
    units: list[Expr] = []
    for row in range(rows):
        zs = refs_of(one.below[row * count : (row + 1) * count])
        names = [one.part("e", row, k) for k in range(count)]
        _, sum_of, shift = _exponentials(program, one, row, zs, names, is_stable)
        log = part(program, one.part("lnΣe", row), build("ln", sum_of), "logarithm of the sum")
        units += [sub(sub(z, shift), log) for z in zs]
    define(program, one, spec, units, "logarithm of the likelihood")


def positional_encoding(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.PositionalEncoding)
    tokens, features = one.shape
    units: list[Expr] = []
    for t, k in positions((tokens, features)):
        power = build("power", Number(one.layer.base), div(Number(k - k % 2), Number(features)))
        wave = build("cos" if k % 2 else "sin", div(Number(t), power))
        encoding = part(program, one.part("pe", t, k), wave, "encoding of the position")
        units.append(add(Ref(one.input(t, k)), encoding))
    define(program, one, spec, units, "with its position")


def attention(program: Program, one: Placed, spec: Spec) -> None:
    assert isinstance(one.layer, layers.Attention)
    tokens, features = one.shape_in
    d, d_value = one.by_key["query"].shape[0], one.by_key["value"].shape[0]

    def projected(key: str, letter: str, width: int) -> list[list[Ref]]:
        return [
            [
                part(
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
            part(
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
            part(program, one.part("α", t, other), div(e, sum_of), "attention weight")
            for other, e in zip(seen, exponentials)
        ]
        mixed.append(
            [total([mul(weight, values[other][k]) for weight, other in zip(weights, seen)]) for k in range(d_value)]
        )
    if "output" not in one.by_key:
        define(program, one, spec, [x for row in mixed for x in row], "values, mixed by attention")
        return
    heads = [
        [part(program, one.part("c", t, k), x, "values, mixed by attention") for k, x in enumerate(row)]
        for t, row in enumerate(mixed)
    ]
    units = [
        total([mul(Ref(one.at("output", k, c)), x) for c, x in enumerate(heads[t])]) for t, k in positions(one.shape)
    ]
    define(program, one, spec, units, "projected back")
