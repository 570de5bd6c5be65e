"""What people get wrong, row by row of docs/errors.md: how it comes about, and what makes it good again.

A case brings its input about in a fresh place and gives how the command ended, with what makes it good again
where the row promises that running it once more finishes it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from consentry.cli.arguments import DAY
from consentry.cli.kubo import running_kubo
from consentry.client import Offered
from consentry.consent.card import Card
from consentry.consent.terms import READ
from consentry.keyholder.roster import Roster, succeed
from consentry.store.kubo import KuboStore
from tests.support.bundles import PLAIN
from tests.support.doors import (
    AUTHORITY,
    CLINICIAN,
    HEADING,
    HOSPITAL,
    LETTER,
    NPI,
    PATIENT,
    POOR,
    STRANGER,
    Place,
    Ran,
    address,
    key_of,
)
from tests.support.kubo import client_of, unpin_all
from tests.support.kubo import middleman as in_front_of
from tests.support.middleman import Answer, BreakOff, PassOn, middleman


@dataclass(frozen=True, slots=True)
class Tried:
    """How it ended; ``again`` puts right what was wrong and runs the same command once more; ``elsewhere``
    counts the blobs that it left outside of the home folder."""

    ran: Ran
    again: Callable[[], Ran] | None = None
    elsewhere: Callable[[], int] = lambda: 0


Case = Callable[[Place], "Ran | Tried"]
CASES: dict[str, Case] = {}


def case(row: str) -> Callable[[Case], Case]:
    """Registers a case under the input that its row of docs/errors.md names."""

    def put(function: Case) -> Case:
        assert row not in CASES, row
        CASES[row] = function
        return function

    return put


# --- files


@case("a `.json` file that is no JSON")
def _(at: Place) -> Ran:
    return at.deposit(at.file("record.json", "weight: 70"))


@case("JSON that is not FHIR")
def _(at: Place) -> Ran:
    return at.deposit(at.file("record.json", '{"weight": 70}'))


@case("a Bundle without entries")
def _(at: Place) -> Ran:
    return at.deposit(at.file("record.json", json.dumps({**PLAIN, "entry": []})))


@case("a Bundle that is cut off")
def _(at: Place) -> Ran:
    return at.deposit(at.file("record.json", json.dumps(PLAIN)[:-20]))


@case("a Bundle in UTF-16")
def _(at: Place) -> Ran:
    return at.deposit(at.file("record.json", json.dumps(PLAIN).encode("utf-16")))


@case("a file that is not there")
def _(at: Place) -> Ran:
    return at.deposit(at.folder / "none.json")


LARGE = 200 << 20


@case("a Bundle of 200 MiB")
def _(at: Place) -> Ran:
    path = at.file("record.json", json.dumps(PLAIN))
    os.truncate(path, LARGE)
    return at.deposit(path)


@case("a scan of 200 MiB")
def _(at: Place) -> Ran:
    path = at.file("scan.tiff", b"II*\0")
    os.truncate(path, LARGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ran = at.deposit(path, "--kind", "general")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert grown < 64 << 10
    return ran


@case("an empty file")
def _(at: Place) -> Ran:
    return at.deposit(at.file("empty.pdf", b""))


@case("a kind that the patient did not let it deposit")
def _(at: Place) -> Ran:
    return at.deposit(
        at.file(
            "record.json",
            json.dumps(PLAIN)[:-1] + ', "meta": {"security": [{"system": '
            '"http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}}',
        )
    )


@case("a kind that there is not")
def _(at: Place) -> Ran:
    return at.deposit(at.file("scan.bin", b"\x00\x01"), "--kind", "secret")


@case("the same deposit twice")
def _(at: Place) -> Ran:
    return at.deposit(at.file("letter.txt", LETTER))


@case("an output file that is there already")
def _(at: Place) -> Ran:
    at.opened.write_bytes(b"mine")
    ran = at.open()
    assert at.opened.read_bytes() == b"mine"
    return ran


@case("an output folder that is not there")
def _(at: Place) -> Ran:
    return at.run(
        "open", "--patient", address(PATIENT), "--kind", "general", "-o", at.folder / "no" / "x", by=CLINICIAN
    )


# --- keyrings


def keyring(at: Place, who: int) -> Any:
    return at.home / "keyrings" / f"{address(who)}.json"


@case("a wrong passphrase")
def _(at: Place) -> Ran:
    return at.open(CONSENTRY_PASSPHRASE="another passphrase")


@case("no passphrase, and nobody to ask")
def _(at: Place) -> Ran:
    return at.open(CONSENTRY_PASSPHRASE="")


@case("a keyring that is cut off")
def _(at: Place) -> Ran:
    path = keyring(at, CLINICIAN)
    path.write_bytes(path.read_bytes()[:-40])
    return at.open()


@case("a keyring with one digit changed")
def _(at: Place) -> Ran:
    path = keyring(at, CLINICIAN)
    document = json.loads(path.read_bytes())
    document["sealed"] = ("1" if document["sealed"][0] == "0" else "0") + document["sealed"][1:]
    path.write_text(json.dumps(document))
    return at.open()


@case("no keyring")
def _(at: Place) -> Ran:
    return at.open(by=POOR)


@case("a damaged own copy")
def _(at: Place) -> Ran:
    [path] = at.home.glob(f"keyrings/{address(HOSPITAL)}-*.copy")
    path.write_bytes(path.read_bytes()[:-1])
    return at.deposit(at.file("letter.txt", LETTER))


# --- the chain


@case("deployments.json of another chain")
def _(at: Place) -> Ran:
    path = at.home / "deployments.json"
    document = json.loads(path.read_text())
    document["deployments"] = {
        key.partition(":")[0] + ":0x" + "11" * 32: value for key, value in document["deployments"].items()
    }
    path.write_text(json.dumps(document))
    return at.open()


@case("a chain without our contracts")
def _(at: Place) -> Ran:
    path = at.home / "deployments.json"
    document = json.loads(path.read_text())
    [entry] = document["deployments"].values()
    entry["contracts"]["AccessLog"]["address"] = address(STRANGER)
    path.write_text(json.dumps(document))
    return at.open()


@case("deployments.json that is cut off")
def _(at: Place) -> Ran:
    path = at.home / "deployments.json"
    path.write_bytes(path.read_bytes()[:-40])
    return at.open()


@case("keyholders.json of another deployment")
def _(at: Place) -> Ran:
    path = at.home / "keyholders.json"
    path.write_text(path.read_text().replace("keyholder 1", "keyholder 9"))
    return at.open()


@case("keyholders.json of those who are to come, of whom nobody approved")
def _(at: Place) -> Ran:
    path = at.home / "keyholders.json"
    succeed(Roster.read(path)).save(path)
    return at.open()


@case("a network that there is not")
def _(at: Place) -> Ran:
    return at.open(network="ethereum:nowhere:node")


@case("no node at that address")
def _(at: Place) -> Ran:
    return at.open(network="http://127.0.0.1:1")


def impatient() -> Any:
    """A node has a second for each answer."""
    return patch("consentry.chain.node.PATIENCE", 1.0)


@case("a node that hangs")
def _(at: Place) -> Ran:
    with impatient(), middleman(at.url, lambda request, pass_on: None) as url:
        return at.open(network=url)


@case("a node that is none, but a web page")
def _(at: Place) -> Ran:
    with middleman(at.url, lambda request, pass_on: b"<html>Good morning</html>") as url:
        return at.open(network=url)


def instead(method: str, change: Callable[[Any], Any]) -> Callable[[Answer, PassOn], Answer]:
    """Passes all on, and changes what comes back of one method."""

    def answer(request: Answer, pass_on: PassOn) -> Answer:
        given = pass_on(request)
        return {**given, "result": change(given["result"])} if request["method"] == method else given

    return answer


@case("a node with another chain id")
def _(at: Place) -> Ran:
    with middleman(at.url, instead("eth_chainId", lambda chain_id: hex(31338))) as url:
        return at.open(network=url)


@case("a node of another chain with the same id")
def _(at: Place) -> Ran:
    other = {"hash": "0x" + "22" * 32}
    with middleman(at.url, instead("eth_getBlockByNumber", lambda block: {**block, **other})) as url:
        return at.open(network=url)


@case("a node that answers calls with nothing")
def _(at: Place) -> Ran:
    with middleman(at.url, instead("eth_call", lambda data: "0x")) as url:
        return at.open(network=url)


def until_sending(at: Place, then: Callable[[], None]) -> Tried:
    """A deposit through a node that goes well until a transaction is sent."""
    letter = at.file("second.txt", b"Test letter: a second one.\n")

    def answer(request: Answer, pass_on: PassOn) -> Answer | None:
        return then() if request["method"] == "eth_sendRawTransaction" else pass_on(request)

    with impatient(), middleman(at.url, answer) as url:
        ran = at.deposit(letter, network=url)
    return Tried(ran, lambda: at.deposit(letter))


@case("a node that goes away when it is sent a transaction")
def _(at: Place) -> Tried:
    def away() -> None:
        raise BreakOff

    return until_sending(at, away)


@case("a node that hangs when it is sent a transaction")
def _(at: Place) -> Tried:
    return until_sending(at, lambda: None)


@case("Ctrl-C while a transaction is on its way")
def _(at: Place) -> Tried:
    """In a process of its own, through a node that is silent once it is sent a transaction."""
    letter = at.file("second.txt", b"Test letter: a second one.\n")
    reached = threading.Event()

    def answer(request: Answer, pass_on: PassOn) -> Answer | None:
        if request["method"] != "eth_sendRawTransaction":
            return pass_on(request)
        reached.set()
        return None

    with middleman(at.url, answer) as url:
        process = at.start("deposit", letter, "--patient", address(PATIENT), by=HOSPITAL, network=url)
        try:
            assert reached.wait(60)
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "Traceback" not in said
    return Tried(Ran(process.returncode, out, said), lambda: at.deposit(letter))


@case("an account without funds")
def _(at: Place) -> Tried:
    at.request("anvil_setBalance", address(HOSPITAL), "0x0")
    letter = at.file("second.txt", b"Test letter: a second one.\n")
    ran = at.deposit(letter)

    def again() -> Ran:
        at.request("anvil_setBalance", address(HOSPITAL), hex(10**18))
        return at.deposit(letter)

    return Tried(ran, again)


# --- grants


def handed(at: Place, name: str = "grant.json") -> dict[str, Any]:
    """A grant of `hiv` that the patient signed and did not send."""
    file = at.folder / name
    at.grant("--kind", "hiv", "--days", "30", "--sign-only", "-o", file).well()
    return dict(json.loads(file.read_text()))


def deliver(at: Place, document: object) -> Ran:
    return at.run("deliver", at.file("grant.json", json.dumps(document)), by=STRANGER)


@case("grant.json whose signature is somebody else's")
def _(at: Place) -> Ran:
    mine = handed(at)
    other = key_of(STRANGER).unsafe_sign_hash(bytes.fromhex(mine["grantId"][2:])).signature
    return deliver(at, {**mine, "signature": "0x" + other.hex()})


@case("grant.json that names somebody else as signer")
def _(at: Place) -> Ran:
    return deliver(at, {**handed(at), "signer": address(STRANGER)})


@case("grant.json with a key box that was altered")
def _(at: Place) -> Ran:
    mine = handed(at)
    box = bytearray.fromhex(mine["box"][2:])
    box[len(box) // 2] ^= 1
    return deliver(at, {**mine, "box": "0x" + box.hex()})


@case("grant.json of another chain")
def _(at: Place) -> Ran:
    return deliver(at, {**handed(at), "chainId": 1})


@case("a file that is no grant")
def _(at: Place) -> Ran:
    return deliver(at, [])


@case("terms that have expired")
def _(at: Place) -> Ran:
    return at.grant("--kind", "hiv", "--until", "2020-01-01")


@case("terms without an end")
def _(at: Place) -> Ran:
    return at.grant("--kind", "hiv")


@case("empty terms")
def _(at: Place) -> Ran:
    return at.grant("--days", "30")


@case("a purpose that there is not")
def _(at: Place) -> Ran:
    return at.grant("--kind", "hiv", "--days", "30", "--purpose", "CURIOSITY")


@case("a grant that has expired")
def _(at: Place) -> Ran:
    at.request("evm_increaseTime", 40 * DAY)
    at.request("evm_mine")
    return at.open()


def granted_by_hand(at: Place, *, since: int | None = None, box: bool = True, send: bool = True) -> bytes:
    """A grant of `general` as no script makes one: from ``since`` on, or half delivered. Gives its id."""
    from consentry.client.grant import deliver_box

    desk = desk_of(at, PATIENT)
    desk.client.revoke()
    card = Card.from_json(at.card(CLINICIAN).read_bytes())
    until = desk.chain.head().time // DAY * DAY + 90 * DAY
    offered = Offered(card, ("general",), READ, ("TREAT",), until, since=since)
    [proposal] = desk.client.propose(offered)
    if box:
        deliver_box(desk.group, proposal.box)
    if send:
        args = ("ConsentRegistry", "grant", desk.me.identity, proposal.grant_id)
        desk.chain.send(desk.me.signer, *args)
    return proposal.grant_id


def desk_of(at: Place, who: int) -> Any:
    """The desk of TEST::who."""
    from consentry.chain import LocalSigner
    from consentry.cli.desk import open_desk
    from consentry.cli.home import Home

    home = Home(at.home, {address(who): at.variables["CONSENTRY_PASSPHRASE"]})
    return open_desk(home, at.web3, LocalSigner(bytes(key_of(who).key)))


@case("a grant that has not begun")
def _(at: Place) -> Ran:
    granted_by_hand(at, since=at.chain.head().time + 9 * DAY)
    return at.open()


@case("a grant whose key box never arrived")
def _(at: Place) -> Ran:
    return at.open("--grant", "0x" + granted_by_hand(at, box=False).hex())


@case("a grant whose transaction never arrived")
def _(at: Place) -> Ran:
    return at.open("--grant", "0x" + granted_by_hand(at, send=False).hex())


@case("no grant")
def _(at: Place) -> Ran:
    desk_of(at, PATIENT).client.revoke()
    return at.open()


@case("a grantee without a credential")
def _(at: Place) -> Ran:
    return at.grant("--kind", "hiv", "--days", "30", to=address(STRANGER))


@case("a grantee whose credential is suspended")
def _(at: Place) -> Ran:
    suspend(at)
    return at.grant("--kind", "hiv", "--days", "30")


def suspend(at: Place) -> None:
    from consentry.chain import LocalSigner

    signer = LocalSigner(bytes(key_of(AUTHORITY).key))
    at.chain.send(signer, "ProviderRegistry", "suspend", address(CLINICIAN))


@case("a card that was altered")
def _(at: Place) -> Ran:
    card = json.loads(at.card(CLINICIAN).read_text())
    altered = at.file("card.json", json.dumps({**card, "name": "Another Clinician"}))
    return at.grant("--kind", "hiv", "--days", "30", to=altered)


@case("a file that is no card")
def _(at: Place) -> Ran:
    return at.grant("--kind", "hiv", "--days", "30", to=at.file("card.json", "{}"))


@case("an opening by somebody without a credential")
def _(at: Place) -> Ran:
    return at.open(by=STRANGER)


@case("an opening while the credential is suspended")
def _(at: Place) -> Ran:
    suspend(at)
    return at.open()


@case("a purpose that was not granted")
def _(at: Place) -> Ran:
    return at.open("--purpose", "HRESCH")


@case("the end of a grant that is not the patient's")
def _(at: Place) -> Ran:
    return at.run("revoke", "--grant", "0x" + "ab" * 5, by=PATIENT)


# --- providers.csv


def onboard(at: Place, *rows: str, heading: str = HEADING, encoding: str = "utf-8") -> Ran:
    text = "\n".join([heading, *rows]) + "\n"
    return at.run("onboard", at.file("providers.csv", text.encode(encoding)), by=AUTHORITY)


def row(**cells: str) -> str:
    """A good row, with some cells changed."""
    good = {
        "file": f"provider-{STRANGER}.json",
        "name": "Synthetic Nurse",
        "number": "1003000126",
        "roles": "treating",
        "organisation": "",
        "valid_until": "2090-12-31",
    }
    return ",".join({**good, **cells}.values())


WRONG_ROWS: dict[str, dict[str, str]] = {
    "an NPI with a wrong check digit": {"number": "1003000127"},
    "a number that is none": {"number": "12345"},
    "a name that begins like a formula": {"name": "=HYPERLINK(1)"},
    "an empty name": {"name": ""},
    "a name of 121 characters": {"name": "N" * 121},
    "a name that turns the direction of reading": {"name": "Nurse\u202eesruN"},
    "an unknown role": {"roles": "treating surgeon"},
    "no role": {"roles": ""},
    "a day that is none": {"valid_until": "2090-02-30"},
    "a day that is over": {"valid_until": "2020-12-31"},
    "an organisation that is not in the file": {"organisation": "1245319599"},
    "an organisation's address with a wrong capital": {
        "organisation": "0x70997970C51812dc3A010C7d01b50e0d17dc79c8"
    },
    "a provider.json that is not there": {"file": "none.json"},
    "a provider.json that is no offer": {"file": "letter.txt"},
    "too many cells": {"valid_until": "2090-12-31,more"},
    "a cell of 200,000 characters": {"name": "N" * 200_000},
    "a cell with a NUL": {"name": "Nu\0rse"},
}


def wrong(cells: dict[str, str]) -> Case:
    return lambda at: onboard(at, row(**cells))


for name, cells in WRONG_ROWS.items():
    case(name)(wrong(cells))


@case("the same number in two rows")
def _(at: Place) -> Ran:
    return onboard(at, row(), row(file=f"provider-{HOSPITAL}.json"))


@case("the same account in two rows")
def _(at: Place) -> Ran:
    return onboard(at, row(), row(number=NPI[CLINICIAN]))


@case("a provider.json that was altered")
def _(at: Place) -> Ran:
    offer = json.loads((at.folder / f"provider-{STRANGER}.json").read_text())
    at.file("altered.json", json.dumps({**offer, "address": address(POOR)}))
    return onboard(at, row(file="altered.json"))


@case("a quote that is never closed")
def _(at: Place) -> Ran:
    return onboard(at, row(name='"Synthetic Nurse'), row(number=NPI[CLINICIAN]))


@case("a byte order mark in front")
def _(at: Place) -> Ran:
    return onboard(at, row(), encoding="utf-8-sig")


@case("Latin-1")
def _(at: Place) -> Ran:
    return onboard(at, row(name="Synthetic Schwester Käthe"), encoding="latin-1")


@case("UTF-16")
def _(at: Place) -> Ran:
    return onboard(at, row(), encoding="utf-16")


@case("a column that is missing")
def _(at: Place) -> Ran:
    return onboard(at, row().rpartition(",")[0], heading=HEADING.rpartition(",")[0])


@case("semicolons for commas")
def _(at: Place) -> Ran:
    return onboard(at, row().replace(",", ";"), heading=HEADING.replace(",", ";"))


@case("an empty providers.csv")
def _(at: Place) -> Ran:
    return at.run("onboard", at.file("providers.csv", b""), by=AUTHORITY)


@case("a heading and nothing below it")
def _(at: Place) -> Ran:
    return onboard(at)


@case("a folder in place of providers.csv")
def _(at: Place) -> Ran:
    return at.run("onboard", at.folder, by=AUTHORITY)


@case("somebody who is no authority")
def _(at: Place) -> Ran:
    return at.run("onboard", at.file("providers.csv", f"{HEADING}\n{row()}\n"), by=STRANGER)


# --- the store


def only_blob(at: Place) -> Any:
    [path] = [path for path in (at.home / "store").rglob("*") if path.is_file()]
    return path


@case("a blob that is missing")
def _(at: Place) -> Tried:
    blob = only_blob(at)
    blob.rename(at.folder / "away")
    ran = at.open()

    def again() -> Ran:
        (at.folder / "away").rename(blob)
        return at.open()

    return Tried(ran, again)


@case("a blob that was altered")
def _(at: Place) -> Tried:
    blob = only_blob(at)
    good = blob.read_bytes()
    blob.write_bytes(flipped(good))
    ran = at.open()

    def again() -> Ran:
        blob.write_bytes(good)
        return at.open()

    return Tried(ran, again)


@case("a store that cannot be written")
def _(at: Place) -> Ran:
    shutil.move(at.home / "store", at.folder / "away")
    (at.home / "store").write_bytes(b"no folder")
    return at.deposit(at.file("second.txt", b"Test letter: a second one.\n"))


# --- Kubo


def kubo(address: str) -> dict[str, str]:
    """The environment of a command that stores in the Kubo at ``address``."""
    return {"CONSENTRY_STORE": "kubo", "CONSENTRY_KUBO": address}


def into(at: Place, first: str, size: int = 27) -> Tried:
    """A deposit into the Kubo at ``first``; again into one that is whole."""
    letter = at.file("second.txt", b"x" * size)
    ran = at.deposit(letter, **kubo(first))
    pinned: list[int] = []

    def again() -> Ran:
        with running_kubo() as whole:
            unpin_all(whole)
            ran = at.deposit(letter, **kubo(whole))
            pinned.append(len(client_of(whole).pin.ls(type="recursive")["Keys"]))
        return ran

    return Tried(ran, again, lambda: sum(pinned))


@case("Kubo that is not there")
def _(at: Place) -> Tried:
    return into(at, "/ip4/127.0.0.1/tcp/1")


@case("Kubo that stops half-way")
def _(at: Place) -> Tried:
    with running_kubo() as daemon, in_front_of(daemon) as man:
        man.alter = lambda call, answer: answer if call == "version" else None
        return into(at, man.address)


@case("Kubo of a version that was not tested")
def _(at: Place) -> Tried:
    with running_kubo() as daemon, in_front_of(daemon) as man:
        man.alter = lambda call, answer: (200, b'{"Version":"0.9.1"}') if call == "version" else answer
        return into(at, man.address)


@case("Kubo that is full")
def _(at: Place) -> Tried:
    """It can write no file of more than half a MiB any more."""
    ipfs = at.folder / "bin" / "ipfs"
    ipfs.parent.mkdir()
    ipfs.write_text(f'#!/bin/sh\nulimit -f 1024\nPATH="{os.environ["PATH"]}" exec ipfs "$@"\n')
    ipfs.chmod(0o755)
    with ExitStack() as stack:
        with patch.dict(os.environ, {"PATH": f"{ipfs.parent}{os.pathsep}{os.environ['PATH']}"}):
            full = stack.enter_context(running_kubo())
        return into(at, full, size=2 << 20)


def flipped(data: bytes) -> bytes:
    """The bytes with one bit of the last one changed."""
    return data[:-1] + bytes([data[-1] ^ 1])


@case("Kubo that gives other bytes")
def _(at: Place) -> Tried:
    with ExitStack() as stack:
        daemon = stack.enter_context(running_kubo())
        man = stack.enter_context(in_front_of(daemon))
        with only_blob(at).open("rb") as blob:
            KuboStore(daemon).put(blob)
        man.alter = lambda call, answer: (200, flipped(answer[1])) if call == "cat" else answer
        ran = at.open(**kubo(man.address))
        return Tried(ran, at.open)  # from the folder, where the same blob lies


# --- keyholders


@case("three of five keyholders whose folders are gone")
def _(at: Place) -> Tried:
    for one in (1, 2, 3):
        shutil.move(at.home / "keyholders" / str(one), at.folder / f"away-{one}")
    ran = at.open()

    def again() -> Ran:
        for one in (1, 2, 3):
            shutil.move(at.folder / f"away-{one}", at.home / "keyholders" / str(one))
        return at.open()

    return Tried(ran, again)


@case("three of five keyholders whose books cannot be read")
def _(at: Place) -> Tried:
    books = [path for one in (1, 2, 3) for path in at.home.glob(f"keyholders/{one}/*/vault.sqlite")]
    good = {path: path.read_bytes() for path in books}
    for path in books:
        path.write_bytes(b"no database, and longer than the header of one, which has a hundred bytes" * 9)
    ran = at.open()

    def again() -> Ran:
        for path, data in good.items():
            path.write_bytes(data)
        return at.open()

    return Tried(ran, again)


@case("two of five keyholders down")
def _(at: Place) -> Ran:
    for one in (1, 2):
        shutil.move(at.home / "keyholders" / str(one), at.folder / f"away-{one}")
    return at.open()


@case("an audit while a keyholder's folder is gone")
def _(at: Place) -> Ran:
    shutil.move(at.home / "keyholders" / "4", at.folder / "away-4")
    ran = at.run("audit")
    assert "FOUND   keyholder 4: it does not answer" in ran.out
    return ran
