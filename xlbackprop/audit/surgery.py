"""Changes to a formula's tree at a path: which argument, of which argument, ...."""

from __future__ import annotations

from collections.abc import Iterator

from xlbackprop.audit.formula import Block, Call, Tree

Path = tuple[int, ...]

MOST_NODES = 160  # of a formula that are looked at
_MOST_GROUPED = 8  # ways to take a sum's terms together
_MOST_CELLS = 64  # of a range


def paths(tree: Tree, here: Path = ()) -> Iterator[Path]:
    yield here
    if isinstance(tree, Call):
        for k, arg in enumerate(tree.args):
            yield from paths(arg, (*here, k))
    elif isinstance(tree, Block):
        for k, arg in enumerate(tree.cells[:_MOST_CELLS]):
            yield from paths(arg, (*here, k))


def node_at(tree: Tree, path: Path) -> Tree:
    for k in path:
        tree = tree.args[k] if isinstance(tree, Call) else tree.cells[k]  # type: ignore[union-attr]
    return tree


def replaced(tree: Tree, where: list[Path], new: Tree) -> Tree:
    for path in where:
        tree = _replace(tree, path, new)
    return tree


def _replace(tree: Tree, path: Path, new: Tree) -> Tree:
    if not path:
        return new
    if isinstance(tree, Block):
        cells = tuple(_replace(cell, path[1:], new) if k == path[0] else cell for k, cell in enumerate(tree.cells))
        return Block(cells, tree.columns)
    assert isinstance(tree, Call)
    return Call(
        tree.name, tuple(_replace(arg, path[1:], new) if k == path[0] else arg for k, arg in enumerate(tree.args))
    )


def renamed(tree: Tree, old: str, new: str) -> Tree:
    if not isinstance(tree, Call):
        return tree
    args = tuple(renamed(arg, old, new) for arg in tree.args)
    return Call(new if tree.name == old and len(args) == 1 else tree.name, args)


def regrouped(tree: Tree) -> list[Tree]:
    """The same sum, or product, with two neighbours taken together first: a+b-c as a+(b-c)."""
    found: list[Tree] = []
    for path in list(paths(tree))[:MOST_NODES]:
        match node_at(tree, path):
            case Call("*", (Call("*", (first, second)), third)):
                found.append(replaced(tree, [path], Call("*", (first, Call("*", (second, third))))))
            case Call("+" | "-" as outer, (Call("+" | "-" as inner, (first, second)), third)):
                sign = outer if inner == "+" else {"+": "-", "-": "+"}[outer]
                group = Call(inner, (first, Call(sign, (second, third))))
                found.append(replaced(tree, [path], group))
    return found[:_MOST_GROUPED]
