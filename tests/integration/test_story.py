"""The insider's story is told to its end; with one defence switched off, it breaks where that stood."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from rich.console import Console
from web3 import HTTPProvider, Web3

from consentry.chain import LocalSigner
from consentry.chain.contracts import Chain
from consentry.chain.manifest import shipped
from consentry.cli import keyholders
from consentry.cli.demo import stage
from consentry.cli.demo.stage import PEOPLE, StoryBroken
from consentry.cli.insider import story, wallet
from consentry.cli.insider.story import Places
from consentry.cli.kubo import running_kubo
from consentry.client import deposit, sealing
from consentry.client.person import Copy
from consentry.client.reader import Reader
from consentry.consent.rule import Reason
from consentry.errors import NotFound
from consentry.evidence import journals
from consentry.keyholder.checks import RELEASE
from consentry.keys import keyring
from consentry.keys.keyring import Keyring

ROOT = Path(__file__).parents[2]
MNEMONIC = "test test test test test test test test test test test junk"  # Ape's and Anvil's, public
SHARED = Path(os.environ.get("CONSENTRY_SHARED", ROOT.parent / "shared"))
ALWAYS_NO_REASON = "0x600060005260206000f3"  # a contract that answers 0 to everything


@pytest.fixture(scope="module")
def kubo() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}")
        with running_kubo() as address:
            yield address


@pytest.fixture
def play(
    kubo: str, anvil_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], stage.Stage]:
    """Plays the story in this process, where a test can switch a defence off."""
    monkeypatch.setenv("PATH", f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}")
    for name, value in {"iterations": 1, "lanes": 1, "memory_cost": 64}.items():
        monkeypatch.setitem(keyring._COST, name, value)
    Account.enable_unaudited_hdwallet_features()
    keys = [Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{n}").key for n in range(6)]
    web3 = Web3(HTTPProvider(anvil_url))
    signers = {name: LocalSigner(bytes(key)) for name, key in zip(PEOPLE, keys, strict=True)}
    return partial(
        story.tell,
        web3,
        shipped,
        signers,
        Places(anvil_url, kubo, bytes(keys[1])),
        bundle=None,
        page=tmp_path / "story.html",
        console=Console(quiet=True),
    )


# --- as it is


@pytest.mark.parametrize(
    ("shared", "met"),
    [(True, "local"), (False, "local"), (False, "services")],
    ids=["shared record", "generated record", "over services"],
)
def test_the_story_is_told_to_its_end_and_leaves_a_page(shared: bool, met: str, tmp_path: Path) -> None:
    page = tmp_path / "story.html"
    folder = SHARED if shared else tmp_path
    done = subprocess.run(
        [str(ROOT / ".venv/bin/ape"), "run", "story", "--report", str(page)],
        cwd=ROOT,
        env={
            **os.environ,
            "APE_DATA_FOLDER": str(tmp_path / "ape"),
            "CONSENTRY_SHARED": str(folder),
            "CONSENTRY_KEYHOLDERS": met,
            "COLUMNS": "200",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout
    assert done.returncode == 0, said[-3000:] + done.stderr[-3000:]
    assert re.findall(r"^ ?(\d+)\. ", said, re.M) == [str(n) for n in range(1, 7)]
    assert re.findall(r"^ +✗ (\d)\. ", said, re.M) == [str(n) for n in range(1, 6)]
    assert ("each a process of its own" in said) == (met == "services")
    there = (folder / "data/fhir/Trenton_Turner.json").is_file()
    assert ("Trenton_Turner.json" if there else "a generated FHIR R4 Bundle") in said
    assert re.search(r"✓ \d+\.\d s after pressing return the first key is refused", said)
    for named in ("BlobAltered", "KeyringLocked", "ShareMismatch", "KeyholderRefused", "TooFewKeyholders"):
        assert named in said
    html = page.read_text("utf-8")
    assert len(set(re.findall(r"data-access-id=\"0x[0-9a-f]{64}\"", html))) == 4
    assert html.count("data-trial>") == 10
    assert html.count('<td role="cell" data-label="Who can know"><div>nobody</div>') == 6
    findings = re.findall(r"<li data-finding><strong>([^<]+)</strong>", html)
    assert set(findings) == {"journal of keyholder 1", "journal of keyholder 2"}
    for section in ("Who looked", "Who tried", "What it cost", "What cannot be prevented"):
        assert f">{section}</h2>" in html


# --- with one defence off: what the administrator tries


def keys_are_known(patch: pytest.MonkeyPatch) -> None:
    """Every data key is 32 zero bytes."""
    make_leaf, seal = deposit.make_leaf, sealing.seal.seal
    patch.setattr(deposit, "make_leaf", lambda *a, **k: make_leaf(*a, **{**k, "data_key": bytes(32)}))
    patch.setattr(sealing.seal, "seal", lambda source, sink, key, bound: seal(source, sink, bytes(32), bound))


def a_weak_passphrase(patch: pytest.MonkeyPatch) -> None:
    """The hospital's keyring lies under the word that everybody tries first."""
    save = Keyring.save
    patch.setattr(Keyring, "save", lambda self, path, phrase: save(self, path, hospitals(path, phrase)))


def hospitals(path: Path, phrase: str) -> str:
    return "password" if "hospital" in path.parts else phrase


def files_are_not_sealed(patch: pytest.MonkeyPatch) -> None:
    """A person's own files lie under a key that everybody has."""
    patch.setattr(Keyring, "subkey", lambda self, purpose: bytes(32))


def the_contract_allows_everything(patch: pytest.MonkeyPatch) -> None:
    """From the second scene on, ConsentRegistry finds no reason against anything."""
    rob = story.rob

    def then(where: stage.Stage, *rest: Any) -> Any:
        address = where.chain.deployment.registry
        where.chain.rpc.web3.provider.make_request("anvil_setCode", [address, ALWAYS_NO_REASON])  # type: ignore[arg-type]
        return rob(where, *rest)

    patch.setattr(story, "rob", then)


def keyholders_list_to_anybody(patch: pytest.MonkeyPatch) -> None:
    """A keyholder asks no rule before it lists."""
    deny = Chain.why

    def why(self: Chain, terms: Any, actor: str, purpose: int, flag: int) -> Reason:
        return Reason.NONE if flag == 1 else deny(self, terms, actor, purpose, flag)

    patch.setattr(Chain, "why", why)


def two_of_five_are_enough(patch: pytest.MonkeyPatch) -> None:
    """Two keyholders make the second half."""
    patch.setattr(keyholders, "create_keyholders", partial(keyholders.create_keyholders, threshold=2))


def without(*names: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Keyholders leave these checks out before a release."""

    def off(patch: pytest.MonkeyPatch) -> None:
        for name in names:
            patch.setitem(RELEASE, name, lambda release: None)

    return off


@pytest.mark.parametrize(
    ("off", "way"),
    [
        (keys_are_known, "1. opening the blob"),
        (a_weak_passphrase, "2. opening the hospital's keyring"),
        (files_are_not_sealed, "other files"),
        (the_contract_allows_everything, "3. an entry by the hospital"),
        (keyholders_list_to_anybody, "listing what lies there"),
        (two_of_five_are_enough, "4. making keyholder 3's share"),
        (without("actor", "record", "entry", "credential at head"), "a made-up entry"),
        (without("caller"), "the clinician's own call"),
    ],
)
def test_without_its_defence_the_administrator_gets_through(
    off: Callable[[pytest.MonkeyPatch], None],
    way: str,
    play: Callable[[], stage.Stage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    off(monkeypatch)
    with pytest.raises(StoryBroken, match="was not refused") as broken:
        play()
    assert way in str(broken.value)


# --- journals, and the patient's revocation


@pytest.fixture
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator tries nothing."""
    monkeypatch.setattr(story, "try_all", lambda trials, loot: None)


@pytest.mark.usefixtures("shortly")
def test_an_auditor_who_checks_neither_hashes_nor_entries_does_not_see_what_was_edited(
    play: Callable[[], stage.Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "verify_journal", lambda *everything: None)
    # The package's name for it is the function, not the module.
    monkeypatch.setattr(sys.modules["consentry.evidence.audit"], "releases", lambda *everything: {})
    with pytest.raises(StoryBroken, match="did not name the two journals"):
        play()


@pytest.mark.usefixtures("shortly")
def test_an_auditor_without_the_signed_answers_does_not_see_what_was_cut(
    play: Callable[[], stage.Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Copy, "hear", lambda self, signed: None)
    with pytest.raises(StoryBroken, match="did not name the two journals"):
        play()


@pytest.mark.usefixtures("shortly")
def test_a_keyholder_that_does_not_ask_the_chain_goes_on_after_the_revocation(
    play: Callable[[], stage.Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    without("consent at head")(monkeypatch)
    with pytest.raises(StoryBroken, match="still gives out its key"):
        play()


@pytest.mark.usefixtures("shortly")
def test_an_access_that_is_begun_anew_after_an_outage_is_seen(
    play: Callable[[], stage.Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the outbox forgot the entry, the same command would write a second one."""
    monkeypatch.setattr(Reader, "_earlier", forgetful())
    with pytest.raises(StoryBroken, match="was lost"):
        play()


def forgetful() -> Callable[..., list[Any]]:
    earlier = Reader._earlier
    return lambda self, parcel, listing, block=None: earlier(self, parcel, listing, block) if block else []


def test_a_revocation_that_cast_could_not_send_is_no_revocation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}")
    words = wallet.command("0x" + "11" * 20, bytes(32), bytes(32), [], "http://127.0.0.1:1")
    with pytest.raises(StoryBroken, match="cast did not send"):
        wallet.revoke(words, tmp_path, lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="no cast on PATH"):
        wallet.revoke(words, tmp_path, lambda: None)


def test_cast_opens_every_keystore_of_the_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose vector begins with a zero."""
    monkeypatch.setattr("eth_keyfile.keyfile.Random.get_random_bytes", lambda size: bytes(range(size)))
    options = wallet.keystore(tmp_path, key := bytes(31) + b"\x07")
    command = ["cast", "wallet", "address", *options]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.stdout.strip() == Account.from_key(key).address, told.stderr
