"""Random networks, for properties that hold for all of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from xlbackprop.spec import Dense, Sample, Spec, checked

ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu"]


def numbers(limit: float, least: float) -> st.SearchStrategy[float]:
    """Numbers of few digits, some of them 0 or equal, and some of all their digits, not nearer to 0 than `least`."""
    few = st.integers(-100, 100).map(lambda n: n * limit / 100)
    return st.one_of(few, st.floats(-limit, limit, allow_nan=False).map(lambda x: x if abs(x) >= least else 0.0))


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
