"""The peers of the gas bench: what others use for the same acts, on the same chain, right after ours.

OpenZeppelin's AccessControl and a plain registry of structs and strings are compiled here with our compiler
and its settings; EAS is deployed as its authors compiled and published it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_utils.crypto import keccak

from bench._chain import START, YEAR, Bench, word
from bench._solc import PACKAGES, compiled

EAS = PACKAGES / "@ethereum-attestation-service" / "eas-contracts" / "artifacts" / "contracts"
NOBODY, ZERO = "0x" + "00" * 20, bytes(32)
MANY = 50  # attestations in one call: 100 do not fit into a transaction
# What a tutorial's example says; a CID is as long as they are.
PATIENT, PROVIDER, PURPOSE = "patient-0001", "Dr. Jane Example", "Treatment"
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@dataclass(frozen=True, slots=True)
class Peer:
    """One act of a peer: whose, which of its functions, and the gas of a call with ``count`` of them."""

    system: str
    act: str
    total: int
    count: int = 1

    @property
    def used(self) -> int:
        """Gas for one of them, rounded down as ours is."""
        return self.total // self.count

    @property
    def name(self) -> str:
        """By what the committed figures name it."""
        return f"{self.system}: {self.act}"


@dataclass
class Peers:
    """The peers on the chain of a bench, and what was measured of them so far."""

    bench: Bench
    found: list[Peer]

    def deploy(self, name: str, *arguments: Any) -> None:
        """One of bench/contracts."""
        self.bench.deploy("peer", name, *compiled(f"bench/contracts/{name}.sol"), *arguments)

    def deploy_eas(self, name: str, *arguments: Any) -> None:
        """A contract of EAS, as published."""
        made = json.loads((EAS / f"{name}.sol" / f"{name}.json").read_text("utf-8"))
        self.bench.deploy("peer", name, made["abi"], made["bytecode"], *arguments)

    def act(
        self, system: str, who: str, contract: str, function: str, *arguments: Any, count: int = 1
    ) -> Any:
        """Measure one call; its receipt."""
        receipt, _ = self.bench.call(who, contract, function, *arguments)
        act = function if count == 1 else f"{function}, {count}"
        self.found.append(Peer(system, act, receipt["gasUsed"], count))
        return receipt


def roles(p: Peers) -> None:
    """An administrator gives and takes a role, which others have already."""
    p.deploy("Roles")
    role = word("role")
    p.bench.call("peer", "Roles", "grantRole", role, p.bench.person("a clinician").address)
    for function in ("grantRole", "revokeRole"):
        who = p.bench.person("another clinician").address
        p.act("OpenZeppelin", "peer", "Roles", function, role, who)


def attestations(p: Peers) -> None:
    """A patient attests 32 bytes, the hash of what she consents to, about a provider; the second of hers."""
    b = p.bench
    p.deploy_eas("SchemaRegistry")
    p.deploy_eas("EAS", b.contracts["SchemaRegistry"].address)
    schema = ("bytes32 grantId", NOBODY, True)
    b.call("peer", "SchemaRegistry", "register", *schema)
    uid = keccak(schema[0].encode() + bytes(20) + b"\x01")
    clinician = b.person("a clinician").address

    def data(i: int) -> tuple[Any, ...]:
        return (clinician, START + YEAR, True, ZERO, word(f"attested {i}"), 0)

    b.call("attester", "EAS", "attest", (uid, data(0)))
    receipt = p.act("EAS", "attester", "EAS", "attest", (uid, data(1)))
    (event,) = b.contracts["EAS"].events.Attested().process_receipt(receipt)
    p.act("EAS", "attester", "EAS", "revoke", (uid, (event["args"]["uid"], 0)))
    for i in (2, 3):
        signed = signature(b, uid, data(i))
        request = (uid, data(i), signed, b.person("attester").address, 0)
        if i == 2:
            b.call("peer", "EAS", "attestByDelegation", request)
        else:
            p.act("EAS", "peer", "EAS", "attestByDelegation", request)
    many = [(uid, [data(i) for i in range(10, 10 + MANY)])]
    p.act("EAS", "attester", "EAS", "multiAttest", many, count=MANY)
    p.act("EAS", "attester", "EAS", "timestamp", word("timestamped"))
    hundred = [word(f"timestamped {i}") for i in range(100)]
    p.act("EAS", "attester", "EAS", "multiTimestamp", hundred, count=100)


def signature(b: Bench, schema: bytes, data: tuple[Any, ...]) -> tuple[int, bytes, bytes]:
    """The attester's over an attestation that somebody else delivers: v, r, s."""
    recipient, expires, revocable, reference, content, value = data
    attester = b.person("attester").address
    types = ["bytes32", "address", "bytes32", "address", "uint64", "bool", "bytes32", "bytes32"]
    types += ["uint256", "uint256", "uint64"]
    nonce = b.view("EAS", "getNonce", attester)
    values = (b.view("EAS", "getAttestTypeHash"), attester, schema, recipient, expires, revocable)
    message = keccak(encode(types, [*values, reference, keccak(content), value, nonce, 0]))
    signed = b.sign("attester", keccak(b"\x19\x01" + b.view("EAS", "getDomainSeparator") + message))
    return signed[64], signed[:32], signed[32:64]


def plain(p: Peers) -> None:
    """A patient consents and revokes, a provider logs an access; each for the second time."""
    p.deploy("PlainRegistry")
    grant = ("consenting", "PlainRegistry", "grantConsent", PATIENT, PROVIDER, PURPOSE, CID, START + YEAR)
    log = ("a clinician", "PlainRegistry", "logAccess", 2, PROVIDER, PURPOSE)
    p.bench.call(*grant)
    p.act("plain registry", *grant)
    p.bench.call(*log)
    p.act("plain registry", *log)
    p.act("plain registry", "consenting", "PlainRegistry", "revokeConsent", 2)


def measure_peers(b: Bench) -> list[Peer]:
    """All peers, on the chain of the bench; ours were measured before and are not touched by it."""
    p = Peers(b, [])
    for part in (roles, attestations, plain):
        part(p)
    return p.found
