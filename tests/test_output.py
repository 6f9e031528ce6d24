"""The committed page of the class network and all it shows are those that the code writes now.

Numbers are compared to 1e-12 and pictures by pixel: another platform's mathematics library, zip
library or release of matplotlib may change bytes that mean the same.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

import xlbackprop
from xlbackprop.errors import EngineError
from xlbackprop.show import screenshots

OUTPUT = Path(__file__).resolve().parent.parent / "output"
AGAIN = "run xlbackprop readme -o output, with LibreOffice, and commit output/"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


PAGE = (OUTPUT / "README.md").read_text(encoding="utf-8")
# The pictures of sheets, which need LibreOffice, by what the page shows between its words about them.
SHEETS = set(re.findall(r"\]\(([^)]+\.png)\)", PAGE.partition("## The workbook")[2].partition("## Forward")[0]))


def _no_office(*_: object) -> None:
    raise EngineError("LibreOffice is not asked")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All but the pictures of sheets."""
    folder = tmp_path_factory.mktemp("fresh")
    with mock.patch.object(screenshots, "screenshots", _no_office):
        assert xlbackprop.readme("era-s6", folder=folder).summary.report.correct
    return folder


def test_the_same_files(fresh: Path) -> None:
    assert len(SHEETS) > 6
    committed, made = ({path.name for path in folder.iterdir()} for folder in (OUTPUT, fresh))
    assert committed - SHEETS == made, AGAIN


def test_the_page_is_current(fresh: Path) -> None:
    made = (fresh / "README.md").read_text(encoding="utf-8")
    for part in (
        "## What goes in",
        "## Forward",
        "## Backward",
        "## Update",
        "## What the learning",
        "## Make it again",
    ):
        before, after = (text.partition(part)[2].partition("\n## ")[0] for text in (PAGE, made))
        assert after
        assert _same(before, after), f"{part}: {AGAIN}"


@pytest.mark.libreoffice
def test_the_pictures_of_sheets_are_current(tmp_path: Path) -> None:
    """By their names and sizes: other releases and fonts draw letters otherwise."""
    shots = screenshots.screenshots(OUTPUT / "era-s6.xlsx", tmp_path)
    assert {shot.path.name for shot in shots} == SHEETS, AGAIN
    for shot in shots:
        (height, width), (committed_height, committed_width) = (
            imread(path).shape[:2] for path in (shot.path, OUTPUT / shot.path.name)
        )
        assert width == pytest.approx(committed_width, rel=0.3)
        assert height == pytest.approx(committed_height, rel=0.3)


def test_the_workbook_is_current(fresh: Path) -> None:
    committed, made = (_parts(folder / "era-s6.xlsx") for folder in (OUTPUT, fresh))
    assert committed.keys() == made.keys()
    for name in committed:
        assert _same(committed[name], made[name]), f"{name} differs; {AGAIN}"


def test_the_pictures_are_current(fresh: Path) -> None:
    pictures = [path for path in sorted(OUTPUT.glob("*.png")) if path.name not in SHEETS]
    assert len(pictures) > 20
    for path in pictures:
        assert _same_picture(path, fresh / path.name), f"{path.name} differs; {AGAIN}"


def test_the_moving_picture_is_current(fresh: Path) -> None:
    frames = []
    for folder in (OUTPUT, fresh):
        with Image.open(folder / "era-s6-steps.gif") as moving:
            frames.append((moving.n_frames, moving.size, moving.info["loop"]))
    assert frames[0] == frames[1], AGAIN


def test_the_drawings_are_current(fresh: Path) -> None:
    drawings = sorted(OUTPUT.glob("*.svg"))
    assert len(drawings) == 2
    for path in drawings:
        picture = path.with_suffix(".png")
        if _software(picture) == _software(fresh / picture.name):  # else the picture's own test tells what differs
            assert _same(path.read_text(), (fresh / path.name).read_text()), f"{path.name} differs; {AGAIN}"


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
