"""Five ways in which the administrator tries to read a record, and how each is refused."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from eth_utils.crypto import keccak

from consentry import seal
from consentry.chain.contracts import Entry
from consentry.cli.demo.scenes import write_entry
from consentry.cli.demo.stage import Stage, StoryBroken
from consentry.cli.insider.loot import OWN, Loot
from consentry.client.outbox import unseal_file
from consentry.envelope.leaf import check_share
from consentry.errors import (
    BlobAltered,
    ConsentryError,
    ContractRefused,
    IntegrityError,
    KeyholderRefused,
    KeyringLocked,
    ShareMismatch,
)
from consentry.evidence import Trial
from consentry.fhir.bundle import FHIR_JSON
from consentry.keyholder.messages import Call, Keyholder, ReleaseAsked
from consentry.keys import shamir
from consentry.keys.hpke import new_seed, public_key
from consentry.keys.keyring import Keyring

_GUESSES = ("", "password", "hospital", "consentry", "Riverside Test Hospital")
_TREAT = 1


@dataclass
class Trials:
    """Everything that was tried on a ``stage``, as the report takes it."""

    stage: Stage
    told: list[Trial] = field(default_factory=list)

    @contextmanager
    def refused(self, error: type[ConsentryError], what: str, name: str = "") -> Iterator[None]:
        """What happens inside must be refused, as `Teller.expect` says; who noted it is looked up."""
        before, said = self._noted(), ""
        with self.stage.tell.expect(error, what, name):
            try:
                yield
            except ConsentryError as refusal:
                said = f"{type(refusal).__name__}: {refusal}"
                raise
        after = self._noted()
        noted = [str(index) for index in after if after[index] > before[index]]
        self.told.append(Trial(what, said, f"keyholders {', '.join(noted)}" if noted else ""))

    def _noted(self) -> dict[int, int]:
        """By keyholder, how many refusals stand in its journal."""
        return {
            one.card.index: sum(row.kind == "refused" for row in one.journal())
            for one in self.stage.keyholders
        }


def honest(stage: Stage) -> list[Keyholder]:
    """The keyholders that the administrator does not run."""
    return [keyholder for keyholder in stage.keyholders if keyholder.card.index not in OWN]


def try_all(trials: Trials, loot: Loot) -> None:
    """All five, one after the other. Raises `StoryBroken` where one is not refused by its name."""
    for way in (by_the_store, by_the_disk, by_its_own_rights, by_two_shares, in_the_clinicians_name):
        way(trials, loot)


def one_works(error: type[ConsentryError], tries: Iterable[Callable[[], object]]) -> None:
    """Tries until one works; where each is refused by ``error``, raises the last refusal."""
    refusal: ConsentryError = StoryBroken("there was nothing to try")
    for one in tries:
        try:
            one()
            return
        except error as refused:
            refusal = refused
    raise refusal


def by_the_store(trials: Trials, loot: Loot) -> None:
    """1: the blob, and every key in reach."""
    blob, keys = loot.blobs[loot.target.cid], loot.keys()
    deployment, record = trials.stage.chain.deployment, loot.target.record_id
    bound, digest = seal.context(deployment, record, FHIR_JSON), hashlib.sha256(blob).digest()
    what = f"1. opening the blob ({len(blob):,} bytes) with {len(keys)} keys that it has or can make"
    with trials.refused(BlobAltered, what):
        one_works(
            BlobAltered,
            (partial(seal.unseal, io.BytesIO(blob), io.BytesIO(), key, bound, digest) for key in keys),
        )


def by_the_disk(trials: Trials, loot: Loot) -> None:
    """2: the hospital's keyring, and its sealed files."""
    keyring = next(path for path in loot.disk if path.suffix == ".json" and path.parent.name == "keyrings")
    guesses = [*loot.passphrases.values(), *_GUESSES]
    with trials.refused(KeyringLocked, f"2. opening the hospital's keyring with {len(guesses)} passphrases"):
        one_works(KeyringLocked, (partial(Keyring.load, keyring, guess) for guess in guesses))
    sealed = [path for path in loot.disk if path != keyring]
    keys = [one.subkey(use) for one in loot.keyrings.values() for use in ("copy", "outbox")]
    tries = [partial(unseal_file, path, key) for path in sealed for key in [*keys, *loot.keys()]]
    with trials.refused(IntegrityError, f"   the hospital's {len(sealed)} other files, with all those keys"):
        one_works(IntegrityError, tries)


def by_its_own_rights(trials: Trials, loot: Loot) -> None:
    """3: the hospital's grant to deposit, which is in force, and its account, which signs."""
    stage, salt = trials.stage, loot.leaf.record_salt
    with trials.refused(
        ContractRefused, "3. an entry by the hospital, on its grant to deposit", "NotAllowed"
    ):
        write_entry(stage, "hospital", loot.own_terms, salt)

    def ask(keyholder: Keyholder) -> object:
        return keyholder.labels(_call(stage, keyholder, "labels", loot.own_terms.encode()))

    with trials.refused(KeyholderRefused, "   listing what lies there, on that grant"):
        one_works(KeyholderRefused, (partial(ask, keyholder) for keyholder in honest(stage)))


def by_two_shares(trials: Trials, loot: Loot) -> None:
    """4: two shares of three, and what could be a third."""
    missing = honest(trials.stage)[0].card.index
    what = f"4. making keyholder {missing}'s share from those of keyholders {OWN[0]} and {OWN[1]}"
    with trials.refused(ShareMismatch, what):
        check_share(loot.leaf, missing, shamir.evaluate(loot.shares, missing))


def in_the_clinicians_name(trials: Trials, loot: Loot) -> None:
    """5: the clinician's grant for another kind, and the clinician's calls that were overheard."""
    stage, record = trials.stage, loot.target.record_id
    with trials.refused(
        ContractRefused, "5. an entry by the hospital, on the clinician's grant", "NotAllowed"
    ):
        write_entry(stage, "hospital", loot.terms, loot.leaf.record_salt)
    reply_key = public_key(new_seed())
    made_up = ReleaseAsked(record, loot.terms, _entry(stage, loot, reply_key), reply_key).encode()

    def ask(keyholder: Keyholder) -> object:
        return keyholder.release(_call(stage, keyholder, "release", made_up))

    with trials.refused(KeyholderRefused, "   a made-up entry in the clinician's name"):
        one_works(KeyholderRefused, (partial(ask, keyholder) for keyholder in honest(stage)))
    overheard = loot.calls[0]
    with trials.refused(KeyholderRefused, "   the clinician's own call for the other record, passed on"):
        one_works(KeyholderRefused, (partial(keyholder.release, overheard) for keyholder in honest(stage)))
    altered = replace(ReleaseAsked.decode(overheard.body), record_id=record)
    call = replace(overheard, body=altered.encode())
    with trials.refused(KeyholderRefused, f"   the same call, with the {loot.target.kind} record in it"):
        one_works(KeyholderRefused, (partial(keyholder.release, call) for keyholder in honest(stage)))


def _call(stage: Stage, keyholder: Keyholder, verb: str, body: bytes) -> Call:
    """A call in the hospital's name."""
    return Call.signed(stage.chain.deployment, stage.people["hospital"].signer, keyholder.card, verb, body)


def _entry(stage: Stage, loot: Loot, reply_key: bytes) -> Entry:
    actor, head = stage.people["clinician"].address, stage.chain.head()
    words = (loot.target.record_id, loot.terms.grant_id, keccak(b"made up"), _TREAT, keccak(reply_key))
    return Entry(actor, *words, bytes(32), head.number)
