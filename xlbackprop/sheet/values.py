"""The values that a new workbook carries beside its formulas, so that previews need no recalculation.

They come from the formulas' own worksheet text, run as Python over doubles, which makes a row
of a training table one compiled function of the row above. Nothing is verified against them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from xlbackprop.graph.expr import Expr, Prev, Ref
from xlbackprop.graph.program import Cell, Program
from xlbackprop.sheet.printers import worksheet

Given = Mapping[str, object]  # a number, or the list of a sample quantity's values

# A worksheet function for each that the table of operations prints.
_FUNCTIONS = {
    "EXP": math.exp,
    "TANH": math.tanh,
    "MAX": max,
    "SIGN": lambda x: (x > 0) - (x < 0),
    "MOD": lambda x, n: x - n * math.floor(x / n),
    "INDEX": lambda values, k: values[int(k) - 1],
    "__builtins__": {},
}
# What Excel shows as #NUM! or #DIV/0!
_ERRORS = (OverflowError, ZeroDivisionError, ValueError)


def table_rows(program: Program, given: Given, steps: int) -> Iterator[tuple[float, ...]]:
    """The values of each row of a training table, for step 0 to `steps`; nan where Excel shows an error."""
    cells = [cell for cell in program if cell.expr is not None]
    first, following = _Row(cells, given, first=True), _Row(cells, given, first=False)
    row = first(())
    yield row
    for _ in range(steps):
        row = following(row)
        yield row


def page_values(program: Program, given: Mapping[str, float]) -> dict[str, float]:
    """The values of a page, of which `given` holds what is picked from the shown row."""
    cells = [cell for cell in program if cell.expr is not None]
    values = _Row(cells, given, first=False)(())
    return {**given, **dict(zip((cell.name for cell in cells), values))}


class _Row:
    """All cells of a row as one function of the row above, (n_cells,) -> (n_cells,)."""

    def __init__(self, cells: Sequence[Cell], given: Given, *, first: bool) -> None:
        self.index = {cell.name: k for k, cell in enumerate(cells)}
        self.given = {f"g{k}": value for k, value in enumerate(given.values())}
        self.given_index = {name: f"g{k}" for k, name in enumerate(given)}
        self.sources = [
            self._python(cell.first if first and cell.first is not None else cell.expr or Ref(cell.name))
            for cell in cells
        ]
        body = "".join(f"    v{k} = {source}\n" for k, source in enumerate(self.sources))
        result = "".join(f"v{k}, " for k in range(len(cells)))
        namespace = {**_FUNCTIONS, **self.given}
        exec(f"def row(above):\n{body}    return ({result})\n", namespace)  # our own formulas as text
        self.fast: Callable[[Sequence[float]], tuple[float, ...]] = namespace["row"]  # type: ignore[assignment]

    def __call__(self, above: Sequence[float]) -> tuple[float, ...]:
        try:
            row = self.fast(above)
            if math.isfinite(math.fsum(row)):
                return row
        except _ERRORS:
            pass
        return self._cell_by_cell(above)

    def _cell_by_cell(self, above: Sequence[float]) -> tuple[float, ...]:
        """The slow way: an error stays in its own cell and those that use it, as in a spreadsheet."""
        names: dict[str, object] = {**_FUNCTIONS, **self.given, "above": above}
        row: list[float] = []
        for k, source in enumerate(self.sources):
            code = compile(source, "<cell>", "eval")
            used = [names.get(name) for name in code.co_names]
            if "above" in code.co_names:
                used += [above[int(part.split("]")[0])] for part in source.split("above[")[1:]]
            broken = any(isinstance(value, float) and math.isnan(value) for value in used)
            try:
                value = math.nan if broken else eval(code, names)
            except _ERRORS:
                value = math.nan
            names[f"v{k}"] = value = value if math.isfinite(value) else math.nan
            row.append(value)
        return tuple(row)

    def _python(self, expr: Expr) -> str:
        def resolve(ref: Ref | Prev) -> str:
            if isinstance(ref, Prev):
                return f"above[{self.index[ref.name]}]"
            return f"v{self.index[ref.name]}" if ref.name in self.index else self.given_index[ref.name]

        # The printer never leaves a minus bare under a power, so ^ and ** agree.
        return worksheet(expr, resolve).replace("^", "**")
