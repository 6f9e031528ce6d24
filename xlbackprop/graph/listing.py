"""The tables of operations, layers, losses and optimisers, for `xlbackprop ops` and the README."""

from __future__ import annotations

from collections.abc import Iterator

from xlbackprop.graph.layers import LAYERS
from xlbackprop.graph.losses import LOSSES
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.optimizers import OPTIMIZERS

Table = tuple[tuple[str, ...], ...]  # the header, then the rows

# What stands for the arguments of an operation, where x and y do not say it.
_ARGUMENTS = {"activation": "z", "form": "zn", "loss": ("t", "a", "lse"), "batch": "x", "lookup": "xn"}


def tables() -> dict[str, Table]:
    """Title and table of each vocabulary that a network file draws on."""
    return {
        "operations": (("operation", "kind", "worksheet", "derivative by each argument"), *_operations()),
        "layers": (
            ("layer", "forward", "backward"),
            *((_word(kind), row.forward, row.backward) for kind, row in LAYERS.items()),
        ),
        "losses": (("loss", "of one output", "derivative by the output", "total"), *_losses()),
        "optimisers": (
            ("optimiser", "what it keeps of each weight", "the new weight"),
            *((_word(kind), row.state, row.update) for kind, row in OPTIMIZERS.items()),
        ),
    }


def ops() -> str:
    """The tables as text, a line for each row, its cells below each other."""
    return "\n\n".join(f"{title.upper()}\n{_aligned(table)}" for title, table in tables().items())


def _aligned(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table)]
    return "\n".join("  ".join(f"{text:{width}}" for text, width in zip(line, widths)).rstrip() for line in table)


def _word(kind: type[object]) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]


def _operations() -> Iterator[tuple[str, ...]]:
    for row in OPS.values():
        if row.kind != "loss":
            names = _ARGUMENTS.get(row.kind, "xy")
            worksheet = row.worksheet.format(*names, args="x1,x2,...")
            yield row.symbol, row.kind, worksheet, row.derivative or "not differentiated"


def _losses() -> Iterator[tuple[str, ...]]:
    for name, loss in LOSSES.items():
        if not loss.symbol:
            yield name, "a", "1", "sum"
            continue
        row = OPS[loss.symbol]
        worksheet = row.worksheet.format(*_ARGUMENTS["loss"])
        yield name, worksheet, row.derivative.split(", ")[1], "mean" if loss.mean else "sum"
