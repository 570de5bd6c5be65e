"""Keyrings: a person's secrets at rest."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentry.errors import KeyringLocked, NotFound
from consentry.files import write_private
from consentry.keys import keyring
from consentry.keys.hpke import public_key
from consentry.keys.keyring import Keyring
from tests.support.fixed import seed

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What slows down a thief would slow down the tests."""
    for name, value in {"iterations": 1, "lanes": 1, "memory_cost": 64}.items():
        monkeypatch.setitem(keyring._COST, name, value)


def test_a_passphrase_costs_a_thief_what_rfc_9106_advises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    Keyring(seed(1)).save(tmp_path / "ring", PASSPHRASE)
    argon = json.loads((tmp_path / "ring").read_text())["argon2id"]
    assert (argon["iterations"], argon["lanes"], argon["memory_cost"]) == (3, 4, 64 * 1024)
    assert Keyring.load(tmp_path / "ring", PASSPHRASE).seed == seed(1)


@pytest.fixture
def ring() -> Keyring:
    return Keyring(seed(1), seed(2), {"0x" + "11" * 20: seed(3)})


@pytest.fixture
def file(ring: Keyring, tmp_path: Path) -> Path:
    ring.save(tmp_path / "keyrings" / "ring.json", PASSPHRASE)
    return tmp_path / "keyrings" / "ring.json"


def test_a_keyring_comes_back_whole_with_its_passphrase(ring: Keyring, file: Path) -> None:
    assert Keyring.load(file, PASSPHRASE) == ring


def test_a_person_with_a_wallet_has_no_signing_key_in_the_ring(tmp_path: Path) -> None:
    Keyring(seed(1)).save(tmp_path / "ring", PASSPHRASE)
    assert Keyring.load(tmp_path / "ring", PASSPHRASE).signing_key is None


def test_every_new_keyring_has_its_own_seed_and_the_key_of_it() -> None:
    assert Keyring().seed != Keyring().seed
    assert Keyring(seed(1)).public_key == public_key(seed(1))


def test_subkeys_differ_by_purpose_and_by_person() -> None:
    keys = {Keyring(seed(n)).subkey(purpose) for n in (1, 2) for purpose in ("outbox", "copy")}
    assert len(keys) == 4


def test_neither_the_file_nor_the_repr_shows_a_secret(ring: Keyring, file: Path) -> None:
    shown = file.read_text() + repr(ring)
    for secret in (seed(1), seed(2), seed(3), PASSPHRASE.encode()):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    assert PASSPHRASE not in shown


def test_only_the_owner_can_read_the_file(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_files_of_one_keyring_have_nothing_in_common(ring: Keyring, tmp_path: Path) -> None:
    documents = []
    for name in "ab":
        ring.save(tmp_path / name, PASSPHRASE)
        documents.append(json.loads((tmp_path / name).read_text()))
    assert documents[0]["sealed"] != documents[1]["sealed"]
    assert documents[0]["argon2id"]["salt"] != documents[1]["argon2id"]["salt"]


def test_there_is_no_keyring_before_somebody_enrolled(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no keyring nobody\.json; run enrol"):
        Keyring.load(tmp_path / "nobody.json", PASSPHRASE)


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(file: Path) -> None:
    with pytest.raises(KeyringLocked) as caught:
        Keyring.load(file, "incorrect horse")
    assert "incorrect horse" not in str(caught.value)
    assert "passphrase is wrong or the file is damaged" in str(caught.value)


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("format", to="consentry keyring 9"),
        _set("sealed", to="00" * 64),
        _set("sealed", to="no hex"),
        _set("argon2id", to=None),
        _set("argon2id", "salt", to="00" * 16),
        _set("argon2id", "iterations", to=0),
        _set("argon2id", "iterations", to=10**9),
        _set("argon2id", "memory_cost", to=2**40),
        _set("argon2id", "lanes", to="many"),
        lambda document: document.pop("sealed"),
    ],
)
def test_a_damaged_file_stays_closed(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    with pytest.raises(KeyringLocked):
        Keyring.load(file, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"\xff\xfe", b"{}"])
def test_what_is_no_keyring_stays_closed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ring").write_bytes(content)
    with pytest.raises(KeyringLocked):
        Keyring.load(tmp_path / "ring", PASSPHRASE)


# --- private files


def test_a_crash_while_writing_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(KeyboardInterrupt):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_new_file_and_its_name_are_both_on_disk_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(tmp_path / "file", b"new")
    assert synced == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]
