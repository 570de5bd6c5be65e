"""How a keyholder answers: every refusal alike, every answer signed and journalled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from consentry.chain.contracts import Chain, Head
from consentry.errors import (
    ChainUncertain,
    ConsentryError,
    IntegrityError,
    KeyholderRefused,
    Unreachable,
)
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.checks import Denied
from consentry.keyholder.journal import next_row
from consentry.keyholder.lookback import Lookback
from consentry.keyholder.messages import Call, Signed
from consentry.keyholder.roster import Roster
from consentry.keys.typed import Signer

if TYPE_CHECKING:
    from consentry.keyholder.journal import Row
    from consentry.keyholder.vault import Vault
    from consentry.keyholder.vault.checking import Check

Checked = TypeVar("Checked")


class Answering:
    """The keyholder ``card`` of ``roster``: ``signer`` and the X-Wing ``seed`` are its own, ``vault`` what it
    holds, ``chain`` its own view of the chain."""

    def __init__(
        self, card: KeyholderCard, roster: Roster, *, signer: Signer, seed: bytes, vault: Vault, chain: Chain
    ) -> None:
        self._card, self._roster, self._signer, self._seed = card, roster, signer, seed
        self._vault, self._chain = vault, chain
        self._deployment = chain.deployment
        self._lookback: Lookback | None = None
        self._looking = threading.Lock()
        self._seen: Head | None = None

    @property
    def card(self) -> KeyholderCard:
        """Who it is."""
        return self._card

    def check(self, newest: Row | None = None) -> Check:
        """A check of all that it holds, which has not begun; ``newest`` is the journal's row that was its
        newest one when it was checked before."""
        from consentry.keyholder.vault.checking import Check

        return Check(self._vault, self._deployment, self._card, self._roster.groups, newest)

    def ready(self) -> Head:
        """The chain's head, where chain and files answer; looks back first. Raises `Unreachable`."""
        self._vault.last_row()
        self.look_back()
        return self._head()

    def look_back(self) -> None:
        """Journals which entries of earlier releases a reorganisation took away, or moved. Raises
        `Unreachable`."""
        with self._looking, self._chain.at_one_head():
            lookback = self._lookback or self._begin()
            for kind, body in lookback.changed(self._chain):
                self._note(kind, body)

    def _begin(self) -> Lookback:
        rows = self._vault.rows()
        lookback = Lookback(rows)
        with self._vault.transaction():  # from here on each new row is added
            for row in self._vault.rows(len(rows)):
                lookback.add(row)
            self._lookback = lookback
        return lookback

    def _head(self) -> Head:
        """The chain's head, which is the newest one seen from now on."""
        self._seen = self._chain.head()
        return self._seen

    def close(self) -> None:
        """Closes its files: it answers no more."""
        self._vault.close()

    @contextmanager
    def _answering(self, kind: str, caller: str) -> Iterator[None]:
        """Every refusal is journalled with the check's name, and leaves as the same `KeyholderRefused`."""
        try:
            with self._chain.at_one_head():
                yield
        except ChainUncertain as error:
            words = {"verb": kind, "claimed caller": caller, "why": type(error).__name__}
            self._write("uncertain", words, None)
            raise
        except Unreachable:
            raise
        except ConsentryError as error:
            reason = str(error) if isinstance(error, Denied) else type(error).__name__
            self._note("refused", {"verb": kind, "claimed caller": caller, "check": reason})
            raise KeyholderRefused from None

    def _verify(self, call: Call, verb: str) -> None:
        if call.verb != verb:
            raise Denied("verb")
        try:
            call.verify(self._deployment, self._card.address, self._chain.wallet_accepts)
        except IntegrityError:
            raise Denied("caller") from None
        self._fresh(call)

    def _fresh(self, call: Call) -> None:
        if not self._vault.use_nonce(call.nonce):
            raise Denied("nonce")

    def _check(self, checks: dict[str, Callable[[Checked], None]], subject: Checked) -> None:
        for name, check in checks.items():
            try:
                check(subject)
            except (Denied, IntegrityError):
                raise Denied(name) from None

    def _take(
        self,
        verb: str,
        subject: bytes,
        body: Mapping[str, object],
        change: Callable[[], None],
        *,
        head: Head | None = None,
    ) -> Signed:
        """Makes a change with its row, as of ``head`` (by default the chain's own now)."""
        head = head or self._head()
        with self._vault.transaction():
            if verb != "stop" and self._vault.closed():
                raise Denied("handed over")
            change()
            self._append(verb, body, head.time)
            return self._sign(verb, subject, head)

    def _note(self, kind: str, body: Mapping[str, object]) -> None:
        self._write(kind, body, self._head().time)

    def _write(self, kind: str, body: Mapping[str, object], time: int | None) -> None:
        with self._vault.transaction():
            self._append(kind, body, time)

    def _append(self, kind: str, body: Mapping[str, object], time: int | None) -> None:
        """In the transaction that it belongs to, which asks the chain nothing: others wait for it. Where no
        time is known, it is that of the row before."""
        text = {name: _text(value) for name, value in body.items()}
        last = self._vault.last_row()
        if time is None:
            time = last.time if last else 0
        row = next_row(self._deployment, self._signer, last, time, kind, text)
        self._vault.add_row(row)
        if self._lookback:
            self._lookback.add(row)

    def _sign(self, verb: str, subject: bytes, head: Head) -> Signed:
        last = self._vault.last_row()
        assert last is not None
        signed = Signed(self._card.index, verb, subject, head.number, last.index, last.hash)
        return replace(signed, signature=self._signer.sign_typed_data(signed.message(self._deployment)))


def _text(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
