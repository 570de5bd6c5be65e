"""The drill from beginning to end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console
from web3 import Web3

from consentry.chain.deploying import Code
from consentry.cli.demo import scenes
from consentry.cli.demo.stage import Stage, StoryBroken, Teller, set_up
from consentry.cli.demo.story import read_records
from consentry.cli.drill import books, changes, dealers, entries, keepers, machines, reorgs, stale
from consentry.cli.drill.tries import Drill
from consentry.cli.services import Services
from consentry.cli.stores import found_store
from consentry.keys.typed import Signer
from consentry.record import GENERAL, Record

SCENES = ("machines", "entries", "shares", "journals", "deals", "statements", "chain", "changes")
_PROVIDERS = ("hospital", "clinician", "impostor")
_TITLES = {
    "machines": "Machines fail: any two, any three",
    "entries": "A key is asked for without an entry that fits",
    "shares": "Keyholders give wrong shares",
    "journals": "Keyholders write in their journals",
    "deals": "A contributor deals what does not fit",
    "statements": "Keyholders hide a new key version",
    "chain": "The chain reorganises",
    "changes": "A newcomer replaces a keyholder",
}


def tell(
    web3: Web3,
    code: Code,
    signers: Mapping[str, Signer],
    node: str,
    elsewhere: Web3,
    *,
    console: Console,
    only: Sequence[str] = (),
) -> Drill:
    """Plays the drill, or ``only`` some of its `SCENES`, on the chain of ``web3`` whose URL is ``node``, with
    five processes of `consentry keyholder serve`; ``elsewhere`` is a chain of other blocks.

    ``signers`` are one for each of `consentry.cli.demo.stage.PEOPLE`. Raises `FindingsError` where anybody
    got anything, `StoryBroken` where the world of the drill does not come about."""
    with (
        tempfile.TemporaryDirectory(prefix="consentry-drill-") as folder,
        found_store(Path(folder) / "store") as found,
        closing(Services.create(Path(folder) / "keyholders", node)) as services,
    ):
        console.print(f"Store: {found.words}")
        console.print(f"Chain: id {web3.eth.chain_id}, {node}")
        console.print(f"Keyholders: {services.words}")
        records = read_records(None, console)
        teller = Teller(console)
        teller.scene("The hospital deposits, the patient grants general to a clinician, who opens")
        stage = set_up(teller, Path(folder), web3, code, signers, found.store, services)
        drill = _prepared(stage, services, records)
        plays: dict[str, Callable[[Drill], None]] = {
            "machines": machines.play,
            "entries": partial(entries.play, code=code, elsewhere=elsewhere),
            "shares": keepers.play,
            "journals": books.play,
            "deals": dealers.play,
            "statements": stale.play,
            "chain": reorgs.play,
            "changes": changes.play,
        }
        for name in SCENES:
            if not only or name in only:
                drill.scene(_TITLES[name])
                plays[name](drill)
        drill.conclude()
    return drill


def _prepared(stage: Stage, services: Services, records: list[Record]) -> Drill:
    scenes.enrol(stage, _PROVIDERS)
    scenes.onboard(stage, _PROVIDERS)
    scenes.allow_deposit(stage, list(dict.fromkeys(record.kind for record in records)))
    deposited = scenes.deposit(stage, records)
    for _ in range(20):  # who was late gets its parts with another run
        if all(one.acknowledged == stage.group.roster.count for one in deposited):
            break
        deposited = stage.desk("hospital").deposit(stage.patient, records)
    else:
        raise StoryBroken("not every keyholder took its part of the deposits")
    scenes.grant_general(stage)
    listing, opened = scenes.read(stage, "clinician")
    opened.file.close()
    body = next(record for record in records if record.kind == GENERAL)
    with body.open() as file:
        return Drill(stage, services, deposited, listing, file.read())
