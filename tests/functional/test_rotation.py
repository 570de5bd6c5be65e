"""A segment gets its next key version when a grant to read it ended, wherever the patient's device stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from consentry.client import Client, Ended, Group, Person, Proposal, deliver
from consentry.client.rotation import Rotated, Rotator
from consentry.consent.box import KeyBox
from consentry.consent.terms import DEPOSIT
from consentry.envelope.statement import Statement
from consentry.errors import KeyholderRefused, Refused, Unreachable
from consentry.evidence import Ending, Journal, audit
from consentry.keyholder.service import KeyholderService
from tests.attacks.support import later
from tests.support.cuts import after_every_step
from tests.support.world import DAY, World, make_world, populated, record

KIND = "general"


@pytest.fixture(scope="module")
def world(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = populated(make_world(tmp_path_factory.mktemp("rotation"), Web3(HTTPProvider(anvil_url))))
    world.onboard("nurse", organisation="hospital")
    world.person("stranger")
    return world


@pytest.fixture
def granted(world: World) -> Iterator[tuple[Proposal, Proposal]]:
    """The clinician and the nurse may both read, and nobody else: (hers, the nurse's)."""
    yield world.grant("clinician", KIND)[0], world.grant("nurse", KIND)[0]
    patient = world.desk("patient")
    over = [one for one, grant in patient.my_grants().items() if grant.terms.flags != DEPOSIT]
    live = [one for one in over if world.chain.in_force(world.patient, one)]
    if live:
        patient.revoke(live)


def newest(world: World, index: int = 1, kind: str = KIND) -> Statement:
    """The newest statement that a keyholder holds of the segment."""
    segment = world.desk("patient")._own.segments()[kind].statement.segment
    held = world.keyholders[index - 1]._vault.statements(world.patient, segment)
    return max((one.statement for one in held), key=lambda one: one.version)


def versions(world: World) -> list[int]:
    return [newest(world, index).version for index in range(1, 6)]


def boxed(world: World, grant: Proposal) -> list[int]:
    """The key version of a grant's box at each keyholder."""
    raw = [one._vault.find_box(world.patient, grant.grant_id) for one in world.keyholders]
    return [KeyBox.decode(box).version if box else 0 for box in raw]


def deposited(world: World, text: str, who: str = "hospital") -> bytes:
    [one] = world.desk(who).deposit(world.patient, [record(KIND, text.encode())])
    return one.record_id


def seen(world: World, who: str, grant: Proposal) -> set[bytes]:
    return {one.record_id for one in world.desk(who).list(world.patient, grant.grant_id)}


class Away:
    """A keyholder that does not answer."""

    def __init__(self, inner: KeyholderService) -> None:
        self.card = inner.card

    def __getattr__(self, name: str) -> Any:
        def silent(*_: object) -> None:
            raise Unreachable("away")

        return silent


class Only:
    """A keyholder that is asked everything but one verb."""

    def __init__(self, inner: KeyholderService, but: str) -> None:
        self._inner, self._but = inner, but

    def __getattr__(self, name: str) -> Any:
        if name == self._but:
            raise Unreachable("away")
        return getattr(self._inner, name)


@contextmanager
def group_of(world: World, keyholders: list[Any]) -> Iterator[None]:
    honest = world.group
    world.group = Group(world.chain.deployment, honest.roster, keyholders)
    try:
        yield
    finally:
        world.group = honest


def away(world: World, *indexes: int) -> Any:
    """These keyholders do not answer."""
    return group_of(world, [Away(k) if k.card.index in indexes else k for k in world.keyholders])


def test_a_revocation_makes_the_next_version_without_gas(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, nurses = granted
    before, sent = newest(world), len(world.chain.rpc.receipts)
    ended = world.desk("patient").revoke([hers.grant_id])
    assert ended.rotation.failed == ""
    assert ended.rotation.done == (Rotated(KIND, before.version + 1, 1, 5),)
    assert len(world.chain.rpc.receipts) == sent + 1  # the revocation
    after = newest(world)
    assert (after.version, after.previous) == (before.version + 1, before.hash)
    assert versions(world) == [after.version] * 5
    assert boxed(world, nurses) == [after.version] * 5
    assert boxed(world, hers) == [before.version] * 5
    assert world.person("patient").outbox.unfinished() == 0
    desk = world.desk("patient")
    desk.my_records()
    assert desk.rotation.done == ()


def test_over_several_versions_everybody_who_may_reads_everything(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """The patient alone as well, and a grantee of a single record of the first version, and a newcomer."""
    hers, nurses = granted
    texts = [f"Test letter of version {number}" for number in range(3)]
    records = [deposited(world, texts[0])]
    world.desk("patient").revoke([hers.grant_id])
    records.append(deposited(world, texts[1]))
    [again] = world.grant("clinician", KIND)
    world.desk("patient").revoke([again.grant_id])
    records.append(deposited(world, texts[2], "patient"))
    [one] = world.grant("clinician", KIND, record=records[0])
    [new] = world.grant("nurse", KIND, until=world.chain.head().time // DAY * DAY + 90 * DAY)
    assert {world.keyholders[0]._vault.find(r).header.version for r in records} == {  # type: ignore[union-attr]
        newest(world).version - back for back in range(3)
    }
    for grant in (nurses, new):
        assert set(records) <= seen(world, "nurse", grant)
    assert seen(world, "clinician", one) == {records[0]}
    for record_id, text in zip(records, texts, strict=True):
        for who in ("nurse", "patient"):
            with world.desk(who).open(world.patient, record_id).file as file:
                assert file.read() == text.encode()


def test_the_end_of_another_grant_changes_no_key(world: World, granted: tuple[Proposal, Proposal]) -> None:
    """One to add records, and one of a single record, hold no segment key."""
    before = versions(world)
    [adding] = world.grant("clinician", KIND, flags=DEPOSIT)
    [one] = world.grant("clinician", KIND, record=deposited(world, "Test letter of its own"))
    ended = world.desk("patient").revoke([adding.grant_id, one.grant_id])
    assert (ended.rotation.done, ended.rotation.failed, versions(world)) == ((), "", before)


def test_a_grant_that_expired_is_found_by_the_next_verb(world: World) -> None:
    [short] = world.grant("clinician", KIND, until=world.chain.head().time + 50)
    before, desk = newest(world).version, world.desk("patient")
    desk.my_records()
    assert desk.rotation.done == ()
    later(world, 60)
    for verb in (
        desk.my_records,
        lambda: desk.open(world.patient, desk.my_records()[0][0]).file.close(),
        lambda: desk.enrol([KIND]),
        lambda: desk.propose(world.offered("nurse", KIND)),
    ):
        verb()
        assert versions(world) == [before + 1] * 5
    assert world.chain.grant_state(world.patient, short.grant_id).status == 1


def test_revoking_everything_leaves_no_box_of_the_next_version(world: World) -> None:
    [other] = world.grant("clinician", "hiv")
    before = newest(world, kind="hiv").version
    rotation = world.desk("patient").revoke().rotation
    assert rotation.failed == ""
    assert Rotated("hiv", before + 1, 0, 5) in rotation.done
    assert boxed(world, other) == [before] * 5
    world.grant("hospital", KIND, "substance-use", flags=DEPOSIT)


def test_while_it_is_under_way_deposits_use_the_old_version_and_everybody_reads(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """The boxes are everywhere, the statement is nowhere."""
    hers, nurses = granted
    before, old = newest(world).version, deposited(world, "Test letter before")
    with group_of(world, [Only(k, "statement") for k in world.keyholders]):
        rotation = world.desk("patient").revoke([hers.grant_id]).rotation
        assert "statement not taken" in rotation.failed
    assert boxed(world, nurses) == [before + 1] * 5
    assert versions(world) == [before] * 5
    between = deposited(world, "Test letter between boxes and statement")
    assert {old, between} <= seen(world, "nurse", nurses)
    desk = world.desk("patient")
    desk.my_records()
    assert desk.rotation.done == (Rotated(KIND, before + 1, 1, 5),)
    after = deposited(world, "Test letter after")
    assert {old, between, after} <= seen(world, "nurse", nurses)


def test_two_keyholders_that_were_away_get_it_later(world: World, granted: tuple[Proposal, Proposal]) -> None:
    hers, nurses = granted
    before = newest(world).version
    with away(world, 4, 5):
        [rotated] = world.desk("patient").revoke([hers.grant_id]).rotation.done
    assert (rotated.version, rotated.held) == (before + 1, 3)
    assert versions(world) == [before + 1] * 3 + [before] * 2
    assert world.person("patient").outbox.unfinished() == 1
    new = deposited(world, "Test letter that brings the statement along")
    assert versions(world) == [before + 1] * 5
    assert new in seen(world, "nurse", nurses)
    assert boxed(world, nurses) == [before + 1] * 3 + [before] * 2
    world.desk("patient").my_records()
    assert boxed(world, nurses) == [before + 1] * 5
    assert world.person("patient").outbox.unfinished() == 0


def test_a_keyholder_that_missed_two_versions_catches_up(world: World) -> None:
    first, second = world.grant("clinician", KIND)[0], world.grant("nurse", KIND)[0]
    before = newest(world).version
    with away(world, 5):
        for grant in (first, second):
            world.desk("patient").revoke([grant.grant_id])
    assert versions(world) == [before + 2] * 4 + [before]
    world.desk("patient").my_records()
    assert versions(world) == [before + 2] * 5
    assert world.person("patient").outbox.unfinished() == 0


def test_a_rotation_that_fails_ends_no_revocation_and_is_made_by_the_next_verb(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, nurses = granted
    before = newest(world).version
    with away(world, 2, 3, 4):
        ended = world.desk("patient").revoke([hers.grant_id])
    assert "box not taken: 2 of the keyholders answered well" in ended.rotation.failed
    assert world.chain.grant_state(world.patient, hers.grant_id).status == 2
    assert versions(world) == [before] * 5
    desk = world.desk("patient")
    desk.propose(world.offered("clinician", KIND))
    assert desk.rotation.done == (Rotated(KIND, before + 1, 1, 5),)
    assert boxed(world, nurses) == [before + 1] * 5


def test_who_loses_its_grant_while_it_is_under_way_is_left_out_by_one_version_more(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    """The nurse may have had the box of the version that was coming."""
    hers, nurses = granted
    before = newest(world).version
    with group_of(world, [Only(k, "statement") for k in world.keyholders]):
        world.desk("patient").revoke([hers.grant_id])
        world.desk("patient").revoke([nurses.grant_id])
    world.desk("patient").my_records()
    assert versions(world) == [before + 2] * 5
    assert boxed(world, nurses) == [before + 1] * 5


def test_a_grant_that_was_signed_and_handed_over_counts_as_one(world: World) -> None:
    """Its file holds the key: revoked before it was delivered, it rotates; delivered later, its grantee gets
    a box of the newest version with the patient's next verb."""
    desk = world.desk("patient")
    [proposal] = desk.propose(world.offered("clinician", KIND))
    desk.sign(proposal)
    before = newest(world).version
    desk.revoke([proposal.grant_id])
    assert versions(world) == [before + 1] * 5
    [waiting] = desk.propose(world.offered("nurse", KIND))
    handed = desk.sign(waiting)
    world.desk("patient").revoke([world.grant("clinician", KIND)[0].grant_id])
    deliver(world.chain, world.group, world.person("stranger").signer, handed)
    new = deposited(world, "Test letter of a newer version than the box")
    assert boxed(world, waiting) == [before + 1] * 5
    assert new not in seen(world, "nurse", waiting)
    world.desk("patient").my_records()
    assert boxed(world, waiting) == [before + 2] * 5
    assert new in seen(world, "nurse", waiting)
    with pytest.raises(Refused, match=r"have a newer one.*nothing is left to do") as told:
        deliver(world.chain, world.group, world.person("stranger").signer, handed)
    assert type(told.value) is Refused
    assert boxed(world, waiting) == [before + 2] * 5
    desk.revoke([waiting.grant_id])


def test_a_grantee_without_a_live_credential_gets_its_box_when_it_is_live_again(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, nurses = granted
    before, nurse = newest(world).version, world.person("nurse").address
    world.admin.suspend(nurse)
    [rotated] = world.desk("patient").revoke([hers.grant_id]).rotation.done
    [(grant_id, why)] = rotated.without
    assert (grant_id, rotated.boxes, rotated.version) == (nurses.grant_id, 0, before + 1)
    assert "is not live" in why
    world.admin.reinstate(nurse)
    world.desk("patient").my_records()
    assert boxed(world, nurses) == [before + 1] * 5


# --- two devices


def device(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Another device of the patient's: her keyring, and nothing else."""
    person = world.person("patient")
    other = Person(person.signer, person.keyring, world.home / name, world.chain.deployment.id)
    return Client(world.store, world.chain, world.group, other)


def test_another_device_finishes_what_it_finds_begun(
    world: World, granted: tuple[Proposal, Proposal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement came to one keyholder alone; the first device is lost."""
    hers, nurses = granted
    before = newest(world).version

    def refused(keyholder: KeyholderService) -> Any:
        return Only(keyholder, "statement") if keyholder.card.index != 2 else keyholder

    with group_of(world, [refused(k) for k in world.keyholders]):
        world.desk("patient").revoke([hers.grant_id])
    assert versions(world) == [before, before + 1, before, before, before]
    other = device(world, "second device", monkeypatch)
    other.enrol([KIND])
    assert versions(world) == [before + 1] * 5
    assert deposited(world, "Test letter after the other device") in seen(world, "nurse", nurses)


def test_two_versions_of_two_devices_are_both_kept_and_the_next_one_wraps_both_seeds(
    world: World, granted: tuple[Proposal, Proposal], monkeypatch: pytest.MonkeyPatch
) -> None:
    hers, nurses = granted
    before = newest(world).version
    one, other = world.desk("patient"), device(world, "third device", monkeypatch)
    other.my_records()
    world.chain.send(
        world.person("patient").signer, "ConsentRegistry", "revoke", world.patient, hers.grant_id
    )
    with group_of(world, [k if k.card.index <= 3 else Away(k) for k in world.keyholders]):
        first = world.desk("patient")
        first._own.refresh()
        first._rotate()
    under_one = deposited(world, "Test letter under the version of the first device")
    assert first.rotation.done[0].version == before + 1
    real = Rotator._is_due
    segment = other._own.segments()[KIND]
    assert segment.version == before
    assert real(other._rotator, segment)
    other._rotate()  # it has not heard of the first
    assert other.rotation.done[0].version >= before + 1
    held = world.keyholders[0]._vault.statements(world.patient, segment.statement.segment)
    rivals = {s.statement.hash for s in held if s.statement.version == before + 1}
    assert len(rivals) == 2
    under_both = deposited(world, "Test letter under the lower hash")
    one.my_records()
    assert versions(world) == [before + 2] * 5
    assert newest(world).previous == min(rivals)
    last = deposited(world, "Test letter under the version that wraps both")
    assert {under_one, under_both, last} <= seen(world, "nurse", nurses)


# --- cut off


def test_a_revocation_cut_off_anywhere_is_rotated_once_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [nurses] = world.grant("nurse", KIND)

    def revoke(_: int) -> Callable[[], Ended]:
        [grant] = world.grant("clinician", KIND)
        revoke.before = newest(world)  # type: ignore[attr-defined]

        def run() -> Ended:
            person = world.person("patient")
            world.people["patient"] = Person(
                person.signer, person.keyring, world.home / "patient", world.chain.deployment.id
            )
            return world.desk("patient").revoke([grant.grant_id])

        return run

    def finished(step: str, _: Ended | None, __: Ended) -> None:
        before: Statement = revoke.before  # type: ignore[attr-defined]
        after = newest(world)
        assert (after.version, after.previous) == (before.version + 1, before.hash), step
        assert {newest(world, index).hash for index in range(1, 6)} == {after.hash}, step
        assert boxed(world, nurses) == [after.version] * 5, step
        assert world.person("patient").outbox.unfinished() == 0, step

    done = after_every_step(revoke, finished, monkeypatch)
    assert (done.count("KeyholderService.box"), done.count("KeyholderService.statement")) == (1, 1)


# --- what is told of it


def test_the_report_says_what_was_opened_what_never_was_and_what_is_out_of_reach(
    world: World, granted: tuple[Proposal, Proposal]
) -> None:
    hers, _ = granted
    read, unread = deposited(world, "Test letter that is read"), deposited(world, "Test letter that is not")
    world.desk("clinician").open(world.patient, read, grant_id=hers.grant_id).file.close()
    [entry] = world.chain.entries(recordId=read)

    def ending() -> Ending:
        journals = [Journal(k.card, k.journal()) for k in world.keyholders]
        report = audit(world.chain, None, journals, threshold=3, patient=world.patient)
        [found] = [one for one in report.endings if one.consent.grant_id == hers.grant_id]
        return found

    before = newest(world).version
    with away(world, 1, 2, 3, 4, 5):
        world.desk("patient").revoke([hers.grant_id])
    found = ending()
    assert found.opened[read] == world.chain.time_of(entry.block)
    assert unread in found.never
    assert read not in found.never
    assert (found.beyond_from, found.beyond) == (0, ())
    world.desk("patient").my_records()
    new = deposited(world, "Test letter that is out of reach")
    found = ending()
    assert (found.beyond_from, found.beyond) == (before + 1, (new,))
    assert new not in found.never
    assert replace(found, beyond_from=0, beyond=()) == replace(ending(), beyond_from=0, beyond=())
    with pytest.raises(KeyholderRefused):
        world.keyholders[0].box(hers.box.encode()[:-1])
