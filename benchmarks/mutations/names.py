"""Which kinds of mistake give the same numbers, so that a wrong cell may have any of their names."""

from __future__ import annotations

import re
from random import Random

import numpy as np

from benchmarks.mutations.expression import Expr, Ref, Span, Spelling
from benchmarks.mutations.layouts import Table
from benchmarks.mutations.mistakes import KINDS, Site, sites

SAMPLES = 24  # enough for the signs of two sums to differ, where ReLU masks one
EQUAL = 1e-9  # relative
# A place or a history tells these, not the formula; the last is for what has no other name.
NOT_BY_FORMULA = {"drifting-rate", "overwritten-cell", "stopped-formulas", "typed-number", "different"}
STRICT = {"updated-weights", "sigmoid-sign"}  # a general name for these says less than is known
FUNCTIONS: dict[str, object] = {
    "EXP": np.exp,
    "LN": np.log,
    "LOG": np.log10,
    "LOG10": np.log10,
    "TANH": np.tanh,
    "MAX": max,
    "IF": lambda test, yes, no: yes if test else no,
    "POWER": np.float_power,
    "POW": np.float_power,
    "SUM": lambda *terms: sum(terms),
    "SUMPRODUCT": lambda p, q: p * q,
    "AVERAGE": lambda *terms: sum(terms) / len(terms),
}


def names(kind: str, site: Site, table: Table) -> frozenset[str]:
    """The names that fit the site: those it knows, and the kinds with a formula of the same numbers."""
    if kind in NOT_BY_FORMULA - {"different"} | STRICT:
        return site.accepted
    if kind == "different":  # what it changes is most often a constant
        return site.accepted | {"wrong-number"}
    wrong, others = sampled(_formula(site)), set[str]()
    for other in KINDS.keys() - NOT_BY_FORMULA - site.accepted:
        alike = (one for one in sites(other, table, Random(0)) if one.column == site.column)
        if any(np.allclose(sampled(_formula(one)), wrong, rtol=EQUAL, atol=0) for one in alike):
            others.add(other)
    return site.accepted | others


def _formula(site: Site) -> Expr:
    return site.at(site.first, site.first)


def sampled(expr: Expr) -> list[float]:
    """What the text of the formula gives for random cells; its lost parentheses are lost here too."""
    known: dict[Ref | Span, str] = {}
    text = Spelling().text(expr, lambda ref: known.setdefault(ref, f"v{len(known)}"))
    # A worksheet's minus before a cell binds tighter than its power.
    text = re.sub(r"(?<![\w)])-(v\d+)\^", r"(-\1)^", text).replace("^", "**")
    with np.errstate(all="ignore"):
        return [float(eval(text, FUNCTIONS | _cells(known, k))) for k in range(SAMPLES)]


def _cells(known: dict[Ref | Span, str], k: int) -> dict[str, object]:
    return {name: np.float64(_number(ref, Random(f"{k} {ref}"))) for ref, name in known.items()}


def _number(ref: Ref | Span, rng: Random) -> float:
    """Between 0 and 1, as targets and outputs are; what is hidden may be negative, where ReLU masks it."""
    sign = rng.choice((-1, 1)) if isinstance(ref, Ref) and re.fullmatch(r"[ho]\d+|a_h\d+", ref.name) else 1
    return sign * rng.uniform(0.1, 0.9)
