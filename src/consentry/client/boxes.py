"""The grants that reach me: which they are, and what their key boxes hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from consentry.chain.contracts import Chain
from consentry.client.group import Group
from consentry.client.person import Person
from consentry.consent.box import SEGMENT_SEED, Granted, KeyBox, open_box
from consentry.consent.rule import Reason
from consentry.consent.terms import READ, Terms
from consentry.envelope.statement import (
    SignedStatement,
    Statement,
    segment_pair_seed,
    split_seeds,
    unlock,
    verify_statement,
)
from consentry.errors import (
    BoxBroken,
    GrantNotDelivered,
    IntegrityError,
    NotAllowed,
    TooFewKeyholders,
    WrapBroken,
)
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.messages import BoxAnswer, Call, Keyholder
from consentry.keys.binding import abi_encode, identity
from consentry.keys.hpke import public_key


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as its grantee has it: what its box holds, and the statements of its segment, of which
    ``answered`` keyholders gave theirs. ``seeds`` are the segment seeds by key version, from that of the
    box down."""

    granted: Granted
    version: int
    statements: tuple[SignedStatement, ...]
    answered: int
    seeds: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    @property
    def id(self) -> bytes:
        """The grant's id."""
        return self.granted.terms.grant_id


class Boxes:
    """The key boxes that open for a provider (``me``), or for an organisation that it opens for."""

    def __init__(self, chain: Chain, group: Group, me: Person) -> None:
        self._chain, self._group, self._me = chain, group, me

    def grants(self, patient: bytes, grant_id: bytes | None = None) -> list[Grant]:
        """The grants of ``patient`` whose key boxes open for me, newest first (or just ``grant_id``).

        Raises `NotAllowed` when my credential is not live, and `GrantNotDelivered` when the named grant
        is half delivered."""
        if not self._chain.is_live(self._me.address):
            raise NotAllowed(
                f"{Reason.CREDENTIAL_NOT_LIVE.text}; nothing was requested. Ask the authority that issues "
                "credentials"
            )
        ids = [grant_id] if grant_id is not None else self._named(patient)
        if grant_id is not None and self._chain.grant_state(patient, grant_id).status == 0:
            raise GrantNotDelivered(
                "the grant's transaction is missing: it was never put in force; ask for its grant.json "
                "and deliver it"
            )
        found, broken = [], []
        for one in ids:
            try:
                if (grant := self._grant(patient, one)) is not None:
                    found.append(grant)
            except BoxBroken as error:
                broken.append(error)
        if broken and not found:
            raise broken[0]
        if grant_id is not None and not found and self._chain.in_force(patient, grant_id):
            raise GrantNotDelivered(
                "the grant's key box is missing: it is in force, but no keyholder gives a box that opens "
                "for you; ask the patient to deliver it"
            )
        return found

    def _named(self, patient: bytes) -> list[bytes]:
        """The patient's grants that keyholders name as mine, newest first."""
        body = abi_encode(["bytes32"], [patient])

        def send(keyholder: Keyholder, call: Call) -> tuple[bytes, ...]:
            return keyholder.grants(call)

        enough = Group.until(self._group.roster.safe)
        answers, outcome = self._group.ask(
            self._me.signer, "grants", body, send, lambda answer, _: answer, enough
        )
        named = {one for answer in answers.values() for one in answer}
        if not named and len(answers) < self._group.roster.safe:
            raise TooFewKeyholders(
                outcome.describe("grants not named", len(answers), self._group.roster.safe)
            )
        return sorted(named, key=lambda one: (self._chain.grant_state(patient, one).at, one), reverse=True)

    def _grant(self, patient: bytes, grant_id: bytes) -> Grant | None:
        if not self._chain.in_force(patient, grant_id):
            return None
        body = abi_encode(["bytes32", "bytes32"], [patient, grant_id])
        roster = self._group.roster

        def send(keyholder: Keyholder, call: Call) -> BoxAnswer:
            return keyholder.fetch_box(call)

        def check(answer: BoxAnswer, card: KeyholderCard) -> tuple[KeyBox, tuple[SignedStatement, ...]]:
            box = KeyBox.decode(answer.box)
            if (box.patient, box.grant_id) != (patient, grant_id):
                raise IntegrityError("the key box is that of another grant")
            answer.signed.verify(self._chain.deployment, card, "box", box.hash)
            for signed in answer.statements:
                Statement.decode(signed.body)
            return box, answer.statements

        enough = Group.until(max(roster.safe, roster.threshold))
        answers, _ = self._group.ask(self._me.signer, "fetch_box", body, send, check, enough)
        box = self._believed(patient, [box for box, _ in answers.values()])
        if box is None:
            return None
        try:
            granted = self._open_box(box)
        except WrapBroken:
            return None
        # With their signatures: a forged one must not take the place of another under the same bytes.
        statements = tuple(dict.fromkeys(one for _, given in answers.values() for one in given))
        self._check_seed(granted, box, statements)
        seeds = self._seeds(granted, box, statements)
        return Grant(granted, box.version, statements, len(answers), seeds)

    def _seeds(
        self, granted: Granted, box: KeyBox, statements: Sequence[SignedStatement]
    ) -> dict[int, tuple[bytes, ...]]:
        """Those of the box, and what the statements of its segment lead to."""
        if granted.key_type != SEGMENT_SEED:
            return {}
        known = {box.version: (granted.key,), box.version - 1: split_seeds(granted.earlier)}
        read = (signed.statement for signed in statements)
        mine = (one for one in read if (one.patient, one.segment) == (box.patient, box.segment))
        return unlock(self._chain.deployment, mine, known)

    def _believed(self, patient: bytes, boxes: list[KeyBox]) -> KeyBox | None:
        """The box of the newest key version that the present controller signed, or that t keyholders say was
        signed by who was controller at its delivery: a grant outlives a change of controller."""
        controller = self._chain.controller_of(patient)
        newest_first = sorted(Counter(boxes).most_common(), key=lambda one: one[0].version, reverse=True)
        for box, sayers in newest_first:
            try:
                box.verify(self._chain.deployment, controller, self._chain.wallet_accepts)
                return box
            except IntegrityError:
                if sayers >= self._group.roster.threshold:
                    return box
        return None

    def _open_box(self, box: KeyBox) -> Granted:
        seeds = {self._me.identity: self._me.keyring.seed}
        for address, seed in self._me.keyring.organisations.items():
            seeds[identity(address)] = seed
        if box.grantee not in seeds:
            raise WrapBroken("the key box is for another grantee")
        seed = seeds[box.grantee]
        return open_box(self._chain.deployment, box, seed, public_key(seed))

    def _check_seed(self, granted: Granted, box: KeyBox, statements: Sequence[SignedStatement]) -> None:
        """Raises `BoxBroken` when the seed is not that of the segment key in the patient's statement."""
        if granted.key_type != SEGMENT_SEED:
            return
        said = [
            statement.segment_key
            for statement in self._signed_by_patient(box.patient, statements)
            if (statement.segment, statement.version) == (box.segment, box.version)
        ]
        if said and public_key(segment_pair_seed(granted.key)) not in said:
            raise BoxBroken("the grant's key is not that of its segment; ask the patient to grant again")

    def _signed_by_patient(
        self, patient: bytes, statements: Sequence[SignedStatement]
    ) -> Iterator[Statement]:
        for signed in statements:
            try:
                statement = verify_statement(
                    self._chain.deployment,
                    signed,
                    controller=self._chain.controller_of(patient),
                    keyholders=self._group.roster.hashes,
                    wallet=self._chain.wallet_accepts,
                )
            except IntegrityError:
                continue
            if statement.patient == patient:
                yield statement


def allow(chain: Chain, actor: str, terms: Terms, purpose: int) -> None:
    """Raises `NotAllowed` with the first reason why ``actor`` may not read under ``terms`` for ``purpose``
    (one bit)."""
    reason = chain.why(terms, actor, purpose, READ)
    if reason != Reason.NONE:
        raise NotAllowed(f"{reason.text}; nothing was requested. Only the patient can grant it")
