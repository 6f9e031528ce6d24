"""The names of what is calculated, as the sheets show them; both tellings take them from here."""

from __future__ import annotations

STEP, VISIT, SAMPLE, RATE, CHANGE = "step", "visit", "sample", "η", "ΔE"
RATE_NOW = "η_t"  # what a schedule makes of the rate
GRADIENT_NORM, CLIP_FACTOR = "‖g‖", "clip"


def activation_name(unit: str) -> str:
    return f"a_{unit}"


def error_name(output: int) -> str:
    """The error of one output, counted from 0: E1, E2, ..."""
    return f"E{output + 1}"


def total_error() -> str:
    return "E_total"


def batch_error() -> str:
    """The mean or sum of the total errors of a batch's samples."""
    return "E_batch"


def delta_name(unit: str) -> str:
    """∂E/∂z of the unit's pre-activation z."""
    return f"δ_{unit}"


def gradient_name(quantity: str) -> str:
    return f"∂E/∂{quantity}"


def local_name(output: str, argument: str) -> str:
    """One factor of the chain rule, by how much `output` moves with `argument`."""
    return f"∂{output}/∂{argument}"


def over_batch(quantity: str) -> str:
    """The mean of a quantity over the rows of its batch."""
    return f"mean {quantity}"


def updated_name(parameter: str) -> str:
    return f"{parameter}⁺"


def before_name(state: str) -> str:
    """An optimiser's state before the step."""
    return f"{state} before"


# What an optimiser keeps of a parameter, a number a batch.


def batch_gradient(parameter: str) -> str:
    """The mean or sum of the rows' gradients."""
    return f"g_{parameter}"


def clipped_gradient(parameter: str) -> str:
    return f"c_{parameter}"


def decayed_gradient(parameter: str) -> str:
    """With the derivative of the weight decay."""
    return f"d_{parameter}"


def first_moment(parameter: str) -> str:
    """The momentum: a running sum or mean of gradients."""
    return f"m_{parameter}"


def second_moment(parameter: str) -> str:
    """A running mean of squared gradients."""
    return f"v_{parameter}"


def corrected(moment: str) -> str:
    """A moment with its bias towards 0 corrected."""
    return f"{moment}̂"


# What the Checks sheet has for each parameter that it steps by ε, or by ih.
EPSILON, H = "check_epsilon", "check_h"
VALUE, ANALYTIC, AGREES = "its value", "its gradient", "agrees"
CENTRAL, CENTRAL_OFF = "central difference", "central difference, off by"
COMPLEX, COMPLEX_OFF = "complex step", "complex step, off by"
LARGEST, DISAGREE = "largest gradient", "gradients that disagree"
UP, DOWN = "w+ε", "w-ε"
PLUS, MINUS, RE, IM = "{} at w+ε", "{} at w-ε", "Re {} at w+ih", "Im {} at w+ih"


def other_name(quantity: str, k: int) -> str:
    """The quantity of the k-th other sample of the batch shown, counted from 1."""
    return f"{quantity} of other {k}"


# The workbook's inputs.


def start_name(parameter: str) -> str:
    """The input that holds the parameter's initial value."""
    return f"start_{parameter}"


def input_source(quantity: str) -> str:
    """The input that holds an input of every sample."""
    return f"in_{quantity}"


def target_source(quantity: str) -> str:
    return f"target_{quantity}"


def drawn_source(quantity: str) -> str:
    """The input that holds what was drawn for every visit: the order of samples, a dropout mask."""
    return f"drawn_{quantity}"


def mean_name(quantity: str) -> str:
    """The mean of an input over all samples."""
    return f"mean_{quantity}"


def deviation_name(quantity: str) -> str:
    """The standard deviation of an input over all samples."""
    return f"std_{quantity}"


_PLAIN = (
    ("‖g‖", "norm_g"), ("σ²", "var"), ("x̂", "xhat"), ("̂", "_hat"), ("∂", "d"), ("δ", "delta"), ("η", "rate"),
    ("μ", "mean"), ("σ", "std"), ("γ", "gamma"), ("β", "beta"), ("α", "alpha"), ("Δ", "d"), ("⁺", "+"),
    ("ε", "epsilon"),
)  # fmt: skip


def canonical(quantity: str) -> str:
    """The quantity in plain ASCII, as JSON has it: dE/dw1, delta_h1."""
    for letter, plain in _PLAIN:
        quantity = quantity.replace(letter, plain)
    return quantity
