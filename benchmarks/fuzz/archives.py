"""Zip archives written by hand, so that they can lie: about sizes, names, methods, and where their parts stand."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from benchmarks.fuzz import odd

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
BOMB = 200 << 20  # bytes, unpacked
_NAMES = (
    "../../../../escaped.txt", "..\\..\\escaped.txt", "/etc/escaped", "C:\\escaped.txt", "xl//workbook.xml",
    "XL/WORKBOOK.XML",
    "xl/worksheets/../workbook.xml", "", ".", "..", "a\0b", "é.xml", "x" * 65_000, "xl/worksheets/sheet1.xml/", "con",
    "a\nb",
)  # fmt: skip
_ODD = (0, 1, 2, 3, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


@dataclass(frozen=True)
class Member:
    """A part as the archive has it, and what the archive says of it."""

    name: bytes
    packed: bytes
    method: int = 8
    crc: int = 0
    packed_size: int = 0
    size: int = 0
    flags: int = 0x800  # names are UTF-8
    version: int = 20
    extra: bytes = b""


@cache
def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def member(name: str, data: bytes) -> Member:
    """An honest one."""
    packed = _deflated(data)
    return Member(name.encode("utf-8", "surrogatepass"), packed, 8, zlib.crc32(data), len(packed), len(data))


@cache
def _bomb() -> tuple[bytes, int]:
    """A worksheet of blanks, packed, and its checksum."""
    packer, crc, piece = zlib.compressobj(1, zlib.DEFLATED, -15), 0, b" " * (1 << 20)
    packed = []
    for _ in range(BOMB >> 20):
        packed.append(packer.compress(piece))
        crc = zlib.crc32(piece, crc)
    return b"".join([*packed, packer.flush()]), crc


def parts(data: bytes) -> dict[str, bytes]:
    """What an archive holds."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return {name: package.read(name) for name in package.namelist()}


def archive(members: list[Member], comment: bytes = b"") -> bytes:
    """The archive's bytes, as its members want them."""
    body, directory = bytearray(), bytearray()
    for one in members:
        at, name = len(body), one.name[:65_535]
        about = struct.pack(
            "<HHHHHIIIHH", one.version, one.flags, one.method, 0, 33, one.crc & 0xFFFFFFFF,
            one.packed_size & 0xFFFFFFFF,
            one.size & 0xFFFFFFFF, len(name), len(one.extra),
        )  # fmt: skip
        body += _LOCAL + about + name + one.extra + one.packed
        directory += _CENTRAL + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, at) + name + one.extra
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), len(comment))
    return bytes(body + directory + _END + end + comment)


def written(held: Mapping[str, bytes]) -> bytes:
    return archive([member(name, data) for name, data in held.items()])


def damaged(held: Mapping[str, bytes], chance: Random) -> bytes:
    """An archive of these parts that is not what it says, in one or two ways."""
    members = [member(name, data) for name, data in held.items()]
    for _ in range(chance.choice((1, 1, 2))):
        if not members:
            break
        at = chance.randrange(len(members))
        members[at : at + 1] = _lying(members[at], members, chance)
    data = archive(members, b"x" * chance.choice((0, 0, 0, 10, 65_535)))
    match chance.randrange(10):
        case 0:
            data = data[: chance.randrange(len(data) + 1)]
        case 1:
            data = odd.bytes_damaged(data, chance)
        case 2:  # the directory alone
            start = data.rfind(_CENTRAL) if chance.random() < 0.5 else max(0, data.find(_CENTRAL))
            data = data[:start] + odd.bytes_damaged(data[start:], chance)
        case 3:
            data = chance.randbytes(chance.choice((1, 100))) + data
        case 4:
            data += data if chance.random() < 0.5 else chance.randbytes(70_000)
    return data


def _lying(one: Member, others: list[Member], chance: Random) -> list[Member]:
    match chance.randrange(15):
        case 0:
            return [replace(one, size=chance.choice(_ODD))]
        case 1:
            return [replace(one, packed_size=chance.choice(_ODD))]
        case 2:
            return [replace(one, crc=one.crc ^ 1)]
        case 3:
            return [replace(one, method=chance.choice((0, 1, 6, 9, 12, 14, 93, 95, 98, 99, 0xFFFF)))]
        case 4:
            return [replace(one, flags=chance.choice((0, 1, 8, 0x40, 0x801, 0x2000, 0xFFFF)))]
        case 5:
            return [replace(one, version=chance.choice((45, 63, 0xFF, 0xFFFF)))]
        case 6:  # zip64, with and without what belongs to it
            numbers = [chance.choice((*_ODD, 1 << 63, (1 << 64) - 1)) for _ in range(chance.randrange(4))]
            fields = struct.pack(f"<{len(numbers)}Q", *numbers)
            extra = struct.pack("<HH", 1, chance.choice((len(fields), 0xFFFF, 3))) + fields
            return [
                replace(one, size=0xFFFFFFFF, packed_size=chance.choice((one.packed_size, 0xFFFFFFFF)), extra=extra)
            ]
        case 7:
            return [replace(one, extra=chance.randbytes(chance.choice((1, 3, 9, 200))))]
        case 8:
            return [one, replace(chance.choice(others), name=one.name)]
        case 9:
            return [one, one] * chance.choice((1, 3, 300))
        case 10:
            return [replace(one, name=chance.choice(_NAMES).encode("utf-8"))]
        case 11:
            return [one, replace(one, name=chance.choice(_NAMES).encode("utf-8"))]
        case 12:
            inner = archive(others[:3])
            return [
                one,
                member("nested.xlsx", archive([member("nested.xlsx", inner)])),
                member("xl/embeddings/a.zip", inner),
            ]
        case 13:
            if chance.random() < 0.9:  # it takes long
                return [replace(one, packed=one.packed[: chance.randrange(len(one.packed) + 1)])]
            packed, crc = _bomb()
            says = chance.choice((BOMB, 10, one.size))
            return [Member(one.name, packed, 8, crc, len(packed), says)]
    return []
