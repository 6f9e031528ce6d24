"""Every file that is written is whole or absent: commands are killed at many points, and disks refuse."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from click.testing import CliRunner

from xlbackprop import files, kinds
from xlbackprop.audit.annotate import annotate
from xlbackprop.bring.readback import save_weights
from xlbackprop.cli import main
from xlbackprop.engine import libreoffice
from xlbackprop.errors import EngineError, OutputError
from xlbackprop.files import replacing, scratch
from xlbackprop.job import run_document
from xlbackprop.networks import load
from xlbackprop.sheet.workbook import build
from xlbackprop.show.readme import MARKER, readme_of
from xlbackprop.spec import Spec, override

resource = pytest.importorskip("resource")  # and with it fork and signals

Act = Callable[[Path], object]


def _quiet(phase: str) -> None:
    pass


@pytest.fixture(scope="module")
def spec() -> Spec:
    return override(load("mazur"), steps=2, rates=(0.5,))


@pytest.fixture(scope="module")
def workbook(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kinds.build(spec, tmp_path_factory.mktemp("held") / "held.xlsx")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, to look into."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    files._sweep.cache_clear()
    return folder


def _build(spec: Spec, workbook: Path) -> Act:
    return lambda folder: build(spec, folder / "net.xlsx")  # without its picture, which takes most of the time


def _run(spec: Spec, workbook: Path) -> Act:
    return lambda folder: run_document(spec, "net", folder, "embedded", _quiet)


def _readme(spec: Spec, workbook: Path) -> Act:
    return lambda folder: readme_of(spec, "net", folder, "xlbackprop readme", "embedded", _quiet)


def _annotate(spec: Spec, workbook: Path) -> Act:
    mistake = {"sheet": "Overview", "cell": "A1", "quantity": "w1", "says": "is wrong"}
    report = {"workbook": str(workbook), "verdict": "wrong", "mistakes": [mistake], "warnings": []}
    return lambda folder: annotate(workbook, report, folder)


def _weights(spec: Spec, workbook: Path) -> Act:
    return lambda folder: save_weights(workbook, folder / "weights.npz")


def _network(spec: Spec, workbook: Path) -> Act:
    weights = str(save_weights(workbook, workbook.with_suffix(".npz")))
    command = ["from-torch", weights, "--network", "mazur", "-o"]
    return lambda folder: main([*command, str(folder / "own.toml")], standalone_mode=False)


# What is killed, and at how many points; quick ones also in the midst of a file.
COMMANDS = ((_build, 24), (_run, 8), (_readme, 4), (_annotate, 12), (_weights, 12), (_network, 6))
_SLOW = (_run, _readme)
_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "tempfile.mkstemp", "tempfile.mkdtemp")


def _in_child(work: Callable[[], object]) -> int:
    """The wait status of a fork that does the work."""
    child = os.fork()
    if not child:
        status = 1
        try:
            files._sweep.cache_clear()  # it is another run
            work()
            status = 0
        except (OutputError, ClickException):
            status = 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def _die_at(point: int) -> list[object]:
    """Be killed before the n-th change of the file system; the list is that of what is changed."""
    changed: list[object] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in _CHANGES:
            changed.append(arguments[0])
            if len(changed) == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return changed


def _bounded(size: int, action: signal.Handlers) -> None:
    """No file may grow above the size: the process is killed in the midst of writing, or the disk is as if full."""
    signal.signal(signal.SIGXFSZ, action)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(("command", "most"), COMMANDS, ids=lambda one: getattr(one, "__name__", "")[1:])
def test_killed_at_any_moment(
    command: Callable[[Spec, Path], Act],
    most: int,
    spec: Spec,
    workbook: Path,
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libreoffice, "find", _missing)
    monkeypatch.setattr(sys, "executable", "no-such-program")  # all is drawn by the process that is killed
    act = command(spec, workbook)
    changes = _changes(act, tmp_path / "whole")
    new = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    largest = max(map(len, new.values()))
    deaths = [
        *((partial(_die_at, point), "killed") for point in sorted({1 + k * changes // most for k in range(most)})),
    ]
    for share in () if command in _SLOW else (0, 0.5, 0.9):
        deaths.append((partial(_bounded, int(largest * share), signal.SIG_DFL), "killed"))
        deaths.append((partial(_bounded, int(largest * share), signal.SIG_IGN), "refused"))
    for number, (prepare, end) in enumerate(deaths):
        folder = tmp_path / f"out{number}"
        folder.mkdir()
        for name in new:
            (folder / name).write_bytes(_earlier(name))
        status = _in_child(lambda: (prepare(), act(folder)))  # noqa: B023 - it is over when the loop goes on
        if end == "killed":
            assert os.WIFSIGNALED(status), (number, status)
        else:
            assert os.WEXITSTATUS(status) == 2, (number, status)
            assert not list(_left(folder, temporary)), number
        held = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        assert held.keys() == new.keys(), number
        for name, content in held.items():
            assert content in (_earlier(name), new[name]), (number, name)
        assert _in_child(partial(_next_run, folder)) == 0
        assert not list(_left(folder, temporary)), number


def _missing() -> str:
    raise EngineError("LibreOffice is not installed")


def _changes(act: Act, folder: Path) -> int:
    """How many changes of the file system an undisturbed run makes, which writes into the folder."""
    counted = folder.with_name("counted")
    written = [folder / name for name in ("net.xlsx", "README.md", "weights.npz", "own.toml", "held-annotated.xlsx")]

    def work() -> None:
        changed = _die_at(0)
        act(folder)
        number = len(changed)
        assert not any(isinstance(one, (str, Path)) and Path(one) in written for one in changed), "all come by renaming"
        counted.write_text(str(number))

    assert _in_child(work) == 0
    return int(counted.read_text())


def _earlier(name: str) -> bytes:
    return (MARKER if name == "README.md" else "earlier").encode()


def _next_run(folder: Path) -> None:
    with replacing(folder / "next") as path, scratch():
        path.write_text("next")


def _left(*folders: Path) -> Iterator[Path]:
    return (path for folder in folders for path in folder.iterdir() if path.name.startswith("."))


def test_the_folders_of_the_living_stay(tmp_path: Path) -> None:
    """Other runs into the same folder come and go."""
    with replacing(tmp_path / "one") as path:
        path.write_text("one")
        for name in ("two", "three"):

            def other(name: str = name) -> None:
                files._sweep.cache_clear()
                with replacing(tmp_path / name) as theirs:
                    theirs.write_text(name)

            assert _in_child(other) == 0
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"one", "two", "three"}


def test_many_runs_into_one_folder_at_once(tmp_path: Path) -> None:
    """Each file is whole and of one of them, while folders are made, swept and removed all the time."""

    def run(letter: str) -> None:
        for _ in range(100):
            files._sweep.cache_clear()
            with replacing(tmp_path / "file") as path:
                path.write_text(letter * 10_000)

    children = []
    for letter in "abcd":
        child = os.fork()
        if not child:
            try:
                run(letter)
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert (tmp_path / "file").read_text() in {letter * 10_000 for letter in "abcd"}
    assert not list(_left(tmp_path))


def _line(*arguments: str) -> str:
    """What a command says that fails: one line, exit 2, and no traceback."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert result.output.startswith("Error: ") and result.output.count("\n") == 1, result.output
    return result.output


def _copy(place: Path) -> str:
    return _line("templates", "mazur", "--copy", str(place))


def _weights_to(workbook: Path, place: Path) -> str:
    return _line("weights", str(workbook), "-o", str(place))


def test_places_that_take_no_file(workbook: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("earlier")
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    (tmp_path / "link.npz").symlink_to("pipe.npz")
    (tmp_path / "only.npz").write_text("earlier")
    (tmp_path / "only.npz").chmod(0o444)
    before = sorted(tmp_path.iterdir())
    for place, says in (
        ("file/a.npz", "Not a directory"),
        ("folder.npz", "is a folder"),
        ("pipe.npz", "is a device or a pipe"),
        ("link.npz", "is a device or a pipe"),
        ("loop.npz", "symbolic links"),
        ("only.npz", "is read-only"),
        (f"{'a' * 300}.npz", "File name too long"),
    ):
        assert says in _weights_to(workbook, tmp_path / place), place
    assert says in _copy(tmp_path / ("a" * 300))
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "only.npz").read_text() == "earlier"


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that takes no file, of a user who is not root."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "weights.npz").write_text("earlier")
        folder.chmod(0o555)
        if root := os.geteuid() == 0:
            os.seteuid(65534)
        yield folder
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_folder_that_takes_no_file(closed: Path, workbook: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"),
        replacing(closed / "weights.npz"),
    ):
        pass
    assert [path.name for path in closed.iterdir()] == ["weights.npz"]
    assert (closed / "weights.npz").read_text() == "earlier"


def test_no_room_for_temporary_files(workbook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "away"))
    assert "temporary files: cannot be written" in _weights_to(workbook, tmp_path / "w.npz")


def test_a_link_stays_and_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "file"
    target.write_text("earlier")
    target.chmod(0o640)
    (tmp_path / "link").symlink_to(target)
    with replacing(tmp_path / "link") as path:
        path.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640, "and keeps its permissions"
