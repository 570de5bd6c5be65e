"""One keyholder: it takes what patients and contributors leave, and answers to entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from eth_utils.crypto import keccak

from consentry.chain.contracts import Chain
from consentry.consent.box import KeyBox
from consentry.consent.rule import Reason
from consentry.consent.terms import READ, Terms, typed_revoke
from consentry.envelope.deposit import Header, Part, open_shares, verify_part
from consentry.envelope.leaf import Leaf, record_id
from consentry.envelope.statement import SignedStatement, Statement, verify_statement
from consentry.errors import ConsentryError, IntegrityError, KeyholderRefused, Unreachable
from consentry.keyholder.checks import DEAL, RELEASE, Deal, Denied, Release
from consentry.keyholder.journal import Row, next_row
from consentry.keyholder.messages import (
    BoxAnswer,
    Call,
    Listed,
    OwnAnswer,
    OwnRecord,
    ReleaseAsked,
    Released,
    Signed,
    release_info,
    subject_of_stop,
)
from consentry.keyholder.roster import KeyholderCard, Roster
from consentry.keyholder.vault import Held, Vault
from consentry.keys.binding import abi_decode, abi_encode
from consentry.keys.hpke import wrap
from consentry.keys.typed import Signer, verify

Checked = TypeVar("Checked")


class KeyholderService:
    """The keyholder ``card`` of ``roster``: ``signer`` and the X-Wing ``seed`` are its own, ``vault`` what it
    holds, ``chain`` its own view of the chain."""

    def __init__(
        self, card: KeyholderCard, roster: Roster, *, signer: Signer, seed: bytes, vault: Vault, chain: Chain
    ) -> None:
        self._card, self._roster, self._signer, self._seed = card, roster, signer, seed
        self._vault, self._chain = vault, chain
        self._deployment = chain.deployment

    @property
    def card(self) -> KeyholderCard:
        """Who it is."""
        return self._card

    # --- what patients and contributors leave

    def statement(self, signed: SignedStatement) -> Signed:
        """See `Keyholder.statement`."""
        with self._answering("statement", ""):
            found = signed.statement
            statement = verify_statement(
                self._deployment,
                signed,
                controller=self._chain.controller_of(found.patient),
                keyholders=self._roster.hash,
                wallet=self._chain.wallet_accepts,
            )
            self._chained(statement)
            body = {"patient": statement.patient, "segment": statement.segment, "hash": statement.hash}
            return self._take(
                "statement",
                statement.hash,
                {**body, "version": statement.version},
                lambda: self._vault.add_statement(statement, signed),
            )

    def _chained(self, statement: Statement) -> None:
        """It is held already, or the first one, or it follows the newest that is held."""
        held = self._statements(statement.patient, statement.segment)
        newest = max((one.version for one in held), default=0)
        before = {one.hash for one in held if one.version == newest} or {bytes(32)}
        follows = statement.version == newest + 1 and statement.previous in before
        if not follows and statement not in held:
            raise Denied("chain")

    def _statements(self, patient: bytes, segment: bytes) -> list[Statement]:
        return [one.statement for one in self._vault.statements(patient, segment)]

    def box(self, box: bytes) -> Signed:
        """See `Keyholder.box`."""
        with self._answering("box", ""):
            found = KeyBox.decode(box)
            controller = self._chain.controller_of(found.patient)
            found.verify(self._deployment, controller, self._chain.wallet_accepts)
            if not self._vault.statements(found.patient, found.segment):
                raise Denied("segment")
            named = {"patient": found.patient, "grant": found.grant_id, "grantee": found.grantee}
            fields = (found.patient, found.grant_id, found.segment, box)
            return self._take("box", found.hash, named, lambda: self._vault.add_box(*fields))

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
                count=self._roster.count,
            )
            self._check(DEAL, deal)
            records = self._opened(found, header)
            if {self._vault.envelope_of(record) for record, _ in records} == {found.envelope}:
                return self._sign("deal", found.envelope)  # dealt before: nothing new
            return self._store(found, header, records)

    def _opened(self, part: Part, header: Header) -> list[tuple[bytes, Held]]:
        shares = open_shares(self._deployment, part, self._card.index, self._seed)
        held = []
        for leaf, opened, sealed, share in zip(
            part.leaves, part.open_parts, part.sealed_parts, shares, strict=True
        ):
            if leaf.record_id != record_id(header.patient, header.segment, leaf.record_salt):
                raise Denied("record id")
            if len(leaf.share_commitments) != self._roster.count:
                raise Denied("commitments")
            held.append((leaf.record_id, Held(header, opened, sealed, share)))
        return held

    def _store(self, part: Part, header: Header, held: list[tuple[bytes, Held]]) -> Signed:
        grant_id = Terms.decode(part.terms).grant_id if part.terms else bytes(32)
        body: dict[str, object] = {"envelope": part.envelope, "contributor": header.contributor}
        body |= {"patient": header.patient, "segment": header.segment, "grant": grant_id}
        for number, leaf in enumerate(part.leaves):
            body[f"record {number}"] = leaf.record_id
            body[f"digest {number}"] = leaf.digest
            body[f"cid {number}"] = leaf.cid

        def change() -> None:
            records = {record for record, _ in held}
            if len(records) < len(held) or any(map(self._vault.envelope_of, records)):
                raise Denied("held already")
            self._vault.add_envelope(part.envelope, header, grant_id, held)

        return self._take("deal", part.envelope, body, change)

    def stop(self, patient: bytes, grant_id: bytes, signature: bytes) -> Signed:
        """See `Keyholder.stop`."""
        with self._answering("stop", ""):
            if (len(patient), len(grant_id)) != (32, 32):
                raise Denied("shape")
            controller = self._chain.controller_of(patient)
            message = typed_revoke(self._deployment, patient, grant_id)
            verify(message, signature, controller, self._chain.wallet_accepts)
            return self._take(
                "stop",
                subject_of_stop(patient, grant_id),
                {"patient": patient, "grant": grant_id},
                lambda: self._vault.add_stop(patient, grant_id, signature),
            )

    # --- what callers get

    def fetch_box(self, call: Call) -> BoxAnswer:
        """See `Keyholder.fetch_box`."""
        with self._answering("box given", call.caller):
            self._verify(call, "fetch_box")
            patient, grant_id = abi_decode(["bytes32", "bytes32"], call.body, "a call")
            found = self._vault.find_box(patient, grant_id)
            if found is None:
                raise Denied("box")
            box = KeyBox.decode(found)
            if call.caller != self._chain.controller_of(patient):
                self._served(call.caller, box)
            self._note("box given", {"caller": call.caller, "patient": patient, "grant": grant_id})
            statements = self._vault.statements(patient, box.segment)
            return BoxAnswer(found, tuple(statements), self._sign("box", box.hash))

    def _served(self, caller: str, box: KeyBox) -> None:
        if self._vault.stopped(box.patient, box.grant_id):
            raise Denied("stop")
        if not self._chain.in_force(box.patient, box.grant_id):
            raise Denied("consent at head")
        if not self._chain.may(caller, box.grantee, members=True):
            raise Denied("credential at head")

    def grants(self, call: Call) -> tuple[bytes, ...]:
        """See `Keyholder.grants`."""
        with self._answering("grants", call.caller):
            self._verify(call, "grants")
            (patient,) = abi_decode(["bytes32"], call.body, "a call")
            boxes = [KeyBox.decode(box) for box in self._vault.boxes_of(patient)]
            may = {g: self._chain.may(call.caller, g, members=True) for g in {box.grantee for box in boxes}}
            named = tuple(box.grant_id for box in boxes if may[box.grantee] and self._holds(call.caller, box))
            self._note("grants", {"caller": call.caller, "patient": patient})
            return named

    def _holds(self, caller: str, box: KeyBox) -> bool:
        try:
            self._served(caller, box)
        except Denied:
            return False
        return True

    def labels(self, call: Call) -> tuple[Listed, ...]:
        """See `Keyholder.labels`."""
        with self._answering("labels", call.caller):
            self._verify(call, "labels")
            terms = Terms.decode(call.body)
            if self._vault.stopped(terms.patient, terms.grant_id):
                raise Denied("stop")
            purpose = terms.purposes & -terms.purposes  # any one of them
            if self._chain.why(terms, call.caller, purpose, READ) != Reason.NONE:
                raise Denied("consent at head")
            named = {"caller": call.caller, "patient": terms.patient, "grant": terms.grant_id}
            self._note("labels", named)
            listed = [_listed(held) for held in self._vault.held(terms.patient, terms.segment)]
            return tuple(one for one in listed if terms.record in (bytes(32), one.record_id))

    def release(self, call: Call) -> Released:
        """See `Keyholder.release`."""
        with self._answering("release", call.caller):
            if call.verb != "release":
                raise Denied("verb")
            asked = ReleaseAsked.decode(call.body)
            held = self._vault.find(asked.record_id)
            stopped = self._vault.stopped(asked.terms.patient, asked.terms.grant_id)
            self._check(RELEASE, Release(self._chain, self._card.address, call, asked, held, stopped))
            assert held is not None
            self._fresh(call)
            entry, patient = asked.entry, asked.terms.patient
            answer = abi_encode(["bytes", "bytes", "bytes32"], [held.open_part, held.sealed_part, held.share])
            info = release_info(self._deployment, patient, entry, self._card.index)
            sealed = wrap(answer, asked.reply_key, info)
            named = {"access": entry.access_id, "record": entry.record_id, "actor": entry.actor}
            self._note("release", {**named, "grant": entry.grant_id, "answer": keccak(sealed)})
            return Released(sealed, self._sign("release", keccak(sealed)))

    def own(self, call: Call) -> OwnAnswer:
        """See `Keyholder.own`."""
        with self._answering("own", call.caller):
            self._verify(call, "own")
            (patient,) = abi_decode(["bytes32"], call.body, "a call")
            if call.caller != self._chain.controller_of(patient):
                raise Denied("controller")
            self._note("own", {"caller": call.caller, "patient": patient})
            records = [
                OwnRecord(held.header.encode(), held.open_part, held.sealed_part)
                for held in self._vault.held(patient)
            ]
            statements = self._vault.statements(patient)
            return OwnAnswer(tuple(statements), tuple(records), tuple(self._vault.boxes_of(patient)))

    def journal(self) -> list[Row]:
        """See `Keyholder.journal`."""
        return self._vault.rows()

    # --- how it answers

    @contextmanager
    def _answering(self, kind: str, caller: str) -> Iterator[None]:
        """Every refusal is journalled with the check's name, and leaves as the same `KeyholderRefused`."""
        try:
            yield
        except Unreachable:
            raise
        except ConsentryError as error:
            reason = str(error) if isinstance(error, Denied) else type(error).__name__
            self._note("refused", {"verb": kind, "claimed caller": caller, "check": reason})
            raise KeyholderRefused from None

    def _verify(self, call: Call, verb: str) -> None:
        if call.verb != verb:
            raise Denied("verb")
        try:
            call.verify(self._deployment, self._card.address, self._chain.wallet_accepts)
        except IntegrityError:
            raise Denied("caller") from None
        self._fresh(call)

    def _fresh(self, call: Call) -> None:
        if not self._vault.use_nonce(call.nonce):
            raise Denied("nonce")

    def _check(self, checks: dict[str, Callable[[Checked], None]], subject: Checked) -> None:
        for name, check in checks.items():
            try:
                check(subject)
            except (Denied, IntegrityError):
                raise Denied(name) from None

    def _take(
        self, verb: str, subject: bytes, body: Mapping[str, object], change: Callable[[], None]
    ) -> Signed:
        with self._vault.transaction():
            change()
            self._append(verb, body)
        return self._sign(verb, subject)

    def _note(self, kind: str, body: Mapping[str, object]) -> None:
        with self._vault.transaction():
            self._append(kind, body)

    def _append(self, kind: str, body: Mapping[str, object]) -> None:
        text = {name: _text(value) for name, value in body.items()}
        time = self._chain.head().time
        last = self._vault.last_row()
        self._vault.add_row(next_row(self._deployment, self._signer, last, time, kind, text))

    def _sign(self, verb: str, subject: bytes) -> Signed:
        last = self._vault.last_row()
        assert last is not None
        block = self._chain.head().number
        signed = Signed(self._card.index, verb, subject, block, last.index, last.hash)
        return replace(signed, signature=self._signer.sign_typed_data(signed.message(self._deployment)))


def _text(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _listed(held: Held) -> Listed:
    leaf, header = Leaf.decode(held.open_part, held.sealed_part), held.header
    where = (header.version, header.session, header.contributor, header.session_wrap)
    return Listed(leaf.record_id, leaf.record_salt, *where, leaf.label)
