"""What is done about grants, and about who acts: mostly what comes off."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from random import Random

from eth_utils.crypto import keccak

from consentry.consent.terms import DEPOSIT, MEMBERS, READ
from consentry.consent.terms import Terms as Said
from tests.contracts.model import calls
from tests.contracts.model.identity import Identity
from tests.contracts.model.moves import PAYMENT, RESEARCH, SALTS, SEGMENT, TREAT, Moves
from tests.contracts.model.parts import NO_TRUSTEES, NOBODY, Plan, Trustees
from tests.contracts.model.stage import BY_ADDRESS, FAMILY, PROVIDERS, address, identity_of, tell
from tests.contracts.words import DAY, HOUR, word


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


class PatientMoves(Moves):
    """What is done about a patient."""

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
        patient = self.patients(
            r, lambda each: r.random() < 0.4 and (each.in_office(self.now) or begun_in(each))
        )
        untils = [self.now + HOUR, self.now + 3 * DAY, *[self.now + 30 * DAY] * 2, patient.until]
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
        confirming = r.random() < 0.5
        patient = self.patients(r, lambda each: confirming and each.proposal)
        if patient.proposal and confirming:
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
        for who in missing[: r.choice([1, 2, 3])] or [r.choice([*patient.trustees.members, NOBODY])]:
            self.act(r, calls.support(patient.me, plan), likely=[who])

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
