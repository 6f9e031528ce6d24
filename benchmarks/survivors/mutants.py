"""The mutants of a module: cosmic-ray's small changes of its code, and a sample of them by a seed."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names


@dataclass(frozen=True)
class Mutant:
    module: str  # its path in the project
    operator: str  # of cosmic-ray
    occurrence: int  # the place among those where the operator can be applied
    line: int
    within: str  # the name of the function or class, or ""

    @property
    def site(self) -> tuple[object, ...]:
        """What is changed, whatever it becomes."""
        return self.module, self.operator.partition("_")[0], self.line, self.within

    @property
    def room(self) -> str:
        return "/".join(Path(self.module).parts[:2])

    def code(self, source: str) -> str | None:
        """The whole module with the change, or None where that is no Python."""
        code = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        try:
            ast.parse(code or "(")
        except SyntaxError:
            return None
        return str(code)


def population(root: Path, rooms: Iterable[str]) -> list[Mutant]:
    """All mutants of the rooms' modules. `root` is the project's folder."""
    paths = [path for room in rooms for path in sorted(Path(root, room).rglob("*.py"))]
    return [one for path in paths for one in _mutants(path, path.relative_to(root).as_posix())]


def sample(mutants: Sequence[Mutant], most: int, seed: int) -> list[Mutant]:
    """At most so many of each room: places at random, and one change of each, since a place's changes fare alike."""
    draw = random.Random(seed)
    chosen = []
    for room in dict.fromkeys(one.room for one in mutants):
        sites: dict[tuple[object, ...], list[Mutant]] = {}
        for one in mutants:
            if one.room == room:
                sites.setdefault(one.site, []).append(one)
        chosen += [draw.choice(sites[site]) for site in draw.sample(list(sites), min(most, len(sites)))]
    return chosen


def _mutants(path: Path, module: str) -> Iterator[Mutant]:
    source = path.read_text(encoding="utf-8")
    annotations = list(_annotations(ast.parse(source)))
    nodes = list(ast_nodes(parso.parse(source)))
    for name in operator_names():
        if get_operator(name).arguments():
            continue
        positions = get_operator(name)().mutation_positions
        places = ((node, start) for node in nodes for start, _ in positions(node))
        for occurrence, (node, start) in enumerate(places):
            if not any(first <= start < last for first, last in annotations):
                yield Mutant(module, name, occurrence, start[0], ASTQuery(node).get_definition_name() or "")


def _annotations(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where types stand: they are not evaluated, so a change there is no change."""
    for node in ast.walk(tree):
        for one in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(one, ast.expr):
                yield (one.lineno, one.col_offset), (one.end_lineno or 0, one.end_col_offset or 0)
