"""The parts of somebody's workbook, unpacked and parsed within bounds, whatever the file says of its size."""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote
from xml.parsers import expat

from xlbackprop.errors import WorkbookError

_CHUNK = 1 << 16
_TREE = 32 << 20  # bytes of a part that is read as a tree
_TOKEN = 4 << 20  # bytes of one tag or comment: the parser may begin it again with every chunk
DEPTH = 200  # of elements: the parser keeps some hundred bytes for each open one
_UNPACKING = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Bounds:
    """What reading a workbook may cost."""

    megabytes: int = 512  # of XML, unpacked, in all parts that are read
    cells: int = 2_000_000  # with something in them, in all sheets


BOUNDS = Bounds()


class Damaged(Exception):
    """A part that cannot be read; str() names it and says why, in one line."""

    def __str__(self) -> str:
        return one_line(super().__str__())


@dataclass(frozen=True)
class Relation:
    target: str  # the path of the part
    kind: str  # the last word of its type: "worksheet", "drawing", ...


@dataclass(slots=True)
class Node:
    """An element; its children are the nearest elements below it that were asked for."""

    tag: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def child(self, tag: str) -> Node | None:
        return next((node for node in self.children if node.tag == tag), None)

    def below(self, tag: str) -> Iterator[Node]:
        """All elements of this name in it, in the order of the file."""
        for node in self.children:
            if node.tag == tag:
                yield node
            yield from node.below(tag)


class Parts:
    """A package's parts by their paths, in any case and with either slash; what is read counts against the bounds."""

    def __init__(self, path: Path, package: zipfile.ZipFile, bounds: Bounds) -> None:
        self._path, self._package, self._bounds = path, package, bounds
        self._bytes = self._cells = 0
        # Of two parts of one name the last is read, as by other readers of zip files.
        self._entries = {_key(entry.filename): entry for entry in package.infolist()}

    def __contains__(self, name: str) -> bool:
        return self._entry(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def count_cells(self, count: int) -> None:
        """Raises WorkbookError where these are more than the bound leaves."""
        self._cells += count
        if self._cells > self._bounds.cells:
            raise WorkbookError(
                f"{self._path}: holds more than {self._bounds.cells} filled cells and texts; "
                "copy the tables that are to be checked into a workbook of their own"
            )

    def chunks(self, name: str) -> Iterator[bytes]:
        """The part unpacked, piece by piece. Raises Damaged."""
        entry = self._entry(name)
        if entry is None:
            raise Damaged("is missing")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Damaged("is packed in a way that spreadsheets do not use")
        try:
            with self._package.open(entry) as file:
                while chunk := file.read(_CHUNK):
                    self._count_bytes(len(chunk))
                    yield chunk
        except _UNPACKING as error:
            raise Damaged(f"cannot be unpacked ({error or 'it ends early'})") from None

    def parse(self, name: str, prepare: Callable[[expat.XMLParserType], None], limit: int | None = None) -> None:
        """Stream a part through the parser whose handlers `prepare` sets. Raises Damaged."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        prepare(parser)
        size = 0
        try:
            for chunk in self.chunks(name):
                size += len(chunk)
                parser.Parse(chunk, False)
                if limit is not None and size > limit:
                    raise Damaged(f"is larger than {limit >> 20} MB, as such a part never is")
                if size - max(parser.CurrentByteIndex, 0) > _TOKEN:
                    raise Damaged(f"has a tag or a comment of more than {_TOKEN >> 20} MB")
            parser.Parse(b"", True)
        except Damaged as error:
            raise Damaged(f"{name} {error}") from None
        except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding that is not known, or not taken
            raise Damaged(f"{name} is not well-formed XML ({error})") from None

    def tree(self, name: str, keep: frozenset[str]) -> Node:
        """The elements of these names in a part, below its root. Raises Damaged."""
        builder = _Builder(keep)
        self.parse(name, builder.prepare, _TREE)
        return builder.root

    def relations(self, name: str) -> dict[str, Relation]:
        """The part's relations to parts in the package, by their ids. Raises Damaged."""
        folder, file = posixpath.split(name)
        listed = posixpath.join(folder, "_rels", f"{file}.rels")
        if listed not in self:
            return {}
        result = {}
        for node in self.tree(listed, frozenset(("Relationship",))).below("Relationship"):
            target, kind = node.attributes.get("Target", ""), node.attributes.get("Type", "")
            if node.attributes.get("TargetMode") != "External":
                path = posixpath.join("/", folder, target.replace("\\", "/"))
                result[node.attributes.get("Id", "")] = Relation(
                    posixpath.normpath(path).lstrip("/"), kind.rpartition("/")[2]
                )
        return result

    def _entry(self, name: str) -> zipfile.ZipInfo | None:
        return self._entries.get(_key(name)) or self._entries.get(_key(unquote(name)))

    def _count_bytes(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._bounds.megabytes << 20:
            raise WorkbookError(
                f"{self._path}: unpacks to more than {self._bounds.megabytes} MB; "
                "raise the limit with --limit-megabytes, or delete the empty formatted rows"
            )


class _Builder:
    def __init__(self, keep: frozenset[str]) -> None:
        self.root = Node("", {})
        self._keep = keep
        self._kept = [self.root]
        self._open: list[Node | None] = []  # None: an element that is not kept
        self._text: list[str] = []

    def prepare(self, parser: expat.XMLParserType) -> None:
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = local(tag)
        node = None
        if not self._open:
            self.root.attributes = _local(attributes)
        if tag in self._keep:
            node = Node(tag, _local(attributes))
            self._kept[-1].children.append(node)
            self._kept.append(node)
        self._open.append(node)
        self._text.clear()
        if len(self._open) > DEPTH:
            raise too_deep()

    def _end(self, _: str) -> None:
        node = self._open.pop()
        if node is not None:
            self._kept.pop()
            if not node.children:
                node.text = "".join(self._text)


def local(tag: str) -> str:
    """An element's or attribute's name without the prefix of its namespace."""
    return tag.rpartition(":")[2] if ":" in tag else tag


def one_line(text: str) -> str:
    """For a screen: names that files give may hold anything."""
    return "".join(character if character.isprintable() else " " for character in text[:300])


def too_deep() -> Damaged:
    return Damaged(f"nests elements more than {DEPTH} deep")


def _local(attributes: dict[str, str]) -> dict[str, str]:
    return {local(name): value for name, value in attributes.items()}


def _key(name: str) -> str:
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").lower()


def _refuse_doctype(*_: object) -> None:
    raise Damaged("declares a document type, with which files blow themselves up; no spreadsheet writes one")
