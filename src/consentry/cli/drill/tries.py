"""What was tried, by whom, and what came of it; measured, never written down beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from consentry.cli.demo.stage import Stage
from consentry.cli.services import Services
from consentry.cli.terminal import plural
from consentry.client import Deposited, Listing, Opened
from consentry.client.own import Own
from consentry.client.proof import Proof
from consentry.envelope.statement import Statement
from consentry.errors import ConsentryError, FindingsError, WrapBroken
from consentry.keyholder.messages import Call, Keyholder, ReleaseAsked, release_info
from consentry.keys.hpke import unwrap

NOTHING = "nothing"
READINGS = 5
"""So often somebody opens until a keyholder that is late is heard."""


@dataclass(frozen=True, slots=True)
class Try:
    """``who`` tried ``what``; ``got`` says what came out of it (empty: nothing), ``met`` what stood against
    it."""

    who: str
    what: str
    got: str
    met: str


@dataclass
class Drill:
    """The people and the processes; what was ``deposited``; the record of it that the clinician may open, as
    it is listed and the ``body`` that went in; and everything that was tried so far."""

    stage: Stage
    services: Services
    deposited: list[Deposited]
    listing: Listing
    body: bytes = field(repr=False)
    tries: list[Try] = field(default_factory=list)
    _seen: dict[int, int] = field(default_factory=dict)

    # --- telling

    def scene(self, title: str) -> None:
        """Begins a scene; each has its table."""
        self.stage.tell.scene(title)
        self._row("", "who tried what", "got", "what stood against it", style="dim")

    def line(self, who: str, what: str, got: str, met: str) -> None:
        """One try, as it went."""
        self.tries.append(Try(who, what, got, met))
        mark = "[red]✗[/red]" if got else "[green]✓[/green]"
        self._row(mark, f"[bold]{escape(who)}[/bold] {escape(what)}", escape(got or NOTHING), escape(met))

    def note(self, what: str, got: str, met: str) -> None:
        """What an honest caller gets, for comparison; it counts as no try."""
        self._row("·", f"[bold]for comparison:[/bold] {escape(what)}", escape(got), escape(met), style="dim")

    def _row(self, *cells: str, style: str = "") -> None:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=3, justify="right")
        for ratio in (10, 4, 9):
            table.add_column(ratio=ratio, overflow="fold")
        table.add_row(*cells, style=style)
        self.stage.tell.console.print(table)

    def conclude(self) -> None:
        """The count. Raises `FindingsError` where anybody got anything."""
        lost = [one for one in self.tries if one.got]
        count = f"{plural(len(self.tries), 'attempt')}; {len(lost)} of them got anything"
        self.stage.tell.console.print(f"\n[bold]{count}[/bold]")
        if lost:
            raise FindingsError("; ".join(f"{one.who} {one.what}: got {one.got}" for one in lost))

    # --- what is known

    def statement(self, kind: str) -> Statement:
        """The statement of the patient's segment, as her own device knows it."""
        own = Own(self.stage.chain, self.stage.group, self.stage.people["patient"])
        own.refresh()
        return own.segments()[kind].statement

    # --- what is asked again and again

    def opened(self) -> tuple[Opened, bool]:
        """What the clinician gets who opens; and whether it is what the hospital deposited, byte for byte."""
        opened = self.stage.desk("clinician").open(self.stage.patient, self.listing.record_id)
        with opened.file as file:
            return opened, file.read() == self.body

    def met(self, index: int) -> tuple[Opened, bool]:
        """As `opened`, once more while keyholder ``index`` is so late that the others open without it."""
        for _ in range(READINGS):
            opened, whole = self.opened()
            if index in opened.keyholders or accused(opened, index):
                break
        return opened, whole

    def cheated(self, index: int, what: str) -> None:
        """Keyholder ``index`` cheats, and the clinician opens: with the others, naming it, and
        keeping the proof."""
        try:
            opened, whole = self.met(index)
        except ConsentryError as error:
            self.line(f"keyholder {index}", what, f"the reading stopped: {type(error).__name__}", "")
            return
        proved = self.proved(opened.proofs)
        well = {
            "is not named": accused(opened, index),
            "is named without proof": bool(proved),
            "the bytes are others": whole,
        }
        got = "; ".join(what for what, holds in well.items() if not holds)
        by = f"opened by {several(opened.keyholders)}, byte for byte"
        self.line(f"keyholder {index}", what, got, "" if got else "; ".join([*opened.cheats, proved, by]))

    def proved(self, files: Iterable[Path]) -> str:
        """What those proofs say to a third party, who checks them with public things alone; empty where one
        proves nothing, or there is none."""
        try:
            said = [Proof.load(file).verify(self.stage.chain, self.stage.group.roster) for file in files]
        except ConsentryError:
            return ""
        return f"proved to anybody: “{'”, “'.join(said)}”" if said else ""

    def present(
        self, who: str, what: str, caller: str, calls: Callable[[Keyholder], Call], reply_seed: bytes
    ) -> None:
        """Presents ``calls`` to every keyholder in the name of ``caller``; whatever comes back is opened with
        the X-Wing seed that the attacker holds, and counted."""
        self.line(who, what, *self.taken(caller, calls, reply_seed))

    def taken(
        self, caller: str, calls: Callable[[Keyholder], Call], reply_seed: bytes, *only: Keyholder
    ) -> tuple[str, str]:
        """As `present`, or to ``only`` those: what was got (empty: nothing), and what stood against it."""

        def ask(keyholder: Keyholder) -> bytes:
            call = calls(keyholder)
            released, entry = keyholder.release(call), ReleaseAsked.decode(call.body).entry
            deployment, index = self.stage.chain.deployment, keyholder.card.index
            return unwrap(
                released.sealed, reply_seed, release_info(deployment, self.stage.patient, entry, index)
            )

        return self.asked(caller, ask, *only)

    def asked(self, caller: str, ask: Callable[[Keyholder], bytes], *only: Keyholder) -> tuple[str, str]:
        """What ``ask`` gets out of every keyholder, or ``only`` of those, in the name of ``caller``; and what
        stood against it."""
        taken, said, keyholders = list[int](), Counter[str](), only or self.stage.keyholders
        self.refusals(caller, keyholders)
        for keyholder in keyholders:
            try:
                taken.append(len(ask(keyholder)))
            except WrapBroken:
                said["sealed to a key of another"] += 1
            except ConsentryError as error:
                said[type(error).__name__] += 1
        checks = Counter(f"check “{one}”" for one in self.refusals(caller, keyholders))
        got = f"{sum(taken):,} bytes, of {plural(len(taken), 'keyholder')}" if taken else ""
        return got, "; ".join([*counted(said), *counted(checks)])

    def refusals(self, caller: str, keyholders: Sequence[Keyholder]) -> list[str]:
        """The checks by which ``keyholders`` refused ``caller`` since this was asked before, as their
        journals tell; a caller is told none."""
        found = []
        for keyholder in keyholders:
            index, rows = keyholder.card.index, keyholder.journal()
            new = rows[self._seen.get(index, 0) :]
            self._seen[index] = len(rows)
            found += [
                row.body["check"]
                for row in new
                if row.kind == "refused" and row.body["claimed caller"] in (caller, "")
            ]
        return found


def counted(found: Counter[str]) -> list[str]:
    """Each of what was found with how often, as in "KeyholderRefused ×5"."""
    return [f"{name} ×{count}" if count > 1 else name for name, count in found.items()]


def accused(opened: Opened, index: int) -> bool:
    """Whether the reader named that keyholder."""
    return any(cheat.startswith(f"keyholder {index}: ") for cheat in opened.cheats)


def several(indexes: Iterable[int]) -> str:
    """As in "1, 2 and 5"."""
    *first, last = map(str, indexes)
    return f"{', '.join(first)} and {last}" if first else last


def revolving(count: int, size: int) -> list[tuple[int, ...]]:
    """Every ``size`` of 1..``count``, each but for one the same as the one before."""
    if size == 0 or size == count:
        return [tuple(range(1, size + 1))]
    with_last = [(*one, count) for one in reversed(revolving(count - 1, size - 1))]
    return revolving(count - 1, size) + with_last


__all__ = ["READINGS", "Drill", "Try", "accused", "counted", "revolving", "several"]
