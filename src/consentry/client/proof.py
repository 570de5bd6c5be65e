"""What proves to anybody that a keyholder cheated, or a contributor: its own signed answers, kept in a file.

The file shows a third party what the reader saw: the answers, with the seed of the one-time key to which
they are sealed. With another seed they do not open, so that nobody can be made to have said what it did not.
That seed also opens what other keyholders answered to this entry, for whoever recorded it off the wire. Of
shares the file gives away: for ``ShareMismatch`` one that fits nothing; for ``EnvelopesDiffer`` two; for
``DealInconsistent`` all t, which are the record's second half for who has a grant and no entry. So only its
owner can read it; show it to who judges, and to nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from eth_utils.crypto import keccak
from pydantic import ValidationError

from consentry.chain.contracts import Chain
from consentry.envelope.leaf import Leaf, check_share, record_id
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
from consentry.keyholder.messages import ReleaseAsked, Released, Signed, release_info
from consentry.keyholder.roster import KeyholderCard, Roster
from consentry.keys import shamir
from consentry.keys.binding import Deployment, abi_decode
from consentry.keys.hpke import public_key, unwrap

_FORMAT = "consentry proof 1"
_FAULTS = {one.__name__: one for one in (ShareMismatch, EnvelopesDiffer, DealInconsistent, JournalBroken)}


@dataclass(frozen=True, slots=True)
class Given:
    """What one keyholder gave to an entry: a leaf and a share."""

    leaf: Leaf
    share: bytes = field(repr=False)

    @classmethod
    def opened(
        cls, deployment: Deployment, asked: ReleaseAsked, index: int, sealed: bytes, seed: bytes
    ) -> Given:
        """What keyholder ``index`` sealed in answer to ``asked``. Raises `WrapBroken` where it does not open,
        which says nothing about whose fault that is, and `ShareMismatch` where it is not what was dealt: no
        honest keyholder ever seals that."""
        info = release_info(deployment, asked.terms.patient, asked.entry, index)
        answer = unwrap(sealed, seed, info)
        try:
            open_part, sealed_part, share = abi_decode(["bytes", "bytes", "bytes32"], answer, "a release")
            leaf = Leaf.decode(open_part, sealed_part)
        except IntegrityError as error:
            raise ShareMismatch(f"keyholder {index} released what is no share ({error})") from None
        dealt = record_id(asked.terms.patient, asked.terms.segment, leaf.record_salt)
        if {asked.record_id, dealt} != {leaf.record_id}:
            raise ShareMismatch(f"keyholder {index} released another record")
        check_share(leaf, index, share)
        return cls(leaf, share)


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
        deployment's ``roster``. Raises `IntegrityError` where it proves nothing, or `Unreachable`."""
        if self.deployment != chain.deployment.id:
            raise IntegrityError("the proof is about another deployment")
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
                given.append(Given.opened(chain.deployment, asked, index, answer.sealed, self.seed))
            except WrapBroken:
                raise IntegrityError("an answer is not one to the entry that the proof names") from None
            except ShareMismatch as error:
                if self.what == ShareMismatch.__name__ and len(self.answers) == 1:
                    return f"{cards[0].name} (keyholder {index}) cheated: {error}"
                raise IntegrityError("the proof shows another fault than it names") from None
        return self._together(roster, cards, given)

    def _together(self, roster: Roster, cards: list[KeyholderCard], given: list[Given]) -> str:
        """What answers show that hold each by itself."""
        names = ", ".join(f"{card.name} (keyholder {card.index})" for card in cards)
        leaves = {one.leaf.hash for one in given}
        if self.what == EnvelopesDiffer.__name__ and len(given) == len(leaves) == 2:
            return f"one of {names} altered a leaf, or its contributor dealt two"
        shares = {card.index: one.share for card, one in zip(cards, given, strict=True)}
        whole = len(leaves) == 1 and len(shares) == roster.threshold
        if self.what == DealInconsistent.__name__ and whole and not _together(given[0].leaf, shares):
            return f"the record's contributor dealt shares that do not belong together; so say {names}"
        raise IntegrityError("the answers hold: the proof shows nothing against who gave them")

    def _signer(self, deployment: Deployment, roster: Roster, answer: Released) -> KeyholderCard:
        signed = answer.signed
        if not 1 <= signed.keyholder <= roster.count:
            raise IntegrityError("the proof names a keyholder that there is not")
        card = roster.keyholders[signed.keyholder - 1]
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
