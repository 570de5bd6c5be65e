"""A person at a desk: signer, keyring, outbox, and what she keeps for herself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consentry.client.outbox import Outbox, seal_file, unseal_file
from consentry.client.steps import Step, durable
from consentry.keyholder.messages import Signed
from consentry.keys.binding import identity
from consentry.keys.keyring import Keyring
from consentry.keys.typed import Signer


@dataclass(slots=True)
class Copy:
    """What a person keeps for herself: for a patient her own statements, records and key boxes (all
    sealed by their own formats), for everybody cards, terms and the signed answers of keyholders."""

    statements: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, list[str]] = field(default_factory=dict)
    boxes: dict[str, str] = field(default_factory=dict)
    answers: list[list[Any]] = field(default_factory=list)

    def heard(self) -> list[Signed]:
        """The signed answers, for an audit."""
        return [_signed(*one) for one in self.answers]

    def hear(self, signed: Signed) -> Signed | None:
        """Keeps a keyholder's signed answer. Gives an earlier one that names another row of the same number:
        then its journal was forked."""
        where = [signed.keyholder, signed.row]
        same = [one for one in self.answers if [one[0], one[4]] == where and one[5] != signed.row_hash.hex()]
        words = [signed.subject.hex(), signed.block, signed.row, signed.row_hash.hex()]
        self.answers.append([signed.keyholder, signed.verb, *words, signed.signature.hex()])
        return _signed(*same[0]) if same else None


def _signed(k: int, verb: str, subject: str, block: int, row: int, row_hash: str, signature: str) -> Signed:
    fields = (bytes.fromhex(subject), block, row, bytes.fromhex(row_hash), bytes.fromhex(signature))
    return Signed(k, verb, *fields)


class Person:
    """``signer`` signs and sends, ``keyring`` opens; ``home`` is where outbox and copy lie
    (CONSENTRY_HOME), and ``scope`` names the deployment, so that chains do not mix."""

    def __init__(self, signer: Signer, keyring: Keyring, home: Path, scope: bytes) -> None:
        self.signer, self.keyring = signer, keyring
        name = f"{signer.address}-{scope.hex()[:16]}"
        self.outbox = Outbox(home / "outbox" / name, keyring.subkey("outbox"))
        self.proofs = home / "proofs"
        self._path, self._key = home / "keyrings" / f"{name}.copy", keyring.subkey("copy")
        self.copy = self._load()

    @property
    def address(self) -> str:
        """The person's checksummed address."""
        return self.signer.address

    @property
    def identity(self) -> bytes:
        """The person's 32-byte identity."""
        return identity(self.signer.address)

    def _load(self) -> Copy:
        try:
            return Copy(**json.loads(unseal_file(self._path, self._key)))
        except FileNotFoundError:
            return Copy()

    def save(self) -> None:
        """Makes the own copy durable."""
        fields = {name: getattr(self.copy, name) for name in Copy.__dataclass_fields__}
        seal_file(self._path, self._key, json.dumps(fields).encode())
        durable(Step.COPY)
