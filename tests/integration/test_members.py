"""The keyholders change as institutions change them: by the command, while services run and are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench._anvil import anvil, free_port
from consentry.client import Group
from consentry.envelope.handing import Holding
from consentry.keyholder.local import open_keyholders
from consentry.keyholder.place import Place
from consentry.keyholder.roster import Roster
from tests.support.secrets import forms
from tests.support.services import COMMAND, PASSPHRASE, Services, services
from tests.support.world import populated, record


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Five institutions; the hospital deposited, and the clinician may read the general record."""
    with anvil() as node, services(tmp_path_factory.mktemp("members"), node) as running:
        populated(running.world).grant("clinician", "general")
        yield running


def command(running: Services, home: Path, *words: str, seconds: float | None = None) -> str:
    """Runs a keyholder's command; what it wrote. Killed after ``seconds``, if any are given."""
    known = {**os.environ, "CONSENTRY_PASSPHRASE": PASSPHRASE, "CONSENTRY_RPC": running.node}
    words = (str(COMMAND), "keyholder", words[0], "--home", str(home), *words[1:])
    with subprocess.Popen(
        words, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as it:
        try:
            said, _ = it.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            it.kill()
            return it.communicate()[0]
    assert it.returncode == 0, said
    return said


def general(running: Services) -> list[bytes]:
    """The patient's general records, as the clinician opens them now."""
    desk, found = running.world.desk("clinician"), []
    for one in desk.list(running.world.patient):
        with desk.open(running.world.patient, one.record_id).file as file:
            found.append(file.read())
    return found


def everybody_has(running: Services, file: Path) -> None:
    """The file is given to who asks the keyholders."""
    running.roster, world = Roster.read(file), running.world
    for keyholder in world.keyholders:
        keyholder.close()
    world.keyholders = open_keyholders(running.folder, running.roster, world.chain)  # type: ignore[assignment]
    world.group = Group(world.chain.deployment, running.roster, world.keyholders)


def shares(running: Services, index: int, roster: Roster) -> Iterator[bytes]:
    """What a keyholder holds of the patient's records for that group."""
    with closing(Place(running.place(index)).vault(running.world.chain)) as vault:
        for held in vault.of(roster.generation).held(running.world.patient):
            yield from Holding.decode(held.share).values.values()


def test_one_is_lost_and_replaced_while_the_others_serve_and_are_killed(running: Services) -> None:
    body, first = record("general").body, running.roster
    secret = {("share", one) for index in range(1, 6) for one in shares(running, index, first)}
    assert len(secret) == 10
    assert general(running) == [body]
    running.signal(signal.SIGKILL, 4)
    shutil.rmtree(running.place(4))

    new, url = running.place(6), f"http://127.0.0.1:{free_port()}"
    command(running, new, "init", "--name", "institution 6", "--url", url)
    shutil.copy(running.place(1) / "deployments.json", new)
    file = running.folder / "next.json"
    said = command(
        running, running.place(1), "propose", str(file), "--lost", "4", "--add", str(new / "card.json")
    )
    assert "3 of 5 are needed (before: 3 of 5)" in said
    for index in (1, 2, 3, 5):
        command(running, running.place(index), "approve", str(file), "--yes")

    # Killed while it takes over, and once more while one of those that hand on is killed too.
    for seconds in (1.5, 2.0):
        command(running, new, "join", str(file), seconds=seconds)
    running.signal(signal.SIGKILL, 2)
    running.start(2)
    assert general(running) == [body]  # those before go on releasing
    for index in (6, 1, 2, 3, 5):
        said = command(running, running.place(index), "join", str(file))
        assert "All is taken over" in said

    running.signal(signal.SIGTERM, 1, 2, 3, 5)
    everybody_has(running, file)
    numbers = [card.index for card in running.roster.keyholders]
    assert numbers == [1, 2, 3, 5, 6]
    secret |= {("handed on", one) for index in numbers for one in shares(running, index, running.roster)}
    assert len(secret) == 10 + 5 * 2 * 4  # five hold two records, each from four that handed it on
    running.start(*numbers)
    assert general(running) == [body]

    for index in (1, 2, 3, 5):
        assert "2 shares destroyed" in command(running, running.place(index), "leave", str(file), "--yes")
    for index in (1, 2, 3, 5, 6):
        assert "Nothing was found wrong" in command(running, running.place(index), "check")
    running.signal(signal.SIGKILL, 1, 2)
    assert general(running) == [body]  # three of the five, the new one among them

    secret |= {
        ("passphrase", PASSPHRASE.encode()),
        ("plaintext", body),
        ("plaintext", record("substance-use").body),
    }
    written = [path for path in running.folder.rglob("*") if path.is_file()]
    assert {"6.log", "vault.sqlite", "next.json"} <= {path.name for path in written}
    for path in written:
        data = path.read_bytes()
        assert not [what for what, one in secret for form in forms(one) if form in data], path.name
