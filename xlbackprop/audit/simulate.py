"""Train a table's network once more, with the numbers that its first step starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xlbackprop.audit.formula import Lane
from xlbackprop.audit.network import Variable
from xlbackprop.audit.world import World

if TYPE_CHECKING:
    from xlbackprop.audit.table_audit import TableAudit

_LONGEST = 2000  # steps


def errors_at(audit: TableAudit, rates: list[float], steps: int) -> list[float] | None:
    """E_total before each of `steps` updates with a rate (of a list of one or none); None without numbers."""
    network = audit.network
    world = World(network, 1)
    for variable in world.given:
        world.given[variable] = np.full((world.draws, 1), _first(audit, variable))
    found: list[float] = []
    for _ in range(min(steps, _LONGEST)):
        world.forget()
        error = float(world.value("E_total")[0, 0])
        if not np.isfinite(error):
            return None
        found.append(error)
        if not rates:
            break
        after = {
            one.variable: world.given[one.variable] - rates[0] * world.gradient(one.name)
            for one in network.parameters.values()
            if one.trained or one.updated is not None
        }
        world.given.update(after)
    return found


def _first(audit: TableAudit, variable: Variable) -> float:
    if isinstance(variable, Lane):
        return audit.values.number(audit.table.sheet, *audit.table.columns[variable.lane].places[0])
    return audit.actual(variable)
