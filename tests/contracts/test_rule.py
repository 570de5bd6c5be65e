"""The rule, case by case: the table that the package's own rule is held against too."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.words import MEMBERS, ORGANISATION, REASONS, Terms, credential, identity, name_of, word

TABLE = json.loads((Path(__file__).parent.parent / "vectors" / "terms.json").read_text("utf-8"))
CASES = {case["name"]: case for case in TABLE["cases"]}
AHEAD = 10_000  # seconds, between the first transaction and the moment of the question


class Stage:
    """A chain on which every case is prepared, and stands at the moment of the question."""

    def __init__(self, project: Any, accounts: Any, chain: Any, consents: Any, providers: Any) -> None:
        self.project, self.chain, self.consents = project, chain, consents
        self.authority, self.patient, self.former = accounts[0], accounts[9], accounts[10]
        self.guardian, self.wards = accounts[6], {"ended": accounts[4], "inOffice": accounts[5]}
        self.opted_out = {2: accounts[1], 8: accounts[2], 0xFFFFFF9E: accounts[3]}
        self.now = chain.blocks.head.timestamp + AHEAD
        self.asked: dict[str, tuple[Any, ...]] = {}
        self._cast(accounts, providers)
        self._play()
        chain.pending_timestamp = self.now
        chain.mine()
        assert chain.blocks.head.timestamp == self.now

    def _cast(self, accounts: Any, providers: Any) -> None:
        """Practitioners, organisations and members, of whom those called False are suspended."""
        people = iter(accounts[11:20])
        self.own = {live: next(people) for live in (True, False)}
        self.organisation = {live: next(people) for live in (True, False)}
        self.member = {(live, of): next(people) for live in (True, False) for of in (True, False)}
        # A member, but of another organisation.
        self.other = {True: next(people), False: accounts[8]}
        another = accounts[7]
        organisations = [*self.organisation.values(), another]
        issued = [credential(each, roles=ORGANISATION) for each in organisations]
        issued += [credential(each) for each in self.own.values()]
        issued += [credential(who, self.organisation[of]) for (_live, of), who in self.member.items()]
        issued += [credential(each, another) for each in self.other.values()]
        providers.issueBatch(issued, sender=self.authority)
        dead = [self.own[False], self.organisation[False], self.other[False]]
        dead += [who for (live, _of), who in self.member.items() if not live]
        for each in dead:
            providers.suspend(each, sender=self.authority)

    def _play(self) -> None:
        for patient in (self.patient, self.former, *self.opted_out.values()):
            self.consents.revokeAll(identity(patient), sender=patient)
        for purposes, patient in self.opted_out.items():
            self.consents.setOptOut(identity(patient), purposes, sender=patient)
        self._appoint()
        for name, case in CASES.items():
            self.asked[name] = self._deliver(case)
        self.consents.revokeAll(identity(self.former), sender=self.former)

    def _appoint(self) -> None:
        """A guardianship that is over at the moment of the question, and one that is not."""
        for how, ward in self.wards.items():
            until = self.now + (AHEAD if how == "inOffice" else -AHEAD // 2)
            self.consents.setOptOut(identity(ward), 8, sender=ward)
            self.consents.setGuardian(
                identity(ward), self.guardian, until, name_of(word("successor")), sender=ward
            )

    def _deliver(self, case: dict[str, Any]) -> tuple[Any, ...]:
        """Bring a case's grant to where the case has it; the arguments of the question."""
        actor, grantee = self._actor(case)
        said = case["terms"]
        old, other = case["deliveredEpoch"] == "old", said["epoch"] == "other"
        patient = self.opted_out.get(case.get("optedOut"), self.former if old else self.patient)
        patient = self.wards.get(case.get("guardianship"), patient)
        by = self.guardian if "guardianship" in case else patient
        terms = Terms(
            identity(patient),
            identity(grantee),
            said["purposes"],
            said["flags"],
            self.now + said["notBefore"],
            self.now + said["expiresAt"],
            self.consents.epochOf(identity(patient)) ^ (other and not old),
            salt=word(case["name"]),
        )
        if old and not other:
            terms = self._ahead(terms)
        elif case["status"] != "none":
            self.consents.grant(terms.patient, terms.id, sender=by)
        if case["status"] == "revoked":
            self.consents.revoke(terms.patient, terms.id, sender=by)
        return terms.words, actor, case["purpose"], case["flag"]

    def _ahead(self, terms: Terms) -> Terms:
        """Terms of the patient's epoch of now, delivered in the epoch before."""
        seer = self.authority.deploy(self.project.EpochSeer)
        terms = terms.but(patient=identity(seer))
        seer.grantAhead(self.consents, terms.words, sender=self.authority)
        terms = terms.but(epoch=self.consents.epochOf(terms.patient))
        assert self.consents.grantState(terms.patient, terms.id).status == 1
        return terms

    def _actor(self, case: dict[str, Any]) -> tuple[Any, Any]:
        """Who acts, and whom the grant names."""
        live, of = case["actor"]["live"], case["actor"]["organisationLive"]
        relation = case["actor"]["relation"]
        if relation == "grantee":
            return self.own[live], self.own[live]
        if relation == "member":
            return self.member[live, of], self.organisation[of]
        grantee = self.organisation[of] if case["terms"]["flags"] & MEMBERS else self.own[True]
        return self.other[live], grantee


@pytest.fixture(scope="module")
def stage(project: Any, accounts: Any, chain: Any, consents: Any, providers: Any) -> Stage:
    return Stage(project, accounts, chain, consents, providers)


@pytest.mark.parametrize("name", CASES)
def test_the_contract_gives_the_tables_reason(name: str, stage: Stage, consents: Any) -> None:
    expected = CASES[name]["why"]
    assert REASONS[consents.why(*stage.asked[name])] == expected
    assert consents.isAllowed(*stage.asked[name]) == (expected == "None")


def test_the_table_has_every_reason_and_every_order_of_two() -> None:
    assert {case["why"] for case in CASES.values()} == set(REASONS)
    assert sum(" comes before " in name for name in CASES) == 14 * 13 / 2 - 2
