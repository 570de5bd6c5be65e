"""How a service runs: one process, TLS of its own or behind a proxy, and a stop that loses nothing."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from consentry.chain import Endpoints
from consentry.errors import UsageError
from consentry.keyholder.http.app import make_app
from consentry.keyholder.http.desk import Desk
from consentry.keyholder.http.door import Limits
from consentry.keyholder.http.logs import configure
from consentry.keyholder.http.metrics import Metrics
from consentry.keyholder.http.relay import Relay
from consentry.keyholder.http.routine import Routine
from consentry.keyholder.service import KeyholderService

_STOP_SECONDS = 30
_AT_ONCE = 200  # connections


@dataclass(frozen=True, slots=True)
class Listening:
    """Where it listens. With ``certificate`` and ``key`` (PEM) it speaks TLS; ``proxies`` are the addresses,
    comma-separated, whose word on who calls is believed."""

    host: str = "127.0.0.1"
    port: int = 8700
    certificate: Path | None = None
    key: Path | None = None
    proxies: str = ""


def configured(app: FastAPI, at: Listening) -> uvicorn.Config:
    """How uvicorn serves it. Raises `UsageError` where certificate or key cannot be used."""
    config = uvicorn.Config(
        app,
        host=at.host,
        port=at.port,
        ssl_certfile=at.certificate,
        ssl_keyfile=at.key,
        proxy_headers=bool(at.proxies),
        forwarded_allow_ips=at.proxies or None,
        log_config=None,
        access_log=False,
        # A refusal says nothing, not even the time.
        server_header=False,
        date_header=False,
        http="h11",
        ws="none",
        limit_concurrency=_AT_ONCE,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    try:
        config.load()
    except (OSError, ValueError) as error:
        raise UsageError(f"the certificate or its key cannot be used ({error})") from None
    return config


def run(app: FastAPI, at: Listening) -> None:
    """Serves until SIGTERM or SIGINT; what is being answered then is answered. Raises `UsageError` where it
    cannot listen."""
    server = uvicorn.Server(configured(app, at))
    signal.signal(signal.SIGTERM, _stopped)  # the server gives the signal back when it has stopped
    try:
        server.run()
    except SystemExit as ended:
        if ended.code:
            raise UsageError(
                f"it cannot listen on {at.host} port {at.port}: the log says why; give another --port"
            ) from None


def serve(
    service: KeyholderService,
    endpoints: Endpoints,
    token: str,
    *,
    rate: float,
    most_mib: int,
    metrics_port: int | None,
    relay_after: float | None,
    check_every: float,
    host: str,
    **where: Any,
) -> None:
    """Serves ``service`` with logs and metrics, passes its stops on to the chain unless ``relay_after``
    (seconds, see `Relay`) is None, and checks what it holds ``check_every`` hours (0: never). Raises
    `UsageError`."""
    configure()
    metrics = Metrics(endpoints)
    relay = None if relay_after is None else Relay(service, relay_after)
    if relay:
        metrics.follow(relay)
        relay.start()
    routine = Routine(service, check_every * 3600) if check_every else None
    if routine:
        metrics.inspect(routine)
        routine.start()
    _count(metrics, host, metrics_port)
    limits = Limits(body=most_mib << 20, rate=rate)
    try:
        run(make_app(Desk(service, metrics, token, relay), limits), Listening(host, **where))
    finally:
        for thread in (relay, routine):
            if thread:
                thread.close()


def _count(metrics: Metrics, host: str, port: int | None) -> None:
    try:
        if port is not None:
            metrics.serve(host, port)
    except OSError as error:
        raise UsageError(f"it cannot serve metrics on port {port} ({error.strerror})") from None


def _stopped(_: int, __: FrameType | None) -> None:
    sys.exit(0)
