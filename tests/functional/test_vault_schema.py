"""Schemas of a vault: one of an older version is migrated when somebody says so, a newer one is refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from sqlalchemy import update

from consentry.chain import Deployments
from consentry.cli import cli
from consentry.errors import VaultUnfit
from consentry.keyholder.journal import verify_journal
from consentry.keyholder.place import Place as OfKeyholder
from consentry.keyholder.vault import Vault, database, migrations, tables
from consentry.keyholder.vault.migrations import migrate
from tests.functional.test_deployments import deployed
from tests.support.fixed import DEPLOYMENT, PATIENT_ID, SEGMENT, signer

OLD = Path(__file__).parents[1] / "vectors" / "vault-1"
CONTENT: dict[str, Any] = json.loads((OLD / "content.json").read_text("utf-8"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A vault as schema 1 left it, with something in every table."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def hexed(*values: bytes) -> list[str]:
    return [value.hex() for value in values]


def assert_all_there(vault: Vault) -> None:
    stopped, nonce = (bytes.fromhex(CONTENT[name]) for name in ("stopped", "nonce"))
    assert [hexed(one.body, one.signature) for one in vault.statements(PATIENT_ID)] == CONTENT["statements"]
    assert hexed(*vault.boxes_of(PATIENT_ID)) == CONTENT["boxes"]
    records = [
        hexed(one.header.encode(), one.open_part, one.sealed_part, one.share)
        for one in vault.held(PATIENT_ID, SEGMENT)
    ]
    assert records == CONTENT["records"]
    assert [row.to_json() for row in vault.rows()] == CONTENT["rows"]
    assert vault.stopped(PATIENT_ID, stopped)
    assert not vault.use_nonce(nonce)
    verify_journal(DEPLOYMENT, signer(51).address, vault.rows())


def test_an_old_vault_is_refused_until_it_is_migrated_and_then_holds_all_it_held(old: Path) -> None:
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    with pytest.raises(VaultUnfit, match=r"schema 1; this one reads 4.*consentry keyholder migrate"):
        Vault.open(old)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert migrate(old) == [
        f"{old / 'vault.sqlite'}: from schema 1 to 4",
        f"{old / 'record-keys.sqlite'}: from schema 1 to 2",
    ]
    assert migrate(old) == []
    vault = Vault.open(old)
    assert_all_there(vault)
    vault.close()


def test_what_comes_after_a_migration_comes_last(old: Path) -> None:
    migrate(old)
    vault = Vault.open(old)
    vault.add_box(PATIENT_ID, bytes(32), SEGMENT, b"a new box")
    assert hexed(*vault.boxes_of(PATIENT_ID)) == [*CONTENT["boxes"], b"a new box".hex()]
    vault.close()


def test_a_migration_that_does_not_come_to_its_end_changes_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def names() -> set[str]:
        with closing(sqlite3.connect(old / "vault.sqlite")) as plain:
            return {name for (name,) in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    before = names()

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.drop_table", stopped)  # when all is copied
        with pytest.raises(KeyboardInterrupt):
            migrate(old)
    assert names() == before
    migrate(old)
    vault = Vault.open(old)
    assert_all_there(vault)
    vault.close()


@pytest.mark.parametrize("name", ["vault", "keys"])
def test_a_vault_of_a_newer_version_is_refused_and_left_alone(place: Path | str, name: str) -> None:
    vault = Vault.open(place)
    newer = tables.SCHEMAS[name] + 1
    with (vault._data if name == "vault" else vault._keys).writing() as connection:
        connection.execute(update(tables.version).values(version_num=f"{name}_{newer}"))
    vault.close()
    for opening in (Vault.open, migrate):
        with pytest.raises(VaultUnfit, match=rf"newer version \(schema {newer}.*nothing was changed"):
            opening(place)


def test_the_two_databases_cannot_be_taken_for_each_other(place: Path | str) -> None:
    vault = Vault.open(place)
    with vault._data.writing() as connection:
        connection.execute(update(tables.version).values(version_num="keys_1"))
    vault.close()
    with pytest.raises(VaultUnfit, match="not a keyholder's vault"):
        Vault.open(place)


@pytest.mark.parametrize("name", ["vault", "keys"])
def test_the_migrations_lead_to_the_very_tables_that_a_new_vault_has(place: Path | str, name: str) -> None:
    """From nothing through every revision, on each kind of database."""
    new = database.Database(database.locate(place)[name], name)
    new._make_file()
    migrations.revise(new)
    with new.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), new.metadata) == []
        assert database.schema_of(connection, name) == tables.SCHEMAS[name]
    new.prepare()
    new.close()


def test_each_schema_number_is_its_newest_revision() -> None:
    revisions = ScriptDirectory(str(Path(migrations.__file__).parent))
    heads = {f"{name}_{number}" for name, number in tables.SCHEMAS.items()}
    assert set(revisions.get_heads()) == heads


def test_an_operator_migrates_a_keyholder_with_one_command(tmp_path: Path) -> None:
    deployment = deployed()
    Deployments(tmp_path / "deployments.json").add(deployment)
    folder = OfKeyholder(tmp_path).folder(deployment.deployment)
    shutil.copytree(OLD, folder)
    said = [CliRunner().invoke(cli, ["keyholder", "migrate", "--home", str(tmp_path)]) for _ in range(2)]
    assert [one.exit_code for one in said] == [0, 0]
    assert said[0].output.splitlines() == [
        f"{folder / 'vault.sqlite'}: from schema 1 to 4",
        f"{folder / 'record-keys.sqlite'}: from schema 1 to 2",
    ]
    assert said[1].output == "Nothing was due.\n"
    vault = Vault.open(folder)
    assert_all_there(vault)
    vault.close()
