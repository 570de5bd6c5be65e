"""The authority's desk: who may practise, by cards that a patient can check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from consentry.admin import ORGANISATION, Admin, Applicant
from consentry.errors import CardInvalid, ContractRefused, KeyInvalid, Refused, UsageError
from consentry.keys.hpke import new_seed
from tests.support.world import DAY, World, make_world


@pytest.fixture(scope="module")
def world(anvil_url: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("admin"), Web3(HTTPProvider(anvil_url)))


def applicant(world: World, who: str, **changes: Any) -> Applicant:
    now = world.chain.head().time
    values: dict[str, Any] = {
        "offer": world.desk(who).offer(),
        "name": f"Test {who}",
        "number": "1234567893",
        "roles": 1,
        "organisation": None,
        "valid_from": now // DAY * DAY - DAY,
        "valid_until": now // DAY * DAY + 300 * DAY,
    }
    return Applicant(**{**values, **changes})


def issued(world: World) -> int:
    return len(world.chain.rpc.events("ProviderRegistry", "CredentialIssued"))


def test_an_authority_makes_cards_that_verify(world: World) -> None:
    people = [applicant(world, "agata"), applicant(world, "boris", number="")]
    cards = world.admin.onboard(people)
    for card, one in zip(cards, people, strict=True):
        world.chain.verify_card(card)
        assert (card.name, card.number, card.address) == (one.name, one.number, one.offer.address)
        assert card.public_key == one.offer.public_key
        assert card.authority == world.authority.address
        assert world.chain.is_live(card.address)


def test_all_credentials_of_one_command_go_in_one_transaction(world: World) -> None:
    before = world.chain.head().number
    world.admin.onboard([applicant(world, f"many-{n}") for n in range(4)])
    people = 4  # each was given ether in a transaction of its own
    assert world.chain.head().number == before + people + 1


def test_the_same_command_again_gives_the_same_cards_and_sends_nothing(world: World) -> None:
    people = [applicant(world, "cyril")]
    cards = world.admin.onboard(people)
    block = world.chain.head().number
    assert world.admin.onboard(people) == cards
    assert world.chain.head().number == block


def test_repeating_an_old_command_does_not_bring_back_an_old_card(world: World) -> None:
    first = [applicant(world, "david")]
    (old,) = world.admin.onboard(first)
    world.person("david").keyring.seed = new_seed()
    (new,) = world.admin.onboard([applicant(world, "david")])
    assert new.public_key != old.public_key
    assert world.admin.onboard(first) == [old]
    world.chain.verify_card(new)
    with pytest.raises(CardInvalid, match="outdated"):
        world.chain.verify_card(old)


def test_an_organisation_and_its_members_can_stand_in_one_command(world: World) -> None:
    clinic = world.person("clinic").address
    people = [
        applicant(world, "clinic", roles=1 | ORGANISATION),
        applicant(world, "member", organisation=clinic),
    ]
    world.admin.onboard(people)
    grantee = world.person("clinic").identity
    assert world.chain.may(world.person("member").address, grantee, members=True)
    assert not world.chain.may(world.person("member").address, grantee, members=False)
    assert not world.chain.may(world.person("agata").address, grantee, members=True)


def test_a_member_of_what_is_no_organisation_is_refused_by_the_contract(world: World) -> None:
    nobody = world.person("nobody").address
    with pytest.raises(ContractRefused, match="OrganisationUnknown") as caught:
        world.admin.onboard([applicant(world, "erik", organisation=nobody)])
    assert caught.value.values["organisation"] == nobody.lower()


def test_a_stranger_is_no_authority(world: World) -> None:
    stranger = Admin(world.chain, world.person("stranger"))
    before = issued(world)
    with pytest.raises(Refused, match="is no authority of this deployment"):
        stranger.onboard([applicant(world, "filip")])
    for act in (stranger.suspend, stranger.reinstate, stranger.retire):
        with pytest.raises(ContractRefused, match="NotAuthority"):
            act(world.person("agata").address)
    assert issued(world) == before


def test_an_offer_that_its_account_did_not_sign_makes_no_card(world: World) -> None:
    good, bad = applicant(world, "gustav"), applicant(world, "hugo")
    stolen = replace(bad.offer, public_key=world.person("stranger").keyring.public_key)
    before = issued(world)
    with pytest.raises(CardInvalid, match="not signed by that account"):
        world.admin.onboard([good, replace(bad, offer=stolen)])
    assert issued(world) == before


def test_an_offer_with_a_key_that_does_not_work_makes_no_card(world: World) -> None:
    person = world.person("ivan")
    bare = replace(world.desk("ivan").offer(), public_key=bytes(1216), signature=b"")
    signature = person.signer.sign_typed_data(bare.message(world.chain.deployment))
    with pytest.raises(KeyInvalid):
        world.admin.onboard([applicant(world, "ivan", offer=replace(bare, signature=signature))])


def test_a_name_that_no_sentence_can_show_makes_no_card(world: World) -> None:
    with pytest.raises(CardInvalid, match="cannot stand on a card"):
        world.admin.onboard([applicant(world, "jan", name="Test\nmay read everything")])


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": -1},
        {"roles": 1 << 16},
        {"organisation": "0x12"},
        {"organisation": ""},
        {"valid_from": -1},
        {"valid_from": 5, "valid_until": 5},
        {"valid_until": 1 << 40},
    ],
)
def test_what_no_credential_can_hold_is_refused(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        applicant(world, "karel", **changes)


def test_a_provider_stands_once_in_a_command(world: World) -> None:
    twice = [applicant(world, "leos"), applicant(world, "leos", name="Test another name")]
    with pytest.raises(UsageError, match="twice"):
        world.admin.onboard(twice)


def test_suspended_reinstated_retired(world: World) -> None:
    (card,) = world.admin.onboard([applicant(world, "milan")])
    world.admin.suspend(card.address)
    with pytest.raises(CardInvalid, match="not live"):
        world.chain.verify_card(card)
    with pytest.raises(ContractRefused, match="StatusForbids"):
        world.admin.onboard([applicant(world, "milan", name="Test renewed")])
    world.admin.reinstate(card.address)
    world.chain.verify_card(card)
    world.admin.retire(card.address)
    with pytest.raises(CardInvalid, match="not live"):
        world.chain.verify_card(card)
    for act in (world.admin.suspend, world.admin.reinstate, world.admin.retire):
        with pytest.raises(ContractRefused, match="StatusForbids"):
            act(card.address)


def test_a_credential_that_has_not_begun_or_is_over_is_not_live(world: World) -> None:
    now = world.chain.head().time
    later, over = world.admin.onboard(
        [
            applicant(world, "norbert", valid_from=now + DAY),
            applicant(world, "otto", valid_from=1, valid_until=now - 1),
        ]
    )
    for card in (later, over):
        with pytest.raises(CardInvalid, match="not live"):
            world.chain.verify_card(card)
