"""Random networks, for properties that hold for all of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from xlbackprop.errors import NetworkError
from xlbackprop.graph.ops import of_kind
from xlbackprop.spec import Dense, Sample, Spec, checked, layers
from xlbackprop.spec import optimizers as kinds
from xlbackprop.spec.shapes import Shape, nested, size

ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu"]
ANY_ACTIVATION = ["none", *of_kind("activation")]
Draw = st.DrawFn


def numbers(limit: float, least: float) -> st.SearchStrategy[float]:
    """Numbers of few digits, some of them 0 or equal, and some of all their digits, not nearer to 0 than `least`."""
    few = st.integers(-100, 100).map(lambda n: n * limit / 100)
    return st.one_of(
        few,
        st.floats(-limit, limit, allow_nan=False, allow_subnormal=False).map(lambda x: x if abs(x) >= least else 0.0),
    )


@st.composite
def networks(draw: st.DrawFn, least: float = 0.0) -> Spec:
    widths = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    layers = []
    for n_in, n_out in pairwise(widths):
        weights = draw(st.tuples(*[st.tuples(*[numbers(1.5, least)] * n_in)] * n_out))
        bias = draw(st.one_of(st.none(), numbers(1, least), st.tuples(*[numbers(1, least)] * n_out)))
        activation = draw(st.sampled_from(ACTIVATIONS))
        layers.append(Dense(weights=weights, activation=activation, bias=bias, train_bias=draw(st.booleans())))
    sample = st.builds(
        Sample, st.tuples(*[numbers(2, least)] * widths[0]), st.tuples(*[numbers(1, least)] * widths[-1])
    )
    spec = Spec(
        layers=tuple(layers),
        samples=tuple(draw(st.lists(sample, min_size=1, max_size=3))),
        rates=tuple(draw(st.lists(st.floats(1e-3, 2), min_size=1, max_size=2, unique=True))),
        steps=draw(st.integers(1, 6)),
        update=draw(st.sampled_from(["simultaneous", "sequential"])),
        style=draw(st.sampled_from(["class", "delta"])),
    )
    return checked(spec, "random")


def _some(draw: Draw, shape: Shape, limit: float = 1.0) -> object:
    """A tensor of numbers of two digits."""
    flat = draw(st.lists(st.integers(-100, 100), min_size=size(shape), max_size=size(shape)))
    return nested(tuple(n * limit / 100 for n in flat), shape)


def _dense(draw: Draw, shape: Shape) -> layers.Layer:
    n_out = draw(st.integers(1, 4))
    return Dense(
        weights=_some(draw, (n_out, size(shape))),
        bias=draw(st.sampled_from([None, 0.1, _some(draw, (n_out,))])),
        activation=draw(st.sampled_from(ANY_ACTIVATION)),
    )


def _conv(draw: Draw, shape: Shape) -> layers.Layer:
    channels, kernel = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    return layers.Conv(
        weights=_some(draw, (channels, shape[0], *(kernel,) * (len(shape) - 1))),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.integers(0, 2)),
        dilation=draw(st.integers(1, 2)),
        bias=draw(st.sampled_from([None, _some(draw, (channels,))])),
        activation=draw(st.sampled_from(ANY_ACTIVATION)),
    )


def _pool(draw: Draw, shape: Shape) -> layers.Layer:
    kernel = draw(st.integers(1, 3))
    return layers.Pool(
        how=draw(st.sampled_from(["max", "average"])),
        kernel=kernel,
        stride=draw(st.sampled_from([None, 1, 2])),
        padding=draw(st.integers(0, kernel // 2)),
    )


def _norm(draw: Draw, shape: Shape) -> layers.Layer:
    def affine(features: int) -> dict[str, object]:
        return {"scale": _some(draw, (features,)), "shift": _some(draw, (features,))}

    activation = draw(st.sampled_from(ANY_ACTIVATION))
    match draw(st.sampled_from(["batch", "evaluation", "layer", "group"])):
        case "batch":
            return layers.BatchNorm(**affine(shape[0]), activation=activation, epsilon=0.01)
        case "evaluation":
            variance = tuple(abs(x) + 0.1 for x in _some(draw, (shape[0],)))
            return layers.BatchNorm(
                mode="evaluation", mean=_some(draw, (shape[0],)), variance=variance, **affine(shape[0])
            )
        case "layer":
            return layers.LayerNorm(
                **affine(shape[-1] if len(shape) == 2 else size(shape)), activation=activation, epsilon=0.01
            )
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
    return layers.GroupNorm(groups=groups, **affine(shape[0]), activation=activation, epsilon=0.01)


def _dropout(draw: Draw, shape: Shape) -> layers.Layer:
    match draw(st.sampled_from(["seed", "mask", "evaluation"])):
        case "seed":
            return layers.Dropout(p=0.3, seed=draw(st.integers(0, 9)))
        case "mask":
            count = size(shape)
            return layers.Dropout(p=0.5, mask=tuple(float(k % 3 > 0) for k in range(count)))
    return layers.Dropout(mode="evaluation")


def _attention(draw: Draw, shape: Shape) -> layers.Layer:
    d, width = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    return layers.Attention(
        query=_some(draw, (d, shape[1])), key=_some(draw, (d, shape[1])), value=_some(draw, (width, shape[1])),
        output=draw(st.sampled_from([None, _some(draw, (2, width))])), causal=draw(st.booleans()),
    )  # fmt: skip


def _plain(draw: Draw, shape: Shape) -> layers.Layer:
    parts = [n for n in (2, 3) if size(shape) % n == 0]
    made = [
        layers.Flatten(), layers.Activate(activation=draw(st.sampled_from(of_kind("activation")))),
        layers.Residual(of="inputs", activation=draw(st.sampled_from(ANY_ACTIVATION))),
        layers.Softmax(), layers.LogSoftmax(),
        *([layers.Duplicate()] if size(shape) < 6 else []),
        *(layer(parts=n) for n in parts for layer in (layers.Add, layers.Max)),
        *([layers.GlobalAverage()] if len(shape) > 1 else []),
        *([layers.PositionalEncoding()] if len(shape) == 2 else []),
    ]  # fmt: skip
    return draw(st.sampled_from(made))


def _circuit(draw: Draw, shape: Shape) -> layers.Layer:
    return layers.Circuit(
        cells=(("q1", "sigmoid(p1*q0) + 2*p2^2"), ("q2", "max(q1, p1) - q0/(2 + tanh(q1))")),
        parameters={"p1": 0.3, "p2": -0.7},
    )


@st.composite
def any_networks(draw: st.DrawFn) -> Spec:
    """Networks of all layers, losses, optimisers, batches and schedules that go together."""
    shape: Shape = draw(st.sampled_from([(2,), (3,), (1, 5), (2, 4), (3, 2), (1, 4, 4), (2, 3, 3)]))
    inputs = size(shape)
    first = shape
    chosen: list[layers.Layer] = []
    for _ in range(draw(st.integers(1, 4))):
        makers = [_dense, _norm, _dropout, _plain]
        makers += [_conv, _pool] if len(shape) > 1 else []
        makers += [_attention] if len(shape) == 2 and len(chosen) < 2 else []
        layer = draw(st.sampled_from(makers))(draw, shape)
        if isinstance(layer, layers.Residual) and shape != first:
            continue
        try:
            layer.check(shape)
            out = layer.out(shape)
        except NetworkError:  # a window that does not fit
            continue
        if size(out) <= 40:
            chosen.append(layer)
            shape = out
    if draw(st.booleans()) and size(shape) == 1 and not chosen:
        chosen.append(_circuit(draw, shape))
    if not chosen or size(shape) > 6:
        chosen.append(_dense(draw, shape))
        shape = chosen[-1].out(shape)
    loss = draw(st.sampled_from(["mean squared error", "half squared error", "squared error", "output",
                                 "cross-entropy from logits", "binary cross-entropy from logits",
                                 "cross-entropy", "kl divergence", "nll", "binary cross-entropy"]))  # fmt: skip
    if loss in ("cross-entropy", "kl divergence"):
        chosen.append(layers.Softmax())
    elif loss == "nll":
        chosen.append(layers.LogSoftmax())
    elif loss == "binary cross-entropy":
        chosen.append(Dense(weights=_some(draw, (2, size(shape))), activation="sigmoid"))
        shape = (2,)
    outputs = 0 if loss == "output" else size(shape)
    targets = st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * outputs)
    values = st.tuples(*[st.integers(-100, 100).map(lambda n: n / 50)] * inputs)
    several = any(layer.couples for layer in chosen)
    samples = draw(st.lists(st.builds(Sample, values, targets), min_size=4 if several else 1, max_size=5))
    spec = Spec(
        layers=tuple(chosen),
        samples=tuple(samples),
        rates=(draw(st.sampled_from([0.01, 0.1, 0.5])),),
        steps=draw(st.integers(1, 4)),
        input_shape=first if len(first) > 1 else (),
        loss=loss,
        batch="full" if several else draw(st.sampled_from([1, 1, 2, "full"])),
        reduction=draw(st.sampled_from(["mean", "sum"])),
        shuffle=draw(st.sampled_from([None, 3])),
        optimizer=draw(st.sampled_from([
            kinds.Sgd(), kinds.Momentum(), kinds.Momentum(nesterov=True), kinds.Momentum(dampening=0.3),
            kinds.AveragedMomentum(), kinds.RmsProp(), kinds.Adam(), kinds.Adam(bias_correction=False),
        ])),
        schedule=draw(st.sampled_from([
            kinds.Schedule(), kinds.Schedule(), kinds.Schedule(kind="step", every=1, warm_up=2),
            kinds.Schedule(kind="exponential", factor=0.8, by="epoch"),
            kinds.Schedule(kind="cosine", last=3, least=0.01),
        ])),
        l1=draw(st.sampled_from([0.0, 0.001])),
        l2=draw(st.sampled_from([0.0, 0.01])),
        clip_norm=draw(st.sampled_from([None, 0.1])),
        input_gradients=draw(st.booleans()),
    )  # fmt: skip
    return checked(spec, "random")
