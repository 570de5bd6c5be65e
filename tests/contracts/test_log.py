"""Who did?"""

from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.words import (
    DEPOSIT,
    MEMBERS,
    READ,
    READING_TYPE,
    RESEARCH,
    TERMS_TYPE,
    TREAT,
    Terms,
    credential,
    identity,
    reason,
    word,
)

SALTS = [word(f"record salt {i}") for i in range(3)]
REPLY, AGENT = word("reply key"), word("agent")
TERMS_TYPEHASH = keccak(text=f"Terms({TERMS_TYPE})Reading({READING_TYPE})")


def record_id(terms: Terms, salt: bytes) -> bytes:
    return keccak(terms.patient + terms.segment + salt)


def first_head(log: Any, chain_id: int, actor: Any) -> bytes:
    return keccak(encode(["uint256", "address", "address"], [chain_id, log.address, actor.address]))


def entry(head: bytes, record: bytes, terms: Terms, purpose: int, reply: bytes, agent: bytes) -> bytes:
    return keccak(head + record + terms.id + purpose.to_bytes(32) + reply + agent)


@pytest.fixture
def granted(consents: Any, patient: Any, terms: Terms) -> Terms:
    """The terms, in force."""
    consents.grant(terms.patient, terms.id, sender=patient)
    return terms


def test_a_request_makes_the_terms_public_and_writes_an_entry(
    log: Any, clinician: Any, chain: Any, granted: Terms
) -> None:
    arguments = (granted.words, SALTS[:1], TREAT, REPLY, AGENT)
    answer = log.request.call(*arguments, sender=clinician)
    used, requested = log.request(*arguments, sender=clinician).events
    assert used.event_name == "TermsUsed"
    assert used.grantId == granted.id
    assert tuple(used.terms) == granted.words
    record = record_id(granted, SALTS[0])
    access = entry(first_head(log, chain.chain_id, clinician), record, granted, TREAT, REPLY, AGENT)
    assert requested == log.Requested(
        actor=clinician,
        recordId=record,
        grantId=granted.id,
        accessId=access,
        purpose=TREAT,
        replyKeyHash=REPLY,
        agent=AGENT,
    )
    assert log.headOf(clinician) == answer == access


def test_an_actors_chain_begins_with_its_name_on_this_chain_and_contract(
    log: Any, clinician: Any, hospital: Any, chain: Any
) -> None:
    for actor in (clinician, hospital):
        assert log.headOf(actor) == first_head(log, chain.chain_id, actor)


def test_entries_chain_over_records_and_over_requests(
    log: Any, clinician: Any, hospital: Any, chain: Any, granted: Terms
) -> None:
    head = first_head(log, chain.chain_id, clinician)
    for salts, purpose in ((SALTS, TREAT), (SALTS[1:], RESEARCH)):
        receipt = log.request(granted.words, salts, purpose, REPLY, AGENT, sender=clinician)
        told = [event for event in receipt.events if event.event_name == "Requested"]
        assert len(told) == len(salts) == len(receipt.events) - 1
        for event, salt in zip(told, salts, strict=True):
            head = entry(head, record_id(granted, salt), granted, purpose, REPLY, AGENT)
            assert event.accessId == head
    assert log.headOf(clinician) == head
    assert log.headOf(hospital) == first_head(log, chain.chain_id, hospital)


@pytest.mark.parametrize("change", ["salt", "purpose", "reply key", "agent"])
def test_an_access_id_binds_all_that_the_entry_says(
    change: str, log: Any, clinician: Any, granted: Terms
) -> None:
    said = {"salt": [SALTS[0]], "purpose": TREAT, "reply key": REPLY, "agent": AGENT}
    other = {"salt": [SALTS[1]], "purpose": RESEARCH, "reply key": AGENT, "agent": REPLY}
    calls = [said, said | {change: other[change]}]
    first, second = (log.request.call(granted.words, *each.values(), sender=clinician) for each in calls)
    assert first != second


def test_a_member_writes_in_its_own_name(
    log: Any, consents: Any, patient: Any, hospital: Any, nurse: Any, chain: Any, terms: Terms
) -> None:
    shared = terms.but(grantee=identity(hospital), flags=READ | MEMBERS)
    consents.grant(shared.patient, shared.id, sender=patient)
    before = log.headOf(hospital)
    receipt = log.request(shared.words, SALTS[:1], TREAT, REPLY, AGENT, sender=nurse)
    assert receipt.events[1].actor == nurse
    assert log.headOf(hospital) == before != log.headOf(nurse)


def test_a_contract_account_can_be_the_actor(
    log: Any, consents: Any, providers: Any, project: Any, patient: Any, authority: Any, terms: Terms
) -> None:
    safe = patient.deploy(project.KeyWallet, authority)
    providers.issue(credential(safe), sender=authority)
    its = terms.but(grantee=identity(safe))
    consents.grant(its.patient, its.id, sender=patient)
    data = log.request.encode_input(its.words, SALTS[:1], TREAT, REPLY, AGENT)
    before = log.headOf(authority)
    receipt = safe.execute(log, data, sender=authority)
    (requested,) = log.Requested.from_receipt(receipt)
    (used,) = log.TermsUsed.from_receipt(receipt)
    assert requested.actor == safe
    assert tuple(used.terms) == its.words
    assert log.headOf(safe) == requested.accessId
    assert log.headOf(authority) == before


def test_a_request_names_a_record(log: Any, clinician: Any, granted: Terms) -> None:
    with ape.reverts(log.NoRecords):
        log.request(granted.words, [], TREAT, REPLY, AGENT, sender=clinician)


def test_terms_for_one_record_open_that_one_only(
    log: Any, consents: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    single = terms.but(record=record_id(terms, SALTS[0]))
    consents.grant(single.patient, single.id, sender=patient)
    log.request(single.words, [SALTS[0]], TREAT, REPLY, AGENT, sender=clinician)
    other = record_id(terms, SALTS[1])
    for salts in ([SALTS[1]], SALTS[:2]):
        with ape.reverts(log.RecordNotInTerms, recordId=other):
            log.request(single.words, salts, TREAT, REPLY, AGENT, sender=clinician)


def test_a_record_id_holds_patient_and_segment(log: Any, clinician: Any, granted: Terms) -> None:
    receipt = log.request(granted.words, SALTS[:1], TREAT, REPLY, AGENT, sender=clinician)
    elsewhere = granted.but(segment=word("another segment"))
    assert receipt.events[1].recordId == record_id(granted, SALTS[0]) != record_id(elsewhere, SALTS[0])


@pytest.mark.parametrize(
    ("spoil", "purpose", "why"),
    [
        ({"flags": READ | 8}, TREAT, "UnknownFlags"),
        ({"flags": DEPOSIT, "purposes": 0}, 0, "FlagNotGranted"),
        ({"flags": READ | DEPOSIT}, TREAT, "PurposesNotZero"),
        ({}, TREAT | RESEARCH, "PurposeNotOne"),
        ({}, 2, "PurposeNotGranted"),
        ({"notBefore": 2**40 - 2}, TREAT, "NotYetValid"),
        ({"expiresAt": 1}, TREAT, "Expired"),
        ({"epoch": 1}, TREAT, "EpochChanged"),
        ({"grantee": word("somebody")}, TREAT, "NotGrantee"),
    ],
)
def test_a_request_that_the_terms_do_not_allow_is_refused_with_the_reason(
    spoil: dict[str, Any],
    purpose: int,
    why: str,
    log: Any,
    consents: Any,
    patient: Any,
    clinician: Any,
    terms: Terms,
) -> None:
    spoilt = terms.but(**spoil)
    consents.grant(spoilt.patient, spoilt.id, sender=patient)
    before = log.headOf(clinician)
    with ape.reverts(log.NotAllowed, grantId=spoilt.id, reason=reason(why)):
        log.request(spoilt.words, SALTS, purpose, REPLY, AGENT, sender=clinician)
    assert log.headOf(clinician) == before


def test_a_request_without_a_grant_is_refused(log: Any, clinician: Any, terms: Terms) -> None:
    with ape.reverts(log.NotAllowed, grantId=terms.id, reason=reason("NotGranted")):
        log.request(terms.words, SALTS, TREAT, REPLY, AGENT, sender=clinician)


def test_a_request_after_a_revocation_is_refused(
    log: Any, consents: Any, patient: Any, clinician: Any, granted: Terms
) -> None:
    consents.revoke(granted.patient, granted.id, sender=patient)
    with ape.reverts(log.NotAllowed, grantId=granted.id, reason=reason("Revoked")):
        log.request(granted.words, SALTS, TREAT, REPLY, AGENT, sender=clinician)


def test_a_suspended_clinician_is_refused_and_a_reinstated_one_served(
    log: Any, providers: Any, authority: Any, clinician: Any, granted: Terms
) -> None:
    providers.suspend(clinician, sender=authority)
    with ape.reverts(log.NotAllowed, grantId=granted.id, reason=reason("CredentialNotLive")):
        log.request(granted.words, SALTS, TREAT, REPLY, AGENT, sender=clinician)
    providers.reinstate(clinician, sender=authority)
    log.request(granted.words, SALTS, TREAT, REPLY, AGENT, sender=clinician)


def test_a_stranger_is_refused_whatever_terms_it_holds(
    log: Any, stranger: Any, hospital: Any, granted: Terms
) -> None:
    for who, why in ((stranger, "CredentialNotLive"), (hospital, "NotGrantee")):
        with ape.reverts(log.NotAllowed, grantId=granted.id, reason=reason(why)):
            log.request(granted.words, SALTS, TREAT, REPLY, AGENT, sender=who)


def test_terms_changed_by_the_grantee_are_not_the_ones_granted(
    log: Any, clinician: Any, granted: Terms
) -> None:
    changes: list[dict[str, Any]] = [
        {"purposes": 0xFFFFFFFF},
        {"segment": word("another segment")},
        {"record": word("another record")},
        {"expiresAt": 2**40 - 2},
        {"notBefore": 1},
        {"flags": READ | MEMBERS},
        {"sentence": "Anybody may read everything."},
        {"policy": word("another policy")},
        {"salt": word("another salt")},
    ]
    for change in changes:
        changed = granted.but(**change)
        with ape.reverts(log.NotAllowed, grantId=changed.id, reason=reason("NotGranted")):
            log.request(changed.words, SALTS, TREAT, REPLY, AGENT, sender=clinician)


@pytest.mark.parametrize("field", [4, 5, 6, 7, 8])
def test_terms_with_bits_where_none_belong_are_refused(
    field: int, log: Any, consents: Any, patient: Any, clinician: Any, granted: Terms
) -> None:
    """Purposes, flags, dates and epoch are narrower than their words, and the words are what is hashed."""
    data = bytearray(log.request.encode_input(granted.words, SALTS[:1], TREAT, REPLY, AGENT))
    clinician.transfer(log.address, 0, data=bytes(data))
    before = log.headOf(clinician)
    data[4 + 32 * field] ^= 0x80
    words = [bytes(data[4 + 32 * i : 36 + 32 * i]) for i in range(10)]
    unclean = keccak(TERMS_TYPEHASH + b"".join(words))
    consents.grant(granted.patient, unclean, sender=patient)
    with ape.reverts():
        clinician.transfer(log.address, 0, data=bytes(data))
    assert log.headOf(clinician) == before


def test_the_log_asks_the_registry_named_at_deployment(log: Any, consents: Any, providers: Any) -> None:
    assert log.consents() == consents
    assert consents.providers() == providers
