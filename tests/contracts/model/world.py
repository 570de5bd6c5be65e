"""The whole of it: patients, providers, log, and the package's own rule over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from eth_utils.crypto import keccak

from consentry.consent.rule import GrantState, Reason, why
from consentry.consent.terms import READ
from consentry.consent.terms import Terms as Said
from tests.contracts.model.identity import Identity
from tests.contracts.model.log import Log
from tests.contracts.model.parts import Grant, RefusedError
from tests.contracts.model.providers import Providers


@cache
def id_of(terms: Said) -> bytes:
    """The id of a grant of these terms."""
    return terms.grant_id


@dataclass
class World:
    """What the contracts hold, the time of the newest block and its hash."""

    patients: dict[bytes, Identity]
    providers: Providers
    log: Log
    now: int
    newest_block: bytes

    def why(self, terms: Said, actor: bytes, purpose: int, flag: int) -> Reason:
        """The first reason against a use, by the package's rule."""
        patient, now = self.patients[terms.patient], self.now
        held = patient.grants.get(id_of(terms), Grant())
        return why(
            terms,
            purpose,
            flag,
            now=now,
            state=GrantState(held.status, held.epoch),
            account_epoch=patient.epoch,
            guardianship_ended=patient.has_lapsed(held, now),
            opted_out=patient.opted_out,
            actor_live=self.providers.is_live(actor, now),
            actor_is_grantee=terms.grantee == bytes(12) + actor,
            actor_is_live_member=self.providers.is_live_member(actor, terms.grantee[12:], now),
        )

    def request(
        self, by: bytes, terms: Said, salts: list[bytes], purpose: int, reply: bytes, agent: bytes
    ) -> None:
        """An entry a record, in the caller's chain."""
        if not salts:
            raise RefusedError("NoRecords")
        if self.why(terms, by, purpose, READ):
            raise RefusedError("NotAllowed")
        for salt in salts:
            record = keccak(terms.patient + terms.segment + salt)
            if terms.record not in (bytes(32), record):
                raise RefusedError("RecordNotInTerms")
            self.log.append(by, record, terms.grant_id, purpose, reply, agent)
