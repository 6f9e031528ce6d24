"""Which tests a mutant meets: those that ran its statement, the fastest first, as far as the time goes."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coverage import CoverageData

from benchmarks.survivors.mutants import Mutant
from benchmarks.witness import FIXTURE, TESTS

ALWAYS = "tests/test_architecture.py::"  # the tests that read the code and do not run it


@dataclass(frozen=True)
class Test:
    name: str  # as pytest knows it
    seconds: float  # of processor time, with its fixtures, when it was recorded
    fixtures: frozenset[str]


class Choice:
    """What `coverage run` recorded with the plugin benchmarks.witness, and combined."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._data = CoverageData(str(root / ".coverage"))
        self._data.read()
        lines = (root / TESTS).read_text(encoding="utf-8").splitlines()
        read = [json.loads(line) for line in lines]
        self._tests = [Test(one["test"], one["seconds"], frozenset(one["fixtures"])) for one in read]

    def tests(self, mutant: Mutant, most: float, *, widely: bool) -> list[Test]:
        """Those that take `most` seconds together; widely: those that ran any of the module."""
        ran, functions = self._module(mutant.module)
        inside = _statement(functions, mutant.line)
        tests = self._who(ran, inside or {mutant.line})  # outside functions stand lambdas, too
        if widely or not (inside or tests):  # it runs when the module is imported, and shows in whatever that does
            tests = self._who(ran, ran)
        chosen: list[Test] = []
        left = most
        for test in sorted(tests, key=lambda one: (one.seconds, one.name)):
            left -= test.seconds
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen

    @cache  # noqa: B019 - there is one Choice, and a module has many mutants
    def _module(self, module: str) -> tuple[dict[int, list[str]], list[ast.FunctionDef]]:
        """Who ran each line, and the functions."""
        source = Path(self._root, module).read_text(encoding="utf-8")
        return self._data.contexts_by_lineno(module), list(_functions(ast.parse(source)))

    def _who(self, ran: dict[int, list[str]], lines: Collection[int]) -> list[Test]:
        names = {name for line in lines for name in ran.get(line, ())}
        fixtures = {name.removeprefix(FIXTURE) for name in names if name.startswith(FIXTURE)}
        ran_it = [one for one in self._tests if one.name in names or one.fixtures & fixtures]
        return [*ran_it, *(one for one in self._tests if one.name.startswith(ALWAYS))] if ran_it else []


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _statement(functions: Collection[ast.FunctionDef], line: int) -> set[int]:
    """The lines of the smallest statement of a function that holds the line; of one with a body, its head."""
    inside = [node for one in functions for part in one.body for node in ast.walk(part) if isinstance(node, ast.stmt)]
    holding = [node for node in inside if line in _span(node)]
    return set(_span(min(holding, key=lambda node: len(_span(node))))) if holding else set()


def _span(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    return range(statement.lineno, body[0].lineno if body else (statement.end_lineno or statement.lineno) + 1)
