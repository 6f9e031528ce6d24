"""Check any workbook: one of ours by its own network, anybody else's by what its formulas say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xlbackprop import __version__
from xlbackprop.crowd import Failure, Limits, each
from xlbackprop.errors import WorkbookError
from xlbackprop.results import Outcome, Results

if TYPE_CHECKING:
    from xlbackprop.kinds import Report
    from xlbackprop.spec import Spec

ENDINGS = (".xlsx", ".xlsm", ".ods")


@dataclass(frozen=True)
class Options:
    engine: str = "embedded"
    network: Spec | None = None  # of a workbook of ours that lost its own
    mapping: Mapping[str, str] = field(default_factory=dict)  # quantity: column or cell
    annotated: Path | None = None  # the folder for copies with the wrong cells marked
    limits: Limits = field(default_factory=Limits)


def verify(
    path: Path | str,
    *,
    engine: str = "embedded",
    network: Spec | None = None,
    mapping: Mapping[str, str] | None = None,
    megabytes: int = 512,
    progress: Callable[[str], None] = lambda phase: None,
) -> Report:
    """Recalculate and check a workbook, ours or anybody's.

    `mapping` says of quantities in which column or cell they stand, as {"w1": "E"}; `megabytes` is
    the most XML that is read. Raises WorkbookError for a file that cannot be read or has no training
    table, EngineError where the calculator fails.
    """
    path = Path(path)
    if network is not None:
        from xlbackprop.curves.together import verify as verify_ours

        return verify_ours(path, engine=engine, network=network, progress=progress)
    if is_ours(path):
        from xlbackprop import kinds

        return kinds.verify(path, engine=engine, progress=progress)
    from xlbackprop.audit.auditing import audit
    from xlbackprop.audit.parts import Bounds
    from xlbackprop.engine import engine as engine_named

    return audit(path, engine_named(engine), mapping=mapping, bounds=Bounds(megabytes), progress=progress)


def is_ours(path: Path) -> bool:
    """Whether `build` wrote the workbook. Raises WorkbookError for a file that cannot be read."""
    from xlbackprop.engine.package import opened, sheet_parts
    from xlbackprop.sheet.layout import NETWORK_FILE

    if path.suffix.lower() == ".ods":
        return False
    with opened(path) as package:
        return NETWORK_FILE in sheet_parts(package)


def results(options: Options, file: Path | None = None) -> Results:
    """What is known of files that were checked with these options. Raises OutputError for `file`."""
    asked = hashlib.sha256(f"{__version__} {options}".encode()).hexdigest()
    return Results(asked, file, copies=options.annotated is None)  # a copy's marked copy has a name of its own


def verify_all(
    paths: Sequence[Path], options: Options, *, before: Results | None = None, dask: str = ""
) -> Iterator[Outcome]:
    """Each workbook in a worker process of its own bounds, in order; one that fails is an outcome too.

    What `before` has is not done again, and it is given what is. `dask` is the address of a cluster
    whose workers do it. Raises ClusterError where there is none, OutputError where `before` is full.
    """
    before = results(options) if before is None else before
    job = partial(_outcome, options=options)
    if dask:
        from xlbackprop.cluster import each as each_there

        found = each_there(job, paths, address=dask, limits=options.limits, known=before.known)
    else:
        found = each(job, paths, limits=options.limits, known=before.known)
    for path, result in found:
        outcome = _unreadable(path, result.says, options) if isinstance(result, Failure) else result
        before.keep(outcome)
        yield outcome


def _outcome(path: Path, options: Options) -> Outcome:
    report = verify(
        path,
        engine=options.engine,
        network=options.network,
        mapping=options.mapping,
        megabytes=options.limits.megabytes // 4,
    )
    json = report.as_json()
    annotated = ""
    if options.annotated is not None and json["verdict"] not in ("correct", "incomplete"):
        from xlbackprop.audit.annotate import annotate

        annotated = annotate(path, json, options.annotated)
    return Outcome(path, json["verdict"], json, report.as_text(), annotated)


def _unreadable(path: Path, says: str, options: Options) -> Outcome:
    json = {"workbook": str(path), "verdict": "unreadable", "engine": options.engine, "says": says}
    return Outcome(path, "unreadable", json, says)


def workbooks(paths: Sequence[Path]) -> list[Path]:
    """The files, folders opened: their workbooks, sorted. Raises WorkbookError for a folder without any."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            one for one in path.rglob("*") if one.suffix.lower() in ENDINGS and not one.name.startswith(("~$", "."))
        )
        if not inside:
            raise WorkbookError(f"{path}: is a folder without a workbook; give one with {', '.join(ENDINGS)} files")
        found += inside
    return found
