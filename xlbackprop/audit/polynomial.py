"""A formula as a sum of products, where it is one: what multiplies what, however it was typed."""

from __future__ import annotations

from xlbackprop.audit.formula import Block, Call, Fixed, Lane, Num, Outside, Tree
from xlbackprop.audit.network import Variable

Polynomial = dict[tuple[Variable, ...], float]  # for each product of variables, sorted, its coefficient

_MOST_TERMS = 512


def polynomial(tree: Tree) -> Polynomial | None:
    """The sum of products, steps left out of account; None where the formula is something else."""
    match tree:
        case Num(value):
            return {(): value}
        case Lane(lane, _) | Fixed(lane, _):
            return {(Lane(lane),): 1.0}
        case Call(name, args):
            return _call(name, args)
        case Block(cells, _):
            return polynomial(cells[0]) if len(cells) == 1 else None
        case Outside():
            return {(tree,): 1.0}
    return None


def _call(name: str, args: tuple[Tree, ...]) -> Polynomial | None:
    if name == "SUMPRODUCT":
        return _sumproduct(args)
    parts: list[Polynomial] = []
    for arg in args:
        cells = arg.cells if isinstance(arg, Block) and name in ("SUM", "PRODUCT") else (arg,)
        for cell in cells:
            part = polynomial(cell)
            if part is None:
                return None
            parts.append(part)
    if not parts:
        return None
    match name:
        case "+" | "SUM" | "ADD":
            return _sum(parts)
        case "-" | "MINUS":
            return _sum([parts[0], _times(parts[1], {(): -1.0})])
        case "neg" | "UMINUS":
            return _times(parts[0], {(): -1.0})
        case "*" | "PRODUCT" | "MULTIPLY":
            result = parts[0]
            for part in parts[1:]:
                if len(result) * len(part) > _MOST_TERMS:
                    return None
                result = _times(result, part)
            return result
        case "/" | "DIVIDE" if set(parts[1]) == {()} and parts[1][()]:
            return _times(parts[0], {(): 1 / parts[1][()]})
    return None


def _sumproduct(args: tuple[Tree, ...]) -> Polynomial | None:
    columns = [arg.cells if isinstance(arg, Block) else (arg,) for arg in args]
    if not columns or len({len(column) for column in columns}) != 1:
        return None
    rows = [_call("PRODUCT", row) for row in zip(*columns)]
    return None if any(row is None for row in rows) else _sum([row for row in rows if row is not None])


def _sum(parts: list[Polynomial]) -> Polynomial:
    result: Polynomial = {}
    for part in parts:
        for product, coefficient in part.items():
            result[product] = result.get(product, 0.0) + coefficient
    return {product: coefficient for product, coefficient in result.items() if coefficient}


def _times(x: Polynomial, y: Polynomial) -> Polynomial:
    result: Polynomial = {}
    for left, a in x.items():
        for right, b in y.items():
            product = tuple(sorted((*left, *right), key=repr))
            result[product] = result.get(product, 0.0) + a * b
    return result
