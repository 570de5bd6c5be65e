"""Enrolling: the patient's key on chain, and a segment a kind with the keyholders."""

from __future__ import annotations

import secrets

from consentry.chain.contracts import Chain
from consentry.client.group import Group, bringing
from consentry.client.outbox import Parcel
from consentry.client.own import Own, Segment, Taken
from consentry.client.person import Person
from consentry.envelope.statement import SignedStatement, first_statement, message
from consentry.errors import NotFound
from consentry.keys.hpke import ALGORITHM, new_seed
from consentry.record import kind as kind_named


class Enroller:
    """Enrols a patient (``me``); every step can be repeated."""

    def __init__(self, chain: Chain, group: Group, me: Person, own: Own) -> None:
        self._chain, self._group, self._me, self._own = chain, group, me, own

    def enrol(self, kinds: list[str]) -> list[Segment]:
        """Publishes the encryption key and gives the keyholders one statement a kind; t must take each.

        What is there already is kept; a second run gives it to the keyholders that missed it. Raises
        `KindUnknown` before anything is done."""
        for kind in kinds:
            kind_named(kind)
        self._publish_key()
        holders, known = self._own.refresh(), self._own.segments()
        parcel = self._me.outbox.parcel("enrol")
        for kind in kinds:
            if kind in known:
                fields = self._me.copy.statements[known[kind].statement.hash.hex()]
            else:
                fields = self._begun(parcel, kind)
            self._give(fields, holders)
        parcel.drop()
        return list(self._own.segments().values())

    def _begun(self, parcel: Parcel, kind: str) -> list[str]:
        """The statement of a run that was cut off, or a new one."""
        if kind not in parcel.state:
            signed = self._new_statement(kind)
            parcel.state[kind] = [signed.body.hex(), signed.signature.hex()]
            parcel.save()
        return list(parcel.state[kind])

    def _publish_key(self) -> None:
        public = self._me.keyring.public_key
        try:
            if self._chain.encryption_key_of(self._me.identity) == public:
                return
        except NotFound:
            pass
        args = (self._me.identity, ALGORITHM, public)
        self._chain.send(self._me.signer, "ConsentRegistry", "setEncryptionKey", *args)

    def _new_statement(self, kind: str) -> SignedStatement:
        body = first_statement(
            self._chain.deployment,
            patient=self._me.identity,
            segment=secrets.token_bytes(32),
            kind=kind,
            seed=new_seed(),
            patient_key=self._me.keyring.public_key,
            keyholders=self._group.roster.hash,
        ).encode()
        return SignedStatement(body, self._me.signer.sign_typed_data(message(self._chain.deployment, body)))

    def _give(self, fields: list[str], holders: dict[int, Taken]) -> None:
        signed = SignedStatement(*map(bytes.fromhex, fields))
        said, need = signed.statement, self._group.roster.threshold
        subject = said.hash
        held = [index for index, taken in holders.items() if ("statements", subject.hex(), fields) in taken]
        send = bringing(self._own.history(said.segment), lambda keyholder: keyholder.statement(signed))
        answers = self._group.give("statement", subject, send, need=need, held=held)
        for answer in answers.values():
            self._me.copy.hear(answer)
        self._me.copy.statements[subject.hex()] = fields
        self._me.save()
