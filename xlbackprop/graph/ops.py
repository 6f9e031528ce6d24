"""The table of operations: for each, its text on paper and its local derivatives.

A row's `partials` takes the operation's own output `a` and its arguments, and returns
∂output/∂argument for each: seeing the output makes sigmoid's rule `a*(1-a)`. To add an
operation, add a row here and a function on the reference's side (`reference/functions.py`).
A row of kind "activation" or "loss" is known to network files by its symbol. `complex` is its rule on
complex numbers, for the sheet's complex step (`graph/pairs.py`).

Precedence is the worksheet's: unary minus binds tighter than `^` there, so `-x^2` is (-x)^2;
the printer therefore never leaves a minus bare under a power. `slots` is the least precedence
that each argument may have without brackets; an operation on any number of arguments (`{args}`)
has one slot for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xlbackprop.graph import pairs
from xlbackprop.graph.expr import ONE, TWO, ZERO, Expr, Number, add, div, mul, neg, sub
from xlbackprop.graph.expr import build as op
from xlbackprop.graph.pairs import Pair

ANY, SUM, PRODUCT, NEGATION, POWER, ATOM = range(6)


@dataclass(frozen=True, slots=True)
class Operation:
    symbol: str
    kind: str  # "arithmetic", "activation", "loss", "batch" (over the rows of a batch), "form" or "lookup"
    worksheet: str
    latex: str
    derivative: str  # ∂output/∂argument as people write it; for the list that `xlbackprop ops` prints
    precedence: int
    slots: tuple[int, ...]
    partials: Callable[..., tuple[Expr, ...]]
    complex: Callable[..., Pair] = pairs.missing
    stable: str = ""  # the operation that gives the same where this one's EXP overflows


def _none(_output: Expr, *args: Expr) -> tuple[Expr, ...]:
    return (ZERO,) * len(args)


def _constant(_output: Expr, *args: Expr) -> tuple[Expr, ...]:
    raise AssertionError("nothing is differentiated through an operation on constants")


def _largest(a: Expr, *args: Expr) -> tuple[Expr, ...]:
    """1 for the first argument that is the maximum, 0 for the others."""
    below = [op("positive", sub(a, arg)) for arg in args]  # 1 where the argument is less than the maximum
    result = []
    for k in range(len(args)):
        first: Expr = sub(ONE, below[k])
        for earlier in below[:k]:
            first = mul(first, earlier)
        result.append(first)
    return tuple(result)


def _average(_output: Expr, *args: Expr) -> tuple[Expr, ...]:
    return (div(ONE, Number(len(args))),) * len(args)


def _leaky(_output: Expr, z: Expr) -> tuple[Expr, ...]:
    above = op("positive", z)
    return (add(above, mul(Number(0.01), sub(ONE, above))),)


def _silu(form: str) -> Callable[[Expr, Expr], tuple[Expr, ...]]:
    return lambda a, z: (add(a, mul(op(form, z), sub(ONE, a))),)


# The names of the shapes of functions, so that a row reads in a line or two.
_BCE = "-({0}*LN({1})+(1-{0})*LN(1-{1}))"
_PHI = "0.5*(1+ERF({0}/SQRT(2)))"
_INNER = "SQRT(2/PI())*({0}+0.044715*{0}^3)"

# fmt: off
_ROWS = (
    Operation("+", "arithmetic", "{0}+{1}", r"{0} + {1}", "1, 1", SUM, (SUM, SUM), lambda a, x, y: (ONE, ONE),
              lambda x, y: x + y),
    Operation("-", "arithmetic", "{0}-{1}", r"{0} - {1}", "1, -1",
              SUM, (SUM, PRODUCT), lambda a, x, y: (ONE, Number(-1)), lambda x, y: x - y),
    Operation("*", "arithmetic", "{0}*{1}", r"{0}\,{1}", "y, x", PRODUCT, (PRODUCT, NEGATION), lambda a, x, y: (y, x),
              lambda x, y: x * y),
    Operation("/", "arithmetic", "{0}/{1}", r"\frac{{{0}}}{{{1}}}", "1/y, -a/y",
              PRODUCT, (PRODUCT, NEGATION), lambda a, x, y: (div(ONE, y), neg(div(a, y))), lambda x, y: x / y),
    Operation("neg", "arithmetic", "-{0}", r"-{0}", "-1", NEGATION, (ATOM,), lambda a, x: (Number(-1),), lambda x: -x),
    Operation("square", "arithmetic", "{0}^2", r"{0}^2", "2*x", POWER, (ATOM,), lambda a, x: (mul(TWO, x),),
              pairs.square),
    Operation("sqrt", "arithmetic", "SQRT({0})", r"\sqrt{{{0}}}", "1/(2*a)",
              ATOM, (ANY,), lambda a, x: (div(ONE, mul(TWO, a)),), pairs.sqrt),
    Operation("exp", "arithmetic", "EXP({0})", r"e^{{{0}}}", "a", ATOM, (ANY,), lambda a, x: (a,), pairs.exp),
    Operation("ln", "arithmetic", "LN({0})", r"\ln({0})", "1/x", ATOM, (ANY,), lambda a, x: (div(ONE, x),), pairs.ln),
    Operation("max", "arithmetic", "MAX({args})", r"\max({args})", "1 for the first largest, else 0",
              ATOM, (ANY,), _largest, pairs.largest),
    Operation("average", "arithmetic", "AVERAGE({args})", r"\mathrm{{mean}}({args})", "1/n", ATOM, (ANY,), _average,
              pairs.average),
    # SIGN and not IF(z>0,1,0): some calculators take a number below 1e-15 for 0 when they compare.
    Operation("positive", "arithmetic", "MAX(0,SIGN({0}))", r"[{0} > 0]", "0", ATOM, (ANY,), _none, pairs.still),
    Operation("sign", "arithmetic", "SIGN({0})", r"\mathrm{{sign}}({0})", "0", ATOM, (ANY,), _none, pairs.still),
    # A shift of softmax's arguments cancels, so nothing passes back through it.
    Operation("shift", "arithmetic", "MAX({args})", r"\max({args})", "0, for the shift cancels", ATOM, (ANY,), _none,
              pairs.still),

    Operation("identity", "activation", "{0}", r"{0}", "1", ANY, (ANY,), lambda a, z: (ONE,), lambda z: z),
    Operation("sigmoid", "activation", "1/(1+EXP(-{0}))", r"\sigma({0})", "a*(1-a)",
              PRODUCT, (ATOM,), lambda a, z: (mul(a, sub(ONE, a)),),
              lambda z: pairs.sigmoid(z, "sigmoid"), "stable sigmoid"),
    Operation("tanh", "activation", "TANH({0})", r"\tanh({0})", "1-a^2",
              ATOM, (ANY,), lambda a, z: (sub(ONE, op("square", a)),), pairs.tanh),
    Operation("relu", "activation", "MAX(0,{0})", r"\max(0, {0})", "1 where z>0, else 0",
              ATOM, (ANY,), lambda a, z: (op("positive", z),), lambda z: pairs.kinked(z, "relu", 0.0)),
    Operation("leaky relu", "activation", "MAX(0,{0})+0.01*MIN(0,{0})", r"\max(0, {0}) + 0.01\,\min(0, {0})",
              "1 where z>0, else 0.01", SUM, (ANY,), _leaky, lambda z: pairs.kinked(z, "leaky relu", 0.01)),
    Operation("elu", "activation", "MAX(0,{0})+(EXP(MIN(0,{0}))-1)", r"\mathrm{{ELU}}({0})", "1 where z>0, else e^z",
              SUM, (ANY,), lambda a, z: (op("exp", op("min", ZERO, z)),), pairs.elu),
    Operation("softplus", "activation", "LN(1+EXP({0}))", r"\ln(1+e^{{{0}}})", "sigmoid(z)",
              ATOM, (SUM,), lambda a, z: (op("sigmoid", z),),
              lambda z: pairs.softplus(z, "softplus"), "stable softplus"),
    Operation("gelu", "activation", "0.5*{0}*(1+ERF({0}/SQRT(2)))", r"\mathrm{{GELU}}({0})", "Φ(z)+z*φ(z)",
              PRODUCT, (ATOM,), lambda a, z: (op("gelu slope", z),), pairs.gelu),
    Operation("gelu tanh", "activation", "0.5*{0}*(1+TANH(" + _INNER + "))", r"\mathrm{{GELU}}_{{\tanh}}({0})",
              "(1+h)/2+z/2*(1-h^2)*u', h=tanh(u)", PRODUCT, (ATOM,), lambda a, z: (op("gelu tanh slope", z),),
              pairs.gelu_tanh),
    Operation("gaussian", "activation", "EXP(-({0}^2))", r"e^{{-{0}^2}}", "-2*z*a",
              ATOM, (ATOM,), lambda a, z: (mul(mul(Number(-2), z), a),), lambda z: pairs.exp(-(z * z))),
    Operation("silu", "activation", "{0}/(1+EXP(-{0}))", r"{0}\,\sigma({0})", "a+sigmoid(z)*(1-a)",
              PRODUCT, (ATOM,), _silu("sigmoid"), lambda z: z * pairs.sigmoid(z, "sigmoid"), "stable silu"),
    Operation("sin", "activation", "SIN({0})", r"\sin({0})", "cos(z)", ATOM, (ANY,), lambda a, z: (op("cos", z),),
              pairs.sin),

    Operation("stable sigmoid", "form", "EXP(MIN(0,{0}))/(1+EXP(-ABS({0})))", r"\sigma({0})", "a*(1-a)",
              PRODUCT, (ANY,), lambda a, z: (mul(a, sub(ONE, a)),), lambda z: pairs.sigmoid(z, "stable sigmoid")),
    Operation("stable softplus", "form", "MAX(0,{0})+LN(1+EXP(-ABS({0})))", r"\ln(1+e^{{{0}}})", "sigmoid(z)",
              SUM, (ANY,), lambda a, z: (op("stable sigmoid", z),), lambda z: pairs.softplus(z, "stable softplus")),
    Operation("stable silu", "form", "{0}*EXP(MIN(0,{0}))/(1+EXP(-ABS({0})))", r"{0}\,\sigma({0})",
              "a+sigmoid(z)*(1-a)", PRODUCT, (ATOM,), _silu("stable sigmoid"),
              lambda z: z * pairs.sigmoid(z, "stable sigmoid")),
    Operation("gelu slope", "form", _PHI + "+{0}*EXP(-({0}^2)/2)/SQRT(2*PI())", r"\Phi({0}) + {0}\,\varphi({0})", "",
              SUM, (ATOM,), _constant),
    Operation("gelu tanh slope", "form",
              "0.5*(1+TANH(" + _INNER + "))+0.5*{0}*(1-TANH(" + _INNER + ")^2)*SQRT(2/PI())*(1+0.134145*{0}^2)",
              r"\mathrm{{GELU}}_{{\tanh}}'({0})", "", SUM, (ATOM,), _constant),
    Operation("cos", "form", "COS({0})", r"\cos({0})", "", ATOM, (ANY,), _constant),
    Operation("tan", "form", "TAN({0})", r"\tan({0})", "", ATOM, (ANY,), _constant),
    Operation("atan", "form", "ATAN({0})", r"\arctan({0})", "", ATOM, (ANY,), _constant),
    Operation("sinh", "form", "SINH({0})", r"\sinh({0})", "", ATOM, (ANY,), _constant),
    Operation("cosh", "form", "COSH({0})", r"\cosh({0})", "", ATOM, (ANY,), _constant),
    Operation("erf", "form", "ERF({0})", r"\mathrm{{erf}}({0})", "", ATOM, (ANY,), _constant),
    # A number with all its digits would not do: a calculator keeps 15 of those in a formula.
    Operation("pi", "form", "PI()", r"\pi", "", ATOM, (), _constant),
    Operation("absolute", "form", "ABS({0})", r"|{0}|", "", ATOM, (ANY,), _constant),

    Operation("half squared error", "loss", "0.5*({0}-{1})^2", r"\frac{{1}}{{2}}\,({0} - {1})^2", "t-a, a-t",
              PRODUCT, (SUM, PRODUCT), lambda e, t, a: (sub(t, a), sub(a, t)),
              lambda t, a: pairs.square(a - t) / pairs.number(2)),
    Operation("squared error", "loss", "({0}-{1})^2", r"({0} - {1})^2", "2*(t-a), 2*(a-t)",
              POWER, (SUM, PRODUCT), lambda e, t, a: (mul(TWO, sub(t, a)), mul(TWO, sub(a, t))),
              lambda t, a: pairs.square(a - t)),
    Operation("binary cross-entropy", "loss", _BCE, r"-{0}\,\ln({1}) - (1 - {0})\,\ln(1 - {1})",
              "ln(1-a)-ln(a), (a-t)/(a*(1-a))", NEGATION, (ATOM, ATOM),
              lambda e, t, a: (sub(op("ln", sub(ONE, a)), op("ln", a)), div(sub(a, t), mul(a, sub(ONE, a)))),
              pairs.bce),
    Operation("binary cross-entropy from logits", "loss", "MAX(0,{1})-{0}*{1}+LN(1+EXP(-ABS({1})))",
              r"\ln(1 + e^{{{1}}}) - {0}\,{1}", "-a, sigmoid(a)-t", SUM, (ATOM, ATOM),
              lambda e, t, a: (neg(a), sub(op("stable sigmoid", a), t)),
              lambda t, a: pairs.softplus(a, "stable softplus") - t * a),
    Operation("cross-entropy", "loss", "-{0}*LN({1})", r"-{0}\,\ln({1})", "-ln(a), -t/a",
              PRODUCT, (ATOM, ANY), lambda e, t, a: (neg(op("ln", a)), neg(div(t, a))),
              lambda t, a: -(t * pairs.ln(a))),
    Operation("cross-entropy from logits", "loss", "{0}*({2}-{1})", r"{0}\,({2} - {1})", "lse-a, -t, t",
              PRODUCT, (PRODUCT, PRODUCT, SUM), lambda e, t, a, lse: (sub(lse, a), neg(t), t),
              lambda t, a, lse: t * (lse - a)),
    Operation("nll", "loss", "-{0}*{1}", r"-{0}\,{1}", "-a, -t",
              PRODUCT, (ATOM, NEGATION), lambda e, t, a: (neg(a), neg(t)), lambda t, a: -(t * a)),
    # At t = 0 the term is 0; the least number stands in where the logarithm would fail.
    Operation("kl divergence", "loss", "{0}*LN(MAX({0},1E-300)/{1})", r"{0}\,\ln\frac{{{0}}}{{{1}}}", "ln(t/a)+1, -t/a",
              PRODUCT, (ATOM, NEGATION), lambda e, t, a: (add(op("ln", div(t, a)), ONE), neg(div(t, a))),
              pairs.kl),

    Operation("batch mean", "batch", "AVERAGE({0})", r"\mathrm{{mean}}({0})", "the mean of the adjoints",
              ATOM, (ANY,), _none),
    Operation("batch sum", "batch", "SUM({0})", r"\mathrm{{sum}}({0})", "the sum of the adjoints", ATOM, (ANY,), _none),

    Operation("min", "form", "MIN({args})", r"\min({args})", "", ATOM, (ANY,), _constant),
    Operation("norm", "form", "SQRT(SUMSQ({args}))", r"\Vert {args} \Vert", "", ATOM, (ANY,), _constant),
    Operation("power", "form", "{0}^{1}", r"{0}^{{{1}}}", "", POWER, (ATOM, ATOM), _constant),
    Operation("whole", "form", "INT({0})", r"\lfloor {0} \rfloor", "", ATOM, (ANY,), _constant),

    Operation("cycle", "lookup", "MOD({0},{1})+1", r"({0}\ \mathrm{{mod}}\ {1}) + 1", "0", SUM, (ANY, ANY), _none),
    Operation("pick", "lookup", "INDEX({0},{1})", r"{0}_{{{1}}}", "0", ATOM, (ANY, ANY), _none),
)
# fmt: on

OPS: dict[str, Operation] = {row.symbol: row for row in _ROWS}


def of_kind(kind: str) -> list[str]:
    """The symbols of that kind, in the table's order."""
    return [row.symbol for row in OPS.values() if row.kind == kind]


def stable(symbol: str, *, wanted: bool) -> str:
    """The operation that does not overflow, if it is wanted and there is one."""
    return (wanted and OPS[symbol].stable) or symbol
