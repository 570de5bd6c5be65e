"""Files become records: what is in them, byte for byte, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentry.errors import KindUnknown, NotARecord, UsageError
from consentry.fhir import records_from_bytes, records_from_file, synthetic_bundle
from consentry.record import Record

CONDITION = (
    '{ "resourceType":"Condition" , "id":"1",\n  "onsetDateTime" : "2020-01-02T03:04:05.6+00:00", "x":1.10 }'
)
OVERDOSE = '{"resourceType":"Condition","id":"2","code":{"text":"Overdose \\u00e9 é 🩺"}}'


def body(record: Record) -> bytes:
    with record.open() as stream:
        return stream.read()


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def bundle(*entries: str, before: str = "", after: str = "") -> bytes:
    joined = " ,\r\n".join(entries)
    head = f'{{ {before} "resourceType" : "Bundle", "type":"transaction", "entry" :[ '
    return f"{head}{joined}\t] {after}}}".encode()


# --- a Bundle ---------------------------------------------------------------------------------------


def test_a_bundle_becomes_one_collection_a_kind_of_the_bytes_that_came_in() -> None:
    one, two = f'{{"resource":{CONDITION}}}', f'{{ "fullUrl":"urn:uuid:2", "resource": {OVERDOSE} }}'
    general, sensitive = records_from_bytes(bundle(one, two))
    assert (general.kind, sensitive.kind) == ("general", "substance-use")
    assert {general.media_type, sensitive.media_type} == {"application/fhir+json"}
    assert one.encode() in body(general)
    assert two.encode() in body(sensitive)
    for record in (general, sensitive):
        assert json.loads(body(record))["type"] == "collection"
    assert b"Overdose" not in body(general)


def test_a_record_is_labelled_as_what_it_is() -> None:
    records = records_from_bytes(bundle(f'{{"resource":{CONDITION}}}', f'{{"resource":{OVERDOSE}}}'))
    labels = [[c["code"] for c in json.loads(body(r))["meta"]["security"]] for r in records]
    assert labels == [["N"], ["R", "ETH"]]


def test_what_a_collection_may_not_have_is_left_out_and_the_rest_keeps_its_bytes() -> None:
    link = '"link":[ {"relation":"self", "url":"urn:x"} ]'
    kept = f'"fullUrl" : "urn:uuid:1",{link},"resource":{CONDITION}'
    entry = f'{{"request":{{"url":"x"}}, {kept},"response":{{"status":"1"}},"search":{{}}}}'
    (record,) = records_from_bytes(bundle(entry))
    (found,) = json.loads(body(record))["entry"]
    assert list(found) == ["fullUrl", "link", "resource"]
    assert f"{{{kept}}}".encode() in body(record)


def test_a_byte_order_mark_and_other_members_around_the_entries_do_no_harm() -> None:
    entry = f'{{"resource":{CONDITION}}}'
    raw = b"\xef\xbb\xbf" + bundle(entry, before='"total":1, "link":[{"x":"]}"}],', after=', "z":[{}]')
    (record,) = records_from_bytes(raw)
    assert entry.encode() in body(record)


def test_the_date_is_the_newest_clinical_one() -> None:
    dated = [
        {"resourceType": "Patient", "id": "p", "birthDate": "2024-12-31"},
        {"resourceType": "Observation", "id": "o", "effectiveDateTime": "2020-05-06T23:00:00+02:00"},
        {"resourceType": "Encounter", "id": "e", "period": {"start": "2019-01-01", "end": "2021-02-03"}},
        {"resourceType": "CarePlan", "id": "c", "period": {"start": "2018-01-01", "end": "2035-01-01"}},
        {"resourceType": "Claim", "id": "b", "billablePeriod": {"end": "2031-01-01"}, "created": "2021-02"},
        {"resourceType": "Condition", "id": "m", "meta": {"lastUpdated": "2026-01-01"}, "recordedDate": "?"},
    ]
    (record,) = records_from_bytes(bundle(*(json.dumps({"resource": r}) for r in dated)))
    assert record.date == "2021-02-03"


def test_a_record_without_a_clinical_date_has_none() -> None:
    (record,) = records_from_bytes(bundle('{"resource":{"resourceType":"Patient","id":"p"}}'))
    assert record.date == ""


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"resourceType":"Bundle","type":"searchset"}', "no entries"),
        (b'{"resourceType":"Bundle","entry":[]}', "no entries"),
        (b'{"resourceType":"Bundle","entry":{}}', "no list"),
        (bundle('{"fullUrl":"urn:x"}'), "entry 0 .* no resource"),
        (bundle(f'{{"resource":{CONDITION}}}', '{"request":{"method":"DELETE"}}'), "entry 1 .* no resource"),
        (bundle("null"), "no resource"),
        (bundle('{"resource":{}}'), "no resource"),
        (b'{"resourceType":"Bundle",', "line 1, column"),
        (bundle(f'{{"resource":{CONDITION},"resource":{OVERDOSE}}}'), "twice"),
    ],
)
def test_a_broken_bundle_is_refused_and_its_file_is_named(tmp_path: Path, raw: bytes, why: str) -> None:
    with pytest.raises(NotARecord, match=why):
        records_from_bytes(raw)
    with pytest.raises(NotARecord, match=f"export.json: .*{why}"):
        records_from_file(write(tmp_path, "export.json", raw))


def test_no_error_shows_what_is_in_the_file() -> None:
    raw = b'{"resourceType":"Bundle","entry":[{"note":"heroin"}]} trailing heroin'
    with pytest.raises(NotARecord) as caught:
        records_from_bytes(raw)
    assert "heroin" not in str(caught.value)


def test_a_kind_by_hand_is_refused_for_a_bundle(tmp_path: Path) -> None:
    path = write(tmp_path, "b.json", bundle(f'{{"resource":{CONDITION}}}'))
    with pytest.raises(UsageError, match="sorted by what is in it"):
        records_from_file(path, kind="hiv")


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_every_entry_lands_in_exactly_one_record(seed: int) -> None:
    raw = synthetic_bundle(seed)
    landed = [
        json.dumps(entry) for record in records_from_bytes(raw) for entry in json.loads(body(record))["entry"]
    ]
    assert sorted(landed) == sorted(json.dumps(entry) for entry in json.loads(raw)["entry"])


spaces = st.text(" \t\r\n", max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(spaces, st.text(max_size=30), st.booleans()), min_size=1, max_size=6))
def test_no_byte_of_a_resource_changes(made: list[tuple[str, str, bool]]) -> None:
    resources = [
        f'{{{space}"resourceType"{space}:"Basic",{space}"text":{json.dumps(text, ensure_ascii=escaped)}}}'
        for space, text, escaped in made
    ]
    records = records_from_bytes(bundle(*(f'{{"resource":{r}}}' for r in resources)))
    whole = b"".join(map(body, records))
    for one in resources:
        assert one.encode() in whole


# --- any other file ---------------------------------------------------------------------------------


def test_a_single_resource_is_sorted_and_keeps_its_bytes(tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbf " + OVERDOSE.encode() + b"\n"
    (record,) = records_from_file(write(tmp_path, "c.json", raw))
    assert (record.kind, record.media_type, body(record)) == ("substance-use", "application/fhir+json", raw)


def test_fhir_is_known_by_what_it_is_whatever_its_name(tmp_path: Path) -> None:
    raw = bundle(f'{{"resource":{CONDITION}}}', f'{{"resource":{OVERDOSE}}}')
    for name in ("export", "export.txt", "export.fhir"):
        assert [r.kind for r in records_from_file(write(tmp_path, name, raw))] == ["general", "substance-use"]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("scan.pdf", "application/pdf"),
        ("image.png", "image/png"),
        ("unknown.zzz", "application/octet-stream"),
        ("archive.csv.gz", "application/gzip"),
    ],
)
def test_another_file_is_one_record_of_its_bytes_and_is_flagged_as_not_looked_into(
    tmp_path: Path, name: str, media_type: str
) -> None:
    path = write(tmp_path, name, b"%PDF\x00\xff")
    (record,) = records_from_file(path)
    assert (record.kind, record.media_type, record.body) == ("general", media_type, path)
    assert record.flags == (f"not looked into: an attachment of type {media_type}: file (1)",)


def test_a_text_file_is_looked_through(tmp_path: Path) -> None:
    (plain,) = records_from_file(write(tmp_path, "letter.txt", "Dear colleague, the ankle is healing."))
    assert (plain.kind, plain.flags) == ("general", ())
    (telling,) = records_from_file(write(tmp_path, "letter.txt", "... admitted after a heroin overdose"))
    assert telling.kind == "substance-use"
    assert "looks sensitive" in telling.flags[0]


@pytest.mark.parametrize("at", [0, (1 << 20) - 5, 1 << 20])
def test_a_word_is_found_anywhere_in_a_long_file(tmp_path: Path, at: int) -> None:
    text = "healthy " * (at // 8) + " " * (at % 8) + "heroin " + "well " * 1000
    (record,) = records_from_file(write(tmp_path, "long.txt", text))
    assert record.kind == "substance-use"


def test_lines_of_json_are_one_opaque_record_for_now(tmp_path: Path) -> None:
    (record,) = records_from_file(write(tmp_path, "Condition.ndjson", f"{OVERDOSE}\n{OVERDOSE}\n"))
    assert record.kind == "substance-use"
    assert isinstance(record.body, Path)


def test_other_json_is_opaque(tmp_path: Path) -> None:
    for text in ('{"steps": 9000}', "[1, 2]", '"x"'):
        (record,) = records_from_file(write(tmp_path, "steps.json", text))
        assert (record.kind, record.media_type) == ("general", "application/json")


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"{", b'{"a":1,"a":2}', '{"n":"Zoë"}'.encode("utf-16")]
)
def test_what_is_named_json_and_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NotARecord, match=r"export\.json: "):
        records_from_file(write(tmp_path, "export.json", content))
    with pytest.raises(NotARecord, match=r"export\.txt: "):
        records_from_file(write(tmp_path, "export.txt", content), "application/fhir+json; charset=utf-8")


def test_a_kind_and_a_media_type_by_hand_hold(tmp_path: Path) -> None:
    path = write(tmp_path, "notes.txt", "session notes")
    (record,) = records_from_file(path, "text/markdown", kind="mental-health")
    assert (record.kind, record.media_type, record.flags) == ("mental-health", "text/markdown", ())


def test_what_looks_more_restrictive_than_the_kind_by_hand_is_flagged(tmp_path: Path) -> None:
    for name, content in (("n.txt", "heroin overdose"), ("c.json", OVERDOSE)):
        (record,) = records_from_file(write(tmp_path, name, content), kind="general")
        assert record.kind == "general"
        assert "(stays here)" in record.flags[0]


def test_an_unknown_kind_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KindUnknown):
        records_from_file(write(tmp_path, "a.txt", "x"), kind="secret")
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(NotARecord, match="no file"):
            records_from_file(path)


@given(raw=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_records_or_are_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    if raw:
        assert records_from_file(write(tmp_path, "any.bin", raw))
    try:
        found: list[Any] = records_from_file(write(tmp_path, "any.json", raw))
    except NotARecord:
        return
    assert found
