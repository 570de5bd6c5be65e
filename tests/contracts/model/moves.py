"""Who does what, at random, and how: by a transaction, by a signature, later."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from consentry.consent.terms import Terms as Said
from tests.contracts.model import calls
from tests.contracts.model.calls import Call, Letter, deliver
from tests.contracts.model.identity import Identity
from tests.contracts.model.parts import NOBODY, Plan
from tests.contracts.model.stage import (
    BY_ADDRESS,
    FAMILY,
    PATIENTS,
    Stage,
    address,
    identity_of,
    tell,
)
from tests.contracts.model.world import World
from tests.contracts.words import DAY, word

TREAT, PAYMENT, RESEARCH, ASKED = 1, 2, 8, 32
SEGMENT, SALTS = word("segment"), [word("one record"), word("another record")]


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
