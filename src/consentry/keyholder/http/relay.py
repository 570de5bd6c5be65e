"""What patients signed to a keyholder, passed on to the chain in the background, while it serves.

A stop holds at its keyholder whether or not it is on chain; there it holds at every keyholder's head, also
for a patient who has no ether, or whose device is off by now. What was stopped and not passed on yet is found
again in what the keyholder holds and in its journal: a kill loses nothing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import StrEnum

import structlog

from consentry.errors import ConsentryError, ContractRefused, NotEnoughEther
from consentry.keyholder.http.logs import plain
from consentry.keyholder.service import KeyholderService

TURN = 20.0
"""Seconds that each stop is left to the patient's own transaction, and to each keyholder before this."""

_AGAIN, _LONGEST = 1.0, 60.0  # seconds until it tries again: at first, and at most


class Funds(StrEnum):
    """Whether the keyholder's account can pay for a revocation."""

    ENOUGH = "enough"
    TOO_LITTLE = "too little"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _Stop:
    """A patient's signature, when it is passed on (monotonic seconds), and how long after a failure."""

    signature: bytes
    due: float
    pause: float = _AGAIN


class Relay:
    """Passes on the stops of ``service``, each ``turn`` seconds after the keyholder before it would."""

    def __init__(self, service: KeyholderService, turn: float = TURN) -> None:
        self._service, self._wait = service, turn * service.card.index
        self._log = structlog.get_logger("consentry.keyholder")
        self._stops: dict[tuple[bytes, bytes], _Stop] = {}
        self._news, self._ended = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self.funds, self.relayed, self.refused = Funds.UNKNOWN, 0, 0

    @property
    def waiting(self) -> int:
        """How many stops are not on chain yet, so far as it knows."""
        return len(self._stops)

    def start(self) -> None:
        """Begins, with what was left."""
        for (patient, grant_id), signature in self._service.not_relayed().items():
            self.take(patient, grant_id, signature)
        self._thread.start()

    def close(self) -> None:
        """Ends; what is not on chain then is passed on after the next start."""
        with self._news:
            self._ended = True
            self._news.notify()

    def take(self, patient: bytes, grant_id: bytes, signature: bytes) -> None:
        """Passes on a stop that the keyholder took, later: nobody waits for it."""
        with self._news:
            self._stops.setdefault((patient, grant_id), _Stop(signature, time.monotonic() + self._wait))
            self._news.notify()

    def _run(self) -> None:
        while not self._ended:
            self._look()
            for one in self._due():
                self._try(*one)
            with self._news:
                if not self._ended:
                    self._news.wait(self._pause())

    def _due(self) -> list[tuple[bytes, bytes]]:
        with self._news:
            now = time.monotonic()
            return [one for one, stop in self._stops.items() if stop.due <= now]

    def _pause(self) -> float:
        due = min((stop.due for stop in self._stops.values()), default=float("inf"))
        return max(0.0, min(_LONGEST, due - time.monotonic()))

    def _try(self, patient: bytes, grant_id: bytes) -> None:
        stop = self._stops[patient, grant_id]
        try:
            self._service.relay(patient, grant_id, stop.signature)
        except ContractRefused as error:  # whoever signed it is not the patient's controller any more
            self._log.error("revocation refused by the contract", why=error.name)
            self.refused += 1
        except Exception as error:
            stop.due, stop.pause = time.monotonic() + stop.pause, min(_LONGEST, 2 * stop.pause)
            if isinstance(error, NotEnoughEther):
                self._tell(Funds.TOO_LITTLE)
            else:
                known = isinstance(error, ConsentryError)
                self._log.error("revocation not relayed", **({"why": str(error)} if known else plain(error)))
            return
        else:
            self._log.info("revocation relayed")
            self.relayed += 1
        with self._news:
            del self._stops[patient, grant_id]

    def _look(self) -> None:
        """Whether the keyholder's account can pay, while nobody needs it yet."""
        try:
            enough = self._service.affords_relay()
        except ConsentryError:
            self._tell(Funds.UNKNOWN)
        else:
            self._tell(Funds.ENOUGH if enough else Funds.TOO_LITTLE)

    def _tell(self, funds: Funds) -> None:
        if funds is Funds.TOO_LITTLE and self.funds is not funds:
            account = self._service.card.address
            self._log.warning("cannot relay revocations", why="too little ether", account=account)
        self.funds = funds
