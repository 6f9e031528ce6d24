"""On a Dask cluster as in processes of this machine: a worker that is lost costs one file a second try."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_checking import write

from xlbackprop.cli import main
from xlbackprop.crowd import Failure, Limits
from xlbackprop.errors import ClusterError, WorkbookError

distributed = pytest.importorskip("distributed")

from xlbackprop import cluster  # noqa: E402, needs Dask

# What is done with a file stands in its suffix; each try leaves a line in the file.


def act(path: Path) -> str:
    with path.open("a", encoding="utf-8") as tries:
        tries.write(f"{os.getpid()}\n")
    first = len(path.read_text(encoding="utf-8").splitlines()) == 1
    match path.suffix:
        case ".complain":
            raise WorkbookError(f"{path}: is no workbook; give another")
        case ".crash":
            os._exit(7)
        case ".once" if first:
            os._exit(7)
        case ".hang":
            time.sleep(60)
        case ".lost" if first:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(5)
        case ".stopped" if first:
            os.kill(os.getppid(), signal.SIGSTOP)
            time.sleep(5)
    return "answer"


def _tries(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two processes, which takes a worker for lost after some seconds of silence."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.worker-ttl": "4s"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as found,
    ):
        yield found.scheduler_address


def _each(address: str, paths: list[Path], seconds: float = 20.0) -> list[Any]:
    found = list(cluster.each(act, paths, address=address, limits=Limits(seconds)))
    assert [path for path, _ in found] == paths
    return [result for _, result in found]


def test_a_failure_is_of_its_file_alone(address: str, tmp_path: Path) -> None:
    names = ["a.ok", "b.complain", "c.ok", "d.crash", "e.ok", "f.hang", "g.ok", "h.once", "i.ok"]
    paths = [tmp_path / name for name in names]
    found = _each(address, paths, 1.5)
    assert found[::2] == ["answer"] * 5
    assert found[7] == "answer"
    assert [one.kind for one in found[1:7:2]] == ["complaint", "crash", "time"]
    assert [_tries(path) for path in paths] == [1, 1, 1, 2, 1, 2, 1, 2, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [".lost", ".stopped"])
def test_a_lost_worker_costs_one_file_another_try(how: str, address: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.ok", f"b{how}", *(f"{k}.ok" for k in range(6)))]
    assert _each(address, paths) == ["answer"] * 8
    tries = [_tries(path) for path in paths]
    assert tries.pop(1) == 2
    assert sum(tries) <= 8  # one may be done and not fetched when its worker is lost


def test_results_come_before_the_last_is_done_and_in_order(address: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.ok", "b.hang", "c.ok")]
    found = cluster.each(act, paths, address=address, limits=Limits(5.0))
    start = time.monotonic()
    assert next(found) == (paths[0], "answer")
    found.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 30


def test_what_is_known_takes_no_work(address: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.ok", "b.ok")]
    known = {paths[0]: "known"}
    found = list(cluster.each(act, paths, address=address, limits=Limits(), known=known.get))
    assert found == [(paths[0], "known"), (paths[1], "answer")]
    assert not paths[0].exists()


def test_verify_says_the_same(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.xlsx")
    write(tmp_path / "b.xlsx", "=(E{r}-B{r})*E{r}*(1-D{r})*A{r}")
    (tmp_path / "c.xlsx").write_bytes(b"PK not a workbook")
    monkeypatch.chdir(tmp_path)
    here, there = (CliRunner().invoke(main, ["verify", ".", "--json", *more]) for more in ([], ["--dask", address]))
    assert (there.stdout, there.stderr, there.exit_code) == (here.stdout, here.stderr, 2)


def test_another_release_is_told(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "__version__", "0")
    with pytest.raises(ClusterError, match=r"a worker cannot check \(it has release .*\); install xlbackprop 0 there"):
        _each(address, [tmp_path / "a.ok"])


def test_a_wrong_address_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT", 0.5)
    for wrong in ("tcp://127.0.0.1:1", "nonsense", "foo://host:1"):
        found = CliRunner().invoke(main, ["verify", str(tmp_path / "a.xlsx"), "--dask", wrong])
        assert found.exit_code == 2
        assert found.stderr.startswith(f"Error: {wrong}: no Dask scheduler answers (")
        assert found.stderr.count("\n") == 1


def test_a_cluster_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(ClusterError, match="has no workers; start some with: dask worker tcp://"),
    ):
        _each(empty.scheduler_address, [tmp_path / "a.ok"])


def test_a_cluster_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    monkeypatch.setattr(cluster, "_CONNECT", 2.0)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as brief:
        paths = [tmp_path / "a.ok", *(tmp_path / f"{k}.hang" for k in range(2))]
        found = cluster.each(act, paths, address=brief.scheduler_address, limits=Limits(20.0))
        assert next(found) == (paths[0], "answer")
    with pytest.raises(ClusterError, match="go on with the same --results"):
        next(found)


def test_nothing_of_dask_is_loaded_without_the_option(tmp_path: Path) -> None:
    write(tmp_path / "a.xlsx")
    program = (
        "import sys; from click.testing import CliRunner; from xlbackprop.cli import main; "
        f"CliRunner().invoke(main, ['verify', {str(tmp_path)!r}]); "
        "sys.exit(bool({'dask', 'distributed'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_failure_says_its_path(address: str, tmp_path: Path) -> None:
    (found,) = _each(address, [tmp_path / "d.crash"])
    assert isinstance(found, Failure)
    assert found.says == f"{tmp_path / 'd.crash'}: ended the process that worked on it (exit code 7); please report it"
