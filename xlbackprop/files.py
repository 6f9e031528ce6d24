"""Writing files: each is whole or absent, and what a killed run left behind goes with the next one.

A file is written in a hidden folder beside it, and moved to its place when it is whole. The folder
has a lock that the system takes away when the process ends, however it ends: so the next run knows
the folders of the dead from those of the living, whatever their ids and their hosts.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from xlbackprop.errors import OutputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PREFIX, _LOCK, _INSIDE = ".xlbackprop-", "lock", "files"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path for a new file, which takes the place of `path` when the block ends without an error.

    A link stays, and the file that it leads to is replaced. Raises OutputError; an earlier file then stays.
    """
    try:
        target = Path(os.path.realpath(path))
        earlier = _earlier(target, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(target.parent) as folder:
            written = folder / target.name
            yield written
            if earlier is not None:
                written.chmod(earlier)
            # A name that reaches the disk before what it names would be an empty file after a power cut.
            with written.open("r+b") as file:
                os.fsync(file.fileno())
            written.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({_reason(error)}); choose another folder with -o") from error


def write(path: Path, content: bytes) -> Path:
    """A file that is made at once. Raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def _earlier(target: Path, path: Path) -> int | None:
    """The permissions of the file that is to be replaced. Raises OutputError where it is not to be."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path}: is a folder; name a file")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path}: is a device or a pipe; name a file")
    if not mode & 0o222:  # the system would replace it all the same
        raise OutputError(f"{path}: is read-only; make it writable, or choose another folder with -o")
    return stat.S_IMODE(mode)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a while, where the system keeps temporary files. Raises OutputError where it takes none."""
    try:
        with _held(Path(tempfile.gettempdir())) as folder:
            yield folder
    except OSError as error:
        if error.errno == errno.ENOMEM:  # which is told as such
            raise
        raise OutputError(f"temporary files: cannot be written ({_reason(error)}); make room, or set TMPDIR") from error


@contextmanager
def _held(parent: Path) -> Iterator[Path]:
    """A folder in `parent` for a while, which no other run takes for an abandoned one."""
    _sweep(parent)
    folder, lock = _locked(parent)
    try:
        inside = folder / _INSIDE
        inside.mkdir()
        yield inside
    finally:
        os.close(lock)
        _remove(folder)


def _remove(folder: Path) -> None:
    """The lock goes last, so that a folder without one is empty."""
    for one in (folder / _INSIDE, folder):
        shutil.rmtree(one, ignore_errors=True)


def _locked(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # another run swept it away before it was locked: once more
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
            try:
                ours = _lock(lock)
            except OSError:  # a file system without locks, where nothing is swept
                ours = True
            if ours and (folder / _LOCK).exists():
                return folder, lock
            os.close(lock)


def _lock(handle: int) -> bool:
    """Take the lock, unless a living process has it. Raises OSError where there are no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@cache
def _sweep(parent: Path) -> None:
    """Remove what killed runs left in a folder; once a run, for it may hold thousands of files."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_abandoned(folder)


def _remove_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        folder.rmdir()  # its run was killed as it made or removed it, or else makes another
        return
    try:
        abandoned = _lock(lock)
        if abandoned:
            _remove(folder)
    finally:
        os.close(lock)
    if abandoned:  # Windows removes no open file
        _remove(folder)
