"""Workbooks that would reach out of their file, if a calculator let them: links, macros and calls of the network."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import xlsxwriter


def reaching_out(path: Path, web: str, secret: Path) -> Path:
    """An .xlsx with all that Excel's format has of the kind: `web` is an address, `secret` a file with a number."""
    picture = f'<a:blip xmlns:r="{_REL}" r:link="rId1"/>'
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Sheet1")
    for row, formula in enumerate(_formulas(web, secret)):
        sheet.write_formula(row, 0, f"={formula}", None, 0)
    sheet.write_formula(20, 0, "=[1]Sheet1!A1", None, 0)
    sheet.write_formula(21, 0, "=[2]!A1", None, 0)
    sheet.write_url(22, 0, f"{web}link", string="a link")
    book.define_name("_xlnm.Auto_Open", "=Sheet1!$A$1")
    book.close()
    links = {
        "xl/externalLinks/externalLink1.xml": (
            f'<externalLink xmlns="{_MAIN}"><externalBook xmlns:r="{_REL}" r:id="rId1">'
            '<sheetNames><sheetName val="Sheet1"/></sheetNames></externalBook></externalLink>'
        ),
        "xl/externalLinks/_rels/externalLink1.xml.rels": _relations(
            ("externalLinkPath", f"{web}book.xlsx", "External")
        ),
        "xl/externalLinks/externalLink2.xml": (
            f'<externalLink xmlns="{_MAIN}"><ddeLink ddeService="soffice" ddeTopic={quoteattr(str(secret))}>'
            '<ddeItems><ddeItem name="A1" advise="1"/></ddeItems></ddeLink></externalLink>'
        ),
        "xl/drawings/drawing1.xml": (
            f'<xdr:wsDr xmlns:xdr="{_DRAWING}/spreadsheetDrawing" xmlns:a="{_DRAWING}/main"><xdr:oneCellAnchor>'
            "<xdr:from><xdr:col>1</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>1</xdr:row><xdr:rowOff>0</xdr:rowOff>"
            '</xdr:from><xdr:ext cx="99999" cy="99999"/><xdr:pic><xdr:nvPicPr><xdr:cNvPr id="1" name="p"/>'
            f"<xdr:cNvPicPr/></xdr:nvPicPr><xdr:blipFill>{picture}</xdr:blipFill><xdr:spPr/></xdr:pic>"
            "<xdr:clientData/></xdr:oneCellAnchor></xdr:wsDr>"
        ),
        "xl/drawings/_rels/drawing1.xml.rels": _relations(("image", f"{web}picture.png", "External")),
        "xl/worksheets/_rels/sheet1.xml.rels": _relations(("drawing", "../drawings/drawing1.xml", "Internal")),
    }
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name).decode() for name in package.namelist()}
    for part, end, text in (
        ("xl/_rels/workbook.xml.rels", "</Relationships>",
         "".join(f'<Relationship Id="rIdX{k}" Type="{_REL}/externalLink" Target="externalLinks/externalLink{k}.xml"/>'
                 for k in (1, 2))),
        ("xl/workbook.xml", "<definedNames>",
         '<externalReferences><externalReference r:id="rIdX1"/><externalReference r:id="rIdX2"/></externalReferences>'),
        ("xl/worksheets/sheet1.xml", "</worksheet>", f'<drawing xmlns:r="{_REL}" r:id="rId1"/>'),
        ("[Content_Types].xml", "</Types>",
         "".join(f'<Override PartName="/{name}" ContentType="{_KIND}.{kind}+xml"/>' for name, kind in (
             ("xl/externalLinks/externalLink1.xml", "spreadsheetml.externalLink"),
             ("xl/externalLinks/externalLink2.xml", "spreadsheetml.externalLink"),
             ("xl/drawings/drawing1.xml", "drawing")))),
    ):  # fmt: skip
        parts[part] = parts[part].replace(end, text + end)
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(
        '<hyperlinks><hyperlink ref="A23" r:id="rId1"/></hyperlinks>', ""
    )
    _pack(path, parts | links)
    return path


def acting_when_opened(path: Path, web: str, secret: Path, written: Path) -> Path:
    """An .ods with a macro that writes a file when the document opens, and links of every kind."""
    cells = "".join(
        f"<table:table-row><table:table-cell table:formula={quoteattr('of:=' + formula.replace(',', ';'))} "
        'office:value-type="float" office:value="0"/></table:table-row>'
        for formula in _formulas(web, secret)
    )
    source = f'<table:table-source xlink:type="simple" xlink:href={quoteattr(secret.as_uri())} table:table-name="s"/>'
    content = (
        f'<office:document-content {_NAMES} office:version="1.2"><office:scripts><office:event-listeners>'
        + "".join(
            f'<script:event-listener script:language="ooo:script" script:event-name="dom:{event}" xlink:type="simple" '
            'xlink:href="vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document"/>'
            for event in ("load", "unload")
        )
        + "</office:event-listeners></office:scripts><office:body><office:spreadsheet>"
        f'<table:table table:name="Sheet1">{cells}</table:table><table:table table:name="s">{source}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    code = f'Sub Main\n  Open "{written}" For Output As #1\n  Print #1, "x"\n  Close #1\nEnd Sub\n'
    library = '<library:library xmlns:library="http://openoffice.org/2000/library" library:name="Standard" '
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": content,
        "Basic/script-lc.xml": (
            '<library:libraries xmlns:library="http://openoffice.org/2000/library">'
            '<library:library library:name="Standard" library:link="false"/></library:libraries>'
        ),
        "Basic/Standard/script-lb.xml": (
            f'{library}library:readonly="false" library:passwordprotected="false">'
            '<library:element library:name="Module1"/></library:library>'
        ),
        "Basic/Standard/Module1.xml": (
            '<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1" '
            f'script:language="StarBasic">{escape(code)}</script:module>'
        ),
    }
    listed = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{kind}"/>'
        for name, kind in [("/", parts["mimetype"]), *((name, "text/xml") for name in list(parts)[1:])]
    )
    names = 'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
    parts["META-INF/manifest.xml"] = f'<manifest:manifest {names} manifest:version="1.2">{listed}</manifest:manifest>'
    _pack(path, parts)
    return path


def _formulas(web: str, secret: Path) -> list[str]:
    return [
        f'WEBSERVICE("{web}webservice")',
        f'WEBSERVICE("{secret.as_uri()}")',
        f'HYPERLINK("{web}hyperlink","a")',
        f"""INDIRECT("'{secret.as_uri()}'#$Sheet1.A1")""",
        f"""INDIRECT("'{secret.parent}/[{secret.name}]Sheet1'!A1")""",
        f'DDE("soffice","{secret}","A1")',
        f'RTD("server","","{web}rtd")',
        f'IMAGE("{web}image")',
    ]


def _relations(*targets: tuple[str, str, str]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{k}" Type="{_REL}/{kind}" Target={quoteattr(target)} TargetMode="{mode}"/>'
        for k, (kind, target, mode) in enumerate(targets, 1)
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{listed}</Relationships>'
    )


def _pack(path: Path, parts: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text, zipfile.ZIP_STORED if name == "mimetype" else None)


_OFFICE = "http://schemas.openxmlformats.org"
_REL = f"{_OFFICE}/officeDocument/2006/relationships"
_MAIN = f"{_OFFICE}/spreadsheetml/2006/main"
_DRAWING = f"{_OFFICE}/drawingml/2006"
_KIND = "application/vnd.openxmlformats-officedocument"
_NAMES = (
    " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "script")
    )
    + ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:of="urn:oasis:names:tc:opendocument:xmlns:of:1.2" '
)
_NAMES += 'xmlns:dom="http://www.w3.org/2001/xml-events" xmlns:ooo="http://openoffice.org/2004/office"'
