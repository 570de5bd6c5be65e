"""What travels between callers and keyholders: documents, signed calls, answers, journals."""

from __future__ import annotations

import asyncio
import atexit
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from eth_utils.crypto import keccak
from fastapi import FastAPI
from pydantic import BaseModel

from consentry.chain.contracts import Head
from consentry.client.own import _read
from consentry.client.proof import Proof
from consentry.consent.rule import Reason
from consentry.consent.terms import typed_revoke
from consentry.envelope.leaf import Leaf
from consentry.errors import KeyholderRefused
from consentry.evidence.deals import dealt_in
from consentry.evidence.journals import Journal, label_reads, readable, refusals, whole
from consentry.evidence.model import Report
from consentry.keyholder import wire
from consentry.keyholder.http.app import Desk, make_app
from consentry.keyholder.http.door import Limits
from consentry.keyholder.http.metrics import Metrics
from consentry.keyholder.journal import Row, next_row, verify_journal
from consentry.keyholder.messages import (
    BoxAnswer,
    Call,
    Listed,
    OwnAnswer,
    OwnRecord,
    Released,
    Signed,
    release_info,
)
from consentry.keyholder.remote import RemoteKeyholder
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.vault import Vault
from consentry.keys.hpke import wrap
from tests.attacks.parsers.parser import Parser, document, in_file
from tests.attacks.parsers.sealed import ASKED, BOX, DEALT, ENTRY, LEAF, PART, REPLY_KEY, SIGNED
from tests.support.fixed import (
    DEPLOYMENT,
    HOSPITAL,
    KEYHOLDER_SEEDS,
    NOON,
    PATIENT,
    PATIENT_ID,
    ROSTER,
    seed,
    signer,
    some_terms,
)

CARD = ROSTER.keyholders[0]
WORD = Signed(1, "box", seed(41), 7, 9, seed(42), bytes(65))
ROWS = [next_row(DEPLOYMENT, signer(51), None, NOON, "labels", {"caller": "0x12", "grant": "0x34"})]
ROWS.append(next_row(DEPLOYMENT, signer(51), ROWS[0], NOON, "own", {"caller": "0x12"}))


class Chain:
    """A chain that says yes to everything, and has every entry that anybody claims."""

    deployment = DEPLOYMENT

    @contextmanager
    def at_one_head(self) -> Iterator[None]:
        yield

    def head(self) -> Head:
        return Head(9, NOON)

    def controller_of(self, _: bytes) -> str:
        return PATIENT.address

    def why(self, *_: object) -> Reason:
        return Reason.NONE

    def wallet_accepts(self, *_: object) -> bool:
        return False

    def settled(self) -> int:
        return 2**63

    def anchored(self, _: str, claimed: Leaf) -> bool:
        return any(leaf.anchor == claimed.anchor for leaf, _ in DEALT.leaves)

    def hash_of(self, _: int) -> None:
        return None

    def time_of(self, _: int) -> int:
        return NOON

    def yes(self, *_: object, **__: object) -> bool:
        return True

    has_entry = in_force = may = may_use = yes


@cache
def keyholder() -> KeyholderService:
    """A whole keyholder, which holds a segment, a key box and two records."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    vault = Vault.open(folder.name)
    made = KeyholderService(
        CARD,
        ROSTER,
        signer=signer(51),
        seed=KEYHOLDER_SEEDS[0],
        vault=vault,
        chain=Chain(),  # type: ignore[arg-type]
    )
    made.statement(SIGNED)
    made.box(BOX.encode())
    made.deal(PART.encode())
    return made


@cache
def _app() -> FastAPI:
    return make_app(Desk(keyholder(), Metrics(), "token"), Limits(rate=0))


async def _post(path: str, data: bytes) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_app()), base_url="http://it") as client:
        return await client.post(path, content=data, headers={"Content-Type": "application/json"})


def _asked(verb: str) -> Callable[[bytes], None]:
    """What a caller may send: it is answered, or gets the one refusal."""

    def call(data: bytes) -> None:
        answer = asyncio.run(_post(f"{wire.PREFIX}/{verb}", data))
        if answer.status_code != 200:
            assert (answer.status_code, answer.content) == (403, b'{"error":"refused"}')
            raise KeyholderRefused

    return call


def _called(verb: str) -> Callable[[bytes], object]:
    """A stranger may sign anything: the body of a call that is signed well."""

    def call(body: bytes) -> object:
        return getattr(keyholder(), verb)(Call.signed(DEPLOYMENT, PATIENT, CARD, verb, body))

    return call


@cache
def _remote() -> RemoteKeyholder:
    made = RemoteKeyholder(replace(CARD, url="http://127.0.0.1:1"))
    made.close()
    return made


def _told(ask: Callable[[RemoteKeyholder], object]) -> Callable[[bytes], object]:
    """What a keyholder elsewhere may say."""

    def call(data: bytes) -> object:
        said = iter((data, b'{"rows":[]}'))  # a journal is asked for until a page is empty
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(next(said))))
        remote = _remote()
        remote._http = httpx.Client(transport=transport, base_url="http://127.0.0.1:1")
        return ask(remote)

    return call


def _judged(rows: list[Row]) -> None:
    """All that is made of a foreign journal without a chain."""
    report = Report(DEPLOYMENT.chain_id, DEPLOYMENT.genesis, DEPLOYMENT.registry, 9, NOON, 3)
    journals = whole(report, DEPLOYMENT, [Journal(CARD, rows)], [WORD])
    refusals(report, journals), label_reads(report, journals)
    for journal in journals:
        _ = [list(dealt_in(row)) for row in readable(journal, "deal")]
    verify_journal(DEPLOYMENT, CARD.address, rows)


def _rows(data: bytes) -> None:
    found = document(data)
    _judged([Row.from_json(row) for row in (found if isinstance(found, list) else [found])])


def _document(value: BaseModel) -> bytes:
    return value.model_dump_json(by_alias=True).encode()


def _call(verb: str, body: bytes) -> bytes:
    return _document(wire.SignedCall.of(Call.signed(DEPLOYMENT, PATIENT, CARD, verb, body)))


def _said(sealed: bytes, **changes: Any) -> Released:
    """An answer that the keyholder signed."""
    bare = replace(Signed(1, "release", keccak(sealed), 7, 9, seed(42)), **changes)
    return Released(sealed, replace(bare, signature=signer(51).sign_typed_data(bare.message(DEPLOYMENT))))


def _proof(path: Path) -> object:
    return Proof.load(path).verify(Chain(), ROSTER)  # type: ignore[arg-type]


def _saved(proof: Proof) -> bytes:
    with TemporaryDirectory() as folder:
        return proof.save(Path(folder)).read_bytes()


_NO_SHARE = wrap(b"no share", REPLY_KEY, release_info(DEPLOYMENT, PATIENT_ID, ENTRY, 1))
_FORK = Proof.of_fork(DEPLOYMENT, _said(b"").signed, _said(b"", row_hash=seed(43)).signed)
_CHEAT = Proof.of_release(DEPLOYMENT, "ShareMismatch", ASKED, seed(44), _said(_NO_SHARE))
_LISTED = Listed(seed(1), seed(2), 1, seed(3), HOSPITAL.address, b"wrap", b"label")
_OWN = OwnAnswer((SIGNED,), (OwnRecord(PART.header, *LEAF.encode()),), (BOX.encode(),))
_STOP = PATIENT.sign_typed_data(typed_revoke(DEPLOYMENT, PATIENT_ID, seed(5)))
_RELEASE = ASKED.encode()
_ANY = Call(PATIENT.address, "own", b"", seed(1))
SERVICE = KeyholderService

WIRES = {
    "a statement that is left": Parser(
        _asked("statement"), _document(wire.Statement.of(SIGNED)), (SERVICE.statement,)
    ),
    "a key box that is left": Parser(_asked("box"), _document(wire.Box(box=BOX.encode())), (SERVICE.box,)),
    "a deal": Parser(_asked("deal"), _document(wire.Part(part=PART.encode())), (SERVICE.deal,)),
    "a stop": Parser(
        _asked("stop"),
        _document(wire.Stop(patient=PATIENT_ID, grant_id=seed(5), signature=_STOP)),
        (SERVICE.stop,),
    ),
    "a call": Parser(_asked("own"), _call("own", PATIENT_ID), (SERVICE.own,)),
    "the body of grants": Parser(_called("grants"), PATIENT_ID, (SERVICE.grants,)),
    "the body of fetch_box": Parser(_called("fetch_box"), PATIENT_ID + BOX.grant_id, (SERVICE.fetch_box,)),
    "the body of labels": Parser(_called("labels"), some_terms().encode(), (SERVICE.labels,)),
    "the body of release": Parser(_called("release"), _RELEASE, (SERVICE.release,)),
    "the body of own": Parser(_called("own"), PATIENT_ID, (SERVICE.own,)),
    "an acknowledgement": Parser(
        _told(lambda to: to.box(b"")), _document(wire.Acknowledgement.of(WORD)), (RemoteKeyholder._ask,)
    ),
    "the grants": Parser(
        _told(lambda to: to.grants(_ANY)), _document(wire.Grants(grants=(seed(1),))), (RemoteKeyholder._ask,)
    ),
    "a box that is given": Parser(
        _told(lambda to: to.fetch_box(_ANY)),
        _document(wire.FoundBox.of(BoxAnswer(BOX.encode(), (SIGNED,), WORD))),
        (RemoteKeyholder._ask,),
    ),
    "labels that are given": Parser(
        _told(lambda to: to.labels(_ANY)),
        _document(wire.Labels(records=(wire.Label.of(_LISTED),))),
        (RemoteKeyholder._ask,),
    ),
    "a release": Parser(
        _told(lambda to: to.release(_ANY)),
        _document(wire.Release.of(Released(b"it", WORD))),
        (RemoteKeyholder._ask,),
    ),
    "all of a patient's own": Parser(
        _told(lambda to: _read(to.own(_ANY))), _document(wire.Own.of(_OWN)), (RemoteKeyholder._ask, _read)
    ),
    "a proof of a fork": Parser(in_file(_proof), _saved(_FORK), (Proof.load, Proof.verify)),
    "a proof about a release": Parser(in_file(_proof), _saved(_CHEAT), (Proof.load, Proof.verify)),
    "a page of a journal": Parser(
        _told(lambda to: _judged(to.journal())),
        _document(wire.Page(rows=tuple(wire.JournalRow.model_validate(row.to_json()) for row in ROWS))),
        (RemoteKeyholder._ask, wire.JournalRow.value),
    ),
    "rows of a journal": Parser(
        _rows, json.dumps([row.to_json() for row in ROWS]).encode(), (Row.from_json,)
    ),
}
