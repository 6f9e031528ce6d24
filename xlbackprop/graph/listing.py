"""The table of operations as text, for `xlbackprop ops`."""

from __future__ import annotations

from xlbackprop.graph.ops import OPS

_ARGUMENTS = {"sigmoid": "z", "tanh": "z", "relu": "z", "identity": "z", "half squared error": "ta"}


def ops() -> str:
    """A line for each operation: its symbol, its worksheet formula, its local derivatives."""
    rows = [("operation", "worksheet", "derivative by each argument")]
    for row in OPS.values():
        names = _ARGUMENTS.get(row.symbol, "xy")
        rows.append((row.symbol, row.worksheet.format(*names), row.derivative))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(f"{text:{width}}" for text, width in zip(line, widths)).rstrip() for line in rows)
