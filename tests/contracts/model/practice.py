"""What providers and authorities do, at random; and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from random import Random

from consentry.consent.rule import Reason
from consentry.consent.terms import READ
from consentry.consent.terms import Terms as Said
from tests.contracts.model import calls
from tests.contracts.model.calls import Letter, deliver
from tests.contracts.model.moves import ASKED, RESEARCH, SALTS, SEGMENT, TREAT
from tests.contracts.model.patient import PatientMoves
from tests.contracts.model.providers import Providers
from tests.contracts.model.stage import AUTHORITIES, FOREVER, PROVIDERS, address, issue
from tests.contracts.model.world import World, id_of
from tests.contracts.words import DAY, EMERGENCY, HOUR, ORGANISATION, REVIEWER, TREATING, word

DRAFTS = 6  # that are looked at and used: the newest
ACTORS = [address(name) for name in (*PROVIDERS, "stranger")]
PURPOSES = (0, TREAT, RESEARCH, ASKED, TREAT | RESEARCH)


class Practice(PatientMoves):
    """Who may practise, and who does what with terms."""

    # --- providers --------------------------------------------------------------------------------------

    def change_a_credential(self, r: Random) -> None:
        by, provider = address(r.choice([*AUTHORITIES * 3, "stranger"])), address(r.choice(PROVIDERS))
        status = self.world.providers.status_of(provider)
        usual = {1: "suspend", 2: "reinstate"}.get(status, "retire")
        function = usual if r.random() < 0.7 else r.choice(["suspend", "reinstate", "retire"])
        change = getattr(Providers, function)
        self.stage.attempt(
            by, self.stage.providers, function, [provider], lambda w: change(w.providers, by, w.now, provider)
        )

    def issue(self, r: Random) -> None:
        """A renewal, another membership, a shorter or a later time."""
        by, name = address(r.choice([*AUTHORITIES * 3, "stranger"])), r.choice(PROVIDERS)
        end = r.choice([FOREVER, self.now + 9, self.now + 5 * DAY])
        start = r.choice([0, 0, 0, self.now + HOUR, end])
        if name in ("hospital", "clinic"):
            it = issue(
                name, r.choice([ORGANISATION] * 4 + [TREATING]), r.choice(["", "", "", "clinic"]), end, start
            )
        elif name == "doctor" and r.random() < 0.8:
            it = issue(name, TREATING | REVIEWER, r.choice(["", "hospital", "clinic"]))
        else:
            roles = r.choice([TREATING, TREATING | EMERGENCY, TREATING | REVIEWER, 0x20])
            it = issue(name, roles, r.choice(["", "hospital", "clinic", "clinic", "doctor"]), end, start)
        waiting = [*self.world.providers.proposals]
        if waiting and r.random() < 0.5:
            it = r.choice(waiting)
        emergency = it.roles & EMERGENCY and r.random() < 0.9
        self.stage.issue(by, "issueEmergency" if emergency else r.choice(["issue", "issueBatch"]), it)
        if emergency and r.random() < 0.5:
            self.stage.issue(address(r.choice(AUTHORITIES)), "issueEmergency", it)

    # --- acts of providers ------------------------------------------------------------------------------

    def a_use(self, r: Random) -> tuple[Said, bytes, int]:
        """Terms, who uses them, and for what: mostly what is allowed, or will be with a signed grant, else
        what is refused for any one reason."""
        ways = defaultdict(list)
        for use in product(self.drafts[-DRAFTS:], ACTORS, (TREAT, RESEARCH, ASKED)):
            reason = self.world.why(*use, READ)
            if reason != Reason.NOT_GRANTED or (use[0].grantee[12:] == use[1] and self.signed_grants(use[0])):
                ways[reason].append(use)
        good = [reason for reason in (Reason.NONE, Reason.NOT_GRANTED) if reason in ways]
        reason = r.choice(good if good and r.random() < 0.7 else [*ways] or [Reason.NOT_GRANTED])
        return r.choice(ways[reason] or [(self.drafts[-1], ACTORS[0], TREAT)])

    def request(self, r: Random) -> None:
        """Somebody uses terms, by an entry of its own."""
        if not self.drafts:
            return
        terms, by, purpose = self.a_use(r)
        salts = r.choice([SALTS[:1]] * 4 + [SALTS, SALTS, SALTS[1:], []])
        entry = (salts, purpose, word("reply key"), word("agent"))
        held = self.signed_grants(terms)
        if held and r.random() < 0.8:
            letter = r.choice(held)
            call = calls.grant(terms.patient, terms.grant_id)

            def at_the_bedside(world: World) -> None:
                deliver(world, letter, call, letter.signer)
                world.request(by, terms, *entry)

            values = (terms.as_tuple(), *entry, letter.signer, letter.signature)
            self.stage.attempt(by, self.stage.log, "requestWithSignature", values, at_the_bedside)
        else:
            values = (terms.as_tuple(), *entry)
            self.stage.attempt(by, self.stage.log, "request", values, lambda w: w.request(by, terms, *entry))

    def signed_grants(self, terms: Said) -> list[Letter]:
        """What was signed for these terms, by somebody who acts still, if there is such."""
        found = [it for it in self.letters if it.call == calls.grant(terms.patient, id_of(terms))]
        acting = self.world.patients[terms.patient].those_who_act(self.now)
        return [it for it in found if it.signer in acting] or found

    def ask_to_break_glass(self, r: Random) -> None:
        by = address(r.choice(["nurse", "clinician", "nurse", "clinician", "doctor", "stranger"]))
        reason = word("a reason") if r.random() < 0.95 else bytes(32)
        words = (self.patient(r).me, SEGMENT, reason, word("reply key"), word("agent"))
        done = self.stage.attempt(
            by,
            self.stage.log,
            "requestBreakGlass",
            words,
            lambda w: w.log.request_glass(by, w.now, w.providers, words),
        )
        if done and r.random() < 0.8:
            self.confirm(r, list(self.world.log.glasses)[-1])

    def confirm_or_review(self, r: Random) -> None:
        glasses = self.world.log.glasses
        waiting = [each for each, it in glasses.items() if it.confirmed_at and not it.reviewed]
        access_id = r.choice([*glasses][-2:]) if glasses and r.random() < 0.95 else word("no glass")
        if waiting and r.random() < 0.7:
            self.review(r, r.choice(waiting))
        elif access_id in glasses and glasses[access_id].confirmed_at:
            self.review(r, access_id)
        elif glasses or r.random() < 0.1:
            self.confirm(r, access_id)
        else:
            self.ask_to_break_glass(r)

    def confirm(self, r: Random, access_id: bytes) -> None:
        by = address(r.choice(["nurse", "clinician", "nurse", "clinician", "doctor"]))
        self.stage.attempt(
            by,
            self.stage.log,
            "confirmBreakGlass",
            [access_id],
            lambda w: w.log.confirm_glass(by, w.now, w.providers, access_id),
        )

    def review(self, r: Random, access_id: bytes) -> None:
        """By somebody who may, mostly, or whose organisation has just become one of theirs."""
        if r.random() < 0.4:
            moved = issue("doctor", TREATING | REVIEWER, r.choice(["hospital", "hospital", "clinic"]))
            self.stage.issue(address("authority"), "issue", moved)
        by = address(r.choice(["doctor", "doctor", "doctor", "nurse", "clinician", "stranger"]))
        said = (access_id, r.random() < 0.5, word("a note"))
        self.stage.attempt(
            by,
            self.stage.log,
            "reviewBreakGlass",
            said,
            lambda w: w.log.review_glass(by, w.now, w.providers, *said),
        )

    # --- time -------------------------------------------------------------------------------------------

    def time_moves_on(self, r: Random) -> None:
        """A little, or to where something begins or ends, or to a second before or after."""
        ahead = [moment for moment in self.moments() if moment > self.now]
        if ahead and r.random() < 0.7:
            untils = [each.until for each in self.world.patients.values() if each.in_office(self.now)]
            self.reach(r, r.choice([min(ahead), r.choice(ahead), *untils[:1]]))
        else:
            self.stage.wait(self.now + r.choice([1, 60, HOUR, DAY, 5 * DAY]))

    def moments(self) -> Iterator[int]:
        """When something begins or ends."""
        for patient in self.world.patients.values():
            yield patient.until
            yield patient.proposal.ready_at if patient.proposal else 0
            yield from (it.ready_at for it in patient.recoveries.values())
        for each in self.drafts[-DRAFTS:]:
            yield from (each.not_before, each.expires_at)
        for held in self.world.providers.credentials.values():
            yield from (each for each in (held.issued.start, held.issued.end) if each != FOREVER)
        for glass in self.world.log.glasses.values():
            yield from (
                glass.requested_at + HOUR,
                glass.confirmed_at + 4 * HOUR,
                glass.confirmed_at + 76 * HOUR,
            )
