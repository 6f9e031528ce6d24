"""What a table's cells hold where formulas belong: typed numbers, blanks, and rows that stop being formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from xlbackprop.audit.binding import BoundTable
from xlbackprop.audit.formula import Lane, leaves
from xlbackprop.audit.network import Network
from xlbackprop.audit.roles import Roles

_MOSTLY = 0.8  # of its calculated columns typed: such a table is not live
_ENOUGH = 8  # steps after which one value that differs from all others is no second sample


@dataclass(frozen=True)
class Typed:
    """Steps of a lane that hold no formula where one belongs."""

    lane: int
    steps: list[int]
    kind: str  # of the catalogue
    first_only: bool = False  # the first row, where its value may be right


def calculated_lanes(network: Network) -> list[int]:
    """The lanes whose cells should be formulas: at every step, or from the second on for what is trained."""
    found = [lane for unit in network.units.values() for lane in (unit.z, unit.a)]
    found += [one.error for one in network.outputs] + [network.total]
    for one in network.parameters.values():
        found += [one.gradient, one.updated]
        if one.trained and isinstance(one.variable, Lane):
            found.append(one.variable.lane)
    return [lane for lane in dict.fromkeys(found) if lane is not None]


def typed_lanes(bound: BoundTable, network: Network) -> list[int]:
    """The calculated lanes without any formula."""
    return [lane for lane in calculated_lanes(network) if not bound.groups(lane) and any(_numbers(bound, lane))]


def is_live(bound: BoundTable, network: Network) -> bool:
    """Whether the table's numbers follow from its inputs at all."""
    lanes = calculated_lanes(network)
    return bool(lanes) and len(typed_lanes(bound, network)) < _MOSTLY * len(lanes) and any(map(bound.groups, lanes))


def typed_cells(bound: BoundTable, network: Network, roles: Roles) -> list[Typed]:
    """Numbers and blanks where formulas belong, in a live table."""
    found: list[Typed] = []
    whole = set(typed_lanes(bound, network))
    lanes = calculated_lanes(network)
    used = {
        leaf.lane for lane in lanes for form in bound.groups(lane) for leaf in leaves(form) if isinstance(leaf, Lane)
    }
    for lane in lanes:
        start = 1 if roles.of_lane(lane) == "update" and roles.role(Lane(lane)) != "updated" else 0
        numbers = [k for k in range(start, bound.steps) if isinstance(bound.contents[lane][k], float)]
        if lane in whole:
            if numbers:
                found.append(Typed(lane, numbers, "typed-constants"))
            continue
        found += _of_column(bound, lane, numbers, start)
    for helper in used.intersection(network.helpers):
        numbers = [k for k in range(bound.steps) if isinstance(bound.contents[helper][k], float)]
        found += [
            one for one in _of_column(bound, helper, numbers, 0) if bound.contents[helper][one.steps[0]] is not None
        ]
    return found + _odd_inputs(bound, network)


def _of_column(bound: BoundTable, lane: int, numbers: list[int], start: int) -> list[Typed]:
    contents = bound.contents[lane]
    last = bound.steps - 1
    tail: list[int] = []
    while numbers and numbers[-1] == last - len(tail):
        tail.insert(0, numbers.pop())
    if len(tail) == 1:
        numbers, tail = [*numbers, *tail], []
    found = [Typed(lane, tail, "stopped-formulas")] if tail else []
    if numbers and numbers[0] == 0 == start:
        found.append(Typed(lane, [numbers.pop(0)], "overwritten-cell", first_only=True))
    ends = max((k for k in range(bound.steps) if contents[k] is not None), default=0)
    blanks = [k for k in range(start, ends) if contents[k] is None]
    texts = [k for k in range(start, ends) if isinstance(contents[k], str) and (lane, k) not in bound.unread]
    for k in sorted([*numbers, *blanks, *texts]):
        found.append(Typed(lane, [k], "overwritten-cell"))
    return found


def _odd_inputs(bound: BoundTable, network: Network) -> list[Typed]:
    """One value amid a column of inputs or targets that are all the same."""
    found = []
    for variable in [*network.inputs.values(), *(one.target for one in network.outputs)]:
        if not isinstance(variable, Lane):
            continue
        numbers = dict(_numbered(bound, variable.lane))
        counts = Counter(numbers.values())
        if len(numbers) >= _ENOUGH and len(counts) == 2:
            odd, times = counts.most_common()[-1]
            usual = counts.most_common(1)[0][0]
            if times == 1 and abs(odd - usual) > 1e-6 * abs(usual):
                found.append(Typed(variable.lane, [k for k, one in numbers.items() if one == odd], "overwritten-cell"))
    return found


def drifting_inputs(bound: BoundTable, network: Network) -> list[int]:
    """Lanes of inputs or targets that change in their last digits only, as dragging a fill handle does."""
    found = []
    for variable in [*network.inputs.values(), *(one.target for one in network.outputs)]:
        if isinstance(variable, Lane):
            values = [value for _, value in _numbered(bound, variable.lane)]
            if len(set(values)) > 1 and max(values) - min(values) <= 1e-6 * max(map(abs, values)):
                found.append(variable.lane)
    return found


def _numbered(bound: BoundTable, lane: int) -> list[tuple[int, float]]:
    return [(k, one) for k, one in enumerate(bound.contents[lane]) if isinstance(one, float)]


def _numbers(bound: BoundTable, lane: int) -> list[bool]:
    return [isinstance(one, float) for one in bound.contents[lane]]
