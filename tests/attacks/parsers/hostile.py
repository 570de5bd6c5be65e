"""Bytes as a stranger sends them: none at all, or a good example that was bent with some knowledge of its
shape (words of the contracts' encoding, fields of JSON)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

ODD_NUMBERS = (0, 1, 31, 32, 33, 2**31, 2**32, 2**53, 2**63, 2**64, 2**255, 2**256 - 32, 2**256 - 1)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 2**53, 2**64, 10**30, float("inf"), float("nan")),
    *("", "0x", "0", "0xzz", "0x1", "0x 11", "\ud800", "\0", "\u202e", "x" * 2000, "0x" + "11" * 33),
    *([], {}, [[]], [[1, 2]], [None], {"": {}}, ["0x"], {"format": 1}),
)
DEEP = 60_000
"""Deeper than any reader that calls itself can go."""


def junk() -> Iterator[bytes]:
    """What parsers died of elsewhere, whatever the format."""
    yield from (b"", b"\0", b"\xff" * 40, bytes(31), bytes(32), bytes(1 << 16), b"\xef\xbb\xbf{}")
    yield from (b"[" * DEEP, b'{"a":' * DEEP, b"[" * DEEP + b"]" * DEEP)  # JSON
    yield from (b"\x81" * DEEP, b"\xa1\x00" * DEEP, b"\xd8\x2a" * DEEP, b"\x9b" + b"\xff" * 8)  # CBOR
    yield from (b"9" * 50_000, b"1e999999", b"-1", b"NaN", b"null", b"true", b'"text"', b"[]", b"{}")
    yield from (number.to_bytes(32, "big") * 8 for number in ODD_NUMBERS)
    yield b"".join((32 * place).to_bytes(32, "big") for place in range(1, 20))


def hostile(example: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and ``example`` bent once or a few times."""
    bends: list[Callable[[st.DrawFn, bytes], bytes]] = [_flip, _cut, _splice, _word, _pointer]
    if _fields(example) is not None:
        bends += [_field, _field, _field]

    @st.composite
    def bent(draw: st.DrawFn) -> bytes:
        data = example
        for bend in draw(st.lists(st.sampled_from(bends), min_size=1, max_size=3)):
            data = bend(draw, data)
        return data

    return st.one_of(bent(), bent(), bent(), st.binary(max_size=600))


def _at(draw: st.DrawFn, data: bytes, step: int = 1) -> int:
    return step * draw(st.integers(0, max(len(data) // step - 1, 0)))


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    changed, at = bytearray(data or b"\0"), _at(draw, data)
    changed[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = sorted((_at(draw, data), _at(draw, data)))
    return draw(st.sampled_from((data[:end], data[start:], data[:start] + data[end:])))


def _splice(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = sorted((_at(draw, data), _at(draw, data)))
    at = _at(draw, data)
    return data[:at] + data[start:end] * draw(st.integers(1, 3)) + data[at:]


def _word(draw: st.DrawFn, data: bytes) -> bytes:
    """A length or an offset (of any width, at a place of that width) becomes a number that is odd."""
    width = draw(st.sampled_from((32, 32, 8, 4)))
    number = draw(st.sampled_from(ODD_NUMBERS) | st.integers(0, 2 * len(data)))
    at = _at(draw, data, width)
    return data[:at] + (number % (1 << 8 * width)).to_bytes(width, "big") + data[at + width :]


def _pointer(draw: st.DrawFn, data: bytes) -> bytes:
    """One word of the data takes the place of another: two offsets that lead to one tail."""
    one, other = _at(draw, data, 32), _at(draw, data, 32)
    return data[:one] + data[other : other + 32] + data[one + 32 :]


def _fields(data: bytes) -> Any:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) and found else None


def _field(draw: st.DrawFn, data: bytes) -> bytes:
    """A field anywhere in the document is gone, another's, doubled, or of an odd value."""
    document = copy.deepcopy(_fields(data))
    if document is None:
        return data
    holder = document
    while True:
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            break
        holder = inner
    match draw(st.integers(0, 5)):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder["more"] = inner
        case 1:
            holder.append(inner)
        case 2 if isinstance(inner, str):
            holder[key] = inner[: draw(st.integers(0, len(inner)))]
        case 3:
            holder[key] = [inner]
        case _:
            holder[key] = draw(st.sampled_from(ODD_VALUES))
    return _written(document)


def odd_fields(example: bytes) -> Iterator[bytes]:
    """Every field of a document in JSON, whatever it lies in, once gone and with each odd value."""
    document = _fields(example)
    for holder, key in list(_places(document)):
        value = holder[key]
        for odd in (*ODD_VALUES, [value], {"": value}):
            holder[key] = odd
            yield _written(document)
        del holder[key]
        yield _written(document)
        if isinstance(holder, dict):
            holder[key] = value
        else:
            holder.insert(key, value)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])


def _written(document: Any) -> bytes:
    return json.dumps(document).replace("Infinity", "1e999").encode()
