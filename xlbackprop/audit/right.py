"""The right formula of each lane, from the same program and the same walk that our own workbooks are printed from.

The world (world.py) tells the right numbers without calculus; here they are told as formulas, to be
printed in the sheet's own addresses. Where both are there, a test holds them equal.
"""

from __future__ import annotations

from functools import lru_cache

from xlbackprop.audit.formula import Call, Lane, Name, Num, Tree, parse, replace_leaves
from xlbackprop.audit.network import Network, Parameter, Variable
from xlbackprop.graph import expr as graph
from xlbackprop.graph.backward import backward
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import activation_name, delta_name, error_name, gradient_name, total_error


def right_formulas(network: Network) -> dict[int, Tree]:
    """For each lane that is a quantity of the network its formula; without those that we have no operation for."""
    lanes, variables = _places(network)
    program = program_of(network)
    if program is None:
        return {}
    shown = set(variables)
    result: dict[int, Tree] = {}
    inlined = program.without([cell.name for cell in program if cell.expr is not None and cell.name not in shown])
    for name, lane in lanes.items():
        if name in inlined and (expr := inlined[name].expr) is not None:
            result[lane] = _tree(expr, variables)
    for parameter in network.parameters.values():
        result.update(_updates(network, parameter, program, variables))
    return result


def right_meanings(network: Network) -> dict[str, Tree]:
    """For what a helper column may hold, by its name in the world: the formula, with nothing left out."""
    program, (_, variables) = program_of(network), _places(network)
    if program is None:
        return {}
    result: dict[str, Tree] = {}
    for unit in network.units.values():
        for name, meaning in ((delta_name(unit.name), f"delta_{unit.name}"),
                              (gradient_name(activation_name(unit.name)), f"dE/da_{unit.name}")):  # fmt: skip
            if name in program:
                hidden = [cell.name for cell in program if cell.expr is not None and cell.name not in variables]
                expr = program.without([one for one in hidden if one != name])[name].expr
                if expr is not None:
                    result[meaning] = _tree(expr, variables)
    return result


def variables_of(network: Network) -> dict[str, Variable]:
    """Where each quantity stands, by its name in the program."""
    return _places(network)[1]


def _places(network: Network) -> tuple[dict[str, int], dict[str, Variable]]:
    """The lane of each calculated quantity, and the variable of each that has a place in the sheet."""
    lanes: dict[str, int] = {}
    for unit in network.units.values():
        if unit.z is not None:
            lanes[unit.name] = unit.z
        if unit.a is not None:
            lanes[activation_name(unit.name)] = unit.a
    for k, output in enumerate(network.outputs):
        if output.error is not None:
            lanes[error_name(k)] = output.error
    if network.total is not None:
        lanes[total_error()] = network.total
    if network.convention == "gradient":
        for one in network.parameters.values():
            if one.gradient is not None:
                lanes[gradient_name(one.name)] = one.gradient
    variables: dict[str, Variable] = {name: Lane(lane) for name, lane in lanes.items()}
    variables |= network.inputs
    variables |= {one.name: one.target for one in network.outputs}
    variables |= {one.name: one.variable for one in network.parameters.values()}
    return lanes, variables


def program_of(network: Network) -> Program | None:
    """The network as a program, its gradients included; None where we have no operation for a part of it."""
    if not network.outputs or any(name not in OPS for name in network.activations):
        return None
    program = Program()
    for name in network.inputs:
        program.given(name, Role.INPUT)
    for one in network.outputs:
        program.given(one.name, Role.TARGET)
    for parameter in network.parameters.values():
        program.given(parameter.name, Role.WEIGHT)
    for layer, activation in zip(network.layers, network.activations):
        for unit in layer:
            terms = [graph.mul(graph.Ref(_name(network, w)), graph.Ref(_signal(network, s))) for w, s in unit.inputs]
            terms += [graph.Ref(_name(network, unit.bias))] if unit.bias is not None else []
            z = program.define(unit.name, Role.PRE_ACTIVATION, graph.total(terms))
            program.define(activation_name(unit.name), Role.ACTIVATION, graph.build(activation, z))
    errors: list[graph.Expr] = []
    for k, one in enumerate(network.outputs):
        error = _error(network.loss, graph.Ref(one.name), graph.Ref(activation_name(one.unit)))
        if error is None:
            return None
        errors.append(program.define(error_name(k), Role.ERROR, error))
    total = graph.total(errors)
    if network.scale != 1:
        total = graph.mul(graph.Number(network.scale), total)
    program.define(total_error(), Role.TOTAL_ERROR, total)
    backward(program, total_error(), [one.name for one in network.parameters.values() if _reaches(network, one)])
    return program


def _reaches(network: Network, parameter: Parameter) -> bool:
    return any(
        parameter.variable == unit.bias or parameter.variable in (weight for weight, _ in unit.inputs)
        for unit in network.units.values()
    )


def _name(network: Network, variable: Variable | None) -> str:
    assert variable is not None
    found = network.parameter_of(variable)
    assert found is not None
    return found.name


def _signal(network: Network, source: str) -> str:
    return source if source in network.inputs else activation_name(source)


def _error(loss: str, target: graph.Expr, output: graph.Expr) -> graph.Expr | None:
    if loss in OPS:
        return graph.build(loss, target, output)
    return graph.build("square", graph.sub(target, output)) if loss == "squared error" else None


def _updates(
    network: Network, parameter: Parameter, program: Program, variables: dict[str, Variable]
) -> dict[int, Tree]:
    """w - rate * gradient: in the next step's weight, or in a lane of the same step."""
    if parameter.gradient is not None:
        gradient: Tree = Lane(parameter.gradient)
    else:
        name = gradient_name(parameter.name)
        if name not in program:
            return {}
        hidden = [cell.name for cell in program if cell.expr is not None and cell.name not in variables]
        expr = program.without([one for one in hidden if one != name])[name].expr
        assert expr is not None
        gradient = _tree(expr, variables)
    rated = "change" in network.convention or network.rate is None
    change = gradient if rated else Call("*", (network.rate, gradient))  # type: ignore[arg-type]
    new = Call("+" if network.convention.startswith("negative") else "-", (parameter.variable, change))
    result: dict[int, Tree] = {}
    if parameter.updated is not None:
        result[parameter.updated] = new
    if isinstance(parameter.variable, Lane) and parameter.trained:
        before: Tree = Lane(parameter.updated) if parameter.updated is not None else new
        result[parameter.variable.lane] = replace_leaves(before, lambda leaf: _earlier(leaf, network.rate))
    return result


def _earlier(leaf: Tree, rate: Variable | None) -> Tree:
    return Lane(leaf.lane, leaf.offset - 1) if isinstance(leaf, Lane) and leaf != rate else leaf


def _tree(expr: graph.Expr, variables: dict[str, Variable]) -> Tree:
    match expr:
        case graph.Number(value):
            return Num(value) if value >= 0 else Call("neg", (Num(-value),))
        case graph.Op(symbol, args):
            trees = [_tree(arg, variables) for arg in args]
            return replace_leaves(
                _template(symbol, len(args)), lambda leaf: trees[int(leaf.text[8:])] if isinstance(leaf, Name) else leaf
            )
        case graph.Ref(name):
            return variables[name]
    raise TypeError(expr)


@lru_cache(maxsize=64)
def _template(symbol: str, count: int) -> Tree:
    """The operation's worksheet formula, its arguments as the names argument0, argument1, ...."""
    return parse(OPS[symbol].worksheet.format(*(f"(argument{k})" for k in range(count))))
