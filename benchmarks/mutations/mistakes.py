"""The mistakes people make in these sheets: a table from each kind's slug to the ways of making it.

A way takes a table of a right workbook and yields sites: a quantity, and the formula that would
stand there. Some mistakes cannot be told apart by what stands in the cells, so each site has the
set of names that fit it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from benchmarks.mutations import rewrites
from benchmarks.mutations.expression import Expr, Num, Ref, leaves, swapped
from benchmarks.mutations.layouts import BLOCK, Table
from benchmarks.mutations.network import RATE, train

BACKWARD = {"gradient", "delta", "upstream", "slope"}
At = Callable[[int, int], Expr]  # what stands in a cell, by its step and the first wrong one
Formula = tuple[str, str, Expr]  # the column's name, the quantity's (w1, update w1), and the formula at each step


@dataclass(frozen=True)
class Site:
    """One way to be wrong: `at(step, start)` is put in the column's cells from `start` on."""

    column: str
    quantity: str
    at: At
    accepted: frozenset[str]
    first: int = 0  # the first step at which it can stand
    wrong: Callable[[int], int] = lambda start: start  # the first step at which it is wrong
    scopes: tuple[str, ...] = ("column", "column", "rest", "cell", "some")
    witnessed: bool = True  # what else the sheet says tells this column from the others, even if all of it changes


@dataclass(frozen=True)
class Mutant:
    """The changed table, and what is to be found."""

    table: Table
    kind: str
    accepted: frozenset[str]
    quantity: str
    column: str
    step: int  # of the topmost wrong cell
    columns: tuple[str, ...]  # all that are wrong there by themselves; one as a rule


Ways = Callable[[Table, Random], Iterable[Site]]


def formulas(table: Table) -> Iterator[Formula]:
    """What is calculated; a mistake in a column that nothing uses is nobody's."""
    network = table.network
    for name, exprs in table.columns.items():
        role = network.role(name)
        if name in network.trained and table.steps > 1:
            yield name, f"update {name}", exprs[1]
        elif role not in {"weight", "bias", "input", "target", "rate", "step"} | table.hand.idle:
            yield name, name, exprs[0]


def _site(kind: str, table: Table, formula: Formula, expr: Expr, more: Iterable[str] = (), first: int = 0) -> Site:
    column, quantity, _ = formula
    start = max(first, int(column != quantity))  # the first weights are typed
    return Site(column, quantity, lambda step, _: expr, frozenset({kind, *more}), start)


def rewriting(kind: str, roles: set[str], variants: rewrites.Variation) -> Ways:
    """Sites from other texts of the right formulas of these roles."""

    def ways(table: Table, rng: Random) -> Iterator[Site]:
        for formula in formulas(table):
            _, quantity, expr = formula
            if table.network.role(quantity) in roles:
                for new, more in variants(table, quantity, expr):
                    if new != expr:
                        yield _site(kind, table, formula, new, more)

    return ways


def lost_half(table: Table, rng: Random) -> Iterator[Site]:
    """With one output nothing but the gradients says whether its error, the total, is half the square."""
    single = len(table.network.errors) == 1
    several = "delta" not in table.hand.helpers and len(table.network.trained) > 2
    roles = {"gradient", "delta", "total" if single else "error"}
    for site in rewriting("lost-half", roles, rewrites.lost_half)(table, rng):
        one_of_several = several and table.network.role(site.quantity) == "gradient"
        yield replace(site, witnessed=not single or one_of_several)


def frozen_reference(table: Table, rng: Random) -> Iterator[Site]:
    for formula in formulas(table):
        _, _, expr = formula
        for ref in dict.fromkeys(leaves(expr)):
            if table.network.role(ref.name) in ("gradient", "weight") and ref.name not in table.singles:
                site = _site("frozen-reference", table, formula, swapped(expr, ref, replace(ref, pinned=0)))
                right = 1 + ref.lag  # up to here step 0 is what the formula is to refer to
                yield replace(site, wrong=lambda start, right=right: max(start, right))  # type: ignore[misc]


def drifting_rate(table: Table, rng: Random) -> Iterator[Site]:
    single = table.singles.get(RATE)
    if single is None or single.name or single.address[0] != table.sheet or table.steps < 3:
        return
    for column, quantity, expr in formulas(table):
        rates = [leaf for leaf in leaves(expr) if leaf.name == RATE]
        if rates:

            def at(step: int, start: int, expr: Expr = expr, rate: Ref = rates[0]) -> Expr:
                return swapped(expr, rate, replace(rate, drift=step - start))

            accepted = frozenset({"drifting-rate"})
            yield Site(column, quantity, at, accepted, 1, lambda start: start + 1, ("column", "column", "rest"))


def typed_number(table: Table, rng: Random) -> Iterator[Site]:
    """In place of a reference: its first number, or another."""
    network = table.network
    for formula in formulas(table):
        _, _, expr = formula
        for ref in dict.fromkeys(leaves(expr)):
            if ref.name.startswith(BLOCK) or ref.name not in network.numbers:
                continue
            witnessed = ref.name != RATE or len(network.trained) > 1
            for number in (network.numbers[ref.name], 0.01, round(rng.uniform(0.1, 0.9), 2)):
                for new in rewrites.replaced(expr, ref, Num(f"{number:.15g}")):
                    yield replace(_site("typed-number", table, formula, new), witnessed=witnessed)


def overwritten_cell(table: Table, rng: Random) -> Iterator[Site]:
    """Amid a column, a number, or the formula of a column of another kind."""
    if table.steps < 5:
        return
    told, written = _told(table), list(formulas(table))
    for formula in written:
        column, quantity, expr = formula
        site = _site("overwritten-cell", table, formula, expr, {"typed-number"}, first=1)
        form = rng.choice((".3g", ".4g", ".6g", ".17g"))
        numbers = [float(format(number, form)) for number in told[column]]
        yield replace(site, at=_typed(numbers), scopes=("cell",))
        _, other, foreign = rng.choice(written)
        if table.network.role(other) != table.network.role(quantity):
            more = {"fed-wrong", "different"}
            yield replace(_site("overwritten-cell", table, formula, foreign, more, first=1), scopes=("cell",))


def stopped_formulas(table: Table, rng: Random) -> Iterator[Site]:
    """From some step on numbers, as they were or rounded."""
    if table.steps < 8:
        return
    told = _told(table)
    for formula in formulas(table):
        column, _, expr = formula
        form = rng.choice((".4f", ".6f", ".17g"))
        numbers = [float(format(number, form)) for number in told[column]]
        site = _site("stopped-formulas", table, formula, expr, first=2)
        yield replace(site, at=_typed(numbers), scopes=("rest", "rest", "row"))


def row_offset(table: Table, rng: Random) -> Iterator[Site]:
    if table.steps < 8:
        return
    network = table.network
    for formula in formulas(table):
        _, quantity, expr = formula
        backward = network.role(quantity) in BACKWARD
        for ref in dict.fromkeys(leaves(expr)):
            if network.role(ref.name) == RATE or ref.name in table.singles:
                continue
            for by in (1, -1, 3, -3):
                lag = ref.lag + by
                for new in rewrites.replaced(expr, ref, replace(ref, lag=lag)):
                    more = {"updated-weights"} if backward and network.role(ref.name) == "weight" and by == -1 else ()
                    yield _site("row-offset", table, formula, new, more, first=max(lag, 0))


HIDDEN = {"gradient", "delta", "upstream"}
KINDS: dict[str, tuple[Ways, ...]] = {
    "wrong-neuron": (
        rewriting(
            "wrong-neuron",
            BACKWARD,
            rewrites.another({"activation", "sum", "slope", "delta", "upstream"}, rewrites.neuron_or),
        ),
        rewriting("wrong-neuron", {"sum"}, rewrites.another({"activation"}, lambda ref, within: {"fed-wrong"})),
    ),
    "pre-activation": (rewriting("pre-activation", BACKWARD | {"error", "diff", "sum"}, rewrites.pre_activation),),
    "parentheses": (
        rewriting("parentheses", BACKWARD | {"error", "activation", "update", "total"}, rewrites.parentheses),
    ),
    "missing-factor": (rewriting("missing-factor", BACKWARD | {"update"}, rewrites.missing_factor),),
    "sign": (rewriting("sign", BACKWARD | {"diff", "error", "sum", "activation", "update", "total"}, rewrites.sign),),
    "wrong-target": (rewriting("wrong-target", BACKWARD | {"error", "diff", "total"}, rewrites.another({"target"})),),
    "wrong-output": (
        rewriting(
            "wrong-output", {"error", "diff"}, rewrites.another({"activation"}, lambda ref, within: {"wrong-neuron"})
        ),
        rewriting("wrong-output", {"total"}, rewrites.another({"error"})),
        rewriting("wrong-output", {"gradient", "delta"}, rewrites.error_of_another),
    ),
    "wrong-weight": (
        rewriting("wrong-weight", HIDDEN | {"sum", "update"}, rewrites.another({"weight"})),
        rewriting("wrong-weight", {"sum"}, rewrites.other_weights),
    ),
    "wrong-input": (
        rewriting("wrong-input", {"gradient"}, rewrites.another({"input"})),
        rewriting("wrong-input", {"sum"}, rewrites.another({"input"}, lambda ref, within: {"fed-wrong"})),
    ),
    "wrong-gradient": (rewriting("wrong-gradient", {"update"}, rewrites.another({"gradient"})),),
    "frozen-reference": (frozen_reference,),
    "drifting-rate": (drifting_rate,),
    "updated-weights": (rewriting("updated-weights", HIDDEN, rewrites.updated_weights),),
    "missing-bias": (rewriting("missing-bias", {"sum"}, rewrites.missing_bias),),
    "missing-mask": (rewriting("missing-mask", {"gradient", "delta"}, rewrites.missing_mask),),
    "sigmoid-sign": (rewriting("sigmoid-sign", {"activation"}, rewrites.sigmoid_sign),),
    "lost-half": (lost_half,),
    "mean-for-sum": (rewriting("mean-for-sum", {"total"}, rewrites.mean_for_sum),),
    "log10": (rewriting("log10", {"error", "total"}, rewrites.log10),),
    "minus-square": (rewriting("minus-square", BACKWARD, rewrites.minus_square),),
    "typed-number": (typed_number,),
    "overwritten-cell": (overwritten_cell,),
    "stopped-formulas": (stopped_formulas,),
    "row-offset": (row_offset,),
    "fed-wrong": (rewriting("fed-wrong", {"sum", "activation"}, rewrites.fed_wrong),),
    "wrong-operator": (
        rewriting("wrong-operator", BACKWARD | {"diff", "error", "sum", "update", "total"}, rewrites.wrong_operator),
    ),
    "different": (rewriting("different", BACKWARD | {"error", "sum", "total"}, rewrites.different),),
}


def sites(kind: str, table: Table, rng: Random) -> list[Site]:
    return [site for ways in KINDS[kind] for site in ways(table, rng)]


def inject(kind: str, site: Site, table: Table, rng: Random) -> Mutant | None:
    """The table with the mistake in all the column, the rest of it, some cells or one; None where it has no room."""
    scopes = [scope for scope in site.scopes if scope != "column" or site.witnessed]
    if table.steps == 1:
        scopes = [scope for scope in scopes if scope == "column"]
    if not scopes or site.first > max(table.steps - 3, 0):
        return None
    scope = rng.choice(scopes)
    start = site.first if scope == "column" else rng.randint(site.first, max(table.steps - 3, 0))
    stop = {"cell": start + 1, "some": start + rng.randint(2, 6)}.get(scope, table.steps)
    wrong = site.wrong(start)
    if wrong >= min(stop, table.steps):
        return None
    columns = {**table.columns, site.column: _put(table, site.column, site.at, start, stop)}
    rooted: tuple[str, ...] = (site.column,)
    if scope == "row":  # all that is calculated stops here
        told = _told(table)
        rooted = tuple(column for column, _, _ in formulas(table))
        columns |= {name: _put(table, name, _typed(told[name]), start, stop) for name in rooted}
    changed = replace(table, columns=columns)
    return Mutant(changed, kind, site.accepted, site.quantity, site.column, wrong, rooted)


def _put(table: Table, column: str, at: At, start: int, stop: int) -> tuple[Expr, ...]:
    right = table.columns[column]
    return tuple(at(step, start) if start <= step < stop else expr for step, expr in enumerate(right))


def _told(table: Table) -> dict[str, list[float]]:
    """What the right cells hold."""
    return train(table.network, table.given({at: number for at, (_, number) in table.typed().items()}))


def _typed(numbers: Sequence[float]) -> At:
    return lambda step, start: Num(repr(numbers[step]))
