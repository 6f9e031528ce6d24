"""What the user wrote: a file of `kind = "functions"`, checked and completed into one frozen `Functions`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.network_file import parsed, text_of
from xlbackprop.network_values import check_number, check_texts

KIND = "functions"
MOST_ROWS = 1_000  # a curve needs no more points
MOST_TARGETS = 20
MOST_NOTES = 10  # they stand above the header, which is always in view
_NAME = 40  # characters
_SHEET_NAME = 31  # characters
_TAKEN = ("network file", "history")  # by this project, by Excel

Names = tuple[str, ...]
Row = tuple[float, ...]


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count` numbers from `first` to `last`, both included, at equal distances."""

    first: float
    last: float
    count: int


class Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every number is multiplied by before the functions take it: `product = number * name`."""

    value: float
    name: str = "weight"
    product: str = "temp"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sheet: numbers below each other, and beside them each function of them and its derivative.

    `derivative_range` is what the chart of derivatives shows of those that grow without bound.
    """

    title: str
    about: str = ""
    notes: Names = ()
    variable: str = "z"
    numbers: Row = ()
    grid: Grid | None = None
    factor: Factor | None = None
    activations: Names | Literal["all"] = ()
    losses: Names = ()
    targets: Row = ()
    target: str = "d"
    derivatives: bool = True
    curves: bool = True
    derivative_range: tuple[float, float] | None = None

    @property
    def count(self) -> int:
        return self.grid.count if self.grid else len(self.numbers)

    @property
    def argument(self) -> str:
        """What the functions take: the variable, or its product with the factor."""
        return self.factor.product if self.factor else self.variable

    @property
    def functions(self) -> Names:
        assert self.activations != "all", "a table is completed by checked()"
        return (*self.activations, *self.losses)

    @property
    def target_names(self) -> Names:
        return target_names(self.target, len(self.targets))


class Functions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag=KIND):
    tables: Annotated[tuple[Table, ...], msgspec.Meta(min_length=1)]
    title: str = "Functions and their derivatives"
    about: str = ""
    source: str = ""


def target_names(target: str, count: int) -> Names:
    """d, or d1, d2, ... where there are several."""
    return tuple(f"{target}{k}" for k in range(1, count + 1)) if count > 1 else (target,) * count


def elementwise_losses() -> Names:
    """The losses of one output and its target alone."""
    from xlbackprop.graph.losses import LOSSES
    from xlbackprop.graph.ops import OPS

    return tuple(name for name, loss in LOSSES.items() if loss.symbol and len(OPS[loss.symbol].slots) == 2)


def load(path: Path) -> Functions:
    """Read a file of functions. Raises NetworkError, in one line, for whatever is wrong with it."""
    return loads(text_of(path), str(path))


def loads(text: str, where: str = "functions") -> Functions:
    """Read tables of functions from TOML text; `where` names it in complaints."""
    raw = parsed(text, where)
    try:
        _check_keys(raw)
        functions = _completed(msgspec.convert(raw, Functions))
        check_texts(functions)
        _check_titles(functions)
        for k, table in enumerate(functions.tables):
            _check_table(f"tables[{k}]", table)
    except msgspec.ValidationError as error:
        raise NetworkError(f"{where}: {_readable(str(error))}") from None
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    return functions


def dumps(functions: Functions) -> str:
    """The functions as a file. `loads(dumps(functions)) == functions`."""
    lines = [f'kind = "{KIND}"', *_lines(functions)]
    for table in functions.tables:
        lines += ["", "[[tables]]", *_lines(table)]
    return "\n".join(lines) + "\n"


def _lines(struct: msgspec.Struct) -> Iterator[str]:
    """The keys that are not as they are by default."""
    defaults = dict(zip(reversed(struct.__struct_fields__), reversed(struct.__struct_defaults__)))
    for key in struct.__struct_fields__:
        value = getattr(struct, key)
        if key != "tables" and value != defaults.get(key, msgspec.NODEFAULT):
            yield f"{key} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, msgspec.Struct):
        return f"{{ {', '.join(_lines(value))} }}"
    if isinstance(value, str):  # JSON escapes all but a few characters that do not print
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _completed(functions: Functions) -> Functions:
    """With the activations that `all` stands for, so that a workbook keeps its columns when one is added."""
    from xlbackprop.graph.ops import of_kind

    everything = tuple(of_kind("activation"))
    return msgspec.structs.replace(
        functions,
        tables=tuple(
            msgspec.structs.replace(table, activations=everything) if table.activations == "all" else table
            for table in functions.tables
        ),
    )


def _check_keys(raw: dict[str, Any]) -> None:
    if raw.get("kind") != KIND:
        raise NetworkError(f'kind: is {raw.get("kind")!r}; a file of functions has kind = "{KIND}"')
    _only(raw, ("kind", *Functions.__struct_fields__), "")
    tables = raw.get("tables")
    for k, table in enumerate(tables if isinstance(tables, list) else ()):
        for struct, one, place in (
            (Table, table, f"tables[{k}]"),
            (Grid, isinstance(table, dict) and table.get("grid"), f"tables[{k}].grid"),
            (Factor, isinstance(table, dict) and table.get("factor"), f"tables[{k}].factor"),
        ):
            if isinstance(one, dict):
                _only(one, struct.__struct_fields__, f"{place}: ")


def _only(given: dict[str, Any], known: Names, place: str) -> None:
    for key in given:
        if key not in known:
            raise NetworkError(f"{place}unknown key {key}; known are {', '.join(known)}")


def _check_titles(functions: Functions) -> None:
    seen: set[str] = set()
    for k, title in enumerate(table.title for table in functions.tables):
        place = f"tables[{k}].title"
        if not title.strip() or len(title) > _SHEET_NAME or not title.isprintable():
            raise NetworkError(f"{place}: {title!r} is no sheet name; give 1 to {_SHEET_NAME} characters")
        if re.search(r"[\[\]:*?/\\]|^'|'$", title):
            raise NetworkError(f"{place}: {title!r} is no sheet name; leave out [ ] : * ? / \\ and outer '")
        if title.casefold() in (*_TAKEN, *seen):
            raise NetworkError(f"{place}: the name {title!r} is taken; give each sheet another")
        seen.add(title.casefold())


def _check_table(place: str, table: Table) -> None:
    for check in (_check_vocabulary, _check_numbers, _check_targets, _check_names):
        check(place, table)


def _check_vocabulary(place: str, table: Table) -> None:
    from xlbackprop.graph.ops import of_kind

    if bool(table.activations) == bool(table.losses):
        raise NetworkError(f"{place}: a table shows activations or losses; give one of them")
    for key, given, known in (
        ("activations", table.activations, of_kind("activation")),
        ("losses", table.losses, elementwise_losses()),
    ):
        for name in given:
            if name not in known:
                raise NetworkError(f"{place}.{key}: unknown value {name!r}; known are {', '.join(known)}")


def _check_numbers(place: str, table: Table) -> None:
    if bool(table.numbers) == bool(table.grid):
        raise NetworkError(f"{place}: needs its rows; give numbers, or a grid of first, last and count")
    if not 1 <= table.count <= MOST_ROWS or (table.grid and table.count < 2):
        raise NetworkError(f"{place}: has {table.count} rows; give {2 if table.grid else 1} to {MOST_ROWS:,}")
    if table.grid and table.grid.first == table.grid.last:
        raise NetworkError(f"{place}.grid: first and last are both {table.grid.first!r}; give two numbers")
    given = {f"numbers[{k}]": value for k, value in enumerate(table.numbers)}
    given |= {f"targets[{k}]": value for k, value in enumerate(table.targets)}
    if table.grid:
        given |= {"grid.first": table.grid.first, "grid.last": table.grid.last}
    if table.factor:
        given["factor.value"] = table.factor.value
    if table.derivative_range:
        low, high = table.derivative_range
        given |= {"derivative_range[0]": low, "derivative_range[1]": high}
        if low >= high:
            raise NetworkError(f"{place}.derivative_range: {low!r} is not below {high!r}; give the lower first")
    for key, value in given.items():
        check_number(f"{place}.{key}", value)


def _check_targets(place: str, table: Table) -> None:
    if table.losses and not 1 <= len(table.targets) <= MOST_TARGETS:
        raise NetworkError(f"{place}.targets: has {len(table.targets)}; a loss needs 1 to {MOST_TARGETS}")
    if table.activations and table.targets:
        raise NetworkError(f"{place}.targets: activations have no targets; leave them out")


def _check_names(place: str, table: Table) -> None:
    if len(table.notes) > MOST_NOTES:
        raise NetworkError(f"{place}.notes: has {len(table.notes)} lines; give at most {MOST_NOTES}")
    names = [table.variable, *([table.factor.name, table.factor.product] if table.factor else ())]
    names += [*table.target_names, *table.functions]
    for name in names:
        if not name.strip() or not name.isprintable() or len(name) > _NAME:
            raise NetworkError(f"{place}: {name!r} is no name; give a word of at most {_NAME} characters")
        if names.count(name) > 1:
            raise NetworkError(f"{place}: the name {name!r} stands for two quantities; rename one of them")


_TYPES = {"float": "a number", "int": "a whole number", "str": "text", "bool": "true or false"}
_TYPES |= {"array": "a list", "object": "a table"}


def _readable(message: str) -> str:
    """msgspec's complaint with its place first: `tables[0].numbers[1]: expected a number, got text`."""
    fact, _, place = message.partition(" - at ")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    fact = fact.replace("Object missing required field", "missing key").replace("Invalid enum value", "unknown value")
    fact = re.sub(r"\w+", lambda word: _TYPES.get(word[0], word[0]), fact.replace(" | null", "")).replace(" | ", " or ")
    fact = fact.replace("`", "")
    fact = f"{fact[:1].lower()}{fact[1:]}"
    return f"{place}: {fact}" if place else fact
