"""Frozen vectors: every id, hash and signature of tests/vectors/formats.json comes out as it always did,
and every old sealed thing in it opens for ever.

To extend: add an entry to `VALUES` or `SEALED` below and call ``python -m tests.functional.test_formats``; it
adds what is missing and touches nothing that is there. Never regenerate, and never change an entry: where
a test fails, the code is wrong, or a new version of the format is due beside the old one.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from eth_account.messages import encode_typed_data

from consentry import seal
from consentry.chain.contracts import Entry
from consentry.chain.deployments import Deployed, Deployments, Placed
from consentry.chain.manifest import NAMES
from consentry.client.grant import Granter
from consentry.client.outbox import seal_file, unseal_file
from consentry.client.proof import Proof
from consentry.client.proposal import Proposal
from consentry.consent.box import SEGMENT_SEED as SEED_KEY
from consentry.consent.box import Granted, KeyBox, make_box, open_box, open_own_box, sign_boxes
from consentry.consent.card import Card, Offer
from consentry.consent.membership import admit, take
from consentry.consent.terms import Reading, sentence, typed_revoke, typed_terms
from consentry.envelope.anchor import Batched, link
from consentry.envelope.deposit import (
    Header,
    Part,
    message,
    open_own_session,
    open_session,
    open_shares,
    verify_part,
)
from consentry.envelope.handing import (
    Holding,
    Members,
    _promise,
    check_holding,
    gather,
    hand_on,
    together,
)
from consentry.envelope.leaf import Leaf, data_key, first_half, open_label, own_data_key, record_id
from consentry.envelope.statement import (
    SignedStatement,
    Statement,
    next_statement,
    open_own,
    open_previous,
    segment_pair_seed,
    verify_statement,
)
from consentry.envelope.statement import message as statement_message
from consentry.keyholder import wire
from consentry.keyholder.card import write_card
from consentry.keyholder.handover import (
    _PAGE,
    HandedEnvelope,
    What,
    asked,
    handover_info,
    page_of,
    took,
)
from consentry.keyholder.held import Held
from consentry.keyholder.journal import first_hash, next_row, verify_journal
from consentry.keyholder.messages import (
    BoxAnswer,
    Call,
    Listed,
    OwnAnswer,
    OwnRecord,
    ReleaseAsked,
    Released,
    Signed,
    release_info,
    subject_of_stop,
)
from consentry.keyholder.roster import Roster
from consentry.keys import shamir
from consentry.keys.binding import abi_encode, text_word, word
from consentry.keys.hpke import ALGORITHM, hkdf, open_once, public_key, seal_once, unwrap, wrap
from consentry.keys.keyring import Keyring
from consentry.keys.typed import digest, keys_message
from consentry.store.car import header as car_header
from consentry.store.cid import parse_cid
from tests.support.fixed import (
    AUTHORITY,
    DEPLOYMENT,
    HOSPITAL,
    HOSPITAL_ID,
    HOSPITAL_SEED,
    KEYHOLDER_SEEDS,
    LABEL,
    NEWCOMER_SEED,
    NEXT,
    NOON,
    PATIENT,
    PATIENT_ID,
    PATIENT_SEED,
    READING,
    ROSTER,
    SEGMENT,
    SEGMENT_SEED,
    a_card,
    a_statement,
    dealt,
    seed,
    signed_statement,
    signer,
    some_terms,
)

PATH = Path(__file__).parent.parent / "vectors" / "formats.json"
PASSPHRASE = "correct horse battery staple"
WORDED = Reading("Ärztin Šárka darf meine Akte lesen. 日本語", seed(72), seed(73))
TERMS = some_terms(
    reading_hash=WORDED.hash, record=seed(5), purposes=0x41, flags=5, epoch=2**64 - 2, expires_at=2**40 - 1
)
# Made of made-up bytes where the real ones are random: the encodings and hashes of these never change.
LEAF = Leaf(
    record_id=record_id(PATIENT_ID, SEGMENT, seed(100)),
    share_commitments=tuple(shamir.commitment(seed(6), n, seed(60 + n)) for n in range(1, 6)),
    commit_a=seed(7),
    record_salt=seed(100),
    anchor_salt=seed(120),
    digest=seed(160),
    cid="bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
    wrapped_key=seed(8) + bytes(16),
    own_wrap=seed(9) + bytes(272),
    commit=seed(10),
    label=bytes(272),
)
AT = Batched(2**64 - 2, 2, 3, (seed(83), seed(84)))
BATCHED_LEAF = replace(LEAF, batched=AT)
HEADER = Header(
    deployment=DEPLOYMENT.id,
    patient=PATIENT_ID,
    segment=SEGMENT,
    version=1,
    session=seed(33),
    statement=seed(34),
    contributor=HOSPITAL.address,
    threshold=3,
    count=5,
    session_wrap=b"session wrap",
    own_wrap=b"own wrap",
)
PART = Part(HEADER.encode(), *((part,) for part in LEAF.encode()), b"shares", b"signature", TERMS.encode())
STATEMENT = Statement(
    deployment=DEPLOYMENT.id,
    patient=PATIENT_ID,
    segment=SEGMENT,
    version=2,
    segment_key=public_key(segment_pair_seed(SEGMENT_SEED)),
    patient_key=public_key(PATIENT_SEED),
    emergency=True,
    keyholders=ROSTER.hash,
    previous=seed(35),
    previous_seed=b"previous seed",
    own_seed=b"own seed",
)
BOX = KeyBox(
    deployment=DEPLOYMENT.id,
    patient=PATIENT_ID,
    grant_id=seed(36),
    grantee=HOSPITAL_ID,
    segment=SEGMENT,
    record=bytes(32),
    version=1,
    to_grantee=b"to grantee",
    to_patient=b"to patient",
    signature=b"signature",
)
ENTRY = Entry(HOSPITAL.address, LEAF.record_id, seed(36), seed(37), 1, seed(38), seed(39), 2**40)
CALL = Call(HOSPITAL.address, "release", b"body", seed(40))
WORD = Signed(3, "release", seed(41), 7, 9, seed(42))
OFFER = Offer(HOSPITAL.address, ALGORITHM, public_key(HOSPITAL_SEED))
ROW = next_row(DEPLOYMENT, signer(51), None, NOON, "release", {"who": "Žofie", "record": "0x12"})

# Whatever is made of fixed input alone, by name.
VALUES: dict[str, Callable[[], bytes]] = {
    "deployment id": lambda: DEPLOYMENT.id,
    "info of a role with three fields": lambda: DEPLOYMENT.info("kek", PATIENT_ID, SEGMENT, LEAF.record_id),
    "info with an address and a number": lambda: DEPLOYMENT.info("member", HOSPITAL.address, 7),
    "word of a number": lambda: word(2**64 - 1),
    "word of a role": lambda: text_word("segment pair"),
    "X-Wing public key": lambda: public_key(seed(1)),
    "HKDF, 32 bytes": lambda: hkdf(seed(1), DEPLOYMENT.info("A", PATIENT_ID, SEGMENT, LEAF.record_id)),
    "HKDF, 64 bytes": lambda: hkdf(seed(1) + seed(2), DEPLOYMENT.info("kek"), 64),
    "one-time AES-GCM": lambda: seal_once(seed(1), b"value"),
    "segment pair seed": lambda: segment_pair_seed(SEGMENT_SEED),
    "share at 5 of three": lambda: shamir.evaluate({1: seed(1), 2: seed(2), 4: seed(4)}, 5),
    "secret of three shares": lambda: shamir.evaluate({1: seed(1), 2: seed(2), 4: seed(4)}, 0),
    "share commitment": lambda: shamir.commitment(LEAF.record_id, 3, seed(63)),
    "share commitment of the other group": lambda: shamir.commitment(LEAF.record_id, 3, seed(63), group=2),
    "first half": lambda: first_half(HEADER.place(DEPLOYMENT), seed(1), LEAF.record_id),
    "blob context": lambda: seal.context(DEPLOYMENT, LEAF.record_id, "application/fhir+json"),
    "record id": lambda: LEAF.record_id,
    "anchor": lambda: LEAF.anchor,
    "label": lambda: LABEL.encode(),
    "leaf, open part": lambda: LEAF.encode()[0],
    "leaf, sealed part": lambda: LEAF.encode()[1],
    "leaf hash": lambda: LEAF.hash,
    "batched leaf, sealed part": lambda: BATCHED_LEAF.encode()[1],
    "batch root": lambda: AT.root(HOSPITAL.address, LEAF.record_id, LEAF.anchor),
    "batch link": lambda: link(seed(81), seed(82), 3),
    "header": lambda: HEADER.encode(),
    "part": lambda: PART.encode(),
    "envelope hash": lambda: PART.envelope,
    "envelope digest": lambda: digest(message(DEPLOYMENT, PART.envelope)),
    "statement": lambda: STATEMENT.encode(),
    "statement hash": lambda: STATEMENT.hash,
    "statement digest": lambda: digest(statement_message(DEPLOYMENT, STATEMENT.encode())),
    "statement signature": lambda: PATIENT.sign_typed_data(statement_message(DEPLOYMENT, STATEMENT.encode())),
    "reading hash": lambda: WORDED.hash,
    "terms": lambda: TERMS.encode(),
    "grant id": lambda: TERMS.grant_id,
    "grant digest": lambda: digest(typed_terms(DEPLOYMENT, TERMS, WORDED)),
    "grant signature": lambda: PATIENT.sign_typed_data(typed_terms(DEPLOYMENT, TERMS, WORDED)),
    "revocation digest": lambda: digest(typed_revoke(DEPLOYMENT, PATIENT_ID, TERMS.grant_id)),
    "sentence": lambda: sentence(
        grantee=a_card().title,
        what="general",
        purposes=["treatment", "healthcare research"],
        flags=5,
        not_before=NOON,
        expires_at=NOON + 86_400,
    ).encode(),
    "key box": lambda: BOX.encode(),
    "key box hash": lambda: BOX.hash,
    "key box digest": lambda: digest(BOX.message(DEPLOYMENT)),
    "card hash": lambda: a_card().hash,
    "card digest": lambda: digest(a_card().message(DEPLOYMENT)),
    "card file": lambda: a_card().to_json().encode(),
    "offer digest": lambda: digest(OFFER.message(DEPLOYMENT)),
    "offer file": lambda: OFFER.to_json().encode(),
    "keyholders.json hash": lambda: ROSTER.hash,
    "journal, first hash": lambda: first_hash(DEPLOYMENT, signer(51).address),
    "journal row hash": lambda: ROW.hash,
    "journal row signature": lambda: ROW.signature,
    "call digest": lambda: digest(CALL.message(DEPLOYMENT, ROSTER.keyholders[0].address)),
    "acknowledgement digest": lambda: digest(WORD.message(DEPLOYMENT)),
    "subject of a stop": lambda: subject_of_stop(PATIENT_ID, seed(36)),
    "release call": lambda: ReleaseAsked(LEAF.record_id, TERMS, ENTRY, b"reply key").encode(),
    "release info": lambda: release_info(DEPLOYMENT, PATIENT_ID, ENTRY, 3),
    "approval digest": lambda: digest(NEXT.approval(DEPLOYMENT)),
    "keyholders.json hash, of those who came after": lambda: NEXT.hash,
    "share handed on": lambda: handed_on(once=True)[6].encode(),
    "share handed on twice": lambda: handed_on()[7].encode(),
    "promise": lambda: _promise(LEAF.record_id, NEXT.members, b"\3", 6, seed(63)),
    "held record that was handed on": lambda: HANDED.records[0],
    "envelope handed over": lambda: HANDED.encode(),
    "page handed over": lambda: abi_encode(_PAGE, [[HANDED.encode()], HANDED.envelope]),
    "hand over call": lambda: asked(b"keyholders.json", What.ENVELOPES, seed(55)),
    "hand over info": lambda: handover_info(DEPLOYMENT, NEXT, 1, 6),
    "took over call": lambda: took(NEXT, [seed(1), seed(2)]),
    "membership digest": lambda: digest(keys_message(DEPLOYMENT, "Membership", membership=seed(43))),
}


THIRD = Members(seed(57), 2, (1, 3, 7))


def handed_on(*, once: bool = False) -> dict[int, Holding]:
    """What those hold to whom made-up shares were handed on, once or twice."""
    given = [hand_on(LEAF.record_id, Holding.dealt(seed(60 + n)), n, NEXT.members) for n in (1, 2, 5)]
    first = {n: together([one[n] for one in given], 3) for n in NEXT.members.indexes}
    held = {n: one for n, one in first.items() if one}
    if once:
        return held
    again = [hand_on(LEAF.record_id, held[n], n, THIRD) for n in (1, 3, 6)]
    second = {n: together([one[n] for one in again], 3) for n in THIRD.indexes}
    return {n: one for n, one in second.items() if one}


_HELD = Held(HEADER, *LEAF.encode(), handed_on(once=True)[6].encode()).encode()
HANDED = HandedEnvelope(PART.envelope, HEADER.encode(), TERMS.grant_id, NOON, {0: _HELD})


def _frozen() -> dict[str, Any]:
    return dict(json.loads(PATH.read_text("utf-8")))


@pytest.mark.parametrize("name", VALUES)
def test_it_comes_out_as_it_always_did(name: str) -> None:
    assert VALUES[name]().hex() == _frozen()["values"][name]


def test_nothing_frozen_was_dropped() -> None:
    assert set(_frozen()["values"]) == set(VALUES)
    assert set(_frozen()["sealed"]) == set(SEALED)


def test_the_grant_id_is_the_one_that_wallets_show() -> None:
    signable = encode_typed_data(full_message=typed_terms(DEPLOYMENT, TERMS, WORDED))
    assert signable.body.hex() == _frozen()["values"]["grant id"]


# --- what was sealed once opens for ever


def _blob() -> dict[str, str]:
    sink = io.BytesIO()
    bound = seal.context(DEPLOYMENT, LEAF.record_id, "text/plain")
    seal.seal(io.BytesIO(b"Test letter of old"), sink, seed(140), bound)
    return {"blob": sink.getvalue().hex()}


def _open_blob(old: dict[str, str]) -> None:
    blob, sink = bytes.fromhex(old["blob"]), io.BytesIO()
    bound = seal.context(DEPLOYMENT, LEAF.record_id, "text/plain")
    assert seal.unseal(io.BytesIO(blob), sink, seed(140), bound, hashlib.sha256(blob).digest()) == 18
    assert sink.read() == b"Test letter of old"


def _wrapped() -> dict[str, str]:
    return {"wrap": wrap(b"a secret of old", public_key(seed(1)), DEPLOYMENT.info("A", 1)).hex()}


def _open_wrapped(old: dict[str, str]) -> None:
    assert unwrap(bytes.fromhex(old["wrap"]), seed(1), DEPLOYMENT.info("A", 1)) == b"a secret of old"
    sealed = bytes.fromhex(_frozen()["values"]["one-time AES-GCM"])
    assert open_once(seed(1), sealed) == b"value"


def _keyring() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keyring.json"
        Keyring(seed(1), seed(2), {HOSPITAL.address: seed(3)}).save(path, PASSPHRASE)
        return {"file": path.read_text("utf-8")}


def _open_keyring(old: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keyring.json"
        path.write_text(old["file"], "utf-8")
        assert Keyring.load(path, PASSPHRASE) == Keyring(seed(1), seed(2), {HOSPITAL.address: seed(3)})


def _outbox() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        seal_file(Path(folder) / "state", Keyring(seed(1)).subkey("outbox"), b"{}")
        return {"file": (Path(folder) / "state").read_bytes().hex()}


def _open_outbox(old: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "state").write_bytes(bytes.fromhex(old["file"]))
        assert unseal_file(Path(folder) / "state", Keyring(seed(1)).subkey("outbox")) == b"{}"


def _statement() -> dict[str, str]:
    signed = signed_statement(a_statement("hiv"))
    return {"body": signed.body.hex(), "signature": signed.signature.hex()}


def _open_statement(old: dict[str, str]) -> None:
    signed = SignedStatement(bytes.fromhex(old["body"]), bytes.fromhex(old["signature"]))
    statement = verify_statement(DEPLOYMENT, signed, controller=PATIENT.address, keyholders=ROSTER.hashes)
    assert open_own(DEPLOYMENT, statement, PATIENT_SEED) == (SEGMENT_SEED, "hiv")


def _envelope() -> dict[str, Any]:
    made = dealt(2)
    return {"parts": [part.encode().hex() for part in made.parts]}


def _open_envelope(old: dict[str, Any]) -> None:
    parts = [Part.decode(bytes.fromhex(part)) for part in old["parts"]]
    header = verify_part(DEPLOYMENT, parts[0])
    place = header.place(DEPLOYMENT)
    session = open_session(place, header.session_wrap, segment_pair_seed(SEGMENT_SEED))
    own_session = open_own_session(place, header, PATIENT_SEED)
    shares = {n: open_shares(DEPLOYMENT, parts[n - 1], n, KEYHOLDER_SEEDS[n - 1]) for n in (1, 3, 5)}
    for number, leaf in enumerate(parts[0].leaves):
        half = first_half(place, session, leaf.record_id)
        assert open_label(place, half, leaf.record_id, leaf.label) == LABEL
        assert data_key(place, leaf, half, {n: s[number] for n, s in shares.items()}) == seed(140 + number)
        assert own_data_key(place, leaf, own_session) == (seed(140 + number), LABEL)


def _box() -> dict[str, str]:
    granted = Granted(some_terms(), READING, "general", SEED_KEY, SEGMENT_SEED)
    box = make_box(DEPLOYMENT, granted, version=1, card=a_card(), patient_key=public_key(PATIENT_SEED))
    signature = PATIENT.sign_typed_data(box.message(DEPLOYMENT))
    return {"box": box.encode().hex(), "signature": signature.hex()}


def _open_box(old: dict[str, str]) -> None:
    unsigned = KeyBox.decode(bytes.fromhex(old["box"]))
    fields = {name: getattr(unsigned, name) for name in KeyBox.__dataclass_fields__}
    box = KeyBox(**{**fields, "signature": bytes.fromhex(old["signature"])})
    box.verify(DEPLOYMENT, PATIENT.address)
    expected = Granted(some_terms(), READING, "general", SEED_KEY, SEGMENT_SEED)
    assert open_box(DEPLOYMENT, box, HOSPITAL_SEED, public_key(HOSPITAL_SEED)) == expected
    mine = open_own_box(DEPLOYMENT, box, PATIENT_SEED)
    assert mine == (some_terms(), READING, "general", a_card())


def _release() -> dict[str, str]:
    answer = abi_encode(["bytes", "bytes", "bytes32"], [*LEAF.encode(), seed(63)])
    info = release_info(DEPLOYMENT, PATIENT_ID, ENTRY, 3)
    return {"sealed": wrap(answer, public_key(seed(44)), info).hex()}


def _open_release(old: dict[str, str]) -> None:
    info = release_info(DEPLOYMENT, PATIENT_ID, ENTRY, 3)
    answer = unwrap(bytes.fromhex(old["sealed"]), seed(44), info)
    assert answer == abi_encode(["bytes", "bytes", "bytes32"], [*LEAF.encode(), seed(63)])


def _membership() -> dict[str, str]:
    return {"file": admit(DEPLOYMENT, HOSPITAL, HOSPITAL_SEED, _member_card()).to_json()}


def _member_card() -> Any:
    return a_card(address=PATIENT.address, public_key=public_key(PATIENT_SEED))


def _open_membership(old: dict[str, str]) -> None:
    from consentry.consent.membership import Membership

    handed = Membership.from_json(old["file"])
    mine = {"me": PATIENT.address, "my_seed": PATIENT_SEED, "card": a_card()}
    assert take(DEPLOYMENT, handed, **mine) == HOSPITAL_SEED


def _journal() -> dict[str, Any]:
    second = next_row(DEPLOYMENT, signer(51), ROW, NOON + 1, "own", {"caller": AUTHORITY.address})
    return {"rows": [row.to_json() for row in (ROW, second)]}


def _open_journal(old: dict[str, Any]) -> None:
    from consentry.keyholder.journal import Row

    rows = [Row.from_json(row) for row in old["rows"]]
    verify_journal(DEPLOYMENT, signer(51).address, rows)


def _in_a_file(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(path := Path(folder) / "file.json")
        return path.read_bytes()


def _handed() -> bytes:
    """What `Granter.sign` writes."""
    of = Mock(deployment=DEPLOYMENT)
    me = Mock(address=PATIENT.address, signer=PATIENT, copy=Mock(boxes={}))
    made = Granter.sign(Mock(_chain=of, _me=me), Proposal(TERMS, WORDED, "hiv", BOX))
    return json.dumps(made, indent=1).encode()


def _deployed() -> Deployed:
    contracts = {name: Placed(DEPLOYMENT.registry, 7, [[AUTHORITY.address]]) for name in NAMES}
    where = (DEPLOYMENT.chain_id, DEPLOYMENT.genesis)
    return Deployed(*where, contracts, [AUTHORITY.address], 2, ROSTER.hash, "safe")


WIRE: dict[str, Any] = {
    "call": wire.SignedCall.of(replace(CALL, signature=seed(1))),
    "statement": wire.Statement.of(SignedStatement(b"body", b"signature")),
    "box": wire.Box(box=b"box"),
    "part": wire.Part(part=b"part"),
    "stop": wire.Stop(patient=PATIENT_ID, grant_id=seed(36), signature=b"signature"),
    "acknowledgement": wire.Acknowledgement.of(WORD),
    "grants": wire.Grants(grants=(seed(36),)),
    "found box": wire.FoundBox.of(BoxAnswer(b"box", (SignedStatement(b"body", b"s"),), WORD)),
    "labels": wire.Labels(
        records=(wire.Label.of(Listed(seed(1), seed(2), 3, seed(4), HOSPITAL.address, b"wrap", b"label")),)
    ),
    "release": wire.Release.of(Released(b"sealed", WORD)),
    "own": wire.Own.of(OwnAnswer((), (OwnRecord(b"header", b"open", b"sealed"),), (b"box",))),
    "page": wire.Page(rows=(wire.JournalRow.model_validate(ROW.to_json()),)),
    "refused": wire.REFUSED,
    "later": wire.LATER,
}
VALUES |= {
    "keyholders.json": lambda: _in_a_file(ROSTER.save),
    "keyholders.json of those who came after": lambda: _in_a_file(NEXT.save),
    "keyholder's card file": lambda: _in_a_file(lambda path: write_card(path, ROSTER.keyholders[0])),
    "deployments.json": lambda: _in_a_file(lambda path: Deployments(path).add(_deployed())),
    "grant.json": _handed,
    "held record": lambda: Held(HEADER, *LEAF.encode(), seed(63)).seal(seed(64)),
    "CAR header": lambda: car_header([parse_cid(LEAF.cid)]),
    "key boxes signed together": lambda: sign_boxes(DEPLOYMENT, PATIENT, [BOX, BOX])[0].signature,
}


def _wire() -> dict[str, str]:
    return {name: document.model_dump_json(by_alias=True) for name, document in WIRE.items()}


def _open_wire(old: dict[str, str]) -> None:
    assert old == _wire()
    for name, document in WIRE.items():
        assert type(document).model_validate_json(old[name]) == document


def _files() -> dict[str, str]:
    names = ("keyholders.json", "deployments.json", "card file", "offer file")
    return {name: VALUES[name]().decode() for name in names}


def _open_files(old: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.json"
        path.write_text(old["keyholders.json"], "utf-8")
        assert Roster.load(path, ROSTER.hash) == ROSTER
        path.write_text(old["deployments.json"], "utf-8")
        assert Deployments(path).only() == _deployed()
    assert Card.from_json(old["card file"]) == a_card()
    assert Offer.from_json(old["offer file"]) == OFFER


SECOND = seed(22)


def _rotation() -> dict[str, str]:
    first = a_statement("hiv")
    later = next_statement(DEPLOYMENT, first, kind="hiv", seed=SECOND, earlier=[SEGMENT_SEED])
    granted = Granted(some_terms(), READING, "hiv", SEED_KEY, SECOND, SEGMENT_SEED)
    box = make_box(DEPLOYMENT, granted, version=2, card=a_card(), patient_key=public_key(PATIENT_SEED))
    [signed] = sign_boxes(DEPLOYMENT, PATIENT, [box])
    return {"before": first.hash.hex(), "statement": later.encode().hex(), "box": signed.encode().hex()}


def _open_rotation(old: dict[str, str]) -> None:
    later = Statement.decode(bytes.fromhex(old["statement"]))
    assert (later.version, later.previous.hex()) == (2, old["before"])
    assert open_own(DEPLOYMENT, later, PATIENT_SEED) == (SECOND, "hiv")
    assert open_previous(DEPLOYMENT, later, SECOND) == (SEGMENT_SEED,)
    box = KeyBox.decode(bytes.fromhex(old["box"]))
    box.verify(DEPLOYMENT, PATIENT.address)
    expected = Granted(some_terms(), READING, "hiv", SEED_KEY, SECOND, SEGMENT_SEED)
    assert open_box(DEPLOYMENT, box, HOSPITAL_SEED, public_key(HOSPITAL_SEED)) == expected


def _proof() -> dict[str, str]:
    one, other = (
        replace(bare, signature=signer(51).sign_typed_data(bare.message(DEPLOYMENT)))
        for bare in (replace(WORD, keyholder=1), replace(WORD, keyholder=1, row_hash=seed(43)))
    )
    with tempfile.TemporaryDirectory() as folder:
        return {"file": Proof.of_fork(DEPLOYMENT, one, other).save(Path(folder)).read_text("utf-8")}


def _open_proof(old: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "proof").write_text(old["file"], "utf-8")
        chain = Mock(deployment=DEPLOYMENT)
        said = Proof.load(Path(folder) / "proof").verify(chain, ROSTER)
    assert said == "keyholder 1 (keyholder 1) signed two rows 9 of its journal"


def _handed_on() -> dict[str, Any]:
    """The pages of three dealers for three of those who come after, sealed to them."""
    made = dealt(1)
    [(leaf, shares)] = made.leaves
    pages = {}
    for index in (2, 5, 6):
        for dealer in (1, 3, 4):
            given = hand_on(leaf.record_id, Holding.dealt(shares[dealer - 1]), dealer, NEXT.members)[index]
            held = Held(made.header, *leaf.encode(), given.encode()).encode()
            one = HandedEnvelope(made.parts[0].envelope, made.header.encode(), bytes(32), 0, {0: held})
            page = abi_encode(_PAGE, [[one.encode()], one.envelope])
            info = handover_info(DEPLOYMENT, NEXT, dealer, index)
            pages[f"{dealer} to {index}"] = wrap(page, NEXT.keys[index], info).hex()
    return pages


def _open_handed_on(old: dict[str, Any]) -> None:
    document = bytes.fromhex(_frozen()["values"]["keyholders.json of those who came after"])
    after = Roster.from_json(json.loads(document))
    after.approved(DEPLOYMENT)
    assert (after, after.previous) == (NEXT, ROSTER)
    holdings: dict[int, Holding] = {}
    for index, own in ((2, KEYHOLDER_SEEDS[1]), (5, KEYHOLDER_SEEDS[4]), (6, NEWCOMER_SEED)):
        parts = []
        for dealer in (1, 3, 4):
            info = handover_info(DEPLOYMENT, after, dealer, index)
            [thing], _ = page_of(unwrap(bytes.fromhex(old[f"{dealer} to {index}"]), own, info))
            handed = HandedEnvelope.decode(thing)
            *both, share = Held.parts(handed.records[0])
            parts.append(Holding.decode(share))
        whole, leaf = together(parts, 3), Leaf.decode(*both)
        assert whole is not None
        check_holding(leaf, after.groups, index, whole)
        holdings[index] = whole
    shares, cheats = gather(leaf, after.groups, holdings)
    assert (sorted(shares), cheats) == ([1, 3, 4], [])
    header = Header.decode(handed.header)
    place = header.place(DEPLOYMENT)
    session = open_session(place, header.session_wrap, segment_pair_seed(SEGMENT_SEED))
    assert data_key(place, leaf, first_half(place, session, leaf.record_id), shares) == seed(140)


# How each was made once, and how it opens.
SEALED: dict[str, tuple[Callable[[], dict[str, Any]], Callable[[dict[str, Any]], None]]] = {
    "blob": (_blob, _open_blob),
    "wrap": (_wrapped, _open_wrapped),
    "keyring": (_keyring, _open_keyring),
    "outbox file": (_outbox, _open_outbox),
    "statement": (_statement, _open_statement),
    "envelope of two records": (_envelope, _open_envelope),
    "key box": (_box, _open_box),
    "release": (_release, _open_release),
    "membership": (_membership, _open_membership),
    "journal": (_journal, _open_journal),
    "wire": (_wire, _open_wire),
    "files": (_files, _open_files),
    "key version 2": (_rotation, _open_rotation),
    "proof": (_proof, _open_proof),
    "handed on": (_handed_on, _open_handed_on),
}


@pytest.mark.parametrize("name", SEALED)
def test_what_was_sealed_once_still_opens(name: str) -> None:
    _, opens = SEALED[name]
    opens(_frozen()["sealed"][name])


@pytest.mark.parametrize("name", SEALED)
def test_what_is_sealed_today_opens_as_well(name: str) -> None:
    make, opens = SEALED[name]
    opens(make())


def extend() -> None:
    """Adds the entries that are missing, and touches none that is there."""
    frozen = _frozen() if PATH.exists() else {"values": {}, "sealed": {}}
    for name, value in VALUES.items():
        frozen["values"].setdefault(name, value().hex())
    for name, (make, _) in SEALED.items():
        if name not in frozen["sealed"]:
            frozen["sealed"][name] = make()
    PATH.write_text(json.dumps(frozen, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    extend()
