"""The embedded calculator: IronCalc, a Rust engine with wheels for every platform, bit-exact."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ironcalc

from xlbackprop.engine import Inputs, Value
from xlbackprop.engine.package import CANARY_SHEET, Canary, copy_with_canary
from xlbackprop.errors import EngineError, WorkbookError
from xlbackprop.files import scratch


class Embedded:
    name = f"IronCalc {ironcalc.__version__}"
    epsilon = 2.0**-52
    exp_overflows = False
    erf_error = 6e-11  # measured against math.erf: 5e-11 near 0.5

    def recalculate(self, path: Path) -> RecalculatedModel:
        with scratch() as folder:
            copy = folder / "copy.xlsx"
            canary = copy_with_canary(path, copy)
            try:
                with _silent_stdout():
                    model = ironcalc.load_from_xlsx(str(copy))
            except BaseException as error:
                if not _is_native(error):
                    raise
                cure = "save it again in a spreadsheet, or use --engine libreoffice"
                raise WorkbookError(f"{path}: IronCalc cannot read it ({error}); {cure}") from None
        return RecalculatedModel(model, canary)


def _is_native(error: BaseException) -> bool:
    """Whether it comes from the calculator, whose panic is not an Exception; a signal's is not its own."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


class RecalculatedModel:
    def __init__(self, model: Any, canary: Canary) -> None:
        self._model, self._canary = model, canary
        self._index = {sheet["name"]: k for k, sheet in enumerate(model.get_worksheets_properties())}
        self._evaluate()

    @property
    def sheets(self) -> list[str]:
        return [name for name in self._index if name != CANARY_SHEET]

    def column(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        get, index = self._model.get_cell_value, self._index[sheet]
        return [get(index, k, column + 1) for k in range(row + 1, row + 1 + count)]

    def row(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        get, index = self._model.get_cell_value, self._index[sheet]
        return [get(index, row + 1, k) for k in range(column + 1, column + 1 + count)]

    def changed(self, inputs: Inputs) -> RecalculatedModel:
        for (sheet, row, column), value in inputs.items():
            self._model.update_cell_with_number(self._index[sheet], row + 1, column + 1, value)
        # The canary starts from another number, so that its old value no longer serves.
        self._canary = Canary(self._canary.sheet, self._canary.expected + 2)
        start = (self._canary.expected - 1) / 2
        self._model.update_cell_with_number(self._index[CANARY_SHEET], 1, 1, start)
        self._evaluate()
        return self

    def _evaluate(self) -> None:
        try:
            self._model.evaluate()
        except BaseException as error:
            if not _is_native(error):
                raise
            raise EngineError(f"IronCalc cannot calculate the workbook ({error}); use --engine libreoffice") from None
        value = self._model.get_cell_value(self._index[CANARY_SHEET], 1, 2)
        if value != self._canary.expected:
            raise EngineError(
                f"IronCalc did not recalculate (canary {value!r}, not {self._canary.expected!r}); reinstall it"
            )


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Native code prints notices to file descriptor 1, where they would break --json."""
    saved = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
