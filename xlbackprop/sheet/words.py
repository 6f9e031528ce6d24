"""What a quantity is, in words: for header notes and for the pages."""

from __future__ import annotations

from xlbackprop.graph.program import Cell, Role
from xlbackprop.spec.names import STEP, VISIT

_WORDS = {
    Role.STEP: "{name}, counted from {start}",
    Role.RATE: "learning rate: how far an update goes",
    Role.TARGET: "target: what the output should be",
    Role.INPUT: "input of the network",
    Role.WEIGHT: "weight {note}",
    Role.BIAS: "bias {note}",
    Role.PRE_ACTIVATION: "pre-activation: {note}",
    Role.ACTIVATION: "activation: the {note} of the pre-activation",
    Role.MASK: "dropout mask: 1 hands on, 0 drops",
    Role.PART: "{note}",
    Role.UNIT: "{note}",
    Role.ERROR: "error {note}",
    Role.TOTAL_ERROR: "total error: the {note} over the outputs",
    Role.BATCH_ERROR: "error of the batch: the {note}",
    Role.BATCH_GRADIENT: "gradient of the batch: the {note}",
    Role.STATE: "{note}",
    Role.LOCAL: "how much {top} moves with {bottom}",
    Role.UPSTREAM: "gradient of the error by {bottom}, over all its paths",
    Role.DELTA: "delta: gradient of the error by the pre-activation {unit}",
    Role.GRADIENT: "gradient of the error by {bottom} ({note})",
    Role.UPDATED: "{name} after the update",
    Role.CHANGE: "the error after the update minus the error before",
}

BANDS = {
    Role.STEP: "step",
    Role.TARGET: "targets",
    Role.INPUT: "inputs",
    Role.WEIGHT: "weights",
    Role.BIAS: "biases",
    Role.MASK: "dropout masks",
    Role.PART: "on the way",
    Role.UNIT: "units",
    Role.PRE_ACTIVATION: "pre-activations",
    Role.ACTIVATION: "activations",
    Role.ERROR: "errors",
    Role.TOTAL_ERROR: "total error",
    Role.UPSTREAM: "adjoints ∂E/∂x",
    Role.DELTA: "deltas ∂E/∂z",
    Role.GRADIENT: "gradients ∂E/∂w",
    Role.BATCH_ERROR: "error of the batch",
    Role.BATCH_GRADIENT: "gradients of the batch",
    Role.STATE: "what the optimiser keeps",
    Role.UPDATED: "updated weights",
}


def words(cell: Cell) -> str:
    top, _, bottom = (part.removeprefix("∂") for part in cell.name.partition("/"))
    if cell.role is Role.UPSTREAM and cell.note:
        return f"mean over the batch of the gradient by {bottom}"
    text = _WORDS[cell.role].format(
        name=cell.name.rstrip("⁺"),
        note=cell.note,
        top=top,
        bottom=bottom,
        unit=cell.name.removeprefix("δ_"),
        start=0 if cell.name in (STEP, VISIT) else 1,
    )
    return text + (", after the update" if cell.name.endswith("⁺") and cell.role is not Role.UPDATED else "")
