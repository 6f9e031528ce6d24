"""What is published: the wheel and the source archive, built from a copy of this folder without the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from installed import carry_out

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build", "dist"
)
# The same second for all: then two builds are equal byte by byte.
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1000000000", "PYTHONPATH": ""}


def build(source: Path, out: Path, *options: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(out), str(source)]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both archives; the wheel is built from the source archive."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_OURS)
    build(folder / "source", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(built: Path) -> Path:
    """The source archive as a packager sees it."""
    (path,) = built.glob("*.tar.gz")
    shutil.unpack_archive(path, built / "unpacked")
    (folder,) = (built / "unpacked").iterdir()
    return folder


def test_the_wheel_is_the_package_and_nothing_else(wheel: Path) -> None:
    package = {path.relative_to(ROOT) for path in (ROOT / "xlbackprop").rglob("*.py")}
    templates = {
        "xlbackprop" / path.relative_to(ROOT)
        for path in (ROOT / "templates").rglob("*")
        if path.suffix in (".py", ".toml", ".j2")
    }
    assert len(templates) > 40
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {path.as_posix() for path in package | templates} | {"xlbackprop/py.typed"}


def test_a_build_from_the_tree_gives_the_same_bytes(built: Path, wheel: Path) -> None:
    build(built / "source", built / "again", "--wheel")
    assert (built / "again" / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_source_archive_holds_what_a_packager_needs(unpacked: Path) -> None:
    for name in (
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "README.md",
        "noxfile.py",
        "docs",
        "tests",
        "benchmarks",
    ):
        assert (unpacked / name).exists(), name
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(unpacked)}
    done = subprocess.run(command, cwd=unpacked, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_installed_package_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """Unpacking is all that installing a wheel of pure Python is; without LibreOffice, so that it is quick."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    carry_out(tmp_path / "empty", {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "site"), "PATH": ""})


def test_lower_bounds_are_stated() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line for text in required for line in text.splitlines() if line]
    assert len(lines) > 15
    for line in lines:
        assert re.match(r"[\w\[\]-]+ >= [\d.]+", line), line
    # Below, and where there is no wheel for a platform, pip takes an empty placeholder, 0.0.1.
    assert "ironcalc >= 0.9.1" in lines
