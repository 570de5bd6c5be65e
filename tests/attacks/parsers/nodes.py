"""What the chain's node and Kubo say."""

from __future__ import annotations

import io
import json
from typing import Any, cast

import requests
from requests.adapters import BaseAdapter
from web3.exceptions import ContractCustomError

from consentry.chain.proof import Header, prove_header, prove_logs
from consentry.chain.refusals import _revert_data, named_error
from consentry.store.cid import cid_of, parse_cid
from consentry.store.kubo import KuboStore
from tests.attacks.parsers.parser import Parser, document
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

NODES = {
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
