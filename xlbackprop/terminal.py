"""What the commands print while they work, and of what they made."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from pathlib import Path

    from xlbackprop.job import Summary


def make_ready() -> None:
    """Give the commands streams that they can write to, whatever they were started from, and a good end.

    Where a stream was closed, the next file that is opened would take its place, and what a library
    prints would stand in that file. Where the encoding lacks a letter (η in cp1252), its number is
    printed and not a traceback. On SIGTERM they clear away what was begun, as on Ctrl-C.
    """
    for name in ("stdin", "stdout", "stderr"):  # in this order: each takes the lowest free descriptor
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nowhere, True)  # for the processes that we start
            setattr(sys, name, os.fdopen(nowhere, "r" if name == "stdin" else "w", errors="backslashreplace"))
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def print_json(value: Any) -> None:
    """Print for programs."""
    click.echo(_json(value))


def _json(value: Any) -> str:
    """Letters that the output cannot carry are escaped as JSON does it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    return text


class Progress:
    """The phase in progress on the last line of a terminal; nothing in a pipe."""

    def __enter__(self) -> Progress:
        self._on = sys.stderr.isatty()
        return self

    def __call__(self, phase: str) -> None:
        if self._on:
            click.echo(f"\r\033[K{phase} ...", err=True, nl=False)

    def __exit__(self, *exc: object) -> None:
        self.clear()

    def clear(self) -> None:
        if self._on:
            click.echo("\r\033[K", err=True, nl=False)


class Objects:
    """Prints objects as JSON, one as it is and several as a list, each as soon as it comes."""

    def __init__(self, count: int) -> None:
        self._count, self._printed = count, 0

    def __call__(self, one: dict[str, Any]) -> None:
        text = _json(one)
        self._printed += 1
        if self._count > 1:
            begin, end = "" if self._printed > 1 else "[\n", "\n]" if self._printed == self._count else ","
            text = begin + "  " + text.replace("\n", "\n  ") + end
        click.echo(text)


def line(label: str, text: str) -> None:
    """A labelled line of a run's first screen, folded at 80 columns."""
    click.echo(
        textwrap.fill(text, 80, initial_indent=f"{label:10}", subsequent_indent=" " * 10, break_on_hyphens=False)
    )


def print_summary(summary: Summary, folder: Path, *, sound: bool) -> None:
    """The first screen: what a run wrote into the folder, and whether the workbook is what it should be."""
    from xlbackprop.engine.package import sheet_names

    size = summary.workbook.stat().st_size / 1024
    report = summary.report
    sheets, formulas = len(sheet_names(summary.workbook)), f"{report.formulas:,}"
    line("workbook", f"{summary.workbook}: {sheets} sheets, {formulas} formulas, {size:,.0f} KB")
    line("verified", report.ledger() if sound else "FAILED")
    names = [path.name for path in summary.pictures]
    shown = ", ".join(names) if len(names) < 4 else f"{names[0]}, {names[1]} ... {names[-1]}"
    if names:
        line("pictures", f"{len(names)} in {folder}: {shown}")
    if summary.results:
        line("error", summary.results)
    seconds = summary.seconds
    phases = ", ".join(f"{phase} {value:.1f}" for phase, value in seconds.items())
    line("time", f"{sum(seconds.values()):.1f} s ({phases})")
