"""A node: one connection that never waits for ever, and what goes wrong there by its name."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from eth_abi.exceptions import DecodingError
from requests.adapters import HTTPAdapter
from requests.utils import get_netrc_auth
from urllib3.exceptions import HTTPError
from web3 import HTTPProvider, Web3
from web3.exceptions import BadResponseFormat, MismatchedABI, Web3RPCError
from web3.providers.rpc.utils import ExceptionRetryConfiguration
from web3.types import RPCEndpoint, RPCResponse

from consentry.chain.refusals import named_error
from consentry.errors import ConsentryError, Unreachable
from consentry.keys.binding import json_decode

PATIENCE = 15.0  # seconds for one answer
LONGEST = 256 * 2**20  # bytes of one answer
_AGAIN = "nothing was lost, run the same command again"
_OTHER = f"connect to another one: {_AGAIN}"


class _Node(HTTPProvider):
    """Takes nothing for an answer that is none: a proxy's page, a list, half a document."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        try:
            answer: Any = super().make_request(method, params)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                "what answers at the node's URL is no Ethereum node; check the URL, then run the same "
                "command again"
            )
        return answer  # type: ignore[return-value]

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> RPCResponse:
        """Without recursion, which ends a process where py-evm raised its limit. Raises `ValueError`."""
        return json_decode(raw_response)  # type: ignore[no-any-return]


class _Bounded(HTTPAdapter):
    """Reads no answer that is longer than ``longest`` bytes or drips for more than ``patience`` seconds.
    Compressed ones are not asked for: they would be of any length."""

    def __init__(self, patience: float, longest: int) -> None:
        super().__init__()
        self._patience, self._longest = patience, longest

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        began, body = time.monotonic(), bytearray()
        request.headers["Accept-Encoding"] = "identity"
        response = super().send(request, *args, **{**how, "stream": True})
        try:
            while chunk := response.raw.read1(2**16, decode_content=False):
                body += chunk
                if len(body) > self._longest:
                    raise Unreachable(f"the node's answer is longer than {self._longest:,} bytes; {_OTHER}")
                if time.monotonic() - began > self._patience:
                    raise requests.ReadTimeout
        except HTTPError as error:
            raise requests.ConnectionError(error) from None
        except BaseException:
            response.raw.close()
            raise
        response.raw = io.BytesIO(body)
        return response


def _session(url: str) -> requests.Session:
    """With the proxy, the authorities and the password that the environment has for ``url``, looked up once:
    by itself it looks with each request, a fifth of what that costs."""
    session = requests.Session()
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify = found["proxies"], found["verify"]
    session.auth, session.trust_env = get_netrc_auth(url), False
    return session


def connect(url: str, *, patience: float | None = None, longest: int = LONGEST) -> Web3:
    """A connection to the node at ``url`` (http or https). A call that is not answered within ``patience``
    seconds (by default `PATIENCE`), or by more than ``longest`` bytes, fails; only what could not be
    delivered is asked a second time."""
    patience = PATIENCE if patience is None else patience
    retried = ExceptionRetryConfiguration((requests.ConnectionError,), retries=2)
    session = _session(url)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Bounded(patience, longest))
    node = _Node(url, {"timeout": patience}, session, exception_retry_configuration=retried)
    node.global_ccip_read_enabled = False  # no contract sends us to a URL of its choice (ERC-3668)
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
        if isinstance(error, DecodingError):
            raise Unreachable(
                f"the chain's node gave an answer that cannot be read: it has lost blocks, or lies; {_OTHER}"
            ) from None
        if isinstance(error, Web3RPCError):
            raise Unreachable(f"the chain's node refused: {str(error)[:200]}; {_AGAIN}") from None
        raise


@contextmanager
def reading() -> Iterator[None]:
    """Within `asking`, where a node is only read: gives `Unreachable` for an answer of another shape."""
    try:
        yield
    except (ConsentryError, OSError):
        raise
    except (AttributeError, LookupError, MismatchedABI, TypeError, ValueError) as error:
        raise Unreachable(
            f"the chain's node gave an answer that cannot be read ({type(error).__name__}): it is broken, or "
            f"lies; {_OTHER}"
        ) from None


def _said(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__
