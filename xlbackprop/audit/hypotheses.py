"""Which network explains a table with the fewest wrong cells, where its formulas contradict each other.

A table whose errors lack the 1/2 and whose gradients have none either can be right with another
loss, or wrong in two columns, or in eight. The explanation that leaves the least wrong is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from xlbackprop.audit.compare import Comparing
from xlbackprop.audit.formula import Call, Lane, Tree
from xlbackprop.audit.functions import LOSSES
from xlbackprop.audit.infer import infer
from xlbackprop.audit.lanes import Lanes
from xlbackprop.audit.losses import loss_of, total_of
from xlbackprop.audit.network import Network, Variable
from xlbackprop.audit.world import CONVENTIONS

_PREFERENCE = 1e-6  # among explanations of the same number, the more usual one


def best_explanation(lanes: Lanes, actual: Callable[[Tree], float]) -> Comparing:
    """The network of a table, its loss and its conventions chosen so that the least is wrong, compared with the table.

    A network without units or outputs is not compared: its table is none that trains.
    """
    network = infer(lanes)
    if not network.outputs or not network.units:
        return Comparing(lanes.bound, network, actual)
    read, scale = _read_loss(lanes, network)
    first = replace(network, loss=read or network.loss, scale=scale)
    comparing = Comparing(lanes.bound, first, actual)
    best = comparing.run()
    touched = set(best.wrong)
    comparing.blame_helpers()
    if len(best.wrong) <= 1:
        return comparing
    found, chosen = best.count, comparing
    for k, other in enumerate(_others(first, touched, read is not None, _divides(lanes, first))):
        another = Comparing(lanes.bound, other, actual)
        count = another.run().count
        if count + _PREFERENCE * (k + 1) < found - 0.5:
            found, chosen = count, another
    if chosen is not comparing:
        chosen.blame_helpers()
    return chosen


def _others(network: Network, wrong: set[int], read: bool, divides: bool) -> Iterator[Network]:
    """The network told otherwise, where what is wrong may be what the telling has wrong.

    Another loss, a mean for the sum or other contents of the gradients' columns touch the errors or
    at least half of the gradients or updates; another activation touches its layer.
    """
    errors = {network.total, *(one.error for one in network.outputs)}
    trained = [one for one in network.parameters.values() if one.gradient is not None or one.trained or one.updated]
    touched = [one for one in trained if wrong & {one.gradient, one.updated, getattr(one.variable, "lane", None)}]
    most = len(touched) * 2 >= max(1, len(trained))
    scales = dict.fromkeys((1.0, 1.0 / len(network.outputs), 0.5) if divides else (1.0,))
    if most or wrong & errors:
        for loss in _alike(network.loss, read):
            for scale in scales:
                for convention in CONVENTIONS:
                    if (loss, scale, convention) != (network.loss, network.scale, network.convention):
                        yield replace(network, loss=loss, scale=scale, convention=convention)
    for k, units in enumerate(network.layers):
        if most or wrong & {unit.a for unit in units}:
            for activation in ("sigmoid", "tanh", "relu", "identity"):
                if activation != network.activations[k]:
                    changed = [activation if j == k else one for j, one in enumerate(network.activations)]
                    yield replace(network, activations=changed)


def _alike(loss: str, read: bool) -> list[str]:
    """The losses that come into question: where the error cells tell one, those that differ by a factor."""
    family = [one for one in LOSSES if ("cross" in one) == ("cross" in loss)]
    return family if read else list(LOSSES)


def _divides(lanes: Lanes, network: Network) -> bool:
    """Whether the total's own formula has a factor, a quotient or a mean in it."""
    form = None if network.total is None else lanes.forms[network.total]
    return form is None or any(name in {"*", "/", "AVERAGE", "SUMPRODUCT"} for name in _functions(form))


def _functions(tree: Tree) -> Iterator[str]:
    if isinstance(tree, Call):
        yield tree.name
        for arg in tree.args:
            yield from _functions(arg)


def _read_loss(lanes: Lanes, network: Network) -> tuple[str | None, float]:
    """The loss that most error lanes are, by their own formulas, and the total's scale where it is read too."""
    found: Counter[str] = Counter()
    signals: list[Variable] = []
    for output in network.outputs:
        signal = network.units[output.unit].signal
        lane = output.error if output.error is not None else network.total if len(network.outputs) == 1 else None
        form = lanes.forms[lane] if lane is not None else None
        if signal is not None:
            signals.append(Lane(signal))
        if form is not None and signal is not None and (name := loss_of(form, output.target, Lane(signal))):
            found[name] += 1
    if found:
        return max(found, key=lambda name: found[name]), 1.0
    total = lanes.forms[network.total] if network.total is not None else None
    if total is not None and len(signals) == len(network.outputs):
        return total_of(total, [one.target for one in network.outputs], signals) or (None, 1.0)
    return None, 1.0
