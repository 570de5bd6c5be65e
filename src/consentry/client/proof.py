"""What proves to anybody that a keyholder cheated, or a contributor: its own signed answers, kept in a file.

The file shows a third party what the reader saw: the answers, with the seed of the one-time key to which
they are sealed. With another seed they do not open, so that nobody can be made to have said what it did not.
That seed also opens what other keyholders answered to this entry, for whoever recorded it off the wire. Of
shares the file gives away: for ``ShareMismatch`` one that fits nothing; for ``EnvelopesDiffer`` two; for
``DealInconsistent`` all t, which are the record's second half for who has a grant and no entry. So only its
owner can read it; show it to who judges, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from eth_utils.crypto import keccak
from pydantic import ValidationError

from consentry.chain.contracts import Chain
from consentry.envelope.handing import Holding, Members, check_holding
from consentry.envelope.leaf import Leaf, record_id
from consentry.errors import (
    DealInconsistent,
    EnvelopesDiffer,
    IntegrityError,
    JournalBroken,
    NotFound,
    ShareMismatch,
    UsageError,
    WrapBroken,
)
from consentry.files import write_private
from consentry.keyholder import wire
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.held import Held
from consentry.keyholder.messages import ReleaseAsked, Released, Signed, release_info
from consentry.keyholder.roster import Roster
from consentry.keys import shamir
from consentry.keys.binding import Deployment
from consentry.keys.hpke import public_key, unwrap

_FORMAT = "consentry proof 1"
_FAULTS = {one.__name__: one for one in (ShareMismatch, EnvelopesDiffer, DealInconsistent, JournalBroken)}


@dataclass(frozen=True, slots=True)
class Given:
    """What one keyholder gave to an entry: a leaf, and what it holds of the record."""

    leaf: Leaf
    holding: Holding = field(repr=False)

    @property
    def kind(self) -> tuple[bytes, int]:
        """What answers that lead to one key have in common: the leaf, and how often it was handed on."""
        return self.leaf.hash, self.holding.times

    @classmethod
    def opened(
        cls,
        deployment: Deployment,
        asked: ReleaseAsked,
        index: int,
        sealed: bytes,
        seed: bytes,
        line: Sequence[Members],
    ) -> Given:
        """What keyholder ``index`` of the last group of ``line`` sealed in answer to ``asked``. Raises
        `WrapBroken` where it does not open, which says nothing about whose fault that is, and `ShareMismatch`
        where it is not what was dealt, or handed on: no honest keyholder ever seals that."""
        info = release_info(deployment, asked.terms.patient, asked.entry, index)
        answer = unwrap(sealed, seed, info)
        try:
            open_part, sealed_part, share = Held.parts(answer)
            leaf, holding = Leaf.decode(open_part, sealed_part), Holding.decode(share)
        except IntegrityError as error:
            raise ShareMismatch(f"keyholder {index} released what is no share ({error})") from None
        dealt = record_id(asked.terms.patient, asked.terms.segment, leaf.record_salt)
        if {asked.record_id, dealt} != {leaf.record_id}:
            raise ShareMismatch(f"keyholder {index} released another record")
        check_holding(leaf, line, index, holding)
        return cls(leaf, holding)


@dataclass(frozen=True, slots=True)
class Proof:
    """``what`` is the name of the fault: `ShareMismatch`, `EnvelopesDiffer`, `DealInconsistent`, or
    `JournalBroken` for a fork; ``answers`` show it. ``asked`` is the body of the release call and ``seed``
    that of its reply key; for a fork both are empty, and so is what was sealed."""

    format: str
    deployment: bytes
    what: str
    asked: bytes
    seed: bytes = field(repr=False)
    answers: tuple[Released, ...]

    @classmethod
    def of_release(
        cls, deployment: Deployment, what: str, asked: ReleaseAsked, seed: bytes, *answers: Released
    ) -> Proof:
        """The proof that ``answers`` to an entry do not hold."""
        return cls(_FORMAT, deployment.id, what, asked.encode(), seed, answers)

    @classmethod
    def of_fork(cls, deployment: Deployment, one: Signed, other: Signed) -> Proof:
        """The proof that a keyholder signed two different rows of one number."""
        answers = Released(b"", one), Released(b"", other)
        return cls(_FORMAT, deployment.id, JournalBroken.__name__, b"", b"", answers)

    def save(self, folder: Path) -> Path:
        """Writes it into ``folder``, for its owner alone; the same proof once."""
        document = _Document.of(self).model_dump_json(by_alias=True, indent=1).encode()
        path = folder / f"{self.what}-{keccak(document).hex()[:16]}.json"
        write_private(path, document)
        return path

    @classmethod
    def load(cls, path: Path) -> Proof:
        """Raises `NotFound`, or `UsageError` for what is no proof."""
        try:
            found = _Document.model_validate_json(path.read_bytes()).value()
        except FileNotFoundError:
            raise NotFound(f"there is no {path}") from None
        except ValidationError:
            raise UsageError(f"{path} is no proof of this version") from None
        if found.format != _FORMAT or found.what not in _FAULTS:
            raise UsageError(f"{path} is no proof of this version")
        return found

    def verify(self, chain: Chain, roster: Roster) -> str:
        """Says who cheated, in words, if this proves it; all that it takes is public: ``chain`` and the
        deployment's ``roster``, the one of then or one that came after. Raises `IntegrityError` where it
        proves nothing, `NotApproved`, or `Unreachable`."""
        if self.deployment != chain.deployment.id:
            raise IntegrityError("the proof is about another deployment")
        roster.approved(chain.deployment)
        cards = [self._signer(chain.deployment, roster, one) for one in self.answers]
        indexes = [card.index for card in cards]
        if self.what == JournalBroken.__name__:
            return self._fork(cards)
        if len(set(indexes)) < len(indexes) or any(one.signed.verb != "release" for one in self.answers):
            raise IntegrityError("the proof names an answer twice, or one that is no release")
        asked = self._asked(chain)
        given: list[Given] = []
        for index, answer in zip(indexes, self.answers, strict=True):
            try:
                given.append(self._given(chain.deployment, roster, asked, index, answer.sealed))
            except WrapBroken:
                raise IntegrityError("an answer is not one to the entry that the proof names") from None
            except ShareMismatch as error:
                if self.what == ShareMismatch.__name__ and len(self.answers) == 1:
                    return f"{cards[0].name} (keyholder {index}) cheated: {error}"
                raise IntegrityError("the proof shows another fault than it names") from None
        return self._together(roster, cards, given)

    def _given(
        self, deployment: Deployment, roster: Roster, asked: ReleaseAsked, index: int, sealed: bytes
    ) -> Given:
        """What a keyholder answered as one of whatever group it was in then. Raises `WrapBroken`, and
        `ShareMismatch` where it is what it held in none of them."""
        ends = [end for end, group in enumerate(roster.groups, 1) if index in group.indexes]
        for end in ends[:-1]:
            with suppress(ShareMismatch):
                return Given.opened(deployment, asked, index, sealed, self.seed, roster.groups[:end])
        return Given.opened(deployment, asked, index, sealed, self.seed, roster.groups[: ends[-1]])

    def _together(self, roster: Roster, cards: list[KeyholderCard], given: list[Given]) -> str:
        """What answers show that hold each by itself."""
        names = ", ".join(f"{card.name} (keyholder {card.index})" for card in cards)
        leaves = {one.leaf.hash for one in given}
        handed_on = any(one.holding.times for one in given)
        if self.what == EnvelopesDiffer.__name__ and len(given) == len(leaves) == 2:
            return f"one of {names} altered a leaf, or its contributor dealt two"
        values = [next(iter(one.holding.values.values())) for one in given]
        shares = {card.index: value for card, value in zip(cards, values, strict=True)}
        whole = len(leaves) == 1 and len(shares) == roster.threshold and not handed_on
        if self.what == DealInconsistent.__name__ and whole and not _together(given[0].leaf, shares):
            return f"the record's contributor dealt shares that do not belong together; so say {names}"
        raise IntegrityError("the answers hold: the proof shows nothing against who gave them")

    def _signer(self, deployment: Deployment, roster: Roster, answer: Released) -> KeyholderCard:
        signed = answer.signed
        card = roster.card(signed.keyholder)
        signed.verify(deployment, card, signed.verb, signed.subject)
        if self.asked and signed.subject != keccak(answer.sealed):
            raise IntegrityError("an answer is not the one that its keyholder signed")
        return card

    def _fork(self, cards: list[KeyholderCard]) -> str:
        rows = [answer.signed for answer in self.answers]
        numbers, hashes = {(one.keyholder, one.row) for one in rows}, {one.row_hash for one in rows}
        if (len(rows), len(numbers), len(hashes)) != (2, 1, 2):
            raise IntegrityError("the proof shows no two rows of one number of one journal")
        return f"{cards[0].name} (keyholder {cards[0].index}) signed two rows {rows[0].row} of its journal"

    def _asked(self, chain: Chain) -> ReleaseAsked:
        """What was asked for, if the chain has its entry and the seed is that of its reply key."""
        asked = ReleaseAsked.decode(self.asked)
        entry = asked.entry
        if (asked.terms.grant_id, asked.record_id) != (entry.grant_id, entry.record_id):
            raise IntegrityError("the terms or record of the proof are not those of its entry")
        if keccak(public_key(self.seed)) != entry.reply_key_hash or not chain.has_entry(entry):
            raise IntegrityError("the entry of the proof is not on chain, or has another reply key")
        return asked


def _together(leaf: Leaf, shares: dict[int, bytes]) -> bool:
    """Whether t good ``shares`` (index to share) give every share that ``leaf`` committed to."""
    return all(
        shamir.commitment(leaf.record_id, index, shamir.evaluate(shares, index)) == committed
        for index, committed in enumerate(leaf.share_commitments, 1)
    )


class _Document(wire.Document[Proof]):
    core = Proof
    format: str
    deployment: wire.Word
    what: str
    asked: wire.Bytes
    seed: wire.Bytes
    answers: tuple[wire.Release, ...]
