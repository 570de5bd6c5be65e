"""Who cheats leaves a proof behind that anybody can check; who was honest cannot be framed with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from consentry.client.proof import Proof
from consentry.envelope.leaf import Leaf
from consentry.errors import (
    ConsentryError,
    DealInconsistent,
    EnvelopesDiffer,
    IntegrityError,
    NotFound,
    TooFewKeyholders,
    UsageError,
)
from consentry.keyholder.messages import ReleaseAsked, Released, Signed, release_info
from consentry.keyholder.vault import Held
from consentry.keys.binding import abi_encode
from consentry.keys.hpke import new_seed, wrap
from consentry.keys.shamir import commitment, new_secret
from tests.attacks.support import Access, access
from tests.attacks.test_cheats import another_leaf, cheating, clinic, listed, lying, opened
from tests.support.world import World

__all__ = ["clinic", "listed"]


def forged_share(held: Held) -> Held:
    return replace(held, share=new_secret())


def only(world: World, *paths: Path) -> Proof:
    """The one proof, as a third party reads it."""
    [path] = paths
    assert path.parent == world.home / "clinician" / "proofs"
    assert path.stat().st_mode & 0o777 == 0o600
    return Proof.load(path)


def shown(world: World, proof: Proof) -> str:
    """What it shows a stranger, who has a node and keyholders.json."""
    return proof.verify(world.chain, world.group.roster)


@pytest.fixture(scope="module")
def mine(world: World) -> Access:
    """An honest entry, whose reader would like to accuse somebody."""
    return access(world, world.grant("clinician", "general")[0])


def accusing(world: World, mine: Access, what: str, *released: Released) -> Proof:
    return Proof.of_release(world.chain.deployment, what, mine.asked(), mine.reply_seed, *released)


# --- who cheats


def test_a_forged_share_is_proved_against_the_keyholder_that_signed_it(world: World, listed: bytes) -> None:
    with lying(world, 2, forged_share):
        found = opened(world, listed)
    assert found.keyholders == (1, 3, 4)
    assert "keyholder 2) cheated: the share" in shown(world, only(world, *found.proofs))


def test_another_record_is_proved_against_the_keyholder_that_released_it(world: World, listed: bytes) -> None:
    with lying(world, 3, lambda held: another_leaf(held, record_salt=new_seed())):
        found = opened(world, listed)
    assert "keyholder 3) cheated: keyholder 3 released another record" in shown(
        world, only(world, *found.proofs)
    )


def test_leaves_that_differ_are_proved_against_two_and_the_others_open(world: World, listed: bytes) -> None:
    """Which of them altered it the proof does not say: the contributor may have dealt two."""

    def forge(held: Held) -> Held:
        share = new_secret()
        leaf = Leaf.decode(held.open_part, held.sealed_part)
        own = (commitment(leaf.record_id, 1, share), *leaf.share_commitments[1:])
        return replace(another_leaf(held, share_commitments=own), share=share)

    with lying(world, 1, forge):
        found = opened(world, listed)
    assert found.keyholders == (2, 3, 4)
    said = shown(world, only(world, *found.proofs))
    assert said.startswith("one of ")
    assert "keyholder 1)" in said
    assert "or its contributor dealt two" in said


def path_in(error: pytest.ExceptionInfo[ConsentryError]) -> list[Path]:
    """The files that an error names."""
    return [Path(one) for one in str(error.value).partition("the proof is in ")[2].split(", ")]


def test_when_no_t_agree_the_error_says_where_the_proof_is(world: World, listed: bytes) -> None:
    with (
        lying(world, 1, lambda held: another_leaf(held, cid="bafy-one")),
        lying(world, 2, lambda held: another_leaf(held, cid="bafy-one")),
        lying(world, 4, lambda held: another_leaf(held, cid="bafy-two")),
        pytest.raises(EnvelopesDiffer) as refused,
    ):
        opened(world, listed)
    assert shown(world, only(world, *path_in(refused))).startswith("one of ")


def test_when_too_many_forge_the_error_says_where_each_proof_is(world: World, listed: bytes) -> None:
    with (
        lying(world, 1, forged_share),
        lying(world, 3, forged_share),
        lying(world, 5, forged_share),
        pytest.raises(TooFewKeyholders) as refused,
    ):
        opened(world, listed)
    said = [shown(world, only(world, path)) for path in path_in(refused)]
    assert [one.partition("(")[2][:11] for one in said] == ["keyholder 1", "keyholder 3", "keyholder 5"]


def test_shares_off_the_polynomial_are_proved_against_the_contributor(clinic: World) -> None:
    odd = new_secret()

    def leaves(leaf: Leaf) -> list[Leaf]:
        own = (*leaf.share_commitments[:4], commitment(leaf.record_id, 5, odd))
        return [replace(leaf, share_commitments=own)]

    record_id = cheating(clinic, leaves=leaves, shares=lambda shares: [*shares[:4], odd])
    with pytest.raises(DealInconsistent) as refused:
        opened(clinic, record_id)
    said = shown(clinic, only(clinic, *path_in(refused)))
    assert said.startswith("the record's contributor dealt shares that do not belong together")


def test_a_forked_journal_is_proved_by_two_rows_of_one_number(world: World, mine: Access) -> None:
    """The reader keeps every signed answer: one that names another row of the same number tells."""
    person, keyholder = world.person("clinician"), world.keyholders[0]
    first, second = (mine.release().signed for _ in range(2))
    words = replace(second, row=first.row)
    signature = keyholder._signer.sign_typed_data(words.message(world.chain.deployment))
    forked = replace(words, signature=signature)
    assert person.copy.hear(first) is None
    earlier = person.copy.hear(forked)
    assert earlier == first
    proof = Proof.of_fork(world.chain.deployment, earlier, forked)
    said = shown(world, only(world, proof.save(person.proofs)))
    assert said.endswith(f"(keyholder 1) signed two rows {first.row} of its journal")


def test_a_keyholder_with_a_forked_journal_is_named_and_the_others_open(world: World, listed: bytes) -> None:
    """It answers well, and names in its answer a row that it has written differently for somebody else."""
    keyholder = world.keyholders[0]
    sign = keyholder._sign

    def fork(verb: str, subject: bytes, head: object) -> Signed:
        signed = sign(verb, subject, head)  # type: ignore[arg-type]
        other = replace(signed, row_hash=keccak(signed.row_hash), signature=b"")
        other = replace(
            other, signature=keyholder._signer.sign_typed_data(other.message(world.chain.deployment))
        )
        world.person("clinician").copy.hear(other)
        return signed

    keyholder._sign = fork  # type: ignore[method-assign]
    try:
        found = opened(world, listed)
    finally:
        del keyholder._sign
    assert found.cheats == ("keyholder 1: JournalBroken",)
    assert found.keyholders == (2, 3, 4)
    assert "signed two rows" in shown(world, only(world, *found.proofs))


# --- who is honest


FAULTS = ["ShareMismatch", "EnvelopesDiffer", "DealInconsistent", "JournalBroken"]


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("many", [1, 2, 3])
def test_honest_answers_prove_nothing_whatever_they_are_said_to_prove(
    world: World, mine: Access, what: str, many: int
) -> None:
    answers = [mine.release(to=index) for index in range(1, many + 1)]
    with pytest.raises(IntegrityError):
        shown(world, accusing(world, mine, what, *answers))
    bare = [replace(one, sealed=b"") for one in answers]
    with pytest.raises(IntegrityError):
        shown(world, replace(accusing(world, mine, what, *bare), asked=b"", seed=b""))


def in_the_name_of(world: World, mine: Access, share: bytes) -> Released:
    """What a reader seals to herself in the name of keyholder 1, with its signature of something else."""
    held = world.keyholders[0]._vault.find(mine.record_id)
    assert held is not None
    body = abi_encode(["bytes", "bytes", "bytes32"], [held.open_part, held.sealed_part, share])
    info = release_info(world.chain.deployment, world.patient, mine.entry, 1)
    return Released(wrap(body, mine.asked().reply_key, info), mine.release().signed)


def test_an_answer_that_its_reader_made_up_proves_nothing(world: World, mine: Access) -> None:
    made = in_the_name_of(world, mine, new_secret())
    with pytest.raises(IntegrityError, match="not the one that its keyholder signed"):
        shown(world, accusing(world, mine, "ShareMismatch", made))
    named = replace(made, signed=replace(made.signed, subject=keccak(made.sealed)))
    with pytest.raises(IntegrityError, match="not signed by"):
        shown(world, accusing(world, mine, "ShareMismatch", named))


CHANGES: dict[str, Callable[[World, Access, Proof], Proof]] = {
    "another seed": lambda w, m, p: replace(p, seed=new_seed()),
    "another entry": lambda w, m, p: replace(
        p, asked=m.asked(entry=replace(m.entry, access_id=new_seed())).encode()
    ),
    "another record": lambda w, m, p: replace(p, asked=m.asked(record_id=new_seed()).encode()),
    "other terms": lambda w, m, p: replace(
        p, asked=m.asked(terms=replace(m.terms, segment=new_seed())).encode()
    ),
    "another keyholder": lambda w, m, p: replace(
        p, answers=(replace(p.answers[0], signed=replace(p.answers[0].signed, keyholder=2)),)
    ),
    "no keyholder": lambda w, m, p: replace(
        p, answers=(replace(p.answers[0], signed=replace(p.answers[0].signed, keyholder=9)),)
    ),
    "another verb": lambda w, m, p: replace(
        p, answers=(replace(p.answers[0], signed=replace(p.answers[0].signed, verb="stop")),)
    ),
    "another deployment": lambda w, m, p: replace(p, deployment=new_seed()),
    "no answer": lambda w, m, p: replace(p, answers=()),
    "an answer twice": lambda w, m, p: replace(p, answers=p.answers * 2),
    "no call": lambda w, m, p: replace(p, asked=b""),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("what", FAULTS)
def test_an_honest_answer_in_another_frame_proves_nothing(
    world: World, mine: Access, what: str, change: str
) -> None:
    """The entry of another reader, other terms, another keyholder's number: nothing makes it a cheat's."""
    proof = accusing(world, mine, what, mine.release())
    with pytest.raises(IntegrityError):
        shown(world, CHANGES[change](world, mine, proof))


def test_answers_to_one_entry_are_no_proof_with_another_entry_of_the_same_reader(
    world: World, mine: Access
) -> None:
    """She holds both seeds."""
    other = access(world, world.grant("clinician", "general")[0])
    answer = mine.release()
    for seed in (mine.reply_seed, other.reply_seed):
        with pytest.raises(IntegrityError):
            shown(world, replace(accusing(world, other, "ShareMismatch", answer), seed=seed))


@pytest.mark.parametrize("rows", ["one twice", "two that follow", "two keyholders"])
def test_rows_that_are_no_fork_prove_none(world: World, mine: Access, rows: str) -> None:
    first, second, other = mine.release().signed, mine.release().signed, mine.release(to=2).signed
    pair = {"one twice": (first, first), "two that follow": (first, second), "two keyholders": (first, other)}
    with pytest.raises(IntegrityError):
        shown(world, Proof.of_fork(world.chain.deployment, *pair[rows]))


# --- what a proof gives away


def test_a_proof_of_a_forged_share_opens_nothing(world: World, listed: bytes) -> None:
    """Neither half, no good share, no key of anybody: only the forged answer, and the seed that opens it."""
    kept = {index: world.keyholders[index - 1]._vault.find(listed) for index in range(1, 6)}
    with lying(world, 2, forged_share):
        found = opened(world, listed)
    [path] = found.proofs
    proof, text = Proof.load(path), path.read_text("utf-8")
    assert [one.signed.keyholder for one in proof.answers] == [2]
    for held in kept.values():
        assert held is not None
        assert held.share.hex() not in text
    person = world.person("clinician")
    for secret in (person.keyring.seed, person.signer._key):  # type: ignore[attr-defined]
        assert secret.hex() not in text
    asked = ReleaseAsked.decode(proof.asked)
    assert set(json.loads(text)) == {"format", "deployment", "what", "asked", "seed", "answers"}
    assert asked.record_id == listed


def test_what_is_no_proof_is_not_read(world: World, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Proof.load(tmp_path / "none")
    for text in ("", "{}", '{"format":"consentry proof 1"}'):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(UsageError):
            Proof.load(tmp_path / "bad")
