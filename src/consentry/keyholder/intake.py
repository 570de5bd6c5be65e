"""What a keyholder takes: statements, key boxes, parts of a deal, and stops."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from consentry.chain.contracts import Head
from consentry.consent.box import KeyBox
from consentry.consent.terms import Terms, typed_revoke
from consentry.envelope.anchor import batched
from consentry.envelope.deposit import Header, Part, open_shares, verify_part
from consentry.envelope.leaf import Leaf, record_id
from consentry.envelope.statement import SignedStatement, Statement, verify_statement
from consentry.errors import IntegrityError, Unreachable
from consentry.keyholder.answering import Answering
from consentry.keyholder.checks import DEAD, DEAL, Deal, Denied
from consentry.keyholder.held import Held
from consentry.keyholder.journal import COLLECTED, RELAYED
from consentry.keyholder.messages import Signed, subject_of_stop
from consentry.keys.typed import recovered, verify

_AT_ONCE = 16  # leftovers that are looked at when something is dealt: more than one, so that none are left
_GAS = 80_000  # what a `revokeBySig` by an ordinary account's signature takes at most


class Intake(Answering):
    """A keyholder's answers to patients and contributors who leave something with it."""

    def statement(self, signed: SignedStatement) -> Signed:
        """See `Keyholder.statement`."""
        with self._answering("statement", ""):
            found = signed.statement
            statement = verify_statement(
                self._deployment,
                signed,
                controller=self._chain.controller_of(found.patient),
                keyholders=self._roster.hashes,
                wallet=self._chain.wallet_accepts,
            )
            body = {"patient": statement.patient, "segment": statement.segment, "hash": statement.hash}

            def change() -> None:
                self._chained(statement)
                self._vault.add_statement(statement, signed)

            return self._take("statement", statement.hash, {**body, "version": statement.version}, change)

    def _chained(self, statement: Statement) -> None:
        """It is held already, or the first one, or it follows the newest that is held, or the one before that
        as another one of the newest does, which another device of the patient's made."""
        held = self._statements(statement.patient, statement.segment)
        newest = max((one.version for one in held), default=0)
        before = {one.hash for one in held if one.version == statement.version - 1} or {bytes(32)}
        follows = statement.previous in before and newest <= statement.version <= newest + 1
        if (not follows or statement.version == newest == 1) and statement not in held:
            raise Denied("chain")

    def _statements(self, patient: bytes, segment: bytes) -> list[Statement]:
        return [one.statement for one in self._vault.statements(patient, segment)]

    def box(self, box: bytes) -> Signed:
        """See `Keyholder.box`."""
        with self._answering("box", ""):
            found = KeyBox.decode(box)
            controller = self._chain.controller_of(found.patient)
            found.verify(self._deployment, controller, self._chain.wallet_accepts)
            self._fits(found)
            named = {"patient": found.patient, "grant": found.grant_id, "grantee": found.grantee}
            where = {"segment": found.segment, "version": found.version}
            fields = (found.patient, found.grant_id, found.segment, box)

            def change() -> None:
                held = self._vault.find_box(found.patient, found.grant_id)
                if held is not None and KeyBox.decode(held).version > found.version:
                    raise Denied("older box")
                self._vault.add_box(*fields)

            return self._take("box", found.hash, {**named, **where}, change)

    def _fits(self, box: KeyBox) -> None:
        """The box is of a key version that is held, or of the one that comes next: those boxes come ahead of
        their statement, for grants in force alone."""
        held = self._statements(box.patient, box.segment)
        if not held:
            raise Denied("segment")
        newest = max(one.version for one in held)
        if box.version > newest + 1:
            raise Denied("version")
        in_force = self._chain.in_force(box.patient, box.grant_id)
        if box.version > newest and (self._vault.stopped(box.patient, box.grant_id) or not in_force):
            raise Denied("grant")

    def deal(self, part: bytes) -> Signed:
        """See `Keyholder.deal`."""
        with self._answering("deal", ""):
            found = Part.decode(part)
            header = verify_part(self._deployment, found, self._chain.wallet_accepts)
            held = self._statements(header.patient, header.segment)
            deal = Deal(
                self._chain,
                found,
                header,
                statement_held=(header.statement, header.version) in [(s.hash, s.version) for s in held],
                threshold=self._roster.threshold,
                count=self._roster.highest,
            )
            self._check(DEAL, deal)
            records = self._opened(found, header)
            head = self._head()
            if {self._vault.envelope_of(record) for record, _ in records} == {found.envelope}:
                self._vault.await_anchor(found.envelope, head.time)  # dealt before: nothing else is new
                return self._sign("deal", found.envelope, head)
            signed = self._store(found, header, records, head)
            with suppress(Unreachable):  # it is taken; another deal sees to what is left
                self._collect(head)
            return signed

    def _opened(self, part: Part, header: Header) -> list[tuple[bytes, Held]]:
        shares, leaves = open_shares(self._deployment, part, self._card.index, self._seed), part.leaves
        if pages := {leaf.batched.page for leaf in leaves if leaf.batched}:
            anchors = [(leaf.record_id, leaf.anchor) for leaf in leaves]
            if [leaf.batched for leaf in leaves] != batched(header.contributor, pages.pop(), anchors):
                raise Denied("batch")
        held = []
        for leaf, opened, sealed, share in zip(
            leaves, part.open_parts, part.sealed_parts, shares, strict=True
        ):
            if leaf.record_id != record_id(header.patient, header.segment, leaf.record_salt):
                raise Denied("record id")
            if len(leaf.share_commitments) != self._roster.highest:
                raise Denied("commitments")
            held.append((leaf.record_id, Held(header, opened, sealed, share)))
        return held

    def _store(self, part: Part, header: Header, held: list[tuple[bytes, Held]], head: Head) -> Signed:
        grant_id = Terms.decode(part.terms).grant_id if part.terms else bytes(32)
        body = self._body(part.envelope, header, grant_id, part.leaves)

        def change() -> None:
            records = {record for record, _ in held}
            if len(records) < len(held) or any(map(self._vault.envelope_of, records)):
                raise Denied("held already")
            self._vault.add_envelope(part.envelope, header, grant_id, held)
            self._vault.await_anchor(part.envelope, head.time)

        return self._take("deal", part.envelope, body, change, head=head)

    def _body(
        self, envelope: bytes, header: Header, grant_id: bytes, leaves: Sequence[Leaf]
    ) -> dict[str, object]:
        """What the journal says of an envelope that is held from now on."""
        body: dict[str, object] = {"envelope": envelope, "contributor": header.contributor}
        body |= {"patient": header.patient, "segment": header.segment, "version": header.version}
        body |= {"grant": grant_id, **self._generation}
        for number, leaf in enumerate(leaves):
            body[f"record {number}"] = leaf.record_id
            body[f"digest {number}"] = leaf.digest
            body[f"cid {number}"] = leaf.cid
        if (at := leaves[0].batched) is not None:
            root = at.root(header.contributor, leaves[0].record_id, leaves[0].anchor)
            body |= {"page": at.page, "root": root, "count": at.count}
        return body

    @property
    def _generation(self) -> dict[str, object]:
        """For which group of keyholders it is, where there was one before."""
        return {"keyholders": self._roster.hash} if self._roster.previous else {}

    def _collect(self, head: Head) -> None:
        """Lets go of envelopes that were dealt long ago, and of which no record was ever anchored: whoever
        dealt them deals anew before anchoring so late. One that is anchored in part may still be finished."""
        for dealt in self._vault.waiting(head.time - DEAD, _AT_ONCE):
            if self._is_anchored(dealt.records):
                self._vault.anchored(dealt.envelope)
                continue
            named = {f"record {number}": record for number, record in enumerate(dealt.records)}
            with self._vault.transaction():
                if not self._vault.drop(dealt, head.time - DEAD):
                    continue
                self._append(COLLECTED, {"envelope": dealt.envelope, **named, **self._generation}, head.time)
            self._vault.shred(dealt)

    def _is_anchored(self, records: Sequence[bytes]) -> bool:
        """Whether one of these records of an envelope stands on chain; of a batch all do, or none."""
        for held in filter(None, map(self._vault.find, records)):
            leaf = Leaf.decode(held.open_part, held.sealed_part)
            if self._chain.anchored(held.header.contributor, leaf):
                return True
            if leaf.batched:
                return False
        return False

    def stop(self, patient: bytes, grant_id: bytes, signature: bytes) -> Signed:
        """See `Keyholder.stop`."""
        with self._answering("stop", ""):
            if (len(patient), len(grant_id)) != (32, 32):
                raise Denied("shape")
            message = typed_revoke(self._deployment, patient, grant_id)
            if not self._granted(patient, grant_id, recovered(message, signature)):
                controller = self._chain.controller_of(patient)
                verify(message, signature, controller, self._chain.wallet_accepts)
            return self._take(
                "stop",
                subject_of_stop(patient, grant_id),
                {"patient": patient, "grant": grant_id},
                lambda: self._vault.add_stop(patient, grant_id, signature),
                head=self._seen or self._past(),
            )

    def not_relayed(self) -> dict[tuple[bytes, bytes], bytes]:
        """The stops that no row says are on chain: the patient's signature by (patient, grant id)."""
        rows = self._vault.rows()
        done = {(row.body["patient"], row.body["grant"]) for row in rows if row.kind == RELAYED}
        return {
            (patient, grant_id): signature
            for patient, grant_id, signature in self._vault.stops()
            if ("0x" + patient.hex(), "0x" + grant_id.hex()) not in done
        }

    def relay(self, patient: bytes, grant_id: bytes, signature: bytes) -> None:
        """Sees to it that a stop is on chain too, by a transaction of its own where nobody else sent one, and
        journals it. Raises `ContractRefused` where the patient's controller is another one by now,
        `NotEnoughEther`, or as `Chain.send`; it can always be done again."""
        if not self._chain.grant_state(patient, grant_id).revoked:
            signer = bytes.fromhex(self._chain.controller_of(patient)[2:])
            signed = (patient, signer, grant_id, signature)
            self._chain.send(self._signer, "ConsentRegistry", "revokeBySig", *signed)
        self._note(RELAYED, {"patient": patient, "grant": grant_id})

    def affords_relay(self) -> bool:
        """Whether its account could pay for a revocation now. Raises `Unreachable`."""
        return self._chain.rpc.affords(self._signer.address, _GAS)

    def _granted(self, patient: bytes, grant_id: bytes, who: str | None) -> bool:
        """Whether ``who`` signed the grant's key box, and was the patient's controller then. Who made a grant
        may stop it, and the chain need not be there to say so: it may be slow, or gone."""
        box = self._vault.find_box(patient, grant_id)
        if box is None or who is None:
            return False
        try:
            KeyBox.decode(box).verify(self._deployment, who)
        except IntegrityError:
            return False
        return True

    def _past(self) -> Head:
        """What stands for the head until one was seen since the start: the time of the newest row."""
        last = self._vault.last_row()
        return Head(0, last.time if last else 0)
