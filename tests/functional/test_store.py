"""Stores. What every store promises is one suite over all of them; what only a folder can do follows.
What only Kubo can do is in test_kubo.py."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.errors import BlobAltered, BlobMissing, CidInvalid, StoreUnreachable
from consentry.store import FolderStore, Store
from consentry.store.cid import CHUNK, DAG_PB, RAW, CidHasher, cid_of, parse_cid
from consentry.store.kubo import KuboStore

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "cids.json").read_text()
)["vectors"]
ABSENT = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def content(size: int) -> bytes:
    return hashlib.shake_256(b"consentry cid vector " + str(size).encode()).digest(size)


def read(store: Store, cid: str) -> bytes:
    sink = io.BytesIO()
    store.get(cid, sink)
    return sink.getvalue()


# --- content ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: str(v["size"]))
def test_a_content_id_is_the_one_that_kubo_gives(vector: dict[str, Any]) -> None:
    data = content(vector["size"])
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert cid_of(io.BytesIO(data)) == vector["cid"]


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_content_id_does_not_depend_on_the_steps(data: bytes, step: int) -> None:
    hasher = CidHasher()
    for at in range(0, len(data), step):
        hasher.update(data[at : at + step])
    assert hasher.cid() == cid_of(io.BytesIO(data))


def test_a_content_id_over_many_chunks_does_not_depend_on_the_steps() -> None:
    data = content(3 * CHUNK)
    hasher = CidHasher()
    for at in range(0, len(data), CHUNK - 1):
        hasher.update(data[at : at + CHUNK - 1])
    assert hasher.cid() == next(v["cid"] for v in VECTORS if v["size"] == 3 * CHUNK)


def test_a_content_id_taken_apart_spells_the_same_again() -> None:
    for vector in VECTORS:
        cid = parse_cid(vector["cid"])
        assert str(cid) == vector["cid"]
        assert cid.codec == (RAW if vector["size"] <= CHUNK else DAG_PB)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "../../etc/passwd",
        ABSENT[:-1],
        ABSENT + "a",
        ABSENT.upper(),
        ABSENT + "=",
        "z" + ABSENT[1:],
        ABSENT[:-1] + "v",  # the same bytes, other unused bits
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
        "bafyreigdmqpykrgxyaxtlafqpqhzrb7qy2rh75nldvfd4tucqmqqme5yje",  # dag-cbor
        ABSENT + "\n",
        "é" + ABSENT[1:],
    ],
)
def test_what_is_no_content_id_of_a_blob_is_refused(text: str) -> None:
    with pytest.raises(CidInvalid):
        parse_cid(text)


# --- every store ------------------------------------------------------------------------------------


@pytest.fixture(params=["folder", "kubo"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    return KuboStore(request.getfixturevalue("kubo"))


@pytest.mark.parametrize("size", [0, 1, 1000, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_blob_comes_back_under_the_id_that_kubo_gives(store: Store, size: int) -> None:
    data = content(size)
    cid = store.put(io.BytesIO(data))
    assert cid == next(v["cid"] for v in VECTORS if v["size"] == size)
    assert read(store, cid) == data


def test_a_blob_is_taken_from_where_its_source_stands(store: Store) -> None:
    source = io.BytesIO(b"header and body")
    source.seek(11)
    assert read(store, store.put(source)) == b"body"


def test_many_blobs_put_together_are_those_put_one_by_one(store: Store) -> None:
    sizes = [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1]
    cids = store.put_many(io.BytesIO(content(size)) for size in sizes)
    assert cids == [next(v["cid"] for v in VECTORS if v["size"] == size) for size in sizes]
    for size, cid in zip(sizes, cids, strict=True):
        assert read(store, cid) == content(size)


def test_a_part_of_a_blob_is_no_blob(store: Store) -> None:
    store.put(io.BytesIO(content(3 * CHUNK)))
    with pytest.raises(BlobMissing):
        read(store, cid_of(io.BytesIO(content(3 * CHUNK)[:CHUNK])))


def test_many_blobs_may_be_none(store: Store) -> None:
    assert store.put_many([]) == []


def test_many_blobs_of_which_one_breaks_can_be_put_again(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.put_many([io.BytesIO(b"whole"), Breaking(CHUNK)])
    with pytest.raises(BlobMissing):
        read(store, cid_of(io.BytesIO(bytes(CHUNK))))
    (whole,) = store.put_many([io.BytesIO(b"whole")])
    assert read(store, whole) == b"whole"


def test_the_same_blob_put_twice_is_one_blob(store: Store) -> None:
    assert store.put(io.BytesIO(b"once")) == store.put(io.BytesIO(b"once"))
    store.drop(cid_of(io.BytesIO(b"once")))
    with pytest.raises(BlobMissing):
        read(store, cid_of(io.BytesIO(b"once")))


def test_a_dropped_blob_is_missing_and_dropping_again_is_no_error(store: Store) -> None:
    kept, gone = store.put(io.BytesIO(b"kept")), store.put(io.BytesIO(b"gone"))
    store.drop(gone)
    store.drop(gone)
    store.drop(ABSENT)
    with pytest.raises(BlobMissing, match=gone):
        read(store, gone)
    assert read(store, kept) == b"kept"


def test_a_missing_blob_is_named_before_the_first_byte(store: Store) -> None:
    sink = io.BytesIO()
    with pytest.raises(BlobMissing, match=ABSENT):
        store.get(ABSENT, sink)
    assert sink.getvalue() == b""


@pytest.mark.parametrize("text", ["../tmp", "bafkrei", "", "/etc/passwd"])
def test_a_store_takes_nothing_but_content_ids(store: Store, text: str) -> None:
    with pytest.raises(CidInvalid):
        store.get(text, io.BytesIO())
    with pytest.raises(CidInvalid):
        store.drop(text)


def test_a_source_that_breaks_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.put(Breaking(CHUNK))
    with pytest.raises(BlobMissing):
        read(store, cid_of(io.BytesIO(bytes(CHUNK))))


def test_a_big_blob_passes_in_constant_memory(store: Store) -> None:
    store.put(io.BytesIO(b"what is loaded at the first call is loaded"))
    tracemalloc.start()
    cid = store.put(Zeros(24 * CHUNK))
    assert store.put_many([Zeros(24 * CHUNK)]) == [cid]
    store.get(cid, Counting())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * CHUNK


# --- the folder -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def blob_file(tmp_path: Path, cid: str) -> Path:
    (path,) = (tmp_path / "store").glob(f"*/{cid}")
    return path


@pytest.mark.parametrize("size", [1, 1000, CHUNK + 1])
def test_any_flipped_byte_is_seen(folder: FolderStore, tmp_path: Path, size: int) -> None:
    cid = folder.put(io.BytesIO(content(size)))
    path = blob_file(tmp_path, cid)
    for at in sorted({0, 1, size // 3, size // 2, CHUNK - 1, CHUNK, size - 1}):
        if at < size:
            flipped = bytearray(content(size))
            flipped[at] ^= 1
            path.write_bytes(flipped)
            with pytest.raises(BlobAltered):
                read(folder, cid)


@pytest.mark.parametrize("size", [1000, CHUNK, CHUNK + 1])
def test_a_cut_or_longer_blob_is_seen(folder: FolderStore, tmp_path: Path, size: int) -> None:
    cid = folder.put(io.BytesIO(content(size)))
    path = blob_file(tmp_path, cid)
    for altered in (b"", content(size)[:-1], content(size)[1:], content(size) + b"\0"):
        path.write_bytes(altered)
        with pytest.raises(BlobAltered):
            read(folder, cid)


def test_two_blobs_that_changed_places_are_seen(folder: FolderStore, tmp_path: Path) -> None:
    one, two = folder.put(io.BytesIO(b"one")), folder.put(io.BytesIO(b"two"))
    blob_file(tmp_path, one).write_bytes(b"two")
    with pytest.raises(BlobAltered, match=one):
        read(folder, one)
    assert read(folder, two) == b"two"


def test_putting_an_altered_blob_again_heals_it(folder: FolderStore, tmp_path: Path) -> None:
    cid = folder.put(io.BytesIO(b"good"))
    blob_file(tmp_path, cid).write_bytes(b"evil")
    folder.put(io.BytesIO(b"good"))
    assert read(folder, cid) == b"good"


def test_a_crash_before_the_rename_leaves_no_blob_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    crashing = """
        import io, os, pathlib, sys
        from consentry.store import FolderStore
        pathlib.Path.replace = lambda self, target: os._exit(9)
        FolderStore(pathlib.Path(sys.argv[1])).put(io.BytesIO(b"lost"))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(crashing), str(tmp_path / "store")])
    assert ended.returncode == 9
    assert [p.read_bytes() for p in (tmp_path / "store" / "tmp").iterdir()] == [b"lost"]
    store = FolderStore(tmp_path / "store")
    with pytest.raises(BlobMissing):
        read(store, cid_of(io.BytesIO(b"lost")))
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_a_start_does_not_clean_up_a_put_under_way(folder: FolderStore, tmp_path: Path) -> None:
    class Meanwhile(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            FolderStore(tmp_path / "store")
            return super().read(size)

    assert read(folder, folder.put(Meanwhile(b"still here"))) == b"still here"


def test_a_blob_is_synced_before_it_gets_its_name(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    folder.put(io.BytesIO(b"x"))
    at = done.index("rename")
    assert "file" in done[:at]
    assert done[at + 1 :] == ["folder"]


def test_nothing_is_left_in_the_temporary_folder(folder: FolderStore, tmp_path: Path) -> None:
    folder.put(io.BytesIO(b"fine"))
    with pytest.raises(ZeroDivisionError):
        folder.put(Breaking(1000))
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file is in the way")
    with pytest.raises(StoreUnreachable, match="store"):
        FolderStore(tmp_path / "store")


def test_a_full_disk_is_named_and_leaves_nothing(
    folder: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreUnreachable, match="No space left"):
        folder.put(io.BytesIO(b"too much"))
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


class Zeros(io.RawIOBase, BinaryIO):
    """A source of ``size`` zero bytes that holds none of them."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        step = min(size, self.left)
        self.left -= step
        return bytes(step)


class Breaking(Zeros):
    """A source that breaks where it should end."""

    def read(self, size: int = -1, /) -> bytes:
        return super().read(size) or bytes(1 // 0)


class Counting(io.RawIOBase, BinaryIO):
    """A sink that keeps nothing."""

    def write(self, data: Any, /) -> int:
        return len(data)
