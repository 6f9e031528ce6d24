"""From a spec to programs: the training table's row, and one step told in full."""

from __future__ import annotations

from dataclasses import replace

from xlbackprop.graph.backward import backward
from xlbackprop.graph.expr import (
    ONE,
    ZERO,
    Block,
    Expr,
    Number,
    Prev,
    Ref,
    add,
    blocks,
    build,
    div,
    priors,
    sub,
    substitute,
    with_priors,
)
from xlbackprop.graph.layers import add_layer
from xlbackprop.graph.losses import add_loss
from xlbackprop.graph.optimizers import keep_state, sgd_step, updated
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import RATE, SAMPLE, STEP, VISIT, gradient_name, total_error, updated_name

TABLE_FORWARD = (
    Role.STEP, Role.TARGET, Role.INPUT, Role.MASK, Role.WEIGHT, Role.BIAS, Role.PART, Role.UNIT,
    Role.PRE_ACTIVATION, Role.ACTIVATION, Role.ERROR, Role.TOTAL_ERROR,
)  # fmt: skip
TABLE_BATCH = (Role.BATCH_ERROR, Role.BATCH_GRADIENT, Role.STATE)
SHOWN = {
    "class": (*TABLE_FORWARD, Role.GRADIENT, *TABLE_BATCH, Role.UPDATED),
    "delta": (*TABLE_FORWARD, Role.DELTA, Role.GRADIENT, *TABLE_BATCH, Role.UPDATED),
}
FORWARD = {
    Role.PART, Role.UNIT, Role.PRE_ACTIVATION, Role.ACTIVATION, Role.ERROR, Role.TOTAL_ERROR,
}  # fmt: skip


def training(spec: Spec) -> Program:
    """One row of a training table with nothing inlined: forward, adjoints, updates from the row above."""
    program = Program()
    program.given(RATE, Role.RATE)
    _samples(program, spec)
    for one in spec.placed:
        notes = _notes(spec)
        for tensor in one.tensors:
            for name in dict.fromkeys(tensor.names):
                if name and name not in program:
                    _parameter(program, spec, name, Role.BIAS if tensor.bias else Role.WEIGHT, notes.get(name, ""))
        for name in spec.drawn:
            if name.startswith(one.part("mask") + "_"):
                _drawn(program, spec, name)
        add_layer(program, one, spec)
    loss = add_loss(program, spec.loss, spec.targets, spec.outputs)
    if spec.batches.several:
        symbol = f"batch {spec.reduction}"
        program.define(
            naming.batch_error(), Role.BATCH_ERROR, build(symbol, Block(loss)),
            note=f"{spec.reduction} over the batch", once=True,
        )  # fmt: skip
    backward(program, loss, spec.differentiated)
    _zero_gradients(program, spec)
    keep_state(program, spec)
    return _sequential(program, spec.trained) if spec.update == "sequential" else program


def table(spec: Spec) -> Program:
    """The program of a training table in the spec's style: only what has a column, in column order.

    Forward cells stand in their order of definition, then deltas as the walk meets them, then
    the gradients in the order of their weights, as in the class sheet, then what a batch keeps.
    """
    program = training(spec).inlined(SHOWN[spec.style])
    if spec.update == "sequential":  # an updated weight stands between the gradients that it follows and feeds
        return program
    once = [cell for cell in program if cell.once]
    gradients = [program[gradient_name(name)] for name in spec.differentiated]
    last = {cell.name for cell in (*gradients, *once)}
    return Program([*(cell for cell in program if cell.name not in last), *gradients, *once])


def page(spec: Spec) -> Program:
    """One step told in full: every local derivative and adjoint, the updated weights, the next forward.

    What the row of a table starts from (step, samples, weights) is given: the page picks it. So is
    what is made of several rows, and what an optimiser kept from the step before.
    """
    full = training(spec)
    given = {Role.STEP, Role.TARGET, Role.INPUT, Role.MASK, Role.WEIGHT, Role.BIAS}
    program = Program()
    for cell in full:
        if cell.role is Role.SOURCE:
            continue
        expr = cell.expr
        # Before the first step there is 0; where the first row is not what follows from that, it is picked.
        special = expr is not None and cell.first not in (None, with_priors(expr, lambda _: ZERO))
        if expr is None or cell.role in given or any(blocks(expr)) or special:
            program.add(replace(cell, expr=None, first=None, within=None))
            continue
        for prior in dict.fromkeys(priors(expr)):
            program.given(naming.before_name(prior), cell.role, note=f"{cell.note}, before the step")
        expr = with_priors(expr, lambda name: Ref(naming.before_name(name)))
        program.add(replace(cell, expr=expr, first=None, within=None))
    for name in spec.trained:
        if updated_name(name) not in program:
            expr = updated(spec, name, Ref)
            program.define(updated_name(name), Role.UPDATED, expr, note=full[name].note)
    if not spec.couples:  # else the next forward pass needs all samples of the batch
        _next_forward(program, full, spec)
    return program


def _next_forward(program: Program, full: Program, spec: Spec) -> None:
    renamed: dict[str, Expr] = {name: Ref(updated_name(name)) for name in spec.trained}
    for cell in full:
        if cell.role in FORWARD and cell.expr is not None:
            expr = substitute(cell.expr, renamed)
            renamed[cell.name] = program.define(updated_name(cell.name), cell.role, expr, note=cell.note)
    program.define(naming.CHANGE, Role.CHANGE, sub(renamed[total_error()], Ref(total_error())))


def _zero_gradients(program: Program, spec: Spec) -> None:
    """What has no path to the error has the gradient 0."""
    for name in spec.differentiated:
        if gradient_name(name) not in program:
            program.define(gradient_name(name), Role.GRADIENT, ZERO, note="no path to the error")


def _samples(program: Program, spec: Spec) -> None:
    """The step, and this row's sample: the only one, or one after the other, or as drawn."""
    batches = spec.batches
    if batches.several:
        program.define(VISIT, Role.STEP, add(Prev(VISIT), ONE), first=ZERO)
    program.define(STEP, Role.STEP, add(Prev(STEP), ONE), first=ZERO, within=Prev(STEP))
    several = len(spec.samples) > 1
    if several:
        if spec.order is not None:
            _drawn(program, spec, SAMPLE)
        else:
            program.define(SAMPLE, Role.STEP, build("cycle", _row(spec), Number(len(spec.samples))))
    for role, names, source in (
        (Role.TARGET, spec.targets, naming.target_source),
        (Role.INPUT, spec.inputs, naming.input_source),
    ):
        for name in names:
            values = program.given(source(name), Role.SOURCE)
            value: Expr = build("pick", values, Ref(SAMPLE)) if several else values
            if spec.normalize and role is Role.INPUT:
                mean = program.given(naming.mean_name(name), Role.SOURCE)
                value = div(sub(value, mean), program.given(naming.deviation_name(name), Role.SOURCE))
            program.define(name, role, value)


def _row(spec: Spec) -> Ref:
    """The number of this row, from 0."""
    return Ref(VISIT if spec.batches.several else STEP)


def _drawn(program: Program, spec: Spec, name: str) -> None:
    """A quantity of which a list has the value for each row."""
    values = program.given(naming.drawn_source(name), Role.SOURCE)
    role = Role.STEP if name == SAMPLE else Role.MASK
    program.define(name, role, build("pick", values, add(_row(spec), ONE)))


def _notes(spec: Spec) -> dict[str, str]:
    """In words, what a weight joins."""
    notes: dict[str, str] = {}
    for one in spec.placed:
        weights, bias = one.by_key.get("weights"), one.by_key.get("bias")
        if weights and len(weights.shape) == 2:
            for k, name in enumerate(weights.names):
                unit, origin = divmod(k, len(one.below))
                notes.setdefault(name, f"from {one.below[origin]} to {one.units[unit]}")
        elif weights:
            for k, name in enumerate(weights.names):
                notes.setdefault(name, f"of kernel {k // (len(weights.names) // weights.shape[0]) + 1} of {one.name}")
        if bias:
            users: dict[str, list[str]] = {}
            each = len(bias.names) == len(one.units)
            for k, name in enumerate(bias.names):
                users.setdefault(name, []).append(one.units[k] if each else one.name)
            for name, units in users.items():
                notes.setdefault(name, f"of {' and '.join(units)}")
        for tensor in one.tensors:
            for name in tensor.names:
                notes.setdefault(name, f"{tensor.key} of {one.name}")
    return notes


def _parameter(program: Program, spec: Spec, name: str, role: Role, note: str) -> None:
    initial = program.given(naming.start_name(name), Role.SOURCE)
    if name not in spec.trained:
        program.define(name, role, initial, note=f"{note}, not trained")
    elif spec.update == "sequential":
        program.define(name, role, Prev(updated_name(name)), first=initial, note=note)
    else:
        program.define(name, role, updated(spec, name, Prev), first=initial, note=note, within=Prev(name))


def _sequential(program: Program, trained: tuple[str, ...]) -> Program:
    """The order of updates in which an adjoint passes back through weights that are already updated."""
    after: dict[str, Expr] = {name: Ref(updated_name(name)) for name in trained}
    result = Program()
    cells = dict(program.cells)
    for name in trained:
        expr = sgd_step(Ref(name), Ref(gradient_name(name)))
        cells[updated_name(name)] = replace(
            cells[name], name=updated_name(name), role=Role.UPDATED, expr=expr, first=None, within=None
        )
    for name, cell in cells.items():
        if cell.role is Role.LOCAL and cell.expr is not None:
            cells[name] = replace(cell, expr=substitute(cell.expr, after))
    result.cells = cells
    return result.sorted()
