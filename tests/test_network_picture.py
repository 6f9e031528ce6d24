"""The network's picture: every network has one, its labels can be read, and names in it are text."""

from __future__ import annotations

import zipfile
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from xlbackprop import kinds
from xlbackprop.networks import load, template_names
from xlbackprop.show import blocks, layered
from xlbackprop.show.columns import columns, is_layered
from xlbackprop.show.drawing import Drawing, folded, width_of
from xlbackprop.show.network import BACKWARD, drawn, pictures, step_0
from xlbackprop.show.plots import png, svg
from xlbackprop.spec import Spec, loads, override

BLOCKS = {
    "attention", "batchnorm", "cs231n-circuits", "dropout", "layernorm", "modules-add", "modules-duplicate",
    "modules-logsoftmax", "modules-max", "residual", "softmax-logistic", "softmax-nll", "softmax-side-by-side",
    "tdnn", "tiny-cnn",
}  # fmt: skip


def _dense(*sizes: int, bias: bool = False) -> Spec:
    start = 'bias_init = { kind = "uniform", low = -1.0, high = 1.0 }' if bias else ""
    layers = "".join(f'[[layers]]\nsize = {n}\nactivation = "tanh"\ninit = "xavier"\n{start}\n' for n in sizes[1:])
    inputs = [round(0.1 * k - 0.15, 2) for k in range(sizes[0])]
    samples = f"[[samples]]\ninputs = {inputs}\ntargets = {[0.5] * sizes[-1]}\n"
    return loads(f"steps = 3\nrates = [0.1]\n{layers}{samples}", "x.toml")


def _said(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("name", template_names())
def test_every_template_draws_and_no_text_lies_on_another(name: str) -> None:
    spec = load(name)
    assert is_layered(spec) == (name not in BLOCKS)
    for figure in pictures(spec).values():
        _assert_legible(figure)
        assert any(text.startswith("E_total") for text in _said(figure))


SIZES = {
    "1-1-1": _dense(1, 1, 1),
    "2-2-2": _dense(2, 2, 2),
    "2-2-2 with biases": _dense(2, 2, 2, bias=True),
    "2-3-2-2-1": _dense(2, 3, 2, 2, 1, bias=True),
    "2-10-1": _dense(2, 10, 1, bias=True),
    "4-4-4": _dense(4, 4, 4, bias=True),
    "8-8-8": _dense(8, 8, 8, bias=True),
    "20-16-3": _dense(20, 16, 3),
}


@pytest.mark.parametrize("spec", SIZES.values(), ids=SIZES)
def test_sizes_are_legible(spec: Spec) -> None:
    for figure in pictures(spec).values():
        _assert_legible(figure)
        assert figure.get_figwidth() < 16


def _assert_legible(figure: Figure) -> None:
    """No text on another or beyond the edge, by the renderer's own measure."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts if text.get_text()]
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text
    for (one, a), (other, b) in combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 2 or b.y1 <= a.y0 + 2
        assert apart, f"{one!r} and {other!r}"


def test_the_numbers_are_those_of_step_0() -> None:
    forward, backward = (_said(figure) for figure in pictures(load("mazur-trained")).values())
    # Matt Mazur's page: net_h1 0.3775, out_h1 0.593269992, E_total 0.298371109, its gradients by w5 and w1.
    assert {"w1  0.15", "b1  0.35", "h1  0.3775", "a_h1  0.5933", "E_total  0.2984", "t2  0.99"} <= set(forward)
    assert {"∂E/∂w5  0.08217", "∂E/∂w1  0.0004386", "δ_o1  0.1385", "E_total  0.2984"} <= set(backward)
    assert not any("∂" in text for text in forward)
    assert {"hidden", "output", "sigmoid", "half squared error"} <= set(forward)


def test_fixed_biases_and_the_sample_are_told() -> None:
    assert "b1 fixed" in _said(pictures(load("mazur"))[BACKWARD])
    spec = load("half-moons")
    assert spec.order is not None
    assert f"Forward, step 0, sample {spec.order[0] + 1} of 40" in _said(pictures(spec)["network"])


def test_an_activation_on_its_own_stands_in_the_boxes_of_its_layer() -> None:
    spec = load("modules-relu")
    _, layer, *_ = columns(spec, step_0(spec), backward=False)
    assert [[one.name for one in unit.quantities] for unit in layer.units if unit] == [["s1", "a_s1"], ["s2", "a_s2"]]
    assert layer.heading == ("output", "relu")


def test_an_error_without_parts_is_one_box() -> None:
    two_outputs = "loss = 'output'\nsteps = 1\nrates = [0.1]\n[[layers]]\nweights = [[1.0], [2.0]]\n"
    spec = loads(f"{two_outputs}[[samples]]\ninputs = [3.0]", "x.toml")
    *_, error = columns(spec, step_0(spec), backward=False)
    assert error.heading == ("error", "output")
    assert [(edge.source, edge.target) for edge in error.edges] == [(0, 0), (1, 0)]


def test_long_layers_leave_units_out_and_crowded_ones_names() -> None:
    said = _said(pictures(SIZES["20-16-3"])["network"])
    assert said.count("⋮") == 2
    assert {"20 units", "16 units", "i10  0.75", "i20  1.75"} <= set(said)
    assert not {"i11  0.85", "i19  1.65"} & set(said)
    assert "Where too many weights meet, their names are left out." in said


def test_blocks_tell_each_layer() -> None:
    spec = load("tiny-cnn")
    forward, backward = (blocks.blocks(spec, step_0(spec), backward=way) for way in (False, True))
    assert [block.texts[:3] for block in forward[1:4]] == [
        ("conv", "conv, kernel 3×3", "2×4×4"),
        ("bn", "batch norm, relu", "2×4×4"),
        ("pool", "max pool, kernel 2×2", "2×2×2"),
    ]
    assert forward[1].texts[4] == "18: w1 ... w18"
    values = step_0(spec)
    norm = sum(values[f"∂E/∂w{k}"] ** 2 for k in range(1, 19)) ** 0.5
    assert backward[1].texts[4] == f"{norm:.4g}"


def test_a_skip_connection_and_a_circuit() -> None:
    spec = load("residual")
    places = [block.skip for block in blocks.blocks(spec, step_0(spec), backward=False)]
    assert places == [None, None, None, 1, None, None]
    gates = _said(pictures(load("cs231n-circuits"))[BACKWARD])
    assert "q = x + y    ∂E/∂q = -4" in gates


def test_same_network_same_bytes() -> None:
    first, second = (dict(drawn(load("three-hidden"), "net")) for _ in "ab")
    assert list(first) == [
        "net-network.png",
        "net-network.svg",
        "net-network-backward.png",
        "net-network-backward.svg",
    ]
    assert first == second


HOSTILE = {
    "mathematics": "$\\frac{1}{2}$ and $ and \\alpha_{",
    "markup": "<script>alert(1)</script> & a --> b ]]> |",
    "formula": "=cmd()|'/c calc'!A0",
    "control": "a\u0001b",
    "one word": "W" * 200,
}


@pytest.mark.parametrize("network", ["era-s6", "tiny-cnn"], ids=["layers", "blocks"])
@pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_title_is_text(title: str, network: str) -> None:
    spec = override(load(network), title=title)
    for figure in pictures(spec).values():
        assert title[:24].replace("\u0001", "\ufffd") in " ".join(_said(figure))
        assert not any(text.get_parse_math() for text in figure.axes[0].texts)
        _assert_legible(figure)
        root = ElementTree.fromstring(svg(figure))
        assert not [node for node in root.iter() if node.tag.rpartition("}")[2] in ("script", "foreignObject", "a")]
        assert png(figure)


def test_measured_text_is_as_wide_as_drawn() -> None:
    drawing = Drawing(6, 1)
    for text in ("∂E/∂w12  -0.0004386", "$x^2$", "iiiiiiii", "E_total"):
        drawing.text(3, 0.5, text)
    renderer = drawing.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for one in drawing.figure.axes[0].texts:
        assert one.get_window_extent(renderer).width / 120 == pytest.approx(width_of(one.get_text()), abs=0.06)


def test_folded() -> None:
    assert folded("one two three", 9, 0.6) == ["one two", "three"]
    assert folded("", 9, 1) == []


def test_labels_meet_no_other_and_say_when_there_is_no_room() -> None:
    spec = _dense(2, 2, 2)
    network = columns(spec, step_0(spec), backward=False)
    gap = layered._gap(network[0], network[1], 2.6)
    assert len(gap.labels) == 4
    assert not gap.is_silent
    assert layered._labels(["a long label"] * 2, [(0.0, 0.0), (0.05, 0.05)], 1.0) is None


@pytest.mark.parametrize("name", ["era-s6", "tiny-cnn"])
def test_overview_has_the_picture_and_the_same_bytes_each_time(tmp_path: Path, name: str) -> None:
    first, second = (kinds.build(override(load(name), steps=2), tmp_path / f"{k}.xlsx") for k in "ab")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as package:
        assert package.read("xl/media/image1.png")[:4] == b"\x89PNG"
        drawing = package.read("xl/drawings/drawing1.xml").decode()
    assert "The network with the weights that it starts with" in drawing


def test_the_picture_covers_no_cell(tmp_path: Path) -> None:
    import openpyxl

    for name in ("half-moons", "tiny-cnn", "era-s6"):
        spec = override(load(name), steps=2, rates=(0.1,))
        sheet = openpyxl.load_workbook(kinds.build(spec, tmp_path / f"{name}.xlsx"))["Overview"]
        (image,) = sheet._images
        start, end = image.anchor._from, image.anchor.to
        covered = sheet.iter_rows(start.row + 1, end.row + 1, start.col + 1, end.col + 1)
        assert not [cell.coordinate for row in covered for cell in row if cell.value is not None]
