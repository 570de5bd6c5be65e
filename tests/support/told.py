"""A story that has been told: everything that an audit can meet without a fault, on one chain.

It is told once for all tests that only read it.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from eth_utils.crypto import keccak

from consentry.admin import ORGANISATION, Applicant
from consentry.client import Client, Group
from consentry.consent.terms import MEMBERS, READ
from consentry.errors import KeyholderRefused, NotAllowed, TooFewKeyholders
from consentry.evidence import Journal, Known, Report, audit
from consentry.keyholder.messages import Call
from consentry.keys.binding import abi_encode
from tests.support.world import DAY, World, make_world, populated

HOSTILE = "</style><script>alert('x')</script>\"&<b>Pharmacy"
STAFF = keccak(text="staff 17")


@dataclass
class Told:
    """The world after the story, the patient's ``known``, and the grant ids by name."""

    world: World
    known: list[Known]
    grants: dict[str, bytes]

    @property
    def journals(self) -> list[Journal]:
        """All keyholders' journals."""
        return [Journal(keyholder.card, keyholder.journal()) for keyholder in self.world.keyholders]

    @cached_property
    def clean(self) -> Report:
        """The audit of what truly happened."""
        return self.audit()

    def audit(self, journals: Sequence[Journal] | None = None, **changes: object) -> Report:
        """The audit, with these journals instead of the true ones."""
        given = {"store": self.world.store, "known": self.known, "patient": None, **changes}
        return audit(
            self.world.chain,
            given["store"],  # type: ignore[arg-type]
            self.journals if journals is None else journals,
            given["known"],  # type: ignore[arg-type]
            threshold=3,
            patient=given["patient"],  # type: ignore[arg-type]
        )


@cache
def told() -> Told:
    """The story: opened as staff and alone, suspended and reinstated, refused, revoked one by one and all
    at once, expired, granted in advance and too late, asked without an answer and with too few."""
    home = Path(tempfile.mkdtemp(prefix="consentry-told-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    story = _Story(populated(make_world(home)))
    return story.tell()


class _Story:
    def __init__(self, world: World) -> None:
        self.world, self.grants = world, dict[str, bytes]()

    def tell(self) -> Told:
        world = self.world
        self.onboard("pharmacy", HOSTILE)
        self.onboard("stranger", "Northfield Test Clinic")
        hospital = world.person("hospital")
        world.person("clinician").keyring.organisations[hospital.address] = hospital.keyring.seed

        purposes = ("TREAT", "HOPERAT")
        self.grant("hospital", "hospital", "general", flags=READ | MEMBERS, purposes=purposes)
        self.open("clinician", "hospital")
        soon = world.chain.head().time + 2 * DAY
        self.grant("expired", "pharmacy", "general", purposes=("HPAYMT",), until=soon)
        self.open("pharmacy", "expired", "HPAYMT")

        world.admin.suspend(world.person("clinician").address)
        with suppress(NotAllowed):
            self.open("clinician", "hospital")
            raise AssertionError("a suspended clinician was served")
        world.admin.reinstate(world.person("clinician").address)
        self.open("clinician", "hospital", "HOPERAT")
        self.tries("stranger", "hospital")

        self.grant("revoked", "clinician", "substance-use")
        self.open("clinician", "revoked")
        world.desk("patient").revoke([self.grants["revoked"]])
        self.revoke_unseen()
        self.later(3 * DAY)

        self.grant("all revoked", "clinician", "general")
        handed = self.sign("void", "stranger", "general")
        world.desk("patient").revoke()
        self.deliver(handed)
        self.grant("again", "clinician", "general")
        self.request("clinician", "again")
        self.open_with_two("clinician", "again")
        return Told(world, self.known(), self.grants)

    def known(self) -> list[Known]:
        world = self.world
        heard = [one for person in world.people.values() for one in person.copy.heard()]
        return [*world.cards.values(), *world.desk("patient").my_grants().values(), *heard]

    def onboard(self, name: str, title: str) -> None:
        now = self.world.chain.head().time
        offer = self.world.desk(name).offer()
        applicant = Applicant(offer, title, "1679576722", 1, None, now - DAY, now + 900 * DAY)
        self.world.cards[name] = self.world.admin.onboard([applicant])[0]

    def grant(self, named: str, to: str, kind: str, **changes: object) -> None:
        self.grants[named] = self.world.grant(to, kind, **changes)[0].grant_id

    def open(self, name: str, grant: str, purpose: str = "TREAT") -> None:
        self._open(self.world.desk(name), grant, purpose)

    def _open(self, desk: Client, grant: str, purpose: str) -> None:
        patient, grant_id = self.world.patient, self.grants[grant]
        listing = desk.list(patient, grant_id)[0]
        opened = desk.open(patient, listing.record_id, purpose=purpose, grant_id=grant_id)
        opened.file.close()

    def tries(self, name: str, grant: str) -> None:
        """Somebody without a grant asks each keyholder twice for a key box."""
        world = self.world
        body = abi_encode(["bytes32", "bytes32"], [world.patient, self.grants[grant]])
        for _ in range(2):
            for keyholder in world.keyholders:
                with suppress(KeyholderRefused):
                    signer = world.person(name).signer
                    keyholder.fetch_box(
                        Call.signed(world.chain.deployment, signer, keyholder.card, "fetch_box", body)
                    )

    def revoke_unseen(self) -> None:
        self.grants["unseen"] = keccak(text="never granted")
        self.world.desk("patient").revoke([self.grants["unseen"]])

    def sign(self, named: str, to: str, kind: str) -> tuple[bytes, bytes]:
        """A grant that the patient signs and nobody delivers yet."""
        proposal = self.world.desk("patient").propose(self.world.offered(to, kind))[0]
        self.grants[named] = proposal.grant_id
        handed = self.world.desk("patient").sign(proposal)
        for keyholder in self.world.keyholders:
            keyholder.box(proposal.box.encode())
        return proposal.grant_id, bytes.fromhex(handed["signature"][2:])

    def deliver(self, handed: tuple[bytes, bytes]) -> None:
        world = self.world
        signer = bytes.fromhex(world.person("patient").address[2:])
        args = (world.patient, signer, *handed)
        world.chain.send(world.person("stranger").signer, "ConsentRegistry", "grantBySig", *args)

    def request(self, name: str, grant: str) -> None:
        """An entry that asks no keyholder, for a member of staff."""
        world, grant_id = self.world, self.grants[grant]
        listing = world.desk(name).list(world.patient, grant_id)[0]
        terms = listing.grant.granted.terms.as_tuple()
        args = (terms, [listing.record_salt], 1, keccak(text="no reply"), STAFF)
        world.chain.send(world.person(name).signer, "AccessLog", "request", *args)

    def open_with_two(self, name: str, grant: str) -> None:
        """Only two keyholders answer."""
        world = self.world
        group = Group(world.chain.deployment, world.group.roster, world.keyholders[:2])
        with suppress(TooFewKeyholders):
            self._open(Client(world.store, world.chain, group, world.person(name)), grant, "TREAT")
            raise AssertionError("two keyholders were enough")

    def later(self, seconds: int) -> None:
        tester = self.world.web3.provider.ethereum_tester  # type: ignore[attr-defined]
        tester.time_travel(self.world.chain.head().time + seconds)
        tester.mine_block()


__all__ = ["HOSTILE", "ORGANISATION", "STAFF", "Told", "told"]
