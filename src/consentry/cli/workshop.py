"""The Ape side of the scripts: commands with a network, accounts that ask once, a desk in one call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, TypeVar

import click
from ape.cli import ConnectedProviderCommand
from ape.cli.choices import AccountAliasPromptChoice
from ape.exceptions import ProviderError
from ape.logging import LogLevel, logger

from consentry.chain import LocalSigner, connect
from consentry.chain.node import identify
from consentry.chain.sending import Sender
from consentry.chain.transaction import Call
from consentry.cli.ape import ApeSigner, url_of, web3_of
from consentry.cli.desk import Desk, key_signer, open_desk
from consentry.cli.home import Home
from consentry.cli.terminal import asked, exit_codes, hidden
from consentry.errors import KeyringLocked, Unreachable, UsageError
from consentry.keys.keyring import Keyring
from consentry.keys.typed import Signer

_EXIT_STACK = "consentry.cli.workshop"
Function = TypeVar("Function", bound=Callable[..., Any])


class Command(ConnectedProviderCommand):
    """A command on a connected network. Named errors become messages and exit codes; Ape's own chatter
    stays away unless ``--verbosity`` asks for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {"max_content_width": 100})
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Command`."""
        with exit_codes(), _quiet(), ExitStack() as stack:
            ctx.meta[_EXIT_STACK] = stack
            try:
                _ask(ctx.params.get("network"))
                return super().invoke(ctx)
            except SystemExit as ended:  # Ape's own way to end on Ctrl-C
                raise KeyboardInterrupt if ended.code == 130 else ended from None
            except ProviderError as error:
                raise Unreachable(
                    f"{str(error).rstrip('.')}; check --network, and that the node runs"
                ) from None


def _ask(provider: Any) -> None:
    """Asks a node for a sign of life before Ape does, which would wait for it half an hour. Raises
    `Unreachable`."""
    if getattr(provider, "name", "") == "node" and (url := url_of(provider)):
        identify(connect(url))


@contextmanager
def _quiet() -> Iterator[None]:
    if logger.level != LogLevel.INFO:  # --verbosity was given
        yield
        return
    with logger.at_level(LogLevel.ERROR):
        yield


class _Account(AccountAliasPromptChoice):
    """An Ape account by alias or ``TEST::n``, or the address of a keyring that holds a signing key."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith("0x"):
            from consentry.cli.arguments import ADDRESS

            return ADDRESS.convert(value, param, ctx)
        return super().convert(value, param, ctx)


def account_option(help: str = "Who signs.", *, required: bool = True) -> Callable[[Function], Function]:
    """``--account``. Where it is ``required`` and missing, Ape asks who; where nobody can be asked, the
    command ends with exit code 2 and names the option."""

    def chosen(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None and required and not ctx.resilient_parsing:
            if not asked():
                raise click.UsageError("say who signs: --account ALIAS", ctx)
            value = param.type.select_account()  # type: ignore[attr-defined]
        return value

    text = (
        f"{help} An Ape account, TEST::n on a development chain, or the address of a keyring of its own key."
    )
    return click.option("--account", type=_Account(), callback=chosen, metavar="ALIAS", help=text)


def signer_of(account: Any, provider: Any) -> Signer:
    """The chosen ``account`` as a signer for this one command.

    A keyfile is unlocked once, with APE_ACCOUNTS_<alias>_PASSPHRASE or a hidden question, and locked again
    when the command ends: Ape would ask for every single message, by its hash. What a command signs it says
    itself, and asks for where it matters."""
    if isinstance(account, str):
        return key_signer(the_home(), account)
    ready(account)
    return ApeSigner(account, provider)


def ready(account: Any) -> None:
    """Unlocks a keyfile for this one command. Raises `KeyringLocked`, `UsageError`."""
    if isinstance(account, str):
        raise UsageError("this command signs with an Ape account: --account ALIAS")
    if not hasattr(account, "keyfile_path"):
        return
    variable = f"APE_ACCOUNTS_{account.alias}_PASSPHRASE"
    given = os.environ.get(variable) or hidden(
        f"Passphrase of the account {account.alias!r} (it signs for this one command)", f"set {variable}"
    )
    try:
        account.set_autosign(True, passphrase=given)
    except Exception as error:
        if type(error).__name__ != "InvalidPasswordError":
            raise
        raise KeyringLocked(f"the passphrase does not open the account {account.alias!r}") from None
    stack: ExitStack = click.get_current_context().meta[_EXIT_STACK]
    stack.callback(account.set_autosign, False)


@cache
def the_home() -> Home:
    """CONSENTRY_HOME, once a process, so that a passphrase is asked for once."""
    return Home()


def own_key(account: Any, provider: Any, ether: float) -> str:
    """A new keyring with a signing key of its own; ``account`` gives it ``ether``. Gives its address."""
    signing_key = secrets.token_bytes(32)
    address = LocalSigner(signing_key).address
    the_home().keep(address, Keyring(signing_key=signing_key))
    click.echo(f"A keyring with its own key: {address}", err=True)
    if ether:
        giver = signer_of(account, provider)
        Sender(web3_of(provider), the_home().under_way).send(giver, Call(address, "0x", int(ether * 10**18)))
    return address


def desk_of(account: Any, provider: Any, *, create: bool = False) -> Desk:
    """The desk of ``account`` on the connected chain; ``create`` makes a keyring where there is none."""
    return open_desk(the_home(), web3_of(provider), signer_of(account, provider), create=create)


__all__ = ["Command", "account_option", "desk_of", "own_key", "ready", "signer_of", "the_home"]
