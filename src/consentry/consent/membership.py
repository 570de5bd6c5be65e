"""Letting a member open for its organisation: the organisation's encryption seed, handed to one member.

A grant with MEMBERS reaches the members of an organisation by credential, but its key box opens with the
organisation's key alone. So the organisation's device wraps its seed to the key on the member's card and
signs the whole; the member takes it into its own keyring.

::

    IntegrityError
    `-- MembershipInvalid    the hand-over is altered, of another deployment, or not the organisation's
    Refused
    `-- NotThisMember        the hand-over is for another account
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from consentry.consent.card import Card
from consentry.errors import IntegrityError, Refused, WrapBroken
from consentry.keys.binding import Deployment, abi_encode, json_decode
from consentry.keys.hpke import public_key, unwrap, wrap
from consentry.keys.typed import SignatureInvalid, Signer, WalletCheck, keys_message, verify

_FORMAT = "consentry member 1"
_FIELDS = ["bytes32", "address", "address", "bytes"]


class MembershipInvalid(IntegrityError):
    """A hand-over is altered, of another deployment, or not what the organisation on its card made."""


class NotThisMember(Refused):
    """A hand-over is for another account than the one that takes it."""


@dataclass(frozen=True, slots=True)
class Membership:
    """``member-<address>.json``: both checksummed addresses, the wrapped seed, and the signature of the
    organisation's account. It holds nothing that anybody but the member can open."""

    deployment: bytes
    organisation: str
    member: str
    wrapped: bytes
    signature: bytes = b""

    @property
    def hash(self) -> bytes:
        """keccak256 of everything but the signature: what the organisation signs (32 bytes)."""
        return keccak(abi_encode(_FIELDS, [self.deployment, self.organisation, self.member, self.wrapped]))

    def message(self, deployment: Deployment) -> dict[str, Any]:
        """The EIP-712 message that the organisation signs."""
        return keys_message(deployment, "Membership", membership=self.hash)

    def to_json(self) -> str:
        """The hand-over as a file."""
        fields = {
            "format": _FORMAT,
            "deployment": "0x" + self.deployment.hex(),
            "organisation": self.organisation,
            "member": self.member,
            "wrapped": "0x" + self.wrapped.hex(),
            "signature": "0x" + self.signature.hex(),
        }
        return json.dumps(fields, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Membership:
        """Raises `MembershipInvalid` for a file that is none."""
        try:
            fields = json_decode(text)
            if fields.pop("format") != _FORMAT or set(fields) != set(cls.__dataclass_fields__):
                raise ValueError
            for name in ("deployment", "wrapped", "signature"):
                fields[name] = bytes.fromhex(fields[name].removeprefix("0x"))
            if not all(is_checksum_address(fields[name]) for name in ("organisation", "member")):
                raise ValueError
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise MembershipInvalid(
                "the file is no hand-over of a membership; ask the organisation for it again"
            ) from None


def admit(deployment: Deployment, organisation: Signer, seed: bytes, card: Card) -> Membership:
    """Hands the organisation's encryption ``seed`` (32 bytes) to the member with ``card``, which the caller
    has verified on chain. Raises `KeyInvalid` when the card's key cannot be wrapped to."""
    where = (organisation.address, card.address)
    wrapped = wrap(seed, card.public_key, deployment.info("member", *where))
    bare = Membership(deployment.id, *where, wrapped)
    return replace(bare, signature=organisation.sign_typed_data(bare.message(deployment)))


def take(
    deployment: Deployment,
    membership: Membership,
    *,
    me: str,
    my_seed: bytes,
    card: Card,
    wallet: WalletCheck | None = None,
) -> bytes:
    """The organisation's encryption seed (32 bytes), for the member ``me`` with ``my_seed``.

    ``card`` is the organisation's, verified on chain by the caller: the seed counts only if it belongs to
    the key on it. Raises `NotThisMember` or `MembershipInvalid`.
    """
    if membership.member != me:
        raise NotThisMember(f"the hand-over is for {membership.member}, not for {me}")
    if membership.deployment != deployment.id:
        raise MembershipInvalid("the hand-over belongs to another deployment; ask for one of this one")
    if membership.organisation != card.address:
        raise MembershipInvalid(f"the hand-over is by {membership.organisation}, the card of {card.address}")
    try:
        verify(membership.message(deployment), membership.signature, card.address, wallet)
        info = deployment.info("member", membership.organisation, me)
        seed = unwrap(membership.wrapped, my_seed, info)
    except SignatureInvalid:
        raise MembershipInvalid(f"the hand-over is not signed by {card.name!r} ({card.address})") from None
    except WrapBroken:
        raise MembershipInvalid(
            "the hand-over does not open with your key: it was made for an older card of yours, or altered; "
            "ask the organisation for a new one"
        ) from None
    if len(seed) != 32 or public_key(seed) != card.public_key:
        raise MembershipInvalid(
            f"what the hand-over holds is not the key on the card of {card.name!r}; "
            "ask the organisation for its present card and a new hand-over"
        )
    return seed
