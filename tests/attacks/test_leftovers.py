"""What was dealt and never anchored: keyholders let go of it, and no record is lost by that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from consentry.client import Client, Deposited, deposit
from consentry.errors import Unreachable
from consentry.keyholder.checks import DEAD
from consentry.keyholder.journal import Row
from consentry.keyholder.messages import Signed
from consentry.keyholder.service import KeyholderService
from consentry.record import Record
from tests.support.world import DAY, World, make_world, populated, record


@dataclass
class Dealt:
    """A world in which the hospital dealt a record, and stopped before it anchored it."""

    world: World
    record: Record

    @property
    def hospital(self) -> Client:
        return self.world.desk("hospital")

    @property
    def keyholder(self) -> KeyholderService:
        return self.world.keyholders[0]

    def finish(self) -> Deposited:
        """The hospital's same command again."""
        (done,) = self.hospital.deposit(self.world.patient, [self.record])
        return done

    def deal_only(self) -> None:
        """The same command, which stops before the anchor."""
        cut = patch.object(deposit, "anchor", side_effect=Unreachable("cut off"))
        with cut, pytest.raises(Unreachable):
            self.finish()

    def later(self, seconds: int) -> None:
        self.world.web3.provider.ethereum_tester.time_travel(self.world.chain.head().time + seconds)

    def somebody_deals(self) -> None:
        """Another deposit, for the keyholders to look around."""
        text = f"note {self.world.chain.head().number}"
        self.hospital.deposit(self.world.patient, [record("general", text.encode())])

    def rows(self, kind: str) -> list[Row]:
        return [row for row in self.keyholder.journal() if row.kind == kind]

    def is_held(self, row: Row) -> bool:
        return self.keyholder._vault.find(bytes.fromhex(row.body["record 0"][2:])) is not None

    def opens(self, done: Deposited) -> bytes:
        with self.world.desk("clinician").open(self.world.patient, done.record_id).file as file:
            return bytes(file.read())


@pytest.fixture
def dealt(tmp_path: Path) -> Dealt:
    world = populated(make_world(tmp_path))
    world.grant("clinician", "general")
    dealt = Dealt(world, record("general", b"a record that waits"))
    dealt.deal_only()
    return dealt


def test_what_nobody_anchored_in_time_is_let_go_with_its_key_and_the_journal_says_so(dealt: Dealt) -> None:
    (*_, waiting) = dealt.rows("deal")
    dealt.later(DEAD - DAY)
    dealt.somebody_deals()
    assert dealt.is_held(waiting)
    dealt.later(2 * DAY)
    dealt.somebody_deals()
    assert not dealt.is_held(waiting)
    (gone,) = dealt.rows("collected")
    same = ("envelope", "record 0")
    assert [gone.body[name] for name in same] == [waiting.body[name] for name in same]
    vault, identifier = dealt.keyholder._vault, bytes.fromhex(gone.body["record 0"][2:])
    assert vault.keys_of([identifier]) == {}
    assert dealt.keyholder.check().faults() == []


def test_what_is_anchored_stays_however_old_it_is(dealt: Dealt) -> None:
    done = dealt.finish()
    for _ in range(2):
        dealt.later(2 * DEAD)
        dealt.somebody_deals()
    assert dealt.rows("collected") == []
    assert dealt.keyholder._vault.find(done.record_id)


def test_a_hospital_that_comes_back_after_all_was_let_go_deals_anew_and_the_record_opens(
    dealt: Dealt,
) -> None:
    dealt.later(DEAD + DAY)
    dealt.somebody_deals()
    assert dealt.rows("collected")
    assert b"a record that waits" in dealt.opens(dealt.finish())


def test_a_hospital_that_comes_back_late_has_the_keyholders_wait_anew(dealt: Dealt) -> None:
    """Between its first deal and the anchor lie more than the keyholders' patience, between each two less."""
    dealt.later(DEAD - 2 * DAY)
    dealt.deal_only()
    dealt.later(DEAD // 2 - DAY)
    dealt.somebody_deals()
    assert dealt.rows("collected") == []
    done = dealt.finish()
    assert b"a record that waits" in dealt.opens(done)


def test_an_acknowledgement_of_long_ago_is_not_relied_on(dealt: Dealt) -> None:
    """A keyholder that lost what it acknowledged is dealt it again before the anchor stands."""
    dealt.later(DEAD // 2 + DAY)
    heard = []
    real = KeyholderService.deal

    def hears(self: KeyholderService, part: bytes) -> Signed:
        heard.append(self.card.index)
        return real(self, part)

    with patch.object(KeyholderService, "deal", hears):
        dealt.finish()
    assert sorted(heard) == [1, 2, 3, 4, 5]


def test_a_deposit_that_is_anchored_in_part_can_still_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those were that anchored each of several records alone."""
    monkeypatch.setattr(deposit, "places", lambda _, records: [None] * len(records))
    world = populated(make_world(tmp_path))
    world.grant("clinician", "general")
    records = [record("general", f"one of two: {n}".encode()) for n in range(2)]
    hospital = world.desk("hospital")
    real = world.chain.send
    sent = []

    def once(*args: object) -> object:
        if sent:
            raise Unreachable("cut off")
        sent.append(args)
        return real(*args)

    with patch.object(world.chain, "send", once), pytest.raises(Unreachable):
        hospital.deposit(world.patient, records)
    dealt = Dealt(world, records[0])
    dealt.later(DEAD + DAY)
    dealt.somebody_deals()
    assert dealt.rows("collected") == []
    _, two = hospital.deposit(world.patient, records)
    assert b"one of two: 1" in dealt.opens(two)


def test_a_deal_is_taken_though_the_chain_is_silent_about_what_is_left(dealt: Dealt) -> None:
    (*_, waiting) = dealt.rows("deal")
    dealt.later(DEAD + DAY)
    real = dealt.world.chain.anchor_of

    def silent(contributor: str, identifier: bytes) -> bytes:
        if "0x" + identifier.hex() == waiting.body["record 0"]:
            raise Unreachable("silent")
        return real(contributor, identifier)

    with patch.object(dealt.world.chain, "anchor_of", silent):
        dealt.somebody_deals()
    assert dealt.rows("deal")[-1] != waiting
    assert dealt.is_held(waiting)
    dealt.somebody_deals()
    assert not dealt.is_held(waiting)
