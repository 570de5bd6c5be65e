"""What is encoded as the contracts do, and what was sealed: by a stranger, or by one who has the key."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace

from cryptography.cobblestone import Cobblestone256Encryptor
from eth_utils.crypto import keccak

from consentry import seal
from consentry.chain.contracts import Entry
from consentry.client.outbox import seal_file, unseal_file
from consentry.client.proof import Given
from consentry.consent.box import SEGMENT_SEED as SEED_KEY
from consentry.consent.box import Granted, KeyBox, make_box, open_box, open_own_box, sign_boxes
from consentry.consent.terms import Terms
from consentry.envelope.anchor import Batched
from consentry.envelope.deposit import (
    Header,
    Part,
    open_own_session,
    open_session,
    open_shares,
    verify_part,
)
from consentry.envelope.leaf import Label, Leaf, open_label, own_data_key
from consentry.envelope.statement import (
    SignedStatement,
    Statement,
    next_statement,
    open_own,
    open_previous,
    segment_pair_seed,
    verify_statement,
)
from consentry.keyholder.held import Held
from consentry.keyholder.messages import ReleaseAsked, release_info
from consentry.keys.binding import abi_decode, abi_encode, word
from consentry.keys.hpke import check_public_key, hkdf, open_once, public_key, seal_once, unwrap, wrap
from consentry.keys.typed import keys_message, verify
from tests.attacks.parsers.parser import Parser, in_file
from tests.support.fixed import (
    DEPLOYMENT,
    HOSPITAL_SEED,
    KEYHOLDER_SEEDS,
    LABEL,
    PATIENT,
    PATIENT_SEED,
    READING,
    ROSTER,
    SEGMENT_SEED,
    a_card,
    a_statement,
    dealt,
    seed,
    signed_statement,
    some_terms,
)

STATEMENT = a_statement()
SIGNED = signed_statement(STATEMENT)
DEALT = dealt(3, by=PATIENT, under=STATEMENT)
PLACE, PART = DEALT.place, DEALT.parts[0]
LEAF, SHARES = DEALT.leaves[0]
BATCHED = replace(LEAF, batched=Batched(7, 1, 2, (bytes(32),)))
HALF = seed(90)
GRANTED = Granted(some_terms(), READING, "general", SEED_KEY, SEGMENT_SEED)
_UNSIGNED = make_box(DEPLOYMENT, GRANTED, version=1, card=a_card(), patient_key=public_key(PATIENT_SEED))
BOX = replace(_UNSIGNED, signature=PATIENT.sign_typed_data(_UNSIGNED.message(DEPLOYMENT)))
_BOUND = (BOX.patient, BOX.segment, BOX.record, word(BOX.version), BOX.grant_id)
BOX_INFO = DEPLOYMENT.info("box", *_BOUND, keccak(public_key(HOSPITAL_SEED)))
OWN_BOX_INFO = DEPLOYMENT.info("box", *_BOUND)
REPLY_KEY = public_key(seed(44))
ENTRY = Entry(
    PATIENT.address,
    LEAF.record_id,
    some_terms().grant_id,
    seed(37),
    1,
    keccak(REPLY_KEY),
    seed(39),
    2**40,
)
ASKED = ReleaseAsked(LEAF.record_id, some_terms(), ENTRY, REPLY_KEY)
LATER = next_statement(DEPLOYMENT, STATEMENT, kind="general", seed=SEGMENT_SEED, earlier=[seed(22)])
LATER_GRANT = replace(GRANTED, earlier=seed(22))
_LATER_BOX = make_box(DEPLOYMENT, LATER_GRANT, version=2, card=a_card(), patient_key=public_key(PATIENT_SEED))
_LATER_INFO = DEPLOYMENT.info("box", *_BOUND[:3], word(2), BOX.grant_id, keccak(public_key(HOSPITAL_SEED)))
CONTEXT = seal.context(DEPLOYMENT, LEAF.record_id, "text/plain")


def _blob(plain: bytes = b"Test letter") -> bytes:
    sink = io.BytesIO()
    seal.seal(io.BytesIO(plain), sink, seed(1), CONTEXT)
    return sink.getvalue()


def _unseal(blob: bytes) -> object:
    digest = hashlib.sha256(blob).digest()  # a contributor may anchor anything
    return seal.unseal(io.BytesIO(blob), io.BytesIO(), seed(1), CONTEXT, digest)


def _padded(padded: bytes) -> object:
    """A contributor may seal what was not padded."""
    encryptor = Cobblestone256Encryptor(seed(1), CONTEXT)
    return _unseal(encryptor.update(padded) + encryptor.finalize())


def _statement(body: bytes) -> object:
    signed = SignedStatement(
        body, PATIENT.sign_typed_data(keys_message(DEPLOYMENT, "Statement", body=keccak(body)))
    )
    return verify_statement(DEPLOYMENT, signed, controller=PATIENT.address, keyholders=ROSTER.hashes)


def _own_seed(plain: bytes) -> object:
    info = DEPLOYMENT.info("own seed", STATEMENT.patient, STATEMENT.segment, 1)
    wrapped = wrap(plain, STATEMENT.patient_key, info)
    return open_own(DEPLOYMENT, replace(STATEMENT, own_seed=wrapped), PATIENT_SEED)


def _part(data: bytes) -> object:
    part = Part.decode(data)
    return part.leaves, open_shares(DEPLOYMENT, part, 1, KEYHOLDER_SEEDS[0])


def _signed_part(data: bytes) -> object:
    part = Part.decode(data)
    signature = PATIENT.sign_typed_data(keys_message(DEPLOYMENT, "Envelope", envelope=part.envelope))
    return verify_part(DEPLOYMENT, replace(part, signature=signature))


def _dealt(shares: bytes) -> object:
    info = DEPLOYMENT.info("deal", PLACE.patient, PLACE.segment, PLACE.session, 1, 1)
    part = replace(PART, shares=wrap(shares, public_key(KEYHOLDER_SEEDS[0]), info))
    return open_shares(DEPLOYMENT, part, 1, KEYHOLDER_SEEDS[0])


def _header(data: bytes) -> object:
    header = Header.decode(data)
    return open_own_session(header.place(DEPLOYMENT), header, PATIENT_SEED)


def _label(plain: bytes) -> object:
    key = hkdf(HALF, PLACE.info("label", LEAF.record_id))
    return open_label(PLACE, HALF, LEAF.record_id, seal_once(key, plain))


def _own_wrap(plain: bytes) -> object:
    key = hkdf(HALF, PLACE.info("own DEK", LEAF.record_id))
    return own_data_key(PLACE, replace(LEAF, own_wrap=seal_once(key, plain)), HALF)


def _box(data: bytes) -> object:
    box = KeyBox.decode(data)
    box.verify(DEPLOYMENT, PATIENT.address)
    return open_box(DEPLOYMENT, box, HOSPITAL_SEED, public_key(HOSPITAL_SEED))


def _unsigned_box(data: bytes) -> object:
    return open_own_box(DEPLOYMENT, KeyBox.decode(data), PATIENT_SEED)


def _in_box(plain: bytes) -> object:
    box = replace(BOX, to_grantee=wrap(plain, public_key(HOSPITAL_SEED), BOX_INFO))
    return open_box(DEPLOYMENT, box, HOSPITAL_SEED, public_key(HOSPITAL_SEED))


def _in_later_box(plain: bytes) -> object:
    box = replace(_LATER_BOX, to_grantee=wrap(plain, public_key(HOSPITAL_SEED), _LATER_INFO))
    return open_box(DEPLOYMENT, box, HOSPITAL_SEED, public_key(HOSPITAL_SEED))


def _in_own_box(plain: bytes) -> object:
    return open_own_box(
        DEPLOYMENT, replace(BOX, to_patient=wrap(plain, public_key(PATIENT_SEED), OWN_BOX_INFO)), PATIENT_SEED
    )


def _framed(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """The padding is right, whatever it holds."""

    def call(data: bytes) -> object:
        framed = len(data).to_bytes(4, "big") + data
        return read(framed.ljust(-(-len(framed) // 1024) * 1024, b"\0"))

    return call


def _contents(padded: bytes) -> bytes:
    return padded[4 : 4 + int.from_bytes(padded[:4], "big")]


def _released(plain: bytes) -> object:
    sealed = wrap(plain, REPLY_KEY, release_info(DEPLOYMENT, PLACE.patient, ENTRY, 1))
    return Given.opened(DEPLOYMENT, ASKED, 1, sealed, seed(44), ROSTER.groups)


def _together(signature: bytes) -> None:
    replace(BOX, signature=signature).verify(DEPLOYMENT, PATIENT.address)


def _earlier(plain: bytes) -> object:
    key = public_key(segment_pair_seed(SEGMENT_SEED))
    info = DEPLOYMENT.info("previous seed", LATER.patient, LATER.segment, LATER.version)
    return open_previous(DEPLOYMENT, replace(LATER, previous_seed=wrap(plain, key, info)), SEGMENT_SEED)


def _signature(signature: bytes) -> object:
    return verify(BOX.message(DEPLOYMENT), signature, PATIENT.address)


def _outbox() -> bytes:
    kept: list[bytes] = []

    def keep(path: object) -> None:
        seal_file(path, seed(1), b"{}")  # type: ignore[arg-type]
        kept.append(path.read_bytes())  # type: ignore[attr-defined]

    in_file(keep)(b"")
    return kept[0]


_GRANTEES = unwrap(BOX.to_grantee, HOSPITAL_SEED, BOX_INFO)
_LATERS = unwrap(_LATER_BOX.to_grantee, HOSPITAL_SEED, _LATER_INFO)
_PATIENTS = unwrap(BOX.to_patient, PATIENT_SEED, OWN_BOX_INFO)
_HEADER = DEALT.header.encode()
_RELEASE = abi_encode(["bytes", "bytes", "bytes32"], [*LEAF.encode(), SHARES[0]])
_TYPES = ["bytes[]", "(address,uint64,bool)", "string", "bytes32[]"]
_VALUES = [[b"one", b"two"], (PATIENT.address, 1, True), "text", [seed(1)]]

SEALED = {
    "a blob": Parser(_unseal, _blob(), (seal.unseal,)),
    "a blob's plaintext": Parser(_padded, b"text" + bytes(1012) + (4).to_bytes(8, "big"), (seal.unseal,)),
    "values of the contracts": Parser(
        lambda d: abi_decode(_TYPES, d, "it"), abi_encode(_TYPES, _VALUES), (abi_decode,)
    ),
    "terms": Parser(Terms.decode, some_terms().encode(), (Terms.decode,)),
    "a statement": Parser(_statement, STATEMENT.encode(), (Statement.decode, verify_statement)),
    "a statement's own seed": Parser(
        _own_seed, abi_encode(["bytes32", "string"], [SEGMENT_SEED, "hiv"]), (open_own,)
    ),
    "an envelope's header": Parser(_header, _HEADER, (Header.decode, open_own_session)),
    "a part": Parser(_part, PART.encode(), (Part.decode, open_shares)),
    "a signed part": Parser(_signed_part, PART.encode(), (verify_part,)),
    "a part's shares": Parser(_dealt, b"".join(shares[0] for _, shares in DEALT.leaves), (open_shares,)),
    "a leaf's open part": Parser(
        lambda d: Leaf.decode(d, LEAF.encode()[1]), LEAF.encode()[0], (Leaf.decode,)
    ),
    "a leaf's sealed part": Parser(
        lambda d: Leaf.decode(LEAF.encode()[0], d), LEAF.encode()[1], (Leaf.decode,)
    ),
    "a batched leaf's sealed part": Parser(
        lambda d: Leaf.decode(LEAF.encode()[0], d), BATCHED.encode()[1], (Leaf.decode,)
    ),
    "a label": Parser(_label, LABEL.encode(), (Label.decode, open_label)),
    "the patient's wrap of a leaf": Parser(_own_wrap, seed(2) + LABEL.encode(), (own_data_key,)),
    "a session wrap": Parser(
        lambda d: open_session(PLACE, d, seed(1)),
        wrap(seed(2), public_key(seed(1)), PLACE.session_info("S_A")),
        (open_session,),
    ),
    "a key box": Parser(_box, BOX.encode(), (KeyBox.decode, open_box)),
    "a key box that nobody verified": Parser(_unsigned_box, BOX.encode(), (KeyBox.decode, open_own_box)),
    "a grantee's part of a box": Parser(_in_box, _GRANTEES, (open_box,)),
    "what a grantee's part holds": Parser(_framed(_in_box), _contents(_GRANTEES), (open_box,)),
    "what a later box holds": Parser(_framed(_in_later_box), _contents(_LATERS), (open_box,)),
    "a signature over several boxes": Parser(
        _together, sign_boxes(DEPLOYMENT, PATIENT, [BOX, _LATER_BOX])[0].signature, (KeyBox._together,)
    ),
    "seeds of the version before": Parser(_earlier, seed(22) + seed(23), (open_previous,)),
    "a patient's part of a box": Parser(_in_own_box, _PATIENTS, (open_own_box,)),
    "what a patient's part holds": Parser(_framed(_in_own_box), _contents(_PATIENTS), (open_own_box,)),
    "a release call": Parser(
        ReleaseAsked.decode,
        ASKED.encode(),
        (ReleaseAsked.decode,),
    ),
    "what a keyholder released": Parser(_released, _RELEASE, (Given.opened,)),
    "a record as it is held": Parser(
        lambda d: Held.unseal(_HEADER, seed(1), seal_once(seed(1), d)), _RELEASE, (Held.unseal,)
    ),
    "a held record's header": Parser(
        lambda d: Held.unseal(d, seed(1), seal_once(seed(1), _RELEASE)), _HEADER, (Held.unseal,)
    ),
    "a wrap": Parser(
        lambda d: unwrap(d, seed(1), b"info"), wrap(b"it", public_key(seed(1)), b"info"), (unwrap,)
    ),
    "a sealed value": Parser(lambda d: open_once(seed(1), d), seal_once(seed(1), b"it"), (open_once,)),
    "a public key": Parser(check_public_key, public_key(seed(1)), (check_public_key,)),
    "a signature": Parser(_signature, BOX.signature, (verify,)),
    "a file of the outbox": Parser(
        in_file(lambda path: unseal_file(path, seed(1))), _outbox(), (unseal_file,)
    ),
}
