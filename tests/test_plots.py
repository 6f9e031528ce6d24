"""The pictures: the same each time, of a size that a README shows, and honest about a run that blew up."""

from __future__ import annotations

import struct

import pytest

from xlbackprop.networks import load
from xlbackprop.show import plots
from xlbackprop.show.plots import diverged
from xlbackprop.spec import override


def _size(picture: bytes) -> tuple[int, int]:
    header = picture[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", header[16:24])


def test_same_input_same_bytes() -> None:
    spec = override(load("era-s6"), steps=20, rates=(0.1, 2.0))
    first, second = (list(plots.drawn(spec, "era", details=True)) for _ in "ab")
    assert first == second
    assert len(first) == 1 + 2 * 3
    for _, picture in first:
        width, height = _size(picture)
        assert 800 <= width <= 1400
        assert 400 <= height <= 700


def test_what_stands_on_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    png = plots.png
    monkeypatch.setattr(plots, "png", lambda figure: (figures.append(figure), png(figure))[1])
    spec = override(load("simple-mlp"), rates=(0.1, 1000.0), steps=80)
    list(plots.drawn(spec, "x", details=True))
    linear, log = figures[0].axes
    assert (linear.get_yscale(), log.get_yscale()) == ("linear", "log")
    labels = [text.get_text() for text in log.get_legend().get_texts()]
    assert labels[0] == "η = 0.1"
    assert labels[1].startswith("η = 1000 (diverged at step ")
    assert all(axes.get_xlabel() and axes.get_ylabel() for figure in figures for axes in figure.axes)
    assert all(figure.get_suptitle() or figure.axes[0].get_title() for figure in figures)
    notes = [text.get_text() for text in figures[4].axes[0].texts]
    assert len(notes) == 1
    assert notes[0].startswith("diverged at step ")


def test_diverged() -> None:
    assert diverged([1.0, 2.0]) is None
    assert diverged([1.0, float("inf"), float("nan")]) == 1
