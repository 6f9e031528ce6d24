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


WIDTH = 80  # columns of a terminal


def _aligned(table: Table) -> str:
    """A line for each row where it fits; what does not stands below, in its column or folded."""
    first, *others = ([len(text) for text in column] for column in zip(*table))
    starts = [0, max(first) + 2]
    for column in others[:-1]:  # a few long texts do not push the others to the right
        starts.append(starts[-1] + sorted(column)[int(len(column) * 0.8)] + 2)
    return "\n".join(line for row in table for line in _lines(row, starts))


def _lines(row: tuple[str, ...], starts: list[int]) -> Iterator[str]:
    line = ""
    for text, start in zip(row, starts):
        at = start
        if len(line) > max(0, start - 2) or (line and start + len(text) > WIDTH):
            yield line
            line, at = "", min(start, max(starts[1], WIDTH - len(text)))
        *full, line = _folded(f"{line:{at}}{text}", starts[1])
        yield from full
    yield line


def _folded(line: str, indent: int) -> list[str]:
    """The line in pieces of at most WIDTH, cut behind an operator or a blank."""
    pieces = []
    while len(line) > WIDTH:
        cut = max(line.rfind(mark, 0, WIDTH) for mark in " +*,;") + 1 or WIDTH
        pieces.append(line[:cut].rstrip())
        line = " " * indent + line[cut:].lstrip()
    return [*pieces, line]


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
