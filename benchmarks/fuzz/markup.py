"""Workbooks whose XML is wrong: attributes, texts, elements and whole parts that no spreadsheet would write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random
from xml.sax.saxutils import escape, quoteattr

from benchmarks.fuzz import odd

_ATTRIBUTE = re.compile(r'(?<![\w:])([\w:]{1,60})="([^"]*)"')
_TEXT = re.compile(r">([^<>]+)<")
_ELEMENT = re.compile(r"<([\w:]+)\b[^<>]*(?:/>|>[^<>]*</\1>)")
_CELL = re.compile(r"<c [^<>]*?(?:/>|>.*?</c>)", re.DOTALL)
_FORMULA = re.compile(r"<f\b[^<>]*?(?:/>|>([^<>]*)</f>)")
_ROW = re.compile(r"<row [^<>]*?(?:/>|>.*?</row>)", re.DOTALL)
_KINDS = ("s", "b", "e", "str", "inlineStr", "d", "n", "z", "")
_TARGETS = (
    "worksheets/sheet1.xml", "/xl/worksheets/sheet1.xml", "../xl/workbook.xml", "workbook.xml",
    "../../../../etc/passwd", "",
    "http://127.0.0.1:9/x.xml", "file:///etc/passwd", "xl/nothing.xml", "#Sheet1!A1", "%2e%2e/x", "\\xl\\workbook.xml",
)  # fmt: skip
_LONG = 300_000  # characters; patterns would take their time over more
_LAUGHS = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "ha"}">' for k in range(10))
_DOCTYPES = (
    f"<!DOCTYPE x [{_LAUGHS}]>",
    '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE x [<!ENTITY l9 SYSTEM "http://127.0.0.1:9/x">]>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
    f'<!DOCTYPE x [<!ENTITY l9 "{"x" * 50_000}">]>',
    "<!DOCTYPE x>",
)
_ENCODINGS = ("utf-16", "utf-8-sig", "latin-1", "utf-32", "utf-7", "cp037")


def mutated(parts: Mapping[str, bytes], chance: Random) -> dict[str, bytes]:
    """The parts with one to four of them changed; sheets most often, and their formulas and cells."""
    result = dict(parts)
    for _ in range(chance.choice((1, 1, 2, 4))):
        name = _chosen(result, chance)
        if chance.random() < 0.03:
            del result[name]
        elif chance.random() < 0.03:
            result[name] = result[_chosen(result, chance)]
        else:
            result[name] = _part(result[name], "sheet" in name or name == "content.xml", chance)
        if not result:
            break
    return result


def _chosen(parts: Mapping[str, bytes], chance: Random) -> str:
    names = sorted(name for name in parts if name.endswith((".xml", ".rels"))) or sorted(parts)
    sheets = [name for name in names if "worksheets/sheet" in name or name == "content.xml"]
    return chance.choice(sheets if sheets and chance.random() < 0.55 else names)


def _part(data: bytes, is_sheet: bool, chance: Random) -> bytes:
    if chance.random() < 0.05:
        return odd.bytes_damaged(data, chance)
    text = data.decode("utf-8", "replace")
    ways = (*_ANYWHERE, *_IN_SHEETS, *_IN_SHEETS) if is_sheet else _ANYWHERE
    for _ in range(chance.choice((1, 1, 1, 3))):
        if len(text) > _LONG:
            break
        text = chance.choice(ways)(text, chance)
    if chance.random() < 0.02:
        encoding = chance.choice(_ENCODINGS)
        declared = text if chance.random() < 0.5 else text.replace("UTF-8", chance.choice((encoding, "none", "")), 1)
        return declared.encode(encoding, "replace")
    return text.encode("utf-8", "surrogatepass")


def _replaced(pattern: re.Pattern[str], text: str, chance: Random, new: Callable[[re.Match[str]], str]) -> str:
    """One match, or all, or each third, written anew."""
    found = list(pattern.finditer(text))
    if not found:
        return text
    if chance.random() < 0.7:
        found = [chance.choice(found)]
    elif chance.random() < 0.5:
        found = found[:: chance.choice((3, 7))]
    pieces, at = [], 0
    for match in found[:500]:
        pieces += [text[at : match.start()], new(match)]
        at = match.end()
    return "".join([*pieces, text[at:]])


def _attribute(text: str, chance: Random) -> str:
    value = odd_value(chance)
    return _replaced(_ATTRIBUTE, text, chance, lambda match: f"{match[1]}={quoteattr(value)}")


def odd_value(chance: Random) -> str:
    """For an attribute or the text of an element."""
    return chance.choice(chance.choice((odd.NUMBERS, odd.TEXTS, odd.REFERENCES, _TARGETS)))


def _text(text: str, chance: Random) -> str:
    value = escape(odd_value(chance))
    return _replaced(_TEXT, text, chance, lambda match: f">{value}<")


def _without_attribute(text: str, chance: Random) -> str:
    return _replaced(_ATTRIBUTE, text, chance, lambda match: "")


def _without_element(text: str, chance: Random) -> str:
    return _replaced(_ELEMENT, text, chance, lambda match: "")


def _twice(text: str, chance: Random) -> str:
    times = chance.choice((2, 2, 3, 2000))
    return _replaced(_ELEMENT, text, chance, lambda match: match[0] * (times if len(match[0]) < 200 else 2))


def _renamed(text: str, chance: Random) -> str:
    new = chance.choice(("x", "sheetData", "c", "row", "si", "x:c", ":", "a" * 10_000))
    return _replaced(_ELEMENT, text, chance, lambda match: f"<{new}{match[0][len(match[1]) + 1 :]}")


def _nested(text: str, chance: Random) -> str:
    depth = chance.choice((50, 199, 250, 10_000, 100_000))
    closed = "</a>" * depth if chance.random() < 0.5 else ""
    return _replaced(
        _ELEMENT, text, chance, lambda match: "<a>" * depth + match[0] + closed if depth < 10**4 else "<a>" * depth
    )


def _doctype(text: str, chance: Random) -> str:
    head, end, rest = text.partition("?>")
    entity = f">{chance.choice(('&l9;', '&nothing;', '&#0;', '&#x110000;'))}<"
    body = _replaced(_TEXT, rest, chance, lambda match: entity) if chance.random() < 0.8 else rest
    return f"{head}{end}{chance.choice(_DOCTYPES)}{body}"


def _cut(text: str, chance: Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _noted(text: str, chance: Random) -> str:
    what = chance.choice(
        ("<!--" + "x" * 100_000 + "-->", "<![CDATA[" + "<c>" * 100 + "]]>", "<?x y?>", "\x00", "&", "<", "]]>")
    )
    at = chance.randrange(len(text) + 1)
    return text[:at] + what + text[at:]


def _formula(text: str, chance: Random) -> str:
    new = escape(odd.formula(chance))
    return _replaced(_FORMULA, text, chance, lambda match: f"<f>{new}</f>")


def _formula_pieces(text: str, chance: Random) -> str:
    """An operator, a reference or a bracket of a formula is another one."""

    def new(match: re.Match[str]) -> str:
        old = match[1] or ""
        at = chance.randrange(len(old) + 1)
        put = chance.choice("+-*/^()$,:%&=<>! A1\"'#")
        return f"<f>{escape(old[:at] + put + old[at + chance.randrange(2) :])}</f>"

    return _replaced(_FORMULA, text, chance, new)


def _shared(text: str, chance: Random) -> str:
    group = chance.choice(("0", "0", "1", "-1", "", "99999999999"))
    area = f" ref={quoteattr(chance.choice(odd.REFERENCES))}" if chance.random() < 0.5 else ""
    kind = chance.choice(("shared", "shared", "array", "dataTable", "normal", "x"))
    body = chance.choice(("", "A1+1", escape(odd.formula(chance))))
    return _replaced(_FORMULA, text, chance, lambda match: f'<f t="{kind}" si="{group}"{area}>{body}</f>')


def _circle(text: str, chance: Random) -> str:
    return _replaced(
        re.compile(r'(<c r="([A-Z]+\d+)"[^<>]*>)<f\b[^<>]*>[^<>]*</f>'), text, chance,
        lambda match: f"{match[1]}<f>{match[2]}+1</f>",
    )  # fmt: skip


def _cell(text: str, chance: Random) -> str:
    def new(match: re.Match[str]) -> str:
        kind, value = chance.choice(_KINDS), escape(chance.choice((*odd.NUMBERS, *odd.TEXTS)))
        address = quoteattr(chance.choice(odd.REFERENCES)) if chance.random() < 0.5 else '"B33"'
        body = chance.choice(
            (f"<v>{value}</v>", f"<is><t>{value}</t></is>", f"<f>{value}</f><v>{value}</v>", "", "<v/><v/>")
        )
        return f'<c r={address} s="{chance.choice(odd.NUMBERS)}" t="{kind}">{body}</c>'

    return _replaced(_CELL, text, chance, new)


def _row(text: str, chance: Random) -> str:
    number = chance.choice(odd.NUMBERS[:22])
    return _replaced(_ROW, text, chance, lambda match: re.sub(r'\br="\d+"', f'r="{number}"', match[0], count=1))


def _many_cells(text: str, chance: Random) -> str:
    count = chance.choice((100, 2000))
    cells = "".join(f'<c r="{chance.choice("ABCXZ")}{k}"><f>A{k - 1}+1</f></c>' for k in range(1, count))
    return text.replace("</sheetData>", f'<row r="1">{cells}</row></sheetData>', 1)


def _swapped(text: str, chance: Random) -> str:
    """Two rows or cells in each other's place."""
    found = list(chance.choice((_CELL, _ROW)).finditer(text))
    if len(found) < 2:
        return text
    one, other = sorted(chance.sample(found, 2), key=lambda match: match.start())
    return "".join((text[: one.start()], other[0], text[one.end() : other.start()], one[0], text[other.end() :]))


_ANYWHERE = (
    _attribute, _attribute, _attribute, _text, _text, _without_attribute, _without_element, _twice, _renamed, _nested,
    _doctype,
    _cut, _noted,
)  # fmt: skip
_IN_SHEETS = (
    _formula,
    _formula,
    _formula_pieces,
    _formula_pieces,
    _shared,
    _circle,
    _cell,
    _cell,
    _row,
    _many_cells,
    _swapped,
)
