"""What exists, a hundred at a time: each record of a batch is proven at its own place and at no other."""

from typing import Any

import ape
import pytest
from eth_utils.crypto import keccak

from tests.contracts.batches import Batch, link, node, place
from tests.contracts.words import NO_WORD, identity, word

ANOTHER = word("another anchor")


def anchor(records: Any, who: Any, *batches: Batch, page: int = 0) -> None:
    for batch in batches:
        records.anchorBatch(page, *batch.link, sender=who)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9])
def test_every_record_of_a_batch_is_found_at_its_place_and_at_no_other(
    count: int, records: Any, hospital: Any
) -> None:
    batch = Batch.of(hospital, count)
    anchor(records, hospital, batch)
    for i, told in enumerate(batch.anchors):
        for j in range(count + 1):
            at = place([batch], 0, min(j, count - 1)) | {"index": j}
            assert records.isInBatch(hospital, *told, at) == (i == j)


def test_a_batch_is_told_in_one_event_and_changes_one_word(records: Any, hospital: Any) -> None:
    first, second = Batch.of(hospital, 3), Batch.of(hospital, 100, "second")
    assert records.pageHead(hospital, 7) == NO_WORD
    head = NO_WORD
    for batch in (first, second):
        receipt = records.anchorBatch(7, *batch.link, sender=hospital)
        root, count = batch.link
        told = {"contributor": hospital, "page": 7, "root": root, "count": count}
        assert receipt.events == [records.BatchAnchored(**told)]
        head = link(head, root, count)
        assert records.pageHead(hospital, 7) == head
    assert records.pageHead(hospital, 0) == NO_WORD


def test_a_batch_is_still_found_when_others_followed_and_on_its_own_page_only(
    records: Any, hospital: Any
) -> None:
    batches = [Batch.of(hospital, 5 + i, f"batch {i}") for i in range(3)]
    anchor(records, hospital, *batches, page=9)
    anchor(records, hospital, batches[0], page=10)
    for i, batch in enumerate(batches):
        at = place(batches, i, 4, page=9)
        assert records.isInBatch(hospital, *batch.anchors[4], at)
        assert not records.isInBatch(hospital, *batch.anchors[4], at | {"page": 10})
        for changed in (
            {"before": word("before")},
            {"later": [*at["later"], batch.link]},
            {"count": at["count"] + 1},
            {"later": at["later"][1:]} if at["later"] else {"before": NO_WORD},
        ):
            assert not records.isInBatch(hospital, *batch.anchors[4], at | changed)


def test_a_batch_says_nothing_of_other_records_nor_of_another_anchor(records: Any, hospital: Any) -> None:
    batch = Batch.of(hospital, 4)
    anchor(records, hospital, batch)
    record, anchored = batch.anchors[2]
    at = place([batch], 0, 2)
    assert records.isInBatch(hospital, record, anchored, at)
    assert not records.isInBatch(hospital, record, ANOTHER, at)
    assert not records.isInBatch(hospital, word("another record"), anchored, at)
    assert not records.isInBatch(hospital, anchored, record, at)


def test_an_anchor_that_nobody_made_is_in_no_batch(records: Any, hospital: Any) -> None:
    batch = Batch.of(hospital, 4)
    assert not records.isInBatch(hospital, *batch.anchors[0], place([batch], 0, 0))
    empty = {"page": 0, "index": 0, "count": 0, "before": NO_WORD, "proof": [], "later": []}
    assert not records.isInBatch(hospital, word("record"), word("anchor"), empty)


def test_whoever_anchors_anothers_root_has_anchored_nothing(
    records: Any, hospital: Any, stranger: Any
) -> None:
    """A leaf names its contributor."""
    batch = Batch.of(hospital, 4)
    anchor(records, stranger, batch)
    anchor(records, hospital, batch)
    told, at = batch.anchors[1], place([batch], 0, 1)
    assert records.isInBatch(hospital, *told, at)
    assert not records.isInBatch(stranger, *told, at)


def test_a_node_of_the_tree_is_no_leaf_and_a_leaf_no_root(records: Any, hospital: Any) -> None:
    """Second preimages: a shorter proof from an inner node, or a longer one from inside a leaf."""
    batch = Batch.of(hospital, 4)
    anchor(records, hospital, batch)
    leaves, inner, _ = batch.levels
    at = place([batch], 0, 0)
    for proof in (at["proof"][1:], at["proof"][:1], [*at["proof"], NO_WORD], []):
        assert not records.isInBatch(hospital, *batch.anchors[0], at | {"proof": proof})
    for left, right in (leaves[:2], inner):
        for count, index, proof in ((2, 0, inner[1:]), (1, 0, [])):
            changed = at | {"count": count, "index": index, "proof": proof}
            assert not records.isInBatch(hospital, left, right, changed)


@pytest.mark.parametrize(("count", "index", "alias"), [(1, 0, 1), (2, 1, 3), (4, 1, 5), (3, 2, 6)])
def test_no_second_index_leads_to_the_same_leaf(
    count: int, index: int, alias: int, records: Any, hospital: Any
) -> None:
    """Also when the leaf was made for the second one: an index beyond the count is no place."""
    batch = Batch.of(hospital, count)
    forged = forge(hospital, batch, alias, index)
    records.anchorBatch(0, forged["root"], count, sender=hospital)
    at = forged["place"] | {"index": alias}
    assert not records.isInBatch(hospital, *batch.anchors[index], at)


def test_a_tree_that_is_deeper_or_flatter_than_its_count_proves_nothing(records: Any, hospital: Any) -> None:
    deep = Batch.of(hospital, 4)
    root, _ = deep.link
    for page, count in enumerate((1, 2, 5, 8)):
        records.anchorBatch(page, root, count, sender=hospital)
        at = place([deep], 0, 0, page) | {"count": count}
        assert not records.isInBatch(hospital, *deep.anchors[0], at)
    records.anchorBatch(9, root, 3, sender=hospital)
    assert records.isInBatch(hospital, *deep.anchors[2], place([deep], 0, 2, 9) | {"count": 3})
    assert not records.isInBatch(hospital, *deep.anchors[3], place([deep], 0, 3, 9) | {"count": 3})


def forge(hospital: Any, batch: Batch, claimed: int, position: int) -> dict[str, Any]:
    """A root over the batch, with the leaf at a position made for another index."""
    record, anchored = batch.anchors[position]
    level = [*batch.levels[0]]
    level[position] = keccak(identity(hospital) + record + anchored + claimed.to_bytes(32))
    at, proof = position, []
    while len(level) > 1:
        proof.append(level[at ^ 1])
        level = [node(*level[i : i + 2]) for i in range(0, len(level), 2)]
        at >>= 1
    return {"root": level[0], "place": place([batch], 0, position) | {"proof": proof}}


def test_a_batch_holds_something(records: Any, hospital: Any) -> None:
    for root, count in ((NO_WORD, 4), (word("root"), 0)):
        with ape.reverts(records.BatchEmpty):
            records.anchorBatch(0, root, count, sender=hospital)


# --- out of a batch -----------------------------------------------------------------------------------


def test_anybody_can_give_an_anchor_of_a_batch_a_slot_in_its_contributors_name(
    records: Any, hospital: Any, patient: Any
) -> None:
    batch = Batch.of(hospital, 3)
    anchor(records, hospital, batch)
    record, anchored = batch.anchors[1]
    assert records.anchorOf(hospital, record) == NO_WORD
    at = place([batch], 0, 1)
    receipt = records.anchorFromBatch(hospital, record, anchored, at, sender=patient)
    told = {"contributor": hospital, "recordId": record, "anchorHash": anchored}
    assert receipt.events == [records.RecordAnchored(**told)]
    assert records.anchorOf(hospital, record) == anchored
    assert records.anchorOf(patient, record) == NO_WORD
    with ape.reverts(records.RecordAlreadyAnchored, contributor=hospital.address, recordId=record):
        records.anchorFromBatch(hospital, record, anchored, at, sender=patient)


def test_nobody_can_give_a_contributor_an_anchor_that_it_did_not_make(
    records: Any, hospital: Any, stranger: Any
) -> None:
    batch = Batch.of(hospital, 3)
    anchor(records, stranger, batch)
    record, anchored = batch.anchors[1]
    at = place([batch], 0, 1)
    for contributor in (hospital, stranger):
        wrong = {"contributor": contributor.address, "recordId": record}
        with ape.reverts(records.NotInBatch, **wrong):
            records.anchorFromBatch(contributor, record, anchored, at, sender=stranger)
    assert records.anchorOf(hospital, record) == NO_WORD


def test_a_record_of_a_batch_is_superseded_once_it_has_a_slot(
    records: Any, hospital: Any, stranger: Any
) -> None:
    batch = Batch.of(hospital, 3)
    anchor(records, hospital, batch)
    record, anchored = batch.anchors[0]
    with ape.reverts(records.RecordNotAnchored, contributor=hospital.address, recordId=record):
        records.supersede(record, word("new"), ANOTHER, sender=hospital)
    records.anchorFromBatch(hospital, record, anchored, place([batch], 0, 0), sender=stranger)
    records.supersede(record, word("new"), ANOTHER, sender=hospital)
    assert records.successorOf(hospital, record) == word("new")


def test_a_contributor_marks_a_record_of_its_batch_as_erased(
    records: Any, hospital: Any, stranger: Any
) -> None:
    batch = Batch.of(hospital, 3)
    anchor(records, hospital, batch)
    told, at = batch.anchors[2], place([batch], 0, 2)
    with ape.reverts(records.NotInBatch, contributor=stranger.address, recordId=told[0]):
        records.markErasedInBatch(*told, at, sender=stranger)
    receipt = records.markErasedInBatch(*told, at, sender=hospital)
    assert receipt.events == [records.RecordErased(contributor=hospital, recordId=told[0])]
    assert records.erasedAt(hospital, told[0]) == receipt.timestamp
    assert records.isInBatch(hospital, *told, at)
    with ape.reverts(records.RecordAlreadyErased, contributor=hospital.address, recordId=told[0]):
        records.markErasedInBatch(*told, at, sender=hospital)
