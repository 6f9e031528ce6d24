"""Weights after training, read back out of a workbook as it stands now, also one that was changed in Excel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlbackprop.engine import Engine
from xlbackprop.engine import engine as engine_named
from xlbackprop.errors import OutputError, WorkbookError
from xlbackprop.files import replacing
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.verification.marking import empty_cells
from xlbackprop.verification.read import Workbook

Array = NDArray[Any]


def trained_weights(
    workbook: Path | str, *, rate: float | None = None, step: int | None = None, engine: str | Engine = "embedded"
) -> dict[str, Array]:
    """The parameters after `step` updates with that rate, recalculated: `layers.0.weights`, ..., in their shapes.

    The last rate and the last step if left out. A network file takes them up again with `weights`.
    Raises WorkbookError for a rate or a step that is not there, or a weight that is no number.
    """
    path = Path(workbook)
    calculator = engine_named(engine) if isinstance(engine, str) else engine
    recalculated = calculator.recalculate(path)
    book = Workbook(path, recalculated)
    layout, spec = book.layout, book.spec
    sheet = layout.sheets[_rate_index(path, spec.rates, rate)]
    row = layout.FIRST_ROW + layout.batches.start(_step(path, layout.batches.steps, step))
    empty = empty_cells(book)  # which a calculator may read as 0

    def number(name: str) -> float:
        if not name:  # a place without a connection
            return 0.0
        column = layout.columns[name]
        value, place = recalculated.column(sheet, row, column, 1)[0], in_sheet(sheet, cell_name(row, column))
        if (sheet, row, column) in empty:
            raise WorkbookError(f"{path}: {place} ({name}) is empty; fill it in, or choose an earlier step")
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise WorkbookError(f"{path}: {place} ({name}) is {value!r}; choose a rate and step before it diverged")
        return float(value)

    return {
        f"layers.{one.index}.{tensor.key}": np.array([number(name) for name in tensor.names]).reshape(tensor.shape)
        for one in spec.placed
        for tensor in one.tensors
    }


def save_weights(
    workbook: Path | str,
    out: Path | str,
    *,
    rate: float | None = None,
    step: int | None = None,
    engine: str | Engine = "embedded",
) -> Path:
    """Write `trained_weights` as .npz; the same weights give the same bytes."""
    path = Path(out)
    if path.suffix.lower() != ".npz":
        raise OutputError(f"{path}: weights are written as .npz; name a file that ends so")
    arrays = trained_weights(workbook, rate=rate, step=step, engine=engine)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return path


def _rate_index(path: Path, rates: tuple[float, ...], rate: float | None) -> int:
    if rate is None:
        return len(rates) - 1
    if rate not in rates:
        raise WorkbookError(f"{path}: has no rate {rate:g}; its rates are {', '.join(f'{one:g}' for one in rates)}")
    return rates.index(rate)


def _step(path: Path, steps: int, step: int | None) -> int:
    if step is not None and not 0 <= step <= steps:
        raise WorkbookError(f"{path}: has no step {step}; its steps are 0 to {steps}")
    return steps if step is None else step
