"""The page that is handed in: mathematics that renders, right numbers, pictures that exist, text that stays text."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from click.testing import CliRunner
from matplotlib.mathtext import MathTextParser

from xlbackprop.cli import main
from xlbackprop.errors import EngineError, OutputError
from xlbackprop.networks import load, template_names
from xlbackprop.reference.run import train
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.workbook import shown_values
from xlbackprop.show import markdown, screenshots
from xlbackprop.show.derivation import derivation
from xlbackprop.show.readme import MARKER, chosen_steps, readme, readme_of
from xlbackprop.spec import Spec, gradient_name, override

SHOWN = ("era-s6", "mazur", "softmax-logistic", "tiny-cnn", "xor")
HOSTILE = "=cmd()|' /C calc'!A1 $x_1$ <script>alert(1)</script> `a` *b* [c](d) ~~e~~ &amp; \\frac | # - "
PARSER = MathTextParser("path")


def _none(*_: object) -> list[object]:
    raise EngineError("LibreOffice is not installed; install it")


@pytest.fixture
def without_libreoffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshots, "screenshots", _none)


def _page(name: str, folder: Path, **changes: object) -> str:
    spec = override(load(name), steps=min(12, load(name).updates))
    spec = msgspec.structs.replace(spec, **changes)
    return readme_of(spec, name, folder, f"xlbackprop readme {name}", "embedded", print).path.read_text(
        encoding="utf-8"
    )


def _targets(page: str) -> list[str]:
    return [unquote(link) for link in re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", page, flags=re.DOTALL))]


def _rows(page: str) -> list[str]:
    """Every side of every equation."""
    blocks = re.findall(r"```math\n\\begin\{aligned\}\n(.*?)\n\\end\{aligned\}\n```", page, re.DOTALL)
    rows = [row for block in blocks for row in block.split(r" \\[6pt]" + "\n")]
    return [side for row in rows for side in row.split("&=") if side.strip()]


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.usefixtures("without_libreoffice")
def test_pages(name: str, tmp_path: Path) -> None:
    page = _page(name, tmp_path)
    assert page.startswith(MARKER)
    targets = _targets(page)
    assert {f"{name}.xlsx", f"{name}-error.png", f"{name}-network.png", f"{name}-network-backward.png"} <= set(targets)
    for target in targets:
        assert (tmp_path / target).stat().st_size > 1000, target
    rows = _rows(page)
    assert len(rows) > 15
    for row in rows:
        PARSER.parse(f"${row.strip()}$")
    assert "```math" in page and page.count("```") % 2 == 0
    spec = load(name)
    for rate in spec.rates:
        assert sum(line.startswith(f"- η = {rate:g}:") for line in page.splitlines()) == 1


@pytest.mark.libreoffice
@pytest.mark.parametrize("name", ["era-s6", "xor"])
def test_pages_with_pictures_of_the_sheets(name: str, tmp_path: Path) -> None:
    page = _page(name, tmp_path)
    targets = _targets(page)
    assert f"{name}-overview.png" in targets
    assert {f"{name}-forward.png", f"{name}-backward.png", f"{name}-compare.png"} <= set(targets)
    assert all((tmp_path / target).stat().st_size > 1000 for target in targets)


@pytest.mark.parametrize("name", template_names())
def test_the_derivation_tells_every_kind_of_weight(name: str) -> None:
    """Of each trained tensor a gradient and an update, with the numbers of the reference."""
    spec = load(name)
    values = shown_values(Layout(spec))
    told = derivation(spec, values)
    numbers = train(override(spec, steps=min(1, spec.updates))).values
    sections = (*told.forward, *told.backward, *told.update)
    equations = {one.name: one for section in sections for one in section.equations}
    trained = set(spec.trained)
    for tensor in spec.tensors():
        first = next((weight for weight in tensor.names if weight in trained), None)
        if first is None:
            continue
        expected = numbers[gradient_name(first)][0][0]
        assert equations[gradient_name(first)].value == pytest.approx(expected, rel=1e-9, abs=1e-15)
        assert equations[f"{first}⁺"].rows
    assert all(section.equations and section.left_out >= 0 for section in sections)


def test_a_small_network_is_told_in_full() -> None:
    spec = load("era-s6")
    told = derivation(spec, shown_values(Layout(spec)))
    sections = (*told.forward, *told.backward, *told.update)
    assert all(section.left_out == 0 for section in sections)
    names = {one.name for section in sections for one in section.equations}
    assert {gradient_name(f"w{k}") for k in range(1, 9)} | {f"w{k}⁺" for k in range(1, 9)} <= names
    chains = [section.chain for section in told.backward if section.chain]
    assert [chain.name for chain in chains] == ["∂E/∂w5", "∂E/∂w1"]
    assert chains[1].rows[0].count(r"\frac{\partial a_{o_{1}}}{\partial o_{1}}") == 1  # both paths, each once
    assert chains[1].rows[0].count(r"\frac{\partial a_{o_{2}}}{\partial o_{2}}") == 1


@pytest.mark.usefixtures("without_libreoffice")
def test_text_stays_text(tmp_path: Path) -> None:
    page = _page("era-s6", tmp_path, title=HOSTILE, about=HOSTILE, source=HOSTILE)
    outside = re.sub(r"```math.*?```", "", page, flags=re.DOTALL)
    assert "<script" not in outside and "$" not in outside.replace("&#36;", "")
    heading = page.splitlines()[1]
    shown = unescape(heading.removeprefix("# ")).replace("\\", "")
    assert shown == " ".join(HOSTILE.split()).replace("\\", "")
    assert not re.search(r"(?<!\\)[*\[\]]|`", heading)


@pytest.mark.parametrize(
    "words", [HOSTILE, "- a", "1. a", "# a", "> a", "= a", "+ a", "a_b_c _d_", "https://x.org/a_b-c"]
)
def test_markdown_text(words: str) -> None:
    text = markdown.text(words)
    assert "\n" not in text and "<" not in text and "|" not in text and "$" not in text.replace("&#", "")
    assert unescape(re.sub(r"\\(?=[\\*\[\]_])", "", text)) == " ".join(words.split())


def test_urls_stay_links() -> None:
    assert markdown.text("https://x.org/a_b-c") == "https://x.org/a_b-c"


@pytest.mark.usefixtures("without_libreoffice")
def test_the_page_says_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["readme", "nielsen-neuron", "--steps", "5", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "missing   pictures of the sheets: LibreOffice is not installed" in result.output
    assert "pictures of the sheets are missing" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert all(len(line) <= 80 for line in result.output.splitlines() if str(tmp_path) not in line)


@pytest.mark.usefixtures("without_libreoffice")
def test_another_readme_survives(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(OutputError, match="was not written by this command"):
        _page("era-s6", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]  # nothing half-written beside it
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# Mine\n"


@pytest.mark.usefixtures("without_libreoffice")
def test_the_same_page_twice(tmp_path: Path) -> None:
    pages = [_page("mazur", tmp_path / folder) for folder in "ab"]
    assert pages[0] == pages[1]
    assert _page("mazur", tmp_path / "a") == pages[0]  # over its own


def test_what_trains_nothing_has_no_derivation(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["readme", "vgg16", "-o", str(tmp_path)])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "trains nothing" in result.output


@pytest.mark.parametrize(
    ("last", "steps"),
    [
        (0, [0]),
        (1, [0, 1]),
        (5, [0, 1, 5]),
        (68, [0, 1, 10, 50, 68]),
        (100, [0, 1, 10, 50, 100]),
        (1000, [0, 1, 10, 50, 100, 500, 1000]),
    ],
)
def test_chosen_steps(last: int, steps: list[int]) -> None:
    assert chosen_steps(last) == steps


@pytest.mark.usefixtures("without_libreoffice")
def test_a_network_of_ones_own_with_an_odd_file_name(tmp_path: Path) -> None:
    file, folder = tmp_path / "my (first) net #1.toml", tmp_path / "out"
    assert CliRunner().invoke(main, ["templates", "mazur", "--copy", str(file)]).exit_code == 0
    result = CliRunner().invoke(main, ["readme", str(file), "--steps", "3", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    targets = _targets((folder / "README.md").read_text(encoding="utf-8"))
    assert len(targets) > 5
    for target in targets:
        assert (folder / target).exists(), target


def test_a_diverging_rate_has_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshots, "screenshots", _none)
    spec: Spec = override(load("graddesc"), rates=(0.0001, 0.01), steps=300)
    page = readme(spec, folder=tmp_path).path.read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| 0.01 |"))
    assert "no number" in row
