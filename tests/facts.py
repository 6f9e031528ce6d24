"""Published numbers, each with its source: what both tellings of a network must give.

A page prints a handful of digits; where more stand here they were recomputed in float64 from the
page's own definitions, and agree with it in the digits that it prints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

E, A = "E_total", "a_{}"


@dataclass(frozen=True)
class Fact:
    """The value of a quantity at a rate after some updates, to a relative precision."""

    template: str
    quantity: str
    rate: float
    step: int
    value: float
    precision: float = 1e-12
    overrides: dict[str, object] = field(default_factory=dict, hash=False)


def _after(
    template: str, rate: float, values: dict[int, float], precision: float = 1e-12, **overrides: object
) -> list[Fact]:
    return [Fact(template, E, rate, step, value, precision, overrides) for step, value in values.items()]


def _at_0(template: str, rate: float, precision: float, values: dict[str, float]) -> list[Fact]:
    return [Fact(template, quantity, rate, 0, value, precision) for quantity, value in values.items()]


def _gradients(*values: float) -> dict[str, float]:
    return {f"∂E/∂w{k}": value for k, value in enumerate(values, start=1)}


# ERA V2, session 6: the class network, targets 0.5 and 0.5.
_ERA = {
    0.1: {1: 0.014100103121132, 10: 0.013386897450073, 50: 0.01059104454045, 100: 0.0078473967372025},
    0.2: {1: 0.014019033816028, 10: 0.01263020067689, 50: 0.0078409893351357, 100: 0.0042289420496062},
    0.5: {1: 0.013777062126243, 10: 0.010574552164162, 50: 0.0030667385461508, 100: 0.00061426181097426},
    0.8: {1: 0.013536951374497, 10: 0.0088145691639811, 50: 0.0011592785130111, 100: 8.5281873259365e-05},
    1.0: {1: 0.013377915565327, 10: 0.0077891256082572, 50: 0.00059919083095635, 100: 2.2562565141713e-05},
    2.0: {1: 0.012595285779262, 10: 0.0040923576888196, 50: 2.0272266075128e-05, 100: 2.5467999284577e-08},
}
# The earlier cohorts' targets, 0.01 and 0.99: E_total after 50 updates.
_END = {
    0.1: 0.179745044696,
    0.2: 0.133394751993,
    0.5: 0.0633924600807,
    0.8: 0.0376986622425,
    1.0: 0.0289088963307,
    2.0: 0.0122261077663,
}

FACTS = [
    *(fact for rate, values in _ERA.items() for fact in _after("era-s6", rate, values)),
    *_at_0("era-s6", 0.1, 1e-12, {
        "h1": 0.0275, "h2": 0.0425, "a_h1": 0.506874566764534, "a_h2": 0.510623401004964,
        "o1": 0.4325303571580474, "o2": 0.5342801539349972, "a_o1": 0.606477732206728, "a_o2": 0.630480835450635,
        "E1": 0.005668753727944, "E2": 0.008512624209948, E: 0.0141813779378917,
    }),
    *_at_0("era-s6", 2.0, 3e-12, _gradients(
        0.000316993395910, 0.000633986791821, 0.000351776321591, 0.000703552643181,
        0.012880818631628, 0.012976084910699, 0.015408348281773, 0.015522308119995,
    )),
    *(fact for rate, value in _END.items() for fact in _after("end-s2", rate, {50: value}, 1e-11)),
    *_at_0("end-s2", 0.1, 1e-8, {E: 0.242519857348377} | _gradients(
        0.000188255667, 0.000376511334, 0.000224813463, 0.000449626925,
        0.072157072912, 0.072690745192, -0.042455250093, -0.042769248280,
    )),
    # Matt Mazur, A Step by Step Backpropagation Example (2015).
    *_at_0("mazur", 0.5, 3e-8, {
        "a_h1": 0.593269992, "a_h2": 0.596884378, "a_o1": 0.751365070, "a_o2": 0.772928465,
        "E1": 0.274811083, "E2": 0.023560026,
    }),
    *_at_0("mazur", 0.5, 1e-12, {E: 0.298371108760003}),
    *_at_0("mazur", 0.5, 2e-9, _gradients(
        0.000438567734, 0.000877135469, 0.000497712735, 0.000995425471,
        0.082167040564, 0.082667627848, -0.022602540477, -0.022740242216,
    )),
    # The updated weights as the page prints them.
    *(Fact("mazur", f"w{k}", 0.5, 1, value, 3e-8) for k, value in enumerate(
        (0.149780716, 0.19956143, 0.24975114, 0.29950229, 0.35891648, 0.408666186, 0.511301270, 0.561370121), start=1)),
    *_after("mazur", 0.5, {1: 0.291027773694, 10: 0.220918592054, 100: 0.0200468282494}, 1e-11),
    # The page's closing figures: 0.0000351085 is the simultaneous order after 9,999 updates ...
    *_after("mazur", 0.5, {1000: 0.00111434945373, 9999: 3.510854812e-05, 10000: 3.51018778298e-05}, 1e-9, steps=10000),
    Fact("mazur", "a_o1", 0.5, 10000, 0.015913620444, 1e-10, {"steps": 10000}),
    Fact("mazur", "a_o2", 0.5, 10000, 0.984064273515, 1e-10, {"steps": 10000}),
    # ... and 0.291027924 the sequential order after one.
    *_after("mazur-sequential", 0.5, {1: 0.291027923905, 10: 0.220916337458, 100: 0.0200397519508}, 1e-11),
    *_after("mazur-sequential", 0.5, {1000: 0.00111394043394, 10000: 3.50847862963e-05}, 1e-9, steps=10000),
    Fact("mazur-sequential", "a_o1", 0.5, 10000, 0.015912196326, 1e-10, {"steps": 10000}),
    Fact("mazur-sequential", "a_o2", 0.5, 10000, 0.984065734486, 1e-10, {"steps": 10000}),
    *_after("mazur-trained", 0.5, {1: 0.280471446791, 10: 0.125527038044}, 1e-11),
    *_after("mazur-shared", 0.5, {1: 0.285750886699}, 1e-11),
    # Nielsen, Neural Networks and Deep Learning, chapter 3: outputs at the start and after 300 epochs.
    Fact("nielsen-neuron", "a_z", 0.15, 0, 0.982014, 1e-6),
    Fact("nielsen-neuron", "a_z", 0.15, 300, 0.202848, 3e-6),
    # CS231n, Backpropagation, Intuitions: (x+y)z at (-2, 5, -4), the sigmoid neuron, 2(xy + max(z, w)).
    *_at_0("cs231n-circuits", 0.1, 1e-15, {
        "f": -12, "∂E/∂x": -4, "∂E/∂y": -4, "∂E/∂z": 3,
        "doubled": -20, "∂E/∂x3": -8, "∂E/∂y3": 6, "∂E/∂z3": 2, "∂E/∂w3": 0,
    }),
    *_at_0("cs231n-circuits", 0.1, 1e-9, {
        "neuron": 0.7310585786, "∂E/∂x0": 0.3932238665, "∂E/∂x1": -0.5898357997,
        "∂E/∂w0": -0.1966119332, "∂E/∂w1": -0.3932238665, "∂E/∂w2": 0.1966119332,
    }),
    # Andrej Karpathy's micrograd lecture: its neuron.
    *_at_0("micrograd-neuron", 0.05, 1e-14, {
        "a_n": 0.7071067811865476, "∂E/∂x1": -1.5, "∂E/∂x2": 0.5, "∂E/∂w1": 1, "∂E/∂w2": 0, "∂E/∂b": 0.5,
    }),
    # The fast.ai course's spreadsheet, rows (14, 58) and (86, 202).
    *_at_0("graddesc", 0.0001, 1e-15, {"∂E/∂b": -86, "∂E/∂a": -1204}),
    *(Fact("graddesc", name, 0.0001, step, value, 1e-12) for name, step, value in (
        ("a", 1, 1.1204), ("b", 1, 1.0086), ("a", 2, 2.9201564), ("b", 2, 1.0295274))),
    # ERA V2, session 6: likelihoods and errors of the right class, printed with two digits.
    *(Fact("softmax-nll", name, 0.1, 0, value, 0.005 / value) for name, value in (
        ("cat", 0.71), ("dog", 0.26), ("horse", 0.04), (E, 0.34))),
    # The softmax of (1, 0, -1, 3), by its logarithm.
    *_at_0("modules-logsoftmax", 0.1, 1e-7, {
        f"y{k}": math.log(p) for k, p in enumerate((0.112457214, 0.041370697, 0.015219429, 0.830952661), start=1)}),
]  # fmt: skip
