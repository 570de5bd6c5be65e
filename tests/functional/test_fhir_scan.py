"""Parts of a JSON text are taken out byte for byte."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.errors import NotARecord
from consentry.fhir.scan import decode, elements, members, parse

# Text of every kind: escapes, quotes and brackets inside strings, beyond the BMP, controls.
texts = st.text(max_size=20) | st.sampled_from(
    ['"', "\\", "]}", ',"entry":[', "Zoë 🩺", "\u2028", "\x00", "//"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
spaces = st.text(" \t\r\n", max_size=3)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """Writes a value as JSON with any spaces, with escapes or without."""
    ascii_only = draw(st.booleans())

    def write(part: Any) -> str:
        pad = draw(spaces)
        if isinstance(part, dict):
            inside = ",".join(f"{write(str(k))}:{write(v)}" for k, v in part.items())
            return f"{pad}{{{inside}{draw(spaces)}}}{pad}"
        if isinstance(part, list):
            return f"{pad}[{','.join(map(write, part))}{draw(spaces)}]{pad}"
        return pad + json.dumps(part, ensure_ascii=ascii_only) + pad

    return write(value)


@settings(deadline=None)
@given(st.data(), st.dictionaries(texts, values, max_size=5))
def test_members_are_the_bytes_that_came_in(data: st.DataObject, value: dict[str, Any]) -> None:
    text = data.draw(written(value))
    raw = text.encode("utf-8", "surrogatepass") if text.isascii() else text.encode()
    parts = list(members(decode(raw)))
    assert [part.key for part in parts] == list(value)
    for part, expected in zip(parts, value.values(), strict=True):
        cut = text[part.start : part.end]
        assert json.loads(cut) == expected
        assert cut == cut.strip(" \t\r\n")
        assert cut.encode() in raw
        assert json.loads("{" + text[part.outer : part.end] + "}") == {part.key: expected}


@settings(deadline=None)
@given(st.data(), st.lists(values, max_size=5))
def test_elements_are_the_bytes_that_came_in(data: st.DataObject, value: list[Any]) -> None:
    text = data.draw(written(value))
    parts = list(elements(decode(text.encode()), 0))
    assert [json.loads(text[part.start : part.end]) for part in parts] == value


@settings(deadline=None)
@given(st.data(), values)
def test_what_parses_here_is_what_json_is(data: st.DataObject, value: Any) -> None:
    text = data.draw(written(value))
    assert _as_text(json.loads(text)) == _as_text(parse(text))


def _as_text(value: Any) -> Any:
    """Numbers as they are compared: ``parse`` leaves them as text."""
    if isinstance(value, dict):
        return {key: _as_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_text(part) for part in value]
    return repr(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode(b'\xef\xbb\xbf{"a": 1}') == '{"a": 1}'


def test_numbers_keep_their_digits() -> None:
    assert parse('{"value": 1.10, "big": 1' + "0" * 5000 + "}")["value"] == "1.10"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": {"b": 1, "\\u0062": 2}}', "twice"),
        ('{"a": NaN}', "NaN"),
        ("[-Infinity]", "Infinity"),
        ("[" * 100_000 + "]" * 100_000, "deep"),
        ("{} {}", "follows"),
        ('{"a": 1', "no JSON"),
        ("", "no JSON"),
        ("{'a': 1}", "no JSON"),
    ],
    ids=lambda text: text[:20],
)
def test_what_readers_understand_differently_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotARecord, match=why):
        parse(text)


def test_nesting_is_refused_also_where_a_library_lifted_the_limit() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for opening in ("[", '{"a":'):
            with pytest.raises(NotARecord, match="deep"):
                parse(opening * 200_000)
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_inside_texts_are_not_nesting() -> None:
    for inside in ("[" * 500, '"' + "{" * 500, "\\" + "[" * 500, '\\"' + "[" * 500 + "\\"):
        assert parse(json.dumps({"div": [inside, inside]}))["div"] == [inside, inside]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(NotARecord, match="UTF-8"):
        decode('{"name": "Zoë"}'.encode(encoding))
