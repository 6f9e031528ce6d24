"""The error over two of the weights, and the paths that the training took there at each rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlbackprop.errors import NetworkError
from xlbackprop.sheet.styles import LINE_COLOURS
from xlbackprop.show.plots import DASHES, drawable, figure_of
from xlbackprop.spec import Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = Mapping[str, Any]  # quantities of the training, arrays (n_rates, visits)

MARKERS = "os^Dv*PX"
HIGH = 9  # times the start: an error above it by so much is no longer worth a place in the window
FAR = 12  # times: a path that goes so much further than the next shorter one leaves the window
MARGIN = 0.15  # of the window, beyond what it must show
STILL = 1e-9  # relative: what moves by less is shown as if it did not
WIDE = 30  # from this ratio of the largest to the smallest error on, the contours are logarithmic


@dataclass(frozen=True)
class Scene:
    """Where the training went, seen over one or two weights; lists are by rate, then by step."""

    spec: Spec
    went: Mapping[str, Sequence[Sequence[float]]]  # of each of the weights
    errors: Sequence[Sequence[float]]  # of all samples
    window: Mapping[str, tuple[float, float]]


def scene(spec: Spec, numbers: Numbers, weights: Sequence[str] = ()) -> Scene | None:
    """The scene over these weights, or the two that move the most; None of a network that trains nothing.

    Raises NetworkError where `weights` are not two that are trained.
    """
    from xlbackprop.reference.surface import path

    if weights and (len(set(weights)) != 2 or not set(weights) <= set(spec.trained)):
        known = ", ".join(spec.trained[:12]) + (", ..." if len(spec.trained) > 12 else "")
        raise NetworkError(f"surface: {','.join(weights)} is not two trained weights; give two of {known or 'none'}")
    if not spec.trained:
        return None
    arrays, error = path(spec, numbers)
    errors = error.tolist()
    went = {name: arrays[name].tolist() for name in spec.trained}
    counts = [sane(series) for series in errors]
    moved = {
        name: [max(abs(w - series[0]) for w in series[:count]) for series, count in zip(went[name], counts)]
        for name in spec.trained
    }
    most = sorted(spec.trained, key=lambda name: -sum(moved[name]))[:2]
    names = tuple(weights) or tuple(name for name in spec.trained if name in most)
    near = _near([max(moved[name][k] for name in names) for k in range(len(spec.rates))])
    window = {name: _window([went[name][k][: counts[k]] for k in near]) for name in names}
    return Scene(spec, {name: went[name] for name in names}, errors, window)


def surface(one: Scene) -> Figure:
    """The picture: contours of the error, or its curve over a single weight, and every rate's path."""
    figure, (axes,) = figure_of(8.5, 6.4, 1, right=2.1)
    figure.subplots_adjust(bottom=0.16, top=0.88)
    ground(axes, one)
    reach = [_reach(one, k) for k in range(len(one.spec.rates))]
    order = sorted(range(len(reach)), key=lambda k: -reach[k])  # paths often lie on each other: the longest lowest
    for depth, k in enumerate(order):
        _path(axes, one, k, width=1.4 + 1.4 * (len(order) - 1 - depth) / max(1, len(order) - 1))
    start = [series[0][0] for series in points(one)]
    axes.plot(*([value] for value in start), "ko", markersize=9, markeredgecolor="white", zorder=9, label="start")
    handles, labels = axes.get_legend_handles_labels()
    turned = sorted(range(len(labels)), key=lambda k: [*order, len(order)][k])
    axes.legend(
        [handles[k] for k in turned], [labels[k] for k in turned],
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False,
    )  # fmt: skip
    axes.set_title(f"the error over {' and '.join(one.window)}", fontsize=11)
    figure.suptitle(one.spec.title, y=0.975)
    figure.text(0.012, 0.012, note(one), fontsize=9, color="#444444", va="bottom")
    return figure


def note(one: Scene) -> str:
    """What the contours are of, and what the picture does not show."""
    others = len(one.spec.trained) - len(one.window)
    lines = [f"Contours: {_whose_error(one.spec)}."] if len(one.window) > 1 else []
    if others:
        lines.append(
            f"The surface holds {'the other trained weight' if others == 1 else f'the {others} other trained weights'} "
            "at the start; on the paths they move too."
        )
    if one.spec.drawn:
        lines.append("Dropout's masks are those of each sample's first visit.")
    return "\n".join(lines)


def ground(axes: Any, one: Scene) -> None:
    """What lies under the paths, with the axes named."""
    from xlbackprop.reference.surface import grid

    sides, error = grid(one.spec, one.window)
    names = list(one.window)
    axes.set_xlabel(names[0])
    axes.set_xlim(*one.window[names[0]])
    if len(names) == 1:
        axes.plot(sides[0], error, color="#888888", linewidth=1.5)
        axes.set_ylabel(_whose_error(one.spec))
        finite = [e for e in error.ravel().tolist() if math.isfinite(e)]
        if finite:
            room = 0.08 * (max(finite) - min(finite)) or 0.5
            axes.set_ylim(min(finite) - room, max(finite) + room)
        return
    axes.set_ylabel(names[1])
    axes.set_ylim(*one.window[names[1]])
    finite = [e for e in error.ravel().tolist() if math.isfinite(e)]
    if finite and min(finite) < max(finite):
        _contours(axes, sides, error, levels(finite))


def _contours(axes: Any, sides: Sequence[Any], error: Any, at: Sequence[float]) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    # Cividis: even steps of lightness, the same to the colour-blind and in grey. Paler, so that paths stand out.
    shades = [colormaps["cividis"](k / max(1, len(at))) for k in range(len(at) + 1)]
    pale = ListedColormap([tuple(0.45 * part + 0.55 for part in shade[:3]) for shade in shades])
    norm = BoundaryNorm(at, pale.N, extend="both")
    axes.contourf(*sides, error, levels=at, cmap=pale, norm=norm, extend="both")
    lines = axes.contour(*sides, error, levels=at, colors="#666666", linewidths=0.6)
    axes.clabel(lines, fmt="%g", fontsize=8, inline_spacing=2)


def levels(errors: Sequence[float]) -> list[float]:
    """Round numbers between the smallest and the largest error: 1, 2, 5, 10 ... where they are far apart."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(errors), max(errors)
    if low > 0 and high / low > WIDE:
        # The floor of a narrow valley falls between the points of the grid.
        low = max(sorted(errors)[len(errors) // 25], high * 1e-8)
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        parts = (1, 2, 5) if last - first <= 5 else (1,)
        found = [part * 10.0**power for power in range(first, last + 1) for part in parts]
    else:
        found = [float(level) for level in MaxNLocator(12).tick_values(low, high)]
    inside = [level for level in found if low < level < high]
    return inside if len(inside) > 1 else [low + (high - low) * k / 4 for k in (1, 2, 3)]


def points(one: Scene) -> Sequence[Sequence[Sequence[float]]]:
    """The two coordinates of the paths: both weights, or the weight and its error."""
    series = list(one.went.values())
    return series if len(series) == 2 else [*series, one.errors]


def _path(axes: Any, one: Scene, k: int, width: float) -> None:
    from matplotlib.patheffects import Normal, Stroke

    steps = range(len(one.errors[k]))
    gone = next((step for step in steps if not _inside(one, k, step)), None)
    back = _inside(one, k, steps[-1])
    label = f"η = {one.spec.rates[k]:g}"
    if gone is not None:
        label += f"\nleaves at step {gone}" + "\nand comes back" * back
    last = steps[-1] if back or gone is None else gone - 1
    x, y = (drawable(series[k][: last + 2]) for series in points(one))
    colour, marker = LINE_COLOURS[k % 8], MARKERS[k % 8]
    outline = [Stroke(linewidth=width + 1.6, foreground="white"), Normal()]
    axes.plot(x, y, color=colour, linestyle=DASHES[k // 8 % 4], linewidth=width, path_effects=outline)
    axes.plot(
        x[last : last + 1], y[last : last + 1], marker, label=label, color=colour, markersize=8,
        markeredgecolor="white", linestyle="", zorder=5,
    )  # fmt: skip


def _inside(one: Scene, k: int, step: int) -> bool:
    return all(low <= one.went[name][k][step] <= high for name, (low, high) in one.window.items())


def _reach(one: Scene, k: int) -> float:
    """How far a path goes from the start; infinite where it ends in no number."""
    return max(
        max((abs(w - series[k][0]) for w in series[k]), key=lambda away: (math.isnan(away), away))
        for series in one.went.values()
    )


def sane(errors: Sequence[float]) -> int:
    """How many points of a path count for the window: those before the error is far above the start."""
    limit = errors[0] + HIGH * abs(errors[0]) if errors[0] else math.inf
    return max(1, next((step for step, error in enumerate(errors) if not error <= limit), len(errors)))


def _near(reach: Sequence[float]) -> list[int]:
    """The rates whose paths the window shows whole, from the shortest path on."""
    order = sorted(range(len(reach)), key=lambda k: reach[k])
    near, before = [], 0.0
    for k in order:
        if before and reach[k] > FAR * before:
            break
        near.append(k)
        before = reach[k]
    return near


def _window(paths: Sequence[Sequence[float]]) -> tuple[float, float]:
    values = [value for series in paths for value in series]
    low, high = min(values), max(values)
    still = high - low <= STILL * max(abs(low), abs(high))
    room = max(1.0, abs(low)) / 2 if still else MARGIN * (high - low)
    return low - room, high + room


def _whose_error(spec: Spec) -> str:
    if len(spec.samples) == 1:
        return "E_total"
    return f"E_total, {'mean' if spec.reduction == 'mean' else 'sum'} of all {len(spec.samples)} samples"
