"""From a spec to programs: the training table's row, and one step told in full."""

from __future__ import annotations

from dataclasses import replace

from xlbackprop.graph.backward import backward
from xlbackprop.graph.expr import ONE, Expr, Number, Prev, Ref, add, build, sub, substitute
from xlbackprop.graph.layers import dense
from xlbackprop.graph.losses import summed
from xlbackprop.graph.optimizers import RATE, sgd_from_above, sgd_step
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Spec, gradient_name, total_error, updated_name

STEP, SAMPLE = "step", "sample"
TABLE_FORWARD = (
    Role.STEP, Role.TARGET, Role.INPUT, Role.WEIGHT, Role.BIAS,
    Role.PRE_ACTIVATION, Role.ACTIVATION, Role.ERROR, Role.TOTAL_ERROR,
)  # fmt: skip
SHOWN = {
    "class": (*TABLE_FORWARD, Role.GRADIENT, Role.UPDATED),
    "delta": (*TABLE_FORWARD, Role.DELTA, Role.GRADIENT, Role.UPDATED),
}


def start(parameter: str) -> str:
    """The workbook's input that holds the parameter's initial value."""
    return f"start_{parameter}"


def source(quantity: str, role: Role) -> str:
    """The workbook's input that holds an input or target of every sample."""
    return f"{'target' if role is Role.TARGET else 'in'}_{quantity}"


def training(spec: Spec) -> Program:
    """One row of a training table with nothing inlined: forward, adjoints, updates from the row above."""
    program = Program()
    program.given(RATE, Role.RATE)
    _samples(program, spec)
    below = spec.inputs
    for layer in spec.layers:
        for unit, names in zip(layer.units, layer.weight_names):
            for weight, origin in zip(names, below):
                _parameter(program, spec, weight, Role.WEIGHT, f"from {origin} to {unit}")
        users = [[unit for j, unit in enumerate(layer.units) if layer.bias_of(j) == bias] for bias in layer.bias_names]
        for bias, units in zip(layer.bias_names, users):
            _parameter(program, spec, bias, Role.BIAS, f"of {' and '.join(units)}")
        below = dense(program, layer, below)
    loss = summed(program, spec.loss, spec.targets, below)
    backward(program, loss, spec.trained)
    return _sequential(program, spec.trained) if spec.update == "sequential" else program


def table(spec: Spec) -> Program:
    """The program of a training table in the spec's style: only what has a column, in column order.

    Forward cells stand in their order of definition, then deltas as the walk meets them, then
    the gradients in the order of their weights, as in the class sheet.
    """
    program = training(spec).inlined(SHOWN[spec.style])
    if spec.update == "sequential":  # an updated weight stands between the gradients that it follows and feeds
        return program
    gradients = [program[gradient_name(name)] for name in spec.trained]
    return Program([*(cell for cell in program if cell.role is not Role.GRADIENT), *gradients])


def page(spec: Spec) -> Program:
    """One step told in full: every local derivative and adjoint, the updated weights, the next forward.

    What the row of a table starts from (step, samples, weights) is given: the page picks it.
    """
    full = training(spec)
    given = {Role.STEP, Role.TARGET, Role.INPUT, Role.WEIGHT, Role.BIAS}
    program = Program(
        replace(cell, expr=None, first=None) if cell.role in given else cell
        for cell in full
        if cell.role is not Role.SOURCE
    )
    for name in spec.trained:
        if updated_name(name) not in program:
            expr = sgd_step(Ref(name), Ref(gradient_name(name)))
            program.define(updated_name(name), Role.UPDATED, expr, note=full[name].note)
    renamed: dict[str, Expr] = {name: Ref(updated_name(name)) for name in spec.trained}
    forward = {Role.PRE_ACTIVATION, Role.ACTIVATION, Role.ERROR, Role.TOTAL_ERROR}
    for cell in full:
        if cell.role in forward and cell.expr is not None:
            expr = substitute(cell.expr, renamed)
            renamed[cell.name] = program.define(updated_name(cell.name), cell.role, expr, note=cell.note)
    program.define("ΔE", Role.CHANGE, sub(renamed[total_error()], Ref(total_error())))
    return program


def _samples(program: Program, spec: Spec) -> None:
    """The step, and this row's sample: the only one, or one after the other."""
    program.define(STEP, Role.STEP, add(Prev(STEP), ONE), first=Number(0))
    several = len(spec.samples) > 1
    if several:
        program.define(SAMPLE, Role.STEP, build("cycle", Ref(STEP), Number(len(spec.samples))))
    for role, names in ((Role.TARGET, spec.targets), (Role.INPUT, spec.inputs)):
        for name in names:
            values = program.given(source(name, role), Role.SOURCE)
            program.define(name, role, build("pick", values, Ref(SAMPLE)) if several else values)


def _parameter(program: Program, spec: Spec, name: str, role: Role, note: str) -> None:
    initial = program.given(start(name), Role.SOURCE)
    if name not in spec.trained:
        program.define(name, role, initial, note=f"{note}, not trained")
    elif spec.update == "sequential":
        program.define(name, role, Prev(updated_name(name)), first=initial, note=note)
    else:
        program.define(name, role, sgd_from_above(name), first=initial, note=note)


def _sequential(program: Program, trained: tuple[str, ...]) -> Program:
    """The order of updates in which an adjoint passes back through weights that are already updated."""
    updated: dict[str, Expr] = {name: Ref(updated_name(name)) for name in trained}
    result = Program()
    cells = dict(program.cells)
    for name in trained:
        expr = sgd_step(Ref(name), Ref(gradient_name(name)))
        cells[updated_name(name)] = replace(
            cells[name], name=updated_name(name), role=Role.UPDATED, expr=expr, first=None
        )
    for name, cell in cells.items():
        if cell.role is Role.LOCAL and cell.expr is not None:
            cells[name] = replace(cell, expr=substitute(cell.expr, updated))
    result.cells = cells
    return result.sorted()
