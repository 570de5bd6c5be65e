"""Files that appear whole or not at all, and leave nothing beside them when a process is killed."""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Gives a temporary file (mode 0600) beside ``path`` that takes its place durably if all goes well.

    The temporary file is locked while it is written. One that nobody locks belongs to a process that was
    killed: the next replacement of the same ``path`` removes it. Raises `OSError`, such as
    `FileNotFoundError` where there is no such folder."""
    remove_leftovers(path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}"))
    temporary, handle = claim(lambda: path.with_name(f".{path.name}.{secrets.token_hex(4)}"))
    try:
        yield temporary
        os.fsync(handle)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def write_private(path: Path, data: bytes) -> None:
    """Writes ``data`` atomically and durably with mode 0600, folders included: a crash leaves the old file
    or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacement(path) as temporary:
        temporary.write_bytes(data)


def claim(name: Callable[[], Path]) -> tuple[Path, int]:
    """Makes a new locked file (mode 0600) under the first ``name`` that it gets to keep; gives its path and
    its open descriptor, which the caller closes."""
    while True:
        path = name()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if _lock(handle) and os.fstat(handle).st_nlink:
            return path, handle
        os.close(handle)  # another process took it for a leftover before it was locked


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Removes those files that nobody has locked: their processes were killed."""
    for path in paths:
        with suppress(FileNotFoundError):  # its process has just ended
            handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            if _lock(handle):
                path.unlink(missing_ok=True)
            os.close(handle)


def _lock(handle: int) -> bool:
    """Locks an open file for this process, until it is closed; False where another one has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync(folder: Path) -> None:
    """Makes durable which files ``folder`` has."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["claim", "remove_leftovers", "replacement", "sync", "write_private"]
