"""Texts that people write, gone wrong: network files, CSV, formulas."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from benchmarks.fuzz import odd

_VALUES = (
    "true", "false", "[]", "{}", '""', "''", "[[]]", "[[[[1]]]]", "[1, 'a']", "{kind = 'x'}", "{kind = 1}",
    "1979-05-27", "07:32:00",
    "inf", "-inf", "nan", "0", "-1", "1", "2", "3", "0.5", "1e308", "1e-320", "-0.0", "10**9", "1000000000",
    "9223372036854775808",
    "-9223372036854775809", "100000", "16384", "1048577", "201", "[1000000000]", "[1000000000, 1000000000]", "[0, 0]",
    "[-1]",
    "[1, 2, 3, 4, 5]", "['a', 'a']", "[0.1, 0.1]", "'full'", "'adam'", "'sgd'", "'relu'", "'softmax'", "'conv'", "'he'",
    "'class'", "'matrix'", "'functions'", "'architecture'", "'output'", "'cross-entropy'", "'batch norm'",
    "'attention'", "'blank'",
    '{kind = "uniform", low = -1e308, high = 1e308}', '{kind = "normal", deviation = 1e999}', "'../../../etc/passwd'",
    "'/dev/zero'",
    "'a.csv'", '"\\u0000"', '"\\n"', "'''\n'''",
)  # fmt: skip
_MODEST = ("0", "1", "2", "3", "-1", "0.5", "1e3", "-1e3", "1e-300", "5e-324", "1e300", "17")
_KEYS = (
    "layers", "samples", "rates", "steps", "epochs", "title", "about", "source", "loss", "reduction", "batch",
    "shuffle", "optimizer",
    "schedule", "l1", "l2", "clip_norm", "clip_value", "update", "normalize", "input_gradients", "style", "layout",
    "level", "leave",
    "stable", "seed", "inputs", "targets", "input_shape", "kind", "units", "size", "weights", "bias", "activation",
    "init", "bias_init",
    "channels", "kernel", "stride", "padding", "dilation", "how", "of", "copies", "parts", "cells", "parameters",
    "outputs", "mode",
    "p", "mask", "name", "label", "points", "data", "count", "noise", "heads", "groups", "weight_names", "x",
    "__proto__", '""', "'é'",
    "a.b.c",
)  # fmt: skip
_VALUE = re.compile(r"(?m)^(\s*[\w.\"]+\s*=\s*)(\S.*)$")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
_STRING = re.compile(r'"[^"\n]*"')
_WORD = re.compile(r"(?m)^[a-z_]\w*(?= *=)")


def network_file(seeds: tuple[str, ...], chance: Random) -> str:
    """A network file with some values, keys, lines or tables changed; at times with another's lines in it."""
    text = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        text = _toml(text, seeds, chance)
    return text


def other_numbers(seeds: tuple[str, ...], chance: Random) -> str:
    """A network file that is nearly always one still, with some numbers at the edge of sense."""
    text = chance.choice(seeds)
    for _ in range(chance.choice((1, 2, 4))):
        text = _one(_NUMBER, text, chance, lambda found: chance.choice(_MODEST))
    return text


def _toml(text: str, seeds: tuple[str, ...], chance: Random) -> str:
    lines = text.splitlines(keepends=True) or ["\n"]
    at = chance.randrange(len(lines))
    match chance.randrange(16):
        case 0 | 1:
            new = _value(chance)
            return _one(_VALUE, text, chance, lambda found: found[1] + new)
        case 2 | 3 | 4:
            number = chance.choice((*odd.NUMBERS, *("1e6", "3", "17", "1000001")))
            return _one(_NUMBER, text, chance, lambda found: number)
        case 5:
            string = _string(chance)
            return _one(_STRING, text, chance, lambda found: string)
        case 6:
            words = sorted({word for seed in seeds for word in _STRING.findall(seed)})
            word = chance.choice(words)
            return _one(_STRING, text, chance, lambda found: word)
        case 7:
            key = chance.choice(_KEYS)
            return _one(_WORD, text, chance, lambda found: key)
        case 8:
            lines.insert(at, f"{chance.choice(_KEYS)} = {_value(chance)}\n")
        case 9:
            del lines[at]
        case 10:
            lines[at:at] = [lines[chance.randrange(len(lines))]] * chance.choice((1, 1, 2, 300))
        case 11:
            other = chance.choice(seeds).splitlines(keepends=True)
            start = chance.randrange(len(other))
            lines[at:at] = other[start : start + chance.choice((1, 3, 10))]
        case 12:
            lines.insert(at, f"[{'[' * chance.randrange(2)}{chance.choice(_KEYS)}]{']' * chance.randrange(2)}\n")
        case 13:
            return odd.bytes_damaged(text.encode("utf-8", "surrogateescape"), chance).decode("utf-8", "surrogateescape")
        case 14:
            deep = chance.choice((10, 100, 3000))
            lines.insert(at, f"{chance.choice(_KEYS)} = {'[' * deep}{']' * deep}\n")
        case 15:
            lines.insert(at, f"{chance.choice(_KEYS)} = [{_value(chance)}{', 1' * chance.choice((1, 300, 20_000))}]\n")
    return "".join(lines)


def _value(chance: Random) -> str:
    return chance.choice(_VALUES) if chance.random() < 0.8 else _string(chance)


def _string(chance: Random) -> str:
    text = odd.formula(chance) if chance.random() < 0.3 else chance.choice(odd.TEXTS)
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'


def _one(pattern: re.Pattern[str], text: str, chance: Random, new: Callable[[re.Match[str]], str]) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    return text[: match.start()] + new(match) + text[match.end() :]


def csv(seeds: tuple[str, ...], chance: Random) -> bytes:
    """A CSV file with cells, lines, quotes and bytes changed."""
    lines = chance.choice(seeds).splitlines()
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(lines)) if lines else 0
        cells = lines[at].split(",") if lines else [""]
        k = chance.randrange(len(cells))
        match chance.randrange(7):
            case 0 | 1:
                cells[k] = chance.choice((*odd.NUMBERS, *odd.TEXTS))
            case 2:
                cells[k : k + 1] = [cells[k]] * chance.choice((0, 2, 5000 if len(cells[k]) < 100 else 3))
            case 3:
                cells[k] = chance.choice(
                    ("label", "t1", "t99999999999", "", '"', '"a""b"', "'a", "a;b", "x\ty", "inf", "1,5")
                )
            case 4:
                short = len(lines) < 100 and sum(map(len, lines)) < 1000
                lines[at:at] = [lines[at] if lines else ""] * chance.choice((1, 1, 1000 if short else 2))
            case 5:
                lines[at:at] = chance.choice(([""], ["\x00"], ["# c"], ["\x1a"], ["\r"]))
            case 6 if lines:
                del lines[at]
        if lines:
            lines[min(at, len(lines) - 1)] = ",".join(cells)
    data = chance.choice(("\n", "\n", "\r\n", "\r")).join(lines).encode("utf-8", "replace")
    if chance.random() < 0.2:
        data = odd.bytes_damaged(data, chance)
    return data.decode("utf-8", "replace").encode("utf-16") if chance.random() < 0.02 else data


def formula(seeds: tuple[str, ...], chance: Random) -> str:
    """A worksheet formula, or what is left of one."""
    if chance.random() < 0.4:
        return odd.formula(chance)
    text = chance.choice(seeds)
    for _ in range(chance.choice((1, 2, 5))):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + odd.formula(chance)[:20] + text[at + chance.randrange(4) :]
    return text
