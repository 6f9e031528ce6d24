r"""The LaTeX printer: an expression, or the name of a quantity, as people write it on paper.

Templates stand in the table of operations; what needs brackets in LaTeX is said here, because
precedence belongs to the target language: a fraction brackets its own parts, `-x^2` is -(x^2), and
a minus must not follow a product sign bare. Only what GitHub's renderer and matplotlib's know is used.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable

from xlbackprop.graph.expr import Block, Expr, Number, Op, Prev, Ref
from xlbackprop.graph.ops import ANY, ATOM, OPS, POWER, PRODUCT, SUM
from xlbackprop.sheet.plugged import TINY

# Precedence of what is printed, and the least of each argument that needs no brackets. What is not
# listed prints as a function with its own brackets.
_RULES: dict[str, tuple[int, tuple[int, ...]]] = {
    "+": (SUM, (SUM, PRODUCT)),
    "-": (SUM, (SUM, PRODUCT)),
    "*": (PRODUCT, (PRODUCT, POWER)),
    "/": (POWER, (ANY, ANY)),
    "neg": (SUM, (PRODUCT,)),
    "square": (POWER, (ATOM,)),
    "power": (POWER, (ATOM, ANY)),
    "exp": (POWER, (ANY,)),
    "identity": (ANY, (ANY,)),
    "leaky relu": (SUM, (ANY,)),
    "gaussian": (POWER, (ATOM,)),
    "silu": (PRODUCT, (POWER,)),
    "stable silu": (PRODUCT, (POWER,)),
    "gelu slope": (SUM, (POWER,)),
    "half squared error": (PRODUCT, (SUM, PRODUCT)),
    "squared error": (POWER, (SUM, PRODUCT)),
    "binary cross-entropy": (SUM, (POWER, POWER)),
    "binary cross-entropy from logits": (SUM, (POWER, POWER)),
    "cross-entropy": (SUM, (POWER, ANY)),
    "cross-entropy from logits": (PRODUCT, (POWER, PRODUCT, SUM)),
    "nll": (SUM, (POWER, POWER)),
    "kl divergence": (PRODUCT, (POWER, ANY)),
    "cycle": (SUM, (POWER, POWER)),
}
MOST_TERMS = 4  # of a sum or a list; of a longer one the first and the last are printed
_SHOWN = 2
Named = Callable[["Ref | Prev | Block"], tuple[str, int]]  # what stands for a reference, and its precedence


def latex(expr: Expr) -> str:
    r"""The expression in the names of its quantities: `\left(a_{o_1} - t_1\right)\,a_{h_1}`."""
    return _print(expr, lambda ref: _symbol(ref.name), r"\,")[0]


def latex_with_numbers(expr: Expr, values: Callable[[str], float]) -> str:
    """The same with a number for each quantity."""
    return _print(expr, lambda ref: _number(values(ref.name)), r" \cdot ")[0]


def latex_number(value: float) -> str:
    """Six digits; what is no number as such."""
    return _number(value)[0]


def latex_name(name: str) -> str:
    r"""A quantity: `a_h1` is a_{h_1}, `∂E/∂w5` a fraction, `w5⁺` w_5^{+}."""
    return _symbol(name)[0]


def _number(value: float, digits: int = 6) -> tuple[str, int]:
    if not math.isfinite(value):
        return r"\mathrm{undefined}", ATOM
    text = "0" if abs(value) < TINY else f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if e:
        text = rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return text, SUM if value < 0 else PRODUCT if e else ATOM


def _print(expr: Expr, named: Named, times: str) -> tuple[str, int]:
    match expr:
        case Number(value):
            return _number(value, 15)  # a constant stands as it is
        case Op("+", _):
            return _sum(expr, named, times), SUM
        case Op(symbol, args):
            precedence, slots = _RULES.get(symbol, (ATOM, (ANY,) * len(args)))
            texts = [_bracketed(arg, slot, named, times) for arg, slot in zip(args, slots)]
            template = OPS[symbol].latex.replace(r"\,", times)
            return template.format(*texts, args=", ".join(_elided(texts, r"\ldots"))), precedence
    return named(expr)


def _bracketed(expr: Expr, least: int, named: Named, times: str) -> str:
    text, precedence = _print(expr, named, times)
    return text if precedence >= least else rf"\left({text}\right)"


def _sum(expr: Expr, named: Named, times: str) -> str:
    """Term by term from the left: a chain of hundreds is elided, and a term that begins with a minus is bracketed."""
    terms: list[Expr] = []
    while isinstance(expr, Op) and expr.symbol == "+":
        expr, term = expr.args
        terms.append(term)
    first = _print(expr, named, times)[0]
    rest = [_bracketed(term, PRODUCT, named, times) for term in reversed(terms)]
    return " + ".join(_elided([first, *rest], r"\cdots"))


def _elided(texts: list[str], dots: str) -> list[str]:
    return texts if len(texts) <= MOST_TERMS else [*texts[:_SHOWN], dots, texts[-1]]


_GREEK = {
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "η": r"\eta", "μ": r"\mu", "σ": r"\sigma",
    "Δ": r"\Delta", "Σ": r"\Sigma", "ε": r"\epsilon",
}  # fmt: skip
# What is named after the quantity that it belongs to: activations, deltas, an optimiser's state.
_OF_ANOTHER = {"a", "δ", "g", "c", "d", "m", "v", "mask"}
_HAT = "\N{COMBINING CIRCUMFLEX ACCENT}"


def _symbol(name: str) -> tuple[str, int]:
    """A name's LaTeX and its precedence: what has an exponent needs brackets under another."""
    if name.startswith("∂"):
        top, _, bottom = name.partition("/")
        return rf"\frac{{\partial {_symbol(top[1:])[0]}}}{{\partial {_symbol(bottom[1:])[0]}}}", POWER
    if name.startswith("mean "):
        return rf"\overline{{{_symbol(name[5:])[0]}}}", ATOM
    if name.endswith(" before"):
        return rf"{_plain(name.removesuffix(' before'))}^{{\mathrm{{old}}}}", POWER
    if name.endswith("⁺"):
        return rf"{_plain(name[:-1], after=True)}^{{+}}", POWER
    return _plain(name), POWER if "²" in name else ATOM


def _plain(name: str, *, after: bool = False) -> str:
    """A name without marks around it; `after` where an exponent follows."""
    if norm := re.fullmatch(r"‖g‖(\d*)", name):
        return r"\Vert g \Vert" + (f"_{{{norm[1]}}}" if norm[1] else "")
    hat = name.endswith(_HAT)
    base, *indices = name.removesuffix(_HAT).split("_")
    if base in _OF_ANOTHER and indices and not indices[0][:1].isdigit():
        indices = [_plain("_".join(indices))]
    else:
        indices = [*map(_index, filter(None, indices))]
    word, subscript = _word(base)
    if hat:
        word = rf"\hat{{{word}}}"
    indices = [*([subscript] if subscript else []), *indices]
    text = word + (f"_{{{','.join(indices)}}}" if indices else "")
    return f"{{{text}}}" if after and "^" in word else text


def _word(base: str) -> tuple[str, str]:
    """The letters of a name, and the digits at its end as an index."""
    match = re.fullmatch(r"(.*?)(\d*)", base, re.DOTALL)
    assert match is not None
    letters, digits = match[1], match[2]
    if letters.startswith("ln"):
        return rf"\ln {_letters(letters[2:])}" if letters[2:] else r"\mathrm{ln}", digits
    return _letters(letters), digits


def _letters(letters: str) -> str:
    """One letter is a variable, more are a word; σ² keeps its square, x̂ its hat."""
    if _HAT in letters:
        return rf"\hat{{{_letters(letters.replace(_HAT, ''))}}}"
    head, square, tail = letters.partition("²")
    if square:
        return f"{_letters(head)}^2" if not tail else rf"{_letters(head)}^{{2\,\mathrm{{{tail}}}}}"
    if len(letters) > 1 and letters[0] in _GREEK:
        return f"{_GREEK[letters[0]]} {_letters(letters[1:])}"
    if len(letters) == 1:
        return _GREEK.get(letters, letters)
    return rf"\mathrm{{{unicodedata.normalize('NFC', letters)}}}"


def _index(part: str) -> str:
    if part.isdigit():
        return part
    word, digits = _word(part)
    return f"{word}_{{{digits}}}" if digits else word
