"""What exists?"""

from typing import Any

import ape

from tests.contracts.words import NO_WORD, word

RECORD, CORRECTED, ANCHOR, ANOTHER = map(word, ("record", "corrected record", "anchor", "another anchor"))


def test_a_contributor_anchors_a_record(records: Any, hospital: Any) -> None:
    receipt = records.anchor(RECORD, ANCHOR, sender=hospital)
    told = {"contributor": hospital, "recordId": RECORD, "anchorHash": ANCHOR}
    assert receipt.events == [records.RecordAnchored(**told)]
    assert records.anchorOf(hospital, RECORD) == ANCHOR


def test_a_record_nobody_anchored_has_no_anchor(records: Any, hospital: Any) -> None:
    assert records.anchorOf(hospital, RECORD) == NO_WORD
    assert records.successorOf(hospital, RECORD) == NO_WORD


def test_nobody_can_occupy_another_contributors_record_id(records: Any, hospital: Any, stranger: Any) -> None:
    records.anchor(RECORD, ANOTHER, sender=stranger)
    assert records.anchorOf(hospital, RECORD) == NO_WORD
    records.anchor(RECORD, ANCHOR, sender=hospital)
    assert records.anchorOf(hospital, RECORD) == ANCHOR
    assert records.anchorOf(stranger, RECORD) == ANOTHER


def test_an_anchor_is_never_changed(records: Any, hospital: Any) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    for again in (ANCHOR, ANOTHER):
        with ape.reverts(records.RecordAlreadyAnchored, contributor=hospital.address, recordId=RECORD):
            records.anchor(RECORD, again, sender=hospital)


def test_an_anchor_is_something(records: Any, hospital: Any) -> None:
    with ape.reverts(records.AnchorEmpty, recordId=RECORD):
        records.anchor(RECORD, NO_WORD, sender=hospital)


def test_a_new_version_supersedes_a_record_and_both_stay(records: Any, hospital: Any) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    receipt = records.supersede(RECORD, CORRECTED, ANOTHER, sender=hospital)
    assert receipt.events == [
        records.RecordAnchored(contributor=hospital, recordId=CORRECTED, anchorHash=ANOTHER),
        records.RecordSuperseded(contributor=hospital, oldRecordId=RECORD, newRecordId=CORRECTED),
    ]
    assert records.anchorOf(hospital, RECORD) == ANCHOR
    assert records.anchorOf(hospital, CORRECTED) == ANOTHER
    assert records.successorOf(hospital, RECORD) == CORRECTED
    assert records.successorOf(hospital, CORRECTED) == NO_WORD


def test_a_record_is_superseded_once_and_its_successor_then(records: Any, hospital: Any) -> None:
    third = word("third record")
    records.anchor(RECORD, ANCHOR, sender=hospital)
    records.supersede(RECORD, CORRECTED, ANOTHER, sender=hospital)
    with ape.reverts(records.RecordAlreadySuperseded, contributor=hospital.address, recordId=RECORD):
        records.supersede(RECORD, third, ANOTHER, sender=hospital)
    records.supersede(CORRECTED, third, ANOTHER, sender=hospital)
    assert records.successorOf(hospital, CORRECTED) == third


def test_a_contributor_supersedes_its_own_records_only(records: Any, hospital: Any, stranger: Any) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    with ape.reverts(records.RecordNotAnchored, contributor=stranger.address, recordId=RECORD):
        records.supersede(RECORD, CORRECTED, ANOTHER, sender=stranger)


def test_a_record_cannot_supersede_itself_nor_an_older_one_that_it_followed(
    records: Any, hospital: Any
) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    records.supersede(RECORD, CORRECTED, ANOTHER, sender=hospital)
    for new in (CORRECTED, RECORD):
        with ape.reverts(records.RecordAlreadyAnchored, contributor=hospital.address, recordId=new):
            records.supersede(CORRECTED, new, ANCHOR, sender=hospital)


def test_a_successor_needs_an_anchor(records: Any, hospital: Any) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    with ape.reverts(records.AnchorEmpty, recordId=CORRECTED):
        records.supersede(RECORD, CORRECTED, NO_WORD, sender=hospital)
    assert records.successorOf(hospital, RECORD) == NO_WORD


def test_the_newest_version_is_found_from_events_alone(records: Any, hospital: Any, stranger: Any) -> None:
    """From any version one chain leads to the newest; what others say of the same ids is not in it."""
    versions = [word(f"version {i}") for i in range(5)]
    first = records.anchor(versions[0], ANCHOR, sender=hospital).block_number
    records.anchor(versions[1], ANOTHER, sender=stranger)
    records.supersede(versions[1], word("rumour"), ANOTHER, sender=stranger)
    for old, new in zip(versions, versions[1:], strict=False):
        records.supersede(old, new, ANOTHER, sender=hospital)
    told = [each for each in records.RecordSuperseded.range(first, first + 10) if each.contributor == hospital]
    successors = {each.oldRecordId: each.newRecordId for each in told}
    assert len(successors) == len(told) == 4
    for start in versions:
        newest = start
        while newest in successors:
            assert records.successorOf(hospital, newest) == successors[newest]
            newest = successors[newest]
        assert newest == versions[-1]


# --- erasure ------------------------------------------------------------------------------------------


def test_a_contributor_marks_its_record_as_erased_and_the_anchor_stays(records: Any, hospital: Any) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    assert records.erasedAt(hospital, RECORD) == 0
    receipt = records.markErased(RECORD, sender=hospital)
    assert receipt.events == [records.RecordErased(contributor=hospital, recordId=RECORD)]
    assert records.erasedAt(hospital, RECORD) == receipt.timestamp
    assert records.anchorOf(hospital, RECORD) == ANCHOR


def test_the_mark_is_for_ever(records: Any, hospital: Any) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    marked = records.markErased(RECORD, sender=hospital).timestamp
    with ape.reverts(records.RecordAlreadyErased, contributor=hospital.address, recordId=RECORD):
        records.markErased(RECORD, sender=hospital)
    with ape.reverts(records.RecordAlreadyAnchored, contributor=hospital.address, recordId=RECORD):
        records.anchor(RECORD, ANOTHER, sender=hospital)
    records.supersede(RECORD, CORRECTED, ANOTHER, sender=hospital)
    assert records.erasedAt(hospital, RECORD) == marked
    assert records.erasedAt(hospital, CORRECTED) == 0


def test_nobody_marks_what_it_did_not_anchor_nor_another_contributors_record(
    records: Any, hospital: Any, stranger: Any
) -> None:
    records.anchor(RECORD, ANCHOR, sender=hospital)
    with ape.reverts(records.RecordNotAnchored, contributor=stranger.address, recordId=RECORD):
        records.markErased(RECORD, sender=stranger)
    records.anchor(RECORD, ANOTHER, sender=stranger)
    records.markErased(RECORD, sender=stranger)
    assert records.erasedAt(hospital, RECORD) == 0
    with ape.reverts(records.RecordNotAnchored, contributor=hospital.address, recordId=CORRECTED):
        records.markErased(CORRECTED, sender=hospital)
