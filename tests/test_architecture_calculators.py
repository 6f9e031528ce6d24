"""Architecture calculators: published counts, live rules, wrong cells named, changed inputs followed."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from openpyxl import load_workbook

from xlbackprop.architecture import formulas as formulas_module
from xlbackprop.architecture import layout as at
from xlbackprop.architecture.formulas import formulas
from xlbackprop.architecture.layout import SHEET, TOTALS, Layout
from xlbackprop.architecture.live import Live, joined, largest, when
from xlbackprop.architecture.reference import tell
from xlbackprop.architecture.sheet import build
from xlbackprop.architecture.spec import Architecture, Conv, Window
from xlbackprop.architecture.toml import dumps, load, loads
from xlbackprop.architecture.verify import verify
from xlbackprop.engine import engine
from xlbackprop.errors import NetworkError, WorkbookError
from xlbackprop.kinds import declared, kind_of_workbook

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = {
    path.stem: path
    for path in sorted((ROOT / "templates").rglob("*.toml"))
    if declared(path.read_text(encoding="utf-8")) == "architecture"
}

# Trained parameters, running statistics, receptive field of the last map.
PUBLISHED = {
    "vgg16": (138_357_544, 0, 212),  # ERA V2, session 6; torchvision counts the same
    "resnet18": (11_689_512, 9_600, 435),  # torchvision; He et al. (2015)
    "lenet": (61_706, 0, 32),  # 156 + 2,416 + 48,120 + 10,164 + 850: LeCun et al. (1998), all of C3 connected
    "mnist-under-20k": (14_434, 224, 30),
}

# The session's table, row by row: rows and columns of the map, channels, parameters.
VGG16 = """
block1_conv1 224 64 1792
block1_conv2 224 64 36928
block1_pool 112 64 0
block2_conv1 112 128 73856
block2_conv2 112 128 147584
block2_pool 56 128 0
block3_conv1 56 256 295168
block3_conv2 56 256 590080
block3_conv3 56 256 590080
block3_pool 28 256 0
block4_conv1 28 512 1180160
block4_conv2 28 512 2359808
block4_conv3 28 512 2359808
block4_pool 14 512 0
block5_conv1 14 512 2359808
block5_conv2 14 512 2359808
block5_conv3 14 512 2359808
block5_pool 7 512 0
flatten 1 25088 0
fc1 1 4096 102764544
fc2 1 4096 16781312
predictions 1 1000 4097000
"""
# Its receptive fields are well known too: Simonyan and Zisserman's stacks, fc1 seen as a convolution of 7×7.
VGG16_FIELDS = {
    "block1_conv2": 5,
    "block2_pool": 16,
    "block3_conv3": 40,
    "block4_pool": 100,
    "block5_pool": 212,
    "fc1": 404,
}
RESNET18 = {  # name: channels, rows, parameters, receptive field, jump
    "conv1": (64, 112, 9_408, 7, 2),
    "maxpool": (64, 56, 0, 11, 4),
    "layer1.1.add": (64, 56, 0, 43, 4),
    "layer2.0.downsample.0": (128, 28, 8_192, 43, 8),
    "layer2.0.add": (128, 28, 0, 67, 8),
    "layer4.1.conv2": (512, 7, 2_359_296, 435, 32),
    "fc": (1000, 1, 513_000, 627, 32),
}
SMALL = """
kind = "architecture"
input = [{channels}, {rows}, {rows}]
{top}
"""


def small(*layers: str, channels: int = 1, rows: int = 8, top: str = "") -> Architecture:
    """An architecture of a few layers, each a line of TOML keys with its kind first: `conv kernel=3 channels=4`."""
    return loads(text_of(*layers, channels=channels, rows=rows, top=top))


def text_of(*layers: str, channels: int = 1, rows: int = 8, top: str = "") -> str:
    lines = [SMALL.format(channels=channels, rows=rows, top=top)]
    for layer in layers:
        kind, *keys = re.split(r" (?=\w+=)", layer)
        lines += ["[[layers]]", f'kind = "{kind}"', *keys]
    return "\n".join(lines)


def row_of(architecture: Architecture, name: str) -> int:
    return architecture.rows[name]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("architectures")

    def workbook(name: str) -> Path:
        path = folder / f"{name}.xlsx"
        return path if path.exists() else build(load(TEMPLATES[name]), path)

    return workbook


def edited(path: Path, target: Path, cells: dict[str, object]) -> Path:
    book = load_workbook(path)
    for cell, value in cells.items():
        book[SHEET][cell] = value
    book.save(target)
    return target


# What is told


def test_every_template_has_its_counts() -> None:
    assert set(TEMPLATES) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("telling", ["sheet", "reference"])
def test_published_counts(name: str, telling: str) -> None:
    architecture = load(TEMPLATES[name])
    told = _told(architecture, telling)
    assert tuple(told[TOTALS, key] for key in (at.TRAINED, at.NOT_TRAINED, at.SEEN)) == PUBLISHED[name]


def _told(architecture: Architecture, telling: str) -> dict[tuple[int, str], object]:
    if telling == "reference":
        return dict(tell(architecture))
    return {place: live.value for place, live in formulas(Layout(architecture)).items()}


@pytest.mark.parametrize("telling", ["sheet", "reference"])
def test_every_row_of_the_sessions_table(telling: str) -> None:
    architecture = load(TEMPLATES["vgg16"])
    told, rows = _told(architecture, telling), VGG16.split("\n")[1:-1]
    assert [layer.name for layer in architecture.layers] == [row.split()[0] for row in rows]
    for row, line in enumerate(rows, 1):
        name, size, channels, parameters = line.split()
        shape = tuple(told[row, key] for key in at.OUT)
        assert shape == (int(channels), int(size), int(size)), name
        assert told.get((row, at.PARAMETERS), 0) == int(parameters), name
    for name, field in VGG16_FIELDS.items():
        assert told[row_of(architecture, name), at.FIELD] == field, name


@pytest.mark.parametrize("telling", ["sheet", "reference"])
def test_branches_of_resnet(telling: str) -> None:
    architecture = load(TEMPLATES["resnet18"])
    told = _told(architecture, telling)
    for name, expected in RESNET18.items():
        row = row_of(architecture, name)
        found = [told.get((row, key), 0) for key in (at.OUT[0], at.OUT[1], at.PARAMETERS, at.FIELD, at.JUMP)]
        assert tuple(found) == expected, name


def test_the_assignments_network_keeps_its_terms() -> None:
    architecture = load(TEMPLATES["mnist-under-20k"])
    told, kinds = tell(architecture), {layer.kind for layer in architecture.layers}
    assert told[TOTALS, at.TRAINED] < architecture.parameter_limit == 20_000
    assert {"batch norm", "dropout", "global average", "max pool"} <= kinds
    assert told[TOTALS, at.BROKEN] == 0


def _seen(sizes: int, layers: tuple[Window, ...]) -> tuple[int, list[set[int]]]:
    """Which rows of a long image each output sees, by following every window."""
    seen = [{k} for k in range(sizes)]
    for layer in layers:
        dilation, stride = layer.options.get("dilation", 1), layer.options["stride"]
        padded = [set[int]()] * layer.padding + seen + [set[int]()] * layer.padding
        starts = range(0, len(padded) - dilation * (layer.kernel - 1), stride)
        seen = [set().union(*(padded[k + dilation * j] for j in range(layer.kernel))) for k in starts]
    return len(seen), seen


@pytest.mark.parametrize("seed", range(20))
def test_sizes_and_receptive_fields_as_windows_make_them(seed: int) -> None:
    chance = random.Random(seed)
    layers = [
        f"conv channels=2 kernel={chance.randint(1, 4)} stride={chance.randint(1, 2)} "
        f"padding={chance.randint(0, 2)} dilation={chance.randint(1, 3)}"
        for _ in range(chance.randint(1, 4))
    ]
    architecture = small(*layers, rows=400)
    windows = tuple(layer for layer in architecture.layers if isinstance(layer, Window))
    count, seen = _seen(400, windows)
    middle, last = seen[count // 2], len(layers)
    told = {place: live.value for place, live in formulas(Layout(architecture)).items()}
    assert told == tell(architecture)
    assert told[last, "height out"] == count
    assert told[last, at.FIELD] == max(middle) - min(middle) + 1
    assert told[last, at.JUMP] == min(seen[count // 2 + 1]) - min(middle)


@pytest.mark.parametrize("name", PUBLISHED)
def test_both_tellings_tell_of_the_same_cells(name: str) -> None:
    architecture = load(TEMPLATES[name])
    assert set(formulas(Layout(architecture))) == set(tell(architecture)) == set(Layout(architecture).calculated())


def test_neither_side_knows_the_other() -> None:
    """The sheet's side and the reference meet in verify alone."""
    folder = Path(formulas_module.__file__).parent
    forbidden = {
        "formulas": "reference",
        "live": "reference",
        "sheet": "reference",
        "layout": "reference",
        "reference": "formulas live sheet",
    }
    for module, others in forbidden.items():
        tree = ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        for other in others.split():
            assert f"xlbackprop.architecture.{other}" not in imported, module


# The workbook


@pytest.mark.parametrize("name", PUBLISHED)
def test_builds_and_verifies(name: str, built: Callable[[str], Path]) -> None:
    report = verify(built(name))
    assert report.correct, report.as_text()
    assert report.cells == len(list(report.layout.calculated()))
    assert f"all {report.cells:,} calculated cells agree" in report.as_text()
    assert report.as_json()["verdict"] == "correct"


@pytest.mark.libreoffice
@pytest.mark.parametrize("name", PUBLISHED)
def test_verifies_in_libreoffice(name: str, built: Callable[[str], Path]) -> None:
    report = verify(built(name), engine="libreoffice")
    assert report.correct, report.as_text()


@pytest.mark.parametrize("name", PUBLISHED)
def test_carried_values_are_right_and_none_is_an_error(name: str, built: Callable[[str], Path]) -> None:
    path = built(name)
    carried, recalculated = load_workbook(path, data_only=True)[SHEET], engine().recalculate(path)
    layout = Layout(load(TEMPLATES[name]))
    for row, key in layout.calculated():
        value = recalculated.column(SHEET, *layout.place(row, key), 1)[0]
        assert (carried[layout.cell(row, key)].value or 0) == (value or 0), layout.cell(row, key)
        assert not str(value).startswith("#")


def test_same_bytes_twice(tmp_path: Path) -> None:
    architecture = load(TEMPLATES["resnet18"])
    first, second = (build(architecture, tmp_path / name).read_bytes() for name in ("a.xlsx", "b.xlsx"))
    assert first == second
    created = load_workbook(tmp_path / "a.xlsx").properties.created
    assert created is not None and created.year == 2024  # not the time of writing, which two quick builds may share


def test_excel_can_open_it(built: Callable[[str], Path]) -> None:
    from openxml_audit import OpenXmlValidator

    result = OpenXmlValidator().validate(str(built("resnet18")))
    assert result.is_valid, result.errors[:5]


def test_only_functions_that_every_spreadsheet_has() -> None:
    texts = [live.text for path in TEMPLATES.values() for live in formulas(Layout(load(path))).values()]
    used = {name for text in texts for name in re.findall(r"([A-Z][A-Z.]+)\(", re.sub(r'"[^"]*"', '""', text))}
    assert used == {"MAX", "INT", "MOD", "IF", "OR", "SUM", "COUNTIF", "SUMPRODUCT", "TRIM"}


def test_it_is_recognised(built: Callable[[str], Path], tmp_path: Path) -> None:
    assert kind_of_workbook(built("lenet")) == "architecture"
    book = load_workbook(built("lenet"))
    book[SHEET].title = "Mine"
    book.save(tmp_path / "other.xlsx")
    with pytest.raises(WorkbookError, match="has no sheets 'Architecture' and 'Network file'"):
        verify(tmp_path / "other.xlsx")


a, b, c = (Live(name, value) for name, value in (("A1", 7), ("B1", 2), ("C1", 3)))


@pytest.mark.parametrize(
    ("live", "text", "value"),
    [
        (a - (b - c), "A1-(B1-C1)", 8),
        (a - b - c, "A1-B1-C1", 2),
        ((a + b) * c, "(A1+B1)*C1", 27),
        (a + 2 * b, "A1+2*B1", 11),
        ((a - b) // c + 1, "INT((A1-B1)/C1)+1", 2),
        ((a - 10) // b, "INT((A1-10)/B1)", -2),
        (a // (b * c), "INT(A1/(B1*C1))", 1),
        (when(a < b, 'so "it" is', largest(b, c)), 'IF(A1<B1,"so ""it"" is",MAX(B1,C1))', 3),
        (joined(a + b, "×", c), 'A1+B1&"×"&C1', "9×3"),
        (joined("is ", when(a >= 7, "7")), '"is "&IF(A1>=7,"7","")', "is 7"),
    ],
)
def test_a_formula_and_what_it_gives(live: Live, text: str, value: object) -> None:
    assert (live.text, live.value) == (text, value)


def test_a_formula_is_no_condition() -> None:
    with pytest.raises(TypeError, match=r"A1<B1 is a formula; decide with when\(\)"):
        assert a < b


# Rules

PLAIN = (
    "conv channels=4 kernel=3 padding=1",
    "conv channels=4 kernel=3 padding=1",
    "conv channels=2 kernel=3 padding=1",
)
RULES = {
    # layers, the layer that is named (counted from 1), what its cell says
    "all is well": (("conv channels=4 kernel=5", "conv channels=4 kernel=4", "global average"), {}),
    "small field before a global average": (
        (*PLAIN, "global average", "flatten", "dense channels=2"),
        {4: "Receptive field 7, smaller than the image, 8."},
    ),
    "small field before a flatten": (
        ("conv channels=4 kernel=3", "flatten"),
        {2: "Receptive field 3, smaller than the image, 8."},
    ),
    "small field, nothing takes the map": (PLAIN, {3: "Receptive field 7, smaller than the image, 8."}),
    "max pool next to the prediction": (
        ("conv channels=4 kernel=5", "max pool kernel=4", "flatten", "dense channels=2"),
        {2: "Too close to the prediction: 1, at least 3."},
    ),
    "average pools may be there": (
        ("conv channels=4 kernel=5", "average pool kernel=4", "flatten", "dense channels=2"),
        {},
    ),
    "max pools close to each other": (
        ("max pool kernel=2", "conv channels=4 kernel=1", "relu", "max pool kernel=2", *PLAIN),
        {4: "Too close to the max pool before: 1, at least 2."},
    ),
    "max pools with enough between": (("max pool kernel=2", *PLAIN, "max pool kernel=2", *PLAIN), {}),
    "both at once": (
        ("max pool kernel=4", "max pool kernel=2", "flatten", "dense channels=2"),
        {
            1: "Too close to the prediction: 1, at least 3.",
            2: "Too close to the prediction: 1, at least 3. Too close to the max pool before: 0, at least 2.",
        },
    ),
    "batch norm before the last layer": (
        ("conv channels=4 kernel=8", "batch norm", "relu", "flatten", "dense channels=2"),
        {2: "Too close to the prediction: 1, at least 2."},
    ),
    "batch norm on the prediction": (
        ("conv channels=4 kernel=8", "conv channels=2 kernel=1", "batch norm"),
        {3: "Too close to the prediction: 0, at least 2."},
    ),
    "batch norm far enough": (
        ("conv channels=4 kernel=8", "batch norm", "conv channels=4 kernel=1", "conv channels=2 kernel=1"),
        {},
    ),
    "relu on the prediction": (
        ("conv channels=4 kernel=8", "relu", "conv channels=2 kernel=1", "relu", "log-softmax"),
        {4: "On the prediction: never before the last layer."},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_rules(case: str, tmp_path: Path) -> None:
    layers, expected = RULES[case]
    report = verify(build(small(*layers), tmp_path / "x.xlsx"))
    assert report.correct, report.as_text()
    layout = report.layout
    assert dict(report.rules) == {layout.cell(row, at.RULE): says for row, says in expected.items()}
    status = f"Rules broken: {len(expected)}; see the column rule" if expected else "Every rule of the session is kept"
    assert report.status == status
    assert [one["says"] for one in report.as_json()["warnings"]] == list(expected.values())


def test_the_parameter_limit(tmp_path: Path) -> None:
    layers = ("conv channels=4 kernel=8 bias=false",)  # 256 parameters
    kept, broken = (small(*layers, top=f"parameter_limit = {limit}") for limit in (257, 256))
    assert verify(build(kept, tmp_path / "a.xlsx")).status == "Every rule of the session is kept"
    report = verify(build(broken, tmp_path / "b.xlsx"))
    assert report.correct
    assert report.status == "Rules broken: 1; see the column rule; parameters are not fewer than 256"


def test_the_distances_are_settings(tmp_path: Path) -> None:
    layers = ("conv channels=4 kernel=8", "batch norm", "conv channels=2 kernel=1")
    assert verify(build(small(*layers), tmp_path / "a.xlsx")).rules
    assert not verify(build(small(*layers, top="norm_distance = 1"), tmp_path / "b.xlsx")).rules


# Changed inputs

CHANGES = {
    # template, yellow cells by row and key, calculated cells that follow
    "a smaller image": (
        "lenet",
        {(TOTALS, "image height"): 36, (TOTALS, "image width"): 40},
        {
            ("C5", "height out"): 2,
            ("C5", "width out"): 3,
            ("flatten", at.RULE): "Receptive field 32, smaller than the image, 40.",
            ("F6", at.WEIGHTS): 84 * 720,
        },
    ),
    "another kernel": (
        "lenet",
        {("C1", "kernel"): 7, ("C1", "padding"): 1},
        {("S2", at.FIELD): 8, ("C1", at.PARAMETERS): 300},
    ),
    "no biases": ("lenet", {("C1", "bias"): 0}, {("C1", at.PARAMETERS): 150}),
    "a kernel that no longer fits": (
        "lenet",
        {(TOTALS, "image height"): 28},
        {("C5", "height out"): 0, ("C5", at.RULE): "A kernel over 5 rows does not fit into 4×5 with padding 0."},
    ),
    "groups that do not divide": (
        "lenet", {("C3", "groups"): 4}, {("C3", at.RULE): "4 groups do not divide 6 and 16 channels."},
    ),
    "branches that do not meet": (
        "resnet18",
        {("layer2.0.downsample.0", "stride"): 1},
        {("layer2.0.add", at.RULE): "128×28×28 cannot be added to 128×56×56."},
    ),
    "too many parameters": ("mnist-under-20k", {("conv1", "channels"): 64}, {("conv2", at.WEIGHTS): 9216}),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_changed_inputs_are_followed(case: str, built: Callable[[str], Path], tmp_path: Path) -> None:
    _check_change(case, built, tmp_path, "embedded")


@pytest.mark.libreoffice
def test_changed_inputs_are_followed_in_libreoffice(built: Callable[[str], Path], tmp_path: Path) -> None:
    _check_change("a kernel that no longer fits", built, tmp_path, "libreoffice")


def _check_change(case: str, built: Callable[[str], Path], tmp_path: Path, calculator: str) -> None:
    name, changes, expected = CHANGES[case]
    layout = Layout(load(TEMPLATES[name]))
    rows = layout.architecture.rows
    inputs = {(one.row, one.key): one.cell for one in layout.inputs}
    cells = {inputs[row if isinstance(row, int) else rows[row], key]: value for (row, key), value in changes.items()}
    path = edited(built(name), tmp_path / "changed.xlsx", cells)
    report = verify(path, engine=calculator)
    assert report.correct, report.as_text()
    recalculated = engine(calculator).recalculate(path)
    for (layer, key), value in expected.items():
        assert recalculated.column(SHEET, *layout.place(rows[layer], key), 1)[0] == value, (layer, key)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", PUBLISHED)
def test_both_tellings_agree_whatever_is_typed(name: str, seed: int) -> None:
    """Also where nothing fits any more: maps of size 0, groups that divide nothing, branches that do not meet."""
    chance = random.Random(seed)
    layout = Layout(load(TEMPLATES[name]))
    most = (2, 5, 300)[seed % 3]
    inputs = {one: chance.randint(one.least, max(one.least, min(one.most, most))) for one in layout.inputs}
    typed = layout.with_inputs(inputs)
    assert {place: live.value for place, live in formulas(Layout(typed)).items()} == tell(typed)


@pytest.mark.parametrize(("height", "width", "map_"), [(9, 8, "2×1"), (8, 9, "1×2"), (7, 8, "0×1")])
def test_a_dense_layer_that_gets_a_map(height: int, width: int, map_: str, tmp_path: Path) -> None:
    path = build(small("conv channels=4 kernel=8", "dense channels=2"), tmp_path / "x.xlsx")
    layout = verify(path).layout
    cells = {layout.settings[f"image {key}"].cell: value for key, value in (("height", height), ("width", width))}
    report = verify(edited(path, tmp_path / "changed.xlsx", cells))
    assert report.correct, report.as_text()
    assert f"Takes a map of {map_}: put a flatten before it." in dict(report.rules)[layout.cell(2, at.RULE)]


# Wrong cells

WRONG = {
    # layer, quantity, what is written into its cell, what is said of it
    "a typed size": ("C3", "height out", 11, "typed-constant"),
    "a typed size that is right": ("C3", "height out", 10, "typed-constant"),
    "a wrong formula": ("C3", "width out", "={width in}-{kernel}", "wrong-formula"),
    "no bias": ("F6", at.PARAMETERS, "={weights}", "wrong-formula"),
    "the kernel once": ("C3", at.WEIGHTS, "={channels out}*{channels in}*{kernel}", "wrong-formula"),
    "a field without the jump": ("C3", at.FIELD, "=6+({kernel}-1)", "wrong-formula"),
    "a stride left out": ("C3", at.JUMP, "={above}", "lucky-formula"),
    "a padding left out": ("C1", "height out", "=INT(({height in}-{kernel})/{stride})+1", "lucky-formula"),
    "dilation left out": ("C1", at.FIELD, "=1+({kernel}-1)", "lucky-formula"),
    "a rule silenced": ("flatten", at.RULE, '=""', "lucky-formula"),
    "an error": ("S2", at.JUMP, "=1/0", "wrong-formula"),
    "a text": ("S2", at.JUMP, '="two"', "wrong-formula"),
    "an empty cell": ("S2", at.JUMP, None, "typed-constant"),
    "a total that forgets a layer": (TOTALS, at.TRAINED, "=61706-850", "wrong-formula"),
    "a status that flatters": (TOTALS, at.STATUS, '="Every rule of the session is kept"', "lucky-formula"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_cell_is_named(case: str, built: Callable[[str], Path], tmp_path: Path) -> None:
    layer, key, text, kind = WRONG[case]
    layout = Layout(load(TEMPLATES["lenet"]))
    row = layer if isinstance(layer, int) else layout.architecture.rows[layer]
    cell = layout.cell(row, key)
    if isinstance(text, str):
        text = re.sub(
            r"\{(.+?)\}",
            lambda match: layout.cell(row - 1, key) if match[1] == "above" else layout.cell(row, match[1]),
            text,
        )
    report = verify(edited(built("lenet"), tmp_path / "wrong.xlsx", {cell: text}))
    assert not report.correct
    assert [(one.cell, one.kind) for one in report.roots] == [(cell, kind)]
    told = tell(layout.architecture)[row, key]
    root = report.as_json()["mistakes"][0]
    assert root["fix"] == f"={formulas(layout)[row, key].text}"
    assert kind == "lucky-formula" or root["expected"] == told
    assert f"{SHEET}!{cell} {key}" in report.as_text()
    if isinstance(text, str):
        assert f"formula    {text}" in report.as_text()


def test_what_inherits_is_no_mistake_of_its_own(built: Callable[[str], Path], tmp_path: Path) -> None:
    layout = Layout(load(TEMPLATES["lenet"]))
    path = edited(built("lenet"), tmp_path / "wrong.xlsx", {layout.cell(4, "channels out"): "=17"})
    report = verify(path).as_json()
    assert [one["quantity"] for one in report["mistakes"]] == ["channels out of C3"]
    inherited = {one["quantity"]: one for one in report["inherited"]}
    assert inherited["channels in of S4"]["found"] == 17
    assert inherited["channels in of S4"]["expected"] == 16


@pytest.mark.libreoffice
def test_a_wrong_cell_is_named_in_libreoffice(built: Callable[[str], Path], tmp_path: Path) -> None:
    layout = Layout(load(TEMPLATES["lenet"]))
    cell = layout.cell(4, at.JUMP)
    report = verify(
        edited(built("lenet"), tmp_path / "wrong.xlsx", {cell: f"={layout.cell(3, at.JUMP)}"}), engine="libreoffice"
    )
    assert [(one.cell, one.kind) for one in report.roots] == [(cell, "lucky-formula")]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (2.5, "is 2.5; type a whole number from 1 to 1000000"),
        (0, "is 0; type a whole number from 1 to 1000000"),
        (None, "is 0; type a whole number from 1 to 1000000"),
        ("three", "is 'three'; type a whole number from 1 to 1000000"),
        (2_000_000, "type a whole number from 1 to 1000000"),
    ],
)
def test_a_yellow_cell_without_a_whole_number(
    value: object, says: str, built: Callable[[str], Path], tmp_path: Path
) -> None:
    cell = Layout(load(TEMPLATES["lenet"])).cell(1, "kernel")
    path = edited(built("lenet"), tmp_path / "odd.xlsx", {cell: value})
    with pytest.raises(WorkbookError) as caught:
        verify(path)
    assert str(caught.value).startswith(f"{path}: {SHEET}!{cell} (kernel) is ")
    assert says in str(caught.value)


def test_a_moved_row(built: Callable[[str], Path], tmp_path: Path) -> None:
    layout = Layout(load(TEMPLATES["lenet"]))
    path = edited(built("lenet"), tmp_path / "moved.xlsx", {layout.cell(2, "layer"): "C1"})
    with pytest.raises(WorkbookError, match=r"reads 'C1' where 'tanh1' was written; undo the change, or build it anew"):
        verify(path)


# Network files

INVALID = {
    "not TOML": ("kind = ", "is not valid TOML"),
    "no layers": ('kind = "architecture"\ninput = [1, 8, 8]\nlayers = []', "layers: expected"),
    "no input": ("[[layers]]\nkind = 'relu'", "missing key input; add it"),
    "an input of two": ("input = [8, 8]\n[[layers]]\nkind = 'relu'", "input: expected a list of length 3"),
    "unknown kind": (text_of("convolution"), "layers[0].kind: unknown kind 'convolution'; choose one of conv, max"),
    "key without a name": (text_of("relu") + '\n"" = 1\n', "layers[0]: unknown key ''; known are kind, name, from"),
    "unknown key": (text_of("relu size=3"), "layers[0]: unknown key 'size'; known are kind, name, from"),
    "unknown key above": (text_of("relu", top="rates = [1]"), "unknown key 'rates'; known are input, layers,"),
    "no kernel": (text_of("conv channels=4"), "layers[0]: missing key kernel; add it"),
    "a fraction": (text_of("conv channels=4 kernel=2.5"), "layers[0].kernel: expected a whole number, got a number"),
    "a stride of 0": (text_of("conv channels=4 kernel=2 stride=0"), "layers[0].stride: expected a whole number >= 1"),
    "kernel larger than its input": (
        text_of("conv channels=4 kernel=3", "conv channels=4 kernel=4 dilation=2"),
        "layers[1] (conv 2): kernel: reaches over 7 rows, more than its input of 4×6×6 with padding 0; make it smaller",
    ),
    "pool larger than its input": (text_of("max pool kernel=9"), "layers[0] (max pool 1): kernel: reaches over 9 rows"),
    "padding of a pool": (
        text_of("max pool kernel=2 padding=2"), "padding: 2 is more than half of the kernel, 2; make it smaller",
    ),
    "groups": (
        text_of("conv channels=4 kernel=1 groups=3", channels=6),
        "layers[0] (conv 1): groups: 3 do not divide 6 and 4 channels; give a divisor of both",
    ),
    "dense on a map": (
        text_of("dense channels=2"),
        "layers[0] (dense 1): takes a map, 1×8×8; put a flatten or a global average before it",
    ),
    "shapes that cannot be added": (
        text_of("conv channels=4 kernel=3", 'add of="input"'),
        "layers[1] (add 1): 1×8×8 of 'input' cannot be added to 4×6×6; give the shortcut",
    ),
    "a name that is not there": (
        text_of('relu from="conv 9"'),
        "layers[0].from: no layer before it is named 'conv 9'; name one of those above it",
    ),
    "a name that comes later": (
        text_of('add of="b"', 'relu name="b"'), "layers[0].of: no layer before it is named 'b'",
    ),
    "a name twice": (text_of('relu name="a"', 'relu name="a"'), "layers[1].name: 'a' is taken; give it another"),
    "a name of two lines": (
        text_of(r'relu name="a\nb"'),
        "layers[0].name: is not one short line; give it a name as relu1",
    ),
    "the image's name": (text_of('relu name="input"'), "layers[0].name: 'input' is taken"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_invalid_files(case: str) -> None:
    text, says = INVALID[case]
    with pytest.raises(NetworkError) as caught:
        loads(text, "x.toml")
    complaint = str(caught.value)
    assert complaint.startswith("x.toml: ")
    assert says in complaint
    assert "\n" not in complaint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none\.toml: cannot be read \(No such file or directory\); check the path"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'")
    with pytest.raises(NetworkError, match=r"is not UTF-8 text \(byte 9\); save it as UTF-8"):
        load(tmp_path / "latin.toml")


@pytest.mark.parametrize("name", PUBLISHED)
def test_files_read_back(name: str) -> None:
    architecture = load(TEMPLATES[name])
    assert loads(dumps(architecture)) == architecture


def test_text_of_every_kind_reads_back() -> None:
    architecture = msgspec.structs.replace(small("relu"), title='a "b" \\ c\n\t\x7f\x01é 層', about="'")
    assert loads(dumps(architecture)) == architecture


@pytest.mark.parametrize("name", ["1", "TRUE", "=A1", "'x", 'a "b"', "<&>", "层"])
def test_any_short_name_will_do(name: str, tmp_path: Path) -> None:
    architecture = small("conv channels=4 kernel=8")
    named = msgspec.structs.replace(architecture.layers[0], name=name)
    architecture = msgspec.structs.replace(architecture, layers=(named, *small("max pool kernel=1").layers))
    report = verify(build(architecture, tmp_path / "x.xlsx"))
    assert report.correct
    assert report.architecture == architecture


def test_what_a_file_leaves_out() -> None:
    architecture = small("conv channels=4 kernel=3", "max pool kernel=3", "conv channels=4 kernel=1")
    assert [layer.name for layer in architecture.layers] == ["conv 1", "max pool 1", "conv 2"]
    assert architecture.layers[1].options["stride"] == 3  # PyTorch's default
    first = architecture.layers[0]
    assert isinstance(first, Conv)
    assert (first.stride, first.padding, first.dilation, first.groups, first.bias) == (1, 0, 1, 1, True)


def test_an_architecture_is_told_from_a_training_network() -> None:
    assert declared('kind = "architecture"') == "architecture"
    assert declared((ROOT / "templates" / "networks" / "era-s6.toml").read_text(encoding="utf-8")) is None
    assert declared("kind = ") is None
