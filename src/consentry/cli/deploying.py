"""Deploying, and the keyholders of a development chain."""

from __future__ import annotations

from typing import Any

import click
from web3 import Web3

from consentry.chain import Chain, Deployed
from consentry.chain.deployments import Placed, place_all
from consentry.chain.rpc import genesis
from consentry.cli.ape import create_with_ape
from consentry.cli.home import Home
from consentry.cli.terminal import progress, table
from consentry.cli.workshop import ready, the_home
from consentry.errors import NotFound, UsageError
from consentry.keyholder.local import create_keyholders
from consentry.keyholder.roster import Roster

DEVELOPMENT = (1337, 31337)
DEPTH = 2


def deploy(
    account: Any, provider: Any, project: Any, *, authorities: list[str], depth: int | None, again: bool
) -> Deployed:
    """Deploys through Ape's ``project`` and records it. Raises `UsageError` where this very chain has a
    deployment, unless ``again``."""
    home, web3 = the_home(), provider.web3
    if not again:
        _refuse_second(home, web3)
    roster = keyholders(home)
    ready(account)
    with progress("compiling") as tell:

        def create(name: str, arguments: list[Any]) -> Placed:
            tell(f"deploying {name}")
            return by_ape(name, arguments)

        by_ape = create_with_ape(account, project, provider)
        authorities = authorities or [str(account.address)]
        contracts = place_all(create, authorities)
    if depth is None:
        depth = 0 if web3.eth.chain_id in DEVELOPMENT else DEPTH
    made = Deployed(web3.eth.chain_id, genesis(web3), contracts, authorities, depth, roster.hash)
    Chain(web3, made)  # the contracts are there
    home.deployments.add(made)
    return made


def _refuse_second(home: Home, web3: Web3) -> None:
    try:
        there = home.deployments.find(web3.eth.chain_id, genesis(web3))
    except NotFound:
        return
    raise UsageError(
        f"this chain has a deployment already (ConsentRegistry {there.deployment.registry}), and what was "
        "granted and deposited there would be out of reach: give --again to deploy a second one and use that"
    )


def keyholders(home: Home) -> Roster:
    """The five keyholders of this machine, 3 of which are needed; made where there are none.

    Raises `IntegrityError` where keyholders.json names others."""
    roster = create_keyholders(home.keyholders)
    if home.roster_file.exists():
        return Roster.load(home.roster_file, roster.hash)
    roster.save(home.roster_file)
    return roster


def show(home: Home, made: Deployed, *, inside: bool) -> None:
    """Prints what stands where; ``inside`` tells that the chain lives in this process."""
    rows = [[name, placed.address] for name, placed in made.contracts.items()]
    rows += [["authority", authority] for authority in made.authorities]
    table(f"Chain {made.chain_id}, genesis 0x{made.genesis.hex()[:16]}...", ["", "address"], rows)
    click.echo(f"5 keyholders, 3 are needed; depth {made.depth}. Written to {home.path}.", err=True)
    click.echo("They run on this machine: that shows the path, it protects from nobody.", err=True)
    if inside:
        click.echo("The chain was inside this process, and has ended with it: give --network URL.", err=True)
    else:
        click.echo("Next: everybody enrols, with `ape run enrol`.", err=True)
