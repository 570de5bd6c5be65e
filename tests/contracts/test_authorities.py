"""Who issues credentials?"""

from typing import Any

import ape
import pytest

from tests.contracts.words import ACTIVE, DAY, NOBODY, credential, now
from tests.contracts.words import at as at_second

THREE, WEEK = 3 * DAY, 7 * DAY


@pytest.fixture(scope="module")
def board(accounts: Any) -> list[Any]:
    """Three authorities."""
    return list(accounts[:3])


@pytest.fixture
def registry(project: Any, board: list[Any]) -> Any:
    return board[0].deploy(project.ProviderRegistry, board)


@pytest.fixture(scope="module")
def candidate(accounts: Any) -> Any:
    return accounts[12]


def agree(step: Any, who: Any, *two: Any) -> Any:
    """Two authorities call the same; the second one's receipt."""
    for each in two:
        receipt = step(who, sender=each)
    return receipt


def opinions(registry: Any, chain: Any, who: Any, moment: int) -> list[bool]:
    """Whether somebody is an authority in the second before a moment, and in it."""
    found = []
    for second in (moment - 1, moment):
        at_second(chain, second)
        found.append(registry.isAuthority(who))
    return found


def test_the_authorities_are_those_named_at_deployment(
    providers: Any, authority: Any, second_authority: Any, stranger: Any
) -> None:
    assert providers.authorities() == [authority, second_authority]
    asked = (authority, second_authority, stranger, NOBODY)
    assert [providers.isAuthority(who) for who in asked] == [True, True, False, False]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_one_to_four_authorities_can_be_named(count: int, project: Any, accounts: Any) -> None:
    named = list(accounts[:count])
    registry = accounts[0].deploy(project.ProviderRegistry, named)
    assert registry.authorities() == named
    assert [registry.isAuthority(each) for each in accounts[:5]] == [i < count for i in range(5)]


@pytest.mark.parametrize("count", [0, 5])
def test_none_or_five_authorities_cannot_be_named(count: int, project: Any, accounts: Any) -> None:
    with ape.reverts(project.ProviderRegistry.AuthoritiesCount, count=count):
        accounts[0].deploy(project.ProviderRegistry, list(accounts)[:count])


def test_an_authority_is_somebody_and_is_named_once(project: Any, accounts: Any) -> None:
    kind = project.ProviderRegistry
    for named, wrong in (([NOBODY], NOBODY), ([accounts[1], NOBODY], NOBODY)):
        with ape.reverts(kind.AuthorityInvalid, authority=wrong):
            accounts[0].deploy(kind, named)
    with ape.reverts(kind.AuthorityInvalid, authority=accounts[1].address):
        accounts[0].deploy(kind, [accounts[1], accounts[2], accounts[1]])


# --- joining ------------------------------------------------------------------------------------------


def test_two_authorities_let_a_third_in_and_it_is_one_three_days_later(
    registry: Any, board: list[Any], candidate: Any, stranger: Any, chain: Any
) -> None:
    proposed = registry.addAuthority(candidate, sender=board[1])
    who = {"authority": candidate, "proposer": board[1]}
    assert proposed.events == [registry.AuthorityProposed(**who)]
    agreed = registry.addAuthority(candidate, sender=board[0])
    begins = agreed.timestamp + THREE
    assert agreed.events == [registry.AuthorityAdded(**who, seconder=board[0], **{"from": begins})]
    assert opinions(registry, chain, candidate, begins) == [False, True]
    assert registry.authorities() == [*board, candidate]
    registry.issue(credential(stranger), sender=candidate)
    assert registry.isLive(stranger)


def test_before_its_day_a_new_authority_can_do_nothing(
    registry: Any, board: list[Any], candidate: Any, stranger: Any, accounts: Any
) -> None:
    agree(registry.addAuthority, candidate, *board[:2])
    assert registry.authorities() == board
    for call, argument in (
        (registry.issue, credential(stranger)),
        (registry.issueEmergency, credential(stranger)),
        (registry.addAuthority, accounts[13]),
        (registry.retireAuthority, board[0]),
    ):
        with ape.reverts(registry.NotAuthority, who=candidate.address):
            call(argument, sender=candidate)


def test_one_authority_alone_lets_nobody_in_however_often_it_asks(
    registry: Any, board: list[Any], candidate: Any, chain: Any
) -> None:
    registry.addAuthority(candidate, sender=board[0])
    with ape.reverts(registry.SecondAuthorityNeeded, authority=board[0].address):
        registry.addAuthority(candidate, sender=board[0])
    at_second(chain, now(chain) + WEEK)
    (again,) = registry.addAuthority(candidate, sender=board[0]).events
    assert again.event_name == "AuthorityProposed"
    at_second(chain, now(chain) + THREE)
    assert not registry.isAuthority(candidate)


def test_nobody_else_has_a_say_in_who_is_an_authority(
    registry: Any, board: list[Any], candidate: Any, stranger: Any
) -> None:
    for who in (stranger, candidate):
        for call, argument in ((registry.addAuthority, candidate), (registry.retireAuthority, board[0])):
            with ape.reverts(registry.NotAuthority, who=who.address):
                call(argument, sender=who)


@pytest.mark.parametrize(("waits", "agreed"), [(WEEK - 1, True), (WEEK, False)])
def test_a_proposal_waits_for_seven_days(
    waits: int, agreed: bool, registry: Any, board: list[Any], candidate: Any, chain: Any
) -> None:
    asked = registry.addAuthority(candidate, sender=board[0])
    chain.pending_timestamp = asked.timestamp + waits
    (event,) = registry.addAuthority(candidate, sender=board[1]).events
    assert event.event_name == ("AuthorityAdded" if agreed else "AuthorityProposed")


def test_to_agree_to_one_account_is_not_to_agree_to_another_nor_to_its_leaving(
    registry: Any, board: list[Any], candidate: Any, accounts: Any, chain: Any
) -> None:
    registry.addAuthority(candidate, sender=board[0])
    registry.retireAuthority(board[2], sender=board[0])
    registry.addAuthority(accounts[13], sender=board[1])
    with ape.reverts(registry.AuthorityInvalid, authority=board[2].address):
        registry.addAuthority(board[2], sender=board[1])
    at_second(chain, now(chain) + THREE)
    assert registry.authorities() == board


def test_nobody_is_let_in_twice_and_zero_never(registry: Any, board: list[Any], candidate: Any) -> None:
    agree(registry.addAuthority, candidate, *board[:2])
    for who in (candidate, board[2], NOBODY):
        with ape.reverts(registry.AuthorityInvalid, authority=getattr(who, "address", who)):
            registry.addAuthority(who, sender=board[0])


# --- leaving ------------------------------------------------------------------------------------------


def test_two_authorities_let_one_go_and_it_is_none_three_days_later(
    registry: Any, board: list[Any], chain: Any, stranger: Any
) -> None:
    proposed = registry.retireAuthority(board[0], sender=board[1])
    who = {"authority": board[0], "proposer": board[1]}
    assert proposed.events == [registry.AuthorityRetirementProposed(**who)]
    agreed = registry.retireAuthority(board[0], sender=board[2])
    ends = agreed.timestamp + THREE
    assert agreed.events == [registry.AuthorityRetired(**who, seconder=board[2], until=ends)]
    registry.issue(credential(stranger), sender=board[0])
    assert opinions(registry, chain, board[0], ends) == [True, False]
    assert registry.authorities() == board[1:]
    with ape.reverts(registry.NotAuthority, who=board[0].address):
        registry.suspend(stranger, sender=board[0])


def test_an_authority_can_be_one_of_the_two_that_let_it_go(
    registry: Any, board: list[Any], chain: Any
) -> None:
    agree(registry.retireAuthority, board[0], board[0], board[1])
    at_second(chain, now(chain) + THREE)
    assert registry.authorities() == board[1:]


def test_two_authorities_always_stay(
    registry: Any, board: list[Any], candidate: Any, chain: Any, project: Any
) -> None:
    agree(registry.retireAuthority, board[0], *board[:2])
    for who in board[1:]:
        with ape.reverts(registry.AuthorityNeeded, authority=who.address):
            registry.retireAuthority(who, sender=board[1])
    agree(registry.addAuthority, candidate, *board[1:])
    agree(registry.retireAuthority, board[1], *board[1:])
    at_second(chain, now(chain) + THREE)
    assert registry.authorities() == [board[2], candidate]
    single = board[0].deploy(project.ProviderRegistry, board[:1])
    with ape.reverts(single.AuthorityNeeded, authority=board[0].address):
        single.retireAuthority(board[0], sender=board[0])


def test_two_that_were_proposed_to_go_cannot_both_go_when_only_two_would_stay(
    registry: Any, board: list[Any]
) -> None:
    registry.retireAuthority(board[0], sender=board[1])
    registry.retireAuthority(board[1], sender=board[0])
    registry.retireAuthority(board[0], sender=board[2])
    with ape.reverts(registry.AuthorityNeeded, authority=board[1].address):
        registry.retireAuthority(board[1], sender=board[2])


def test_only_an_authority_that_stays_can_be_let_go(
    registry: Any, board: list[Any], candidate: Any, accounts: Any
) -> None:
    agree(registry.addAuthority, candidate, *board[:2])
    agree(registry.retireAuthority, board[0], *board[:2])
    for who in (board[0].address, accounts[13].address, NOBODY):
        with ape.reverts(registry.NotAuthority, who=who):
            registry.retireAuthority(who, sender=board[1])


def test_an_authority_that_left_can_come_back_but_not_before_it_left(
    registry: Any, board: list[Any], chain: Any
) -> None:
    agreed = agree(registry.retireAuthority, board[0], *board[1:])
    with ape.reverts(registry.AuthorityInvalid, authority=board[0].address):
        registry.addAuthority(board[0], sender=board[1])
    at_second(chain, agreed.timestamp + THREE)
    agreed = agree(registry.addAuthority, board[0], *board[1:])
    assert opinions(registry, chain, board[0], agreed.timestamp + THREE) == [False, True]
    assert sorted(map(str, registry.authorities())) == sorted(map(str, board))


def test_one_that_joined_can_leave_and_join_again_and_is_listed_once(
    registry: Any, board: list[Any], candidate: Any, chain: Any
) -> None:
    for step in (registry.addAuthority, registry.retireAuthority, registry.addAuthority):
        at_second(chain, agree(step, candidate, *board[:2]).timestamp + THREE)
    assert registry.authorities() == [*board, candidate]


def test_what_an_authority_proposed_lapses_when_it_leaves(
    registry: Any, board: list[Any], candidate: Any, chain: Any
) -> None:
    agreed = agree(registry.retireAuthority, board[0], *board[1:])
    registry.addAuthority(candidate, sender=board[0])
    chain.pending_timestamp = agreed.timestamp + THREE
    (event,) = registry.addAuthority(candidate, sender=board[1]).events
    assert event.event_name == "AuthorityProposed"


def test_what_a_retired_authority_issued_stays_and_any_other_can_end_it(
    registry: Any, board: list[Any], clinician: Any, nurse: Any, chain: Any
) -> None:
    registry.issueBatch([credential(clinician), credential(nurse)], sender=board[0])
    agreed = agree(registry.retireAuthority, board[0], *board[1:])
    at_second(chain, agreed.timestamp + THREE)
    assert registry.isLive(clinician)
    assert registry.credentialOf(nurse).status == ACTIVE
    registry.suspend(clinician, sender=board[1])
    registry.retire(nurse, sender=board[2])
    assert not registry.isLive(clinician)
    assert not registry.isLive(nurse)


def test_a_board_can_be_a_contract_account(
    project: Any, authority: Any, second_authority: Any, candidate: Any
) -> None:
    wallet = authority.deploy(project.KeyWallet, authority)
    registry = authority.deploy(project.ProviderRegistry, [wallet, second_authority])
    wallet.execute(registry, registry.addAuthority.encode_input(candidate), sender=authority)
    with ape.reverts(registry.SecondAuthorityNeeded, authority=wallet.address):
        wallet.execute(registry, registry.addAuthority.encode_input(candidate), sender=authority)
    (event,) = registry.addAuthority(candidate, sender=second_authority).events
    assert event.proposer == wallet
