"""A chain that reorganises: the block of an entry is replaced, before keyholders answered it and after."""

from __future__ import annotations

from typing import Any

from consentry.cli.demo.ending import check
from consentry.cli.drill.entries import written
from consentry.cli.drill.tries import Drill
from consentry.cli.services import is_ready
from consentry.keyholder.lookback import VANISHED


def play(drill: Drill) -> None:
    """All of it."""
    clinician, listing = drill.stage.people["clinician"].address, drill.listing
    terms, salt = listing.grant.granted.terms, listing.record_salt
    gone = written(drill, terms, salt)
    _reorganise(drill)
    what = "asks by an entry that a reorganisation took away"
    drill.present("the clinician", what, clinician, gone.calls(), gone.seed)
    mine = written(drill, terms, salt)
    drill.note("the clinician, on an entry that stands yet", *drill.taken(clinician, mine.calls(), mine.seed))
    _reorganise(drill)
    _flagged(drill, "0x" + mine.entry.access_id.hex())
    what = "asks by that entry once more"
    drill.present("the clinician", what, clinician, mine.calls(), mine.seed)


def _reorganise(drill: Drill) -> None:
    """The newest block is replaced by one without its transactions."""
    provider: Any = drill.stage.chain.rpc.web3.provider
    provider.make_request("anvil_reorg", [1, []])


def _flagged(drill: Drill, access: str) -> None:
    """What was given cannot be taken back; each keyholder says so, and the auditor reads it."""
    noted = 0
    for keyholder in drill.stage.keyholders:
        is_ready(keyholder.card.url)  # whoever is asked looks back first
        rows = [row for row in keyholder.journal() if row.kind == VANISHED]
        noted += any(row.body["access"] == access for row in rows)
    found = [one for one in check(drill.stage).findings if "vanished" in one.what]
    count = drill.stage.group.roster.count
    got = "" if noted == len(found) == count else f"{count - noted} keyholders keep silent"
    met = f"{noted} of {count} journals note it; the audit finds: {found[0].what}" if found else ""
    drill.line("a reorganisation", "takes an entry away that all had answered: unseen?", got, met)
