"""Right formulas for every quantity of a network, in the many ways in which people write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.mutations.expression import Expr, Num, Op, Ref, Span, Spelling, op, product, total
from benchmarks.mutations.network import RATE, Network, diff_name, slope_name

Adjacent = Callable[[Sequence[str]], bool]  # whether these quantities stand side by side, in this order
ONE, TWO = Num("1"), Num("2")
HELPERS: tuple[list[str], ...] = (
    [],
    [],
    [],
    ["slope"],
    ["diff", "slope"],
    ["upstream"],
    ["delta"],
    ["delta"],
    ["diff", "slope", "delta"],
)
DEEP = (["delta"], ["upstream", "delta"], ["diff", "slope", "delta"])


@dataclass(frozen=True)
class Hand:
    """How one author writes."""

    spelling: Spelling
    helpers: frozenset[str]  # the roles that have columns of their own
    idle: frozenset[str]  # those whose columns nothing refers to
    sigmoid: int
    tanh: int
    slope: int
    mask: int
    square: str
    half: str
    target_first: bool  # in the error
    negated: bool  # the gradient begins with -(t-a), not with (a-t)
    factors: str  # class, reversed, shuffled
    weight_first: bool
    grouped: bool  # (w1*i1)+(w2*i2)
    dot: str  # of a unit's inputs: + or SUMPRODUCT
    total: str  # of the errors: + or SUM
    update: int
    inputs: str  # typed, literal, copied, block (a column refers to a block) or only block
    simplified: bool  # cross-entropy's delta is a-t at once


def draw_hand(rng: Random, network: Network) -> Hand:
    helpers = frozenset(rng.choice(HELPERS if network.last < 3 else DEEP))
    return Hand(
        spelling=Spelling(rng.choice(["", "", "+-", "+-*/"]), rng.random() < 0.15, rng.choice(["", "", "", " "])),
        helpers=helpers,
        idle=frozenset(rng.choice(HELPERS) if rng.random() < 0.1 else ()) - helpers,
        sigmoid=rng.choice([0, 0, 0, 0, 1, 2, 3, 4, 5]),
        tanh=rng.randrange(3),
        slope=rng.choice([0, 0, 0, 0, 1, 2]),
        mask=rng.randrange(4),
        square=rng.choice(["^", "^", "^", "POWER", "POW", "*"]),
        half=rng.choice(["0.5*", "0.5*", "(1/2)*", "1/2*", "*0.5", "/2", "()/2"]),
        target_first=rng.random() < 0.7,
        negated=rng.random() < 0.2,
        factors=rng.choice(["class", "class", "class", "reversed", "shuffled"]),
        weight_first=rng.random() < 0.6,
        grouped=rng.random() < 0.25,
        dot=rng.choice(["+", "+", "+", "SUMPRODUCT"]),
        total=rng.choice(["+", "+", "SUM"]),
        update=rng.choice([0, 0, 0, 1, 2, 3, 4]),
        inputs=rng.choice(["typed", "typed", "typed", "literal", "copied", "block", "only block"]),
        simplified=rng.random() < 0.7,
    )


def calculated(network: Network, hand: Hand) -> dict[str, list[str]]:
    """The calculated quantities in the class sheet's order, weights with their layer; by group."""
    groups: dict[str, list[str]] = {}
    for layer in range(1, network.last + 1):
        groups[f"weights {layer}"] = [*network.weights(layer), *network.layer_biases(layer)]
        groups[f"forward {layer}"] = [name for unit in network.units(layer) for name in (unit, f"a_{unit}")]
    groups["errors"] = [*network.errors, *(["E_total"] if len(network.errors) > 1 else [])]
    groups["helpers"] = list(_helpers(network, hand))
    groups["gradients"] = [f"dE/d{name}" for name in sorted(network.trained, key=lambda w: (w[0] != "w", int(w[1:])))]
    return groups


def _helpers(network: Network, hand: Hand) -> Iterator[str]:
    """An output's error and its slope, then deltas from the last layer to the first."""
    shown = hand.helpers | hand.idle
    if "diff" in shown:
        yield from (diff_name(k) for k in range(network.sizes[-1]))
    for layer in range(network.last, 0, -1):
        units = network.units(layer)
        if "slope" in shown and network.activations[layer - 1] != "linear" and not _cancels(network, layer):
            yield from map(slope_name, units)
        if "upstream" in shown and layer < network.last:
            yield from (f"dE/da_{unit}" for unit in units)
        if "delta" in shown:
            yield from (f"delta_{unit}" for unit in units)


def _cancels(network: Network, layer: int) -> bool:
    """The sigmoid's slope cancels against the cross-entropy's denominator."""
    return network.loss == "cross-entropy" and layer == network.last


class Recipes:
    """The formulas of one hand; each is of the step it stands in, an update of the step before."""

    def __init__(self, network: Network, hand: Hand, rng: Random, adjacent: Adjacent, lag: int) -> None:
        self.network, self.hand, self._rng, self._adjacent, self._lag = network, hand, rng, adjacent, lag

    def all(self) -> dict[str, Expr]:
        network, recipes = self.network, dict[str, Expr]()
        for layer in range(1, network.last + 1):
            for k, unit in enumerate(network.units(layer)):
                recipes[unit] = self._sum(layer, k)
                recipes[f"a_{unit}"] = self._activation(network.activations[layer - 1], Ref(unit))
                recipes[slope_name(unit)] = product(self._slope(layer, unit, alone=True) or [ONE])
                recipes[f"delta_{unit}"] = self._product(self._delta(layer, k))
                if layer < network.last:
                    recipes[f"dE/da_{unit}"] = self._ahead(layer, k)
            recipes |= self._gradients(layer)
        recipes |= {diff_name(k): op("-", Ref(f"a_o{k + 1}"), Ref(f"t{k + 1}")) for k in range(network.sizes[-1])}
        recipes["E_total"] = self._total()
        recipes |= {name: self._error(k) for k, name in enumerate(network.errors)}
        recipes |= {f"update {name}": self._update(name) for name in network.trained}
        return recipes

    def _sum(self, layer: int, unit: int) -> Expr:
        signals = self.network.signals(layer - 1)
        weights = [self.network.weight(layer, unit, j) for j in range(len(signals))]
        if self.hand.dot == "SUMPRODUCT" and len(signals) > 1 and self._adjacent(weights) and self._adjacent(signals):
            terms: list[Expr] = [op("SUMPRODUCT", Span(weights[0], weights[-1]), Span(signals[0], signals[-1]))]
        else:
            pairs = [(w, x) if self.hand.weight_first else (x, w) for w, x in zip(weights, signals)]
            terms = [self._grouped(op("*", Ref(a), Ref(b))) for a, b in pairs]
        bias = self.network.bias(layer, unit)
        return total([*terms, Ref(bias)] if bias else terms)

    def _grouped(self, expr: Expr) -> Expr:
        return op("()", expr) if self.hand.grouped else expr

    def _activation(self, name: str, z: Expr) -> Expr:
        minus, e = op("EXP", op("neg", z)), op("EXP", z)
        if name == "sigmoid":
            return [
                op("/", ONE, op("+", ONE, minus)),
                op("/", ONE, op("()", op("+", ONE, op("EXP", op("*", z, Num("-1")))))),
                op("/", e, op("+", ONE, e)),
                op("^", op("+", ONE, minus), Num("-1")),
                op("()", op("/", ONE, op("+", ONE, op("()", minus)))),
                op("/", ONE, op("+", minus, ONE)),
            ][self.hand.sigmoid]
        if name == "tanh":
            return [op("TANH", z), op("TANH", z), op("/", op("-", e, minus), op("+", e, minus))][self.hand.tanh]
        if name == "relu":
            zero = Num("0")
            return [op("MAX", zero, z), op("MAX", z, zero), op("IF", op(">", z, zero), z, zero)][self.hand.tanh]
        return z

    def _slope(self, layer: int, unit: str, alone: bool = False) -> list[Expr]:
        """Factors; `alone` where they are all of a formula."""
        if "slope" in self.hand.helpers and not alone:
            return [] if self.network.activations[layer - 1] == "linear" else [Ref(slope_name(unit))]
        a, z, zero = Ref(f"a_{unit}"), Ref(unit), Num("0")
        match self.network.activations[layer - 1]:
            case "sigmoid" if self.hand.slope == 2:
                return [op("-", a, op("*", a, a))]
            case "sigmoid":
                one_minus = op("-", ONE, a)
                return [op("()", op("*", a, one_minus))] if self.hand.slope == 1 else [a, one_minus]
            case "tanh":
                squares = [op("^", a, TWO), op("*", a, a), op("POWER", a, TWO), op("^", a, TWO)]
                square = squares[self.hand.mask]
                return [op("+", op("neg", square), ONE)] if self.hand.mask == 3 else [op("-", ONE, square)]
            case "relu" if self.hand.mask == 3 and not alone:
                return [op(">", z, zero)]
            case "relu":
                above = [op(">", z, zero), op(">", a, zero), op(">", z, zero), op(">", z, zero)][self.hand.mask]
                return [op("IF", above, ONE, zero)]
        return []

    def _delta(self, layer: int, unit: int) -> list[Expr]:
        """The factors of a unit's delta, or the cell that holds it."""
        name = self.network.units(layer)[unit]
        slope = self._slope(layer, name)
        if layer < self.network.last:
            ahead = Ref(f"dE/da_{name}") if "upstream" in self.hand.helpers else self._ahead(layer, unit)
            return [ahead, *slope]
        head = self._head(unit)
        if self.network.loss == "square":
            head = [TWO, *head]
        if not _cancels(self.network, layer):
            return [*head, *slope]
        if self.hand.simplified or self.hand.helpers:
            return head
        t, a = Ref(f"t{unit + 1}"), Ref(f"a_o{unit + 1}")
        ratio = op("-", op("/", op("-", ONE, t), op("-", ONE, a)), op("/", t, a))
        return [ratio, a, op("-", ONE, a)]

    def _head(self, output: int) -> list[Expr]:
        t, a = Ref(f"t{output + 1}"), Ref(f"a_o{output + 1}")
        if "diff" in self.hand.helpers:
            return [Ref(diff_name(output))]
        return [op("neg", op("-", t, a))] if self.hand.negated else [op("-", a, t)]

    def _known_delta(self, layer: int, unit: int) -> list[Expr]:
        if "delta" in self.hand.helpers:
            return [Ref(f"delta_{self.network.units(layer)[unit]}")]
        return self._delta(layer, unit)

    def _ahead(self, layer: int, unit: int) -> Expr:
        """What the layer after sends back to the unit."""
        after = range(self.network.sizes[layer + 1])
        weights = [Ref(self.network.weight(layer + 1, m, unit)) for m in after]
        return total(self._grouped(product([*self._known_delta(layer + 1, m), weights[m]])) for m in after)

    def _gradients(self, layer: int) -> dict[str, Expr]:
        gradients: dict[str, Expr] = {}
        for k in range(self.network.sizes[layer]):
            for j, signal in enumerate(self.network.signals(layer - 1)):
                factors = [*self._known_delta(layer, k), Ref(signal)]
                gradients[f"dE/d{self.network.weight(layer, k, j)}"] = self._product(factors)
        units = range(self.network.sizes[layer])
        for bias in self.network.layer_biases(layer):
            users = [k for k in units if self.network.bias(layer, k) == bias]
            gradients[f"dE/d{bias}"] = total(product(self._known_delta(layer, k)) for k in users)
        return gradients

    def _product(self, factors: list[Expr]) -> Expr:
        """In the hand's order; a minus or a comparison, which need company, stay where they are."""
        movable = not any(isinstance(one, Op) and one.symbol in ("neg", ">") for one in factors)
        if self.hand.factors == "reversed" and movable:
            factors = [*reversed(factors)]
        elif self.hand.factors == "shuffled" and movable:
            factors = self._rng.sample(factors, len(factors))
        return product(factors)

    def _square(self, expr: Expr) -> Expr:
        return op("*", expr, expr) if self.hand.square == "*" else op(self.hand.square, expr, TWO)

    def _error(self, output: int) -> Expr:
        t, a = Ref(f"t{output + 1}"), Ref(f"a_o{output + 1}")
        if self.network.loss == "cross-entropy":
            hit, miss = op("LN", a), op("*", op("-", ONE, t), op("LN", op("-", ONE, a)))
            if self.hand.target_first:
                return op("neg", op("+", op("*", t, hit), miss))
            return op("-", op("*", op("neg", t), hit), miss)
        square = self._square(op("-", t, a) if self.hand.target_first else op("-", a, t))
        if self.network.loss == "square":
            return square
        half, slash = Num("0.5"), op("/", ONE, TWO)
        return {
            "0.5*": op("*", half, square),
            "(1/2)*": op("*", op("()", slash), square),
            "1/2*": op("*", slash, square),
            "*0.5": op("*", square, half),
            "/2": op("/", square, TWO),
            "()/2": op("/", op("()", square), TWO),
        }[self.hand.half]

    def _total(self) -> Expr:
        errors = self.network.errors
        if self.hand.total == "SUM":
            return op("SUM", Span(errors[0], errors[-1])) if self._adjacent(errors) else op("SUM", *map(Ref, errors))
        return total(map(Ref, errors))

    def _update(self, name: str) -> Expr:
        lag = self._lag
        w, g, rate = Ref(name, lag), Ref(f"dE/d{name}", lag), Ref(RATE, lag)
        return [
            op("-", w, op("*", rate, g)),
            op("-", w, op("*", g, rate)),
            op("-", w, op("()", op("*", rate, g))),
            op("+", w, op("*", op("neg", rate), g)),
            op("()", op("-", w, op("*", rate, g))),
        ][self.hand.update]
