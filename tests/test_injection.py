"""Texts of a network file that look like formulas, marks or nothing at all are texts wherever they come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import openpyxl
import pytest

from xlbackprop import kinds, networks
from xlbackprop.architecture.toml import dumps as dumps_architecture
from xlbackprop.audit.annotate import annotate
from xlbackprop.checking import verify
from xlbackprop.curves.spec import dumps as dumps_functions
from xlbackprop.errors import NetworkError
from xlbackprop.show import markdown
from xlbackprop.show import network as pictures
from xlbackprop.spec import Spec, dumps, override

EVIL = "evil"  # stands in each of the texts, and in no formula of ours
TEXTS = (
    f'=HYPERLINK("http://127.0.0.1:9/{EVIL}","x")',
    f"={EVIL}!A1",
    f"+{EVIL}",
    f"-{EVIL}+1",
    f"@{EVIL}(1)",
    f"\t={EVIL}",
    f"\r={EVIL}",
    f"{{={EVIL}}}",
    f"a\x01\x1b{EVIL}\x7f\x85",
    f"]]>{EVIL}<!--",
    f"_x000D_{EVIL}_x0041_",
    f"<b>&{EVIL};'\"",
    f"http://127.0.0.1:9/{EVIL}",
    f"internal:{EVIL}!A1",
    f"{EVIL} %s %r {{0}} {{{{ 1 }}}} $x^2$",
    f"\u202e{EVIL}\u0000\ufeff",
    EVIL * 700,
)
# What names a thing must be a word; a hostile one is refused.
FREE = ("title", "about", "source", "notes", "name", "product", "variable", "target")


@dataclass
class Hostile:
    """Puts the next of the texts wherever a text may stand; where it is refused, the text stays as it was."""

    texts: Iterator[str]

    def in_struct(self, value: Any) -> Any:
        changed = {key: self._in_field(key, getattr(value, key)) for key in value.__struct_fields__}
        return msgspec.structs.replace(value, **changed)

    def _in_field(self, key: str, value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return self.in_struct(value)
        if isinstance(value, tuple):
            return tuple(self._in_field(key, one) for one in value)
        return next(self.texts) if isinstance(value, str) and key in FREE else value


def _text(document: Any) -> str:
    write = {"Functions": dumps_functions, "Architecture": dumps_architecture}
    return write.get(type(document).__name__, dumps)(document)


def _hostile(name: str, shift: int) -> Any:
    """The template with hostile texts in it, as it is read from a file; its other words stay."""
    document = networks.load_any(name)
    if isinstance(document, Spec):
        document = override(document, steps=1, rates=document.rates[:1])
    texts = cycle((*TEXTS[shift:], *TEXTS[:shift]))
    changed = document
    for key in changed.__struct_fields__:
        value = Hostile(texts)._in_field(key, getattr(changed, key))
        trial = msgspec.structs.replace(changed, **{key: value})
        try:
            kinds.read(_text(trial), name)
        except NetworkError as error:
            assert "\n" not in str(error)
        else:
            changed = trial
    assert changed.title != document.title
    return kinds.read(_text(changed), name)


def _packed(path: Path) -> Iterator[tuple[str, ElementTree.Element]]:
    with zipfile.ZipFile(path) as package:
        for name in package.namelist():
            if name.endswith((".xml", ".rels", ".vml")):
                yield name, ElementTree.fromstring(package.read(name))


_FORMULAS = ("f", "formula", "formula1", "formula2", "definedName", "oleLink", "ddeLink")


def _no_formula_holds_it(path: Path) -> None:
    for part, root in _packed(path):
        for element in root.iter():
            tag = element.tag.rpartition("}")[2]
            assert tag not in _FORMULAS or EVIL not in (element.text or ""), (part, element.text)
            assert tag != "Relationship" or EVIL not in element.attrib["Target"], part
            assert tag != "hyperlink" or EVIL not in element.attrib.get("location", ""), part
            assert tag != "definedName" or EVIL not in element.attrib["name"], part


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the picture of each network, which the last test draws of one."""
    blank = networks.load("mazur")
    png = pictures.forward_png(override(blank, steps=1)) if not _PNG else _PNG[0]
    _PNG[:] = [png]
    monkeypatch.setattr(pictures, "forward_png", lambda spec: png)


_PNG: list[bytes] = []


@pytest.mark.parametrize("name", list(networks.templates()))
def test_no_text_becomes_a_formula(name: str, tmp_path: Path) -> None:
    shift = sum(map(ord, name)) % len(TEXTS)
    path = kinds.build(_hostile(name, shift), tmp_path / "hostile.xlsx")
    _no_formula_holds_it(path)


@pytest.mark.parametrize("shift", range(len(TEXTS)))
def test_each_text_in_each_kind(shift: int, tmp_path: Path) -> None:
    for name in ("mazur", "activations", "lenet"):
        path = kinds.build(_hostile(name, shift), tmp_path / f"{name}.xlsx")
        _no_formula_holds_it(path)
        held = [cell.value for cell in _read(path) if isinstance(cell.value, str)]
        assert any(EVIL in text for text in held), "it is not lost"


def _read(path: Path) -> Iterator[Any]:
    book = openpyxl.load_workbook(path)
    return (cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row)


@pytest.mark.parametrize("name", [*(text for text in TEXTS if not text.isidentifier()), "", "a b", "a" * 65])
@pytest.mark.parametrize("key", ["inputs", "targets"])
def test_names_are_words(key: str, name: str) -> None:
    spec = networks.load("mazur")
    named = msgspec.structs.replace(spec, **{key: (name, *getattr(spec, key)[1:])})
    with pytest.raises(NetworkError) as caught:
        kinds.read(dumps(named), "own.toml")
    assert str(caught.value).isprintable()


def test_a_text_that_no_file_holds_is_refused() -> None:
    for text, says in (
        ("x" * 3001, "about: has 3,001 characters"),
        ("\ufffe", r"about: holds U\+FFFE"),
        ("\ud800", "own.toml"),
    ):
        for name in ("mazur", "activations", "lenet"):
            document = msgspec.structs.replace(networks.load_any(name), about=text)
            with pytest.raises(NetworkError, match=says):
                kinds.read(_text(document), "own.toml")


@pytest.mark.parametrize("text", TEXTS)
def test_an_annotated_copy_holds_texts(text: str, tmp_path: Path) -> None:
    """What a report says of somebody's workbook: its labels and formulas."""
    book = openpyxl.Workbook()
    book.active.title = "Sheet1"
    book.active["A1"] = 1
    book.save(tmp_path / "their.xlsx")
    mistake = {"sheet": "Sheet1", "cell": "A1", "quantity": text, "says": text, "fix": text, "formula": text}
    warning = {"sheet": "Sheet1", "cell": "A1", "kind": text, "says": text}
    report = {"workbook": text, "verdict": "wrong", "mistakes": [mistake], "warnings": [warning]}
    assert annotate(tmp_path / "their.xlsx", report, tmp_path).endswith("-annotated.xlsx")
    _no_formula_holds_it(tmp_path / "their-annotated.xlsx")
    told = openpyxl.load_workbook(tmp_path / "their-annotated.xlsx").worksheets[0]
    cells = [cell for row in told.iter_rows() for cell in row if EVIL in str(cell.value)]
    assert len(cells) == 5
    assert all(cell.data_type == "s" and cell.quotePrefix for cell in cells)


def test_pictures_are_well_formed() -> None:
    spec = msgspec.structs.replace(networks.load("mazur"), title="".join(TEXTS)[:3000])
    vector = [content for name, content in pictures.drawn(spec, "net") if name.endswith(".svg")]
    assert len(vector) == 2
    for content in vector:
        ElementTree.fromstring(content)
        assert b"<script" not in content


def test_a_name_that_looks_like_an_escape_is_the_same_when_it_is_read(tmp_path: Path) -> None:
    spec = override(networks.load("mazur"), steps=1)
    spec = msgspec.structs.replace(spec, inputs=("_x000D_", *spec.inputs[1:]), targets=("_x0041_", *spec.targets[1:]))
    assert verify(kinds.build(spec, tmp_path / "escape.xlsx")).correct


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want names in UTF-8")
def test_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    """On Linux a name is bytes; it may be a formula, or move the cursor."""
    own = tmp_path / os.fsdecode(b"=caf\xe9\x1b[31m\nb")
    Path(f"{own}.toml").write_text(networks.template_text("mazur"), encoding="utf-8")
    build = ["build", f"{own}.toml", "--steps", "1", "-o", str(tmp_path)]
    for command in (build, ["verify", f"{own}.xlsx", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "xlbackprop", *command],
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b""), command
    assert json.loads(done.stdout)["workbook"] == f"{own}.xlsx"
    assert markdown.link("caf\udce9 %.png") == "caf%E9%20%25.png"
