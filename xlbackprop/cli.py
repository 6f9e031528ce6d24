"""The commands: each a few lines over the library, imported when the command runs."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import click

from xlbackprop import __version__
from xlbackprop.arguments import Place, of_bounds, of_network, of_worksheet
from xlbackprop.errors import XlbackpropError
from xlbackprop.terminal import Objects, Progress, line, make_ready, print_json, print_summary

ENGINES = click.Choice(["embedded", "libreoffice"])


class _Complaint(click.ClickException):
    exit_code = 2


class _Group(click.Group):
    """Turns the project's complaints, and those of the system, into click's: one line, exit 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        make_ready()
        try:
            return super().main(*args, **extra)
        except OSError as error:  # but for a pipe that nobody reads any more, which click ends quietly
            place, fact = error.filename or "the system", error.strerror or error
            _Complaint(f"{place}: {fact}; make room, or set TMPDIR to a folder that can be written").show()
            sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except XlbackpropError as error:
            raise _Complaint(str(error)) from None


def _document(network: str, **options: Any) -> Any:
    """What a NETWORK argument means, with the options that only a network that trains has."""
    from xlbackprop.networks import load_any
    from xlbackprop.spec import Spec, override

    document = load_any(network)
    if isinstance(document, Spec):
        return override(document, **options)
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError(f"--{given[0]}: {network} trains nothing; leave it out")
    return document


_FOLDER = click.option(
    "-o", "folder", type=click.Path(path_type=Path), default="output", show_default=True, help="Where the files go."
)
_ENGINE = click.option(
    "--engine", type=ENGINES, default="embedded", show_default=True, help="The calculator that recalculates the file."
)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xlbackprop")
def main() -> None:
    """Hand backpropagation in spreadsheets: generate it, and verify it.

    \b
    Example: xlbackprop run
    """


@main.command()
@of_network
@of_worksheet
@_ENGINE
@_FOLDER
def run(
    network: str, rates: Any, steps: Any, style: Any, layout: Any, level: Any, leave: Any, engine: str, folder: Path
) -> None:
    """Build, verify and plot a network: a template's name or a .toml file.

    \b
    Example: xlbackprop run mazur --steps 1000 -o output
    """
    from xlbackprop.job import run_document
    from xlbackprop.networks import stem

    document = _document(network, rates=rates, steps=steps, style=style, layout=layout, level=level, leave=leave)
    with Progress() as progress:
        summary = run_document(document, stem(network), folder, engine, progress)
    sound = summary.report.verdict != "wrong"  # a worksheet is incomplete as it is made
    print_summary(summary, folder, sound=sound)
    if not sound:
        click.echo(summary.report.as_text())
        sys.exit(1)


@main.command()
@of_network
@of_worksheet
@_FOLDER
def build(network: str, rates: Any, steps: Any, style: Any, layout: Any, level: Any, leave: Any, folder: Path) -> None:
    """Write a network's workbook, or a worksheet with cells to be filled, which verify marks.

    \b
    Example: xlbackprop build era-s6 --rates 0.1,0.5 --style delta
             xlbackprop build era-s6 --level blank --leave backward,update
    """
    from xlbackprop import kinds
    from xlbackprop.networks import stem

    document = _document(network, rates=rates, steps=steps, style=style, layout=layout, level=level, leave=leave)
    with Progress() as progress:
        progress("building")
        path = kinds.build(document, folder / f"{stem(network)}.xlsx", progress)
    click.echo(path)


@main.command()
@click.argument("workbooks", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print an object for each workbook, for programs.")
@click.option(
    "--map", "mapping", multiple=True, type=Place(), metavar="QUANTITY=COLUMN",
    help='Where a quantity stands, if its label does not say: --map "w1=E". May be repeated.',
)  # fmt: skip
@click.option("--annotate", is_flag=True, help="Write a copy with the wrong cells marked, or a page about them.")
@click.option("--network", help="The network, where a workbook of ours lost its own: a name or a .toml file.")
@click.option(
    "--results", "results_file", type=click.Path(path_type=Path), metavar="FILE",
    help="Write a line of JSON for each file as it is done; a run with the same file goes on where one stopped.",
)  # fmt: skip
@click.option("--dask", default="", metavar="ADDRESS", help="Check on the workers of this Dask scheduler.")
@of_bounds
@_ENGINE
@_FOLDER
def verify(
    workbooks: tuple[Path, ...], as_json: bool, mapping: Any, annotate: bool, network: str | None,
    results_file: Path | None, dask: str, limits: Any, engine: str, folder: Path,
) -> None:  # fmt: skip
    """Recalculate workbooks, ours or anybody's, and name each wrong cell and its mistake.

    Takes files and folders. Exit 0: all correct; 1: something is wrong, or not filled in yet; 2: a
    file cannot be read.

    \b
    Example: xlbackprop verify output/era-s6.xlsx --json
    """
    from xlbackprop import checking
    from xlbackprop.networks import load

    options = checking.Options(
        engine=engine,
        network=None if network is None else load(network),
        mapping=dict(mapping),
        annotated=folder if annotate else None,
        limits=limits,
    )
    paths = checking.workbooks(workbooks)
    before = checking.results(options, results_file)
    verdicts: Counter[str] = Counter()
    printed = Objects(len(paths)) if as_json else None
    with Progress() as progress:
        progress("verifying")
        for outcome in checking.verify_all(paths, options, before=before, dask=dask):
            verdicts[outcome.verdict] += 1
            progress.clear()
            if printed is not None:
                printed(outcome.json)
            if outcome.verdict == "unreadable":
                click.echo(f"Error: {outcome.text}", err=True)
            elif not as_json:
                click.echo(outcome.text)
            if outcome.annotated:
                click.echo(f"  {outcome.annotated}", err=as_json)
            progress(f"verifying, {verdicts.total()} of {len(paths)}")
    if results_file is not None:
        click.echo(f"{before.earlier:,} of {len(paths):,} workbooks were checked before: {results_file}", err=True)
    if not as_json and len(paths) > 1:
        counted = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(verdicts.items()))
        click.echo(f"{len(paths):,} workbooks: {counted}")
    sys.exit(2 if verdicts["unreadable"] else 0 if verdicts.keys() <= {"correct"} else 1)


@main.command()
@click.argument("cell")
@click.argument("workbook", type=click.Path(path_type=Path))
@click.option("--step", type=int, help="Of a quantity, the step; 0 if left out.")
@click.option("--rate", type=float, help="Of a quantity, the learning rate; the first if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print an object, for programs.")
@of_bounds
@_ENGINE
def explain(
    cell: str, workbook: Path, step: int | None, rate: float | None, as_json: bool, limits: Any, engine: str
) -> None:
    """Say what a number of a workbook is, ours or anybody's, and the chain of derivatives that leads to it.

    CELL is an address, with its sheet or without ("'η=0.5'!AC8", AC8), or a quantity (w5, a_h1, dE/dw5,
    delta_o1, E_total). What may be both is the quantity; $E$1 is always the cell.

    \b
    Example: xlbackprop explain dE/dw5 output/era-s6.xlsx --step 2 --rate 0.5
    """
    from xlbackprop.crowd import alone
    from xlbackprop.explanation import explain as explained

    job = partial(explained, cell, step=step, rate=rate, engine=engine)
    found = alone(job, workbook, limits=limits)
    print_json(found.as_json()) if as_json else click.echo(found.as_text())


@main.command()
@of_network
@click.option("--details", is_flag=True, help="Weights and gradients by step as well.")
@click.option(
    "--surface", is_flag=False, flag_value="", metavar="[W1,W2]",
    help="The error over two weights with the paths of all rates; without names the two that move the most.",
)  # fmt: skip
@click.option("--animate", is_flag=True, help="The first steps as a page and as a GIF that moves.")
@_FOLDER
def plot(
    network: str, rates: Any, steps: Any, style: Any, layout: Any,
    details: bool, surface: str | None, animate: bool, folder: Path,
) -> None:  # fmt: skip
    """Draw a network, forward and backward, and its error graphs.

    \b
    Example: xlbackprop plot era-s6 --details --surface w5,w6 --animate
    """
    from xlbackprop import kinds
    from xlbackprop.networks import stem

    document = _document(network, rates=rates, steps=steps, style=style, layout=layout)
    with Progress() as progress:
        progress("drawing")
        weights = surface is not None and (surface.split(",") if surface else True)
        paths = kinds.plot(document, folder, stem(network), details=details, surface=weights, animate=animate)
    if not paths:
        click.echo(f"{network} trains nothing: there is no curve to draw")
    elif not getattr(document, "trained", ()) and (surface is not None or animate):
        click.echo(f"{network} trains no weight: there is no surface and no step to draw")
    for path in paths:
        click.echo(path)


@main.command()
@of_network
@_ENGINE
@_FOLDER
def readme(network: str, rates: Any, steps: Any, style: Any, layout: Any, engine: str, folder: Path) -> None:
    """Write README.md about a network, with its derivation, and all that it shows.

    The workbook, the pictures of its sheets (with LibreOffice) and the graphs are made beside it.

    \b
    Example: xlbackprop readme mazur --steps 1000 -o mazur
    """
    from xlbackprop.networks import stem
    from xlbackprop.show import readme as page

    document = _document(network, rates=rates, steps=steps, style=style, layout=layout)
    with Progress() as progress:
        made = page.readme_of(document, stem(network), folder, _again(), engine, progress)
    summary = made.summary
    line("page", f"{made.path}")
    line("workbook", f"{summary.workbook}")
    line("verified", summary.report.ledger() if summary.report.correct else "FAILED")
    line("pictures", f"{len(summary.pictures)} of the network, {len(made.screenshots)} of the sheets, in {folder}")
    if made.missing:
        line("missing", f"pictures of the sheets: {made.missing}")
    if not summary.report.correct:
        click.echo(summary.report.as_text())
        sys.exit(1)


def _again() -> str:
    """The command that makes this page, without the engine and the folder, which do not change it."""
    context = click.get_current_context()
    words = ["xlbackprop", "readme", str(context.params["network"])]
    for name in ("rates", "steps", "style", "layout"):
        value = context.params[name]
        if value is not None:
            words += [f"--{name}", ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)


@main.command()
@click.argument("workbook", type=click.Path(path_type=Path))
@click.option("--sheet", "sheets", multiple=True, metavar="NAME", help="Draw this sheet. May be repeated.")
@click.option(
    "--range", "ranges", multiple=True, metavar="SHEET!CELLS",
    help="Draw these cells as they are: 'Overview!A1:H20'. May be repeated.",
)  # fmt: skip
@_FOLDER
def screenshot(workbook: Path, sheets: tuple[str, ...], ranges: tuple[str, ...], folder: Path) -> None:
    """Draw a workbook's sheets as PNG files, as LibreOffice shows them.

    Without options the sheets that matter; long ones are cut and wide ones come in pieces.

    \b
    Example: xlbackprop screenshot output/era-s6.xlsx --sheet Forward --sheet Backward
    """
    from xlbackprop.show.screenshots import screenshots

    with Progress() as progress:
        progress("drawing")
        shots = screenshots(workbook, folder, sheets=sheets, ranges=ranges)
    for shot in shots:
        click.echo(f"{shot.path}: {shot.sheet} {shot.range}{shot.cut and f', {shot.cut}'}")


@main.command()
@click.argument("name", required=False)
@click.option("--copy", "copy", type=click.Path(path_type=Path), help="Write the template there, to start your own.")
def templates(name: str | None, copy: Path | None) -> None:
    """List the templates, print one, or copy one to start your own.

    \b
    Example: xlbackprop templates era-s6 --copy mine.toml
    """
    from xlbackprop import files, networks

    if name is None:
        if copy is not None:
            raise click.UsageError("--copy needs the name of a template: templates NAME --copy FILE")
        listed = networks.templates()
        width = max(map(len, listed))
        for one, title in listed.items():
            click.echo(f"{one:{width}}  {title}")
    elif copy is None:
        click.echo(networks.template_text(name), nl=False)
    else:
        text = networks.template_text(name)
        if os.path.lexists(copy):
            raise click.UsageError(f"{copy} exists already; name a new file")
        files.write(copy, text.encode())
        click.echo(f"{copy}: now change it, and xlbackprop run {copy}")


@main.command("from-torch")
@click.argument("state_dict", type=click.Path(path_type=Path))
@click.option("--network", required=True, help="A template or .toml file whose layers have these sizes.")
@click.option("-o", "out", required=True, type=click.Path(path_type=Path), help="The network file to write.")
def from_torch(state_dict: Path, network: str, out: Path) -> None:
    """Write a network file with the weights of a .pt, .npz or .safetensors file in it.

    A .pt file is a state_dict, and needs torch; from Python, from_torch takes a whole Sequential.

    \b
    Example: xlbackprop from-torch weights.npz --network era-s6 -o trained.toml
    """
    from xlbackprop import files
    from xlbackprop.bring.weights import with_weights
    from xlbackprop.networks import template_path

    click.echo(files.write(out, with_weights(template_path(network), state_dict).encode()))


@main.command()
@click.argument("workbook", type=click.Path(path_type=Path))
@click.option("--rate", type=float, help="Of which learning rate; the last one if left out.")
@click.option("--step", type=int, help="After how many updates; all if left out.")
@click.option("-o", "out", required=True, type=click.Path(path_type=Path), help="The .npz file to write.")
@of_bounds
@_ENGINE
def weights(workbook: Path, rate: float | None, step: int | None, out: Path, limits: Any, engine: str) -> None:
    """Read the trained weights out of a workbook, also one changed in Excel.

    \b
    Example: xlbackprop weights output/era-s6.xlsx --rate 0.5 -o weights.npz
    """
    from xlbackprop.bring.readback import save_weights
    from xlbackprop.crowd import alone

    job = partial(save_weights, out=out, rate=rate, step=step, engine=engine)
    click.echo(alone(job, workbook, limits=limits))


@main.command()
def ops() -> None:
    """Print the tables of operations, layers, losses and optimisers, each with both its formulas.

    \b
    Example: xlbackprop ops
    """
    from xlbackprop.graph.listing import ops as listing

    click.echo(listing())
