"""What other systems of this kind let happen, tried here: docs/assurance.md says whose fault each was.

Most of them are tried in the tests of the contract that they concern. Here is what none of those asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ape
import pytest

from tests.contracts.words import (
    DAY,
    DEPOSIT,
    MEMBERS,
    NO_WORD,
    NOBODY,
    READ,
    TREAT,
    YEAR,
    Terms,
    credential,
    identity,
    now,
    reason,
    word,
)

IN_FORCE = 1
REST = ([word("salt")], TREAT, word("reply"), word("agent"))
SAYS_WHO_SIGNED = {"signer", "signature", "publicKey"}
CREATE, CALLCODE, DELEGATECALL, CREATE2, SELFDESTRUCT = 0xF0, 0xF2, 0xF4, 0xF5, 0xFF
PUSH1, PUSH32 = 0x60, 0x7F


@pytest.fixture
def all_four(consents: Any, providers: Any, records: Any, log: Any) -> tuple[Any, ...]:
    return consents, providers, records, log


# --- who may read -------------------------------------------------------------------------------------


def test_nobody_reads_for_being_trusted(
    consents: Any,
    log: Any,
    providers: Any,
    authority: Any,
    second_authority: Any,
    patient: Any,
    guardian: Any,
    accounts: Any,
    chain: Any,
    terms: Terms,
) -> None:
    """Guardian, heir, trustees, authorities and the patient herself pass no gate by their office, not even as
    providers with a credential; the patient opens what is hers without an entry."""
    heir, trustee, other = accounts[10:13]
    trustees = sorted((trustee, other), key=lambda each: str(each.address).lower())
    consents.setTrustees(terms.patient, trustees, 2, DAY, sender=patient)
    consents.setGuardian(terms.patient, guardian, now(chain) + YEAR, heir, sender=patient)
    given = terms.but(epoch=consents.epochOf(terms.patient))
    consents.grant(given.patient, given.id, sender=guardian)
    everybody = (patient, guardian, heir, trustee, other, authority, second_authority)
    providers.issueBatch([credential(each) for each in everybody], sender=authority)
    for each in everybody:
        with ape.reverts(log.NotAllowed, grantId=given.id, reason=reason("NotGrantee")):
            log.request(given.words, *REST, sender=each)


def test_whoever_deposits_reads_nothing_by_that(
    consents: Any, log: Any, records: Any, patient: Any, hospital: Any, nurse: Any, terms: Terms
) -> None:
    to_deposit = terms.but(grantee=identity(hospital), flags=DEPOSIT | MEMBERS, purposes=0)
    consents.grant(to_deposit.patient, to_deposit.id, sender=patient)
    assert consents.isAllowed(to_deposit.words, nurse, 0, DEPOSIT)
    records.anchor(word("record"), word("anchor"), sender=nurse)
    to_read = to_deposit.but(flags=READ | MEMBERS, purposes=TREAT)
    for each in (hospital, nurse):
        for terms_, why in ((to_deposit, "FlagNotGranted"), (to_read, "NotGranted")):
            with ape.reverts(log.NotAllowed, grantId=terms_.id, reason=reason(why)):
                log.request(terms_.words, *REST, sender=each)


@pytest.mark.parametrize("ended", [0, 1], ids=["the older", "the newer"])
def test_of_two_grants_to_one_grantee_for_one_purpose_each_ends_by_itself(
    ended: int, consents: Any, log: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    """They differ in nothing but the salt."""
    two = terms, terms.but(salt=word("signed again"))
    for each in two:
        consents.grant(each.patient, each.id, sender=patient)
    consents.revoke(terms.patient, two[ended].id, sender=patient)
    log.request(two[1 - ended].words, *REST, sender=clinician)
    with ape.reverts(log.NotAllowed, grantId=two[ended].id, reason=reason("Revoked")):
        log.request(two[ended].words, *REST, sender=clinician)


# --- who may end or keep ------------------------------------------------------------------------------


def test_no_authority_ends_a_patients_grant(
    consents: Any,
    providers: Any,
    authority: Any,
    second_authority: Any,
    patient: Any,
    clinician: Any,
    terms: Terms,
) -> None:
    consents.grant(terms.patient, terms.id, sender=patient)
    for each in (authority, second_authority):
        for step, arguments in (
            (consents.revoke, (terms.patient, terms.id)),
            (consents.renew, (terms.patient, terms.id, word("another"))),
            (consents.revokeAll, (terms.patient,)),
        ):
            with ape.reverts(consents.NotController, patient=terms.patient, who=each.address):
                step(*arguments, sender=each)
    providers.suspend(clinician, sender=authority)
    providers.retire(clinician, sender=authority)
    assert consents.inForce(terms.patient, terms.id, terms.epoch)
    assert consents.grantState(terms.patient, terms.id).status == IN_FORCE


def operations(code: bytes) -> Iterator[int]:
    """The operations of a contract's code, without what they push and without the metadata behind it."""
    at, end = 0, len(code) - 2 - int.from_bytes(code[-2:])
    while at < end:
        yield code[at]
        at += 1 + (code[at] - PUSH1 + 1 if PUSH1 <= code[at] <= PUSH32 else 0)


def test_no_contract_ends_becomes_another_or_makes_one(all_four: tuple[Any, ...], project: Any) -> None:
    """So the history stays, nothing is replaced behind a name, and a patient has no contract of her own by
    which her doings could be told from everybody's."""
    unwanted = {CREATE, CALLCODE, DELEGATECALL, CREATE2, SELFDESTRUCT}
    for contract in all_four:
        found = set(operations(bytes(contract.provider.get_code(contract.address))))
        assert len(found) > 50
        assert not found & unwanted, contract.contract_type.name


# --- what everybody sees ------------------------------------------------------------------------------


def members(abi: Any) -> Iterator[Any]:
    """What a function or event takes or gives, in a struct too."""
    for part in (*abi.inputs, *getattr(abi, "outputs", ())):
        yield part
        yield from part.components or ()


def test_no_contract_takes_or_tells_a_text(all_four: tuple[Any, ...]) -> None:
    """No purpose, name or note in clear: the only bytes of any length are keys and signatures."""
    for contract in all_four:
        kind = contract.contract_type
        for abi in (*kind.methods, *kind.events):
            long = [
                part
                for part in members(abi)
                if part.type.startswith(("string", "bytes[")) or part.type == "bytes"
            ]
            assert not [part.type for part in long if part.name not in SAYS_WHO_SIGNED], abi.selector


def test_nobody_is_given_a_list_of_patients_nor_of_what_one_consented_to(
    all_four: tuple[Any, ...], consents: Any
) -> None:
    """Lists are of authorities, and of one patient's trustees; a grant tells whose it is and its number."""
    lists = {
        method.name
        for contract in all_four
        for method in contract.contract_type.view_methods
        if any(part.type.endswith("[]") for part in method.outputs)
    }
    assert lists == {"authorities", "trusteesOf", "proposedTrusteesOf"}
    told = {event.name: [part.name for part in event.inputs] for event in consents.contract_type.events}
    assert told["ConsentGranted"] == told["ConsentRevoked"] == ["patient", "grantId"]


def test_no_answer_depends_on_who_asks(
    all_four: tuple[Any, ...],
    consents: Any,
    log: Any,
    patient: Any,
    clinician: Any,
    hospital: Any,
    authority: Any,
    stranger: Any,
    terms: Terms,
) -> None:
    """What stands on a public chain is public: no view pretends to keep it from anybody."""
    consents.grant(terms.patient, terms.id, sender=patient)
    log.request(terms.words, *REST, sender=clinician)
    place = {"page": 1, "before": NO_WORD, "count": 1, "index": 0, "proof": [], "later": []}
    questions: dict[str, Any] = {
        "patient": terms.patient,
        "grantId": terms.id,
        "terms": terms.words,
        "epoch": terms.epoch,
        "purpose": TREAT,
        "flag": READ,
        "role": 1,
        "grantee": terms.grantee,
        "members": False,
        "page": 1,
        "place": place,
    }
    questions |= dict.fromkeys(("actor", "provider", "requester", "contributor"), clinician)
    questions |= dict.fromkeys(("who", "authority"), authority)
    questions |= dict.fromkeys(("recordId", "anchorHash", "accessId", "recovery"), word("record"))
    questions["plan"] = (stranger, NOBODY, 0, NOBODY)
    asked = 0
    for contract in all_four:
        for method in contract.contract_type.view_methods:
            view = getattr(contract, method.name)
            arguments = [questions[part.name] for part in method.inputs]
            answers = [view(*arguments, sender=each) for each in (patient, clinician, authority, stranger)]
            assert all(answer == answers[0] for answer in answers), method.selector
            asked += 1
    assert asked > 30
