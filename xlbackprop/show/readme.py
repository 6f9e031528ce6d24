"""The page that is handed in: README.md with the derivation, the pictures, and what each rate did."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlbackprop import files, networks
from xlbackprop.errors import EngineError, NetworkError, OutputError
from xlbackprop.job import Summary, run_document
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.workbook import shown_values
from xlbackprop.show import markdown
from xlbackprop.show.derivation import Section, derivation
from xlbackprop.spec import Spec, gradient_name, updated_name
from xlbackprop.verification.report import Report

if TYPE_CHECKING:
    from xlbackprop.kinds import Document
    from xlbackprop.show.screenshots import Shot

MARKER = "<!-- written by xlbackprop readme; it is written anew each time -->"
NAME = "README.md"
MOST_PARAMETERS = 60  # in the table of weights
MOST_SAMPLES = 12


@dataclass(frozen=True)
class Page:
    """What was written: the page, and the run that made what it shows."""

    path: Path
    summary: Summary
    screenshots: list[Path] = field(default_factory=list)
    missing: str = ""  # why there are no pictures of the sheets


@dataclass(frozen=True)
class Picture:
    says: str
    link: str


def readme(
    network: str | Path | Document = networks.DEFAULT,
    *,
    folder: Path | str = "output",
    engine: str = "embedded",
    progress: Callable[[str], None] = lambda phase: None,
) -> Page:
    """Build, verify and draw a network into `folder`, and write README.md about it.

    `network` is a template's name, a network file or what was read from one. A README.md that
    somebody else wrote is left alone: OutputError. Without LibreOffice there are no pictures of the
    sheets, and `Page.missing` says so. Raises NetworkError for a file that trains nothing or
    makes a worksheet, OutputError.
    """
    file = Path(network).name if isinstance(network, (str, Path)) else "network.toml"
    command = shlex.join(["xlbackprop", "readme", file])
    return readme_of(*networks.named(network), Path(folder), command, engine, progress)


def readme_of(
    document: Document, stem: str, folder: Path, command: str, engine: str, progress: Callable[[str], None]
) -> Page:
    """`readme` for a network whose files are to be named `stem`; `command` makes the page again."""
    if not isinstance(document, Spec):
        raise NetworkError(f"{stem}: trains nothing, so there is no derivation to write; use run")
    if document.level != "worked":
        raise NetworkError(f"{stem}: is a worksheet, and the page would tell its answers; use run, or level worked")
    path = folder / NAME
    _refuse_another(path)
    summary = run_document(document, stem, folder, engine, progress, details=True)
    assert isinstance(summary.report, Report)
    progress("taking pictures of the sheets")
    shots, missing = _screenshots(summary.workbook, folder)
    context = {
        **_facts(document, summary.report, command),
        "pictures": _pictures(summary.pictures, stem),
        "workbook": {"name": markdown.text(summary.workbook.name), "link": markdown.link(summary.workbook.name)},
        "screenshots": [Picture(shot.says, markdown.link(shot.path.name)) for shot in shots],
    }
    files.write(path, _rendered(context).encode(errors="replace"))  # a file's name need not be UTF-8
    return Page(path, summary, [shot.path for shot in shots], missing)


def _refuse_another(path: Path) -> None:
    try:
        held = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror}); choose another folder with -o") from None
    if not held.startswith(MARKER):
        raise OutputError(f"{path}: was not written by this command; move it away, or choose another folder with -o")


def _rendered(context: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    source = networks.templates_in("readme").joinpath("page.md.j2").read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    page = environment.from_string(source).render(context)
    lines = [line.rstrip() for line in page.splitlines()]
    # No two blank lines in a row, whatever parts were left out.
    kept = [line for k, line in enumerate(lines) if line or (k and lines[k - 1])]
    return "\n".join(kept) + "\n"


def _facts(spec: Spec, report: Report, command: str) -> dict[str, Any]:
    values = shown_values(Layout(spec))
    told = derivation(spec, values)
    names = list(spec.initial)
    batches = spec.batches
    return {
        "marker": MARKER,
        "title": markdown.text(spec.title),
        "about": markdown.text(spec.about),
        "source": markdown.text(spec.source),
        "network": markdown.text(spec.summary),
        "training": _training(spec),
        "verified": _verified(report),
        "first_rate": f"{spec.rates[0]:g}",
        "step": "sample" if batches.several else "step",
        "row": "sample of a batch" if batches.several else "step",
        "samples": _samples(spec),
        "parameters": _parameters(spec, values, names[:MOST_PARAMETERS]),
        "parameters_left_out": max(0, len(names) - MOST_PARAMETERS),
        "forward": _sections(told.forward),
        "backward": _sections(told.backward),
        "update": _sections(told.update),
        "errors": _errors(spec, report),
        "observations": [markdown.text(line) for line in _observations(spec, report)],
        "command": command,
    }


def _training(spec: Spec) -> str:
    count = len(spec.samples)
    samples = "one sample" if count == 1 else f"{count} samples"
    batch = f" in batches of {spec.batches.size}" if spec.batches.several else ""
    rates = "at one learning rate" if len(spec.rates) == 1 else f"at each of {len(spec.rates)} learning rates"
    return f"trained on {samples}{batch} for {spec.updates:,} updates {rates}"


def _verified(report: Report) -> str:
    if not report.correct:
        return f"**{len(report.mismatches):,} of {report.cells:,} cells are wrong**; run xlbackprop verify"
    return (
        f"all {report.cells:,} calculated cells agree with an independent calculation in numpy "
        f"({report.engine}), and {report.witnessed:,} gradients with the complex step"
    )


def _samples(spec: Spec) -> str:
    shown = spec.samples[:MOST_SAMPLES]
    rows = [[str(k + 1), *(f"{x:.6g}" for x in (*one.inputs, *one.targets))] for k, one in enumerate(shown)]
    table = markdown.table(["sample", *map(_code, (*spec.inputs, *spec.targets))], rows)
    left_out = len(spec.samples) - len(shown)
    return table + (f"\n\nAnd {left_out} more samples: see the sheet Overview." if left_out else "")


def _parameters(spec: Spec, values: dict[str, float], names: Sequence[str]) -> str:
    if not names:
        return ""

    def shown(name: str) -> str:
        return f"{values[name]:.6g}" if name in values else "not trained"

    rows = [[_code(name), shown(name), shown(gradient_name(name)), shown(updated_name(name))] for name in names]
    return markdown.table(["weight", "at the start", "gradient", f"after one update at η = {spec.rates[0]:g}"], rows)


def _code(name: str) -> str:
    return f"`{name}`"


def _sections(sections: Iterable[Section]) -> list[dict[str, object]]:
    return [
        {
            "title": markdown.text(section.title),
            "chain": section.chain and markdown.mathematics([section.chain]),
            "first": section.chain and _code(section.chain.name.removeprefix("∂E/∂")),
            "mathematics": markdown.mathematics(section.equations),
            "left_out": section.left_out,
        }
        for section in sections
        if section.equations
    ]


def _errors(spec: Spec, report: Report) -> str:
    """The error of each rate at chosen steps."""
    steps = chosen_steps(spec.updates)
    errors = report.errors
    rows = [
        [f"{rate:g}", *(f"{errors[k][step]:.6g}" if math.isfinite(errors[k][step]) else "no number" for step in steps)]
        for k, rate in enumerate(spec.rates)
    ]
    return markdown.table(["η", *(f"step {step:,}" for step in steps)], rows)


def chosen_steps(last: int) -> list[int]:
    """0, 1, 10, 100 ... and the last, with the halves of tens between: few enough for a table."""
    tens = [10**k for k in range(len(str(last)))]
    steps = {0, last, *tens, *(5 * ten for ten in tens[1:])}
    return sorted(step for step in steps if step <= last)


def _observations(spec: Spec, report: Report) -> list[str]:
    from xlbackprop.show.observations import observations, sentences

    return sentences(observations(spec, report.errors.tolist()))


# What a picture's name says behind the stem, where in the page it goes, and what it shows.
_PICTURES = (
    ("network", "network", "The network with the weights that it starts from"),
    ("network-backward", "network", "The way back: the delta of each unit and the gradient of each weight"),
    ("error", "error", "The error by step at every learning rate, linear and logarithmic"),
    ("surface", "error", "The error over two of the weights, and the path of each rate"),
    ("steps", "error", "The first steps"),
    ("error-(.+)", "rate", "The error at η = {0}"),
    ("weights-(.+)", "rate", "The weights at η = {0}"),
    ("gradients-(.+)", "rate", "The gradients at η = {0}"),
)


def _pictures(paths: Iterable[Path], stem: str) -> dict[str, list[Picture]]:
    """The pictures by their place in the page, in the order of the table."""
    names = [path.name for path in paths if path.suffix in (".png", ".gif")]
    result: dict[str, list[Picture]] = {place: [] for _, place, _ in _PICTURES}
    for pattern, place, says in _PICTURES:
        for name in names:
            if match := re.fullmatch(re.escape(stem) + "-" + pattern + r"\.(png|gif)", name):
                result[place].append(Picture(says.format(*match.groups()), markdown.link(name)))
    return result


def _screenshots(workbook: Path, folder: Path) -> tuple[list[Shot], str]:
    """The pictures of the sheets, or why there are none."""
    from xlbackprop.show.screenshots import screenshots

    try:
        return screenshots(workbook, folder), ""
    except EngineError as error:
        return [], str(error)
