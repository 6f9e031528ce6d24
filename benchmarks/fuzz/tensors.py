"""Files of weights gone wrong: .npz with pickles and shapes that lie, safetensors, what calls itself .pt."""

from __future__ import annotations

import io
import json
import pickle
import struct
from functools import cache
from random import Random

import numpy as np

from benchmarks.fuzz import archives, odd

_SHAPES = (
    "()",
    "(2,)",
    "(2, 2)",
    "(-1,)",
    "(0,)",
    "(1000000000, 1000000000)",
    "(2.5,)",
    "('a',)",
    "[2]",
    "9" * 5000,
    "(" * 300,
    "None",
)
_TYPES = (
    "'<f8'",
    "'|O'",
    "'<c16'",
    "'<U9'",
    "'|V8'",
    "[('a', '<f8')]",
    "'<f999'",
    "'M8'",
    "__import__('os').system('true')",
    "''",
)


class _Executed:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('os').system('true')",)


PICKLE = pickle.dumps(_Executed())


@cache
def _arrays() -> dict[str, bytes]:
    """Weights of the class network as .npy members."""
    result = {}
    for name in ("layers.0.weights", "layers.1.weights"):
        stream = io.BytesIO()
        np.save(stream, np.array([[0.15, 0.2], [0.25, 0.3]]))
        result[f"{name}.npy"] = stream.getvalue()
    return result


def npz(chance: Random) -> bytes:
    """An archive of arrays with headers, names, members or zip structures that lie."""
    held = dict(_arrays())
    for _ in range(chance.choice((1, 1, 2))):
        name = chance.choice(sorted(held))
        match chance.randrange(6):
            case 0 | 1:
                held[name] = _npy(chance)
            case 2:
                held[name] = odd.bytes_damaged(held[name], chance)
            case 3:
                held[name] = chance.choice((PICKLE, b"", b"\x93NUMPY", archives.written(held)))
            case 4:
                held[chance.choice(odd.TEXTS[:40]) + ".npy"] = held.pop(name)
            case 5:
                held["layers.0.bias.npy"] = held[name]
    return archives.damaged(held, chance) if chance.random() < 0.4 else archives.written(held)


def _npy(chance: Random) -> bytes:
    shape, kind = chance.choice(_SHAPES), chance.choice(_TYPES)
    header = (
        f"{{'descr': {kind}, 'fortran_order': {chance.choice(('False', 'True', '1'))}, 'shape': {shape}, }}".encode()
    )
    header = header.ljust(118) + b"\n"
    length = chance.choice((len(header), len(header), 0, 65_535))
    version = chance.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\xff\x00"))
    packed = struct.pack("<H" if version == b"\x01\x00" else "<I", length)
    body = np.array([[0.1, chance.choice((0.2, float("nan"), float("inf"), 1e308))], [0.3, 0.4]]).tobytes()
    return b"\x93NUMPY" + version + packed + header + chance.choice((body, body, body[:5], PICKLE, b""))


def safetensors(chance: Random) -> bytes:
    """A header of JSON and bytes that do not fit together."""
    body = np.array([0.15, 0.2, 0.25, 0.3] * 2).tobytes()
    header: dict[str, object] = {
        "layers.0.weights": {"dtype": "F64", "shape": [2, 2], "data_offsets": [0, 32]},
        "layers.1.weights": {"dtype": "F64", "shape": [2, 2], "data_offsets": [32, 64]},
    }
    for _ in range(chance.choice((0, 1, 1, 2))):
        entry = dict(header[name := "layers.1.weights"])  # type: ignore[call-overload]
        match chance.randrange(5):
            case 0:
                entry["dtype"] = chance.choice(("F32", "BF16", "U8", "BOOL", "F4", "", "F" * 70_000, 1, None))
            case 1:
                entry["shape"] = chance.choice(
                    ([], [4], [-2, -2], [0], [2**40, 2**40], [2**64], [2.0, 2], "22", None, [1] * 5000)
                )
            case 2:
                entry["data_offsets"] = chance.choice(
                    ([64, 32], [0, 64], [32, 2**63], [-1, 5], [], [1], [32, 10**30], None)
                )
            case 3:
                del entry[chance.choice(sorted(entry))]
            case 4:
                header[chance.choice(odd.TEXTS)] = entry
        header[name] = entry
    text = json.dumps(header).encode()
    if chance.random() < 0.2:
        text = chance.choice(
            (b"[" * 100_000, b'{"a":' * 5000, b"null", b"{}", text[:-1], text + b" " * 100, b"\xff\xfe")
        )
    length = chance.choice((len(text), len(text), len(text), 0, 2**63, 2**64 - 1, len(text) + 1, 10_000_001))
    data = struct.pack("<Q", length) + text + body
    return odd.bytes_damaged(data, chance) if chance.random() < 0.4 else data


def pt(chance: Random) -> bytes:
    """An archive like torch.save's whose pickle would run a command, or something else of that name."""
    held = {"archive/data.pkl": PICKLE, "archive/data/0": b"\0" * 64, "archive/version": b"3\n"}
    match chance.randrange(4):
        case 0:
            return PICKLE if chance.random() < 0.5 else odd.bytes_damaged(PICKLE, chance)
        case 1:
            return odd.bytes_damaged(archives.written(held), chance)
        case 2:
            return archives.damaged(held, chance)
    return archives.written(held)
