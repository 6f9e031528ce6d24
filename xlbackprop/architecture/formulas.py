"""The formula of every calculated cell, and what it gives: one short rule for each quantity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xlbackprop.architecture import layout as at
from xlbackprop.architecture.layout import TOTALS, Layout, Quantity
from xlbackprop.architecture.live import Live, Operand, either, joined, largest, trimmed, when
from xlbackprop.architecture.spec import Add, BatchNorm, Conv, Dense, Flatten, Layer, MaxPool, Relu, Window
from xlbackprop.sheet.address import absolute, cell_name

Cells = Mapping[Quantity, Live]


def formulas(layout: Layout) -> dict[Quantity, Live]:
    """For every calculated quantity its formula, in the order in which they follow from each other."""
    told: dict[Quantity, Live] = {}
    telling = _Telling(layout, told)
    for row, key in layout.calculated():
        if row == TOTALS:
            told[row, key] = telling.total(key)
        elif row == 0:
            told[row, key] = telling.image(key)
        else:
            told[row, key] = telling.of_layer(row, key)
    return told


class _Telling:
    def __init__(self, layout: Layout, told: Cells) -> None:
        self.layout, self.architecture, self.told = layout, layout.architecture, told

    def cell(self, row: int, key: str) -> Live:
        """A reference to a calculated cell."""
        return Live(self.layout.cell(row, key), self.told[row, key].value)

    def option(self, row: int, key: str) -> Live:
        """A reference to a layer's own number; 1 where its kind has none such."""
        one = self.layout.options.get((row, key))
        return Live(one.cell, one.value) if one else Live("1", 1)

    def setting(self, key: str) -> Live:
        one = self.layout.settings[key]
        return Live(absolute(*one.place), one.value)

    def image(self, key: str) -> Live:
        if key in at.OUT:
            return self.setting(at.IMAGE[at.OUT.index(key)])
        return Live("0", 0) if key == at.SO_FAR else Live("1", 1)

    def of_layer(self, row: int, key: str) -> Live:
        layer, below = self.architecture.layers[row - 1], self.architecture.below(row)
        if key in at.IN:
            return self.cell(below, at.OUT[at.IN.index(key)])
        if key in at.OUT:
            return self.out(row, layer, at.OUT.index(key))
        if key == at.FIELD:
            return self.field(row, layer, below)
        if key == at.JUMP:
            jump = self.cell(below, at.JUMP)
            return jump * self.option(row, "stride") if isinstance(layer, Window) else jump
        if key == at.SO_FAR:
            so_far = self.cell(row - 1, at.SO_FAR)
            return so_far + self.cell(row, at.PARAMETERS) if (row, at.PARAMETERS) in self.told else so_far
        if key == at.AFTER:
            return self.weight_layers(row, len(self.architecture.layers))
        if key == at.RULE:
            return self.rule(row, layer)
        return self.parameters(row, layer, key)

    def out(self, row: int, layer: Layer, axis: int) -> Live:
        taken = self.cell(row, at.IN[axis])
        if axis == 0 and isinstance(layer, (Conv, Dense)):
            return self.option(row, "channels")
        if axis and isinstance(layer, Window):
            room = taken + 2 * self.option(row, "padding") - self.reach(row) - 1
            return largest(0, room // self.option(row, "stride") + 1)
        if layer.collapses:
            return Live("1", 1) if axis else self.taken_size(row) if isinstance(layer, Flatten) else taken
        return taken

    def reach(self, row: int) -> Live:
        """From the first row that a kernel looks at to its last."""
        steps, dilation = self.option(row, "kernel") - 1, self.layout.options.get((row, "dilation"))
        return steps * self.option(row, "dilation") if dilation else steps

    def taken_size(self, row: int) -> Live:
        channels, height, width = (self.cell(row, key) for key in at.IN)
        return channels * height * width

    def field(self, row: int, layer: Layer, below: int) -> Live:
        field, jump = self.cell(below, at.FIELD), self.cell(below, at.JUMP)
        if isinstance(layer, Window):
            return field + self.reach(row) * jump
        if layer.collapses:
            return field + (largest(*(self.cell(row, key) for key in at.IN[1:])) - 1) * jump
        other = self.architecture.other(row)
        return field if other is None else largest(field, self.cell(other, at.FIELD))

    def parameters(self, row: int, layer: Layer, key: str) -> Live:
        channels = self.cell(row, at.OUT[0])
        if key == at.PARAMETERS:
            return self.cell(row, at.WEIGHTS) + self.cell(row, at.BIASES)
        if isinstance(layer, BatchNorm):
            return 2 * channels if key == at.RUNNING else channels
        if key == at.BIASES:
            return self.option(row, "bias") * channels
        if isinstance(layer, Dense):
            return channels * self.taken_size(row)
        per_group = self.cell(row, at.IN[0]) // self.option(row, "groups")
        kernel = self.option(row, "kernel")
        return channels * per_group * kernel * kernel

    def weight_layers(self, first: int, last: int) -> Live:
        """How many layers with weights stand between two rows, which are none themselves."""
        column = at.COLUMNS.index("kind")
        top, bottom = (absolute(self.layout.image_row + row, column) for row in (first, last))
        kinds = [layer.kind for layer in self.architecture.layers[first - 1 : last]]
        convs, denses = (Live(f'COUNTIF({top}:{bottom},"{kind}")', kinds.count(kind)) for kind in ("conv", "dense"))
        return convs + denses

    def rule(self, row: int, layer: Layer) -> Live:
        """What does not fit, or which rules of the session are broken; empty where all is well."""
        broken = [when(condition, joined(*says, ". ")) for condition, says in self.broken(row, layer)]
        return trimmed(joined(*broken)) if broken else Live('""', "")

    def broken(self, row: int, layer: Layer) -> Iterable[tuple[Live, tuple[Operand, ...]]]:
        channels, height, width = (self.cell(row, key) for key in at.IN)
        size = (height, "×", width)
        if isinstance(layer, Window):
            misfit = either(*(self.cell(row, key) < 1 for key in at.OUT[1:]))
            padding = self.option(row, "padding")
            yield (
                misfit,
                ("A kernel over ", self.reach(row) + 1, " rows does not fit into ", *size, " with padding ", padding),
            )
        if isinstance(layer, Conv):
            made, groups = self.cell(row, at.OUT[0]), self.option(row, "groups")
            misfit = either((channels % groups).differs(0), (made % groups).differs(0))
            yield misfit, (groups, " groups do not divide ", channels, " and ", made, " channels")
        if isinstance(layer, Dense):
            yield either(height.differs(1), width.differs(1)), ("Takes a map of ", *size, ": put a flatten before it")
        if isinstance(layer, Add):
            other = tuple(self.cell(self.architecture.other(row) or 0, key) for key in at.OUT)
            misfit = either(*(a.differs(b) for a, b in zip(other, (channels, height, width))))
            yield misfit, (other[0], "×", other[1], "×", other[2], " cannot be added to ", channels, "×", *size)
        if row == self.architecture.judged:
            seen, side = self.seen, self.side
            yield seen < side, ("Receptive field ", seen, ", smaller than the image, ", side)
        if isinstance(layer, (MaxPool, BatchNorm)):
            least = self.setting(at.POOL_DISTANCE if isinstance(layer, MaxPool) else at.NORM_DISTANCE)
            after = self.cell(row, at.AFTER)
            yield after < least, ("Too close to the prediction: ", after, ", at least ", least)
        before = self.architecture.max_pool_before(row)
        if isinstance(layer, MaxPool) and before:
            between, least = self.weight_layers(before, row), self.setting(at.POOL_SPACING)
            yield between < least, ("Too close to the max pool before: ", between, ", at least ", least)
        if isinstance(layer, Relu):
            yield self.cell(row, at.AFTER) < 1, ("On the prediction: never before the last layer",)

    @property
    def seen(self) -> Live:
        return self.cell(self.architecture.last_map, at.FIELD)

    @property
    def side(self) -> Live:
        """The longer side of the image."""
        return largest(*(self.setting(key) for key in at.IMAGE[1:]))

    def total(self, key: str) -> Live:
        last = len(self.architecture.layers)
        if key in (at.TRAINED, at.NOT_TRAINED):
            quantity = at.PARAMETERS if key == at.TRAINED else at.RUNNING
            value = sum(live.value for (row, name), live in self.told.items() if row > 0 and name == quantity)
            return Live(f"SUM({self.column(quantity)})", value)
        if key == at.OUTPUT:
            channels, height, width = (self.cell(last, name) for name in at.OUT)
            return joined(channels, "×", height, "×", width)
        if key == at.SEEN:
            return self.seen
        if key == at.SIDE:
            return self.side
        if key == at.BROKEN:
            return self.broken_rules()
        return self.status()

    def broken_rules(self) -> Live:
        count = sum(live.value != "" for (_, name), live in self.told.items() if name == at.RULE)
        broken = Live(f'SUMPRODUCT(1*({self.column(at.RULE)}<>""))', count)
        if at.LIMIT not in self.layout.settings:
            return broken
        return broken + when(self.cell(TOTALS, at.TRAINED) >= self.setting(at.LIMIT), 1, 0)

    def status(self) -> Live:
        broken = self.cell(TOTALS, at.BROKEN)
        says = joined("Rules broken: ", broken, "; see the column rule")
        if at.LIMIT in self.layout.settings:
            trained, limit = self.cell(TOTALS, at.TRAINED), self.setting(at.LIMIT)
            says = joined(says, when(trained >= limit, joined("; parameters are not fewer than ", limit)))
        return when(broken < 1, "Every rule of the session is kept", says)

    def column(self, key: str) -> str:
        first, last = (self.layout.place(row, key) for row in (1, len(self.architecture.layers)))
        return f"{cell_name(*first)}:{cell_name(*last)}"
