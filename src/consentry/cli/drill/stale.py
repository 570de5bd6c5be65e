"""Keyholders that keep a new statement from a contributor, so that it seals to a key that was replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from consentry.cli.drill.keepers import held
from consentry.cli.drill.tries import Drill, several
from consentry.client import Group
from consentry.envelope.statement import SignedStatement, Statement, message, segment_pair_seed
from consentry.errors import ConsentryError
from consentry.keyholder.messages import BoxAnswer, Call, Keyholder
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import new_seed, public_key, wrap
from consentry.record import Record

_LIARS = (4, 5)


def play(drill: Drill) -> None:
    """The patient raises the key version; two keyholders that hold it give the contributor the old one."""
    stage = drill.stage
    newest = _next_version(drill, "general")
    usual = stage.group
    keyholders = [_Stale(one) if one.card.index in _LIARS else one for one in stage.keyholders]
    stage.group = Group(usual.deployment, usual.roster, cast("list[Keyholder]", keyholders))
    try:
        [deposited] = stage.desk("hospital").deposit(
            stage.patient, [Record("general", "text/plain", b"new", "2026-01-15")]
        )
        header = held(drill, 1, deposited.record_id).header
        used = (header.version, header.statement)
        got = "" if used == (newest.version, newest.hash) else f"a deposit sealed to version {header.version}"
        met = f"the hospital asks more than they are, and seals to version {header.version}"
    except ConsentryError as error:
        got, met = f"the deposit stopped: {type(error).__name__}", str(error)
    finally:
        stage.group = usual
    drill.line(f"keyholders {several(_LIARS)}", "give a statement that was replaced", got, met)


class _Stale:
    """A keyholder that gives a segment's first statement as the newest."""

    def __init__(self, inner: Keyholder) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def fetch_box(self, call: Call) -> BoxAnswer:
        """See `Keyholder.fetch_box`."""
        answer = self._inner.fetch_box(call)
        return replace(answer, statements=answer.statements[:1])


def _next_version(drill: Drill, kind: str) -> Statement:
    """The patient signs the next key version of a segment, and gives it to every keyholder."""
    stage, patient = drill.stage, drill.stage.people["patient"]
    deployment, first, seed = stage.chain.deployment, drill.statement(kind), new_seed()
    version = first.version + 1
    info = deployment.info("own seed", first.patient, first.segment, version)
    own = abi_encode(["bytes32", "string"], [seed, kind])
    statement = replace(
        first,
        version=version,
        segment_key=public_key(segment_pair_seed(seed)),
        previous=first.hash,
        own_seed=wrap(own, patient.keyring.public_key, info),
    )
    body = statement.encode()
    signed = SignedStatement(body, patient.signer.sign_typed_data(message(deployment, body)))
    for keyholder in stage.keyholders:
        keyholder.statement(signed)
    return statement
