"""The generated parts of the documents are current, and what the documents link to is there.

After a change that is meant: python tests/test_docs.py writes them anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import openpyxl
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the benchmarks are

import xlbackprop
from benchmarks.audit import fill
from xlbackprop import kinds
from xlbackprop.audit.mistakes import MISTAKES
from xlbackprop.cli import main
from xlbackprop.graph.listing import tables
from xlbackprop.networks import load, load_any, template_names
from xlbackprop.spec import Sample, Spec, override
from xlbackprop.spec.layers import Layer, LayerKind
from xlbackprop.spec.optimizers import Optimizer, Schedule
from xlbackprop.spec.points import Points
from xlbackprop.spec.start import Init

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_PART = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

# What each key means, of whatever table it is in.
_KEYS = {
    "title": "what the workbook is called",
    "about": "a sentence under the title",
    "source": "where the network comes from",
    "layers": "one table for each layer, from the inputs to the outputs",
    "samples": "one table for each sample; or `data`, the name of a CSV file beside this one; or `points`",
    "rates": "learning rates, each above 0; a sheet for each",
    "steps": "how many updates; the table has a batch more",
    "epochs": "passes through all samples, in place of `steps`",
    "loss": "one of the losses that `xlbackprop ops` lists",
    "reduction": "`mean` or `sum` of the gradients of a batch",
    "batch": 'samples between two updates, or `"full"`; the last batch of an epoch may be short',
    "shuffle": "the seed of a new order in each epoch; in turn if left out",
    "optimizer": 'a name, or a table such as `{kind = "momentum", nesterov = true}`',
    "schedule": "a name, or a table: what becomes of the rate",
    "l1": "weight decay by the absolute value: its derivative λ sign(w) is added to the gradient",
    "l2": "weight decay by the square: λ w is added to the gradient",
    "clip_norm": "the most that the norm of all gradients may be",
    "clip_value": "the most that each gradient may be, up or down",
    "update": "`simultaneous` or `sequential`",
    "normalize": "whether inputs have their mean taken off and are divided by their standard deviation, in live cells",
    "input_gradients": "whether the gradients by the inputs have columns too",
    "style": "`class` (closed forms, of dense layers) or `delta`",
    "layout": "`rows`, a row a sample; or `matrix`, blocks as people draw them on paper",
    "level": "`worked`, `scaffolded` (formulas to be filled in, told in words) or `blank` (to be filled in)",
    "leave": "of a worksheet, what is left empty: of `forward`, `backward` and `update`",
    "stable": "whether formulas are used whose EXP cannot overflow",
    "seed": "of the initial weights",
    "input_shape": "`[channels, length]`, `[channels, height, width]` or `[tokens, features]`",
    "inputs": "names of the inputs; in a sample, their values",
    "targets": "names of the targets; in a sample, their values",
    "label": "the class, from 0, in place of targets",
    "weights": "the numbers; of a dense layer a row for each unit, of a kernel nested by channel",
    "activation": "one of the activations that `xlbackprop ops` lists, or `none` for no cell of its own",
    "bias": "a list of one for each unit or channel; of a dense layer also one number that all share",
    "train_bias": "whether the biases are trained",
    "train": "whether scale and shift are trained",
    "units": "names of the units",
    "name": "the layer's name, for a residual layer to refer to",
    "weight_names": 'names of the weights; a name that repeats is a shared weight, `""` is no connection',
    "bias_names": "names of the biases",
    "size": "how many units, with `init` in place of `weights`",
    "init": "how the weights start: a name or a table, see below",
    "bias_init": "how the biases start, one for each unit",
    "channels": "how many channels come out, with `init` in place of `weights`",
    "kernel": "the window's size: one number, or one for each axis",
    "stride": "how far the window moves",
    "padding": "how far the window reaches beyond each end",
    "dilation": "how far apart the window's places are",
    "how": "`max` or `average`",
    "of": "the name of the layer, or `inputs`, that is added",
    "copies": "how many",
    "parts": "into how many equal parts the inputs are cut",
    "scale": "γ, one for each channel or feature",
    "shift": "β, one for each channel or feature",
    "epsilon": "ε, which keeps a root or a quotient from 0",
    "mode": "`training` or `evaluation`",
    "mean": "the means that evaluation uses; of an initialisation, the mean of the numbers",
    "variance": "the variances that evaluation uses",
    "groups": "how many groups the channels make",
    "p": "the part that is dropped",
    "mask": "a 0 or 1 for each input, the same at every visit",
    "base": "of the wavelengths",
    "query": "W_q, (d, features)",
    "key": "W_k, (d, features)",
    "value": "W_v, (d, features); of a constant, the number",
    "output": "W_o, (features out, d), none if left out",
    "causal": "whether a token sees only itself and those before",
    "cells": "pairs of a name and a formula",
    "parameters": "names and initial values",
    "outputs": "the cells that are handed on",
    "momentum": "μ",
    "dampening": "how much less of the gradient is added",
    "nesterov": "whether the step looks ahead",
    "beta": "β",
    "alpha": "α",
    "beta1": "β₁",
    "beta2": "β₂",
    "bias_correction": "whether the moments' start from 0 is corrected",
    "weight_decay": "λ",
    "kind": "the word that chooses it",
    "factor": "by which the rate is multiplied",
    "every": "how many updates, or epochs, between two multiplications",
    "last": "after how many the cosine has reached `least`",
    "least": "where the cosine ends",
    "warm_up": "over how many the rate first rises",
    "by": "`step` or `epoch`: what is counted",
    "low": "the least",
    "high": "the most",
    "deviation": "the standard deviation",
    "distribution": "`uniform` or `normal`",
    "count": "how many",
    "noise": "how far off, by a normal deviation",
}
_MADE = {
    "inputs": "i1, i2, ...",
    "targets": "t1, t2, ...",
    "steps": "`epochs` must be there",
    "units": "named by layer",
    "weight_names": "w1, w2, ...",
    "bias_names": "b1, b2, ...",
    "optimizer": "`sgd`",
    "schedule": "`none`",
    "input_shape": "the inputs in a row",
    "stable": "yes, but not in style `class`",
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
    rows = [f"| `{name}` | {title} | {_summary(name)} |\n" for name, title in xlbackprop.templates().items()]
    return "| template | title | network |\n|---|---|---|\n" + "".join(rows)


def _summary(name: str) -> str:
    document = load_any(name)
    return document.summary if isinstance(document, Spec) else kinds.kind_of(document)


def _ops() -> str:
    text = ""
    for title, (header, *rows) in tables().items():
        text += f"\n**{title.capitalize()}**\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}\n"
        text += "".join(f"| {' | '.join(f'`{cell}`' if cell else '' for cell in row)} |\n" for row in rows)
    return text


def _keys() -> str:
    text = f"\n**The file**\n\n{_key_table(Spec)}\n**`[[samples]]`**\n\n{_key_table(Sample)}"
    text += f"\n**`points`**: {_first_line(Points)}\n\n{_key_table(Points)}"
    for title, union in (
        ("Layers", LayerKind), ("Optimisers", Optimizer), ("`init` and `bias_init`", Init),
    ):  # fmt: skip
        text += f"\n## {title}\n"
        for struct in get_args(union):
            word = struct.__struct_config__.tag
            text += f"\n**`{word}`**: {_first_line(struct)}\n\n{_key_table(struct, _EVERY_LAYER)}"
    text += f"\n## `schedule`\n\n{_first_line(Schedule)}\n\n{_key_table(Schedule)}"
    return text + "\n"


_EVERY_LAYER = ("name", "units")  # which any layer may have


def _first_line(struct: type[object]) -> str:
    text = struct.__doc__ or "the same number for all"
    return " ".join(text.split())


def _key_table(struct: type[msgspec.Struct], without: tuple[str, ...] = ()) -> str:
    defaults = dict(zip(reversed(struct.__struct_fields__), reversed(struct.__struct_defaults__)))
    rows = ""
    for key in struct.__struct_fields__:
        default = defaults.get(key, msgspec.NODEFAULT)
        if key in without or (key == "activation" and default is None and issubclass(struct, Layer)):
            continue
        shown = "must be there" if default is msgspec.NODEFAULT and key != "parameters" else _MADE.get(key)
        shown = shown or (f"`{default}`" if default not in ("", None, (), msgspec.NODEFAULT) else "nothing")
        rows += f"| `{key}` | {_KEYS[key]} | {shown} |\n"
    return f"| key | meaning | if left out |\n|---|---|---|\n{rows}" if rows else "No keys of its own.\n"


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


def _conventions() -> str:
    """What each training template sets otherwise than another, and whose page it follows."""
    rows = ""
    for name in template_names():
        spec = load(name)
        batch = f"{spec.batches.size}, {spec.reduction}" if spec.batches.several else "1"
        optimizer = spec.optimizer.__struct_config__.tag
        cells = (f"`{name}`", spec.loss, batch, f"{optimizer}, {spec.update}", spec.source.replace("|", "\\|"))
        rows += f"| {' | '.join(cells)} |\n"
    return f"| template | loss | batch | optimiser, order | source |\n|---|---|---|---|---|\n{rows}"


def _sheets() -> str:
    """The sheets of a workbook with batches and a drawn order, which has them all, and what each says at its top."""
    with tempfile.TemporaryDirectory() as folder:
        spec = override(load("half-moons"), steps=8)
        book = openpyxl.load_workbook(kinds.build(spec, Path(folder) / "x.xlsx"))
    rows = "".join(f"| {sheet.title} | {sheet['A1'].value} |\n" for sheet in book.worksheets)
    return f"| sheet | its heading |\n|---|---|\n{rows}"


def _explain() -> str:
    """What is said of a gradient of the class network."""
    with tempfile.TemporaryDirectory() as folder:
        path = kinds.build(override(load("era-s6"), steps=3), Path(folder) / "era-s6.xlsx")
        output = CliRunner().invoke(main, ["explain", "dE/dw5", str(path), "--step", "2", "--rate", "0.5"]).output
    return f"```\n$ xlbackprop explain dE/dw5 output/era-s6.xlsx --step 2 --rate 0.5\n{output}```\n"


_MAKERS: dict[str, Callable[[], str]] = {
    "explain": _explain,
    "conventions": _conventions,
    "sheets": _sheets,
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


_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def _measured() -> list[tuple[str, str, str]]:
    """Each number of README's lists about what was measured, its item, and the page that it is of."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lists = text.partition("## Fast")[2].partition("The package is")[0]
    items = [item for item in re.split(r"(?m)^- ", lists) if "docs/" in item]
    pages = [re.findall(r"\]\((docs/[\w.-]+)\)", item)[-1] for item in items]
    return [(number, item, page) for item, page in zip(items, pages) for number in _NUMBER.findall(item)]


def test_what_the_readme_says_was_measured_stands_in_the_pages() -> None:
    """As the last digit of README's number rounds it."""
    measured = _measured()
    assert len({page for _, _, page in measured}) >= 5
    for number, item, page in measured:
        said, digits = float(number.replace(",", "")), len(number.partition(".")[2])
        found = _NUMBER.findall((ROOT / page).read_text(encoding="utf-8"))
        assert any(round(float(one.replace(",", "")), digits) == said for one in found), (number, item, page)


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
