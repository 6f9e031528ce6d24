"""The kinds of network files, and what the commands do with each: a network that trains, function tables, sizes.

Each kind has a room of its own; all are imported when a file of theirs is met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from xlbackprop import files
from xlbackprop.errors import NetworkError
from xlbackprop.network_file import parsed

if TYPE_CHECKING:
    from xlbackprop.architecture.spec import Architecture
    from xlbackprop.curves.spec import Functions
    from xlbackprop.engine import Engine
    from xlbackprop.spec import Spec

    Document = Spec | Functions | Architecture

Progress = Callable[[str], None]  # takes the phase, in words

_KIND = re.compile(
    rb'<t(?: [^>]*)?>(?:kind = (?:"|&quot;)(functions|architecture)|layout = (?:"|&quot;)(matrix))(?:"|&quot;)</t>'
)


class Report(Protocol):
    """What a verification found, of any workbook."""

    @property
    def correct(self) -> bool: ...

    def as_text(self) -> str: ...

    def as_json(self) -> dict[str, Any]: ...


class OurReport(Report, Protocol):
    """What a verification of a workbook of ours found."""

    @property
    def verdict(self) -> str: ...

    @property
    def formulas(self) -> int: ...

    def ledger(self) -> str:
        """What was compared, in one sentence."""
        ...


def kind_of(document: Document) -> str:
    """`training`, `matrix`, `functions` or `architecture`."""
    return {"Functions": "functions", "Architecture": "architecture"}.get(
        type(document).__name__, (getattr(document, "layout", "") == "matrix" and "matrix") or "training"
    )


def read(text: str, where: str, folder: Path | None = None) -> Document:
    """Read a network file of any kind. Raises NetworkError, in one line, for whatever is wrong with it."""
    match declared(text):
        case "functions":
            from xlbackprop.curves.spec import loads as functions

            return functions(text, where)
        case "architecture":
            from xlbackprop.architecture.toml import loads as architecture

            return architecture(text, where)
        case None:
            from xlbackprop.spec import loads

            return loads(text, where, folder)
        case other:
            raise NetworkError(f"{where}: kind: unknown value {other!r}; known are functions and architecture")


def declared(text: str) -> object:
    """The kind that a network file says it is; None where it says none, or cannot be read."""
    try:
        return parsed(text, "").get("kind")
    except NetworkError:  # told with its place by who reads the whole
        return None


def build(
    document: Document,
    path: Path,
    progress: Progress = lambda phase: None,
    picture: Callable[[], bytes] | None = None,
) -> Path:
    """Write the workbook; `picture` gives that of its network, which is drawn here otherwise.

    Raises OutputError where the file cannot be written; an earlier file then stays.
    """
    network: Any = document
    write: Callable[..., Path]
    match kind_of(document):
        case "functions":
            from xlbackprop.curves.sheet import build as write_functions

            return write_functions(network, path, progress)
        case "architecture":
            from xlbackprop.architecture.sheet import build as write_architecture

            return write_architecture(network, path, progress)
        case "matrix":
            from xlbackprop.matrix.sheet import build as write
        case _:
            from xlbackprop.curves.beside import sheets
            from xlbackprop.sheet.workbook import build as write_training

            write = partial(write_training, beside=sheets(network))
    return write(network, path, progress, picture or partial(forward_picture, network))


def forward_picture(document: Document) -> bytes:
    """The picture of a network for the Overview of its workbook, a PNG file; empty for the other kinds."""
    if kind_of(document) in ("functions", "architecture"):
        return b""
    from xlbackprop.show.network import forward_png

    return forward_png(document)  # type: ignore[arg-type]


def verify(path: Path, *, engine: str | Engine, progress: Progress = lambda phase: None) -> OurReport:
    """Recalculate and check a workbook of ours, of whichever kind it is."""
    verifier: Callable[..., OurReport]
    match kind_of_workbook(path):
        case "functions":
            from xlbackprop.curves.verify import verify as verifier
        case "architecture":
            from xlbackprop.architecture.verify import verify as verifier
        case "matrix":
            from xlbackprop.matrix.verify import verify as verifier
        case _:
            from xlbackprop.curves.together import verify as verifier
    return verifier(path, engine=engine, progress=progress)


def kind_of_workbook(path: Path) -> str:
    """The kind, by the lines of the network file that a workbook of ours carries."""
    from xlbackprop.engine.package import opened, sheet_parts
    from xlbackprop.sheet.places import NETWORK_FILE

    with opened(path) as package:
        strings = "xl/sharedStrings.xml"
        parts = [part for name, part in sheet_parts(package).items() if name == NETWORK_FILE]
        for name in [*parts, *(name for name in package.namelist() if name == strings)]:
            if match := _KIND.search(package.read(name)):
                return (match[1] or match[2]).decode()
    return "training"


def plot(
    document: Document,
    folder: Path,
    stem: str,
    *,
    details: bool = False,
    surface: bool | Sequence[str] = False,
    animate: bool = False,
) -> list[Path]:
    """Write the pictures of a network file; an architecture has none. Raises OutputError, NetworkError."""
    drawn = pictures(document, stem, details=details, surface=surface, animate=animate)
    return [files.write(folder / name, content) for name, content in drawn.items()]


def pictures(
    document: Document,
    stem: str,
    *,
    details: bool = False,
    surface: bool | Sequence[str] = False,
    animate: bool = False,
) -> dict[str, bytes]:
    """The pictures of a network file, by the names of their files. Raises NetworkError."""
    match kind_of(document):
        case "functions":
            from xlbackprop.show.curves import drawn as curves

            return dict(curves(document, stem))  # type: ignore[arg-type]
        case "architecture":
            return {}
    from xlbackprop.show.network import drawn as network
    from xlbackprop.show.plots import drawn as graphs

    spec: Any = document
    return dict([*network(spec, stem), *graphs(spec, stem, details=details, surface=surface, animate=animate)])
