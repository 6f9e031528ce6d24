"""The same training by another library: torch's own layers, losses, optimisers and automatic differentiation.

Each row of a batch has its own copy of every parameter, so that autograd gives the row's part of
each gradient, which is what a row of a training table shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from xlbackprop.spec import Spec, layers
from xlbackprop.spec import optimizers as kinds
from xlbackprop.spec.names import gradient_name, total_error
from xlbackprop.spec.shapes import Placed

Rows = list[torch.Tensor]  # of each row of the batch, in the layer's shape
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": lambda z: F.softplus(z, threshold=1e9),
    "gelu": F.gelu,
    "gelu tanh": lambda z: F.gelu(z, approximate="tanh"),
    "gaussian": lambda z: torch.exp(-z * z),
    "silu": F.silu,
    "sin": torch.sin,
}


def told(spec: Spec, rate: float) -> dict[str, list[float]]:
    """E_total of each row, every gradient of each row, every parameter at each step."""
    result: dict[str, list[float]] = {}
    parameters = {
        name: torch.nn.Parameter(torch.tensor(value, dtype=torch.float64), requires_grad=trained)
        for name, value, trained in spec.parameters()
    }
    trained = [parameters[name] for name in spec.trained]
    optimizer = _optimizer(spec, trained, rate) if trained else None
    order = spec.order or [visit % len(spec.samples) for visit in range(spec.batches.visits)]
    scale, shift = _normal(spec)
    for step, (start, count) in enumerate(spec.batches):
        samples = [spec.samples[k] for k in order[start : start + count]]
        copies = [
            {name: p.detach().clone().requires_grad_(p.requires_grad) for name, p in parameters.items()}
            for _ in samples
        ]
        xs = [
            ((torch.tensor(s.inputs, dtype=torch.float64) - shift) / scale).requires_grad_(spec.input_gradients)
            for s in samples
        ]
        drawn = [
            {name: torch.tensor(values[start + row], dtype=torch.float64) for name, values in spec.drawn.items()}
            for row in range(count)
        ]
        outputs = _forward(spec, xs, copies, drawn)
        errors = [_loss(spec, y, torch.tensor(s.targets, dtype=torch.float64)) for y, s in zip(outputs, samples)]
        leaves = [copy[name] for copy in copies for name in spec.trained]
        whole = torch.stack(errors).sum()
        grads: list[Any] = []
        if leaves or spec.input_gradients:
            asked = [*leaves, *(xs if spec.input_gradients else [])]
            grads = list(torch.autograd.grad(whole, asked, allow_unused=True, materialize_grads=True))
        for row, error in enumerate(errors):
            result.setdefault(total_error(), []).append(error.item())
            for k, name in enumerate(spec.trained):
                gradient = grads[row * len(spec.trained) + k]
                result.setdefault(gradient_name(name), []).append(gradient.item())
            if spec.input_gradients:
                for name, value in zip(spec.inputs, grads[len(leaves) + row]):
                    result.setdefault(gradient_name(name), []).append(value.item())
        for name, p in parameters.items():
            result.setdefault(name, []).append(p.item())
        if optimizer is None:
            continue
        for k, p in enumerate(trained):
            rows = torch.stack([grads[row * len(spec.trained) + k] for row in range(count)])
            p.grad = rows.mean() if spec.reduction == "mean" else rows.sum()
        if spec.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(trained, spec.clip_norm)
        if spec.clip_value is not None:
            torch.nn.utils.clip_grad_value_(trained, spec.clip_value)
        for p in trained:
            assert p.grad is not None
            p.grad = p.grad + spec.l1 * torch.sign(p.detach())
        for group in optimizer.param_groups:
            group["lr"] = rate_now(spec, rate, step)
        optimizer.step()
    return result


def rate_now(spec: Spec, rate: float, step: int) -> float:
    """By torch's own schedulers, and its linear warm-up."""
    schedule = spec.schedule
    count = step // spec.batches.per_epoch if schedule.by == "epoch" else step
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    lr = torch.optim.lr_scheduler
    made = {
        "none": lambda: lr.ConstantLR(optimizer, factor=1.0),
        "step": lambda: lr.StepLR(optimizer, schedule.every, schedule.factor),
        "exponential": lambda: lr.ExponentialLR(optimizer, schedule.factor),
        "cosine": lambda: lr.CosineAnnealingLR(optimizer, schedule.last, schedule.least),
    }[schedule.kind]()
    for _ in range(min(count, schedule.last) if schedule.kind == "cosine" else count):
        optimizer.step()
        made.step()
    now = float(optimizer.param_groups[0]["lr"])
    return now * min(1.0, (count + 1) / schedule.warm_up) if schedule.warm_up else now


def _normal(spec: Spec) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.tensor([s.inputs for s in spec.samples], dtype=torch.float64)
    if not spec.normalize:
        return torch.ones(rows.shape[1], dtype=torch.float64), torch.zeros(rows.shape[1], dtype=torch.float64)
    return rows.std(dim=0, correction=0), rows.mean(dim=0)


def _optimizer(spec: Spec, trained: list[Any], rate: float) -> Any:
    o = spec.optimizer
    match o:
        case kinds.Sgd():
            return torch.optim.SGD(trained, lr=rate, weight_decay=spec.l2)
        case kinds.Momentum():
            return torch.optim.SGD(
                trained, lr=rate, momentum=o.momentum, dampening=o.dampening, nesterov=o.nesterov,
                weight_decay=spec.l2,
            )  # fmt: skip
        case kinds.RmsProp():
            return torch.optim.RMSprop(trained, lr=rate, alpha=o.alpha, eps=o.epsilon, weight_decay=spec.l2)
        case kinds.AdamW():
            if o.bias_correction:
                return torch.optim.AdamW(
                    trained, lr=rate, betas=(o.beta1, o.beta2), eps=o.epsilon, weight_decay=o.weight_decay
                )
        case kinds.Adam():
            if o.bias_correction:
                return torch.optim.Adam(trained, lr=rate, betas=(o.beta1, o.beta2), eps=o.epsilon, weight_decay=spec.l2)
    return _Own(spec, trained, rate)


class _Own:
    """What torch does not have: an exponential average of gradients, and Adam without its correction."""

    def __init__(self, spec: Spec, trained: list[Any], rate: float) -> None:
        self.spec, self.trained = spec, trained
        self.m = [torch.zeros(()) for _ in trained]
        self.v = [torch.zeros(()) for _ in trained]
        self.param_groups = [{"lr": rate}]

    @torch.no_grad()
    def step(self) -> None:
        o, rate = self.spec.optimizer, self.param_groups[0]["lr"]
        for k, p in enumerate(self.trained):
            g = p.grad + self.spec.l2 * p
            if isinstance(o, kinds.AveragedMomentum):
                self.m[k] = torch.lerp(g, self.m[k].double(), o.beta)
                p.sub_(rate * self.m[k])
                continue
            assert isinstance(o, kinds.Adam)
            self.m[k] = torch.lerp(g, self.m[k].double(), o.beta1)
            self.v[k] = torch.lerp(g * g, self.v[k].double(), o.beta2)
            if isinstance(o, kinds.AdamW):
                p.sub_(rate * o.weight_decay * p)
            p.sub_(rate * self.m[k] / (self.v[k].sqrt() + o.epsilon))


def _forward(spec: Spec, xs: Rows, copies: list[dict[str, torch.Tensor]], drawn: list[dict[str, torch.Tensor]]) -> Rows:
    handed = {spec.inputs: xs}
    for one in spec.placed:
        below = [x.reshape(one.shape_in) for x in xs]
        given = [
            {
                tensor.key: torch.stack(
                    [copy[name] if name else torch.zeros((), dtype=torch.float64) for name in tensor.names]
                ).reshape(tensor.shape)
                for tensor in one.tensors
            }
            for copy in copies
        ]
        if isinstance(one.layer, layers.Residual):
            zs = [x + s.reshape(one.shape_in) for x, s in zip(below, handed[one.skip])]
        elif isinstance(one.layer, layers.BatchNorm):
            zs = _batch_norm(one, below, given)
        else:
            zs = [_layer(one, x, p, d, copy) for x, p, d, copy in zip(below, given, drawn, copies)]
        xs = [z if one.activation is None else ACTIVATIONS[one.activation](z) for z in zs]
        xs = [x.reshape(-1) for x in xs]
        handed[one.outputs] = xs
    return xs


def _batch_norm(one: Placed, below: Rows, given: list[dict[str, torch.Tensor]]) -> Rows:
    layer = one.layer
    assert isinstance(layer, layers.BatchNorm)
    x = torch.stack(below)
    if layer.mode == "training":
        hats = F.batch_norm(x, None, None, training=True, eps=layer.epsilon)
    else:
        hats = F.batch_norm(x, given[0]["mean"], given[0]["variance"], training=False, eps=layer.epsilon)
    broad = (-1, *(1,) * (x.ndim - 2))
    return [hat * p["scale"].reshape(broad) + p["shift"].reshape(broad) for hat, p in zip(hats, given)]


def _layer(
    one: Placed, x: torch.Tensor, p: dict[str, torch.Tensor], drawn: dict[str, torch.Tensor], copy: dict[str, Any]
) -> torch.Tensor:
    layer = one.layer
    match layer:
        case layers.Dense():
            return F.linear(x.reshape(-1), p["weights"], p.get("bias"))
        case layers.Conv():
            window = layer.window(one.shape_in)
            conv = F.conv1d if len(one.shape_in) == 2 else F.conv2d
            options = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
            return conv(x[None], p["weights"], p.get("bias"), **options)[0]
        case layers.Pool():
            window = layer.window(one.shape_in)
            flat = len(one.shape_in) == 2
            options = {"kernel_size": window.kernel, "stride": window.stride, "padding": window.padding}
            if layer.how == "max":
                return (F.max_pool1d if flat else F.max_pool2d)(x[None], **options)[0]
            return (F.avg_pool1d if flat else F.avg_pool2d)(x[None], **options)[0]
        case layers.GlobalAverage():
            return x.reshape(x.shape[0], -1).mean(dim=1)
        case layers.Flatten() | layers.Activate():
            return x
        case layers.Duplicate():
            return x.reshape(-1).repeat(layer.copies)
        case layers.Add():
            return x.reshape(layer.parts, -1).sum(dim=0)
        case layers.Max():
            return x.reshape(layer.parts, -1).max(dim=0).values
        case layers.LayerNorm():
            shape = x.shape[-1:] if x.ndim == 2 else x.shape
            return F.layer_norm(x, shape, p["scale"].reshape(shape), p["shift"].reshape(shape), layer.epsilon)
        case layers.GroupNorm():
            # Not F.group_norm, which refuses groups of one number.
            groups = x.reshape(layer.groups, -1)
            hats = F.layer_norm(groups, groups.shape[1:], eps=layer.epsilon).reshape(x.shape)
            broad = (-1, *(1,) * (x.ndim - 1))
            return hats * p["scale"].reshape(broad) + p["shift"].reshape(broad)
        case layers.Dropout():
            if layer.mode == "evaluation":
                return x
            mask = p["mask"] if "mask" in p else torch.stack([drawn[n] for n in one.parts("mask", *one.shape)])
            return x * mask.reshape(x.shape) / (1 - layer.p)
        case layers.Softmax():
            return F.softmax(x, dim=-1) if x.ndim == 2 else F.softmax(x.reshape(-1), dim=0)
        case layers.LogSoftmax():
            return F.log_softmax(x, dim=-1) if x.ndim == 2 else F.log_softmax(x.reshape(-1), dim=0)
        case layers.PositionalEncoding():
            return x + _encoding(*one.shape, layer.base)
        case layers.Attention():
            q, k, v = x @ p["query"].T, x @ p["key"].T, x @ p["value"].T
            mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=layer.causal)[0]
            return mixed @ p["output"].T if "output" in p else mixed
        case layers.Circuit():
            known = {**dict(zip(one.below, x.reshape(-1))), **copy}
            functions = {name.replace(" ", "_"): f for name, f in ACTIVATIONS.items()}
            functions |= {"max": lambda a, b: torch.where(a >= b, a, b), "exp": torch.exp, "log": torch.log}
            for name, formula in layer.cells:
                known[name] = eval(formula.replace("^", "**"), functions, known)
            return torch.stack([known[name] for name in one.units])
    raise AssertionError(type(layer))


def _encoding(tokens: int, features: int, base: float) -> torch.Tensor:
    rows = [
        [(math.cos if k % 2 else math.sin)(t / base ** ((k - k % 2) / features)) for k in range(features)]
        for t in range(tokens)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def _loss(spec: Spec, y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    match spec.loss:
        case "half squared error":
            return 0.5 * F.mse_loss(y, t, reduction="sum")
        case "squared error":
            return F.mse_loss(y, t, reduction="sum")
        case "mean squared error":
            return F.mse_loss(y, t)
        case "binary cross-entropy":
            return F.binary_cross_entropy(y, t)
        case "binary cross-entropy from logits":
            return F.binary_cross_entropy_with_logits(y, t)
        case "cross-entropy":
            return -(t * torch.log(y)).sum()
        case "cross-entropy from logits":
            return F.cross_entropy(y[None], t[None])
        case "nll":
            return -(t * y).sum()
        case "kl divergence":
            return F.kl_div(torch.log(y), t, reduction="sum")
        case "output":
            return y.sum()
    raise AssertionError(spec.loss)
