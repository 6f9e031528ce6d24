"""Which block stands where: a training step as a band of matrices, the way they are drawn on paper.

    forward                  | backward                        | updated
         x                   |                                 |
    W    .  .   b   z   a    | ∂E/∂a   δ   ∂E/∂b   ∂E/∂W  .  . | W⁺  .  .   b⁺
         ∂E/∂x               |                                 |

A band has a strip like this for each layer, one below the other, and one for the error. The
backward half of a strip is its forward half in the mirror: each block's adjoints, from the last
block to the first. A quantity may stand in several blocks, since a layer's x is the a of the layer
below: the first place is where it is calculated, the others show it. Rows and columns count
from 0, the rows from the band's first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from xlbackprop.graph.layers import LAYERS
from xlbackprop.graph.program import Program
from xlbackprop.spec import Spec, error_name, layers, total_error, updated_name
from xlbackprop.spec.names import SAMPLE, STEP
from xlbackprop.spec.shapes import Names, Placed, Shape

Matrix = tuple[Names, ...]  # names, row by row; "" where nothing stands
Place = tuple[int, int]

PARAMETER_LABELS = {"weights": "W", "bias": "b", "query": "Wq", "key": "Wk", "value": "Wv", "output": "Wo"}
LABELS, ROW_NAMES, FIRST = 0, 1, 2  # columns: labels beside blocks, names of rows, the first block
LEAST = 4  # columns of each half, which a rule's text needs


@dataclass(frozen=True)
class Strip:
    """A row of blocks: what is calculated, from left to right; `above` the first stands the row that it multiplies."""

    title: str
    forward: tuple[tuple[str, Matrix], ...]
    rule: str = ""  # of the way back
    above: Names = ()
    rows: Names = ()


@dataclass(frozen=True)
class Block:
    label: str
    names: Matrix
    row: int
    column: int
    beside: bool = False  # whether the label stands left of it, or else above

    @property
    def height(self) -> int:
        return len(self.names)

    @property
    def width(self) -> int:
        return len(self.names[0])

    @property
    def label_place(self) -> Place:
        if self.beside:
            return self.row, LABELS if self.column == FIRST else self.column - 1
        return self.row - 1, self.column

    def cells(self) -> Iterator[tuple[Place, str]]:
        for r, row in enumerate(self.names):
            for c, name in enumerate(row):
                if name:
                    yield (self.row + r, self.column + c), name


@dataclass(frozen=True)
class Text:
    """A heading, or the name of a row or column."""

    row: int
    column: int
    text: str
    heading: bool = False


class Band:
    """One training step's blocks. The first place of a quantity is its home."""

    def __init__(self, spec: Spec, program: Program) -> None:
        self.spec, self._program = spec, program
        self.blocks: list[Block] = []
        self.texts: list[Text] = []
        drawn = strips(spec)
        self.backward_column = FIRST + max(LEAST, *map(_width, drawn)) + 1
        tops, row = [], 2
        for strip in drawn:
            tops.append(row)
            row += _height(strip)
        self.height = row
        self._head()
        for strip, top in zip(drawn, tops):
            self._forward(strip, top)
        # From the error back, so that an adjoint's home is where the layer above calculates it.
        for strip, top in zip(reversed(drawn), reversed(tops)):
            self._backward(strip, top)
        self.updated_column = max(self.width, self.backward_column + LEAST) + 1
        for strip, top in zip(drawn, tops):
            self._updated(strip, top)

    @property
    def width(self) -> int:
        return max(block.column + block.width for block in self.blocks)

    @cached_property
    def places(self) -> dict[str, list[Place]]:
        """Where each quantity stands, its home first."""
        result: dict[str, list[Place]] = {}
        for block in self.blocks:
            for place, name in block.cells():
                result.setdefault(name, []).append(place)
        return result

    @cached_property
    def names(self) -> dict[Place, str]:
        """What stands where."""
        return {place: name for name, places in self.places.items() for place in places}

    def _head(self) -> None:
        self._add(STEP, ((STEP,),), 0, 1, beside=True)
        if SAMPLE in self._program:
            self._add(SAMPLE, ((SAMPLE,),), 0, 3, beside=True)

    def _forward(self, strip: Strip, top: int) -> None:
        self.texts.append(Text(top, LABELS, strip.title, heading=True))
        row, column = _first_row(strip, top), FIRST
        if strip.above:
            self.texts += [Text(row - 2, FIRST + k, name) for k, name in enumerate(strip.above)]
            self._add("x", (strip.above,), row - 1, FIRST, beside=True)
        self.texts += [Text(row + k, ROW_NAMES, name) for k, name in enumerate(strip.rows)]
        for label, names in strip.forward:
            self._add(label, names, row, column, beside=bool(strip.above) and column == FIRST)
            column += len(names[0])

    def _backward(self, strip: Strip, top: int) -> None:
        row, column = _first_row(strip, top), self.backward_column
        for label, names in reversed(strip.forward):
            if adjoints := self._known(names, self.spec.adjoint):
                if column == self.backward_column:
                    self.texts.append(Text(top, column, strip.rule, heading=True))
                self._add(_adjoint_label(label, adjoints), adjoints, row, column)
                column += len(adjoints[0])
        if adjoints := self._known((strip.above,), self.spec.adjoint):
            self._add(_adjoint_label("x", adjoints), adjoints, row + len(strip.forward[0][1]), FIRST, beside=True)

    def _updated(self, strip: Strip, top: int) -> None:
        column = self.updated_column
        for label, names in strip.forward:
            if after := self._known(names, updated_name):
                if column == self.updated_column:
                    self.texts.append(Text(top, column, "updated: w - η ∂E/∂w", heading=True))
                self._add(updated_name(label), after, _first_row(strip, top), column)
                column += len(after[0])

    def _known(self, names: Matrix, rename: Callable[[str], str]) -> Matrix:
        """The renamed quantities that are calculated; nothing if none of them is."""
        renamed = tuple(
            tuple(new if name and (new := rename(name)) in self._program else "" for name in row) for row in names
        )
        return renamed if any(map(any, renamed)) else ()

    def _add(self, label: str, names: Matrix, row: int, column: int, *, beside: bool = False) -> None:
        self.blocks.append(Block(label, names, row, column, beside))


def _first_row(strip: Strip, top: int) -> int:
    """Below the title, the labels and, where a row stands above the first block, its names."""
    return top + (3 if strip.above else 2)


def _height(strip: Strip) -> int:
    tallest = max(len(names) for _, names in strip.forward)
    return _first_row(strip, 0) + tallest + (1 if strip.above else 0) + 1


def _width(strip: Strip) -> int:
    return sum(len(names[0]) for _, names in strip.forward)


def _adjoint_label(label: str, adjoints: Matrix) -> str:
    first = next(name for row in adjoints for name in row if name)
    return "δ" if first.startswith("δ") else f"∂E/∂{label}"


def matrix(names: Names, shape: Shape) -> Matrix:
    """Tokens by features as they are; anything else as a column."""
    width = shape[1] if len(shape) == 2 else 1
    return tuple(names[k : k + width] for k in range(0, len(names), width))


def strips(spec: Spec) -> list[Strip]:
    """The layers from the first to the last, then the error."""
    return [strip for one in spec.placed for strip in STRIPS[type(one.layer)](one)] + [_error(spec)]


def _title(one: Placed) -> str:
    kind = str(one.layer.__struct_config__.tag)
    rule = LAYERS[type(one.layer)].forward
    applied = f", a = {one.activation}(z)" if one.activation else ""
    return f"layer {one.index + 1}, {kind}: {rule}{applied}"


def _handed_on(one: Placed, label: str) -> list[tuple[str, Matrix]]:
    """The units and, if they go through a function, what comes out."""
    blocks = [(label, matrix(one.units, one.shape))]
    return blocks + ([("a", matrix(one.outputs, one.shape))] if one.activation else [])


def _parameter(one: Placed, key: str) -> tuple[str, Matrix]:
    tensor = one.by_key[key]
    return PARAMETER_LABELS[key], matrix(tensor.names, tensor.shape)


def _strip(one: Placed, blocks: list[tuple[str, Matrix]], above: Names = ()) -> Strip:
    rows = one.units if len(one.shape) == 1 else _tokens(one)
    return Strip(_title(one), tuple(blocks), LAYERS[type(one.layer)].backward, above, rows)


def _tokens(one: Placed) -> Names:
    return tuple(f"token {t + 1}" for t in range(one.shape[0]))


def _dense(one: Placed) -> list[Strip]:
    parameters = [_parameter(one, key) for key in ("weights", "bias") if key in one.by_key]
    strip = _strip(one, [*parameters, *_handed_on(one, "z")], above=one.below)
    if "bias" in one.by_key:
        return [strip]
    return [replace(strip, title=strip.title.replace(" + b", ""), rule=strip.rule.replace(" ∂E/∂b = δ,", ""))]


def _normalised(one: Placed, label: str, *more: str) -> list[Strip]:
    """Softmax and its logarithm, of each row: the exponentials and what is made of their sum."""
    rows = one.shape[0] if len(one.shape) == 2 else 1
    blocks = [
        ("x", matrix(one.below, one.shape)),
        ("max", matrix(one.parts("max", rows), (rows,))),
        ("e", matrix(one.parts("e", rows, len(one.units) // rows), one.shape)),
        *((what, matrix(one.parts(what, rows), (rows,))) for what in ("Σe", *more)),
    ]
    return [_strip(one, blocks + _handed_on(one, label))]


def _encoding(one: Placed) -> list[Strip]:
    blocks = [("X", matrix(one.below, one.shape)), ("pe", matrix(one.parts("pe", *one.shape), one.shape))]
    return [_strip(one, blocks + _handed_on(one, "y"))]


def _attention(one: Placed) -> list[Strip]:
    tokens = one.shape[0]
    d, width = one.by_key["query"].shape[0], one.by_key["value"].shape[0]
    causal = isinstance(one.layer, layers.Attention) and one.layer.causal
    projects = "output" in one.by_key

    def pairs(what: str) -> Matrix:
        return tuple(
            tuple("" if causal and other > t else one.part(what, t, other) for other in range(tokens))
            for t in range(tokens)
        )

    def of_tokens(what: str) -> Matrix:
        return matrix(one.parts(what, tokens), (tokens,))

    def parts(what: str, columns: int) -> Matrix:
        return matrix(one.parts(what, tokens, columns), (tokens, columns))

    weights = [_parameter(one, key) for key in ("query", "key", "value")]
    mixed = [("C", parts("c", width)), _parameter(one, "output")] if projects else []
    rows = _tokens(one)
    return [
        Strip(
            _title(one),
            (("X", matrix(one.below, one.shape_in)), *weights),
            "∂E/∂Wq = ∂E/∂Qᵀ X, and so for Wk, Wv",
            rows=rows,
        ),
        Strip(
            "Q = X Wqᵀ, K = X Wkᵀ, V = X Wvᵀ",
            (("Q", parts("q", d)), ("K", parts("k", d)), ("V", parts("v", width))),
            "∂E/∂V = Aᵀ ∂E/∂Y, ∂E/∂K = ∂E/∂Sᵀ Q/√d, ∂E/∂Q = ∂E/∂S K/√d",
            rows=rows,
        ),
        Strip(
            "S = Q Kᵀ/√d, A = softmax(S) row by row",
            (
                ("S", pairs("s")), ("max", of_tokens("max")), ("e", pairs("e")), ("Σe", of_tokens("Σe")),
                ("A", pairs("α")),
            ),
            "∂E/∂A = ∂E/∂Y Vᵀ, then back through the softmax",
            rows=rows,
        ),
        Strip(
            "C = A V, Y = C Woᵀ" if projects else "Y = A V", (*mixed, *_handed_on(one, "Y")),
            "∂E/∂Wo = ∂E/∂Yᵀ C, ∂E/∂C = ∂E/∂Y Wo" if projects else "from the layer above",
            rows=rows,
        ),
    ]  # fmt: skip


def _error(spec: Spec) -> Strip:
    last = spec.placed[-1]
    blocks = [("y", matrix(last.outputs, last.shape))]
    if spec.targets:
        blocks.append(("t", matrix(spec.targets, last.shape)))
    if spec.loss == "cross-entropy from logits":
        exponentials = matrix(tuple(f"e_{name}" for name in last.outputs), last.shape)
        blocks += [("max", (("max_o",),)), ("e", exponentials), ("Σe", (("Σe_o",),)), ("lse", (("lse",),))]
    if spec.targets:
        blocks.append(("E", matrix(tuple(error_name(k) for k in range(len(spec.targets))), last.shape)))
    blocks.append((total_error(), ((total_error(),),)))
    rows = last.outputs if len(last.shape) == 1 else _tokens(last)
    return Strip(f"error: {spec.loss}", tuple(blocks), "from the error back", rows=rows)


STRIPS: dict[type[layers.Layer], Callable[[Placed], list[Strip]]] = {
    layers.Dense: _dense,
    layers.Softmax: lambda one: _normalised(one, "p"),
    layers.LogSoftmax: lambda one: _normalised(one, "y", "lnΣe"),
    layers.PositionalEncoding: _encoding,
    layers.Attention: _attention,
}
