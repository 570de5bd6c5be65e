"""The way to Kubo's RPC API: a client of ipfshttpclient with the retries and headers that it lacks."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ipfshttpclient import Client, requests_wrapper
from ipfshttpclient.exceptions import AddressError
from urllib3.util import Retry

from consentry.errors import UsageError

# Every call is a POST. One with a body is not sent twice, for its body is a stream that is read once:
# then only the connection is tried again.
_CALL = Retry(3, read=1, backoff_factor=0.2, status_forcelist=(502, 503, 504), allowed_methods=None)
_BODY = Retry(3, read=0, status=0, other=0, backoff_factor=0.2)
_STEP = 1 << 18


def connect(address: str, auth: str, timeout: float) -> Client:
    """A client for the API at ``address``; nothing is sent yet.

    ``address`` is a multiaddr as Kubo writes it into its ``api`` file, or an http(s) URL. ``auth`` is empty
    or a secret as in Kubo's ``API.Authorizations``: ``bearer:TOKEN`` or ``basic:USER:PASSWORD``.
    ``timeout`` is the seconds without progress after which a call ends. Raises `UsageError`.
    """
    place, base = _place(address)
    headers = {"Authorization": _authorization(auth)} if auth else {}  # left out, all clients share one
    try:
        client = Client(place, base, chunk_size=_STEP, headers=headers, timeout=timeout, session=True)
    except AddressError:
        raise UsageError(f"{address} is no address of Kubo's API, such as /ip4/127.0.0.1/tcp/5001") from None
    session = client._client._session
    session.trust_env = False  # neither proxies nor .netrc: the API is not on the web
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    for scheme in list(session.adapters):
        session.mount(scheme, _Adapter(_CALL, _Adapter(_BODY)))
    return client


class Stream:
    """Bytes on their way to the daemon. What their source raises is kept in ``error``, since the client may
    report it as its own; ``ended`` says whether all of it was taken."""

    def __init__(self, steps: Iterable[bytes]) -> None:
        self.error: Exception | None = None
        self.ended = False
        self._steps = self._watch(steps)

    def __iter__(self) -> Iterator[bytes]:
        return self._steps

    def read(self, size: int = -1) -> bytes:
        """The next bytes, of any number, or none at the end: as much of a file as the client needs."""
        return next(self._steps, b"")

    def _watch(self, steps: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from filter(None, steps)
        except Exception as error:
            self.error = error
            raise
        self.ended = True


class _Adapter(requests_wrapper.HTTPAdapter):  # type: ignore[misc]
    """ipfshttpclient's adapter with ``retries``; requests with a body go through ``body`` where given."""

    def __init__(self, retries: Retry, body: _Adapter | None = None) -> None:
        self._body = body
        super().__init__(max_retries=retries)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """Makes the pool without ``strict``, which urllib3 2 warns of at every call."""
        self.poolmanager = requests_wrapper.PoolManager(connections, maxsize=maxsize, block=block, **more)

    def send(self, request: Any, *args: Any, **more: Any) -> Any:
        """See requests."""
        if self._body and request.body is not None:
            return self._body.send(request, *args, **more)
        return super().send(request, *args, **more)


def _place(address: str) -> tuple[str, str]:
    """The multiaddr and the path of the API at a multiaddr or URL."""
    if "://" not in address:
        return address, "api/v0"
    url = urlsplit(address)
    if "@" in url.netloc:
        raise UsageError("a secret has no place in the address of Kubo's API; give it as CONSENTRY_KUBO_AUTH")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise UsageError(f"{address} is no address of Kubo's API, such as http://127.0.0.1:5001")
    try:
        kind = f"ip{ipaddress.ip_address(url.hostname).version}"
    except ValueError:
        kind = "dns"
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    path = url.path.strip("/").removesuffix("api/v0").strip("/")
    return f"/{kind}/{url.hostname}/tcp/{port}/{url.scheme}", f"{path}/api/v0".lstrip("/")


def _authorization(auth: str) -> str:
    """The header for a secret."""
    kind, _, secret = auth.partition(":")
    if kind == "bearer" and secret:
        return f"Bearer {secret}"
    if kind == "basic" and ":" in secret:
        return f"Basic {base64.b64encode(secret.encode()).decode()}"
    raise UsageError("the secret for Kubo's API is neither bearer:TOKEN nor basic:USER:PASSWORD")
