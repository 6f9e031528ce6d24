"""Fixtures: a built workbook, an engine, and the course material where it lies beside the project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from xlbackprop.engine.libreoffice import find
from xlbackprop.errors import EngineError
from xlbackprop.kinds import build
from xlbackprop.networks import load

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # where the benchmarks are, after an installed package


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs LibreOffice where it is missing, unless REQUIRE_LIBREOFFICE says that it must run."""
    try:
        find()
    except EngineError as error:
        if os.environ.get("REQUIRE_LIBREOFFICE"):
            raise pytest.UsageError(f"REQUIRE_LIBREOFFICE is set, but {error}") from None
        for item in items:
            if "libreoffice" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="LibreOffice is not installed"))


@pytest.fixture(scope="session")
def era(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default workbook."""
    return build(load("era-s6"), tmp_path_factory.mktemp("era") / "era-s6.xlsx")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class network at two rates for six steps: quick to change and verify again."""
    from xlbackprop.spec import override

    spec = override(load("era-s6"), rates=(0.5, 2.0), steps=6)
    return build(spec, tmp_path_factory.mktemp("small") / "small.xlsx")


@pytest.fixture(scope="session")
def wild() -> Path:
    """Hand-made workbooks of the course, which are not part of the project."""
    folder = ROOT.parent / "shared" / "wild"
    if not folder.is_dir():
        assert not os.environ.get("REQUIRE_WILD"), f"REQUIRE_WILD is set, but {folder} is not there"
        pytest.skip("the hand-made workbooks are not beside the project")
    return folder
