"""Handing over: what a keyholder gives to those that come after it, and its word that it took all over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from consentry.envelope.handing import Holding, Members, hand_on
from consentry.envelope.leaf import Leaf
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.checks import Denied
from consentry.keyholder.held import Held
from consentry.keyholder.intake import Intake
from consentry.keyholder.messages import Call, Released, Signed
from consentry.keyholder.roster import Roster
from consentry.keys.binding import Deployment, abi_decode, abi_encode, json_decode
from consentry.keys.hpke import wrap

if TYPE_CHECKING:
    from consentry.keyholder.vault.stock import Stocked

_MANY = 200  # statements, boxes or stops of one page
_ASKED = ["bytes", "uint8", "bytes32"]  # keyholders.json of those that come after, what, and after which
_PAGE = ["bytes[]", "bytes32"]  # things, and after which the next page is (zeros: there is none)
STATEMENT = ["bytes", "bytes"]  # body, signature
STOP = ["bytes32", "bytes32", "bytes"]  # patient, grant id, signature
_ENVELOPE = ["bytes32", "bytes", "bytes32", "uint64", "uint32[]", "bytes[]"]
_TOOK = ["bytes32", "bytes32[]"]  # the hash of keyholders.json, record ids


class What(IntEnum):
    """What is handed over, in this order."""

    STATEMENTS, BOXES, STOPS, ENVELOPES = range(4)


@dataclass(frozen=True, slots=True)
class HandedEnvelope:
    """An envelope as it is handed over: its hash, its encoded header, the grant of its deposit, since when it
    waits for its anchors (block time, 0: it does not), and by position what the taker gets of its records."""

    envelope: bytes
    header: bytes
    grant_id: bytes
    since: int
    records: dict[int, bytes]

    def encode(self) -> bytes:
        """ABI encoding."""
        values = [self.envelope, self.header, self.grant_id, self.since]
        return abi_encode(_ENVELOPE, [*values, list(self.records), list(self.records.values())])

    @classmethod
    def decode(cls, data: bytes) -> HandedEnvelope:
        """Raises `IntegrityError`."""
        what = "an envelope that is handed over"
        envelope, header, grant_id, since, positions, records = abi_decode(_ENVELOPE, data, what)
        return cls(envelope, header, grant_id, since, dict(zip(positions, records, strict=False)))


def asked(document: bytes, what: What, after: bytes) -> bytes:
    """The body of a ``hand_over`` call: the ``document`` (keyholders.json of those that come after), and what
    is wanted, from the one ``after`` on."""
    return abi_encode(_ASKED, [document, int(what), after])


def handover_info(deployment: Deployment, to: Roster, dealer: int, taker: int) -> bytes:
    """The info under which what keyholder ``dealer`` hands over is sealed to keyholder ``taker``."""
    return deployment.info("hand over", to.hash, dealer, taker)


def page_of(opened: bytes) -> tuple[list[bytes], bytes]:
    """The things of a page, and after which the next one is. Raises `IntegrityError`."""
    things, following = abi_decode(_PAGE, opened, "a page that is handed over")
    return list(things), following


def took(roster: Roster, records: Sequence[bytes]) -> bytes:
    """The body of a ``took_over`` call, and what its answer's subject is the hash of."""
    return abi_encode(_TOOK, [roster.hash, list(records)])


class Handover(Intake):
    """A keyholder's answers to those that come after it, and to those that were before."""

    def hand_over(self, call: Call) -> Released:
        """See `Keyholder.hand_over`."""
        with self._answering("hand over", call.caller):
            self._verify(call, "hand_over")
            document, what, after = abi_decode(_ASKED, call.body, "a call")
            to, taker = self._coming(document, call.caller)
            assert to.previous is not None
            self._vault.of(to.previous.generation).shut()
            things, following = self._things(to, taker.index, what, after)
            page = abi_encode(_PAGE, [things, following])
            info = handover_info(self._deployment, to, self._card.index, taker.index)
            sealed = wrap(page, taker.public_key, info)
            named = {"caller": call.caller, "keyholders": to.hash, "things": len(things)}
            self._note("handed over", {**named, "what": What(what).name.lower()})
            return Released(sealed, self._sign("hand_over", keccak(sealed), self._head()))

    def _coming(self, document: bytes, caller: str) -> tuple[Roster, KeyholderCard]:
        """Who comes after this group (or is this one, which handed on before), and who of them asks."""
        try:
            to = Roster.from_json(json_decode(document))
        except ValueError:
            raise Denied("keyholders") from None
        if to.previous is None or self._roster.hash not in (to.hash, to.previous.hash):
            raise Denied("keyholders")
        to.approved(self._deployment)
        if self._card.index not in to.dealers:
            raise Denied("dealer")
        for card in to.keyholders:
            if card.address == caller:
                return to, card
        raise Denied("taker")

    def _things(self, to: Roster, taker: int, what: int, after: bytes) -> tuple[list[bytes], bytes]:
        assert to.previous is not None
        stock, first = self._vault.of(to.previous.generation).stock, int.from_bytes(after, "big")
        if what == What.ENVELOPES:
            members = to.members
            found = [self._handed(members, taker, one) for one in stock.envelopes(after)]
            return [one.encode() for one in found], found[-1].envelope if found else bytes(32)
        if first >= 2**63 or what > What.ENVELOPES:
            raise Denied("page")
        if what == What.STATEMENTS:
            things = [abi_encode(STATEMENT, [s.body, s.signature]) for s in stock.statements(first, _MANY)]
        elif what == What.BOXES:
            things = stock.boxes(first, _MANY)
        else:
            things = [abi_encode(STOP, list(stop)) for stop in stock.stops(first, _MANY)]
        return things, (first + len(things)).to_bytes(32, "big") if len(things) == _MANY else bytes(32)

    def _handed(self, to: Members, taker: int, stocked: Stocked) -> HandedEnvelope:
        records = {}
        for position, held in stocked.records.items():
            leaf = Leaf.decode(held.open_part, held.sealed_part)
            holding = Holding.decode(held.share)
            part = hand_on(leaf.record_id, holding, self._card.index, to)[taker]
            if part.values:
                given = Held(held.header, held.open_part, held.sealed_part, part.encode())
                records[position] = given.encode()
        return HandedEnvelope(stocked.envelope, stocked.header, stocked.grant_id, stocked.since, records)

    def took_over(self, call: Call) -> Signed:
        """See `Keyholder.took_over`."""
        with self._answering("took over", call.caller):
            self._verify(call, "took_over")
            group, records = abi_decode(_TOOK, call.body, "a call")
            before = self._roster.previous
            if before is None or group != self._roster.hash:
                raise Denied("keyholders")
            if call.caller not in [card.address for card in before.keyholders]:
                raise Denied("dealer")
            if not self._vault.stock.holds(records):
                raise Denied("records")
            self._note("took over", {"caller": call.caller, "keyholders": group, "records": len(records)})
            return self._sign("took_over", keccak(call.body), self._head())
