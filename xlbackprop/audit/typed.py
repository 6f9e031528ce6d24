"""Tables that are not live: whether typed numbers are what their own rows imply, as far as their digits tell."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from xlbackprop.audit.formula import Lane, Tree, leaves, replace_leaves
from xlbackprop.audit.report import Warning

if TYPE_CHECKING:
    from xlbackprop.audit.table_audit import TableAudit

_LOOKED_AT = 8  # rows of a column, evenly spread


def decimals(number: float) -> int:
    """How many decimals a number was typed with."""
    return len(np.format_float_positional(number, trim="-").partition(".")[2])


def not_live(audit: TableAudit) -> Warning:
    """What a table of typed numbers holds."""
    lanes = _typed(audit)
    if not lanes:
        says = "has no formulas, and its calculated columns are blank"
        return Warning(audit.table.sheet, audit.range, "not-live", says)
    counts = Counter(decimals(one) for lane in lanes for one in _numbers(audit, lane))
    says = (
        f"{len(lanes)} calculated columns are typed constants, rounded to {counts.most_common(1)[0][0]} decimals; "
        "nothing follows from the inputs"
    )
    wrong = [lane for lane in lanes if (form := audit.formulas.get(lane)) is not None and _differs(audit, lane, form)]
    if wrong:
        names = ", ".join(audit.roles.quantity(lane) for lane in wrong)
        says += f"; {names} do not hold what their own rows imply"
        if (neuron := _wrong_neuron(audit, wrong)) is not None:
            says += f", but what {neuron} gives"
    return Warning(audit.table.sheet, audit.range, "not-live", says)


def _typed(audit: TableAudit) -> list[int]:
    """Calculated lanes, and weights that change from row to row, without a formula."""
    known = set(audit.formulas)
    known |= {one.variable.lane for one in audit.network.parameters.values() if isinstance(one.variable, Lane)}
    return [lane for lane in sorted(known) if not audit.bound.groups(lane) and _varies(audit, lane)]


def _varies(audit: TableAudit, lane: int) -> bool:
    numbers = _numbers(audit, lane)
    return len(set(numbers)) > 1 or (bool(numbers) and lane in audit.formulas)


def _numbers(audit: TableAudit, lane: int) -> list[float]:
    return [one for one in audit.bound.contents[lane] if isinstance(one, float)]


def _differs(audit: TableAudit, lane: int, form: Tree) -> bool:
    """Whether more than one of the rows looked at differs by more than the rounding of what is typed."""
    steps = [k for k, one in enumerate(audit.bound.contents[lane]) if isinstance(one, float)]
    wrong = 0
    for step in steps[:: max(1, len(steps) // _LOOKED_AT)]:
        found = audit.bound.contents[lane][step]
        assert isinstance(found, float)
        right = audit.evaluate(form, lane, step)
        wrong += not abs(found - right) <= _half(audit, lane) + _spread(audit, form, lane, step, right) + 1e-9 * abs(
            right
        )
    return wrong > 1


def _spread(audit: TableAudit, form: Tree, lane: int, step: int, right: float) -> float:
    """How far the rounding of the numbers that a formula uses may move its value."""
    spread = 0.0
    for leaf in dict.fromkeys(leaves(form)):
        if isinstance(leaf, Lane) and 0 <= step + leaf.offset < audit.table.steps:
            content = audit.bound.contents[leaf.lane][step + leaf.offset]
            if isinstance(content, float):
                moved = content + _half(audit, leaf.lane)
                spread += abs(audit.evaluate(form, lane, step, {leaf: moved}) - right)
    return spread


def _half(audit: TableAudit, lane: int) -> float:
    """Half a unit of the last decimal of a column, a little more for its own rounding; 0 of an exact input."""
    numbers = set(_numbers(audit, lane))
    usual = Counter(map(decimals, numbers)).most_common(1)
    return 0.0 if len(numbers) < 2 else 0.51 * 10.0 ** -usual[0][0]


def _wrong_neuron(audit: TableAudit, wrong: list[int]) -> str | None:
    """The commonest mistake of these sheets: another unit's derivative, of the same layer."""
    for layer in audit.network.layers[:-1]:
        activations = [unit.a for unit in layer if unit.a is not None]
        for right, other in permutations(activations, 2):

            def swapped(leaf: Tree, right: int = right, other: int = other) -> Tree:
                return Lane(other, leaf.offset) if isinstance(leaf, Lane) and leaf.lane == right else leaf

            if all(not _differs(audit, lane, replace_leaves(audit.formulas[lane], swapped)) for lane in wrong):
                return f"{audit.roles.name(Lane(other))} in place of {audit.roles.name(Lane(right))}"
    return None
