"""``consentry keyholder init | serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from consentry.cli.keyholder.place import Opening, home_option, opening_options, phrase
from consentry.errors import NotFound, UsageError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@home_option
@click.option("--name", required=True, help="What people call this keyholder.")
@click.option("--url", required=True, help="Where callers reach it: https://...")
def init(home: Path, name: str, url: str) -> None:
    """Make the keyholder's keys, and the card that goes to who deploys.

    Run again, it keeps the keys and writes the card anew.
    """
    from consentry.keyholder.place import Place, card_of

    if not url.startswith(("https://", "http://")):
        raise UsageError(f"{url} is no http or https URL")
    place, words = Place(home), phrase(home, new=not (home / "keyring.json").exists())
    try:
        keyring = place.keyring(words)
    except NotFound:
        keyring = place.create(words)
    click.echo(place.introduce(keyring, name, url.rstrip("/")))
    account = card_of(keyring, 1, name, url).address
    click.echo(
        "Give this card to who deploys; put deployments.json and keyholders.json beside it when they come "
        "back. Who has the file journal-token reads your journal.\n"
        f"Send some ether to {account}, and revocations that patients sign to it go on to the chain.",
        err=True,
    )


@click.command()
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
    "--relay/--no-relay",
    default=True,
    show_default=True,
    help="Pass patients' signed stops on to the chain, paid by the keyholder's own account.",
)
@click.option(
    "--relay-after",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds that a stop is left to the patient and to each keyholder before this one first.",
)
@click.option(
    "--check-every",
    default=24.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="HOURS",
    help="Check all that is held soon after the start, and again after so many hours. 0: never.",
)
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics here, on --host."
)
def serve(at: Opening, relay: bool, relay_after: float, **options: Any) -> None:
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
    with at.service() as (service, _, endpoints):
        after = relay_after if relay else None
        run(service, endpoints, at.place.token(), relay_after=after, **options)
