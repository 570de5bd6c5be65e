"""A contract's own error inside a client's exception: every client puts it in another place."""

from __future__ import annotations

import ast
from contextlib import suppress
from functools import cache
from typing import Any

from eth_abi.abi import decode
from web3.exceptions import ContractLogicError
from web3.types import RPCResponse

from consentry.chain.manifest import NAMES, abi, selector_of, types_of
from consentry.consent.rule import Reason
from consentry.errors import ContractRefused


def named_error(error: Exception) -> ContractRefused | None:
    """The contract's own error inside a client's exception, or None."""
    data = _revert_data(error)
    if data is None:
        return None
    known = _errors().get(data[:4])
    if known is None:
        return ContractRefused("Reverted", {"data": data}) if isinstance(error, ContractLogicError) else None
    name, types, names = known
    try:
        values = dict(zip(names, decode(types, data[4:]), strict=True))
        if name == "NotAllowed":
            values["reason"] = Reason(values["reason"]).text
        return ContractRefused(name, values)
    except Exception:  # an error whose data does not fit its own ABI is still a refusal
        return ContractRefused(name, {})


def reverted(response: RPCResponse) -> RPCResponse:
    """Gives an answer back, unless the node says in it that a call reverted: nodes say so by an error's data,
    by its words, or by both. Then it raises `ContractLogicError` with that data."""
    error: Any = response.get("error")
    if isinstance(error, dict):
        data, said = error.get("data"), str(error.get("message"))
        if "revert" in said or (isinstance(data, str) and data.startswith("0x") and len(data) > 2):
            raise ContractLogicError(said, data=data)
    return response


def _revert_data(error: Exception) -> bytes | None:
    data = getattr(error, "data", None)
    if isinstance(data, str) and data.startswith("0x"):
        with suppress(ValueError):  # a node may say anything
            return bytes.fromhex(data[2:])
    if isinstance(error, ContractLogicError):
        return b""
    if type(error).__name__ == "TransactionFailed":  # eth-tester puts the bytes into the text
        _, _, tail = str(error).partition("execution reverted: ")
        try:
            literal = ast.literal_eval(tail)
            return literal if isinstance(literal, bytes) else b""
        except (ValueError, SyntaxError):
            return b""
    return None


ErrorType = tuple[str, list[str], list[str]]


@cache
def _errors() -> dict[bytes, ErrorType]:
    found: dict[bytes, ErrorType] = {}
    for contract in NAMES:
        for item in abi(contract):
            if item["type"] == "error":
                names = [field["name"] for field in item["inputs"]]
                found[selector_of(item)] = (item["name"], types_of(item["inputs"]), names)
    return found
