"""The table of operations: for each, its text on paper and its local derivatives.

A row's `partials` takes the operation's own output `a` and its arguments, and returns
∂output/∂argument for each: seeing the output makes sigmoid's rule `a*(1-a)`. To add an
operation, add a row here and a function on the reference's side (`reference/functions.py`).

Precedence is the worksheet's: unary minus binds tighter than `^` there, so `-x^2` is (-x)^2;
the printer therefore never leaves a minus bare under a power. `slots` is the least precedence
that each argument may have without brackets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xlbackprop.graph.expr import ONE, TWO, ZERO, Expr, Number, mul, sub
from xlbackprop.graph.expr import build as op

ANY, SUM, PRODUCT, NEGATION, POWER, ATOM = range(6)


@dataclass(frozen=True, slots=True)
class Operation:
    symbol: str
    kind: str  # "arithmetic", "activation", "loss" or "lookup"
    worksheet: str
    latex: str
    derivative: str  # ∂output/∂argument as people write it; for the list that `xlbackprop ops` prints
    precedence: int
    slots: tuple[int, ...]
    partials: Callable[..., tuple[Expr, ...]]


def _none(_output: Expr, *args: Expr) -> tuple[Expr, ...]:
    return (ZERO,) * len(args)


# fmt: off
_ROWS = (
    Operation("+", "arithmetic", "{0}+{1}", r"{0} + {1}", "1, 1", SUM, (SUM, SUM), lambda a, x, y: (ONE, ONE)),
    Operation(
        "-", "arithmetic", "{0}-{1}", r"{0} - {1}", "1, -1", SUM, (SUM, PRODUCT), lambda a, x, y: (ONE, Number(-1))
    ),
    Operation("*", "arithmetic", "{0}*{1}", r"{0}\,{1}", "y, x", PRODUCT, (PRODUCT, NEGATION), lambda a, x, y: (y, x)),
    Operation("neg", "arithmetic", "-{0}", r"-{0}", "-1", NEGATION, (ATOM,), lambda a, x: (Number(-1),)),
    Operation("square", "arithmetic", "{0}^2", r"{0}^2", "2*x", POWER, (ATOM,), lambda a, x: (mul(TWO, x),)),
    Operation("identity", "activation", "{0}", r"{0}", "1", ANY, (ANY,), lambda a, z: (ONE,)),
    Operation(
        "sigmoid",
        "activation",
        "1/(1+EXP(-{0}))",
        r"\sigma({0})",
        "a*(1-a)",
        PRODUCT,
        (ATOM,),
        lambda a, z: (mul(a, sub(ONE, a)),),
    ),
    Operation(
        "tanh",
        "activation",
        "TANH({0})",
        r"\tanh({0})",
        "1-a^2",
        ATOM,
        (ANY,),
        lambda a, z: (sub(ONE, op("square", a)),),
    ),
    Operation(
        "relu",
        "activation",
        "MAX(0,{0})",
        r"\max(0, {0})",
        "1 where z>0, else 0",
        ATOM,
        (ANY,),
        lambda a, z: (op("positive", z),),
    ),
    # SIGN and not IF(z>0,1,0): some calculators take a number below 1e-15 for 0 when they compare.
    Operation("positive", "arithmetic", "MAX(0,SIGN({0}))", r"[{0} > 0]", "0",
              ATOM, (ANY,), _none),
    Operation(
        "half squared error",
        "loss",
        "0.5*({0}-{1})^2",
        r"\tfrac{{1}}{{2}}({0} - {1})^2",
        "t-a, a-t",
        PRODUCT,
        (SUM, PRODUCT),
        lambda e, t, a: (sub(t, a), sub(a, t)),
    ),
    Operation("cycle", "lookup", "MOD({0},{1})+1", r"({0} \bmod {1}) + 1", "0", SUM, (ANY, ANY), _none),
    Operation("pick", "lookup", "INDEX({0},{1})", r"{0}_{{{1}}}", "0", ATOM, (ANY, ANY), _none),
)
# fmt: on

OPS: dict[str, Operation] = {row.symbol: row for row in _ROWS}
