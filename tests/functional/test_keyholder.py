"""One keyholder: what it takes, what it gives, and that it refuses in one way."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consentry.client import Proposal
from consentry.consent.box import KeyBox
from consentry.consent.terms import DEPOSIT, MEMBERS, READ, Terms, typed_revoke
from consentry.envelope.deposit import Header, Part, make_parts, message, new_header
from consentry.envelope.leaf import Label, Leaf, make_leaf
from consentry.envelope.statement import SignedStatement, Statement, first_statement
from consentry.envelope.statement import message as statement_message
from consentry.errors import KeyholderRefused, NotFound, Unreachable
from consentry.keyholder.journal import verify_journal
from consentry.keyholder.local import create_keyholders, open_keyholders
from consentry.keyholder.messages import Call, subject_of_stop
from consentry.keyholder.service import KeyholderService
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import new_seed
from tests.support.world import KINDS, World, make_world, populated


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = populated(make_world(tmp_path_factory.mktemp("keyholder")))
    world.desk("neighbour").enrol(KINDS)
    world.person("stranger")
    return world


@pytest.fixture
def keyholder(world: World) -> KeyholderService:
    return world.keyholders[0]


@pytest.fixture(scope="module")
def proposal(world: World) -> Proposal:
    """The clinician may read the patient's general records."""
    return world.grant("clinician", "general")[0]


@pytest.fixture(scope="module")
def deposit_terms(world: World) -> Terms:
    return world.grant("hospital", "mental-health", flags=DEPOSIT)[0].terms


def refusal(keyholder: KeyholderService, attempt: Callable[[], object]) -> str:
    """The check that refused, by the journal; the caller learns nothing of it."""
    before = len(keyholder.journal())
    with pytest.raises(KeyholderRefused) as caught:
        attempt()
    assert str(caught.value) == "the keyholder refused"
    assert caught.value.__cause__ is None
    (row,) = keyholder.journal()[before:]
    assert row.kind == "refused"
    return row.body["check"]


def statement_of(world: World, name: str = "patient", kind: str = "general") -> Statement:
    desk = world.desk(name)
    desk._own.refresh()
    return desk._own.segments()[kind].statement


def signed(world: World, statement: Statement, by: str = "patient") -> SignedStatement:
    body = statement.encode()
    full = statement_message(world.chain.deployment, body)
    return SignedStatement(body, world.person(by).signer.sign_typed_data(full))


def another_statement(world: World, name: str = "patient", **changes: Any) -> Statement:
    """A first statement on a new segment, changed."""
    first = first_statement(
        world.chain.deployment,
        patient=world.person(name).identity,
        segment=secrets.token_bytes(32),
        kind="general",
        seed=new_seed(),
        patient_key=world.person(name).keyring.public_key,
        keyholders=world.group.roster.hash,
    )
    return replace(first, **changes)


def call(world: World, who: str, verb: str, body: bytes, *, to: int = 1) -> Call:
    card = world.keyholders[to - 1].card
    return Call.signed(world.chain.deployment, world.person(who).signer, card, verb, body)


def box_call(world: World, who: str, proposal: Proposal) -> Call:
    body = abi_encode(["bytes32", "bytes32"], [proposal.terms.patient, proposal.grant_id])
    return call(world, who, "fetch_box", body)


# --- statements


def test_a_statement_is_taken_once_more_and_acknowledged(world: World, keyholder: KeyholderService) -> None:
    again = signed(world, statement_of(world))
    for _ in range(2):
        said = keyholder.statement(again)
        said.verify(world.chain.deployment, keyholder.card, "statement", again.statement.hash)


def test_a_stranger_cannot_state_anything_for_the_patient(world: World, keyholder: KeyholderService) -> None:
    forged = signed(world, another_statement(world), by="stranger")
    assert refusal(keyholder, lambda: keyholder.statement(forged)) == "SignatureInvalid"


def test_a_statement_for_other_keyholders_is_refused(world: World, keyholder: KeyholderService) -> None:
    other = signed(world, another_statement(world, keyholders=bytes(32)))
    assert refusal(keyholder, lambda: keyholder.statement(other)) == "IntegrityError"


def test_a_second_version_is_taken_only_if_it_follows_the_newest(
    world: World, keyholder: KeyholderService
) -> None:
    first = another_statement(world)
    keyholder.statement(signed(world, first))
    second = replace(first, version=2, previous=first.hash)
    for wrong in [
        replace(second, version=3),
        replace(second, previous=secrets.token_bytes(32)),
        replace(second, segment=secrets.token_bytes(32)),
        replace(first, emergency=True),
    ]:
        assert refusal(keyholder, lambda wrong=wrong: keyholder.statement(signed(world, wrong))) == "chain"
    keyholder.statement(signed(world, second))
    third = replace(second, version=3, previous=first.hash)
    assert refusal(keyholder, lambda: keyholder.statement(signed(world, third))) == "chain"


def test_nobody_can_continue_or_occupy_the_segment_of_another_patient(
    world: World, keyholder: KeyholderService
) -> None:
    hers = another_statement(world)
    keyholder.statement(signed(world, hers))
    neighbour = {"patient": world.person("neighbour").identity}
    next_one = replace(hers, version=2, previous=hers.hash)
    stolen = signed(world, replace(next_one, **neighbour), by="neighbour")
    assert refusal(keyholder, lambda: keyholder.statement(stolen)) == "chain"
    keyholder.statement(signed(world, replace(hers, **neighbour), by="neighbour"))  # a segment of its own
    keyholder.statement(signed(world, next_one))


# --- key boxes


def test_a_key_box_counts_only_with_the_patients_signature(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    unsigned = replace(proposal.box, signature=b"").encode()
    assert refusal(keyholder, lambda: keyholder.box(unsigned)) == "SignatureInvalid"


def test_a_key_box_of_another_deployment_is_refused(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    other = replace(proposal.box, deployment=bytes(32)).encode()
    assert refusal(keyholder, lambda: keyholder.box(other)) == "IntegrityError"


def _rebox(world: World, box: KeyBox, by: str, **changes: Any) -> bytes:
    bare = replace(box, **changes)
    signature = world.person(by).signer.sign_typed_data(bare.message(world.chain.deployment))
    return replace(bare, signature=signature).encode()


def test_a_key_box_for_a_segment_that_is_not_hers_is_refused(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    neighbour = {"patient": world.person("neighbour").identity}
    stolen = _rebox(world, proposal.box, "neighbour", **neighbour)
    assert refusal(keyholder, lambda: keyholder.box(stolen)) == "segment"


def test_no_other_patient_can_displace_a_key_box_by_naming_its_grant(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    fields = {"patient": world.person("neighbour").identity}
    fields["segment"] = statement_of(world, "neighbour").segment
    keyholder.box(_rebox(world, proposal.box, "neighbour", **fields))
    assert keyholder.fetch_box(box_call(world, "clinician", proposal)).box == proposal.box.encode()


def test_a_later_key_box_of_the_same_grant_takes_the_first_ones_place(
    world: World, keyholder: KeyholderService
) -> None:
    proposal = world.grant("clinician", "hiv")[0]
    newer = _rebox(world, proposal.box, "patient", version=2)
    keyholder.box(newer)
    assert keyholder.fetch_box(box_call(world, "clinician", proposal)).box == newer


def test_a_key_box_reaches_its_grantee_its_patient_and_nobody_else(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    for who in ("clinician", "patient"):
        answer = keyholder.fetch_box(box_call(world, who, proposal))
        assert answer.box == proposal.box.encode()
        assert [s.statement.segment for s in answer.statements] == [proposal.terms.segment]
    for who in ("hospital", "stranger", "neighbour"):
        asked = box_call(world, who, proposal)
        assert refusal(keyholder, lambda asked=asked: keyholder.fetch_box(asked)) == "credential at head"


def test_a_key_box_that_nobody_delivered_cannot_be_fetched(world: World, keyholder: KeyholderService) -> None:
    offered = world.offered("clinician", "sexual-health")
    (proposal,) = world.desk("patient").propose(offered)
    asked = box_call(world, "clinician", proposal)
    assert refusal(keyholder, lambda: keyholder.fetch_box(asked)) == "box"


def test_a_delivered_key_box_is_not_given_before_the_grant_is_in_force(
    world: World, keyholder: KeyholderService
) -> None:
    offered = world.offered("clinician", "sexual-health")
    (proposal,) = world.desk("patient").propose(offered)
    keyholder.box(proposal.box.encode())
    asked = box_call(world, "clinician", proposal)
    assert refusal(keyholder, lambda: keyholder.fetch_box(asked)) == "consent at head"


# --- deals


@pytest.fixture
def envelope(world: World, deposit_terms: Terms) -> Callable[..., Part]:
    """Makes the first keyholder's part of an envelope of the hospital's, with anything changed."""

    def make(
        *,
        by: str = "hospital",
        terms: bytes | None = None,
        salt: bytes | None = None,
        leaf_salt: bytes | None = None,
        shares: list[bytes] | None = None,
        commitments: int = 5,
        **header_changes: Any,
    ) -> Part:
        statement = statement_of(world, kind="mental-health")
        who = world.person(by)
        header, halves = new_header(world.chain.deployment, statement, who.address, 3, 5)
        header = replace(header, **header_changes)
        leaf, dealt = make_leaf(
            header.place(world.chain.deployment),
            halves,
            record_salt=salt or secrets.token_bytes(32),
            anchor_salt=secrets.token_bytes(32),
            data_key=new_seed(),
            digest=secrets.token_bytes(32),
            cid="cid",
            label=Label("mental-health", "2026-01-15", who.address, "text/plain"),
            threshold=3,
            count=commitments,
        )
        leaf = replace(leaf, record_salt=leaf_salt or leaf.record_salt)
        keys = list(world.group.roster.keys.items())
        parts = make_parts(
            world.chain.deployment,
            header,
            [(leaf, shares or dealt)],
            keyholder_keys=dict(keys[:commitments]),
            terms=deposit_terms.encode() if terms is None else terms,
        )
        return sign_part(parts[0], by)

    def sign_part(part: Part, by: str) -> Part:
        full = message(world.chain.deployment, part.envelope)
        return replace(part, signature=world.person(by).signer.sign_typed_data(full))

    return make


def test_a_deal_is_acknowledged_and_the_same_deal_again_changes_nothing(
    world: World, keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    part = envelope()
    first = keyholder.deal(part.encode())
    first.verify(world.chain.deployment, keyholder.card, "deal", part.envelope)
    rows = keyholder.journal()
    again = keyholder.deal(part.encode())
    again.verify(world.chain.deployment, keyholder.card, "deal", part.envelope)
    assert keyholder.journal() == rows
    assert rows[-1].kind == "deal"
    assert rows[-1].body["record 0"] == "0x" + part.leaves[0].record_id.hex()


def test_the_journal_of_a_deal_names_no_salt(
    keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    part = envelope()
    keyholder.deal(part.encode())
    (leaf,) = part.leaves
    shown = str(keyholder.journal()[-1].to_json())
    assert leaf.digest.hex() in shown
    for secret in (leaf.record_salt, leaf.anchor_salt):
        assert secret.hex() not in shown


def test_the_patient_deposits_without_a_grant(
    keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    keyholder.deal(envelope(by="patient", terms=b"").encode())


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"threshold": 2}, "statement"),
        ({"count": 4}, "statement"),
        ({"version": 2}, "statement"),
        ({"statement": secrets.token_bytes(32)}, "statement"),
        ({"deployment": bytes(32)}, "IntegrityError"),
        ({"terms": b""}, "contributor"),
        ({"by": "stranger"}, "contributor"),
        ({"shares": [bytes(32)] * 5}, "ShareMismatch"),
        ({"shares": [bytes(31)] * 5}, "IntegrityError"),
        ({"leaf_salt": secrets.token_bytes(32)}, "record id"),
        ({"commitments": 4}, "commitments"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_deal_that_does_not_hold_is_refused(
    keyholder: KeyholderService, envelope: Callable[..., Part], changes: dict[str, Any], check: str
) -> None:
    # A header of another deployment cannot even be made into leaves by the honest code.
    if "deployment" in changes:
        part = envelope()
        spoilt = replace(part, header=replace(Header.decode(part.header), **changes).encode())
    else:
        spoilt = envelope(**changes)
    assert refusal(keyholder, lambda: keyholder.deal(spoilt.encode())) == check


def test_a_deal_that_the_contributor_did_not_sign_is_refused(
    world: World, keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    part = replace(envelope(), signature=bytes(65))
    assert refusal(keyholder, lambda: keyholder.deal(part.encode())) == "SignatureInvalid"


def test_a_deal_under_terms_for_another_segment_is_refused(
    world: World, keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    other = world.grant("hospital", "hiv", flags=DEPOSIT)[0].terms
    part = envelope(terms=other.encode())
    assert refusal(keyholder, lambda: keyholder.deal(part.encode())) == "contributor"


def test_a_patient_cannot_deal_into_the_segment_of_another(
    world: World, keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    part = envelope(by="neighbour", terms=b"", patient=world.person("neighbour").identity)
    assert refusal(keyholder, lambda: keyholder.deal(part.encode())) == "statement"


def test_a_record_is_held_through_one_envelope_only(
    keyholder: KeyholderService, envelope: Callable[..., Part]
) -> None:
    salt = secrets.token_bytes(32)
    keyholder.deal(envelope(salt=salt).encode())
    twin = envelope(salt=salt)
    assert refusal(keyholder, lambda: keyholder.deal(twin.encode())) == "held already"


def test_a_part_for_another_keyholder_does_not_open(world: World, envelope: Callable[..., Part]) -> None:
    part, second = envelope(), world.keyholders[1]
    assert refusal(second, lambda: second.deal(part.encode())) == "WrapBroken"


# --- stops


def test_a_signed_stop_holds_before_the_chain_knows(world: World, keyholder: KeyholderService) -> None:
    proposal = world.grant("clinician", "general")[0]
    patient, grant_id = world.patient, proposal.grant_id
    full = typed_revoke(world.chain.deployment, patient, grant_id)
    said = keyholder.stop(patient, grant_id, world.person("patient").signer.sign_typed_data(full))
    said.verify(world.chain.deployment, keyholder.card, "stop", subject_of_stop(patient, grant_id))
    assert world.chain.in_force(patient, grant_id)
    fetch = box_call(world, "clinician", proposal)
    assert refusal(keyholder, lambda: keyholder.fetch_box(fetch)) == "stop"
    labels = call(world, "clinician", "labels", proposal.terms.encode())
    assert refusal(keyholder, lambda: keyholder.labels(labels)) == "stop"


def test_a_stranger_cannot_stop_a_grant(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    full = typed_revoke(world.chain.deployment, world.patient, proposal.grant_id)
    forged = world.person("stranger").signer.sign_typed_data(full)
    attempt: Callable[[], object] = lambda: keyholder.stop(world.patient, proposal.grant_id, forged)  # noqa: E731
    assert refusal(keyholder, attempt) == "SignatureInvalid"


def test_a_stop_of_what_is_no_id_is_refused_like_any_other(keyholder: KeyholderService) -> None:
    assert refusal(keyholder, lambda: keyholder.stop(b"short", bytes(32), b"")) == "shape"


# --- labels


def test_labels_name_records_and_salts_and_nothing_that_opens_them(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    (listed,) = keyholder.labels(call(world, "clinician", "labels", proposal.terms.encode()))
    world.desk("patient")._own.refresh()
    leaf = next(k.leaf for k in world.desk("patient")._own.openings() if k.label.kind == "general")
    assert (listed.record_id, listed.record_salt) == (leaf.record_id, leaf.record_salt)
    shown = repr(listed)
    for hidden in (leaf.anchor_salt, leaf.digest, leaf.wrapped_key, leaf.commit):
        assert repr(hidden) not in shown
    assert leaf.cid not in shown


def test_labels_are_refused_to_whom_the_terms_do_not_name(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    for who in ("hospital", "stranger"):
        asked = call(world, who, "labels", proposal.terms.encode())
        assert refusal(keyholder, lambda asked=asked: keyholder.labels(asked)) == "consent at head"


def test_a_patient_cannot_list_anothers_records_by_granting_her_segment_to_an_accomplice(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    neighbour = world.person("neighbour")
    fields = {"patient": neighbour.identity, "epoch": world.chain.epoch_of(neighbour.identity)}
    stolen = replace(proposal.terms, **fields)
    args = (stolen.patient, stolen.grant_id)
    world.chain.send(neighbour.signer, "ConsentRegistry", "grant", *args)
    asked = call(world, "clinician", "labels", stolen.encode())
    assert keyholder.labels(asked) == ()


def test_a_call_is_answered_once(world: World, keyholder: KeyholderService, proposal: Proposal) -> None:
    asked = call(world, "clinician", "labels", proposal.terms.encode())
    keyholder.labels(asked)
    assert refusal(keyholder, lambda: keyholder.labels(asked)) == "nonce"


def test_a_call_with_a_shortened_nonce_is_not_a_new_call(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    bare = Call(world.person("clinician").address, "labels", proposal.terms.encode(), bytes(31))
    full = bare.message(world.chain.deployment, keyholder.card.address)
    asked = replace(bare, signature=world.person("clinician").signer.sign_typed_data(full))
    assert refusal(keyholder, lambda: keyholder.labels(asked)) == "caller"


def test_a_call_to_one_keyholder_is_not_answered_by_another(world: World, proposal: Proposal) -> None:
    asked = call(world, "clinician", "labels", proposal.terms.encode(), to=1)
    second = world.keyholders[1]
    assert refusal(second, lambda: second.labels(asked)) == "caller"


def test_a_call_for_one_verb_is_not_answered_by_another(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    asked = call(world, "clinician", "labels", proposal.terms.encode())
    for verb in (keyholder.fetch_box, keyholder.own, keyholder.release):
        assert refusal(keyholder, lambda verb=verb: verb(asked)) == "verb"


def test_a_call_in_anothers_name_is_refused(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    asked = call(world, "stranger", "labels", proposal.terms.encode())
    for claimed in (world.person("clinician").address, "nobody", ""):
        forged = replace(asked, caller=claimed)
        assert refusal(keyholder, lambda forged=forged: keyholder.labels(forged)) == "caller"


# --- what is the patient's own


def test_the_patient_gets_all_that_is_hers_and_no_share(world: World, keyholder: KeyholderService) -> None:
    body = abi_encode(["bytes32"], [world.patient])
    answer = keyholder.own(call(world, "patient", "own", body))
    assert answer.statements
    assert answer.records
    assert answer.boxes
    assert not hasattr(answer.records[0], "share")


def test_nobody_else_gets_what_is_the_patients(world: World, keyholder: KeyholderService) -> None:
    body = abi_encode(["bytes32"], [world.patient])
    for who in ("hospital", "neighbour", "stranger"):
        asked = call(world, who, "own", body)
        assert refusal(keyholder, lambda asked=asked: keyholder.own(asked)) == "controller"


# --- in general


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 31, b"\xff" * 64, secrets.token_bytes(700)], ids=["none", "zeros", "ones", "random"]
)
def test_bytes_that_are_nothing_are_refused_like_everything_else(
    world: World, keyholder: KeyholderService, data: bytes
) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: keyholder.statement(SignedStatement(data, data)),
        lambda: keyholder.box(data),
        lambda: keyholder.deal(data),
        lambda: keyholder.stop(world.patient, bytes(32), data),
        *(
            lambda verb=verb: getattr(keyholder, verb)(call(world, "stranger", verb, data))
            for verb in ("fetch_box", "labels", "release", "own")
        ),
    ]
    for attempt in attempts:
        refusal(keyholder, attempt)


@pytest.fixture
def silent_chain(monkeypatch: pytest.MonkeyPatch, world: World) -> Iterator[None]:
    def silent(*_: object, **__: object) -> None:
        raise Unreachable("the node does not answer")

    monkeypatch.setattr(world.chain.rpc, "call", silent)
    monkeypatch.setattr(world.chain.rpc, "block", silent)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("silent_chain")
def test_without_its_chain_a_keyholder_does_nothing_and_says_so(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    rows = keyholder.journal()
    with pytest.raises(Unreachable):
        keyholder.labels(call(world, "clinician", "labels", proposal.terms.encode()))
    with pytest.raises(Unreachable):
        keyholder.own(call(world, "patient", "own", abi_encode(["bytes32"], [world.patient])))
    assert keyholder.journal() == rows


def test_what_cannot_be_journalled_is_not_taken(
    world: World, keyholder: KeyholderService, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = signed(world, another_statement(world))

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(keyholder._vault, "add_row", full)
    with pytest.raises(OSError, match="disk full"):
        keyholder.statement(new)
    monkeypatch.undo()
    assert not keyholder._vault.statements(new.statement.patient, new.statement.segment)


def test_every_journal_of_this_world_verifies(world: World) -> None:
    for keyholder in world.keyholders:
        verify_journal(world.chain.deployment, keyholder.card.address, keyholder.journal())


# --- five in one process


def test_keyholders_are_made_once_and_found_again(tmp_path: Path) -> None:
    roster = create_keyholders(tmp_path, threshold=2, count=3)
    assert create_keyholders(tmp_path, threshold=2, count=3) == roster
    assert (roster.threshold, roster.count) == (2, 3)
    assert len({card.address for card in roster.keyholders}) == 3


def test_keyholders_that_were_never_made_cannot_be_opened(world: World, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no keyholder in .*; run deploy"):
        open_keyholders(tmp_path, world.group.roster, world.chain)


def test_a_keyholder_whose_files_fail_is_silent_and_refuses_nobody(world: World) -> None:
    broken = open_keyholders(world.home / "keyholders", world.group.roster, world.chain)[0]
    broken._vault.close()
    with pytest.raises(Unreachable, match="files cannot be used"):
        broken.own(call(world, "patient", "own", abi_encode(["bytes32"], [world.patient])))


def test_a_reopened_keyholder_holds_what_it_held(world: World) -> None:
    first = open_keyholders(world.home / "keyholders", world.group.roster, world.chain)[0]
    body = abi_encode(["bytes32"], [world.patient])
    answer = first.own(call(world, "patient", "own", body))
    held = {Leaf.decode(r.open_part, r.sealed_part).record_id for r in answer.records}
    anchored = [record for record, _ in world.desk("patient").my_records()]
    assert set(anchored) <= held


def test_a_member_is_served_what_its_organisation_was_granted(
    world: World, keyholder: KeyholderService
) -> None:
    proposal = world.grant("hospital", "general", flags=READ | MEMBERS)[0]
    assert keyholder.fetch_box(box_call(world, "clinician", proposal)).box
    assert keyholder.labels(call(world, "clinician", "labels", proposal.terms.encode()))


def test_of_two_envelopes_for_one_record_that_arrive_together_the_second_changes_nothing(
    keyholder: KeyholderService, envelope: Callable[..., Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    salt = secrets.token_bytes(32)
    first, second = envelope(salt=salt), envelope(salt=salt)
    asked = []
    real = keyholder._vault.envelope_of

    def while_the_other_is_under_way(record: bytes) -> bytes | None:
        asked.append(record)
        if len(asked) == 1:
            keyholder.deal(first.encode())
            return None
        return real(record)

    monkeypatch.setattr(keyholder._vault, "envelope_of", while_the_other_is_under_way)
    with pytest.raises(KeyholderRefused):
        keyholder.deal(second.encode())
    monkeypatch.undo()
    record = first.leaves[0].record_id
    assert real(record) == first.envelope
    held = keyholder._vault.find(record)
    assert held is not None
    assert held.sealed_part == first.sealed_parts[0]


def test_a_keyholder_names_a_caller_its_own_grants_and_no_others(
    world: World, keyholder: KeyholderService, proposal: Proposal
) -> None:
    (members,) = world.grant("hospital", "sexual-health", flags=READ | MEMBERS)
    body = abi_encode(["bytes32"], [world.patient])
    named = {
        who: set(keyholder.grants(call(world, who, "grants", body)))
        for who in ("clinician", "hospital", "stranger", "neighbour")
    }
    assert {proposal.grant_id, members.grant_id} <= named["clinician"]
    assert members.grant_id in named["hospital"]
    assert proposal.grant_id not in named["hospital"]
    assert named["stranger"] == named["neighbour"] == set()


def test_a_keyholder_names_no_grant_that_was_revoked_or_stopped(
    world: World, keyholder: KeyholderService
) -> None:
    body = abi_encode(["bytes32"], [world.patient])
    stopped, revoked = (world.grant("clinician", "hiv")[0].grant_id for _ in range(2))
    world.desk("patient")._granter._stop(world.patient, stopped)
    world.chain.send(world.person("patient").signer, "ConsentRegistry", "revoke", world.patient, revoked)
    named = keyholder.grants(call(world, "clinician", "grants", body))
    assert not {stopped, revoked} & set(named)
