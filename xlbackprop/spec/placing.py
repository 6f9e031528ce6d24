"""Placing the layers one on the other: every quantity and parameter gets its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from xlbackprop.errors import NetworkError
from xlbackprop.spec.layers import Activate, Circuit, Conv, Dense, Flatten, Layer, Residual, times
from xlbackprop.spec.names import activation_name
from xlbackprop.spec.shapes import Names, Placed, Row, Shape, Tensor, flattened, positions, size

INPUTS = "inputs"  # what a residual layer calls the network's inputs


def placed(layers: Sequence[Layer], inputs: Names, shape: Shape) -> tuple[Placed, ...]:
    """The layers in their places. Raises NetworkError where they do not fit together."""
    counted: Counter[str] = Counter()
    results: list[Placed] = []
    handed: dict[str, tuple[Names, Shape]] = {INPUTS: (inputs, shape)}
    last = max((k for k, layer in enumerate(layers) if isinstance(layer, (Dense, Conv))), default=-1)
    below = inputs
    for index, layer in enumerate(layers):
        name = layer.name or f"{layer.prefix}{index + 1}"
        out = layer.out(shape)
        units = _units(layer, index, name, out, below, counted, is_last=index == last)
        applied = layer.applied is not None
        outputs = tuple(map(activation_name, units)) if applied else units
        skip: Names = ()
        if isinstance(layer, Residual):
            skip = _skip(layer, index, out, handed)
        results.append(
            Placed(layer, index, name, shape, out, below, skip, units, outputs, _tensors(layer, index, shape, counted))
        )
        if layer.name in handed:
            raise NetworkError(f"layers[{index}].name: {layer.name!r} is the name of an earlier layer; rename one")
        handed[name] = (outputs, out)
        below, shape = outputs, out
    return tuple(results)


def _units(
    layer: Layer, index: int, name: str, shape: Shape, below: Names, counted: Counter[str], *, is_last: bool
) -> Names:
    if isinstance(layer, (Flatten, Activate)):  # these name what is below anew, or not at all
        if layer.units or (isinstance(layer, Flatten) and layer.applied):
            raise NetworkError(f"layers[{index}]: has no units of its own; leave out units and activation")
        return below
    if isinstance(layer, Circuit):
        return layer.handed_on
    count = size(shape)
    if layer.units:
        if len(layer.units) != count:
            what = "rows of weights" if isinstance(layer, Dense) else "units"
            raise NetworkError(f"layers[{index}].units: has {len(layer.units)} entries for {count} {what}")
        return layer.units
    if isinstance(layer, Dense):
        prefix = (layer.name and f"{layer.name}_") or ("o" if is_last else "h")
        first = counted[prefix]
        counted[prefix] += count
        return tuple(f"{prefix}{first + k + 1}" for k in range(count))
    return tuple("_".join((name, *(str(k + 1) for k in position))) for position in positions(shape))


def _skip(layer: Residual, index: int, shape: Shape, handed: dict[str, tuple[Names, Shape]]) -> Names:
    if layer.of not in handed:
        raise NetworkError(f"layers[{index}].of: no layer {layer.of!r} below; there are {', '.join(handed)}")
    names, found = handed[layer.of]
    if found != shape:
        raise NetworkError(
            f"layers[{index}].of: {layer.of} is {times(found)} and the layer below {times(shape)}; "
            "a skip connection adds equal shapes"
        )
    return names


def _tensors(layer: Layer, index: int, shape: Shape, counted: Counter[str]) -> tuple[Tensor, ...]:
    if isinstance(layer, Circuit):
        given = layer.parameters
        return (
            (Tensor("parameters", tuple(given), tuple(map(float, given.values())), (len(given),), True),)
            if given
            else ()
        )
    tensors = []
    for field in layer.fields(shape):
        count = size(field.shape)
        value = getattr(layer, field.key)
        values: Row = flattened(value)
        names = field.names or tuple(f"{field.prefix}{counted[field.prefix] + k + 1}" for k in range(count))
        if len(names) != count:
            raise NetworkError(
                f"layers[{index}].{field.key.rstrip('s')}_names: has {len(names)} names for {count} {field.key}"
            )
        counted[field.prefix] += count
        tensor_shape = field.shape
        if isinstance(layer, Dense) and isinstance(layer.bias, float) and field.key == "bias":
            # One bias that all units share is one name that repeats.
            n_out = size(layer.out(shape))
            names, values, tensor_shape = names * n_out, values * n_out, (n_out,)
        tensors.append(Tensor(field.key, names, values, tensor_shape, field.trained, field.bias))
    return tuple(tensors)
