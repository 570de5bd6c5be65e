"""What can be done about a patient: as a transaction, and as a signature that anybody may deliver."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from tests.contracts.model.identity import Identity
from tests.contracts.model.parts import REVOKED, Plan, RefusedError, Trustees
from tests.contracts.model.world import World

PLAN = ("controller", "guardian", "until", "successor")


@dataclass(frozen=True)
class Call:
    """A call: the function, what it is given by name, what it does to the model for somebody, and the type of
    the message by which it is signed (empty: it is a grant, or done by transaction alone)."""

    function: str
    given: dict[str, Any]
    does: Callable[[World, bytes], None] = field(compare=False)
    text: str = ""

    @property
    def patient(self) -> bytes:
        """Whose identity it is about."""
        return bytes(self.given["patient"])

    def message(self, patient: Identity) -> bytes:
        """The struct hash that is signed for it now; of a grant its id."""
        if not self.text:
            return bytes(self.given["grantId"])
        now = {"sequence": patient.sequence, "epoch": patient.epoch, "round": patient.round}
        fields = re.findall(r"([\w\[\]]+) (\w+)", self.text.partition("(")[2])
        plan = dict(zip(PLAN, self.given.get("plan", ()), strict=False))
        values = now | self.given | plan
        return keccak(keccak(text=self.text) + b"".join(_word(kind, values[name]) for kind, name in fields))


@dataclass(frozen=True)
class Letter:
    """A call that somebody signed."""

    call: Call
    signer: bytes
    message: bytes
    signature: bytes


def deliver(world: World, letter: Letter, call: Call, claimed: bytes) -> None:
    """A signature is delivered, as one for this call by the one who is claimed to have made it."""
    patient = world.patients[call.patient]
    good = letter.signer == claimed and letter.message == call.message(patient)
    good = good and (letter.call.function == "grant") == (call.function == "grant")  # two domains
    if call.function == "grant":
        if patient.stands(call.given["grantId"], world.now):
            return
        patient.check_acts(claimed, world.now)
    if call.function == "revoke":
        held = patient.grants.get(call.given["grantId"])
        if held and held.status == REVOKED:
            return
    if not good:
        raise RefusedError("SignatureInvalid")
    patient.sequence += "uint256 sequence" in call.text
    call.does(world, claimed)


def grant(patient: bytes, grant_id: bytes) -> Call:
    given = {"patient": patient, "grantId": grant_id}
    return Call("grant", given, lambda w, who: w.patients[patient].grant(who, w.now, grant_id))


def grant_many(patient: bytes, ids: list[bytes]) -> Call:
    given = {"patient": patient, "grantIds": ids}
    return Call("grantMany", given, lambda w, who: w.patients[patient].grant(who, w.now, *ids))


def renew(patient: bytes, old: bytes, new: bytes) -> Call:
    given = {"patient": patient, "oldId": old, "newId": new}
    return Call("renew", given, lambda w, who: w.patients[patient].renew(who, w.now, old, new))


def revoke(patient: bytes, grant_id: bytes) -> Call:
    return Call(
        "revoke",
        {"patient": patient, "grantId": grant_id},
        lambda w, who: w.patients[patient].revoke(who, w.now, grant_id),
        "Revoke(bytes32 patient,bytes32 grantId)",
    )


def revoke_all(patient: bytes) -> Call:
    return Call(
        "revokeAll",
        {"patient": patient},
        lambda w, who: w.patients[patient].revoke_all(who, w.now, w.newest_block),
        "RevokeAll(bytes32 patient,uint64 epoch)",
    )


def set_controller(patient: bytes, controller: bytes) -> Call:
    return Call(
        "setController",
        {"patient": patient, "controller": controller},
        lambda w, who: w.patients[patient].set_controller(who, w.now, controller),
        "SetController(bytes32 patient,address controller,uint256 sequence)",
    )


def set_opt_out(patient: bytes, purposes: int) -> Call:
    return Call(
        "setOptOut",
        {"patient": patient, "purposes": purposes},
        lambda w, who: w.patients[patient].set_opt_out(who, w.now, purposes),
        "SetOptOut(bytes32 patient,uint32 purposes,uint256 sequence)",
    )


def set_guardian(patient: bytes, guardian: bytes, until: int, successor: bytes) -> Call:
    given = {"patient": patient, "guardian": guardian, "until": until, "successor": successor}

    def does(w: World, who: bytes) -> None:
        w.patients[patient].set_guardian(who, w.now, guardian, until, successor, w.newest_block)

    text = "SetGuardian(bytes32 patient,address guardian,uint40 until,address successor,uint256 sequence)"
    return Call("setGuardian", given, does, text)


def end_guardianship(patient: bytes) -> Call:
    return Call(
        "endGuardianship",
        {"patient": patient},
        lambda w, who: w.patients[patient].end_guardianship(who, w.now),
        "EndGuardianship(bytes32 patient,uint256 sequence)",
    )


def set_trustees(patient: bytes, it: Trustees) -> Call:
    given = {"patient": patient, "trustees": it.members, "threshold": it.threshold, "delay": it.delay}

    def does(w: World, who: bytes) -> None:
        w.patients[patient].set_trustees(who, w.now, it)

    text = "SetTrustees(bytes32 patient,address[] trustees,uint8 threshold,uint40 delay,uint256 sequence)"
    return Call("setTrustees", given, does, text)


def confirm_trustees(patient: bytes) -> Call:
    given = {"patient": patient}
    return Call("confirmTrustees", given, lambda w, who: w.patients[patient].confirm_trustees(w.now))


def support(patient: bytes, plan: Plan) -> Call:
    return Call(
        "supportRecovery",
        {"patient": patient, "plan": _tuple(plan)},
        lambda w, who: w.patients[patient].support(who, w.now, plan),
        "SupportRecovery(bytes32 patient,address controller,address guardian,uint40 until,"
        "address successor,uint64 round)",
    )


def veto(patient: Identity, plan: Plan, of_round: int) -> Call:
    begun = support(patient.me, plan)
    recovery = Call(begun.function, {**begun.given, "round": of_round}, begun.does, begun.text).message(
        patient
    )
    return Call(
        "vetoRecovery",
        {"patient": patient.me, "recovery": recovery},
        lambda w, who: w.patients[patient.me].veto(who, w.now, plan, of_round),
        "VetoRecovery(bytes32 patient,bytes32 recovery)",
    )


def recover(patient: bytes, plan: Plan) -> Call:
    given = {"patient": patient, "plan": _tuple(plan)}
    return Call(
        "executeRecovery", given, lambda w, who: w.patients[patient].recover(w.now, plan, w.newest_block)
    )


def _tuple(plan: Plan) -> tuple[Any, ...]:
    return tuple(getattr(plan, name) for name in PLAN)


def _word(kind: str, value: Any) -> bytes:
    if kind == "address[]":
        return keccak(b"".join(each.rjust(32, b"\0") for each in value))
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")
