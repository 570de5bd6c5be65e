"""Blocks and receipts, held against the block's hash: what real nodes give, and what it can be broken by."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import rlp
from eth.rlp.logs import Log as EvmLog
from eth.rlp.receipts import Receipt as EvmReceipt
from eth.vm.forks.prague.receipts import PragueTypedReceipt
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie
from web3 import Web3

from bench._anvil import anvil
from consentry.chain import connect
from consentry.chain.proof import Header, prove_header, prove_logs
from consentry.errors import BlockUnproved
from tests.support.chains import ganache, tell
from tests.support.forging import rehashed


def block_of(url: str, number: int) -> tuple[dict[str, Any], list[Any]]:
    """A block and its receipts, as the node tells them."""
    block = tell(url, "eth_getBlockByNumber", hex(number), False)
    return block, [tell(url, "eth_getTransactionReceipt", one) for one in block["transactions"]]


def emitter(web3: Web3) -> str:
    """A contract that writes one log with two topics, whatever it is asked."""
    code = "7f" + "11" * 32 + "6000527f" + "22" * 32 + "7f" + "33" * 32 + "60206000a2"
    size = f"{len(code) // 2:02x}"
    sent = web3.eth.send_transaction(
        {"from": web3.eth.accounts[0], "data": f"0x60{size}600c60003960{size}6000f3{code}"}
    )
    return str(web3.eth.wait_for_transaction_receipt(sent)["contractAddress"])


def filled(url: str) -> None:
    """Blocks with transactions of types 0, 1 and 2, each with a log."""
    web3 = connect(url)
    to, rich = emitter(web3), web3.eth.accounts[0]
    web3.eth.send_transaction({"from": rich, "to": to, "gasPrice": 10**10})
    access = [{"address": to, "storageKeys": []}]
    web3.eth.send_transaction({"from": rich, "to": to, "gasPrice": 10**10, "accessList": access})
    fees = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1}
    newest = web3.eth.send_transaction({"from": rich, "to": to, **fees})
    web3.eth.wait_for_transaction_receipt(newest)  # Anvil mines after it answered


NODES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "anvil london": lambda: anvil(hardfork="london"),
    "anvil shanghai": lambda: anvil(hardfork="shanghai"),
    "anvil cancun": lambda: anvil(hardfork="cancun"),
    "anvil prague": lambda: anvil(hardfork="prague"),
    "anvil osaka": lambda: anvil(hardfork="osaka"),
    "ganache london": lambda: ganache("--hardfork", "london"),
    "ganache shanghai": lambda: ganache("--hardfork", "shanghai"),
}


@pytest.mark.parametrize("node", NODES)
def test_every_block_of_a_node_is_proved_with_its_logs(node: str) -> None:
    with NODES[node]() as url:
        filled(url)
        web3, logs = connect(url), 0
        for number in range(web3.eth.block_number + 1):
            block, receipts = block_of(url, number)
            header = prove_header(block)
            assert header.hash == bytes.fromhex(block["hash"][2:])
            logs += len(prove_logs(header, receipts))
        assert logs == 3


def test_a_delegated_account_is_proved_as_well() -> None:
    """Transactions of type 4 (EIP-7702) came with Prague."""
    with anvil() as url:
        web3 = connect(url)
        to, key = emitter(web3), Account.create()
        tell(url, "anvil_setBalance", key.address, hex(10**18))
        signed = key.sign_authorization({"chainId": web3.eth.chain_id, "address": to, "nonce": 1})
        sent = {
            "to": to,
            "chainId": web3.eth.chain_id,
            "nonce": 0,
            "gas": 200_000,
            "authorizationList": [signed],
        }
        raw = key.sign_transaction({**sent, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1})
        web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw.raw_transaction))
        block, receipts = block_of(url, web3.eth.block_number)
        assert [receipt["type"] for receipt in receipts] == ["0x4"]
        assert len(prove_logs(prove_header(block), receipts)) == 1


# --- against py-evm's own encoding

WORD = st.binary(min_size=32, max_size=32)
LOG = st.tuples(st.binary(min_size=20, max_size=20), st.lists(WORD, max_size=4), st.binary(max_size=80))
RECEIPT = st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 2**40), st.lists(LOG, max_size=3))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def as_json(kind: int, good: bool, gas: int, logs: list[Any]) -> dict[str, Any]:
    """A receipt in a node's words."""
    told = [
        {"address": _hex(address), "topics": [_hex(topic) for topic in topics], "data": _hex(data)}
        for address, topics, data in logs
    ]
    words = {"type": hex(kind), "status": hex(good), "cumulativeGasUsed": hex(gas), "logs": told}
    return {**words, "logsBloom": f"0x{evm(kind, good, gas, logs).bloom:0512x}"}


def evm(kind: int, good: bool, gas: int, logs: list[Any]) -> Any:
    """The same receipt as py-evm has it."""
    made = [EvmLog(address, [int.from_bytes(t) for t in topics], data) for address, topics, data in logs]
    plain = EvmReceipt(state_root=b"\x01" if good else b"", gas_used=gas, logs=made)
    return PragueTypedReceipt(kind, plain) if kind else plain


@settings(max_examples=60, deadline=None)
@given(st.lists(RECEIPT, max_size=40))
def test_receipts_of_every_type_lead_to_the_root_that_py_evm_makes(receipts: list[Any]) -> None:
    trie = HexaryTrie({})
    for position, receipt in enumerate(receipts):
        trie[rlp.encode(position)] = evm(*receipt).encode() if receipt[0] else rlp.encode(evm(*receipt))
    logs = prove_logs(Header(1, 2, b"", trie.root_hash), [as_json(*receipt) for receipt in receipts])
    flat = [log for _, _, _, logs in receipts for log in logs]
    assert [(log.address, list(log.topics), log.data) for log in logs] == [tuple(log) for log in flat]
    assert [log.index for log in logs] == list(range(len(flat)))


@settings(max_examples=60, deadline=None)
@given(st.lists(RECEIPT, min_size=1, max_size=8), st.data())
def test_no_receipt_can_be_left_out_added_moved_or_changed(receipts: list[Any], data: st.DataObject) -> None:
    trie = HexaryTrie({})
    for position, receipt in enumerate(receipts):
        trie[rlp.encode(position)] = evm(*receipt).encode() if receipt[0] else rlp.encode(evm(*receipt))
    header, told = Header(1, 2, b"", trie.root_hash), [as_json(*receipt) for receipt in receipts]
    where = data.draw(st.integers(0, len(told) - 1))
    other = {**told[where], "cumulativeGasUsed": hex(2**41)}
    for broken in (
        [*told[:where], *told[where + 1 :]],
        [*told, told[where]],
        [*told[:where], other, *told[where + 1 :]],
        [*told[:where], {**told[where], "type": "0x5"}, *told[where + 1 :]],
        [*told[:where], {**told[where], "status": "0x2"}, *told[where + 1 :]],
    ):
        with pytest.raises(BlockUnproved):
            prove_logs(header, broken)


# --- what a node may say instead

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("0x00") | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = ("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash")
NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas")
BLOCK = {
    **dict.fromkeys(WORDS, _hex(bytes(32))),
    **dict.fromkeys(NUMBERS, "0x1"),
    **{"miner": _hex(bytes(20)), "logsBloom": _hex(bytes(256)), "nonce": _hex(bytes(8))},
    **{"extraData": "0x", "hash": "0x"},
}
NO_NUMBERS = ["1", "0x_1", "0x-1", " 0x1", "0x1 ", "0xg", "0x", "-0x1", "0b1", "0x１", 1, True]


def test_the_block_below_is_whole() -> None:
    """What is broken in it is what the next test breaks."""
    assert prove_header(rehashed(BLOCK)).number == 1


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BLOCK)), JSON)
def test_a_header_is_proved_or_refused_by_name_whatever_a_field_says(name: str, value: Any) -> None:
    whole = rehashed(BLOCK)
    if value != whole[name]:
        with pytest.raises(BlockUnproved):
            prove_header({**whole, name: value})


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_number_is_read_in_one_way_only(value: Any) -> None:
    """Python's own reading takes more than JSON-RPC has."""
    with pytest.raises(BlockUnproved, match="cannot be read"):
        prove_header({**rehashed(BLOCK), "number": value})


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_receipts_are_proved_or_refused_by_name_whatever_a_node_says(receipts: Any) -> None:
    with pytest.raises(BlockUnproved):
        prove_logs(Header(1, 2, b"", bytes(32)), receipts)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_a_block_is_proved_or_refused_by_name_whatever_a_node_says(block: Any) -> None:
    with pytest.raises(BlockUnproved):
        prove_header(block)
