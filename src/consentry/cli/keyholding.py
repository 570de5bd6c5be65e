"""``consentry keyholder``: what an institution runs that keeps shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consentry.cli.terminal import passphrase, plural, table
from consentry.errors import FindingsError, JournalBroken, NotFound, UsageError

if TYPE_CHECKING:
    from consentry.chain import Chain, Endpoints
    from consentry.keyholder.place import Place
    from consentry.keyholder.service import KeyholderService

_FILE = click.Path(path_type=Path, dir_okay=False)
_HOME = click.Path(path_type=Path, file_okay=False)


@click.group()
def keyholder() -> None:
    """Run one of the keyholders that together release a record's key.

    A keyholder is an institution of its own, with nodes of its own. Its folder (CONSENTRY_KEYHOLDER, default
    .keyholder) holds its sealed key and what it keeps for others; deployments.json and keyholders.json come
    from who deploys. The passphrase of its key is asked for, or taken from CONSENTRY_PASSPHRASE.
    """


home_option = click.option(
    "--home", envvar="CONSENTRY_KEYHOLDER", default=".keyholder", type=_HOME, help="The keyholder's folder."
)


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a keyholder's folder, nodes and databases are."""

    home: Path
    rpcs: tuple[str, ...]
    agree: int | None
    database: str | None
    record_keys: str | None

    @property
    def place(self) -> Place:
        """The folder."""
        from consentry.keyholder.place import Place

        return Place(self.home)

    def chain(self) -> tuple[Chain, Endpoints]:
        """The deployment that all nodes are on. Raises `NotFound`, `UsageError`, `Unreachable`."""
        from consentry.chain import Chain, Deployments, Endpoints

        endpoints = Endpoints(self.rpcs, agree=self.agree)
        deployed = Deployments(self.home / "deployments.json").find(*endpoints.identify())
        return Chain(endpoints, deployed), endpoints

    def service(self, chain: Chain) -> KeyholderService:
        """The keyholder itself. Raises `NotFound`, `KeyringLocked`, `UsageError`, `IntegrityError`,
        `Unreachable`."""
        from consentry.keyholder.roster import Roster

        roster = Roster.load(self.home / "keyholders.json", chain.deployed.keyholders)
        keyring = self.place.keyring(phrase(self.home))
        return self.place.service(keyring, roster, chain, self.database, self.record_keys)


def phrase(home: Path, *, new: bool = False) -> str:
    """The passphrase of the keyholder's key."""
    return passphrase(f"the keyholder in {home}", new=new)


def opening_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that tell where a keyholder is; the command gets an `Opening`."""

    @wraps(command)
    def opened(
        home: Path,
        rpcs: tuple[str, ...],
        agree: int | None,
        database: str | None,
        record_keys: str | None,
        **options: Any,
    ) -> None:
        command(Opening(home, rpcs, agree, database, record_keys), **options)

    for option in (
        click.option(
            "--record-keys",
            envvar="CONSENTRY_RECORD_KEYS",
            metavar="URL",
            help="The database of the record keys; also CONSENTRY_RECORD_KEYS. Default: beside the other.",
        ),
        click.option(
            "--database",
            envvar="CONSENTRY_DATABASE",
            metavar="URL",
            help="PostgreSQL, as postgresql://host/name; also CONSENTRY_DATABASE, where the URL holds a "
            "password. Default: SQLite in the folder.",
        ),
        click.option(
            "--agree", type=click.IntRange(1), help="How many of the nodes have to agree. Default: all."
        ),
        click.option(
            "--rpc",
            "rpcs",
            envvar="CONSENTRY_RPC",
            multiple=True,
            default=["http://127.0.0.1:8545"],
            show_default=True,
            metavar="URL",
            help="The keyholder's own nodes; also CONSENTRY_RPC. Give it again for each: two or more have to "
            "agree.",
        ),
        home_option,
    ):
        opened = option(opened)
    return opened


@keyholder.command()
@home_option
@click.option("--name", required=True, help="What people call this keyholder.")
@click.option("--url", required=True, help="Where callers reach it: https://...")
def init(home: Path, name: str, url: str) -> None:
    """Make the keyholder's keys, and the card that goes to who deploys.

    Run again, it keeps the keys and writes the card anew.
    """
    from consentry.keyholder.place import Place

    if not url.startswith(("https://", "http://")):
        raise UsageError(f"{url} is no http or https URL")
    place, words = Place(home), phrase(home, new=not (home / "keyring.json").exists())
    try:
        keyring = place.keyring(words)
    except NotFound:
        keyring = place.create(words)
    click.echo(place.introduce(keyring, name, url.rstrip("/")))
    click.echo(
        "Give this card to who deploys; put deployments.json and keyholders.json beside it when they come "
        "back. Who has the file journal-token reads your journal.",
        err=True,
    )


@keyholder.command()
@opening_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8700, show_default=True, type=click.IntRange(1, 65535))
@click.option("--certificate", type=_FILE, help="PEM chain for TLS; without it, a proxy has to speak TLS.")
@click.option("--key", type=_FILE, help="PEM key of the certificate.")
@click.option(
    "--proxies", default="", metavar="ADDRESSES", help="Proxies whose word on who calls is believed."
)
@click.option(
    "--rate",
    default=50.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Calls a second from one address; ten times as many at once. 0: no limit.",
)
@click.option(
    "--most-mib", default=32, show_default=True, type=click.IntRange(1, 1024), help="Size of one call."
)
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics here, on --host."
)
def serve(at: Opening, **options: Any) -> None:
    """Serve until SIGTERM; logs are JSON on stderr.

    \b
      consentry keyholder serve --rpc http://node-1:8545 --rpc http://node-2:8545
      consentry keyholder serve --host 0.0.0.0 --port 443 --certificate chain.pem --key key.pem
    """
    if (options["certificate"] is None) != (options["key"] is None):
        raise UsageError("TLS needs both --certificate and --key")
    try:
        from consentry.keyholder.http.server import serve as run
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"the service needs the package {missing.name}: pip install 'consentry[keyholder]'"
        ) from None
    chain, endpoints = at.chain()
    run(at.service(chain), endpoints, at.place.token(), **options)


@keyholder.command()
@opening_options
def check(at: Opening) -> None:
    """Check key, files, nodes and journal; also while it serves.

    Ends with exit code 7 where something was found.
    """
    chain, endpoints = at.chain()
    service, found = at.service(chain), list[str]()
    try:
        head, rows = service.ready(), service.journal()
        health = endpoints.health()
        try:
            _verified(service, chain)
        except JournalBroken as error:
            found.append(f"journal: {error}")
    finally:
        service.close()
        endpoints.close()
    found += [f"node {one.name} is {one.state}: {one.detail}" for one in health if one.state != "well"]
    nodes = ", ".join(f"{one.name} {one.state}" for one in health)
    card = service.card
    table(
        "",
        ["", ""],
        [
            ["keyholder", f"{card.index}, {card.name}, {card.address}"],
            ["chain", f"{chain.deployed.chain_id}, block {head.number}; depth {chain.deployed.depth}"],
            ["nodes", nodes],
            ["journal", plural(len(rows), "row")],
        ],
    )
    for text in found:
        click.secho(f"  FOUND   {text}", fg="red")
    if found:
        raise FindingsError(f"{plural(len(found), 'finding')}, see above")
    click.echo("Nothing was found wrong.", err=True)


@keyholder.group()
def journal() -> None:
    """The keyholder's own journal."""


@journal.command("verify")
@opening_options
def verify(at: Opening) -> None:
    """Check that every row follows the one before it and is signed. Ends with exit code 5 where not."""
    chain, endpoints = at.chain()
    service = at.service(chain)
    try:
        rows = _verified(service, chain)
    finally:
        service.close()
        endpoints.close()
    click.echo(f"{plural(rows, 'row')} follow one another and are signed.")


def _verified(service: KeyholderService, chain: Chain) -> int:
    from consentry.keyholder.journal import verify_journal

    rows = service.journal()
    verify_journal(chain.deployment, service.card.address, rows)
    return len(rows)
