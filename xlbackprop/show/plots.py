"""The error graphs and, on request, weights and gradients by step, as PNG files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xlbackprop.sheet.styles import LINE_COLOURS
from xlbackprop.show.observations import diverged
from xlbackprop.spec import Spec
from xlbackprop.spec.names import batch_error, batch_gradient, gradient_name, total_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":", "-.")
Series = Sequence[float]


def drawn(
    spec: Spec,
    stem: str,
    *,
    details: bool = False,
    surface: bool | Sequence[str] = False,
    animate: bool = False,
) -> Iterator[tuple[str, bytes]]:
    """The pictures, each with the name of its file.

    One of all rates, linear and logarithmic, and one for each rate; with `details` also weights
    and gradients by step for each rate; with `surface` the error over two trained weights, those
    named or the two that move the most, with the path of each rate; with `animate` the first steps
    as a page and a GIF. A network that trains nothing has no weights to draw. The numbers are the
    reference's, so that the same network gives the same bytes. Raises NetworkError where the weights
    of a surface are not two trained ones.
    """
    from xlbackprop.reference.run import train
    from xlbackprop.show.details import gradients, weights

    numbers = train(spec).values
    errors = numbers[error_plotted(spec)].tolist()
    scene = None
    if surface or animate:
        from xlbackprop.show import steps
        from xlbackprop.show import surface as surfaces

        scene = surfaces.scene(spec, numbers, () if isinstance(surface, bool) else surface)
    yield f"{stem}-error.png", png(_all_rates(spec, errors))
    for k, (rate, picture) in enumerate(zip(spec.rates, _each_rate(spec, errors))):
        yield f"{stem}-error-{rate!r}.png", picture
        if details:
            yield f"{stem}-weights-{rate!r}.png", png(weights(spec, numbers, k))
            yield f"{stem}-gradients-{rate!r}.png", png(gradients(spec, numbers, k))
    if scene and surface:
        yield f"{stem}-surface.png", png(surfaces.surface(scene))
    if scene and animate:
        first = steps.first_steps(scene, numbers)
        yield f"{stem}-steps.png", png(steps.page(first))
        yield f"{stem}-steps.gif", steps.animation(first, scene)


def by_step(spec: Spec, numbers: Mapping[str, Any], name: str, rate: int) -> list[float]:
    """A quantity at every step: of what each row has, that of the batch's first row."""
    series: list[float] = numbers[name][rate].tolist()
    if len(series) == spec.updates + 1:
        return series
    return [series[start] for start, _ in spec.batches]


def gradient_plotted(spec: Spec, parameter: str) -> str:
    """The gradient, or that of the batch where batches have several samples."""
    return (batch_gradient if spec.batches.several else gradient_name)(parameter)


def error_plotted(spec: Spec) -> str:
    """The total error, or that of the batch where batches have several samples."""
    return batch_error() if spec.batches.several else total_error()


def _all_rates(spec: Spec, errors: Sequence[Series]) -> Figure:
    figure, (linear, log) = figure_of(11, 4.6, 2, right=1.75 if any(map(_blows_up, errors)) else 1.15)
    for k, (rate, series) in enumerate(zip(spec.rates, errors)):
        step = diverged(series)
        label = f"η = {rate:g}" + ("" if step is None else f" (diverged at step {step})")
        for axes in (linear, log):
            axes.plot(
                drawable(series), label=label, color=LINE_COLOURS[k % 8], linestyle=DASHES[k // 8 % 4], linewidth=2
            )
    _error_axes(linear, errors, error_plotted(spec), log=False)
    _error_axes(log, errors, error_plotted(spec), log=True)
    linear.set_title("linear")
    log.set_title("logarithmic")
    log.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.suptitle(f"{spec.title}: error by step at each learning rate", y=0.985)
    return figure


def _each_rate(spec: Spec, errors: Sequence[Series]) -> Iterator[bytes]:
    """A picture for each rate, all of one figure: to make its ticks takes as long as to draw it."""
    figure, (axes,) = figure_of(7, 4.2, 1)
    (line,) = axes.plot([], color=LINE_COLOURS[0], linewidth=2)
    told = axes.annotate("", (0.97, 0.95), xycoords="axes fraction", ha="right", va="top")
    for rate, series in zip(spec.rates, errors):
        line.set_data(range(len(series)), drawable(series))
        axes.relim()
        axes.autoscale_view()
        _error_axes(axes, [series], error_plotted(spec), log=False)
        axes.set_title(f"{spec.title}: η = {rate:g}")
        if (step := diverged(series)) is not None:
            told.set(text=f"diverged at step {step}", color="#D55E00")
        else:
            told.set(text=f"{series[0]:.6g} → {series[-1]:.6g} after {spec.updates} steps", color="black")
        yield png(figure)


def _blows_up(series: Series) -> bool:
    return diverged(series) is not None


def figure_of(
    width: float, height: float, panels: int, *, rows: int = 1, right: float = 0.25
) -> tuple[Figure, Sequence[Any]]:
    """A figure of that size with its panels side by side, in rows; `right` inches stay free for a legend."""
    # The classes themselves, not pyplot: half the import time, and no window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120)
    FigureCanvasAgg(figure)
    panel = figure.subplots(rows, panels // rows, squeeze=False).ravel().tolist()
    top = 0.75 if panels > 1 else 0.45  # several panels have a title above their own
    # Margins in inches. The layouts that find them draw everything twice.
    figure.subplots_adjust(0.85 / width, 0.6 / height, 1 - right / width, 1 - top / height, wspace=0.28)
    for axes in panel:
        axes.grid(color="#DDDDDD", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panel


def _error_axes(axes: Any, errors: Sequence[Series], label: str, *, log: bool) -> None:
    axes.set_xlabel("step (updates of the weights)")
    axes.set_ylabel(label)
    finite = [error for series in errors for error in drawable(series) if math.isfinite(error)]
    if log and any(error > 0 for error in finite):
        logarithmic(axes)
    elif finite:
        # A run that blows up would flatten the others; the starting error sets the scale then.
        top = max(finite)
        start = max(series[0] for series in errors)
        axes.set_ylim(0, min(top, 4 * start) * 1.05 or 1)


def logarithmic(axes: Any, scale: str = "log", **options: float) -> None:
    """Give the vertical axis that scale; "symlog" is linear around 0."""
    from xlbackprop.show.powers import Powers

    axes.set_yscale(scale, **options)
    axes.yaxis.set_major_formatter(Powers())
    if scale == "log":  # where no power of ten is in sight, ticks between them have numbers
        axes.yaxis.set_minor_formatter(Powers())


def drawable(series: Series) -> list[float]:
    """The values that axes can show; of a run that blows up those before 1e100."""
    return [value if abs(value) < 1e100 else math.nan for value in series]


def png(figure: Figure) -> bytes:
    """The picture as a PNG file has it: the same bytes for the same figure."""
    from matplotlib import __version__

    as_written(figure)
    written = io.BytesIO()
    # No date. Releases of matplotlib place text differently.
    figure.savefig(written, format="png", metadata={"Software": f"matplotlib {__version__}"})
    return written.getvalue()


def svg(figure: Figure) -> bytes:
    """The same as SVG. Letters are outlines: no other font has the widths for which the picture was laid out."""
    from matplotlib import rc_context

    as_written(figure)
    written = io.BytesIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "xlbackprop"}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def as_written(figure: Figure) -> None:
    """No text of ours is TeX: a `$` in a title or a name is a dollar."""
    for axes in figure.axes:
        legend = axes.get_legend()
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *(legend.get_texts() if legend else ())]
        for text in texts:
            text.set_parse_math(False)
    for text in figure.texts:
        text.set_parse_math(False)
