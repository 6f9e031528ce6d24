"""Read safetensors: 8 bytes with the length of a JSON header, the header, then the tensors one after the other."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from xlbackprop.errors import NetworkError

MOST_HEADER = 10_000_000

_BRAIN_FLOAT = "BF16"  # the upper half of an F32
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", _BRAIN_FLOAT: "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[_Count, ...]
    data_offsets: tuple[_Count, _Count]


def read(data: bytes) -> dict[str, NDArray[Any]]:
    """The tensors by name. Raises NetworkError, or msgspec's errors, for bytes that are not of the format."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MOST_HEADER, len(data) - 8):
        raise NetworkError(f": declares a header of {length:,} bytes in a file of {len(data):,}; save it again")
    body = data[8 + length :]
    header = msgspec.json.decode(data[8 : 8 + length], type=dict[str, msgspec.Raw])
    header.pop("__metadata__", None)
    entries = {name: msgspec.json.decode(raw, type=_Entry) for name, raw in header.items()}
    arrays, at = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        arrays[name] = _array(name, entry, body, at)
        at = entry.data_offsets[1]
    if at != len(body):
        raise NetworkError(f": its tensors end at byte {at:,} of {len(body):,}; save it again")
    return arrays


def _array(name: str, entry: _Entry, body: bytes, at: int) -> NDArray[Any]:
    """The tensor, which begins where the one before ends."""
    if entry.dtype not in _TYPES:
        raise NetworkError(f": {name!r:.80} is of type {entry.dtype:.20}; known are {', '.join(_TYPES)}")
    dtype, (begin, end) = np.dtype(_TYPES[entry.dtype]), entry.data_offsets
    needed = math.prod(entry.shape) * dtype.itemsize
    if begin != at or end - begin != needed or end > len(body):
        raise NetworkError(f": {name!r:.80} has bytes {begin} to {end} for {needed} bytes from {at}; save it again")
    array = np.frombuffer(body, dtype, math.prod(entry.shape), begin).reshape(entry.shape)
    if entry.dtype == _BRAIN_FLOAT:
        return (array.astype("<u4") << 16).view("<f4")
    return array
