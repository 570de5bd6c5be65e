"""Exact gas of every act, on an Anvil whose genesis, times, keys and salts are fixed.

``make bench-gas`` prints the table and fails where a number differs from tests/vectors/gas.json;
``python bench/gas.py --write`` rewrites that file. The floor of a row is what the chain itself charges for it
(the transaction and its calldata, the slots, the calls of other contracts, the logs, a signature's recovery);
what stands between is the contracts' own work: decoding, checking, hashing.

A credential costs more than the 48,000 once aimed at: the chain alone takes 49,520 of them, 1,280 for an
event that tells an auditor dates, roles and organisation without a look at calldata, 2,100 to see that the
authority still is one. A member's reads the organisation's as well.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench._anvil import anvil  # noqa: E402

VECTORS = ROOT / "tests" / "vectors" / "gas.json"
START = 1767225600  # 2026-01-01
DAY, YEAR = 24 * 3600, 365 * 24 * 3600
NEW, CHANGED, READ, CALL, RECOVER = 22_100, 5_000, 2_100, 2_600, 3_000
TREATING, EMERGENCY, REVIEWER, ORGANISATION = 1, 2, 16, 0x8000
READ_FLAG, MEMBERS_FLAG, TREAT = 1, 4, 1
ZERO = bytes(32)


@dataclass(frozen=True)
class Row:
    """One act: what it used, what it may use, and what the chain alone charges for it. All in gas."""

    name: str
    used: int
    floor: int
    target: int | None = None


def word(label: str) -> bytes:
    """32 bytes that are the same in every run."""
    return keccak(text=f"consentry bench {label}")


def identity(account: LocalAccount) -> bytes:
    """An account as an identity: its address, left-padded to 32 bytes."""
    return bytes(12) + bytes.fromhex(account.address[2:])


def calldata_gas(data: bytes) -> int:
    """What a transaction pays for its data (EIP-2028): 4 a zero byte, 16 another."""
    return sum(16 if byte else 4 for byte in data)


def log_gas(receipt: Any) -> int:
    """What the logs of a receipt cost: 375 each and a topic, 8 a byte."""
    return sum(375 + 375 * len(log["topics"]) + 8 * len(log["data"]) for log in receipt["logs"])


@dataclass
class Bench:
    """A chain with the contracts on it, and the rows measured so far."""

    w3: Web3
    rows: list[Row] = field(default_factory=list)
    now: int = START
    people: dict[str, LocalAccount] = field(default_factory=dict)
    contracts: dict[str, Any] = field(default_factory=dict)

    def person(self, name: str) -> LocalAccount:
        """An account with a fixed key and enough ether."""
        if name not in self.people:
            self.people[name] = Account.from_key(word(f"key of {name}"))
            self.ask("anvil_setBalance", self.people[name].address, hex(10**20))
        return self.people[name]

    def ask(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call."""
        return self.w3.manager.request_blocking(method, list(params))  # type: ignore[arg-type]

    def send(self, who: str, data: bytes, to: str | None = None) -> Any:
        """Send a transaction in a block of its own, 12 seconds after the one before; its receipt."""
        account = self.person(who)
        self.now += 12
        self.ask("evm_setNextBlockTimestamp", self.now)
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": 31337,
            "nonce": self.w3.eth.get_transaction_count(account.address),
            "gas": 16_777_216,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
            "data": data,
            **({"to": to} if to else {}),
        }
        signed = account.sign_transaction(transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(
            self.w3.eth.send_raw_transaction(signed.raw_transaction)
        )
        if receipt["status"] != 1:
            raise RuntimeError(f"{who}'s transaction was refused")
        return receipt

    def deploy(self, name: str, kind: dict[str, Any], *arguments: Any) -> None:
        """Deploy a contract of the manifest."""
        factory = self.w3.eth.contract(abi=kind["abi"], bytecode=kind["deploymentBytecode"]["bytecode"])
        data = bytes.fromhex(factory.constructor(*arguments).data_in_transaction[2:])
        receipt = self.send("authority", data)
        code = len(self.w3.eth.get_code(receipt["contractAddress"]))
        floor = 21_000 + 32_000 + calldata_gas(data) + 2 * ((len(data) + 31) // 32) + 200 * code
        self.contracts[name] = self.w3.eth.contract(receipt["contractAddress"], abi=kind["abi"])
        self.rows.append(Row(f"deploy {name}", receipt["gasUsed"], floor))

    def act(
        self,
        who: str,
        contract: str,
        function: str,
        *arguments: Any,
        row: str = "",
        slots: int = 0,
        target: int | None = None,
    ) -> Any:
        """Send a contract call; its receipt. With a ``row`` it is one of the table; ``slots`` is the gas of
        the slots, the calls of other contracts and the recoveries that it cannot do without."""
        to = self.contracts[contract]
        data = bytes.fromhex(to.encode_abi(function, args=list(arguments))[2:])
        receipt = self.send(who, data, to.address)
        if row:
            floor = 21_000 + calldata_gas(data) + slots + log_gas(receipt)
            self.rows.append(Row(row, receipt["gasUsed"], floor, target))
        return receipt

    def view(self, contract: str, function: str, *arguments: Any) -> Any:
        """What a view answers."""
        return self.contracts[contract].get_function_by_name(function)(*arguments).call()


def deploy(b: Bench) -> None:
    """The contracts, in the order in which they name each other."""
    kinds = json.loads((ROOT / "src/consentry/artifacts/manifest.json").read_text("utf-8"))["contractTypes"]
    authorities = [b.person(name).address for name in ("authority", "second authority", "third authority")]
    b.deploy("ProviderRegistry", kinds["ProviderRegistry"], authorities)
    b.deploy("ConsentRegistry", kinds["ConsentRegistry"], b.contracts["ProviderRegistry"].address)
    b.deploy("RecordRegistry", kinds["RecordRegistry"])
    b.deploy("AccessLog", kinds["AccessLog"], b.contracts["ConsentRegistry"].address)


def credential(b: Bench, who: str, roles: int, organisation: str = "") -> tuple[Any, ...]:
    """A year's credential for a person of the bench."""
    of = b.person(organisation).address if organisation else "0x" + "00" * 20
    return (b.person(who).address, START, START + YEAR, roles, of, word(f"card of {who}"))


def onboarding(b: Bench) -> None:
    """An authority issues, suspends, reinstates, retires."""
    hospital = credential(b, "hospital", ORGANISATION)
    practice = credential(b, "practitioner", TREATING)
    member = credential(b, "member", TREATING, "hospital")
    many = [credential(b, f"provider {i}", TREATING, "hospital") for i in range(100)]
    issue = ("authority", "ProviderRegistry", "issue")
    b.act(*issue, hospital, row="credential, organisation", slots=READ + NEW, target=52_000)
    b.act(*issue, practice, row="credential, practitioner", slots=READ + NEW, target=52_000)
    b.act(*issue, member, row="credential, member", slots=2 * READ + NEW, target=54_500)
    batch = ("authority", "ProviderRegistry", "issueBatch", many)
    b.act(*batch, row="credential, 100 members", slots=100 * NEW + 2 * READ)
    for step in ("suspend", "reinstate", "retire"):
        b.act("authority", "ProviderRegistry", step, many[0][0], row=step, slots=READ + CHANGED)
    emergency = credential(b, "practitioner", TREATING | EMERGENCY)
    two = (
        ("issueEmergency", emergency, "emergency credential"),
        ("addAuthority", "0x" + "44" * 20, "authority"),
    )
    for function, what, name in two:
        for who, step, slots in (("authority", "proposed", READ), ("second authority", "agreed", 2 * READ)):
            b.act(who, "ProviderRegistry", function, what, row=f"{name}, {step}", slots=slots + NEW)


def consents(b: Bench) -> None:
    """A patient grants and revokes in each way."""
    me = identity(b.person("patient"))
    ids = [word(f"grant {i}") for i in range(110)]
    act = ("patient", "ConsentRegistry")
    b.act(*act, "revokeAll", me, row="revokeAll, first", slots=NEW)
    b.act(*act, "revokeAll", me, row="revokeAll", slots=CHANGED, target=29_000)
    b.act(*act, "grant", me, ids[0], row="grant", slots=READ + NEW, target=49_000)
    b.act(*act, "revoke", me, ids[0], row="revoke", slots=READ + CHANGED, target=31_500)
    b.act(*act, "revoke", me, ids[1], row="revoke, unseen", slots=READ + NEW, target=48_500)
    signed = (me, bytes.fromhex(b.person("patient").address[2:]))
    domain = b.view("ConsentRegistry", "domainSeparator")
    control = b.view("ConsentRegistry", "controlDomainSeparator")
    revocation = keccak(keccak(text="Revoke(bytes32 patient,bytes32 grantId)") + me + ids[2])
    by_sig = ("sponsor", "ConsentRegistry", "grantBySig", *signed, ids[2], sign(b, domain, ids[2]))
    b.act(*by_sig, row="grantBySig", slots=READ + NEW + RECOVER, target=56_000)
    by_sig = ("sponsor", "ConsentRegistry", "revokeBySig", *signed, ids[2], sign(b, control, revocation))
    b.act(*by_sig, row="revokeBySig", slots=READ + CHANGED + RECOVER)
    everything = b.view("ConsentRegistry", "epochOf", me).to_bytes(32)
    all_of_it = keccak(keccak(text="RevokeAll(bytes32 patient,uint64 epoch)") + me + everything)
    by_sig = ("sponsor", "ConsentRegistry", "revokeAllBySig", *signed, sign(b, control, all_of_it))
    b.act(*by_sig, row="revokeAllBySig", slots=CHANGED + RECOVER)
    b.act(*act, "grant", me, ids[3])
    b.act(*act, "renew", me, ids[3], ids[4], row="renew", slots=READ + CHANGED + NEW)
    b.act(*act, "setOptOut", me, 8, row="setOptOut", slots=CHANGED)
    b.act(*act, "setOptOut", me, 0)
    b.act(*act, "grantMany", me, ids[10:], row="grantMany, 100", slots=READ + 100 * NEW, target=2_600_000)
    key = b"".join(word(f"key {i}") for i in range(38))
    b.act(*act, "setEncryptionKey", me, 0x647A, key, row="setEncryptionKey, X-Wing", slots=READ + NEW)
    ward = identity(b.person("ward"))
    step = ("ward", "ConsentRegistry", "setController", ward, b.person("patient").address)
    b.act(*step, row="setController", slots=NEW)


def identities(b: Bench) -> None:
    """A ward's guardian and trustees do what they are for."""
    me, act = identity(b.person("child")), "ConsentRegistry"
    at = {name: b.person(name).address for name in ("parent", "heir", "aunt", "teacher", "doctor")}
    trustees = sorted((at["aunt"], at["teacher"], at["doctor"]), key=str.lower)
    plan = (at["heir"], "0x" + "00" * 20, 0, "0x" + "00" * 20)
    # An array's length and three members, and one word for threshold and delay; the round.
    b.act("child", act, "setTrustees", me, trustees, 2, 86_400, row="setTrustees, 3", slots=READ + 6 * NEW)
    step = ("child", act, "setGuardian", me, at["parent"], START + YEAR, at["heir"])
    b.act(*step, row="setGuardian", slots=3 * NEW)
    b.act("parent", act, "grant", me, word("grant"), row="grant, by a guardian", slots=2 * READ + NEW)
    for name, row in (("aunt", "supportRecovery, first"), ("teacher", "supportRecovery, last")):
        slots = 3 * READ + (NEW if name == "aunt" else CHANGED)
        b.act(name, act, "supportRecovery", me, plan, row=row, slots=slots)
    b.now += 86_400
    b.act("sponsor", act, "executeRecovery", me, plan, row="executeRecovery", slots=READ + 3 * CHANGED)


def sign(b: Bench, domain: bytes, message: bytes) -> bytes:
    """The patient's signature over a typed message."""
    digest = keccak(b"\x19\x01" + domain + message)
    return bytes(Account.unsafe_sign_hash(digest, b.person("patient").key).signature)


def requests(b: Bench) -> None:
    """A practitioner under its own grant, and a member under its organisation's, ask for records."""
    ways = {"own": ("practitioner", "practitioner", READ_FLAG)}
    ways["organisation"] = ("member", "hospital", READ_FLAG | MEMBERS_FLAG)
    me = identity(b.person("patient"))
    epoch = b.view("ConsentRegistry", "epochOf", me)
    for way, (actor, grantee, flags) in ways.items():
        to = identity(b.person(grantee))
        dates = (START, START + YEAR)
        terms = (me, to, word("segment"), ZERO, TREAT, flags, *dates, epoch, word(f"reading {way}"))
        b.act("patient", "ConsentRegistry", "grant", me, b.view("ConsentRegistry", "grantIdOf", terms))
        read = (READ + CALL) * 2 + READ + (READ if way == "organisation" else 0)
        counts = [("first", 1, NEW, 75_500), ("", 1, CHANGED, 58_000), ("10 records", 10, CHANGED, None)]
        counts += [("100 records", 100, CHANGED, 480_000)]
        for label, count, head, target in counts:
            salts = [word(f"{way} {label} {i}") for i in range(count)]
            rest = (TREAT, word("reply key"), word("agent"))
            row = ", ".join(filter(None, ["request", way, label]))
            b.act(
                actor, "AccessLog", "request", terms, salts, *rest, row=row, slots=read + head, target=target
            )
        signed = (*terms[:9], word(f"reading at the bedside {way}"))
        grant_id = b.view("ConsentRegistry", "grantIdOf", signed)
        signature = sign(b, b.view("ConsentRegistry", "domainSeparator"), grant_id)
        proof = (bytes.fromhex(b.person("patient").address[2:]), signature)
        act = (actor, "AccessLog", "requestWithSignature", signed, [word("bedside")], *rest, *proof)
        slots = read + CHANGED + NEW + RECOVER - READ
        b.act(*act, row=f"requestWithSignature, {way}", slots=slots, target=90_000)


def anchors(b: Bench) -> None:
    """A hospital anchors a record, its successor, and batches of a hundred; and erases."""
    ids = [word("record"), word("record, corrected")]
    act = ("hospital", "RecordRegistry")
    b.act(*act, "anchor", ids[0], word("anchor"), row="anchor", slots=NEW, target=47_500)
    b.act(*act, "supersede", *ids, word("anchor, corrected"), row="supersede", slots=READ + NEW + NEW)
    b.act(*act, "markErased", ids[0], row="markErased", slots=READ + NEW)
    for label, slots, target in (("first of a page", NEW, None), ("", CHANGED, 32_000)):
        row = ", ".join(filter(None, ["anchorBatch, 100 records", label]))
        b.act(*act, "anchorBatch", 1, word(f"root {label}"), 100, row=row, slots=slots, target=target)


def glass(b: Bench) -> None:
    """Two people break the glass, and a third reviews."""
    b.act("authority", "ProviderRegistry", "issue", credential(b, "reviewer", REVIEWER))
    for authority in ("authority", "second authority"):
        emergency = credential(b, "confirmer", TREATING | EMERGENCY)
        b.act(authority, "ProviderRegistry", "issueEmergency", emergency)
    b.now += DAY
    asked = [word(each) for each in ("patient", "segment", "reason", "reply key", "agent")]
    roles = 2 * CALL + 2 * READ
    slots = 2 * NEW + CHANGED + roles + 2 * READ
    b.act("practitioner", "AccessLog", "requestBreakGlass", *asked, row="requestBreakGlass", slots=slots)
    access = b.view("AccessLog", "headOf", b.person("practitioner").address)
    act = ("confirmer", "AccessLog", "confirmBreakGlass", access)
    b.act(*act, row="confirmBreakGlass, first", slots=5 * NEW + CHANGED + roles + 2 * READ)
    act = ("reviewer", "AccessLog", "reviewBreakGlass", access, True, word("note"))
    b.act(*act, row="reviewBreakGlass, first", slots=2 * NEW + CHANGED + roles + 6 * READ)


def measure() -> list[Row]:
    """Every row, on a new Anvil."""
    with anvil(hardfork="osaka", timestamp=START) as url:
        b = Bench(Web3(HTTPProvider(url)))
        for part in (deploy, onboarding, consents, identities, requests, anchors, glass):
            part(b)
    return b.rows


def table(rows: list[Row]) -> str:
    """The rows as text: used, target, floor, and what stands between floor and used."""
    lines = [f"{'act':32}{'used':>11}{'target':>11}{'floor':>11}{'between':>9}"]
    for row in rows:
        target = f"{row.target:,}" if row.target else ""
        missed = "  over" if row.target and row.used > row.target else ""
        between = row.used - row.floor
        lines.append(f"{row.name:32}{row.used:>11,}{target:>11}{row.floor:>11,}{between:>9,}{missed}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where a number is not the committed one, or a target is missed."""
    rows = measure()
    print(table(rows))
    used = {row.name: row.used for row in rows}
    if arguments == ["--write"]:
        VECTORS.write_text(json.dumps(used, indent=1) + "\n", "utf-8")
    expected = json.loads(VECTORS.read_text("utf-8"))
    for name in sorted(used.keys() | expected.keys()):
        if used.get(name) != expected.get(name):
            print(f"{name}: {used.get(name)} measured, {expected.get(name)} in {VECTORS.name}")
    missed = any(row.target and row.used > row.target for row in rows)
    return int(used != expected or missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
