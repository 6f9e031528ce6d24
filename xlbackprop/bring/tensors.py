"""Read named tensors from .npz, .safetensors, and PyTorch's .pt, none of which is ever allowed to run code."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlbackprop.bring import MOST_BYTES, MOST_NUMBERS, safetensors, whole
from xlbackprop.errors import NetworkError

Array = NDArray[Any]
Reader = Callable[[bytes], dict[str, Array]]


def read(path: Path) -> dict[str, Array]:
    """The tensors of the file in its order, as doubles. Raises NetworkError for whatever is wrong with it."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise NetworkError(f"{path.name}: holds no weights that can be read; known are {', '.join(READERS)}")
    data = whole(path)
    try:
        arrays = reader(data)
        _check_count(sum(array.size for array in arrays.values()))
        return {name: _doubles(name, array) for name, array in arrays.items()}
    except NetworkError as error:
        raise NetworkError(f"{path.name}{error}") from None
    except Exception as error:  # damaged bytes fail in as many ways as the libraries that parse them
        fact = " ".join(f"{type(error).__name__}: {error}".split())
        raise NetworkError(f"{path.name}: is damaged, or no {path.suffix} file ({fact:.120}); save it again") from None


def _check_count(numbers: int) -> None:
    if numbers > MOST_NUMBERS:
        raise NetworkError(f": has {numbers:,} numbers; at most {MOST_NUMBERS:,} are read")


def _doubles(name: str, array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise NetworkError(f": {name!r:.80} holds {array.dtype}; only real numbers can be read")
    result = array.astype(float)
    for place in np.argwhere(~np.isfinite(result))[:1]:
        where = "".join(f"[{k}]" for k in place)
        raise NetworkError(f": {name:.80}{where} is {result[tuple(place)]}; give finite numbers")
    return result


def _archive(data: bytes) -> zipfile.ZipFile:
    """The zip archive, of a size that can be unpacked."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > MOST_BYTES:
        raise NetworkError(f": unpacks to {unpacked:,} bytes; at most {MOST_BYTES:,} are read")
    return archive


def _npz(data: bytes) -> dict[str, Array]:
    arrays = {}
    with _archive(data) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                # Never more than the archive said, which an archive made to harm would unpack.
                arrays[info.filename.removesuffix(".npy")] = _npy(info.filename, member.read(info.file_size))
    return arrays


def _npy(name: str, data: bytes) -> Array:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise NetworkError(f": {name!r:.80} holds pickled objects, which are never loaded; save numbers")
    held, declared = len(data) - stream.tell(), math.prod(shape) * dtype.itemsize
    if held != declared:
        raise NetworkError(f": {name!r:.80} declares {declared:,} bytes and holds {held:,}; save it again")
    return np.frombuffer(data, dtype, math.prod(shape), stream.tell()).reshape(shape, order="F" if fortran else "C")


def _pt(data: bytes) -> dict[str, Array]:
    if not data.startswith(b"PK\x03\x04"):
        raise NetworkError(
            ": is not an archive as torch.save writes it; save model.state_dict() with a present PyTorch"
        )
    _archive(data).close()
    try:
        import torch
    except ImportError:
        raise NetworkError(": needs PyTorch, which is not installed; install torch, or save .npz") from None
    if not torch.__version__ >= "2.6":  # before it, weights_only could be circumvented
        raise NetworkError(f": PyTorch {torch.__version__} cannot load it safely; install 2.6 or later, or save .npz")
    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NetworkError(
            ": holds pickled code or objects beside tensors, or is damaged, and is not loaded; save model.state_dict()"
        ) from None
    if not isinstance(loaded, dict):
        raise NetworkError(f": holds a {type(loaded).__name__}; save model.state_dict()")
    for name, tensor in loaded.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise NetworkError(
                f": {name!r:.80} is no tensor but {type(tensor).__name__}; save model.state_dict() alone"
            )
        if tensor.layout != torch.strided or tensor.is_complex():
            raise NetworkError(f": {name!r:.80} is not a dense tensor of real numbers; save one")
    # A tensor may repeat a single stored number, so the file's size says nothing of it.
    _check_count(sum(tensor.numel() for tensor in loaded.values()))
    return {name: tensor.detach().double().numpy() for name, tensor in loaded.items()}


READERS: dict[str, Reader] = {".npz": _npz, ".safetensors": safetensors.read, ".pt": _pt, ".pth": _pt}
