"""The keyholders change, and no record is opened for it."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentry.chain import Chain
from consentry.client import Group, Opened
from consentry.consent.terms import DEPOSIT
from consentry.errors import TooFewKeyholders, Unreachable
from consentry.evidence import Journal, audit
from consentry.keyholder import joining
from consentry.keyholder.messages import Call, Released
from tests.support.members import Change
from tests.support.world import World, make_world, populated, record


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The hospital deposited two records, of which the clinician may read the general one."""
    world = populated(make_world(tmp_path))
    world.grant("clinician", "general")
    return world


def opened(world: World, who: str = "clinician") -> list[Opened]:
    """The patient's general records, each opened by an entry of its own."""
    desk = world.desk(who)
    return [desk.open(world.patient, one.record_id) for one in desk.list(world.patient)]


def bodies(world: World) -> set[bytes]:
    found = set()
    for one in opened(world):
        with one.file as file:
            found.add(file.read())
    return found


def only(world: World, *indexes: int) -> World:
    """The world with these keyholders alone."""
    up = [one for one in world.keyholders if one.card.index in indexes]
    return replace(world, group=Group(world.chain.deployment, world.group.roster, up))


BODY = record("general").body

CHANGES = {
    "one is added": {"added": 1},
    "one is removed": {"removed": (2,)},
    "one is replaced": {"added": 1, "removed": (4,)},
    "one that is gone is replaced": {"added": 1, "lost": (1,)},
    "four of seven are needed": {"added": 2, "threshold": 4},
    "two of three are needed": {"removed": (1, 2), "threshold": 2},
    "nobody changes": {},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_deposited_before_is_read_after(world: World, change: dict[str, object]) -> None:
    changed = Change(world, **change)  # type: ignore[arg-type]
    joined = changed.move()
    assert {one.records for one in joined.values()} == {2}
    assert not any(one.left for one in joined.values())
    roster = world.group.roster
    [one] = opened(world)
    with one.file as file:
        assert file.read() == BODY
    assert (len(one.keyholders), one.cheats) == (roster.threshold, ())
    for service in world.keyholders:
        assert service.check().faults() == []


def test_any_three_of_those_who_came_after_are_enough_and_two_are_not(world: World) -> None:
    Change(world, added=1, removed=(4,)).move()
    assert bodies(only(world, 2, 5, 6)) == {BODY}
    with pytest.raises(TooFewKeyholders):
        opened(only(world, 5, 6))


def test_the_hospital_deposits_and_the_patient_grants_as_before(world: World) -> None:
    """Statements name the group that there was: they hold on."""
    Change(world, added=1, removed=(4,)).move()
    world.desk("hospital").deposit(world.patient, [record("general", b"{}")])
    world.grant("hospital", "general")
    assert bodies(world) == {BODY, b"{}"}
    world.grant("hospital", "substance-use", flags=DEPOSIT)


def test_the_group_changes_again_and_what_was_handed_on_is_handed_on(world: World) -> None:
    Change(world, added=1, removed=(1,)).move()
    world.desk("hospital").deposit(world.patient, [record("general", b"{}")])
    again = Change(world, added=1, removed=(2, 3), threshold=2)
    again.move()
    assert [card.index for card in world.group.roster.keyholders] == [4, 5, 6, 7]
    assert bodies(world) == {BODY, b"{}"}
    assert bodies(only(world, 4, 7)) == {BODY, b"{}"}


def test_the_patient_opens_alone_and_revokes_after_a_change(world: World) -> None:
    Change(world, added=1, removed=(4,)).move()
    desk = world.desk("patient")
    assert {label.kind for _, label in desk.my_records()} == {"general", "substance-use"}
    desk.revoke()
    assert opened(world) == []


def test_a_key_box_and_a_stop_come_along(world: World) -> None:
    change = Change(world, added=1, removed=(4,))
    grant = list(world.desk("patient").my_grants())[-1]
    new = change.move()[6]
    assert (new.statements, new.boxes) == (5, 3)
    assert world.keyholders[-1]._vault.find_box(world.patient, grant)


def test_what_those_before_held_is_destroyed_once_those_after_hold_it(world: World) -> None:
    change = Change(world, added=1, removed=(4,))
    change.move()
    for index in (1, 2, 3, 4, 5):
        left = change.leave(index)
        assert (left.records, left.kept) == (2, [])
        vault = change.place(index).service(change.keys(index), change.before, world.chain)
        with closing(vault):
            assert vault._vault.held(world.patient) == []
    assert bodies(world) == {BODY}


def test_who_is_killed_while_it_lets_go_goes_on(world: World) -> None:
    """Keys are destroyed first: what is cut off in between opens nothing, and goes with the next run."""
    change = Change(world, added=1, removed=(4,))
    change.move()
    old = change.place(4).service(change.keys(4), change.before, world.chain)
    with closing(old), old._vault._keys.writing() as connection:
        connection.exec_driver_sql("DELETE FROM record_keys")
    left = change.leave(4)
    assert (left.records, left.kept) == (2, [])
    again = change.leave(4)
    assert (again.records, again.kept) == (0, [])
    old = change.place(4).service(change.keys(4), change.before, world.chain)
    with closing(old):
        assert old._vault.stock.records(bytes(32), 9) == []
        assert old.check().faults() == []


def test_nobody_lets_go_of_what_too_few_took_over(world: World) -> None:
    change = Change(world, added=1, removed=(4,))
    for index in (1, 2, 6):
        change.join(index)
    world.keyholders = [change.serve(index) for index in (1, 2, 6)]
    left = change.leave(4)
    assert (left.records, len(left.kept)) == (0, 2)
    world.keyholders = list(change.old.values())  # type: ignore[arg-type]
    assert bodies(world) == {BODY}


class Cut:
    """A dealer whose line is cut after so many answers."""

    def __init__(self, keyholder: Any, answers: int) -> None:
        self.card, self._keyholder, self._left = keyholder.card, keyholder, answers

    def hand_over(self, call: Call) -> Released:
        if self._left == 0:
            raise Unreachable("the line is cut")
        self._left -= 1
        return self._keyholder.hand_over(call)  # type: ignore[no-any-return]


def test_joining_is_cut_at_every_answer_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consentry.keyholder.handover._MANY", 2)
    monkeypatch.setattr("consentry.keyholder.vault.stock._RECORDS", 1)
    monkeypatch.setattr(joining, "_NOTED", 1)
    change, answers = Change(world, added=1, removed=(4,)), 0
    honest = change.old
    for dealer in (1, 5):
        while True:
            change.old = {**honest, dealer: Cut(honest[dealer], answers)}  # type: ignore[dict-item]
            with suppress(Unreachable):
                change.join(6)
                break
            answers += 1
        answers = 0
    change.old = honest
    assert change.join(6).records == 0  # all was taken over by then
    change.move()
    for service in world.keyholders:
        assert service.check().faults() == []
    assert bodies(only(world, 1, 5, 6)) == {BODY}


def test_what_one_lost_is_made_anew(world: World) -> None:
    """The same keyholders once more: who lost a record's key gets another share of it."""
    third = world.keyholders[2]
    lost = world.keyholders[0]._vault.held(world.patient)
    with third._vault._keys.writing() as connection:
        connection.exec_driver_sql("DELETE FROM record_keys")
    faults = third.check().faults()
    assert len(faults) == len(lost) == 2
    assert all("its key is lost" in fault.what for fault in faults)
    joined = Change(world).move()
    assert {one.records for one in joined.values()} == {2}
    assert bodies(only(world, 3, 4, 5)) == {BODY}


def test_a_deposit_that_enough_held_is_finished_with_those_who_came_after(world: World) -> None:
    hospital, more = world.desk("hospital"), [record("general", b"{}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chain, "send", cut)
        with pytest.raises(Unreachable):
            hospital.deposit(world.patient, more)  # dealt, and not anchored
    Change(world, added=1, removed=(4,)).move()
    world.desk("hospital").deposit(world.patient, more)
    assert bodies(world) == {BODY, b"{}"}


def test_what_is_anchored_as_one_batch_is_handed_on_and_stands_in_the_audit(world: World) -> None:
    """Also where the deposit is cut off before its anchor, and the keyholders change meanwhile."""
    some, more = ([record("general", f"{what} {n}".encode()) for n in range(3)] for what in ("some", "more"))
    world.desk("hospital").deposit(world.patient, some)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chain, "send", cut)
        with pytest.raises(Unreachable):
            world.desk("hospital").deposit(world.patient, more)
    change = Change(world, added=1, removed=(4,))
    joined = change.move()
    assert {(one.records, one.unfinished, len(one.left)) for one in joined.values()} == {(8, 0, 0)}
    world.desk("hospital").deposit(world.patient, more)
    assert bodies(world) == {BODY, *(one.body for one in (*some, *more))}
    assert change.leave(4).kept == []
    journals = [Journal(one.card, one.journal()) for one in world.keyholders]
    report = audit(world.chain, world.store, journals, threshold=3)
    assert [note for note in report.notes if "never anchored" in note] == []


def test_a_deposit_that_too_few_held_begins_anew(world: World) -> None:
    more = [record("general", b"{}")]
    with pytest.MonkeyPatch.context() as patch:
        for keyholder in world.keyholders[2:]:
            patch.setattr(keyholder, "deal", cut)
        with pytest.raises(TooFewKeyholders):
            world.desk("hospital").deposit(world.patient, more)
    change = Change(world, added=1, removed=(4,))
    joined = change.move()
    assert (joined[6].unfinished, joined[6].left) == (1, {})
    world.desk("hospital").deposit(world.patient, more)
    assert bodies(world) == {BODY, b"{}"}
    left = [change.leave(index) for index in (1, 2)]
    assert [(one.records, one.kept) for one in left] == [(2, []), (2, [])]
    old = change.place(1).service(change.keys(1), change.before, world.chain)
    with closing(old):
        assert old._vault.stock.records(bytes(32), 9) == []


def cut(*_: object, **__: object) -> None:
    raise Unreachable("the node is gone")


def test_an_audit_reads_the_journals_of_those_before_and_after(world: World) -> None:
    assert bodies(world) == {BODY}
    former = world.keyholders[3]
    Change(world, added=1, removed=(4,)).move()
    assert bodies(world) == {BODY}
    journals = [Journal(one.card, one.journal()) for one in (*world.keyholders, former)]
    known = world.person("clinician").copy.heard()
    report = audit(world.chain, world.store, journals, known, threshold=3)
    assert [one.verdict for one in report.accesses] == ["released", "released"]
    assert report.findings == []
