"""A contract's own error inside a client's exception: every client puts it in another place."""

from __future__ import annotations

import ast
from contextlib import suppress
from functools import cache

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3.exceptions import ContractLogicError

from consentry.chain.manifest import NAMES, abi
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
                types = [collapse_if_tuple(dict(field)) for field in item["inputs"]]
                names = [field["name"] for field in item["inputs"]]
                selector = keccak(text=f"{item['name']}({','.join(types)})")[:4]
                found[selector] = (item["name"], types, names)
    return found
