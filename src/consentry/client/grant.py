"""Granting: the card, the sentence, the key box, then the transaction; and ending a grant again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from consentry.chain.contracts import Chain
from consentry.chain.transaction import Receipt
from consentry.client.group import Group, bringing
from consentry.client.own import Own
from consentry.client.person import Person
from consentry.client.proposal import Offered, Proposal, Proposer
from consentry.client.rotation import Rotation
from consentry.client.steps import Step, durable
from consentry.consent.box import KeyBox
from consentry.consent.terms import typed_revoke, typed_terms
from consentry.envelope.statement import SignedStatement
from consentry.errors import KeyholderRefused, Refused, TooFewKeyholders, UsageError
from consentry.keyholder.messages import Keyholder, Signed, subject_of_stop
from consentry.keys.typed import Signer

_FORMAT = "consentry grant 1"


@dataclass(frozen=True, slots=True)
class Ended:
    """A revocation: the keyholders that stopped at once, the transaction, and what became of the segments'
    keys."""

    grants: tuple[bytes, ...]
    stopped: int
    receipt: Receipt
    rotation: Rotation = field(default_factory=Rotation)


class Granter:
    """What a patient (``me``) grants and revokes."""

    def __init__(self, chain: Chain, group: Group, me: Person, own: Own) -> None:
        self._chain, self._group, self._me, self._own = chain, group, me, own
        self._proposer = Proposer(chain, me, own)

    def propose(self, offered: Offered) -> list[Proposal]:
        """See `Proposer.propose`."""
        return self._proposer.propose(offered)

    # --- putting in force

    def grant(self, offered: Offered, proposals: Sequence[Proposal]) -> Receipt | None:
        """Delivers the key boxes (t must take each), then puts all grants in force in one transaction.

        None when an earlier run that was cut off had sent it already. Raises `UsageError` for a proposal that
        an expiry or a revocation has overtaken."""
        if not all(self._proposer.stands(proposal.terms) for proposal in proposals):
            raise UsageError(
                "a proposal has expired or was revoked meanwhile; propose again, and read it again"
            )
        for proposal in proposals:
            self._deliver(proposal.box, hear=True)
        receipt = self._put_in_force([proposal.grant_id for proposal in proposals])
        self._own.refresh()
        self._proposer.parcel(offered).drop()
        return receipt

    def _put_in_force(self, ids: list[bytes]) -> Receipt | None:
        patient = self._me.identity
        waiting = [one for one in ids if self._chain.grant_state(patient, one).status == 0]
        if not waiting:
            return None
        function, what = ("grant", waiting[0]) if len(waiting) == 1 else ("grantMany", waiting)
        receipt = self._chain.send(self._me.signer, "ConsentRegistry", function, patient, what)
        durable(Step.GRANTED)
        return receipt

    def sign(self, proposal: Proposal) -> dict[str, Any]:
        """``grant.json``: a signed grant that anybody can deliver; it holds no terms in clear."""
        message = typed_terms(self._chain.deployment, proposal.terms, proposal.reading)
        # Whoever has the file has the key in it, whether or not keyholders ever see it.
        self._me.copy.boxes[proposal.grant_id.hex()] = proposal.box.encode().hex()
        self._me.save()
        return {
            "format": _FORMAT,
            "chainId": self._chain.deployment.chain_id,
            "genesis": "0x" + self._chain.deployment.genesis.hex(),
            "contract": self._chain.deployment.registry,
            "patient": "0x" + proposal.terms.patient.hex(),
            "signer": self._me.address,
            "grantId": "0x" + proposal.grant_id.hex(),
            "signature": "0x" + self._me.signer.sign_typed_data(message).hex(),
            "box": "0x" + proposal.box.encode().hex(),
        }

    def _deliver(self, box: KeyBox, *, hear: bool) -> None:
        deliver_box(self._group, box, self._me if hear else None, self._own.history(box.segment))

    # --- ending

    def revoke(self, grant_ids: Sequence[bytes] | None = None) -> Ended:
        """Ends ``grant_ids``, or every grant there is (None): the keyholders stop at once, and the chain.

        The stop is tried first and its failure ends nothing: the transaction is what lasts. Raises
        `UsageError` for an empty list.
        """
        if grant_ids is not None and not grant_ids:
            raise UsageError("name the grants to revoke, or revoke all of them")
        patient = self._me.identity
        every = grant_ids is None
        ids = self._chain.grants_of(patient) if grant_ids is None else list(grant_ids)
        live = [one for one in ids if not every or self._chain.in_force(patient, one)]
        stopped = [self._stop(patient, one) for one in live]
        if every:
            receipt = self._chain.send(self._me.signer, "ConsentRegistry", "revokeAll", patient)
            durable(Step.REVOKED)
        else:
            for one in ids:
                receipt = self._chain.send(self._me.signer, "ConsentRegistry", "revoke", patient, one)
                durable(Step.REVOKED)
        return Ended(tuple(live), min(stopped, default=0), receipt)

    def _stop(self, patient: bytes, grant_id: bytes) -> int:
        message = typed_revoke(self._chain.deployment, patient, grant_id)
        signature = self._me.signer.sign_typed_data(message)

        def send(keyholder: Keyholder) -> Signed:
            return keyholder.stop(patient, grant_id, signature)

        subject = subject_of_stop(patient, grant_id)
        answers = self._group.give("stop", subject, send, need=0, step=Step.STOPPED)
        for answer in answers.values():
            self._me.copy.hear(answer)
        self._me.save()
        return len(answers)


def deliver_box(
    group: Group, box: KeyBox, me: Person | None = None, history: Sequence[SignedStatement] = ()
) -> int:
    """Gives a key box to the keyholders, with the ``history`` of its segment to those that lack some of it; t
    must take it. Gives how many did."""
    send = bringing(history, lambda keyholder: keyholder.box(box.encode()))
    answers = group.give("box", box.hash, send, need=group.roster.threshold, step=Step.BOXED)
    if me is not None:
        for answer in answers.values():
            me.copy.hear(answer)
        me.save()
    return len(answers)


def deliver(chain: Chain, group: Group, sender: Signer, handed: dict[str, Any]) -> Receipt | None:
    """Delivers a ``grant.json``: the key box, then ``grantBySig`` sent by anybody. A grant that is already
    in force counts as success (None). Raises `UsageError` for another chain's or a broken file, an
    `IntegrityError` for a key box that the patient did not sign, `Refused` where the keyholders have a newer
    one, and `ContractRefused` for a grant that she
    did not sign, or ended: then nothing was given to anybody."""
    deployment = chain.deployment
    try:
        if handed["format"] != _FORMAT:
            raise ValueError
        words = ("patient", "signer", "grantId", "signature", "box", "genesis")
        patient, signer, grant_id, signature, box, genesis = (
            bytes.fromhex(handed[name].removeprefix("0x")) for name in words
        )
        chain_id, contract = int(handed["chainId"]), str(handed["contract"])
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise UsageError("the file is not a grant of this version; ask the patient for it again") from None
    if (chain_id, genesis, contract) != (deployment.chain_id, deployment.genesis, deployment.registry):
        raise UsageError("the grant was signed for another chain or contract; connect to that one")
    found = KeyBox.decode(box)
    if (found.patient, found.grant_id) != (patient, grant_id):
        raise UsageError("the key box in the file is not that of its grant; ask the patient for it again")
    found.verify(deployment, chain.controller_of(patient), chain.wallet_accepts)
    signed = ("ConsentRegistry", "grantBySig", patient, signer, grant_id, signature)
    chain.rpc.call(*signed)  # a signature that the contract refuses leaves nothing with the keyholders
    in_force = chain.in_force(patient, grant_id)
    _give(group, found, in_force)
    return None if in_force else chain.send(sender, *signed)


def _give(group: Group, box: KeyBox, in_force: bool) -> None:
    """Gives the box of a ``grant.json`` to the keyholders; t must take it. Raises `Refused` where the grant
    is ``in_force`` and so many refuse its box that they can only hold a newer one."""
    refusals: list[Keyholder] = []

    def send(keyholder: Keyholder) -> Signed:
        try:
            return keyholder.box(box.encode())
        except KeyholderRefused:
            refusals.append(keyholder)
            raise

    try:
        group.give("box", box.hash, send, need=group.roster.threshold, step=Step.BOXED)
    except TooFewKeyholders:
        if not in_force or len(refusals) < group.roster.safe:
            raise
        raise Refused(
            "the grant is in force, and the keyholders do not take its key box any more: they have a newer "
            "one, which the patient's device left there since; nothing is left to do with this file"
        ) from None
