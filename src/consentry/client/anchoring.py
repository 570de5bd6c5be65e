"""Anchoring: a record alone has an anchor of its own, and all records of one envelope together one batch.

Both cost one transaction; a batch of 10,000 costs little more than one record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from consentry.chain.contracts import Chain
from consentry.client.outbox import Parcel
from consentry.client.person import Person
from consentry.client.steps import Step, durable
from consentry.envelope.anchor import Batched, anchor_hash, batched
from consentry.envelope.leaf import Leaf


def places(contributor: str, records: Sequence[dict[str, Any]]) -> Sequence[Batched | None]:
    """Where the anchors of an envelope's sealed ``records`` are to stand: on a page that nothing else is on,
    so that nothing has to be known of other batches."""
    if len(records) == 1:
        return [None]
    anchors = [
        (identifier, anchor_hash(bytes.fromhex(one["anchorSalt"]), identifier, bytes.fromhex(one["digest"])))
        for one in records
        for identifier in [bytes.fromhex(one["record"])]
    ]
    return batched(contributor, secrets.randbits(64), anchors)


def batch_of(contributor: str, leaf: Leaf) -> list[Any] | None:
    """Page, root (hex) and count of the batch in which an envelope's ``leaf`` is, as a parcel keeps them."""
    if (at := leaf.batched) is None:
        return None
    return [at.page, at.root(contributor, leaf.record_id, leaf.anchor).hex(), at.count]


def anchor(chain: Chain, me: Person, parcel: Parcel, progress: Callable[[str], None]) -> None:
    """Anchors all that a parcel's envelopes hold and that is not on chain yet. Raises as `Chain.send`."""
    for number, envelope in enumerate(parcel.state["envelopes"]):
        if (batch := envelope["batch"]) is None:
            _alone(chain, me, [r for r in parcel.state["records"] if r["envelope"] == number], progress)
            continue
        page, root, count = batch[0], bytes.fromhex(batch[1]), batch[2]
        if not chain.has_batch(me.address, page, root, count):
            progress(f"anchoring {count:,} records of {envelope['kind']} as one batch")
            chain.send(me.signer, "RecordRegistry", "anchorBatch", page, root, count)
            durable(Step.ANCHORED)


def _alone(
    chain: Chain, me: Person, records: Sequence[dict[str, Any]], progress: Callable[[str], None]
) -> None:
    for record in records:
        identifier, anchored = bytes.fromhex(record["record"]), bytes.fromhex(record["anchor"])
        if chain.anchor_of(me.address, identifier) != anchored:
            progress(f"anchoring {record['kind']}")
            chain.send(me.signer, "RecordRegistry", "anchor", identifier, anchored)
            durable(Step.ANCHORED)
