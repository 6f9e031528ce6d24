"""What mutators put where something sensible stood: numbers, texts, references and formulas at the edge of sense."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

NUMBERS = (
    "0", "-0", "-1", "1", "2", "007", "1e999", "-1e999", "1e-400", "nan", "inf", "1e308", "5e-324", "0.1", "1_0",
    "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808",
    "99999999999999999999", "1000000000", "0x10", "1.5.2", "--1", "", " ", "١٢", "²", "1e", "9" * 400, "9" * 5000,
)  # fmt: skip

TEXTS = (
    "", " ", "\t", "\n", "\r\n", "a\nb", "=1+1", "+1", "-1", "@A1", "'", '"', "\\", "%", "{0}", "%s", "\x07", "\x7f",
    "\x85",
    "\u2028", "\u202eabc", "\ufeff", "\ufffe", "é", "e\u0301", "İ", "ß", "日本語", "😀", "w1", "W1", "A1", "R1C1",
    "TRUE",
    "__class__",
    "../../../../etc/passwd", "..\\..\\x", "/etc/passwd", "C:\\x", "file:///etc/passwd", "http://127.0.0.1:9/x",
    "\\\\127.0.0.1\\x",
    "x" * 64, "x" * 65, "x" * 300, "x" * 32_768, "x" * 70_000,
)  # fmt: skip

REFERENCES = (
    "A1", "$A$1", "a1", "A0", "A-1", "A", "1", "", "A01", "XFD1048576", "XFE1048577", "AAAA1", "A9999999", "A1048577",
    "A1:XFD1048576", "A1:A1", "B2:A1", "A:A", "1:1", "A1:B", "A1:B2:C3", ":", "A1:", "Sheet1!A1", "'Sheet 1'!A1",
    "[1]Sheet1!A1",
    "'", "A1 B2", "À1", "A²", "A" * 5000, "A1," * 2000, "A99999999999999999999",
)  # fmt: skip

_FORMULAS: tuple[Callable[[], str], ...] = (
    lambda: "",
    lambda: "=",
    lambda: "=" * 9000,
    lambda: "(" * 10_000 + "1" + ")" * 10_000,
    lambda: "-" * 10_000 + "1",
    lambda: "1" + "%" * 10_000,
    lambda: "1" + "^1" * 3000,
    lambda: "+".join(["A1"] * 2731),
    lambda: "SUM(" * 2000 + "1" + ")" * 2000,
    lambda: "IF(" * 300 + "1" + ",1,2)" * 300,
    lambda: "SUM(" + ",".join(["1"] * 300) + ")",
    lambda: '"' + "x" * 33_000 + '"',
    lambda: "{" * 2000,
    lambda: "A1:" * 1500 + "A1",
    lambda: "[" * 3000,
    lambda: "Table1" + "[" * 1500 + "]" * 1500,
    lambda: "'" * 5001 + "!A1",
    lambda: "&".join(['"a"'] * 3000),
    lambda: "SUM(A1:XFD1048576)",
    lambda: "SUM(A:XFD)",
    lambda: "SUM(1:1048576)",
    lambda: "SUMPRODUCT(A1:A1048576,B1:B1048576)",
    lambda: "MMULT(A1:Z1000,A1:Z1000)",
    lambda: "REPT(REPT(\"x\",32767),32767)",
    lambda: "INDIRECT(\"A\"&ROW())",
    lambda: "OFFSET(A1,-1,-1)",
    lambda: "INDEX(A1:B2,0,0)",
    lambda: "INDEX(A1:B2,99,-1)",
    lambda: "FACT(170)*10^308",
    lambda: "1E999",
    lambda: "9" * 5000,
    lambda: "1/0",
    lambda: "#REF!+1",
    lambda: "[1]Sheet1!A1",
    lambda: "WEBSERVICE(\"http://127.0.0.1:9/\")",
    lambda: "HYPERLINK(\"http://127.0.0.1:9/\",1)",
    lambda: "cmd|' /C calc'!A0",
    lambda: "LET(x,1,x)",
    lambda: "LAMBDA(x,x(x))(LAMBDA(x,x(x)))",
    lambda: "SEQUENCE(1048576,16384)",
    lambda: "RANDARRAY(10000,10000)",
    lambda: "DATE(-1,99999,99999)",
    lambda: "MID(\"a\",-1,1E300)",
    lambda: "POWER(-8,1/3)",
    lambda: "EXP(710)-EXP(710)",
    lambda: "A1:A3*B1:B3",
    lambda: "@A1",
    lambda: "A1#",
    lambda: "(A1,B1)",
    lambda: "A1 B1",
    lambda: "nosuch(1)",
    lambda: "SIN()",
    lambda: "SIN(1,2,3)",
    lambda: "é1+1",
    lambda: "A1+\x00",
)  # fmt: skip
_PIECES = (
    "A1", "$B$2", "C3:D4", "1", "0.5", "1E5", "-", "+", "*", "/", "^", "(", ")", ",", ";", "%", "&", "=", "<>", "<=",
    '"a"', '""',
    "SUM(", "EXP(", "IF(", "AVERAGE(", "SUMPRODUCT(", "MMULT(", "TRANSPOSE(", "INDEX(", "#REF!", "#N/A", "TRUE", "w1",
    "Table1[a]",
    "Table1[[#This Row],[a]]", "'a b'!A1", "A:A", "3:3", "{", "}", ":", " ", "!", "[", "]", "@", "#", "'", '"', "$",
    "é",
)  # fmt: skip


def formula(chance: Random) -> str:
    """One that some calculator does not expect, or pieces of formulas in any order."""
    if chance.random() < 0.3:
        return chance.choice(_FORMULAS)()
    return "".join(chance.choice(_PIECES) for _ in range(chance.randint(1, chance.choice((5, 20, 60)))))


def bytes_damaged(data: bytes, chance: Random) -> bytes:
    """With some bytes changed, cut, doubled or put in."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(result) + 1)
        length = chance.choice((1, 1, 2, 4, 8, 100))
        match chance.randrange(6):
            case 0 if result:
                result[at % len(result)] ^= 1 << chance.randrange(8)
            case 1:
                result[at : at + length] = chance.randbytes(length)
            case 2:
                del result[at : at + length]
            case 3:
                result[at:at] = result[at : at + length]
            case 4:
                result[at : at + length] = chance.choice((b"\0", b"\xff", b"\x7f")) * length
            case 5 if chance.random() < 0.3:
                del result[at:]
    return bytes(result)
