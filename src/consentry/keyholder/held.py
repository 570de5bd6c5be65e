"""One record as a keyholder holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from consentry.envelope.deposit import Header
from consentry.errors import IntegrityError
from consentry.keys.binding import abi_decode, abi_encode
from consentry.keys.hpke import open_once, seal_once

_DEALT = ["bytes", "bytes", "bytes32"]  # open part, sealed part, share
_HANDED_ON = ["bytes", "bytes", "bytes"]  # the same, with what `Holding` encodes


@dataclass(frozen=True, slots=True)
class Held:
    """One record as it is held: its envelope's header, the two parts of its leaf, and the share (32 bytes as
    it was dealt, else the encoding of a `Holding`)."""

    header: Header
    open_part: bytes
    sealed_part: bytes
    share: bytes = field(repr=False)

    def seal(self, key: bytes) -> bytes:
        """Leaf and share under the record's key (32 bytes, used for this alone)."""
        return seal_once(key, self.encode())

    def encode(self) -> bytes:
        """Leaf and share (ABI): what is sealed here, and what is released."""
        shape = _DEALT if len(self.share) == 32 else _HANDED_ON
        return abi_encode(shape, [self.open_part, self.sealed_part, self.share])

    @staticmethod
    def parts(encoded: bytes) -> tuple[bytes, bytes, bytes]:
        """Open part, sealed part and share of what `encode` made. Raises `IntegrityError`."""
        what = "a held record"
        try:
            opened, sealed, share = abi_decode(_DEALT, encoded, what)
        except IntegrityError:
            opened, sealed, share = abi_decode(_HANDED_ON, encoded, what)
        return opened, sealed, share

    @classmethod
    def unseal(cls, header: bytes, key: bytes, sealed: bytes) -> Held:
        """What `seal` closed, under its envelope's encoded ``header``. Raises `IntegrityError`."""
        return cls(Header.decode(header), *cls.parts(open_once(key, sealed)))
