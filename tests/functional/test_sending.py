"""Sending on a chain with Sepolia's id and blocks when the test says so: no effect twice, none lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from web3 import EthereumTesterProvider, HTTPProvider, Web3

from bench._anvil import anvil
from consentry.chain import Chain, LocalSigner, connect, node, sending
from consentry.chain.sending import Sender
from consentry.chain.transaction import GWEI, Call
from consentry.errors import (
    ContractRefused,
    NotEnoughEther,
    TransactionReplaced,
    Unreachable,
    WrongChain,
)
from tests.support.chains import SEPOLIA, Meddler, ganache, meddler, tell
from tests.support.fixed import seed
from tests.support.world import World, fund, make_world, populated, record

ROOT = Path(__file__).parents[2]
NOBODY = "0x" + "99" * 20


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with anvil("--chain-id", str(SEPOLIA)) as url:
        yield url


@pytest.fixture(scope="module")
def world(url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return populated(make_world(tmp_path_factory.mktemp("sepolia"), Web3(HTTPProvider(url))))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience for tests: nothing is offered twice unless a test says so."""
    for name, seconds in {"_TIMEOUT": 30.0, "_STILL": 60.0, "_LOOK": 0.05, "_LAG": 0.3}.items():
        monkeypatch.setattr(sending, name, seconds)


@dataclass
class Patient:
    """A patient with an account of her own, at a node that mines when the test says so."""

    world: World
    url: str
    signer: LocalSigner
    folder: Path

    @property
    def identity(self) -> bytes:
        return bytes(12) + bytes.fromhex(self.signer.address[2:])

    def chain(self, url: str | None = None, folder: Path | None = None) -> Chain:
        """What a command opens: a connection of its own, and what the last one wrote down."""
        return Chain(connect(url or self.url), self.world.chain.deployed, folder or self.folder)

    def grant(self, number: int = 1, chain: Chain | None = None) -> Any:
        args = (self.identity, seed(number))
        return (chain or self.chain()).send(self.signer, "ConsentRegistry", "grant", *args)

    def revoke_all(self, chain: Chain | None = None) -> Any:
        """Done twice, it is twice on chain."""
        return (chain or self.chain()).send(self.signer, "ConsentRegistry", "revokeAll", self.identity)

    # --- what the chain itself says

    @property
    def granted(self) -> list[bytes]:
        return self.world.chain.grants_of(self.identity)

    @property
    def revocations(self) -> int:
        return len(
            self.world.chain.rpc.events("ConsentRegistry", "AllConsentsRevoked", patient=self.identity)
        )

    def waiting(self) -> list[dict[str, Any]]:
        """Her transactions that are not mined, by nonce."""
        pool = tell(self.url, "txpool_content")
        found = [
            one
            for part in pool.values()
            for who, sent in part.items()
            if who.lower() == self.signer.address.lower()
            for one in sent.values()
        ]
        return sorted(found, key=lambda one: int(one["nonce"], 16))

    def mine(self, fee: int | None = None) -> None:
        """One block; ``fee`` is what it asks for a unit of gas, in gwei."""
        if fee is not None:
            tell(self.url, "anvil_setNextBlockBaseFeePerGas", hex(fee * GWEI))
        tell(self.url, "evm_mine")

    def other_wallet(self, gwei: int, nonce: int | None = None) -> str:
        """Another program sends a wei from her account."""
        eth = self.world.web3.eth
        raw = self.signer.sign_transaction(
            {
                **{"to": NOBODY, "value": 1, "data": "0x", "gas": 21_000, "type": 2, "chainId": SEPOLIA},
                "nonce": eth.get_transaction_count(self.signer.address) if nonce is None else nonce,
                **{"maxFeePerGas": gwei * GWEI, "maxPriorityFeePerGas": gwei * GWEI},
            }
        )
        return eth.send_raw_transaction(raw).to_0x_hex()


@pytest.fixture
def patient(world: World, url: str, tmp_path: Path) -> Iterator[Patient]:
    """Funded; from here on the chain mines when it is told to."""
    signer = LocalSigner(os.urandom(32))
    fund(world.web3, signer.address)
    tell(url, "evm_setAutomine", False)
    yield Patient(world, url, signer, tmp_path / "underway")
    tell(url, "anvil_dropAllTransactions")
    tell(url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    tell(url, "evm_mine")
    tell(url, "evm_setAutomine", True)


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def until(true: Callable[[], Any]) -> Any:
    """What ``true`` gives as soon as it gives something."""
    deadline = time.monotonic() + 90  # a machine may be busy
    while not (found := true()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return found


Background = Callable[..., Future[Any]]


def finished(patient: Patient, background: Background) -> Any:
    """The revocation, repeated: it looks at the one that waits, sends no second one, and it is mined."""
    with meddler(patient.url) as between:
        done = background(patient.revoke_all, patient.chain(between.url))
        until(lambda: between.asked.count("eth_getTransactionReceipt") > 1)
        assert len(patient.waiting()) == 1
        patient.mine()
        return done.result()


# --- the fee


def test_a_fee_spike_is_followed_under_the_same_nonce(patient: Patient, background: Background) -> None:
    done = background(patient.grant)
    (first,) = until(patient.waiting)
    patient.mine(fee=50)
    second = until(lambda: next((one for one in patient.waiting() if one["hash"] != first["hash"]), None))
    assert second["nonce"] == first["nonce"]
    assert int(second["maxFeePerGas"], 16) > 50 * GWEI > int(first["maxFeePerGas"], 16)
    patient.mine()
    assert "0x" + done.result().hash.hex() == second["hash"]
    assert patient.granted == [seed(1)]


def test_a_fee_beyond_what_the_account_holds_is_told_and_the_command_finishes_when_it_falls(
    patient: Patient, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_TIMEOUT", 1.0)
    done = background(patient.revoke_all)
    until(patient.waiting)
    tell(patient.url, "anvil_setBalance", patient.signer.address, hex(10**15))
    patient.mine(fee=500)
    with pytest.raises(Unreachable, match=r"offers \d+\.\d+ gwei .* asks \d+\.\d+; nothing is lost"):
        done.result()
    assert patient.revocations == 0
    monkeypatch.setattr(sending, "_TIMEOUT", 30.0)
    again = background(patient.revoke_all)
    while not again.done():
        patient.mine(fee=1)
        time.sleep(0.1)
    again.result()
    assert patient.revocations == 1
    assert patient.waiting() == []


def test_one_that_stands_still_is_offered_more_for_and_mined_once(
    patient: Patient, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_STILL", 0.2)
    done = background(patient.revoke_all)
    (first,) = until(patient.waiting)
    until(lambda: int(patient.waiting()[0]["maxFeePerGas"], 16) > int(first["maxFeePerGas"], 16) * 5 // 4)
    (later,) = patient.waiting()
    assert int(later["maxPriorityFeePerGas"], 16) > int(first["maxPriorityFeePerGas"], 16)
    patient.mine()
    done.result()
    assert patient.revocations == 1


# --- lost


def test_a_transaction_that_the_node_dropped_is_sent_again(patient: Patient, background: Background) -> None:
    done = background(patient.revoke_all)
    (first,) = until(patient.waiting)
    tell(patient.url, "anvil_dropTransaction", first["hash"])
    (again,) = until(patient.waiting)
    assert again["hash"] == first["hash"]
    patient.mine()
    done.result()
    assert patient.revocations == 1


@pytest.fixture
def timed_out(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Her revocation of everything, sent, and not mined while the command waited."""
    with monkeypatch.context() as patch:
        patch.setattr(sending, "_TIMEOUT", 0.2)
        with pytest.raises(Unreachable, match="the same command, run again, goes on with it"):
            patient.revoke_all()
    return patient.waiting()[0]


def test_the_same_command_goes_on_with_what_was_not_mined(
    patient: Patient, timed_out: dict[str, Any], background: Background
) -> None:
    assert "0x" + finished(patient, background).hash.hex() == timed_out["hash"]
    assert patient.revocations == 1
    done = background(patient.revoke_all)  # what was finished is not taken for a later one
    until(patient.waiting)
    patient.mine()
    done.result()
    assert patient.revocations == 2


def test_what_was_mined_after_the_command_gave_up_does_not_stand_for_a_later_revocation(
    patient: Patient, timed_out: dict[str, Any], background: Background
) -> None:
    patient.mine()
    assert patient.revocations == 1
    done = background(patient.revoke_all)
    until(patient.waiting)
    patient.mine()
    done.result()
    assert patient.revocations == 2


def test_the_same_command_sends_again_what_was_dropped_meanwhile(
    patient: Patient, timed_out: dict[str, Any], background: Background
) -> None:
    tell(patient.url, "anvil_dropTransaction", timed_out["hash"])
    done = background(patient.revoke_all)
    (again,) = until(patient.waiting)
    assert again["nonce"] == timed_out["nonce"]
    patient.mine()
    done.result()
    assert patient.revocations == 1


def test_another_command_waits_for_what_is_under_way_and_comes_after_it(
    patient: Patient, timed_out: dict[str, Any], background: Background
) -> None:
    done = background(patient.grant)
    time.sleep(0.3)
    assert [one["hash"] for one in patient.waiting()] == [timed_out["hash"]]
    patient.mine()
    until(patient.waiting)
    patient.mine()
    done.result()
    assert (patient.revocations, patient.granted) == (1, [seed(1)])
    assert patient.world.chain.in_force(patient.identity, seed(1))


def test_another_command_takes_the_place_of_what_was_dropped(
    patient: Patient, timed_out: dict[str, Any], background: Background
) -> None:
    tell(patient.url, "anvil_dropTransaction", timed_out["hash"])
    done = background(patient.grant)
    (there,) = until(patient.waiting)
    assert there["nonce"] == timed_out["nonce"]
    patient.mine()
    done.result()
    assert (patient.revocations, patient.granted) == (0, [seed(1)])


# --- replaced


def test_one_that_a_wallet_replaced_is_named_and_the_same_command_sends_it_anew(
    patient: Patient, background: Background
) -> None:
    done = background(patient.revoke_all)
    until(patient.waiting)
    patient.other_wallet(gwei=20)
    patient.mine()
    with pytest.raises(TransactionReplaced, match=r"nonce 0.*if you did not cancel it, run the same command"):
        done.result()
    assert patient.revocations == 0
    again = background(patient.revoke_all)
    until(patient.waiting)
    patient.mine()
    again.result()
    assert patient.revocations == 1


def test_one_that_was_replaced_while_nobody_looked_is_sent_anew(
    patient: Patient, timed_out: dict[str, Any], background: Background
) -> None:
    patient.other_wallet(gwei=20)
    patient.mine()
    done = background(patient.revoke_all)
    until(patient.waiting)
    patient.mine()
    done.result()
    assert patient.revocations == 1


# --- one account, several programs


@pytest.mark.parametrize("mined", [False, True], ids=["waiting", "mined"])
def test_a_nonce_that_another_program_took_at_the_last_moment_is_not_fought_over(
    patient: Patient, background: Background, mined: bool
) -> None:
    """The node refuses ours as underpriced, or as too low."""
    taken: list[str] = []

    def first(question: dict[str, Any]) -> None:
        if question["method"] == "eth_sendRawTransaction" and not taken:
            taken.append(patient.other_wallet(gwei=20))
            if mined:
                patient.mine()

    with meddler(patient.url) as between:
        between.meddle = first
        done = background(patient.grant, 1, patient.chain(between.url))
        until(lambda: [one for one in patient.waiting() if int(one["nonce"], 16) == 1])
        patient.mine()
        done.result()
    assert patient.granted == [seed(1)]
    assert patient.world.web3.eth.get_transaction_receipt(taken[0])["status"] == 1  # type: ignore[arg-type]


SENDS = """
import sys, json
from pathlib import Path
from consentry.chain import Chain, Deployments, LocalSigner, connect
from consentry.chain.node import identify
url, file, folder, key, number = sys.argv[1:]
web3 = connect(url)
chain = Chain(web3, Deployments(Path(file)).find(*identify(web3)), Path(folder))
signer = LocalSigner(bytes.fromhex(key))
patient = bytes(12) + bytes.fromhex(signer.address[2:])
if number == "all":
    chain.send(signer, "ConsentRegistry", "revokeAll", patient)
else:
    chain.send(signer, "ConsentRegistry", "grant", patient, bytes([int(number)]) * 32)
"""


def process(patient: Patient, number: object, folder: Path | None = None) -> subprocess.Popen[str]:
    """A program of its own that sends for the patient."""
    file = patient.world.home / "deployments.json"
    if not file.exists():
        from consentry.chain import Deployments

        Deployments(file).add(patient.world.chain.deployed)
    words = [patient.url, file, folder or patient.folder, patient.signer._key.hex(), number]
    return subprocess.Popen(
        [sys.executable, "-c", SENDS, *map(str, words)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("shared", [True, False], ids=["one folder", "two machines"])
def test_two_processes_with_one_account_do_both_once(patient: Patient, shared: bool) -> None:
    folders = [patient.folder, patient.folder if shared else patient.folder / "elsewhere"]
    running = [process(patient, n + 1, folder) for n, folder in enumerate(folders)]
    while any(one.poll() is None for one in running):
        patient.mine()
        time.sleep(0.1)
    errors = [one.communicate()[1] for one in running]
    assert [one.returncode for one in running] == [0, 0], errors
    assert sorted(patient.granted) == [bytes([1]) * 32, bytes([2]) * 32]
    assert patient.world.web3.eth.get_transaction_count(patient.signer.address) == 2


def test_a_process_that_was_killed_while_it_waited_is_followed_by_no_second_effect(patient: Patient) -> None:
    killed = process(patient, "all")
    until(patient.waiting)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    with meddler(patient.url) as between:
        again = process(replace(patient, url=between.url), "all")
        until(lambda: between.asked.count("eth_getTransactionReceipt") > 2)
        assert len(patient.waiting()) == 1
        patient.mine()
        _, error = again.communicate(timeout=60)
    assert again.returncode == 0, error
    assert patient.revocations == 1


# --- a node that fails


def broken(question: dict[str, Any]) -> bytes:
    return b"<html>502 Bad Gateway</html>"


def test_an_answer_that_was_lost_is_no_transaction_that_was_lost(
    patient: Patient, background: Background
) -> None:
    with meddler(patient.url) as between:

        def swallow(question: dict[str, Any]) -> bytes | None:
            if question["method"] != "eth_sendRawTransaction":
                return None
            between.forward(question)
            return Meddler.silence

        chain = patient.chain(between.url)
        between.meddle = swallow
        done = background(patient.revoke_all, chain)
        until(patient.waiting)
        with pytest.raises(Unreachable, match="run the same command again"):
            done.result()
    finished(patient, background)
    assert patient.revocations == 1


def test_a_node_that_has_the_transaction_already_has_taken_it(
    patient: Patient, background: Background
) -> None:
    """The first answer was lost; to the second time the node says that it knows it."""
    lost: list[bytes] = []

    def swallow_once(question: dict[str, Any]) -> bytes | None:
        if question["method"] != "eth_sendRawTransaction" or lost:
            return None
        lost.append(between.forward(question))
        return Meddler.silence

    with meddler(patient.url) as between:
        chain = patient.chain(between.url)
        between.meddle = swallow_once
        done = background(patient.revoke_all, chain)
        until(lambda: between.asked.count("eth_getTransactionReceipt") > 1)
        assert between.asked.count("eth_sendRawTransaction") == 2
        assert len(patient.waiting()) == 1
        patient.mine()
        done.result()
    assert patient.revocations == 1


@pytest.mark.parametrize("status", [200, 502])
def test_a_node_that_goes_away_while_a_command_waits_ends_it_and_loses_nothing(
    patient: Patient, background: Background, status: int
) -> None:
    with meddler(patient.url) as between:
        between.status = status
        done = background(patient.revoke_all, patient.chain(between.url))
        until(patient.waiting)
        between.meddle = broken
        with pytest.raises(Unreachable, match="run the same command again"):
            done.result()
    finished(patient, background)
    assert patient.revocations == 1


def test_a_node_that_hangs_is_not_waited_for_for_ever(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "PATIENCE", 0.3)
    with meddler(patient.url) as between:
        chain = patient.chain(between.url)
        between.meddle = lambda question: time.sleep(1)  # type: ignore[func-returns-value]
        with pytest.raises(Unreachable, match=r"does not answer \(ReadTimeout\)"):
            chain.epoch_of(patient.identity)


GARBAGE = {
    "a page": b"<html>",
    "nothing": b"",
    "a list": b"[]",
    "a number": b"42",
    "half": b'{"jsonrpc": "2.0", "id": 1, "res',
    "no result": b'{"jsonrpc": "2.0", "id": 1}',
    "no hex": b'{"jsonrpc": "2.0", "id": 1, "result": "zz"}',
    "null": b'{"jsonrpc": "2.0", "id": 1, "result": null}',
    "an object": b'{"jsonrpc": "2.0", "id": 1, "result": {}}',
    "an error that is a text": b'{"jsonrpc": "2.0", "id": 1, "error": "no"}',
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_node_is_told_so(patient: Patient, answer: bytes) -> None:
    with meddler(patient.url) as between:
        between.meddle = lambda question: answer
        with pytest.raises(Unreachable, match="run the same command again"):
            patient.chain(between.url)


def test_a_node_that_answers_for_another_chain_is_told_so(patient: Patient) -> None:
    with meddler(patient.url) as between:
        between.meddle = lambda q: (
            b'{"jsonrpc":"2.0","id":1,"result":"0x1"}' if q["method"] == "eth_chainId" else None
        )
        with pytest.raises(WrongChain, match="is not on the chain 11155111"):
            patient.chain(between.url)


def test_what_was_signed_for_this_chain_is_nothing_on_another(patient: Patient) -> None:
    """The node is exchanged for another chain's between the check and the sending."""
    chain = patient.chain()
    with anvil("--chain-id", "1") as other:
        chain.rpc.web3.provider.endpoint_uri = other  # type: ignore[attr-defined]
        tell(other, "anvil_setBalance", patient.signer.address, hex(10**18))
        with pytest.raises(Unreachable, match="chain"):
            patient.grant(1, chain)
        assert int(tell(other, "eth_getTransactionCount", patient.signer.address, "pending"), 16) == 0


# --- an entry is written once, and who cannot pay is told so


def test_an_entry_that_was_not_mined_in_time_is_written_once(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch, background: Background
) -> None:
    world.grant("clinician", "general")
    (listing,) = world.desk("clinician").list(world.patient)
    tell(url, "evm_setAutomine", False)
    monkeypatch.setattr(sending, "_TIMEOUT", 0.3)
    with pytest.raises(Unreachable, match="goes on with it"):
        world.desk("clinician").open(world.patient, listing.record_id)
    monkeypatch.setattr(sending, "_TIMEOUT", 30.0)
    opened = background(world.desk("clinician").open, world.patient, listing.record_id)
    time.sleep(0.3)
    tell(url, "evm_setAutomine", True)
    tell(url, "evm_mine")
    with opened.result().file as file:
        assert file.read() == record("general").body
    assert len(world.chain.entries(actor=world.person("clinician").address)) == 1


def own_chain() -> Iterator[Web3]:
    yield Web3(EthereumTesterProvider())


def on_anvil() -> Iterator[Web3]:
    with anvil() as url:
        yield connect(url)


def on_ganache() -> Iterator[Web3]:
    with ganache() as url:
        yield connect(url)


@pytest.fixture(
    scope="module", params=[own_chain, on_anvil, on_ganache], ids=["in process", "anvil", "ganache"]
)
def anywhere(request: pytest.FixtureRequest) -> Iterator[Web3]:
    yield from request.param()


def test_an_account_without_ether_is_told_so_on_every_chain(anywhere: Web3) -> None:
    poor = LocalSigner(seed(99))
    with pytest.raises(NotEnoughEther, match=r"has 0\.0+ ether, .* may cost 0\.0.*send it some"):
        Sender(anywhere).send(poor, Call(NOBODY, "0x"))
    assert anywhere.eth.get_transaction_count(poor.address) == 0


def test_the_path_of_a_deployment_is_the_same_on_every_chain(anywhere: Web3, tmp_path: Path) -> None:
    """Deploy, refuse by name, grant, revoke: and nothing is left written down."""
    made = make_world(tmp_path, anywhere)
    chain = Chain(anywhere, made.chain.deployed, tmp_path / "underway")
    patient = made.person("patient")
    chain.send(patient.signer, "ConsentRegistry", "grant", patient.identity, seed(1))
    assert chain.in_force(patient.identity, seed(1))
    chain.send(patient.signer, "ConsentRegistry", "revoke", patient.identity, seed(1))
    assert not chain.in_force(patient.identity, seed(1))
    with pytest.raises(ContractRefused) as refused:
        chain.send(patient.signer, "ConsentRegistry", "grant", patient.identity, seed(1))
    assert refused.value.name == "GrantEnded"
    assert [path.suffix for path in (tmp_path / "underway").iterdir()] == [".lock"]
