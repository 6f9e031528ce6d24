"""Weights and gradients by step at one rate: lines, or of many a map of shades."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xlbackprop.sheet.styles import LINE_COLOURS
from xlbackprop.show.plots import DASHES, by_step, drawable, error_plotted, figure_of, gradient_plotted, logarithmic
from xlbackprop.spec import Spec
from xlbackprop.spec.names import gradient_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Series = Mapping[str, Sequence[float]]  # by name, then by step

LINES = 40  # of more nobody tells the lines apart
LEGEND = 14  # names in a column
BLOWN_UP = 100  # times the largest start: from there on the axis becomes logarithmic
SMALLEST = 1e-12  # of the largest at the start: a smaller one is not worth a decade


def weights(spec: Spec, numbers: Mapping[str, Any], rate: int) -> Figure:
    """All parameters, fixed ones too."""
    series = {name: drawable(by_step(spec, numbers, name, rate)) for name, _, _ in spec.parameters()}
    title = f"{spec.title}: weights at η = {spec.rates[rate]:g}"
    if len(series) > LINES:
        moved = {name: [w - values[0] for w in values] for name, values in series.items()}
        return _shades(moved, title, "weight − start")
    figure, (axes,) = figure_of(8.5, 4.6, 1, right=_legend_width(series))
    _lines(axes, series, "weight")
    _legend(figure, axes, series, title)
    return figure


def gradients(spec: Spec, numbers: Mapping[str, Any], rate: int) -> Figure:
    """Of what is trained, as they are and by their size: those of early layers are often far smaller."""
    series = {
        gradient_name(name): drawable(by_step(spec, numbers, gradient_plotted(spec, name), rate))
        for name in spec.trained
    }
    title = f"{spec.title}: gradients at η = {spec.rates[rate]:g}"
    label = f"gradient of {error_plotted(spec)}"
    if len(series) > LINES:
        return _shades(series, title, label)
    figure, (linear, log) = figure_of(11, 4.6, 2, right=_legend_width(series))
    _lines(linear, series, label)
    sizes = {name: [abs(value) or math.nan for value in values] for name, values in series.items()}
    _lines(log, sizes, "its size, logarithmic")
    if found := _finite(sizes):
        logarithmic(log)
        log.set_ylim(bottom=max(min(found), min(max(found), _start(series)) * SMALLEST) / 1.5)
    _legend(figure, log, series, title)
    return figure


def _lines(axes: Any, series: Series, label: str) -> None:
    for k, (name, values) in enumerate(series.items()):
        axes.plot(values, label=name, color=LINE_COLOURS[k % 8], linestyle=DASHES[k // 8 % 4], linewidth=1.8)
    axes.set_xlabel("step (updates of the weights)")
    axes.set_ylabel(label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if max(map(abs, _finite(series)), default=0.0) > BLOWN_UP * _start(series):
        logarithmic(axes, "symlog", linthresh=_start(series))


def _shades(series: Series, title: str, label: str) -> Figure:
    figure, (axes,) = figure_of(8.5, 5.6, 1)
    most = max(map(abs, _finite(series)), default=0.0) or 1.0
    # Cividis keeps its order in grey and for the colour-blind.
    image = axes.imshow(
        list(series.values()), cmap="cividis", vmin=-most, vmax=most, aspect="auto", interpolation="nearest"
    )
    names = list(series)
    shown = range(0, len(names), -(-len(names) // 24))
    axes.set_yticks(shown, [names[k] for k in shown], parse_math=False, fontsize=8)
    axes.set_xlabel("step (updates of the weights)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=False)
    figure.colorbar(image, label=label, pad=0.02)
    figure.suptitle(title, y=0.985)
    return figure


def _start(series: Series) -> float:
    """The largest size at the start; 1 where all are 0."""
    return max((abs(values[0]) for values in series.values() if not math.isnan(values[0])), default=0.0) or 1.0


def _legend_width(series: Series) -> float:
    return 0.35 + 1.05 * _columns(series)


def _columns(series: Series) -> int:
    return 1 + (len(series) - 1) // LEGEND


def _legend(figure: Figure, axes: Any, series: Series, title: str) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=_columns(series))
    figure.suptitle(title, y=0.985)


def _finite(series: Series) -> list[float]:
    return [value for values in series.values() for value in values if not math.isnan(value)]
