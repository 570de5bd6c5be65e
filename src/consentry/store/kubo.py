"""A store in a Kubo node (https://docs.ipfs.tech/reference/kubo/rpc/): every blob is pinned there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ipfshttpclient import Client, exceptions
from requests import RequestException

from consentry.errors import BlobAltered, BlobMissing, StoreUnfit, StoreUnreachable
from consentry.store.car import Blobs
from consentry.store.cid import STEP, CidHasher, parse_cid
from consentry.store.rpc import Stream, connect

LOCAL = "/ip4/127.0.0.1/tcp/5001"
TESTED = ((0, 40), (0, 42))
"""The oldest and the newest release line of Kubo that the tests ran against (0.40.1, 0.42.0)."""

_ADD = {"cid-version": "1", "raw-leaves": "true", "chunker": "size-1048576", "pin": "true"}
_PIN = {"pin-roots": "true", "stats": "true"}
_HELLO = 10.0  # seconds
# What the client raises: on the way, and for an answer that Kubo does not give.
_FAILURES = (
    *(exceptions.Error, RequestException, OSError, AssertionError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


class KuboStore:
    """Keeps blobs pinned in the Kubo daemon whose RPC API is at ``address``; implements
    :class:`~consentry.store.base.Store`.

    ``address``, ``auth`` and ``timeout`` are those of :func:`~consentry.store.rpc.connect`. The first call
    asks the daemon for its version and raises `StoreUnfit` where that was not tested. A blob is held exactly
    while it is pinned: what a broken put left in the daemon is not given, and what is not there is not looked
    for in the network. ``drop`` unpins; the daemon deletes the bytes at its next garbage collection, and they
    may lie elsewhere in the network. Whether a blob outlasts a power cut is for the daemon's datastore to say
    (``sync`` in ``Datastore.Spec``). One store may be used by several threads.
    """

    def __init__(self, address: str = LOCAL, *, auth: str = "", timeout: float = 60) -> None:
        self.address, self._timeout = address, timeout
        self._client = connect(address, auth, timeout)
        self._version = ""

    def version(self) -> str:
        """The daemon's version. Raises `StoreUnreachable`, and `StoreUnfit` outside of `TESTED`."""
        if not self._version:
            with self._failures("was asked for its version"):
                version = str(self._client.version(timeout=_HELLO)["Version"])
            oldest, newest = (".".join(map(str, line)) for line in TESTED)
            found = re.match(r"(\d+)\.(\d+)\.", version)
            if not found or not TESTED[0] <= (int(found[1]), int(found[2])) <= TESTED[1]:
                raise StoreUnfit(
                    f"the daemon at {self.address} is Kubo {version[:40]}, and this version of Consentry was "
                    f"tested with {oldest}.x to {newest}.x; run one of those"
                )
            self._version = version
        return self._version

    def put(self, source: BinaryIO) -> str:
        """See :meth:`Store.put <consentry.store.base.Store.put>`."""
        hasher = CidHasher()
        blob = Stream(_hashed(source, hasher))
        with self._asking("was given a blob", blob) as client:
            named = str(client.add_bytes(iter(blob), opts=_ADD))
        cid = hasher.cid()
        self._compare([cid], {named})
        if not self._holds(cid):  # an error after its answer reaches no client: it comes as an HTTP trailer
            raise self._unreachable("took a blob and did not pin it")
        return cid

    def put_many(self, sources: Iterable[BinaryIO]) -> list[str]:
        """See :meth:`Store.put_many <consentry.store.base.Store.put_many>`; one request for all."""
        blobs = Blobs(sources)
        content, names = Stream(blobs.content()), Stream(blobs.names())
        with self._asking("was given a CAR", content, names) as client:
            answers = [dict(one) for one in client.dag.imprt([content, names], stream=True, opts=_PIN)]
            pinned = [answer["Root"] for answer in answers if "Root" in answer]
            counted = [answer["Stats"]["BlockCount"] for answer in answers if "Stats" in answer]
            refused = [f"{root['Cid']['/']}: {root['PinErrorMsg']}" for root in pinned if root["PinErrorMsg"]]
            named = {str(root["Cid"]["/"]) for root in pinned}
        cids = [str(root) for root in blobs.roots]
        if refused or counted != [blobs.blocks]:
            raise self._unreachable(f"did not pin all of a CAR ({', '.join(refused[:3]) or counted})")
        self._compare(cids, named)
        return cids

    def get(self, cid: str, sink: BinaryIO) -> None:
        """See :meth:`Store.get <consentry.store.base.Store.get>`."""
        parse_cid(cid)
        if not self._holds(cid):
            raise BlobMissing(
                f"the Kubo at {self.address} has no {cid} pinned; it was dropped, or lies in another store"
            )
        hasher = CidHasher()
        for step in self._content(cid):
            hasher.update(step)
            sink.write(step)
        if hasher.cid() != cid:
            raise BlobAltered(f"the bytes that came for {cid} are not those that were put; use none of them")

    def drop(self, cid: str) -> None:
        """See :meth:`Store.drop <consentry.store.base.Store.drop>`."""
        parse_cid(cid)
        with self._asking("was asked to unpin a blob") as client:
            try:
                client.pin.rm(cid)
            except exceptions.ErrorResponse as error:
                if "not pinned" not in str(error):
                    raise

    def _holds(self, cid: str) -> bool:
        with self._asking("was asked for its pins") as client:
            try:
                return cid in client.pin.ls(cid, type="recursive")["Keys"]
            except exceptions.ErrorResponse as error:
                if "is not pinned" not in str(error):
                    raise
                return False

    def _content(self, cid: str) -> Iterator[bytes]:
        with (
            self._asking("was reading a blob") as client,
            client.cat(cid, offline=True, stream=True) as steps,
        ):
            yield from steps

    def _compare(self, cids: list[str], named: set[str]) -> None:
        if named != set(cids):
            raise BlobAltered(
                f"the daemon at {self.address} names what it was given otherwise than its bytes do: "
                f"{', '.join(sorted(named ^ set(cids))[:4])}"
            )

    @contextmanager
    def _asking(self, what: str, *streams: Stream) -> Iterator[Client]:
        """Gives the client of a daemon of a tested version; ``what`` happened when a call fails."""
        self.version()
        with self._failures(what, *streams):
            yield self._client
            if not all(stream.ended for stream in streams):
                raise exceptions.ProtocolError(None, "it answered before it had taken everything")

    @contextmanager
    def _failures(self, what: str, *streams: Stream) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            for stream in streams:
                if stream.error:
                    raise stream.error from None
            raise self._unreachable(what, error) from None

    def _unreachable(self, what: str, error: Exception | None = None) -> StoreUnreachable:
        match error:
            case None:
                why = ""
            case exceptions.ErrorResponse():
                why = f", and it said: {str(error)[:300]}"
            case exceptions.StatusError() if _status(error) in (401, 403):
                why = ", and wants an authorisation that it knows (CONSENTRY_KUBO_AUTH)"
            case exceptions.TimeoutError() | exceptions.ConnectionError():
                why = ", and did not answer"
            case _:
                why = f", and the answer broke off or is not Kubo's ({type(error).__name__})"
        return StoreUnreachable(
            f"the Kubo at {self.address} {what}{why}; see that it runs and has room, then repeat the call"
        )


def _hashed(source: BinaryIO, hasher: CidHasher) -> Iterator[bytes]:
    while step := source.read(STEP):
        hasher.update(step)
        yield step


def _status(error: exceptions.StatusError) -> int:
    response = getattr(error.original, "response", None)
    return int(getattr(response, "status_code", 0))
