"""Compare every formula of a table with what its own precedents imply, in the world where these are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from xlbackprop.audit.binding import BoundTable
from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Fixed, Lane, Num, Outside, Tree, leaves
from xlbackprop.audit.network import Network, Variable
from xlbackprop.audit.world import World, lane_values, meanings

RELATIVE = 1e-9
ABSOLUTE = 1e-13  # of 1 and of the largest: what is 0 but for rounding; quantities of the world are about 1

_A_FEW = 4  # steps at which what a helper should hold is tried

Steps = list[int]


def agree(found: Array, right: Array) -> Array:
    """Where two arrays hold the same numbers."""
    size = np.abs(right)
    largest = size.max() if size.size else 0.0
    return np.abs(found - right) <= RELATIVE * size + ABSOLUTE * (1.0 + largest)  # nan agrees with nothing


@dataclass
class Comparison:
    """`wrong[lane]`: for each formula that is wrong, the steps at which it is."""

    network: Network
    world: World
    wrong: dict[int, dict[Tree, Steps]] = field(default_factory=dict)
    spoiled: dict[int, set[int]] = field(default_factory=dict)  # by a wrong helper: its lane, and the lanes that use it
    means: dict[int, str] = field(default_factory=dict)  # of a helper
    unknown: dict[tuple[int, int], str] = field(default_factory=dict)  # functions that we do not know, by lane and step

    @property
    def count(self) -> float:
        """How many lanes are wrong, a lane in part counted in part."""
        return sum(
            sum(len(steps) for steps in groups.values()) / max(1, self.world.steps) for groups in self.wrong.values()
        )


class Comparing:
    def __init__(self, bound: BoundTable, network: Network, actual: Callable[[Tree], float]) -> None:
        self.bound, self.network, self._actual = bound, network, actual
        self.world = World(network, bound.steps)
        self.right = lane_values(self.world)
        self._helpers: dict[int, Array] = {}
        self._evaluating: set[int] = set()
        self.result = Comparison(network, self.world)

    def run(self) -> Comparison:
        for lane in list(self.right):
            groups = {} if self.is_given(lane) else self.bound.groups(lane)
            right = self.expected(lane) if groups else None
            for form, steps in groups.items():
                self._compare(lane, form, steps, right)
        return self.result

    def is_given(self, lane: int) -> bool:
        """Whether a lane is an input or a target, typed or copied from the row above."""
        network = self.network
        given = {*network.inputs.values(), *(one.target for one in network.outputs), network.rate}
        given |= {one.variable for one in network.parameters.values() if not one.trained}
        return Lane(lane) in given

    def expected(self, lane: int) -> Array:
        """What a lane's formulas should give: for a parameter what the update of the step before implies."""
        right = self.right[lane]
        for parameter in self.network.parameters.values():
            if parameter.variable == Lane(lane):
                after = self.world.next_value(parameter.name)
                return np.concatenate([right[:, :1], after[:, :-1]], axis=1)
        return right

    def _compare(self, lane: int, form: Tree, steps: Steps, right: Array) -> None:
        if self._is_parameter(lane):
            steps = [step for step in steps if step > 0]  # the first value is where training starts
            if not steps:
                return
        try:
            found = self.value(form, steps)
        except UnknownFunction as unknown:
            self.result.unknown.update({(lane, step): str(unknown) for step in steps})
            return
        good = agree(found, right[:, steps]).all(axis=0)
        if good.all():
            return
        bad = [step for step, ok in zip(steps, np.broadcast_to(good, len(steps))) if not ok]
        if not self._depends_on_step(form):
            bad = steps  # a formula is wrong where it gives the right number by luck, too
        self.result.wrong.setdefault(lane, {})[form] = bad

    def _depends_on_step(self, form: Tree) -> bool:
        """Whether a formula may be right at some steps and wrong at others."""
        found = list(leaves(form))
        return any(isinstance(leaf, Fixed) for leaf in found) or bool(self._helpers_of(form))

    def _is_parameter(self, lane: int) -> bool:
        return any(one.variable == Lane(lane) for one in self.network.parameters.values())

    # Values of formulas in the world.

    def value(self, form: Tree, steps: Steps) -> Array:
        """The formula's value at these steps, (draws, steps). Raises UnknownFunction."""
        index = np.array(steps)

        def look(leaf: Tree) -> Array:
            match leaf:
                case Lane(lane, offset):
                    return self._shifted(self.lane_values(lane), index + offset)
                case Fixed(lane, step):
                    return self.lane_values(lane)[:, [step]]
                case Outside():
                    return self.outside(leaf)
            return np.full((1, 1), np.nan)

        found = evaluate(form, look)
        wide = (self.world.draws, len(steps))
        return found if found.shape == wide else np.broadcast_to(found, wide)

    def _shifted(self, values: Array, at: Array) -> Array:
        """The values at these steps; beyond the table stand blanks, which count as 0."""
        inside = (at >= 0) & (at < self.bound.steps)
        if inside.all():
            return values[:, at]
        return np.where(inside, values[:, np.clip(at, 0, self.bound.steps - 1)], 0.0)

    def outside(self, leaf: Variable) -> Array:
        """A cell outside the table, (draws, 1): drawn where the network knows it, else as it stands."""
        drawn = self.world.given.get(leaf)
        if drawn is None:
            value = leaf.value if isinstance(leaf, Num) else self._actual(leaf)
            drawn = np.full((self.world.draws, 1), value)
        return drawn

    def lane_values(self, lane: int) -> Array:
        """What a lane holds in the world, (draws, steps): the right values, or what its formulas make of them."""
        if lane in self.right:
            return self.right[lane]
        if lane not in self._helpers:
            self._helpers[lane] = self._helper(lane)
        return self._helpers[lane]

    def _helper(self, lane: int) -> Array:
        """A column of no known meaning, as its own formulas make it of right precedents."""
        values = np.full((self.world.draws, self.bound.steps), np.nan)
        if lane in self._evaluating:  # circular
            return values
        self._evaluating.add(lane)
        for step, content in enumerate(self.bound.contents[lane]):
            if isinstance(content, float):
                values[:, step] = content
            elif content is None:
                values[:, step] = 0.0
        for form, steps in self.bound.groups(lane).items():
            try:
                values[:, steps] = self.value(form, steps)
            except UnknownFunction as unknown:
                self.result.unknown.update({(lane, step): str(unknown) for step in steps})
        self._evaluating.discard(lane)
        return values

    # A wrong helper: its users' formulas are right once it holds what they need.

    def blame_helpers(self) -> None:
        """Take the blame from cells that are right once a helper is, and give it to the helper."""
        if not self.result.wrong or not self.network.helpers:
            return
        users = self._users()
        known = meanings(self.world)
        natural = {name: value for name, value in known.items() if name[0] != "-" or name[1] == "t"}
        order = self._in_order()
        for helper in sorted(order, key=lambda one: self._holds(one, natural)):
            # A wrong helper makes all its users wrong: one that is right speaks for it.
            waiting = users[helper] if users[helper] <= set(self.result.wrong) else set()
            found = self._meaning(helper, waiting, known) if waiting else None
            if found is None:
                continue
            name, cured = found
            for lane in cured:
                del self.result.wrong[lane]
            self.right[helper] = known[name]
            self._helpers.clear()
            self.result.means[helper] = name
            self.result.spoiled[helper] = cured
            for form, steps in self.bound.groups(helper).items():
                self._compare(helper, form, steps, known[name])

    def _holds(self, helper: int, known: dict[str, Array]) -> bool:
        """Whether a helper holds one of these as it stands: then it is less likely to be the wrong one."""
        own = self.lane_values(helper)
        return any(agree(own, value).all() for value in known.values())

    def _users(self) -> dict[int, set[int]]:
        """For each helper the quantities that use it, themselves or through other helpers."""
        users: dict[int, set[int]] = {helper: set() for helper in self.network.helpers}
        for lane in self.right:
            for helper in self.used_by(lane).intersection(users):
                users[helper].add(lane)
        return users

    def used_by(self, lane: int) -> set[int]:
        """The lanes that a lane's formulas use, themselves or through helpers."""
        waiting, seen = [lane], set[int]()
        while waiting:
            for form in self.bound.groups(waiting.pop()):
                new = {leaf.lane for leaf in leaves(form) if isinstance(leaf, (Lane, Fixed))} - seen
                seen |= new
                waiting += new & set(self.network.helpers)
        return seen

    def _in_order(self) -> list[int]:
        """Helpers, each after those that it uses."""
        order: list[int] = []

        def place(helper: int, above: frozenset[int]) -> None:
            if helper in order or helper in above:
                return
            for form in self.bound.groups(helper):
                for used in self._helpers_of(form):
                    place(used, above | {helper})
            order.append(helper)

        for helper in self.network.helpers:
            place(helper, frozenset())
        return order

    def _helpers_of(self, form: Tree) -> set[int]:
        found = {leaf.lane for leaf in leaves(form) if isinstance(leaf, (Lane, Fixed))}
        return found & set(self.network.helpers)

    def _meaning(self, helper: int, waiting: set[int], known: dict[str, Array]) -> tuple[str, set[int]] | None:
        """What the helper should hold so that its users are right: the meaning that cures the most of them."""
        best: tuple[str, set[int]] | None = None
        own = self.lane_values(helper)
        label = self.bound.table.columns[helper].read.quantity
        for name, right in known.items():
            if agree(own, right).all():
                continue
            self.right[helper], before = right, self._helpers
            self._helpers = {}
            try:
                cured = {lane for lane in waiting if self._is_right(lane, self.result.wrong[lane])}
                if cured and (best is None or (len(cured), name == label) > (len(best[1]), best[0] == label)):
                    best = name, cured
            finally:
                del self.right[helper]
                self._helpers = before
        return best

    def _is_right(self, lane: int, groups: dict[Tree, Steps]) -> bool:
        """Whether formulas are right, at a few of their steps."""
        expected = self.expected(lane)
        for form, steps in groups.items():
            late = [step for step in steps[:_A_FEW] if step > 0 or not self._is_parameter(lane)]
            if late and not agree(self.value(form, late), expected[:, late]).all():
                return False
        return True
