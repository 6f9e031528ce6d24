"""A workbook while it is written: whole or not at all, and the same bytes for the same input."""

from __future__ import annotations

import datetime
import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.format import Format

from xlbackprop import files
from xlbackprop.sheet import styles
from xlbackprop.sheet.parts import Book
from xlbackprop.sheet.places import NETWORK_FIRST_ROW

Progress = Callable[[str], None]  # takes the phase, in words
Picture = Callable[[], bytes]  # draws the network, as a PNG file
_EPOCH = datetime.datetime(2024, 1, 1)  # any fixed time
MOST_WIDE, MOST_HIGH = 820, 560  # of a picture, in the pixels of a sheet


@contextmanager
def new_book(path: Path, title: str) -> Iterator[tuple[Any, styles.Formats]]:
    """XlsxWriter's workbook and its formats; the file is there when the block ends well.

    Raises OutputError where it cannot be written; an earlier file then stays.
    """
    with files.replacing(path) as temporary:
        try:
            with ZipFile(temporary, "w", ZIP_DEFLATED, allowZip64=False) as package:
                book = Book(package)
                book.set_properties({"title": title, "comments": "Made by xlbackprop", "created": _EPOCH})
                yield book, _formats_of(book)
                book.close()
        except XlsxWriterException as error:
            raise OSError(str(error)) from error


def insert_picture(sheet: Any, formats: styles.Formats, place: tuple[int, int], picture: bytes) -> None:
    """The network's picture, a PNG file, below a heading that stands at that row and column."""
    row, column = place
    sheet.write_string(row, column, "The network", formats(styles.SECTION))
    about = "Drawn when the workbook was made: it does not follow the yellow cells."
    sheet.write_string(row + 1, column, about, formats(styles.SUBTITLE))
    width, height = struct.unpack(">II", picture[16:24])  # pixels, 120 an inch; a sheet has 96
    shrunk = min(1.0, MOST_WIDE / width, MOST_HIGH / height) * 120 / 96
    options = {
        "image_data": io.BytesIO(picture),
        "description": "The network with the weights that it starts with",
        "x_scale": shrunk,
        "y_scale": shrunk,
        "object_position": 2,  # moves with its cells and keeps its size
    }
    sheet.insert_image(row + 2, column, "network.png", options)


def _formats_of(book: Any) -> styles.Formats:
    """Formats by their properties, each made once."""
    made: dict[tuple[tuple[str, object], ...], Format] = {}

    def format_of(properties: dict[str, object]) -> Format:
        key = tuple(sorted(properties.items()))
        if key not in made:
            made[key] = book.add_format(properties)
        return made[key]

    return format_of


def write_network_file(
    sheet: Any, formats: styles.Formats, text: str, *, inputs: str, what: str = "network file"
) -> None:
    """The text that a workbook was made from; `inputs` says where its numbers stand as they are now."""
    sheet.write_string(0, 0, f"The {what} that this workbook was made from", formats(styles.TITLE))
    hint = f"Save these lines as a .toml file to make it again; {inputs} the numbers as they are now."
    sheet.write_string(1, 0, hint, formats(styles.SUBTITLE))
    for k, line in enumerate(text.splitlines()):
        sheet.write_string(NETWORK_FIRST_ROW + k, 0, line, formats(styles.MONOSPACE))
    sheet.set_column(0, 0, 110)
    styles.print_setup(sheet)
