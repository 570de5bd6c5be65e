"""No entry, no key: with everything else in hand, a grantee gets labels at most.

`loot.Loot` is what she holds, `calls.ATTEMPTS` is every call that she can make with it.
"""

from __future__ import annotations

import ast
import itertools
from typing import Any

import pytest

from consentry.client import Group
from consentry.envelope.deposit import open_shares
from consentry.envelope.leaf import Label, data_key
from consentry.errors import BoxBroken, DealInconsistent, TooFewKeyholders, WrapBroken
from consentry.keyholder.messages import release_info
from consentry.keys import shamir
from consentry.keys.binding import abi_decode
from consentry.keys.hpke import hkdf, open_once, unwrap
from tests.attacks.assurance import ROOT
from tests.attacks.calls import ATTEMPTS, ROOMS, Attempt, public_names
from tests.attacks.loot import SECRET_TEXT, Loot, Secrets, plunder
from tests.attacks.support import Access, access, everything
from tests.support.world import make_world


@pytest.fixture(scope="module")
def loot(tmp_path_factory: pytest.TempPathFactory) -> Loot:
    """What the clinician holds."""
    return plunder(make_world(tmp_path_factory.mktemp("loot")))


@pytest.fixture(scope="module")
def secrets(loot: Loot) -> Secrets:
    """What she must not come to hold."""
    return Secrets.of(loot)


# --- every call


def test_every_public_call_is_tried() -> None:
    """A new function or verb fails here until somebody has written down what it gives an attacker."""
    assert public_names() == set(ATTEMPTS)


ALL = [(name, number) for name, tried in sorted(ATTEMPTS.items()) for number in range(len(tried))]


@pytest.mark.parametrize(("name", "number"), ALL, ids=[f"{name}-{number}" for name, number in ALL])
def test_a_grantee_without_an_entry_gets_labels_at_most(
    loot: Loot, secrets: Secrets, name: str, number: int
) -> None:
    """Each call ends in its named error, or gives nothing that must stay secret."""
    tried: Attempt = ATTEMPTS[name][number]
    calls = 0
    for attack in tried.calls(loot):
        calls += 1
        if tried.fails is None:
            given = attack()
            loot.learned.append(given)
            assert not secrets.in_any(everything(given))
        else:
            with pytest.raises(tried.fails) as refused:
                attack()
            assert type(refused.value) is tried.fails
            assert not secrets.in_any(everything(refused.value.args))
    assert calls


def test_what_a_keyholder_lists_holds_the_label_and_no_more(loot: Loot) -> None:
    """CID, digest, anchorSalt, wrapped keys, commitments and shares come only with a release."""
    given = [call() for name in ("Keyholder.labels", "Keyholder.fetch_box") for call in all_of(name, loot)]
    found = everything(given)
    leaf = loot.leaf
    withheld: list[bytes] = [
        leaf.anchor_salt,
        leaf.digest,
        leaf.cid.encode(),
        leaf.wrapped_key,
        leaf.own_wrap,
    ]
    withheld += [leaf.commit, leaf.commit_a, *leaf.share_commitments, loot.header.own_wrap]
    assert not [value for value in withheld if any(value in text for text in found)]
    assert leaf.label in found


def test_a_journal_names_what_was_done_and_holds_no_key(loot: Loot, secrets: Secrets) -> None:
    """An auditor, to whom all of it is given, can look no record up by its salt and open nothing."""
    rows = everything([keyholder.journal() for keyholder in loot.world.keyholders])
    leaf, header = loot.leaf, loot.header
    withheld = [leaf.anchor_salt, leaf.record_salt, leaf.wrapped_key, leaf.own_wrap, leaf.label, leaf.commit]
    withheld += [leaf.commit_a, *leaf.share_commitments, header.session_wrap, header.own_wrap, loot.half]
    withheld += [loot.box.to_grantee, loot.box.to_patient, loot.granted.key, *secrets.values.values()]
    assert not [value for value in withheld if any(value in row for row in rows)]
    assert not [value for value in withheld if any(value.hex().encode() in row for row in rows)]


def all_of(name: str, loot: Loot) -> list[Any]:
    return [call for tried in ATTEMPTS[name] for call in tried.calls(loot)]


def test_all_that_was_learned_together_does_not_open_the_record(loot: Loot, secrets: Secrets) -> None:
    """After every call: no value in reach is the data key, the second half, or a key to either."""
    for name, number in ALL:
        if ATTEMPTS[name][number].fails is None and not name.startswith("Client."):
            loot.learned += [call() for call in ATTEMPTS[name][number].calls(loot)]
    assert len(loot.learned) > 50
    assert not secrets.in_any(everything(loot.learned))
    for key in loot.candidates():
        for guess in (key, loot.guess(key), hkdf(key, loot.place.info("kek", loot.leaf.record_id), 64)[:32]):
            for sealed in (loot.leaf.wrapped_key, loot.leaf.own_wrap):
                with pytest.raises(WrapBroken):
                    open_once(guess, sealed)


def test_the_search_would_find_a_secret(loot: Loot, secrets: Secrets) -> None:
    """Each secret, put into an answer however deep, is found."""
    for name, value in secrets.values.items():
        hidden = {"a": [("b", Label("general", "", "0x", "x")), [b"before" + value + b"after"]]}
        assert name in secrets.in_any(everything(hidden))


def test_none_of_it_left_an_entry(loot: Loot) -> None:
    """What she tried was without an entry: the log names the other record alone."""
    assert {entry.record_id for entry in loot.world.chain.entries()} == {other_record(loot)}


def other_record(loot: Loot) -> bytes:
    [other] = [
        one.record_id for one in loot.desk.list(loot.world.patient) if one.record_id != loot.leaf.record_id
    ]
    return other


# --- fewer than t, or without a grant


def all_shares(loot: Loot) -> dict[int, bytes]:
    """What all keyholders together hold of the record, opened with their own keys."""
    deployment = loot.world.chain.deployment
    return {
        keyholder.card.index: open_shares(deployment, part, keyholder.card.index, keyholder._seed)[0]
        for keyholder, part in zip(loot.world.keyholders, loot.parts, strict=True)
    }


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_t_colluding_keyholders_and_the_grantee_decrypt_nothing(loot: Loot, count: int) -> None:
    """t - 1 opened shares, whichever, with the grant's half: not even one bit narrower."""
    shares = all_shares(loot)
    second = shamir.evaluate(dict(list(shares.items())[:3]), 0)
    for indexes in itertools.combinations(shares, count):
        few = {index: shares[index] for index in indexes}
        with pytest.raises(DealInconsistent):
            data_key(loot.place, loot.leaf, loot.half, few)
        assert shamir.evaluate(few, 0) != second
        with pytest.raises(WrapBroken):
            open_once(loot.guess(shamir.evaluate(few, 0)), loot.leaf.wrapped_key)


def test_all_keyholders_without_a_grant_decrypt_nothing(loot: Loot) -> None:
    """They hold leaf, header and every share, and so the second half; the first is the grant's."""
    shares = dict(list(all_shares(loot).items())[:3])
    second = shamir.evaluate(shares, 0)
    deployment, leaf = loot.world.chain.deployment, loot.leaf
    theirs = [keyholder._seed for keyholder in loot.world.keyholders] + list(all_shares(loot).values())
    theirs += [value for value in everything([leaf, loot.header, loot.box]) if len(value) == 32]
    for half in (*theirs, second, bytes(32)):
        with pytest.raises(BoxBroken):
            data_key(loot.place, leaf, half, shares)
        kek = hkdf(half + second, loot.place.info("kek", leaf.record_id), 64)[:32]
        for key in (half, kek):
            for sealed in (leaf.wrapped_key, leaf.own_wrap, leaf.label):
                with pytest.raises(WrapBroken):
                    open_once(key, sealed)
        with pytest.raises(WrapBroken):
            unwrap(loot.header.session_wrap, half, loot.place.session_info("S_A"))
        with pytest.raises(WrapBroken):
            unwrap(loot.box.to_grantee, half, deployment.info("box"))


def released(mine: Access, *indexes: int) -> dict[int, bytes]:
    shares = {}
    for index in indexes:
        info = release_info(mine.world.chain.deployment, mine.terms.patient, mine.entry, index)
        answer = unwrap(mine.release(to=index).sealed, mine.reply_seed, info)
        shares[index] = abi_decode(["bytes", "bytes", "bytes32"], answer, "a release")[2]
    return shares


def test_an_entry_and_fewer_than_t_releases_decrypt_nothing_and_t_do(tmp_path: Any) -> None:
    """In a world of its own, since it writes the entry; the last line shows that all else was right."""
    loot = plunder(make_world(tmp_path))
    world = loot.world
    honest = world.group
    world.group = Group(world.chain.deployment, honest.roster, world.keyholders[:2])
    with pytest.raises(TooFewKeyholders):
        world.desk("clinician").open(world.patient, loot.leaf.record_id)
    world.group = honest

    [proposal] = [g for g in world.desk("patient").my_grants().values() if g.terms == loot.granted.terms]
    mine = access(world, proposal, salt=loot.leaf.record_salt)  # type: ignore[arg-type]
    two = released(mine, 1, 2)
    with pytest.raises(DealInconsistent):
        data_key(loot.place, loot.leaf, loot.half, two)
    key = data_key(loot.place, loot.leaf, loot.half, two | released(mine, 5))
    with world.desk("clinician").open(world.patient, loot.leaf.record_id).file as file:
        assert file.read() == SECRET_TEXT
    assert key == Secrets.of(loot).values["data key"]


def test_the_rooms_are_all_that_touch_keys() -> None:
    """No other room of the core imports the primitives, but for what is listed here and why."""
    root = ROOT / "src" / "consentry"
    primitives = ("consentry.keys.hpke", "consentry.keys.shamir")
    users = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in primitives:
                users.add(path.relative_to(root).with_suffix("").as_posix().replace("/", "."))
    rooms = {room.__name__.removeprefix("consentry.") for room in ROOMS}
    own_secrets = {"keys.keyring", "client.outbox"}  # seal one's own files
    behind = ("service", "held", "roster", "card", "taking")  # behind `Keyholder`
    keyholders = {f"keyholder.{name}" for name in behind}
    doors = {user for user in users if user.startswith("cli.")}
    assert users - doors <= rooms | own_secrets | keyholders
