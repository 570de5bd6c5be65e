"""One keyholder: it takes what patients and contributors leave, and answers to entries."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from eth_utils.crypto import keccak

from consentry.consent.box import KeyBox
from consentry.consent.rule import Reason
from consentry.consent.terms import READ, Terms
from consentry.envelope.leaf import Leaf
from consentry.errors import Unreachable
from consentry.keyholder.checks import RELEASE, Denied, Release
from consentry.keyholder.handover import Handover
from consentry.keyholder.held import Held
from consentry.keyholder.journal import Row
from consentry.keyholder.messages import (
    BoxAnswer,
    Call,
    Listed,
    OwnAnswer,
    OwnRecord,
    ReleaseAsked,
    Released,
    release_info,
)
from consentry.keys.binding import abi_decode
from consentry.keys.hpke import wrap


class KeyholderService(Handover):
    """A whole keyholder, as `Keyholder` says: what is left with it, and here what callers get."""

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
            return BoxAnswer(found, tuple(statements), self._sign("box", box.hash, self._head()))

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
            subject = Release(self._chain, self._card.address, call, asked, held, stopped)
            self._check(RELEASE, subject)
            assert held is not None
            entry, patient = asked.entry, asked.terms.patient
            info = release_info(self._deployment, patient, entry, self._card.index)
            sealed = wrap(held.encode(), asked.reply_key, info)
            named = {"access": entry.access_id, "record": entry.record_id, "actor": entry.actor}
            where = {"block": entry.block, "block hash": self._chain.hash_of(entry.block) or b""}
            body = {**named, "grant": entry.grant_id, "answer": keccak(sealed), **where}
            head = self._head()
            # Releases meet here, one at a time, and asking nobody: a stop is before this one or after it.
            with self._vault.transaction():
                self._fresh(call)
                now = self._vault.stopped(patient, entry.grant_id)  # one may have come meanwhile
                self._check({"stop": RELEASE["stop"]}, replace(subject, stopped=now))
                self._append("release", body, head.time)
                return Released(sealed, self._sign("release", keccak(sealed), head))

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
        """See `Keyholder.journal`; it looks back first, where the chain can be asked."""
        with suppress(Unreachable):
            self.look_back()
        return self._vault.rows()

    def page(self, first: int, most: int) -> list[Row]:
        """``most`` rows of the journal from row ``first`` on; the first page looks back as `journal` does."""
        if first == 0:
            with suppress(Unreachable):
                self.look_back()
        return self._vault.rows(first, most)


def _listed(held: Held) -> Listed:
    leaf, header = Leaf.decode(held.open_part, held.sealed_part), held.header
    where = (header.version, header.session, header.contributor, header.session_wrap)
    return Listed(leaf.record_id, leaf.record_salt, *where, leaf.label)
