"""The insider's story from beginning to end."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from eth_utils.crypto import keccak
from rich.console import Console
from web3 import Web3

from consentry.chain.deploying import Code
from consentry.cli.demo import ending, scenes
from consentry.cli.demo.stage import Stage, StoryBroken, Teller, set_up
from consentry.cli.demo.story import read_records
from consentry.cli.insider import outage, wallet
from consentry.cli.insider.loot import OWN, rob
from consentry.cli.insider.ways import Trials, honest, try_all
from consentry.cli.keyholders import CHOICE, LOCAL, SERVICES, found_keyholders
from consentry.client import Deposited, Listing, Proposal
from consentry.errors import ContractRefused, UsageError
from consentry.keyholder.messages import Call, Keyholder, ReleaseAsked
from consentry.keys.hpke import new_seed, public_key
from consentry.keys.typed import Signer
from consentry.record import Record
from consentry.store.kubo import KuboStore

WANTED = "substance-use"
ACCESSES = 4  # one, one with two keyholders stopped, one that had to wait, one at the revocation
PROVIDERS = ("hospital", "clinician")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the outside is: the chain's node (URL), Kubo's API (address), and the patient's wallet key."""

    node: str
    kubo: str
    wallet: bytes


def tell(
    web3: Web3,
    code: Code,
    signers: Mapping[str, Signer],
    places: Places,
    *,
    bundle: Path | None,
    page: Path,
    console: Console,
) -> Stage:
    """Plays the story on the chain of ``web3`` and leaves a report at ``page``.

    ``signers`` are one for each of `consentry.cli.demo.stage.PEOPLE`; ``bundle`` is a FHIR file, by default a
    generated one. Raises `StoryBroken` when anything goes otherwise than it must."""
    with (
        tempfile.TemporaryDirectory(prefix="consentry-story-") as folder,
        found_keyholders(Path(folder) / "home" / "keyholders", web3, places.node) as machines,
    ):
        if machines.home:
            raise UsageError(
                f"the insider opens two keyholders' disks: set {CHOICE} to {LOCAL} or {SERVICES}"
            )
        home, store = Path(folder), KuboStore(places.kubo)
        console.print(f"Store: Kubo {store.version()} at {places.kubo}")
        console.print(f"Chain: id {web3.eth.chain_id} at {places.node}")
        console.print(f"Keyholders: {machines.words}")
        records = read_records(bundle, console)
        if WANTED not in {record.kind for record in records}:
            raise StoryBroken(f"the record holds nothing of the kind {WANTED}; take another one")
        stage = set_up(Teller(console), home / "home", web3, code, signers, store, machines)
        _play(stage, records, places, home / "patient", page)
    return stage


def _play(stage: Stage, records: Sequence[Record], places: Places, wallet_home: Path, page: Path) -> None:
    tell, trials, power = stage.tell, Trials(stage), outage.Power(stage)
    tell.scene("The hospital deposits, the patient grants general, the clinician opens")
    taps = outage.tap(stage)
    wanted, own = _deposited(stage, records)
    grant = scenes.grant_general(stage)
    listing, opened = scenes.read(stage, "clinician")
    opened.file.close()
    tell.scene(f"An administrator tries five ways to read {WANTED}, which nobody granted")
    loot = rob(stage, places.kubo, wanted, own.terms, grant.terms, taps)
    tell.done(f"from Kubo: all {len(loot.blobs)} blobs; from the hospital: its disk and its account")
    tell.done(f"from keyholders {OWN[0]} and {OWN[1]}: disks, opened seeds, shares, every call they got")
    try_all(trials, loot)
    tell.scene("Keyholders are stopped")
    outage.outages(stage, power, listing)
    tell.scene("The administrator writes in the journals of its two keyholders")
    forged = outage.books(stage, power)
    tell.scene("The patient revokes with cast alone, and none of our software")
    _revoke(stage, listing, grant, places, wallet_home)
    tell.scene("Who looked, who tried, what it cost, what cannot be prevented")
    _page(stage, trials, forged, page)


def _deposited(stage: Stage, records: Sequence[Record]) -> tuple[Deposited, Proposal]:
    """Everybody enrols, the hospital deposits. Gives the wanted record, and the hospital's grant for it."""
    hospital = stage.people["hospital"]
    hospital.keyring.save(
        stage.home / "hospital" / "keyrings" / f"{hospital.address}.json", secrets.token_urlsafe(24)
    )
    scenes.enrol(stage, PROVIDERS)
    scenes.onboard(stage, PROVIDERS)
    allowed = scenes.allow_deposit(stage, list(dict.fromkeys(record.kind for record in records)))
    deposited = scenes.deposit(stage, records)
    wanted = next(one for one in deposited if one.kind == WANTED)
    return wanted, next(one for one in allowed if one.kind == WANTED)


def _revoke(stage: Stage, listing: Listing, grant: Proposal, places: Places, wallet_home: Path) -> None:
    """The clinician asks for a key again and again, by a true entry, while the patient revokes."""
    terms, reply_key = listing.grant.granted.terms, public_key(new_seed())
    scenes.write_entry(stage, "clinician", terms, listing.record_salt, keccak(reply_key))
    clinician = stage.people["clinician"]
    entry = stage.chain.entries(actor=clinician.address)[-1]
    body = ReleaseAsked(listing.record_id, terms, entry, reply_key).encode()
    in_turn = cycle(honest(stage))

    asked: list[Keyholder] = []

    def ask() -> object:
        asked.append(keyholder := next(in_turn))
        call = Call.signed(stage.chain.deployment, clinician.signer, keyholder.card, "release", body)
        return keyholder.release(call)

    for _ in honest(stage):
        ask()
    stage.tell.done("the clinician writes a true entry, and has keyholders answer it over and over")
    options = wallet.keystore(wallet_home, places.wallet)
    words = wallet.command(
        stage.chain.deployment.registry, stage.patient, grant.grant_id, options, places.node
    )
    stage.tell.typed(words)
    revoked = wallet.revoke(words, wallet_home, ask)
    stage.tell.done(
        f"[bold]{revoked.refused:.1f} s[/bold] after pressing return the first key is refused "
        f"({revoked.given} were given before); cast was done after {revoked.done:.1f} s; {revoked.gas:,} gas"
    )
    why = asked[-1].journal()[-1].body.get("check")
    if why != "consent at head":
        raise StoryBroken(f"the key was refused, but not for the revocation: {why}")
    stage.tell.done(
        f"keyholder {asked[-1].card.index} notes why: the patient's consent at the head of the chain"
    )
    with stage.tell.expect(ContractRefused, "clinician, with a new entry", "NotAllowed"):
        scenes.write_entry(stage, "clinician", terms, listing.record_salt)


def _page(stage: Stage, trials: Trials, forged: set[str], page: Path) -> None:
    report = ending.check(stage)
    report.gas, report.trials = ending.gas(stage), trials.told
    if {finding.where for finding in report.findings} != forged:
        raise StoryBroken("the audit at the end did not find what it found before")
    stage.tell.done(
        f"all {ACCESSES} accesses stand on chain, whatever is left of the {' and the '.join(sorted(forged))}"
    )
    untraced = sum(not trial.trace for trial in trials.told)
    if len(report.accesses) != ACCESSES or not all(access.lawful for access in report.accesses):
        raise StoryBroken("the audit found accesses that did not happen, or missed some that did")
    for access in report.accesses:
        stage.tell.done(ending.access_line(report, access))
    stage.tell.done(
        f"of the administrator's {len(trials.told)} tries {len(trials.told) - untraced} stand in keyholders' "
        f"journals; {untraced} left no trace, and nobody but the administrator can know of them"
    )
    ending.show_gas(stage, report.gas)
    ending.write_page(stage, report, page)
