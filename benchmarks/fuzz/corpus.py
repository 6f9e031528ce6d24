"""The files that mutants are made from: small ones of our own, and of the kinds that others make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import openpyxl
import xlsxwriter

from benchmarks import audit
from benchmarks.fuzz import archives
from xlbackprop import kinds
from xlbackprop.audit.book import read
from xlbackprop.networks import FOLDERS, TRAINING, load, load_any, template_names, template_text
from xlbackprop.spec import override

_LONGEST = 1500  # characters of a network file; longer ones only take longer
_OURS = {
    "class": ("era-s6", "class", "rows"),
    "delta": ("batchnorm", "delta", "rows"),
    "matrix": ("mazur", "delta", "matrix"),
}
_CALCULATORS = {"functions": "activations", "sizes": "lenet"}
_CSV = (
    "i1,i2,t1,t2\n0.05,0.1,0.01,0.99\n0.2,0.3,0.5,0.5\n",
    "x,y,label\n1,0,0\n0,1,1\n",
    '\ufeff"i1"; "i2",t1\r\n"1","2",3\r\n',
)
_CONTENT = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" office:version="1.2"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0">
<office:body><office:spreadsheet><table:table table:name="S"><table:table-row>
<table:table-cell office:value-type="float" office:value="0.5"><text:p>0.5</text:p></table:table-cell>
<table:table-cell table:formula="of:=[.A1]*2"
 office:value-type="float" office:value="1"><text:p>1</text:p></table:table-cell>
<table:table-cell><draw:frame><draw:image xlink:href="Pictures/a.png"/></draw:frame></table:table-cell>
</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"""
_MANIFEST = b'<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
MIMETYPE = b"application/vnd.oasis.opendocument.spreadsheet"


def write(folder: Path) -> None:
    """Every workbook of the corpus, in folders of ours and theirs."""
    for name, (network, style, layout) in _OURS.items():
        spec = load(network)
        small = override(spec, rates=spec.rates[:1], steps=2, style=style, layout=layout)
        kinds.build(small, folder / "ours" / f"{name}.xlsx")
    for name, calculator in _CALCULATORS.items():
        kinds.build(load_any(calculator), folder / "ours" / f"{name}.xlsx")
    (folder / "theirs").mkdir()
    _by_openpyxl(folder / "theirs" / "openpyxl.xlsx")
    _by_xlsxwriter(folder / "theirs" / "xlsxwriter.xlsx")


def _by_openpyxl(path: Path) -> None:
    book = openpyxl.Workbook()
    audit.fill(book.active, 0.5, 3, rows=4)
    book.save(path)


def _by_xlsxwriter(path: Path) -> None:
    """With names, a chart, a list, merged cells, an array and a shared text: what a reader meets beside cells."""
    with xlsxwriter.Workbook(path) as book:
        sheet, other = book.add_worksheet("S 1"), book.add_worksheet("é")
        header = ["i1", "t1", "w1", "b1", "h1", "a_h1", "E1", "dE/dw1"]
        sheet.merge_range("A1:C1", "One neuron")
        sheet.write_row("A3", ["η", 0.5])
        book.define_name("eta", "='S 1'!$B$3")
        sheet.write_row("A4", header)
        for row in range(5, 9):
            update = f"=C{row - 1}-eta*H{row - 1}"
            sheet.write_row(f"A{row}", [1.5, 1.0, 0.3 if row == 5 else update, 0.1, f"=A{row}*C{row}+D{row}"])
            sheet.write_row(f"F{row}", [f"=1/(1+EXP(-E{row}))", f"=0.5*(B{row}-F{row})^2"])
            sheet.write_formula(f"H{row}", f"=(F{row}-B{row})*F{row}*(1-F{row})*A{row}")
        sheet.write_array_formula("J5:J6", "{=A5:A6*C5:C6}")
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "='S 1'!$G$5:$G$8", "name": "E"})
        sheet.insert_chart("L3", chart)
        other.add_table(
            "A1:B3", {"columns": [{"header": "a"}, {"header": "b", "formula": "=[@a]*2"}], "data": [[1], [2]]}
        )
        other.hide()


@dataclass(frozen=True)
class Corpus:
    """What `write` left in a folder, read when it is asked for."""

    folder: Path

    @cached_property
    def ours(self) -> list[dict[str, bytes]]:
        return self._parts("ours")

    @cached_property
    def theirs(self) -> list[dict[str, bytes]]:
        return self._parts("theirs")

    def _parts(self, whose: str) -> list[dict[str, bytes]]:
        return [archives.parts(path.read_bytes()) for path in sorted((self.folder / whose).iterdir())]

    @cached_property
    def open_document(self) -> dict[str, bytes]:
        return {"mimetype": MIMETYPE, "content.xml": _CONTENT.encode(), "META-INF/manifest.xml": _MANIFEST}

    @cached_property
    def network_files(self) -> tuple[str, ...]:
        """Of every kind."""
        texts = [template_text(name) for folder in FOLDERS for name in template_names(folder)]
        return tuple(text for text in texts if len(text) < _LONGEST)

    @cached_property
    def training_files(self) -> tuple[str, ...]:
        return tuple(text for text in map(template_text, template_names(TRAINING)) if len(text) < _LONGEST)

    @cached_property
    def formulas(self) -> tuple[str, ...]:
        """Of the workbooks of others."""
        books = [read(path) for path in sorted((self.folder / "theirs").iterdir())]
        cells = [cell for book in books for sheet in book.sheets.values() for cell in sheet.cells.values()]
        return tuple(sorted({cell.formula.text for cell in cells if cell.formula}))

    csv = _CSV
