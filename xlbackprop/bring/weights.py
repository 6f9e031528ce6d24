"""Layers take their parameters from a file: by our own keys, or in the order of PyTorch's modules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xlbackprop.bring.tensors import Array, read
from xlbackprop.errors import NetworkError
from xlbackprop.spec.layers import BatchNorm, Circuit, Conv, Dense, GroupNorm, Layer, LayerKind, LayerNorm, times
from xlbackprop.spec.shapes import Shape

Arrays = dict[str, Array]

# The tensors that layers may have, as `Tensor.key` calls them, and their axes; those of a kernel depend on its inputs.
AXES = {
    "weights": 2, "bias": 1, "scale": 1, "shift": 1, "mean": 1, "variance": 1, "mask": 1, "parameters": 1,
    "query": 2, "key": 2, "value": 2, "output": 2,
}  # fmt: skip

_NORMS = (BatchNorm, LayerNorm, GroupNorm)
_SUMS = {"weight": "weights", "bias": "bias"}
_NORM = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
_COUNTER = "num_batches_tracked"
_PYTORCHS = {"weight", "running_mean", "running_var", _COUNTER}  # what ends no name of ours


def filled(layers: Sequence[LayerKind], shape: Shape, path: Path) -> tuple[LayerKind, ...]:
    """The layers, above inputs of that shape, with the file's parameters in place of their own.

    Tensors are called `layers.0.weights`, or as in PyTorch's state_dict, where those of the k-th
    module with parameters belong to the k-th such layer. A layer that the file does not name stays
    as it is. Raises NetworkError where names or shapes do not fit.
    """
    tensors = read(path)
    pytorchs = any(name.rpartition(".")[2] in _PYTORCHS for name in tensors)
    try:
        held = _of_pytorch(tensors, layers, path) if pytorchs else _ours(tensors, layers)
    except NetworkError as error:
        raise NetworkError(f"{path.name}: {error}") from None
    result: list[LayerKind] = []
    for k, layer in enumerate(layers):
        try:
            result.append(_holding(layer, held.get(k, {}), shape))
        except NetworkError as error:
            raise NetworkError(f"{path.name}: layers[{k}]{error}") from None
        try:
            shape = result[-1].out(shape)
        except NetworkError as error:
            raise NetworkError(f"layers[{k}]{error}") from None
    return tuple(result)


def with_weights(network: Path, weights: Path) -> str:
    """The network file with the weights of another file written into it."""
    from xlbackprop.spec.toml import dumps, load

    return dumps(load(network, weights))


def _ours(tensors: Arrays, layers: Sequence[Layer]) -> dict[int, Arrays]:
    held: dict[int, Arrays] = {}
    for name, array in tensors.items():
        match = re.fullmatch(r"layers\.([0-9]{1,6})\.(\w+)", name)
        if match is None:
            raise NetworkError(
                f"{name!r:.80} names no tensor; write names as layers.0.weights, or as PyTorch, 0.weight"
            )
        if int(match[1]) >= len(layers):
            raise NetworkError(f"{name}: there are {len(layers)} layers, layers.0 to layers.{len(layers) - 1}")
        held.setdefault(int(match[1]), {})[match[2]] = array
    return held


def _of_pytorch(tensors: Arrays, layers: Sequence[Layer], path: Path) -> dict[int, Arrays]:
    modules: dict[str, Arrays] = {}
    for name, array in tensors.items():
        module, _, role = name.rpartition(".")
        if role != _COUNTER:
            modules.setdefault(module, {})[role] = array
    if path.suffix.lower() == ".safetensors":  # which keeps no order
        modules = _sorted(modules)
    takers = [k for k, layer in enumerate(layers) if isinstance(layer, (Dense, Conv, *_NORMS))]
    if len(modules) != len(takers):
        raise NetworkError(
            f"has parameters of {len(modules)} modules ({', '.join(modules):.80}) for {len(takers)} layers "
            f"({', '.join(f'layers[{k}]' for k in takers):.80}); name tensors layers.0.weights to leave some out"
        )
    return {k: _renamed(arrays, layers[k], module) for k, (module, arrays) in zip(takers, modules.items())}


def _sorted(modules: dict[str, Arrays]) -> dict[str, Arrays]:
    """In the order of the numbers in their names, if they differ in nothing else."""
    if len({re.sub("[0-9]+", "0", module) for module in modules}) > 1:
        raise NetworkError(
            f"the names of its modules ({', '.join(modules):.80}) do not tell their order; "
            "name the tensors layers.0.weights, or save .npz or .pt"
        )

    def numbers(module: str) -> list[tuple[int, str]]:
        digits = [part.lstrip("0") for part in re.findall("[0-9]+", module)]
        return [(len(part), part) for part in digits]

    return {module: modules[module] for module in sorted(modules, key=numbers)}


def _renamed(arrays: Arrays, layer: Layer, module: str) -> Arrays:
    keys = _NORM if isinstance(layer, _NORMS) else _SUMS
    result: Arrays = {}
    for role, array in arrays.items():
        if role not in keys:
            raise NetworkError(f"{module}.{role:.80} is no tensor of a {_kind(layer)} layer; it has {', '.join(keys)}")
        if role.startswith("running_") and not (isinstance(layer, BatchNorm) and layer.mode == "evaluation"):
            continue
        # PyTorch gives the scale of a layer norm over several axes their shape.
        result[keys[role]] = array.ravel() if isinstance(layer, LayerNorm) else array
    return result


def _kind(layer: Layer) -> str:
    return str(layer.__struct_config__.tag)


def _holding(layer: LayerKind, arrays: Arrays, shape: Shape) -> LayerKind:
    """The layer with these arrays as its parameters, of shapes that fit the layer and its inputs."""
    result = layer
    for key, array in arrays.items():
        if key not in AXES or key not in layer.__struct_fields__:
            raise NetworkError(f".{key:.80}: a {_kind(layer)} layer has no such tensor; leave it out")
        axes = len(shape) + 1 if isinstance(layer, Conv) and key == "weights" else AXES[key]
        if array.ndim != axes:
            raise NetworkError(
                f".{key}: is {times(array.shape)} where inputs of {times(shape)} need "
                + ("a list" if axes == 1 else f"{axes} axes")
            )
        if _shares_bias(layer) and key == "bias" and (array != array[:1]).any():
            raise NetworkError(".bias: holds different numbers where all units share one; give one number each")
        result = result.holding(key, tuple(array.ravel().tolist()), array.shape)
    _check(arrays, _described(layer, shape), shape)
    used = _shapes(result, shape) if arrays else {}
    for key in arrays:
        if key not in used:
            raise NetworkError(f".{key}: is not used by this {_kind(layer)} layer as described; leave it out")
    _check(arrays, used, shape)
    return result


def _check(arrays: Arrays, shapes: Mapping[str, Shape], inputs: Shape) -> None:
    for key, array in arrays.items():
        if key in shapes and array.shape != shapes[key]:
            raise NetworkError(
                f".{key}: is {times(array.shape)} where inputs of {times(inputs)} need {times(shapes[key])}"
            )


def _described(layer: LayerKind, shape: Shape) -> Mapping[str, Shape]:
    """The shapes that the network file asks for, none where it leaves them to the weights."""
    try:
        return _shapes(layer, shape)
    except NetworkError:
        return {}


def _shapes(layer: LayerKind, shape: Shape) -> Mapping[str, Shape]:
    """The shape of each tensor above inputs of that shape."""
    if isinstance(layer, Circuit):
        return {"parameters": (len(layer.parameters),)}
    shapes = {field.key: field.shape for field in layer.fields(shape)}
    return shapes | {"bias": layer.out(shape)} if _shares_bias(layer) else shapes


def _shares_bias(layer: Layer) -> bool:
    return isinstance(layer, Dense) and isinstance(layer.bias, float)
