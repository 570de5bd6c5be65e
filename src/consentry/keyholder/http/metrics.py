"""What a service counts: answers by verb and outcome, and never why one was refused."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from consentry.chain.endpoint import State
from consentry.chain.endpoints import Endpoints
from consentry.keyholder.http.relay import Funds, Relay
from consentry.keyholder.http.routine import Routine

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counters of one service, in Prometheus' words."""

    def __init__(self, endpoints: Endpoints | None = None) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        prefix, found = "consentry_keyholder", self.registry
        self._answers = Counter(
            f"{prefix}_answers", "Calls by verb and outcome", ["verb", "outcome"], registry=found
        )
        self._seconds = Histogram(
            f"{prefix}_seconds", "Time to answer", ["verb"], buckets=_SECONDS, registry=found
        )
        self._ready = Gauge(f"{prefix}_ready", "1 while chain and files answer", registry=found)
        self._head = Gauge(f"{prefix}_chain_head", "Block number of the chain's head", registry=found)
        self._time = Gauge(f"{prefix}_chain_time_seconds", "Time of the chain's head", registry=found)

        self._endpoints = endpoints
        self._nodes = Gauge(f"{prefix}_node_well", "1 while it answers well", ["node"], registry=found)
        self._lies = Gauge(
            f"{prefix}_node_contradictions", "How often it contradicted others", ["node"], registry=found
        )

        self._relayed = Gauge(
            f"{prefix}_relayed", "Stops that it saw go on chain since its start", registry=found
        )
        self._waiting = Gauge(f"{prefix}_relay_waiting", "Stops that are not on chain yet", registry=found)
        self._refusals = Gauge(f"{prefix}_relay_refused", "Stops that the contract refused", registry=found)
        self._funded = Gauge(f"{prefix}_relay_funded", "1 while it can pay for a revocation", registry=found)

        self._faults = Gauge(f"{prefix}_faults", "What the last check found wrong", registry=found)
        self._checked = Gauge(
            f"{prefix}_checked_seconds", "When the last check ended; 0: none did", registry=found
        )

    def follow(self, relay: Relay) -> None:
        """Has ``relay`` asked each time that somebody looks."""
        self._relayed.set_function(lambda: relay.relayed)
        self._waiting.set_function(lambda: relay.waiting)
        self._refusals.set_function(lambda: relay.refused)
        self._funded.set_function(lambda: float(relay.funds is Funds.ENOUGH))

    def inspect(self, routine: Routine) -> None:
        """Has ``routine`` asked each time that somebody looks."""
        self._faults.set_function(lambda: routine.faults)
        self._checked.set_function(lambda: routine.checked_at)

    def answered(self, verb: str, outcome: str, seconds: float) -> None:
        """Counts one call; ``outcome`` is answered, refused, later or failed."""
        self._answers.labels(verb, outcome).inc()
        self._seconds.labels(verb).observe(seconds)

    def watch(self, ready: Callable[[], bool]) -> None:
        """Has ``ready`` asked, which notes the head, each time that somebody looks."""
        self._ready.set_function(lambda: float(ready()))

    def looked(self, head: tuple[int, int] | None) -> None:
        """Notes the chain's head (number, time), where there was one."""
        for one in self._endpoints.health() if self._endpoints else ():
            self._nodes.labels(one.name).set(one.state is State.WELL)
            self._lies.labels(one.name).set(one.contradictions)
        if head is not None:
            self._head.set(head[0])
            self._time.set(head[1])

    def serve(self, host: str, port: int) -> None:
        """Gives them at ``/metrics`` on a port of their own, away from callers."""
        start_http_server(port, addr=host, registry=self.registry)
