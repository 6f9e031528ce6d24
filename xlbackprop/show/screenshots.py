"""Pictures of a workbook's sheets as people see them: LibreOffice prints each on one page, which is cropped."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlbackprop import files
from xlbackprop.audit.book import as_xlsx
from xlbackprop.engine.extent import Area, Extent, Texts, parse_area, read_extent, read_texts
from xlbackprop.engine.libreoffice import LibreOffice
from xlbackprop.engine.package import opened
from xlbackprop.engine.printing import Printed, Sheet, copy_to_print, sheets_of
from xlbackprop.errors import EngineError, WorkbookError
from xlbackprop.sheet.address import column_name
from xlbackprop.sheet.places import COMPARE, NETWORK_FILE, OVERVIEW, PAGES
from xlbackprop.show.framing import LARGEST, frame
from xlbackprop.spec.names import RATE

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdfium2 import PdfPage

_PIXELS = 2000  # across, of the widest picture
_SHARP = 2 * 96 / 72  # pixels for a point of the page: twice what a screen shows
_COARSE = 0.5  # the same, to find where on its large page something is drawn
_MARGIN = 4  # points
_TABLE_ROWS = 12  # of the training table


@dataclass(frozen=True)
class Shot:
    """A picture of cells. `says` is what it shows, in words, and `cut` what of its sheet is left out, if anything."""

    path: Path
    says: str
    sheet: str
    range: str
    cut: str


@dataclass(frozen=True)
class _Wanted:
    """A picture to be made, `repeated` first columns of its sheet standing before the area."""

    sheet: Sheet
    area: Area
    file: str
    says: str
    repeated: int = 0
    cut: str = ""


def screenshots(
    workbook: Path | str, folder: Path | str = "output", *, sheets: Sequence[str] = (), ranges: Sequence[str] = ()
) -> list[Shot]:
    """Write PNG pictures of these sheets and ranges (`Sheet!A1:H20`); where none is named, of the sheets that matter.

    A long sheet is cut after its first rows, a wide one drawn in pieces; a range is drawn as it is.
    Raises WorkbookError, EngineError where LibreOffice is missing or fails, OutputError.
    """
    workbook, folder = Path(workbook), Path(folder)
    with as_xlsx(workbook) as path:
        rounds = _planned(path, workbook, sheets, ranges)
        office = LibreOffice()
        images = [image for wanted in rounds for image in _drawn(office, path, wanted)]
    shots, taken = [], set[str]()
    for one, image in zip(chain.from_iterable(rounds), images):
        file = _free(one.file, taken)
        picture = folder / f"{workbook.stem}-{file}.png"
        with files.replacing(picture) as temporary:
            image.save(temporary, optimize=True)
        shots.append(Shot(picture, one.says, one.sheet.name, str(one.area), one.cut))
    return shots


screenshot = screenshots  # as the command is called


@dataclass(frozen=True)
class _Book:
    """The workbook that is looked into, and the path by which its user knows it."""

    path: Path
    package: zipfile.ZipFile
    sheets: dict[str, Sheet]
    texts: Texts

    def extent(self, sheet: Sheet) -> Extent:
        return read_extent(self.package, sheet.part, self.texts)

    def sheet(self, name: str) -> Sheet:
        """Raises WorkbookError where there is no such sheet, or nothing like cells in it."""
        listed = ", ".join(sheet.name for sheet in self.sheets.values() if not sheet.is_chart)
        if name not in self.sheets:
            raise WorkbookError(f"{self.path}: has no sheet {name!r}; it has {listed}")
        if self.sheets[name].is_chart:
            raise WorkbookError(f"{self.path}: sheet {name!r} has no cells, it is a chart; it has {listed}")
        return self.sheets[name]


def _planned(path: Path, workbook: Path, sheets: Sequence[str], ranges: Sequence[str]) -> list[list[_Wanted]]:
    """The pictures to make, in rounds: in each a sheet repeats the same columns before all of its areas."""
    try:
        with opened(path) as package:
            book = _Book(workbook, package, {sheet.name: sheet for sheet in sheets_of(package)}, read_texts(package))
            if not sheets and not ranges:
                rounds = [_by_itself(book)]
            else:
                named = [one for name in dict.fromkeys(sheets) for one in _of_named(book, name)]
                rounds = [named, [_of_range(book, text) for text in dict.fromkeys(ranges)]]
    except ValueError as error:
        raise WorkbookError(
            f"{workbook}: has a number that cannot be read ({error}); save it again in a spreadsheet"
        ) from None
    if not any(rounds):
        raise WorkbookError(f"{workbook}: all its sheets are empty or hidden; name one with --sheet")
    return [wanted for wanted in rounds if wanted]


def _by_itself(book: _Book) -> list[_Wanted]:
    """Of a workbook of ours one sheet of each kind, of any other every sheet that people see."""
    names = [sheet.name for sheet in book.sheets.values() if sheet.visible and not sheet.is_chart]
    if NETWORK_FILE not in book.sheets:
        return [one for name in names for one in _of_sheet(book.sheets[name], book.extent(book.sheets[name]))]
    tables = [name for name in names if name.startswith(f"{RATE}=")]
    table = tables[(len(tables) - 1) // 2] if tables else None
    told = {OVERVIEW, *PAGES, table, COMPARE}
    by_rows = told <= set(names)  # not in matrices, nor a workbook of another kind
    wanted = []
    for name in names:
        if name in told if by_rows else name == table or name not in (*tables, NETWORK_FILE):
            extent = book.extent(book.sheets[name])
            if by_rows and name == table:  # its chart is one of those that Compare shows
                wanted += _of_sheet(book.sheets[name], replace(extent, drawings=()), _TABLE_ROWS)
            else:
                wanted += _of_sheet(book.sheets[name], extent)
    return wanted


def _of_sheet(sheet: Sheet, extent: Extent, rows: int | None = None) -> list[_Wanted]:
    """A sheet's pictures; none of an empty one."""
    framed = frame(extent, rows)
    pieces = len(framed.areas)
    name = _file_name(sheet)
    wanted = []
    for k, area in enumerate(framed.areas, 1):
        file, says = name, sheet.name
        if pieces > 1:
            file += f"-{k}"
            says += f", columns {column_name(area.left)} to {column_name(area.right)}"
        if framed.cut:
            says += f" ({framed.cut})"
        wanted.append(_Wanted(sheet, area, file, says, framed.repeated, framed.cut))
    return wanted


def _of_named(book: _Book, name: str) -> list[_Wanted]:
    wanted = _of_sheet(book.sheet(name), book.extent(book.sheet(name)))
    if not wanted:
        raise WorkbookError(f"{book.path}: sheet {name!r} is empty; name one with something in it")
    return wanted


def _of_range(book: _Book, text: str) -> _Wanted:
    name, mark, cells = text.rpartition("!")
    if name.startswith("'") and name.endswith("'") and len(name) > 2:
        name = name[1:-1].replace("''", "'")
    area = parse_area(cells)
    if not mark or area is None:
        raise WorkbookError(f"{text!r}: is not a range of cells; write a sheet and two corners, as in Overview!A1:H20")
    sheet = book.sheet(name)
    extent = book.extent(sheet)
    if extent.empty(area):
        used = extent.used
        filled = f"its cells are {used}" if used else "the sheet is empty"
        raise WorkbookError(f"{text!r}: nothing stands there; {filled}")
    if max(extent.wide(area.left, area.right), extent.high(area.top, area.bottom)) > LARGEST:
        raise WorkbookError(f"{text!r}: is too large for a picture that can be read; take fewer rows or columns")
    return _Wanted(sheet, area, f"{_file_name(sheet)}-{str(area).replace(':', '-').lower()}", f"{sheet.name} {area}")


def _file_name(sheet: Sheet) -> str:
    """Letters, digits, dots and dashes alone, for any file system and any link: eta-0.5 for η=0.5."""
    plain = unicodedata.normalize("NFKD", sheet.name.lower().replace(RATE, "eta")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.") or f"sheet-{sheet.index + 1}"


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number the first that no other picture has."""
    names = (name if k == 1 else f"{name}-{k}" for k in count(1))
    free = next(one for one in names if one not in taken)
    taken.add(free)
    return free


def _drawn(office: LibreOffice, path: Path, wanted: list[_Wanted]) -> list[Image]:
    """The pictures, drawn in one go."""
    order = sorted(range(len(wanted)), key=lambda k: wanted[k].sheet.index)  # as the pages come
    printed = [
        (sheet, Printed(tuple(one.area for one in group), group[0].repeated))
        for sheet, group in (
            (sheet, list(group)) for sheet, group in groupby((wanted[k] for k in order), lambda one: one.sheet)
        )
    ]
    with files.scratch() as folder:
        copy = folder / "copy.xlsx"
        copy_to_print(path, copy, printed)
        pages = _pages(office.convert(copy, "pdf", folder / "out"))
    if len(pages) != len(wanted):
        raise EngineError(
            f"{office.name} drew {len(pages)} pages of {len(wanted)} ranges; ask for one of them alone with --range"
        )
    return [pages[order.index(k)] for k in range(len(wanted))]


def _pages(pdf: Path) -> list[Image]:
    """The pages, each cropped to what is drawn on it."""
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        return [_cropped(page) for page in document]


def _cropped(page: PdfPage) -> Image:
    from PIL import ImageChops

    coarse = page.render(scale=_COARSE, grayscale=True).to_pil()
    box = ImageChops.invert(coarse).getbbox() or (0, 0, 1, 1)
    width, height = page.get_size()
    left, top, right, bottom = (edge / _COARSE for edge in box)
    scale = min(_SHARP, _PIXELS / (right - left + 2 * _MARGIN))
    edges = (left, height - bottom, width - right, top)  # what to crop off on each side
    page = page.render(scale=scale, crop=tuple(max(0, edge - _MARGIN) for edge in edges))
    return _with_few_colours(page.to_pil().convert("RGB"))


def _with_few_colours(image: Image) -> Image:
    """The picture in its 256 most frequent colours: it looks the same and takes a third of the space.

    Pillow's own choice of colours is a mean of neighbours, and would mix the pale fills of a sheet.
    """
    from PIL import Image

    counted: Any = image.getcolors(image.width * image.height)
    chosen: dict[tuple[int, ...], tuple[int, ...]] = {}
    for _, colour in sorted(counted, reverse=True):
        chosen.setdefault(tuple(part // 4 * 4 for part in colour), colour)
    coarse, exact = (
        [part for colour in list(colours)[:256] for part in colour] for colours in (chosen, chosen.values())
    )
    # Pillow drops the last two bits of a colour before it looks for the nearest one.
    palette = Image.new("P", (1, 1))
    palette.putpalette(coarse)
    image = image.quantize(palette=palette, dither=Image.Dither.NONE)
    image.putpalette(exact)
    return image
