"""What the administrator can do to keyholders: stop them, and write in the journals of its own."""

from __future__ import annotations

from typing import cast

from consentry.cli.demo.ending import check
from consentry.cli.demo.stage import Stage, StoryBroken
from consentry.cli.insider.disk import cut_journal, edit_journal, vault_file
from consentry.cli.insider.loot import OWN, Wiretap
from consentry.cli.terminal import plural
from consentry.client import Group, Listing
from consentry.errors import TooFewKeyholders
from consentry.keyholder.messages import Keyholder


class Power:
    """Which keyholders run, and which of those are asked anything."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._shunned: set[int] = set()

    def off(self, *indexes: int) -> None:
        """Stops keyholders."""
        self._stage.machines.stop(*indexes)
        self._shunned |= set(indexes)
        self._gather()

    def on(self, *indexes: int) -> None:
        """Starts them again, from their files."""
        self._stage.machines.start(*indexes)
        self._shunned -= set(indexes)
        self._gather()

    def shun(self, *indexes: int) -> None:
        """Leaves them running and asks them nothing any more; an auditor gets their journals."""
        self._shunned |= set(indexes)
        self._gather()

    def _gather(self) -> None:
        stage = self._stage
        asked = [one for one in stage.keyholders if one.card.index not in self._shunned]
        stage.group = Group(stage.chain.deployment, stage.group.roster, asked)


def tap(stage: Stage) -> list[Wiretap]:
    """Puts a wiretap before each keyholder that the administrator runs, and gives them."""
    taps = [Wiretap(one) for one in stage.keyholders if one.card.index in OWN]
    others = [one for one in stage.keyholders if one.card.index not in OWN]
    running = [*cast("list[Keyholder]", taps), *others]
    stage.group = Group(stage.chain.deployment, stage.group.roster, running)
    return taps


def outages(stage: Stage, power: Power, listing: Listing) -> None:
    """Two keyholders are stopped, then a third, which comes back."""
    power.off(*OWN)
    opened = stage.desk("clinician").open(stage.patient, listing.record_id)
    opened.file.close()
    shares = ", ".join(map(str, opened.keyholders))
    stage.tell.done(f"keyholders 1 and 2 are stopped; the clinician opens with the shares of {shares}")
    power.off(5)
    before = len(_entries(stage))
    with stage.tell.expect(TooFewKeyholders, "keyholder 5 stops too; the clinician"):
        stage.desk("clinician").open(stage.patient, listing.record_id)
    waiting = _entries(stage)[before:]
    power.on(5)
    opened = stage.desk("clinician").open(stage.patient, listing.record_id)
    opened.file.close()
    if len(waiting) != 1 or _entries(stage)[before:] != waiting or opened.access_id != waiting[0]:
        raise StoryBroken("the refused access was lost: the same command did not finish its one entry")
    shares = ", ".join(map(str, opened.keyholders))
    stage.tell.done(
        f"keyholder 5 is back; the same command finishes with {shares}, on the entry that it wrote before"
    )


def _entries(stage: Stage) -> list[bytes]:
    return [entry.access_id for entry in stage.chain.entries(actor=stage.people["clinician"].address)]


def books(stage: Stage, power: Power) -> set[str]:
    """The administrator's keyholders come back, one with an edited journal, one with a cut one. Gives where
    the audit found something: in these two, and nowhere else."""
    edited, cut = OWN
    edit_journal(vault_file(stage, edited))
    stage.tell.done(f"in the journal of keyholder {edited} it replaces the name of who was answered")
    rows = cut_journal(vault_file(stage, cut))
    stage.tell.done(f"it cuts the tail off the journal of keyholder {cut} ({plural(rows, 'row')})")
    power.on(*OWN)
    power.shun(*OWN)
    forged = {f"journal of keyholder {edited}", f"journal of keyholder {cut}"}
    findings = check(stage).findings
    for finding in findings:
        stage.tell.refused(f"audit: [bold]{finding.where}[/bold]: {finding.what}")
    if {finding.where for finding in findings} != forged:
        raise StoryBroken("the audit did not name the two journals, and those alone")
    stage.tell.done("nobody asks these two any more; three are left, and three are needed")
    return forged
