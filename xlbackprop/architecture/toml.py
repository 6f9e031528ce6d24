"""Network files of architectures: TOML text to a checked `Architecture` and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from xlbackprop.architecture.spec import AnyLayer, Architecture, checked
from xlbackprop.errors import NetworkError
from xlbackprop.network_file import parsed, text_of

_KINDS = {layer.__struct_config__.tag: layer for layer in get_args(AnyLayer)}


def load(path: Path) -> Architecture:
    """Read a network file. Raises NetworkError, in one line, for whatever is wrong with it."""
    return loads(text_of(path), str(path))


def loads(text: str, where: str = "network") -> Architecture:
    """Read an architecture from TOML text; `where` names it in complaints."""
    raw = parsed(text, where)
    try:
        architecture = msgspec.convert(raw, Architecture)
    except msgspec.ValidationError as error:
        raise NetworkError(f"{where}: {_readable(str(error), raw)}") from None
    return checked(architecture, where)


def dumps(architecture: Architecture) -> str:
    """The architecture as a network file. `loads(dumps(architecture)) == architecture`."""
    lines = ['kind = "architecture"', *_table(architecture)]
    for layer in architecture.layers:
        lines += ["", "[[layers]]", f"kind = {_value(layer.kind)}", *_table(layer)]
    return "\n".join(lines) + "\n"


def _table(struct: msgspec.Struct) -> Iterator[str]:
    """The keys that are not as they are by default."""
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.name != "layers" and value != field.default:
            yield f"{field.encode_name} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's text is TOML's, but for the one control character that JSON takes as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


_WORDS = {
    "int": "a whole number",
    "str": "text",
    "float": "a number",
    "array": "a list",
    "object": "a table",
    "bool": "true or false",
}


def _readable(message: str, raw: dict[str, Any]) -> str:
    """msgspec's complaint with its place first, and a cure."""
    fact, _, place = message.partition(" - at ")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    fact = fact.replace(" | null", "")
    if "unknown field" in fact:
        key = fact.partition("unknown field ")[2].strip("`")
        fact = f"unknown key {key!r}; known are {', '.join(_keys(place, raw))}"
    elif "Invalid value" in fact and place.endswith("kind"):
        fact = fact.replace("Invalid value", "unknown kind") + f"; choose one of {', '.join(map(str, _KINDS))}"
    elif "missing required field" in fact:
        fact = fact.replace("Object missing required field", "missing key") + "; add it"
    fact = re.sub(r"`(\w+)`", lambda match: _WORDS.get(match[1], match[1]), fact)
    fact = fact[:1].lower() + fact[1:]
    return f"{place}: {fact}" if place else fact


def _keys(place: str, raw: dict[str, Any]) -> tuple[str, ...]:
    """The keys that the table at a place may have."""
    if match := re.fullmatch(r"layers\[(\d+)\]", place):
        return ("kind", *_KINDS[raw["layers"][int(match[1])]["kind"]].__struct_encode_fields__)
    return Architecture.__struct_encode_fields__
