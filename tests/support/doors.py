"""The scripts' commands as people type them, on a home folder and a chain of their own.

`Place.run` runs the very command of ``scripts/`` in this process, network and account included;
`Place.start` starts ``ape run``. A `State` is what a command may change and what must not change by itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
from click.testing import CliRunner
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from consentry.chain import Chain
from consentry.cli.home import Home
from consentry.keys import keyring
from consentry.keys.binding import identity

ROOT = Path(__file__).parents[2]
PASSPHRASE = "the passphrase of nobody"
MNEMONIC = "test test test test test test test test test test test junk"  # Ape's and Anvil's, public
AUTHORITY, PATIENT, HOSPITAL, CLINICIAN, STRANGER, POOR = range(6)
NPI = {HOSPITAL: "1245319599", CLINICIAN: "1234567893"}
LETTER = b"Test letter: the weight is as it was.\n"
HEADING = "file,name,number,roles,organisation,valid_until"
_QUICK = {"iterations": 1, "lanes": 1, "memory_cost": 64}  # a passphrase in a test protects nothing
_BOOKS = ("journal", "nonces")  # what a keyholder writes down whatever is asked of it


@cache
def key_of(who: int) -> Any:
    """The test account TEST::who with its key."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{who}")


def address(who: int) -> str:
    """The address of TEST::who."""
    return str(key_of(who).address)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said on stdout and on stderr."""

    code: int
    out: str
    err: str

    def well(self) -> Ran:
        """Itself, where it ended well."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass(frozen=True, slots=True)
class State:
    """What stands: ``files`` of the home folder by name, with their digests, but for own copies,
    locks and the keyholders' folders; ``held`` by the keyholders, but for their journals; ``blobs``; the
    ``head`` block."""

    files: dict[str, str]
    held: list[tuple[Any, ...]]
    blobs: frozenset[str]
    head: int

    @property
    def outbox(self) -> set[str]:
        """The parcels."""
        return {name.rpartition("/")[0] for name in self.files if name.startswith("outbox/")}


@cache
def command(script: str) -> click.Command:
    """The command of ``scripts/<script>.py``."""
    spec = importlib.util.spec_from_file_location(f"script_{script}", ROOT / "scripts" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cli  # type: ignore[no-any-return]


@dataclass
class Place:
    """A home folder beside a chain. ``folder`` holds the home and the files that people hand over."""

    folder: Path
    url: str
    before: State | None = None

    @property
    def home(self) -> Path:
        """CONSENTRY_HOME."""
        return self.folder / "home"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a command here."""
        return {"CONSENTRY_HOME": str(self.home), "CONSENTRY_PASSPHRASE": PASSPHRASE, "COLUMNS": "200"}

    def words(self, *arguments: str | Path, by: int | str | None, network: str | None) -> list[str]:
        """The command line behind the script's name."""
        account = [] if by is None else ["--account", f"TEST::{by}" if isinstance(by, int) else by]
        return ["--network", network or self.url, *account, *map(str, arguments)]

    def run(self, script: str, *arguments: str | Path, by: int | str | None = None, **variables: str) -> Ran:
        """Runs a script's command in this process. What is no named error comes out as it is."""
        from consentry.cli import workshop

        workshop.the_home.cache_clear()
        network = variables.pop("network", None)
        self.before = self.look()
        runner = CliRunner(mix_stderr=False, env={**self.variables, **variables})
        words = self.words(*arguments, by=by, network=network)
        with patch.dict(keyring._COST, _QUICK):
            result = runner.invoke(command(script), words, prog_name=f"ape run {script}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout_bytes.decode("utf-8", "replace"), result.stderr)

    def start(
        self, script: str, *arguments: str | Path, by: int | str | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        """Starts ``ape run`` in a process group of its own."""
        network = variables.pop("network", None)
        self.before = self.look()
        return subprocess.Popen(
            [
                str(ROOT / ".venv/bin/ape"),
                *("run", script, *self.words(*arguments, by=by, network=network)),
            ],
            cwd=ROOT,
            env={**os.environ, **self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # --- what stands

    def look(self) -> State:
        """What stands now."""
        files = {}
        for path in self.home.rglob("*"):
            name = path.relative_to(self.home).as_posix()
            kept = not name.startswith(("keyholders/", "store/")) and not name.endswith((".copy", ".lock"))
            if path.is_file() and kept:
                files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        store = self.home / "store"
        blobs = frozenset(path.name for path in store.rglob("*") if path.is_file())
        return State(files, list(self._held()), blobs, int(self.web3.eth.block_number))

    def _held(self) -> Iterator[tuple[Any, ...]]:
        for path in sorted(self.home.glob("keyholders/*/*/vault.sqlite")):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as vault, suppress(sqlite3.Error):
                tables = [
                    row[0] for row in vault.execute("SELECT name FROM sqlite_master WHERE type='table'")
                ]
                for table in sorted(set(tables) - set(_BOOKS)):
                    yield from (
                        (path.parts[-3], table, *row) for row in vault.execute(f"SELECT * FROM {table}")
                    )

    @property
    def web3(self) -> Web3:
        """The chain itself, past any middleman."""
        return Web3(HTTPProvider(self.url))

    @property
    def chain(self) -> Chain:
        """The contracts."""
        return Home(self.home).chain(self.web3)

    def card(self, who: int) -> Path:
        """The card of TEST::who."""
        return self.home / "cards" / f"{address(who)}.json"

    def file(self, name: str, data: bytes | str) -> Path:
        """A file that somebody hands over."""
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def request(self, method: str, *params: Any) -> Any:
        """Asks the development chain for what no other chain does."""
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(params))
        return answer["result"]

    # --- what people do

    def deposit(self, file: Path, *arguments: str, **options: Any) -> Ran:
        """The hospital deposits a file of the patient's."""
        words = (file, "--patient", address(PATIENT), *arguments)
        return self.run("deposit", *words, **{"by": HOSPITAL, **options})

    def grant(self, *arguments: str | Path, to: str | Path | None = None, **options: Any) -> Ran:
        """The patient grants, to the clinician unless told otherwise."""
        to = self.card(CLINICIAN) if to is None else to
        return self.run("grant", "--to", to, *arguments, "--yes", **{"by": PATIENT, **options})

    def open(self, *arguments: str, by: int = CLINICIAN, **options: Any) -> Ran:
        """Opens the patient's general record into ``opened``."""
        what = () if {"--kind", "--record"} & set(arguments) else ("--kind", "general")
        of_hers = ("--patient", address(PATIENT), *what, "-o", self.opened)
        return self.run("open", *of_hers, *arguments, by=by, **options)

    @property
    def opened(self) -> Path:
        """Where what is opened goes."""
        return self.folder / "opened"

    def entries(self) -> int:
        """How many entries the access log has."""
        return len(self.chain.entries())

    def anchors(self) -> set[bytes]:
        """The ids of all anchored records."""
        events = self.chain.rpc.events("RecordRegistry", "RecordAnchored")
        assert len({event.args["recordId"] for event in events}) == len(events), "anchored twice"
        return {event.args["recordId"] for event in events}

    def grants(self) -> list[bytes]:
        """The ids of all grants of the patient's."""
        return self.chain.grants_of(identity(address(PATIENT)))


def peopled(place: Place) -> Place:
    """Everybody is there: the patient let the hospital deposit, it deposited a letter, and the clinician may
    read it."""
    place.home.mkdir(parents=True)
    place.run("deploy", by=AUTHORITY).well()
    place.run("enrol", by=PATIENT).well()
    for who in (HOSPITAL, CLINICIAN, STRANGER):
        place.run("enrol", "--as", "provider", "-o", place.folder / f"provider-{who}.json", by=who).well()
    rows = (
        f"provider-{HOSPITAL}.json,Synthetic Hospital,{NPI[HOSPITAL]},organisation,,2090-12-31\n"
        f"provider-{CLINICIAN}.json,Synthetic Clinician,{NPI[CLINICIAN]},treating,,2090-12-31\n"
    )
    place.run("onboard", place.file("first.csv", f"{HEADING}\n{rows}"), by=AUTHORITY).well()
    place.grant("--kind", "general", "--deposit", "--days", "300", to=place.card(HOSPITAL)).well()
    place.deposit(place.file("letter.txt", LETTER)).well()
    place.grant("--kind", "general", "--days", "30").well()
    return place


@contextmanager
def beside(base: Place, folder: Path) -> Iterator[Place]:
    """A place like ``base`` whose changes, the chain's included, are undone at the end."""
    shutil.copytree(base.folder, folder / "place")
    snapshot = base.request("evm_snapshot")
    try:
        yield Place(folder / "place", base.url)
    finally:
        assert base.request("evm_revert", snapshot)
