"""Keyholders change, and some of them cheat: nobody who was not let in gets anything, no record is lost, and
who spoils it is named."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from eth_utils.crypto import keccak

from consentry.client import Group
from consentry.client.proof import Proof
from consentry.consent.terms import typed_revoke
from consentry.envelope.deposit import Header
from consentry.envelope.handing import Holding, gather
from consentry.envelope.leaf import Leaf, data_key
from consentry.errors import (
    DealInconsistent,
    IntegrityError,
    KeyholderRefused,
    ShareMismatch,
    TooFewKeyholders,
)
from consentry.keyholder.card import KeyholderCard
from consentry.keyholder.checks import DEAD
from consentry.keyholder.handover import HandedEnvelope, What, handover_info, page_of, took
from consentry.keyholder.held import Held
from consentry.keyholder.leaving import Leaving, Left
from consentry.keyholder.messages import Call, Keyholder, Released, Signed
from consentry.keyholder.roster import Roster, succeed
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.taking import Joined
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import new_seed, public_key, unwrap
from consentry.keys.shamir import new_secret
from tests.attacks.support import TREAT, access, box_of, call, deposit_terms, envelope, reason, statement_of
from tests.attacks.test_cheats import another_leaf, lying, opened
from tests.support.members import Change
from tests.support.world import World, make_world, populated, record

GENERAL = record("general").body


def first(change: Change, index: int) -> KeyholderService:
    """A keyholder of the group before."""
    return change.world.keyholders[index - 1]


def ask(change: Change, index: int, by: int, to: Roster | None = None, **how: Any) -> Callable[[], object]:
    """Keyholder ``by`` asks keyholder ``index`` to hand over to those of ``to``."""
    body = change.asked(what=how.get("what", What.ENVELOPES), to=to, after=how.get("after", bytes(32)))
    return lambda: first(change, index).hand_over(change.call(by, index, "hand_over", body))


# --- who is handed anything


def test_a_newcomer_of_whom_nobody_approved_is_handed_nothing(changing: Change) -> None:
    unapproved = replace(changing.to, approvals={})
    for index in (1, 4):
        assert reason(first(changing, index), ask(changing, index, 6, unapproved)) == "NotApproved"


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_approval_of_some_who_hand_on_is_not_that_of_all(changing: Change, count: int) -> None:
    """Not of as many as are needed for a record either: each that hands on is asked."""
    some = dict(list(changing.to.approvals.items())[:count])
    refused = reason(first(changing, 1), ask(changing, 1, 6, replace(changing.to, approvals=some)))
    assert refused == "NotApproved"


def test_a_keyholder_cannot_approve_for_the_others(changing: Change) -> None:
    """One that cheats, and signs in the place of each."""
    forged = dict.fromkeys(changing.to.dealers, changing.approve(changing.to, 2))
    refused = reason(first(changing, 1), ask(changing, 1, 6, replace(changing.to, approvals=forged)))
    assert refused == "NotApproved"


def test_the_approval_of_one_change_is_none_of_another(changing: Change) -> None:
    """They approved of 3 of 6; the newcomers would rather be enough alone."""
    other = replace(changing.to, threshold=2)
    assert reason(first(changing, 1), ask(changing, 1, 6, other)) == "NotApproved"


def test_who_asks_in_vain_changes_nothing(changing: Change) -> None:
    """A keyholder takes nothing new once it hands over: whoever may not ask cannot bring that about."""
    fresh = first(changing, 5)
    before = fresh._vault.closed()
    for to in (changing.before, replace(changing.to, approvals={})):
        with pytest.raises(KeyholderRefused):
            ask(changing, 5, 6, to)()
    assert (before, fresh._vault.closed()) == (False, False)


def test_a_stranger_is_handed_nothing_under_an_approved_file(changing: Change) -> None:
    """The file is no secret. Nor has keyholder 4 a part in it any more."""
    body = changing.asked(What.ENVELOPES)
    keyholder = first(changing, 1)
    by_stranger = call(changing.world, "stranger", "hand_over", body)
    assert reason(keyholder, lambda: keyholder.hand_over(by_stranger)) == "taker"
    assert reason(keyholder, ask(changing, 1, 4)) == "taker"


def of_strangers(change: Change) -> Roster:
    """A group that follows one of a stranger's making, of which all approved that the stranger made up; he
    alone is in both."""
    stranger = change.world.person("stranger")
    card = KeyholderCard(1, "stranger", stranger.address, public_key(new_seed()), "at:nowhere")
    to = succeed(Roster(1, (card,)))
    approval = stranger.signer.sign_typed_data(to.approval(change.world.chain.deployment))
    return replace(to, approvals={1: approval})


def test_a_stranger_cannot_found_a_line_of_its_own(changing: Change) -> None:
    """All approved in it; it does not follow the group that this keyholder is in. Nor does that itself."""
    keyholder, made_up = first(changing, 1), of_strangers(changing)
    made_up.approved(changing.world.chain.deployment)
    asked = call(changing.world, "stranger", "hand_over", changing.asked(What.ENVELOPES, made_up))
    assert reason(keyholder, lambda: keyholder.hand_over(asked)) == "keyholders"
    assert reason(keyholder, ask(changing, 1, 2, changing.before)) == "keyholders"
    for nonsense in (b"", b"\xff", b"[" * 1000):
        body = abi_encode(["bytes", "uint8", "bytes32"], [nonsense, 0, bytes(32)])
        one = changing.call(6, 1, "hand_over", body)
        assert reason(keyholder, lambda one=one: keyholder.hand_over(one)) == "keyholders"


def test_who_was_given_up_as_lost_hands_nothing_on(changing: Change) -> None:
    """It did not approve, and the others did."""
    without = Change(changing.world, lost=[5])
    assert reason(first(changing, 5), ask(without, 5, 1)) == "dealer"


@pytest.mark.parametrize(
    "how", [{"what": 4}, {"what": 255}, {"what": What.STOPS, "after": b"\xff" * 32}], ids=str
)
def test_a_page_of_nothing_is_refused(changing: Change, how: dict[str, Any]) -> None:
    assert reason(first(changing, 1), ask(changing, 1, 6, **how)) == "page"


def test_what_is_handed_over_opens_for_the_one_that_asked_alone(changing: Change) -> None:
    """Whoever recorded it, another newcomer too, has bytes."""
    released = cast("Released", ask(changing, 1, 6)())
    deployment = changing.world.chain.deployment
    for index in (2, 6, 7):
        info = handover_info(deployment, changing.to, 1, 6)
        if index == 6:
            assert page_of(unwrap(released.sealed, changing.keys(6).seed, info))[0]
            continue
        with pytest.raises(IntegrityError):
            unwrap(released.sealed, changing.keys(index).seed, info)


# --- what a keyholder takes that handed over


def test_once_it_handed_over_a_keyholder_takes_nothing_new_but_stops(changing: Change) -> None:
    """What came after the page was given would be lost. Releases go on as before."""
    world, keyholder = changing.world, first(changing, 3)
    granted = world.grant("clinician", "general")[0]
    terms, statement = deposit_terms(world, "general"), statement_of(world, "general")
    part = envelope(world, "hospital", statement, terms)[2]
    [signed, *_] = keyholder._vault.statements(world.patient)
    assert keyholder.statement(signed)
    ask(changing, 3, 6)()
    assert reason(keyholder, lambda: keyholder.deal(part.encode())) == "handed over"
    assert reason(keyholder, lambda: keyholder.statement(signed)) == "handed over"
    assert reason(keyholder, lambda: keyholder.box(box_of(world, granted, 1))) == "handed over"
    mine = access(world, granted)
    assert mine.release(to=3)
    full = typed_revoke(world.chain.deployment, world.patient, granted.grant_id)
    keyholder.stop(world.patient, granted.grant_id, world.person("patient").signer.sign_typed_data(full))
    assert reason(keyholder, lambda: mine.release(to=3)) == "stop"


# --- who says what it took over


def all_of(change: Change) -> list[bytes]:
    """The ids of all records."""
    return first(change, 1)._vault.stock.records(bytes(32), 10)


def says(change: Change, joined: KeyholderService, by: int, body: bytes) -> Callable[[], Signed]:
    return lambda: joined.took_over(change.call(by, 6, "took_over", body))


def test_those_who_were_before_are_told_what_a_newcomer_holds(
    changing: Change, joined: KeyholderService
) -> None:
    body = took(changing.to, all_of(changing))
    answer = says(changing, joined, 4, body)()
    answer.verify(changing.world.chain.deployment, changing.to.card(6), "took_over", keccak(body))


def test_a_newcomer_does_not_say_that_it_holds_what_it_lacks(
    changing: Change, joined: KeyholderService
) -> None:
    """Otherwise those before would destroy what is left of it."""
    body = took(changing.to, [*all_of(changing), new_seed()])
    assert reason(joined, says(changing, joined, 1, body)) == "records"


def test_what_a_newcomer_holds_it_says_of_its_own_group_alone(
    changing: Change, joined: KeyholderService
) -> None:
    body = took(replace(changing.to, threshold=2), all_of(changing))
    assert reason(joined, says(changing, joined, 1, body)) == "keyholders"
    old = first(changing, 2)
    asked = changing.call(1, 2, "took_over", took(changing.before, all_of(changing)))
    assert reason(old, lambda: old.took_over(asked)) == "keyholders"


def test_nobody_else_is_told_what_a_newcomer_holds(changing: Change, joined: KeyholderService) -> None:
    """Neither a stranger nor another newcomer."""
    body = took(changing.to, all_of(changing))
    assert reason(joined, says(changing, joined, 7, body)) == "dealer"
    signer, where = changing.world.person("stranger").signer, changing.world.chain.deployment
    asked = Call.signed(where, signer, joined.card, "took_over", body)
    assert reason(joined, lambda: joined.took_over(asked)) == "dealer"


class Posing:
    """Says for the keyholder of ``card`` that it took over, as ``answer`` has it."""

    def __init__(self, card: KeyholderCard, answer: Callable[[Call], Signed]) -> None:
        self.card, self.took_over = card, answer


def left(change: Change, index: int, *heirs: object) -> Left:
    """What a keyholder lets go of at the word of those ``heirs``."""
    place, keys = change.place(index), change.keys(index)
    leaving = place.acting(Leaving, keys, change.before, change.world.chain)
    try:
        return leaving.leave(change.to, cast("list[Keyholder]", heirs), lambda _: None)
    finally:
        leaving.close()


def test_nobody_says_for_another_that_it_took_over(changing: Change, joined: KeyholderService) -> None:
    """Keyholder 6 would have all before it destroy what they hold: four have to say that they hold it, and
    it answers for each. What it says for itself of one record does not count for another either."""
    signer, deployment = changing.signer(6), changing.world.chain.deployment

    def forged(index: int) -> Callable[[Call], Signed]:
        def answer(asked: Call) -> Signed:
            bare = Signed(index, "took_over", keccak(asked.body), 1, 1, bytes(32))
            return replace(bare, signature=signer.sign_typed_data(bare.message(deployment)))

        return answer

    def of_one(_: Call) -> Signed:
        return says(changing, joined, 4, took(changing.to, all_of(changing)[:1]))()

    posing = [Posing(changing.to.card(index), forged(index)) for index in (1, 2, 3, 5, 7)]
    done = left(changing, 4, *posing, Posing(changing.to.card(6), of_one))
    assert (done.records, sorted(done.kept)) == (0, sorted(all_of(changing)))
    assert sorted(done.reasons) == [1, 2, 3, 5, 6, 7]
    assert len(first(changing, 4)._vault.held(changing.world.patient)) == 2


def test_one_that_is_asked_often_counts_once(changing: Change, joined: KeyholderService) -> None:
    assert left(changing, 4, *[joined] * 6).records == 0


# --- dealers that cheat


@pytest.fixture(scope="module")
def two_kinds(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Five keyholders hold two records; the clinician may open the general one."""
    world = populated(make_world(tmp_path_factory.mktemp("dealers")))
    world.grant("clinician", "general")
    return world


@contextmanager
def dealing(
    world: World,
    dealer: int,
    *,
    held: Callable[[Held], Held] = lambda one: one,
    given: Callable[[HandedEnvelope], HandedEnvelope] = lambda one: one,
    posing: int | None = None,
) -> Iterator[None]:
    """A dealer hands on what ``held`` makes of what it holds, and of that what ``given`` makes; ``posing`` as
    another one."""
    service: Any = world.keyholders[dealer - 1]
    honest, own = service._handed, service._card

    def handed(to: Roster, taker: int, stocked: Any) -> HandedEnvelope:
        lied = {position: held(one) for position, one in stocked.records.items()}
        service._card = replace(own, index=posing or dealer)
        try:
            return given(honest(to, taker, replace(stocked, records=lied)))
        finally:
            service._card = own

    service._handed = handed
    try:
        yield
    finally:
        del service._handed


def moved(change: Change, *indexes: int) -> tuple[World, list[Joined]]:
    """The world of those who come after, of whom those took over, and what they did."""
    done = [change.join(index) for index in indexes]
    services = [change.serve(index) for index in indexes]
    group = Group(change.world.chain.deployment, change.to, services)
    return replace(change.world, keyholders=services, group=group), done


def general(world: World) -> bytes:
    """The record that the clinician may open."""
    [one] = world.desk("clinician").list(world.patient)
    return one.record_id


def forged_share(held: Held) -> Held:
    """The same to all who ask."""
    return replace(held, share=keccak(held.share))


def test_a_dealer_that_hands_on_a_wrong_share_is_named_and_the_record_opens(two_kinds: World) -> None:
    """Nobody that joins can see it: the dealer promised what it gave. Who opens the record can."""
    with dealing(two_kinds, 2, held=forged_share):
        after, done = moved(Change(two_kinds, removed=[4]), 1, 3, 5)
    assert [(one.records, one.left) for one in done] == [(2, {})] * 3
    found = opened(after, general(after))
    assert (found.keyholders, found.proofs) == ((1, 3, 5), ())
    assert found.cheats == ("keyholder 2 did not hand on what it had been dealt",)


def test_two_dealers_that_hand_on_wrong_shares_are_named_and_three_cannot_open(two_kinds: World) -> None:
    with dealing(two_kinds, 1, held=forged_share), dealing(two_kinds, 4, held=forged_share):
        after, _ = moved(Change(two_kinds, removed=[3]), 1, 2, 5)
        found = opened(after, general(after))
        assert [text[:11] for text in found.cheats] == ["keyholder 1", "keyholder 4"]
        with dealing(two_kinds, 5, held=forged_share):
            worse, _ = moved(Change(two_kinds, removed=[2]), 1, 3, 5)
    with pytest.raises(TooFewKeyholders):
        opened(worse, general(worse))


def odd_promises(one: HandedEnvelope) -> HandedEnvelope:
    """Shares that are not those which it promised."""
    records = {}
    for position, part in one.records.items():
        *both, share = Held.parts(part)
        holding = Holding.decode(share)
        spoiled = replace(holding, values=dict.fromkeys(holding.values, new_secret()))
        records[position] = Held(Header.decode(one.header), *both, spoiled.encode()).encode()
    return replace(one, records=records)


def another_header(one: HandedEnvelope) -> HandedEnvelope:
    header = replace(Header.decode(one.header), version=9)
    return replace(one, header=header.encode())


SPOILED: dict[str, dict[str, Any]] = {
    "no record": {"given": lambda one: replace(one, records=dict.fromkeys(one.records, b"garbage"))},
    "no header": {"given": lambda one: replace(one, header=b"garbage")},
    "another header": {"given": another_header},
    "another leaf": {"held": lambda one: another_leaf(one, cid="bafy-forged")},
    "another envelope": {"given": lambda one: replace(one, envelope=keccak(one.envelope))},
    "records that there are not": {
        "given": lambda one: replace(one, records={**one.records, 7: one.records[0], 2**32 - 1: b""})
    },
    "no records": {"given": lambda one: replace(one, records={})},
    "shares that it did not promise": {"given": odd_promises},
    "shares in keyholder 3's name, which would be blamed": {"held": forged_share, "posing": 3},
    "a time without end": {"given": lambda one: replace(one, since=2**64 - 1)},
    "a time long ago": {"given": lambda one: replace(one, since=1)},
}
_GONE = [gone for many in (0, 1, 2) for gone in itertools.combinations(range(1, 6), many)]


@pytest.mark.parametrize(("number", "spoiled"), enumerate(SPOILED.values()), ids=SPOILED)
def test_two_of_five_dealers_that_give_garbage_keep_nobody_from_joining(
    two_kinds: World, number: int, spoiled: dict[str, Any]
) -> None:
    """Three are honest, and three are needed: each record is taken over as they hold it, and opens."""
    change = Change(two_kinds, removed=_GONE[number], threshold=2)
    indexes = [card.index for card in change.to.keyholders][:2]
    with dealing(two_kinds, 4, **spoiled), dealing(two_kinds, 5, **spoiled):
        after, done = moved(change, *indexes)
        assert [one.records for one in done] == [2, 2]
        assert change.join(indexes[0]).records == 0
    found = after.desk("clinician").open(after.patient, general(after))
    with found.file as file:
        assert file.read() == GENERAL
    assert found.cheats == ()
    honest = {one.open_part + one.sealed_part for one in two_kinds.keyholders[2]._vault.held(after.patient)}
    for service in after.keyholders:
        held = service._vault.held(after.patient)
        assert {one.open_part + one.sealed_part for one in held} == honest
        assert service._vault.waiting(two_kinds.chain.head().time - DEAD, 10) == []


def test_what_too_few_hold_is_taken_over_once_they_hold_it_again(two_kinds: World) -> None:
    """Three dealers lack one record of an envelope, and get it back from their copies."""
    world = two_kinds
    change = Change(world, removed=[2, 5])

    def without(one: HandedEnvelope) -> HandedEnvelope:
        header = Header.decode(one.header)
        return one if header.segment == lacking else replace(one, records={})

    lacking = statement_of(world, "general").segment
    with dealing(world, 1, given=without), dealing(world, 2, given=without), dealing(world, 3, given=without):
        assert change.join(1).records == 1
    assert change.join(1).records == 1
    assert change.join(1).records == 0


# --- those who came after, and cheat


def another_value(held: Held) -> Held:
    """What one holds, but for one value of it."""
    holding = Holding.decode(held.share)
    path = min(holding.values)
    return replace(held, share=replace(holding, values={**holding.values, path: new_secret()}).encode())


def test_a_newcomer_that_releases_another_value_is_named_and_proved(tmp_path: Path) -> None:
    """The proof holds for whoever has the newest keyholders.json, also once those changed again. What an
    honest keyholder said before the change, or after it, proves nothing."""
    world = populated(make_world(tmp_path))
    granted = world.grant("clinician", "general")[0]
    change = Change(world, added=2, removed=[4], threshold=2)
    before = access(world, granted)
    honest, salt = before.release(to=1), first(change, 1)._vault.find(before.record_id)
    assert salt is not None
    after, _ = moved(change, 5, 6, 7)
    with lying(after, 2, another_value):
        found = opened(after, before.record_id)
    assert (found.cheats, found.keyholders) == (("keyholder 6: ShareMismatch",), (5, 7))
    [path] = found.proofs
    later = succeed(change.to, removed=[6], threshold=1)
    later = replace(later, approvals={index: change.approve(later, index) for index in later.dealers})
    for roster in (change.to, later):
        said = Proof.load(path).verify(world.chain, roster)
        assert said.startswith("keyholder 6 (keyholder 6) cheated: what keyholder 6 holds is not")

    now = access(after, granted, salt=Leaf.decode(salt.open_part, salt.sealed_part).record_salt)
    deployment = world.chain.deployment
    for mine, answer in ((before, honest), (now, now.release(to=1)), (now, now.release(to=2))):
        accused = Proof.of_release(deployment, "ShareMismatch", mine.asked(), mine.reply_seed, answer)
        for roster in (change.to, later):
            with pytest.raises(IntegrityError, match="the answers hold"):
                accused.verify(world.chain, roster)


def test_one_that_left_with_its_shares_and_one_that_stayed_lead_nowhere(two_kinds: World) -> None:
    """Three were needed before, two are now: keyholder 4 kept what it held, and 2 holds what it was handed
    on. Each pair of values that they have between them is tried."""
    change = Change(two_kinds, removed=[4], threshold=2)
    after, _ = moved(change, 2, 3)
    record_id = general(after)
    listing = after.desk("clinician")._labels.find(after.patient, record_id, TREAT, None)
    kept, stayed, other = (
        service._vault.find(record_id) for service in (two_kinds.keyholders[3], *after.keyholders)
    )
    assert kept is not None
    assert stayed is not None
    assert other is not None
    leaf, holding = Leaf.decode(kept.open_part, kept.sealed_part), Holding.decode(stayed.share)
    assert gather(leaf, change.to.groups, {2: holding})[0] == {}
    for value in holding.values.values():
        for index in (1, 2, 3, 5):
            with pytest.raises((ShareMismatch, DealInconsistent)):
                data_key(listing.place, leaf, listing.half, {4: kept.share, index: value})
    both = {2: holding, 3: Holding.decode(other.share)}
    shares, _ = gather(leaf, change.to.groups, both)
    assert data_key(listing.place, leaf, listing.half, shares)
