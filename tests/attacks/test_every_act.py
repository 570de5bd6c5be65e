"""The audit knows every act of the contracts: replayed from events, each is what the contracts hold.

Everything that changes something is done once on an Anvil (`run.everything_once`), and then some
break-glasses that went wrong. What the contracts say is asked of them block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3

from bench._anvil import anvil
from consentry.chain.manifest import NAMES, abi
from consentry.chain.rpc import Event
from consentry.cli import auditing
from consentry.consent.card import Card
from consentry.consent.terms import READ
from consentry.evidence import Finding, Glass, Journal, Report, audit
from consentry.evidence.acts import acts_of
from consentry.evidence.audit import _chains
from consentry.evidence.glass import glasses
from consentry.evidence.replay import Replay, end_of
from consentry.evidence.report import render
from tests.attacks.public import contracts
from tests.attacks.run import everything_once
from tests.attacks.support import later
from tests.support.world import World, make_world

HOUR, SEGMENT = 3600, keccak(text="a segment")
NOTE = keccak(text="salted note")
_CREDENTIALS = ("Issued", "Suspended", "Reinstated", "Retired")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with anvil() as url:
        made = make_world(tmp_path_factory.mktemp("run"), Web3(HTTPProvider(url)))
        everything_once(made)
        broken(made)
        ended(made)
        yield made


def broken(world: World) -> None:
    """One that nobody confirmed, one that was not justified, one reviewed much too late, one never reviewed,
    and one that is open."""
    ask(world, "helper")
    later(world, 2 * HOUR)
    review(world, confirm(world, ask(world, "helper")), justified=False)
    late = confirm(world, ask(world, "helper"))
    later(world, 77 * HOUR)
    review(world, late, justified=True)
    confirm(world, ask(world, "helper"))
    later(world, 77 * HOUR)
    confirm(world, ask(world, "second helper"), by="helper")


def ended(world: World) -> None:
    """A grant revoked in a later epoch than its own; an organisation whose members are out with it."""
    signer = world.person("patient").signer
    old = keccak(text="a grant of the epoch before")
    for function, *arguments in (("grant", old), ("revokeAll",), ("revoke", old)):
        world.chain.send(signer, "ConsentRegistry", function, world.patient, *arguments)
    world.admin.suspend(world.person("hospital").address)


def ask(world: World, who: str) -> bytes:
    signer = world.person(who).signer
    asked = (world.patient, SEGMENT, keccak(text="salted reason"), keccak(text="reply"), bytes(32))
    world.chain.send(signer, "AccessLog", "requestBreakGlass", *asked)
    return bytes(world.chain.rpc.call("AccessLog", "headOf", signer.address))


def confirm(world: World, access: bytes, by: str = "second helper") -> bytes:
    world.chain.send(world.person(by).signer, "AccessLog", "confirmBreakGlass", access)
    return access


def review(world: World, access: bytes, *, justified: bool) -> None:
    signer = world.person("reviewer").signer
    world.chain.send(signer, "AccessLog", "reviewBreakGlass", access, justified, NOTE)


@pytest.fixture(scope="module")
def replay(world: World) -> Replay:
    return Replay(world.chain)


@pytest.fixture(scope="module")
def told_by(world: World) -> Callable[..., Any]:
    """What a contract said at the end of a block."""
    at = contracts(world)

    def ask(block: int, contract: str, function: str, *arguments: object) -> Any:
        return at[contract].functions[function](*arguments).call(block_identifier=block)

    return ask


def events(world: World, contract: str, *names: str) -> list[Event]:
    return [event for name in names for event in world.chain.rpc.events(contract, name)]


@pytest.fixture(scope="module")
def report(world: World) -> Report:
    journals = [Journal(keyholder.card, keyholder.journal()) for keyholder in world.keyholders]
    return audit(
        world.chain, None, journals, [signed(world, card) for card in world.cards.values()], threshold=3
    )


def signed(world: World, card: Card) -> Card:
    """A card that carries its authority's signature."""
    authority = world.authority.signer
    return replace(card, signature=authority.sign_typed_data(card.message(world.chain.deployment)))


# --- replay and contracts


def test_the_run_meets_every_event_that_there_is(world: World) -> None:
    """A new event has to be met here, or nobody asks whether the audit follows it."""
    for contract in NAMES:
        for one in (item["name"] for item in abi(contract) if item["type"] == "event"):
            assert events(world, contract, one), f"{contract}.{one}"


def test_each_grant_is_in_the_state_that_the_contract_says(
    world: World, replay: Replay, told_by: Callable[..., Any]
) -> None:
    changes = events(world, "ConsentRegistry", "ConsentGranted", "ConsentRevoked")
    for event in changes:
        patient, grant_id = event.args["patient"], event.args["grantId"]
        status, _, seq, epoch, *_ = told_by(event.block, "ConsentRegistry", "grantState", patient, grant_id)
        assert replay.grants[patient, grant_id].at(end_of(event.block)) == (status, epoch, seq)
    assert len(changes) == 16


def test_each_epoch_opt_out_and_guardianship_is_what_the_contract_says(
    world: World, replay: Replay, told_by: Callable[..., Any]
) -> None:
    names = (
        "AllConsentsRevoked",
        "OptOutChanged",
        "GuardianAppointed",
        "GuardianshipEnded",
        "IdentityRecovered",
    )
    for event in events(world, "ConsentRegistry", *names):
        patient, place = event.args["patient"], end_of(event.block)
        _, epoch, flags = told_by(event.block, "ConsentRegistry", "account", patient)
        _, until, seq, _ = told_by(event.block, "ConsentRegistry", "guardianshipOf", patient)
        assert replay.epoch(patient, place) == epoch
        assert replay.opted_out(patient, place) == flags & ~1, "the first flag tells of a guardianship"
        held = replay.guardianships[patient].at(place) if patient in replay.guardianships else (0, 0)
        assert held == (seq, until)


def test_the_rule_gives_the_same_answer_at_every_block_since_a_grant_was_used(
    world: World, replay: Replay, told_by: Callable[..., Any]
) -> None:
    met = set()
    for entry in {entry.grant_id: entry for entry in replay.entries}.values():
        terms = replay.terms[entry.grant_id]
        asked = (entry.actor, entry.purpose, READ)
        for block in range(entry.block, replay.head + 1):
            reason = replay.reason(terms, *asked, end_of(block))
            assert reason == told_by(block, "ConsentRegistry", "why", terms.as_tuple(), *asked)
            met.add(reason.name)
    assert {"NONE", "REVOKED", "CREDENTIAL_NOT_LIVE"} <= met


def test_each_credential_and_role_is_what_the_contract_says(
    world: World, replay: Replay, told_by: Callable[..., Any]
) -> None:
    changes = events(
        world, "ProviderRegistry", "EmergencyIssued", *(f"Credential{one}" for one in _CREDENTIALS)
    )
    blocks = {event.block for event in changes} | {event.block for event in replay.glass_events}
    for block in sorted({*blocks, replay.head}):
        for provider in replay.credentials:
            start, end, roles, status, organisation = told_by(
                block, "ProviderRegistry", "credentialOf", provider
            )
            held = replay.credential(provider, end_of(block))
            mine = held or (0, 0, 0, 0, 0)
            assert mine == (status, start, end, roles, int(organisation, 16))
            for role in (1, 2, 16):
                answer = told_by(block, "ProviderRegistry", "holds", provider, role)
                assert replay.holds(provider, role, end_of(block)) == tuple(answer), (block, provider, role)


def test_each_actors_chain_leads_to_the_head_that_the_contract_says(
    world: World, replay: Replay, told_by: Callable[..., Any]
) -> None:
    last = {(act.actor, act.block): act for act in acts_of(replay.entries, replay.glass_events)}
    for (actor, block), act in last.items():
        assert told_by(block, "AccessLog", "headOf", actor) == act.link
    assert len({actor for actor, _ in last}) == 4, "the clinician, two helpers and the reviewer"


def test_each_broken_glass_is_what_the_contract_says(world: World, told_by: Callable[..., Any]) -> None:
    for event in Replay(world.chain).glass_events:
        report = Report(1, bytes(32), "", event.block, world.chain.time_of(event.block), 3)
        glasses(report, Replay(world.chain, event.block))
        [mine] = [one for one in report.glasses if one.access_id == event.args["accessId"]]
        theirs = told_by(event.block, "AccessLog", "glassOf", mine.access_id)
        assert told(mine) == tuple(theirs), event.name


def told(glass: Glass) -> tuple[object, ...]:
    """A glass in the words of the contract."""
    nobody = "0x" + "00" * 20
    first, *second = glass.organisations
    return (
        glass.requester,
        glass.requested_at,
        glass.confirmed_at,
        first,
        glass.confirmer or nobody,
        glass.reviewed_at,
        glass.justified,
        *(second or [nobody]),
        glass.reviewer or nobody,
    )


def test_every_anchor_is_the_one_that_the_contract_says(replay: Replay, told_by: Callable[..., Any]) -> None:
    for (contributor, record), anchor in replay.anchors.items():
        assert told_by(replay.head, "RecordRegistry", "anchorOf", contributor, record) == anchor


def test_acts_that_came_while_the_audit_ran_are_no_gap(world: World, replay: Replay) -> None:
    block = replay.glass_events[-3].block
    report = Report(1, bytes(32), "", block, replay.time(block), 3)
    _chains(report, world.chain, Replay(world.chain, block))
    assert report.findings == []


def test_an_act_that_the_node_withholds_is_a_gap(world: World, replay: Replay) -> None:
    for number, event in enumerate(replay.glass_events):
        report = Report(1, bytes(32), "", replay.head, replay.time(replay.head), 3)
        with pytest.MonkeyPatch.context() as patch:
            told = replay.glass_events
            patch.setattr(replay, "glass_events", told[:number] + told[number + 1 :])
            _chains(report, world.chain, replay)
        assert report.findings, event.name


# --- the audit


def test_the_audit_of_everything_finds_what_went_wrong_and_nothing_else(world: World, report: Report) -> None:
    blocks = [glass.block for glass in report.glasses]
    assert [glass.state(report.at) for glass in report.glasses] == [
        "justified",
        "lapsed",
        "not justified",
        "justified",
        "review overdue",
        "open",
    ]
    unjust = f"its reviewer {world.person('reviewer').address} found it not justified"
    assert report.findings[0] == Finding(f"break-glass in block {blocks[2]}", unjust)
    overdue = report.findings[1]
    assert overdue.where == f"break-glass in block {blocks[4]}"
    assert overdue.what.startswith("nobody has reviewed it; that was due on 20")
    assert len(report.findings) == 2
    assert any("4 entries and 14 acts of break-glass by 4 actors follow" in text for text in report.verified)
    assert [text for text in report.notes if "break-glass" in text] == [
        f"the break-glass in block {blocks[1]} was confirmed by nobody, and opened nothing",
        f"the review of the break-glass in block {blocks[3]} came more than 72 hours late",
        next(text for text in report.notes if f"block {blocks[5]} waits for its review" in text),
    ]


def test_the_audit_names_helpers_by_the_card_for_which_two_authorities_stand(
    world: World, report: Report
) -> None:
    for name in ("helper", "second helper"):
        assert report.cards[world.person(name).address].name == f"Test {name}"


def test_page_and_command_tell_each_broken_glass_with_who_and_how_it_ended(
    world: World, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    page = render(report)
    auditing._show(report)
    said = capsys.readouterr().out
    for glass in report.glasses:
        row = page.partition(f'data-glass="0x{glass.access_id.hex()}"')[2].partition("</tr>")[0]
        line = next(text for text in said.splitlines() if glass.reason_hash.hex()[:8] in text)
        for shown in (row, line):
            assert glass.state(report.at) in shown
            assert report.name(glass.requester) in shown
            said = said.replace(line, "", 1)
        assert glass.reason_hash.hex()[:8] in row
        assert ("by nobody" in row) == (not glass.reviewer)


def test_a_patient_sees_her_own_broken_glasses_and_every_finding(world: World, report: Report) -> None:
    hers = audit(world.chain, None, [], threshold=3, patient=world.patient)
    neighbours = audit(world.chain, None, [], threshold=3, patient=world.person("neighbour").identity)
    assert (len(hers.glasses), neighbours.glasses) == (len(report.glasses), [])
    assert hers.findings == neighbours.findings == report.findings


# --- what no contract let happen, and a node could claim


def claims(world: World, replay: Replay, number: int, **changes: Any) -> list[str]:
    """What the audit finds where the node tells one act upon a glass (0: the first) in other words."""
    told, report = (
        replay.glass_events,
        Report(1, bytes(32), "", replay.head, world.chain.time_of(replay.head), 3),
    )
    event = told[number]
    block = changes.pop("block", event.block)
    lie = replace(event, block=block, args={**event.args, **changes})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "glass_events", [*told[:number], lie, *told[number + 1 :]])
        glasses(report, replay)
    return [one.what for one in report.findings if "not lawful there" in one.what]


def test_an_honest_story_has_no_act_that_was_not_allowed(world: World, replay: Replay) -> None:
    assert claims(world, replay, 0) == []
    names = [event.name.removeprefix("BreakGlass") for event in replay.glass_events[:3]]
    assert names == ["Requested", "Confirmed", "Reviewed"]


def test_a_break_glass_by_somebody_without_the_role_is_found(world: World, replay: Replay) -> None:
    stranger, reviewer = world.person("stranger").address, world.person("reviewer").address
    assert f"{stranger} did not act in the emergency role" in claims(world, replay, 0, requester=stranger)[0]
    assert f"{reviewer} did not act in the emergency role" in claims(world, replay, 1, confirmer=reviewer)[0]
    assert f"{stranger} did not act in the reviewer's role" in claims(world, replay, 2, reviewer=stranger)[0]


def test_a_break_glass_by_fewer_than_three_people_is_found(world: World, replay: Replay) -> None:
    helper, second = world.person("helper").address, world.person("second helper").address
    assert "the requester confirmed it" in claims(world, replay, 1, confirmer=helper)[0]
    for one in (helper, second):
        found = "; ".join(claims(world, replay, 2, reviewer=one))
        assert "the reviewer was no third of another organisation" in found


def test_a_break_glass_out_of_time_or_order_is_found(world: World, replay: Replay) -> None:
    story = replay.glass_events
    assert "nobody asked for it" in claims(world, replay, 1, accessId=bytes(32))[0]
    again = claims(world, replay, 5, accessId=story[0].args["accessId"])
    assert again[0].endswith("it was confirmed before")
    twice = claims(world, replay, 6, accessId=story[0].args["accessId"])
    assert twice[0].endswith("it was reviewed before")
    unconfirmed = claims(world, replay, 6, accessId=story[3].args["accessId"])
    assert any(text.endswith("it was reviewed unconfirmed") for text in unconfirmed)
    late = claims(world, replay, 1, block=replay.head)
    assert any(text.endswith("it was confirmed later than an hour") for text in late)


def test_a_break_glass_by_who_owed_a_review_is_found(world: World, replay: Replay) -> None:
    """The second helper asked last; the helper, who had not been reviewed for 77 hours, could not have."""
    last = next(
        number
        for number, event in reversed(list(enumerate(replay.glass_events)))
        if event.name.endswith("Requested")
    )
    found = claims(world, replay, last, requester=world.person("helper").address)
    assert found[0].endswith("a review of the requester's was overdue")
