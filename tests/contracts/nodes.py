"""What Ape's own test providers can and its plain node cannot: snapshots, blocks on demand, custom errors.

With it the tests of the contracts run on any development node by its URL, Anvil or Ganache.
"""

from __future__ import annotations

from ast import literal_eval
from typing import Any

from ape.exceptions import ContractLogicError
from ape_ethereum.provider import EthereumNodeProvider
from ape_test.provider import LocalProvider
from eth_tester.exceptions import TransactionFailed

_error = EthereumNodeProvider.get_virtual_machine_error
_error_in_process = LocalProvider.get_virtual_machine_error


def snapshot(self: Any) -> str:
    return str(self.make_request("evm_snapshot", []))


def restore(self: Any, snapshot_id: str) -> None:
    assert self.make_request("evm_revert", [snapshot_id])


def set_timestamp(self: Any, new_timestamp: int) -> None:
    """The next block's: each of these blocks is a second after the one before."""
    self.make_request("evm_mine", [new_timestamp - 1])


def mine(self: Any, num_blocks: int = 1) -> None:
    for _ in range(num_blocks):
        self.make_request("evm_mine", [])


def get_virtual_machine_error(self: Any, exception: Exception, **more: Any) -> Any:
    """Ganache tells a custom error in its data alone, when it estimates gas a level deeper."""
    data = getattr(exception, "data", None)
    data = data.get("result") if isinstance(data, dict) else data
    if not isinstance(data, str) or len(data) < len("0x01020304"):
        return _error(self, exception, **more)
    told = {name: more.get(name) for name in ("txn", "trace", "contract_address", "source_traceback")}
    return self.compiler_manager.enrich_error(
        ContractLogicError(revert_message=data, base_err=exception, set_ape_traceback=False, **told)
    )


def get_error_in_process(self: Any, exception: Exception, **more: Any) -> Any:
    """Ape reads a refusal's bytes only where Python writes them in single quotes: not those with a 0x27 in them."""
    reason = str(exception).removeprefix("execution reverted: ")
    if isinstance(exception, TransactionFailed) and reason.startswith('b"'):
        exception = TransactionFailed(f"execution reverted: 0x{literal_eval(reason).hex()}")
    return _error_in_process(self, exception, **more)


def teach_plain_nodes() -> None:
    """Gives these to every provider by URL, and reading whole refusals to that in process, for this process."""
    for taught in (snapshot, restore, set_timestamp, mine, get_virtual_machine_error):
        setattr(EthereumNodeProvider, taught.__name__, taught)
    LocalProvider.get_virtual_machine_error = get_error_in_process  # type: ignore[method-assign]
