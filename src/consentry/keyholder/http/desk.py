"""The desk of a service: what a keyholder's answer becomes, on the wire, in the log and in the counters."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable

import structlog
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel
from starlette.responses import Response

from consentry.errors import KeyholderRefused, Unreachable
from consentry.keyholder import wire
from consentry.keyholder.http.logs import plain
from consentry.keyholder.http.metrics import Metrics
from consentry.keyholder.http.relay import Relay
from consentry.keyholder.service import KeyholderService

_LOOK = 1.0  # seconds
_PROMPT = 40  # stops and looks at readiness that run beside all other calls


def json_of(document: BaseModel, status: int = 200) -> Response:
    """A document as it is sent."""
    return Response(document.model_dump_json(by_alias=True), status, media_type="application/json")


def refusal() -> Response:
    """The one refusal."""
    return json_of(wire.REFUSED, 403)


class Desk:
    """Answers for one keyholder, and counts and logs how; ``token`` lets an auditor read the journal, and
    ``relay``, where there is one, passes stops on to the chain."""

    def __init__(
        self, service: KeyholderService, metrics: Metrics, token: str, relay: Relay | None = None
    ) -> None:
        self.service, self._metrics, self._token = service, metrics, token.encode()
        self.relay = relay
        self._log = structlog.get_logger("consentry.keyholder")
        self._look_one = threading.Lock()
        self._ready, self._looked = False, -_LOOK
        self._prompt = CapacityLimiter(_PROMPT)
        metrics.watch(self.ready)

    def answer(self, verb: str, make: Callable[[], BaseModel]) -> Response:
        """What ``make`` gives, or why not."""
        start, outcome = time.perf_counter(), "failed"
        try:
            answer = json_of(make())
            outcome = "answered"
        except KeyholderRefused:
            answer, outcome = refusal(), "refused"
        except Unreachable as error:
            answer, outcome = json_of(wire.LATER, 503), "later"
            self._log.error("cannot answer", verb=verb, why=str(error))
        except Exception as error:
            answer = refusal()
            self._log.error("failed", verb=verb, **plain(error))
        took = time.perf_counter() - start
        self._metrics.answered(verb, outcome, took)
        self._log.info(outcome, verb=verb, milliseconds=round(took * 1000, 1), bytes=len(answer.body))
        return answer

    def stop(self, asked: wire.Stop) -> wire.Acknowledgement:
        """Takes a stop, and has it passed on to the chain when it is held. Raises `KeyholderRefused`."""
        words = (asked.patient, asked.grant_id, asked.signature)
        taken = wire.Acknowledgement.of(self.service.stop(*words))
        if self.relay is not None:
            self.relay.take(*words)
        return taken

    async def promptly(self, make: Callable[[], Response]) -> Response:
        """What ``make`` gives, in a thread that no other call can take: those may all wait for a node."""
        return await to_thread.run_sync(make, limiter=self._prompt)

    def page(self, authorization: str, first: int) -> wire.Page:
        """A page of the journal. Raises `KeyholderRefused`."""
        said = authorization.encode("utf-8", "surrogateescape")
        if not self._token or not hmac.compare_digest(said, b"Bearer " + self._token):
            raise KeyholderRefused
        rows = self.service.page(first, wire.PAGE)
        return wire.Page(rows=tuple(wire.JournalRow.model_validate(row.to_json()) for row in rows))

    def ready(self) -> bool:
        """Whether chain and files answer, looked at once a second at most."""
        with self._look_one:
            if time.monotonic() - self._looked >= _LOOK:
                self._ready, self._looked = self._look(), time.monotonic()
            return self._ready

    def _look(self) -> bool:
        try:
            head = self.service.ready()
        except Unreachable as error:
            self._log.error("not ready", why=str(error))
            self._metrics.looked(None)
            return False
        self._metrics.looked((head.number, head.time))
        return True
