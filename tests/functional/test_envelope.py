"""Statements, leaves, envelopes: what they hold, who opens them, and who is named when they do not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from consentry.envelope.deposit import (
    Header,
    Part,
    envelope_hash,
    open_own_session,
    open_session,
    open_shares,
    verify_part,
)
from consentry.envelope.leaf import (
    Label,
    Leaf,
    check_share,
    data_key,
    first_half,
    leaf_hash,
    open_label,
    own_data_key,
    record_id,
)
from consentry.envelope.statement import (
    SignedStatement,
    Statement,
    open_own,
    segment_pair_seed,
    verify_statement,
)
from consentry.errors import (
    BoxBroken,
    CommitMismatch,
    DealInconsistent,
    IntegrityError,
    KeyInvalid,
    OwnWrapBroken,
    ShareMismatch,
    WrapBroken,
)
from consentry.keys import shamir
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import hkdf, public_key, seal_once, wrap
from consentry.keys.typed import SignatureInvalid
from tests.support.fixed import (
    DEPLOYMENT,
    ELSEWHERE,
    HOSPITAL,
    KEYHOLDER_SEEDS,
    LABEL,
    PATIENT,
    PATIENT_ID,
    PATIENT_SEED,
    ROSTER,
    SEGMENT,
    SEGMENT_SEED,
    STRANGER,
    Dealt,
    a_statement,
    dealt,
    seed,
    signed_statement,
)

# --- statements


def verified(signed: SignedStatement, **changes: Any) -> Statement:
    values = {"controller": PATIENT.address, "keyholders": ROSTER.hashes}
    return verify_statement(DEPLOYMENT, signed, **{**values, **changes})


def test_a_statement_comes_back_from_its_bytes() -> None:
    statement = a_statement()
    assert Statement.decode(statement.encode()) == statement
    assert statement.hash == keccak(statement.encode())
    assert verified(signed_statement(statement)) == statement


def test_the_patient_finds_seed_and_kind_in_her_statement() -> None:
    assert open_own(DEPLOYMENT, a_statement("hiv"), PATIENT_SEED) == (SEGMENT_SEED, "hiv")


def test_nobody_else_finds_the_seed_in_a_statement() -> None:
    with pytest.raises(WrapBroken):
        open_own(DEPLOYMENT, a_statement(), seed(99))


def test_a_seed_that_is_not_the_segments_is_noticed() -> None:
    info = DEPLOYMENT.info("own seed", PATIENT_ID, SEGMENT, 1)
    other = wrap(abi_encode(["bytes32", "string"], [seed(5), "general"]), public_key(PATIENT_SEED), info)
    with pytest.raises(IntegrityError, match="not that of its segment key"):
        open_own(DEPLOYMENT, replace(a_statement(), own_seed=other), PATIENT_SEED)


def test_a_stranger_cannot_sign_a_statement() -> None:
    with pytest.raises(SignatureInvalid):
        verified(signed_statement(a_statement(), by=STRANGER))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"deployment": ELSEWHERE.id}, "another deployment or other keyholders"),
        ({"keyholders": seed(1)}, "another deployment or other keyholders"),
        ({"version": 0}, "version does not fit"),
        ({"version": 2}, "version does not fit"),
        ({"previous": seed(1)}, "version does not fit"),
    ],
)
def test_a_statement_of_elsewhere_or_out_of_order_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        verified(signed_statement(replace(a_statement(), **change)))


@pytest.mark.parametrize("name", ["segment_key", "patient_key"])
def test_a_statement_with_a_key_that_does_not_work_is_refused(name: str) -> None:
    with pytest.raises(KeyInvalid):
        verified(signed_statement(replace(a_statement(), **{name: bytes(1216)})))


def _another(value: Any) -> Any:
    if isinstance(value, bytes):
        return seed(77) if len(value) == 32 else value + b"\0"
    return not value if isinstance(value, bool) else value + 1


@pytest.mark.parametrize("name", [field.name for field in fields(Statement)])
def test_no_field_of_a_statement_can_be_changed_after_it_was_signed(name: str) -> None:
    statement = a_statement()
    body = replace(statement, **{name: _another(getattr(statement, name))}).encode()
    with pytest.raises(IntegrityError):
        verified(SignedStatement(body, signed_statement(statement).signature))


def test_bytes_that_are_no_statement_are_not_read() -> None:
    for data in (b"", b"\0" * 64, a_statement().encode()[:-1]):
        with pytest.raises(IntegrityError, match="the statement"):
            Statement.decode(data)


# --- labels


def test_a_label_comes_back_and_its_length_tells_nothing() -> None:
    long = replace(
        LABEL, media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    )
    for label in (LABEL, replace(LABEL, kind="hiv", date=""), long):
        assert Label.decode(label.encode()) == label
    assert {len(label.encode()) for label in (LABEL, replace(LABEL, kind="substance-use"))} == {256}
    assert len(replace(LABEL, media_type="a/" + "b" * 250).encode()) == 512


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"7", b"\xff", json.dumps({**json.loads(LABEL.encode()), "more": 1}).encode()],
)
def test_what_is_no_label_is_not_shown(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="label cannot be read"):
        Label.decode(data)


def test_a_label_names_its_contributor_by_an_address() -> None:
    with pytest.raises(IntegrityError):
        Label.decode(replace(LABEL, contributor="Test Hospital").encode())


# --- leaves


@pytest.fixture(scope="module")
def envelope() -> Dealt:
    return dealt(2)


def half_of(envelope: Dealt, number: int = 0) -> bytes:
    leaf, _ = envelope.leaves[number]
    return first_half(envelope.place, envelope.halves.session_key, leaf.record_id)


def shares_of(envelope: Dealt, *indexes: int, number: int = 0) -> dict[int, bytes]:
    _, shares = envelope.leaves[number]
    return {index: shares[index - 1] for index in indexes}


def test_both_halves_give_the_data_key(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    for indexes in [(1, 2, 3), (3, 4, 5), (1, 3, 5)]:
        assert data_key(envelope.place, leaf, half_of(envelope), shares_of(envelope, *indexes)) == seed(140)


def test_a_leaf_comes_back_from_its_two_parts(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    assert Leaf.decode(*leaf.encode()) == leaf
    assert leaf.hash == leaf_hash(*leaf.encode())
    assert leaf.anchor == keccak(leaf.anchor_salt + leaf.record_id + leaf.digest)
    assert (
        leaf.record_id
        == record_id(PATIENT_ID, SEGMENT, seed(100))
        == keccak(PATIENT_ID + SEGMENT + seed(100))
    )


def test_the_open_part_of_a_leaf_holds_no_salt_no_label_and_no_wrapped_key(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    open_part, sealed_part = leaf.encode()
    for hidden in (
        leaf.record_salt,
        leaf.anchor_salt,
        leaf.digest,
        leaf.wrapped_key,
        leaf.label,
        leaf.own_wrap,
    ):
        assert hidden not in open_part
        assert hidden in sealed_part


def test_the_label_opens_with_the_first_half_alone(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    assert open_label(envelope.place, half_of(envelope), leaf.record_id, leaf.label) == LABEL
    with pytest.raises(WrapBroken):
        open_label(envelope.place, half_of(envelope, 1), leaf.record_id, leaf.label)


def test_a_half_of_another_record_is_laid_to_who_made_the_key_box(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    with pytest.raises(BoxBroken):
        data_key(envelope.place, leaf, half_of(envelope, 1), shares_of(envelope, 1, 2, 3))


def test_a_wrong_share_is_laid_to_its_keyholder(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    shares = {**shares_of(envelope, 1, 2), 4: seed(1)}
    with pytest.raises(ShareMismatch, match="keyholder 4"):
        data_key(envelope.place, leaf, half_of(envelope), shares)


@pytest.mark.parametrize("index", [0, 6, -1])
def test_a_share_of_a_keyholder_that_does_not_exist_is_refused(envelope: Dealt, index: int) -> None:
    leaf, shares = envelope.leaves[0]
    with pytest.raises(ShareMismatch):
        check_share(leaf, index, shares[0])


def committed(leaf: Leaf, shares: list[bytes]) -> Leaf:
    """The leaf with commitments to other shares, as a cheating contributor makes it."""
    commitments = [shamir.commitment(leaf.record_id, index, share) for index, share in enumerate(shares, 1)]
    return replace(leaf, share_commitments=tuple(commitments))


def test_shares_that_do_not_belong_together_are_laid_to_the_contributor(envelope: Dealt) -> None:
    leaf, shares = envelope.leaves[0]
    bent = [*shares[:4], seed(1)]
    with pytest.raises(DealInconsistent):
        data_key(envelope.place, committed(leaf, bent), half_of(envelope), dict(enumerate(bent[:3], 1)))


def test_shares_of_another_half_are_laid_to_the_contributor(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    other = shamir.split(seed(1), 3, 5)
    with pytest.raises(CommitMismatch, match="commitment"):
        data_key(envelope.place, committed(leaf, other), half_of(envelope), dict(enumerate(other[:3], 1)))


def test_a_wrapped_key_that_does_not_open_is_laid_to_the_contributor(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    spoilt = replace(leaf, wrapped_key=bytes(48))
    with pytest.raises(CommitMismatch, match="wrapped data key"):
        data_key(envelope.place, spoilt, half_of(envelope), shares_of(envelope, 1, 2, 3))


def test_fewer_shares_than_needed_give_nothing(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    with pytest.raises(DealInconsistent):
        data_key(envelope.place, leaf, half_of(envelope), shares_of(envelope, 1, 2))


def test_the_patient_opens_alone(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[1]
    session = open_own_session(envelope.place, envelope.header, PATIENT_SEED)
    assert own_data_key(envelope.place, leaf, session) == (seed(141), LABEL)


def test_a_broken_wrap_for_the_patient_is_laid_to_the_contributor(envelope: Dealt) -> None:
    leaf, _ = envelope.leaves[0]
    session = open_own_session(envelope.place, envelope.header, PATIENT_SEED)
    own_key = hkdf(session, envelope.place.info("own DEK", leaf.record_id))
    for broken in (b"", bytes(300), seal_once(own_key, seed(1) + b"no label")):
        with pytest.raises(OwnWrapBroken):
            own_data_key(envelope.place, replace(leaf, own_wrap=broken), session)
    with pytest.raises(OwnWrapBroken):
        open_own_session(envelope.place, replace(envelope.header, own_wrap=b""), PATIENT_SEED)


def test_every_one_time_key_of_an_envelope_is_used_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from consentry.envelope import leaf as module

    used: list[bytes] = []
    real: Callable[[bytes, bytes], bytes] = module.seal_once

    def counting(key: bytes, plaintext: bytes) -> bytes:
        used.append(key)
        return real(key, plaintext)

    monkeypatch.setattr(module, "seal_once", counting)
    dealt(3)
    assert len(used) == len(set(used)) == 9


# --- envelopes


def test_a_header_and_a_part_come_back_from_their_bytes(envelope: Dealt) -> None:
    assert Header.decode(envelope.header.encode()) == envelope.header
    part = envelope.parts[0]
    assert Part.decode(part.encode()) == part
    assert part.leaves == tuple(leaf for leaf, _ in envelope.leaves)
    assert part.envelope == envelope_hash(part.header, [leaf.hash for leaf, _ in envelope.leaves])


def test_all_parts_of_an_envelope_have_one_hash(envelope: Dealt) -> None:
    assert len({part.envelope for part in envelope.parts}) == 1
    assert len({part.shares for part in envelope.parts}) == 5


def test_each_keyholder_opens_its_own_shares_only(envelope: Dealt) -> None:
    for index, secret in enumerate(KEYHOLDER_SEEDS, 1):
        part = envelope.parts[index - 1]
        expected = [shares[index - 1] for _, shares in envelope.leaves]
        assert open_shares(DEPLOYMENT, part, index, secret) == expected
        with pytest.raises(WrapBroken):
            open_shares(DEPLOYMENT, part, index % 5 + 1, secret)


def test_the_session_key_opens_with_the_segments_seed(envelope: Dealt) -> None:
    pair = segment_pair_seed(SEGMENT_SEED)
    wrapped = envelope.header.session_wrap
    assert open_session(envelope.place, wrapped, pair) == envelope.halves.session_key
    with pytest.raises(WrapBroken):
        open_session(envelope.place, wrapped, segment_pair_seed(seed(1)))


def test_a_part_is_verified_by_its_contributors_signature(envelope: Dealt) -> None:
    part = envelope.parts[0]
    assert verify_part(DEPLOYMENT, part) == envelope.header
    with pytest.raises(SignatureInvalid):
        verify_part(DEPLOYMENT, replace(part, signature=bytes(65)))
    with pytest.raises(IntegrityError, match="another deployment"):
        verify_part(ELSEWHERE, part)


def test_neither_leaves_nor_header_can_be_exchanged_under_a_signature(envelope: Dealt) -> None:
    part, other = envelope.parts[0], dealt().parts[0]
    for changed in [
        replace(part, open_parts=part.open_parts[:1], sealed_parts=part.sealed_parts[:1]),
        replace(part, open_parts=part.open_parts[::-1], sealed_parts=part.sealed_parts[::-1]),
        replace(part, header=other.header),
        replace(part, header=replace(envelope.header, contributor=STRANGER.address).encode()),
    ]:
        with pytest.raises(SignatureInvalid):
            verify_part(DEPLOYMENT, changed)


def test_a_part_without_leaves_or_with_halves_of_leaves_is_refused(envelope: Dealt) -> None:
    part = envelope.parts[0]
    for changed in [
        replace(part, open_parts=(), sealed_parts=()),
        replace(part, open_parts=part.open_parts[:1]),
    ]:
        with pytest.raises(IntegrityError, match="no leaves, or halves"):
            Part.decode(changed.encode())


def test_a_part_with_too_few_shares_is_refused(envelope: Dealt) -> None:
    h = envelope.header
    info = DEPLOYMENT.info("deal", h.patient, h.segment, h.session, 1, 1)
    short = wrap(bytes(32), ROSTER.keyholders[0].public_key, info)
    with pytest.raises(IntegrityError, match="one share a leaf"):
        open_shares(DEPLOYMENT, replace(envelope.parts[0], shares=short), 1, KEYHOLDER_SEEDS[0])


def test_a_share_that_was_not_committed_to_is_noticed_at_the_deal(envelope: Dealt) -> None:
    h = envelope.header
    info = DEPLOYMENT.info("deal", h.patient, h.segment, h.session, 1, 1)
    forged = wrap(bytes(64), ROSTER.keyholders[0].public_key, info)
    with pytest.raises(ShareMismatch):
        open_shares(DEPLOYMENT, replace(envelope.parts[0], shares=forged), 1, KEYHOLDER_SEEDS[0])


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(640), b"\xff" * 640])
def test_bytes_that_are_no_envelope_are_not_read(data: bytes) -> None:
    for reader in (Header.decode, Part.decode, lambda d: Leaf.decode(d, d)):
        with pytest.raises(IntegrityError):
            reader(data)  # type: ignore[no-untyped-call]


def test_the_contributor_of_a_header_is_a_checksummed_address(envelope: Dealt) -> None:
    assert Header.decode(envelope.header.encode()).contributor == HOSPITAL.address
