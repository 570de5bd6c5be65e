"""The routine check of a keyholder that serves: lost and wrong shares are found without anybody asking."""

from __future__ import annotations

import threading
import time

import structlog

from consentry.errors import ConsentryError
from consentry.keyholder.http.logs import plain
from consentry.keyholder.journal import Row
from consentry.keyholder.service import KeyholderService

_SOON, _AGAIN = 5.0, 300.0  # seconds from the start to the first check, and after one that did not end


class Routine:
    """Checks all that ``service`` holds soon after the start, and ``every`` so many seconds from then on. A
    keyholder with a record that is lost goes on serving the others."""

    def __init__(self, service: KeyholderService, every: float) -> None:
        self._service, self._every = service, every
        self._log = structlog.get_logger("consentry.keyholder")
        self._ended = threading.Event()
        self._newest: Row | None = None
        self._thread = threading.Thread(target=self._run, name="check", daemon=True)
        self.faults, self.checked_at = 0, 0.0

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends, in the middle of a check too."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _SOON
        while not self._ended.wait(pause):
            try:
                self._check()
                pause = self._every
            except Exception as error:
                known = isinstance(error, ConsentryError)
                self._log.error("not checked", **({"why": str(error)} if known else plain(error)))
                pause = min(_AGAIN, self._every)

    def _check(self) -> None:
        check, faults, began = self._service.check(self._newest), 0, time.monotonic()
        piece = began
        for found in check.pieces():
            faults += len(found)
            for fault in found:
                self._log.error("fault found", where=fault.where, what=fault.what)
            # Callers go first: half of a core at most.
            if self._ended.wait(time.monotonic() - piece):
                return
            piece = time.monotonic()
        self._newest, self.faults, self.checked_at = check.newest, faults, time.time()
        self._log.info("checked", faults=faults, seconds=round(time.monotonic() - began, 1))
