"""The contracts' functions in bytes: what one is asked, and what a view answers.

web3 looks a function up in its ABI, and every value in its own rules, at each call anew; that takes longer
than the node does. Here it is done once a function.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.codec import ABIDecoder
from eth_abi.decoding import AddressDecoder
from eth_abi.registry import registry
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import ABIFunctionNotFound

from consentry.chain.manifest import abi, selector_of, types_of


class _Address(AddressDecoder):
    decoder_fn = staticmethod(to_checksum_address)


_KINDS = registry.copy()  # type: ignore[no-untyped-call]
_KINDS.unregister_decoder("address")
_KINDS.register_decoder("address", _Address)
_DECODER = ABIDecoder(_KINDS)
_ENCODER = Web3().codec  # unlike eth_abi's own, it fills up no bytes that are too short


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a contract: the 4-byte ``selector``, and the ABI types of what it takes and gives."""

    selector: bytes
    takes: list[str]
    gives: list[str]

    def asked(self, *args: Any) -> str:
        """The calldata (hex). Raises eth_abi's `EncodingError` for arguments of other types."""
        return Web3.to_hex(self.selector + _ENCODER.encode(self.takes, args))

    def answered(self, data: bytes) -> Any:
        """What a view gave: one value, or a list of several; arrays and structs are tuples, addresses are
        checksummed. Raises eth_abi's `DecodingError`."""
        values = _DECODER.decode(self.gives, data)
        return values[0] if len(values) == 1 else list(values)


@cache
def function(contract: str, name: str) -> Function:
    """The function ``name`` of a contract; none of ours has two of one name. Raises `ABIFunctionNotFound`."""
    for item in abi(contract):
        if item["type"] == "function" and item["name"] == name:
            return Function(selector_of(item), types_of(item["inputs"]), types_of(item["outputs"]))
    raise ABIFunctionNotFound(f"{contract} has no function {name}")
