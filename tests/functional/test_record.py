"""Records, kinds and purposes of use."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.errors import KindUnknown, NotARecord, PurposeUnknown
from consentry.record import (
    Record,
    kind,
    kinds,
    purpose_bit,
    purpose_codes,
    purpose_mask,
    purposes,
)


def test_the_kinds_stand_in_their_order_of_restriction() -> None:
    names = [k.name for k in kinds()]
    assert names == ["general", "mental-health", "substance-use", "sexual-health", "hiv"]
    assert [k.order for k in kinds()] == [0, 1, 2, 3, 4]


def test_no_sensitivity_label_means_two_kinds() -> None:
    labels = [label for k in kinds() for label in k.labels]
    assert len(labels) == len(set(labels))
    assert kind("general").labels == ()
    assert all(k.labels for k in kinds()[1:])


def test_purpose_bits_are_what_every_grant_so_far_means() -> None:
    assert [(p.bit, p.code) for p in purposes()] == [
        (0, "TREAT"),
        (1, "HPAYMT"),
        (2, "HOPERAT"),
        (3, "HRESCH"),
        (4, "PUBHLTH"),
        (5, "PATRQT"),
        (6, "ETREAT"),
    ]
    assert purpose_bit("ETREAT") == 6


def test_a_purpose_mask_comes_back_as_the_same_codes() -> None:
    for mask in range(128):
        assert purpose_mask(purpose_codes(mask)) == mask
    assert purpose_mask(["TREAT", "TREAT", "HRESCH"]) == 0b1001


@pytest.mark.parametrize("mask", [1 << 7, 1 << 31, -1])
def test_a_bit_without_a_code_is_never_shown_as_less(mask: int) -> None:
    with pytest.raises(PurposeUnknown):
        purpose_codes(mask)


@pytest.mark.parametrize("code", ["BTG", "treat", "", "MARKETING"])
def test_breaking_the_glass_or_an_unknown_purpose_has_no_bit(code: str) -> None:
    with pytest.raises(PurposeUnknown, match="TREAT, HPAYMT, HOPERAT"):
        purpose_bit(code)


def test_a_record_of_bytes_and_one_of_a_file_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"Dear colleague")
    for body in (b"Dear colleague", path):
        record = Record("general", "text/plain", body, date="2026-01-31")
        assert record.size == 14
        for _ in range(2):
            with record.open() as stream:
                assert stream.read() == b"Dear colleague"


def test_a_record_shows_nothing_of_its_content_in_a_log() -> None:
    record = Record("hiv", "text/plain", b"viral load", flags=("says 'viral load'",))
    assert "viral" not in repr(record)


def test_an_unknown_kind_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(KindUnknown, match="general, mental-health, substance-use"):
        Record("genetic", "text/plain", b"")


@pytest.mark.parametrize("media_type", ["", "text", "text/", "/plain", "text/plain\n", "te xt/plain", "ä/b"])
def test_what_is_no_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(NotARecord, match="media type"):
        Record("general", media_type, b"")


@pytest.mark.parametrize("media_type", ["application/fhir+json", "text/csv; charset=utf-8", "image/svg+xml"])
def test_a_media_type_may_have_parameters(media_type: str) -> None:
    assert Record("general", media_type, b"").media_type == media_type


@pytest.mark.parametrize("date", ["2026-02-30", "2026", "20260131", "2026-01-31T10:00:00Z", "yesterday"])
def test_a_date_is_a_whole_day_or_empty(date: str) -> None:
    with pytest.raises(NotARecord, match="YYYY-MM-DD"):
        Record("general", "text/plain", b"", date=date)


def test_a_file_that_is_not_there_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(NotARecord, match="no file"):
        Record("general", "text/plain", tmp_path / "missing.pdf")
