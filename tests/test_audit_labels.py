"""What people write above a column is read as they meant it, and other words are not read at all."""

from __future__ import annotations

import pytest

from xlbackprop.audit.labels import NOTHING, Kind, read_label

# For each canonical quantity its spellings, with " | " between them.
READ = {
    "a_h1": (
        "a_h1 | A_H1 | a_H1 | ah1 | aH1 | a(h1) | a-h1 | a.h1 | out_h1 | outh1 | out(h1) | Out_H1 | "
        "OUT_h1 | output_h1 | act_h1 | act(h1) | acth1 | activation_h1 | σ(h1) | sigmoid(h1) | "
        "sig(h1) | sigma(h1) | h1_out | h1_act | a h1 | out h1 | a_{h1} | $a_{h1}$ | а_h1 | out_{h_1} | "
        "a_h1 = σ(h1) | a_h1=1/(1+exp(-h1)) | a_h_1"
    ),
    "a_o2": (
        "a_o2 | a_O2 | ao2 | out_o2 | outo2 | act_o2 | a_02 | а_о2 | a_о2 | α_o2 | σ(o2) | "
        "sigmoid(o2) | out_02 | act_02 | a_o2 = σ(o2)"
    ),
    "h1": (
        "h1 | H1 | h_1 | net_h1 | neth1 | net(h1) | z_h1 | zh1 | in_h1 | inh1 | sum_h1 | h 1 | h1  | "
        "h1 = w1*i1+w2*i2 | net h1 | NET_H1 | pre_h1 | h1_net | Н1"
    ),
    "o2": ("o2 | O2 | o_2 | net_o2 | neto2 | z_o2 | о2 | О2 | in_o2 | o2 = w7*a_h1 + w8*a_h2 | net o2 | net_02"),
    "i1": ("i1 | I1 | i_1 | x1 | x_1 | X1 | input1 | input 1 | Input_1 | inp1 | і1 | х1"),
    "t1": ("t1 | T1 | t_1 | target1 | target 1 | Target_1 | tgt1 | y1 | Т1 | т1"),
    "w5": ("w5 | W5 | w_5 | w_{5} | w 5 | weight5 | weight 5 | Weight_5 | wt5 | $w_5$ | W_5 | θ5"),
    "b1": ("b1 | B1 | b_1 | bias1 | bias 1 | Bias_1"),
    "E1": (
        "E1 | e1 | E_1 | E_{1} | E_o1 | Eo1 | error1 | error 1 | Error_1 | err1 | E 1 | E(o1) | "
        "E1 = ½(t1-a_o1)² | E1 = 1/2*(t1-a_o1)^2 | E1=0.5*(t1-a_o1)^2 | Е1 | е1 | Loss1 | Loss 1 | L1"
    ),
    "E_total": (
        "E | E_tot | E_total | E_Total | Etotal | ETotal | Etot | E_T | ET | E_t | E total | E-total | "
        "Total error | Total Error | total error | TotalError | Error | error | Loss | loss | "
        "Total Loss | total_loss | Е_total | Е_tot | E_total = E1 + E2 | E_{total} | $E_{total}$ | "
        "Cost | MSE | Sum of errors | Error total | Etotl | E_tоt | Err"
    ),
    "dE/dw1": (
        "∂E/∂w1 | ∂E/∂W1 | dE/dw1 | dE/dW1 | DE/DW1 | δE/δw1 | 𝜕E/𝜕w1 | ðE/ðw1 | E∂w1 | Edw1 | E∂W1 | "
        "∂E / ∂w1 | ∂E/∂w_1 | ∂E_total/∂w1 | ∂E_Total/∂w1 | ∂E_tot/∂w1 | ∂Etotal/∂w1 | ∂E_T/∂w1 | "
        "∂E_t/∂w1 | dE_total/dw1 | dE_tot/dw1 | dEtotal/dw1 | 𝜕ETotal/ 𝜕w1 | dE_dw1 | dEdw1 | dE/∂w1 | "
        "∂E∂w1 | ∂E/∂w1  | $\\partial\\,E/\\partial\\,w_1$ | dL/dw1 | ∂L/∂w1 | dLoss/dw1 | dC/dw1 | "
        "dJ/dw1 | ΔE/Δw1 | dw1 | ∂w1 | grad_w1 | grad w1 | gradient_w1 | gradient of w1 | "
        "∂E/∂w1 = (∂E/∂a_o1)*... | ∂E_t/∂w1 = ∂(E1 + E2)/∂w1 | dE/dw1=((a_o1-t1)*a_o1*(1-a_o1)*w5)*i1 | "
        "∂Е/∂w1 | ∂E/ ∂w1 | d(E)/d(w1) | ∂(E)/∂(w1) | ∂E/∂ԝ1 | ∂Error/∂w1"
    ),
    "dE/db1": ("∂E/∂b1 | dE/db1 | ∂E_total/∂b1 | db1 | dE/dB1"),
    "dE/dw8": ("∂E/∂w8 | ∂E_t/∂w8 | E∂w8 | Edw8"),
    "dE/da_h1": ("∂E/∂a_h1 | dE/da_h1 | dE/dah1 | ∂E_t/∂a_h1 | ∂E/∂out_h1 | dE/dout_h1 | ∂E_total/∂a_h1 | E∂a_h1"),
    "delta_h1": (
        "δ_h1 | δh1 | delta_h1 | deltah1 | delta h1 | Delta_h1 | ∂E/∂h1 | dE/dh1 | dE/dnet_h1 | "
        "∂E/∂net_h1 | ∂E/∂z_h1 | dE/dz_h1 | δ(h1) | δ h1 | d_h1"
    ),
    "delta_o1": ("δ_o1 | δo1 | delta_o1 | delta_01 | δ_01 | ∂E/∂o1 | dE/do1 | ∂E/∂net_o1"),
    "update w1": (
        "w1_new | w1new | w1 new | new w1 | new_w1 | w1+ | w1' | w1⁺ | w1 (new) | updated w1 | "
        "w1_updated | W1 new | w1_next | next w1 | w1(new) | w1^+ | w1 (updated)"
    ),
    "learning rate": (
        "η | η = | η= | η: | ɳ | eta | Eta | ETA | LR | lr | L.R. | LR: | LR = | Learning Rate | "
        "learning rate | learning_rate | Learning rate (η) | Learning Rate (LR) | Learning rate: | "
        "learning rate = | alpha | Alpha | α | α = | rate | Rate | η = 0.5 | Learning Rate = 0.5 | "
        "Learning rate η | 𝜂 | ή"
    ),
    "step": (
        "step | Step | STEP | steps | iteration | Iteration | Iterations | iter | epoch | Epoch | "
        "epochs | # | No. | S.No | Sl. No."
    ),
}

# Ordinary words, names, dates, notes and numbers, which a sheet holds too.
NOT_READ = (
    "Total | Sum | Week 1 | Day 3 | Notes | note | Assignment 6 | Rohan | Anna | Ethan | Ada | Bob | "
    "Alice | 2024-01-05 | 05/01/2024 | Name | Date | Student | Backpropagation | Neural Network | "
    "Sheet1 | Chart | Error Graph | Error vs iterations | Weights | Weight | Inputs | Outputs | "
    "Input | Output | Targets | Hidden | Hidden layer | Output layer | Forward pass | Backward pass | "
    "Forward | Derivatives | Gradient | Gradients | Sigmoid | Activation | Activation function | "
    "Learning | Hidden 1 | Group 5 | Page 2 | Q1 | Q2 | Version 2 | v1 | TODO | done | Yes | OK | x | "
    "y | w | h | o | t | m1 | p1 | c | sum of squares | the | and | e-mail | hello world | "
    "http://example.org | A1 | AB12 | Table 1 | Figure 1 | Session 6 | ERA V1 | EVA4 | half | mean | "
    "average | min | max | value | values | Initial weights | Initial | given | formula | Formulas | "
    "class | label | labels | result | results | accuracy | Test | Train | training | batch size | "
    "momentum | dropout | lambda | β | beta | 0.5 | 1 | 12 | true | - | -- | = | ? | ... |    | "
    "w1 to w8 | w1 and w2 | w1..w8 | inputs and targets | i1 and i2 | Change of E | decrease | "
    "dew point | edit | delta | Δ | dead | deal | order | needed | editor | ended | Ed | Ted | Eddie | "
    "Debbie 1 | total weight | net | network | in | out | Team 4 | Room h1 b | Roll No 12 | Marks | "
    "Score | Remarks | Unit 1 | Unit | Lesson 2 | Lab 1 | Exercise 3 | Theta | loss function | "
    "cost function | error rate | total time | sum total | Error % | Expected | Predicted | Actual | "
    "Difference | Ratio | Slope | Eta Carinae | Latte | Mathe | Datei | Summe | Schritt | Fehler | "
    "0.1 | 0.9 | 1.0 | Jan 1 | July 4 2023 | Chapter 2 | Nr. 7 | Room 12 | ∂ | ∂E | E∂ | dE/d | "
    "dE/dx | d/dx | σ | a_ | E_10000x | w12345678 | a_h1 vs a_h2 | t1 and t2 are targets | "
    "weights w1 = 0.15, w2 = 0.2"
)

SPELLINGS = [(spelling, quantity) for quantity, text in READ.items() for spelling in text.split(" | ")]


@pytest.mark.parametrize(("spelling", "quantity"), SPELLINGS)
def test_a_spelling_is_read(spelling: str, quantity: str) -> None:
    assert read_label(spelling).quantity == quantity


@pytest.mark.parametrize("text", NOT_READ.split(" | "))
def test_other_words_are_no_quantity(text: str) -> None:
    assert read_label(text).kind in (Kind.OTHER, Kind.STEP), read_label(text)
    assert read_label(text).kind is not Kind.STEP or text in ("no", "i", "k", "count", "index")


def test_the_tables_are_as_large_as_they_say() -> None:
    assert len(set(SPELLINGS)) > 300
    assert len(set(NOT_READ.split(" | "))) > 150
    assert not {spelling for spelling, _ in SPELLINGS} & set(NOT_READ.split(" | "))


@pytest.mark.parametrize(
    ("other", "ours"),
    [*zip("аеосрхіАЕОСРХІТВМНК", "aeocpxiAEOCPXITBMHK", strict=True), ("Η", "H"), ("Ε", "E"), ("Ο", "O"), ("ο", "o")],
)
def test_a_letter_of_another_alphabet_is_read_as_the_one_it_looks_like(other: str, ours: str) -> None:
    for word in (
        "a_h1",
        "A_H1",
        "E_total",
        "ExTaO",
        "o2",
        "O2",
        "a_o2",
        "i1",
        "I1",
        "x1",
        "X1",
        "H2",
        "T1",
        "B1",
        "Total Error",
    ):
        assert read_label(word.replace(ours, other)) == read_label(word), word


@pytest.mark.parametrize("spelling", ["a_h1", "∂E/∂w1", "E_total", "w1_new", "η"])
def test_spaces_and_case_do_not_matter(spelling: str) -> None:
    right = read_label(spelling)
    assert right != NOTHING
    for text in (
        f" {spelling} ",
        f"\u00a0{spelling}\n",
        spelling.upper().replace("Η", "η"),
        spelling.replace("_", " "),
    ):
        assert read_label(text) == right, text


def test_a_long_text_is_no_label_and_costs_nothing() -> None:
    assert read_label("∂E/" * 100_000 + "∂w1") == NOTHING
    assert read_label("d" * 200) == NOTHING
    assert read_label("") == NOTHING
