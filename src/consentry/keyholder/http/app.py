"""The paths of a keyholder's service.

Whatever is not answered leaves as the same refusal: same status, headers, length and body for a check that
failed, a body that is none, and a path that is none. Only a keyholder that cannot answer anybody now says so.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from consentry.keyholder import wire
from consentry.keyholder.http.desk import Desk, json_of, refusal
from consentry.keyholder.http.door import Door, Limits

_FREE = frozenset({"/healthz", "/readyz"})
_STOP = f"{wire.PREFIX}/stop"
_OTHER: dict[int | str, dict[str, Any]] = {
    403: {"model": wire.Excuse, "description": "Refused; the reason stands in the keyholder's journal alone"},
    429: {"model": wire.Excuse, "description": "Too many calls from this address"},
    503: {"model": wire.Excuse, "description": "It cannot answer anybody now: ask again later"},
}


class _Body(Request):
    async def json(self) -> Any:
        # Python's own reader goes down with a document of a depth without end, and the process with it.
        return from_json(await self.body(), allow_inf_nan=False)


class _Path(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await handle(_Body(request.scope, request.receive))

        return handler


class Health(BaseModel):
    """Whether the service runs, or can answer."""

    ready: bool


class Readiness(Health):
    """And whether its account has enough ether to pass revocations on to the chain, or ``off``."""

    relay: str


def make_app(desk: Desk, limits: Limits | None = None) -> FastAPI:
    """The service of ``desk``."""
    app = FastAPI(
        title="Consentry keyholder",
        version=version("consentry"),
        description="Releases one share of a record's key to whoever wrote an entry for it, and journals it.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(
        Door,
        limits=limits or Limits(),
        refused=refusal(),
        later=json_of(wire.LATER, 429),
        free=_FREE,
        urgent=frozenset({_STOP}),
    )

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(HTTPException)
    def _(_: Request, __: Exception) -> Response:
        return refusal()

    paths = APIRouter(prefix=wire.PREFIX, responses=_OTHER, route_class=_Path)
    _intake(paths, desk)
    _calls(paths, desk)
    _succession(paths, desk)

    @paths.get("/journal", response_model=wire.Page)
    def journal(
        first: int = Query(0, ge=0, lt=2**53), authorization: str = Header("", include_in_schema=False)
    ) -> Response:
        """Rows of the journal from ``first`` on, for who shows the journal's token as a bearer."""
        return desk.answer("journal", lambda: desk.page(authorization, first))

    app.include_router(paths)

    @app.get("/healthz", response_model=Health)
    async def healthz() -> Response:
        """Whether the process runs."""
        return json_of(Health(ready=True))

    @app.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readyz() -> Response:
        """Whether chain and files answer."""

        def looked() -> Response:
            ready = desk.ready()
            relay = desk.relay.funds if desk.relay else "off"
            return json_of(Readiness(ready=ready, relay=relay), 200 if ready else 503)

        return await desk.promptly(looked)

    return app


def _intake(paths: APIRouter, desk: Desk) -> None:
    """What patients and contributors leave."""
    service = desk.service

    @paths.post("/statement", response_model=wire.Acknowledgement)
    def statement(asked: wire.Statement) -> Response:
        """Takes a patient's statement."""
        return desk.answer("statement", lambda: wire.Acknowledgement.of(service.statement(asked.value())))

    @paths.post("/box", response_model=wire.Acknowledgement)
    def box(asked: wire.Box) -> Response:
        """Takes the key box of a grant."""
        return desk.answer("box", lambda: wire.Acknowledgement.of(service.box(asked.box)))

    @paths.post("/deal", response_model=wire.Acknowledgement)
    def deal(asked: wire.Part) -> Response:
        """Takes its part of an envelope."""
        return desk.answer("deal", lambda: wire.Acknowledgement.of(service.deal(asked.part)))

    @paths.post("/stop", response_model=wire.Acknowledgement)
    async def stop(asked: wire.Stop) -> Response:
        """Takes a signed revocation as an immediate stop."""
        return await desk.promptly(lambda: desk.answer("stop", lambda: desk.stop(asked)))


def _calls(paths: APIRouter, desk: Desk) -> None:
    """What callers ask, each by a signed call."""
    service = desk.service

    @paths.post("/grants", response_model=wire.Grants)
    def grants(asked: wire.SignedCall) -> Response:
        """Names the grants whose key boxes the caller may fetch."""
        return desk.answer("grants", lambda: wire.Grants(grants=service.grants(asked.value())))

    @paths.post("/fetch_box", response_model=wire.FoundBox)
    def fetch_box(asked: wire.SignedCall) -> Response:
        """Gives a grant's key box."""
        return desk.answer("fetch_box", lambda: wire.FoundBox.of(service.fetch_box(asked.value())))

    @paths.post("/labels", response_model=wire.Labels)
    def labels(asked: wire.SignedCall) -> Response:
        """Lists what a grantee may see without an entry."""

        def listed() -> wire.Labels:
            return wire.Labels(records=tuple(map(wire.Label.of, service.labels(asked.value()))))

        return desk.answer("labels", listed)

    @paths.post("/release", response_model=wire.Release)
    def release(asked: wire.SignedCall) -> Response:
        """Releases one share and leaf to an entry."""
        return desk.answer("release", lambda: wire.Release.of(service.release(asked.value())))

    @paths.post("/own", response_model=wire.Own)
    def own(asked: wire.SignedCall) -> Response:
        """Gives a patient all that is hers."""
        return desk.answer("own", lambda: wire.Own.of(service.own(asked.value())))


def _succession(paths: APIRouter, desk: Desk) -> None:
    """What keyholders ask that come after this one, or were before it."""
    service = desk.service

    @paths.post("/hand_over", response_model=wire.Release)
    def hand_over(asked: wire.SignedCall) -> Response:
        """Gives a page of what it holds to a keyholder that comes after it."""
        return desk.answer("hand_over", lambda: wire.Release.of(service.hand_over(asked.value())))

    @paths.post("/took_over", response_model=wire.Acknowledgement)
    def took_over(asked: wire.SignedCall) -> Response:
        """Says to a keyholder of the group before that it holds these records."""
        return desk.answer("took_over", lambda: wire.Acknowledgement.of(service.took_over(asked.value())))
