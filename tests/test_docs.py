"""The generated parts of the documents are current, and what the documents link to is there.

After a change that is meant: python tests/test_docs.py writes them anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the benchmarks are

import xlbackprop
from benchmarks.audit import fill
from xlbackprop.audit.mistakes import MISTAKES
from xlbackprop.cli import main
from xlbackprop.graph.listing import tables
from xlbackprop.networks import load
from xlbackprop.spec import Dense, Sample, Spec

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_PART = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

_KEYS = {
    "title": "what the workbook is called",
    "about": "a sentence under the title",
    "source": "where the network comes from",
    "layers": "one table for each dense layer, from the inputs to the outputs",
    "samples": "one table for each sample",
    "rates": "learning rates, each above 0; a sheet for each",
    "steps": "how many updates; the table has a row more",
    "loss": "`half squared error`: E_k = ½ (t_k - a_k)², summed over the outputs",
    "update": "`simultaneous` or `sequential`",
    "style": "`class` or `delta`",
    "inputs": "names of the inputs; in a sample, their values",
    "targets": "names of the targets; in a sample, their values",
    "weights": "a row for each unit, a number for each of its inputs",
    "activation": "`identity`, `sigmoid`, `tanh` or `relu`",
    "bias": "a number that all units share, or a list of one for each; none if left out",
    "train_bias": "whether the biases are trained",
    "units": "names of the units",
    "weight_names": "names of the weights, in rows as the weights",
    "bias_names": "names of the biases: one, or one for each unit",
}
_MADE = {
    "inputs": "i1, i2, ...",
    "targets": "t1, t2, ...",
    "units": "h1, ... and o1, ...",
    "weight_names": "w1, w2, ...",
    "bias_names": "b1, b2, ...",
}


def template_slip(path: Path) -> None:
    """A hand-made copy of the class sheet, in which dE/dw3 and dE/dw4 take a_h1 for a_h2."""
    book = openpyxl.Workbook()
    fill(book.active, 1, header=2, A=0.5, B=0.5)
    book.save(path)


def _run() -> str:
    with tempfile.TemporaryDirectory() as folder:
        output = CliRunner().invoke(main, ["run", "-o", folder]).output.replace(folder, "output")
    return f"```\n{output}```\n"


def _templates() -> str:
    rows = [f"| `{name}` | {title} | {load(name).summary} |\n" for name, title in xlbackprop.templates().items()]
    return "| template | title | network |\n|---|---|---|\n" + "".join(rows)


def _ops() -> str:
    text = ""
    for title, (header, *rows) in tables().items():
        text += f"\n**{title.capitalize()}**\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}\n"
        text += "".join(f"| {' | '.join(f'`{cell}`' if cell else '' for cell in row)} |\n" for row in rows)
    return text


def _keys() -> str:
    text = ""
    for struct, title in ((Spec, "The file"), (Dense, "`[[layers]]`"), (Sample, "`[[samples]]`")):
        text += f"\n**{title}**\n\n| key | meaning | if left out |\n|---|---|---|\n"
        defaults = dict(zip(reversed(struct.__struct_fields__), reversed(struct.__struct_defaults__)))
        for key in struct.__struct_fields__:
            default = defaults.get(key)
            shown = (
                "must be there"
                if key not in defaults
                else _MADE.get(key) or (f"`{default}`" if default not in ("", None) else "nothing")
            )
            text += f"| `{key}` | {_KEYS[key]} | {shown} |\n"
    return text + "\n"


def _audit() -> str:
    """What is said of the class sheet with the slip of the course's template in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "theirs.xlsx"
        template_slip(path)
        output = CliRunner().invoke(main, ["verify", str(path)]).output.replace(f"{folder}/", "")
    return f"```\n{output}```\n"


def _mistakes() -> str:
    rows = [
        f"| `{one.kind}` | {one.title} | {one.does} | `{one.right}` | `{one.wrong}` |\n".replace("*|", "* |")
        for one in MISTAKES
    ]
    return "| kind | mistake | what it does to the right formula | right | wrong |\n|---|---|---|---|---|\n" + "".join(
        rows
    )


_MAKERS: dict[str, Callable[[], str]] = {
    "run": _run,
    "templates": _templates,
    "ops": _ops,
    "keys": _keys,
    "mistakes": _mistakes,
    "audit": _audit,
}


def _shape(text: str) -> str:
    """However its lines are folded, and without sizes, times and last digits, which differ from machine to machine."""
    text = re.sub(r"[\d.,]+ (KB|s\b|of them)|(build|verify|plot) [\d.]+", "#", " ".join(text.split()))
    return re.sub(r"relative difference [^;]+;", "relative difference #;", text)


def _generated() -> list[tuple[Path, str, str]]:
    return [(path, part[2], part[3]) for path in DOCUMENTS for part in _PART.finditer(path.read_text(encoding="utf-8"))]


def test_there_are_generated_parts() -> None:
    assert {name for _, name, _ in _generated()} == set(_MAKERS)


@pytest.mark.parametrize("name", _MAKERS)
def test_current(name: str) -> None:
    (text,) = [text for _, part, text in _generated() if part == name]
    assert _shape(text) == _shape(_MAKERS[name]()), "run python tests/test_docs.py"


def test_links_lead_somewhere() -> None:
    links = [
        (path, link) for path in DOCUMENTS for link in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    ]
    assert len(links) > 5
    for path, link in links:
        assert link.startswith("https://") or (path.parent / link).exists(), (path.name, link)


def test_the_example_network_of_the_readme_works(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert xlbackprop.run(tmp_path / "mine.toml", folder=tmp_path).report.correct


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, command in main.commands.items():
        assert f"`xlbackprop {name}" in text or f"`{name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in text or option == "--copy", option


if __name__ == "__main__":
    for document in DOCUMENTS:
        old = document.read_text(encoding="utf-8")
        new = _PART.sub(lambda part: part[1] + _MAKERS[part[2]]() + part[4], old)
        document.write_text(new, encoding="utf-8")
