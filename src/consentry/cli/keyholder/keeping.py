"""``consentry keyholder check | backup | restore | migrate | journal``: what is done beside serving."""

from __future__ import annotations

from pathlib import Path

import click

from consentry.cli.keyholder.place import Opening, opening_options
from consentry.cli.terminal import plural, table
from consentry.errors import FindingsError, UsageError

_FILE = click.Path(path_type=Path, dir_okay=False)
_WELL = "well"


@click.command()
@opening_options
def check(at: Opening) -> None:
    """Check key, nodes, journal and all that is held; also while it serves.

    Every record has to open with its key and its share to fit what was promised. Ends with exit code 7 where
    something was found.
    """
    with at.service() as (service, chain, endpoints):
        head, health, checked = service.ready(), endpoints.health(), service.check()
        faults = checked.faults()
    found = [f"node {one.name} is {one.state}: {one.detail}" for one in health if one.state != _WELL]
    found += [f"{fault.where}: {fault.what}" for fault in faults]
    card, deployed = service.card, chain.deployed
    shown = [
        ["keyholder", f"{card.index}, {card.name}, {card.address}"],
        ["chain", f"{deployed.chain_id}, block {head.number}; depth {deployed.depth}"],
        ["nodes", ", ".join(f"{one.name} {one.state}" for one in health)],
        ["journal", plural(checked.newest.index + 1 if checked.newest else 0, "row")],
    ]
    table("", ["", ""], shown)
    for text in found:
        click.secho(f"  FOUND   {text}", fg="red")
    if found:
        raise FindingsError(f"{plural(len(found), 'finding')}, see above")
    click.echo("Nothing was found wrong.", err=True)


@click.command()
@opening_options
@click.argument("target", type=_FILE)
@click.option("--keys", is_flag=True, help="Copy the record keys instead, in place of the copy there is.")
def backup(at: Opening, target: Path, keys: bool) -> None:
    """Write a backup into the new file TARGET; also while it serves.

    A backup holds no record key: keep as many as you like, and with --keys one copy of the record keys,
    elsewhere, made anew after each backup. A record that was erased must not come back from an old copy.
    """
    from consentry.keyholder.vault import copies

    place = at.held(at.deployed())
    if keys:
        copied = copies.copy_keys(place, target, at.record_keys)
        click.echo(f"{plural(copied, 'record key')} copied to {target}, and nowhere else.")
        return
    done = copies.backup(place, target, at.record_keys)
    click.echo(f"{plural(done.records, 'record')} and {plural(done.rows, 'journal row')} copied to {target}.")


@click.command()
@opening_options
@click.argument("source", type=_FILE)
@click.option("--keys", "key_copy", type=_FILE, help="The copy of the record keys.")
def restore(at: Opening, source: Path, key_copy: Path | None) -> None:
    """Put the backup SOURCE into a keyholder that holds nothing yet. Stop it first.

    What came after the backup is lost: ask contributors and patients to run their last commands again, and
    say so to auditors, who find the journal shorter than answers that were given.
    """
    from consentry.keyholder.vault import copies

    if not (at.home / "keyring.json").exists():
        raise UsageError(f"put keyring.json back into {at.home} first: without it nothing here opens")
    done = copies.restore(source, at.held(at.deployed()), at.record_keys, key_copy=key_copy)
    click.echo(f"{plural(done.records, 'record')} and {plural(done.rows, 'journal row')} are back.")
    if done.without_key:
        click.echo(f"{plural(done.without_key, 'record')} cannot be released here: no key.", err=True)


@click.command()
@opening_options
def migrate(at: Opening) -> None:
    """Bring what an older version wrote to this one's tables. Stop the keyholder and copy its files first.

    Killed at any moment, it is as before or done.
    """
    from consentry.keyholder.vault import migrations

    done = migrations.migrate(at.held(at.deployed()), at.record_keys)
    for line in done or ["Nothing was due."]:
        click.echo(line)


@click.group()
def journal() -> None:
    """The keyholder's own journal."""


@journal.command()
@opening_options
def verify(at: Opening) -> None:
    """Check that every row follows the one before it and is signed. Ends with exit code 5 where not."""
    from consentry.keyholder.journal import verify_journal

    with at.service() as (service, chain, _):
        rows = service.journal()
        verify_journal(chain.deployment, service.card.address, rows)
    click.echo(f"{plural(len(rows), 'row')} follow one another and are signed.")
