"""``consentry keyholder``: what an institution runs that keeps shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consentry.cli.terminal import passphrase
from consentry.errors import UsageError

if TYPE_CHECKING:
    from consentry.chain import Chain
    from consentry.keyholder.place import Place
    from consentry.keyholder.roster import Roster

_FILE = click.Path(path_type=Path, dir_okay=False)

home_option = click.option(
    "--home",
    envvar="CONSENTRY_KEYHOLDER",
    default=".keyholder",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The keyholder's folder; also CONSENTRY_KEYHOLDER.",
)
rpc_option = click.option(
    "--rpc",
    envvar="CONSENTRY_RPC",
    default="http://127.0.0.1:8545",
    show_default=True,
    metavar="URL",
    help="The keyholder's own node; also CONSENTRY_RPC.",
)


@click.group()
def keyholder() -> None:
    """Run one of the keyholders that together release a record's key.

    A keyholder is an institution of its own, with a node of its own. Its folder holds its sealed key and
    what it keeps for others; deployments.json and keyholders.json come from who deploys. The passphrase of
    its key is asked for, or taken from CONSENTRY_PASSPHRASE.
    """


def open_place(home: Path, rpc: str) -> tuple[Place, Roster, Chain]:
    """The keyholder's folder, and the deployment that the node at ``rpc`` is on. Raises `NotFound`,
    `UsageError`, `IntegrityError`, `Unreachable`."""
    from consentry.chain import Chain, Deployments, connect
    from consentry.chain.node import identify
    from consentry.keyholder.place import Place
    from consentry.keyholder.roster import Roster

    web3 = connect(rpc)
    chain = Chain(web3, Deployments(home / "deployments.json").find(*identify(web3)))
    return Place(home), Roster.load(home / "keyholders.json", chain.deployed.keyholders), chain


def phrase(home: Path, *, new: bool = False) -> str:
    """The passphrase of the keyholder's key."""
    return passphrase(f"the keyholder in {home}", new=new)


@keyholder.command()
@home_option
@click.option("--name", required=True, help="What people call this keyholder.")
@click.option("--url", required=True, help="Where callers reach it: https://...")
def init(home: Path, name: str, url: str) -> None:
    """Make the keyholder's keys, and the card that goes to who deploys.

    Run again, it keeps the keys and writes the card anew.
    """
    from consentry.errors import NotFound
    from consentry.keyholder.place import Place

    if not url.startswith(("https://", "http://")):
        raise UsageError(f"{url} is no http or https URL")
    place = Place(home)
    new = not (home / "keyring.json").exists()
    words = phrase(home, new=new)
    try:
        keyring = place.keyring(words)
    except NotFound:
        keyring = place.create(words)
    click.echo(place.introduce(keyring, name, url.rstrip("/")))
    click.echo(
        "Give this card to who deploys, and put deployments.json and keyholders.json beside it when they "
        "come back. Whoever has the file journal-token reads your journal.",
        err=True,
    )


@keyholder.command()
@home_option
@rpc_option
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
def serve(home: Path, rpc: str, **options: Any) -> None:
    """Serve until SIGTERM; logs are JSON on stderr.

    \b
      consentry keyholder serve --rpc http://127.0.0.1:8545
      consentry keyholder serve --host 0.0.0.0 --port 443 --certificate chain.pem --key key.pem
    """
    if (options["certificate"] is None) != (options["key"] is None):
        raise UsageError("TLS needs both --certificate and --key")
    run = _service()
    place, roster, chain = open_place(home, rpc)
    run(place.service(place.keyring(phrase(home)), roster, chain), place.token(), **options)


def _service() -> Callable[..., None]:
    try:
        from consentry.keyholder.http.app import Desk, make_app
        from consentry.keyholder.http.door import Limits
        from consentry.keyholder.http.logs import configure
        from consentry.keyholder.http.metrics import Metrics
        from consentry.keyholder.http.server import Listening, run
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"the service needs the package {missing.name}: install consentry[keyholder]"
        ) from None

    def serve(
        service: Any,
        token: str,
        *,
        rate: float,
        most_mib: int,
        metrics_port: int | None,
        host: str,
        **where: Any,
    ) -> None:
        configure()
        metrics = Metrics()
        if metrics_port is not None:
            metrics.serve(host, metrics_port)
        limits = Limits(body=most_mib << 20, rate=rate)
        try:
            run(make_app(Desk(service, metrics, token), limits), Listening(host, **where))
        finally:
            service.close()

    return serve
