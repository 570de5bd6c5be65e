"""What patients, guardians, trustees and strangers do about an identity, at random: mostly what comes off."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

from eth_utils.crypto import keccak

from consentry.consent.terms import DEPOSIT, MEMBERS, READ
from consentry.consent.terms import Terms as Said
from tests.contracts.model import calls
from tests.contracts.model.calls import Call, Letter, deliver
from tests.contracts.model.identity import Identity
from tests.contracts.model.parts import NO_TRUSTEES, NOBODY, Plan, Trustees
from tests.contracts.model.stage import (
    BY_ADDRESS,
    FAMILY,
    PATIENTS,
    PROVIDERS,
    Stage,
    address,
    identity_of,
    tell,
)
from tests.contracts.model.world import World
from tests.contracts.words import DAY, HOUR, word

TREAT, PAYMENT, RESEARCH, ASKED = 1, 2, 8, 32
SEGMENT, SALTS = word("segment"), [word("one record"), word("another record")]


def record_of(patient: bytes, salt: bytes) -> bytes:
    return keccak(patient + SEGMENT + salt)


def begun_in(patient: Identity) -> list[Plan]:
    """The recoveries that wait to be carried out."""
    return [
        plan for (plan, number), it in patient.recoveries.items() if number == patient.round and it.ready_at
    ]


def supporters(patient: Identity, plan: Plan) -> set[bytes]:
    held = patient.recoveries.get((plan, patient.round))
    return held.support if held else set()


class Moves:
    """Who does what about an identity. Of the drafts of terms the newest count, of the letters that people
    signed any may still be delivered."""

    stage: Stage
    drafts: list[Said]
    letters: list[Letter]

    # --- who and what: mostly what may come off ---------------------------------------------------------

    @property
    def world(self) -> World:
        return self.stage.world

    @property
    def now(self) -> int:
        return self.world.now

    def patient(self, r: Random) -> Identity:
        return self.world.patients[identity_of(*r.choices(PATIENTS, (4, 2, 1)))]

    def patients(self, r: Random, which: Callable[[Identity], object]) -> Identity:
        """One of those whom it concerns, mostly."""
        found = [each for each in self.world.patients.values() if which(each)]
        return r.choice(found) if found and r.random() < 0.95 else self.patient(r)

    def somebody(self, r: Random, likely: list[bytes]) -> bytes:
        able = [who for who in likely if who in BY_ADDRESS]
        return r.choice(able) if able and r.random() < 0.9 else address(r.choice(FAMILY))

    def acting(self, r: Random, patient: Identity) -> bytes:
        return self.somebody(r, patient.those_who_act(self.now))

    def an_id(self, r: Random, patient: Identity) -> bytes:
        own = [each.grant_id for each in self.drafts if each.patient == patient.me]
        return r.choice(own[-3:]) if own and r.random() < 0.95 else word(f"never drafted {r.randrange(9)}")

    def a_plan(self, r: Random, patient: Identity) -> Plan:
        begun = [plan for plan, number in patient.recoveries if number == patient.round]
        if begun and r.random() < 0.85:
            return r.choice(begun)
        if r.random() < 0.6:
            return Plan(address(r.choice(FAMILY)) if r.random() < 0.95 else NOBODY)
        controller, guardian, successor = (address(r.choice(FAMILY)) for _ in range(3))
        return Plan(
            controller, guardian, self.now + r.choice([0, 5, 40]) * DAY, r.choice([successor, NOBODY])
        )

    # --- a patient's grants -----------------------------------------------------------------------------

    def draft(self, r: Random) -> None:
        """Terms that may come to be granted, and mostly are."""
        patient = self.patients(r, lambda each: each.in_office(self.now) and r.random() < 0.7)
        kind = r.choice([(READ, TREAT | RESEARCH)] * 9 + [(READ, TREAT), (DEPOSIT, 0), (DEPOSIT, 1), (8, 1)])
        flags = kind[0] | r.choice([0, MEMBERS])
        grantee = r.choice(["hospital", "clinic"] if flags & MEMBERS and r.random() < 0.8 else PROVIDERS)
        begin, end = r.choice([(-9, DAY * 90)] * 5 + [(HOUR, DAY * 9), (-9, 30), (-9, DAY * 2)])
        epoch = patient.epoch if r.random() < 0.9 else r.choice([0, patient.epoch ^ 1])
        record = record_of(patient.me, SALTS[0]) if r.random() < 0.2 else bytes(32)
        fields = (flags, self.now + begin, self.now + end, epoch, word(f"reading {len(self.drafts)}"))
        head = (
            patient.me,
            identity_of(grantee),
            SEGMENT,
            record,
            kind[1] | r.choice([0, PAYMENT]) * (kind[1] > 0),
        )
        self.drafts.append(Said(*head, *fields))
        tell(f"draft {len(self.drafts)}: {self.drafts[-1]}")
        if r.random() < 0.6:
            self.act(r, calls.grant(patient.me, self.drafts[-1].grant_id))

    def grant_ahead(self, r: Random) -> None:
        """Within one block the next epoch can be computed: terms of that epoch come into force in the old
        one, and then it comes."""
        patient = self.patient(r)
        by = patient.controller_at(self.now)
        if not self.drafts or by not in BY_ADDRESS:
            return
        ahead = deepcopy(self.world)
        ahead.patients[patient.me].revoke_all(by, self.now + 1, ahead.newest_block)
        epoch = ahead.patients[patient.me].epoch
        terms = replace(self.drafts[-1], patient=patient.me, epoch=epoch, reading_hash=word(f"ahead {epoch}"))
        self.drafts.append(terms)
        self.stage.together(by, [calls.grant(patient.me, terms.grant_id), calls.revoke_all(patient.me)])

    def grant(self, r: Random) -> None:
        patient = self.patient(r)
        self.act(r, calls.grant(patient.me, self.an_id(r, patient)))

    def grant_many_or_renew(self, r: Random) -> None:
        patient = self.patient(r)
        ids = [self.an_id(r, patient) for _ in range(2)]
        call = r.choice([calls.grant_many(patient.me, ids), calls.renew(patient.me, *ids)])
        self.act(r, call)

    def revoke(self, r: Random) -> None:
        patient = self.patient(r)
        self.act(r, calls.revoke(patient.me, self.an_id(r, patient)))

    def revoke_all(self, r: Random) -> None:
        self.act(r, calls.revoke_all(self.patient(r).me))

    def opt_out(self, r: Random) -> None:
        self.act(
            r, calls.set_opt_out(self.patient(r).me, r.choice([RESEARCH, RESEARCH | PAYMENT, 0, 0, TREAT]))
        )

    # --- who acts for a patient -------------------------------------------------------------------------

    def set_controller(self, r: Random) -> None:
        to = address(r.choice(FAMILY)) if r.random() < 0.95 else NOBODY
        self.act(r, calls.set_controller(self.patient(r).me, to))

    def set_guardian(self, r: Random) -> None:
        patient = self.patient(r)
        if r.random() < 0.4:
            patient = self.patients(r, lambda each: each.in_office(self.now))
        untils = [self.now + HOUR, self.now + 3 * DAY, self.now + 30 * DAY, patient.until]
        until = r.choice(untils) if r.random() < 0.95 else self.now
        guardian = address(r.choice(["parent", "aunt", "stranger"])) if r.random() < 0.95 else NOBODY
        successor = address(r.choice(["heir"] * 4 + [*FAMILY]))
        if r.random() < 0.2 or patient.in_office(self.now):
            successor = patient.successor
        self.act(r, calls.set_guardian(patient.me, guardian, until, successor))

    def end_guardianship(self, r: Random) -> None:
        patient = self.patients(r, lambda each: each.in_office(self.now))
        self.act(r, calls.end_guardianship(patient.me), likely=[patient.guardian])

    def set_or_confirm_trustees(self, r: Random) -> None:
        patient = self.patient(r)
        if patient.proposal and r.random() < 0.5:
            if r.random() < 0.7:
                self.reach(r, patient.proposal.ready_at)
            self.act(r, calls.confirm_trustees(patient.me))
            return
        members = tuple(sorted(address(name) for name in r.sample(FAMILY, r.choice([2, 3, 3, 4]))))
        wrong = r.choice([Trustees(members, 1, DAY), Trustees(members[::-1], 2, DAY), NO_TRUSTEES])
        good = Trustees(members, r.choice([2, 2, len(members)]), r.choice([DAY, 2 * DAY]))
        self.act(r, calls.set_trustees(patient.me, good if r.random() < 0.9 else wrong))

    def support(self, r: Random) -> None:
        patient = self.patients(r, lambda each: each.trustees.members)
        if not patient.trustees.members and r.random() < 0.9:
            self.set_or_confirm_trustees(r)
            return
        plan = self.a_plan(r, patient)
        missing = [who for who in patient.trustees.members if who not in supporters(patient, plan)]
        for _ in range(r.choice([1, 2, 3])):
            self.act(r, calls.support(patient.me, plan), likely=missing or list(patient.trustees.members))

    def veto(self, r: Random) -> None:
        patient = self.patients(r, begun_in)
        known = [(plan, patient.round) for plan in begun_in(patient)] or [*patient.recoveries]
        if known or r.random() < 0.1:
            self.act(r, calls.veto(patient, *r.choice(known or [(self.a_plan(r, patient), patient.round)])))
        else:
            self.support(r)

    def recover(self, r: Random) -> None:
        patient = self.patients(r, begun_in)
        plan = r.choice(begun_in(patient) or [self.a_plan(r, patient)])
        if begun_in(patient) and r.random() < 0.8:
            self.reach(r, patient.recoveries[plan, patient.round].ready_at)
        elif r.random() < 0.8:
            self.support(r)
            return
        self.act(r, calls.recover(patient.me, plan))

    # --- by transaction, by signature, later -------------------------------------------------------------

    def act(self, r: Random, call: Call, likely: list[bytes] | None = None) -> None:
        """Sends it, or signs it and has it delivered, now or later."""
        patient = self.world.patients[call.patient]
        by = self.acting(r, patient) if likely is None else self.somebody(r, likely)
        signable = call.text or call.function == "grant"
        if not signable or r.random() < 0.5:
            self.send(by, call.function, call.given, lambda world: call.does(world, by))
            return
        message = call.message(patient)
        letter = Letter(call, by, message, BY_ADDRESS[by].sign(self.stage.digest(call, message)))
        self.letters.append(letter)
        tell(f"{BY_ADDRESS[by]} signs {call.function} {call.given}")
        if r.random() < 0.6:
            self.carry(r, letter)

    def deliver_what_was_signed(self, r: Random) -> None:
        """Somebody delivers an old or a new letter, or says that it is another's, or about another."""
        if self.letters:
            self.carry(r, r.choice(self.letters[-12:]))

    def carry(self, r: Random, letter: Letter) -> None:
        claimed, call = letter.signer, letter.call
        if r.random() < 0.1:
            claimed = address(r.choice(FAMILY))
        if r.random() < 0.1:
            call = self.about_another(r, call)
        given = call.given | {"signer": claimed, "signature": letter.signature}
        by = address(r.choice(FAMILY))
        self.send(by, call.function + "BySig", given, lambda world: deliver(world, letter, call, claimed))

    def about_another(self, r: Random, call: Call) -> Call:
        """The same call, but of another patient's, or for another id."""
        patient = self.patient(r)
        if call.function in ("grant", "revoke"):
            make = r.choice([calls.grant, calls.revoke])
            return make(patient.me, r.choice([self.an_id(r, patient), call.given["grantId"]]))
        return calls.revoke_all(patient.me) if call.function == "revokeAll" else call

    def send(self, by: bytes, function: str, given: dict[str, Any], does: Callable[[World], Any]) -> None:
        """Calls the ConsentRegistry, with arguments by their names."""
        consents = self.stage.consents
        values = [given[name] for name in consents.inputs[function]]
        self.stage.attempt(by, consents, function, values, does)

    def reach(self, r: Random, moment: int) -> None:
        self.stage.wait(max(self.now + 1, moment + r.choice([-2, -1, 0, 0, 1])))
