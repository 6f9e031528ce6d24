"""What is fuzzed: for each reader how its inputs are made, what is called with them, and what they may cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.fuzz import archives, markup, tensors, texts
from benchmarks.fuzz.corpus import Corpus
from xlbackprop.crowd import Limits
from xlbackprop.engine import Recalculated
from xlbackprop.errors import EngineError

Make = Callable[[Corpus, Random], bytes]


@dataclass(frozen=True)
class Target:
    name: str
    calls: str  # the function under test, for the table
    share: float  # of all inputs
    ending: str
    make: Make
    run: Callable[[Path], object]
    limits: Limits
    alone: bool = False  # in a process of its own, with bounds of its own
    in_worker: bool = False  # as commands call it, so that a crowd may end it and say so in a line


# How inputs are made.


def _network_file(corpus: Corpus, chance: Random) -> bytes:
    return texts.network_file(corpus.network_files, chance).encode("utf-8", "surrogateescape")


def _small_network_file(corpus: Corpus, chance: Random) -> bytes:
    gently = texts.other_numbers if chance.random() < 0.6 else texts.network_file
    return gently(corpus.training_files, chance).encode("utf-8", "surrogateescape")


def _csv(corpus: Corpus, chance: Random) -> bytes:
    return texts.csv(corpus.csv, chance)


def _formula(corpus: Corpus, chance: Random) -> bytes:
    return texts.formula(corpus.formulas, chance).encode("utf-8", "surrogatepass")


def _workbook(parts: dict[str, bytes], chance: Random, zipped: float = 0.15) -> bytes:
    """One with its XML changed, or its archive."""
    if chance.random() < zipped:
        return archives.damaged(parts, chance)
    return archives.written(markup.mutated(parts, chance))


def _theirs(corpus: Corpus, chance: Random) -> bytes:
    return _workbook(chance.choice(corpus.theirs), chance)


def _any(corpus: Corpus, chance: Random) -> bytes:
    return _workbook(chance.choice([*corpus.theirs, *corpus.ours]), chance)


def _archive(corpus: Corpus, chance: Random) -> bytes:
    return _workbook(chance.choice([*corpus.theirs, corpus.ours[0]]), chance, zipped=0.9)


def _open_document(corpus: Corpus, chance: Random) -> bytes:
    return _workbook(corpus.open_document, chance, zipped=0.4)


# What is called with them. A complaint is an XlbackpropError; whatever else is raised is a defect.


def _read_network(path: Path) -> None:
    from xlbackprop import kinds
    from xlbackprop.networks import load_any
    from xlbackprop.spec import Spec, dumps, loads

    document = load_any(path)
    kinds.kind_of(document)
    if isinstance(document, Spec) and len(document.initial) < 1000:
        assert loads(dumps(document)) == document, "a network file written back reads the same"


def _build(path: Path) -> None:
    from xlbackprop import kinds
    from xlbackprop.networks import load
    from xlbackprop.spec import override

    spec = load(path)
    small = override(spec, steps=min(spec.updates, 2), rates=spec.rates[:1])
    if small.batches.visits * len(small.initial) < 2000:  # what is larger only takes longer
        kinds.verify(kinds.build(small, path.with_name("out") / "network.xlsx"), engine="embedded").as_text()


def _read_csv(path: Path) -> None:
    from xlbackprop.bring.data import samples

    samples(path)


# What cells of a formula hold in turn.
_HELD = (0.5, np.nan, np.inf, -2.0, 1e308, np.array([0.1, -3.0]), 1 + 1e-20j)


def _parse(path: Path) -> None:
    from xlbackprop.audit.evaluate import UnknownFunction, evaluate
    from xlbackprop.audit.formula import FormulaError, parse
    from xlbackprop.audit.written import to_text

    try:
        tree = parse(path.read_text(encoding="utf-8", errors="replace"))
    except FormulaError as error:
        raise EngineError(str(error)) from None
    to_text(tree, repr)
    with suppress(UnknownFunction):
        evaluate(tree, lambda leaf: np.asarray(_HELD[len(repr(leaf)) % len(_HELD)]))


def _read_weights(path: Path) -> None:
    from xlbackprop.bring.weights import with_weights
    from xlbackprop.networks import template_path

    with_weights(template_path("era-s6"), path)


def _read_book(path: Path) -> None:
    from xlbackprop.audit.book import Bounds, read

    read(path, Bounds(64, 200_000))


def _open(path: Path) -> None:
    """What is asked of a package before and beside its cells: whose it is, its sheets, what they take up, a copy."""
    from xlbackprop.checking import is_ours
    from xlbackprop.engine.extent import read_extent, read_texts
    from xlbackprop.engine.package import copy_with_canary, opened, sheet_parts
    from xlbackprop.kinds import kind_of_workbook

    if is_ours(path):
        kind_of_workbook(path)
    with opened(path) as package:
        read_texts(package)
        for part in sheet_parts(package).values():
            read_extent(package, part, read_texts(package)).used  # noqa: B018
    copy_with_canary(path, path.with_name("copy.xlsx"))


class _NoEngine:
    """Calculates nothing, so that more inputs fit into a minute; the audit then takes the carried values."""

    name, epsilon, exp_overflows, erf_error = "none", 2.0**-52, False, 0.0

    def recalculate(self, path: Path) -> Recalculated:
        raise EngineError("nothing is recalculated here")


def _audit(path: Path) -> None:
    from xlbackprop.audit.auditing import audit
    from xlbackprop.audit.book import Bounds

    report = audit(path, _NoEngine(), bounds=Bounds(64, 200_000))
    report.as_text(), report.as_json()


def _convert(path: Path) -> None:
    """LibreOffice itself is not fuzzed: what would be given to it is a result."""
    from xlbackprop.audit.book import Bounds
    from xlbackprop.audit.opendocument import as_xlsx
    from xlbackprop.engine import libreoffice

    class Office:
        def convert(self, path: Path, to: str, folder: Path) -> Path:
            return path

    libreoffice.LibreOffice = Office  # type: ignore[assignment,misc]
    with as_xlsx(path, Bounds(64, 200_000)):
        pass


def _verify(path: Path) -> None:
    from xlbackprop.checking import verify

    report = verify(path, megabytes=64)
    report.as_text(), report.as_json()


def _explain(path: Path) -> None:
    from xlbackprop.explanation import explain

    found = explain("dE/dw1", path)
    found.as_text(), found.as_json()


COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    ".xlsx": (
        ("verify", "{}", "--limit-megabytes", "512", "--limit-seconds", "60"),
        ("verify", "{}", "--json", "--annotate", "-o", "out"),
        ("explain", "w1", "{}"),
        ("weights", "{}", "-o", "out/w.npz"),
    ),
    ".toml": (
        ("build", "{}", "--steps", "2", "-o", "out"),
        ("from-torch", "x.npz", "--network", "{}", "-o", "out/a.toml"),
    ),
    ".npz": (("from-torch", "{}", "--network", "era-s6", "-o", "out/a.toml"),),
}
_ROOT = Path(__file__).resolve().parents[2]
_IN_CHILD = "from benchmarks.fuzz.child import main; main()"


def _command(path: Path) -> None:
    """The command line in a process of its own. Raises EngineError for what it says where it refuses."""
    commands = COMMANDS[path.suffix]
    words = commands[path.stat().st_size % len(commands)]  # one of them, the same for the same input
    arguments = [word.format(path.name) for word in words]
    done = subprocess.run(
        [sys.executable, "-c", _IN_CHILD, *arguments], cwd=path.parent, capture_output=True, timeout=150,
        check=False, stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(_ROOT)},
    )  # fmt: skip
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode in (0, 1, 2), f"{arguments}: exit {done.returncode}: {said[-300:]}"
    assert "Traceback" not in said, f"{arguments}: {said[-300:]}"
    if done.returncode == 2:
        lines = said.strip().splitlines()
        assert sum(line.startswith("Error: ") for line in lines) == 1, f"{arguments}: {said[-300:]}"
        raise EngineError(lines[-1])


_READER, _WHOLE, _PROCESS = Limits(10.0, 512), Limits(60.0, 1024), Limits(200.0, 2048)
_UNPACKING = Limits(10.0, 1024)  # a bomb of 200 MB, and what is made of it
_TORCH = Limits(20.0, 8192)  # the library alone maps gigabytes, where it is installed

TARGETS = {
    one.name: one
    for one in (
        Target("network-file", "networks.load_any", 0.09, ".toml", _network_file, _read_network, _READER),
        Target("formula", "audit.formula, .written, .evaluate", 0.3417, ".txt", _formula, _parse, _READER),
        Target("csv", "bring.data.samples", 0.24, ".csv", _csv, _read_csv, _READER),
        Target("npz", "bring.weights.with_weights", 0.08, ".npz", lambda _, c: tensors.npz(c), _read_weights, _READER),
        Target(
            "safetensors", "the same", 0.13, ".safetensors", lambda _, c: tensors.safetensors(c), _read_weights, _READER
        ),
        Target("pt", "the same", 0.04, ".pt", lambda _, c: tensors.pt(c), _read_weights, _TORCH),
        Target("archive", "audit.book.read", 0.02, ".xlsx", _archive, _read_book, _READER),
        Target("book", "audit.book.read", 0.03, ".xlsx", _theirs, _read_book, _READER),
        Target("package", "engine.package, engine.extent", 0.005, ".xlsx", _any, _open, _UNPACKING),
        Target("ods", "audit.opendocument.as_xlsx", 0.02, ".ods", _open_document, _convert, _READER),
        Target(
            "audit", "audit.auditing.audit, no calculator", 0.0015, ".xlsx", _theirs, _audit, _WHOLE, in_worker=True
        ),
        Target("verify", "checking.verify", 0.001, ".xlsx", _any, _verify, _WHOLE, in_worker=True),
        Target("explain", "explanation.explain", 0.0004, ".xlsx", _any, _explain, _WHOLE, in_worker=True),
        Target("build", "kinds.build, kinds.verify", 0.0002, ".toml", _small_network_file, _build, _WHOLE),
        Target(
            "commands-workbook",
            "verify, explain, weights",
            0.0001,
            ".xlsx",
            _any,
            _command,
            _PROCESS,
            True,
        ),
        Target(
            "commands-network", "build, from-torch", 5e-05, ".toml", _small_network_file, _command, _PROCESS, alone=True
        ),
        Target(
            "commands-weights", "from-torch", 5e-05, ".npz", lambda _, c: tensors.npz(c), _command, _PROCESS, alone=True
        ),
    )
}
