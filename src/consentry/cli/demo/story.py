"""The story from beginning to end."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from web3 import Web3

from consentry.chain.deploying import Code
from consentry.cli.demo import ending, scenes
from consentry.cli.demo.stage import Stage, Teller, set_up
from consentry.cli.home import Home
from consentry.cli.keyholders import found_keyholders
from consentry.cli.stores import Found, found_store
from consentry.fhir import records_from_bytes, records_from_file, synthetic_bundle
from consentry.keys.typed import Signer
from consentry.record import GENERAL, Record


def tell(
    web3: Web3,
    code: Code,
    signers: Mapping[str, Signer],
    *,
    bundle: Path | None,
    page: Path,
    console: Console,
) -> Stage:
    """Plays the whole story on the chain of ``web3`` and leaves a report at ``page``.

    ``signers`` are one for each of `stage.PEOPLE`; ``bundle`` is a FHIR file, by default a generated one.
    Raises `StoryBroken` when anything goes otherwise than it must, and as `found_store` and
    `found_keyholders`.
    """
    node = getattr(web3.provider, "endpoint_uri", None)
    with (
        tempfile.TemporaryDirectory(prefix="consentry-demo-") as home,
        found_keyholders(Path(home) / "keyholders", web3, node) as machines,
        _store(Path(home) / "store", machines.home) as found,
    ):
        console.print(f"Store: {found.words}")
        console.print(f"Chain: id {web3.eth.chain_id}, {node or 'in this process'}")
        console.print(f"Keyholders: {machines.words}")
        teller = Teller(console)
        records = read_records(bundle, console)
        teller.scene(
            "The contracts stand already"
            if machines.home
            else "The contracts are compiled and deployed through Ape"
        )
        stage = set_up(teller, Path(home), web3, code, signers, found.store, machines)
        for name, placed in stage.chain.deployed.contracts.items():
            teller.done(f"{name} at {placed.address}")
        _play(stage, records, page)
    return stage


def _store(folder: Path, standing: Home | None) -> AbstractContextManager[Found]:
    """A store for a while; that of the deployment where there is one, whose auditors look for its blobs."""
    if standing is None:
        return found_store(folder)
    return nullcontext(Found(standing.store, f"{type(standing.store).__name__} of {standing.path}"))


def read_records(bundle: Path | None, console: Console) -> list[Record]:
    """The records of the ``bundle``, or of a generated one; something sensitive is among them either way."""
    generated = records_from_bytes(synthetic_bundle())
    if bundle is None:
        console.print("Record: a generated FHIR R4 Bundle of a synthetic patient")
        return generated
    records = records_from_file(bundle)
    console.print(f"Record: {bundle.name}, {len(records)} kinds: {', '.join(r.kind for r in records)}")
    if all(record.kind == GENERAL for record in records):
        added = [record for record in generated if record.kind != GENERAL]
        console.print("It holds nothing sensitive; the generated patient's sensitive records are added")
        return records + added
    return records


def _play(stage: Stage, records: Sequence[Record], page: Path) -> None:
    tell = stage.tell
    tell.scene("Everybody enrols")
    scenes.enrol(stage)
    tell.scene("An authority credentials a hospital, its clinician, and a pharmacy")
    scenes.onboard(stage)
    tell.scene("The patient lets the hospital deposit")
    scenes.allow_deposit(stage, list(dict.fromkeys(record.kind for record in records)))
    tell.scene("The hospital deposits; it cannot read what lies there")
    deposited = scenes.deposit(stage, records)
    tell.scene("The patient reads the sentence, and grants general for treatment")
    proposal = scenes.grant_general(stage)
    tell.scene("The clinician lists, requests and opens")
    listing, opened = scenes.read(stage, "clinician")
    hidden = [one for one in deposited if one.kind != GENERAL]
    secret = next((one for one in hidden if one.kind == "substance-use"), hidden[0])
    tell.scene(f"{secret.kind} is refused to the same clinician")
    opened.file.close()
    unanswered = scenes.other_kind_refused(stage, secret, listing)
    tell.scene("A stranger is refused")
    scenes.stranger_refused(stage, listing, unanswered)
    tell.scene("A credentialed impostor uses the hospital's name")
    scenes.impostor_refused(stage)
    tell.scene("The clinician is suspended, and reinstated")
    scenes.suspension(stage, listing)
    tell.scene("The patient revokes")
    scenes.revocation(stage, listing, proposal.grant_id, unanswered)
    tell.scene("The patient opens everything alone")
    scenes.patient_alone(stage, records, deposited)
    tell.scene("The audit finds every access and nothing else")
    report = ending.audited(stage, accesses=3)
    tell.scene("A blob is tampered with, a journal is edited")
    ending.tampering(stage, deposited[0])
    tell.scene("What it cost, and the page")
    ending.show_gas(stage, report.gas)
    ending.write_page(stage, report, page)
