"""Where everything stands on the sheet Architecture: settings and totals above, a row for each layer below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from xlbackprop.architecture.spec import (
    INPUT,
    MOST,
    Add,
    Architecture,
    BatchNorm,
    Conv,
    Dense,
    Layer,
    MaxPool,
    Relu,
)
from xlbackprop.sheet.address import cell_name

SHEET = "Architecture"
TEXTS = ("layer", "kind", "takes")
OPTIONS = ("kernel", "stride", "padding", "dilation", "channels", "groups", "bias")
IN = ("channels in", "height in", "width in")
OUT = ("channels out", "height out", "width out")
FIELD, JUMP = "receptive field", "jump"
WEIGHTS, BIASES, PARAMETERS, SO_FAR, RUNNING = (
    "weights",
    "biases",
    "parameters",
    "parameters so far",
    "running statistics",
)
AFTER, RULE = "weight layers after it", "rule"
QUANTITIES = (*IN, *OUT, FIELD, JUMP, WEIGHTS, BIASES, PARAMETERS, SO_FAR, RUNNING, AFTER, RULE)
COLUMNS = (*TEXTS, *OPTIONS, *QUANTITIES)

IMAGE = ("image channels", "image height", "image width")
LIMIT, POOL_DISTANCE, POOL_SPACING, NORM_DISTANCE = "parameter_limit", "pool_distance", "pool_spacing", "norm_distance"
SETTINGS = {
    LIMIT: "trained parameters, fewer than",
    POOL_DISTANCE: "max pool to prediction, at least",
    POOL_SPACING: "max pool to max pool, at least",
    NORM_DISTANCE: "batch norm to prediction, at least",
}

DISTANCES = (POOL_DISTANCE, POOL_SPACING, NORM_DISTANCE)

# The totals; their row is none of a layer's.
TOTALS = -1
TRAINED, NOT_TRAINED, OUTPUT, SEEN, SIDE, BROKEN, STATUS = (
    "trained parameters", "not trained: running statistics", "output",
    "receptive field of the last map", "longer side of the image", "rules broken", "status",
)  # fmt: skip
ALL_TOTALS = (TRAINED, NOT_TRAINED, OUTPUT, SEEN, SIDE, BROKEN, STATUS)

Place = tuple[int, int]  # row and column on the sheet, counted from 0
Quantity = tuple[int, str]  # the layer's row (0 is the image), or TOTALS, and what of it


@dataclass(frozen=True)
class Input:
    """A yellow cell: `row` as in Quantity, TOTALS for a setting."""

    row: int
    key: str
    place: Place
    value: int
    least: int
    most: int = MOST

    @property
    def cell(self) -> str:
        return cell_name(*self.place)


class Layout:
    STATUS_ROW = 4
    TOP = 7  # the first row of totals and of settings
    TOTAL_VALUES, SETTING_LABELS, SETTING_VALUES = 2, 4, 9  # columns

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        lines = max(len(self.settings), len(ALL_TOTALS))
        self.header_row = self.TOP + lines + 3
        self.image_row = self.header_row + 1
        self.last_row = self.image_row + len(architecture.layers)

    @cached_property
    def settings(self) -> dict[str, Input]:
        architecture = self.architecture
        values = {key: getattr(architecture, key) for key in SETTINGS}
        named = [(key, value, 1) for key, value in zip(IMAGE, architecture.input)]
        named += [(key, value, int(key == LIMIT)) for key, value in values.items() if value is not None]
        return {
            key: Input(TOTALS, key, (self.TOP + k, self.SETTING_VALUES), value, least)
            for k, (key, value, least) in enumerate(named)
        }

    @cached_property
    def options(self) -> dict[Quantity, Input]:
        result = {}
        for row, layer in enumerate(self.architecture.layers, 1):
            for key, value in layer.options.items():
                least, most = (0, 1) if key == "bias" else (0, MOST) if key == "padding" else (1, MOST)
                result[row, key] = Input(row, key, self.place(row, key), value, least, most)
        return result

    @property
    def inputs(self) -> list[Input]:
        return [*self.settings.values(), *self.options.values()]

    def place(self, row: int, key: str) -> Place:
        if key == STATUS:
            return self.STATUS_ROW, 0
        if row == TOTALS:
            return self.TOP + ALL_TOTALS.index(key), self.TOTAL_VALUES
        return self.image_row + row, COLUMNS.index(key)

    def cell(self, row: int, key: str) -> str:
        return cell_name(*self.place(row, key))

    def calculated(self) -> Iterator[Quantity]:
        """Every quantity that has a formula."""
        yield from ((0, key) for key in (*OUT, FIELD, JUMP, SO_FAR))
        for row, layer in enumerate(self.architecture.layers, 1):
            yield from ((row, key) for key in QUANTITIES if self._has(layer, key))
        yield from ((TOTALS, key) for key in ALL_TOTALS)

    @staticmethod
    def _has(layer: Layer, key: str) -> bool:
        if key in (WEIGHTS, BIASES, PARAMETERS):
            return isinstance(layer, (Conv, Dense, BatchNorm))
        if key == RUNNING:
            return isinstance(layer, BatchNorm)
        return key != AFTER or isinstance(layer, (MaxPool, BatchNorm, Relu))

    def texts(self) -> dict[Place, str]:
        """What says of a row which layer it is; what a workbook is recognised by."""
        result = {(self.header_row, column): name for column, name in enumerate(COLUMNS)}
        result[self.image_row, 0] = INPUT
        for row, layer in enumerate(self.architecture.layers, 1):
            for column, text in enumerate((layer.name, layer.kind, self._takes(layer))):
                if text:
                    result[self.image_row + row, column] = text
        return result

    @staticmethod
    def _takes(layer: Layer) -> str:
        if isinstance(layer, Add):
            return f"{layer.below or 'the layer above'} + {layer.of}"
        return layer.below

    def with_inputs(self, values: Mapping[Input, int]) -> Architecture:
        """The architecture with these numbers in its yellow cells, fitting together or not."""
        layers = list(self.architecture.layers)
        for row, layer in enumerate(layers, 1):
            own = {key: values[self.options[row, key]] for key in layer.options}
            own |= {"bias": bool(own["bias"])} if "bias" in own else {}
            layers[row - 1] = msgspec.structs.replace(layer, **own)
        settings = {key: values[one] for key, one in self.settings.items()}
        image = tuple(settings.pop(key) for key in IMAGE)
        return msgspec.structs.replace(self.architecture, layers=tuple(layers), input=image, **settings)
