"""The derivation that people write beside a table: is it right, and do the cells do what it says?

Each side of an equation (equations.py) is evaluated in the world (world.py) and compared with the
quantity. What cannot be read, or may mean the numbers of the sheet, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlbackprop.audit.cells import Sheet
from xlbackprop.audit.compare import agree
from xlbackprop.audit.equations import HELPER, NEXT, RATE, Equation, Names, Partial, Unreadable, equations, readings
from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Call, Lane, Name, Num, Tree, leaves, replace_leaves
from xlbackprop.audit.report import Warning
from xlbackprop.audit.world import CONVENTIONS, World
from xlbackprop.audit.written import to_text
from xlbackprop.sheet.address import cell_name

if TYPE_CHECKING:
    from xlbackprop.audit.table_audit import TableAudit

_SHOWN = 160  # characters of a text
_MOST_HINTS = 20  # texts for which the one wrong name is looked for

WRONG, CONTRADICTS = "wrong-derivation", "text-contradicts-cell"


def text_warnings(audit: TableAudit, sheet: Sheet) -> list[Warning]:
    """What the texts of a sheet say wrongly of a table's network, and where they are right and its cells are not."""
    if not audit.network.outputs or not audit.live:  # of a typed table nobody knows what it calculates
        return []
    return _Judge(audit, sheet).warnings()


class _Judge:
    def __init__(self, audit: TableAudit, sheet: Sheet) -> None:
        self.audit, self.sheet = audit, sheet
        self.names = Names(audit.network)
        self.values = _Values(audit.comparing.world, self.names)
        labels = frozenset(column.label for column in audit.table.columns if column.label)
        self.equations = list(equations(sheet, labels))
        self._define()

    def _define(self) -> None:
        """Learn the helpers: words that one text defines. Given quantities are names for other things, too."""
        words = {one.sides[0] for one in self.equations if re.fullmatch(r"[^\W\d]\w*", one.sides[0])}
        candidates = {word for word in words if self.names.is_given(word)}
        for word in candidates:
            self.names.defined[word] = []
        for one in self.equations:
            if one.sides[0] in candidates:
                trees = self._trees(one.sides[-1])
                own = Name(HELPER + one.sides[0])
                if all(own not in leaves(tree) and any(leaves(tree)) for tree in trees):
                    known = self.names.defined[one.sides[0]]
                    known += [tree for tree in trees if tree not in known]
        for word in candidates:
            if not self.names.defined[word]:
                del self.names.defined[word]

    def _trees(self, side: str) -> list[Tree]:
        try:
            return readings(side, self.names)
        except Unreadable:
            return []

    def warnings(self) -> list[Warning]:
        judged = [found for one in self.equations if (found := self._judged(one)) is not None]
        wrong = [found for found in judged if found.wrong is not None]
        if sum(_is_sum(found.quantity) for found in wrong) > 1:  # they tell of another network
            wrong = [found for found in wrong if not isinstance(found.quantity, Partial)]
        result = [self._warning(found, k < _MOST_HINTS) for k, found in enumerate(wrong)]
        said = {self._lane(found.quantity) for found in wrong}
        for found in sorted(judged, key=lambda one: not one.worked_out):
            lane = self._lane(found.quantity)
            if found.wrong is None and lane is not None and lane not in said and (cells := self._wrong_cells(lane)):
                said.add(lane)
                where = cell_name(*found.text.place)
                name = self.audit.roles.quantity(lane, self.audit.comparing.result.means.get(lane, ""))
                says = f"the written derivation of {name} ({where}) is right; the cells {cells} do something else"
                result.append(Warning(self.sheet.name, where, CONTRADICTS, says))
        return result

    # One text.

    def _judged(self, text: Equation) -> _Judged | None:
        trees = self._trees(text.sides[0])
        if len(trees) != 1 or not _is_judged(trees[0]):
            return None
        quantity, right = trees[0], False
        worked_out = False
        for side in text.sides[1:]:
            trees = self._trees(side)
            if not trees or not any(any(leaves(tree)) for tree in trees):
                break
            if _is_update(quantity) and not all(Name(RATE) in leaves(tree) for tree in trees):
                break
            try:
                agrees = any(self._agrees(tree, quantity) for tree in trees)
            except Unreadable:
                break
            if not agrees:
                doubtful = any(_may_hold_values(tree, _is_sum(quantity)) for tree in trees)
                return None if doubtful else _Judged(text, quantity, trees[0], side)
            right = True
            worked_out = not any(isinstance(leaf, Partial) for leaf in leaves(trees[0]))
        return _Judged(text, quantity, None, "", worked_out) if right else None

    def _agrees(self, tree: Tree, quantity: Tree) -> bool:
        found = self.values.of(tree)
        return any(bool(agree(found, right).all()) for right in self._right(quantity))

    def _right(self, quantity: Tree) -> Iterator[Array]:
        """The quantity's values; of a gradient also what the table's columns hold in its place."""
        yield self.values.of(quantity)
        convention, parameters = self.audit.network.convention, self.audit.network.parameters
        if isinstance(quantity, Partial) and quantity.of == Name("E_total") and quantity.by.text in parameters:
            yield CONVENTIONS[convention](self.values.world, quantity.by.text)

    # What is said of it.

    def _warning(self, found: _Judged, hint: bool) -> Warning:
        what = "the derivative" if isinstance(found.quantity, Partial) else "what the table calculates"
        side = found.side if len(found.side) <= _SHOWN else f"{found.side[:_SHOWN]}..."
        says = f"says {found.text.sides[0]} = {' '.join(side.split())}, which is not {what}"
        lane = self._lane(found.quantity)
        if cure := (self._cure(found) if hint else "") or self._right_text(lane):
            says += f"; {cure}"
        if lane is not None:
            cells = self._wrong_cells(lane)
            says += f"; its cells {cells} are wrong too" if cells else "; the formulas of its cells are right"
        return Warning(self.sheet.name, cell_name(*found.text.place), WRONG, says)

    def _cure(self, found: _Judged) -> str:
        """The one name that makes the text right, where one does."""
        assert found.wrong is not None
        written = [leaf for leaf in leaves(found.wrong) if isinstance(leaf, Name)]
        known = [Name(name) for name in self.audit.comparing.world.forward()]
        for k, old in enumerate(written):
            for new in known:
                if new == old or new.text[0] != old.text[0]:
                    continue
                count = iter(range(len(written)))
                tree = replace_leaves(
                    found.wrong,
                    lambda leaf: (new if next(count) == k else leaf) if isinstance(leaf, Name) else leaf,  # noqa: B023
                )
                if self._agrees(tree, found.quantity):
                    many = written.count(old) > 1
                    which = f"{_ordinal(written[: k + 1].count(old))} {_shown(old)}" if many else _shown(old)
                    return f"with {_shown(new)} for its {which} it is right"
        return ""

    def _right_text(self, lane: int | None) -> str:
        formula = None if lane is None else self.audit.formulas.get(lane)
        if formula is None or not all(self.audit.roles.name(leaf) for leaf in leaves(formula)):
            return ""
        return f"right is {to_text(formula, self.audit.roles.name)}"

    def _lane(self, quantity: Tree) -> int | None:
        """The table's lane that holds a quantity."""
        network, means = self.audit.network, self.audit.comparing.result.means
        lanes: dict[object, int | None] = {Name("E_total"): network.total}
        for unit in network.units.values():
            lanes |= {Name(f"z_{unit.name}"): unit.z, Name(f"a_{unit.name}"): unit.a}
        for k, output in enumerate(network.outputs):
            lanes[Name(f"E{k + 1}")] = output.error
        for one in network.parameters.values():
            lanes[Partial(Name("E_total"), Name(one.name))] = one.gradient
            here = one.variable.lane if isinstance(one.variable, Lane) else None
            lanes[Name(NEXT + one.name)] = here if one.updated is None else one.updated
        for lane, name in means.items():
            letter, _, of = name.removeprefix("dE/d").partition("_") if "delta" not in name else ("z", "", name[6:])
            lanes.setdefault(Partial(Name("E_total"), Name(f"{letter}_{of}")), lane)
        return lanes.get(quantity)

    def _wrong_cells(self, lane: int) -> str:
        groups = self.audit.comparing.result.wrong.get(lane, {})
        steps = sorted({step for group in groups.values() for step in group})
        return self.audit.places.range(lane, steps) if steps else ""


@dataclass(frozen=True)
class _Judged:
    text: Equation
    quantity: Tree
    wrong: Tree | None  # the first side that is; None: all that can be read are right
    side: str = ""
    worked_out: bool = False  # down to quantities of the forward pass


def _is_judged(quantity: Tree) -> bool:
    """Whether the network says what a quantity is: not an input, a helper, or an expression."""
    return isinstance(quantity, Partial) or (
        isinstance(quantity, Name) and quantity.text.startswith(("a_", "z_", "E", NEXT))
    )


def _is_sum(quantity: Tree) -> bool:
    return isinstance(quantity, Name) and quantity.text.startswith("z_")


def _is_update(quantity: Tree) -> bool:
    return isinstance(quantity, Name) and quantity.text.startswith(NEXT)


def _may_hold_values(tree: Tree, in_sum: bool) -> bool:
    """Whether a number may stand for an input's or a target's: `a_o1 - 1`, `... * 0.05`, and any in h1 = ...."""
    if isinstance(tree, Num):
        return in_sum or tree.value not in (0, 0.5, 1, 2)
    if not isinstance(tree, Call):
        return False
    if tree.name in ("-", "*") and isinstance(tree.args[1], Num):
        return True
    return any(_may_hold_values(arg, in_sum) for arg in tree.args)


def _shown(name: Name) -> str:
    return name.text.removeprefix("z_").removeprefix(HELPER)


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


# Evaluating.


class _Values:
    """Values of trees in a world."""

    def __init__(self, world: World, names: Names) -> None:
        self.world, self._names = world, names
        self._moved: dict[str, dict[str, Array]] = {}
        self._depth = 0

    def of(self, tree: Tree) -> Array:
        """(draws, steps). Raises Unreadable."""
        found = np.real(self._value(tree, ""))
        return np.broadcast_to(found, (self.world.draws, self.world.steps))

    def _value(self, tree: Tree, moved: str) -> Array:
        try:
            return evaluate(tree, lambda leaf: self._leaf(leaf, moved))
        except UnknownFunction:
            raise Unreadable from None

    def _leaf(self, leaf: Tree, moved: str) -> Array:
        if isinstance(leaf, Partial):
            if moved:
                raise Unreadable
            value = self._value(leaf.of, leaf.by.text)
            return np.imag(value) / np.imag(self._forward(leaf.by.text)[leaf.by.text])
        assert isinstance(leaf, Name)
        if leaf.text.startswith(HELPER):
            return self._helper(leaf.text.removeprefix(HELPER), moved)
        if leaf.text == RATE:
            return self.world.rate()
        if leaf.text.startswith(NEXT):
            return self.world.next_value(leaf.text.removeprefix(NEXT))
        return self._forward(moved)[leaf.text]

    def _helper(self, word: str, moved: str) -> Array:
        trees = self._names.defined.get(word, [])
        if len(trees) != 1 or self._depth > 5:  # defined twice, or by itself
            raise Unreadable
        self._depth += 1
        try:
            return self._value(trees[0], moved)
        finally:
            self._depth -= 1

    def _forward(self, moved: str) -> dict[str, Array]:
        if moved not in self._moved:
            self._moved[moved] = self.world.forward(moved)
        return self._moved[moved]
