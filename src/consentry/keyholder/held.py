"""One record as a keyholder holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from consentry.envelope.deposit import Header
from consentry.keys.binding import abi_decode, abi_encode
from consentry.keys.hpke import open_once, seal_once

_HELD = ["bytes", "bytes", "bytes32"]  # open part, sealed part, share


@dataclass(frozen=True, slots=True)
class Held:
    """One record as it is held: its envelope's header, the two parts of its leaf, and the share."""

    header: Header
    open_part: bytes
    sealed_part: bytes
    share: bytes = field(repr=False)

    def seal(self, key: bytes) -> bytes:
        """Leaf and share under the record's key (32 bytes, used for this alone)."""
        return seal_once(key, abi_encode(_HELD, [self.open_part, self.sealed_part, self.share]))

    @classmethod
    def unseal(cls, header: bytes, key: bytes, sealed: bytes) -> Held:
        """What `seal` closed, under its envelope's encoded ``header``. Raises `IntegrityError`."""
        return cls(Header.decode(header), *abi_decode(_HELD, open_once(key, sealed), "a held record"))
