"""One reader of bytes from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from consentry.errors import UsageError
from consentry.keys.binding import json_decode


@dataclass(frozen=True)
class Parser:
    """``call`` reads bytes as the program does, and takes ``example``. ``covers`` are the functions of src/
    that read them; ``factor`` is how many bytes of memory one byte of them may take."""

    call: Callable[[bytes], object]
    example: bytes
    covers: tuple[Any, ...]
    factor: int = 64


def document(data: bytes) -> Any:
    """The value of a document in JSON. Raises `UsageError`."""
    try:
        return json_decode(data)
    except ValueError:
        raise UsageError("no JSON") from None


def in_file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """What ``read`` makes of a file with the bytes."""

    def call(data: bytes) -> object:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "file.json"
            path.write_bytes(data)
            return read(path)

    return call
