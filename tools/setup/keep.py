"""What must never be seen half: files, kept archives, and folders that heal."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .base import SetupError


def fingerprint(*parts: bytes) -> str:
    """SHA-256 in hex over parts, each with its length before it, so that no two lists meet."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    fresh = Path(name)
    fresh.chmod(0o644)
    fresh.replace(path)


def keep(tree: Path, archive: Path) -> None:
    """Pack a folder into an archive with its SHA-256 beside it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with fresh_folder(beside=archive) as folder:
        packed = folder / archive.name
        with tarfile.open(packed, "w") as tar:
            tar.add(tree, arcname=tree.name)
        digest = file_digest(packed)
        packed.replace(archive)
    write_whole(checksum_of(archive), digest.encode())


def restore(archive: Path, tree: Path) -> bool:
    """Unpack a kept folder in place of `tree`.

    Gives False, and throws the archive away, when it is absent, cut, or otherwise not whole.
    """
    try:
        if checksum_of(archive).read_bytes() != file_digest(archive).encode():
            raise tarfile.TarError("checksum")
        with fresh_folder(beside=tree) as folder, tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(folder, filter="data")
            else:
                tar.extractall(folder)  # noqa: S202  our own archive, its checksum just compared
            replace_folder(folder / tree.name, tree)
    except (OSError, tarfile.TarError):
        for path in (archive, checksum_of(archive)):
            path.unlink(missing_ok=True)
        return False
    return True


def checksum_of(archive: Path) -> Path:
    """The file that holds an archive's SHA-256."""
    return archive.with_name(f"{archive.name}.sha256")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def fresh_folder(beside: Path) -> Iterator[Path]:
    """Give an empty folder on the same disk as `beside`; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}-", dir=beside.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_folder(new: Path, old: Path) -> None:
    """Put a folder in another's place."""
    shutil.rmtree(old, ignore_errors=True)
    new.rename(old)


def healing(folder: Path, attic: Path, action: Callable[[], object]) -> None:
    """Do an action that works in a folder; when it fails, once more without that folder.

    If that fails too, the cause lies elsewhere (no network, say): what was in the folder comes
    back, so nothing that was kept is lost, and the first SetupError is raised. `attic` is a folder
    on the same disk, where the old one waits meanwhile.
    """
    try:
        action()
        return
    except SetupError as error:
        first = error
    if not folder.exists():
        raise first
    attic.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=attic)) / folder.name
    folder.rename(aside)
    try:
        action()
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
        if isinstance(error, SetupError):
            raise first from error
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
