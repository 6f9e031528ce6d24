"""Layout: the places of a workbook and the formula that stands in each."""

from __future__ import annotations

from functools import cached_property

from xlbackprop.graph import training
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet.address import absolute, cell_name, in_sheet
from xlbackprop.sheet.checks import CHECKS, Checks
from xlbackprop.sheet.places import (
    BACKWARD,
    BATCH_FIRST,
    BATCH_LAST,
    COMPARE,
    DRAWN,
    EPOCH,
    EPOCH_ERROR,
    EPOCHS,
    FORWARD,
    NETWORK_FILE,
    NEXT_FORWARD,
    OVERVIEW,
    PAGES,
    RATE_SHOWN,
    RISES,
    STEP_SHOWN,
    Input,
    Kind,
    Line,
    Places,
    Run,
)
from xlbackprop.sheet.printers import worksheet
from xlbackprop.sheet.telling import Teller
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import RATE, total_error

__all__ = [
    "BACKWARD", "BATCH_FIRST", "BATCH_LAST", "CHECKS", "COMPARE", "DRAWN", "EPOCH", "EPOCHS", "EPOCH_ERROR", "FORWARD",
    "NETWORK_FILE", "NEXT_FORWARD", "OVERVIEW", "PAGES", "RATE_SHOWN", "RISES", "STEP_SHOWN",
    "Input", "Kind", "Layout", "Line", "Run",
]  # fmt: skip


class Layout(Places):
    """Where everything of a spec's workbook stands, and what: formulas without their `=`."""

    def table_span(self, rate: int, name: str, start: int = 0, stop: int | None = None) -> str:
        """The rows of a quantity in a training table, from `start` to before `stop`."""
        stop = self.batches.visits if stop is None else stop
        return self.span(self.sheets[rate], self.FIRST_ROW + start, self.columns[name], stop - start)

    def compare_span(self, rate: int, start: int = 0, stop: int | None = None) -> str:
        """The errors of a rate on Compare, from step `start` to before `stop`."""
        stop = self.batches.steps + 1 if stop is None else stop
        return self.span(COMPARE, self.COMPARE_HEADER_ROW + 1 + start, 1 + rate, stop - start)

    def page_formula(self, cell: Cell, page: str) -> str:
        """The formula of a page's value: what it is calculated from, or picked from the shown table's row."""
        if cell.name == RATE:
            return self.rate_shown_formula
        if cell.expr is None:
            return self._picked(cell)
        return worksheet(cell.expr, lambda ref: self.page_address(ref.name, page))

    def _picked(self, cell: Cell) -> str:
        """A number of the shown row, of its batch, or of the batch before; 0 before the first."""
        before = cell.name.removesuffix(naming.before_name(""))
        name = before if before in self.columns else cell.name
        columns = _choice([self.table_span(rate, name) for rate in range(len(self.sheets))])
        several = self.batches.several
        if name != cell.name:
            first = BATCH_FIRST if several else f"{STEP_SHOWN}+1"
            above = f"{BATCH_FIRST}-1" if several else STEP_SHOWN
            return f"IF({first}=1,0,INDEX({columns},{above}))"
        row = BATCH_LAST if several and cell.once else f"{STEP_SHOWN}+1"
        return f"INDEX({columns},{row})"

    def page_address(self, name: str, page: str, column: int = Places.PAGE_VALUE) -> str:
        sheet, row = self.page_cells[name]
        address = cell_name(row, column)
        return address if sheet == page else in_sheet(sheet, address)

    @property
    def rate_shown_formula(self) -> str:
        return _choice([one.name for one in self.rates])

    @property
    def task(self) -> str:
        """What a worksheet asks for; nothing in a worked workbook."""
        if not self.left:
            return ""
        return "Fill the bordered white cells with formulas; xlbackprop verify marks them."

    def chain_in_words(self, cell: Cell) -> str:
        """How a column of a training table is calculated, told in words: of a gradient, the factors of its chain."""
        expr = self._chains[cell.name].expr
        assert expr is not None
        above = "of the batch before" if cell.once and self.batches.several else "of the row above"
        return self._tables_teller.told(expr, above)

    def page_in_words(self, cell: Cell) -> str:
        assert cell.expr is not None
        return self._pages_teller.told(cell.expr)

    @cached_property
    def _tables_teller(self) -> Teller:
        return Teller(self._chains)

    @cached_property
    def _pages_teller(self) -> Teller:
        return Teller(self.page)

    @cached_property
    def _chains(self) -> Program:
        """The table with its local derivatives as quantities of their own, however its style writes them."""
        return training.training(self.spec).inlined((*training.SHOWN[self.spec.style], Role.LOCAL))

    def error_formula(self, rate: int, step: int) -> str:
        visit = self.batches.stop(step) - 1
        return self.table_span(rate, self.error, visit, visit + 1)

    def rises_formula(self, rate: int) -> str:
        """How often a sample, or batch, was visited again and its error was larger than before."""
        lag, stop = self.batches.per_epoch, self.batches.steps + 1
        if lag >= stop:  # no sample is visited twice
            return "0"
        if self.batches.several:
            after, before = self.compare_span(rate, lag), self.compare_span(rate, 0, stop - lag)
        else:
            after = self.table_span(rate, total_error(), lag)
            before = self.table_span(rate, total_error(), 0, stop - lag)
        return f"SUMPRODUCT(1*(SIGN({after}-{before})>0))"  # SIGN: differences below 1e-15 count too

    def compare_formula(self, rate: int, name: str, step: int) -> str:
        visit = self.batches.stop(step) - 1
        return in_sheet(self.sheets[rate], cell_name(self.FIRST_ROW + visit, self.columns[name]))

    def epoch_formula(self, rate: int, epoch: int) -> str:
        """The average of the total errors of an epoch's rows."""
        samples = self.batches.samples
        return f"AVERAGE({self.table_span(rate, total_error(), epoch * samples, (epoch + 1) * samples)})"

    def batch_formula(self, name: str) -> str:
        """The first or last row of the batch of the row shown, counted from 1."""
        samples, size = self.batches.samples, self.batches.size
        epoch = f"INT({STEP_SHOWN}/{samples})*{samples}"
        batch = f"INT(MOD({STEP_SHOWN},{samples})/{size})"
        if name == BATCH_FIRST:
            return f"{epoch}+{batch}*{size}+1"
        return f"{epoch}+MIN({samples},({batch}+1)*{size})"

    def statistic_formula(self, name: str) -> str:
        for one in self.spec.inputs:
            source = naming.input_source(one)
            if name == naming.mean_name(one):
                return f"AVERAGE({source})"
            if name == naming.deviation_name(one):
                return f"STDEVP({source})"
        raise KeyError(name)

    def check_formula(self, sheet: str, name: str, k: int) -> str:
        """The formula of the k-th cell of a quantity of Checks, or of what Overview repeats of it."""
        if sheet == OVERVIEW:
            return self.at(CHECKS, *Checks.STATUS)
        return self.checks.formula(name, k, self._on_page)

    def _on_page(self, name: str) -> str:
        page, row = self.page_cells[name]
        return in_sheet(page, absolute(row, self.PAGE_VALUE))

    def other_formula(self, name: str, k: int) -> str:
        """A number of the k-th other sample of the batch shown, counted from 0, or which visit it is."""
        if name == naming.VISIT:
            visit = f"{BATCH_FIRST}{k - 1:+d}"
            return f"{visit}+IF({visit}>={STEP_SHOWN},1,0)"
        columns = _choice([self.table_span(rate, name) for rate in range(len(self.sheets))])
        return f"INDEX({columns},{cell_name(self.checks.others_row + k, 1)}+1)"

    def run_formula(self, run: Run, k: int) -> str:
        """The formula, without its `=`, of the k-th cell of a run."""
        if run.kind is Kind.TABLE:
            return self.table_rows.formula(self.table[run.name], self.table_rows.visits(run.name)[k])
        if run.kind is Kind.DRAWN:
            return f"{self.drawn[run.name][k]:g}"
        if run.kind is Kind.PAGE:
            return self.page_formula(self.page[run.name], run.sheet)
        if run.kind is Kind.CHECK:
            return self.check_formula(run.sheet, run.name, k)
        if run.kind is Kind.OTHER:
            return self.other_formula(run.name, k)
        if run.name in self.shown_batch:
            return self.batch_formula(run.name)
        if run.name in self.statistics:
            return self.statistic_formula(run.name)
        if run.rate is None:
            return self.rate_shown_formula if run.name == RATE else STEP_SHOWN
        if run.name == RATE:
            return self.rates[run.rate].name
        if run.name == RISES:
            return self.rises_formula(run.rate)
        assert run.step is not None
        if run.sheet == EPOCHS:
            return self.epoch_formula(run.rate, k)
        if run.sheet == COMPARE:
            return self.compare_formula(run.rate, run.name, run.step + k)
        return self.error_formula(run.rate, run.step)


def _choice(options: list[str]) -> str:
    """The option of the rate shown."""
    return f"CHOOSE({RATE_SHOWN},{','.join(options)})"
