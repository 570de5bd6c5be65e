"""KuboStore against a real Kubo: one that is whole, stopped half-way, full, guarded, and lied about."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from consentry.cli.kubo import running_kubo
from consentry.errors import (
    BlobAltered,
    BlobMissing,
    StoreUnfit,
    StoreUnreachable,
    UsageError,
)
from consentry.store.cid import CHUNK, LINKS, STEP, cid_of
from consentry.store.kubo import TESTED, KuboStore
from tests.functional.test_store import ABSENT, Zeros, content, read
from tests.support.kubo import Answer, Middleman, client_of, middleman

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 7]
WIDE = (LINKS + 1) * CHUNK + 1  # one leaf more than a node can link, and a byte


@pytest.fixture
def store(kubo: str) -> KuboStore:
    return KuboStore(kubo)


@pytest.fixture
def man(kubo: str) -> Iterator[Middleman]:
    with middleman(kubo) as between:
        yield between


@pytest.fixture
def behind(man: Middleman) -> KuboStore:
    """A store that reaches Kubo only through the middleman."""
    return KuboStore(man.address, timeout=5)


# --- the same content ids ---------------------------------------------------------------------------


def ipfs_add(api: str, source: Path) -> str:
    command = ["ipfs", "--api", api, "add", "--quieter", "--cid-version=1", "--chunker=size-1048576"]
    return subprocess.run([*command, source], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("size", [*SIZES, WIDE])
def test_a_blob_has_the_content_id_of_ipfs_add(
    kubo: str, store: KuboStore, tmp_path: Path, size: int
) -> None:
    with (tmp_path / "blob").open("wb") as sparse:
        sparse.truncate(size)
    named = ipfs_add(kubo, tmp_path / "blob")
    assert store.put(Zeros(size)) == named
    assert store.put_many([Zeros(size)]) == [named]


def test_many_blobs_are_one_request_and_each_is_pinned(man: Middleman, behind: KuboStore, kubo: str) -> None:
    cids = behind.put_many(io.BytesIO(content(size)) for size in [*SIZES, *SIZES])
    assert man.calls == ["version", "dag/import"]
    assert set(client_of(kubo).pin.ls(type="recursive")["Keys"]) == set(cids)


RESIDENT = """
import pathlib, resource, sys
from consentry.store.kubo import KuboStore
from tests.functional.test_store import Counting, Zeros

class Ones(Zeros):  # zeros would be pages that take no room
    def read(self, size=-1, /):
        return b"\\1" * len(super().read(size))

store, size = KuboStore(sys.argv[1]), 256 << 20
cid = store.put(Ones(size))
assert store.put_many([Ones(size)]) == [cid]
store.get(cid, Counting())
status = pathlib.Path("/proc/self/status")  # the other way, a child on Linux begins with its parent's peak
if status.exists():
    print(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_blob_of_256_mib_passes_in_a_process_of_under_200_mib(kubo: str) -> None:
    command = [sys.executable, "-c", RESIDENT, kubo]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200 << 10


# --- what is held -----------------------------------------------------------------------------------


def test_what_is_not_pinned_is_not_given(kubo: str, store: KuboStore) -> None:
    cid = client_of(kubo).add_bytes(b"left over", opts={"cid-version": 1, "pin": "false"})
    with pytest.raises(BlobMissing, match=cid):
        read(store, cid)


def test_a_missing_blob_is_not_looked_for_in_the_network(man: Middleman, behind: KuboStore) -> None:
    with pytest.raises(BlobMissing):
        read(behind, ABSENT)
    assert man.calls == ["version", "pin/ls"]
    read(behind, behind.put(io.BytesIO(b"here")))
    assert "offline=true" in man.asked[-1]


def test_a_pinned_blob_that_lost_a_block_is_not_given(tmp_path: Path) -> None:
    with running_kubo(tmp_path / "repo") as address:
        store = KuboStore(address)
        cid = store.put(io.BytesIO(content(3 * CHUNK)))
    biggest = sorted((tmp_path / "repo/blocks").glob("*/*.data"), key=lambda path: path.stat().st_size)[-1]
    biggest.unlink()
    with running_kubo(tmp_path / "repo") as address, pytest.raises((StoreUnreachable, BlobAltered)):
        read(KuboStore(address), cid)


def test_an_altered_block_on_the_disk_is_seen(tmp_path: Path) -> None:
    with running_kubo(tmp_path / "repo") as address:
        cid = KuboStore(address).put(io.BytesIO(b"good"))
    for path in (tmp_path / "repo/blocks").glob("*/*.data"):
        if path.read_bytes() == b"good":
            path.write_bytes(b"evil")
    with running_kubo(tmp_path / "repo") as address, pytest.raises(BlobAltered, match=cid):
        read(KuboStore(address), cid)


# --- a daemon that stops, hangs or is full ----------------------------------------------------------


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"/ip4/127.0.0.1/tcp/{free.getsockname()[1]}"


def calls_of(store: KuboStore) -> list[Callable[[], object]]:
    return [
        lambda: store.put(io.BytesIO(b"x")),
        lambda: store.put_many([io.BytesIO(b"x")]),
        lambda: read(store, ABSENT),
        lambda: store.drop(ABSENT),
    ]


def test_a_store_without_a_daemon_opens_and_names_it_at_the_first_call() -> None:
    store = KuboStore(address := nobody())
    for call in calls_of(store):
        with pytest.raises(StoreUnreachable, match=f"{address} .* did not answer"):
            call()


def test_a_daemon_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("consentry.store.kubo._HELLO", 0.1)
        store = KuboStore(f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}", timeout=0.1)
        for call in calls_of(store):
            with pytest.raises(StoreUnreachable, match="did not answer"):
                call()


class Stopping(Zeros):
    """A source in whose middle ``stop`` happens."""

    def __init__(self, size: int, stop: Callable[[], object]) -> None:
        super().__init__(size)
        self.half, self.stop = size // 2, stop

    def read(self, size: int = -1, /) -> bytes:
        if self.stop and self.left <= self.half:
            self.stop()
        return super().read(size)


@pytest.mark.parametrize("way", [KuboStore.put, lambda store, source: store.put_many([source])[0]])
def test_a_daemon_stopped_half_way_leaves_no_blob_and_the_call_can_be_repeated(
    tmp_path: Path, way: Callable[[KuboStore, Zeros], str]
) -> None:
    size = 64 * CHUNK
    with ExitStack() as daemon:
        store = KuboStore(daemon.enter_context(running_kubo(tmp_path / "repo")))
        with pytest.raises(StoreUnreachable, match="repeat the call"):
            way(store, Stopping(size, daemon.close))
    with running_kubo(tmp_path / "repo") as address:
        store, cid = KuboStore(address), cid_of(Zeros(size))
        with pytest.raises(BlobMissing):
            store.get(cid, io.BytesIO())
        assert way(store, Zeros(size)) == cid


def test_a_daemon_stopped_while_it_gives_a_blob_is_named(tmp_path: Path) -> None:
    class Pulling(io.BytesIO):
        def write(self, data: object, /) -> int:
            daemon.close()
            return 0

    with ExitStack() as daemon:
        store = KuboStore(daemon.enter_context(running_kubo(tmp_path / "repo")))
        cid = store.put(Zeros(256 * CHUNK))
        with pytest.raises(StoreUnreachable, match="reading"):
            store.get(cid, Pulling())


def test_a_full_node_is_named_with_its_own_words_and_leaves_no_blob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full is: no file of more than half a MiB can be written any more."""
    ipfs = tmp_path / "bin/ipfs"
    ipfs.parent.mkdir()
    ipfs.write_text(f'#!/bin/sh\nulimit -f 1024\nPATH="{os.environ["PATH"]}" exec ipfs "$@"\n')
    ipfs.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(ipfs.parent), prepend=os.pathsep)
        with running_kubo(tmp_path / "repo") as address:
            store = KuboStore(address)
            for call in (
                lambda: store.put(Zeros(2 * CHUNK)),
                lambda: store.put_many([io.BytesIO(b"small"), Zeros(2 * CHUNK)]),
            ):
                with pytest.raises(StoreUnreachable, match="file too large"):
                    call()
                with pytest.raises(BlobMissing):
                    read(store, cid_of(Zeros(2 * CHUNK)))
    with running_kubo(tmp_path / "repo") as address:
        assert KuboStore(address).put(Zeros(2 * CHUNK)) == cid_of(Zeros(2 * CHUNK))


def test_what_a_source_raises_is_not_blamed_on_the_daemon(store: KuboStore) -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error", "scan.pdf")

    for call in (lambda: store.put(Torn()), lambda: store.put_many([Torn()])):
        with pytest.raises(OSError, match=r"scan\.pdf"):
            call()


def test_what_a_sink_raises_is_not_blamed_on_the_daemon(store: KuboStore) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device", "record.json")

    cid = store.put(io.BytesIO(b"x"))
    with pytest.raises(OSError, match=r"record\.json"):
        store.get(cid, Full())


# --- what is sent again -----------------------------------------------------------------------------


def hang_up_once(man: Middleman, on: str) -> None:
    def alter(call: str, answer: Answer) -> Answer | None:
        return None if call == on and man.calls.count(on) == 1 else answer

    man.alter = alter


@pytest.mark.parametrize("call", ["version", "pin/ls", "cat"])
def test_a_read_that_broke_off_is_asked_again(
    store: KuboStore, man: Middleman, behind: KuboStore, call: str
) -> None:
    cid = store.put(io.BytesIO(b"read me"))
    hang_up_once(man, call)
    assert read(behind, cid) == b"read me"
    assert man.calls.count(call) == 2


def test_a_put_that_broke_off_is_not_sent_again_by_itself(man: Middleman, behind: KuboStore) -> None:
    for call, put in (("add", behind.put), ("dag/import", lambda source: behind.put_many([source]))):
        hang_up_once(man, call)
        with pytest.raises(StoreUnreachable):
            put(io.BytesIO(b"once"))
        assert man.calls.count(call) == 1
        put(io.BytesIO(b"once"))


# --- a daemon that lies, or is none -----------------------------------------------------------------


def answer_to(man: Middleman, on: str, change: Callable[[Answer], Answer]) -> None:
    man.alter = lambda call, answer: change(answer) if call == on else answer


def test_wrong_bytes_are_seen(store: KuboStore, man: Middleman, behind: KuboStore) -> None:
    cid = store.put(io.BytesIO(content(CHUNK + 1)))
    for change in (
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"",
    ):
        answer_to(man, "cat", lambda answer, change=change: (200, change(answer[1])))
        with pytest.raises(BlobAltered, match=cid):
            read(behind, cid)
    man.alter = lambda call, answer: answer
    assert read(behind, cid) == content(CHUNK + 1)


@pytest.mark.parametrize("call", ["add", "dag/import"])
def test_a_daemon_that_names_a_blob_otherwise_is_seen(man: Middleman, behind: KuboStore, call: str) -> None:
    put = behind.put if call == "add" else lambda source: behind.put_many([source])
    name = cid_of(io.BytesIO(b"blob")).encode()
    answer_to(man, call, lambda answer: (200, answer[1].replace(name, ABSENT.encode())))
    with pytest.raises(BlobAltered, match=ABSENT):
        put(io.BytesIO(b"blob"))


def test_an_answer_to_half_a_blob_is_no_answer(store: KuboStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon may end a call early: what it then names is what came so far, and so does the sender."""
    half = cid_of(Zeros(STEP))
    monkeypatch.setattr(store._client, "add_bytes", lambda data, opts: next(data) and half)
    monkeypatch.setattr(store, "_holds", lambda cid: True)
    with pytest.raises(StoreUnreachable):
        store.put(Zeros(2 * STEP))


def test_a_blob_that_was_taken_and_not_pinned_is_not_stored(man: Middleman, behind: KuboStore) -> None:
    unpinned = json.dumps({"Message": "path 'x' is not pinned", "Code": 0, "Type": "error"}).encode()
    answer_to(man, "pin/ls", lambda answer: (500, unpinned))
    with pytest.raises(StoreUnreachable, match="did not pin"):
        behind.put(io.BytesIO(b"blob"))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'"PinErrorMsg":""', b'"PinErrorMsg":"no room"'),
        lambda body: body.replace(b'"BlockCount":2', b'"BlockCount":1'),
        lambda body: b"\n".join(body.splitlines()[:-1]),
    ],
    ids=["a root is not pinned", "a block is missing", "the end is missing"],
)
def test_a_car_of_which_not_all_is_pinned_is_not_stored(
    man: Middleman, behind: KuboStore, change: Callable[[bytes], bytes]
) -> None:
    answer_to(man, "dag/import", lambda answer: (200, change(answer[1])))
    with pytest.raises(StoreUnreachable, match="did not pin all"):
        behind.put_many([io.BytesIO(b"one"), io.BytesIO(b"two")])


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[]", b"{}", b'"ok"', b"", b"\xff"])
def test_another_service_on_that_port_is_no_kubo(man: Middleman, body: bytes) -> None:
    for call in ("version", "add", "pin/ls", "dag/import"):
        store = KuboStore(man.address)
        answer_to(man, call, lambda answer: (200, body))
        with pytest.raises(StoreUnreachable):
            store.put_many([io.BytesIO(b"x")]) if call == "dag/import" else store.put(io.BytesIO(b"x"))


@pytest.mark.parametrize("version", ["0.4.23", "0.8.0", "0.39.9", "0.43.0", "1.42.0", "unknown"])
def test_a_daemon_of_a_version_that_was_not_tested_is_given_nothing(man: Middleman, version: str) -> None:
    answer_to(man, "version", lambda answer: (200, json.dumps({"Version": version}).encode()))
    for call in calls_of(KuboStore(man.address)):
        with pytest.raises(StoreUnfit, match=rf"{version}.*tested with 0\.40\.x to 0\.42\.x"):
            call()
    assert set(man.calls) == {"version"}


def test_the_daemon_of_these_tests_is_of_a_tested_version(store: KuboStore) -> None:
    oldest, newest = TESTED
    assert oldest <= tuple(int(part) for part in store.version().split(".")[:2]) <= newest


# --- the address and the secret ---------------------------------------------------------------------


def test_the_address_may_be_a_url(kubo: str) -> None:
    port = kubo.split("/")[4]
    for url in ("http://127.0.0.1:", "http://localhost:"):
        for path in ("", "/", "/api/v0", "/api/v0/"):
            assert KuboStore(f"{url}{port}{path}").version()


@pytest.mark.parametrize(
    "address",
    ["", "localhost:5001", "/ip4/127.0.0.1", "ftp://127.0.0.1:5001", "http://", "http://x:5001/?a=b"],
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        KuboStore(address)


def test_a_proxy_of_the_environment_is_not_asked(kubo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert KuboStore(kubo).version()


SECRETS = {"bearer": "bearer:hospital-token-1", "basic": "basic:hospital:colon:password-1"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A Kubo whose API wants a secret."""
    access = {name: {"AuthSecret": s, "AllowedPaths": ["/api/v0"]} for name, s in SECRETS.items()}
    with running_kubo(settings={"API.Authorizations": access}) as address:
        yield address


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_the_secret_opens_a_guarded_api_and_is_never_shown(
    guarded: str, secret: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store = KuboStore(guarded, auth=secret)
    assert read(store, store.put(io.BytesIO(b"guarded"))) == b"guarded"
    with pytest.raises(BlobMissing) as missing:
        read(store, ABSENT)
    shown = repr(store) + repr(missing.value) + repr(missing.value.__cause__) + "".join(capfd.readouterr())
    assert "token-1" not in shown
    assert "password-1" not in shown


@pytest.mark.parametrize("secret", ["", "bearer:other-token", "basic:hospital:other-token"])
def test_without_the_secret_a_guarded_api_is_named_as_such(guarded: str, secret: str) -> None:
    with pytest.raises(StoreUnreachable, match="CONSENTRY_KUBO_AUTH") as refused:
        KuboStore(guarded, auth=secret).put(io.BytesIO(b"x"))
    assert "other-token" not in str(refused.value)


@pytest.mark.parametrize("secret", ["my-token", "basic:only-a-name", "digest:a:b"])
def test_what_is_no_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(UsageError, match="neither bearer:TOKEN nor basic:USER:PASSWORD") as refused:
        KuboStore(nobody(), auth=secret)
    assert secret not in str(refused.value)


def test_a_secret_in_the_address_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError, match="secret has no place") as refused:
        KuboStore("http://hospital:password-1@127.0.0.1:5001")
    assert "password-1" not in str(refused.value)
