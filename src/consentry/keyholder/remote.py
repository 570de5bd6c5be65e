"""A keyholder somewhere else, asked over HTTP: the same interface as one in this process.

Nothing that it sends is believed for where it came from: answers are signed or sealed by their own formats.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from consentry.envelope.statement import SignedStatement
from consentry.errors import JournalBroken, KeyholderRefused, Unreachable
from consentry.keyholder import wire
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.journal import Row
from consentry.keyholder.messages import BoxAnswer, Call, Listed, OwnAnswer, Released, Signed

PATIENCE = 30.0
"""Seconds for one answer, from the first byte sent to the last one read."""
MOST = 64 << 20
"""Bytes of one answer at most."""
MOST_ROWS = 5_000_000
"""Rows of one journal at most."""
_REFUSED = wire.REFUSED.model_dump_json().encode()
Answer = TypeVar("Answer", bound=BaseModel)


class RemoteKeyholder:
    """The keyholder of ``card`` at its URL. ``token`` is what lets an auditor read its journal. Every verb
    raises `KeyholderRefused`, or `Unreachable` for whatever else is no well-formed answer in time."""

    def __init__(self, card: KeyholderCard, *, token: str = "", patience: float = PATIENCE) -> None:
        self._card, self._patience = card, patience
        self._journal_key = {"Authorization": f"Bearer {token}"} if token else {}
        headers = {"Accept-Encoding": "identity"}  # what is unpacked has no bounds
        self._http = httpx.Client(base_url=card.url, timeout=patience, headers=headers)

    @property
    def card(self) -> KeyholderCard:
        """Who it is."""
        return self._card

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def statement(self, signed: SignedStatement) -> Signed:
        """See `Keyholder.statement`."""
        return self._post("statement", lambda: wire.Statement.of(signed), wire.Acknowledgement).value()

    def box(self, box: bytes) -> Signed:
        """See `Keyholder.box`."""
        return self._post("box", lambda: wire.Box(box=box), wire.Acknowledgement).value()

    def deal(self, part: bytes) -> Signed:
        """See `Keyholder.deal`."""
        return self._post("deal", lambda: wire.Part(part=part), wire.Acknowledgement).value()

    def stop(self, patient: bytes, grant_id: bytes, signature: bytes) -> Signed:
        """See `Keyholder.stop`."""
        words = {"patient": patient, "grant_id": grant_id, "signature": signature}
        return self._post("stop", lambda: wire.Stop(**words), wire.Acknowledgement).value()

    def grants(self, call: Call) -> tuple[bytes, ...]:
        """See `Keyholder.grants`."""
        return self._post("grants", lambda: wire.SignedCall.of(call), wire.Grants).grants

    def fetch_box(self, call: Call) -> BoxAnswer:
        """See `Keyholder.fetch_box`."""
        return self._post("fetch_box", lambda: wire.SignedCall.of(call), wire.FoundBox).value()

    def labels(self, call: Call) -> tuple[Listed, ...]:
        """See `Keyholder.labels`."""
        records = self._post("labels", lambda: wire.SignedCall.of(call), wire.Labels).records
        return tuple(one.value() for one in records)

    def release(self, call: Call) -> Released:
        """See `Keyholder.release`."""
        return self._post("release", lambda: wire.SignedCall.of(call), wire.Release).value()

    def own(self, call: Call) -> OwnAnswer:
        """See `Keyholder.own`."""
        return self._post("own", lambda: wire.SignedCall.of(call), wire.Own).value()

    def hand_over(self, call: Call) -> Released:
        """See `Keyholder.hand_over`."""
        return self._post("hand_over", lambda: wire.SignedCall.of(call), wire.Release).value()

    def took_over(self, call: Call) -> Signed:
        """See `Keyholder.took_over`."""
        return self._post("took_over", lambda: wire.SignedCall.of(call), wire.Acknowledgement).value()

    def journal(self) -> list[Row]:
        """See `Keyholder.journal`. Raises `JournalBroken` for rows that cannot be read."""
        rows: list[Row] = []
        while page := self._ask("GET", f"journal?first={len(rows)}", b"", wire.Page).rows:
            rows += (row.value() for row in page)
            if len(rows) > MOST_ROWS:
                raise JournalBroken(f"it has more than {MOST_ROWS:,} rows")
        return rows

    # --- one question

    def _post(self, verb: str, ask: Callable[[], BaseModel], answer: type[Answer]) -> Answer:
        try:
            body = ask().model_dump_json(by_alias=True).encode()
        except ValidationError:  # no keyholder would read it
            raise KeyholderRefused from None
        return self._ask("POST", verb, body, answer)

    def _ask(self, method: str, path: str, body: bytes, answer: type[Answer]) -> Answer:
        headers = {"Content-Type": "application/json"} if body else self._journal_key
        until = time.monotonic() + self._patience
        try:
            with self._http.stream(
                method, f"{wire.PREFIX}/{path}", content=body, headers=headers
            ) as response:
                read = bytearray()
                for piece in response.iter_raw():
                    read += piece
                    if len(read) > MOST or time.monotonic() > until:
                        raise self._silent("its answer is too long or too slow")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent(type(error).__name__) from None
        if response.status_code == 403 and bytes(read) == _REFUSED:
            raise KeyholderRefused
        if response.status_code != 200:
            raise self._silent(f"HTTP {response.status_code}")
        try:
            return answer.model_validate_json(bytes(read))
        except ValidationError:
            raise self._silent("what it says is no answer of a keyholder") from None

    def _silent(self, why: str) -> Unreachable:
        return Unreachable(f"{self._card.url} does not answer ({why})")
