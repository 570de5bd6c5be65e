"""Where the parts of a JSON text lie, so that they can be taken out byte for byte.

A parsed and dumped resource is another resource (``+00:00`` becomes ``Z``, ``1.10`` becomes ``1.1``), so
records are cut from the bytes that came in. Strict UTF-8 is one-to-one: a slice of the decoded text,
encoded again, is exactly those bytes. Sources: RFC 8259; FHIR R4 section 2.6.2 (JSON is UTF-8).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from consentry.errors import NotARecord

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\[\s\S])*+"?|[\[\]{}]')
_DEEPEST = 200


class Part(NamedTuple):
    """A value and its place in a JSON text.

    In an object, ``key`` is what it stands under and ``outer`` where that key's first quote is; in an
    array they are '' and ``start``. ``text[start:end]`` is the value, ``text[outer:end]`` the whole member.
    """

    key: str
    value: Any
    outer: int
    start: int
    end: int


def decode(raw: bytes) -> str:
    """Gives the text of JSON bytes without a byte order mark. Raises :class:`NotARecord`."""
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise NotARecord(
            f"byte {error.start} is not UTF-8, which FHIR JSON must be; export or convert the file as UTF-8"
        ) from None


def parse(text: str) -> Any:
    """Gives the value of a JSON text. Raises :class:`NotARecord`.

    Numbers stay the text they are: no digit is lost, and a code that was written as a number is seen.

    Refuses what readers understand differently, since something could hide there: a key that stands
    twice in one object, NaN and Infinity, nesting without end.
    """
    _check_depth(text)
    start = _skip(text, 0)
    value, end = _value(text, start)
    end = _skip(text, end)
    if end != len(text):
        raise NotARecord(f"the JSON ends at character {end} and something follows; give one JSON value")
    return value


def members(text: str, start: int = 0) -> Iterator[Part]:
    """Gives the members of the object that starts at ``start`` of a text that :func:`parse` accepted."""
    at = _skip(text, _skip(text, start) + 1)
    while text[at] != "}":
        outer = _skip(text, at + (text[at] == ","))
        key, at = _value(text, outer)
        begin = _skip(text, _skip(text, at) + 1)
        value, end = _value(text, begin)
        yield Part(key, value, outer, begin, end)
        at = _skip(text, end)


def elements(text: str, start: int) -> Iterator[Part]:
    """Gives the elements of the array that starts at ``start`` of a text that :func:`parse` accepted."""
    at = _skip(text, _skip(text, start) + 1)
    while text[at] != "]":
        begin = _skip(text, at + (text[at] == ","))
        value, end = _value(text, begin)
        yield Part("", value, begin, begin, end)
        at = _skip(text, end)


def _check_depth(text: str) -> None:
    """Counted without recursion, since the decoder's own limit is the interpreter's, which libraries raise
    far beyond the stack (py-evm to 100,000)."""
    depth = 0
    for bracket in _STRING_OR_BRACKET.finditer(text):
        if bracket[0] in "[{":
            depth += 1
            if depth > _DEEPEST:
                raise NotARecord("the JSON is nested too deep to be FHIR; export the file again")
        elif bracket[0] in "]}":
            depth -= 1


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise NotARecord(
            f"line {error.lineno}, column {error.colno}: no JSON ({error.msg}); export the file again"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotARecord("a key stands twice in one JSON object, so readers would differ; export it again")
    return found


def _constant(name: str) -> Any:
    raise NotARecord(f"{name} is no JSON number; export the file again")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_constant
)
