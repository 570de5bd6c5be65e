"""Promise 6: whatever is altered, cut, swapped or replayed elsewhere is refused: by name on the caller's
own side and on chain, uniformly by a keyholder.

Bits are flipped at positions drawn with a fixed seed, the edges always among them.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

import pytest
from eth_utils.crypto import keccak

from consentry import seal
from consentry.chain import LocalSigner
from consentry.client import Client, Group, Person, deliver
from consentry.client.own import Key
from consentry.client.reader import fetch
from consentry.consent.box import KeyBox, open_box, open_own_box
from consentry.consent.card import Card
from consentry.envelope.deposit import Part, verify_part
from consentry.envelope.leaf import Leaf
from consentry.envelope.statement import SignedStatement, verify_statement
from consentry.errors import (
    BlobAltered,
    BlobMissing,
    BoxBroken,
    CardInvalid,
    CommitMismatch,
    ConsentryError,
    ContractRefused,
    DealInconsistent,
    GrantNotDelivered,
    IntegrityError,
    JournalBroken,
    KeyholderRefused,
    ShareMismatch,
    TooFewKeyholders,
    UsageError,
    WrapBroken,
)
from consentry.keyholder.journal import Row, verify_journal
from consentry.keyholder.messages import Released, release_info
from consentry.keyholder.roster import Roster
from consentry.keyholder.vault import Held
from consentry.keys.hpke import unwrap
from consentry.keys.typed import SignatureInvalid
from consentry.store import Store
from consentry.store.cid import parse_cid
from tests.attacks.support import Access, access, deposit_terms, envelope, statement_of
from tests.attacks.tamper import cut, flipped, re_released, tampered
from tests.support.world import World, fund, make_world, populated

FHIR = "application/fhir+json"


@pytest.fixture(scope="module")
def mine(world: World) -> Access:
    """An honest entry of the clinician for a general record."""
    return access(world, world.grant("clinician", "general")[0])


def refuses(attack: Any, *names: type[ConsentryError]) -> None:
    """The attack ends in one of the named errors, and no other exception leaks out of a parser."""
    with pytest.raises(names):
        attack()


# --- the blob


@dataclass
class LyingStore:
    """A store that gives ``data`` for every content id, and does not look."""

    data: bytes

    def put(self, source: BinaryIO) -> str:
        raise NotImplementedError

    def put_many(self, sources: Iterable[BinaryIO]) -> list[str]:
        raise NotImplementedError

    def get(self, cid: str, sink: BinaryIO) -> None:
        sink.write(self.data)

    def drop(self, cid: str) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def key(world: World) -> Key:
    """What opens the general record, for the patient."""
    desk = world.desk("patient")
    desk._own.refresh()
    return next(key for key in desk._own.openings() if key.label.kind == "general")


def blob_of(world: World, leaf: Leaf) -> bytes:
    sink = io.BytesIO()
    world.store.get(leaf.cid, sink)
    return sink.getvalue()


def test_a_blob_that_a_store_altered_or_cut_is_not_opened(world: World, key: Key) -> None:
    for data in tampered(blob_of(world, key.leaf), 400):
        store: Store = LyingStore(data)
        refuses(lambda s=store: fetch(s, world.chain, key.leaf, key.data_key, FHIR), BlobAltered)


def test_the_seal_alone_refuses_an_altered_blob(world: World, key: Key) -> None:
    """Were the altered blob what was anchored: still nothing of it is given out."""
    bound = seal.context(world.chain.deployment, key.leaf.record_id, FHIR)
    for data in tampered(blob_of(world, key.leaf), 400):
        digest = hashlib.sha256(data).digest()
        args = (io.BytesIO(data), io.BytesIO(), key.data_key, bound, digest)
        refuses(partial(seal.unseal, *args), BlobAltered)


def test_a_file_altered_in_the_store_is_refused_by_the_store(world: World, key: Key) -> None:
    [path] = [p for p in (world.home / "store").rglob(key.leaf.cid) if p.is_file()]
    honest = path.read_bytes()
    path.chmod(0o600)
    try:
        for data in tampered(honest, 60):
            path.write_bytes(data)
            refuses(lambda: world.store.get(key.leaf.cid, io.BytesIO()), BlobAltered)
    finally:
        path.write_bytes(honest)


def test_the_blob_of_another_record_patient_or_media_type_is_refused(world: World, key: Key) -> None:
    """Also with the right data key: the seal is bound to record, deployment and media type."""
    desk = world.desk("patient")
    other = next(k for k in desk._own.openings() if k.leaf.record_id != key.leaf.record_id)
    store: Store = LyingStore(blob_of(world, other.leaf))
    refuses(lambda: fetch(store, world.chain, key.leaf, key.data_key, FHIR), BlobAltered)
    forged = replace(other.leaf, record_id=key.leaf.record_id)  # digest and key agree with the blob
    refuses(lambda: fetch(store, world.chain, forged, other.data_key, FHIR), BlobAltered)
    refuses(lambda: fetch(world.store, world.chain, key.leaf, key.data_key, "text/plain"), BlobAltered)


# --- envelope and leaf


@pytest.fixture(scope="module")
def part(world: World) -> Part:
    """An honest part for keyholder 1, which was not dealt."""
    return envelope(world, "hospital", statement_of(world, "general"), deposit_terms(world, "general"))[0]


def test_a_part_of_an_envelope_that_was_altered_is_refused_by_a_keyholder(world: World, part: Part) -> None:
    """Header, leaves, transport wrap, signature and terms; and the honest part is taken afterwards."""
    keyholder = world.keyholders[0]
    for data in tampered(part.encode(), 150):
        with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
            keyholder.deal(data)
    assert keyholder.deal(part.encode())


def test_what_the_contributor_signed_cannot_be_altered(world: World, part: Part) -> None:
    """By name, for whoever verifies it: header, each half of each leaf, and the signature itself."""
    deployment = world.chain.deployment
    for name in ("header", "signature"):
        for data in tampered(getattr(part, name), 80):
            changed = replace(part, **{name: data})
            refuses(lambda p=changed: verify_part(deployment, p), IntegrityError, SignatureInvalid)
    for name in ("open_parts", "sealed_parts"):
        for data in tampered(getattr(part, name)[0], 80):
            changed = replace(part, **{name: (data,)})
            refuses(lambda p=changed: verify_part(deployment, p), SignatureInvalid)


FIELDS: dict[str, type[ConsentryError]] = {
    "record_id": ShareMismatch,
    "record_salt": ShareMismatch,
    "share_commitments": ShareMismatch,
    "commit_a": BoxBroken,
    "wrapped_key": CommitMismatch,
    "commit": CommitMismatch,
    "anchor_salt": IntegrityError,
    "digest": IntegrityError,
    "cid": BlobMissing,
}


def with_field(held: Held, name: str) -> Held:
    """A held record with one bit of one field of its leaf flipped."""
    leaf = Leaf.decode(held.open_part, held.sealed_part)
    value = getattr(leaf, name)
    if name == "share_commitments":
        changed: Any = tuple(next(flipped(one, 1)) for one in value)
    elif name == "cid":
        parsed = parse_cid(value)
        changed = str(replace(parsed, digest=next(flipped(parsed.digest, 1))))
    else:
        changed = bytes([value[0] ^ 1]) + value[1:]
    open_part, sealed_part = replace(leaf, **{name: changed}).encode()
    return replace(held, open_part=open_part, sealed_part=sealed_part)


class Colluding:
    """A keyholder that releases without a check, and with a leaf of its own making."""

    def __init__(self, inner: Any, world: World, name: str) -> None:
        self._inner, self._world, self._name = inner, world, name

    def release(self, call: Any) -> Released:
        return re_released(self._inner, self._world.chain, call, lambda held: with_field(held, self._name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("name", FIELDS)
def test_a_leaf_that_all_keyholders_alter_alike_is_refused(world: World, mine: Access, name: str) -> None:
    """All n collude and flip one bit of one field: the reader is told which field's owner cheated."""
    honest = world.group
    colluding = [Colluding(keyholder, world, name) for keyholder in world.keyholders]
    world.group = Group(world.chain.deployment, honest.roster, colluding)
    try:
        with pytest.raises(ConsentryError) as refused:
            world.desk("clinician").open(world.patient, mine.record_id)
    finally:
        world.group = honest
    if FIELDS[name] is ShareMismatch:  # found in each answer: none is left to combine
        assert type(refused.value) is TooFewKeyholders
        said, _, proofs = str(refused.value).partition("; the proof is in ")
        assert said.count("ShareMismatch") == proofs.count("ShareMismatch") == world.group.roster.count
    else:
        assert isinstance(refused.value, FIELDS[name])
        assert not isinstance(refused.value, DealInconsistent)


# --- a release's answer


@pytest.fixture(scope="module")
def answers(world: World, mine: Access) -> list[Released]:
    """The honest answers of all keyholders."""
    return [mine.release(to=index) for index in range(1, world.group.roster.count + 1)]


def info_of(mine: Access, index: int) -> bytes:
    return release_info(mine.world.chain.deployment, mine.terms.patient, mine.entry, index)


def test_an_altered_answer_to_an_entry_does_not_open(mine: Access, answers: list[Released]) -> None:
    for data in tampered(answers[0].sealed, 200):
        refuses(lambda d=data: unwrap(d, mine.reply_seed, info_of(mine, 1)), WrapBroken)


def test_an_answer_cannot_be_given_in_anothers_name_or_to_another_entry(
    world: World, mine: Access, answers: list[Released]
) -> None:
    """Keyholder 2's share as keyholder 1's; an answer to an earlier entry for the same record."""
    refuses(lambda: unwrap(answers[1].sealed, mine.reply_seed, info_of(mine, 1)), WrapBroken)
    again = replace(mine, entry=replace(mine.entry, access_id=keccak(b"another entry")))
    refuses(lambda: unwrap(answers[0].sealed, mine.reply_seed, info_of(again, 1)), WrapBroken)
    for answer in answers:
        subject = keccak(answer.sealed)
        for card in world.group.roster.keyholders:
            if card.index != answer.signed.keyholder:
                with pytest.raises(SignatureInvalid):
                    answer.signed.verify(world.chain.deployment, card, "release", subject)


def test_no_word_of_a_keyholders_signed_answer_can_be_altered(world: World, answers: list[Released]) -> None:
    """Its block, row and row hash as little as its subject: an auditor relies on them."""
    signed, card = answers[0].signed, world.group.roster.keyholders[0]
    subject = keccak(answers[0].sealed)
    signed.verify(world.chain.deployment, card, "release", subject)
    changed = [
        replace(signed, block=signed.block + 1),
        replace(signed, row=signed.row + 1),
        replace(signed, row_hash=keccak(b"another")),
        *(replace(signed, signature=data) for data in tampered(signed.signature, 65)),
    ]
    for one in changed:
        refuses(lambda s=one: s.verify(world.chain.deployment, card, "release", subject), SignatureInvalid)
    refuses(lambda: signed.verify(world.chain.deployment, card, "deal", subject), SignatureInvalid)


# --- key box and statement


def test_an_altered_key_box_is_refused_by_keyholder_and_grantee(world: World) -> None:
    [proposal] = world.grant("clinician", "general")
    box, patient, me = proposal.box, world.person("patient"), world.person("clinician")
    for number, data in enumerate(tampered(box.encode(), 200)):
        if number % 4 == 0:
            with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
                world.keyholders[0].box(data)

        def verify(data: bytes = data) -> None:
            KeyBox.decode(data).verify(world.chain.deployment, patient.address)

        refuses(verify, IntegrityError, SignatureInvalid)
    for data in tampered(box.to_grantee, 80):
        changed = replace(box, to_grantee=data)
        with pytest.raises(WrapBroken):
            open_box(world.chain.deployment, changed, me.keyring.seed, me.keyring.public_key)
    for data in tampered(box.to_patient, 80):
        with pytest.raises(WrapBroken):
            open_own_box(world.chain.deployment, replace(box, to_patient=data), patient.keyring.seed)


def test_a_box_that_every_keyholder_alters_is_named_as_not_delivered(world: World) -> None:
    [proposal] = world.grant("clinician", "general")
    where = (world.patient, proposal.grant_id, proposal.terms.segment)
    for keyholder in world.keyholders:
        keyholder._vault.add_box(*where, next(iter(flipped(proposal.box.encode()[::-1], 1)))[::-1])
    try:
        with pytest.raises(GrantNotDelivered):
            world.desk("clinician").list(world.patient, proposal.grant_id)
    finally:
        for keyholder in world.keyholders:
            keyholder._vault.add_box(*where, proposal.box.encode())


def test_the_box_of_another_grant_does_not_open_under_this_ones_header(world: World) -> None:
    """Swapped wraps, newly signed by the patient's own device: each part is bound to its grant."""
    one, other = world.grant("clinician", "general")[0].box, world.grant("clinician", "substance-use")[0].box
    me, patient = world.person("clinician"), world.person("patient")
    mixed = replace(one, to_grantee=other.to_grantee, to_patient=other.to_patient)
    deployment = world.chain.deployment
    refuses(lambda: open_box(deployment, mixed, me.keyring.seed, me.keyring.public_key), WrapBroken)
    refuses(lambda: open_own_box(deployment, mixed, patient.keyring.seed), WrapBroken)


def test_an_altered_statement_is_refused_by_keyholder_and_depositor(world: World) -> None:
    [signed, *_] = world.keyholders[0]._vault.statements(world.patient)
    patient = world.person("patient")

    def verify(changed: SignedStatement) -> None:
        roster = world.group.roster.hashes
        verify_statement(world.chain.deployment, changed, controller=patient.address, keyholders=roster)

    verify(signed)
    altered = [SignedStatement(data, signed.signature) for data in tampered(signed.body, 150)]
    altered += [SignedStatement(signed.body, data) for data in tampered(signed.signature, 65)]
    for number, changed in enumerate(altered):
        refuses(lambda c=changed: verify(c), IntegrityError, SignatureInvalid)
        if number % 4 == 0:
            with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
                world.keyholders[0].statement(changed)


def test_the_signature_of_another_patients_statement_is_no_use(world: World) -> None:
    held = world.keyholders[0]._vault.statements
    mine, hers = held(world.patient)[0], held(world.person("neighbour").identity)[0]
    for swapped in (SignedStatement(mine.body, hers.signature), SignedStatement(hers.body, mine.signature)):
        with pytest.raises(KeyholderRefused):
            world.keyholders[0].statement(swapped)


# --- files that are handed over


def meaning(text: bytes) -> Any:
    """What a JSON file says, whatever its spaces and the case of its hexadecimal."""
    try:
        return json.loads(text.decode().lower())
    except ValueError:
        return None


def altered_files(text: str, count: int) -> Iterator[bytes]:
    """Altered forms of a JSON file that do not say the same as before."""
    honest = meaning(text.encode())
    for data in tampered(text.encode(), count):
        if meaning(data) != honest:
            yield data


def test_an_altered_card_does_not_verify(world: World) -> None:
    """Every field of it, its signature included; by the same name whatever was changed."""
    card = world.cards["clinician"]

    def verify(data: bytes) -> None:
        world.chain.verify_card(Card.from_json(data))

    verify(card.to_json().encode())
    for data in altered_files(card.to_json(), 120):
        refuses(lambda d=data: verify(d), CardInvalid)
    for name in ("salt", "public_key", "signature"):
        for data in flipped(getattr(card, name), 8):
            changed = replace(card, **{name: data})
            refuses(lambda c=changed: world.chain.verify_card(c), CardInvalid)


def test_the_clinicians_card_under_the_hospitals_name_does_not_verify(world: World) -> None:
    clinician, hospital = world.cards["clinician"], world.cards["hospital"]
    for changes in (
        {"name": hospital.name},
        {"number": "1234567802"},
        {"address": hospital.address},
        {"authority": world.person("stranger").address},
        {"signature": hospital.signature},
    ):
        refuses(lambda c=changes: world.chain.verify_card(replace(clinician, **c)), CardInvalid)


def test_an_altered_grant_json_puts_nothing_in_force(world: World) -> None:
    """By name for whoever delivers it; and the honest file is delivered afterwards."""
    desk, offered = world.desk("patient"), world.offered("clinician", "hiv")
    [proposal] = desk.propose(offered)
    handed = desk.sign(proposal)
    courier = world.person("stranger").signer

    def give(data: bytes) -> None:
        deliver(world.chain, world.group, courier, json.loads(data))

    text = json.dumps(handed)
    for data in altered_files(text, 60):
        if meaning(data) is not None:
            refuses(lambda d=data: give(d), UsageError, IntegrityError, ContractRefused)
    for name in ("patient", "signer", "grantId", "signature", "box"):
        raw = bytes.fromhex(handed[name].removeprefix("0x"))
        for changed in [*list(flipped(raw, 33))[::4], *cut(raw)]:
            if name == "signature" and len(changed) == 64:
                continue  # where v is 27, r and s alone are the same signature's compact form (EIP-2098)
            fields = json.dumps({**handed, name: "0x" + changed.hex()}).encode()
            refuses(lambda f=fields: give(f), UsageError, IntegrityError, ContractRefused)
    assert world.chain.grant_state(world.patient, proposal.grant_id).status == 0
    give(text.encode())
    assert world.chain.in_force(world.patient, proposal.grant_id)


def test_the_box_of_another_grant_in_a_grant_json_is_refused(world: World) -> None:
    desk = world.desk("patient")
    [one] = desk.propose(world.offered("clinician", "mental-health"))
    [other] = desk.propose(world.offered("clinician", "sexual-health"))
    mixed = {**desk.sign(one), "box": desk.sign(other)["box"]}
    courier = world.person("stranger").signer
    refuses(lambda: deliver(world.chain, world.group, courier, mixed), UsageError)


def test_an_altered_keyholders_json_is_not_taken(world: World, tmp_path: Any) -> None:
    roster = world.group.roster
    roster.save(tmp_path / "keyholders.json")
    text = (tmp_path / "keyholders.json").read_text("utf-8")
    for data in altered_files(text, 150):
        (tmp_path / "altered.json").write_bytes(data)
        refuses(lambda: Roster.load(tmp_path / "altered.json", roster.hash), IntegrityError, UsageError)


# --- the journal


def test_an_altered_journal_row_is_named(world: World, mine: Access) -> None:
    """Edited, moved, removed, cut or forked; whoever holds a signed answer sees a cut tail too."""
    keyholder = world.keyholders[4]
    mine.release(to=5)
    whole, deployment, address = keyholder.journal(), world.chain.deployment, keyholder.card.address
    seen = [(whole[-1].index, whole[-1].hash)]
    verify_journal(deployment, address, whole, seen)
    last = whole[-1]
    edited = [
        replace(last, time=last.time + 1),
        replace(last, kind="labels"),
        replace(last, index=last.index + 1),
        replace(last, body={**last.body, "actor": world.person("nurse").address}),
        replace(last, body={key: text for key, text in last.body.items() if key != "record"}),
        *(replace(last, hash=data) for data in flipped(last.hash, 32)),
        *(replace(last, signature=data) for data in tampered(last.signature, 65)),
    ]
    for row in edited:
        changed = [*whole[:-1], row]
        refuses(lambda c=changed: verify_journal(deployment, address, c), JournalBroken)
    swapped = [*whole[:-2], whole[-1], whole[-2]]
    for changed in (swapped, whole[:-2] + whole[-1:], whole[1:], whole[:-1]):
        refuses(lambda c=changed: verify_journal(deployment, address, c, seen), JournalBroken)
    other = world.keyholders[0].card.address
    refuses(lambda: verify_journal(deployment, other, whole), JournalBroken)


def test_a_journal_row_as_a_file_is_read_whole_or_not_at_all(world: World, mine: Access) -> None:
    keyholder = world.keyholders[0]
    whole = keyholder.journal()
    text = json.dumps(whole[-1].to_json())

    def verify(data: bytes) -> None:
        rows = [*whole[:-1], Row.from_json(json.loads(data))]
        verify_journal(world.chain.deployment, keyholder.card.address, rows[-1:])

    for data in altered_files(text, 80):
        if meaning(data) is not None:
            refuses(lambda d=data: verify(d), JournalBroken)


# --- elsewhere


@dataclass
class Twins:
    """Two deployments with the same people, the same keys and the same keyholders."""

    here: World
    there: World


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """The story on one chain, and the same keys on another."""
    home = tmp_path_factory.mktemp("here")
    here = populated(make_world(home))
    there_home = tmp_path_factory.mktemp("there")
    shutil.copytree(home / "keyholders", there_home / "keyholders")
    there = make_world(there_home)
    for name, person in here.people.items():
        signer = LocalSigner(person.signer._key)  # type: ignore[attr-defined]
        fund(there.web3, signer.address)
        scope = there.chain.deployment.id
        there.people[name] = Person(signer, person.keyring, there_home / name, scope)
    populated(there)
    return Twins(here, there)


def test_nothing_that_was_signed_or_sealed_for_one_deployment_holds_in_another(twins: Twins) -> None:
    """Patient, hospital and clinician have the same keys in both, the keyholders too: only the
    deployment differs."""
    here, there = twins.here, twins.there
    assert here.group.roster.hash == there.group.roster.hash
    assert here.patient == there.patient
    keyholder = there.keyholders[0]
    proposal = here.grant("clinician", "general")[0]
    mine = access(here, proposal)
    [signed, *_] = here.keyholders[0]._vault.statements(here.patient)
    part = envelope(here, "hospital", statement_of(here, "general"), deposit_terms(here, "general"))[0]
    for attack in (
        lambda: keyholder.statement(signed),
        lambda: keyholder.box(proposal.box.encode()),
        lambda: keyholder.deal(part.encode()),
        lambda: keyholder.release(mine.call()),
    ):
        with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
            attack()


def test_a_grant_a_revocation_and_a_card_of_one_deployment_are_refused_in_another(twins: Twins) -> None:
    """By the contracts and the caller's own side, by name."""
    here, there = twins.here, twins.there
    desk, courier = here.desk("patient"), there.person("clinician").signer
    [proposal] = desk.propose(here.offered("clinician", "hiv"))
    handed = desk.sign(proposal)
    refuses(lambda: deliver(there.chain, there.group, courier, handed), UsageError)
    deployment = there.chain.deployment
    renamed = {**handed, "chainId": deployment.chain_id, "genesis": "0x" + deployment.genesis.hex()}
    renamed |= {"contract": deployment.registry}
    refuses(lambda: deliver(there.chain, there.group, courier, renamed), IntegrityError)
    signer, signature = (bytes.fromhex(handed[name][2:]) for name in ("signer", "signature"))
    arguments = (there.patient, signer, proposal.grant_id, signature)
    with pytest.raises(ContractRefused) as refused:
        there.chain.send(courier, "ConsentRegistry", "grantBySig", *arguments)
    assert refused.value.name == "SignatureInvalid"
    with pytest.raises(ContractRefused) as refused:
        there.chain.send(courier, "ConsentRegistry", "revokeBySig", *arguments)
    assert refused.value.name == "SignatureInvalid"
    refuses(lambda: there.chain.verify_card(here.cards["clinician"]), CardInvalid)


def test_a_key_box_a_blob_and_an_answer_of_one_deployment_do_not_open_in_another(twins: Twins) -> None:
    """The same seeds open nothing there: every wrap and seal is bound to its deployment."""
    here, there = twins.here, twins.there
    me, patient = here.person("clinician"), here.person("patient")
    box = here.grant("clinician", "general")[0].box
    deployment = there.chain.deployment
    refuses(lambda: open_box(deployment, box, me.keyring.seed, me.keyring.public_key), WrapBroken)
    refuses(lambda: open_own_box(deployment, box, patient.keyring.seed), WrapBroken)
    refuses(lambda: box.verify(deployment, patient.address), IntegrityError)
    desk = here.desk("patient")
    desk._own.refresh()
    key = desk._own.openings()[0]
    refuses(lambda: fetch(here.store, there.chain, key.leaf, key.data_key, FHIR), BlobAltered)
    refuses(lambda: key.header.place(deployment), IntegrityError)


def test_a_journal_of_one_deployment_is_none_of_another(twins: Twins) -> None:
    keyholder = twins.here.keyholders[0]
    address, rows = keyholder.card.address, keyholder.journal()
    refuses(lambda: verify_journal(twins.there.chain.deployment, address, rows), JournalBroken)


def test_a_desk_of_one_deployment_does_not_use_the_keyholders_of_another(twins: Twins) -> None:
    """Its signed calls are refused, and the keyholders' word is not taken."""
    here, there = twins.here, twins.there
    mixed = Group(here.chain.deployment, here.group.roster, there.keyholders)
    desk = Client(here.store, here.chain, mixed, here.person("hospital"))
    with pytest.raises(ConsentryError):
        desk.list(here.patient, here.chain.grants_of(here.patient)[0])
    patient = Client(here.store, here.chain, mixed, here.person("patient"))
    offered = here.offered("clinician", "hiv")
    refuses(lambda: patient.grant(offered, patient.propose(offered)), TooFewKeyholders)
