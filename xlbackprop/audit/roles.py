"""What each leaf of a formula is to the network, and what it is called."""

from __future__ import annotations

from xlbackprop.audit.formula import Fixed, Lane, Num, Outside, Tree
from xlbackprop.audit.network import Network, Variable
from xlbackprop.audit.tables import Table


class Roles:
    def __init__(self, network: Network, table: Table) -> None:
        self.network, self._table = network, table
        self._labels = [column.label for column in table.columns]
        self._known: dict[Variable, tuple[str, str]] = {}  # role and canonical name
        outputs = {one.unit for one in network.outputs}
        for name, variable in network.inputs.items():
            self._known[variable] = ("input", name)
        for output in network.outputs:
            self._known[output.target] = ("target", output.name)
        biases = {unit.bias for unit in network.units.values()}
        for one in network.parameters.values():
            self._known[one.variable] = ("bias" if one.variable in biases else "weight", one.name)
            self._add(one.gradient, "gradient", f"dE/d{one.name}")
            self._add(one.updated, "updated", f"update {one.name}")
        for unit in network.units.values():
            self._add(unit.z, "pre-activation", unit.name)
            self._add(unit.a, "output" if unit.name in outputs else "activation", f"a_{unit.name}")
        for k, output in enumerate(network.outputs):
            self._add(output.error, "error", f"E{k + 1}")
        self._add(network.total, "total error", "E_total")
        if network.rate is not None:
            self._known[network.rate] = ("rate", "the learning rate")

    def _add(self, lane: int | None, role: str, name: str) -> None:
        if lane is not None:
            self._known[Lane(lane)] = (role, name)

    def role(self, leaf: Tree) -> str:
        if isinstance(leaf, Num) and leaf not in self._known:
            return "number"
        return self._known.get(_here(leaf), ("helper" if isinstance(leaf, (Lane, Fixed)) else "other", ""))[0]

    def name(self, leaf: Tree) -> str:
        """Its canonical name; for a helper its label."""
        known = self._known.get(_here(leaf))
        if known is not None:
            return known[1]
        if isinstance(leaf, (Lane, Fixed)):
            return self._labels[leaf.lane].strip()
        return f"{leaf.value:.15g}" if isinstance(leaf, Num) else ""

    def of_lane(self, lane: int) -> str:
        """The role of a lane's cells; of a weight that is updated, `update`."""
        role = self.role(Lane(lane))
        if role == "total error" and len(self.network.outputs) == 1:
            return "error"
        return "update" if role in ("weight", "bias", "updated") else role

    def quantity(self, lane: int, means: str = "") -> str:
        """The canonical name of what a lane's formulas calculate."""
        role, name = self._known.get(Lane(lane), ("helper", ""))
        if role in ("weight", "bias"):
            return f"update {name}"
        return name or means or self._labels[lane].strip()

    def around(self, before: Tree, after: Tree) -> tuple[list[str], list[str]]:
        """The roles of what stood in a place, and of what belongs there, with how its row differs."""
        befores, afters = [self.role(before)], [self.role(after)]
        if isinstance(before, Num) and before.value in (0, 0.5, 1, 2):
            befores.append("usual number")
        if isinstance(before, Fixed):
            befores.append("fixed")
        if isinstance(before, Lane) and isinstance(after, Lane) and before.lane == after.lane:
            befores.append("same elsewhere")
            if before.offset == after.offset + 1 and befores[0] in ("weight", "bias"):
                befores.append("weight later")
        if isinstance(before, Outside) and isinstance(after, Lane) and self.is_beyond(before, after.lane):
            befores.append("same elsewhere")
        return befores, afters

    def is_beyond(self, cell: Outside, lane: int) -> bool:
        """Whether a cell outside the table stands in a lane's column, above its first step or below its last."""
        row, column = self._table.columns[lane].places[0]
        inline = cell.column == column if self._table.vertical else cell.row == row
        return cell.sheet == self._table.sheet and inline and self._table.steps > 1


def _here(leaf: Tree) -> Variable:
    if isinstance(leaf, (Lane, Fixed)):
        return Lane(leaf.lane)
    return leaf  # type: ignore[return-value]
