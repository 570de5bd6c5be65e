"""The rule, replayed from events alone, says what the contracts said at every block of random histories."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from consentry.admin import ORGANISATION
from consentry.consent.rule import Reason
from consentry.consent.terms import DEPOSIT, MEMBERS, READ, Terms
from consentry.errors import ContractRefused
from consentry.evidence.replay import History, Replay, end_of
from consentry.keys.binding import identity
from tests.support.world import DAY, World, make_world

STEPS = 140
PATIENTS = ("patient", "other patient")
PROVIDERS = ("hospital", "clinic", "clinician", "nurse")


@dataclass
class Chaos:
    """Random things that patients, providers and the authority do; ``asked`` is what the contract then
    answered: (block, terms, actor, purpose, flag, reason)."""

    world: World
    random: random.Random
    terms: list[Terms] = field(default_factory=list)
    member_of: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[int, Terms, str, int, int, Reason]] = field(default_factory=list)

    def address(self, *names: str) -> str:
        return self.world.person(self.random.choice(names)).address

    def send(self, who: str, contract: str, function: str, *args: Any) -> None:
        self.world.chain.send(self.world.person(who).signer, contract, function, *args)

    def step(self) -> None:
        """One random thing; what the contract refuses does not happen."""
        things = {
            self.grant: 12,
            self.revoke: 3,
            self.revoke_all: 1,
            self.opt_out: 2,
            self.issue: 4,
            self.change: 5,
            self.wait: 3,
            self.request: 9,
        }
        (thing,) = self.random.choices(list(things), list(things.values()))
        try:
            thing()
        except ContractRefused:
            return
        for _ in range(3):
            self.ask()

    def new_terms(self) -> Terms:
        """Mostly sensible terms."""
        patient, now = self.random.choice(PATIENTS), self.world.chain.head().time
        who = self.world.person(patient).identity
        epoch = self.world.chain.epoch_of(who)
        flags = self.random.choices([READ, READ | MEMBERS, DEPOSIT, READ | 8], [8, 12, 2, 1])[0]
        begins = now + self.random.choices([-DAY, 5 * DAY], [9, 1])[0]
        return Terms(
            patient=who,
            grantee=identity(self.address(*PROVIDERS)),
            segment=keccak(text="segment"),
            record=bytes(32),
            purposes=0 if flags & DEPOSIT else self.random.choice([1, 1, 5]),
            flags=flags,
            not_before=begins,
            expires_at=begins + self.random.choice([8, 40]) * DAY,
            epoch=epoch if self.random.random() < 0.95 else epoch ^ 1,
            reading_hash=self.random.randbytes(32),
        )

    def grant(self) -> None:
        terms = self.random.choice(self.terms) if self.random.random() < 0.1 else self.new_terms()
        self.terms.append(terms)
        if self.random.random() < 0.9 or len(self.terms) == 1:
            self.send(self.owner(terms), "ConsentRegistry", "grant", terms.patient, terms.grant_id)

    def owner(self, terms: Terms) -> str:
        return next(name for name in PATIENTS if self.world.person(name).identity == terms.patient)

    def revoke(self) -> None:
        terms = self.random.choice(self.terms)
        self.send(self.owner(terms), "ConsentRegistry", "revoke", terms.patient, terms.grant_id)

    def revoke_all(self) -> None:
        patient = self.random.choice(PATIENTS)
        self.send(patient, "ConsentRegistry", "revokeAll", self.world.person(patient).identity)

    def end(self) -> None:
        """What chance brings about too rarely: an organisation that ceases to be one and becomes one again,
        and a member's credential that runs out."""
        organisation, member = self.world.person("late clinic"), self.world.person("late nurse")
        now = self.world.chain.head().time
        clinic = (organisation.address, now - DAY, now + 90 * DAY)
        nobody, card = "0x" + "00" * 20, keccak(text="card")
        terms = replace(self.new_terms(), grantee=organisation.identity, purposes=1, flags=READ | MEMBERS)
        terms = replace(terms, not_before=now - DAY, expires_at=now + 90 * DAY)
        terms = replace(terms, epoch=self.world.chain.epoch_of(terms.patient))
        self.send(self.owner(terms), "ConsentRegistry", "grant", terms.patient, terms.grant_id)
        credentials = [
            (*clinic, 1 | ORGANISATION, nobody, card),
            (member.address, now - DAY, now + 2 * DAY, 1, organisation.address, card),
            (*clinic, 1, nobody, card),
            (*clinic, 1 | ORGANISATION, nobody, card),
        ]
        for credential in credentials:
            self.world.chain.send(self.world.authority.signer, "ProviderRegistry", "issue", credential)
            self.note(terms, member.address, 1, READ)
        self.later(3 * DAY)
        self.note(terms, member.address, 1, READ)
        self.note(terms, organisation.address, 1, READ)

    def opt_out(self) -> None:
        name = self.random.choice(PATIENTS)
        purposes = self.random.choice([0, 2, 4, 6])
        self.send(name, "ConsentRegistry", "setOptOut", self.world.person(name).identity, purposes)

    def guardianships(self) -> None:
        """A ward's two guardians, one after the other, and the years after."""
        ward, grown_up = self.world.person("ward"), self.world.person("grown-up ward")
        first, second = (self.world.person(name) for name in ("parent", "aunt"))
        clinician, until = self.world.person("clinician"), self.world.chain.head().time + 20 * DAY
        appoint = ("ConsentRegistry", "setGuardian", ward.identity)
        self.send("ward", *appoint, first.address, until, grown_up.address)
        for who in (first, second):
            terms = replace(self.new_terms(), patient=ward.identity, grantee=clinician.identity, flags=READ)
            now = self.world.chain.head().time
            terms = replace(terms, purposes=1, not_before=now - DAY, expires_at=now + 90 * DAY)
            terms = replace(terms, epoch=self.world.chain.epoch_of(ward.identity))
            signer = who.signer
            self.world.chain.send(signer, "ConsentRegistry", "grant", ward.identity, terms.grant_id)
            self.note(terms, clinician.address, 1, READ)
            if who is first:
                self.world.chain.send(signer, *appoint, second.address, until, grown_up.address)
                self.note(terms, clinician.address, 1, READ)
        self.later(21 * DAY)
        self.note(terms, clinician.address, 1, READ)

    def issue(self, name: str = "") -> None:
        """A credential, or a renewal with other content: an organisation may cease to be one."""
        provider, now = name or self.random.choice(PROVIDERS), self.world.chain.head().time
        organises = provider in ("hospital", "clinic")
        roles = 1 | (ORGANISATION if organises and (name or self.random.random() < 0.8) else 0)
        organisation = "0x" + "00" * 20 if organises else self.address("hospital", "clinic")
        begins = now + self.random.choices([-DAY, 4 * DAY], [9, 1])[0]
        until = begins + self.random.choice([15, 200]) * DAY
        credential = (self.address(provider), begins, until, roles, organisation, keccak(text="card"))
        self.world.chain.send(self.world.authority.signer, "ProviderRegistry", "issue", credential)
        self.member_of[provider] = identity(organisation)

    def change(self) -> None:
        (what,) = self.random.choices(["suspend", "reinstate", "retire"], [6, 12, 1])
        provider = self.address(*PROVIDERS)
        self.world.chain.send(self.world.authority.signer, "ProviderRegistry", what, provider)

    def wait(self) -> None:
        self.later(self.random.choice([1, 3]) * DAY + DAY // 2)

    def later(self, seconds: int) -> None:
        tester = self.world.web3.provider.ethereum_tester  # type: ignore[attr-defined]
        tester.time_travel(self.world.chain.head().time + seconds)
        tester.mine_block()

    def request(self) -> None:
        terms = self.random.choice(self.terms[-6:])
        actor = self.random.choice([name for name in PROVIDERS if self.reaches(name, terms)] or PROVIDERS)
        salts = [self.random.randbytes(32)]
        args = (terms.as_tuple(), salts, 1, keccak(text="reply"), bytes(32))
        self.send(actor, "AccessLog", "request", *args)

    def reaches(self, name: str, terms: Terms) -> bool:
        """Whether the grantee is ``name`` or an organisation that it was last made a member of."""
        return terms.grantee in (self.world.person(name).identity, self.member_of.get(name))

    def ask(self) -> None:
        """Asks about a likely use, or an unlikely one."""
        terms = self.random.choice(self.terms[-8:])
        likely = [name for name in PROVIDERS if self.reaches(name, terms)] or list(PROVIDERS)
        actor = self.address(*likely * 8, *PROVIDERS, "stranger")
        uses = [(1, READ), (4, READ), (2, READ), (3, READ), (0, DEPOSIT)]
        ((purpose, flag),) = self.random.choices(uses, [20, 2, 1, 1, 1])
        self.note(terms, actor, purpose, flag)

    def note(self, terms: Terms, actor: str, purpose: int, flag: int) -> None:
        """Notes what the contract answers now."""
        reason = self.world.chain.why(terms, actor, purpose, flag)
        self.asked.append((self.world.chain.head().number, terms, actor, purpose, flag, reason))


@pytest.fixture(scope="module", params=[1, 2])
def chaos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chaos:
    home: Path = tmp_path_factory.mktemp("chaos")
    made = Chaos(make_world(home), random.Random(request.param))
    for name in (*PROVIDERS, *PATIENTS):
        made.world.person(name)
    for name in PROVIDERS:
        made.issue(name)
    made.grant()
    for _ in range(STEPS):
        made.step()
    made.guardianships()
    made.end()
    return made


@pytest.fixture(scope="module")
def replay(chaos: Chaos) -> Replay:
    return Replay(chaos.world.chain)


def test_the_replayed_rule_agrees_with_the_contract_at_every_block(chaos: Chaos, replay: Replay) -> None:
    for block, terms, actor, purpose, flag, reason in chaos.asked:
        assert replay.reason(terms, actor, purpose, flag, end_of(block)) == reason


def test_the_histories_met_nearly_every_reason(chaos: Chaos) -> None:
    """Otherwise the agreement would say little."""
    met = {reason for *_, reason in chaos.asked}
    assert Reason.NONE in met
    assert len(met) >= 10
    assert Reason.GUARDIANSHIP_ENDED in met


def test_the_histories_end_as_they_were_made_to(chaos: Chaos) -> None:
    last = [reason for *_, reason in chaos.asked[-6:]]
    before, lost, ran_out = Reason.CREDENTIAL_NOT_LIVE, Reason.NOT_GRANTEE, Reason.CREDENTIAL_NOT_LIVE
    assert last == [before, Reason.NONE, lost, Reason.NONE, ran_out, Reason.NONE]


def test_every_entry_that_the_contract_took_is_lawful_where_it_stands(replay: Replay) -> None:
    assert len(replay.entries) >= 2
    assert [replay.why_not(entry) for entry in replay.entries] == [""] * len(replay.entries)


def test_a_replay_up_to_a_block_knows_nothing_of_later_ones(chaos: Chaos) -> None:
    block, terms, actor, purpose, flag, reason = chaos.asked[len(chaos.asked) // 2]
    replay = Replay(chaos.world.chain, block)
    assert replay.reason(terms, actor, purpose, flag, end_of(block)) == reason
    assert all(entry.block <= block for entry in replay.entries)


def test_the_eve_of_a_time_is_the_last_block_before_it(replay: Replay) -> None:
    for block in range(2, replay.head, 20):
        assert replay.eve(replay.time(block), 1) == block - 1
        assert replay.eve(replay.time(block) + 1, 1) == block
        assert replay.eve(replay.time(block), block) == block


def test_a_history_gives_what_held_at_a_place() -> None:
    history = History()
    history.add((4, 2), 1)
    history.add((4, 5), 2)
    assert history.at((4, 1)) is None
    assert [history.at(place) for place in ((4, 2), (4, 4), (4, 5), end_of(9))] == [(1,), (1,), (2,), (2,)]
