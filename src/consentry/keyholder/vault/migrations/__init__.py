"""From an older schema to this version's: `migrate`, and nothing else, changes a vault's tables.

Each revision in ``versions`` is frozen once it was released; a new schema is a new revision, with its
number in `consentry.keyholder.vault.tables`.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from consentry.keyholder.vault.database import Database, begun_to_write, locate, schema_of
from consentry.keyholder.vault.tables import SCHEMAS, version

_FOLDER = Path(__file__).parent


def migrate(place: str | Path, keys: str | Path | None = None) -> list[str]:
    """Brings the vault at ``place`` (and ``keys``, as `locate` says) to this version's schema, each of its
    two databases in one transaction: killed at any moment, it is as before or done. Says what it did, one
    line a database, none where nothing was due. Nobody else may have the vault open.

    Raises `NotFound`, `VaultUnfit` where a newer version wrote it, `Unreachable`, `UsageError`."""
    done = []
    for name, url in locate(place, keys).items():
        database = Database(url, name)
        try:
            found = database.schema()
            if found is not None and found < SCHEMAS[name]:
                revise(database)
                done.append(f"{database}: from schema {found} to {SCHEMAS[name]}")
            database.prepare(new=name == "keys")
        finally:
            database.close()
    return done


def revise(database: Database) -> None:
    """Runs every revision that a database lacks, from nothing too, in one transaction."""
    with database.failures(), begun_to_write(database.engine) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_FOLDER))
        found = schema_of(connection, database.name)
        if found is not None and not inspect(connection).has_table(version.name):
            command.stamp(config, f"{database.name}_{found}")
        command.upgrade(config, f"{database.name}@head")
