"""The promises that no sequence of calls breaks, each tried with sequences.

1. Nobody but the patient's controller puts or keeps a grant in force that `isAllowed` accepts.
2. Nothing stops a revocation.
5. Only the actor itself writes an entry in its own name.

Everybody tries everything, in an order that hypothesis draws; beside the contracts runs a model of a few
lines, and after each step both have to say the same of the grants last drafted, and after a request of every
head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.contracts.words import (
    READ,
    TREAT,
    Terms,
    domain,
    grant_message,
    identity,
    raw,
    reason,
    revoke_message,
    word,
)

NEW, IN_FORCE, REVOKED = range(3)
NAMES = ("patient", "guardian", "stranger", "clinician", "hospital", "authority")
who = st.sampled_from(NAMES)
CONTROLLER = "the controller of now"
likely = st.one_of(st.just(CONTROLLER), who)
which = st.integers(0, 2)
# Who signs, and who is said to have signed: mostly the same.
signers = st.one_of(likely.map(lambda name: (name, name)), st.tuples(likely, likely))


@dataclass
class Draft:
    """Terms, and what the model knows of them."""

    terms: Terms
    status: int = NEW
    epoch: int = -1  # at delivery


class Consent(RuleBasedStateMachine):
    """Everybody against the contracts. `people` and `contracts` are set by the test."""

    people: dict[str, Any]
    contracts: list[Any]
    chain: Any

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = self.chain.snapshot()
        eth = self.chain.provider.web3.eth
        self.consents, self.log, self.providers = (
            eth.contract(each.address, abi=each.contract_type.model_dump(mode="json")["abi"]).functions
            for each in self.contracts
        )
        self.me = identity(self.people["patient"])
        self.domains = [
            domain(self.contracts[0], self.chain.chain_id, name)
            for name in ("Consentry", "Consentry Control")
        ]
        self.controller, self.live, self.written = "patient", True, 0
        self.drafts: list[Draft] = []
        self.epoch = 0
        self.heads = {name: self.head(name) for name in NAMES}

    def teardown(self) -> None:
        self.chain.restore(self.snapshot)

    @initialize()
    def draft_three(self) -> None:
        for _ in range(3):
            self.drafts.insert(0, self.drafted())

    def drafted(self) -> Draft:
        self.written += 1
        terms = Terms(self.me, identity(self.people["clinician"]), salt=word(f"salt {self.written}"))
        return Draft(terms.but(epoch=self.epoch))

    def attempt(self, call: Any, *arguments: Any, by: str) -> bool:
        sent = call(*arguments).transact({"from": self.people[by].address, "gas": 10**6})
        return bool(self.chain.provider.web3.eth.get_transaction_receipt(sent)["status"])

    def head(self, name: str) -> bytes:
        return bytes(self.log.headOf(self.people[name].address).call())

    def named(self, name: str) -> str:
        return self.controller if name == CONTROLLER else name

    # --- what everybody tries, and what the model says of it -------------------------------------------

    @rule(i=which)
    def draft(self, i: int) -> None:
        if self.drafts[i].status == REVOKED or self.drafts[i].terms.epoch != self.epoch:
            self.drafts.insert(i, self.drafted())

    @rule(by=likely, i=which)
    def grant(self, by: str, i: int) -> None:
        may = (by := self.named(by)) == self.controller and self.can_start(self.drafts[i])
        terms = self.drafts[i].terms
        assert self.attempt(self.consents.grant, self.me, terms.id, by=by) == may
        if may:
            self.start(self.drafts[i])

    @rule(by=likely)
    def grant_many(self, by: str) -> None:
        three = self.drafts[:3]
        may = (by := self.named(by)) == self.controller and all(map(self.can_start, three))
        ids = [each.terms.id for each in three]
        assert self.attempt(self.consents.grantMany, self.me, ids, by=by) == may
        for each in three if may else []:
            self.start(each)

    @rule(by=who, signers=signers, i=which)
    def deliver_grant(self, by: str, signers: tuple[str, str], i: int) -> None:
        it, (signer, claimed) = self.drafts[i], map(self.named, signers)
        good = signer == claimed == self.controller
        may = self.can_start(it) and (it.status == IN_FORCE or good)
        signature = self.people[signer].sign_message(grant_message(self.domains[0], it.terms)).encode_rsv()
        arguments = (self.me, raw(self.people[claimed]), it.terms.id, signature)
        assert self.attempt(self.consents.grantBySig, *arguments, by=by) == may
        if may:
            self.start(it)

    @rule(by=likely, i=which)
    def revoke(self, by: str, i: int) -> None:
        may = (by := self.named(by)) == self.controller
        assert self.attempt(self.consents.revoke, self.me, self.drafts[i].terms.id, by=by) == may
        if may:
            self.drafts[i].status = REVOKED

    @rule(by=who, signers=signers, i=which)
    def deliver_revocation(self, by: str, signers: tuple[str, str], i: int) -> None:
        it, (signer, claimed) = self.drafts[i], map(self.named, signers)
        may = it.status == REVOKED or signer == claimed == self.controller
        message = revoke_message(self.domains[1], self.me, it.terms.id)
        signature = self.people[signer].sign_message(message).encode_rsv()
        arguments = (self.me, raw(self.people[claimed]), it.terms.id, signature)
        assert self.attempt(self.consents.revokeBySig, *arguments, by=by) == may
        if may:
            it.status = REVOKED

    @rule(by=likely)
    def revoke_all(self, by: str) -> None:
        may = (by := self.named(by)) == self.controller
        assert self.attempt(self.consents.revokeAll, self.me, by=by) == may
        before, self.epoch = self.epoch, self.consents.epochOf(self.me).call()
        assert (self.epoch != before) == may

    @rule(by=likely, to=who)
    def set_controller(self, by: str, to: str) -> None:
        may = (by := self.named(by)) == self.controller
        assert self.attempt(self.consents.setController, self.me, self.people[to].address, by=by) == may
        if may:
            self.controller = to

    @rule(by=st.sampled_from(("authority", *NAMES)))
    def suspend_or_reinstate(self, by: str) -> None:
        step = self.providers.suspend if self.live else self.providers.reinstate
        may = by == "authority"
        assert self.attempt(step, self.people["clinician"].address, by=by) == may
        self.live ^= may

    @rule(by=st.sampled_from(("clinician", *NAMES)), i=which)
    def request(self, by: str, i: int) -> None:
        it = self.drafts[i]
        may = by == "clinician" and self.is_allowed(it)
        arguments = (it.terms.words, [word("record salt")], TREAT, word("reply key"), word("agent"))
        assert self.attempt(self.log.request, *arguments, by=by) == may
        heads = {name: self.head(name) for name in NAMES}
        changed = [name for name in NAMES if heads[name] != self.heads[name]]
        assert changed == ([by] if may else [])
        self.heads = heads

    # --- the model ------------------------------------------------------------------------------------

    def can_start(self, it: Draft) -> bool:
        return it.status == NEW or (it.status == IN_FORCE and it.epoch == self.epoch)

    def start(self, it: Draft) -> None:
        if it.status == NEW:
            it.status, it.epoch = IN_FORCE, self.epoch

    def is_allowed(self, it: Draft) -> bool:
        same = it.terms.epoch == it.epoch == self.epoch
        return it.status == IN_FORCE and same and self.live

    @invariant()
    def contracts_and_model_agree(self) -> None:
        clinician = self.people["clinician"].address
        for it in self.drafts[:3]:
            assert self.consents.grantState(self.me, it.terms.id).call()[0] == it.status
            said = self.consents.isAllowed(it.terms.words, clinician, TREAT, READ).call()
            assert said == self.is_allowed(it)


def test_no_sequence_of_calls_breaks_a_promise(
    consents: Any,
    log: Any,
    providers: Any,
    chain: Any,
    patient: Any,
    guardian: Any,
    stranger: Any,
    clinician: Any,
    hospital: Any,
    authority: Any,
) -> None:
    everybody = (patient, guardian, stranger, clinician, hospital, authority)
    Consent.people = dict(zip(NAMES, everybody, strict=True))
    Consent.contracts = [consents, log, providers]
    Consent.chain = chain
    run_state_machine_as_test(
        Consent,
        settings=settings(
            max_examples=10,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a shorter example would take minutes to find
            suppress_health_check=list(HealthCheck),
        ),
    )


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
