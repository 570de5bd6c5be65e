"""Sending: one transaction at a time for each account, and nothing twice.

A transaction is written down before it leaves. While it waits it is looked after: sent again where the node
has lost it, with a higher fee under the same nonce (so that one of them at most is mined) where the chain has
become dearer or nothing moves. A command that was cut off leaves its line, and the next one, the same or
another, finishes that first. What a node refuses is told apart by asking it for the state, not by its words:
they differ from node to node.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound

from consentry.chain.node import asking, identify
from consentry.chain.refusals import named_error
from consentry.chain.transaction import GWEI, Call, Price, Receipt, UnderWay
from consentry.chain.underway import Book, Page
from consentry.errors import NotEnoughEther, TransactionFailed, TransactionReplaced, Unreachable
from consentry.keys.typed import Signer

_TIP = GWEI
_TRANSFER = 21_000  # the least gas that any transaction uses
_GAS_MARGIN = 1.25
_TIMEOUT = 120.0  # seconds that a command waits for a block
_STILL = 40.0  # seconds without a block of its own before it offers more
_LOOK = 2.0  # seconds between two looks at what waits
_LAG = 5.0  # seconds that a node behind a balancer may lag with a receipt
_TRIES = 5  # nonces that others may take while one is being chosen


class _Taken(Exception):
    """Somebody else used the nonce first; ours was not taken."""


class Sender:
    """Sends over one connection; ``folder`` is where it writes down what is under way."""

    def __init__(self, web3: Web3, folder: Path | None = None) -> None:
        self._web3 = web3
        self._chain_id, genesis = identify(web3)
        self._book = Book(folder, f"{self._chain_id}-{genesis.hex()[:16]}")

    # --- what callers see

    def send(self, signer: Signer, call: Call) -> Receipt:
        """Sends one transaction and waits for it. An ``eth_call`` goes first, since a mined revert carries no
        reason. The same call that an earlier run left under way is finished, not sent twice.

        Raises `ContractRefused`, `NotEnoughEther`, `TransactionFailed`, `TransactionReplaced` or
        `Unreachable`."""
        with asking(), self._book.page(signer.address) as page:
            if (earlier := self._finish(signer, page, call)) is not None:
                return earlier
            price = self.price(signer.address, call)
            for _ in range(_TRIES):
                nonce = self._web3.eth.get_transaction_count(_sum(signer.address), "pending")
                try:
                    self._offer(signer, page, UnderWay(call, nonce, price.gas, price.fee, price.tip))
                except _Taken:
                    continue
                return self._wait(signer, page)
            raise Unreachable(f"others keep sending for {signer.address}; run the same command again")

    def settle(self, signer: Signer) -> None:
        """Finishes what an earlier command left under way, so that the chain shows what it did. Raises as
        `send`."""
        with asking(), self._book.page(signer.address) as page:
            self._finish(signer, page, None)

    def price(self, address: str, call: Call) -> Price:
        """What ``call`` may cost now. Raises `ContractRefused` where it would fail, `NotEnoughEther`."""
        asked = {"from": _sum(address), **_to(call), "data": call.data, "value": call.value}
        with asking():
            try:
                if call.to is not None:
                    self._web3.eth.call(asked)  # type: ignore[arg-type]
                gas = int(self._web3.eth.estimate_gas(asked) * _GAS_MARGIN)  # type: ignore[arg-type]
            except Exception as error:
                if named_error(error) is None:  # some nodes count the fee in
                    self._need(address, call.value + _TRANSFER * (2 * self._base_fee() + _TIP))
                raise
            base = self._base_fee()
            return Price(gas, base, 2 * base + _TIP, _TIP)

    def affords(self, address: str, gas: int) -> bool:
        """Whether ``address`` could pay for ``gas`` now."""
        with asking():
            there = self._web3.eth.get_balance(_sum(address))
            return there >= gas * (2 * self._base_fee() + _TIP)

    # --- one transaction

    def _finish(self, signer: Signer, page: Page, call: Call | None) -> Receipt | None:
        """Finishes what was left under way; its receipt if it was ``call``, else None. What had been mined
        before counts as no receipt: the chain shows it, and a verb looks there first."""
        left = page.left
        if left is None:
            return None
        gone = not any(self._known(one) for one in left.hashes)
        if self._mined(left) or self._count(signer) > left.nonce or (gone and left.call != call):
            page.clear()
            return None
        receipt = self._wait(signer, page)
        return receipt if left.call == call else None

    def _offer(self, signer: Signer, page: Page, offer: UnderWay) -> None:
        """Signs, writes down, sends. Raises `_Taken`, `NotEnoughEther`, or what the node said."""
        before, raw = page.left, self._signed(signer, offer)
        own = "0x" + keccak(raw).hex()
        offer.hashes = list(dict.fromkeys([*offer.hashes, own]))
        page.write(offer)
        try:
            self._web3.eth.send_raw_transaction(HexBytes(raw))
        except (OSError, Unreachable):  # it may have arrived
            raise
        except Exception:
            if self._known(own):
                return
            page.write(before) if before else page.clear()
            if self._count(signer, "pending") > offer.nonce:
                raise _Taken from None
            self._need(signer.address, offer.call.value + offer.gas * offer.fee)
            raise

    def _signed(self, signer: Signer, offer: UnderWay) -> bytes:
        return signer.sign_transaction(
            {
                "from": _sum(signer.address),
                **_to(offer.call),
                "data": offer.call.data,
                "value": offer.call.value,
                "chainId": self._chain_id,
                "nonce": offer.nonce,
                "gas": offer.gas,
                "maxFeePerGas": offer.fee,
                "maxPriorityFeePerGas": offer.tip,
                "type": 2,
            }
        )

    def _wait(self, signer: Signer, page: Page) -> Receipt:
        """The receipt of what is under way; looks after it until then."""
        began = looked = offered = time.monotonic()
        pause, used_since = 0.02, None
        while True:
            left = page.left
            assert left is not None
            if (receipt := self._mined(left)) is not None:
                page.clear()
                return _succeeded(receipt)
            now = time.monotonic()
            if self._count(signer) > left.nonce:  # and none of ours: unless the node lags
                used_since = used_since or now
                if now - used_since > _LAG:
                    page.clear()
                    raise TransactionReplaced(left.hashes[-1], left.nonce)
            elif now - began > _TIMEOUT:
                raise Unreachable(self._still(left))
            elif now - looked > _LOOK:
                looked = now
                if self._tend(signer, page, raised=now - offered > _STILL):
                    offered = now
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def _tend(self, signer: Signer, page: Page, *, raised: bool) -> bool:
        """Sends again what the node has lost, and offers more (gives True) where ``raised`` says so, or the
        block asks more than was offered."""
        left, base = page.left, self._base_fee()
        assert left is not None
        more = raised or base > left.fee
        if not more and self._known(left.hashes[-1]):
            return False
        fee, tip = (max(_more(left.fee), 2 * base + _TIP), _more(left.tip)) if more else (left.fee, left.tip)
        try:
            self._offer(signer, page, UnderWay(left.call, left.nonce, left.gas, fee, tip, left.hashes))
        except (OSError, Unreachable):
            raise
        except Exception:  # mined just now, too dear, or too little more: the earlier offer stands
            return more
        return more

    # --- what the node says

    def _mined(self, left: UnderWay) -> Any:
        for one in left.hashes:
            try:
                return self._web3.eth.get_transaction_receipt(HexBytes(one))
            except TransactionNotFound:
                continue
        return None

    def _known(self, transaction: str) -> bool:
        try:
            return bool(self._web3.eth.get_transaction(HexBytes(transaction)))
        except TransactionNotFound:
            return False

    def _count(self, signer: Signer, at: Any = "latest") -> int:
        return self._web3.eth.get_transaction_count(_sum(signer.address), at)

    def _base_fee(self) -> int:
        return int(self._web3.eth.get_block("latest").get("baseFeePerGas") or 0)

    def _need(self, address: str, wei: int) -> None:
        there = self._web3.eth.get_balance(_sum(address))
        if there < wei:
            raise NotEnoughEther(address, there, wei)

    def _still(self, left: UnderWay) -> str:
        base = self._base_fee()
        said = f"the transaction {left.hashes[-1]} (nonce {left.nonce}) waits for {_TIMEOUT:.0f} seconds"
        if base > left.fee:
            said += (
                f": it offers {left.fee / GWEI:.2f} gwei a unit of gas, and the chain asks {base / GWEI:.2f}"
            )
        return f"{said}; nothing is lost: the same command, run again, goes on with it"


def _succeeded(receipt: Any) -> Receipt:
    mined = bytes(receipt["transactionHash"])
    if receipt["status"] != 1:
        raise TransactionFailed(f"the transaction 0x{mined.hex()} was mined and reverted")
    made = receipt.get("contractAddress")
    return Receipt(mined, receipt["blockNumber"], receipt["gasUsed"], str(made) if made else None)


def _more(wei: int) -> int:
    """What replaces an offer: nodes ask for a tenth more."""
    return wei * 9 // 8 + 1


def _sum(address: str) -> Any:
    return Web3.to_checksum_address(address)


def _to(call: Call) -> dict[str, str]:
    return {} if call.to is None else {"to": call.to}
