"""The stage: contracts on a node and the model beside them, with everybody onboarded on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from eth_utils.crypto import keccak
from hypothesis import currently_in_test_context, note

from consentry.keys.binding import abi_encode
from tests.contracts.model.calls import Call
from tests.contracts.model.identity import Identity
from tests.contracts.model.log import Log
from tests.contracts.model.parts import NOBODY, RefusedError
from tests.contracts.model.providers import Issue, Providers
from tests.contracts.model.side import BEGINNING, Deployed, Person, Side
from tests.contracts.model.world import World
from tests.contracts.words import DAY, EMERGENCY, ORGANISATION, REVIEWER, TREATING, word

FOREVER = 2**40 - 1
PATIENTS = ("anna", "ben", "carla")
FAMILY = (*PATIENTS, "parent", "aunt", "heir", "stranger")
PROVIDERS = ("clinician", "nurse", "hospital", "doctor", "clinic")
AUTHORITIES = ("authority", "second authority")
PEOPLE = {name: Person(name) for name in (*FAMILY, *PROVIDERS, *AUTHORITIES)}
BY_ADDRESS = {each.address: each for each in PEOPLE.values()}
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def tell(what: str) -> None:
    """One line of the story that is printed where a sequence fails."""
    if currently_in_test_context():
        note(what)


def address(name: str) -> bytes:
    return PEOPLE[name].address


def identity_of(name: str) -> bytes:
    return bytes(12) + address(name)


def domain(name: str, chain_id: int, contract: bytes) -> bytes:
    """A domain's separator."""
    parts = [keccak(text=_DOMAIN), keccak(text=name), keccak(text="1"), chain_id, contract]
    return keccak(abi_encode(["bytes32"] * 3 + ["uint256", "address"], parts))


class Stage:
    """The contracts on a node, with everybody onboarded on both sides."""

    def __init__(self, here: Side) -> None:
        self.side = here
        first = PEOPLE["authority"]
        authorities = [PEOPLE[name].address for name in AUTHORITIES]
        self.providers = here.deploy("ProviderRegistry", first, authorities)
        self.consents = here.deploy("ConsentRegistry", first, self.providers.address)
        self.log = here.deploy("AccessLog", first, self.consents.address)
        self.asker = here.deploy("Asker", first)
        where = (here.chain_id, self.consents.address)
        self.domains = {name: domain(name, *where) for name in ("Consentry", "Consentry Control")}
        patients = {identity_of(name): Identity(identity_of(name)) for name in PATIENTS}
        log = Log(here.chain_id, self.log.address)
        self.world = World(patients, Providers(tuple(authorities)), log, here.now, here.newest_block)
        self.counts: Counter[str] = Counter()

    def digest(self, call: Call, message: bytes) -> bytes:
        """What a key signs."""
        name = "Consentry" if call.function == "grant" else "Consentry Control"
        return keccak(b"\x19\x01" + self.domains[name] + message)

    def attempt(
        self,
        by: bytes,
        to: Deployed,
        function: str,
        values: Sequence[Any],
        does: Callable[[World], Any],
    ) -> bool:
        """The same on both sides, in a block of its own."""
        trial = deepcopy(self.world)
        trial.now = self.side.now + 1
        refused = ""
        try:
            does(trial)
        except RefusedError as error:
            refused = str(error)
        said = self.side.send(BY_ADDRESS[by], to, to.data(function, *values), trial.now)
        tell(f"{trial.now - BEGINNING}: {BY_ADDRESS[by]} calls {function}: {said or 'done'}")
        assert said == refused, f"{function}: the contract says {said!r}, the model {refused!r}"
        if not refused:
            self.world = trial
        self.world.now, self.world.newest_block = self.side.now, self.side.newest_block
        self.counts.update(("call", refused or function))
        return not refused

    def together(self, by: bytes, all_: list[Call]) -> None:
        """Several calls that nobody refuses, in one block, on both sides."""
        self.world.now += 1
        for each in all_:
            each.does(self.world, by)
        data = [self.consents.data(each.function, *each.given.values()) for each in all_]
        self.side.send_in_one_block(BY_ADDRESS[by], self.consents, data, self.world.now)
        tell(
            f"{self.world.now - BEGINNING}: {BY_ADDRESS[by]} calls in one block: {[c.function for c in all_]}"
        )
        self.world.newest_block = self.side.newest_block
        self.counts["in one block"] += 1

    def wait(self, until: int) -> None:
        """Time moves on."""
        self.side.wait(until)
        tell(f"{until - BEGINNING}: time moved on")
        self.world.now, self.world.newest_block = self.side.now, self.side.newest_block

    def onboard(self) -> None:
        """Organisations and their members; two emergency roles that count already."""
        first, second = (PEOPLE[name].address for name in AUTHORITIES)
        issued = [issue("hospital", ORGANISATION), issue("clinic", ORGANISATION)]
        issued += [issue("doctor", TREATING | REVIEWER, "clinic")]
        self.issue(first, "issueBatch", *issued)
        for it in (
            issue("nurse", TREATING | EMERGENCY, "hospital"),
            issue("clinician", TREATING | EMERGENCY),
        ):
            self.issue(first, "issueEmergency", it)
            self.issue(second, "issueEmergency", it)
        self.wait(self.side.now + 2 * DAY)

    def issue(self, by: bytes, function: str, *all_: Issue) -> None:
        """What an authority issues."""
        words = [(i.provider, i.start, i.end, i.roles, i.organisation, i.card) for i in all_]
        values = [words if function == "issueBatch" else words[0]]

        def does(world: World) -> None:
            if function == "issueEmergency":
                world.providers.issue_emergency(by, world.now, *all_)
            else:
                world.providers.issue(by, world.now, *all_)

        self.attempt(by, self.providers, function, values, does)


def issue(name: str, roles: int, organisation: str = "", end: int = FOREVER, start: int = 0) -> Issue:
    of = PEOPLE[organisation].address if organisation else NOBODY
    return Issue(PEOPLE[name].address, start, end, roles, of, word("card"))
