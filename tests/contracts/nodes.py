"""What Ape's own test providers can and its plain node cannot: snapshots, blocks on demand, custom errors.

With it the tests of the contracts run on any development node by its URL, Anvil or Ganache.
"""

from __future__ import annotations

from typing import Any

from ape.exceptions import ContractLogicError
from ape_ethereum.provider import EthereumNodeProvider

_error = EthereumNodeProvider.get_virtual_machine_error
_next_block: list[int] = []


def snapshot(self: Any) -> str:
    return str(self.make_request("evm_snapshot", []))


def restore(self: Any, snapshot_id: str) -> None:
    assert self.make_request("evm_revert", [snapshot_id])


def set_timestamp(self: Any, new_timestamp: int) -> None:
    _next_block[:] = [new_timestamp]


def mine(self: Any, num_blocks: int = 1) -> None:
    for _ in range(num_blocks):
        self.make_request("evm_mine", [_next_block.pop()] if _next_block else [])


def get_virtual_machine_error(self: Any, exception: Exception, **more: Any) -> Any:
    """Ganache tells a custom error in its data alone."""
    data = getattr(exception, "data", None)
    if not isinstance(data, str) or len(data) < len("0x01020304"):
        return _error(self, exception, **more)
    told = {name: more.get(name) for name in ("txn", "trace", "contract_address", "source_traceback")}
    return self.compiler_manager.enrich_error(
        ContractLogicError(revert_message=data, base_err=exception, set_ape_traceback=False, **told)
    )


def teach_plain_nodes() -> None:
    """Gives these to every provider by URL, for this process."""
    for taught in (snapshot, restore, set_timestamp, mine, get_virtual_machine_error):
        setattr(EthereumNodeProvider, taught.__name__, taught)
