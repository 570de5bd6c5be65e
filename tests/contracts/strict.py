"""`ape.reverts` as its name says it.

Ape's own takes every revert in which it sees no custom error for the expected one: an empty one, a panic, one
that comes through a contract which does not know the error, and in process each whose data hold a quotation
mark. And it passes over expected values whose names the error lacks, and over the name where a deployment is
refused.
"""

from __future__ import annotations

import ast
from typing import Any

from ape import networks
from ape.exceptions import ContractLogicError, CustomError
from ape.pytest.contextmanagers import RevertsContextManager
from eth_utils.crypto import keccak

_exit = RevertsContextManager.__exit__


def told(expected: type[CustomError], error: ContractLogicError) -> dict[str, Any]:
    """What an error holds, by name; AssertionError where it is another than expected."""
    if isinstance(error, CustomError):
        assert error.name == expected.__name__, f"refused with {error!r}"
        return dict(error.inputs)
    abi = expected.abi  # type: ignore[attr-defined]
    data = data_of(str(error.revert_message or ""))
    if data[:4] != keccak(text=abi.selector)[:4]:
        raise AssertionError(f"Expected error '{abi.name}' but was {error.revert_message}") from error
    return dict(networks.provider.network.ecosystem.decode_calldata(abi, data[4:]))


def data_of(message: str) -> bytes:
    """The data of a revert, as Ape gives them: hexadecimal, or in process as Python writes bytes."""
    if message.startswith("0x"):
        return bytes.fromhex(message[2:])
    return bytes(ast.literal_eval(message)) if message.startswith(("b'", 'b"')) else b""


def leave(self: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
    """In the place of the context manager's own end."""
    expected = self.expected_message
    if isinstance(error, ContractLogicError) and isinstance(expected, type):
        found = told(expected, error)
        for name, value in (self.error_inputs or {}).items():
            assert name in found, f"{expected.__name__} has no {name}"
            if not isinstance(error, CustomError):
                assert found[name] == value, f"{name} of {expected.__name__} was {found[name]}, not {value}"
    return bool(_exit(self, kind, error, trace))


def be_strict() -> None:
    """For this process."""
    RevertsContextManager.__exit__ = leave  # type: ignore[method-assign]
