"""Taking over what others signed: statements, key boxes and stops, from those who held them before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from consentry.consent.box import KeyBox
from consentry.envelope.statement import SignedStatement
from consentry.errors import IntegrityError, KeyholderRefused, Refused
from consentry.keyholder.handover import STATEMENT, STOP, What, asked, handover_info, page_of
from consentry.keyholder.intake import Intake
from consentry.keyholder.messages import Call, Keyholder, subject_of_stop
from consentry.keyholder.roster import Roster
from consentry.keys.binding import abi_decode
from consentry.keys.hpke import unwrap


@dataclass(slots=True)
class Joined:
    """What was taken over by now, in numbers; ``left`` names what could not be, and why. Too few held what is
    ``unfinished``, and it is not on chain: whoever began to deposit it begins anew."""

    statements: int = 0
    boxes: int = 0
    stops: int = 0
    records: int = 0
    unfinished: int = 0
    left: dict[str, str] = field(default_factory=dict)


class Taking(Intake):
    """The keyholder of a new group, while it takes over from ``_dealers`` of the one ``_before`` (by index);
    ``_document`` is its group's keyholders.json."""

    _before: Roster
    _document: bytes
    _dealers: Mapping[int, Keyholder]
    _done: Joined
    _progress: Callable[[Joined], None]

    def _take_signed(self, what: What, take: Callable[[bytes], bool]) -> None:
        """What its own signature does not hold up any more counts where enough dealers hold it."""
        said: dict[bytes, set[int]] = defaultdict(set)
        for dealer in self._dealers:
            try:
                for thing in self._pages(dealer, what, bytes(32)):
                    if not self._taken(what, take, thing):
                        said[thing].add(dealer)
            except IntegrityError as error:
                self._done.left[f"dealer {dealer}, some {what.name.lower()}"] = str(error)
        for thing, sayers in said.items():
            if len(sayers) >= self._before.threshold:
                self._count(what, self._believe(what, thing))
            else:
                name = f"{what.name.lower()[:-1]} {keccak(thing).hex()[:16]}"
                self._done.left[name] = "who signed it may not any more, and too few dealers hold it"

    def _taken(self, what: What, take: Callable[[bytes], bool], thing: bytes) -> bool:
        try:
            self._count(what, take(thing))
        except (KeyholderRefused, IntegrityError):
            return False
        return True

    def _count(self, what: What, new: bool) -> None:
        name = what.name.lower()
        setattr(self._done, name, getattr(self._done, name) + new)
        self._progress(self._done)

    def _statement(self, thing: bytes) -> bool:
        signed = SignedStatement(*abi_decode(STATEMENT, thing, "a statement"))
        found = signed.statement
        if signed in self._vault.statements(found.patient, found.segment):
            return False
        self.statement(signed)
        return True

    def _box(self, thing: bytes) -> bool:
        found = KeyBox.decode(thing)
        held = self._vault.find_box(found.patient, found.grant_id)
        if held is not None and KeyBox.decode(held).version >= found.version:
            return False
        self.box(thing)
        return True

    def _stop(self, thing: bytes) -> bool:
        patient, grant_id, signature = abi_decode(STOP, thing, "a stop")
        if self._vault.stopped(patient, grant_id):
            return False
        self.stop(patient, grant_id, signature)
        return True

    def _believe(self, what: What, thing: bytes) -> bool:
        """Takes what a dealer that is honest took once, when its signer might."""
        if what is What.STATEMENTS:
            signed = SignedStatement(*abi_decode(STATEMENT, thing, "a statement"))
            one = signed.statement
            body = {"patient": one.patient, "segment": one.segment, "hash": one.hash, "version": one.version}
            self._take("statement", one.hash, body, lambda: self._vault.add_statement(one, signed))
        elif what is What.BOXES:
            box = KeyBox.decode(thing)
            fields = (box.patient, box.grant_id, box.segment, thing)
            names = {"patient": box.patient, "grant": box.grant_id, "grantee": box.grantee}
            body = {**names, "segment": box.segment, "version": box.version}
            self._take("box", box.hash, body, lambda: self._vault.add_box(*fields))
        else:
            patient, grant_id, signature = abi_decode(STOP, thing, "a stop")
            body, subject = {"patient": patient, "grant": grant_id}, subject_of_stop(patient, grant_id)
            self._take("stop", subject, body, lambda: self._vault.add_stop(patient, grant_id, signature))
        return True

    # --- one dealer

    def _pages(self, dealer: int, what: What, after: bytes) -> Iterator[bytes]:
        """All things of one sort that a dealer hands over, from the one ``after`` on."""
        keyholder, following = self._dealers[dealer], after
        info = handover_info(self._deployment, self._roster, dealer, self._card.index)
        while True:
            body = asked(self._document, what, following)
            card = self._before.card(dealer)
            call = Call.signed(self._deployment, self._signer, card, "hand_over", body)
            try:
                released = keyholder.hand_over(call)
            except KeyholderRefused:
                raise Refused(
                    f"{card.name} (keyholder {dealer}) refuses to hand over; is this the file that it "
                    "approved, and does it still hold what it held? What was taken over is kept"
                ) from None
            released.signed.verify(self._deployment, card, "hand_over", keccak(released.sealed))
            things, further = page_of(unwrap(released.sealed, self._seed, info))
            yield from things
            if further <= following:  # the end, or one that leads us round
                return
            following = further
