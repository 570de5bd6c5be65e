"""The promises that no sequence of calls breaks: what each says of some sequences that were thought of.

1. Nobody but the patient's controller, or the guardian in office, puts or keeps a grant in force that
   `isAllowed` accepts.
2. Nothing stops a revocation.
5. Only the actor itself writes an entry in its own name.

Drawn sequences are in `test_model`, and in tests/invariants.
"""

from __future__ import annotations

from typing import Any

import ape

from tests.contracts.words import READ, TREAT, Terms, grant_message, raw, reason, word


def test_everybody_together_cannot_stop_a_revocation(
    consents: Any,
    log: Any,
    providers: Any,
    patient: Any,
    clinician: Any,
    hospital: Any,
    authority: Any,
    second_authority: Any,
    relayer: Any,
    terms: Terms,
    grants: dict[str, Any],
) -> None:
    """Grantee, authorities and a relayer who holds the patient's own signature try; the patient revokes."""
    signature = patient.sign_message(grant_message(grants, terms)).encode_rsv()
    by_sig = (terms.patient, raw(patient), terms.id, signature)
    consents.grantBySig(*by_sig, sender=relayer)
    for someone in (clinician, authority, second_authority, relayer):
        for step, arguments in (
            (consents.setController, (terms.patient, someone)),
            (consents.revokeAll, (terms.patient,)),
            (consents.grantMany, (terms.patient, [terms.id])),
        ):
            with ape.reverts(consents.NotController, patient=terms.patient, who=someone.address):
                step(*arguments, sender=someone)
    providers.suspend(clinician, sender=authority)
    consents.revoke(terms.patient, terms.id, sender=patient)
    providers.reinstate(clinician, sender=second_authority)
    with ape.reverts(consents.GrantEnded, patient=terms.patient, grantId=terms.id):
        consents.grantBySig(*by_sig, sender=relayer)
    with ape.reverts(log.NotAllowed, grantId=terms.id, reason=reason("Revoked")):
        log.request(terms.words, [word("salt")], TREAT, word("reply"), word("agent"), sender=clinician)


def test_no_authority_has_a_say_over_a_patients_grants(
    consents: Any, authority: Any, second_authority: Any, clinician: Any, terms: Terms
) -> None:
    for someone in (authority, second_authority):
        with ape.reverts(consents.NotController, patient=terms.patient, who=someone.address):
            consents.grant(terms.patient, terms.id, sender=someone)
    assert not consents.isAllowed(terms.words, clinician, TREAT, READ)


def test_no_contract_has_an_owner_a_pause_or_a_way_to_be_replaced(
    consents: Any, providers: Any, records: Any, log: Any
) -> None:
    state_changing = {
        method.name
        for contract in (consents, providers, records, log)
        for method in contract.contract_type.mutable_methods
    }
    assert state_changing == {
        *("grant", "grantMany", "grantBySig", "renew"),
        *("revoke", "revokeBySig", "revokeAll", "revokeAllBySig"),
        *("setController", "setControllerBySig", "setEncryptionKey", "setEncryptionKeyBySig"),
        *("setOptOut", "setOptOutBySig"),
        *("setGuardian", "setGuardianBySig", "endGuardianship", "endGuardianshipBySig"),
        *("setTrustees", "setTrusteesBySig", "confirmTrustees"),
        *("supportRecovery", "supportRecoveryBySig", "vetoRecovery", "vetoRecoveryBySig"),
        "executeRecovery",
        *("issue", "issueBatch", "issueEmergency", "suspend", "reinstate", "retire"),
        *("addAuthority", "retireAuthority"),
        *("anchor", "anchorBatch", "anchorFromBatch", "supersede", "markErased", "markErasedInBatch"),
        *("request", "requestWithSignature"),
        *("requestBreakGlass", "confirmBreakGlass", "reviewBreakGlass"),
    }


def test_somebody_who_calls_for_an_actor_writes_in_its_own_name_or_not_at_all(
    project: Any, consents: Any, log: Any, patient: Any, clinician: Any, terms: Terms
) -> None:
    """A contract account that the clinician herself sends through is not the clinician."""
    consents.grant(terms.patient, terms.id, sender=patient)
    between = clinician.deploy(project.KeyWallet, clinician)
    before = log.headOf(clinician)
    data = log.request.encode_input(terms.words, [word("salt")], TREAT, word("reply"), word("agent"))
    with ape.reverts(log.NotAllowed, grantId=terms.id, reason=reason("CredentialNotLive")):
        between.execute(log, data, sender=clinician)
    assert log.headOf(clinician) == before
