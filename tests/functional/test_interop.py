"""What we seal is opened by programs of other people, and what they seal by ours; a swapped suite, info or
associated data is refused on either side."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from eth_utils.crypto import keccak

from consentry import seal
from consentry.consent.box import KeyBox, open_box
from consentry.errors import BlobAltered, WrapBroken
from consentry.keys.binding import abi_decode, word
from consentry.keys.hpke import ALGORITHM, public_key, unwrap, wrap
from tests.support.fixed import DEPLOYMENT, HOSPITAL_SEED, seed, some_terms
from tests.support.peers import (
    AES_128_GCM,
    HKDF_SHA512,
    PEERS,
    X_WING,
    Broken,
    Question,
    open_chunks,
    seal_chunks,
)

SEEDS = [seed(1), seed(255), hashlib.sha256(b"a seed").digest()]
INFO = DEPLOYMENT.info("A", 1, 2, 3)
SIZES = (0, 1, 32, 1024, 50_000)
VECTORS = Path(__file__).parents[1] / "vectors"
COBBLESTONE = json.loads((VECTORS / "chunked-encryption.json").read_text("utf-8"))["vectors"]


# --- X-Wing


@pytest.mark.parametrize("peer", PEERS)
def test_a_seed_has_the_same_public_key_everywhere(peer: str) -> None:
    assert PEERS[peer](*(Question("public", one) for one in SEEDS)) == [public_key(one) for one in SEEDS]


@pytest.mark.parametrize("peer", PEERS)
def test_what_we_wrap_others_open(peer: str) -> None:
    plain = bytes(range(256)) * 200
    wraps = [wrap(plain[:size], public_key(one), INFO) for one in SEEDS for size in SIZES]
    keys = [one for one in SEEDS for _ in SIZES]
    asked = [Question("open", key, INFO, sealed) for key, sealed in zip(keys, wraps, strict=True)]
    assert PEERS[peer](*asked) == [plain[:size] for _ in SEEDS for size in SIZES]


@pytest.mark.parametrize("peer", PEERS)
def test_what_others_wrap_we_open(peer: str) -> None:
    plain = bytes(range(256)) * 200
    asked = [Question("seal", public_key(one), INFO, plain[:size]) for one in SEEDS for size in SIZES]
    keys = [one for one in SEEDS for _ in SIZES]
    for key, question, sealed in zip(keys, asked, PEERS[peer](*asked), strict=True):
        assert sealed is not None
        assert unwrap(sealed, key, INFO) == question.data


SWAPPED: dict[str, dict[str, Any]] = {
    "another info": {"info": INFO + b"\0"},
    "no info": {"info": b""},
    "associated data": {"aad": b"aad"},
    "another KDF": {"kdf": HKDF_SHA512},
    "another AEAD": {"aead": AES_128_GCM},
    "another key": {"key": seed(9)},
}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("what", SWAPPED)
def test_others_refuse_our_wrap_where_something_is_swapped(peer: str, what: str) -> None:
    good = Question("open", seed(1), INFO, wrap(b"secret", public_key(seed(1)), INFO))
    assert PEERS[peer](good, replace(good, **SWAPPED[what])) == [b"secret", None]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("what", SWAPPED)
def test_we_refuse_the_wrap_of_others_where_something_is_swapped(peer: str, what: str) -> None:
    swapped = {**SWAPPED[what], "key": public_key(SWAPPED[what].get("key", seed(1)))}
    good = Question("seal", public_key(seed(1)), INFO, b"secret")
    kept, altered = PEERS[peer](good, replace(good, **swapped))
    assert kept is not None
    assert unwrap(kept, seed(1), INFO) == b"secret"
    assert altered is not None
    with pytest.raises(WrapBroken):
        unwrap(altered, seed(1), INFO)


@pytest.mark.parametrize("peer", PEERS)
def test_a_flipped_or_cut_wrap_is_refused_by_others_as_by_us(peer: str) -> None:
    sealed = wrap(b"secret", public_key(seed(1)), INFO)
    bent = [sealed[:-1], sealed[:1119], b"", sealed + b"\0"]
    bent += [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        for at in (0, 1087, 1088, 1119, 1120, -1 % len(sealed))
    ]
    assert PEERS[peer](*(Question("open", seed(1), INFO, one) for one in bent)) == [None] * len(bent)
    for one in bent:
        with pytest.raises(WrapBroken):
            unwrap(one, seed(1), INFO)


@pytest.mark.parametrize("peer", PEERS)
def test_another_program_opens_a_key_box_of_old(peer: str) -> None:
    """By the algorithm id that a card carries, and the info that docs/formats.md gives."""
    assert ALGORITHM == X_WING
    old = json.loads((VECTORS / "formats.json").read_text("utf-8"))["sealed"]["key box"]
    box = KeyBox.decode(bytes.fromhex(old["box"]))
    bound = (box.patient, box.segment, box.record, word(box.version), box.grant_id)
    info = DEPLOYMENT.info("box", *bound, keccak(public_key(HOSPITAL_SEED)))
    [opened] = PEERS[peer](Question("open", HOSPITAL_SEED, info, box.to_grantee))
    assert opened is not None
    assert len(opened) % 1024 == 0
    contents = opened[4 : 4 + int.from_bytes(opened[:4], "big")]
    types = ["bytes", "string", "bytes32", "bytes32", "string", "uint8", "bytes32"]
    terms, *_, kind, _, key = abi_decode(types, contents, "it")
    assert terms == some_terms().encode()
    assert (kind, key) == ("general", open_box(DEPLOYMENT, box, HOSPITAL_SEED, public_key(HOSPITAL_SEED)).key)


# --- Cobblestone-256


@pytest.mark.parametrize("vector", COBBLESTONE, ids=lambda one: one["name"])
def test_the_reader_written_from_the_specification_holds_against_its_vectors(vector: dict[str, Any]) -> None:
    """They are of the same scheme with HKDF-SHA-256; Cobblestone-256 is the one with HKDF-SHA-512."""
    sealed = base64.b64decode(vector["ciphertext"] or "")
    sealed = zlib.decompress(sealed) if vector.get("compressed") else sealed
    key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
    if vector["expect"] == "failure":
        with pytest.raises(Broken):
            open_chunks(key, context, sealed, hashes.SHA256())
        return
    opened = open_chunks(key, context, sealed, hashes.SHA256())
    assert hashlib.sha256(opened).hexdigest() == vector["payload_sha256"]
    again = seal_chunks(key, context, opened, hashes.SHA256(), sealed[:24])
    assert again == sealed


CONTEXT = seal.context(DEPLOYMENT, seed(5), "text/plain")
LENGTHS = (0, 1, 1016, 1017, 16_376, 16_377, 100_000)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_reader_written_from_the_specification_opens_our_blobs(length: int) -> None:
    plain, sink = bytes(range(256)) * 400, io.BytesIO()
    seal.seal(io.BytesIO(plain[:length]), sink, seed(1), CONTEXT)
    padded = open_chunks(seed(1), CONTEXT, sink.getvalue(), hashes.SHA512())
    assert padded[:length] == plain[:length]
    assert not any(padded[length:-8])
    assert padded[-8:] == length.to_bytes(8, "big")


@pytest.mark.parametrize("length", LENGTHS)
def test_we_open_what_a_writer_from_the_specification_seals(length: int) -> None:
    plain, sink = (bytes(range(256)) * 400)[:length], io.BytesIO()
    padded = plain + bytes(seal.padded_size(length) - length - 8) + length.to_bytes(8, "big")
    blob = seal_chunks(seed(1), CONTEXT, padded, hashes.SHA512(), bytes(24))
    assert seal.unseal(io.BytesIO(blob), sink, seed(1), CONTEXT, hashlib.sha256(blob).digest()) == length
    assert sink.getvalue() == plain


def test_another_instance_of_the_scheme_is_no_blob() -> None:
    padded = bytes(1016) + (4).to_bytes(8, "big")
    blob = seal_chunks(seed(1), CONTEXT, padded, hashes.SHA256(), bytes(24))
    with pytest.raises(BlobAltered):
        seal.unseal(io.BytesIO(blob), io.BytesIO(), seed(1), CONTEXT, hashlib.sha256(blob).digest())
