"""The scripts, each as a process of its own, on one Anvil: what one leaves is all that the next one has.

A step of the story runs when the first test asks for it, after the steps that it needs.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pytest
from eth_account import Account
from web3 import HTTPProvider, Web3

from consentry.chain import Chain, Deployments
from consentry.chain.node import identify
from consentry.fhir import records_from_bytes, synthetic_bundle
from tests.support.doors import (
    AUTHORITY,
    CLINICIAN,
    HOSPITAL,
    NPI,
    PASSPHRASE,
    PATIENT,
    STRANGER,
    Ran,
    address,
    key_of,
)

ROOT = Path(__file__).parents[2]
KEYED = 5
LAST_DAY = "2090-12-31"


Result = TypeVar("Result")


def step(method: Callable[[Story], Result]) -> Callable[[Story], Result]:
    """A step of the story: it runs once, and whoever asks again gets what came of it."""

    @wraps(method)
    def once(story: Story) -> Result:
        if method.__name__ not in story.done:
            story.done[method.__name__] = method(story)
        return story.done[method.__name__]  # type: ignore[no-any-return]

    return once


@dataclass
class Story:
    """The main job by scripts: ``folder`` holds all that stands between them."""

    folder: Path
    url: str
    bundle: bytes = field(default_factory=synthetic_bundle, repr=False)
    done: dict[str, Any] = field(default_factory=dict, repr=False)

    def ape(
        self, script: str, *arguments: str | Path, by: int | str | None = None, **environment: str
    ) -> Ran:
        """Runs ``ape run script``, signed by TEST::by or the alias ``by``, with nobody at the terminal."""
        account = [] if by is None else ["--account", f"TEST::{by}" if isinstance(by, int) else by]
        command = [ROOT / ".venv/bin/ape", "run", script, "--network", self.url, *account, *arguments]
        ran = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert "Traceback" not in ran.stderr, ran.stderr
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "APE_DATA_FOLDER": str(self.folder / "ape"),
            "CONSENTRY_HOME": str(self.home),
            "CONSENTRY_PASSPHRASE": PASSPHRASE,
            "COLUMNS": "100",
        }

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def card(self, who: int) -> Path:
        return self.home / "cards" / f"{address(who)}.json"

    def expected(self, kind: str) -> bytes:
        """The bytes of the record of that kind, as the bundle gives them."""
        body = next(one.body for one in records_from_bytes(self.bundle) if one.kind == kind)
        assert isinstance(body, bytes)
        return body

    def in_force(self, grant_id: str) -> bool:
        """What the chain itself says."""
        web3 = Web3(HTTPProvider(self.url))
        deployed = Deployments(self.home / "deployments.json").find(*identify(web3))
        patient = bytes.fromhex(address(PATIENT)[2:].rjust(64, "0"))
        return Chain(web3, deployed).in_force(patient, bytes.fromhex(grant_id[2:]))

    # --- the steps

    @step
    def deployed(self) -> Ran:
        return self.ape("deploy", by=AUTHORITY).well()

    @step
    def enrolled(self) -> dict[int, Ran]:
        """The patient, and three who enrol as providers, one of whom nobody will onboard."""
        self.deployed()
        steps: dict[int, Callable[[], Ran]] = {PATIENT: lambda: self.ape("enrol", by=PATIENT)}
        for who in (HOSPITAL, CLINICIAN, STRANGER):
            offer = self.folder / f"provider-{who}.json"
            steps[who] = lambda who=who, offer=offer: self.ape(  # type: ignore[misc]
                "enrol", "--as", "provider", "-o", offer, by=who
            )
        with ThreadPoolExecutor(2) as pool:
            ran = dict(zip(steps, pool.map(lambda step: step(), steps.values()), strict=True))
        return {who: one.well() for who, one in ran.items()}

    @step
    def onboarded(self) -> Ran:
        """From a file as a spreadsheet writes it, the member before its organisation."""
        self.enrolled()
        rows = [["file", "name", "number", "roles", "organisation", "valid_until"]]
        named = {CLINICIAN: "Synthetic Clinician", HOSPITAL: "Synthetic Hospital"}
        for who, roles, organisation in (
            (CLINICIAN, "treating", NPI[HOSPITAL]),
            (HOSPITAL, "organisation", ""),
        ):
            rows.append([f"provider-{who}.json", named[who], NPI[who], roles, organisation, LAST_DAY])
        with (self.folder / "providers.csv").open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(rows)
        return self.ape("onboard", self.folder / "providers.csv", by=AUTHORITY).well()

    @step
    def may_deposit(self) -> Ran:
        self.onboarded()
        kinds = [word for one in records_from_bytes(self.bundle) for word in ("--kind", one.kind)]
        to = ("--to", self.card(HOSPITAL), "--until", "2089-06-30")
        return self.ape("grant", *to, "--deposit", *kinds, "--yes", by=PATIENT).well()

    @step
    def deposited(self) -> Ran:
        self.may_deposit()
        (self.folder / "bundle.json").write_bytes(self.bundle)
        return self.ape(
            "deposit", self.folder / "bundle.json", "--patient", address(PATIENT), by=HOSPITAL
        ).well()

    @step
    def granted(self) -> Ran:
        """`general` to the clinician, by the address of its card."""
        self.deposited()
        arguments = ("--to", address(CLINICIAN), "--kind", "general", "--days", "30", "--yes")
        return self.ape("grant", *arguments, by=PATIENT).well()

    @step
    def listed(self) -> Ran:
        self.granted()
        return self.ape("open", "--patient", address(PATIENT), by=CLINICIAN).well()

    @step
    def opened(self) -> Ran:
        self.granted()
        return self.open("general", self.folder / "opened.json", by=CLINICIAN).well()

    @step
    def signed(self) -> Ran:
        """`substance-use` to the hospital and its staff, signed and not sent."""
        self.deposited()
        what = ("--to", self.card(HOSPITAL), "--kind", "substance-use", "--members", "--days", "9")
        return self.ape("grant", *what, "--sign-only", "-o", self.grant_file, "--yes", by=PATIENT).well()

    @step
    def delivered(self) -> Ran:
        """By somebody who has nothing to do with it."""
        self.signed()
        return self.ape("deliver", self.grant_file, by=STRANGER).well()

    @step
    def member(self) -> Ran:
        """The hospital hands its key to the clinician, who takes it."""
        self.onboarded()
        handed = self.folder / "member.json"
        self.ape("enrol", "--admit", self.card(CLINICIAN), "-o", handed, by=HOSPITAL).well()
        return self.ape("enrol", "--member-of", handed, by=CLINICIAN).well()

    @step
    def opened_as_staff(self) -> Ran:
        self.delivered()
        self.member()
        return self.open("substance-use", self.folder / "staff.json", by=CLINICIAN).well()

    @step
    def revoked(self) -> Ran:
        """The clinician's own grant, by the first digits of its id, after it was used."""
        self.listed()
        self.opened()
        self.opened_as_staff()
        return self.ape("revoke", "--grant", self.granted().out.split()[-1][:14], by=PATIENT).well()

    @step
    def audited(self) -> Ran:
        self.revoked()
        return self.ape("audit", "--report", self.folder / "report.html")

    # --- what tests repeat

    @property
    def grant_file(self) -> Path:
        return self.folder / "grant.json"

    def open(self, kind: str, file: Path | str, *, by: int) -> Ran:
        return self.ape("open", "--patient", address(PATIENT), "--kind", kind, "-o", file, by=by)

    def keyfile(self, alias: str, who: int) -> None:
        """The test account as a keyfile of Ape's, sealed with the passphrase."""
        sealed = Account.encrypt(key_of(who).key, PASSPHRASE, kdf="pbkdf2", iterations=1000)
        (self.folder / "ape" / "accounts").mkdir(parents=True, exist_ok=True)
        (self.folder / "ape" / "accounts" / f"{alias}.json").write_text(json.dumps(sealed))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Story:
    return Story(tmp_path_factory.mktemp("scripts"), anvil_url)


# --- deploy, enrol, onboard


def test_deploy_leaves_the_deployment_and_five_keyholders(story: Story) -> None:
    assert "ConsentRegistry" in story.deployed().out
    assert len(json.loads((story.home / "keyholders.json").read_text())["keyholders"]) == 5
    assert all((story.home / "keyholders" / str(one) / "keyring.json").is_file() for one in range(1, 6))


def test_a_second_deployment_on_the_same_chain_is_not_made_unasked(story: Story) -> None:
    story.deployed()
    before = (story.home / "deployments.json").read_bytes()
    again = story.ape("deploy", by=AUTHORITY)
    assert again.code == 2
    assert "--again" in again.err
    assert (story.home / "deployments.json").read_bytes() == before


def test_everybody_enrols_and_a_provider_hands_over_no_secret(story: Story) -> None:
    assert "substance-use" in story.enrolled()[PATIENT].out
    offer = json.loads((story.folder / f"provider-{CLINICIAN}.json").read_text())
    assert set(offer) == {"format", "address", "algorithm", "public_key", "signature"}
    assert offer["address"] == address(CLINICIAN)


def test_an_organisation_and_its_member_are_onboarded_from_one_file(story: Story) -> None:
    assert "2 providers, 2 of them new" in story.onboarded().err
    assert json.loads(story.card(CLINICIAN).read_text())["name"] == "Synthetic Clinician"


def test_onboarding_the_same_file_again_sends_nothing(story: Story) -> None:
    story.onboarded()
    cards = story.card(CLINICIAN).read_bytes(), story.card(HOSPITAL).read_bytes()
    assert "No transaction" in story.ape("onboard", story.folder / "providers.csv", by=AUTHORITY).well().err
    assert cards == (story.card(CLINICIAN).read_bytes(), story.card(HOSPITAL).read_bytes())


# --- deposit, grant


def test_the_hospital_deposits_the_bundle_that_the_patient_let_it(story: Story) -> None:
    for kind in ("general", "mental-health", "substance-use"):
        assert kind in story.deposited().out
    assert story.deposited().out.count("5 of 5") == 3
    assert "3 transactions" in story.deposited().err


def test_the_clinician_sees_the_label_and_opens_the_very_bytes(story: Story) -> None:
    assert "general" in story.listed().out
    assert "substance-use" not in story.listed().out
    assert "Synthetic Hospital" in story.listed().out
    story.opened()
    assert (story.folder / "opened.json").read_bytes() == story.expected("general")
    assert (story.folder / "opened.json").stat().st_mode & 0o777 == 0o600


def test_the_sentence_is_shown_and_nothing_granted_where_nobody_can_say_yes(story: Story) -> None:
    story.onboarded()
    arguments = ("--to", story.card(CLINICIAN), "--kind", "hiv", "--days", "30")
    asked = story.ape("grant", *arguments, by=PATIENT)
    assert asked.code == 2
    assert "may read my hiv records for treatment" in " ".join(asked.out.split())
    assert "--yes" in asked.err
    grant_id = next(line.split()[1] for line in asked.out.splitlines() if line.split()[:1] == ["grant"])
    assert not story.in_force(grant_id)


def test_a_card_that_was_altered_gets_no_grant(story: Story) -> None:
    story.onboarded()
    card = json.loads(story.card(HOSPITAL).read_text())
    (story.folder / "altered.json").write_text(json.dumps({**card, "name": "Another Hospital"}))
    arguments = ("--to", story.folder / "altered.json", "--kind", "general", "--days", "30", "--yes")
    refused = story.ape("grant", *arguments, by=PATIENT)
    assert refused.code == 4
    assert refused.err.startswith("CardInvalid: ")
    assert "may read" not in refused.out


def test_a_signed_grant_holds_no_sentence_and_is_in_force_once_a_stranger_delivered_it(story: Story) -> None:
    story.signed()
    text = story.grant_file.read_text()
    assert "Synthetic" not in text
    assert "may read" not in text
    assert "In force since block" in story.delivered().err
    assert story.in_force(story.signed().out.split()[-1])
    again = story.ape("deliver", story.grant_file, by=STRANGER).well()
    assert "in force already" in again.err


def test_a_member_opens_what_was_granted_to_the_staff_of_the_hospital(story: Story) -> None:
    story.opened_as_staff()
    assert (story.folder / "staff.json").read_bytes() == story.expected("substance-use")


def test_the_hand_over_to_a_member_is_of_no_use_to_a_stranger(story: Story) -> None:
    story.member()
    refused = story.ape("enrol", "--member-of", story.folder / "member.json", by=STRANGER)
    assert refused.code == 4
    assert refused.err.startswith("NotThisMember: ")


def test_a_stranger_is_refused(story: Story) -> None:
    story.granted()
    refused = story.open("general", story.folder / "stranger.json", by=STRANGER)
    assert refused.code == 4
    assert not (story.folder / "stranger.json").exists()


def test_a_kind_that_was_not_granted_is_refused(story: Story) -> None:
    story.granted()
    refused = story.open("mental-health", story.folder / "more.json", by=CLINICIAN)
    assert refused.code == 4
    assert refused.err.startswith("NoGrant: ")


# --- revoke, alone, audit


def test_after_the_revocation_the_next_open_is_refused(story: Story) -> None:
    assert "5 of 5 keyholders stopped at once" in story.revoked().err
    assert not story.in_force(story.granted().out.split()[-1])
    refused = story.open("general", story.folder / "late.json", by=CLINICIAN)
    assert refused.code == 4
    assert not (story.folder / "late.json").exists()


def test_the_patient_opens_everything_alone_and_to_standard_output_too(story: Story) -> None:
    story.revoked()
    opened = story.open("mental-health", "-", by=PATIENT).well()
    assert opened.out.encode() == story.expected("mental-health")
    assert "without an entry" in opened.err


def test_the_audit_finds_every_access_and_nothing_wrong(story: Story) -> None:
    assert story.audited().code == 0, story.audited().out
    accesses = [line for line in story.audited().out.splitlines() if " TREAT " in line]
    assert len(accesses) == 2
    assert all("Synthetic Clinician" in line for line in accesses)
    assert "<html" in (story.folder / "report.html").read_text()


def test_the_audit_finds_a_journal_that_was_edited(story: Story) -> None:
    story.audited()
    home = story.folder / "edited"
    shutil.copytree(story.home, home)
    (vault,) = (home / "keyholders" / "2").glob("*/vault.sqlite")
    with sqlite3.connect(vault) as database:
        database.execute("UPDATE journal SET document = replace(document, 'release', 'labels')")
    audited = story.ape("audit", CONSENTRY_HOME=str(home))
    assert audited.code == 7
    assert "FOUND" in audited.out
    assert "keyholder 2" in audited.out


# --- who signs


def test_a_keyfile_is_unlocked_once_for_all_that_a_command_signs(story: Story) -> None:
    story.deployed()
    story.keyfile("keyed", KEYED)
    phrase = {"APE_ACCOUNTS_keyed_PASSPHRASE": PASSPHRASE}
    enrolled = story.ape("enrol", by="keyed", **phrase).well()
    assert address(KEYED) in enrolled.out
    assert "Sign:" not in enrolled.out + enrolled.err


def test_a_keyfile_with_a_wrong_or_no_passphrase_signs_nothing(story: Story) -> None:
    story.deployed()
    story.keyfile("locked", KEYED)
    wrong = story.ape("enrol", by="locked", APE_ACCOUNTS_locked_PASSPHRASE="something else")
    assert wrong.code == 4
    assert wrong.err.startswith("KeyringLocked: ")
    none = story.ape("enrol", by="locked")
    assert none.code == 2
    assert "APE_ACCOUNTS_locked_PASSPHRASE" in none.err


def test_somebody_without_a_wallet_enrols_with_a_key_of_her_own_and_signs_with_it(story: Story) -> None:
    story.deployed()
    enrolled = story.ape("enrol", "--own-key", by=AUTHORITY).well()
    own = enrolled.out.split()[1]
    assert own not in {address(who) for who in range(10)}
    assert "nothing" in story.ape("revoke", by=own).well().err


def test_a_script_says_who_is_missing_and_who_does_not_answer(story: Story) -> None:
    nobody = story.ape("open", "--patient", address(PATIENT))
    assert nobody.code == 2
    assert "--account" in nobody.err
    silent = Story(story.folder, "http://127.0.0.1:1").ape("audit")
    assert silent.code == 6
    assert silent.err.startswith("Unreachable: ")
