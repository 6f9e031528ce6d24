"""The surface is the network's error, the paths are the training's, and the pictures say what they leave out."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from xlbackprop import kinds
from xlbackprop.cli import main
from xlbackprop.errors import NetworkError
from xlbackprop.networks import load, load_any
from xlbackprop.reference.run import train
from xlbackprop.reference.surface import error_at, grid, path
from xlbackprop.show import details, plots, steps, surface
from xlbackprop.spec import Spec, override
from xlbackprop.spec.names import total_error

SMALL = ("era-s6", "xor", "mazur-shared", "batchnorm", "dropout", "softmax-nll", "micrograd-neuron", "tiny-cnn")


def _whole(spec: Spec) -> Spec:
    """One step in which all samples make a batch."""
    return override(spec, steps=1, batch="full", shuffle=None)


@pytest.mark.parametrize("name", SMALL)
def test_the_surface_is_the_error_of_single_trainings_that_start_there(name: str) -> None:
    spec = load(name)
    x, y = spec.trained[0], spec.trained[-1]
    sides, error = grid(spec, {x: (-0.4, 0.7), y: (-0.2, 0.9)})
    for i, j in ((0, 0), (3, 5), (len(sides[0]) - 1, 1)):
        start = {key: value for key, (value, _, _) in spec.initial.items()} | {x: sides[0][i], y: sides[1][j]}
        moved = spec.with_parameters({key: float(value) for key, value in start.items()})
        if spec.drawn:  # the masks of a whole batch are others than those of visits one by one
            moved = override(moved, steps=len(spec.samples))
            each = [
                train(override(moved, rates=(1e-300,))).values[total_error()][0, k] for k in range(len(spec.samples))
            ]
        else:
            each = train(_whole(moved)).values[total_error()][0, : len(spec.samples)]
        expected = np.mean(each) if spec.reduction == "mean" else np.sum(each)
        assert error[j, i] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["era-s6", "half-moons", "three-hidden", "adam-vs-sgd", "mazur-sequential"])
def test_the_points_of_a_path_are_the_weights_of_the_training(name: str) -> None:
    spec = load(name)
    numbers = train(spec).values
    one = surface.scene(spec, numbers)
    assert one is not None
    assert len(one.went) == 2
    for quantity, went in one.went.items():
        for rate, series in enumerate(went):
            assert len(series) == spec.updates + 1
            rows = [numbers[quantity][rate][start] for start, _ in spec.batches]
            assert series == rows
    went, errors = path(spec, numbers)
    assert errors[:, 0] == pytest.approx(error_at(spec, {name: went[name][:1, 0] for name in went})[0])
    if len(spec.samples) == 1:
        assert errors == pytest.approx(numbers[total_error()], rel=1e-12)


def test_the_two_that_move_the_most() -> None:
    spec = load("era-s6")
    numbers = train(spec).values
    one = surface.scene(spec, numbers)
    assert one is not None
    moved = {name: np.abs(numbers[name] - numbers[name][:, :1]).max(axis=1).sum() for name in spec.trained}
    assert set(one.window) == set(sorted(moved, key=moved.__getitem__)[-2:])
    assert list(one.window) == [name for name in spec.trained if name in one.window]
    for name, (low, high) in one.window.items():
        assert low < numbers[name].min() < numbers[name].max() < high


def test_a_path_that_runs_away_leaves_the_window_and_says_when() -> None:
    spec = override(load("simple-mlp"), rates=(0.1, 1000.0), steps=80)
    numbers = train(spec).values
    one = surface.scene(spec, numbers)
    assert one is not None
    assert all(math.isfinite(edge) and abs(edge) < 100 for sides in one.window.values() for edge in sides)
    figure = surface.surface(one)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    step = int(labels[1].removeprefix("η = 1000\nleaves at step "))
    inside = [
        all(low <= numbers[name][1][k] <= high for name, (low, high) in one.window.items()) for k in range(step + 1)
    ]
    assert inside == [True] * step + [False]
    assert (labels[0], labels[2:]) == ("η = 0.1", ["start"])


def test_a_path_far_longer_than_the_others_does_not_flatten_them() -> None:
    """Its error stays small, so only its length tells."""
    spec = override(load("nielsen-neuron"), rates=(0.1, 0.15, 1e4), steps=10)
    one = surface.scene(spec, train(spec).values)
    assert one is not None
    for name, (low, high) in one.window.items():
        reach = [max(abs(w - series[0]) for w in series) for series in one.went[name]]
        assert reach[2] > 20 * (high - low) > 20 * reach[1]


def test_a_window_ends_where_the_error_is_far_above_the_start() -> None:
    spec = override(load("graddesc"), rates=(0.001,), steps=60)
    numbers = train(spec).values
    _, errors = path(spec, numbers)
    one = surface.scene(spec, numbers)
    assert one is not None
    count = surface.sane(errors[0].tolist())
    assert errors[0][count] > 10 * errors[0][0] >= errors[0][:count].max()
    low, high = one.window["a"]
    shown = numbers["a"][0][:count]
    assert high - low == pytest.approx((1 + 2 * surface.MARGIN) * (shown.max() - shown.min()))


@pytest.mark.parametrize("rate", [1e-300, 1e-14])
def test_all_that_a_window_shows_may_be_flat_or_stand_still(rate: float) -> None:
    spec = override(load("era-s6"), rates=(rate,), steps=2)
    one = surface.scene(spec, train(spec).values)
    assert one is not None
    assert all(high > low for low, high in one.window.values())
    surface.surface(one)
    assert surface.levels([0.0, 1.0, 2.0])
    assert surface.levels([1.0, 1.0 + 1e-15])


@pytest.mark.parametrize(
    ("errors", "some"), [([1e-4, 1.0], {0.001, 0.002, 0.005}), ([0.0, 1.0], {0.5}), ([-2.0, 1.0], {-1.0, 0.0})]
)
def test_levels_are_round_and_between(errors: list[float], some: set[float]) -> None:
    found = surface.levels(errors)
    assert some <= set(found)
    assert all(min(errors) < level < max(errors) for level in found)
    assert found == sorted(found)


@pytest.mark.parametrize("weights", [["w5"], ["w5", "w5"], ["w5", "w99"], ["w5", "w6", "w7"], ["b1", "w5"]])
def test_other_weights_than_two_trained_ones_are_refused(weights: list[str]) -> None:
    spec = load("era-s6")
    with pytest.raises(NetworkError, match=r"^surface: .* is not two trained weights; give two of w1, w2"):
        surface.scene(spec, {}, weights)


def test_one_trained_weight_has_a_curve_and_none_no_picture(tmp_path: Path) -> None:
    spec = load("softmax-side-by-side")
    one = surface.scene(spec, train(spec).values)
    assert one is not None
    figure = surface.surface(one)
    assert figure.axes[0].get_ylabel() == "E_total, mean of all 2 samples"
    (lowest,) = (line for line in figure.axes[0].lines if line.get_linestyle() == "-" and line.get_color() == "#888888")
    x, y = lowest.get_data()
    assert y[7] == pytest.approx(error_at(spec, {"b": np.array([x[7]])})[0])

    fixed = tmp_path / "fixed.toml"
    fixed.write_text(
        'steps = 3\nrates = [0.1]\n[[layers]]\nkind = "activation"\nactivation = "sigmoid"\n'
        "[[samples]]\ninputs = [0.5]\ntargets = [0.2]\n"
    )
    ran = CliRunner().invoke(main, ["plot", str(fixed), "--surface", "--animate", "-o", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert ran.output.splitlines()[0].endswith("trains no weight: there is no surface and no step to draw")
    assert not list(tmp_path.glob("*surface*")) + list(tmp_path.glob("*steps*"))


def test_the_commands_pictures_are_the_same_each_time(tmp_path: Path) -> None:
    made = []
    for folder in ("a", "b"):
        arguments = ["plot", "xor", "--steps", "6", "--animate", "--surface", "w5,w6", "-o", str(tmp_path / folder)]
        ran = CliRunner().invoke(main, arguments)
        assert ran.exit_code == 0, ran.output
        made.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) >= {"xor-surface.png", "xor-steps.png", "xor-steps.gif"}
    assert all(len(data) < 1e6 for data in made[0].values())
    assert made[0]["xor-steps.gif"].startswith(b"GIF89a")
    assert b"NETSCAPE2.0" in made[0]["xor-steps.gif"]  # it goes round


def test_wrong_weights_on_the_command_line_are_one_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["plot", "era-s6", "--surface", "w5,nope", "-o", str(tmp_path)])
    assert ran.exit_code == 2
    assert ran.output.strip().startswith("Error: surface: w5,nope is not two trained weights")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["era-s6", "half-moons", "graddesc", "nielsen-neuron"])
def test_the_first_steps_are_those_of_the_training(name: str) -> None:
    spec = load(name)
    numbers = train(spec).values
    scene = surface.scene(spec, numbers)
    assert scene is not None
    one = steps.first_steps(scene, numbers)
    assert spec.rates[one.rate] == sorted(spec.rates)[(len(spec.rates) - 1) // 2]
    assert one.weights[0] == [spec.initial[name][0] for name in spec.trained]
    rate = spec.rates[one.rate]
    for before, gradient, after in zip(one.weights, one.gradients, one.weights[1:]):
        assert after == pytest.approx([w - rate * g for w, g in zip(before, gradient)], rel=1e-12)
    titles = [axes.get_title() for axes in steps.page(one).axes]
    error = plots.error_plotted(spec)
    assert titles[0] == f"step 0: {error} = {numbers[error][one.rate][0]:.4g}"


def test_the_first_steps_of_a_run_that_blows_up_end_before_and_say_so() -> None:
    spec = override(load("simple-mlp"), rates=(1000.0,), steps=20)
    numbers = train(spec).values
    scene = surface.scene(spec, numbers)
    assert scene is not None
    one = steps.first_steps(scene, numbers)
    assert one.blown_up == len(one.errors) == 1
    assert steps.page(one).texts[-1].get_text().endswith("From step 1 on the error is far above the start.")


HOSTILE = r"$\frac$ <b> \alpha $x^$"


def test_dollars_and_backslashes_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = override(load("era-s6"), steps=2, rates=(0.5,), title=HOSTILE)
    figures: list[Any] = []
    png = plots.png
    monkeypatch.setattr(plots, "png", lambda figure: (figures.append(figure), png(figure))[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(plots.drawn(spec, "x", details=True, surface=True, animate=True))
    assert len(figures) == 6
    for figure in figures:
        titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
        assert any(HOSTILE in title for title in titles)


def test_weights_and_gradients_of_many_and_of_what_blows_up() -> None:
    spec = load("half-moons")
    numbers = train(spec).values
    for figure, label in (
        (details.weights(spec, numbers, 1), "weight − start"),
        (details.gradients(spec, numbers, 1), "gradient of E_batch"),
    ):
        shades, bar = figure.axes
        assert bar.get_ylabel() == label
        assert shades.images[0].get_array().shape == (len(spec.trained), spec.updates + 1)
    spec = override(load("graddesc"), rates=(0.001,), steps=60)
    figure = details.gradients(spec, train(spec).values, 0)
    assert [axes.get_yscale() for axes in figure.axes] == ["symlog", "log"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["gradient of E_total", "its size, logarithmic"]


def test_other_kinds_have_no_surface(tmp_path: Path) -> None:
    assert kinds.plot(load_any("vgg16"), tmp_path, "vgg16", surface=True, animate=True) == []
