"""Depositing: by the patient, or by a contributor who cannot read what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from consentry.chain.contracts import Chain
from consentry.client.anchoring import anchor, batch_of, places
from consentry.client.group import Group, bringing
from consentry.client.outbox import Parcel
from consentry.client.person import Person
from consentry.client.sealing import fingerprint, seal_records
from consentry.client.steps import Step, durable
from consentry.consent.terms import Terms
from consentry.envelope.deposit import Part, make_parts, message, new_header
from consentry.envelope.leaf import Label, make_leaf
from consentry.envelope.statement import SignedStatement, Statement
from consentry.keyholder.checks import DEAD
from consentry.keyholder.messages import Keyholder, Signed
from consentry.record import Record
from consentry.store import Store

Progress = Callable[[str], None]
MOST = 1_000
"""Records of one envelope: what is dealt of it to a keyholder stays at some megabytes."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where records of one kind go: the segment's newest statement, the DEPOSIT terms relied on (None: the
    patient deposits), and all statements of the segment, oldest first, for keyholders that lack some."""

    statement: Statement
    terms: Terms | None
    history: Sequence[SignedStatement] = ()


@dataclass(frozen=True, slots=True)
class Deposited:
    """One record that is sealed, pinned, dealt and anchored; ``acknowledged`` of the keyholders hold it."""

    kind: str
    record_id: bytes
    cid: str
    acknowledged: int


class Depositor:
    """Takes records through seal, pin, deal and anchor for ``me``; every step can be repeated."""

    def __init__(self, store: Store, chain: Chain, group: Group, me: Person, progress: Progress) -> None:
        self._store, self._chain, self._group, self._me = store, chain, group, me
        self._progress = progress

    def deposit(
        self, patient: bytes, records: Sequence[Record], targets: dict[str, Target]
    ) -> list[Deposited]:
        """Deposits ``records``, each into the target of its kind. A deposit that was finished before is not
        made again: the same records, patient and contributor give the same result."""
        inputs = [value for record in records for value in (record.kind, fingerprint(record))]
        parcel = self._me.outbox.parcel("deposit", patient, *inputs)
        if not self._followed(parcel):
            parcel.drop()
            parcel = self._me.outbox.parcel("deposit", patient, *inputs)
        if "done" not in parcel.state:
            if "records" not in parcel.state:
                segments = {kind: target.statement.segment for kind, target in targets.items()}
                where = (self._chain.deployment, self._me.address, patient)
                seal_records(parcel, *where, records, segments, self._progress)
            self._pin(parcel)
            self._make_envelopes(parcel, targets)
            self._deal(parcel, targets, self._group.roster.spared)
            anchor(self._chain, self._me, parcel, self._progress)
            self._forget(parcel)
        self._deal(parcel, targets, 0)
        if "finished" not in parcel.state and not any(e["parts"] for e in parcel.state["envelopes"]):
            parcel.state["finished"] = True
            parcel.save()
            durable(Step.FINISHED)
        return self._result(parcel)

    def _followed(self, parcel: Parcel) -> bool:
        """Whether it can go on where the keyholders changed since it was dealt: what enough of those before
        held, they handed on. What fewer held begins anew, under other ids."""
        state, group = parcel.state, self._group.roster.hash.hex()
        if "envelopes" not in state or state["group"] == group:
            return True
        now = self._chain.head().time
        for envelope in state["envelopes"]:
            lasts = "done" in state or now - envelope.get("dealt", 0) <= DEAD // 2
            if not lasts or len(envelope["acknowledged"]) < state["needed"]:
                return False
            envelope["parts"] = []
        state["group"] = group
        parcel.save()
        return True

    def _forget(self, parcel: Parcel) -> None:
        """Keeps of a deposit that stands on chain what its result says, and what is still to be dealt."""
        for record in parcel.state["records"]:
            parcel.path(record["file"]).unlink(missing_ok=True)
        kept = ("kind", "record", "cid", "envelope")
        parcel.state["records"] = [{name: r[name] for name in kept} for r in parcel.state["records"]]
        parcel.state["done"] = True
        self._let_go(parcel)
        parcel.save()
        durable(Step.FORGOTTEN)

    def _pin(self, parcel: Parcel) -> None:
        pending = [record for record in parcel.state["records"] if "cid" not in record]

        def sealed() -> Iterator[BinaryIO]:
            for record in pending:
                self._progress(f"pinning {record['kind']}")
                with parcel.path(record["file"]).open("rb") as blob:
                    yield blob

        for record, cid in zip(pending, self._store.put_many(sealed()) if pending else [], strict=True):
            record["cid"] = cid
            durable(Step.PINNED)
        parcel.save()
        durable(Step.NAMED)

    def _make_envelopes(self, parcel: Parcel, targets: dict[str, Target]) -> None:
        if "envelopes" in parcel.state:
            return
        parcel.state["envelopes"] = []
        for number, records in enumerate(_together(parcel.state["records"])):
            for record in records:
                record["envelope"] = number
            kind = records[0]["kind"]
            parcel.state["envelopes"].append(self._envelope(kind, records, targets[kind].statement))
        parcel.state |= {"group": self._group.roster.hash.hex(), "needed": self._group.roster.spared}
        parcel.save()
        durable(Step.SIGNED)

    def _envelope(self, kind: str, records: list[dict[str, Any]], statement: Statement) -> dict[str, Any]:
        deployment, roster = self._chain.deployment, self._group.roster
        shape = (roster.threshold, roster.highest)
        header, halves = new_header(deployment, statement, self._me.address, *shape)
        leaves = []
        for record, place in zip(records, places(self._me.address, records), strict=True):
            leaf, shares = make_leaf(
                header.place(deployment),
                halves,
                record_salt=bytes.fromhex(record["salt"]),
                anchor_salt=bytes.fromhex(record["anchorSalt"]),
                data_key=bytes.fromhex(record["key"]),
                digest=bytes.fromhex(record["digest"]),
                cid=record["cid"],
                label=Label(*record["label"]),
                threshold=roster.threshold,
                count=roster.highest,
                batched=place,
            )
            record["anchor"] = leaf.anchor.hex()
            leaves.append((leaf, shares))
        parts = make_parts(deployment, header, leaves, keyholder_keys=roster.keys, terms=b"")
        signature = self._me.signer.sign_typed_data(message(deployment, parts[0].envelope))
        encoded = [replace(part, signature=signature).encode().hex() for part in parts]
        batch = batch_of(self._me.address, leaves[0][0])
        return {"kind": kind, "parts": encoded, "acknowledged": [], "batch": batch}

    def _deal(self, parcel: Parcel, targets: dict[str, Target], need: int) -> None:
        """Gives each keyholder that has not acknowledged it its part, with the terms that allow it now:
        those of the first run may have been revoked and granted anew since."""
        for envelope in parcel.state["envelopes"]:
            if not envelope["parts"]:
                continue
            self._progress(f"dealing {envelope['kind']} to the keyholders")
            target, terms = targets[envelope["kind"]], targets[envelope["kind"]].terms
            self._outlast(parcel, envelope)
            parts = [Part.decode(bytes.fromhex(part)) for part in envelope["parts"]]
            relied = [replace(part, terms=terms.encode() if terms else b"") for part in parts]
            answers = self._give(relied, need, envelope["acknowledged"], target.history)
            envelope["acknowledged"] = sorted({*envelope["acknowledged"], *answers})
            self._let_go(parcel)
            for answer in answers.values():
                self._me.copy.hear(answer)
            self._me.save()
            parcel.save()
            durable(Step.HELD)

    def _let_go(self, parcel: Parcel) -> None:
        """Once its records are anchored, the parts of an envelope are kept until everybody has them."""
        for envelope in parcel.state["envelopes"]:
            if "done" in parcel.state and len(envelope["acknowledged"]) == self._group.roster.count:
                envelope["parts"] = []

    def _outlast(self, parcel: Parcel, envelope: dict[str, Any]) -> None:
        """Before it is anchored, what was dealt long ago counts no more: keyholders let go of it one day."""
        now = self._chain.head().time
        if "done" not in parcel.state and now - envelope.get("dealt", 0) > DEAD // 2:
            envelope |= {"acknowledged": [], "dealt": now}

    def _give(
        self, parts: list[Part], need: int, held: list[int], history: Sequence[SignedStatement]
    ) -> dict[int, Signed]:
        def deal(keyholder: Keyholder) -> Signed:
            return keyholder.deal(part_of[keyholder.card.index].encode())

        part_of = dict(zip(self._group.roster.keys, parts, strict=True))
        subject, send = parts[0].envelope, bringing(history, deal)
        return self._group.give("deal", subject, send, need=need, held=held, step=Step.DEALT)

    def _result(self, parcel: Parcel) -> list[Deposited]:
        held = [len(envelope["acknowledged"]) for envelope in parcel.state["envelopes"]]
        return [
            Deposited(r["kind"], bytes.fromhex(r["record"]), r["cid"], held[r["envelope"]])
            for r in parcel.state["records"]
        ]


def _together(records: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The records that go into one envelope: those of one kind, as many as it takes."""
    for kind in dict.fromkeys(record["kind"] for record in records):
        of_kind = [record for record in records if record["kind"] == kind]
        yield from (of_kind[at : at + MOST] for at in range(0, len(of_kind), MOST))
