"""A small world: one chain with the contracts, five keyholders, one store, and the people of the story.

The chain is py-evm in this process by default, or any node by its web3.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from eth_account import Account
from web3 import EthereumTesterProvider, Web3

from consentry.admin import ORGANISATION, Admin, Applicant
from consentry.chain import Chain, Deployed, LocalSigner
from consentry.chain.deploying import Deployer
from consentry.chain.manifest import shipped
from consentry.chain.node import identify
from consentry.client import Client, Group, Offered, Person, Proposal
from consentry.consent.card import Card
from consentry.consent.terms import DEPOSIT, READ
from consentry.keyholder.local import create_keyholders, open_keyholder
from consentry.keyholder.roster import Roster
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.vault import database
from consentry.keys import keyring
from consentry.keys.keyring import Keyring
from consentry.record import Record
from consentry.store import FolderStore

DAY = 86_400
# What seals the keyholders' keyrings here; a passphrase in a test protects nothing.
_QUICK = {"iterations": 1, "lanes": 1, "memory_cost": 64}
KINDS = ("general", "mental-health", "substance-use", "sexual-health", "hiv")


@dataclass
class World:
    """Everything and everybody. People are created with `person`, provided with cards by `onboard`."""

    home: Path
    web3: Web3
    chain: Chain
    keyholders: list[KeyholderService]
    group: Group
    store: FolderStore
    authority: Person
    second_authority: Person
    people: dict[str, Person] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        """A new person with some ether and an unsealed keyring."""
        if name not in self.people:
            key = secrets.token_bytes(32)
            signer = LocalSigner(key)
            fund(self.web3, signer.address)
            self.people[name] = Person(signer, Keyring(), self.home / name, self.chain.deployment.id)
        return self.people[name]

    def desk(self, name: str) -> Client:
        """The desk of a person."""
        return Client(self.store, self.chain, self.group, self.person(name))

    @property
    def admin(self) -> Admin:
        """The authority's desk."""
        return Admin(self.chain, self.authority)

    def onboard(self, name: str, *, roles: int = 1, organisation: str | None = None) -> Card:
        """Gives ``name`` a credential and a card; ``organisation`` is the name of one onboarded before."""
        now = self.chain.head().time
        applicant = Applicant(
            offer=self.desk(name).offer(),
            name=f"Test {name}",
            number="1234567893",
            roles=roles,
            organisation=self.person(organisation).address if organisation else None,
            valid_from=now - DAY,
            valid_until=now + 900 * DAY,
        )
        self.cards[name] = self.admin.onboard([applicant])[0]
        return self.cards[name]

    def offered(self, to: str, *kinds: str, flags: int = READ, **changes: Any) -> Offered:
        """An offer of ``kinds`` to the provider ``to``, for treatment and a year."""
        purposes = () if flags & DEPOSIT else ("TREAT",)
        until = self.chain.head().time // DAY * DAY + 365 * DAY
        values = {"kinds": kinds, "flags": flags, "purposes": purposes, "until": until}
        return Offered(card=self.cards[to], **{**values, **changes})

    def grant(self, to: str, *kinds: str, flags: int = READ, **changes: Any) -> list[Proposal]:
        """The patient grants ``kinds`` to the provider ``to``."""
        desk, offered = self.desk("patient"), self.offered(to, *kinds, flags=flags, **changes)
        proposals = desk.propose(offered)
        desk.grant(offered, proposals)
        return proposals

    @property
    def patient(self) -> bytes:
        """The patient's identity."""
        return self.person("patient").identity


def fund(web3: Web3, address: str) -> None:
    """Gives ``address`` ten ether from the node's first account."""
    rich = web3.eth.accounts[0]
    sent = web3.eth.send_transaction({"from": rich, "to": address, "value": 10**19})
    web3.eth.wait_for_transaction_receipt(sent)


def make_world(
    home: Path,
    web3: Web3 | None = None,
    *,
    depth: int = 0,
    finality: str = "latest",
    synced: bool = False,
    roster: Roster | None = None,
    started: Callable[[Chain], list[Any]] | None = None,
) -> World:
    """A fresh world under ``home``; ``synced`` keyholders write to the disk as they do elsewhere. Those of a
    ``roster`` that is given are not in this process, and are ``started`` once the contracts stand."""
    web3 = web3 or Web3(EthereumTesterProvider())
    key = secrets.token_bytes(32)
    signer = LocalSigner(key)
    fund(web3, signer.address)
    if roster is None:
        with patch.dict(keyring._COST, _QUICK):
            roster = create_keyholders(home / "keyholders")
    second = LocalSigner(secrets.token_bytes(32))
    fund(web3, second.address)
    authorities = [signer.address, second.address]
    contracts = Deployer(web3, shipped).deploy(signer, authorities)
    deployed = Deployed(*identify(web3), contracts, authorities, depth, roster.hash, finality)
    chain = Chain(web3, deployed)
    # A test survives no power cut: nothing has to reach the disk.
    with patch.dict(database.PRAGMAS, {} if synced else {"synchronous": "OFF"}):
        if started is None:
            keyholders = [
                open_keyholder(home / "keyholders", roster, card, chain) for card in roster.keyholders
            ]
        else:
            keyholders = started(chain)
    authority, second_authority = (
        Person(one, Keyring(), home / name, chain.deployment.id)
        for one, name in ((signer, "authority"), (second, "second authority"))
    )
    group = Group(chain.deployment, roster, keyholders)
    return World(
        home, web3, chain, keyholders, group, FolderStore(home / "store"), authority, second_authority
    )


def populated(world: World) -> World:
    """The world after the patient let the hospital deposit, and it did: two kinds, one record each."""
    patient, hospital = world.desk("patient"), world.desk("hospital")
    world.onboard("hospital", roles=1 | ORGANISATION)
    world.onboard("clinician", organisation="hospital")
    patient.enrol(KINDS)
    world.grant("hospital", "general", "substance-use", flags=DEPOSIT)
    hospital.deposit(world.patient, [record("general"), record("substance-use")])
    return world


def record(kind: str, body: bytes | None = None) -> Record:
    """A small record of ``kind``."""
    body = body or f'{{"resourceType":"Bundle","type":"collection","kind":"{kind}"}}'.encode()
    return Record(kind, "application/fhir+json", body, "2026-01-15")


__all__ = ["KINDS", "Account", "World", "make_world", "populated", "record"]
