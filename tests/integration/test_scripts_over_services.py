"""The scripts as processes, with keyholders that are processes too: keyholders.json is all that differs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from consentry.chain import Chain, Deployments
from consentry.chain.node import identify
from consentry.cli.services import Services
from tests.integration.test_scripts import ROOT, Story, step
from tests.support.doors import AUTHORITY, CLINICIAN, HOSPITAL, PATIENT, STRANGER, Ran, address


@dataclass
class Served(Story):
    """The main job by scripts, with the keyholders of ``services``."""

    services: Services | None = None

    @step
    def deployed(self) -> Ran:
        """With the cards of the five, who get what who deploys hands out, and then serve."""
        assert self.services
        folder = self.services.folder
        cards = [word for one in range(1, 6) for word in ("--keyholder", folder / str(one) / "card.json")]
        ran = self.ape("deploy", *cards, "--threshold", "3", by=AUTHORITY).well()
        web3 = Web3(HTTPProvider(self.url))
        self.services.open(Chain(web3, Deployments(self.home / "deployments.json").find(*identify(web3))))
        for one in range(1, 6):
            (mine := self.home / "keyholders" / str(one)).mkdir(parents=True)
            shutil.copy(folder / str(one) / "journal-token", mine)
        return ran

    def consentry(self, *words: str) -> Ran:
        """Runs the installed command."""
        ran = subprocess.run(
            [ROOT / ".venv/bin/consentry", *words, "--rpc", self.url],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, anvil_url: str) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    services = Services.create(folder / "services", anvil_url)
    yield Served(folder, anvil_url, services=services)
    services.close()


def test_the_roster_names_five_services_and_this_machine_holds_no_keyholders_key(story: Served) -> None:
    assert "let them serve" in story.deployed().err
    named = json.loads((story.home / "keyholders.json").read_text())["keyholders"]
    assert all(one["url"].startswith("http://127.0.0.1:") for one in named)
    assert {path.name for path in (story.home / "keyholders").rglob("*") if path.is_file()} == {
        "journal-token"
    }


def test_a_whole_life_of_a_record_goes_by_scripts_over_services(story: Served) -> None:
    assert story.deposited().out.count("5 of 5") == 3
    story.opened()
    assert (story.folder / "opened.json").read_bytes() == story.expected("general")
    story.opened_as_staff()
    assert (story.folder / "staff.json").read_bytes() == story.expected("substance-use")
    assert "stopped at once" in story.revoked().err
    refused = story.open("general", story.folder / "late.json", by=CLINICIAN)
    assert (refused.code, (story.folder / "late.json").exists()) == (4, False)
    assert story.open("general", story.folder / "stranger.json", by=STRANGER).code == 4
    alone = story.open("mental-health", "-", by=PATIENT).well()
    assert alone.out.encode() == story.expected("mental-health")


def test_the_auditor_reads_the_services_journals_and_finds_nothing_wrong(story: Served) -> None:
    assert story.audited().code == 0, story.audited().out
    assert sum(" TREAT " in line for line in story.audited().out.splitlines()) == 2
    assert "5 journals are whole" in story.audited().out


def test_without_a_token_the_auditor_is_told_whose_journal_is_missing(story: Served) -> None:
    story.revoked()
    home = story.folder / "without"
    shutil.copytree(story.home, home)
    (home / "keyholders" / "4" / "journal-token").unlink()
    audited = story.ape("audit", CONSENTRY_HOME=str(home))
    assert "keyholder 4" in audited.out + audited.err


def test_somebody_without_ape_opens_over_services(story: Served, tmp_path: Path) -> None:
    """A patient with a key of her own: she enrols, deposits for herself, and `consentry open` is enough."""
    story.deployed()
    own = story.ape("enrol", "--own-key", by=HOSPITAL).well().out.split()[1]
    file = tmp_path / "note.txt"
    file.write_text("a note of her own")
    arguments = ("--patient", own, "--kind", "general")
    story.ape("deposit", file, *arguments, by=own).well()
    opened = story.consentry("open", "--as", own, *arguments, "-o", str(tmp_path / "back.txt")).well()
    assert (tmp_path / "back.txt").read_text() == "a note of her own"
    assert "without an entry" in opened.err


def test_the_demo_is_played_with_the_services_that_run(story: Served, tmp_path: Path) -> None:
    """Beside what stands there: by people of its own, on the deployment that is there."""
    story.deployed()
    before = (story.home / "deployments.json").read_bytes()
    page = tmp_path / "demo.html"
    file = story.home / "keyholders.json"
    told = story.ape("demo", "--report", page, CONSENTRY_KEYHOLDERS=str(file)).well()
    assert f"5 of them services, as {file} says" in " ".join(told.out.split())
    assert "The contracts stand already" in told.out
    assert "no findings" in page.read_text().lower()
    assert (story.home / "deployments.json").read_bytes() == before
    assert address(CLINICIAN) not in page.read_text()
