"""The checks in other surroundings: each Python, the lowest versions of the libraries, the package as installed.

`nox` runs all, `nox -s quick` the tests that differ most from one Python to the next. A Python that is
not there is named as skipped.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lowest", "package"]

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
QUICK = ["cli", "surroundings", "spec", "graph", "book", "audit_formula", "checking", "workbook", "packaging"]
ANEW = ("--reinstall-package", "xlbackprop")  # uv keeps what it built of a folder while setup.cfg stays the same
LOWEST = ("--resolution", "lowest-direct")  # which uv reads from setup.cfg
WITHOUT_OFFICE = ("pytest", "-n", "auto", "-m", "not libreoffice")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite but for the tests that need LibreOffice, which see no difference."""
    session.install(*ANEW, ".[test]")
    session.run(*WITHOUT_OFFICE, *session.posargs)


@nox.session(python=PYTHONS)
def quick(session: nox.Session) -> None:
    """A few minutes of it; on the oldest Python with the lowest versions of the libraries."""
    session.install(*ANEW, *(LOWEST if session.python == PYTHONS[0] else ()), ".[test]")
    session.run(*WITHOUT_OFFICE, *(f"tests/test_{name}.py" for name in QUICK))
    if session.python == PYTHONS[0]:
        _pages_meet_libraries(session)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The whole suite with the lowest versions that setup.cfg allows."""
    session.install(*ANEW, *LOWEST, ".[test]")
    session.run(*WITHOUT_OFFICE, *session.posargs)
    _pages_meet_libraries(session)


def _pages_meet_libraries(session: nox.Session) -> None:
    """LibreOffice's pages, and pypdfium2 and Pillow."""
    session.run("pytest", "tests/test_screenshot.py")


@nox.session
@nox.parametrize("archive", ["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def package(session: nox.Session, archive: str) -> None:
    """Build as for publishing, look at the metadata, install with all dependencies, and use it."""
    built = Path(session.create_tmp())
    session.install("build", "twine")
    session.run("python", "-m", "build", "--outdir", str(built))
    session.run("twine", "check", "--strict", *map(str, built.glob("*.*")))
    (path,) = built.glob(archive)
    session.install(str(path))
    session.run("python", "tests/installed.py")
