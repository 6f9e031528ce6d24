"""Formulas mean to the auditor what they mean to a calculator, and what is no formula is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from xlbackprop.audit.evaluate import Array, UnknownFunction, evaluate
from xlbackprop.audit.formula import Area, Block, Call, Field, FormulaError, Name, Num, Ref, Text, Tree, parse
from xlbackprop.audit.written import to_text
from xlbackprop.engine import engine
from xlbackprop.sheet.address import cell_name

A1 = Ref(None, 0, 0, False, False)
B1 = Ref(None, 0, 1, False, False)
ONE, TWO = Num(1.0), Num(2.0)


def neg(tree: Tree) -> Call:
    return Call("neg", (tree,))


def call(name: str, *args: Tree) -> Call:
    return Call(name, args)


# What is written, and its tree.
TREES = [
    ("1", ONE),
    (" 1 ", ONE),
    ("1.5e-3", Num(0.0015)),
    (".5", Num(0.5)),
    ("2.", TWO),
    ("A1", A1),
    ("a1", A1),
    ("$A1", Ref(None, 0, 0, False, True)),
    ("A$1", Ref(None, 0, 0, True, False)),
    ("$xfd$1048576", Ref(None, 1048575, 16383, True, True)),
    ("Sheet2!A1", Ref("Sheet2", 0, 0, False, False)),
    ("'my sheet'!B1", Ref("my sheet", 0, 1, False, False)),
    ("'it''s η=0.5'!$A1", Ref("it's η=0.5", 0, 0, False, True)),
    ("Blätter!A1", Ref("Blätter", 0, 0, False, False)),
    ("A1:B1", Area(A1, B1)),
    ("Sheet2!A1:B1", Area(Ref("Sheet2", 0, 0, False, False), B1)),
    ("A:B", Area(Ref(None, -1, 0, True, False), Ref(None, -1, 1, True, False))),
    ("$A:$A", Area(Ref(None, -1, 0, True, True), Ref(None, -1, 0, True, True))),
    ("3:4", Area(Ref(None, 2, -1, False, True), Ref(None, 3, -1, False, True))),
    ("$3:$3", Area(Ref(None, 2, -1, True, True), Ref(None, 2, -1, True, True))),
    ("rate", Name("rate")),
    ("η", Name("η")),
    ("Sheet2!rate", Name("Sheet2!rate")),
    ("learning_rate", Name("learning_rate")),
    ("w1_new", Name("w1_new")),
    ("TRUE", ONE),
    ("false", Num(0.0)),
    ('"a ""b"" (c"', Text('a "b" (c')),
    ("Table1[w1]", Field("Table1", "w1", False)),
    ("Table1[[#This Row],[w1]]", Field("Table1", "w1", True)),
    ("Table1[[#This Row],[∂E/∂w1]]", Field("Table1", "∂E/∂w1", True)),
    ("Table1[@w1]", Field("Table1", "w1", True)),
    ("[@w1]", Field("", "w1", True)),
    ("[@[a h1]]", Field("", "a h1", True)),
    ("Table1['#1]", Field("Table1", "#1", False)),
    ("-A1^2", call("^", neg(A1), TWO)),
    ("2^-1", call("^", TWO, neg(ONE))),
    ("2^A1^2", call("^", call("^", TWO, A1), TWO)),
    ("--A1", neg(neg(A1))),
    ("+A1", A1),
    ("1-2-A1", call("-", call("-", ONE, TWO), A1)),
    ("1/2*A1", call("*", call("/", ONE, TWO), A1)),
    ("1/(2*A1)", call("/", ONE, call("*", TWO, A1))),
    ("-A1%", neg(call("%", A1))),
    ("A1+1>B1*2", call(">", call("+", A1, ONE), call("*", B1, TWO))),
    ("A1<=B1", call("<=", A1, B1)),
    ("A1<>B1", call("<>", A1, B1)),
    ("exp( a1 )", call("EXP", A1)),
    ("EXP (A1)", call("EXP", A1)),
    ("PI()", call("PI")),
    ("LOG10(A1)", call("LOG10", A1)),
    ("_xlfn.ERF.PRECISE(A1)", call("ERF.PRECISE", A1)),
    ("SUM(A1:B1,2)", call("SUM", Area(A1, B1), TWO)),
    ("IF(A1>0;1;2)", call("IF", call(">", A1, Num(0.0)), ONE, TWO)),
    ("IF(A1,,2)", call("IF", A1, Text(""), TWO)),
    ("A1&\"x\"", call("&", A1, Text("x"))),
    ("1\n +\tA1", call("+", ONE, A1)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_a_formula_has_its_tree(text: str, tree: Tree) -> None:
    assert parse(text) == tree


MALFORMED = [
    "", " ", "+", "1+", "*1", "1 2", "A1 B1", "(", ")", "(1", "1)", "()", "EXP(", "EXP(1", "EXP)1(", "1++", "1**2",
    "=1", "A1:", ":A1", "A1:2", "'sheet!A1", '"text', "Table1[w1", "[", "]", "1..2", "@", "#REF", "!A1", "1,2", "{1",
    "\\frac", "a b", "∂E/∂", "%", "5e", "A1:B1:",
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_formula_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


# Precedence and functions, against the calculator. The cells hold A1 to E1 and A2 to E2.
NUMBERS = ((0.3, -1.7, 2.5, 0.05, 7.0), (1.1, 4.0, -0.25, 3.0, 0.9))
FORMULAS = [
    "-A1^2", "-(A1^2)", "0-A1^2", "1-A1^2", "C1-B1^2", "2^-1", "-2^-2", "2^3^2", "2^-A1^2", "--A1", "-+-A1", "+B1",
    "A1*-B1", "A1--B1", "A1/-B1^2", "(-B1)^2", "-(-B1)^3", "A1^0.5", "A1^0", "B1^3", "B1^-3",
    "5%", "50%*A1", "A1*50%", "-5%^2", "2^50%", "A1%%", "200%%*2",
    "1/2*A1", "1/2/A1", "1/(2*A1)", "A1/B1*C1", "A1-B1-C1", "A1-(B1-C1)", "A1-B1+C1", "1-A1*B1-C1",
    "A1<B1", "A1>B1", "A1<=A1", "A1>=B1+1", "A1<>B1", "A1=A1", "(A1>0)*C1", "(B1>0)*C1+(B1<0)*D1", "1+(A1=0.3)",
    "A1+1>B1*2", "-A1<A1",
    "EXP(-A1)", "exp(-a1)", "1/(1+EXP(-A1))", "1/(1+exp( - ( A1 * B1 + C1 ) ))", "EXP(A1)/(1+EXP(A1))", "EXP(-A1^2)",
    "1/(1+EXP(A1*-1))", "LN(C1)", "LOG(C1)", "LOG10(C1)", "LOG(C1,2)", "LOG(E1,EXP(1))", "POWER(A1,2)", "POWER(B1,3)",
    "power(A1-B1, 2)/2", "POWER(C1,-0.5)", "TANH(B1)", "1-TANH(A1)^2", "SQRT(E1)", "ABS(B1)", "SIGN(B1)", "SIGN(A1)",
    "SUM(A1:E1)", "SUM(A1:E2)", "sum(A1,B1,C1:E1)", "SUM(A1:A2)*2", "AVERAGE(A1:E1)", "AVERAGE(A1:B2)",
    "PRODUCT(A1:C1)", "SUMPRODUCT(A1:C1,A2:C2)",
    "SUMPRODUCT(A1:A2,E1:E2)", "SUMSQ(A1:C1)", "MAX(0,B1)", "MAX(0,A1)", "MAX(A1:E1)",
    "MIN(A1:E2)", "MIN(0,B1)", "MAX(0,SIGN(B1))", "IF(B1>0,1,0)", "IF(A1>0,A1,0.01*A1)", "IF(B1>0,B1,EXP(B1)-1)",
    "IF(AND(A1>0,B1>0),1,2)", "IF(OR(A1>0,B1>0),1,2)", "IF(NOT(A1>0),1,2)", "IF(A1,C1,D1)", "PI()", "2*PI()*A1",
    "0.5*(A1-C1)^2", "(1/2)*POWER((A1-C1),2)", "((A1-C1)^2)/2", "-(A1-C1)*C1*(1-C1)*E1", "$A$1*B$1+$C1*D1",
    "ROUND(A1*B1,2)", "ROUND(B1,0)", "INT(B1)", "MOD(E1,3)", "MOD(B1,1)", "SIN(A1)", "COS(B1)", "SINH(A1)", "COSH(A1)",
    "((((A1))))", "(A1+B1)*(C1+D1)/(E1)", "1E-3*A1", "1.5e2+A1", ".5*A1", "SUM(-A1,-(B1))", "-SUM(A1:B1)^2",
    "A1*B1%", "3-2-1", "2/4/2", "2*3%", "10-2%", "-1^2+1", "1+-1^2", "TRUE+1", "IF(TRUE,2,3)", "ERF(A1)",
]  # fmt: skip
OURS_AND_THEIRS = [(text, text) for text in FORMULAS] + [("POW(A1,2)", "POWER(A1,2)"), ("pow(E1,A1)", "POWER(E1,A1)")]


@pytest.fixture(scope="module")
def calculated(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in NUMBERS:
        sheet.append(row)
    for k, (_, theirs) in enumerate(OURS_AND_THEIRS):
        sheet.cell(k + 4, 1, f"={theirs}")
    path = tmp_path_factory.mktemp("formulas") / "formulas.xlsx"
    book.save(path)
    return list(engine("embedded").recalculate(path).column("Sheet", 3, 0, len(OURS_AND_THEIRS)))


def spread(tree: Tree) -> Tree:
    """The tree with each range as the block of its cells."""
    match tree:
        case Call(name, args):
            return Call(name, tuple(map(spread, args)))
        case Area(first, last):
            width = last.column - first.column + 1
            cells = [
                Ref(None, row, column, False, False)
                for row in range(first.row, last.row + 1)
                for column in range(first.column, last.column + 1)
            ]
            return Block(tuple(cells), width)
    return tree


def number_of(leaf: Tree) -> Array:
    assert isinstance(leaf, Ref)
    return np.asarray(NUMBERS[leaf.row][leaf.column])


@pytest.mark.parametrize("k", range(len(OURS_AND_THEIRS)), ids=[text for text, _ in OURS_AND_THEIRS])
def test_a_formula_gives_what_the_calculator_gives(calculated: list[object], k: int) -> None:
    theirs = calculated[k]
    assert isinstance(theirs, (int, float)), theirs
    ours = float(evaluate(spread(parse(OURS_AND_THEIRS[k][0])), number_of))
    assert ours == pytest.approx(float(theirs), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("text", ["1/0", "LN(0)", "LN(-1)", "SQRT(-1)", "EXP(1000)", "1/(A1-A1)", "EXP(1,2)", '"x"+1'])
def test_an_error_is_no_number(text: str) -> None:
    assert math.isnan(float(np.real(evaluate(parse(text), number_of))))


def test_an_unknown_function_is_named() -> None:
    with pytest.raises(UnknownFunction, match="BESSELJ"):
        evaluate(parse("1+besselj(A1,0)"), number_of)


def test_one_evaluation_serves_all_rows() -> None:
    rows = np.array([-1.0, 0.0, 2.0])
    found = evaluate(parse("IF(A1>0,A1^2,-A1)"), lambda leaf: rows)
    assert found.tolist() == [1.0, 0.0, 4.0]


def test_a_formula_has_a_complex_step() -> None:
    z = np.array([0.4 + 1e-20j])
    found = evaluate(parse("0.5*(B1-1/(1+EXP(-A1)))^2"), lambda leaf: z if leaf == A1 else np.array([0.01]))
    a = 1 / (1 + math.exp(-0.4))
    assert found[0].imag / 1e-20 == pytest.approx((a - 0.01) * a * (1 - a), rel=1e-12)


# Round trips.

REFS = st.builds(
    Ref,
    st.sampled_from([None, "Sheet2", "my sheet", "it's"]),
    st.integers(0, 9999),
    st.integers(0, 700),
    st.booleans(),
    st.booleans(),
)
LEAVES = st.one_of(
    st.builds(Num, st.one_of(st.integers(0, 10**6).map(float), st.floats(0, 1e300, allow_subnormal=False))),
    REFS,
    st.builds(Area, REFS, REFS),
    st.sampled_from([Name("rate"), Name("learning_rate"), Field("Table1", "w1", True), Text('a "b"')]),
)
TREE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(neg, inner),
        st.builds(lambda tree: call("%", tree), inner),
        st.builds(call, st.sampled_from(["+", "-", "*", "/", "^", "&", "=", "<", ">", "<=", ">=", "<>"]), inner, inner),
        st.builds(
            lambda name, args: Call(name, tuple(args)),
            st.sampled_from(["SUM", "EXP", "IF", "LOG10"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
    ),
    max_leaves=12,
)


def written(leaf: Tree) -> str:
    match leaf:
        case Ref(sheet, row, column, row_fixed, column_fixed):
            letters = cell_name(0, column)[:-1]
            place = f"{'$' if column_fixed else ''}{letters}{'$' if row_fixed else ''}{row + 1}"
            return place if sheet is None else "'" + sheet.replace("'", "''") + "'!" + place
        case Area(first, last):
            return f"{written(first)}:{written(last)}"
        case Field(table, column, True):
            return f"{table}[[#This Row],[{column}]]"
        case Name(text):
            return text
    raise AssertionError(leaf)


@given(TREE)
@example(call("^", TWO, call("^", A1, TWO)))
@example(call("-", ONE, call("-", A1, B1)))
@example(neg(call("^", A1, TWO)))
@example(call("%", neg(A1)))
@example(call("^", call("^", neg(A1), TWO), neg(ONE)))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(tree: Tree) -> None:
    assert parse(to_text(tree, written)) == tree


def test_no_bracket_is_written_that_is_not_needed() -> None:
    for text in ["-A1^2", "-(A1^2)", "1-(A1-B1)", "A1*B1+1", "(A1+1)*B1", "2^(A1^2)", "(-A1)%", "1/(1+EXP(-A1))"]:
        assert to_text(parse(text), written) == text


# What people and machines type.


def tries(text: str) -> None:
    try:
        parse(text)
    except FormulaError:
        return


@given(st.text(max_size=60))
@example("٣")
@example("A٣")
@example("1²")
@example("A0")
@example("''!A1")
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_formula_or_a_formula_error(text: str) -> None:
    tries(text)


@given(st.sampled_from(FORMULAS), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_formula_is_a_formula_or_a_formula_error(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    tries(text[:start] + data.draw(st.text("()+-*/^%,:;$!'\"[]@#.A1e ", max_size=3)) + text[end:])


# A formula may be 8,192 characters long and nested 64 deep; a reader may refuse a longer chain of operators.
@pytest.mark.parametrize(
    "text",
    ["(" * 64 + "A1" + ")" * 64, "SIN(" * 64 + "A1" + ")" * 64, "-" * 64 + "A1", "+".join(["A1"] * 100),
     "IF(1," * 63 + "A1" + ")" * 63],
    ids=["brackets", "functions", "signs", "sum", "conditions"],
)  # fmt: skip
def test_a_long_or_deep_formula_is_read_written_and_evaluated(text: str) -> None:
    tree = parse(text)
    assert parse(to_text(tree, written)) == tree
    assert np.isfinite(evaluate(tree, lambda leaf: np.asarray(0.0)))


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "-" * 5000 + "1", "EXP(" * 5000, "IF(1," * 3000,
     "1" * 400, "+".join(["A1"] * 2700), "*".join(["2"] * 4000)],
    ids=["brackets", "signs", "functions", "conditions", "digits", "sum", "product"],
)  # fmt: skip
def test_what_is_accepted_can_be_written_and_evaluated(text: str) -> None:
    try:
        tree = parse(text)
    except FormulaError:
        return
    assert to_text(tree, written)
    assert evaluate(tree, lambda leaf: np.asarray(0.0)).shape == ()
    assert len({tree}) == 1
