"""The first steps at one rate: every weight with the pull of its gradient, as a page of panels and as an animation."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xlbackprop.sheet.styles import LINE_COLOURS
from xlbackprop.show.plots import as_written, by_step, error_plotted, figure_of, gradient_plotted
from xlbackprop.show.surface import Scene, ground, points, sane
from xlbackprop.spec import Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

PAGE = (0, 1, 2, 3, 5, 10)  # the steps on the page
MOVING = 30  # updates in the animation
FRAMES = 4  # a second
DPI = 80
REST = 6  # frames that the last one stays
COLOURS = 128
WIDE = 12  # bars: of more a panel takes the whole width
BARS = 40  # of more a strip of shades is drawn
PULL = 0.35  # of the weights' range: how long the longest arrow is


@dataclass(frozen=True)
class Steps:
    """What the panels show, at one rate: by step a number for each trained parameter, and the error."""

    spec: Spec
    rate: int
    weights: Sequence[Sequence[float]]
    gradients: Sequence[Sequence[float]]
    errors: Sequence[float]
    blown_up: int | None  # the step from which on they are not shown

    @cached_property
    def steepest(self) -> float:
        """The largest gradient."""
        return max(abs(g) for row in self.gradients for g in row) or 1.0

    @cached_property
    def farthest(self) -> float:
        """The largest change of a weight since the start."""
        return max(abs(w - start) for row in self.weights for w, start in zip(row, self.weights[0])) or 1.0

    @cached_property
    def stretch(self) -> float:
        """How many times as long as −∂E/∂w its arrow is drawn."""
        values = [0.0, *(w for row in self.weights for w in row)]
        return PULL * ((max(values) - min(values)) or 1.0) / self.steepest

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Of all bars and arrows."""
        tips = [w - self.stretch * g for ws, gs in zip(self.weights, self.gradients) for w, g in zip(ws, gs)]
        values = [0.0, *tips, *(w for row in self.weights for w in row)]
        room = 0.05 * (max(values) - min(values)) or 1.0
        return min(values) - room, max(values) + room

    def upto(self, last: int) -> Steps:
        stop = last + 1
        return replace(self, weights=self.weights[:stop], gradients=self.gradients[:stop], errors=self.errors[:stop])


def first_steps(scene: Scene, numbers: Mapping[str, Any]) -> Steps:
    """The steps at the rate in the middle, up to MOVING; of a run that blows up those before."""
    spec = scene.spec
    k = sorted(range(len(spec.rates)), key=lambda k: spec.rates[k])[(len(spec.rates) - 1) // 2]
    steps = range(min(MOVING, spec.updates) + 1)[: sane(scene.errors[k])]
    weights = [by_step(spec, numbers, name, k) for name in spec.trained]
    gradients = [by_step(spec, numbers, gradient_plotted(spec, name), k) for name in spec.trained]
    errors = by_step(spec, numbers, error_plotted(spec), k)
    return Steps(
        spec,
        k,
        [[series[step] for series in weights] for step in steps],
        [[series[step] for series in gradients] for step in steps],
        [errors[step] for step in steps],
        steps.stop if steps.stop <= min(MOVING, spec.updates) else None,
    )


def page(one: Steps) -> Figure:
    """Small multiples of the first steps."""
    one = one.upto(PAGE[-1])
    last = len(one.errors) - 1
    shown = [step for step in PAGE if step < last] + [last]
    count = len(one.spec.trained)
    across = min(3, len(shown)) if count <= WIDE else 1
    rows = -(-len(shown) // across)
    each = 2.5 if count <= WIDE else 1.9 if count <= BARS else 1.0
    figure, panels = figure_of(10, each * rows + 1.3, across * rows, rows=rows)
    figure.subplots_adjust(bottom=0.85 / (each * rows + 1.3), hspace=0.35 if count <= BARS else 0.9, wspace=0.2)
    for k, axes in enumerate(panels):
        if k < len(shown):
            panel(axes, one, shown[k], named=count <= WIDE or k == len(shown) - 1)
        else:
            axes.set_axis_off()
    figure.suptitle(f"{one.spec.title}: the first steps at η = {one.spec.rates[one.rate]:g}", y=0.985)
    figure.text(0.012, 0.1 / figure.get_figheight(), note(one), fontsize=9, color="#444444", va="bottom")
    return figure


def animation(one: Steps, scene: Scene) -> bytes:
    """A GIF that goes round: the path over the surface, and the weights beside it, step by step.

    The same steps give the same bytes.
    """
    figure, (left, right) = figure_of(11, 5, 2)
    figure.subplots_adjust(left=0.07, bottom=0.17, right=0.985, top=0.87, wspace=0.18)
    ground(left, scene)
    x, y = (series[one.rate] for series in points(scene))
    (line,) = left.plot([], [], "o-", color=LINE_COLOURS[3], markersize=4, linewidth=1.5, markeredgecolor="white")
    (now,) = left.plot([], [], "o", color=LINE_COLOURS[3], markersize=9, markeredgecolor="white")
    left.set_title(f"the error over {' and '.join(scene.window)}", fontsize=10)
    figure.suptitle(f"{one.spec.title}: η = {one.spec.rates[one.rate]:g}", y=0.975)
    figure.text(0.012, 0.015, note(one), fontsize=9, color="#444444", va="bottom")
    from PIL.Image import Dither

    frames = []
    for step in range(len(one.errors)):
        line.set_data(x[: step + 1], y[: step + 1])
        now.set_data(x[step : step + 1], y[step : step + 1])
        right.clear()
        panel(right, one, step, named=True)
        as_written(figure)
        frames.append(_frame(figure))
    palette = frames[-1].quantize(COLOURS, method=1)  # by coverage: white stays white
    # One palette for all: what stays is the same in each frame, and takes no room.
    first, *others = [frame.quantize(palette=palette, dither=Dither.NONE) for frame in [*frames, *frames[-1:] * REST]]
    written = io.BytesIO()
    first.save(written, format="GIF", save_all=True, append_images=others, duration=1000 // FRAMES, loop=0)
    return written.getvalue()


def _frame(figure: Figure) -> Image:
    from PIL.Image import frombytes

    pixels = io.BytesIO()
    figure.savefig(pixels, format="rgba", dpi=DPI)
    width, height = figure.get_size_inches() * DPI
    return frombytes("RGBA", (int(width), int(height)), pixels.getvalue()).convert("RGB")


def note(one: Steps) -> str:
    """What the signs mean."""
    text = f"Bar: the weight; black line: its start; arrow: the pull of its gradient, −∂E/∂w × {one.stretch:.2g}."
    if len(one.spec.trained) > BARS:
        text = (
            f"Light is up, dark is down. Full shade: a weight {one.farthest:.2g} from its start, "
            f"a gradient of {one.steepest:.2g}; the pull is −∂E/∂w."
        )
    return text if one.blown_up is None else f"{text} From step {one.blown_up} on the error is far above the start."


def panel(axes: Any, one: Steps, step: int, *, named: bool) -> None:
    """The weights of a step."""
    names = one.spec.trained
    (_strip if len(names) > BARS else _bars)(axes, one, step)
    shown = range(0, len(names), -(-len(names) // BARS)) if named else ()
    turned = {"rotation": 90, "fontsize": 8} if len(names) > WIDE else {}
    axes.set_xticks(shown, [names[k] for k in shown], parse_math=False, **turned)
    axes.set_title(f"step {step}: {error_plotted(one.spec)} = {one.errors[step]:.4g}", fontsize=10)


def _bars(axes: Any, one: Steps, step: int) -> None:
    places = range(len(one.spec.trained))
    weights = one.weights[step]
    tips = [w - one.stretch * g for w, g in zip(weights, one.gradients[step])]
    axes.bar(places, weights, color=LINE_COLOURS[5], width=0.7)
    axes.hlines(one.weights[0], [k - 0.4 for k in places], [k + 0.4 for k in places], color="black", linewidth=1.2)
    axes.vlines(places, weights, tips, color=LINE_COLOURS[3], linewidth=1.8)
    short = 0.03 * (one.limits[1] - one.limits[0])  # no room for a head
    for marker, sign in (("^", 1), ("v", -1)):
        heads = [k for k in places if sign * (tips[k] - weights[k]) > short]
        axes.plot(heads, [tips[k] for k in heads], marker, color=LINE_COLOURS[3], markersize=5, linestyle="")
    axes.axhline(0, color="#888888", linewidth=0.8)
    axes.set_ylim(*one.limits)
    axes.set_xlim(-0.7, len(places) - 0.3)
    axes.grid(visible=False, axis="x")


def _strip(axes: Any, one: Steps, step: int) -> None:
    moved = [(w - start) / one.farthest for w, start in zip(one.weights[step], one.weights[0])]
    pull = [-g / one.steepest for g in one.gradients[step]]
    # Cividis keeps its order in grey and for the colour-blind.
    axes.imshow([moved, pull], cmap="cividis", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    axes.axhline(0.5, color="white", linewidth=2)
    axes.set_yticks([0, 1], ["moved", "pull"])
    axes.grid(visible=False)
