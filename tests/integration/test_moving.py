"""A later deployment beside an earlier one: the patient moves by her own word, and nobody moves her."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from bench._anvil import anvil
from consentry.chain import Chain, LocalSigner
from consentry.cli.home import Home
from consentry.consent.terms import READ, Terms
from consentry.errors import ContractRefused, KeyholderRefused
from consentry.keyholder.service import KeyholderService
from consentry.keys.binding import identity
from tests.support.doors import (
    AUTHORITY,
    CLINICIAN,
    HEADING,
    HOSPITAL,
    LETTER,
    NPI,
    PATIENT,
    ROOT,
    STRANGER,
    Place,
    Ran,
    address,
    beside,
    key_of,
    peopled,
)

# A command leaves its connections to the end of its process, which here is not its own.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
STAYS = 6  # TEST::6, a patient who does not move
HER_LETTER = b"Test letter of the one who stays.\n"
HERS = "ConsentRegistry", "RecordRegistry", "AccessLog"
AGREES = "--kind", "general", "--days", "30"


@dataclass
class Both:
    """The same people, and keyholders with the same keys, at two deployments on one chain; ``handed`` is what
    the patient signed for the earlier one and nobody delivered there."""

    old: Place
    new: Place
    handed: dict[str, Any]

    @property
    def terms(self) -> Terms:
        """Those of the clinician's grant on the earlier deployment, as its first use made them public."""
        [used, *_] = self.old.chain.rpc.events("AccessLog", "TermsUsed")
        return Terms(*used.args["terms"].values())


def opens(place: Place, patient: int, by: int = CLINICIAN) -> Ran:
    """``by`` opens the one general record of a patient into a file of its own."""
    place.opened.unlink(missing_ok=True)
    words = ("--patient", address(patient), "--kind", "general", "-o", place.opened)
    return place.run("open", *words, by=by)


def onboarded(place: Place) -> None:
    """Hospital and clinician have a card of that deployment's authority."""
    for who in (HOSPITAL, CLINICIAN):
        place.run("enrol", "--as", "provider", "-o", place.folder / f"provider-{who}.json", by=who).well()
    rows = (
        f"provider-{HOSPITAL}.json,Synthetic Hospital,{NPI[HOSPITAL]},organisation,,2090-12-31\n"
        f"provider-{CLINICIAN}.json,Synthetic Clinician,{NPI[CLINICIAN]},treating,,2090-12-31\n"
    )
    place.run("onboard", place.file("providers.csv", f"{HEADING}\n{rows}"), by=AUTHORITY).well()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("both")
    with anvil() as url:
        old, new = peopled(Place(folder / "old", url)), Place(folder / "new", url)
        old.run("enrol", by=STAYS).well()
        her_letter = old.file("hers.txt", HER_LETTER)
        words = ("--patient", address(STAYS), "--kind", "general")
        old.run("deposit", her_letter, *words, by=STAYS).well()
        old.grant(*AGREES, by=STAYS).well()
        signed = old.folder / "grant.json"
        old.grant("--kind", "hiv", "--days", "30", "--sign-only", "-o", signed).well()
        for patient in (PATIENT, STAYS):
            opens(old, patient).well()
        shutil.copytree(old.home / "keyholders", new.home / "keyholders")
        new.run("deploy", by=AUTHORITY).well()
        onboarded(new)
        yield Both(old, new, json.loads(signed.read_bytes()))


@pytest.fixture
def two(both: Both, tmp_path: Path) -> Iterator[Both]:
    """The same, and what a test changes is undone at its end."""
    with beside(both.old, tmp_path / "old") as old:
        shutil.copytree(both.new.folder, tmp_path / "new")
        yield Both(old, Place(tmp_path / "new", old.url), both.handed)


def keyholder(place: Place) -> KeyholderService:
    return Home(place.home).services(place.chain)[0]


# --- deploying


def test_the_same_account_gets_the_same_addresses_through_ape_on_two_fresh_chains(tmp_path: Path) -> None:
    """As the dry run said before; and another genesis makes them two deployments all the same."""
    with anvil(timestamp=1_767_225_600) as one, anvil(timestamp=1_767_225_601) as other:
        places = [Place(tmp_path / "one", one), Place(tmp_path / "other", other)]
        plan = places[0].run("deploy", "--dry-run", by=AUTHORITY).well().out
        for place in places:
            place.run("deploy", by=AUTHORITY).well()
        here, there = (place.chain.deployed for place in places)
        assert here.contracts == there.contracts, "address, block and arguments"
        assert all(placed.address in plan for placed in here.contracts.values())
        assert here.deployment.id != there.deployment.id


# --- she moves


@dataclass
class Page:
    """docs/moving.md and the two homes in which its commands are typed."""

    folder: Path
    url: str

    def home(self, name: str) -> Place:
        return Place(self.folder / name, self.url)

    def type(self, section: str) -> None:
        """Types each command of the shell block behind these words."""
        text = (ROOT / "docs" / "moving.md").read_text("utf-8").partition(section)[2]
        typed = re.search(r"^```sh\n(.*?)^```$", text, re.M | re.S)
        assert typed, section
        for line in typed[1].splitlines():
            known = line.replace("$patient", address(PATIENT)).replace("$hospital", address(HOSPITAL))
            at, name, script, *words = shlex.split(known)
            assert at == "at", line
            files = [self.folder / word if re.fullmatch(r"\w+\.\w+", word) else word for word in words]
            self.home(name).run(script, *files).well()

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def test_a_patient_moves_by_her_own_word_and_takes_or_leaves_nobody_else(tmp_path: Path) -> None:
    """By the commands of docs/moving.md; beside her is one who does not move."""
    with anvil() as url:
        page = Page(tmp_path, url)
        old, new, letter = page.home("old"), page.home("new"), page.folder / "letter.txt"
        letter.write_bytes(LETTER)
        row = "hospital.json,Riverside Test Hospital,1245319599,organisation,,2030-12-31"
        (page.folder / "providers.csv").write_text(f"{HEADING}\n{row}\n")
        page.type("What stands before")
        old.run("enrol", by=STAYS).well()
        hers = ("--patient", address(STAYS), "--kind", "general")
        old.run("deposit", old.file("hers.txt", HER_LETTER), *hers, by=STAYS).well()
        old.grant(*AGREES, to=old.card(HOSPITAL), by=STAYS).well()
        grants = old.grants()

        page.type("The later deployment")
        assert opens(new, PATIENT, by=HOSPITAL).code == 4, "she has said nothing there"
        page.type("The patient looks at")
        assert page.read("before.txt") == page.read("after.txt") == LETTER
        assert (old.entries(), new.entries()) == (1, 1), "each access stands in its own log"
        assert not set(grants) & set(new.grants())
        opens(old, PATIENT, by=HOSPITAL).well()  # side by side, until she ends it

        page.type("Then she ends the old grants")
        assert page.read("mine.txt") == LETTER
        assert opens(old, PATIENT, by=HOSPITAL).code == 4
        opens(new, PATIENT, by=HOSPITAL).well()
        assert not any(old.chain.in_force(identity(address(PATIENT)), one) for one in grants)

        opens(old, STAYS, by=HOSPITAL).well()
        assert old.opened.read_bytes() == HER_LETTER
        assert opens(new, STAYS, by=HOSPITAL).code == 4
        assert new.chain.grants_of(identity(address(STAYS))) == []
        for place, looked in ((old, 3), (new, 2)):
            assert place.entries() == looked
            assert "FOUND" not in place.run("audit").well().out


def test_a_record_that_only_she_has_moves_through_her_own_hands(two: Both) -> None:
    """She opens it alone at the old deployment and deposits it at the new one, in her own name."""
    old, new = two.old, two.new
    opens(old, PATIENT, by=PATIENT).well()
    new.run("enrol", by=PATIENT).well()
    letter = new.file("letter.txt", old.opened.read_bytes())
    new.deposit(letter, "--kind", "general", by=PATIENT).well()
    new.grant(*AGREES).well()
    listed = new.run("open", "--patient", address(PATIENT), by=CLINICIAN).well().out
    assert address(PATIENT) in listed, "the label names her as contributor, not the hospital"
    opens(new, PATIENT).well()
    assert new.opened.read_bytes() == LETTER


# --- nobody moves her


def refused(chain: Chain, who: int, contract: str, function: str, *arguments: object) -> ContractRefused:
    """How a contract refused a call by TEST::who."""
    with pytest.raises(ContractRefused) as error:
        chain.send(LocalSigner(key_of(who).key), contract, function, *arguments)
    return error.value


def signature(place: Place, grant_id: bytes) -> bytes:
    """The patient's, under a grant of that place's deployment."""
    domain = place.chain.rpc.call("ConsentRegistry", "domainSeparator")
    return bytes(key_of(PATIENT).unsafe_sign_hash(keccak(b"\x19\x01" + domain + grant_id)).signature)


def test_nobody_can_put_what_she_signed_for_the_old_deployment_in_force_at_the_new(two: Both) -> None:
    """Operator and authority, hospital, grantee and stranger try, with the terms of a grant that is in force
    there and her signature under them."""
    chain, terms, patient = two.new.chain, two.terms, identity(address(PATIENT))
    used = (terms.as_tuple(), [keccak(text="salt")], 1, keccak(text="reply"), bytes(32))
    signed = bytes.fromhex(address(PATIENT)[2:]), signature(two.old, terms.grant_id)
    delivered = (patient, signed[0], terms.grant_id, signed[1])
    for who in (AUTHORITY, HOSPITAL, CLINICIAN, STRANGER):
        for contract, function, arguments, error in (
            ("ConsentRegistry", "grant", (patient, terms.grant_id), "NotController"),
            ("ConsentRegistry", "grantBySig", delivered, "SignatureInvalid"),
            ("AccessLog", "request", used, "NotAllowed"),
            ("AccessLog", "requestWithSignature", (*used, *signed), "SignatureInvalid"),
        ):
            assert refused(chain, who, contract, function, *arguments).name == error
    assert chain.grants_of(patient) == []
    # Nothing but the contract's address was in the way.
    there = (*used, signed[0], signature(two.new, terms.grant_id))
    chain.send(LocalSigner(key_of(CLINICIAN).key), "AccessLog", "requestWithSignature", *there)
    assert chain.grants_of(patient) == [terms.grant_id]


def test_a_handed_over_grant_is_delivered_where_it_was_signed_for_and_nowhere_else(two: Both) -> None:
    new, handed = two.new, two.handed
    as_it_is = new.file("grant.json", json.dumps(handed))
    assert new.run("deliver", as_it_is, by=STRANGER).code == 2
    renamed = {**handed, "contract": new.chain.deployment.registry}
    assert new.run("deliver", new.file("renamed.json", json.dumps(renamed)), by=STRANGER).code == 5
    assert new.grants() == []
    two.old.run("deliver", two.old.file("grant.json", json.dumps(handed)), by=STRANGER).well()


def test_a_keyholder_takes_nothing_that_was_signed_for_the_old_deployment(two: Both) -> None:
    """Its keys, the patient's, the roster and the chain are the same: only the contracts are others."""
    old, new = keyholder(two.old), keyholder(two.new)
    assert old.card == new.card
    patient = identity(address(PATIENT))
    [signed, *_] = old._vault.statements(patient)
    [box, *_] = old._vault.boxes_of(patient)
    for attack in (lambda: new.statement(signed), lambda: new.box(box)):
        with pytest.raises(KeyholderRefused, match=r"^the keyholder refused$"):
            attack()


def test_keyholders_that_carry_their_files_over_move_no_consent(two: Both) -> None:
    """All five pass the files of the old deployment off as those of the new one. The grantee gets nothing,
    and the patient's desk takes nothing of theirs for hers."""
    before, after = (one.chain.deployment.id.hex()[:16] for one in (two.old, two.new))
    for index in map(str, range(1, 6)):
        there = two.new.home / "keyholders" / index / after
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(two.old.home / "keyholders" / index / before, there)
    assert keyholder(two.new)._vault.boxes_of(identity(address(PATIENT))) != []
    assert opens(two.new, PATIENT).code == 4
    begun = two.new.run("enrol", by=PATIENT).well()
    assert two.terms.segment.hex() not in begun.out, "her segments are new ones"
    assert two.new.run("open", by=PATIENT).well().out == ""


def test_a_new_deployment_holds_nothing_of_anybody_until_she_signs(two: Both) -> None:
    chain = two.new.chain
    logs = chain.rpc.web3.eth.get_logs(
        {"fromBlock": 0, "address": [chain.deployed.contracts[name].address for name in HERS]}  # type: ignore[misc]
    )
    assert logs == []
    for patient in (identity(address(PATIENT)), identity(address(STAYS))):
        assert chain.rpc.call("ConsentRegistry", "account", patient) == ["0x" + "00" * 20, 0, 0]
        assert two.old.chain.grants_of(patient) != []


def test_a_replaced_key_finds_nothing_at_the_new_deployment(two: Both) -> None:
    """An identity starts afresh there, under the key that its address is made from. What a thief grants with
    it is about no record of hers; she moves under the address of her present key."""
    old, new = two.old, two.new
    patient = identity(address(PATIENT))
    changed = (patient, address(STAYS))
    old.chain.send(LocalSigner(key_of(PATIENT).key), "ConsentRegistry", "setController", *changed)
    assert (old.chain.controller_of(patient), new.chain.controller_of(patient)) == (
        address(STAYS),
        address(PATIENT),
    )
    new.run("enrol", by=PATIENT).well()
    new.grant(*AGREES).well()
    assert new.chain.why(two.terms, address(CLINICIAN), 1, READ).name == "NOT_GRANTED"
    assert opens(new, PATIENT).code == 4, "there is no record of hers"
    assert old.grants() != []
