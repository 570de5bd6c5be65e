"""The Ape side of the scripts: commands with a network, accounts that ask once, a desk in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import click
from ape.cli import ConnectedProviderCommand
from ape.cli.choices import AccountAliasPromptChoice
from ape.exceptions import ProviderError
from ape.logging import LogLevel, logger

from consentry.cli.ape import ApeSigner
from consentry.cli.desk import Desk, key_signer, open_desk
from consentry.cli.home import Home
from consentry.cli.terminal import asked, exit_codes, hidden
from consentry.errors import KeyringLocked, Unreachable
from consentry.keys.typed import Signer

_EXIT_STACK = "consentry.cli.workshop"
Function = TypeVar("Function", bound=Callable[..., Any])


class Command(ConnectedProviderCommand):
    """A command on a connected network. Named errors become messages and exit codes; Ape's own chatter
    stays away unless ``--verbosity`` asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Command`."""
        with exit_codes(), _quiet(), ExitStack() as stack:
            ctx.meta[_EXIT_STACK] = stack
            try:
                return super().invoke(ctx)
            except ProviderError as error:
                raise Unreachable(f"{error}; check --network, and that the node runs") from None


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


def account_option(help: str = "Who signs.") -> Callable[[Function], Function]:
    """``--account``. Without it Ape asks where it can; where nobody can be asked, it is a `UsageError`."""

    def chosen(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None and not ctx.resilient_parsing:
            if not asked():
                raise click.UsageError("say who signs: --account ALIAS", ctx)
            value = param.type.select_account()  # type: ignore[attr-defined]
        return value

    text = (
        f"{help} An Ape account, TEST::n on a development chain, or the address of a keyring of its own key."
    )
    return click.option("--account", type=_Account(), callback=chosen, metavar="ALIAS", help=text)


def signer_of(account: Any, provider: Any, home: Home) -> Signer:
    """The chosen ``account`` as a signer for this one command.

    A keyfile is unlocked once, with APE_ACCOUNTS_<alias>_PASSPHRASE or a hidden question, and locked again
    when the command ends: what a command signs it has said, and asked for, itself."""
    if isinstance(account, str):
        return key_signer(home, account, provider.web3)
    if hasattr(account, "keyfile_path"):
        _unlock(account)
    return ApeSigner(account, provider)


def _unlock(account: Any) -> None:
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


def desk_of(account: Any, provider: Any, *, create: bool = False) -> Desk:
    """The desk of ``account`` on the connected chain; ``create`` makes a keyring where there is none."""
    home = Home()
    return open_desk(home, provider.web3, signer_of(account, provider, home), create=create)


__all__ = ["Command", "account_option", "desk_of", "signer_of"]
