"""What people call the quantities in their headers: families of spellings, upper case, look-alikes."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from benchmarks.mutations.network import Network

# For each role the spellings; {u} is a unit, {n} its number, {w} a parameter's label.
ACTIVATIONS = ["a_{u}", "a_{u}", "a_{u}", "out_{u}", "a{u}", "act_{u}", "out{u}", "act{u}", "a {u}", "a({u})", "σ({u})"]
SUMS = ["{u}", "{u}", "{u}", "{u}", "net_{u}", "z_{u}", "z{u}", "in_{u}"]
ERRORS = ["E{n}", "E{n}", "E_{n}", "e{n}", "E_o{n}", "Error{n}", "error_{n}", "Err {n}"]
TOTALS = ["E_tot", "E_total", "E_Total", "Etotal", "E_T", "Loss", "E total", "E-total", "Total Error", "Etot", "E"]
GRADIENTS = [
    "∂E/∂{w}",
    "∂E/∂{w}",
    "dE/d{w}",
    "dE/d{w}",
    "E∂{w}",
    "Ed{w}",
    "𝜕ETotal/ 𝜕{w}",
    "ðE/ð{w}",
    "δE/δ{w}",
    "∂E_total/∂{w}",
    "∂E_T/∂{w}",
    "dE_d{w}",
    "d{w}",
    "grad_{w}",
    "dE/∂{w}",
    "∂Etot/∂{w}",
    "dL/d{w}",
]
INPUTS = ["i{n}", "i{n}", "i{n}", "x{n}", "I{n}", "input{n}", "i_{n}", "Input {n}"]
TARGETS = ["t{n}", "t{n}", "t{n}", "T{n}", "y{n}", "target{n}", "t_{n}", "Target {n}"]
WEIGHTS = ["w{n} b{n}", "w{n} b{n}", "w{n} b{n}", "W{n} B{n}", "w_{n} b_{n}", "w{n} bias{n}"]
DELTAS = ["δ_{u}", "delta_{u}", "δ{u}", "delta {u}", "∂E/∂{u}", "dE/d{u}"]
SLOPES = ["{a}(1-{a})", "{a}*(1-{a})", "d{a}/d{u}", "∂{a}/∂{u}"]
OTHER_SLOPES = SLOPES[2:]  # of what is not a sigmoid
DIFFS = ["{a}-{t}", "({a} - {t})", "{a} - {t}"]
UPDATES = ["{w}_new", "new {w}", "{w}'", "{w}+", "{w} (new)", "updated {w}"]
RATES = ["η =", "LR", "learning rate", "alpha", "eta", "Learning Rate (η)", "η", "lr:", "Learning rate =", "α ="]
STEPS = ["step", "Step", "iteration", "epoch", "Epoch", "#", "n", "Iteration No."]
CASES: list[tuple[Callable[[str], str], int]] = [(lambda x: x, 12), (str.upper, 1), (str.lower, 1)]
LOOKALIKES = [
    (lambda x: x, 16),
    (lambda x: x.replace("a", "\u0430"), 1),  # Cyrillic
    (lambda x: x.replace("o", "\u043e"), 1),
    (lambda x: x.replace("E", "\u0415").replace("e", "\u0435"), 1),
    (lambda x: re.sub(r"o(?=\d)", "0", x), 1),  # a zero for an o
]
ROLE = {
    "activation": ACTIVATIONS,
    "sum": SUMS,
    "error": ERRORS,
    "total": TOTALS,
    "input": INPUTS,
    "target": TARGETS,
    "delta": DELTAS,
    "diff": DIFFS,
}


def draw_labels(rng: Random, network: Network) -> dict[str, str]:
    """A label for every quantity, no two alike."""
    while True:
        labels = _draw(rng, network)
        if len({label.casefold() for label in labels.values()}) == len(labels):
            return labels


def _draw(rng: Random, network: Network) -> dict[str, str]:
    case, lookalike = (rng.choices(*zip(*table))[0] for table in (CASES, LOOKALIKES))
    family = {role: rng.choice(spellings) for role, spellings in ROLE.items()}
    weight, gradient, upstream = rng.choice(WEIGHTS), rng.choice(GRADIENTS), rng.choice(GRADIENTS[:4])
    update, slope, other = rng.choice(UPDATES), rng.choice(SLOPES), rng.choice(OTHER_SLOPES)

    def parameter(name: str) -> str:
        return weight.split()[name[0] == "b"].format(n=name[1:])

    def raw(name: str) -> str:
        role, layer = network.roles[name]
        unit = name.removeprefix("dE/da_").removeprefix("a_").removeprefix("delta_").removesuffix(")").split("(")[0]
        number = re.findall(r"\d+", name)[0] if re.search(r"\d", name) else ""
        activation = family["activation"].format(u=unit)
        match role:
            case "weight" | "bias":
                return parameter(name)
            case "gradient":
                return gradient.format(w=parameter(name.removeprefix("dE/d")))
            case "update":
                return update.format(w=parameter(name.removeprefix("update ")))
            case "upstream":
                return upstream.format(w=activation)
            case "slope":
                text = slope if network.activations[layer - 1] == "sigmoid" else other
                return text.format(a=activation, u=family["sum"].format(u=unit))
            case "diff":
                a, t = family["activation"].format(u=f"o{number}"), family["target"].format(n=number)
                return family["diff"].format(a=a, t=t)
            case "total" if len(network.errors) > 1:
                return family["total"]
            case "error" | "total":
                return family["total"] if name == "E_total" else family["error"].format(n=number)
        return family[role].format(u=unit, n=number)

    opaque = {}
    if network.sizes == (2, 2, 2) and rng.random() < 0.1:  # where every delta has at least two users
        opaque = dict(zip([name for name in network.roles if network.role(name) == "delta"], "ABCD"))
    return {
        name: opaque.get(name) or lookalike(case(raw(name)))
        for name, (role, _) in network.roles.items()
        if role not in ("rate", "step")
    }
