"""What people write above a column or before a cell, in the names of DESIGN: `∂E_t/∂W1` is dE/dw1.

A label only says what its author meant; what the cells do is read from their formulas.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Kind(Enum):
    STEP = "step"
    RATE = "learning rate"
    TARGET = "t"
    INPUT = "i"
    WEIGHT = "w"
    BIAS = "b"
    PRE_ACTIVATION = "z"
    ACTIVATION = "a"
    ERROR = "E"
    TOTAL_ERROR = "E_total"
    GRADIENT = "dE/d"
    DELTA = "delta"
    UPDATED = "update"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class Label:
    kind: Kind
    of: str = ""  # the quantity's own name: w1, h1, o2; for a gradient what it is of

    @property
    def quantity(self) -> str:
        """The canonical name of what the label says."""
        match self.kind:
            case Kind.ACTIVATION:
                return f"a_{self.of}"
            case Kind.GRADIENT:
                return f"dE/d{self.of}"
            case Kind.DELTA:
                return f"delta_{self.of}"
            case Kind.UPDATED:
                return f"update {self.of}"
            case Kind.TOTAL_ERROR | Kind.RATE | Kind.STEP:
                return str(self.kind.value)
        return self.of


NOTHING = Label(Kind.OTHER)

# Letters that look like these, from other alphabets and from the symbols for a partial derivative.
_ALIKE = str.maketrans(
    "аеосрхуітнкмвгԝАЕОСРХУІТНКМВԜοαικρτυνχΑΒΕΗΙΚΜΝΟΡΤΥΧ∂𝜕𝛛𝝏𝞉ðɗ∇",
    "aeocpxyithkmbrwaeocpxyithkmbwoaikptuvxabehikmnoptyxdddddddd",
)
_RATE = re.compile(r"(η|ͷ|ɳ|ղ|ŋ|ƞ|ή|eta|lr|alpha|learningrate|learnrate|learningratelr|learningrateη|rate|n)\d?")
_STEP = re.compile(
    r"(step|steps|iter|iters|iteration|iterations|epoch|epochs|sno|slno|no|index|count|i|n|#|trial|pass|k)"
)
_IS_NUMBER = re.compile(r"[-+.,\d]+(?:e[-+]?\d+)?%?", re.IGNORECASE)
_NUMBER = r"(\d{1,4})"
_UNIT = rf"([ho]){_NUMBER}"
_PARTIAL = re.compile(
    r"(?:d|grad(?:ient)?|partial|d/d)?(?:e|l|c|j|err(?:or)?|loss|cost)(?:t|tot|totl|total|sum)?\d?/?d/?(.+)"
)
_GRADIENT_OF = re.compile(r"(?:grad(?:ient)?(?:of)?|g|d)/?((?:w|b)\d+)|g(\d+)")
_DELTA = re.compile(rf"(?:delta|δ|d){_UNIT}|{_UNIT}delta")
_RULES = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (Kind.ACTIVATION, rf"(?:a|ac|act|activation|activated|out|output|outof|aof|σ|sig|sigma|sigmoid|f|y){_UNIT}"),
        (Kind.ACTIVATION, rf"{_UNIT}(?:a|act|activation|out|output)"),
        (Kind.PRE_ACTIVATION, rf"(?:net|z|in|sum|s|pre|preact|net?in|zof|input)?{_UNIT}(?:net|in|sum|z)?"),
        (Kind.TARGET, rf"(?:t|target|tgt|y|truth|actual|desired|label){_NUMBER}"),
        (Kind.INPUT, rf"(?:i|x|in|inp|input){_NUMBER}"),
        (Kind.WEIGHT, rf"(?:w|wt|weight|θ|theta){_NUMBER}"),
        (Kind.BIAS, r"bias((?:[ho]?\d{0,3})|h|o)|b([ho]?\d{1,3}|h|o)"),
        (Kind.ERROR, rf"(?:e|err|error|l|loss|cost|c)o?{_NUMBER}"),
        (Kind.TOTAL_ERROR, r"(?:e|err|error|loss|cost|mse|sse)(?:t|tot|totl|total|sum)?"),
        (Kind.TOTAL_ERROR, r"(?:total|tot|sum)(?:of)?(?:e|err|error|errors|loss|cost)"),
    )
)
_NEW = re.compile(r"(?:new|updated|next|update)((?:w|b)\w*)|((?:w|b)\d+)(?:new|next|updated|\+|'|⁺)")


@lru_cache(maxsize=4096)
def read_label(text: str) -> Label:
    """What a label says; `NOTHING` where it says nothing that we know."""
    if len(text) > 200 or _IS_NUMBER.fullmatch(text.strip()):
        return NOTHING
    if text.strip(" =:") == "α":
        return Label(Kind.RATE)
    whole = _plain(text)
    head = _plain(text.partition("=")[0])
    return _read(head, text) if head else _read(whole, text)


def _plain(text: str) -> str:
    """Lower case, look-alikes replaced, without spaces, brackets and the like."""
    text = unicodedata.normalize("NFKC", text.replace("𝜕", "∂").replace("⁺", "+")).translate(_ALIKE).lower()
    text = text.replace("\\partial", "d").replace("\\delta", "δ").replace("\\", "")
    return re.sub(r"[\s_{}()\[\].,:;*$^|\-–—=]", "", text)


def _read(plain: str, text: str) -> Label:
    if not plain:
        return NOTHING
    if match := _NEW.fullmatch(plain):
        return Label(Kind.UPDATED, match[1] or match[2])
    as_derivative = plain.replace("δ", "d").replace("delta", "d").replace("Δ", "d")
    if match := _PARTIAL.fullmatch(as_derivative):
        return _derivative(match[1])
    if match := _DELTA.fullmatch(plain.replace("0", "o", 1) if re.fullmatch(r".*[δa]0\d", plain) else plain):
        letter, number = [group for group in match.groups() if group]
        return Label(Kind.DELTA, letter + number)
    if match := _GRADIENT_OF.fullmatch(as_derivative):
        return Label(Kind.GRADIENT, match[1] or f"w{match[2]}")
    for candidate in (re.sub(r"(?<!\d)0(?=\d)", "o", plain), plain):  # a zero typed for an o: a_01
        for kind, pattern in _RULES:
            if match := pattern.fullmatch(candidate):
                return Label(kind, _name(kind, match))
    if _RATE.fullmatch(plain):
        return Label(Kind.RATE)
    return Label(Kind.STEP) if _STEP.fullmatch(plain) else NOTHING


def _derivative(of: str) -> Label:
    inner = _read(of, of)
    match inner.kind:
        case Kind.WEIGHT | Kind.BIAS | Kind.ACTIVATION:
            return Label(Kind.GRADIENT, inner.quantity)
        case Kind.PRE_ACTIVATION:
            return Label(Kind.DELTA, inner.of)
    return NOTHING


def _name(kind: Kind, match: re.Match[str]) -> str:
    parts = "".join(group for group in match.groups() if group)
    if kind in (Kind.ACTIVATION, Kind.PRE_ACTIVATION):
        return parts
    return "" if kind is Kind.TOTAL_ERROR else kind.value + parts
