"""Identities in a whole run: everything that changes one, by transactions and by signatures."""

from __future__ import annotations

from typing import Any

from consentry.keys.typed import CONTROL, message
from tests.attacks.support import later
from tests.support.world import DAY, World


def identities(world: World) -> None:
    """What may be done with an identity, by transactions and by signatures that anybody delivers."""
    stranger, neighbour = world.person("stranger").signer, world.person("neighbour")
    its, key = neighbour.identity, b"a public key"
    signed = (bytes.fromhex(neighbour.address[2:]),)

    def deliver(function: str, primary: str, *fields: tuple[str, str, Any], given: int | None = None) -> None:
        text = [("bytes32", "patient", its), *fields]
        signature = neighbour.signer.sign_typed_data(
            message(world.chain.deployment, primary, text, domain=CONTROL)
        )
        values = [value for _, _, value in fields[:given]]
        world.chain.send(stranger, "ConsentRegistry", function, its, *values, *signed, signature)

    def number() -> tuple[str, str, int]:
        return "uint256", "sequence", world.chain.rpc.call("ConsentRegistry", "sequenceOf", its)

    epoch = ("uint64", "epoch", world.chain.epoch_of(its))
    deliver("revokeAllBySig", "RevokeAll", epoch, given=0)
    deliver("setOptOutBySig", "SetOptOut", ("uint32", "purposes", 8), number(), given=1)
    public = (("uint16", "algorithm", 1), ("bytes", "publicKey", key))
    deliver("setEncryptionKeyBySig", "SetEncryptionKey", *public, number(), given=2)
    again = ("address", "controller", neighbour.address)
    deliver("setControllerBySig", "SetController", again, number(), given=1)
    world.chain.send(neighbour.signer, "ConsentRegistry", "setController", its, stranger.address)
    guardianship(world)


def guardianship(world: World) -> None:
    """A ward, its guardians and trustees, by transactions and by signatures, until the ward has a new key."""
    stranger, day = world.person("stranger").signer, DAY
    people = {
        name: world.person(name) for name in ("ward", "parent", "aunt", "teacher", "doctor", "grown up")
    }
    at = {name: person.address for name, person in people.items()}
    its, until = people["ward"].identity, world.chain.head().time + 100 * day

    def do(who: str, function: str, *values: Any) -> None:
        world.chain.send(people[who].signer, "ConsentRegistry", function, its, *values)

    def deliver(who: str, function: str, primary: str, fields: str, *values: Any, given: Any = None) -> None:
        """``given``: the arguments of the call, where they are not the values but the last."""
        kinds = [tuple(each.split(" ")) for each in fields.split(",")]
        text = [(kind, name, value) for (kind, name), value in zip(kinds, values, strict=True)]
        full = message(world.chain.deployment, primary, [("bytes32", "patient", its), *text], domain=CONTROL)
        signed = (bytes.fromhex(at[who][2:]), people[who].signer.sign_typed_data(full))
        arguments = values[:-1] if given is None else given
        world.chain.send(stranger, "ConsentRegistry", function, its, *arguments, *signed)

    trustees = sorted((at["aunt"], at["teacher"], at["doctor"]), key=str.lower)
    naming = "address[] trustees,uint8 threshold,uint40 delay,uint256 sequence"
    deliver("ward", "setTrusteesBySig", "SetTrustees", naming, trustees, 2, day, 0)
    do("ward", "setTrustees", trustees, 3, day)
    later(world, day)
    world.chain.send(stranger, "ConsentRegistry", "confirmTrustees", its)
    appointing = "address guardian,uint40 until,address successor,uint256 sequence"
    values = (at["parent"], until, at["grown up"], 1)
    deliver("ward", "setGuardianBySig", "SetGuardian", appointing, *values)
    do("parent", "endGuardianship")
    do("grown up", "setGuardian", at["parent"], until, at["doctor"])
    deliver("parent", "endGuardianshipBySig", "EndGuardianship", "uint256 sequence", 2)
    plan = (at["grown up"], "0x" + "00" * 20, 0, "0x" + "00" * 20)
    number = world.chain.rpc.call("ConsentRegistry", "trusteesOf", its)[3]
    supporting = "address controller,address guardian,uint40 until,address successor,uint64 round"
    do("aunt", "supportRecovery", plan)
    for who in ("teacher", "doctor"):
        values = (who, "supportRecoveryBySig", "SupportRecovery", supporting, *plan, number)
        deliver(*values, given=(plan,))
    recovery = world.chain.rpc.call("ConsentRegistry", "recoveryOf", its, plan)[0]
    deliver("doctor", "vetoRecoveryBySig", "VetoRecovery", "bytes32 recovery", recovery, given=(recovery,))
    do("doctor", "vetoRecovery", recovery)
    later(world, day)
    world.chain.send(stranger, "ConsentRegistry", "executeRecovery", its, plan)
