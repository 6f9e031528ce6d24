"""A network file from a PyTorch Sequential, all numbers exact; the model is only read, so torch is not imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from xlbackprop.errors import NetworkError
from xlbackprop.spec import Sample, Spec, dumps, loads
from xlbackprop.spec.layers import (
    Activate,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAverage,
    GroupNorm,
    LayerKind,
    LayerNorm,
    LogSoftmax,
    Pool,
    Sizes,
    Softmax,
    times,
)
from xlbackprop.spec.shapes import Shape, nested, size

Masks = Mapping[str, Sequence[float]]

# Losses whose target may be the index of a class.
_OF_CLASSES = ("cross-entropy", "cross-entropy from logits", "nll")


def from_torch(
    model: Any,
    sample_inputs: Any,
    sample_targets: Any,
    *,
    loss: str,
    rates: Sequence[float],
    steps: int | None = None,
    dropout: int | Masks | None = None,
    **training: Any,
) -> str:
    """The text of a network file for a `torch.nn.Sequential` of supported modules, as it stands now.

    `sample_inputs` are (samples, ...) and `sample_targets` (samples, outputs), or (samples,) whole
    numbers that are classes; tensors, arrays or lists. A Dropout in training mode takes the masks
    that `dropout` gives by the module's name, or masks drawn from that seed. `training` are other
    keys of a network file, such as batch, epochs, optimizer or title. PyTorch's Softplus is linear
    above 20, which the workbook's is only to 1e-10. Raises NetworkError for what is not supported.
    """
    inputs = _array(sample_inputs, "sample_inputs")
    if inputs.ndim < 2:
        raise NetworkError(f"sample_inputs: is {times(inputs.shape)}; give samples × inputs")
    layers, shape = _translated(model, inputs.shape[1:], dropout)
    samples = _samples(inputs, _array(sample_targets, "sample_targets"), loss)
    try:
        spec = Spec(
            layers=layers, samples=samples, rates=tuple(map(float, rates)), steps=steps, loss=loss,
            input_shape=shape if len(shape) > 1 else (), **training,
        )  # fmt: skip
    except TypeError as error:
        raise NetworkError(f"from_torch: {error}; give keys of a network file") from None
    return dumps(loads(dumps(spec), "model"))


def _array(values: Any, what: str) -> np.ndarray[Any, Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "fiub" or not len(np.atleast_1d(array)):
        raise NetworkError(f"{what}: is no array of numbers; give a row for each sample")
    return array


def _samples(inputs: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], loss: str) -> tuple[Sample, ...]:
    n = len(inputs)
    if not targets.ndim or len(targets) != n:
        raise NetworkError(f"sample_targets: is {times(targets.shape)} for {n} samples; give one row for each")
    rows = [tuple(row) for row in inputs.reshape(n, -1).astype(float).tolist()]
    if targets.ndim == 1 and targets.dtype.kind in "iu" and loss in _OF_CLASSES:
        return tuple(Sample(row, label=label) for row, label in zip(rows, targets.tolist()))
    aims = [tuple(row) for row in targets.reshape(n, -1).astype(float).tolist()]
    return tuple(Sample(row, aim) for row, aim in zip(rows, aims))


def _translated(model: Any, shape: Shape, dropout: int | Masks | None) -> tuple[tuple[LayerKind, ...], Shape]:
    """The layers, and the shape of their inputs."""
    modules = list(_modules(model, ""))
    layers: list[LayerKind] = []
    shape_in, seen = shape, set[int]()
    for k, (name, module) in enumerate(modules):
        kind = type(module).__name__
        following = type(modules[k + 1][1]).__name__ if k + 1 < len(modules) else ""
        try:
            _check_alone(module, seen)
            if kind == "Unflatten":
                if layers:
                    raise NetworkError(": stands among other modules; supported is at the beginning")
                shape_in = shape = _unflattened(module, shape)
            elif kind in _ACTIVATIONS:
                _activate(layers, _activation(module))
            elif (layer := _layer(module, shape, following, _masked(dropout, name, len(layers)))) is not None:
                layers.append(layer)
                shape = layer.out(shape)
        except NetworkError as error:
            raise NetworkError(f"model[{name}] ({kind}){error}") from None
    return tuple(layers), shape_in


def _modules(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """What a Sequential holds, and the Sequentials in it."""
    if type(model).__name__ != "Sequential" or not _is_torchs(model):
        raise NetworkError(f"model: is a {type(model).__name__}; give a torch.nn.Sequential")
    if model._forward_hooks or model._forward_pre_hooks:
        raise NetworkError("model: has hooks, which may change what it does; remove them")
    for name, module in model._modules.items():  # named_children would leave out what it has met before
        if type(module).__name__ == "Sequential":
            yield from _modules(module, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", module


def _is_torchs(module: Any) -> bool:
    return type(module).__module__.startswith("torch.nn.modules.")


def _check_alone(module: Any, seen: set[int]) -> None:
    """The module does what its class says, with parameters of its own."""
    if not _is_torchs(module) or type(module).__name__ not in SUPPORTED:
        raise NetworkError(f": is not supported; supported are {', '.join(SUPPORTED)}")
    if module._forward_hooks or module._forward_pre_hooks:
        raise NetworkError(": has hooks, which may change what it does; remove them")
    for parameter in module.parameters():
        if id(parameter) in seen:
            raise NetworkError(": shares parameters with an earlier module; give it its own")
        seen.add(id(parameter))


def _only(module: Any, **supported: Any) -> None:
    for key, value in supported.items():
        if (found := getattr(module, key)) != value:
            raise NetworkError(f": {key} is {found!r}; supported is {value!r}")


def _numbers(tensor: Any, shape: Shape | None = None) -> Any:
    """The tensor as nested tuples of doubles."""
    if tensor.is_complex():
        raise NetworkError(": has complex parameters; supported are real numbers")
    return nested(tuple(tensor.detach().cpu().double().flatten().tolist()), shape or tuple(tensor.shape))


def _sizes(value: Any) -> Sizes:
    """One number where all axes have the same."""
    if isinstance(value, int):
        return value
    return int(value[0]) if len(set(value)) == 1 else tuple(map(int, value))


# Activations


_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    # name: (activation, the settings that it supports)
    "Identity": ("none", {}),
    "ReLU": ("relu", {}),
    "LeakyReLU": ("leaky relu", {"negative_slope": 0.01}),
    "ELU": ("elu", {"alpha": 1.0}),
    "Softplus": ("softplus", {"beta": 1.0, "threshold": 20.0}),
    "GELU": ("gelu", {}),
    "SiLU": ("silu", {}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
}


def _activation(module: Any) -> str:
    symbol, settings = _ACTIVATIONS[type(module).__name__]
    _only(module, **settings)
    return f"{symbol} tanh" if getattr(module, "approximate", "none") == "tanh" else symbol


def _activate(layers: list[LayerKind], activation: str) -> None:
    """On top of the last layer, or as a layer of its own."""
    if activation == "none":
        return
    if layers and isinstance(layers[-1], (Dense, Conv, BatchNorm, LayerNorm, GroupNorm)) and not layers[-1].applied:
        layers[-1] = msgspec.structs.replace(layers[-1], activation=activation)
    else:
        layers.append(Activate(activation=activation))


# Layers


def _layer(module: Any, shape: Shape, following: str, masks: dict[str, Any]) -> LayerKind | None:
    """The layer; None for a module that changes nothing."""
    kind = type(module).__name__
    if kind == "Dropout":
        return _dropout(module, masks)
    if kind.startswith("AdaptiveAvgPool"):
        return _average_of_all(module, shape, following)
    return _LAYERS[kind](module, shape)


def _unflattened(module: Any, shape: Shape) -> Shape:
    found = tuple(int(n) for n in module.unflattened_size)
    if -1 in found:
        found = tuple(size(shape) // -size(found) if n == -1 else n for n in found)
    if module.dim != 1 or len(shape) != 1 or size(found) != size(shape):
        raise NetworkError(f": makes {times(found)} of {times(shape)}; supported is all inputs, with dim 1")
    return found


def _trained(module: Any) -> None:
    if not module.weight.requires_grad:
        raise NetworkError(": its weight is frozen; supported is a frozen bias")


def _dense(module: Any, shape: Shape) -> Dense:
    if len(shape) != 1:
        raise NetworkError(f": takes the last of its inputs' axes, {times(shape)}; supported is after Flatten")
    if module.in_features != shape[0]:
        raise NetworkError(f": takes {module.in_features} inputs where there are {shape[0]}; give as many")
    _trained(module)
    bias = module.bias
    return Dense(
        weights=_numbers(module.weight), activation="none",
        bias=None if bias is None else _numbers(bias), train_bias=bias is None or bias.requires_grad,
    )  # fmt: skip


def _conv(module: Any, shape: Shape) -> Conv:
    _only(module, groups=1, padding_mode="zeros")
    _trained(module)
    bias = module.bias
    return Conv(
        weights=_numbers(module.weight), stride=_sizes(module.stride), padding=_padding(module),
        dilation=_sizes(module.dilation), bias=None if bias is None else _numbers(bias),
        train_bias=bias is None or bias.requires_grad,
    )  # fmt: skip


def _padding(module: Any) -> Sizes:
    if not isinstance(module.padding, str):
        return _sizes(module.padding)
    if module.padding == "valid":
        return 0
    both = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size)]
    if any(total % 2 for total in both):
        raise NetworkError(": padding is 'same', with more on one side than on the other; supported are odd kernels")
    return _sizes([total // 2 for total in both])


def _max_pool(module: Any, shape: Shape) -> Pool:
    _only(module, ceil_mode=False, return_indices=False)
    if _sizes(module.dilation) != 1:
        raise NetworkError(f": dilation is {module.dilation!r}; supported is 1")
    return _pool("max", module)


def _average_pool(module: Any, shape: Shape) -> Pool:
    _only(module, ceil_mode=False)
    if _sizes(module.padding) != 0:
        _only(module, count_include_pad=True)
    if getattr(module, "divisor_override", None) is not None:
        raise NetworkError(f": divisor_override is {module.divisor_override!r}; supported is None")
    return _pool("average", module)


def _pool(how: Any, module: Any) -> Pool:
    kernel, stride = _sizes(module.kernel_size), _sizes(module.stride)
    return Pool(how=how, kernel=kernel, stride=None if stride == kernel else stride, padding=_sizes(module.padding))


def _average_of_all(module: Any, shape: Shape, following: str) -> LayerKind:
    if module.output_size not in (1, (1,), (1, 1)):
        raise NetworkError(f": output_size is {module.output_size!r}; supported is 1")
    # A global average hands on a list of channels, which is what a Flatten above it makes anyway.
    return GlobalAverage() if following in ("", "Flatten") else Pool(how="average", kernel=shape[1:])


def _flatten(module: Any, shape: Shape) -> Flatten | None:
    _only(module, start_dim=1)
    if module.end_dim not in (-1, len(shape)):
        raise NetworkError(f": end_dim is {module.end_dim}; supported is -1")
    return Flatten() if len(shape) > 1 else None


def _affine(module: Any, weight: Any, bias: Any) -> dict[str, Any]:
    """The scale and shift of a norm, which it may lack."""
    if weight is None and bias is None:
        return {"train": False, "epsilon": module.eps}
    if weight is None or bias is None or weight.requires_grad != bias.requires_grad:
        raise NetworkError(": only one of weight and bias is trained; supported are both, or none")
    one = (weight.numel(),)
    return {
        "scale": _numbers(weight, one), "shift": _numbers(bias, one),
        "train": weight.requires_grad, "epsilon": module.eps,
    }  # fmt: skip


def _batch_norm(module: Any, shape: Shape) -> BatchNorm:
    affine = _affine(module, module.weight, module.bias)
    if module.training or module.running_mean is None:
        return BatchNorm(**affine)
    return BatchNorm(
        **affine, mode="evaluation", mean=_numbers(module.running_mean), variance=_numbers(module.running_var)
    )


def _layer_norm(module: Any, shape: Shape) -> LayerNorm:
    over = shape[-1:] if len(shape) == 2 else shape
    _only(module, normalized_shape=over)
    return LayerNorm(**_affine(module, module.weight, module.bias))


def _group_norm(module: Any, shape: Shape) -> GroupNorm:
    return GroupNorm(groups=module.num_groups, **_affine(module, module.weight, module.bias))


def _masked(dropout: int | Masks | None, name: str, index: int) -> dict[str, Any]:
    """What a Dropout takes its masks from, each one its own."""
    if isinstance(dropout, int):
        return {"seed": dropout + index}
    if dropout is None or name not in dropout:
        return {}
    return {"mask": tuple(map(float, dropout[name]))}


def _dropout(module: Any, masks: dict[str, Any]) -> Dropout:
    if not module.training or not module.p:
        return Dropout(p=module.p, mode="evaluation")
    if not masks:
        raise NetworkError(": drops at random; call model.eval(), or give from_torch a seed or masks with dropout")
    return Dropout(p=module.p, **masks)


def _check_axis(module: Any, shape: Shape) -> None:
    """It goes over a whole sample, or over each token's features."""
    if len(shape) > 2 or module.dim not in (-1, len(shape)):
        raise NetworkError(f": dim is {module.dim} of inputs of {times(shape)}; supported is the last of at most two")


def _softmax(module: Any, shape: Shape) -> Softmax:
    _check_axis(module, shape)
    return Softmax()


def _log_softmax(module: Any, shape: Shape) -> LogSoftmax:
    _check_axis(module, shape)
    return LogSoftmax()


_LAYERS: dict[str, Callable[[Any, Shape], LayerKind | None]] = {
    "Linear": _dense,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "MaxPool1d": _max_pool,
    "MaxPool2d": _max_pool,
    "AvgPool1d": _average_pool,
    "AvgPool2d": _average_pool,
    "Flatten": _flatten,
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "LayerNorm": _layer_norm,
    "GroupNorm": _group_norm,
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
}

SUPPORTED = (*_LAYERS, "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "Dropout", "Unflatten", *_ACTIVATIONS)
