"""The catalogue: the mistakes that people make in these sheets, as a table.

Each row says what the mistake does to the right formula. The search (repair.py) finds the smallest
change that undoes one in the author's own formula; `kind_of` then reads off the table which row
the change belongs to: by how the formula changed, what stood there and what belongs there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """`right` and `wrong` are an example, in the names of the class network."""

    kind: str
    title: str
    does: str
    right: str
    wrong: str


ANY = "*"


@dataclass(frozen=True)
class Clue:
    """How a mistake is known: by the kind of change, and the roles of what stood there and what belongs there."""

    kind: str
    how: str
    before: tuple[str, ...] = (ANY,)
    after: tuple[str, ...] = (ANY,)
    within: tuple[str, ...] = (ANY,)  # the role of the wrong cell
    cost: float = 1.0  # of two explanations that both fit, the cheaper is believed


# fmt: off
MISTAKES = (
    Mistake("wrong-neuron", "another unit's derivative or activation",
            "takes the activation of another unit of the layer",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h1", "(a_o1-t1)*a_o1*(1-a_o1)*a_h2"),
    Mistake("pre-activation", "pre-activation for activation",
            "takes h or o, before the activation function, where a_h or a_o belongs",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h2", "(a_o1-t1)*a_o1*(1-a_o1)*h2"),
    Mistake("parentheses", "missing or misplaced parentheses",
            "drops or moves a pair of parentheses, so that less is multiplied, or other things are",
            "((a_o1-t1)*a_o1*(1-a_o1)*w5+(a_o2-t2)*a_o2*(1-a_o2)*w7)*a_h1*(1-a_h1)*i1",
            "(a_o1-t1)*a_o1*(1-a_o1)*w5+(a_o2-t2)*a_o2*(1-a_o2)*w7*a_h1*(1-a_h1)*i1"),
    Mistake("missing-factor", "a factor left out",
            "leaves out one factor of the chain rule",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h1", "(a_o1-t1)*a_o1*a_h1"),
    Mistake("extra-factor", "a factor too many",
            "multiplies by something that does not belong to the product",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h1", "(a_o1-t1)*a_o1*(1-a_o1)*a_h1*w5"),
    Mistake("missing-term", "a term left out",
            "leaves out one term of a sum: one input, or one path from the error back to the weight",
            "w1*i1+w2*i2", "w1*i1"),
    Mistake("extra-term", "a term too many", "adds something that does not belong to the sum",
            "w1*i1+w2*i2", "w1*i1+w2*i2+i1"),
    Mistake("sign", "wrong sign", "turns a sign: adds what is to be subtracted, or the other way round",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h1", "(t1-a_o1)*a_o1*(1-a_o1)*a_h1"),
    Mistake("sigmoid-sign", "sigmoid of the wrong sign", "leaves out the minus in the sigmoid's exponent",
            "1/(1+EXP(-h1))", "1/(1+EXP(h1))"),
    Mistake("wrong-operator", "another operator", "multiplies, adds or divides where something else belongs",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h1", "(a_o1*t1)*a_o1*(1-a_o1)*a_h1"),
    Mistake("wrong-target", "another output's target", "compares with the target of another output",
            "0.5*(t2-a_o2)^2", "0.5*(t1-a_o2)^2"),
    Mistake("wrong-output", "another output", "takes another output's activation, or its error",
            "0.5*(t2-a_o2)^2", "0.5*(t2-a_o1)^2"),
    Mistake("wrong-weight", "another weight", "takes another weight",
            "w1*i1+w2*i2", "w1*i1+w3*i2"),
    Mistake("wrong-input", "another input", "takes another input", "w1*i1+w2*i2", "w1*i1+w2*i1"),
    Mistake("wrong-gradient", "another weight's gradient in the update",
            "subtracts the gradient of another weight", "w3-η*∂E/∂w3", "w3-η*∂E/∂w1"),
    Mistake("frozen-reference", "a reference that does not move on",
            "fixes a reference with $, so that every step uses the value of one step",
            "w4-η*∂E/∂w4", "w4-η*∂E/∂w4 of step 0"),
    Mistake("drifting-rate", "the learning rate's reference moves",
            "refers to the learning rate without $, so that filling down moves it to other cells",
            "w1-η*∂E/∂w1", "w1-(what stands below η)*∂E/∂w1"),
    Mistake("wrong-rate", "something else for the learning rate",
            "multiplies the gradient by another cell than the learning rate", "w1-η*∂E/∂w1", "w1-t2*∂E/∂w1"),
    Mistake("updated-weights", "weights updated before the hidden gradients",
            "calculates a hidden gradient from output weights that are updated already",
            "δ_o1*w5*a_h1*(1-a_h1)*i1", "δ_o1*(w5 of the next step)*a_h1*(1-a_h1)*i1"),
    Mistake("missing-bias", "bias forgotten", "leaves the bias out of the sum", "w1*i1+w2*i2+b1", "w1*i1+w2*i2"),
    Mistake("missing-mask", "ReLU's derivative forgotten", "leaves out that ReLU's derivative is 0 below 0",
            "δ_o1*w5*(h1>0)*i1", "δ_o1*w5*i1"),
    Mistake("lost-half", "1/2 or 2 lost", "loses, or adds, a factor 2 or 1/2",
            "0.5*(t1-a_o1)^2", "(t1-a_o1)^2"),
    Mistake("mean-for-sum", "mean for sum", "divides the sum of the errors by their number",
            "E1+E2", "(E1+E2)/2"),
    Mistake("log10", "LOG for LN", "takes the logarithm to base 10 for the natural one",
            "-(t1*LN(a_o1)+(1-t1)*LN(1-a_o1))", "-(t1*LOG(a_o1)+(1-t1)*LOG(1-a_o1))"),
    Mistake("softmax-diagonal", "softmax taken for a function of one variable",
            "takes p*(1-p) for the derivative of softmax and forgets the other outputs",
            "(p1-t1)*a_h1", "(p1-t1)*p1*(1-p1)*a_h1"),
    Mistake("minus-square", "=-x^2 is (-x)^2",
            "writes -x^2, which a spreadsheet reads as (-x)^2", "EXP(-(h1^2))", "EXP(-h1^2)"),
    Mistake("missing-square", "the square left out", "leaves out the square of the difference",
            "0.5*(t1-a_o1)^2", "0.5*(t1-a_o1)"),
    Mistake("typed-number", "a number typed into a formula",
            "has a number where a reference belongs, be it the right one for now",
            "0.5*(t1-a_o1)^2", "0.5*(0.01-a_o1)^2"),
    Mistake("wrong-number", "another number", "has another constant than the formula needs",
            "0.5*(t1-a_o1)^2", "0.05*(t1-a_o1)^2"),
    Mistake("overwritten-cell", "an overwritten cell",
            "has something else in a cell amid a column of right formulas", "w1*i1+w2*i2", "0.0275"),
    Mistake("stopped-formulas", "rows that stop being formulas",
            "goes on with typed numbers from some row on", "w1*i1+w2*i2", "0.0275, and so on"),
    Mistake("typed-constants", "a column of typed numbers",
            "has typed numbers in a column that should be calculated", "w1*i1+w2*i2", "0.0275 in every row"),
    Mistake("row-offset", "another row", "takes the value of another row, above or below its own",
            "1/(1+EXP(-h1))", "1/(1+EXP(-(h1 of three rows below)))"),
    Mistake("fed-wrong", "the forward pass is fed wrong", "feeds a unit with something else than its inputs",
            "w7*a_h1+w8*a_h2", "w7*a_h1+w8*a_h1"),
    Mistake("wrong-reference", "a reference to another quantity", "takes a quantity that does not belong there",
            "(a_o1-t1)*a_o1*(1-a_o1)*a_h1", "(a_o1-t1)*a_o1*(1-a_o1)*E1"),
    Mistake("wrong-function", "another function", "applies another function than the layer's other units",
            "1/(1+EXP(-h1))", "TANH(h1)"),
    Mistake("different", "another formula", "is another formula altogether; both are shown", "E1+E2", "E1*E1"),
)

_FORWARD = ("pre-activation", "activation", "output")
_BACKWARD = ("gradient", "helper")
# In this order: the first row that fits is the mistake. Roles are those of `roles.py`.
CLUES = (
    Clue("updated-weights", "reference", ("weight later",), ("weight",), _BACKWARD),
    Clue("drifting-rate", "moved", (ANY,), ("rate",)),
    Clue("updated-weights", "reference", ("updated",), ("weight",), _BACKWARD),
    Clue("updated-weights", "updated", within=_BACKWARD),
    Clue("typed-number", "reference", ("usual number",), (ANY,), cost=2.9),
    Clue("typed-number", "reference", ("number",), (ANY,), cost=1.5),
    Clue("wrong-rate", "reference", (ANY,), ("rate",)),
    Clue("frozen-reference", "reference", ("fixed",), (ANY,)),
    Clue("row-offset", "reference", ("same elsewhere",), (ANY,)),
    Clue("wrong-gradient", "reference", ("gradient",), ("gradient",)),
    Clue("pre-activation", "reference", ("pre-activation",), ("activation", "output"), (*_BACKWARD, "pre-activation")),
    Clue("fed-wrong", "reference", ("pre-activation",), ("pre-activation",)),
    Clue("pre-activation", "reference", ("pre-activation",), ("activation", "output")),
    Clue("wrong-target", "reference", ("target",), ("target",)),
    Clue("wrong-output", "reference", ("output",), ("output",)),
    Clue("wrong-output", "reference", ("error",), ("error",)),
    Clue("fed-wrong", "reference", ("activation", "output"), ("activation", "output"), _FORWARD),
    Clue("wrong-neuron", "reference", ("activation",), ("activation",)),
    Clue("wrong-neuron", "reference", ("activation", "output"), ("output", "activation"), _BACKWARD, 1.1),
    Clue("wrong-neuron", "reference", ("helper",), ("helper",), cost=1.2),
    Clue("wrong-output", "output unit", cost=1.3),
    Clue("wrong-neuron", "hidden unit", cost=1.3),
    Clue("wrong-weight", "reference", ("weight",), ("weight",)),
    Clue("wrong-input", "reference", ("input",), ("input",)),
    Clue("fed-wrong", "reference", (ANY,), (ANY,), _FORWARD, 2.0),
    Clue("wrong-reference", "reference", cost=2.0),
    Clue("sigmoid-sign", "sign", ("pre-activation",), within=("activation", "output")),
    Clue("minus-square", "minus square", cost=1.4),
    Clue("sign", "sign", cost=1.6),
    Clue("sign", "operator+-", cost=1.5),
    Clue("wrong-operator", "operator", cost=1.8),
    Clue("mean-for-sum", "constant", within=("total error",), cost=1.9),
    Clue("mean-for-sum", "average", cost=1.5),
    Clue("lost-half", "constant", cost=2.0),
    Clue("log10", "logarithm", cost=1.7),
    Clue("missing-square", "power", cost=2.2),
    Clue("missing-bias", "term", (ANY,), ("bias",), cost=2.2),
    Clue("missing-mask", "mask", cost=2.3),
    Clue("missing-factor", "factor", cost=2.4),
    Clue("missing-term", "term", cost=2.6),
    Clue("missing-term", "weighted term", cost=2.6),
    Clue("softmax-diagonal", "diagonal", cost=1.3),
    Clue("extra-factor", "local factor", cost=2.3),
    Clue("extra-factor", "extra factor", cost=2.5),
    Clue("extra-term", "extra term", cost=2.5),
    Clue("extra-factor", "quotient", cost=4.5),
    Clue("missing-factor", "complement", cost=3.0),
    Clue("wrong-number", "exponent", cost=1.9),
    Clue("wrong-number", "number", cost=2.1),
    Clue("different", "another", cost=6.0),
    Clue("parentheses", "missing parentheses", cost=2.1),
    Clue("parentheses", "extra parentheses", cost=2.1),
    Clue("parentheses", "misplaced parentheses", cost=2.3),
)
# fmt: on

CATALOGUE = {one.kind: one for one in MISTAKES}


def kind_of(how: str, before: Iterable[str], after: Iterable[str], within: str) -> tuple[str, float]:
    """The mistake's kind and its cost, for a change and the roles of what stood there and what belongs there."""
    befores, afters = {ANY, *before}, {ANY, *after}
    for clue in CLUES:
        if clue.how != how and not (clue.how == "operator" and how.startswith("operator")):
            continue
        if befores.isdisjoint(clue.before) or afters.isdisjoint(clue.after):
            continue
        if {ANY, within}.isdisjoint(clue.within):
            continue
        return clue.kind, clue.cost
    return "different", 9.0
