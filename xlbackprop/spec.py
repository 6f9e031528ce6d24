"""What the user wrote: a TOML network file, checked and completed into one frozen `Spec`.

Names that the file leaves out are given here, once, for both sides of the project: inputs i1,
i2, ...; hidden units h1, h2, ... through all hidden layers; outputs o1, ...; weights w1, w2, ...
row by row through all layers; biases b1, ...; targets t1, .... What is calculated from a
quantity is named by the functions at the end of this module.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from xlbackprop.errors import NetworkError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Row = tuple[float, ...]
Names = tuple[str, ...]
Activation = Literal["identity", "sigmoid", "tanh", "relu"]
Loss = Literal["half squared error"]
Style = Literal["class", "delta"]
Update = Literal["simultaneous", "sequential"]

MAX_ROWS = 1_048_576  # of a worksheet, Excel 2007 and later
MAX_COLUMNS = 16_384
MAX_FAN = 200  # inputs or units of a layer: a sum of so many products fits in a formula's 8,192 characters
MAX_RATES = 254  # the most values CHOOSE can choose from
_ROOM = 64  # rows or columns of a sheet kept for titles, headers and the step column


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dense layer. `weights` is (n_out, n_in); `bias` is one number for all units, or one each."""

    weights: tuple[Row, ...]
    activation: Activation = "identity"
    bias: float | Row | None = None
    train_bias: bool = True
    units: Names = ()
    weight_names: tuple[Names, ...] = ()
    bias_names: Names = ()

    @property
    def flat_weight_names(self) -> Names:
        """Row by row."""
        return tuple(name for row in self.weight_names for name in row)

    @property
    def biases(self) -> Row:
        """The bias parameters: none, one shared, or one for each unit."""
        if self.bias is None:
            return ()
        return self.bias if isinstance(self.bias, tuple) else (self.bias,)

    def bias_of(self, unit: int) -> str | None:
        """The name of the bias that the unit adds, None without one."""
        if self.bias is None:
            return None
        return self.bias_names[unit if isinstance(self.bias, tuple) else 0]


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: Row
    targets: Row


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network, its samples and its training, every name given and every number checked."""

    layers: Annotated[tuple[Layer, ...], msgspec.Meta(min_length=1)]
    samples: Annotated[tuple[Sample, ...], msgspec.Meta(min_length=1)]
    rates: Annotated[Row, msgspec.Meta(min_length=1)]
    steps: int
    title: str = "A network"
    about: str = ""
    source: str = ""
    loss: Loss = "half squared error"
    update: Update = "simultaneous"
    style: Style = "delta"
    inputs: Names = ()
    targets: Names = ()

    def parameters(self) -> Iterator[tuple[str, float, bool]]:
        """Every weight and bias in column order: its name, initial value, and whether it is trained."""
        for layer in self.layers:
            for names, values in zip(layer.weight_names, layer.weights):
                yield from ((name, value, True) for name, value in zip(names, values))
            for name, value in zip(layer.bias_names, layer.biases):
                yield name, value, layer.train_bias

    @property
    def trained(self) -> Names:
        return tuple(name for name, _, trained in self.parameters() if trained)

    @property
    def outputs(self) -> Names:
        return self.layers[-1].units

    @property
    def shape(self) -> str:
        """For example 2-2-2."""
        return "-".join(str(len(units)) for units in (self.inputs, *(layer.units for layer in self.layers)))

    @property
    def summary(self) -> str:
        """For example `2-2-2 sigmoid, half squared error`."""
        activations = dict.fromkeys(layer.activation for layer in self.layers)
        return f"{self.shape} {'/'.join(activations)}, {self.loss}"


def load(path: Path) -> Spec:
    """Read a network file. Raises NetworkError, in one line, for whatever is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NetworkError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return loads(text, str(path))


def loads(text: str, where: str = "network") -> Spec:
    """Read a network from TOML text; `where` names it in complaints."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NetworkError(f"{where}: is not valid TOML: {error}") from None
    except RecursionError:
        raise NetworkError(f"{where}: brackets are nested too deep; a network needs three levels") from None
    try:
        spec = msgspec.convert(raw, Spec)
    except msgspec.ValidationError as error:
        raise NetworkError(f"{where}: {_readable(str(error))}") from None
    return checked(spec, where)


def override(spec: Spec, where: str = "options", **changes: object) -> Spec:
    """The spec with rates, steps or style changed, and checked again; None leaves a value as it is."""
    given = {key: value for key, value in changes.items() if value is not None}
    return checked(msgspec.structs.replace(spec, **given), where) if given else spec


def dumps(spec: Spec) -> str:
    """The spec as a network file. `loads(dumps(spec)) == spec`."""

    def value(x: object) -> str:
        if isinstance(x, tuple):
            return "[" + ", ".join(map(value, x)) + "]"
        if isinstance(x, bool):
            return str(x).lower()
        return _toml_string(x) if isinstance(x, str) else repr(x)

    def table(struct: msgspec.Struct) -> Iterator[str]:
        for name in struct.__struct_fields__:
            field = getattr(struct, name)
            if field is not None and name not in ("layers", "samples"):
                yield f"{name} = {value(field)}"

    lines = list(table(spec))
    for header, structs in (("[[layers]]", spec.layers), ("[[samples]]", spec.samples)):
        for struct in structs:
            lines += ["", header, *table(struct)]
    return "\n".join(lines) + "\n"


def checked(spec: Spec, where: str) -> Spec:
    """The spec with its missing names given; raises NetworkError for what a type cannot say."""
    try:
        spec = _named(spec)
        for check in (_check_shapes, _check_numbers, _check_names, _check_room):
            check(spec)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    return spec


def _toml_string(text: str) -> str:
    escape = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escape.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'


_TYPES = {"float": "a number", "int": "a whole number", "str": "text", "array": "a list", "object": "a table"}


def _readable(message: str) -> str:
    """msgspec's complaint with its place first: `layers[0].weights[1]: expected a number, got text`."""
    fact, _, place = message.partition(" - at ")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    fact = re.sub(r"`(\w+)( \| \w+)*`", lambda m: _TYPES.get(m[1], m[0]), fact.replace("`null`", "nothing"))
    if "unknown field" in fact:
        key = re.findall(r"`(\w+)`", fact)[-1]
        known = {"layers": Layer, "samples": Sample}.get(place.split("[")[0], Spec).__struct_fields__
        fact = f"unknown key {key}; known are {', '.join(known)}"
    fact = fact.replace("Object missing required field", "missing key").replace("Invalid enum value", "unknown value")
    fact = fact.replace("`", "")
    return f"{place}: {fact[:1].lower()}{fact[1:]}" if place else f"{fact[:1].lower()}{fact[1:]}"


def _named(spec: Spec) -> Spec:
    """Give every name that the file leaves out; shapes that do not fit are left for `_check_shapes`."""

    def numbered(prefix: str, start: int, count: int) -> Names:
        return tuple(f"{prefix}{k}" for k in range(start, start + count))

    layers, hidden, weight, bias = [], 1, 1, 1
    for index, layer in enumerate(spec.layers):
        last = index == len(spec.layers) - 1
        n_out, n_weights = len(layer.weights), sum(map(len, layer.weights))
        starts = [weight + sum(map(len, layer.weights[:row])) for row in range(n_out)]
        layers.append(
            msgspec.structs.replace(
                layer,
                units=layer.units or (numbered("o", 1, n_out) if last else numbered("h", hidden, n_out)),
                weight_names=layer.weight_names
                or tuple(numbered("w", start, len(row)) for start, row in zip(starts, layer.weights)),
                bias_names=layer.bias_names or numbered("b", bias, len(layer.biases)),
            )
        )
        hidden, weight, bias = hidden + n_out, weight + n_weights, bias + len(layer.biases)
    first = spec.layers[0].weights
    return msgspec.structs.replace(
        spec,
        layers=tuple(layers),
        inputs=spec.inputs or numbered("i", 1, len(first[0]) if first else 0),
        targets=spec.targets or numbered("t", 1, len(spec.layers[-1].weights)),
    )


def _check_shapes(spec: Spec) -> None:
    n_in, below = len(spec.inputs), f"there are {len(spec.inputs)} inputs"
    for k, layer in enumerate(spec.layers):
        n_out = len(layer.weights)
        if n_out == 0:
            raise NetworkError(f"layers[{k}].weights: has no rows; give one row of weights for each unit")
        for j, row in enumerate(layer.weights):
            if len(row) != n_in or n_in == 0:
                raise NetworkError(
                    f"layers[{k}].weights[{j}]: has {len(row)} weights where {below}; give one weight for each"
                )
        for key, names in (("units", layer.units), ("weight_names", layer.weight_names)):
            if len(names) != n_out:
                raise NetworkError(f"layers[{k}].{key}: has {len(names)} entries for {n_out} rows of weights")
        for j, names in enumerate(layer.weight_names):
            if len(names) != n_in:
                raise NetworkError(f"layers[{k}].weight_names[{j}]: has {len(names)} names for {n_in} weights")
        if isinstance(layer.bias, tuple) and len(layer.bias) != n_out:
            raise NetworkError(
                f"layers[{k}].bias: has {len(layer.bias)} numbers for {n_out} units; "
                "give one each, or a single number that all share"
            )
        if len(layer.bias_names) != len(layer.biases):
            raise NetworkError(
                f"layers[{k}].bias_names: has {len(layer.bias_names)} names for {len(layer.biases)} biases"
            )
        n_in, below = n_out, f"layers[{k}] has {n_out} units"
    if len(spec.targets) != n_in:
        raise NetworkError(f"targets: has {len(spec.targets)} names, but the last layer has {n_in} units")
    for p, sample in enumerate(spec.samples):
        for key, row, names in (("inputs", sample.inputs, spec.inputs), ("targets", sample.targets, spec.targets)):
            if len(row) != len(names):
                raise NetworkError(f"samples[{p}].{key}: has {len(row)} numbers; the network needs {len(names)}")


def _check_numbers(spec: Spec) -> None:
    for place, value in _all_numbers(spec):
        if not math.isfinite(value):
            raise NetworkError(f"{place}: is {value}; give a finite number")
    for k, rate in enumerate(spec.rates):
        if rate <= 0:
            raise NetworkError(f"rates[{k}]: is {rate!r}; a learning rate is above 0")
    if repeated := _repeated(spec.rates):
        raise NetworkError(f"rates: {repeated!r} is given twice; each rate has one sheet, so give it once")
    if spec.steps < 1:
        raise NetworkError(f"steps: is {spec.steps}; give at least 1")


def _all_numbers(spec: Spec) -> Iterator[tuple[str, float]]:
    for k, layer in enumerate(spec.layers):
        for j, row in enumerate(layer.weights):
            yield from ((f"layers[{k}].weights[{j}][{i}]", value) for i, value in enumerate(row))
        yield from ((f"layers[{k}].bias", value) for value in layer.biases)
    for p, sample in enumerate(spec.samples):
        yield from ((f"samples[{p}].inputs", value) for value in sample.inputs)
        yield from ((f"samples[{p}].targets", value) for value in sample.targets)
    yield from ((f"rates[{k}]", value) for k, value in enumerate(spec.rates))


def _check_names(spec: Spec) -> None:
    given = [*spec.inputs, *spec.targets, *(name for name, _, _ in spec.parameters())]
    given += [unit for layer in spec.layers for unit in layer.units]
    for name in given:
        if not re.fullmatch(r"[^\W\d]\w{0,63}", name):
            raise NetworkError(
                f"the name {name!r}: a name is a letter and then up to 63 letters, digits or _; rename it"
            )
    made = ["η", "step", "sample", total_error()]
    made += [activation_name(unit) for layer in spec.layers for unit in layer.units]
    made += [error_name(k) for k in range(len(spec.targets))]
    # Excel does not tell w1 from W1 in a defined name, so neither may a network.
    if repeated := _repeated(name.casefold() for name in (*given, *made)):
        raise NetworkError(f"the name {repeated!r} stands for two quantities; rename one of them")


def _check_room(spec: Spec) -> None:
    if (rows := spec.steps + 1 + _ROOM) > MAX_ROWS:
        raise NetworkError(f"steps: {spec.steps} steps need {rows:,} rows and a sheet has {MAX_ROWS:,}; give fewer")
    if (rows := len(spec.samples) + _ROOM) > MAX_ROWS:
        raise NetworkError(f"samples: {len(spec.samples)} need {rows:,} rows and a sheet has {MAX_ROWS:,}; give fewer")
    for place, count in (
        ("inputs", len(spec.inputs)),
        *((f"layers[{k}]", len(x.units)) for k, x in enumerate(spec.layers)),
    ):
        if count > MAX_FAN:
            raise NetworkError(f"{place}: has {count} units; the formula of their sum fits up to {MAX_FAN}; use fewer")
    units = sum(len(layer.units) for layer in spec.layers)
    names = len(list(spec.parameters())) + len(spec.trained) + 3 * units + len(spec.inputs) + 2 * len(spec.targets)
    if (columns := names + _ROOM) > MAX_COLUMNS:
        raise NetworkError(
            f"layers: the table needs {columns:,} columns and a sheet has {MAX_COLUMNS:,}; use fewer units"
        )
    if len(spec.rates) > MAX_RATES:
        raise NetworkError(
            f"rates: has {len(spec.rates)}; each is a sheet, and a workbook takes {MAX_RATES}; give fewer"
        )


def _repeated(values: Iterable[object]) -> object | None:
    return next((value for value, count in Counter(values).items() if count > 1), None)


# The names of what is calculated, as the sheets show them.


def activation_name(unit: str) -> str:
    return f"a_{unit}"


def error_name(output: int) -> str:
    """The error of one output, counted from 0: E1, E2, ..."""
    return f"E{output + 1}"


def total_error() -> str:
    return "E_total"


def delta_name(unit: str) -> str:
    """∂E/∂z of the unit's pre-activation z."""
    return f"δ_{unit}"


def gradient_name(quantity: str) -> str:
    return f"∂E/∂{quantity}"


def local_name(output: str, argument: str) -> str:
    """One factor of the chain rule, by how much `output` moves with `argument`."""
    return f"∂{output}/∂{argument}"


def updated_name(parameter: str) -> str:
    return f"{parameter}⁺"


def canonical(quantity: str) -> str:
    """The quantity in plain ASCII, as JSON has it: dE/dw1, delta_h1."""
    return quantity.replace("∂", "d").replace("δ", "delta").replace("η", "rate").replace("⁺", "+")
