"""What the chain's node and Kubo say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import requests
from eth_utils.abi import event_abi_to_log_topic
from requests.adapters import BaseAdapter
from web3.exceptions import ContractCustomError

from consentry.chain.deployments import Deployed, Placed
from consentry.chain.manifest import NAMES, abi
from consentry.chain.node import _Node as Node
from consentry.chain.node import connect
from consentry.chain.proof import Header, prove_header, prove_logs
from consentry.chain.refusals import _revert_data, named_error
from consentry.chain.rpc import Rpc
from consentry.store.cid import cid_of, parse_cid
from consentry.store.kubo import KuboStore
from tests.attacks.parsers.parser import Parser, document
from tests.support.fixed import DEPLOYMENT, ROSTER
from tests.support.forging import forged

_WORDS = ("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash")
_NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas")
_LOG = {"address": "0x" + "11" * 20, "topics": ["0x" + "22" * 32], "data": "0x33"}
_RECEIPTS = [
    {
        "type": kind,
        "status": "0x1",
        "cumulativeGasUsed": "0x5208",
        "logsBloom": "0x" + "00" * 256,
        "logs": [_LOG],
    }
    for kind in ("0x0", "0x2")
]
_BLOCK = forged(
    {
        **dict.fromkeys(_WORDS, "0x" + "00" * 32),
        **dict.fromkeys(_NUMBERS, "0x1"),
        **{
            "miner": "0x" + "00" * 20,
            "logsBloom": "0x" + "00" * 256,
            "nonce": "0x" + "00" * 8,
            "extraData": "0x",
        },
    },
    _RECEIPTS,
)
_HEADER: Header = prove_header(_BLOCK)
BLOB = b"Test letter"
CID = cid_of(io.BytesIO(BLOB))


class TransactionFailed(Exception):
    """As eth-tester names it: what a contract said is in the text."""


def _refusal(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for said in (text, text.removeprefix("0x").encode().hex(), "0x" + data.hex(), None, {"data": text}):
        named_error(ContractCustomError("refused", data=cast("Any", said)))
    named_error(TransactionFailed(f"execution reverted: {text}"))


class _Node(BaseAdapter):
    """A node that is on the deployment's chain, and then answers all else with the same bytes."""

    said: bytes | None = None
    whole = False

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        asked = json.loads(request.body or b"")
        good = {
            "eth_chainId": hex(DEPLOYMENT.chain_id),
            "eth_getBlockByNumber": _FIRST,
            "eth_getCode": "0x60",
        }
        result = self.said
        if result is None or asked["method"] == "eth_chainId":
            result = json.dumps(good[asked["method"]]).encode()
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, str(request.url)
        framed = b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (asked["id"], result)
        answer.raw = io.BytesIO(result if self.whole and result is self.said else framed)
        return answer

    def close(self) -> None:
        """Nothing is open."""


_FIRST = {**_BLOCK, "hash": "0x" + DEPLOYMENT.genesis.hex(), "transactions": [], "uncles": [], "size": "0x1"}
_PLACED = {name: Placed(DEPLOYMENT.registry, 7, []) for name in NAMES}
_DEPLOYED = Deployed(DEPLOYMENT.chain_id, DEPLOYMENT.genesis, _PLACED, [], 0, ROSTER.hash)


@cache
def _connected() -> tuple[_Node, Rpc]:
    found, web3 = _Node(), connect("http://127.0.0.1:1")
    provider = cast("Any", web3.provider)
    provider._request_session_manager._explicit_session.mount("http://", found)
    return found, Rpc(web3, _DEPLOYED)


def _told(ask: Callable[[Rpc], object], *, whole: bool = False) -> Callable[[bytes], object]:
    """What a node may give for the result, or for the ``whole`` answer."""

    def call(data: bytes) -> object:
        node, rpc = _connected()
        node.said, node.whole = data, whole
        return ask(rpc)

    return call


class _Kubo(BaseAdapter):
    """Answers each path with the same bytes, but its version as it is."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self._said = said

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        if request.body is not None and not isinstance(request.body, bytes | str):
            b"".join(request.body)
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, str(request.url)
        answer.headers["Content-Type"] = "application/json"
        hello = str(request.url).partition("?")[0].endswith("/version")
        answer.raw = io.BytesIO(b'{"Version": "0.42.0"}' if hello else self._said)
        return answer

    def close(self) -> None:
        """Nothing is open."""


def _store(said: bytes) -> KuboStore:
    store = KuboStore()
    session = store._client._client._session
    for scheme in list(session.adapters):
        session.mount(scheme, _Kubo(said))
    return store


_IMPORTED = [
    {"Root": {"Cid": {"/": CID}, "PinErrorMsg": ""}},
    {"Stats": {"BlockCount": 1, "BlockBytesCount": 11}},
]


def _requested() -> dict[str, Any]:
    """One event of the access log, as a node tells it."""
    [event] = [one for one in abi("AccessLog") if one["type"] == "event" and one["name"] == "Requested"]
    indexed = [one["indexed"] for one in event["inputs"]]
    places = ("blockNumber", "transactionIndex", "logIndex")
    return {
        "address": DEPLOYMENT.registry,
        "topics": ["0x" + event_abi_to_log_topic(event).hex(), *["0x" + "00" * 32] * sum(indexed)],
        "data": "0x" + "00" * 32 * (len(indexed) - sum(indexed)),
        **dict.fromkeys(places, "0x1"),
        **dict.fromkeys(("transactionHash", "blockHash"), "0x" + "11" * 32),
        "removed": False,
    }


NODES = {
    "an answer": Parser(
        _told(lambda rpc: rpc.code(DEPLOYMENT.registry), whole=True),
        b'{"jsonrpc":"2.0","id":1,"result":"0x60"}',
        (Node.decode_rpc_response,),
        400,
    ),
    "a block that is asked for": Parser(
        _told(lambda rpc: rpc.block("latest")), json.dumps(_FIRST).encode(), (Rpc.block,), 400
    ),
    "a header that is asked for": Parser(
        _told(lambda rpc: rpc.header("latest")), json.dumps(_BLOCK).encode(), (Rpc.header,), 400
    ),
    "a view's answer": Parser(
        _told(lambda rpc: rpc.call("ConsentRegistry", "inForce", bytes(32), bytes(32), 0)),
        b'"0x' + b"00" * 31 + b'01"',
        (Rpc.call,),
        400,
    ),
    "code": Parser(_told(lambda rpc: rpc.code(DEPLOYMENT.registry)), b'"0x60"', (Rpc.code,), 400),
    "a wallet's answer": Parser(
        _told(lambda rpc: rpc.raw_call(DEPLOYMENT.registry, b"")), b'"0x60"', (Rpc.raw_call,), 400
    ),
    "events": Parser(
        _told(lambda rpc: rpc.events("AccessLog", "Requested")), json.dumps([]).encode(), (Rpc.events,), 400
    ),
    "a block": Parser(lambda d: prove_header(document(d)), json.dumps(_BLOCK).encode(), (prove_header,)),
    "receipts": Parser(
        lambda d: prove_logs(_HEADER, document(d)), json.dumps(_RECEIPTS).encode(), (prove_logs,), 400
    ),
    "a contract's refusal": Parser(_refusal, b"0x" + b"11" * 36, (named_error, _revert_data)),
    "a content id": Parser(lambda d: parse_cid(d.decode("utf-8", "replace")), CID.encode(), (parse_cid,)),
    "Kubo's word on a CAR": Parser(
        lambda d: _store(d).put_many([io.BytesIO(BLOB)]),
        b"\n".join(json.dumps(one).encode() for one in _IMPORTED),
        (KuboStore.put_many,),
    ),
    "Kubo's word on pins": Parser(
        lambda d: _store(d)._holds(CID),
        json.dumps({"Keys": {CID: {"Type": "recursive"}}}).encode(),
        (KuboStore._holds,),
    ),
}
