"""X-Wing key pairs, wraps and derived keys.

HPKE (RFC 9180) with KEM X-Wing 0x647A (ML-KEM-768 + X25519), HKDF-SHA256 and AES-256-GCM, from
``cryptography``. The context goes in ``info`` only; a wrap is ``enc`` followed by the ciphertext.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consentry.errors import KeyInvalid, WrapBroken

ALGORITHM = 0x647A  # X-Wing, IANA HPKE KEM id; carried wherever a public key is published
PUBLIC_SIZE = 1216
_MLKEM_PUBLIC = 1184
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_ONE_TIME_NONCE = bytes(12)


def new_seed() -> bytes:
    """32 random bytes: an X-Wing seed, or any other secret that never comes from elsewhere."""
    return secrets.token_bytes(32)


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """The two private keys of an X-Wing seed (SHAKE256 expansion of the X-Wing draft)."""
    digest = hashes.Hash(hashes.SHAKE256(96))
    digest.update(seed)
    expanded = digest.finalize()
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def _public(key: bytes) -> hpke.MLKEM768X25519PublicKey:
    try:
        if len(key) != PUBLIC_SIZE:
            raise ValueError
        return hpke.MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(key[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(key[_MLKEM_PUBLIC:]),
        )
    except ValueError:
        raise KeyInvalid(
            "the public encryption key is not an X-Wing key of 1,216 bytes; ask its owner for it again"
        ) from None


def public_key(seed: bytes) -> bytes:
    """The 1,216-byte X-Wing public key of a 32-byte ``seed``."""
    ml_kem, x25519 = _halves(seed)
    return ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def wrap(plaintext: bytes, public: bytes, info: bytes) -> bytes:
    """``plaintext`` sealed to the holder of ``public`` for the use that ``info`` names (+1,136 bytes).

    Raises `KeyInvalid` when the key does not load or cannot be wrapped to.
    """
    key = _public(public)
    try:
        return bytes(_SUITE.encrypt(plaintext, key, info))
    except ValueError:  # an all-zero X25519 half loads and fails only here
        raise KeyInvalid("the public encryption key fails a wrap; it is not a usable key") from None


def unwrap(wrapped: bytes, seed: bytes, info: bytes) -> bytes:
    """What `wrap` sealed. Raises `WrapBroken` for another key, another use, or altered bytes."""
    try:
        return bytes(_SUITE.decrypt(wrapped, hpke.MLKEM768X25519PrivateKey(*_halves(seed)), info))
    except (InvalidTag, ValueError):
        raise WrapBroken("a wrapped key does not open: other key, other use, or altered") from None


def check_public_key(public: bytes) -> None:
    """A trial wrap, for each key that comes from outside. Raises `KeyInvalid`."""
    wrap(bytes(32), public, b"consentry trial")


def hkdf(secret: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) of ``secret`` without salt, ``length`` bytes."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(secret)


def seal_once(key: bytes, plaintext: bytes) -> bytes:
    """AES-256-GCM under a key that is used for this one plaintext and never again (zero nonce)."""
    return AESGCM(key).encrypt(_ONE_TIME_NONCE, plaintext, None)


def open_once(key: bytes, sealed: bytes) -> bytes:
    """What `seal_once` sealed. Raises `WrapBroken`."""
    try:
        return AESGCM(key).decrypt(_ONE_TIME_NONCE, sealed, None)
    except (InvalidTag, ValueError):
        raise WrapBroken("a sealed value does not open: other key, or altered") from None
