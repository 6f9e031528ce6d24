"""Complex numbers as pairs of expressions, so that a worksheet takes the complex step in real arithmetic.

A spreadsheet's own IM... functions work on text: their digits and speed vary. Each rule here is an
identity that holds for steps of any size and overflows no earlier than the real formula does; none
of them is a rule of derivation. Two rules choose by the real part alone: `chosen`, which functions
with a kink are made of, and `largest`. `erf` stands for itself to first order, which for
imaginary parts below 1E-8 is exact in doubles.
"""

from __future__ import annotations

from dataclasses import dataclass

from xlbackprop.graph.expr import ONE, TWO, ZERO, Expr, Number, Op, add, div, mul, neg, sub, total
from xlbackprop.graph.expr import build as op


@dataclass(frozen=True, slots=True)
class Pair:
    """re + i im; what does not move has the imaginary part 0 and leaves no trace in a formula."""

    re: Expr
    im: Expr = ZERO

    def __add__(self, other: Pair) -> Pair:
        return Pair(add(self.re, other.re), add(self.im, other.im))

    def __sub__(self, other: Pair) -> Pair:
        return Pair(sub(self.re, other.re), sub(self.im, other.im))

    def __neg__(self) -> Pair:
        return Pair(neg(self.re), neg(self.im))

    def __mul__(self, other: Pair) -> Pair:
        a, b, c, d = self.re, self.im, other.re, other.im
        return Pair(sub(mul(a, c), mul(b, d)), add(mul(a, d), mul(b, c)))

    def __truediv__(self, other: Pair) -> Pair:
        """By the quotient of the divisor's parts, so that no square overflows.

        Quotients stand first in products: a calculator reads x*(y/z) as x*y/z, which rounds otherwise.
        """
        a, b, c, d = self.re, self.im, other.re, other.im
        if d == ZERO:
            return Pair(div(a, c), div(b, c))
        ratio = div(d, c)
        below = add(c, mul(ratio, d))
        return Pair(div(add(a, mul(ratio, b)), below), div(sub(b, mul(ratio, a)), below))


def number(value: float) -> Pair:
    return Pair(Number(value))


UNIT, _PI = Pair(ONE), op("pi")


def still(*args: Pair) -> Pair:
    """The rule of what hands no imaginary part on: it decides by the real part, or shifts what cancels."""
    raise AssertionError("who walks takes the operation on the real parts instead")


def missing(*args: Pair) -> Pair:
    raise AssertionError("an operation stands in a forward pass and has no rule on complex numbers")


def square(z: Pair) -> Pair:
    return Pair(sub(_squared(z.re), _squared(z.im)), mul(mul(TWO, z.re), z.im))


def _squared(x: Expr) -> Expr:
    """Without a sign, also because a calculator reads (-(x/y))^2 as -x/y^2."""
    match x:
        case Op("neg", (inner,)):
            return op("square", inner)
    return op("square", x)


def sqrt(z: Pair) -> Pair:
    """√a √(1+iu), u = b/a, and √(1+iu) = c + iu/(2c) with c = √((√(1+u²)+1)/2)."""
    u = div(z.im, z.re)
    c = op("sqrt", div(add(op("sqrt", add(ONE, _squared(u))), ONE), TWO))
    root = op("sqrt", z.re)
    return Pair(mul(root, c), div(mul(u, root), mul(TWO, c)))


def exp(z: Pair) -> Pair:
    size = op("exp", z.re)
    return Pair(mul(size, op("cos", z.im)), mul(size, op("sin", z.im)))


def ln(z: Pair) -> Pair:
    """Of a positive real part; LN fails of another, as it does in the real formula."""
    u = div(z.im, z.re)
    return Pair(add(op("ln", z.re), div(op("ln", add(ONE, _squared(u))), TWO)), op("atan", u))


def tanh(z: Pair) -> Pair:
    """(T+it)/(1+iTt) with T = tanh a and t = tan b."""
    upper, lower = op("tanh", z.re), op("tan", z.im)
    below = add(ONE, _squared(mul(upper, lower)))
    re = div(mul(upper, add(ONE, op("square", lower))), below)
    return Pair(re, div(mul(lower, sub(ONE, op("square", upper))), below))


def sin(z: Pair) -> Pair:
    return Pair(mul(op("sin", z.re), op("cosh", z.im)), mul(op("cos", z.re), op("sinh", z.im)))


def sigmoid(z: Pair, form: str) -> Pair:
    """s/(s+(1-s)e^-ib) with s = σ(a), in the form that the real formula has."""
    s, lost = op(form, z.re), sub(ONE, op("cos", z.im))
    re = div(mul(s, sub(ONE, mul(sub(ONE, s), lost))), _shrunk(s, lost))
    return Pair(re, div(mul(mul(s, sub(ONE, s)), op("sin", z.im)), _shrunk(s, lost)))


def softplus(z: Pair, form: str) -> Pair:
    """ln(1+e^z) = ln(1+e^a) + ln(1-s+s e^ib) with s = σ(a)."""
    s, cosine = op("stable sigmoid", z.re), op("cos", z.im)
    angle = op("atan", div(mul(s, op("sin", z.im)), add(sub(ONE, s), mul(s, cosine))))
    return Pair(add(op(form, z.re), div(op("ln", _shrunk(s, sub(ONE, cosine))), TWO)), angle)


def _shrunk(s: Expr, lost: Expr) -> Expr:
    """|1-s+s e^ib|² = 1-2s(1-s)(1-cos b)."""
    return sub(ONE, mul(mul(mul(TWO, s), sub(ONE, s)), lost))


def erf(z: Pair) -> Pair:
    """To first order: erf a + ib 2/√π e^(-a²)."""
    slope = mul(div(TWO, op("sqrt", _PI)), op("exp", neg(op("square", z.re))))
    return Pair(op("erf", z.re), mul(z.im, slope))


def gelu(z: Pair) -> Pair:
    return number(0.5) * z * (UNIT + erf(Pair(div(z.re, op("sqrt", TWO)), div(z.im, op("sqrt", TWO)))))


def gelu_tanh(z: Pair) -> Pair:
    inner = Pair(op("sqrt", div(TWO, _PI))) * (z + number(0.044715) * z * square(z))
    return number(0.5) * z * (UNIT + tanh(inner))


def kinked(z: Pair, form: str, below: float) -> Pair:
    """A function that is z above 0 and `below` times z elsewhere."""
    above = op("positive", z.re)
    return Pair(op(form, z.re), mul(add(above, mul(Number(below), sub(ONE, above))), z.im))


def elu(z: Pair) -> Pair:
    below = Pair(op("min", ZERO, z.re), mul(sub(ONE, op("positive", z.re)), z.im))
    return kinked(z, "relu", 0.0) + (exp(below) - UNIT)


def largest(*args: Pair) -> Pair:
    """The first argument with the largest real part."""
    seen, im = [args[0].re], args[0].im
    for arg in args[1:]:
        more = op("positive", sub(arg.re, op("max", *seen)))
        im = add(mul(sub(ONE, more), im), mul(more, arg.im))
        seen.append(arg.re)
    return Pair(op("max", *seen), im)


def average(*args: Pair) -> Pair:
    return Pair(op("average", *(arg.re for arg in args)), div(total([arg.im for arg in args]), Number(len(args))))


def bce(t: Pair, a: Pair) -> Pair:
    return -(t * ln(a) + (UNIT - t) * ln(UNIT - a))


def kl(t: Pair, a: Pair) -> Pair:
    return t * (Pair(op("ln", op("max", t.re, Number(1e-300)))) - ln(a))
