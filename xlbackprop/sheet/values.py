"""The values that a new workbook carries beside its formulas, so that previews need no recalculation.

They come from the formulas' own worksheet text, run as Python over doubles, which makes a batch
of rows of a training table one compiled function of the row above. Nothing is verified against them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

from xlbackprop.graph.expr import Block, Expr, Prev, Ref, priors
from xlbackprop.graph.program import Cell, Program
from xlbackprop.sheet.printers import worksheet
from xlbackprop.spec.batches import Batches


def carried(value: float) -> float | str:
    """What a cell carries beside its formula: the value, or an error where there is none."""
    return "#NUM!" if math.isnan(value) else value


Given = Mapping[str, object]  # a number, or the list of a sample quantity's values
Row = tuple[float, ...]


def _numbers(arguments: Sequence[Any]) -> list[float]:
    return [x for one in arguments for x in (one if isinstance(one, (list, tuple)) else (one,))]


def total(values: Iterable[float]) -> float:
    """From left to right, as calculators add; Python's own sum keeps more digits from 3.12 on."""
    return reduce(add, values, 0.0)


# A worksheet function for each that the table of operations prints.
_FUNCTIONS = {
    "ABS": abs,
    "ATAN": math.atan,
    "AVERAGE": lambda *xs: total(_numbers(xs)) / len(_numbers(xs)),
    "COS": math.cos,
    "COSH": math.cosh,
    "ERF": math.erf,
    "EXP": math.exp,
    "INDEX": lambda values, k: values[int(k) - 1],
    "INT": math.floor,
    "LN": math.log,
    "MAX": lambda *xs: max(xs),
    "MIN": lambda *xs: min(xs),
    "MOD": lambda x, n: x - n * math.floor(x / n),
    "PI": lambda: math.pi,
    "SIGN": lambda x: (x > 0) - (x < 0),
    "SIN": math.sin,
    "SINH": math.sinh,
    "SQRT": math.sqrt,
    "SUM": lambda *xs: total(_numbers(xs)),
    "SUMSQ": lambda *xs: total(x * x for x in _numbers(xs)),
    "TAN": math.tan,
    "TANH": math.tanh,
    "__builtins__": {"zip": zip, "range": range},
}
# What Excel shows as #NUM! or #DIV/0!
_ERRORS = (OverflowError, ZeroDivisionError, ValueError)


def table_rows(program: Program, given: Given, batches: Batches) -> Iterator[Row]:
    """The values of each row of a training table; nan where Excel shows an error.

    What a batch has once comes last, in the last row of the batch only.
    """
    cells = [cell for cell in program if cell.expr is not None]
    if not batches.several:
        yield from _single_rows(cells, given, batches.steps)
        return
    first, following = _Batch(cells, given, first=True), _Batch(cells, given, first=False)
    above: Row = ()
    for step, (_, count) in enumerate(batches):
        columns, once = (first if step == 0 else following)(above, count)
        rows = list(zip(*columns))
        yield from rows[:-1]
        above = (*rows[-1], *once)
        yield above


def _single_rows(cells: Sequence[Cell], given: Given, steps: int) -> Iterator[Row]:
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


def input_statistics(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the standard deviation of an input over all samples, as AVERAGE and STDEVP give them."""
    mean = total(values) / len(values)
    return mean, math.sqrt(total((x - mean) ** 2 for x in values) / len(values))


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
        self.fast: Callable[[Sequence[float]], Row] = namespace["row"]  # type: ignore[assignment]

    def __call__(self, above: Sequence[float]) -> Row:
        try:
            row = self.fast(above)
            if math.isfinite(math.fsum(row)):
                return row
        except _ERRORS:
            pass
        return self._cell_by_cell(above)

    def _cell_by_cell(self, above: Sequence[float]) -> Row:
        """The slow way: an error stays in its own cell and those that use it, as in a spreadsheet."""
        names: dict[str, object] = {**_FUNCTIONS, **self.given, "above": above}
        row: list[float] = []
        for k, source in enumerate(self.sources):
            names[f"v{k}"] = value = _evaluated(source, names, above)
            row.append(value)
        return tuple(row)

    def _python(self, expr: Expr) -> str:
        def resolve(ref: Ref | Prev | Block) -> str:
            if isinstance(ref, Prev):
                return f"above[{self.index[ref.name]}]"
            return f"v{self.index[ref.name]}" if ref.name in self.index else self.given_index[ref.name]

        return _as_python(expr, resolve)


class _Batch:
    """All cells of a batch's rows: a column of values for each, and the values that it has once.

    `r7` is cell 7 in the row at hand, `b7` in all rows, `above[7]` in the row above or, of what a
    batch has once, in the batch before.
    """

    def __init__(self, cells: Sequence[Cell], given: Given, *, first: bool) -> None:
        self.index = {cell.name: k for k, cell in enumerate(cells)}
        self.given = {f"g{k}": value for k, value in enumerate(given.values())}
        self.given_index = {name: f"g{k}" for k, name in enumerate(given)}
        self.cells = cells
        self.heads = [
            self._python(cell.first if first and cell.first is not None else cell.expr or Ref(cell.name))
            for cell in cells
        ]
        # In the rows after the first of the batch, the row above is one of the batch.
        self.tails = [self._python(cell.within or cell.expr or Ref(cell.name), within=True) for cell in cells]
        self.carries = [any(priors(cell.within or cell.expr or Ref(cell.name))) for cell in cells]
        body = "".join(self._lines(k) for k in range(len(cells)))
        result = "".join(f"b{k}, " for k in range(len(cells)))
        namespace = {**_FUNCTIONS, **self.given}
        exec(f"def batch(above, n):\n{body}    return ({result})\n", namespace)  # our own formulas as text
        self.fast: Callable[[Sequence[float], int], tuple[list[float], ...]] = namespace["batch"]  # type: ignore[assignment]

    def __call__(self, above: Sequence[float], count: int) -> tuple[list[list[float]], list[float]]:
        try:
            columns = list(self.fast(above, count))
            if not all(math.isfinite(math.fsum(column)) for column in columns):
                columns = self._cell_by_cell(above, count)
        except _ERRORS:
            columns = self._cell_by_cell(above, count)
        rows = [column for cell, column in zip(self.cells, columns) if not cell.once]
        return rows, [column[0] for cell, column in zip(self.cells, columns) if cell.once]

    def _lines(self, k: int) -> str:
        """The statements that make the column b{k}."""
        if self.cells[k].once:
            last = "".join(f"    r{j} = b{j}[-1]\n" for j in self._used(k))
            return f"{last}    b{k} = [{self.heads[k]}]\n"
        if self.carries[k]:
            return (
                f"    b{k} = [{self.heads[k]}]\n    for i in range(n - 1):\n"
                f"        p{k} = b{k}[-1]\n        b{k}.append({self.tails[k]})\n"
            )
        used = self._used(k)
        if not used:
            return f"    b{k} = [{self.heads[k]}] * n\n"
        names, columns = ", ".join(f"r{j}" for j in used), ", ".join(f"b{j}" for j in used)
        return f"    b{k} = [{self.heads[k]} for {names}, in zip({columns})]\n"

    def _used(self, k: int) -> list[int]:
        """The cells of the same row that a cell uses."""
        return sorted({int(j) for j in re.findall(r"\br(\d+)\b", self.heads[k])})

    def _cell_by_cell(self, above: Sequence[float], count: int) -> list[list[float]]:
        """The slow way: an error stays in its own cell and those that use it, as in a spreadsheet."""
        names: dict[str, object] = {**_FUNCTIONS, **self.given, "above": above}
        columns: list[list[float]] = []
        for k, cell in enumerate(self.cells):
            column: list[float] = []
            for row in range(count):
                if cell.once and row < count - 1:
                    continue
                names |= {f"r{j}": columns[j][-1 if cell.once else row] for j in self._used(k)}
                if self.carries[k] and column:
                    names[f"p{k}"] = column[-1]
                source = self.tails[k] if self.carries[k] and column else self.heads[k]
                column.append(_evaluated(source, names, above))
            columns.append(column)
            names[f"b{k}"] = column
        return columns

    def _python(self, expr: Expr, *, within: bool = False) -> str:
        def resolve(ref: Ref | Prev | Block) -> str:
            if ref.name not in self.index:
                return self.given_index[ref.name]
            k = self.index[ref.name]
            if isinstance(ref, Prev):
                return f"p{k}" if within else f"above[{k}]"
            return f"b{k}" if isinstance(ref, Block) else f"r{k}"

        return _as_python(expr, resolve)


def _as_python(expr: Expr, resolve: Callable[[Ref | Prev | Block], str]) -> str:
    # The printer never leaves a minus bare under a power, so ^ and ** agree.
    return worksheet(expr, resolve).replace("^", "**")


def _evaluated(source: str, names: Mapping[str, object], above: Sequence[float]) -> float:
    """The value of a formula, nan if it fails or uses something that did."""
    code = compile(source, "<cell>", "eval")
    used: list[object] = [names.get(name) for name in code.co_names]
    if "above" in code.co_names:
        used += [above[int(part.split("]")[0])] for part in source.split("above[")[1:]]
    for value in used:
        if isinstance(value, list):
            if any(math.isnan(x) for x in value):
                return math.nan
        elif isinstance(value, float) and math.isnan(value):
            return math.nan
    try:
        value = eval(code, dict(names))
    except _ERRORS:
        return math.nan
    return value if math.isfinite(value) else math.nan
