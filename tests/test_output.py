"""The committed files of the default run, which README shows, are those that the code writes now.

Numbers are compared to 1e-12 and pictures by pixel: another platform's mathematics library, zip
library or release of matplotlib may change bytes that mean the same.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import xlbackprop

OUTPUT = Path(__file__).resolve().parent.parent / "output"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    assert xlbackprop.run("era-s6", folder=folder).report.correct
    return folder


def test_the_same_files(fresh: Path) -> None:
    assert sorted(path.name for path in OUTPUT.iterdir()) == sorted(path.name for path in fresh.iterdir())


def test_the_workbook_is_current(fresh: Path) -> None:
    committed, made = (_parts(folder / "era-s6.xlsx") for folder in (OUTPUT, fresh))
    assert committed.keys() == made.keys()
    for name in committed:
        assert _same(committed[name], made[name]), f"{name} differs; run xlbackprop run and commit output/"


def test_the_pictures_are_current(fresh: Path) -> None:
    pictures = sorted(OUTPUT.glob("*.png"))
    assert len(pictures) == 9
    for path in pictures:
        assert _same_picture(path, fresh / path.name), f"{path.name} differs; run xlbackprop run and commit output/"


def test_the_drawings_are_current(fresh: Path) -> None:
    drawings = sorted(OUTPUT.glob("*.svg"))
    assert len(drawings) == 2
    for path in drawings:
        picture = path.with_suffix(".png")
        if _software(picture) == _software(fresh / picture.name):  # else the picture's own test tells what differs
            assert _same(path.read_text(), (fresh / path.name).read_text()), f"{path.name} differs; run xlbackprop run"


def test_the_workbook_shows_the_picture_of_the_network() -> None:
    with zipfile.ZipFile(OUTPUT / "era-s6.xlsx") as package:
        (picture,) = (package.read(name) for name in package.namelist() if name.endswith(".png"))
    assert picture == (OUTPUT / "era-s6-network.png").read_bytes()


def test_a_stale_picture_would_be_noticed(fresh: Path) -> None:
    assert not _same_picture(fresh / "era-s6-error-0.1.png", fresh / "era-s6-error-0.2.png")
    assert not _alike(fresh / "era-s6-error-0.1.png", fresh / "era-s6-error-0.5.png")


def test_a_stale_workbook_would_be_noticed(fresh: Path) -> None:
    part = _parts(fresh / "era-s6.xlsx")["xl/worksheets/sheet5.xml"]
    assert not _same(part, part.replace("0.5", "0.50001", 1))
    assert not _same(part, part.replace("EXP", "EXQ", 1))
    assert _same(part, part.replace("0.5068745667645342", "0.5068745667645341"))


def _parts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as package:
        return {name: package.read(name).decode() for name in package.namelist() if not name.endswith(".png")}


def _same(a: str, b: str) -> bool:
    """Equal texts with numbers that are equal to 1e-12 relative, or to 1e-15."""
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return False
    x, y = (np.array([float(number) for number in _NUMBER.findall(text)]) for text in (a, b))
    return bool(np.allclose(x, y, rtol=1e-12, atol=1e-15))


def _same_picture(a: Path, b: Path) -> bool:
    """The same pixels or, from another release of matplotlib, which places text anew, much the same."""
    same_release = _software(a) == _software(b)
    return bool((imread(a) == imread(b)).all()) if same_release else _alike(a, b)


def _software(path: Path) -> bytes:
    (name,) = re.findall(rb"Software\x00(matplotlib [\d.a-z]+)", path.read_bytes())
    return name


def _alike(a: Path, b: Path) -> bool:
    """Pictures that differ little in the means of squares of 8 by 8 pixels."""

    def coarse(path: Path) -> np.ndarray:
        pixels = imread(path)[..., :3]
        height, width = pixels.shape[0] // 8, pixels.shape[1] // 8
        return pixels[: height * 8, : width * 8].reshape(height, 8, width, 8, 3).mean((1, 3))

    first, second = coarse(a), coarse(b)
    return first.shape == second.shape and bool(np.sqrt(np.mean((first - second) ** 2)) < 0.03)
