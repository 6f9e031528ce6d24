"""What no input may bring about: a connection, a process, unpickled code, or a change outside a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

PICKLES = "pickle.find_class"
# Python's audit events: those that are never right, and those that change the file that an argument names.
FORBIDDEN = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
    "subprocess.Popen", "os.system",
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn", PICKLES,
)  # fmt: skip
CHANGES = {  # where among the arguments the paths are, and the folders, open already, that these are relative to
    "os.mkdir": ((0, 2),), "os.remove": ((0, 1),), "os.rmdir": ((0, 1),), "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),), "os.truncate": ((0, None),), "os.chmod": ((0, 2),), "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Breach(BaseException):
    """No code under test takes it for a mistake of its own."""


class Guard:
    """Once made it cannot be taken away again, so that it is asked only between `watching` and its end."""

    def __init__(self, forbidden: tuple[str, ...] = FORBIDDEN) -> None:
        self._forbidden = forbidden
        self.breaches: list[str] = []
        matplotlib.get_configdir()  # it makes this folder when it is first asked, which is no input's doing
        matplotlib.get_cachedir()
        self._folder: Path | None = None
        sys.addaudithook(self._hook)

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Only below this folder may anything change."""
        self.breaches.clear()
        self._folder = folder.resolve()
        try:
            yield
        finally:
            self._folder = None

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._folder is None:
            return
        if event in self._forbidden:
            self._breach(f"{event} {arguments!r:.200}")
        elif event == "open":
            path, mode, flags = arguments
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITING):
                self._check(event, path)
        elif event in CHANGES:
            for path, folder in CHANGES[event]:
                self._check(event, arguments[path], -1 if folder is None else arguments[folder])

    def _check(self, event: str, path: object, folder: int = -1) -> None:
        if isinstance(path, int) or self._folder is None:  # open already
            return
        base = Path(f"/proc/self/fd/{folder}") if folder >= 0 else Path.cwd()
        target = (base / os.fsdecode(path)).resolve()  # type: ignore[arg-type]
        if target != Path(os.devnull) and not target.is_relative_to(self._folder):
            self._breach(f"{event} {str(target)!r:.200}")

    def _breach(self, what: str) -> None:
        self.breaches.append(what)
        raise Breach(what)
