"""``consentry keyholder propose | approve | join | leave``: keyholders change, and no record is opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consentry.cli.keyholder.place import Opening, opening_options, phrase
from consentry.cli.terminal import confirm, plural, progress, table
from consentry.errors import FindingsError, NotFound, UsageError

if TYPE_CHECKING:
    from consentry.keyholder.card import KeyholderCard
    from consentry.keyholder.remote import RemoteKeyholder
    from consentry.keyholder.roster import Roster

_FILE = click.Path(path_type=Path, dir_okay=False)
_YES = click.option("--yes", is_flag=True, help="Answer the question in advance.")


@click.command()
@opening_options
@click.argument("target", type=_FILE)
@click.option(
    "--add", "added", multiple=True, type=_FILE, help="The card of one that is new; again for each."
)
@click.option("--remove", "removed", multiple=True, type=int, help="The number of one that leaves.")
@click.option("--lost", multiple=True, type=int, help="The number of one that is gone and hands nothing on.")
@click.option("--threshold", type=click.IntRange(1, 255), help="How many are needed from then on.")
def propose(at: Opening, target: Path, added: tuple[Path, ...], **change: Any) -> None:
    """Write into TARGET which keyholders are to come after those of keyholders.json.

    \b
      consentry keyholder propose next.json --lost 4 --add new/card.json     one is replaced
      consentry keyholder propose next.json --add a.json --add b.json --threshold 4

    All but those that are lost hand on what they hold, and have to approve of it first. With nothing changed,
    shares that one of them lost are made anew.
    """
    from consentry.keyholder.card import read_cards
    from consentry.keyholder.roster import succeed

    if target.exists():
        raise UsageError(f"{target} is there already; give another name")
    before = _now(at)
    after = succeed(before, added=read_cards(added), **change)
    after.save(target)
    _show(after)
    click.echo(
        f"Nothing is changed yet. Have each that hands on run: consentry keyholder approve {target}", err=True
    )


@click.command()
@opening_options
@click.argument("proposed", type=_FILE)
@_YES
def approve(at: Opening, proposed: Path, yes: bool) -> None:
    """Sign the file PROPOSED: this keyholder will hand on its shares to those that it names.

    The approval is written into the file; give it to the next.
    """
    from consentry.keyholder.place import signer_of
    from consentry.keyholder.roster import Roster

    deployed, after = at.deployed(), Roster.read(proposed)
    signer = signer_of(at.place.keyring(phrase(at.home)))
    if after.previous is None or after.previous.hash != _now(at).hash:
        raise UsageError(f"{proposed} does not follow keyholders.json in {at.home}; get the newest of both")
    index = next((card.index for card in after.previous.keyholders if card.address == signer.address), 0)
    if index not in after.dealers:
        raise UsageError(f"{proposed} does not have this keyholder hand on anything; nothing is to approve")
    _show(after)
    confirm("Hand on what this keyholder holds to those?", yes=yes)
    signature = signer.sign_typed_data(after.approval(deployed.deployment))
    signed = replace(after, approvals={**after.approvals, index: signature})
    signed.save(proposed)
    lacking = [str(dealer) for dealer in after.dealers if dealer not in signed.approvals]
    click.echo(f"Approved. Still to approve: {', '.join(lacking) or 'nobody'}.", err=True)
    if not lacking:
        click.echo(f"Have each keyholder in it run: consentry keyholder join {proposed}", err=True)


@click.command()
@opening_options
@click.argument("approved", type=_FILE)
def join(at: Opening, approved: Path) -> None:
    """Take over what those before hold, as the file APPROVED says.

    Those that hand on have to serve meanwhile; from its beginning on they take nothing new but revocations.
    Cut off or run again, it goes on. When it is done, APPROVED is this keyholder's keyholders.json: start it
    anew once all have joined, and give the file to everybody who has the one before.
    """
    from consentry.keyholder.joining import Joining

    with at.acting(Joining, approved) as (joining, after), progress("joining") as tell:
        assert after.previous is not None
        dealers = {index: _remote(after.previous.card(index)) for index in after.dealers}
        try:
            done = joining.join(
                dealers,
                at.home / "joining.json",
                lambda so_far: tell(f"{plural(so_far.records, 'record')} taken over"),
            )
        finally:
            for keyholder in dealers.values():
                keyholder.close()
    after.save(at.home / "keyholders.json")
    shown = [[what, f"{getattr(done, what):,}"] for what in ("statements", "boxes", "stops", "records")]
    table("Taken over now", ["", ">new"], shown)
    for what, why in done.left.items():
        click.secho(f"  LEFT    {what}: {why}", fg="red")
    if done.left:
        raise FindingsError(f"{plural(len(done.left), 'thing')} could not be taken over, see above")
    click.echo("All is taken over. Start this keyholder anew once all have joined.", err=True)


@click.command()
@opening_options
@click.argument("approved", type=_FILE)
@_YES
def leave(at: Opening, approved: Path, yes: bool) -> None:
    """Destroy the shares that this keyholder held before those in the file APPROVED came.

    Each record's share goes once t + 1 of them say that they hold it. What it holds as one of them, and its
    journal, stay. Cut off or run again, it goes on.
    """
    from consentry.keyholder.leaving import Leaving

    with at.acting(Leaving, approved, before=True) as (leaving, after):
        _show(after)
        confirm("Destroy what this keyholder held before?", yes=yes)
        heirs = [_remote(card) for card in after.keyholders]
        try:
            with progress("leaving") as tell:
                done = leaving.leave(
                    after, heirs, lambda so_far: tell(f"{plural(so_far.records, 'share')} destroyed")
                )
        finally:
            for keyholder in heirs:
                keyholder.close()
    click.echo(f"{plural(done.records, 'share')} destroyed.")
    if done.kept:
        for index, why in sorted(done.reasons.items()):
            click.echo(f"  keyholder {index}: {why}", err=True)
        raise FindingsError(
            f"{plural(len(done.kept), 'share')} kept: fewer than {after.spared} keyholders say that they "
            "hold those records; have them run consentry keyholder join, then run this again"
        )


def _now(at: Opening) -> Roster:
    from consentry.keyholder.roster import Roster

    deployed = at.deployed()
    return Roster.load(at.home / "keyholders.json", deployed.keyholders, deployed.deployment)


def _remote(card: KeyholderCard) -> RemoteKeyholder:
    from consentry.keyholder.card import is_local
    from consentry.keyholder.remote import RemoteKeyholder

    if is_local(card):
        raise NotFound(f"{card.name} (keyholder {card.index}) is no service that could be asked")
    return RemoteKeyholder(card)


def _show(after: Roster) -> None:
    """Who comes, stays and goes."""
    assert after.previous is not None
    before = {card.index: card for card in after.previous.keyholders}
    there = {card.index for card in after.keyholders}
    rows = []
    for index, card in sorted({**before, **{card.index: card for card in after.keyholders}}.items()):
        state = "stays" if index in before and index in there else "new" if index in there else "goes"
        hands = "" if index not in before else "yes" if index in after.dealers else "no"
        approved = "yes" if index in after.approvals else ""
        rows.append([str(index), card.name, card.url, state, hands, approved])
    title = (
        f"{after.threshold} of {after.count} are needed (before: {after.previous.threshold} of {len(before)})"
    )
    table(title, [">", "name", "=URL", "", "hands on", "approved"], rows)
