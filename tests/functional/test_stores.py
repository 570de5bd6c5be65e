"""Which store a command uses, and the `ipfs` that is started where no Kubo answers."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from consentry.cli.home import Home
from consentry.cli.kubo import running_kubo
from consentry.cli.stores import found_store
from consentry.errors import ConsentryError, NotFound, StoreUnreachable, UsageError
from consentry.store import FolderStore
from consentry.store.kubo import LOCAL, KuboStore
from tests.functional.test_kubo import nobody
from tests.functional.test_store import ABSENT, content, read
from tests.support.kubo import client_of, middleman


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment says nothing, and no Kubo of this machine is seen."""
    for name in ("CONSENTRY_STORE", "CONSENTRY_KUBO", "CONSENTRY_KUBO_AUTH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "ipfs").mkdir()
    (tmp_path / "ipfs/api").write_text(nobody() + "\n")
    monkeypatch.setenv("IPFS_PATH", str(tmp_path / "ipfs"))


def no_ipfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


# --- scripts ----------------------------------------------------------------------------------------


def test_scripts_use_the_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert isinstance(Home(tmp_path).store, FolderStore)
    assert (tmp_path / "store").is_dir()


def test_scripts_use_the_kubo_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kubo: str
) -> None:
    monkeypatch.setenv("CONSENTRY_STORE", "kubo")
    monkeypatch.setenv("CONSENTRY_KUBO", kubo)
    store = Home(tmp_path).store
    cid = store.put(io.BytesIO(b"x"))
    assert cid in client_of(kubo).pin.ls(type="recursive")["Keys"]
    assert not (tmp_path / "store").exists()


def test_without_an_address_kubo_is_where_its_repository_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kubo: str
) -> None:
    monkeypatch.setenv("CONSENTRY_STORE", "kubo")
    (tmp_path / "ipfs/api").write_text(kubo)
    assert Home(tmp_path).store.put(io.BytesIO(b"x"))
    (tmp_path / "ipfs/api").unlink()
    store = Home(tmp_path).store
    assert isinstance(store, KuboStore)
    assert store.address == LOCAL


def test_a_stopped_kubo_stops_no_command_that_needs_no_blob(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONSENTRY_STORE", "kubo")
    store = Home(tmp_path).store
    with pytest.raises(StoreUnreachable):
        read(store, ABSENT)


def test_a_store_that_does_not_exist_is_answered_with_those_that_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONSENTRY_STORE", "s3")
    with pytest.raises(UsageError, match="CONSENTRY_STORE=s3 is no store; there are folder and kubo"):
        _ = Home(tmp_path).store
    with pytest.raises(UsageError, match="folder and kubo"), found_store(tmp_path / "store"):
        pass


# --- the demo ---------------------------------------------------------------------------------------


def test_a_kubo_that_answers_is_taken_and_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kubo: str
) -> None:
    monkeypatch.setenv("CONSENTRY_KUBO", kubo)
    pinned = client_of(kubo)
    theirs = KuboStore(kubo).put(io.BytesIO(b"was there before"))
    with found_store(tmp_path / "store") as found:
        assert kubo in found.words
        found.store.put(io.BytesIO(b"one"))
        found.store.put_many([io.BytesIO(b"two"), io.BytesIO(b"three")])
        assert len(pinned.pin.ls(type="recursive")["Keys"]) == 4
    assert list(pinned.pin.ls(type="recursive")["Keys"]) == [theirs]


def test_where_no_kubo_answers_the_ipfs_on_path_is_started(tmp_path: Path) -> None:
    with found_store(tmp_path / "store") as found:
        assert found.words.endswith("the ipfs on PATH, started offline")
        assert isinstance(found.store, KuboStore)
        assert read(found.store, found.store.put(io.BytesIO(b"x"))) == b"x"
        address = found.store.address
    with pytest.raises(StoreUnreachable):
        KuboStore(address).version()


def test_a_kubo_of_a_version_that_was_not_tested_is_passed_by(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kubo: str
) -> None:
    with middleman(kubo) as man:
        man.alter = lambda call, answer: (200, b'{"Version":"0.12.0"}')
        (tmp_path / "ipfs/api").write_text(man.address)
        with found_store(tmp_path / "store") as found:
            assert "started offline" in found.words
        assert set(man.calls) == {"version"}


def test_without_any_ipfs_the_folder_is_taken_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_ipfs(monkeypatch, tmp_path)
    with found_store(tmp_path / "store") as found:
        assert found.words == "FolderStore, embedded: no Kubo answers and no ipfs is on PATH"
        assert isinstance(found.store, FolderStore)


@pytest.mark.parametrize("asked", [{"CONSENTRY_STORE": "kubo"}, {"CONSENTRY_KUBO": "/ip4/127.0.0.1/tcp/9"}])
def test_a_kubo_that_was_asked_for_and_is_not_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: dict[str, str]
) -> None:
    no_ipfs(monkeypatch, tmp_path)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((NotFound, StoreUnreachable), match=r"ipfs|did not answer"), found_store(tmp_path):
        pass


def test_the_folder_that_was_asked_for_is_taken_although_a_kubo_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kubo: str
) -> None:
    (tmp_path / "ipfs/api").write_text(kubo)
    monkeypatch.setenv("CONSENTRY_STORE", "folder")
    with found_store(tmp_path / "store") as found:
        assert isinstance(found.store, FolderStore)


def test_the_same_blob_has_the_same_content_id_wherever_it_is_put(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cids = []
    for kind in ("folder", "kubo"):
        monkeypatch.setenv("CONSENTRY_STORE", kind)
        with found_store(tmp_path / "store") as found:
            cids.append([found.store.put(io.BytesIO(content(size))) for size in (0, 1000, 3 << 20)])
    assert cids[0] == cids[1]


# --- an ipfs of one's own ---------------------------------------------------------------------------


def test_an_ipfs_of_ones_own_talks_to_nobody(tmp_path: Path) -> None:
    with running_kubo(tmp_path / "repo") as address:
        assert address.startswith("/ip4/127.0.0.1/tcp/")
        assert client_of(address).bootstrap.list()["Peers"] in ([], None)
    config = json.loads((tmp_path / "repo/config").read_text())
    assert config["Bootstrap"] == config["Addresses"]["Swarm"] == config["Addresses"]["Gateway"] == []
    assert config["AutoConf"] == {"Enabled": False}


def test_two_may_run_at_once() -> None:
    with running_kubo() as one, running_kubo() as two:
        assert one != two


STARTING = """
import pathlib, sys
from consentry.cli.kubo import running_kubo
with running_kubo(pathlib.Path(sys.argv[1])) as address:
    print(address, flush=True)
    input()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it_however_that_ends(
    tmp_path: Path, how: signal.Signals
) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", STARTING, str(tmp_path / "repo")]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert KuboStore(address).version()
        process.send_signal(how)
    assert gone(address)


def gone(address: str) -> bool:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", int(address.split("/")[4]))).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)
    return False


def test_an_ipfs_that_does_not_start_is_named_with_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ipfs = tmp_path / "ipfs/ipfs"
    refuses = '[ "$1" = daemon ] && echo no luck today && exit 1'
    ipfs.write_text(f'#!/bin/sh\n{refuses}\nPATH="{os.environ["PATH"]}" exec ipfs "$@"')
    ipfs.chmod(0o755)
    monkeypatch.setenv("PATH", str(ipfs.parent), prepend=os.pathsep)
    with pytest.raises(ConsentryError, match="no luck today"), running_kubo():
        pass
    ipfs.write_text("#!/bin/sh\necho out of order >&2; exit 3")
    with pytest.raises(ConsentryError, match="out of order"), running_kubo():
        pass


def test_where_there_is_no_ipfs_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_ipfs(monkeypatch, tmp_path)
    with pytest.raises(NotFound, match="no ipfs on PATH"), running_kubo():
        pass
