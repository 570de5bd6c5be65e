"""What attackers do by hand: calls to keyholders that no desk would make, and who refused them why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from consentry.chain.contracts import Entry
from consentry.cli.drill.envelopes import made_by_hand
from consentry.client import Group, Proposal
from consentry.consent.box import SEGMENT_SEED, Granted, make_box, sign_boxes
from consentry.consent.terms import DEPOSIT, READ, Terms
from consentry.envelope.deposit import Part
from consentry.envelope.leaf import record_id
from consentry.envelope.statement import Statement
from consentry.errors import KeyholderRefused
from consentry.keyholder.messages import Call, ReleaseAsked, Released
from consentry.keyholder.service import KeyholderService
from consentry.keys.hpke import new_seed, public_key
from tests.support.world import World

NOT_AN_AGENT = bytes(32)
TREAT = 1
HOUR = 3600
UNIFORM = "the keyholder refused"


def reason(keyholder: KeyholderService, attack: Callable[[], object], *, after: Sequence[str] = ()) -> str:
    """The check that refused ``attack``, as the keyholder's own journal names it, ``after`` rows of other
    kinds. The test fails when the attack gets through, or when the attacker learns more than the one uniform
    refusal."""
    before = len(keyholder.journal())
    with pytest.raises(KeyholderRefused) as refused:
        attack()
    assert type(refused.value) is KeyholderRefused
    assert str(refused.value) == UNIFORM
    rows = keyholder.journal()[before:]
    assert [row.kind for row in rows] == [*after, "refused"]
    return rows[-1].body["check"]


def call(world: World, who: str, verb: str, body: bytes, *, to: int = 1) -> Call:
    """A good call by ``who`` to keyholder ``to``."""
    signer, card = world.person(who).signer, world.keyholders[to - 1].card
    return Call.signed(world.chain.deployment, signer, card, verb, body)


@dataclass
class Access:
    """One entry of ``who`` under ``terms`` for a record, with what is needed to present it."""

    world: World
    who: str
    terms: Terms
    record_id: bytes
    entry: Entry
    reply_seed: bytes = field(repr=False)

    def asked(self, **changes: Any) -> ReleaseAsked:
        """The body of a release call, honest but for ``changes``."""
        asked = ReleaseAsked(self.record_id, self.terms, self.entry, public_key(self.reply_seed))
        return replace(asked, **changes)

    def call(self, asked: ReleaseAsked | None = None, *, who: str | None = None, to: int = 1) -> Call:
        """A signed release call by ``who`` (the actor by default)."""
        return call(self.world, who or self.who, "release", (asked or self.asked()).encode(), to=to)

    def release(self, asked: ReleaseAsked | None = None, *, who: str | None = None, to: int = 1) -> Released:
        """Presents it to keyholder ``to``."""
        return self.world.keyholders[to - 1].release(self.call(asked, who=who, to=to))


def salts(world: World, kind: str = "general") -> dict[bytes, bytes]:
    """Record id to record salt of the patient's records of a kind, as her own device knows them."""
    desk = world.desk("patient")
    desk._own.refresh()
    return {
        key.leaf.record_id: key.leaf.record_salt for key in desk._own.openings() if key.label.kind == kind
    }


def access(
    world: World, proposal: Proposal, who: str = "clinician", *, record: int = 0, salt: bytes | None = None
) -> Access:
    """``who`` writes an entry under the grant ``proposal`` for the kind's record of that number, or for the
    one with that salt."""
    salt = salt or list(salts(world, proposal.kind).values())[record]
    found, seed = record_id(proposal.terms.patient, proposal.terms.segment, salt), new_seed()
    arguments = (proposal.terms.as_tuple(), [salt], TREAT, keccak(public_key(seed)), NOT_AN_AGENT)
    world.chain.send(world.person(who).signer, "AccessLog", "request", *arguments)
    entry = world.chain.entries(actor=world.person(who).address, recordId=found)[-1]
    return Access(world, who, proposal.terms, found, entry.claim, seed)


def terms_of(world: World, patient: bytes, grantee: bytes, segment: bytes, **changes: Any) -> Terms:
    """Terms that a patient could sign, for a segment of anybody's."""
    now = world.chain.head().time
    values = {
        "record": bytes(32),
        "purposes": TREAT,
        "flags": READ,
        "not_before": now,
        "expires_at": now + HOUR,
    }
    values |= {"epoch": world.chain.epoch_of(patient), "reading_hash": bytes(32)}
    return Terms(patient, grantee, segment, **{**values, **changes})


def put_in_force(world: World, who: str, terms: Terms) -> Terms:
    """``who``, a patient, grants ``terms`` on chain without asking any desk."""
    world.chain.send(world.person(who).signer, "ConsentRegistry", "grant", terms.patient, terms.grant_id)
    return terms


def later(world: World, seconds: int) -> None:
    """Lets ``seconds`` of block time pass."""
    tester = getattr(world.web3.provider, "ethereum_tester", None)
    if tester:
        tester.time_travel(world.chain.head().time + seconds + 1)  # it counts from the block after
        return
    for method, arguments in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
        world.web3.provider.make_request(method, arguments)  # type: ignore[arg-type]


class Recorder:
    """A keyholder that writes down what it is given, as one that colludes would."""

    def __init__(self, inner: KeyholderService) -> None:
        self._inner = inner
        self.given: dict[str, list[Any]] = {"deal": [], "box": [], "statement": [], "release": []}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in self.given:
            return method

        def keep(argument: Any) -> Any:
            self.given[name].append(argument)
            return method(argument)

        return keep


def record_all(world: World) -> list[Recorder]:
    """Puts a recorder before every keyholder of ``world``; gives them in index order."""
    recorders = [Recorder(keyholder) for keyholder in world.keyholders]
    world.group = Group(world.chain.deployment, world.group.roster, recorders)
    return recorders


def everything(value: object, seen: set[int] | None = None) -> Sequence[bytes]:
    """All byte strings and texts inside ``value``, however deep."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, str):
        return [value.encode("utf-8", "surrogatepass")]
    if isinstance(value, dict):
        parts: list[object] = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = list(value)
    elif hasattr(value, "__dataclass_fields__"):
        parts = [getattr(value, name) for name in value.__dataclass_fields__]
    else:
        parts = []
    return [found for part in parts for found in everything(part, seen)]


def statement_of(world: World, kind: str, who: str = "patient") -> Statement:
    """The statement of a patient's segment."""
    desk = world.desk(who)
    desk._own.refresh()
    return desk._own.segments()[kind].statement


def box_of(world: World, grant: Proposal, version: int, *, by: str = "patient") -> bytes:
    """A box of a grant for any key version, with a seed of nobody's, signed ``by`` somebody."""
    card = next(card for card in world.cards.values() if card.identity == grant.terms.grantee)
    granted = Granted(grant.terms, grant.reading, grant.kind, SEGMENT_SEED, new_seed())
    key = world.person("patient").keyring.public_key
    made = make_box(world.chain.deployment, granted, version=version, card=card, patient_key=key)
    [box] = sign_boxes(world.chain.deployment, world.person(by).signer, [made])
    return box.encode()


def envelope(
    world: World, who: str, statement: Statement, terms: Terms | None = None, **changes: Any
) -> list[Part]:
    """The signed parts of an envelope that ``who`` made by hand: honest but for ``changes``, as
    `made_by_hand` says."""
    where = (world.chain.deployment, world.group.roster)
    return made_by_hand(*where, world.person(who).signer, statement, terms, **changes)


def deposit_terms(world: World, kind: str) -> Terms:
    """The terms of the hospital's DEPOSIT grant for a kind."""
    grants = world.desk("patient").my_grants().values()
    found = [g.terms for g in grants if g.kind == kind and g.terms.flags == DEPOSIT]
    return found[0]


def deal(world: World, parts: Sequence[Part]) -> bytes:
    """Gives the hospital's ``parts`` to the keyholders and anchors their record; gives its id."""
    for keyholder, part in zip(world.keyholders, parts, strict=True):
        keyholder.deal(part.encode())
    [leaf] = parts[-1].leaves
    signer = world.person("hospital").signer
    world.chain.send(signer, "RecordRegistry", "anchor", leaf.record_id, leaf.anchor)
    return leaf.record_id
