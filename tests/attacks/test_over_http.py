"""Over HTTP a refusal says nothing: the same bytes for every reason that there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from consentry.client import Proposal
from consentry.keyholder.checks import DEAL, RELEASE
from consentry.keyholder.http.door import Limits
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.wire import PAGE
from tests.attacks import test_keyholder_checks
from tests.attacks.assurance import check_test, service_checks, service_test
from tests.support.members import Change
from tests.support.served import TOKEN, OverHttp, request, said, served
from tests.support.world import World

REFUSAL = (
    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 19\r\ncontent-type: application/json\r\n"
    b'Connection: close\r\n\r\n{"error":"refused"}'
)
"""What every refusal is, to the byte."""

OTHERWISE = {("stop", "shape"), ("release", "stop")}
"""The first no document of the wire can hold, so that the service is never asked. The second is a stop while
an entry is being checked, given within the question to the chain; `test_stop_is_prompt.py` does it."""


@pytest.fixture
def granted(world: World) -> Proposal:
    return world.grant("clinician", "general")[0]


@pytest.fixture(scope="module")
def joined(joined: KeyholderService) -> Iterator[OverHttp]:
    """The newcomer, over HTTP."""
    with served(joined) as over:
        yield over


@pytest.fixture(scope="module")
def web(world: World, deep: World, changing: Change) -> Iterator[list[list[OverHttp]]]:
    """All keyholders of these worlds, over HTTP."""
    with ExitStack() as stack:
        worlds = (world, deep, changing.world)
        yield [[stack.enter_context(served(one)) for one in each.keyholders] for each in worlds]


@pytest.fixture
def asked(
    world: World,
    deep: World,
    changing: Change,
    web: list[list[OverHttp]],
    monkeypatch: pytest.MonkeyPatch,
) -> list[bytes]:
    """Whatever asks a keyholder now does it over HTTP; gives the bytes of the refusals."""
    refusals: list[bytes] = []
    for one in [*web[0], *web[1], *web[2]]:
        monkeypatch.setattr(one, "heard", refusals)
    for each, over in zip((world, deep, changing.world), web, strict=True):
        monkeypatch.setattr(each, "keyholders", over)
    return refusals


def attack(test: Callable[..., None], request: pytest.FixtureRequest) -> None:
    """Runs a test of another module, the first case where it has several."""
    known = {}
    for mark in getattr(test, "pytestmark", ()):
        names, cases = mark.args[0], list(mark.args[1])
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        known |= dict(zip(names, cases[0] if len(names) > 1 else cases[:1], strict=True))
    names = test.__code__.co_varnames[: test.__code__.co_argcount]
    test(**{name: known[name] if name in known else request.getfixturevalue(name) for name in names})


@pytest.mark.parametrize(("checks", "name"), [(c, n) for c in (RELEASE, DEAL) for n in c])
def test_a_failed_check_is_the_one_refusal(
    checks: dict[str, object], name: str, asked: list[bytes], request: pytest.FixtureRequest
) -> None:
    section = "RELEASE" if checks is RELEASE else "DEAL"
    attack(getattr(test_keyholder_checks, check_test(section, name)), request)
    assert set(asked) == {REFUSAL}


@pytest.mark.parametrize(("method", "check"), sorted(service_checks() - OTHERWISE))
def test_what_the_service_refuses_is_the_one_refusal(
    method: str, check: str, asked: list[bytes], request: pytest.FixtureRequest
) -> None:
    attack(service_test(method, check), request)
    heard = asked or request.getfixturevalue("joined").heard
    assert set(heard) == {REFUSAL}


WORD = "0x" + "11" * 32
CALL = {
    "caller": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "verb": "own",
    "body": "0x",
    "nonce": WORD,
    "signature": "0x",
}


def own(**changes: object) -> bytes:
    return request("/v1/own", json.dumps({**CALL, **changes}).encode())


NONSENSE = {
    "an unknown path": request("/v2/own", b"{}"),
    "no path": request("/", method="GET"),
    "a path too far": request("/v1/own/more", b"{}"),
    "a slash too many": request("/v1/own/", b"{}"),
    "another method": request("/v1/own", method="GET"),
    "a delete": request("/v1/own", method="DELETE"),
    "the page of the documentation": request("/docs", method="GET"),
    "no body": request("/v1/own"),
    "no JSON": request("/v1/own", b"{"),
    "no text": request("/v1/own", b"\xff\xfe"),
    "a list": request("/v1/own", b"[]"),
    "null": request("/v1/own", b"null"),
    "a depth without end": request("/v1/own", b"[" * 100_000),
    "a number without end": request("/v1/own", b'{"nonce":' + b"9" * 10_000 + b"}"),
    "no field": request("/v1/own", b"{}"),
    "a field too many": own(more=1),
    "an address without its checksum": own(caller=str(CALL["caller"]).lower()),
    "no address": own(caller="somebody"),
    "a nonce too short": own(nonce="0x11"),
    "no bytes": own(body="0xzz"),
    "half a byte": own(body="0x1"),
    "blanks in bytes": own(body="0x 11 "),
    "a body of nothing": own(),
    "a stop of what is no id": request(
        "/v1/stop", json.dumps({"patient": "0x11", "grantId": WORD, "signature": "0x"}).encode()
    ),
    "a journal without a token": request("/v1/journal", method="GET"),
    "a journal with a wrong token": request(
        "/v1/journal", method="GET", headers="Authorization: Bearer guessed\r\n"
    ),
    "a journal from before its start": request("/v1/journal?first=-1", method="GET"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_the_one_refusal(what: str, web: list[list[OverHttp]]) -> None:
    assert said(web[0][0].port, NONSENSE[what]) == REFUSAL


def test_a_call_that_is_too_large_is_the_one_refusal(world: World) -> None:
    with served(world.keyholders[0], Limits(body=1000, rate=0)) as small:
        assert said(small.port, own(body="0x" + "11" * 400)) == REFUSAL
        assert small.inner.journal()[-1].body["verb"] == "own"
        before = len(small.inner.journal())
        assert said(small.port, own(body="0x" + "11" * 1000)).startswith(REFUSAL.partition(b"Conn")[0])
        assert len(small.inner.journal()) == before


def test_an_auditor_with_the_token_reads_the_journal(world: World, web: list[list[OverHttp]]) -> None:
    shown = said(
        web[0][0].port, request("/v1/journal", method="GET", headers=f"Authorization: Bearer {TOKEN}\r\n")
    )
    head, _, body = shown.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(json.loads(body)["rows"]) == min(PAGE, len(web[0][0].inner.journal()))
