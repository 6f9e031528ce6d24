"""What is said of a curve follows from the curve: every number of every sentence is found again by brute force."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbackprop.job import run
from xlbackprop.networks import load
from xlbackprop.reference.run import train
from xlbackprop.show.observations import (
    IN_TURN,
    LEVELS,
    Observation,
    comparison,
    diverged,
    observations,
    sentences,
)
from xlbackprop.show.plots import error_plotted
from xlbackprop.spec import Spec, override

INF, NAN = math.inf, math.nan


def _spec(*rates: float, steps: int = 100) -> Spec:
    """Of one sample, whose own numbers do not matter."""
    return override(load("era-s6"), rates=rates or (0.5,), steps=steps)


def _of(curve: list[float]) -> Observation:
    return observations(_spec(steps=len(curve) - 1), [curve])[0]


def _halving(every: float, steps: int) -> list[float]:
    return [0.5 ** (step / every) for step in range(steps + 1)]


# A curve, and its whole sentence without the rate.
SENTENCES = {
    "monotone": (
        _halving(10, 100),
        "falls at every step, from 1 to 0.0009766, a 1,020th; halves in 10 steps, a tenth in 34, a hundredth in 67; "
        "still falling at the end, by half every 10 steps",
    ),
    "one step": ([2.0, 1.5], "falls at every step, from 2 to 1.5, 75 % of the start"),
    "constant": ([0.25] * 30, "does not move, at 0.25"),
    "constant at 0": ([0.0] * 30, "does not move, at 0"),
    "plateau": ([4.0, 3.0, 3.0, 3.0, 3.0], "never rises, from 4 to 3, 75 % of the start; level at the end"),
    "one rise": (
        [8.0, 6.0, 7.0, 4.0, 3.0, 2.0],
        "rose at 1 of 5 steps, at step 2, from 8 to 2, 25 % of the start; halves in 3 steps; "
        "still falling at the end, by half every 2 steps",
    ),
    "rises throughout": (
        [1.0, 2.0, 4.0, 8.0],
        "rose at 3 of 3 steps, first at step 1, from 1 to 8, 8 times as much; rising at the end",
    ),
    "oscillating": (
        [1 + 0.5 * (-0.9) ** step for step in range(10)],
        "rose at 4 of 9 steps, first at step 2, from 1.5 to 0.8063, 53.8 % of the start; "
        "up and down in turn from step 0 to 9; halves in 1 step",
    ),
    "period two": (
        [2.0, *[0.5, 0.7] * 10],
        "rose at 10 of 20 steps, first at step 2, from 2 to 0.7, 35 % of the start; "
        "up and down in turn from step 0 to 20; at the end to and fro between 0.5 and 0.7; halves in 1 step",
    ),
    "infinite": (
        [1.0, 3.0, 1e200, INF, NAN],
        "diverged at step 3, after it first rose at step 1, from 1 to 1e+200 before it",
    ),
    "no number": ([1.0, 0.5, NAN], "diverged at step 2, from 1 to 0.5 before it; halves in 1 step"),
    "never a number": ([NAN, NAN], "diverged at step 0"),
    "down to 0": (
        [1.0, 0.25, 0.0, 0.0],
        "never rises, from 1 to 0 exactly; halves in 1 step, a tenth in 2, a hundredth in 2",
    ),
    "hardly": (
        [1 - 1e-5 * step for step in range(101)],
        "falls at every step, from 1 to 0.999, 99.9 % of the start; moves by no more than 0.001 of the start; "
        "level at the end",
    ),
    "below 0": ([1.0, 0.0, -1.0, -2.0], "falls at every step, from 1 to -2"),
}


@pytest.mark.parametrize("curve", SENTENCES)
def test_sentences(curve: str) -> None:
    errors, sentence = SENTENCES[curve]
    assert _of(errors).sentence == f"η = 0.5: {sentence}."


def test_what_several_rates_say_together() -> None:
    fast, slow, blown = _halving(5, 20), _halving(10, 20), [1.0, 2.0, INF, *[NAN] * 18]
    assert comparison(observations(_spec(0.1, 0.5, 5.0, steps=20), [slow, fast, blown])) == [
        "Fastest to a half of 1: η = 0.5, in 5 steps; not reached by η = 5.",
        "Fastest to a tenth of 1: η = 0.5, in 17 steps; not reached by η = 0.1 and 5.",
        "Lowest error at the end: η = 0.5, 0.0625.",
        "A larger rate stops helping after η = 0.5: η = 5 diverged at step 2.",
    ]
    assert comparison(observations(_spec(0.1, 0.5, steps=20), [slow, fast]))[-1] == (
        "Each larger rate ends lower, up to the largest tried, η = 0.5."
    )
    assert comparison(observations(_spec(0.1, 0.5, steps=20), [fast, fast])) == [
        "Fastest to a half of 1: η = 0.1 and 0.5, in 5 steps.",
        "Fastest to a tenth of 1: η = 0.1 and 0.5, in 17 steps.",
        "Lowest error at the end: η = 0.1 and 0.5, 0.0625.",
        "A larger rate stops helping after η = 0.1: η = 0.5 ends at 0.0625, no lower than 0.0625.",
    ]
    at_once = [1.0, *[INF] * 20]
    assert comparison(observations(_spec(0.1, 0.5, steps=20), [slow, at_once]))[-1] == (
        "A larger rate stops helping after η = 0.1: η = 0.5 diverged at step 1."
    )
    assert comparison(observations(_spec(0.1), [slow])) == []


def test_batches_are_compared_with_their_own_visit_and_levels_with_averages() -> None:
    spec = override(load("era-s6"), rates=(0.1, 0.5), batch=2, steps=5)
    three = Spec(layers=spec.layers, samples=spec.samples * 3, rates=spec.rates, steps=5, batch=2)
    spec = override(three, steps=5)
    assert spec.batches.per_epoch == 2  # of 2 samples and of 1
    slow, fast = [6.0, 3.0, 5.0, 3.5, 4.0, 2.0], [6.0, 0.0, 2.0, 1.0, 0.5, 0.25]
    first, second = observations(spec, [slow, fast])
    assert (first.unit, first.compared, first.falls, first.rises, first.first_rise) == ("epoch", 4, 3, 1, 3)
    assert (first.start, first.end) == pytest.approx(((2 * 6 + 3) / 3, (2 * 4 + 2) / 3))
    assert first.whole == second.whole == first.start
    assert (first.reached, second.reached) == ((None, None, None), (1, 2, None))
    assert second.sentence.startswith("η = 0.5: rose at 1 of 4 visits, at step 3, the average of an epoch from 4 to ")
    assert "; at a half of 5 in 1 epoch, a tenth in 2; still falling" in second.sentence


curves = st.lists(
    st.one_of(st.floats(0, 10), st.sampled_from([0.0, 1.0, 1.0, 2.0]), st.sampled_from([INF, NAN, -1.0])),
    min_size=2,
    max_size=30,
)


@given(curves)
def test_every_fact_is_in_the_curve(curve: list[float]) -> None:
    one = _of(curve)
    finite = curve[: next((k for k, error in enumerate(curve) if error - error != 0), len(curve))]
    assert one.diverged == (None if len(finite) == len(curve) else len(finite)) == diverged(curve)
    changes = [b - a for a, b in pairwise(finite)]
    assert one.rises == sum(change > 0 for change in changes)
    assert one.falls == sum(change < 0 for change in changes)
    assert one.first_rise == next((k + 1 for k, change in enumerate(changes) if change > 0), None)
    if finite:
        assert (one.start, one.end, one.times) == (finite[0], finite[-1], len(finite) - 1)
    for (part, _), time in zip(LEVELS, one.reached):
        if time is not None:
            assert curve[time] <= part * curve[0] < min(curve[:time])
        elif finite and finite[0] > 0 and min(finite) >= 0:
            assert min(finite) > part * curve[0]
    if one.swings:
        start, stop = one.swings
        assert stop - start >= IN_TURN
        assert all(a * b < 0 or 0 in (a, b) for a, b in pairwise(changes[start:stop]))
    if one.ending == "falling":
        assert finite[-1] == min(finite[-3:]) < max(finite[-3:])
        assert one.half_life is not None
        assert one.half_life > 0
    if one.ending == "rising":
        assert finite[-1] == max(finite[-3:]) > min(finite[-3:])
    assert (one.half_life is None) == (one.ending != "falling")


CLAIMS = {
    "falls at every": lambda o: o.falls == o.compared > 0,
    "never rises": lambda o: o.rises == 0 < o.falls < o.compared,
    "does not move": lambda o: o.start == o.end and o.moves == 0,
    "diverged": lambda o: o.diverged is not None,
    "rose at": lambda o: o.rises > 0,
    "up and down in turn": lambda o: o.swings is not None,
    "to and fro": lambda o: o.period_two is not None,
    "halves": lambda o: o.reached[0] is not None,
    "a tenth in": lambda o: o.reached[1] is not None,
    "a hundredth in": lambda o: o.reached[2] is not None,
    "still falling": lambda o: o.ending == "falling",
    "level at the end": lambda o: o.ending == "level",
    "rising at the end": lambda o: o.ending == "rising",
    "no more than": lambda o: 0 < o.moves <= 0.01,
}


@given(curves)
def test_no_claim_without_its_data(curve: list[float]) -> None:
    one = _of(curve)
    for words, holds in CLAIMS.items():
        assert words not in one.sentence or holds(one), (words, one.sentence)
    assert one.sentence.count("\n") == 0
    assert "nan" not in one.sentence
    assert not re.search(r"(?<!\.)\b1 steps|\b[02-9] step\b|\d{7}", one.sentence)


@given(st.floats(0.3, 1000), st.integers(3, 200))
def test_the_half_life_of_a_geometric_curve(every: float, steps: int) -> None:
    one = _of(_halving(every, steps))
    if one.half_life is None:
        assert one.ending == "level" or min(_halving(every, steps)) == 0
    else:
        assert one.half_life == pytest.approx(every, rel=1e-6)


@given(st.lists(curves, min_size=2, max_size=4))
def test_the_comparison_is_of_all_rates(series: list[list[float]]) -> None:
    length = max(map(len, series))
    series = [curve + [curve[-1]] * (length - len(curve)) for curve in series]
    series = [[1.0, *curve] for curve in series]
    rates = tuple(0.1 * (k + 1) for k in range(len(series)))
    observed = observations(_spec(*rates, steps=length), series)
    said = "\n".join(comparison(observed))
    assert sentences(observed) == [*(one.sentence for one in observed), *said.splitlines()]
    ends = {o.rate: o.end for o in observed if o.diverged is None and o.times}
    if match := re.search(r"Lowest error at the end: η = ([\d.]+)", said):
        assert ends[next(rate for rate in ends if f"{rate:g}" == match[1])] == min(ends.values())
    if "Each larger rate ends lower" in said:
        last = [INF if o.diverged is not None else o.end for o in observed]
        assert all(after < before for before, after in pairwise(last))
    for k, (_, words) in enumerate(LEVELS):
        times = [o.reached[k] for o in observed if o.reached[k] is not None]
        match = re.search(rf"Fastest to {words} of 1: .*?, in ([\d.]+) ", said)
        assert (match and int(match[1])) == (min(times) if times and said else None)


@pytest.mark.parametrize("name", ["era-s6", "xor", "half-moons", "three-hidden", "graddesc", "tiny-cnn"])
def test_templates(name: str) -> None:
    spec = load(name)
    observed = observations(spec, train(spec).values[error_plotted(spec)].tolist())
    assert [one.rate for one in observed] == list(spec.rates)
    assert all(line.endswith(".") and "\n" not in line for line in sentences(observed))


def test_a_run_tells_the_same_manner(tmp_path) -> None:
    summary = run(_spec(0.1, 500.0, steps=5), folder=tmp_path)
    for one in observations(summary.report.spec, summary.report.errors.tolist()):
        assert f"{one.manner}: η={one.rate:g}" in summary.results
