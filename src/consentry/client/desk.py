"""The desk itself: each verb in one place, for the doors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from consentry.chain.contracts import Chain
from consentry.chain.transaction import Receipt
from consentry.client.boxes import Boxes, Grant
from consentry.client.deposit import Deposited, Depositor, Target
from consentry.client.enrol import Enroller
from consentry.client.grant import Ended, Granter
from consentry.client.group import Group
from consentry.client.labels import Labels, Listing
from consentry.client.own import Own, OwnGrant, Segment
from consentry.client.person import Person
from consentry.client.proposal import Offered, Proposal
from consentry.client.reader import Deliver, Opened, Reader, fetch
from consentry.client.rotation import Rotation, Rotator
from consentry.consent.card import Offer
from consentry.consent.terms import DEPOSIT
from consentry.envelope.leaf import Label
from consentry.envelope.statement import SignedStatement, Statement, verify_statement
from consentry.errors import (
    IntegrityError,
    NotFound,
    SegmentMissing,
    StatementStale,
    TooFewKeyholders,
)
from consentry.keys.hpke import ALGORITHM
from consentry.keys.typed import SignatureInvalid
from consentry.record import Record, purpose_bit
from consentry.store import Store


def _silent(_: str) -> None:
    """No progress is told."""


def _kept(_: Opened) -> None:
    """What was opened stays in memory."""


class Client:
    """One actor's desk. ``keyholders`` is the group of the deployment's roster, ``progress`` is told each
    step in a few words."""

    def __init__(
        self,
        store: Store,
        chain: Chain,
        keyholders: Group,
        me: Person,
        progress: Callable[[str], None] = _silent,
    ) -> None:
        self._store, self._chain, self._group, self._me = store, chain, keyholders, me
        self._progress = progress
        self._own = Own(chain, keyholders, me)
        self._granter = Granter(chain, keyholders, me, self._own)
        self._rotator = Rotator(chain, keyholders, me, self._own)
        self.rotation = Rotation()
        """What became of the segments' keys with the last verb: see `Rotator`."""
        self._boxes = Boxes(chain, keyholders, me)
        self._labels = Labels(chain, keyholders, me, self._boxes)
        self._reader = Reader(store, chain, keyholders, me)

    # --- enrol

    def enrol(self, kinds: Sequence[str]) -> list[Segment]:
        """A patient enrols: her key on chain, one statement a kind with the keyholders."""
        segments = Enroller(self._chain, self._group, self._me, self._own).enrol(list(kinds))
        self._rotate()
        return [self._own.segments()[one.kind] for one in segments]

    def _rotate(self) -> None:
        """With each verb of a patient's: grants that ended meanwhile rotate their segments."""
        self.rotation = self._rotator.run()

    def offer(self) -> Offer:
        """A provider enrols: the offer (provider.json) that the authority makes a card of."""
        bare = Offer(self._me.address, ALGORITHM, self._me.keyring.public_key)
        signature = self._me.signer.sign_typed_data(bare.message(self._chain.deployment))
        return replace(bare, signature=signature)

    # --- deposit

    def deposit(self, patient: bytes, records: Sequence[Record]) -> list[Deposited]:
        """Deposits ``records`` for ``patient``. Raises `SegmentMissing`, listing every kind for which I have
        no DEPOSIT grant (or, for the patient, no segment), before anything is pinned."""
        targets = self._own_targets() if patient == self._me.identity else self._granted_targets(patient)
        missing = sorted({record.kind for record in records} - set(targets))
        if missing:
            raise SegmentMissing(
                f"no DEPOSIT grant for: {', '.join(missing)}; nothing was deposited. "
                "Ask the patient to grant it, then run the same command again"
            )
        depositor = Depositor(self._store, self._chain, self._group, self._me, self._progress)
        return depositor.deposit(patient, records, targets)

    def _own_targets(self) -> dict[str, Target]:
        self._own.refresh()
        self._rotate()
        return {
            kind: Target(one.statement, None, self._own.history(one.statement.segment))
            for kind, one in self._own.segments().items()
        }

    def _granted_targets(self, patient: bytes) -> dict[str, Target]:
        targets = {}
        for grant in self._boxes.grants(patient):
            terms, kind = grant.granted.terms, grant.granted.kind
            if terms.flags & DEPOSIT and kind not in targets:
                statement, history = self._newest(patient, grant)
                targets[kind] = Target(statement, terms, history)
        return targets

    def _newest(self, patient: bytes, grant: Grant) -> tuple[Statement, list[SignedStatement]]:
        """The highest statement of the grant's segment that verifies against the controller at head, and all
        that she signed, oldest first."""
        if grant.answered < self._group.roster.safe:
            raise TooFewKeyholders(
                f"{grant.answered} keyholders gave the segment's statements, {self._group.roster.safe} are "
                "needed to know the newest; nothing was deposited, run the same command again"
            )
        controller, published = self._chain.controller_of(patient), self._chain.encryption_key_of(patient)
        found, history, stale = [], [], False
        for signed in grant.statements:
            if (signed.statement.patient, signed.statement.segment) != (patient, grant.granted.terms.segment):
                continue
            try:
                statement = verify_statement(
                    self._chain.deployment,
                    signed,
                    controller=controller,
                    keyholders=self._group.roster.hashes,
                    wallet=self._chain.wallet_accepts,
                )
            except SignatureInvalid:
                stale = True
            except IntegrityError:
                continue
            else:
                history.append(signed)
                if statement.patient_key == published:
                    found.append(statement)
                else:
                    stale = True
        if not found and stale:
            raise StatementStale(
                "the segment's statement is not signed by who controls the patient's identity now, or names "
                "an encryption key that she has replaced; the patient has to sign it again"
            )
        if not found:
            raise NotFound("no keyholder gives a statement of the segment that verifies")
        version = max(statement.version for statement in found)
        newest = min((one for one in found if one.version == version), key=lambda one: one.hash)
        return newest, sorted(history, key=lambda one: one.statement.version)

    # --- grant, revoke

    def propose(self, offered: Offered) -> list[Proposal]:
        """What would be granted, for the patient to read: see `Proposer.propose`."""
        self._own.refresh()
        self._rotate()
        return self._granter.propose(offered)

    def grant(self, offered: Offered, proposals: Sequence[Proposal]) -> Receipt | None:
        """Puts the proposals in force: see `Granter.grant`."""
        return self._granter.grant(offered, proposals)

    def sign(self, proposal: Proposal) -> dict[str, Any]:
        """A signed grant to hand over (grant.json): see `Granter.sign`."""
        return self._granter.sign(proposal)

    def revoke(self, grant_ids: Sequence[bytes] | None = None) -> Ended:
        """Ends grants, or all of them (None): see `Granter.revoke`. Then rotates the segments that they
        reached; what fails of that is told, ends no revocation less, and is done by the next verb."""
        ended = self._granter.revoke(grant_ids)
        self._own.refresh()
        self._rotate()
        return replace(ended, rotation=self.rotation)

    def my_grants(self) -> dict[bytes, OwnGrant]:
        """The patient's own grants, by id."""
        self._own.refresh()
        return self._own.grants()

    # --- list, open

    def list(self, patient: bytes, grant_id: bytes | None = None) -> Sequence[Listing]:
        """What my grants let me see of ``patient`` without an entry."""
        return self._labels.records(patient, grant_id)

    def open(
        self,
        patient: bytes,
        record: bytes,
        *,
        purpose: str = "TREAT",
        grant_id: bytes | None = None,
        deliver: Deliver = _kept,
    ) -> Opened:
        """Opens one record: the patient her own, alone and without an entry; anyone else by an entry and
        t releases. ``deliver`` is given what was opened before the verb is over: a call that is repeated
        because it did not return uses the same entry.

        Raises `NoGrant`, `NotAllowed`, `TooFewKeyholders` or an `IntegrityError`."""
        if patient == self._me.identity:
            opened = self._open_own(record)
            deliver(opened)
            return opened
        bit = 1 << purpose_bit(purpose)
        listing = self._labels.find(patient, record, bit, grant_id)
        self._progress("requesting: an entry in the access log")
        return self._reader.open(listing, bit, deliver)

    def my_records(self) -> Sequence[tuple[bytes, Label]]:
        """The patient's own records: (record id, label)."""
        self._own.refresh()
        self._rotate()
        return [(key.leaf.record_id, key.label) for key in self._own.openings()]

    def _open_own(self, record: bytes) -> Opened:
        self._own.refresh(required=True)
        self._rotate()
        key = self._own.opening(record)
        opened = fetch(self._store, self._chain, key.leaf, key.data_key, key.label.media_type)
        return Opened(record, key.label, *opened)
