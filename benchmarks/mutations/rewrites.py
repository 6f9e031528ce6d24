"""Right formulas turned wrong: each function yields other texts, with the names besides the kind's own that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

from benchmarks.mutations.expression import Expr, Num, Op, Ref, Span, edits, leaves, op, product, swapped
from benchmarks.mutations.layouts import BLOCK, Table

HALVES = {Num("0.5"), op("/", Num("1"), Num("2")), op("()", op("/", Num("1"), Num("2")))}
TWO = Num("2")
Variants = Iterator[tuple[Expr, set[str]]]
Variation = Callable[[Table, str, Expr], Variants]


def _others(table: Table, ref: Ref) -> list[Ref]:
    there = table.columns.keys() | table.singles.keys()
    return [replace(ref, name=name) for name in table.network.siblings(ref.name) if name in there]


def replaced(expr: Expr, ref: Ref, new: Expr) -> Iterator[Expr]:
    """The reference replaced everywhere, and in one place."""
    yield swapped(expr, ref, new)
    if sum(leaf == ref for leaf in leaves(expr)) > 1:
        yield from edits(expr, lambda part: [new] if part == ref else [])


def another(roles: set[str], more: Callable[[str, str], set[str]] = lambda ref, within: set()) -> Variation:
    """Another quantity of the same layer in place of one of these roles; `more` are names that fit too."""

    def variants(table: Table, quantity: str, expr: Expr) -> Variants:
        role = table.network.role
        for ref in dict.fromkeys(leaves(expr)):
            if not ref.name.startswith(BLOCK) and role(ref.name) in roles:
                for other in _others(table, ref):
                    for new in replaced(expr, ref, other):
                        yield new, more(ref.name, role(quantity))

    return variants


def neuron_or(ref: str, within: str) -> set[str]:
    if ref.startswith("a_o") and "-t" in ref:
        return {"wrong-output", "wrong-target"}
    return {"wrong-output"} if "_o" in ref else set()


def pre_activation(table: Table, quantity: str, expr: Expr) -> Variants:
    for ref in dict.fromkeys(leaves(expr)):
        if table.network.role(ref.name) == "activation":
            for new in replaced(expr, ref, replace(ref, name=ref.name.removeprefix("a_"))):
                yield new, {"fed-wrong"} if table.network.role(quantity) == "sum" else set()


def error_of_another(table: Table, quantity: str, expr: Expr) -> Variants:
    """Both the target and the output of another."""
    names = {leaf.name for leaf in leaves(expr)}
    for k in table.network.targets:
        for m in table.network.targets:
            if k != m and {k, f"a_o{k[1:]}"} <= names:
                new = swapped(expr, Ref(k), Ref(m))
                yield swapped(new, Ref(f"a_o{k[1:]}"), Ref(f"a_o{m[1:]}")), {"wrong-neuron", "wrong-target"}


def parentheses(table: Table, quantity: str, expr: Expr) -> Variants:
    def lost(part: Expr, after: str = "*/^-") -> Iterator[Expr]:
        if isinstance(part, Op) and part.symbol in after:
            for k, arg in enumerate(part.args):
                inner = arg.args[0] if isinstance(arg, Op) and arg.symbol == "()" else arg
                if isinstance(inner, Op) and inner.symbol in {"+", "-", "*", "/"}:
                    yield replace(part, args=(*part.args[:k], op("bare", inner), *part.args[k + 1 :]))

    def moved(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("*", args):
                for k, (one, after) in enumerate(pairwise(args)):
                    if isinstance(one, Op) and one.symbol in ("-", "+"):
                        swallowed = replace(one, args=(*one.args[:-1], product([one.args[-1], after])))
                        yield product([*args[:k], swallowed, *args[k + 2 :]])
            case Op("^" | "POWER" | "POW" as power, (Op("-", (p, q)), exponent)):
                yield op("-", p, op(power, q, exponent))

    for change in (lost, moved):
        yield from ((new, set()) for new in edits(expr, change))
    # A minus before parentheses that are lost changes one sign.
    yield from ((new, {"sign", "wrong-operator"}) for new in edits(expr, partial(lost, after="neg")))


def _is_mask(table: Table, factor: Expr) -> bool:
    match factor:
        case Op(">", _) | Op("IF", (Op(">", _), *_)):
            return True
        case Ref(name):
            role, layer = table.network.roles[name]
            return role == "slope" and table.network.activations[layer - 1] == "relu"
    return False


def missing_factor(table: Table, quantity: str, expr: Expr) -> Variants:
    for mask in (False, True):

        def dropped(part: Expr, mask: bool = mask) -> Iterator[Expr]:
            if isinstance(part, Op) and part.symbol == "*" and part.args[0] != part.args[-1]:
                for k, arg in enumerate(part.args):
                    if not isinstance(arg, Num) and _is_mask(table, arg) is mask:
                        yield product([*part.args[:k], *part.args[k + 1 :]])

        for new in edits(expr, dropped):
            yield new, {"missing-mask", "missing-factor"} if mask else set()


def missing_mask(table: Table, quantity: str, expr: Expr) -> Variants:
    yield from ((new, names) for new, names in missing_factor(table, quantity, expr) if names)


def sign(table: Table, quantity: str, expr: Expr) -> Variants:
    def turned(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("-", (p, q)):
                yield op("-", q, p)

    def plain(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("EXP", _):
                return  # its sign has a name of its own
            case Op(symbol, args):
                for k, arg in enumerate(args):
                    if isinstance(arg, Op) and arg.symbol == "neg" and symbol != "EXP":
                        yield replace(part, args=(*args[:k], arg.args[0], *args[k + 1 :]))

    def other(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("-", args):
                yield op("+", *args)
            case Op("+", (p, q)):
                yield op("-", p, q)

    # tanh's slope may be written with a minus before the square.
    square = {"minus-square", "parentheses"} if table.network.activations and "^" in str(expr) else set()
    yield from ((new, set()) for new in edits(expr, turned))
    yield from ((new, {"wrong-operator", *square}) for new in edits(expr, other))
    if "EXP" not in str(expr):
        outer = [expr.args[0]] if isinstance(expr, Op) and expr.symbol == "neg" else []
        yield from ((new, square) for new in (*outer, *edits(expr, plain)))


def wrong_operator(table: Table, quantity: str, expr: Expr) -> Variants:
    def other(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("-", (p, q)):
                yield op("*", p, q)
            case Op("*", (p, *rest)):
                yield op("bare", op("+", p, product(rest)))
            case Op("+", (p, q)):
                yield op("*", p, q)

    yield from ((new, {"parentheses"} if "bare" in str(new) else set()) for new in edits(expr, other))


def updated_weights(table: Table, quantity: str, expr: Expr) -> Variants:
    new = expr
    for ref in set(leaves(expr)):
        if table.network.role(ref.name) == "weight":
            new = swapped(new, ref, Ref(f"update {ref.name}") if table.form else replace(ref, lag=-1))
    yield new, set()


def missing_bias(table: Table, quantity: str, expr: Expr) -> Variants:
    network = table.network
    users = network.sizes[network.roles[quantity][1]]
    if isinstance(expr, Op) and expr.symbol == "+" and (network.biases == "trained" or users > 1):
        terms = [arg for arg in expr.args if not (isinstance(arg, Ref) and network.role(arg.name) == "bias")]
        if len(terms) < len(expr.args):
            yield op("+", *terms) if len(terms) > 1 else terms[0], set()


def sigmoid_sign(table: Table, quantity: str, expr: Expr) -> Variants:
    if table.network.activations[table.network.roles[quantity][1] - 1] != "sigmoid":
        return

    def flipped(part: Expr) -> Expr:
        match part:
            case Op("EXP", (Op("neg", (z,)) | Op("*", (z, Num("-1"))),)):
                return op("EXP", z)
            case Op("EXP", (z,)):
                return op("EXP", op("neg", z))
            case Op(symbol, args):
                return Op(symbol, tuple(flipped(arg) for arg in args))
        return part

    yield flipped(expr), set()


def lost_half(table: Table, quantity: str, expr: Expr) -> Variants:
    def lost(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("*", args):
                for k, arg in enumerate(args):
                    if arg in HALVES or arg == TWO:
                        yield product([*args[:k], *args[k + 1 :]])
            case Op("/", (Op("()", (p,)) | p, Num("2"))) if p != Num("1"):
                yield p

    if table.network.loss == "cross-entropy":
        return
    more = {"missing-factor"} if table.network.loss == "square" else set()
    yield from ((new, more) for new in edits(expr, lost))
    added = Num("0.5") if table.network.loss == "square" else TWO
    yield op("*", added, expr) if not (isinstance(expr, Op) and expr.symbol == "*") else product([added, expr]), set()


def mean_for_sum(table: Table, quantity: str, expr: Expr) -> Variants:
    errors = table.network.errors
    if len(errors) > 1:
        more = {"lost-half"} if len(errors) == 2 else set()
        yield op("/", expr, Num(str(len(errors)))), more
        yield op("AVERAGE", *(expr.args if isinstance(expr, Op) and expr.symbol == "SUM" else map(Ref, errors))), more


def log10(table: Table, quantity: str, expr: Expr) -> Variants:
    def other(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("LN", args):
                yield Op("LOG", args)
                yield Op("LOG10", args)

    once = list(edits(expr, other))
    yield from ((new, set()) for new in once)
    yield from ((twice, set()) for new in once for twice in edits(new, other) if "LOG10" not in str(twice))


def minus_square(table: Table, quantity: str, expr: Expr) -> Variants:
    def unary(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("-", (Num("1"), Op("^", _) as square)) | Op("+", (Op("neg", (Op("^", _) as square,)), Num("1"))):
                yield op("+", op("neg", op("bare", square)), Num("1"))

    yield from ((new, {"sign", "parentheses"}) for new in edits(expr, unary))


def different(table: Table, quantity: str, expr: Expr) -> Variants:
    """What has no name of its own; a lost term, another exponent, another constant, another function's slope."""
    network = table.network

    def shorter(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("+", args) if len(args) > 1 and not any(isinstance(arg, Num) for arg in args):
                for k, arg in enumerate(args):
                    if not (isinstance(arg, Ref) and network.role(arg.name) == "bias"):
                        rest = (*args[:k], *args[k + 1 :])
                        yield op("+", *rest) if len(rest) > 1 else rest[0]

    def other(part: Expr) -> Iterator[Expr]:
        match part:
            case Op("^" | "POWER" | "POW" as power, (base, Num("2"))):
                yield op(power, base, Num("3"))
            case Num("0.5"):
                yield Num("0.05")
            case Op("-", (Num("1"), Ref(name) as a)) if network.role(name) == "activation":
                yield op("-", TWO, a)
                yield op("-", Num("1"), op("^", a, TWO))

    yield from ((new, {"missing-term", "missing-factor", "wrong-output"}) for new in edits(expr, shorter))
    yield from ((new, {"typed-number", "overwritten-cell"}) for new in edits(expr, other))


def fed_wrong(table: Table, quantity: str, expr: Expr) -> Variants:
    network = table.network
    _, layer = network.roles[quantity]
    there = table.columns.keys() | table.singles.keys()
    if network.role(quantity) == "activation":
        candidates = {network.units(layer)[int(k)]: {"wrong-neuron"} for k in range(network.sizes[layer])}
        candidates |= {unit: set() for unit in network.units(layer - 1)}
    else:
        candidates = {signal: {"wrong-neuron", "wrong-input"} for signal in network.signals(layer - 1)}
        candidates |= {signal: {"wrong-input"} for signal in network.signals(max(layer - 2, 0))}
    for ref in dict.fromkeys(leaves(expr)):
        if network.role(ref.name) in ("sum", "activation", "input"):
            for name, more in candidates.items():
                if name != ref.name and name in there:
                    yield swapped(expr, ref, replace(ref, name=name)), more


def other_weights(table: Table, quantity: str, expr: Expr) -> Variants:
    """The weights of another unit, where they stand side by side."""
    spans = [other for name in table.network.siblings(quantity) for other in _spans(table.columns[name][0])]

    def shifted(part: Expr) -> Iterator[Expr]:
        if isinstance(part, Span) and part.first in table.network.trained:
            yield from (span for span in spans if span != part and span.first in table.network.trained)

    yield from ((new, set()) for new in edits(expr, shifted))


def _spans(expr: Expr) -> Iterator[Span]:
    match expr:
        case Span():
            yield expr
        case Op(_, args):
            for arg in args:
                yield from _spans(arg)
