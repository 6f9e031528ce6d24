"""Search the smallest change that makes a wrong formula right, in its author's own way of writing.

At each node of the formula's tree stands a value. Every value that the node could have instead
(another cell, the sign changed, a factor more or less, another operator) makes a row of a matrix,
and the formula is evaluated once for all rows: those that give the right numbers are repairs. The
world's numbers are random, so what fits them all is right, and not right by luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from xlbackprop.audit.brackets import bracketed
from xlbackprop.audit.compare import ABSOLUTE, agree
from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Block, Call, Lane, Num, Tree, leaves, replace_leaves
from xlbackprop.audit.surgery import MOST_NODES, Path, node_at, paths, regrouped, renamed, replaced
from xlbackprop.audit.written import to_tokens

_POWERS = ("^", "POWER", "POW")
_MOST_RUN = 5  # places side by side
_QUICK = 4  # points at which a change is tried first
_MOST_FIRST = 60  # first changes of two that are tried


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` became `after` at `times` places; `how` is the kind of change, in the words of `_changes`."""

    how: str
    before: Tree
    after: Tree
    times: int = 1


@dataclass(frozen=True, slots=True)
class Repair:
    tree: Tree
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class _Changes:
    """Ways to change a node alike: a row of values for each, and how to build what stands there then."""

    how: str
    values: Array
    build: Callable[[int], Tree]


class Search:
    """Repairs of formulas of one lane: `look` gives a leaf's numbers, (points,), and `right` the lane's.

    `quantities` are the leaves that may belong in a formula, `parts` the terms of the right one.
    """

    def __init__(
        self, look: Callable[[Tree], Array], right: Array, quantities: Iterable[Tree], parts: Iterable[Tree] = ()
    ) -> None:
        self.look, self.right = cache(look), right
        self.quantities, self.parts = list(quantities), list(parts)
        self._others = self._rows(self.quantities)
        self._terms = self._rows(self.parts)
        self._numbers: dict[Tree, float] = {}  # of leaves, at the first point
        self._known: dict[Tree, list[_Changes]] = {}  # of nodes met already

    def _rows(self, trees: list[Tree]) -> Array:
        rows = [np.broadcast_to(evaluate(tree, self.look), self.right.shape) for tree in trees]
        return np.array(rows) if rows else np.empty((0, *self.right.shape))

    def is_right(self, tree: Tree) -> bool:
        try:
            quick = _quick(tree, self._number)
            if quick is not None and not abs(quick - self.right[0]) <= 1e-6 * abs(self.right[0]) + ABSOLUTE:
                return False
            return bool(agree(self._evaluate(tree, {}), self.right).all())
        except UnknownFunction:
            return False

    def _number(self, leaf: Tree) -> float:
        if (found := self._numbers.get(leaf)) is None:
            found = self._numbers[leaf] = float(np.broadcast_to(self.look(leaf), self.right.shape)[0])
        return found

    def single(self, tree: Tree) -> Iterator[Repair]:
        """Repairs by one change, at one node or at all places where the same stands."""
        yield from self._wholesale(tree)
        yield from self._swapped(tree)
        yield from self._numbers_changed(tree)
        for variant in (tree, *regrouped(tree)):
            yield from self._by_one_change(variant)

    def _points(self, count: int) -> Search:
        """The same search at fewer points: what fits there is tried at all of them."""
        first = slice(0, count)
        few = Search.__new__(Search)
        few.look = cache(lambda leaf: np.broadcast_to(self.look(leaf), self.right.shape)[first])
        few.right, few.quantities, few.parts, few.scales = self.right[first], self.quantities, self.parts, self.scales
        few._others, few._terms = self._others[:, first], self._terms[:, first]
        few._known = self._known
        return few

    def _swapped(self, tree: Tree) -> Iterator[Repair]:
        """Several references changed together, in a part of the formula."""
        for how, swap in self.swaps:
            for path in list(paths(tree))[:MOST_NODES]:
                node = node_at(tree, path)
                used = set(leaves(node)) & set(swap)
                if len(used) > 1 or (used and isinstance(node, Call)):
                    after = replace_leaves(node, lambda leaf, swap=swap: swap.get(leaf, leaf))  # type: ignore[misc]
                    changed = replaced(tree, [path], after)
                    if self.is_right(changed):
                        yield Repair(changed, (Edit(how, node, after),))

    def _wholesale(self, tree: Tree) -> Iterator[Repair]:
        """One function for another throughout the formula."""
        for old in ("LOG", "LOG10"):
            changed = renamed(tree, old, "LN")
            if changed != tree and self.is_right(changed):
                yield Repair(changed, (Edit("logarithm", tree, changed),))

    def _numbers_changed(self, tree: Tree) -> Iterator[Repair]:
        """Another number in place of one: what is linear in it tells which."""
        for path in paths(tree):
            node = node_at(tree, path)
            if not isinstance(node, Num):
                continue
            if path[-1:] == (1,) and isinstance(power := node_at(tree, path[:-1]), Call) and power.name in _POWERS:
                for value in (1.0, 2.0, 3.0):
                    changed = replaced(tree, [path], Num(value))
                    if value != node.value and self.is_right(changed):
                        yield Repair(changed, (Edit("exponent", node, Num(value)),))
                continue
            try:
                here, there = (
                    float(self._evaluate(replaced(tree, [path], Num(node.value + more)), {})[0]) for more in (0.0, 1.0)
                )
            except UnknownFunction:
                return
            if there != here and math.isfinite(there - here):
                value = float(f"{node.value + (float(self.right[0]) - here) / (there - here):.9g}")
                changed = replaced(tree, [path], Num(value))
                if value != node.value and value >= 0 and self.is_right(changed):
                    yield Repair(changed, (Edit("number", node, Num(value)),))

    def _by_one_change(self, tree: Tree) -> Iterator[Repair]:
        places: dict[Tree, list[Path]] = {}
        for path in list(paths(tree))[:MOST_NODES]:
            places.setdefault(node_at(tree, path), []).append(path)
        quick = self._points(_QUICK)
        for node, where in places.items():
            changes = quick._of_node(node)
            if changes:
                matrix = np.concatenate([one.values for one in changes])
                for chosen in _choices(where):
                    for repair in quick._fitting(tree, node, chosen, changes, matrix):
                        if self.is_right(repair.tree):
                            yield repair

    def _of_node(self, node: Tree) -> list[_Changes]:
        if node not in self._known:
            self._known[node] = list(self._changes(node))
        return self._known[node]

    def _fitting(
        self, tree: Tree, node: Tree, where: list[Path], changes: list[_Changes], matrix: Array
    ) -> Iterator[Repair]:
        try:
            found = self._evaluate(tree, dict.fromkeys(where, matrix))
        except UnknownFunction:
            return
        good = agree(np.broadcast_to(found, matrix.shape), self.right).all(axis=1)
        if not good.any():
            return
        start = 0
        for change in changes:
            for k in np.flatnonzero(good[start : start + len(change.values)]):
                after = change.build(int(k))
                if after != node:
                    yield Repair(replaced(tree, where, after), (Edit(change.how, node, after, len(where)),))
            start += len(change.values)

    def _evaluate(self, tree: Tree, fixed: dict[Path, Array]) -> Array:
        """The value with the nodes at some paths given."""
        if not fixed:
            return np.broadcast_to(evaluate(tree, self.look), self.right.shape)
        mark = Lane(-1, 0)
        matrix = next(iter(fixed.values()))
        marked = replaced(tree, list(fixed), mark)
        return evaluate(marked, lambda leaf: matrix if leaf == mark else self.look(leaf))

    def _changes(self, node: Tree) -> Iterator[_Changes]:
        """What could stand in a node's place."""
        try:
            value = np.asarray(self._evaluate(node, {}))
        except UnknownFunction:
            return
        quantities, others, is_leaf = self.quantities, self._others, _is_leaf(node)
        if is_leaf:
            yield _Changes("reference", others, quantities.__getitem__)
        else:
            assert isinstance(node, Call)
            yield from self._operators(node)
        yield _Changes("sign", -value[None], lambda k: _negated(node))
        factors = (2.0, 0.5, *self.scales)
        yield _Changes(
            "constant",
            np.array([value * factor for factor in factors]),
            lambda k: Call("*", (Num(factors[k]), node)),
        )
        if isinstance(node, Num):
            return
        yield _Changes("factor", value * others, lambda k: _product(node, quantities[k]))
        yield _Changes("factor", value * (1 - others), lambda k: _product(node, _rest(quantities[k])))
        yield _Changes(
            "factor",
            value * others * (1 - others),
            lambda k: _product(_product(node, quantities[k]), _rest(quantities[k])),
        )
        yield _Changes(
            "factor", value * (1 - others**2), lambda k: _product(node, _rest(Call("^", (quantities[k], Num(2)))))
        )
        yield _Changes("mask", value * (others > 0), lambda k: _product(node, _mask(quantities[k])))
        yield _Changes("term", value + others, lambda k: Call("+", (node, quantities[k])))
        yield _Changes("extra term", value - others, lambda k: Call("-", (node, quantities[k])))
        if is_leaf:
            yield _Changes("complement", 1 - others, lambda k: _rest(quantities[k]))
        else:
            with np.errstate(all="ignore"):
                quotients = value / others
            yield _Changes("quotient", quotients, lambda k: Call("/", (node, quantities[k])))
            yield _Changes("another", self._terms, self.parts.__getitem__)
        yield _Changes("weighted term", value + self._terms, lambda k: Call("+", (node, self.parts[k])))
        yield _Changes("factor", value * self._terms, lambda k: _product(node, self.parts[k]))

    swaps: list[tuple[str, dict[Tree, Tree]]] = []  # noqa: RUF012, what is taken for another together
    scales: tuple[float, ...] = ()  # numbers that a mean may divide by, or a sum may lack

    def _operators(self, node: Call) -> Iterator[_Changes]:
        match node:
            case Call("^", (Call("neg", (inner,)), power)):
                value = np.asarray(self._evaluate(Call("neg", (Call("^", (inner, power)),)), {}))
                yield _Changes("minus square", value[None], lambda k: Call("neg", (Call("^", (inner, power)),)))
            case Call("*", (Call("*", (rest, q)), Call("-", (Num(1), again)))) if q == again:
                yield _Changes("local factor", np.asarray(self._evaluate(rest, {}))[None], lambda k: rest)
            case Call("LOG" | "LOG10", (inner,)):
                value = np.asarray(self._evaluate(Call("LN", (inner,)), {}))
                yield _Changes("logarithm", value[None], lambda k: Call("LN", (inner,)))
            case Call("AVERAGE" | "SUM" | "MAX" | "MIN" as name, args):
                other = Call({"AVERAGE": "SUM", "SUM": "AVERAGE", "MAX": "MIN", "MIN": "MAX"}[name], args)
                value = np.asarray(self._evaluate(other, {}))
                how = "average" if name in ("AVERAGE", "SUM") else "operator"
                yield _Changes(how, value[None], lambda k: other)
        if node.name not in ("+", "-", "*", "/") or all(isinstance(arg, Num) for arg in node.args):
            return
        left, right = (np.asarray(self._evaluate(arg, {})) for arg in node.args)
        with np.errstate(all="ignore"):
            results = {"+": left + right, "-": left - right, "*": left * right, "/": left / right}
        for sign in results:
            if sign != node.name:
                yield _Changes(
                    _operator(node.name, sign),
                    results[sign][None],
                    lambda k, sign=sign: Call(sign, node.args),  # type: ignore[misc]
                )
        if node.name in ("+", "-"):
            yield _Changes("sign", (right - left)[None], lambda k: Call("-", (node.args[1], node.args[0])))
        yield _Changes("power", (results[node.name] ** 2)[None], lambda k: Call("^", (node, Num(2))))
        how = "extra factor" if node.name in ("*", "/") else "extra term"
        yield _Changes(how, np.array([left, right]), lambda k: node.args[k])

    # Parentheses: one pair more, or one pair elsewhere.

    def parentheses(self, tree: Tree) -> Iterator[Repair]:
        for form, how in bracketed(to_tokens(tree)):
            if form != tree and self.is_right(form):
                yield Repair(form, (Edit(how, tree, form),))

    # Two changes, of which the first is one that people make throughout a formula.

    def double(self, tree: Tree, rank: Callable[[Tree, Tree], int]) -> Iterator[Repair]:
        """`rank` says how likely people take one leaf for another: 0 is likeliest, 3 is not to be tried."""
        first = sorted(self._throughout(tree, rank), key=lambda one: one[0])
        for likely, edit, changed in first[:_MOST_FIRST]:
            for repair in self._by_one_change(changed):
                yield Repair(repair.tree, (edit, *repair.edits))
            for repair in self.parentheses(changed) if likely == 0 else ():
                yield Repair(repair.tree, (edit, *repair.edits))

    def _throughout(self, tree: Tree, rank: Callable[[Tree, Tree], int]) -> Iterator[tuple[int, Edit, Tree]]:
        places: dict[Tree, list[Path]] = {}
        likes: dict[tuple[str, ...], list[Path]] = {}
        for path in list(paths(tree))[:MOST_NODES]:
            node = node_at(tree, path)
            if not isinstance(node, (Call, Num)):
                places.setdefault(node, []).append(path)
            elif isinstance(node, Call) and len(node.args) == 2 and not any(isinstance(arg, Call) for arg in node.args):
                likes.setdefault(
                    (node.name, *("leaf" if isinstance(arg, Lane) else "" for arg in node.args)), []
                ).append(path)
        for (name, *_), where in likes.items():
            for sign in ("+", "-", "*"):
                if name in ("+", "-", "*", "/") and sign != name:
                    changed = tree
                    for path in where:
                        old = node_at(changed, path)
                        assert isinstance(old, Call)
                        changed = replaced(changed, [path], Call(sign, old.args))
                    before = node_at(tree, where[0])
                    yield 1, Edit(_operator(name, sign), before, node_at(changed, where[0]), len(where)), changed
        for node, where in places.items():
            for one in self.quantities:
                if one != node and (likely := rank(node, one)) < 3:
                    for chosen in _choices(where) if likely < 2 else [where]:
                        if len(chosen) > 1 or len(where) == 1:
                            yield likely, Edit("reference", node, one, len(chosen)), replaced(tree, chosen, one)


def _quick(tree: Tree, number: Callable[[Tree], float]) -> float | None:
    """The value at one point where the tree is arithmetic; None where it is more."""
    if isinstance(tree, Num):
        return tree.value
    if isinstance(tree, Call):
        values = [_quick(arg, number) for arg in tree.args]
        if None in values or len(values) not in (1, 2):
            return None
        x, y = values[0], values[-1]
        assert x is not None and y is not None
        match tree.name:
            case "+":
                return x + y
            case "-":
                return x - y
            case "*":
                return x * y
            case "/":
                return x / y if y else math.nan
            case "neg":
                return -x
            case "^" if y == 2:
                return x * x
        return None
    return None if isinstance(tree, Block) else number(tree)


def _is_leaf(node: Tree) -> bool:
    """Whether a node is one cell or number, be it with a minus."""
    return not isinstance(node, Call) or (node.name == "neg" and isinstance(node.args[0], Num))


def _negated(node: Tree) -> Tree:
    return node.args[0] if isinstance(node, Call) and node.name == "neg" else Call("neg", (node,))


def _rest(leaf: Tree) -> Call:
    return Call("-", (Num(1), leaf))


def _mask(leaf: Tree) -> Call:
    return Call("IF", (Call(">", (leaf, Num(0))), Num(1), Num(0)))


def _choices(where: list[Path]) -> Iterator[list[Path]]:
    """Each place alone, all places, and some side by side, as in a*(1-a)."""
    for path in where:
        yield [path]
    if len(where) > 1:
        yield where
    for length in range(2, min(len(where), _MOST_RUN + 1)):
        for start in range(len(where) - length + 1):
            yield where[start : start + length]


def _operator(before: str, after: str) -> str:
    return "operator+-" if {before, after} == {"+", "-"} else "operator"


def _product(node: Tree, factor: Tree) -> Call:
    return Call("*", (node, factor))
