"""What a network file's types cannot say: shapes that fit, numbers in range, names told apart, room on a sheet."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from xlbackprop.errors import NetworkError
from xlbackprop.network_values import check_number, check_texts
from xlbackprop.spec import formulas
from xlbackprop.spec import names as naming
from xlbackprop.spec.layers import Circuit, Conv, Dense, Softmax
from xlbackprop.spec.optimizers import AdamW
from xlbackprop.spec.shapes import Shape, size

if TYPE_CHECKING:
    from xlbackprop.spec.network import Spec

MAX_ROWS = 1_048_576  # of a worksheet, Excel 2007 and later
MAX_COLUMNS = 16_384
MAX_FAN = 200  # inputs or units of a layer: a sum of so many products fits in a formula's 8,192 characters
MAX_RATES = 254  # the most values CHOOSE can choose from
_ROOM = 64  # rows or columns of a sheet kept for titles, headers and the step column


def check(spec: Spec) -> None:
    """Raises NetworkError, without the file's name, for the first thing that is wrong."""
    for one in (
        check_texts,
        _check_vocabulary,
        _check_shapes,
        _check_numbers,
        _check_training,
        _check_level,
        _check_names,
        _check_room,
    ):
        one(spec)


def _check_vocabulary(spec: Spec) -> None:
    # The words are the rows of the tables, so that a new activation is a row there and nothing here.
    from xlbackprop.graph.losses import LOSSES
    from xlbackprop.graph.ops import of_kind

    for k, layer in enumerate(spec.layers):
        if layer.applied is not None and layer.applied not in of_kind("activation"):
            raise NetworkError(
                f"layers[{k}].activation: unknown value {layer.applied!r}; known are {', '.join(of_kind('activation'))}"
            )
        if isinstance(layer, Circuit):
            _check_circuit(spec, k, layer)
    if spec.loss not in LOSSES:
        raise NetworkError(f"loss: unknown value {spec.loss!r}; known are {', '.join(LOSSES)}")
    last = spec.layers[-1]
    if LOSSES[spec.loss].needs_positive and not (
        last.applied in ("sigmoid", "gaussian") or (isinstance(last, Softmax) and not last.applied)
    ):
        raise NetworkError(
            f"loss: {spec.loss} takes the logarithm of the outputs, which can be 0 or less here; "
            "end with a softmax layer or sigmoid units, or take the loss from logits"
        )


def _check_circuit(spec: Spec, k: int, layer: Circuit) -> None:
    from xlbackprop.graph.layers import callable_in_formulas

    known = {*spec.placed[k].below, *layer.parameters}
    for j, (name, formula) in enumerate(layer.cells):
        place = f"layers[{k}].cells[{j}]"
        try:
            tree = formulas.parsed(formula)
        except NetworkError as error:
            raise NetworkError(f"{place}: {error}") from None
        for used in formulas.names(tree):
            if used not in known:
                raise NetworkError(f"{place}: uses {used!r}, which is no input, parameter or earlier cell")
        for function, count in formulas.called(tree):
            if function not in callable_in_formulas():
                raise NetworkError(
                    f"{place}: calls {function!r}; known are {', '.join(sorted(callable_in_formulas()))}"
                )
            if count != 1 and function != "max":
                raise NetworkError(f"{place}: {function} takes one argument, not {count}")
        known.add(name)
    for name in layer.handed_on:
        if name not in {cell for cell, _ in layer.cells}:
            raise NetworkError(f"layers[{k}].outputs: {name!r} is none of its cells")


def _check_shapes(spec: Spec) -> None:
    below = f"there are {len(spec.inputs)} inputs"
    shape = spec.shape_in
    for k, layer in enumerate(spec.layers):
        try:
            layer.check(shape)
            shape = layer.out(shape)
        except NetworkError as error:
            raise NetworkError(f"layers[{k}]{str(error).replace('{below}', below)}") from None
        below = f"layers[{k}] has {size(shape)} units"
    n_out = 0 if spec.loss == "output" else size(shape)
    _ = spec.placed  # raises for what does not fit between layers
    if len(spec.targets) != n_out:
        raise NetworkError(f"targets: has {len(spec.targets)} names, but the last layer has {n_out} units")
    for p, sample in enumerate(spec.samples):
        for key, row, named in (("inputs", sample.inputs, spec.inputs), ("targets", sample.targets, spec.targets)):
            if len(row) != len(named):
                raise NetworkError(f"samples[{p}].{key}: has {len(row)} numbers; the network needs {len(named)}")


def _check_numbers(spec: Spec) -> None:
    for place, value in _all_numbers(spec):
        check_number(place, value)
    for k, rate in enumerate(spec.rates):
        if rate <= 0:
            raise NetworkError(f"rates[{k}]: is {rate!r}; a learning rate is above 0")
    if repeated := _repeated(spec.rates):
        raise NetworkError(f"rates: {repeated!r} is given twice; each rate has one sheet, so give it once")
    if spec.updates < 1:
        raise NetworkError(f"steps: is {spec.updates}; give at least 1")


def _all_numbers(spec: Spec) -> Iterator[tuple[str, float]]:
    for one in spec.placed:
        for tensor in one.tensors:
            for k, value in enumerate(tensor.values):
                place = "".join(f"[{i}]" for i in _unravelled(k, tensor.shape)) if len(tensor.shape) > 1 else ""
                yield f"layers[{one.index}].{tensor.key}{place}", value
    for p, sample in enumerate(spec.samples):
        yield from ((f"samples[{p}].inputs", value) for value in sample.inputs)
        yield from ((f"samples[{p}].targets", value) for value in sample.targets)
    yield from ((f"rates[{k}]", value) for k, value in enumerate(spec.rates))
    for struct, place in ((spec.optimizer, "optimizer."), (spec.schedule, "schedule."), (spec, "")):
        for key in struct.__struct_fields__:
            value = getattr(struct, key)
            if isinstance(value, float):
                yield f"{place}{key}", value


def _unravelled(k: int, shape: Shape) -> Shape:
    position: list[int] = []
    for n in reversed(shape):
        k, rest = divmod(k, n)
        position.insert(0, rest)
    return tuple(position)


def _check_training(spec: Spec) -> None:
    if spec.batch != "full" and spec.batch < 1:
        raise NetworkError(f"batch: is {spec.batch}; give at least 1, or full")
    for key, limit in (("l1", 0), ("l2", 0)):
        if getattr(spec, key) < limit:
            raise NetworkError(f"{key}: is {getattr(spec, key)!r}; give 0 or more")
    for key in ("clip_norm", "clip_value"):
        if (bound := getattr(spec, key)) is not None and bound <= 0:
            raise NetworkError(f"{key}: is {bound!r}; give a number above 0")
    if spec.clip_norm is not None and spec.clip_value is not None:
        raise NetworkError("clip_value: clip_norm is given as well; give one of them")
    for key in ("every", "last"):
        if getattr(spec.schedule, key) < 1:
            raise NetworkError(f"schedule.{key}: is {getattr(spec.schedule, key)}; give at least 1")
    for key, low, high in (
        ("momentum", 0, 1), ("dampening", 0, 1), ("beta", 0, 1), ("alpha", 0, 1), ("beta1", 0, 1), ("beta2", 0, 1),
        ("epsilon", 0, math.inf), ("weight_decay", 0, math.inf),
    ):  # fmt: skip
        value = getattr(spec.optimizer, key, low)
        if not low <= value < high:
            raise NetworkError(f"optimizer.{key}: is {value!r}; give a number from {low} to below {high}")
    if isinstance(spec.optimizer, AdamW) and spec.l2:
        raise NetworkError("l2: adamw has its own weight_decay; give that one")
    smallest = spec.batches.smallest
    for one in spec.placed:
        rest = size(one.shape[1:])
        if one.layer.couples and smallest * rest < 2:
            raise NetworkError(
                f"layers[{one.index}]: batch norm has one number to normalise in a batch of {smallest}; "
                "use batches of at least 2, or its mode evaluation"
            )
    if spec.normalize:
        for k, name in enumerate(spec.inputs):
            if len({sample.inputs[k] for sample in spec.samples}) == 1:
                raise NetworkError(f"normalize: {name} is the same in every sample; leave it out, or do not normalize")
    plain = all(isinstance(layer, Dense) for layer in spec.layers)
    if spec.update == "sequential" and not (plain and spec.is_simple):
        raise NetworkError("update: sequential is for dense layers, one sample a step and plain sgd; use simultaneous")
    if spec.style == "class" and not plain:
        raise NetworkError("style: class writes closed forms of dense layers; use delta for other layers")


def _check_level(spec: Spec) -> None:
    if spec.level == "worked" and spec.leave:
        raise NetworkError("leave: a worked workbook leaves nothing empty; give level scaffolded or blank, or no leave")
    if spec.level != "worked" and spec.layout != "rows":
        raise NetworkError(f"level: {spec.level} leaves cells of rows empty; use layout rows, or level worked")


def _check_names(spec: Spec) -> None:
    quantities = [*spec.inputs, *spec.targets, *spec.initial]
    units = [unit for one in spec.placed for unit in one.units if unit not in one.below]
    for name in (*quantities, *units):
        if not re.fullmatch(r"[^\W\d]\w{0,63}", name):
            raise NetworkError(
                f"the name {name!r}: a name is a letter and then up to 63 letters, digits or _; rename it"
            )
    made = [naming.RATE, naming.STEP, naming.VISIT, naming.SAMPLE, naming.total_error(), naming.batch_error()]
    made += [output for one in spec.placed for output in one.outputs if output not in (*one.below, *one.units)]
    made += [naming.error_name(k) for k in range(len(spec.targets))]
    # Excel does not tell w1 from W1 in a defined name, so neither may a network.
    if repeated := _repeated(name.casefold() for name in (*quantities, *units, *made)):
        raise NetworkError(f"the name {repeated!r} stands for two quantities; rename one of them")
    values: dict[str, float] = {}
    for tensor in spec.tensors():
        for name, value in zip(tensor.names, tensor.values):
            if not name and value:
                raise NetworkError(f"{tensor.key}: is {value!r} where there is no connection; give 0, or a name")
            if name and values.setdefault(name, value) != value:
                raise NetworkError(
                    f"the name {name!r} stands for two quantities, {values[name]!r} and {value!r}; "
                    "a shared weight has one value"
                )


def _check_room(spec: Spec) -> None:
    visits = spec.batches.visits
    if (rows := visits + _ROOM) > MAX_ROWS:
        raise NetworkError(f"steps: {spec.updates} steps need {rows:,} rows and a sheet has {MAX_ROWS:,}; give fewer")
    if (rows := len(spec.samples) + _ROOM) > MAX_ROWS:
        raise NetworkError(f"samples: {len(spec.samples)} need {rows:,} rows and a sheet has {MAX_ROWS:,}; give fewer")
    if len(spec.inputs) > MAX_FAN and isinstance(spec.layers[0], Dense):
        raise NetworkError(_too_wide("inputs", len(spec.inputs)))
    for one in spec.placed:
        fan = size(one.shape) if isinstance(one.layer, Dense) else 0
        if isinstance(one.layer, Conv):
            fan = size(one.tensors[0].shape[1:])
        if fan > MAX_FAN:
            raise NetworkError(_too_wide(f"layers[{one.index}]", fan))
    units = sum(size(one.shape) for one in spec.placed)
    names = len(spec.initial) + len(spec.trained) + 3 * units + len(spec.inputs) + 2 * len(spec.targets)
    if (columns := names + _ROOM) > MAX_COLUMNS and spec.layout == "rows":
        raise NetworkError(
            f"layers: the table needs {columns:,} columns and a sheet has {MAX_COLUMNS:,}; "
            "use fewer units, or layout matrix"
        )
    if len(spec.rates) > MAX_RATES:
        raise NetworkError(
            f"rates: has {len(spec.rates)}; each is a sheet, and a workbook takes {MAX_RATES}; give fewer"
        )


def _too_wide(place: str, count: int) -> str:
    return f"{place}: has {count} units; the formula of their sum fits up to {MAX_FAN}; use fewer"


def _repeated(values: Iterable[Any]) -> Any | None:
    return next((value for value, count in Counter(values).items() if count > 1), None)
