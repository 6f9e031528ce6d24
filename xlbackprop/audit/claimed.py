"""The learning rate that a name claims; apart, since the name of a file that was checked before asks for no more."""

from __future__ import annotations

import re

_WORD = r"(?:l\.?\s?r\.?|lr|eta|η|ͷ|ɳ|alpha|α|learning[\s_-]*rate|rate)"
_NUMBER = r"(\d+(?:[.,]\d+)?|[.,]\d+)"
_NAMED = re.compile(rf"(?:.*[^a-z])?{_WORD}[\s_=:\-()]*{_NUMBER}\)?(?:[^\d].*)?", re.IGNORECASE)
_BARE = re.compile(_NUMBER)


def claimed(text: str, bare: bool = False) -> float | None:
    """The learning rate that a name or a text claims: `LR_0.1`, `η = 0.5`; with `bare` also `0.8` alone."""
    match = _NAMED.fullmatch(text.strip()) or (_BARE.fullmatch(text.strip()) if bare else None)
    return float(match[1].replace(",", ".")) if match else None
