"""Deploying, or only reckoning what it would cost; and the keyholders of a development chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from eth_utils.crypto import keccak
from web3 import Web3

from consentry.chain import Chain, Deployed
from consentry.chain.deploying import Deployer, Planned
from consentry.chain.node import asking, identify
from consentry.chain.transaction import ETHER, GWEI
from consentry.cli.ape import code_of, web3_of
from consentry.cli.home import Home
from consentry.cli.terminal import progress, table
from consentry.cli.workshop import signer_of, the_home
from consentry.errors import NotEnoughEther, NotFound, UsageError
from consentry.keyholder.card import is_local
from consentry.keyholder.local import create_keyholders
from consentry.keyholder.roster import Roster, assemble

DEVELOPMENT = (1337, 31337)
DEPTH = 3


def deploy(
    account: Any,
    provider: Any,
    project: Any,
    *,
    authorities: list[str],
    depth: int | None,
    finality: str,
    again: bool,
    cards: Sequence[Path] = (),
    threshold: int | None = None,
) -> Deployed:
    """Deploys through Ape's ``project`` and records it, with the keyholders of those ``cards`` or five of
    this machine; repeated, it goes on where it stopped. Raises `UsageError` where this very chain has a
    deployment, unless ``again``, and as `keyholders` and `Deployer.deploy`."""
    home, web3 = the_home(), web3_of(provider)
    chain_id, genesis = identify(web3)
    if not again:
        _refuse_second(home, chain_id, genesis)
    roster = keyholders(home, cards, threshold)
    signer = signer_of(account, provider)
    deployer = Deployer(web3, code_of(project), home.under_way)
    authorities = authorities or [signer.address]
    with progress("compiling") as tell:
        contracts = deployer.deploy(signer, authorities, tell)
    depth = depth_on(chain_id, depth, finality)
    made = Deployed(chain_id, genesis, contracts, authorities, depth, roster.hash, finality)
    Chain(web3, made)  # the contracts are there
    home.deployments.add(made)
    deployer.forget(signer.address)
    return made


def depth_on(chain_id: int, asked: int | None, finality: str) -> int:
    """The depth that is recorded: what was ``asked`` for, else 0 on a development chain, or where it counts
    from a block that is safe or final, else `DEPTH`."""
    if asked is not None:
        return asked
    return 0 if chain_id in DEVELOPMENT or finality != "latest" else DEPTH


def dry_run(
    account: Any,
    provider: Any,
    project: Any,
    *,
    authorities: list[str],
    depth: int | None,
    finality: str,
    again: bool,
    cards: Sequence[Path] = (),
    threshold: int | None = None,
) -> None:
    """Says what `deploy` would send, what it may cost and whether the account can pay; sends, signs and
    writes nothing. Raises as `deploy`, and `NotEnoughEther`."""
    web3 = web3_of(provider)
    chain_id, genesis = identify(web3)
    if not again:
        _refuse_second(the_home(), chain_id, genesis)
    if cards:
        assemble(cards, _needed(threshold))
    address = str(getattr(account, "address", account))
    with progress("compiling"):
        planned = Deployer(web3, code_of(project)).plan(address, authorities or [address])
    with asking():
        there = web3.eth.get_balance(Web3.to_checksum_address(address))
    rows = [
        [
            one.name,
            one.address,
            ", ".join(str(argument) for value in one.arguments for argument in _flat(value)) or "-",
            f"{len(one.data):,}",
            f"0x{keccak(one.data).hex()}",
            f"{one.price.gas:,}",
        ]
        for one in planned
    ]
    columns = ["contract", "=would stand at", "=arguments", ">bytes", "=keccak of code and arguments"]
    table(f"Chain {chain_id}, genesis 0x{genesis.hex()[:16]}...", [*columns, ">gas limit"], rows)
    _cost(planned, address, there)
    waits = waiting(depth_on(chain_id, depth, finality), finality)
    click.echo(f"{waits.capitalize()} would be recorded. Dry run: nothing was signed or sent.")


def waiting(depth: int, finality: str) -> str:
    """How long keyholders wait with an entry, in words."""
    return f"depth {depth}" if finality == "latest" else f"depth {depth} below the {finality} block"


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _cost(planned: list[Planned], address: str, there: int) -> None:
    price, most = planned[0].price, sum(one.price.most for one in planned)
    now = sum(one.price.gas for one in planned) * (price.base + price.tip)
    click.echo(
        f"Fee a unit of gas: {(price.base + price.tip) / GWEI:.6f} gwei now, {price.fee / GWEI:.6f} at most."
    )
    click.echo(
        f"Cost: {now / ETHER:.6f} ether now, {most / ETHER:.6f} at most; {address} has {there / ETHER:.6f}."
    )
    if there < most:
        raise NotEnoughEther(address, there, most)


def _refuse_second(home: Home, chain_id: int, genesis: bytes) -> None:
    try:
        there = home.deployments.find(chain_id, genesis)
    except NotFound:
        return
    raise UsageError(
        f"this chain has a deployment already (ConsentRegistry {there.deployment.registry}), and what was "
        "granted and deposited there would be out of reach: set CONSENTRY_HOME to another folder to have a "
        "second one beside it (docs/moving.md), or give --again to replace it"
    )


def keyholders(home: Home, cards: Sequence[Path] = (), threshold: int | None = None) -> Roster:
    """The keyholders of those ``cards``, or the five of this machine, made where there are none, of whom
    ``threshold`` (3) are needed. Raises `IntegrityError` where keyholders.json names others, and as
    `assemble`."""
    needed = _needed(threshold)
    roster = assemble(cards, needed) if cards else create_keyholders(home.keyholders, threshold=needed)
    if home.roster_file.exists():
        return Roster.load(home.roster_file, roster.hash)
    roster.save(home.roster_file)
    return roster


def _needed(threshold: int | None) -> int:
    return 3 if threshold is None else threshold


def show(home: Home, made: Deployed, *, inside: bool) -> None:
    """Prints what stands where; ``inside`` tells that the chain lives in this process."""
    rows = [[name, placed.address] for name, placed in made.contracts.items()]
    rows += [["authority", authority] for authority in made.authorities]
    table(f"Chain {made.chain_id}, genesis 0x{made.genesis.hex()[:16]}...", ["", "address"], rows)
    roster = Roster.load(home.roster_file, made.keyholders, made.deployment)
    needed = f"{roster.count} keyholders, {roster.threshold} are needed"
    click.echo(f"{needed}; {waiting(made.depth, made.finality)}. Written to {home.path}.", err=True)
    if any(map(is_local, roster.keyholders)):
        click.echo("They run on this machine: that shows the path, it protects from nobody.", err=True)
    else:
        click.echo("Give each of them deployments.json and keyholders.json, and let them serve.", err=True)
    if inside:
        click.echo("The chain was inside this process, and has ended with it: give --network URL.", err=True)
    else:
        click.echo("Next: everybody enrols, with `ape run enrol`.", err=True)
