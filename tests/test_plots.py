"""The pictures: the same each time, of a size that a README shows, and honest about a run that blew up."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest

from xlbackprop.networks import load
from xlbackprop.show import plots, powers
from xlbackprop.show.plots import diverged
from xlbackprop.spec import override

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    figures, notes, ends = [], [], []
    png = plots.png

    def seen(figure: Figure) -> bytes:
        figures.append(figure)
        notes.append([text.get_text() for text in figure.axes[0].texts])
        ends.append(figure.axes[0].get_xlim()[1])
        return png(figure)

    monkeypatch.setattr(plots, "png", seen)
    spec = override(load("simple-mlp"), rates=(0.1, 1000.0), steps=80)
    list(plots.drawn(spec, "x", details=True))
    linear, log = figures[0].axes
    assert (linear.get_yscale(), log.get_yscale()) == ("linear", "log")
    labels = [text.get_text() for text in log.get_legend().get_texts()]
    assert labels[0] == "η = 0.1"
    assert labels[1].startswith("η = 1000 (diverged at step ")
    assert all(axes.get_xlabel() and axes.get_ylabel() for figure in figures for axes in figure.axes)
    assert all(figure.get_suptitle() or figure.axes[0].get_title() for figure in figures)
    assert 80 < ends[1] < 90
    (falls,), (diverges,) = notes[1], notes[4]
    assert re.fullmatch(r"[\d.]+ → [\d.e-]+ after 80 steps", falls)
    assert re.fullmatch(r"diverged at step \d+", diverges)


@pytest.mark.parametrize(
    ("scale", "values", "expected"),
    [
        ("log", (1e-4, 1.0), {"10⁻⁴", "10⁻²", "10⁰"}),
        ("log", (0.21, 0.52), {"3×10⁻¹", "4×10⁻¹"}),
        ("symlog", (-1e5, 1e5), {"−10⁴", "0", "10⁴"}),
    ],
)
def test_numbers_of_a_logarithmic_axis_are_letters(scale: str, values: tuple[float, float], expected: set[str]) -> None:
    figure, (axes,) = plots.figure_of(7, 4.2, 1)
    axes.plot(values)
    plots.logarithmic(axes, scale)
    figure.draw_without_rendering()
    found = {text.get_text() for which in ("major", "minor") for text in axes.yaxis.get_ticklabels(which=which)}
    assert expected <= found
    assert not [text for text in found if set(text) & set("$\\{-")]


def test_powers_are_raised_and_signs_are_minus_signs() -> None:
    found = [powers.Powers()(value) for value in (1e62, 1e-30, -1e300, 2e-30, -3e12, 0.0)]
    assert found == ["10⁶²", "10⁻³⁰", "−10³⁰⁰", "2×10⁻³⁰", "−3×10¹²", "0"]


def test_a_picture_of_another_rate_leaves_no_trace() -> None:
    """All rates are drawn in one figure."""
    rates = (1000.0, 0.1, 1e-300)
    spec = override(load("simple-mlp"), steps=80)
    together = dict(plots.drawn(override(spec, rates=rates), "x"))
    for rate in rates:
        name = f"x-error-{rate!r}.png"
        assert together[name] == dict(plots.drawn(override(spec, rates=(rate,)), "x"))[name], rate


def test_diverged() -> None:
    assert diverged([1.0, 2.0]) is None
    assert diverged([1.0, float("inf"), float("nan")]) == 1
