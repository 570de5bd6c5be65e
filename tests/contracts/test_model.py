"""The contracts and a model of them in plain Python, driven side by side through drawn sequences.

Everybody tries everything: several patients, their guardians and trustees, providers and authorities, and
whoever delivers what others signed. Each call has the same outcome on both sides, by the name of the error.
After each of them both say the same of all that is known: of every draft of terms, for every actor, purpose
and flag, of every patient's epoch and controller, of the head of every actor's chain.

`MODEL_SEQUENCES` is the number of sequences: by default few, in the assurance run many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import astuple
from itertools import product
from random import Random
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from consentry.consent.rule import Reason
from consentry.consent.terms import DEPOSIT, READ
from tests.contracts.model.parts import NOBODY, Grant
from tests.contracts.model.practice import ACTORS, DRAFTS, PURPOSES, Practice
from tests.contracts.model.side import Question, side
from tests.contracts.model.stage import BY_ADDRESS, PEOPLE, Stage
from tests.contracts.model.world import id_of
from tests.contracts.words import EMERGENCY, REVIEWER

SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "30"))
STEPS = 60
ROUNDS = 4  # what is drawn changes with any constant in the sources; few sequences may miss a rare act
FLAGS, ALLOWED = (READ, DEPOSIT), 0x80
seeds = st.integers(0, 2**64 - 1)
P = Practice
MOVES: dict[Callable[[Any, Random], None], int] = {
    **{
        P.draft: 6,
        P.grant: 3,
        P.grant_ahead: 1,
        P.grant_many_or_renew: 3,
        P.revoke: 3,
        P.revoke_all: 1,
        P.opt_out: 3,
    },
    **{P.set_controller: 2, P.set_guardian: 5, P.end_guardianship: 6, P.set_or_confirm_trustees: 5},
    **{P.support: 5, P.veto: 2, P.recover: 4, P.deliver_what_was_signed: 6},
    **{P.change_a_credential: 3, P.issue: 5, P.request: 6, P.ask_to_break_glass: 2, P.confirm_or_review: 5},
    **{P.time_moves_on: 6},
}


class Sequences(Practice, RuleBasedStateMachine):
    """Everybody against both sides. The stage is set by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = (self.stage.side.snapshot(), deepcopy(self.stage.world))
        self.drafts, self.letters = [], []
        self.seeds: list[int] = []
        self.stage.counts["sequence"] += 1

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.seeds.append(seed)

    @rule(seed=seeds)
    def something_happens(self, seed: int) -> None:
        """Hypothesis draws seeds alone: choice by choice it would mostly draw the first of each, and what it
        had before."""
        self.seeds.append(seed)
        r = Random(f"{self.seeds}")
        (move,) = r.choices([*MOVES], [*MOVES.values()])
        move(self, r)

    def teardown(self) -> None:
        snapshot, self.stage.world = self.kept
        self.stage.side.restore(snapshot)

    # --- both sides say the same ------------------------------------------------------------------------

    @invariant()
    def both_sides_say_the_same_of_every_use(self) -> None:
        drafts, stage = self.drafts[-DRAFTS:], self.stage
        terms = [each.as_tuple() for each in drafts]
        asked = (stage.consents.address, terms, ACTORS, PURPOSES, FLAGS)
        uses = product(drafts, ACTORS, PURPOSES, FLAGS)
        for (each, actor, purpose, flag), said in zip(
            uses, stage.side.read(stage.asker, "uses", *asked), strict=True
        ):
            why = self.world.why(each, actor, purpose, flag)
            stage.counts[why.name] += 1
            expected = why if why else ALLOWED
            assert said == expected, f"{each}, {BY_ADDRESS[actor]}, {purpose}, {flag}: {said}, model {why!r}"

    @invariant()
    def both_sides_say_the_same_of_everybody(self) -> None:
        asked = [*self.of_grants(), *self.of_patients(), *self.of_actors()]
        whom, questions = zip(*(question for _, question, _ in asked), strict=True)
        answers = self.stage.side.read(self.stage.asker, "ask", whom, questions)
        for (what, _, expected), answer in zip(asked, answers, strict=True):
            said = int.from_bytes(answer, "big")
            assert said == expected, f"{what}: the contract says {said}, the model {expected}"

    def of_grants(self) -> Iterator[tuple[object, Question, int]]:
        for each in self.drafts[-DRAFTS:]:
            patient, grant_id = self.world.patients[each.patient], id_of(each)
            state = astuple(patient.grants.get(grant_id, Grant()))
            yield ("grant", each), self.stage.consents.ask("grantState", patient.me, grant_id), hashed(*state)
            for epoch in {each.epoch, patient.epoch}:
                held = patient.in_force(grant_id, self.now) and epoch == patient.epoch
                asked = self.stage.consents.ask("inForce", each.patient, grant_id, epoch)
                yield ("in force", each, epoch), asked, held

    def of_patients(self) -> Iterator[tuple[object, Question, int]]:
        consents = self.stage.consents
        for me, it in self.world.patients.items():
            who = BY_ADDRESS[me[12:]]
            yield ("epoch", who), consents.ask("epochOf", me), it.epoch
            yield ("controller", who), consents.ask("controllerOf", me), number(it.controller_at(self.now))
            yield ("sequence", who), consents.ask("sequenceOf", me), it.sequence
            flags = it.opted_out | it.guarded
            yield ("account", who), consents.ask("account", me), hashed(it.controller, it.epoch, flags)
            guardian = hashed(it.guardian, it.until, it.guardianship, it.successor)
            yield ("guardian", who), consents.ask("guardianshipOf", me), guardian

    def of_actors(self) -> Iterator[tuple[object, Question, int]]:
        log, world = self.stage.log, self.world
        for who, name in BY_ADDRESS.items():
            yield ("head", name), log.ask("headOf", who), number(world.log.head(who))
            yield ("overdue", name), log.ask("overdueReview", who), number(world.log.overdue(who, self.now))
            live = self.stage.providers.ask("isLive", who)
            yield ("live", name), live, world.providers.is_live(who, self.now)
            for role in (EMERGENCY, REVIEWER):
                of = world.providers.organisation_of(who)
                holds = hashed(world.providers.holds(who, role, self.now), of)
                yield ("holds", name, role), self.stage.providers.ask("holds", who, role), holds
            held = world.providers.credentials.get(who)
            parts = (held.issued.start, held.issued.end, held.issued.roles, held.status) if held else (0,) * 4
            organisation = held.issued.organisation if held else NOBODY
            asked = self.stage.providers.ask("credentialOf", who)
            yield ("credential", name), asked, hashed(*parts, organisation)
        for access_id in world.log.glasses:
            is_open = world.log.is_open(access_id, self.now, world.providers)
            yield ("open", access_id.hex()), log.ask("isOpen", access_id), is_open


def hashed(*words: int | bytes) -> int:
    """The hash of an answer of several words."""
    parts = [each if isinstance(each, bytes) else each.to_bytes(32, "big") for each in words]
    return number(keccak(b"".join(each.rjust(32, b"\0") for each in parts)))


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")


SIGNABLE = (
    *("grant", "revoke", "revokeAll", "setOptOut", "setController", "setGuardian", "endGuardianship"),
    *("setTrustees", "supportRecovery", "vetoRecovery"),
)
EVERY_ACT = {
    *(*SIGNABLE, *(f"{function}BySig" for function in SIGNABLE)),
    *("grantMany", "renew", "confirmTrustees", "executeRecovery", "in one block"),
    *("issue", "issueBatch", "issueEmergency", "suspend", "reinstate", "retire"),
    *("request", "requestWithSignature", "requestBreakGlass", "confirmBreakGlass", "reviewBreakGlass"),
}


@pytest.fixture(scope="module")
def model_stage(project: Any) -> Iterator[Stage]:
    with side(project, PEOPLE.values()) as here:
        stage = Stage(here)
        stage.onboard()
        stage.counts.clear()
        yield stage


def test_no_sequence_of_calls_tells_the_contracts_from_the_model(
    model_stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    Sequences.stage = model_stage
    seen = model_stage.counts
    for number in range(ROUNDS):
        run_state_machine_as_test(
            seed(number)(Sequences),
            settings=settings(
                max_examples=SEQUENCES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # a shorter example would take minutes to find
                suppress_health_check=list(HealthCheck),
            ),
        )
        missed = {each for each in {*EVERY_ACT, *(each.name for each in Reason)} if not seen[each]}
        if not missed:
            break
    record_property("sequences", seen["sequence"])
    record_property("calls", seen["call"])
    record_property("uses", sum(seen[each.name] for each in Reason))
    assert not missed, "nothing was tried of these"
