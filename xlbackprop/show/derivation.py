"""The derivation of a step on paper: forward, backward and update as equations with their numbers.

Everything is printed from the same program as the pages of the workbook. Of a small network every
equation is given; of a large one the first weight of each tensor, and the first path from the error
to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xlbackprop.graph import training
from xlbackprop.graph.expr import Expr, Ref, refs, substitute
from xlbackprop.graph.program import Cell, Role
from xlbackprop.sheet.latex import latex, latex_name, latex_number, latex_with_numbers
from xlbackprop.sheet.words import words
from xlbackprop.spec import Spec, gradient_name, updated_name
from xlbackprop.spec.names import CHANGE, total_error

MOST_EQUATIONS = 60  # of a part of the derivation; of more, one for each kind is given
MOST_IN_CHAIN = 12  # quantities in a chain that is written out from the error
ADJOINTS = {Role.UPSTREAM, Role.DELTA, Role.GRADIENT}


@dataclass(frozen=True)
class Equation:
    """A quantity and what it is equal to: in LaTeX, row by row, the last with its value."""

    name: str
    says: str
    left: str
    rows: tuple[str, ...]
    value: float


@dataclass(frozen=True)
class Section:
    title: str
    equations: list[Equation]
    left_out: int = 0  # how many alike are not printed
    chain: Equation | None = None  # the first gradient, as the product of all its factors from the error on


@dataclass(frozen=True)
class Derivation:
    forward: list[Section]
    backward: list[Section]
    update: list[Section]


def derivation(spec: Spec, values: Mapping[str, float]) -> Derivation:
    """The step whose numbers `values` has, by name, of every quantity of `training.page(spec)`."""
    teller = _Teller(spec, values)
    return Derivation(list(teller.forward()), list(teller.backward()), list(teller.update()))


class _Teller:
    def __init__(self, spec: Spec, values: Mapping[str, float]) -> None:
        self.spec, self.values = spec, values
        self.training, self.page = training.training(spec), training.page(spec)
        self.locals = {cell.name: cell.expr for cell in self.page if cell.role is Role.LOCAL and cell.expr is not None}
        self.layer_of = dict(self._owners())

    def forward(self) -> Iterator[Section]:
        first = [cell for cell in self._first_pass() if cell.expr is not None]
        small = len(first) <= MOST_EQUATIONS
        for one in self.spec.placed:
            cells = [cell for cell in first if self.layer_of.get(cell.name) == one.index]
            told = cells if small else self._of_first_unit(cells, one.outputs)
            if told:
                yield Section(self._title(one.index), [self.equation(cell) for cell in told], len(cells) - len(told))
        errors = [cell for cell in first if cell.name not in self.layer_of]
        told = errors if small else [*errors[:2], errors[-1]]
        yield Section(f"The error: {self.spec.loss}", [self.equation(cell) for cell in told], len(errors) - len(told))

    def backward(self) -> Iterator[Section]:
        adjoints = [cell for cell in self.page if cell.role in ADJOINTS]
        chosen = adjoints if len(adjoints) <= MOST_EQUATIONS else self._first_paths(adjoints)
        counted: dict[int, int] = {}
        sections: dict[int, list[Equation]] = {}
        for cell in adjoints:
            at = self._layer_of_adjoint(cell)
            counted[at] = counted.get(at, 0) + 1
            if cell in chosen:
                sections.setdefault(at, []).append(self.equation(cell, unfolded=True))
        for at, equations in sorted(sections.items(), reverse=True):
            title = "The inputs" if at < 0 else self._title(at)
            yield Section(title, equations, counted[at] - len(equations), self._whole_chain(at))

    def update(self) -> Iterator[Section]:
        names = self.spec.trained
        told = names if len(names) <= MOST_EQUATIONS // 3 else self._first_names()
        kept = [cell for name in told[:1] for cell in self._kept(updated_name(name))]
        equations = [self.equation(cell) for cell in kept] + [self.equation(self.page[updated_name(n)]) for n in told]
        yield Section("The updated weights", equations, len(names) - len(told))
        if CHANGE in self.page:
            ends = [self.page[updated_name(total_error())], self.page[CHANGE]]
            yield Section("What the step did to the error", [self.equation(cell) for cell in ends])

    def equation(self, cell: Cell, *, unfolded: bool = False) -> Equation:
        """A cell; `unfolded`: its factors by their names, and then what each of them is."""
        if cell.expr is None and cell.role in (Role.BATCH_GRADIENT, Role.BATCH_ERROR):  # made of several rows
            over_batch = latex(self.training[cell.name].expr or Ref(cell.name))
            rows = (over_batch, latex_number(self.values[cell.name]))
            return Equation(cell.name, words(cell), latex_name(cell.name), rows, self.values[cell.name])
        return self._equation(cell, cell.expr, unfolded=unfolded)

    def _equation(self, cell: Cell, expr: Expr | None, *, unfolded: bool = True) -> Equation:
        value = self.values[cell.name]
        rows: list[str] = []
        if expr is not None:
            rows.append(latex(expr))
            if unfolded:
                rows.append(latex(substitute(expr, self.locals)))
            rows.append(latex_with_numbers(expr, self.values.__getitem__))
        rows.append(latex_number(value))
        return Equation(cell.name, words(cell), latex_name(cell.name), tuple(dict.fromkeys(rows)), value)

    def _whole_chain(self, layer: int) -> Equation | None:
        """The first gradient of a layer as the product of all its factors, where that can be read."""
        if not 0 <= layer < len(self.spec.placed):
            return None
        names = [gradient_name(name) for tensor in self.spec.placed[layer].tensors for name in tensor.names if name]
        gradient = next((name for name in names if name in self.page), None)
        whole = None if gradient is None else self._down_to_factors(self.page[gradient].expr)
        if gradient is None or whole is None or not 2 < len(list(refs(whole))) <= MOST_IN_CHAIN:
            return None
        return self._equation(self.page[gradient], whole)

    def _down_to_factors(self, expr: Expr | None) -> Expr | None:
        """The expression with every adjoint written as its factors; None where it outgrows a line."""
        while expr is not None:
            adjoints = {
                name: cell.expr
                for name in refs(expr)
                if (cell := self.page[name]).role in ADJOINTS and cell.expr is not None
            }
            if not adjoints:
                return expr
            expr = substitute(expr, adjoints)
            if len(list(refs(expr))) > 4 * MOST_IN_CHAIN:
                return None
        return None

    def _first_paths(self, adjoints: list[Cell]) -> set[Cell]:
        """The first gradient of each tensor, and on the way from the error to it the first adjoint at each turn."""
        chosen: set[Cell] = set()
        for name in self._first_names():
            at: str | None = gradient_name(name)
            while at is not None and (cell := self.page[at]) not in chosen:
                chosen.add(cell)
                used = refs(cell.expr) if cell.expr is not None else iter(())
                at = next((other for other in used if self.page[other].role in ADJOINTS), None)
        return chosen & set(adjoints)

    def _first_names(self) -> tuple[str, ...]:
        """The first trained weight of each tensor."""
        trained = set(self.spec.trained)
        firsts = (next((name for name in tensor.names if name in trained), None) for tensor in self.spec.tensors())
        return tuple(dict.fromkeys(name for name in firsts if name is not None))

    def _kept(self, name: str) -> list[Cell]:
        """What an updated weight is made of beside the weight, its gradient and the rate."""
        made = {Role.STATE, Role.BATCH_GRADIENT, Role.RATE}
        found: dict[str, Cell] = {}

        def visit(one: str) -> None:
            for used in refs(self.page[one].expr or Ref(one)):
                cell = self.page[used]
                if used not in found and used != one and cell.role in made and not cell.name.endswith(" before"):
                    visit(used)
                    if cell.expr is not None or cell.role is not Role.RATE:
                        found[used] = cell

        visit(name)
        return list(found.values())

    def _of_first_unit(self, cells: list[Cell], outputs: tuple[str, ...]) -> list[Cell]:
        """The cells that a layer's first output is made of; of what it takes from many, the first four."""
        by_name = {cell.name: cell for cell in cells}
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            if name in by_name and name not in found:
                found[name] = None
                for used in list(dict.fromkeys(refs(by_name[name].expr or Ref(name))))[:4]:
                    visit(used)

        visit(outputs[0])
        return [cell for cell in cells if cell.name in found]

    def _first_pass(self) -> Iterator[Cell]:
        """The cells of the forward pass before the update."""
        return (cell for cell in self.page if cell.role in training.FORWARD and not cell.name.endswith("⁺"))

    def _owners(self) -> Iterator[tuple[str, int]]:
        """For each quantity of the forward pass the layer that makes it: layers define their cells in turn."""
        forward = [cell.name for cell in self._first_pass()]
        start = 0
        for one in self.spec.placed:
            last = max(
                (k for k, name in enumerate(forward) if name in one.units or name in one.outputs), default=start - 1
            )
            yield from ((name, one.index) for name in forward[start : last + 1])
            start = max(start, last + 1)
        for one in self.spec.placed:
            yield from ((name, one.index) for tensor in one.tensors for name in tensor.names)

    def _layer_of_adjoint(self, cell: Cell) -> int:
        """The layer of the quantity that the error is derived by; -1 for the network's inputs."""
        quantity = cell.name.removeprefix("mean ").removeprefix("∂E/∂").removeprefix("δ_")
        return self.layer_of.get(quantity, -1 if quantity in self.spec.inputs else len(self.spec.placed))

    def _title(self, index: int) -> str:
        if index >= len(self.spec.placed):
            return "The error"
        one = self.spec.placed[index]
        kind = str(one.layer.__struct_config__.tag)
        activation = f", {one.activation}" if one.activation else ""
        named = f" {one.layer.name}" if one.layer.name else ""
        return f"Layer {index + 1}{named}: {kind}{activation}"
