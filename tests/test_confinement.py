"""A calculator reaches nothing but the file that it is given, within bounds, and ends with us."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hostile
import pytest
from click.testing import CliRunner

from xlbackprop import files
from xlbackprop.cli import main
from xlbackprop.engine import libreoffice
from xlbackprop.engine.embedded import Embedded
from xlbackprop.engine.libreoffice import LibreOffice
from xlbackprop.errors import EngineError
from xlbackprop.files import scratch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
XLSX = "xlsx:Calc MS Excel 2007 XML"


@pytest.fixture
def web() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server, and what it is asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(100))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", asked
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text("4711\n")
    return path


def _nothing_came_in(output: Path) -> bool:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(str(output))
    return not any(
        "4711" in str(value)
        for name in book.sheet_names
        for row in book.get_sheet_by_name(name).to_python()
        for value in row
    )


@pytest.mark.libreoffice
@pytest.mark.parametrize("kind", ["xlsx", "xlsm", "ods"])
def test_libreoffice_follows_no_link_and_runs_no_macro(
    kind: str, web: tuple[str, list[bytes]], secret: Path, tmp_path: Path
) -> None:
    """Also of a file that nothing has looked into before."""
    address, asked = web
    path, written = tmp_path / f"hostile.{kind}", tmp_path / "written"
    if kind == "ods":
        hostile.acting_when_opened(path, address, secret, written)
    else:
        hostile.reaching_out(path, address, secret)
    assert _nothing_came_in(LibreOffice().convert(path, XLSX, tmp_path / "out"))
    assert asked == []
    assert not written.exists()
    assert not list(tmp_path.glob(".~lock*"))


def test_the_embedded_calculator_and_the_commands_follow_no_link(
    web: tuple[str, list[bytes]], secret: Path, tmp_path: Path
) -> None:
    address, asked = web
    path = hostile.reaching_out(tmp_path / "hostile.xlsx", address, secret)
    found = Embedded().recalculate(path).column("Sheet1", 0, 0, 24)
    assert not any("4711" in str(value) for value in found)
    assert CliRunner().invoke(main, ["verify", str(path), "-o", str(tmp_path), "--annotate"]).exit_code == 2
    assert asked == []


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In LibreOffice's place a program that starts another, tells their ids and bounds, and hangs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    files._sweep.cache_clear()
    program, told = tmp_path / "soffice", tmp_path / "told"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != --version ] || exit 0\nsleep 300 &\necho $$ $! $(ulimit -v) > "{told}.new"\n'
        f'mv "{told}.new" "{told}"\nwait\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return told


def _told(told: Path) -> tuple[list[int], str]:
    while not told.exists():
        time.sleep(0.02)
    *ids, bound = told.read_text().split()
    return list(map(int, ids)), bound


def _gone(ids: list[int]) -> bool:
    """Whether they end; an orphan that has ended may wait for whoever adopted it."""
    for _ in range(500):
        alive = [one for one in ids if _state(one) not in ("", "Z")]
        if not alive:
            return True
        time.sleep(0.02)
    return False


def _state(process: int) -> str:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1]


def test_it_ends_when_its_time_does(fake: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"did not answer in 2 s"):
        LibreOffice(time_limit=2).convert(tmp_path / "a.xlsx", XLSX, tmp_path)
    ids, bound = _told(fake)
    assert _gone(ids)
    assert bound == str(libreoffice.MEGABYTES << 10), "of memory, in KB"
    assert not list((tmp_path / "temporary").iterdir()), "no profile is left"


def test_a_stricter_bound_on_memory_stays(fake: Path, tmp_path: Path) -> None:
    program = (
        "import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 31, r.getrlimit(r.RLIMIT_AS)[1]));" + _CONVERT.format("2")
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=False)
    assert _told(fake)[1] == str(1 << 21)


_CONVERT = """
import sys
from pathlib import Path
from xlbackprop.engine.libreoffice import LibreOffice
LibreOffice({}).convert(Path(sys.argv[1], "a.xlsx"), "xlsx", Path(sys.argv[1]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_when_we_do(end: signal.Signals, fake: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", _CONVERT.format("60"), str(tmp_path)], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        ids, _ = _told(fake)
        process.send_signal(end)
    assert process.returncode
    assert _gone(ids)
    with scratch():
        assert len(list(temporary.iterdir())) == 1, "the next run removes a profile that was left"


def test_a_command_ends_with_its_workers_and_what_they_started(fake: Path, era: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    command = [sys.executable, "-m", "xlbackprop", "verify", "--engine", "libreoffice", str(era)]
    for end in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        fake.unlink(missing_ok=True)
        with subprocess.Popen(
            command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            ids, _ = _told(fake)
            process.send_signal(end)
        assert _gone(ids), end
        assert end == signal.SIGKILL or not list(temporary.iterdir()), "what was begun is cleared away"
    with scratch():
        assert len(list(temporary.iterdir())) == 1
