"""Keys: what binds them, wraps, derived keys, shares."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.errors import IntegrityError, KeyInvalid, UsageError, WrapBroken
from consentry.keys import shamir
from consentry.keys.binding import Deployment, abi_decode, abi_encode, identity, text_word, word
from consentry.keys.hpke import (
    PUBLIC_SIZE,
    check_public_key,
    hkdf,
    new_seed,
    open_once,
    public_key,
    seal_once,
    unwrap,
    wrap,
)
from tests.support.fixed import DEPLOYMENT, ELSEWHERE, seed

# --- what binds a key


def test_a_word_is_padded_on_its_left() -> None:
    assert word(1) == bytes(31) + b"\1"
    assert word(b"\1\2") == bytes(30) + b"\1\2"
    assert word("0x0102") == word(b"\1\2")
    assert identity(DEPLOYMENT.registry) == bytes(12) + bytes.fromhex(DEPLOYMENT.registry[2:])


def test_what_does_not_fit_a_word_is_refused() -> None:
    with pytest.raises(UsageError, match="33 bytes does not fit"):
        word(bytes(33))


def test_a_role_is_padded_on_its_right_and_has_its_limit() -> None:
    assert text_word("A") == b"A" + bytes(31)
    with pytest.raises(UsageError, match="longer than 32"):
        text_word("a role that is much longer than one word")


@pytest.mark.parametrize(
    "other",
    [
        Deployment(1, DEPLOYMENT.genesis, DEPLOYMENT.registry),
        ELSEWHERE,
        Deployment(DEPLOYMENT.chain_id, DEPLOYMENT.genesis, "0x" + "11" * 20),
    ],
    ids=["another chain id", "another genesis", "another contract"],
)
def test_a_key_for_one_deployment_is_no_key_on_another(other: Deployment) -> None:
    assert other.id != DEPLOYMENT.id
    wrapped = wrap(b"secret", public_key(seed(1)), DEPLOYMENT.info("A", 1))
    with pytest.raises(WrapBroken):
        unwrap(wrapped, seed(1), other.info("A", 1))


def test_no_two_uses_of_a_key_share_an_info() -> None:
    infos = [
        DEPLOYMENT.info("A", seed(1), seed(2)),
        DEPLOYMENT.info("A", seed(2), seed(1)),
        DEPLOYMENT.info("kek", seed(1), seed(2)),
        DEPLOYMENT.info("A", seed(1)),
        DEPLOYMENT.info("A"),
    ]
    assert len(set(infos)) == len(infos)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data + bytes(32),
        lambda data: data[:31] + b"\x41" + data[32:],
        lambda data: b"",
        lambda data: bytes(32) + data,
    ],
    ids=["cut", "longer", "another offset", "empty", "shifted"],
)
def test_bytes_that_are_not_the_one_encoding_are_not_read(spoil: Callable[[bytes], bytes]) -> None:
    data = abi_encode(["bytes", "uint64"], [b"hello", 7])
    assert abi_decode(["bytes", "uint64"], data, "it") == (b"hello", 7)
    with pytest.raises(IntegrityError, match=r"^it "):
        abi_decode(["bytes", "uint64"], spoil(data), "it")


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_the_parser_fail_in_another_way(data: bytes) -> None:
    types = ["bytes32", "bytes[]", "string", "address"]
    try:
        values = abi_decode(types, data, "it")
    except IntegrityError:
        return
    assert abi_encode(types, list(values)) == data


# --- X-Wing


def test_what_is_wrapped_opens_with_the_seed_alone() -> None:
    wrapped = wrap(b"secret", public_key(seed(1)), b"use")
    assert unwrap(wrapped, seed(1), b"use") == b"secret"
    assert len(wrapped) == len(b"secret") + 1136
    assert len(public_key(seed(1))) == PUBLIC_SIZE


def test_the_key_of_a_seed_is_the_one_in_the_x_wing_draft() -> None:
    """draft-connolly-cfrg-xwing-kem, appendix of test vectors, the first one: its ends."""
    vector = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    key = public_key(vector)
    assert key[:32].hex() == "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5"
    assert key[-32:].hex() == "859edb06eff389b27dce59844570216223593d4ba32d9abac8cd049040ef6534"


def test_two_wraps_of_one_secret_look_unlike() -> None:
    assert wrap(b"s", public_key(seed(1)), b"use") != wrap(b"s", public_key(seed(1)), b"use")


@pytest.mark.parametrize(
    ("wrapped", "number", "use"),
    [
        (lambda w: w, 2, b"use"),
        (lambda w: w, 1, b"another use"),
        (lambda w: w[:-1] + bytes([w[-1] ^ 1]), 1, b"use"),
        (lambda w: bytes([w[0] ^ 1]) + w[1:], 1, b"use"),
        (lambda w: w[:100], 1, b"use"),
        (lambda w: b"", 1, b"use"),
    ],
    ids=["another seed", "another use", "last bit", "first bit", "cut", "empty"],
)
def test_a_wrap_does_not_open(wrapped: Callable[[bytes], bytes], number: int, use: bytes) -> None:
    good = wrap(b"secret", public_key(seed(1)), b"use")
    with pytest.raises(WrapBroken) as caught:
        unwrap(wrapped(good), seed(number), use)
    assert "secret" not in str(caught.value)


def test_every_seed_is_its_own() -> None:
    assert len({new_seed() for _ in range(8)}) == 8
    assert len(new_seed()) == 32


@pytest.mark.parametrize(
    "key",
    [
        b"",
        bytes(1215),
        b"\xff" * 1216,
        public_key(seed(1))[:1184] + bytes(32),
        public_key(seed(1)) + b"\0",
    ],
    ids=["empty", "short", "no ML-KEM key", "an X25519 key of zeros", "long"],
)
def test_a_public_key_that_does_not_work_is_refused_before_it_is_used(key: bytes) -> None:
    with pytest.raises(KeyInvalid):
        check_public_key(key)


def test_a_public_key_that_works_passes_its_trial() -> None:
    check_public_key(public_key(seed(1)))


# --- derived keys, one-time seals


def test_derived_keys_differ_by_use_and_have_the_length_asked_for() -> None:
    assert hkdf(seed(1), b"a") != hkdf(seed(1), b"b")
    assert len(hkdf(seed(1), b"a", 64)) == 64


def test_a_one_time_seal_opens_with_its_key_only() -> None:
    sealed = seal_once(seed(1), b"value")
    assert open_once(seed(1), sealed) == b"value"
    for key, altered in [(seed(2), sealed), (seed(1), sealed[:-1]), (b"short", sealed), (seed(1), b"")]:
        with pytest.raises(WrapBroken):
            open_once(key, altered)


# --- shares


def test_any_three_of_five_shares_give_the_secret_and_every_other_share() -> None:
    secret = shamir.new_secret()
    shares = dict(enumerate(shamir.split(secret, 3, 5), 1))
    for three in itertools.combinations(shares.items(), 3):
        assert shamir.evaluate(dict(three), 0) == secret
        assert all(shamir.evaluate(dict(three), index) == share for index, share in shares.items())


def test_two_of_five_shares_say_nothing() -> None:
    shares = dict(enumerate(shamir.split(seed(1), 3, 5), 1))
    for two in itertools.combinations(shares.items(), 2):
        assert shamir.evaluate(dict(two), 0) != seed(1)


def test_the_same_secret_is_split_in_another_way_each_time() -> None:
    assert shamir.split(seed(1), 2, 3) != shamir.split(seed(1), 2, 3)


@given(st.integers(0, shamir.PRIME - 1), st.integers(1, 8), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_every_secret_below_the_prime_comes_back(number: int, threshold: int, more: int) -> None:
    secret = number.to_bytes(32, "big")
    shares = shamir.split(secret, threshold, threshold + more)
    chosen = dict(list(enumerate(shares, 1))[-threshold:])
    assert shamir.evaluate(chosen, 0) == secret


@pytest.mark.parametrize(
    ("secret", "threshold", "count"),
    [(seed(1), 0, 5), (seed(1), 6, 5), (seed(1), 1, 256), (b"\xff" * 32, 3, 5)],
    ids=["none needed", "more needed than there are", "too many", "not below the prime"],
)
def test_a_split_that_makes_no_sense_is_refused(secret: bytes, threshold: int, count: int) -> None:
    with pytest.raises(UsageError, match="secret below the prime"):
        shamir.split(secret, threshold, count)


def test_a_secret_is_always_below_the_prime(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(shamir.secrets, "randbelow", lambda below: asked.append(below) or 5)
    assert shamir.new_secret() == word(5)
    assert asked == [shamir.PRIME]


def test_a_commitment_is_to_one_record_one_keyholder_one_group_and_one_share() -> None:
    made = {
        shamir.commitment(seed(1), 1, seed(9)),
        shamir.commitment(seed(2), 1, seed(9)),
        shamir.commitment(seed(1), 2, seed(9)),
        shamir.commitment(seed(1), 1, seed(8)),
        shamir.commitment(seed(1), 1, seed(9), group=2),
    }
    assert len(made) == 5
    expected = b"consentry/1 share".ljust(32, b"\0") + seed(1) + word(1) + word(1) + seed(9)
    assert shamir.commitment(seed(1), 1, seed(9)) == keccak(expected)
