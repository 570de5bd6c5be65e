"""A keyholder's process is killed (SIGKILL) at every durable step of what it takes and gives, and at random
moments: what it holds is whole, its journal verifies, and no answer left without its row."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from consentry.client import Proposal
from consentry.consent.terms import typed_revoke
from consentry.envelope.deposit import Part, make_parts, message, new_header
from consentry.envelope.leaf import Label, make_leaf
from consentry.envelope.statement import SignedStatement, first_statement
from consentry.envelope.statement import message as statement_message
from consentry.keyholder.messages import Released, Signed
from consentry.keyholder.service import KeyholderService
from consentry.keyholder.vault import Vault
from consentry.keyholder.vault.copies import backup, copy_keys, restore
from consentry.keyholder.vault.database import Database
from consentry.keys.hpke import new_seed
from tests.attacks.support import access, statement_of
from tests.support.postgres import Postgres
from tests.support.world import World, make_world, populated

Place = Path | str
Verb = Callable[[KeyholderService], Signed | Released]


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> World:
    return populated(make_world(tmp_path_factory.mktemp("living")))


@pytest.fixture(scope="module")
def read_grant(living: World) -> Proposal:
    return living.grant("clinician", "general")[0]


@dataclass
class Base:
    """What the first keyholder held before, with so many ``rows``; `copy` gives a place of its own with just
    that."""

    first: Place
    rows: int
    server: Postgres | None
    folder: Path
    made: int = 0

    def copy(self) -> Place:
        self.made += 1
        if self.server is not None:
            return self.server.new_database(like=str(self.first))
        return Path(shutil.copytree(self.first, self.folder / str(self.made)))


@pytest.fixture(params=["sqlite", "postgresql"])
def base(request: pytest.FixtureRequest, living: World, read_grant: Proposal, tmp_path: Path) -> Base:
    held = living.keyholders[0]._vault._data.url.database
    assert held is not None
    backup(Path(held).parent, tmp_path / "backup")
    copy_keys(Path(held).parent, tmp_path / "keys")
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    first = server.new_database() if server else tmp_path / "first"
    restored = restore(tmp_path / "backup", first, key_copy=tmp_path / "keys")
    return Base(first, restored.rows, server, tmp_path)


def opened(world: World, place: Place) -> KeyholderService:
    """The first keyholder, on what lies at ``place``."""
    one = world.keyholders[0]
    vault, roster = Vault.open(place), world.group.roster
    return KeyholderService(
        one.card, roster, signer=one._signer, seed=one._seed, vault=vault, chain=world.chain
    )


# --- what it is asked


def a_statement(world: World, grant: Proposal) -> Verb:
    patient = world.person("patient")
    first = first_statement(
        world.chain.deployment,
        patient=patient.identity,
        segment=secrets.token_bytes(32),
        kind="general",
        seed=new_seed(),
        patient_key=patient.keyring.public_key,
        keyholders=world.group.roster.hash,
    )
    body = first.encode()
    signature = patient.signer.sign_typed_data(statement_message(world.chain.deployment, body))
    return lambda keyholder: keyholder.statement(SignedStatement(body, signature))


def a_box(world: World, grant: Proposal) -> Verb:
    bare = replace(grant.box, grant_id=secrets.token_bytes(32))
    full = bare.message(world.chain.deployment)
    box = replace(bare, signature=world.person("patient").signer.sign_typed_data(full)).encode()
    return lambda keyholder: keyholder.box(box)


def a_deal(world: World, grant: Proposal) -> Verb:
    """An envelope of three records by the patient herself."""
    deployment, patient = world.chain.deployment, world.person("patient")
    header, halves = new_header(deployment, statement_of(world, "hiv"), patient.address, 3, 5)
    leaves = [
        make_leaf(
            header.place(deployment),
            halves,
            record_salt=secrets.token_bytes(32),
            anchor_salt=secrets.token_bytes(32),
            data_key=new_seed(),
            digest=secrets.token_bytes(32),
            cid="cid",
            label=Label("hiv", "2026-01-15", patient.address, "text/plain"),
            threshold=3,
            count=5,
        )
        for _ in range(3)
    ]
    keys = world.group.roster.keys
    part: Part = make_parts(deployment, header, leaves, keyholder_keys=keys, terms=b"")[0]
    signature = patient.signer.sign_typed_data(message(deployment, part.envelope))
    encoded = replace(part, signature=signature).encode()
    return lambda keyholder: keyholder.deal(encoded)


def a_stop(world: World, grant: Proposal) -> Verb:
    patient, grant_id = world.person("patient"), secrets.token_bytes(32)
    full = typed_revoke(world.chain.deployment, patient.identity, grant_id)
    signature = patient.signer.sign_typed_data(full)
    return lambda keyholder: keyholder.stop(patient.identity, grant_id, signature)


def a_release(world: World, grant: Proposal) -> Verb:
    """An entry of the clinician's; each time it is presented by a new call."""
    entry = access(world, grant)
    return lambda keyholder: keyholder.release(entry.call())


VERBS = {"statement": a_statement, "box": a_box, "deal": a_deal, "stop": a_stop, "release": a_release}
STEPS = {
    "statement": ["insert statements", "insert journal"],
    "box": ["delete boxes", "insert boxes", "insert journal"],
    "deal": [
        "insert envelopes",
        "insert records",
        "delete record_keys",
        "insert record_keys",
        "delete unanchored",
        "insert unanchored",
        "insert journal",
    ],
    "stop": ["insert stops", "insert journal"],
    "release": ["insert nonces", "insert journal"],
}


# --- processes that end


class Child:
    """A process of its own that runs ``work``, which says what it has to say line by line."""

    def __init__(self, work: Callable[[Callable[[object], None]], None]) -> None:
        self._said, ours = os.pipe()
        with warnings.catch_warnings():  # other threads of this process are not needed there
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            code = 70
            with contextlib.suppress(BaseException):
                work(lambda value: os.write(ours, json.dumps(value).encode() + b"\n") and None)
                code = 0
            os._exit(code)
        os.close(ours)

    def end(self) -> tuple[int, list[Any]]:
        """Waits for its end; gives its exit code, or minus the signal that ended it, and what it said."""
        with os.fdopen(self._said, encoding="utf-8") as said:
            lines = [json.loads(line) for line in said if line.endswith("\n")]
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), lines


def watch(vault: Vault, step: Callable[[str], None]) -> None:
    """Tells ``step`` before and after each change and each commit of changes, of both databases."""
    for database in (vault._data, vault._keys):
        _watch(database, step)


def _watch(database: Database, step: Callable[[str], None]) -> None:
    changed = False
    real: Any = database.engine.dialect.do_commit

    def what(statement: str) -> str | None:
        verb, _, table, *_ = statement.split()
        return f"{verb.lower()} {table}" if verb in ("INSERT", "DELETE") else None

    def before(*at: Any) -> None:
        if name := what(at[2] + " - -"):
            step(f"before {name}")

    def after(*at: Any) -> None:
        nonlocal changed
        if name := what(at[2] + " - -"):
            changed = True
            step(name)

    def commit(connection: Any) -> None:
        nonlocal changed
        if changed:
            step(f"before commit of {database.name}")
        real(connection)
        if changed:
            changed = False
            step(f"commit of {database.name}")

    event.listen(database.engine, "before_cursor_execute", before)
    event.listen(database.engine, "after_cursor_execute", after)
    database.engine.dialect.do_commit = commit  # type: ignore[method-assign]


def run(world: World, place: Place, verb: Verb, moment: int) -> tuple[int, list[str], tuple[int, str] | None]:
    """Has a process do ``verb`` and end itself at its ``moment``-th step. Gives how it ended, its steps, and
    its answer's journal row with the row's hash."""

    def work(say: Callable[[object], None]) -> None:
        service, passed = opened(world, place), 0

        def step(name: str) -> None:
            nonlocal passed
            passed += 1
            say(name)
            if passed == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        watch(service._vault, step)
        say(answered(verb(service)))

    code, said = Child(work).end()
    steps = [line for line in said if isinstance(line, str)]
    answers = [(row, hashed) for row, hashed in (line for line in said if isinstance(line, list))]
    return code, steps, answers[0] if answers else None


def answered(answer: Signed | Released) -> tuple[int, str]:
    signed = answer.signed if isinstance(answer, Released) else answer
    return signed.row, signed.row_hash.hex()


def whole(service: KeyholderService, world: World) -> None:
    """Nothing is half there, and the journal says of all that is held that it is, and of nothing else."""
    assert service.check().faults() == []


@pytest.mark.parametrize("name", VERBS)
def test_a_keyholder_that_is_killed_at_any_durable_step_is_whole_and_goes_on(
    living: World, read_grant: Proposal, base: Base, name: str
) -> None:
    moment, code = 0, -signal.SIGKILL
    verb = VERBS[name](living, read_grant)
    steps: list[str] = []
    while code == -signal.SIGKILL:
        moment += 1
        place = base.copy()
        code, steps, answer = run(living, place, verb, moment)
        with closing(opened(living, place)) as service:
            whole(service, living)
            rows = service.journal()
            assert [row.kind for row in rows[base.rows :]] == [name] * ("commit of vault" in steps)
            assert (answer is None) == (code == -signal.SIGKILL)
            if answer is not None:
                assert rows[answer[0]].hash.hex() == answer[1]
            again = answered(verb(service))
            assert service.journal()[again[0]].hash.hex() == again[1]
            whole(service, living)
    assert code == 0
    assert moment == len(steps) + 1
    passed = [step for step in steps if not step.startswith(("before", "commit"))]
    assert passed == STEPS[name]
    if name == "deal":  # never a record without its key
        assert steps.index("commit of keys") < steps.index("before commit of vault")


@pytest.mark.parametrize("seed", range(4))
def test_two_processes_of_a_keyholder_that_are_killed_at_random_leave_it_whole(
    living: World, read_grant: Proposal, base: Base, seed: int
) -> None:
    chance, place = random.Random(seed), base.copy()
    entry = a_release(living, read_grant)

    def work(say: Callable[[object], None]) -> None:
        service = opened(living, place)
        while True:
            for name, make in VERBS.items():
                say(answered((entry if name == "release" else make(living, read_grant))(service)))

    children = [Child(work) for _ in range(2)]
    told: list[Any] = []
    for child in children:
        time.sleep(chance.uniform(0.2, 1.0))
        os.kill(child.pid, signal.SIGKILL)
    for child in children:
        code, said = child.end()
        assert code == -signal.SIGKILL
        told += said
    assert told
    with closing(opened(living, place)) as service:
        whole(service, living)
        rows = service.journal()
        assert all(rows[row].hash.hex() == hashed for row, hashed in told)
        entry(service)
        whole(service, living)
