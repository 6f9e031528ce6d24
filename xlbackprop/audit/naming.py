"""Name the mistake in a wrong formula, and give the right one in the sheet's own cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, permutations, product

import numpy as np

from xlbackprop.audit.compare import Comparing, Steps, agree
from xlbackprop.audit.evaluate import Array, UnknownFunction
from xlbackprop.audit.formula import Call, Fixed, Lane, Num, Outside, Tree, leaves, replace_leaves
from xlbackprop.audit.mistakes import kind_of
from xlbackprop.audit.network import Network
from xlbackprop.audit.polynomial import polynomial
from xlbackprop.audit.repair import Edit, Repair, Search
from xlbackprop.audit.right import right_meanings
from xlbackprop.audit.roles import Roles

_POINTS = 16
_MOST_PARTS = 40
_FEW_LEAVES = 24  # of a formula that may be two slips rather than one cell that is overwritten
_CHEAP = 2.05  # an explanation that needs no look at the parentheses


@dataclass(frozen=True)
class Named:
    """A mistake of one lane: its kind, the steps that have it, what changed, and the right formula."""

    lane: int
    steps: Steps
    kind: str
    wrong: Tree
    right: Tree | None
    edits: tuple[Edit, ...] = ()
    all_kinds: tuple[str, ...] = ()
    edit_kinds: tuple[str, ...] = ()  # of each change


_LAST = ("sign", "different", "wrong-reference")  # of two kinds these are named after the other
_MOST_FORMS = 4  # of one lane that are looked at each by itself; what drifts has one for each row


class Naming:
    """`known` keeps what was named already, for the same mistake in the next table."""

    def __init__(
        self, comparing: Comparing, roles: Roles, formulas: dict[int, Tree], known: dict[object, Named] | None = None
    ) -> None:
        self.comparing, self.roles, self.formulas = comparing, roles, formulas
        self.network: Network = comparing.network
        self._known = {} if known is None else known
        self.meanings = right_meanings(comparing.network) if comparing.result.means else {}

    def all(self) -> list[Named]:
        """The mistakes of a table, each once."""
        found = []
        for lane, groups in self.comparing.result.wrong.items():
            named: list[Named] = []
            for form, steps in groups.items():
                if len(named) < _MOST_FORMS:
                    named.append(self._once(lane, form, steps))
                else:
                    named.append(replace(named[-1], steps=steps))
            found += named
        return merged(found)

    def _once(self, lane: int, form: Tree, steps: Steps) -> Named:
        sheet = self.comparing.bound.table.sheet
        key = lane, repr((form, self._own(lane), self.network)).replace(repr(sheet), "")
        if (known := self._known.get(key)) is not None:
            right = known.right and _in_sheet(known.right, sheet)
            if right is None or self._holds(lane, right, steps):
                edits = tuple(
                    replace(one, before=_in_sheet(one.before, sheet), after=_in_sheet(one.after, sheet))
                    for one in known.edits
                )
                return replace(known, steps=steps, wrong=form, right=right, edits=edits)
        self._known[key] = self.name(lane, form, steps)
        return self._known[key]

    def name(self, lane: int, form: Tree, steps: Steps) -> Named:
        """The mistake in the formula that a lane has at these steps."""
        own = self._own(lane)
        means = self.comparing.result.means.get(lane, "")
        right = own if own is not None else self.formulas.get(lane, self.meanings.get(means))
        few = right is not None and len(steps) * 3 <= self.comparing.bound.steps
        if few and self._of_another(lane, form, steps):
            return Named(lane, steps, "overwritten-cell", form, right)
        forms = len(self.comparing.result.wrong.get(lane, {}))
        found = self._best(self._search(lane, form, steps), lane, form, steps, forms, few)
        if found is None or (few and (found[0] > 2 * _CHEAP or "different" in found[1])):
            return Named(lane, steps, "overwritten-cell" if few else "different", form, right)
        _, each, repair = found
        kinds = tuple(dict.fromkeys(sorted(each, key=_LAST.__contains__)))
        return Named(lane, steps, kinds[0], form, repair.tree, repair.edits, kinds, each)

    def _of_another(self, lane: int, form: Tree, steps: Steps) -> bool:
        """Whether the formula is that of a column of another kind, filled over this one."""
        found, role = self.comparing.value(form, steps), self.roles.of_lane(lane)
        others = (
            one
            for one in self.comparing.right
            if one != lane
            and (self.roles.of_lane(one) != role or role == "update")
            and not self.comparing.is_given(one)
        )
        return any(agree(found, self.comparing.expected(one)[:, steps]).all() for one in others)

    def _own(self, lane: int) -> Tree | None:
        """The right formula that the lane itself has at other steps."""
        wrong = self.comparing.result.wrong.get(lane, {})
        groups = self.comparing.bound.groups(lane)
        good = {form: len(steps) - len(wrong.get(form, [])) for form, steps in groups.items()}
        best = max(good, key=lambda form: good[form], default=None)
        if best is None or good[best] == 0:
            return None
        usual = self.comparing.bound.form(lane)
        return best if best == usual or good[best] * 3 > sum(map(len, groups.values())) else None

    def _search(self, lane: int, form: Tree, steps: Steps) -> Search:
        comparing = self.comparing
        rows = [steps[k] for k in np.linspace(0, len(steps) - 1, min(4, len(steps))).astype(int)]
        draws = comparing.world.draws
        points = [(draw, row) for row in dict.fromkeys(rows) for draw in range(draws)][:_POINTS]
        first, index = np.array([draw for draw, _ in points]), np.array([row for _, row in points])
        right = comparing.expected(lane)[first, index]

        def look(leaf: Tree) -> Array:
            match leaf:
                case Lane(of, offset):
                    at = index + offset
                    values = comparing.lane_values(of)
                    inside = (at >= 0) & (at < comparing.bound.steps)
                    return np.where(inside, values[first, np.clip(at, 0, comparing.bound.steps - 1)], 0.0)
                case Fixed(of, step):
                    return comparing.lane_values(of)[first, step]
                case Outside() | Num():
                    drawn = comparing.outside(leaf)
                    return drawn[first % len(drawn), 0]
            return np.full(len(points), np.nan)

        search = Search(look, right, self._quantities(lane), self._parts(lane))
        count = len(self.network.outputs)
        search.scales = (float(count), 1 / count) if count > 2 else ()
        search.swaps = self._swaps()
        return search

    def _swaps(self) -> list[tuple[str, dict[Tree, Tree]]]:
        """What is taken for another together: a unit with all its quantities, all weights for the updated ones."""
        found: list[tuple[str, dict[Tree, Tree]]] = []
        for layer in self.network.layers:
            last = layer[0].layer == len(self.network.layers) - 1
            for one, other in permutations(layer, 2):
                pairs = [(one.z, other.z), (one.a, other.a)]
                swap: dict[Tree, Tree] = {Lane(x): Lane(y) for x, y in pairs if x is not None and y is not None}
                targets = {output.unit: output.target for output in self.network.outputs}
                if last and {one.name, other.name} <= set(targets):
                    swap[targets[one.name]] = targets[other.name]
                found.append(("output unit" if last else "hidden unit", swap))
        later: dict[Tree, Tree] = {}
        for parameter in self.network.parameters.values():
            if isinstance(parameter.variable, Lane):
                later[Lane(parameter.variable.lane, 1)] = parameter.variable
            if parameter.updated is not None:
                later[Lane(parameter.updated)] = parameter.variable
        return [*found, ("updated", later)]

    def _quantities(self, lane: int) -> Iterator[Tree]:
        """The leaves that may belong in a lane's formula."""
        network = self.network
        before = self.roles.of_lane(lane) == "update" and not self._is_new(lane)
        offset = -1 if before else 0
        if network.rate is not None and self.roles.of_lane(lane) in ("update", "gradient", "helper"):
            yield network.rate
        for variable in self.comparing.world.given:
            if isinstance(variable, Lane):
                if variable != network.rate:
                    yield Lane(variable.lane, offset)
            elif variable != network.rate and isinstance(variable, Outside):
                yield variable
        given = {v.lane for v in self.comparing.world.given if isinstance(v, Lane)}
        for known in self.comparing.right:
            if known not in given and known != lane:
                yield Lane(known, offset)
        for helper in self.network.helpers:
            if helper != lane and helper not in self.comparing.right and lane not in self.comparing.used_by(helper):
                yield Lane(helper, offset)

    def _paths_back(self, lane: int) -> Iterator[Tree]:
        """A helper, such as a unit's delta, times a weight that the layer below is reached by."""
        helpers = [one for one in self.network.helpers if one != lane and lane not in self.comparing.used_by(one)]
        weights = [one.variable for one in self.network.parameters.values() if isinstance(one.variable, Lane)]
        for helper, weight in islice(product(helpers, weights), _MOST_PARTS):
            yield Call("*", (Lane(helper), weight))

    def _is_new(self, lane: int) -> bool:
        return any(one.updated == lane for one in self.network.parameters.values())

    def _parts(self, lane: int) -> list[Tree]:
        """The terms and factors of the right formula that are more than one cell."""
        means = self.comparing.result.means.get(lane, "")
        right = self.formulas.get(lane, self.meanings.get(means))
        parts: dict[Tree, None] = dict.fromkeys(self._paths_back(lane))
        if right is None:
            return list(parts)

        def collect(tree: Tree) -> None:
            if isinstance(tree, Call):
                parts.setdefault(tree)
                for arg in tree.args:
                    collect(arg)

        collect(right)
        parts.pop(right, None)
        return list(parts)[:_MOST_PARTS]

    def _best(
        self, search: Search, lane: int, form: Tree, steps: Steps, forms: int, few: bool
    ) -> tuple[float, tuple[str, ...], Repair] | None:
        best: tuple[float, tuple[str, ...], Repair] | None = None
        stages: tuple[Callable[[], Iterator[Repair]], ...] = (
            lambda: search.single(form),
            lambda: search.parentheses(form),
            lambda: search.double(form, self._rank),
        )
        for stage, repairs in enumerate(stages):
            if stage == 2 and few and len(list(leaves(form))) > _FEW_LEAVES:
                break
            for repair in repairs():
                cost, kinds = self._cost(lane, form, repair, forms)
                if (best is None or cost < best[0]) and self._holds(lane, repair.tree, steps):
                    best = cost, kinds, repair
                    if stage == 2 and cost < 4:
                        return best
            if best is not None and (best[0] <= _CHEAP or (stage == 1 and best[0] < 6)):
                break
        return best

    def _rank(self, before: Tree, after: Tree) -> int:
        """How likely one leaf is taken for another: 0 for a unit's pre-activation, 3 for what nobody confuses."""
        role, other = self.roles.role(before), self.roles.role(after)
        if role == "pre-activation" and self.roles.name(after) == f"a_{self.roles.name(before)}":
            return 0
        alike = {"output": "activation", "pre-activation": "activation"}
        return 1 if role == other else 2 if alike.get(role, role) == alike.get(other, other) else 3

    def _cost(self, lane: int, form: Tree, repair: Repair, forms: int) -> tuple[float, tuple[str, ...]]:
        kinds, total = [], 0.0
        for edit in repair.edits:
            how, before, after = edit.how, edit.before, edit.after
            if how == "reference":
                befores, afters = self.roles.around(before, after)
                if after == self.network.rate and not isinstance(before, Num):
                    how = "moved" if self._moves(lane, form, before, forms) else "reference"
            elif how in ("factor", "term", "weighted term", "mask"):
                added = [leaf for leaf in leaves(after) if leaf not in set(leaves(before))]
                befores, afters = [], [self.roles.role(leaf) for leaf in added]
            else:
                inner = before.args[0] if isinstance(before, Call) and before.name == "neg" else before
                befores, afters = [self.roles.role(inner)] if not isinstance(inner, Call) else [], []
                if polynomial(inner) and "weight" in {self.roles.role(leaf) for leaf in leaves(inner)}:
                    befores = ["pre-activation"]  # in an activation that has no column of its own for it
            if how == "local factor" and self.network.activations[-1] == "softmax":
                how = "diagonal"
            if how == "constant" and isinstance(before, Num) and not _multiplies(form, before):
                how = "number"
            kind, cost = kind_of(how, befores, afters, self.roles.of_lane(lane))
            kinds.append(kind)
            total += cost + 0.01 * (edit.times - 1)
        return total + (0.5 if len(kinds) > 1 else 0.0), tuple(kinds)

    def _moves(self, lane: int, form: Tree, before: Tree, forms: int) -> bool:
        """Whether the reference to the rate goes with the rows: it points elsewhere at other steps."""
        rate = self.network.rate
        if isinstance(before, Lane) and isinstance(rate, Outside) and forms == 1:
            return self.roles.is_beyond(rate, before.lane)
        if isinstance(before, Lane) or forms > 1:
            return True
        groups = self.comparing.bound.groups(lane)
        return any(one != form and self.network.rate in set(leaves(one)) for one in groups if isinstance(one, Call))

    def _holds(self, lane: int, tree: Tree, steps: Steps) -> bool:
        """Whether the repaired formula is right at every step that had the wrong one."""
        offsets = [leaf.offset for leaf in leaves(tree) if isinstance(leaf, Lane)]
        if any(not 0 <= step + offset < self.comparing.bound.steps for offset in set(offsets) for step in steps):
            return False
        try:
            found = self.comparing.value(tree, steps)
        except UnknownFunction:
            return False
        return bool(agree(found, self.comparing.expected(lane)[:, steps]).all())


def _multiplies(tree: Tree, number: Num) -> bool:
    """Whether a number of a formula stands in a product or a quotient."""
    if not isinstance(tree, Call):
        return False
    here = tree.name in ("*", "/") and number in tree.args
    return here or any(_multiplies(arg, number) for arg in tree.args)


def _in_sheet(tree: Tree, sheet: str) -> Tree:
    """The tree with its cells outside the table in this sheet, where its table has the same layout."""
    return replace_leaves(tree, lambda leaf: replace(leaf, sheet=sheet) if isinstance(leaf, Outside) else leaf)


# Names for a reference that points elsewhere as the rows go on; at the table's ends it may point out of it.
_MOVED = (
    "row-offset",
    "updated-weights",
    "frozen-reference",
    "drifting-rate",
    "wrong-rate",
    "fed-wrong",
    "wrong-reference",
)


def merged(found: list[Named]) -> list[Named]:
    """One mistake for what has the same name and the same right formula in a lane."""
    result: dict[object, Named] = {}
    for one in found:
        key = (one.lane, "moved" if one.kind in _MOVED else one.kind, one.right)
        known = result.get(key)
        if known is None:
            result[key] = one
        else:
            most = known if len(known.steps) >= len(one.steps) else one
            result[key] = replace(most, steps=sorted({*known.steps, *one.steps}))
    return sorted(result.values(), key=lambda one: (one.lane, one.steps[0]))
