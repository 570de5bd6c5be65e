"""Keyholders that keep a new statement from a contributor, so that it seals to a key that was replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from consentry.cli.demo.scenes import propose
from consentry.cli.demo.stage import StoryBroken
from consentry.cli.drill.keepers import held
from consentry.cli.drill.tries import Drill, several
from consentry.client import Group
from consentry.consent.terms import READ
from consentry.envelope.statement import Statement
from consentry.errors import ConsentryError
from consentry.keyholder.messages import BoxAnswer, Call, Keyholder
from consentry.record import GENERAL, Record

_LIARS = (4, 5)


def play(drill: Drill) -> None:
    """Two keyholders that hold the new statement give the contributor the old one."""
    stage = drill.stage
    newest = _rotated(drill)
    usual = stage.group
    keyholders = [_Stale(one) if one.card.index in _LIARS else one for one in stage.keyholders]
    stage.group = Group(usual.deployment, usual.roster, cast("list[Keyholder]", keyholders))
    try:
        [deposited] = stage.desk("hospital").deposit(
            stage.patient, [Record(GENERAL, "text/plain", b"new", "2026-01-15")]
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


def _rotated(drill: Drill) -> Statement:
    """A provider may read for a while; then the patient revokes, which replaces the segment's key."""
    stage, patient = drill.stage, drill.stage.desk("patient")
    offered, proposals = propose(stage, "impostor", [GENERAL], READ)
    patient.grant(offered, proposals)
    before = drill.statement(GENERAL)
    patient.revoke([proposals[0].grant_id])
    after = drill.statement(GENERAL)
    if after.version != before.version + 1:
        raise StoryBroken("the patient's revocation did not replace the segment's key")
    return after
