"""A node: one connection that never waits for ever, and what goes wrong there by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import BadFunctionCallOutput, BadResponseFormat, Web3RPCError
from web3.providers.rpc.utils import ExceptionRetryConfiguration
from web3.types import RPCEndpoint, RPCResponse

from consentry.chain.refusals import named_error
from consentry.errors import ConsentryError, Unreachable

PATIENCE = 15.0  # seconds for one answer
_AGAIN = "nothing was lost, run the same command again"


class _Node(HTTPProvider):
    """Takes nothing for an answer that is none: a proxy's page, a list, half a document."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        try:
            answer: Any = super().make_request(method, params)
        except json.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                "what answers at the node's URL is no Ethereum node; check the URL, then run the same "
                "command again"
            )
        return answer  # type: ignore[return-value]


def connect(url: str) -> Web3:
    """A connection to the node at ``url`` (http or https). A call that is not answered within `PATIENCE`
    seconds fails, and only what could not be delivered is asked a second time."""
    retried = ExceptionRetryConfiguration((requests.ConnectionError,), retries=2)
    node = _Node(url, {"timeout": PATIENCE}, exception_retry_configuration=retried)
    return Web3(node, middleware=[])


def genesis(web3: Web3) -> bytes:
    """The hash of block 0, 32 bytes."""
    return bytes(web3.eth.get_block(0)["hash"])


def identify(web3: Web3) -> tuple[int, bytes]:
    """The chain's id and the hash of its block 0. Raises `Unreachable`, also for an answer that is none."""
    with asking():
        chain_id: Any = None
        try:
            chain_id, first = web3.eth.chain_id, genesis(web3)
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, ConsentryError | OSError):
                raise
            first = b""
    if not isinstance(chain_id, int) or len(first) != 32:
        raise Unreachable(
            "the node does not say which chain it is on; check the URL, then run the same command again"
        )
    return chain_id, first


@contextmanager
def asking() -> Iterator[None]:
    """Gives what goes wrong while a node is asked its name: `ContractRefused` or `Unreachable`."""
    try:
        yield
    except ConsentryError:
        raise
    except (requests.RequestException, ConnectionError, TimeoutError, BadResponseFormat) as error:
        raise Unreachable(
            f"the chain's node does not answer ({_said(error)}); {_AGAIN} when it does"
        ) from None
    except Exception as error:
        if (refused := named_error(error)) is not None:
            raise refused from None
        if isinstance(error, BadFunctionCallOutput):
            raise Unreachable(
                "the chain's node gave an answer that cannot be read: it has lost blocks, or lies; connect "
                f"to another one: {_AGAIN}"
            ) from None
        if isinstance(error, Web3RPCError):
            raise Unreachable(f"the chain's node refused: {str(error)[:200]}; {_AGAIN}") from None
        raise


def _said(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__
