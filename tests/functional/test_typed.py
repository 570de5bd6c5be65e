"""What people sign: EIP-712 messages and who made a signature."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from consentry.chain.signers import LocalSigner
from consentry.consent.terms import typed_revoke, typed_terms
from consentry.keys.typed import CONTROL, GRANTS, KEYS, SignatureInvalid, digest, keys_message, sign, verify
from tests.support.fixed import DEPLOYMENT, ELSEWHERE, PATIENT, READING, STRANGER, seed, some_terms

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MESSAGE = keys_message(DEPLOYMENT, "Statement", body=seed(1))


def test_the_signer_of_a_message_is_told() -> None:
    verify(MESSAGE, PATIENT.sign_typed_data(MESSAGE), PATIENT.address)


def test_a_stranger_cannot_sign_for_the_patient() -> None:
    with pytest.raises(SignatureInvalid, match=f"Statement is not signed by {PATIENT.address}"):
        verify(MESSAGE, STRANGER.sign_typed_data(MESSAGE), PATIENT.address)


@pytest.mark.parametrize(
    "other",
    [
        keys_message(DEPLOYMENT, "Statement", body=seed(2)),
        keys_message(DEPLOYMENT, "Envelope", body=seed(1)),
        keys_message(ELSEWHERE, "Statement", body=seed(1)),
    ],
    ids=["other bytes", "another sort", "another chain"],
)
def test_a_signature_is_good_for_one_message_on_one_chain(other: dict[str, object]) -> None:
    with pytest.raises(SignatureInvalid):
        verify(other, PATIENT.sign_typed_data(MESSAGE), PATIENT.address)


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(64), bytes(65), b"\xff" * 65, bytes(66)],
    ids=["none", "short", "zeros", "ones", "long"],
)
def test_bytes_that_are_no_signature_are_nobodys(signature: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify(MESSAGE, signature, PATIENT.address)


def test_the_second_form_of_a_signature_is_refused() -> None:
    good = PATIENT.sign_typed_data(MESSAGE)
    high = _ORDER - int.from_bytes(good[32:64], "big")
    twin = good[:32] + high.to_bytes(32, "big") + bytes([good[64] ^ 7])  # 27 and 28 change places
    assert Account.recover_message(encode_typed_data(full_message=MESSAGE), signature=twin) == PATIENT.address
    with pytest.raises(SignatureInvalid):
        verify(MESSAGE, twin, PATIENT.address)


def test_a_message_about_what_is_no_address_is_signed_by_nobody() -> None:
    spoilt = {**MESSAGE, "domain": {**MESSAGE["domain"], "verifyingContract": "nowhere"}}
    with pytest.raises(SignatureInvalid):
        verify(spoilt, PATIENT.sign_typed_data(MESSAGE), PATIENT.address, lambda *_: True)


def test_a_contract_wallet_is_asked_with_the_digest_that_was_signed() -> None:
    asked = []
    wallet = "0x" + "11" * 20
    verify(MESSAGE, b"any", wallet, lambda *question: asked.append(question) is None)
    assert asked == [(wallet, digest(MESSAGE), b"any")]


def test_a_contract_wallet_that_says_no_is_not_the_signer() -> None:
    with pytest.raises(SignatureInvalid):
        verify(MESSAGE, b"any", "0x" + "11" * 20, lambda *_: False)


def test_an_accounts_own_key_is_believed_without_asking_a_contract() -> None:
    def never(*_: object) -> bool:
        raise AssertionError("asked")

    verify(MESSAGE, PATIENT.sign_typed_data(MESSAGE), PATIENT.address, never)


def test_grants_control_and_keys_are_three_domains() -> None:
    terms = some_terms()
    messages = [typed_terms(DEPLOYMENT, terms, READING), typed_revoke(DEPLOYMENT, seed(1), seed(2)), MESSAGE]
    assert [m["domain"]["name"] for m in messages] == [GRANTS, CONTROL, KEYS]
    assert len({m["domain"]["name"] for m in messages}) == 3
    assert {m["domain"]["chainId"] for m in messages} == {DEPLOYMENT.chain_id}
    assert {m["domain"]["verifyingContract"] for m in messages} == {DEPLOYMENT.registry}


def test_a_local_signer_shows_its_address_and_never_its_key() -> None:
    signer = LocalSigner(seed(7))
    assert signer.address == Account.from_key(seed(7)).address
    assert signer.sign_typed_data(MESSAGE) == sign(seed(7), MESSAGE)
    assert seed(7).hex() not in repr(signer) + str(vars(signer).keys())
