"""What a node that lies well would answer: events made up, hidden or altered, and blocks forged to fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import rlp
from eth_utils.crypto import keccak
from trie import HexaryTrie

from consentry.chain import proof
from consentry.chain.contracts import Entry
from tests.support.middleman import Answer, PassOn
from tests.support.watching import Lie

RECEIPTS = ("eth_getBlockReceipts", "eth_getTransactionReceipt")
Change = Callable[[Any], Any]


def lying(methods: tuple[str, ...], change: Change) -> Lie:
    """Answers to ``methods`` as ``change`` makes them of the true results, and honestly to the rest."""

    def lie(request: Answer, pass_on: PassOn) -> Answer:
        answer = pass_on(request)
        if request["method"] in methods and "result" in answer:
            answer["result"] = change(answer["result"])
        return answer

    return lie


def asking_instead(method: str, change: Change) -> Lie:
    """Asks the node something else than it was asked: ``change`` makes other parameters."""

    def lie(request: Answer, pass_on: PassOn) -> Answer:
        if request["method"] == method:
            request = {**request, "params": change(request["params"])}
        return pass_on(request)

    return lie


def both(*lies: Lie) -> Lie:
    """One lie after the other."""

    def lie(request: Answer, pass_on: PassOn) -> Answer | bytes | None:
        first, *others = lies
        return first(request, lambda asked: both(*others)(asked, pass_on) if others else pass_on(asked))  # type: ignore[arg-type, return-value]

    return lie


def made_up(real: Entry, access_id: bytes) -> Entry:
    """An entry that nobody wrote: as ``real``, with another access id."""
    return replace(real, access_id=access_id)


def told_of(receipts: Any, of: Entry, change: Callable[[Any], list[Any]]) -> Any:
    """``receipts`` (one, or a block's), where ``change`` makes other logs of that of the entry ``of``."""
    if isinstance(receipts, dict):
        logs = [change(log) if of.access_id.hex() in log["data"] else [log] for log in receipts["logs"]]
        return {**receipts, "logs": [log for found in logs for log in found]}
    return [told_of(receipt, of, change) for receipt in receipts]


def inventing(real: Entry, fake: Entry) -> Change:
    """Adds the log of ``fake``, which nobody wrote, after that of ``real``."""

    def twice(log: Any) -> list[Any]:
        return [log, json.loads(json.dumps(log).replace(real.access_id.hex(), fake.access_id.hex()))]

    return lambda receipts: told_of(receipts, real, twice)


def hiding(real: Entry) -> Change:
    """Leaves the log of ``real`` out."""
    return lambda receipts: told_of(receipts, real, lambda log: [])


def altering(real: Entry, fake: Entry) -> Change:
    """Tells ``fake`` in the place of ``real``."""
    return lambda receipts: told_of(
        receipts, real, lambda log: inventing(real, fake)({"logs": [log]})["logs"][1:]
    )


def forged(block: dict[str, Any], receipts: list[Any]) -> dict[str, Any]:
    """The ``block`` as if it had these ``receipts``, whole: with their root and the hash that follows."""
    trie = HexaryTrie({})
    for position, receipt in enumerate(receipts):
        trie[rlp.encode(position)] = proof._receipt(receipt, [proof._log(log, 0) for log in receipt["logs"]])
    return rehashed({**block, "receiptsRoot": "0x" + trie.root_hash.hex()})


def rehashed(block: dict[str, Any]) -> dict[str, Any]:
    """The ``block`` with the hash of its fields."""
    names = [name for name in (*proof._LONDON, *proof._LATER) if block.get(name) is not None]
    fields = [proof._field(name, block[name]) for name in names]
    return {**block, "hash": "0x" + keccak(rlp.encode(fields)).hex()}
