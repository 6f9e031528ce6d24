"""Network files: TOML text to a checked `Spec` and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.network_file import parsed, text_of
from xlbackprop.spec.layers import LayerKind
from xlbackprop.spec.network import Sample, Spec, checked
from xlbackprop.spec.optimizers import Optimizer, Schedule
from xlbackprop.spec.points import with_points


def load(path: Path, weights: Path | None = None) -> Spec:
    """Read a network file. Raises NetworkError, in one line, for whatever is wrong with it.

    `weights` is used in place of the file of weights that the network file names.
    """
    return loads(text_of(path), str(path), path.parent, weights)


def loads(text: str, where: str = "network", folder: Path | None = None, weights: Path | None = None) -> Spec:
    """Read a network from TOML text; `where` names it in complaints, files beside it stand in `folder`."""
    raw = parsed(text, where)
    try:
        weights = _beside(raw, "weights", folder) if weights is None else weights
        spec = msgspec.convert(_tagged(with_points(_with_data(raw, folder))), Spec)
        spec = spec if weights is None else _with_weights(spec, weights)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    except msgspec.ValidationError as error:
        raise NetworkError(f"{where}: {_readable(str(error), raw)}") from None
    return checked(spec, where)


_FILES = ("data", "weights")  # keys that name a file, whose numbers then stand in the spec


def _beside(raw: dict[str, Any], key: str, folder: Path | None) -> Path | None:
    """The file that the key names."""
    if key not in raw:
        return None
    if not isinstance(raw[key], str) or not raw[key]:
        raise NetworkError(f"{key}: is {raw[key]!r:.40}; give the name of a file beside the network file")
    if folder is None:
        raise NetworkError(f"{key}: names a file, and there is no folder to look in; write its numbers here")
    return folder.joinpath(raw[key])


def _with_data(raw: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """With the samples of the CSV file that `data` names."""
    result = {key: value for key, value in raw.items() if key not in _FILES}
    if (path := _beside(raw, "data", folder)) is None:
        return result
    for other in ("samples", "points"):
        if other in raw:
            raise NetworkError(f"data: {other} are given as well; give one of them")
    from xlbackprop.bring.data import samples

    inputs, targets = (_strings(raw.get(key)) for key in ("inputs", "targets"))
    result["samples"] = samples(path, inputs, targets, without_targets=raw.get("loss") == "output")
    return result


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _with_weights(spec: Spec, path: Path) -> Spec:
    from xlbackprop.bring.weights import filled

    shape = spec.input_shape or (len(spec.inputs or spec.samples[0].inputs),)
    return msgspec.structs.replace(spec, layers=filled(spec.layers, shape, path))


LONGEST_LINE = 30_000


def dumps(spec: Spec) -> str:
    """The spec as a network file. `loads(dumps(spec)) == spec`."""
    lines = list(_table(spec, ("layers", "samples")))
    for header, structs in (("[[layers]]", spec.layers), ("[[samples]]", spec.samples)):
        for struct in structs:
            lines += ["", header, *_table(struct, ())]
    return "\n".join(lines) + "\n"


def _table(struct: msgspec.Struct, without: tuple[str, ...]) -> Iterator[str]:
    for key, value in _items(struct):
        if key not in without:
            yield f"{key} = {_value(value)}"


def _items(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """The keys that are not as they are by default."""
    tag = struct.__struct_config__.tag
    if tag is not None and tag != "dense":
        yield "kind", tag
    defaults = dict(zip(reversed(struct.__struct_fields__), reversed(struct.__struct_defaults__)))
    for key in struct.__struct_fields__:
        value = getattr(struct, key)
        if value is not None and (key not in defaults or value != defaults[key] or key in ("activation", "loss")):
            yield key, value


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        parts = list(map(_value, value))
        line = "[" + ", ".join(parts) + "]"
        # A cell of the sheet that carries the network file holds 32,767 characters.
        return line if len(line) < LONGEST_LINE else "[\n" + ",\n".join(parts) + ",\n]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, msgspec.Struct):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in _items(value)) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_string(key)} = {_value(one)}" for key, one in value.items()) + "}"
    return _toml_string(value) if isinstance(value, str) else repr(value)


def _toml_string(text: str) -> str:
    escape = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escape.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'


def _tagged(raw: dict[str, Any]) -> dict[str, Any]:
    """With the words that stand for a table written out: a layer is dense, `init = "he"` is `{kind = "he"}`."""

    def table(value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    def layer(one: Any) -> Any:
        if not isinstance(one, dict):
            return one
        words: dict[str, Any] = {key: table(one[key]) for key in ("init", "bias_init") if key in one}
        return {"kind": "dense"} | one | words

    result: dict[str, Any] = {**raw, **{key: table(raw[key]) for key in ("optimizer", "schedule") if key in raw}}
    if isinstance(layers := raw.get("layers"), list):
        result["layers"] = [layer(one) for one in layers]
    return result


_TYPES = {"float": "a number", "int": "a whole number", "str": "text", "array": "a list", "object": "a table"}


def _readable(message: str, raw: dict[str, Any]) -> str:
    """msgspec's complaint with its place first: `layers[0].weights[1]: expected a number, got text`."""
    fact, _, place = message.partition(" - at ")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    fact = fact.replace(" | null", "").replace("`null`", "nothing")
    fact = re.sub(r"`(\w+)((?: \| \w+)*)`", lambda m: _types(m[1] + m[2]) if m[1] in _TYPES else m[0], fact)
    if "unknown field" in fact:
        key = fact.partition("unknown field ")[2].strip("`") or "''"
        fact = f"unknown key {key}; known are {', '.join(_keys(place, raw))}"
    fact = fact.replace("Object missing required field", "missing key").replace("Invalid enum value", "unknown value")
    fact = re.sub(r"Invalid value '([^']*)'", r"unknown kind '\1'", fact).replace("`", "")
    return f"{place}: {fact[:1].lower()}{fact[1:]}" if place else f"{fact[:1].lower()}{fact[1:]}"


def _types(union: str) -> str:
    return " or ".join(_TYPES.get(part, part) for part in union.split(" | ") if part != "null")


def _keys(place: str, raw: dict[str, Any]) -> tuple[str, ...]:
    """The keys that the table at a place may have."""
    if place.startswith("samples"):
        return Sample.__struct_fields__
    if match := re.match(r"layers\[(\d+)\]$", place):
        kind = raw["layers"][int(match[1])].get("kind", "dense")
        fields = next(one for one in get_args(LayerKind) if one.__struct_config__.tag == kind).__struct_fields__
        shared = ("activation", "units", "name")  # what only this kind has comes first
        return (*(key for key in fields if key not in shared), *shared)
    if place in ("optimizer", "schedule"):
        kind = raw[place].get("kind", "none") if isinstance(raw[place], dict) else raw[place]
        known = [Schedule] if place == "schedule" else get_args(Optimizer)
        return next(one for one in known if place == "schedule" or one.__struct_config__.tag == kind).__struct_fields__
    return (*Spec.__struct_fields__, "points", *_FILES)
