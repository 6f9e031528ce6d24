"""Data, weights and networks of others: what is taken in, what is refused, and that PyTorch finds the same numbers."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlbackprop.bring import data as csv_data
from xlbackprop.bring import tensors
from xlbackprop.bring.readback import save_weights, trained_weights
from xlbackprop.bring.torch_models import from_torch
from xlbackprop.bring.weights import with_weights
from xlbackprop.engine import engine
from xlbackprop.errors import NetworkError, XlbackpropError
from xlbackprop.networks import load as template
from xlbackprop.sheet.layout import OVERVIEW
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import Spec, dumps, load, loads, override
from xlbackprop.spec import names as naming
from xlbackprop.verification.read import Workbook

# Samples from CSV

NETWORK = """
data = "points.csv"
rates = [0.1]
steps = 2
{more}
[[layers]]
size = {outputs}
init = "he"
"""


def _with_csv(folder: Path, text: str | bytes, more: str = "", outputs: int = 1) -> Path:
    (folder / "points.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    path = folder / "net.toml"
    path.write_text(NETWORK.format(more=more, outputs=outputs), encoding="utf-8")
    return path


ROWS = ((0.5, -1.0), (0.0, 1.0)), ((1e-3, 2.0), (1.0, 0.0))
NAMED = 'inputs = ["a", "b"]\ntargets = ["u", "v"]'


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("x,y,t1,t2\n0.5,-1,0,1\n1e-3,2,1,0\n", ""),
        ("t1,x,t2,y\n0,0.5,1,-1\n1,1e-3,0,2\n", ""),
        ("x,y,label\n0.5,-1,1\n1e-3,2,0\n", ""),
        ("\ufefflabel,x,y\r\n1.0, 0.5 ,-1\r\n\r\n0,1e-3,2", ""),
        ('"x, in m",y,label\n"0.5",-1,1\n1e-3,2,0\n', ""),
        ("v,what,b,u,a\n1,cat,-1,0,0.5\n0,,2,1,1e-3\n", NAMED),
        ("b,a,label,t1\n-1,0.5,1,9\n2,1e-3,0,9\n", NAMED),  # the targets name what label chooses from
        ("label,u,v,a,b\n7,0,1,0.5,-1\n7,1,0,1e-3,2\n", NAMED),
    ],
)
def test_samples_from_csv(tmp_path: Path, text: str, more: str) -> None:
    spec = load(_with_csv(tmp_path, text, more, outputs=2))
    assert tuple((one.inputs, one.targets) for one in spec.samples) == ROWS
    assert loads(dumps(spec)) == spec


@pytest.mark.parametrize(
    ("text", "more", "complaint"),
    [
        ("x,t1\n1,2\nnan,2\n", "", "net.toml: points.csv, line 3, column x: is nan; give a finite number"),
        ("x,t1\n1,2\n3,1e999\n", "", "points.csv, line 3, column t1: is 1e999; give a finite number"),
        ("x,t1\n\n1,\n", "", "points.csv, line 3, column t1: is empty; give a number"),
        ("x,t1\none,1\n", "", "points.csv, line 2, column x: is 'one'; give a number"),
        ("x,t1\n1_0,1\n", "", "points.csv, line 2, column x: is '1_0'; give a number"),
        ("x,t1\n1,1,1\n", "", "points.csv, line 2: has 3 cells for 2 columns"),
        ("x,t1\n", "", "points.csv: has no samples"),
        ("", "", "points.csv: has no line of names"),
        ("x,t1\n\n1,\xe9\n".encode("latin-1"), "", "points.csv, line 3: is not UTF-8 text (byte 8); save it as UTF-8"),
        ('x,t1\n1,"2', "", "points.csv, line 2: is not CSV (unexpected end of data)"),
        ("x,t1\n1,2\n", 'inputs = ["z"]', "points.csv: has no column 'z'; its columns are x, t1"),
        ("x,x,t1\n1,2,3\n", 'inputs = ["x"]', "points.csv: has two columns 'x'"),
        (",x,t1\n1,2,3\n", "", "points.csv: column 1 has no name"),
        ("t1\n3\n", "", "points.csv: has no columns for the inputs"),
        ("x;t1\n1;3\n", "", "points.csv: has no column label and none named t1, t2, ...; its columns are x;t1;"),
        ("x,label,t1\n1,0,1\n", "", "points.csv: has a column label and targets t1; give one of them"),
        ("x,label\n1,0.5\n", "", "points.csv, line 2, column label: is 0.5; give a class, a whole number from 0"),
        ("x,label\n1,-1\n", "", "points.csv, line 2, column label: is -1; give a class"),
        ("x,label\n1,3\n", "", "samples[0].label: is 3; the 1 outputs are 0 to 0"),
        ("x,t1\n1,1\n", "samples = []", "data: samples are given as well; give one of them"),
    ],
)
def test_complaints_of_csv(tmp_path: Path, text: str | bytes, more: str, complaint: str) -> None:
    path = _with_csv(tmp_path, text, more)
    with pytest.raises(NetworkError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_data, "MAX_ROWS", 2)
    text = "x,t1\n1,2\n3,4\n"
    assert len(load(_with_csv(tmp_path, text)).samples) == 2
    with pytest.raises(NetworkError, match=r"points\.csv: has more than 2 samples"):
        load(_with_csv(tmp_path, f"{text}5,6\n"))


@pytest.mark.parametrize(
    ("text", "folder", "complaint"),
    [
        ('data = "p.csv"', None, "net: data: names a file, and there is no folder to look in"),
        ('weights = "w.npz"', None, "net: weights: names a file, and there is no folder to look in"),
        ("data = 3", Path(), "net: data: is 3; give the name of a file"),
        ('data = "none.csv"', Path(), "net: none.csv: cannot be read (No such file or directory)"),
        ('data = "a\\u0000b"', Path(), "embedded null"),  # in the words of each Python
        ('data = "/dev/zero"', Path(), "net: /dev/zero: is not a regular file"),
    ],
)
def test_files_that_cannot_be_had(text: str, folder: Path | None, complaint: str) -> None:
    with pytest.raises(NetworkError) as caught:
        loads(text, "net", folder)
    assert complaint in str(caught.value)


# Weights from files

ARCHITECTURE = """
rates = [0.1]
steps = 2
weights = "{file}"
[[samples]]
inputs = [0.5, -1.0, 2.0]
targets = [1.0, 0.0]
[[layers]]
size = 4
activation = "tanh"
[[layers]]
kind = "batch norm"
mode = "evaluation"
[[layers]]
size = 2
"""


def _numbers(*shape: int) -> np.ndarray[Any, Any]:
    """Different, and not exact in fewer bits than a double's."""
    count = int(np.prod(shape))
    return ((np.arange(count) + 1) / 7 * (-1) ** np.arange(count) / count).reshape(shape)


OURS = {
    "layers.0.weights": _numbers(4, 3),
    "layers.0.bias": _numbers(4),
    "layers.1.mean": _numbers(4) / 3,
    "layers.1.variance": _numbers(4) ** 2,
    "layers.2.weights": _numbers(2, 4),
}
PYTORCHS = {
    "0.weight": OURS["layers.0.weights"],
    "0.bias": OURS["layers.0.bias"],
    "2.running_mean": OURS["layers.1.mean"],
    "2.running_var": OURS["layers.1.variance"],
    "2.num_batches_tracked": np.array(7),
    "10.weight": OURS["layers.2.weights"],
}
Arrays = dict[str, np.ndarray[Any, Any]]


def _save_npz(path: Path, arrays: Arrays) -> None:
    np.savez_compressed(path, **arrays)


def _save_safetensors(path: Path, arrays: Arrays) -> None:
    """By hand, in the order that its library writes: of the names."""
    types = {"f": "F", "i": "I", "u": "U"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, array in sorted(arrays.items()):
        dtype = f"{types[array.dtype.kind]}{array.dtype.itemsize * 8}"
        end = len(body) + array.nbytes
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(body), end]}
        body += array.tobytes()
    _write_safetensors(path, header, body)


def _write_safetensors(path: Path, header: Any, body: bytes) -> None:
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + body)


def _save_pt(path: Path, arrays: Arrays) -> None:
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, path)


SAVERS: dict[str, Callable[[Path, Arrays], None]] = {
    ".npz": _save_npz, ".safetensors": _save_safetensors, ".pt": _save_pt, ".pth": _save_pt,
}  # fmt: skip


def _network(folder: Path, file: str, text: str = ARCHITECTURE) -> Path:
    path = folder / "net.toml"
    path.write_text(text.format(file=file), encoding="utf-8")
    return path


def _holds(spec: Spec, arrays: Arrays) -> None:
    for name, array in arrays.items():
        _, index, key = name.split(".")
        assert np.array_equal(np.array(getattr(spec.layers[int(index)], key)), array), name


def test_every_format_is_tried() -> None:
    assert set(SAVERS) == set(tensors.READERS)


@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("names", [OURS, PYTORCHS], ids=["ours", "pytorch"])
def test_weights_from_a_file(tmp_path: Path, suffix: str, names: Arrays) -> None:
    SAVERS[suffix](tmp_path / f"w{suffix}", names)
    spec = load(_network(tmp_path, f"w{suffix}"))
    _holds(spec, OURS)
    assert spec.layers[1].scale == (1, 1, 1, 1)
    assert loads(dumps(spec)) == spec
    unnamed = _network(tmp_path, "", ARCHITECTURE.replace('weights = "{file}"\n', ""))
    assert with_weights(unnamed, tmp_path / f"w{suffix}") == dumps(spec)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<i8", "<i4", "i1", "u1"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_numbers_of_every_kind(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = tmp_path / f"w{suffix}"
    numbers = np.array([[0, 1], [2, 3], [100, 5]], dtype)
    SAVERS[suffix](path, {"x": numbers})
    assert np.array_equal(tensors.read(path)["x"], numbers.astype(float))


def test_brain_floats(tmp_path: Path) -> None:
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    _write_safetensors(tmp_path / "w.safetensors", header, bytes([0x80, 0x3F, 0x20, 0xC1]))
    assert tensors.read(tmp_path / "w.safetensors")["x"].tolist() == [1.0, -10.0]


def test_fortran_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", x=np.asfortranarray(_numbers(3, 2)))
    assert np.array_equal(tensors.read(tmp_path / "w.npz")["x"], _numbers(3, 2))


def test_sizes_may_be_left_to_the_file(tmp_path: Path) -> None:
    _save_npz(tmp_path / "w.npz", OURS)
    text = ARCHITECTURE.replace("size = 4\n", "").replace("size = 2\n", "")
    _holds(load(_network(tmp_path, "w.npz", text)), OURS)


def test_what_the_file_does_not_name_stays(tmp_path: Path) -> None:
    _save_npz(tmp_path / "w.npz", {"layers.2.weights": OURS["layers.2.weights"]})
    text = ARCHITECTURE.replace("size = 4\n", 'size = 4\ninit = "zeros"\n')
    _holds(
        load(_network(tmp_path, "w.npz", text)),
        {"layers.0.weights": np.zeros((4, 3)), "layers.2.weights": _numbers(2, 4)},
    )


NAN = np.array([[0.0, 1.0], [np.nan, 2.0]])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"layers.0.weights": _numbers(3, 3)}, "w.npz: layers[0].weights: is 3×3 where inputs of 3 need 4×3"),
        ({"layers.0.weights": _numbers(12)}, "layers[0].weights: is 12 where inputs of 3 need 2 axes"),
        ({"layers.0.bias": _numbers(3)}, "layers[0].bias: is 3 where inputs of 3 need 4"),
        ({"layers.2.weights": _numbers(2, 5)}, "layers[2].weights: is 2×5 where inputs of 4 need 2×4"),
        ({"layers.1.mean": _numbers(4, 1)}, "layers[1].mean: is 4×1 where inputs of 4 need a list"),
        ({"layers.1.variance": _numbers(5)}, "layers[1].variance: is 5 where inputs of 4 need 4"),
        ({"layers.1.weights": _numbers(4)}, "layers[1].weights: a batch norm layer has no such tensor"),
        ({"layers.1.epsilon": _numbers(1)}, "layers[1].epsilon: a batch norm layer has no such tensor"),
        ({"layers.3.weights": _numbers(4)}, "layers.3.weights: there are 3 layers, layers.0 to layers.2"),
        ({"fc": _numbers(4)}, "'fc' names no tensor; write names as layers.0.weights"),
        ({"layers.2.weights": NAN}, "w.npz: layers.2.weights[1][0] is nan; give finite numbers"),
        ({"layers.2.weights": np.array(["a"])}, "'layers.2.weights' holds <U1; only real numbers"),
        ({"layers.2.weights": np.array([1j])}, "'layers.2.weights' holds complex128; only real numbers"),
        ({"layers.2.weights": np.array([{}])}, "'layers.2.weights.npy' holds pickled objects, which are never loaded"),
        ({"0.weight": _numbers(4)}, "has parameters of 4 modules"),
    ],
)
def test_complaints_of_weights(tmp_path: Path, change: Arrays, complaint: str) -> None:
    _save_npz(tmp_path / "w.npz", OURS | change)
    path = _network(tmp_path, "w.npz")
    with pytest.raises(NetworkError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: w.npz: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"a.weight": _numbers(4, 3), "b.weight": _numbers(2, 4)}, "(a, b) do not tell their order"),
        (
            {"0.weight": _numbers(4, 3)},
            "has parameters of 1 modules (0) for 3 layers (layers[0], layers[1], layers[2])",
        ),
        (PYTORCHS | {"0.in_proj_weight": _numbers(3)}, "0.in_proj_weight is no tensor of a dense layer"),
    ],
)
def test_complaints_of_names_as_in_pytorch(tmp_path: Path, arrays: Arrays, complaint: str) -> None:
    _save_safetensors(tmp_path / "w.safetensors", arrays)
    with pytest.raises(NetworkError) as caught:
        load(_network(tmp_path, "w.safetensors"))
    assert complaint in str(caught.value)


SHARED_BIAS = ARCHITECTURE.replace("size = 4\n", "size = 4\nbias = 0.5\n")


def test_a_bias_that_all_units_share(tmp_path: Path) -> None:
    _save_npz(tmp_path / "w.npz", OURS | {"layers.0.bias": np.full(4, 0.25)})
    assert load(_network(tmp_path, "w.npz", SHARED_BIAS)).layers[0].bias == 0.25
    _save_npz(tmp_path / "w.npz", OURS)
    with pytest.raises(NetworkError, match=r"layers\[0\]\.bias: holds different numbers where all units share one"):
        load(_network(tmp_path, "w.npz", SHARED_BIAS))


def _entry(**changes: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (_entry(shape=[10**30]), "has bytes 0 to 8 for 4000000000000000000000000000000 bytes"),
        (_entry(shape=[3], data_offsets=[0, 12]), "has bytes 0 to 12 for 12 bytes"),
        (_entry(shape=[1], data_offsets=[4, 8]), "has bytes 4 to 8 for 4 bytes from 0"),
        (_entry(shape=[1], data_offsets=[0, 4]), "its tensors end at byte 4 of 8"),
        (_entry(shape=[-2]), "is damaged, or no .safetensors file (ValidationError"),
        (_entry(dtype="F8_E4M3"), "is of type F8_E4M3; known are F64"),
        (_entry() | {"y": _entry()["x"]}, "has bytes 0 to 8 for 8 bytes from 8"),
        ([1, 2], "is damaged, or no .safetensors file (ValidationError"),
        ({"x": _entry()}, "is damaged, or no .safetensors file (ValidationError"),
    ],
)
def test_safetensors_that_lie(tmp_path: Path, header: Any, complaint: str) -> None:
    path = tmp_path / "w.safetensors"
    _write_safetensors(path, header, bytes(8))
    with pytest.raises(NetworkError) as caught:
        tensors.read(path)
    assert complaint in str(caught.value)


def test_a_header_that_is_longer_than_its_file(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(NetworkError, match=r"declares a header of 9,223,372,036,854,775,808 bytes in a file of 10;"):
        tensors.read(tmp_path / "w.safetensors")


def _npz_with(header: str, body: bytes = b"") -> bytes:
    head = header.encode() + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            _npz_with("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
            "'x.npy' declares 8,000,000,000,000 bytes and holds 0",
        ),
        (_npz_with("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x"), "which are never loaded"),
        (_npz_with("", bytes(100_000_001)), "unpacks to 100,000,"),
        (_npz_with("__import__('os').abort()"), "is damaged, or no .npz file (ValueError"),
        (b"", "is damaged, or no .npz file (BadZipFile"),
    ],
    ids=["size", "objects", "bomb", "code", "empty"],
)
def test_npz_that_lies(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(NetworkError) as caught:
        tensors.read(tmp_path / "w.npz")
    assert complaint in str(caught.value)


class _Malicious:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.touched),)


def test_pickled_code_is_refused_and_never_executed(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    touched, path = tmp_path / "touched", tmp_path / "w.pt"
    torch.save({"0.weight": torch.zeros(2), "x": _Malicious(touched)}, path)
    with pytest.raises(NetworkError, match=r"w\.pt: holds pickled code or objects beside tensors.* is not loaded"):
        tensors.read(path)
    assert not touched.exists()
    torch.load(path, weights_only=False)  # the file is as harmful as it should be
    assert touched.exists()


def test_a_bare_pickle_is_refused_and_never_executed(tmp_path: Path) -> None:
    touched, path = tmp_path / "touched", tmp_path / "w.pt"
    path.write_bytes(pickle.dumps(_Malicious(touched)))
    with pytest.raises(NetworkError, match=r"w\.pt: is not an archive as torch\.save writes it"):
        tensors.read(path)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        (lambda torch: torch.zeros(2), "holds a Tensor; save model.state_dict()"),
        (lambda torch: {"epoch": 3}, "'epoch' is no tensor but int; save model.state_dict() alone"),
        (lambda torch: {"x": torch.zeros(1).expand(10**9)}, "has 1,000,000,000 numbers; at most"),
        (lambda torch: {"x": torch.zeros(2, dtype=torch.complex64)}, "'x' is not a dense tensor of real numbers"),
        (lambda torch: {"x": torch.zeros(2).to_sparse()}, "'x' is not a dense tensor of real numbers"),
        (lambda torch: torch.nn.Linear(2, 2), "holds pickled code or objects beside tensors"),
    ],
)
def test_what_is_no_state_dict(tmp_path: Path, what: Callable[[Any], Any], complaint: str) -> None:
    torch = pytest.importorskip("torch")
    torch.save(what(torch), tmp_path / "w.pt")
    with pytest.raises(NetworkError) as caught:
        tensors.read(tmp_path / "w.pt")
    assert complaint in str(caught.value)


@cache
def _whole_file(suffix: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"w{suffix}"
        SAVERS[suffix](path, OURS)
        return path.read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_get_one_line(suffix: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = bytearray(_whole_file(suffix))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
    path.write_bytes(content)
    try:
        arrays = tensors.read(path)
    except NetworkError as error:
        assert str(error).startswith(f"fuzzed{suffix}")
        assert "\n" not in str(error)
    else:
        assert all(array.dtype == float for array in arrays.values())


# Networks from PyTorch


def _seeded(model: Any) -> Any:
    """With weights from a seed, in doubles, and running statistics that are not the ones it starts with."""
    import torch

    torch.manual_seed(3)
    model.double()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if name.endswith("var") else torch.rand_like(tensor) * 2 - 1)
    return model


def _mlp(*activations: str) -> Callable[[Any], Any]:
    def made(nn: Any) -> Any:
        layers = []
        for name in activations:
            layers += [nn.Linear(3, 3), getattr(nn, name)()]
        return nn.Sequential(*layers)

    return made


MSE = "mean squared error"
CLASSES = "cross-entropy from logits"

# name: (model, shape of a sample, loss, other keys of the network file)
MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], str, dict[str, Any]]] = {
    "activations": (_mlp("ReLU", "LeakyReLU", "ELU", "Softplus"), (3,), MSE, {}),
    "more activations": (_mlp("SiLU", "Sigmoid", "Tanh", "Identity"), (3,), MSE, {}),
    "gelu": (_mlp("GELU", "GELU"), (3,), MSE, {}),
    "gelu, tanh form": (lambda nn: nn.Sequential(nn.Linear(3, 2), nn.GELU(approximate="tanh")), (3,), MSE, {}),
    "activations on their own": (
        lambda nn: nn.Sequential(nn.Tanh(), nn.Linear(3, 3), nn.Sigmoid(), nn.ReLU(), nn.Linear(3, 2)), (3,), MSE, {},
    ),
    "nested, frozen bias": (
        lambda nn: nn.Sequential(nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU()), _frozen_bias(nn.Linear(3, 3))),
        (2,), CLASSES, {"batch": 2},
    ),
    "log-softmax": (lambda nn: nn.Sequential(nn.Linear(3, 3), nn.LogSoftmax(dim=1)), (3,), "nll", {"batch": "full"}),
    "softmax": (lambda nn: nn.Sequential(nn.Linear(3, 3), nn.Softmax(-1)), (3,), MSE, {}),
    "softmax of tokens": (
        lambda nn: nn.Sequential(nn.Softmax(dim=2), nn.LayerNorm(3), nn.Flatten(), nn.Linear(6, 2)), (2, 3), MSE, {},
    ),
    "batch norm": (
        lambda nn: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)),
        (2,), CLASSES, {"batch": "full"},
    ),
    "batch norm, evaluation": (
        lambda nn: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, eps=1e-3), nn.ReLU(), nn.Linear(3, 2)).eval(),
        (2,), CLASSES, {},
    ),
    "batch norm without scale": (
        lambda nn: nn.Sequential(nn.Conv1d(1, 2, 2), nn.BatchNorm1d(2, affine=False), nn.Flatten(), nn.Linear(6, 1)),
        (1, 4), MSE, {"batch": "full"},
    ),
    "layer norm, dropout off": (
        lambda nn: nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Dropout(0.3), nn.ELU(), nn.Linear(4, 1)).eval(),
        (2,), MSE, {},
    ),
    "conv1d": (
        lambda nn: nn.Sequential(
            nn.Conv1d(2, 2, 3, stride=2, padding=2, dilation=2), nn.ReLU(), nn.MaxPool1d(2, 1), nn.Flatten(),
            nn.Linear(4, 2),
        ), (2, 6), MSE, {},
    ),
    "conv1d, same": (
        lambda nn: nn.Sequential(
            nn.Conv1d(1, 2, 3, padding="same", bias=False), nn.AvgPool1d(2, padding=1), nn.AdaptiveAvgPool1d(1),
            nn.Flatten(), nn.Linear(2, 2),
        ), (1, 4), CLASSES, {},
    ),
    "conv2d": (
        lambda nn: nn.Sequential(
            nn.Unflatten(1, (1, 4, -1)), nn.Conv2d(1, 2, (2, 3), padding="valid"), nn.BatchNorm2d(2), nn.SiLU(),
            nn.MaxPool2d((1, 2)), nn.GroupNorm(1, 2), nn.AdaptiveAvgPool2d((1, 1)), nn.Conv2d(2, 2, 1), nn.Flatten(),
        ), (20,), CLASSES, {"batch": "full"},
    ),
    "pools": (
        lambda nn: nn.Sequential(
            nn.Conv2d(1, 1, 2, stride=(1, 2), padding=1), nn.AvgPool2d(2, stride=1), nn.LayerNorm((1, 3, 1)),
            nn.AdaptiveAvgPool2d(1),
        ), (1, 3, 3), MSE, {},
    ),
}  # fmt: skip


# Relative, where the embedded calculator keeps fewer digits: of ERF 10.
LESS_EXACT = {"gelu": 1e-9}


def _frozen_bias(linear: Any) -> Any:
    linear.bias.requires_grad_(False)
    return linear


def _parameters(model: Any) -> list[Any]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _losses(loss: str) -> Callable[[Any, Any], Any]:
    from torch.nn import functional as F

    return {MSE: F.mse_loss, CLASSES: F.cross_entropy, "nll": F.nll_loss}[loss]


def _samples(torch: Any, model: Any, shape: tuple[int, ...], loss: str) -> tuple[Any, Any]:
    x = torch.rand(4, *shape, dtype=torch.float64) * 2 - 1
    if loss == MSE:
        return x, torch.rand_like(model(x).flatten(1))
    return x, torch.tensor([1, 0, 0, 1])


def _trained_by_torch(torch: Any, model: Any, x: Any, t: Any, loss: str, spec: Spec) -> list[list[Any]]:
    """The gradients at step 0, and the parameters after each step."""
    optimizer = torch.optim.SGD(_parameters(model), lr=spec.rates[0])
    results: list[list[Any]] = []
    for start, count in spec.batches:
        rows = [row % len(x) for row in range(start, start + count)]
        results.append([parameter.detach().clone().numpy().ravel() for parameter in _parameters(model)])
        optimizer.zero_grad()
        output = model(x[rows])
        _losses(loss)(output.flatten(1), t[rows]).backward()
        if not start:
            results.append([parameter.grad.clone().numpy().ravel() for parameter in _parameters(model)])
        optimizer.step()
    return [results[1], *results[:1], *results[2:]]


def _agree(found: Any, right: Any, relative: float) -> None:
    """Relative to the number, or to the largest beside it where rounding of that took its digits."""
    assert np.allclose(found, right, rtol=relative, atol=relative * np.abs(right).max()), (found, right)


@pytest.mark.parametrize("name", MODELS)
def test_pytorch_finds_the_same(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    make, shape, loss, training = MODELS[name]
    model = _seeded(make(torch.nn))
    x, t = _samples(torch, model, shape, loss)
    text = from_torch(model, x, t, loss=loss, rates=[0.25], steps=5, **training)
    spec = loads(text)
    path = build(spec, tmp_path / "model.xlsx")
    recalculated = engine("embedded").recalculate(path)
    layout = Workbook(path, recalculated).layout
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    gradients, *steps = _trained_by_torch(torch, model, x, t, loss, spec)
    assert spec.trained and len(steps) == spec.updates + 1

    # The table's trained parameters are in the order of PyTorch's.
    named = naming.batch_gradient if spec.batches.several else naming.gradient_name
    row = layout.FIRST_ROW + spec.batches.stop(0) - 1
    found = [recalculated.column(layout.sheets[0], row, layout.columns[named(w)], 1)[0] for w in spec.trained]
    right = np.concatenate(gradients)
    assert len(found) == len(right) and np.abs(right).max() > 1e-3
    relative = LESS_EXACT.get(name, 1e-12)
    _agree(found, right, relative)

    for step in (0, spec.updates):
        weights = trained_weights(path, step=step)
        tensors_of = [(one, tensor) for one in spec.placed for tensor in one.tensors if tensor.trained]
        assert len(tensors_of) == len(steps[step])
        for (one, tensor), parameter in zip(tensors_of, steps[step]):
            _agree(weights[f"layers.{one.index}.{tensor.key}"].ravel(), parameter, relative)

    # The same network as a state_dict and a description without numbers.
    torch.save(before, tmp_path / "model.pt")
    bare = tmp_path / "bare.toml"
    bare.write_text(dumps(_without_numbers(spec)), encoding="utf-8")
    again = loads(with_weights(bare, tmp_path / "model.pt"))
    assert list(again.tensors()) == list(spec.tensors())


def _without_numbers(spec: Spec) -> Spec:
    layers = []
    for layer in spec.layers:
        changes: dict[str, Any] = {}
        match layer.__struct_config__.tag:
            case "dense":
                changes = {"size": len(layer.weights), "weights": None, "bias": None}
            case "conv":
                kernel = np.shape(layer.weights)[2:]
                changes = {"channels": len(layer.weights), "kernel": kernel, "weights": (), "bias": None}
            case "batch norm" | "layer norm" | "group norm":
                changes = {"scale": (), "shift": ()}
        layers.append(msgspec.structs.replace(layer, **changes))
    return msgspec.structs.replace(spec, layers=tuple(layers))


def test_every_supported_module_is_compared() -> None:
    torch = pytest.importorskip("torch")
    from xlbackprop.bring.torch_models import SUPPORTED

    used = {type(module).__name__ for make, *_ in MODELS.values() for module in make(torch.nn).modules()}
    assert used - {"Sequential"} == set(SUPPORTED)


def test_the_text_is_exact() -> None:
    torch = pytest.importorskip("torch")
    model = _seeded(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())).float()
    spec = loads(from_torch(model, [[0.1, 1 / 3]], [[1e-17, 2]], loss="half squared error", rates=[0.1], steps=1))
    assert np.array_equal(np.array(spec.layers[0].weights), model[0].weight.detach().double().numpy())
    assert spec.samples[0].inputs == (0.1, 1 / 3)
    assert spec.samples[0].targets == (1e-17, 2)
    assert spec.layers[0].activation == "relu" and len(spec.layers) == 1


def test_dropout_with_masks() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Dropout(0.25)), nn.Linear(3, 1), nn.Dropout(0))

    def layers(**dropout: Any) -> Any:
        text = from_torch(model, [[1.0, 2.0]], [0.5], loss=MSE, rates=[0.1], steps=1, **dropout)
        return loads(text).layers

    with pytest.raises(NetworkError, match=r"model\[1\.1\] \(Dropout\): drops at random; call model\.eval\(\)"):
        layers()
    assert layers(dropout={"1.1": [1, 0, 1]})[1].mask == (1, 0, 1)
    assert layers(dropout=5)[1].seed == 6
    assert layers(dropout=5)[3].mode == "evaluation"


@pytest.mark.parametrize(
    ("make", "shape", "complaint"),
    [
        (lambda nn: nn.Linear(2, 1), (2,), "model: is a Linear; give a torch.nn.Sequential"),
        (lambda nn: nn.Sequential(nn.LSTM(2, 1)), (2,), "model[0] (LSTM): is not supported; supported are Linear,"),
        (lambda nn: nn.Sequential(type("ReLU", (nn.ReLU,), {})()), (2,), "model[0] (ReLU): is not supported"),
        (lambda nn: nn.Sequential(_hooked(nn.ReLU())), (2,), "model[0] (ReLU): has hooks"),
        (lambda nn: nn.Sequential(*[nn.Linear(2, 2)] * 2), (2,), "model[1] (Linear): shares parameters"),
        (lambda nn: nn.Sequential(nn.Linear(2, 2)), (3, 2), "takes the last of its inputs' axes, 3×2"),
        (lambda nn: nn.Sequential(nn.Linear(3, 2)), (2,), "(Linear): takes 3 inputs where there are 2"),
        (lambda nn: nn.Sequential(nn.LeakyReLU(0.2)), (2,), "(LeakyReLU): negative_slope is 0.2; supported is 0.01"),
        (lambda nn: nn.Sequential(nn.Conv1d(2, 2, 1, groups=2)), (2, 3), "(Conv1d): groups is 2; supported is 1"),
        (
            lambda nn: nn.Sequential(nn.Conv1d(2, 2, 1, padding_mode="reflect")), (2, 3),
            "padding_mode is 'reflect'; supported is 'zeros'",
        ),
        (lambda nn: nn.Sequential(nn.Conv1d(2, 2, 2, padding="same")), (2, 3), "padding is 'same', with more on one"),
        (lambda nn: nn.Sequential(nn.MaxPool1d(2, ceil_mode=True)), (2, 3), "ceil_mode is True; supported is False"),
        (lambda nn: nn.Sequential(nn.MaxPool1d(2, dilation=2)), (2, 3), "dilation is 2; supported is 1"),
        (
            lambda nn: nn.Sequential(nn.AvgPool1d(2, padding=1, count_include_pad=False)), (2, 3),
            "count_include_pad is False; supported is True",
        ),
        (lambda nn: nn.Sequential(nn.AvgPool2d(2, divisor_override=3)), (2, 3, 3), "divisor_override is 3"),
        (lambda nn: nn.Sequential(nn.AdaptiveAvgPool1d(2)), (2, 3), "output_size is 2; supported is 1"),
        (lambda nn: nn.Sequential(nn.Flatten(2)), (2, 3, 3), "start_dim is 2; supported is 1"),
        (lambda nn: nn.Sequential(nn.Flatten(1, 2)), (2, 3, 3), "end_dim is 2; supported is -1"),
        (lambda nn: nn.Sequential(nn.Softmax(dim=1)), (2, 3), "dim is 1 of inputs of 2×3"),
        (lambda nn: nn.Sequential(nn.LayerNorm(3)), (2, 2, 3), "normalized_shape is (3,); supported is (2, 2, 3)"),
        (lambda nn: nn.Sequential(nn.LayerNorm(3, bias=False)), (3,), "only one of weight and bias is trained"),
        (lambda nn: nn.Sequential(nn.ReLU(), nn.Unflatten(1, (1, 2))), (2,), "(Unflatten): stands among other modules"),
        (lambda nn: nn.Sequential(nn.Linear(2, 1).requires_grad_(False)), (2,), "its weight is frozen"),
    ],
)  # fmt: skip
def test_what_is_not_supported(make: Callable[[Any], Any], shape: tuple[int, ...], complaint: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(NetworkError) as caught:
        from_torch(make(torch.nn), np.ones((1, *shape)), [[1.0]], loss=MSE, rates=[0.1], steps=1)
    assert complaint in str(caught.value)


def _hooked(module: Any) -> Any:
    module.register_forward_hook(lambda module, inputs, output: output + 1)
    return module


@pytest.mark.parametrize(
    ("inputs", "targets", "more", "complaint"),
    [
        ([1.0, 2.0], [1.0], {}, "sample_inputs: is 2; give samples × inputs"),
        ([[1.0], [2.0, 3.0]], [1.0], {}, "sample_inputs: is no array of numbers"),
        ([[1.0, 2.0]], [[1.0], [2.0]], {}, "sample_targets: is 2×1 for 1 samples"),
        ([[1.0, 2.0]], [[1.0]], {"speed": 3}, "from_torch: Unexpected keyword argument 'speed'"),
        ([[1.0, 2.0]], [[1.0]], {"optimizer": "adams"}, "model: optimizer.kind: unknown kind 'adams'"),
        ([[1.0, np.nan]], [[1.0]], {}, "model: samples[0].inputs: is nan; give a finite number"),
    ],
)
def test_samples_that_do_not_fit(inputs: Any, targets: Any, more: dict[str, Any], complaint: str) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 1))
    with pytest.raises(NetworkError) as caught:
        from_torch(model, inputs, targets, loss=MSE, rates=[0.1], steps=1, **more)
    assert complaint in str(caught.value)


# Weights out of a workbook


def test_weights_round_trip(small: Path, tmp_path: Path) -> None:
    """Training goes on from the weights of a workbook as if it had not stopped."""
    first = save_weights(small, tmp_path / "w.npz", rate=0.5, step=2)
    assert first.read_bytes() == save_weights(small, tmp_path / "again.npz", rate=0.5, step=2).read_bytes()
    network = tmp_path / "more.toml"
    spec = override(template("era-s6"), rates=(0.5,), steps=4)
    network.write_text(f'weights = "w.npz"\n{dumps(spec)}', encoding="utf-8")
    resumed = trained_weights(build(load(network), tmp_path / "more.xlsx"))
    unbroken = trained_weights(small, rate=0.5)
    assert resumed.keys() == unbroken.keys() == {"layers.0.weights", "layers.1.weights"}
    assert all(np.array_equal(resumed[key], unbroken[key]) for key in resumed)
    start = trained_weights(small, step=0)
    assert start["layers.0.weights"].tolist() == [list(row) for row in spec.layers[0].weights or ()]
    assert not np.array_equal(unbroken["layers.0.weights"], start["layers.0.weights"])
    assert not np.array_equal(unbroken["layers.0.weights"], trained_weights(small)["layers.0.weights"])


def test_weights_of_a_changed_workbook(small: Path, tmp_path: Path) -> None:
    """A weight typed anew on Overview is where the training starts, whatever the file carries as values."""
    from openpyxl import load_workbook

    book = load_workbook(small)
    layout = Workbook(small, engine("embedded").recalculate(small)).layout
    place = layout.parameters[0]
    book[OVERVIEW].cell(place.row + 1, place.column + 1).value = 0.75
    book.save(tmp_path / "changed.xlsx")
    changed = trained_weights(tmp_path / "changed.xlsx", step=0)
    assert changed["layers.0.weights"][0, 0] == 0.75
    after = trained_weights(tmp_path / "changed.xlsx")["layers.1.weights"]
    assert not np.array_equal(after, trained_weights(small)["layers.1.weights"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rate": 0.3}, "has no rate 0.3; its rates are 0.5, 2"),
        ({"step": 7}, "has no step 7; its steps are 0 to 6"),
        ({"step": -1}, "has no step -1; its steps are 0 to 6"),
    ],
)
def test_complaints_of_reading_back(small: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(XlbackpropError) as caught:
        trained_weights(small, **options)
    assert complaint in str(caught.value)


def test_weights_that_diverged(tmp_path: Path) -> None:
    spec = loads(
        'loss = "squared error"\nrates = [1e200]\nsteps = 3\n[[layers]]\nweights = [[1.0]]\n'
        "[[samples]]\ninputs = [2.0]\ntargets = [1.0]\n"
    )
    path = build(spec, tmp_path / "diverged.xlsx")
    with pytest.raises(XlbackpropError, match=r"\(w1\) is .*; choose a rate and step before it diverged"):
        trained_weights(path)
    with pytest.raises(XlbackpropError, match=r"w\.txt: weights are written as \.npz"):
        save_weights(path, tmp_path / "w.txt")
    assert list(tmp_path.iterdir()) == [path]
