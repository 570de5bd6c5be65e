"""What keyholders hand over to those who come after them, and what is said about it."""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eth_utils.crypto import keccak
from sqlalchemy import delete

from consentry.chain.signers import LocalSigner
from consentry.consent.terms import typed_revoke
from consentry.envelope.handing import Holding, hand_on, together
from consentry.keyholder.handover import (
    _ASKED,
    _PAGE,
    HandedEnvelope,
    Handover,
    What,
    asked,
    handover_info,
    page_of,
    took,
)
from consentry.keyholder.held import Held
from consentry.keyholder.joining import Joining
from consentry.keyholder.messages import Call, Released, Signed
from consentry.keyholder.roster import Roster, succeed
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.taking import Joined, Taking
from consentry.keyholder.vault import Vault
from consentry.keyholder.vault.tables import boxes, envelopes, records, statements, stops, unanchored
from consentry.keys.binding import abi_decode, abi_encode
from consentry.keys.hpke import wrap
from tests.attacks.parsers.parser import Parser, in_file
from tests.attacks.parsers.sealed import BOX, DEALT, LEAF, PART, SHARES, SIGNED, STATEMENT
from tests.attacks.parsers.wires import CARD, Chain
from tests.support.fixed import (
    DEPLOYMENT,
    KEYHOLDER_SEEDS,
    NEWCOMER,
    NEWCOMER_SEED,
    PATIENT,
    PATIENT_ID,
    ROSTER,
    STRANGER,
    approved,
    seed,
    signed_statement,
    signer,
)

FIRST = Roster(1, (CARD,))
AFTER = approved(succeed(FIRST, added=[NEWCOMER]))
_DOCUMENT = json.dumps(AFTER.to_json()).encode()


def _folder() -> str:
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return folder.name


def _keyholder(as_: Any, index: int, roster: Roster) -> Any:
    own, by = ((KEYHOLDER_SEEDS[0], signer(51)), (NEWCOMER_SEED, signer(56)))[index - 1]
    where = {"signer": by, "seed": own, "vault": Vault.open(_folder())}
    return as_(roster.card(index), roster, **where, chain=Chain())


@cache
def _before() -> KeyholderService:
    """A keyholder that hands on: it holds a statement, a key box, a stop and two records."""
    made = _keyholder(KeyholderService, 1, ROSTER)
    made.statement(SIGNED)
    made.box(BOX.encode())
    made.stop(PATIENT_ID, seed(5), PATIENT.sign_typed_data(typed_revoke(DEPLOYMENT, PATIENT_ID, seed(5))))
    made.deal(PART.encode())
    made._roster = FIRST  # dealt among five, it goes on as the only one: what is read stays small
    return made  # type: ignore[no-any-return]


@cache
def _after() -> KeyholderService:
    """One of those who came after, that took both records over."""
    made = _keyholder(KeyholderService, 2, AFTER)
    joining = _joining()
    joining._vault, joining._document = made._vault, _DOCUMENT
    joining._dealers = {1: _before()}
    with TemporaryDirectory() as folder:
        joining._envelopes(Path(folder) / "notes.json")
    assert joining._done.records == len(DEALT.leaves)
    return made  # type: ignore[no-any-return]


def _called(
    verb: str, keyholder: Callable[[], KeyholderService], by: LocalSigner
) -> Callable[[bytes], object]:
    """The body of a call that the other group's keyholder signed well."""

    def call(body: bytes) -> object:
        found = keyholder()
        return getattr(found, verb)(Call.signed(DEPLOYMENT, by, found.card, verb, body))

    return call


class _Dealer:
    """A dealer whose page of one sort is what it is given; all others are empty."""

    card = CARD

    def __init__(self, what: What, page: bytes) -> None:
        self._what, self._page = what, page

    def hand_over(self, call: Call) -> Released:
        _, what, after = abi_decode(_ASKED, call.body, "a call")
        first = (what, after) == (self._what, bytes(32))
        page = self._page if first else abi_encode(_PAGE, [[], bytes(32)])
        sealed = wrap(page, NEWCOMER.public_key, handover_info(DEPLOYMENT, AFTER, 1, 2))
        bare = Signed(1, "hand_over", keccak(sealed), 7, 9, seed(42))
        return Released(sealed, replace(bare, signature=signer(51).sign_typed_data(bare.message(DEPLOYMENT))))


@cache
def _joiner() -> Any:
    return _keyholder(Joining, 2, AFTER)


def _joining() -> Joining:
    """One of those who come after, about to take over; it holds nothing yet."""
    made = _joiner()
    with made._vault._data.writing() as connection:
        for table in (statements, boxes, stops, records, unanchored, envelopes):
            connection.execute(delete(table))
    made._before, made._document = FIRST, _DOCUMENT
    made._done, made._progress = Joined(), lambda _: None
    return made  # type: ignore[no-any-return]


def _page(what: What) -> Callable[[bytes], object]:
    """A page of statements, boxes, stops or envelopes as a dealer may give it."""

    def call(page: bytes) -> object:
        joining = _joining()
        joining._dealers = {1: _Dealer(what, page)}  # type: ignore[dict-item]
        if what is What.ENVELOPES:
            with TemporaryDirectory() as folder:
                joining._envelopes(Path(folder) / "notes.json")
        else:
            take = (joining._statement, joining._box, joining._stop)[what]
            joining._take_signed(what, take)
        return joining._done

    return call


def _thing(what: What) -> Callable[[bytes], object]:
    """One statement, box, stop or envelope in it."""
    return lambda thing: _page(what)(abi_encode(_PAGE, [[thing], bytes(32)]))


def _record(part: bytes) -> object:
    """What the taker gets of one record in it."""
    envelope = HandedEnvelope(seed(55), PART.header, bytes(32), 0, {0: part})
    return _thing(What.ENVELOPES)(envelope.encode())


_ONCE = hand_on(LEAF.record_id, Holding.dealt(SHARES[0]), 1, AFTER.members)[2]
_TWICE = together([hand_on(LEAF.record_id, _ONCE, 2, ROSTER.members)[2]], 1)
assert _TWICE is not None
_HELD = Held(DEALT.header, *LEAF.encode(), _ONCE.encode()).encode()
_ENVELOPE = HandedEnvelope(PART.envelope, PART.header, bytes(32), 7, {0: _HELD}).encode()
_STATEMENT = ["bytes", "bytes"]
_OWN = signed_statement(replace(STATEMENT, keyholders=FIRST.hash))
_GIVEN = abi_encode(_STATEMENT, [_OWN.body, _OWN.signature])
_ODD = signed_statement(replace(STATEMENT, segment=seed(32)), STRANGER)
_FOREIGN = abi_encode(_STATEMENT, [_ODD.body, _ODD.signature])
_STOPS = ["bytes32", "bytes32", "bytes"]
_STOPPED = typed_revoke(DEPLOYMENT, PATIENT_ID, seed(6))
_STOP, _ODD_STOP = (
    abi_encode(_STOPS, [PATIENT_ID, seed(6), by.sign_typed_data(_STOPPED)]) for by in (PATIENT, STRANGER)
)
_ODD_BOX = replace(BOX, grant_id=seed(8)).encode()
_NOTES = json.dumps({"keyholders": AFTER.hash.hex(), "after": seed(7).hex()}).encode()

HANDED = {
    "a share that was handed on": Parser(Holding.decode, _TWICE.encode(), (Holding.decode,)),
    "a record that was handed on": Parser(Held.parts, _HELD, (Held.parts,)),
    "an envelope that is handed over": Parser(HandedEnvelope.decode, _ENVELOPE, (HandedEnvelope.decode,)),
    "a page that is handed over": Parser(page_of, abi_encode(_PAGE, [[_GIVEN], seed(1)]), (page_of,)),
    "a page that is taken over": Parser(
        _page(What.ENVELOPES), abi_encode(_PAGE, [[_ENVELOPE], bytes(32)]), (page_of, HandedEnvelope.decode)
    ),
    "an envelope that is taken over": Parser(
        _thing(What.ENVELOPES), _ENVELOPE, (HandedEnvelope.decode, Held.parts, Holding.decode)
    ),
    "a record that is taken over": Parser(_record, _HELD, (Held.parts, Holding.decode)),
    "a statement that is taken over": Parser(_thing(What.STATEMENTS), _GIVEN, (Taking._statement,)),
    "a statement that dealers hold alike": Parser(_thing(What.STATEMENTS), _FOREIGN, (Taking._believe,)),
    "a key box that dealers hold alike": Parser(_thing(What.BOXES), _ODD_BOX, (Taking._believe,)),
    "a stop that is taken over": Parser(_thing(What.STOPS), _STOP, (Taking._stop,)),
    "a stop that dealers hold alike": Parser(_thing(What.STOPS), _ODD_STOP, (Taking._believe,)),
    "the body of hand_over": Parser(
        _called("hand_over", _before, signer(56)),
        asked(_DOCUMENT, What.ENVELOPES, bytes(32)),
        (Handover.hand_over, Handover._coming),
    ),
    "keyholders.json in a call": Parser(
        lambda data: _called("hand_over", _before, signer(56))(asked(data, What.STOPS, bytes(32))),
        _DOCUMENT,
        (Handover._coming, Roster.from_json),
    ),
    "the body of took_over": Parser(
        _called("took_over", _after, signer(51)),
        took(AFTER, [leaf.record_id for leaf, _ in DEALT.leaves]),
        (Handover.took_over,),
    ),
    "notes of a joining": Parser(in_file(lambda path: _joining()._noted(path)), _NOTES, (Joining._noted,)),
}
