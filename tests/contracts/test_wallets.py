"""A contract account, such as a Safe, is whoever it is to be; the person who sends for it is nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.words import (
    DAY,
    EMERGENCY,
    HOUR,
    NO_WORD,
    REVIEWER,
    TREAT,
    TREATING,
    Terms,
    at,
    credential,
    identity,
    now,
    word,
)

SALT, REPLY, AGENT, SEGMENT, REASON, NOTE = map(
    word, ("record salt", "reply", "agent", "segment", "reason", "note")
)
ID, OTHER = word("grant"), word("another grant")


class Wallet:
    """A contract account, for which one key signs."""

    def __init__(self, contract: Any, key: Any) -> None:
        self._contract, self._key = contract, key
        self.address = str(contract.address)

    def __call__(self, call: Any, *arguments: Any) -> Any:
        """Call a contract's function; the receipt."""
        data = call.encode_input(*arguments)
        return self._contract.execute(call.contract, data, sender=self._key)


@pytest.fixture
def wallet(project: Any, stranger: Any) -> Callable[[], Wallet]:
    """Makes one with the stranger's key."""
    return lambda: Wallet(stranger.deploy(project.KeyWallet, stranger), stranger)


def one(event: Any, receipt: Any) -> Any:
    """The only event of this kind."""
    (found,) = event.from_receipt(receipt)
    return found


def test_authorities_that_are_wallets_stand_in_every_event(
    project: Any, wallet: Any, authority: Any, stranger: Any, accounts: Any, chain: Any
) -> None:
    first, second = wallet(), wallet()
    registry = authority.deploy(project.ProviderRegistry, [first.address, second.address])
    newcomer, candidate = accounts[14:16]
    plain, urgent = credential(newcomer), credential(newcomer, roles=TREATING | EMERGENCY)
    with ape.reverts(registry.NotAuthority, who=stranger.address):
        registry.issue(plain, sender=stranger)

    assert one(registry.CredentialIssued, first(registry.issue, plain)).authority == first.address
    assert one(registry.CredentialSuspended, second(registry.suspend, newcomer)).authority == second.address
    assert one(registry.CredentialReinstated, first(registry.reinstate, newcomer)).authority == first.address
    asked = one(registry.EmergencyProposed, first(registry.issueEmergency, urgent))
    agreed = one(registry.EmergencyIssued, second(registry.issueEmergency, urgent))
    assert (asked.proposer, agreed.proposer, agreed.seconder) == (
        first.address,
        first.address,
        second.address,
    )
    assert one(registry.CredentialRetired, first(registry.retire, newcomer)).authority == first.address

    asked = one(registry.AuthorityProposed, second(registry.addAuthority, candidate))
    agreed = one(registry.AuthorityAdded, first(registry.addAuthority, candidate))
    assert (asked.proposer, agreed.proposer, agreed.seconder) == (
        second.address,
        second.address,
        first.address,
    )
    asked = one(registry.AuthorityRetirementProposed, first(registry.retireAuthority, candidate))
    agreed = one(registry.AuthorityRetired, second(registry.retireAuthority, candidate))
    assert (asked.proposer, agreed.proposer, agreed.seconder) == (
        first.address,
        first.address,
        second.address,
    )


def test_a_wallets_entries_are_a_chain_of_its_own(
    log: Any,
    consents: Any,
    providers: Any,
    wallet: Any,
    patient: Any,
    authority: Any,
    stranger: Any,
    terms: Terms,
    chain: Any,
) -> None:
    actor = wallet()
    providers.issue(credential(actor.address), sender=authority)
    its = terms.but(grantee=identity(actor))
    consents.grant(its.patient, its.id, sender=patient)
    head = keccak(encode(["uint256", "address", "address"], [chain.chain_id, log.address, actor.address]))
    untouched = log.headOf(stranger)
    for _ in range(2):
        receipt = actor(log.request, its.words, [SALT], TREAT, REPLY, AGENT)
        record = keccak(its.patient + its.segment + SALT)
        head = keccak(head + record + its.id + TREAT.to_bytes(32) + REPLY + AGENT)
        requested = one(log.Requested, receipt)
        assert (requested.actor, bytes(requested.accessId)) == (actor.address, head)
        assert log.headOf(actor.address) == head
    assert log.headOf(stranger) == untouched


def test_wallets_break_the_glass_confirm_and_review(
    log: Any,
    me: bytes,
    providers: Any,
    wallet: Any,
    authority: Any,
    second_authority: Any,
    stranger: Any,
    chain: Any,
) -> None:
    asks, confirms, reviews = wallet(), wallet(), wallet()
    for who in (asks, confirms):
        for board in (authority, second_authority):
            given = credential(who.address, roles=TREATING | EMERGENCY | REVIEWER)
            providers.issueEmergency(given, sender=board)
    providers.issue(credential(reviews.address, roles=REVIEWER), sender=authority)
    at(chain, now(chain) + DAY)
    untouched = log.headOf(stranger)
    before = {who: bytes(log.headOf(who.address)) for who in (asks, confirms, reviews)}

    asked = one(log.BreakGlassRequested, asks(log.requestBreakGlass, me, SEGMENT, REASON, REPLY, AGENT))
    words = [
        keccak(text=log.BreakGlassRequested.abi.selector),
        before[asks],
        me,
        SEGMENT,
        REASON,
        REPLY,
        AGENT,
    ]
    access = keccak(encode(["bytes32"] * 7, words))
    assert (asked.requester, bytes(asked.accessId)) == (asks.address, access)
    with ape.reverts(log.GlassInvolved, accessId=access, who=asks.address):
        asks(log.confirmBreakGlass, access)
    told = one(log.BreakGlassConfirmed, confirms(log.confirmBreakGlass, access))
    words = [keccak(text=log.BreakGlassConfirmed.abi.selector), before[confirms], access]
    assert (told.requester, told.confirmer) == (asks.address, confirms.address)
    assert bytes(told.link) == keccak(encode(["bytes32"] * 3, words)) == log.headOf(confirms.address)

    at(chain, now(chain) + (4 + 72) * HOUR + 1)
    with ape.reverts(log.ReviewOverdue, requester=asks.address, accessId=access):
        asks(log.requestBreakGlass, me, SEGMENT, REASON, REPLY, AGENT)
    for who in (asks, confirms):
        with ape.reverts(log.GlassInvolved, accessId=access, who=who.address):
            who(log.reviewBreakGlass, access, True, NOTE)
    told = one(log.BreakGlassReviewed, reviews(log.reviewBreakGlass, access, True, NOTE))
    kinds = ["bytes32"] * 3 + ["bool", "bytes32"]
    words = [keccak(text=log.BreakGlassReviewed.abi.selector), before[reviews], access, True, NOTE]
    assert (told.requester, told.reviewer) == (asks.address, reviews.address)
    assert bytes(told.link) == keccak(encode(kinds, words)) == log.headOf(reviews.address)
    glass = log.glassOf(access)
    assert (glass.requester, glass.confirmer, glass.reviewer) == (
        asks.address,
        confirms.address,
        reviews.address,
    )
    asks(log.requestBreakGlass, me, SEGMENT, REASON, REPLY, AGENT)
    assert log.headOf(stranger) == untouched


def test_a_wallet_is_a_patient(consents: Any, wallet: Any, stranger: Any, guardian: Any) -> None:
    patient = wallet()
    who = identity(patient)
    with ape.reverts(consents.NotController, patient=who, who=stranger.address):
        consents.grant(who, ID, sender=stranger)
    patient(consents.grant, who, ID)
    assert consents.inForce(who, ID, 0)
    patient(consents.renew, who, ID, OTHER)
    assert [consents.inForce(who, each, 0) for each in (ID, OTHER)] == [False, True]
    changed = one(consents.ControllerChanged, patient(consents.setController, who, guardian))
    assert (changed.controller, changed.by) == (guardian, patient.address)
    with ape.reverts(consents.NotController, patient=who, who=patient.address):
        patient(consents.revoke, who, OTHER)


def test_a_wallets_records_are_its_own(project: Any, wallet: Any, stranger: Any) -> None:
    records = stranger.deploy(project.RecordRegistry)
    contributor, old, new, anchor = wallet(), ID, OTHER, word("anchor")
    for step, words in ((records.markErased, [old]), (records.supersede, [old, new, anchor])):
        with ape.reverts(records.RecordNotAnchored, contributor=contributor.address, recordId=old):
            contributor(step, *words)

    anchored = one(records.RecordAnchored, contributor(records.anchor, old, anchor))
    superseded = one(records.RecordSuperseded, contributor(records.supersede, old, new, anchor))
    erased = one(records.RecordErased, contributor(records.markErased, old))
    paged = one(records.BatchAnchored, contributor(records.anchorBatch, 0, word("root"), 1))
    assert {each.contributor for each in (anchored, superseded, erased, paged)} == {contributor.address}
    assert records.anchorOf(contributor.address, new) == anchor
    assert records.successorOf(contributor.address, old) == new
    assert records.erasedAt(contributor.address, old)
    assert bytes(records.pageHead(contributor.address, 0)) != NO_WORD

    refused = {"contributor": contributor.address, "recordId": old}
    with ape.reverts(records.RecordAlreadyAnchored, **refused):
        contributor(records.anchor, old, anchor)
    with ape.reverts(records.RecordAlreadySuperseded, **refused):
        contributor(records.supersede, old, word("a third"), anchor)
    with ape.reverts(records.RecordAlreadyErased, **refused):
        contributor(records.markErased, old)
    for step in (records.anchorOf, records.successorOf):
        assert bytes(step(stranger, old)) == NO_WORD
    assert not records.erasedAt(stranger, old)
