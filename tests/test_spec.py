"""Network files: what is read, and the one line that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlbackprop.errors import NetworkError
from xlbackprop.networks import load, template_names
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import dumps, loads, override
from xlbackprop.verification import verify

NETWORKS = Path(__file__).parent / "networks"
VALID = sorted((NETWORKS / "valid").glob("*.toml"))
INVALID = sorted((NETWORKS / "invalid").glob("*.toml"))


def test_the_folders_have_cases() -> None:
    assert len(VALID) >= 3
    assert len(INVALID) >= 30


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_valid(path: Path, tmp_path: Path) -> None:
    spec = load(path)
    assert loads(dumps(spec)) == spec
    assert verify(build(spec, tmp_path / "x.xlsx")).correct


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_invalid(path: Path) -> None:
    """The first line of each file says what is expected of the complaint: place and fact."""
    first = path.read_bytes().split(b"\n")[0].decode()
    with pytest.raises(NetworkError) as caught:
        load(path)
    complaint = str(caught.value)
    assert complaint.startswith(f"{path}: ")
    assert first.removeprefix("# expect: ") in complaint
    assert "\n" not in complaint


@pytest.mark.parametrize("name", template_names())
def test_templates_read_back(name: str) -> None:
    assert loads(dumps(load(name))) == load(name)


def test_names_that_the_file_leaves_out() -> None:
    spec = load("three-hidden")
    assert spec.shape == "2-3-2-2-1"
    assert [unit for one in spec.placed for unit in one.units] == ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "o1"]
    names = [name for name, _, _ in spec.parameters()]
    assert names[:10] == ["w1", "w2", "w3", "w4", "w5", "w6", "b1", "b2", "b3", "w7"]
    assert names[-3:] == ["w17", "w18", "b8"]
    assert spec.placed[1].by_key["weights"].names == ("w7", "w8", "w9", "w10", "w11", "w12")


def test_options_are_checked_like_the_file() -> None:
    with pytest.raises(NetworkError, match=r"options: steps: is 0; give at least 1"):
        override(load("era-s6"), steps=0)
    assert override(load("era-s6"), steps=None, rates=None) == load("era-s6")


@pytest.mark.parametrize(
    ("name", "hint"), [("era-s7", "did you mean era-s6?"), ("zzz", "xlbackprop templates lists them")]
)
def test_a_template_that_is_none(name: str, hint: str) -> None:
    with pytest.raises(NetworkError) as caught:
        load(name)
    assert hint in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none\.toml: cannot be read \(No such file or directory\); check the path"):
        load(tmp_path / "none.toml")
