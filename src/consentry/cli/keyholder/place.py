"""Where a keyholder's folder, nodes and databases are: the options that its commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consentry.cli.terminal import passphrase
from consentry.errors import UsageError

if TYPE_CHECKING:
    from consentry.chain import Chain, Deployed, Endpoints
    from consentry.keyholder.place import Acting, Place
    from consentry.keyholder.roster import Roster
    from consentry.keyholder.service import KeyholderService

home_option = click.option(
    "--home",
    envvar="CONSENTRY_KEYHOLDER",
    default=".keyholder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The keyholder's folder.",
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

    def deployed(self) -> Deployed:
        """The deployment that it serves: the one in its deployments.json, of several the one that its nodes
        are on. Raises `NotFound`, `UsageError`, `Unreachable`."""
        from consentry.chain import Deployments

        deployments = Deployments(self.home / "deployments.json")
        if (only := deployments.only()) is not None:
            return only
        with self._endpoints() as endpoints:
            return deployments.find(*endpoints.identify())

    def held(self, deployed: Deployed) -> str | Path:
        """Where it keeps what it holds for that deployment: a folder, or a database's URL."""
        return self.database or self.place.folder(deployed.deployment)

    @contextmanager
    def service(self) -> Iterator[tuple[KeyholderService, Chain, Endpoints]]:
        """The keyholder itself, its chain and its nodes, until the block ends. Raises `NotFound`,
        `KeyringLocked`, `UsageError`, `IntegrityError`, `Unreachable`."""
        from consentry.keyholder.service import KeyholderService

        with self._opened(KeyholderService, self.home / "keyholders.json") as (service, _, chain, endpoints):
            yield service, chain, endpoints

    @contextmanager
    def acting(
        self, as_: type[Acting], file: Path, *, before: bool = False
    ) -> Iterator[tuple[Acting, Roster]]:
        """The keyholder in the group of ``file``, or in the one ``before`` that, doing what ``as_`` does; and
        the group of the file. Raises `UsageError` where that follows nobody, and as `service`."""
        with self._opened(as_, file, before=before) as (acting, roster, _, __):
            yield acting, roster

    @contextmanager
    def _opened(
        self, as_: type[Acting], file: Path, *, before: bool = False
    ) -> Iterator[tuple[Acting, Roster, Chain, Endpoints]]:
        from consentry.chain import Chain, Deployments
        from consentry.keyholder.roster import Roster
        from consentry.keyholder.service import KeyholderService

        keyring = self.place.keyring(phrase(self.home))
        with self._endpoints() as endpoints:
            deployed = Deployments(self.home / "deployments.json").find(*endpoints.identify())
            chain = Chain(endpoints, deployed, self.home / "under-way")
            roster = Roster.load(file, deployed.keyholders, deployed.deployment)
            if roster.previous is None and as_ is not KeyholderService:
                raise UsageError(f"{file} names the first keyholders: nobody was before them")
            group = roster.previous if before and roster.previous else roster
            acting = self.place.acting(as_, keyring, group, chain, self.database, self.record_keys)
            with closing(acting):
                yield acting, roster, chain, endpoints

    def _endpoints(self) -> closing[Endpoints]:
        from consentry.chain import Endpoints

        return closing(Endpoints(self.rpcs, agree=self.agree))


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
