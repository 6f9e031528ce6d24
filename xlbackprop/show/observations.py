"""What each learning rate did to the error, calculated from its curve and told in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from xlbackprop.spec import Spec

Series = Sequence[float]

LEVELS = ((0.5, "a half"), (0.1, "a tenth"), (0.01, "a hundredth"))  # of the error at the start
HARDLY = 0.01  # of the start: of an error that never moves by more it is said by how much
LEVEL = 1e-3  # relative: an end that varies by less is level
IN_TURN = 6  # changes up and down in turn, from which on it is no chance
SWING = 0.01  # relative: how far the two values of a lasting swing are apart at least


@dataclass(frozen=True)
class Observation:
    """The facts about one rate's curve.

    Errors are in the unit of the loss, times in `unit`. Where an epoch has several batches, a batch
    is compared with its own visit before, and all from `unit` on is of the averages of epochs.
    """

    rate: float
    diverged: int | None  # the first step whose error is not a finite number; what follows is of the errors before it
    compared: int  # how many steps, or visits to a batch, have one before to compare with
    falls: int  # how many of them found a smaller error
    rises: int  # or a larger one
    first_rise: int | None  # the step of the first
    unit: str  # step, or epoch
    start: float
    end: float
    times: int  # how many units are between the two
    moves: float  # the largest error minus the smallest, relative to the start
    swings: tuple[int, int] | None  # from when to when the error goes up and down in turn
    period_two: tuple[float, float] | None  # the two errors it goes to and fro between at the end, the lower first
    whole: float  # what LEVELS are parts of, for all rates the same: the start of the smallest rate
    reached: tuple[int | None, ...]  # when it was first at each of LEVELS or below; None for never
    ending: str | None  # how the last tenth goes: falling, level, rising; None if it does none of these
    half_life: float | None  # how long a falling end takes to halve, by a straight line through ln E

    @property
    def manner(self) -> str:
        """How the error went, in a few words."""
        return _first(MANNERS, self)

    @property
    def sentence(self) -> str:
        """The manner, how far, how fast, and how it ends."""
        beginning = filter(None, (_first(rules, self) for rules in (MANNERS, RISES, EXTENTS)))
        clauses = (says(self) for holds, says in CLAUSES if holds(self))
        return f"η = {self.rate:g}: {'; '.join([', '.join(beginning), *clauses])}."


def observations(spec: Spec, errors: Sequence[Series]) -> list[Observation]:
    """One for each rate, from its errors by step (n_rates, steps + 1): E_total, or E_batch of batches."""
    curves = {rate: _curve(spec, [float(error) for error in series]) for rate, series in zip(spec.rates, errors)}
    whole = curves[min(curves)][0]
    return [_observed(spec, rate, series, curves[rate], whole) for rate, series in zip(spec.rates, errors)]


def comparison(observed: Sequence[Observation]) -> list[str]:
    """Sentences: the fastest to each level, the lowest at the end, where a larger rate stops helping.

    Of a single rate there are none, nor of what none of the rates did.
    """
    moved = [one for one in observed if one.times or one.diverged is not None]
    return [*_fastest(moved), *_lowest(moved), *_larger(moved)] if len(moved) > 1 else []


def sentences(observed: Sequence[Observation]) -> list[str]:
    """One of each rate, then those of the comparison."""
    return [*(one.sentence for one in observed), *comparison(observed)]


def diverged(errors: Series) -> int | None:
    """The first step whose error is not a finite number, None without one."""
    return next((step for step, error in enumerate(errors) if not math.isfinite(error)), None)


def _observed(spec: Spec, rate: float, errors: Series, curve: Series, whole: float) -> Observation:
    lag = spec.batches.per_epoch
    end = diverged(errors)
    finite = errors[:end]
    rises = [step for step in range(lag, len(finite)) if finite[step] > finite[step - lag]]
    swings, two = _swings(curve), _period_two(curve) if end is None else None
    settled = end is None and two is None and (swings is None or swings[1] < len(curve) - 1)
    ending, half_life = _ending(curve) if settled else (None, None)
    return Observation(
        rate=rate,
        diverged=end,
        compared=max(0, len(finite) - lag),
        falls=sum(after < before for before, after in zip(finite, finite[lag:])),
        rises=len(rises),
        first_rise=rises[0] if rises else None,
        unit="step" if lag == 1 else "epoch",
        start=curve[0],
        end=curve[-1],
        times=len(curve) - 1,
        moves=_ratio(max(curve) - min(curve), abs(curve[0])),
        swings=swings,
        period_two=two,
        whole=whole,
        reached=_reached(curve, whole),
        ending=ending,
        half_life=half_life,
    )


def _curve(spec: Spec, errors: list[float]) -> list[float]:
    """The errors before any that is not finite, or the averages of their epochs; never empty."""
    finite = errors[: diverged(errors)]
    return (finite if spec.batches.per_epoch == 1 else _epochs(spec, finite)) or finite[:1] or errors[:1]


def _epochs(spec: Spec, errors: Series) -> list[float]:
    """The average error of every whole epoch, in which all samples count the same."""
    batches, lag = spec.batches, spec.batches.per_epoch
    summed = batches.several and spec.reduction == "sum"
    parts = [(1 if summed else batches.count(step)) / batches.samples for step in range(lag)]
    return [
        sum(part * error for part, error in zip(parts, errors[start : start + lag]))
        for start in range(0, len(errors) - lag + 1, lag)
    ]


def _swings(curve: Series) -> tuple[int, int] | None:
    """The longest stretch in which each change goes the other way than the one before."""
    changes = [after - before for before, after in pairwise(curve)]
    best = stretch = (0, 0)
    for k, change in enumerate(changes):
        turned = k > 0 and min(change, changes[k - 1]) < 0 < max(change, changes[k - 1])
        stretch = (stretch[0] if turned else k, k + 1)
        best = max(best, stretch, key=lambda one: one[1] - one[0])
    return best if best[1] - best[0] >= IN_TURN else None


def _period_two(curve: Series) -> tuple[float, float] | None:
    last = curve[-IN_TURN - 1 :]
    low, high = sorted(curve[-2:]) if len(last) > IN_TURN else (0.0, 0.0)
    size = max(abs(low), abs(high))
    returns = all(abs(after - before) <= LEVEL * size for before, after in zip(last, last[2:]))
    return (low, high) if returns and high - low > SWING * size else None


def _reached(curve: Series, whole: float) -> tuple[int | None, ...]:
    """Of an error that goes below 0 no part makes sense, nor of one that begins at 0."""
    if min(curve) < 0 or not 0 < whole < math.inf:
        return (None,) * len(LEVELS)
    return tuple(next((time for time, error in enumerate(curve) if error <= part * whole), None) for part, _ in LEVELS)


def _ending(curve: Series) -> tuple[str | None, float | None]:
    """How the last tenth goes, or at least the last three; falling ends lowest, and the straight line falls."""
    last = curve[-max(3, math.ceil(len(curve) / 10)) :]
    if len(last) < 3:
        return None, None
    if max(last) - min(last) <= LEVEL * max(map(abs, last)):
        return "level", None
    if min(last) <= 0:
        return None, None
    slope = _slope([math.log(error) for error in last])
    if slope > 0 and last[-1] == max(last):
        return "rising", None
    if slope < 0 and last[-1] == min(last):
        return "falling", math.log(0.5) / slope
    return None, None


def _slope(values: Series) -> float:
    """Of the straight line that fits best."""
    middle = (len(values) - 1) / 2
    return sum((k - middle) * value for k, value in enumerate(values)) / sum(
        (k - middle) ** 2 for k in range(len(values))
    )


def _fastest(observed: Sequence[Observation]) -> list[str]:
    lines = []
    unit, whole = observed[0].unit, _number(observed[0].whole)
    for k, (_, words) in enumerate(LEVELS):
        times = {one.rate: time for one in observed if (time := one.reached[k]) is not None}
        if times:
            first = min(times.values())
            rates = _rates(rate for rate, time in times.items() if time == first)
            others = [one.rate for one in observed if one.rate not in times]
            never = f"; not reached by {_rates(others)}" if others else ""
            lines.append(f"Fastest to {words} of {whole}: {rates}, in {_count(first, unit)}{never}.")
    return lines


def _lowest(observed: Sequence[Observation]) -> list[str]:
    ends = {one.rate: one.end for one in observed if one.diverged is None}
    if not ends:
        return []
    lowest = min(ends.values())
    rates = _rates(rate for rate, end in ends.items() if end == lowest)
    return [f"Lowest error at the end: {rates}, {_number(lowest)}."]


def _larger(observed: Sequence[Observation]) -> list[str]:
    """Up to which rate each larger one ends lower, and how the next one ends; diverged is the highest end."""
    ordered = sorted(observed, key=lambda one: one.rate)
    ends = [one.end if one.diverged is None else math.inf for one in ordered]
    stops = next((k for k, (end, larger) in enumerate(pairwise(ends)) if larger >= end), None)
    if stops is None:
        return [f"Each larger rate ends lower, up to the largest tried, η = {ordered[-1].rate:g}."]
    best, after = ordered[stops], ordered[stops + 1]
    ends_at = f"ends at {_number(after.end)}, no lower than {_number(best.end)}"
    then = ends_at if after.diverged is None else after.manner
    return [f"A larger rate stops helping after η = {best.rate:g}: η = {after.rate:g} {then}."]


def _first(rules: Iterable[Rule], one: Observation) -> str:
    return next((says(one) for holds, says in rules if holds(one)), "")


def _visit(one: Observation) -> str:
    return "step" if one.unit == "step" else "visit"


def _whose(one: Observation) -> str:
    return "" if one.unit == "step" else "the average of an epoch "


def _from_to(one: Observation) -> str:
    return f"{_whose(one)}from {_number(one.start)} to {_number(one.end)}"


def _during(one: Observation) -> str:
    start, stop = one.swings or (0, 0)
    return f"from {one.unit} {start} to {stop}"


def _pair(one: Observation) -> str:
    return " and ".join(map(_number, one.period_two or ()))


def _halving(one: Observation) -> str:
    return _count(one.half_life or 0, one.unit)


def _levels(one: Observation) -> str:
    """`halves in 16 steps, a tenth in 63`."""
    times = [(words, time) for (_, words), time in zip(LEVELS, one.reached) if time is not None]
    halves = "halves" if one.start == one.whole else f"at a half of {_number(one.whole)}"
    first = f"{halves} in {_count(times[0][1], one.unit)}"
    return ", ".join([first, *(f"{words} in {time}" for words, time in times[1:])])


def _part(ratio: float) -> str:
    """`a 23rd`, `43 % of the start`, `2.1 times as much`."""
    if ratio > 1:
        return f"{ratio:.3g} times as much"
    if ratio > 0.1:
        return f"{100 * ratio:.3g} % of the start"
    if ratio < 1e-6:
        return f"{ratio:.2g} of the start"
    return _ordinal(round(1 / ratio, 2 - math.floor(-math.log10(ratio))))


def _ordinal(number: float) -> str:
    """`a 23rd`, `an 11th`."""
    digits = f"{number:,.0f}"
    article = "an" if digits.startswith("8") or digits.partition(",")[0] in ("11", "18") else "a"
    last = {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th") if digits[-2:-1] != "1" else "th"
    return f"{article} {digits}{last}"


def _count(number: float, unit: str) -> str:
    """`16 steps`, `1 step`, `2.3 epochs`."""
    text = f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
    return f"{text} {unit}" + ("" if text == "1" else "s")


def _number(error: float) -> str:
    return f"{error:.4g}"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.inf if part else 0.0


def _rates(rates: Iterable[float]) -> str:
    """`η = 0.1, 0.2 and 0.5`."""
    *before, last = (f"{rate:g}" for rate in rates)
    return f"η = {', '.join(before)} and {last}" if before else f"η = {last}"


# Which words follow from which facts: the first that holds of MANNERS, RISES and EXTENTS, all that hold of CLAUSES.
Rule = tuple[Callable[[Observation], bool], Callable[[Observation], str]]

MANNERS: tuple[Rule, ...] = (
    (lambda o: o.diverged is not None, lambda o: f"diverged at step {o.diverged}"),
    (lambda o: o.compared == 0, lambda o: "no sample is seen twice"),
    (lambda o: o.falls == o.compared, lambda o: f"falls at every {_visit(o)}"),
    (lambda o: o.falls == o.rises == 0, lambda o: "does not move"),
    (lambda o: o.rises == 0, lambda o: "never rises"),
    (lambda o: True, lambda o: f"rose at {o.rises} of {o.compared} {_visit(o)}{'s' * (o.compared > 1)}"),
)

RISES: tuple[Rule, ...] = (
    (lambda o: o.diverged is not None and o.rises > 0, lambda o: f"after it first rose at step {o.first_rise}"),
    (lambda o: o.rises > 0, lambda o: f"{'first ' if o.rises > 1 else ''}at step {o.first_rise}"),
)

EXTENTS: tuple[Rule, ...] = (
    (lambda o: o.times == 0, lambda o: ""),
    (lambda o: o.moves == 0, lambda o: f"{_whose(o)}at {_number(o.start)}"),
    (lambda o: o.diverged is not None, lambda o: f"{_from_to(o)} before it"),
    (lambda o: o.end == 0, lambda o: f"{_from_to(o)} exactly"),
    (lambda o: min(o.start, o.end) > 0, lambda o: f"{_from_to(o)}, {_part(o.end / o.start)}"),
    (lambda o: True, _from_to),
)

CLAUSES: tuple[Rule, ...] = (
    (lambda o: 0 < o.moves <= HARDLY, lambda o: f"moves by no more than {o.moves:.2g} of the start"),
    (lambda o: o.swings is not None, lambda o: f"up and down in turn {_during(o)}"),
    (lambda o: o.period_two is not None, lambda o: f"at the end to and fro between {_pair(o)}"),
    (lambda o: o.reached[0] is not None, _levels),
    (lambda o: o.ending == "falling", lambda o: f"still falling at the end, by half every {_halving(o)}"),
    (lambda o: o.ending == "level" and o.moves > 0, lambda o: "level at the end"),
    (lambda o: o.ending == "rising", lambda o: "rising at the end"),
)
