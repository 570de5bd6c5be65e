"""A keyholder's journal on its own disk, where its administrator can write past it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from consentry.cli.demo.stage import Stage, StoryBroken


def vault_file(stage: Stage, index: int) -> Path:
    """The file with the journal of the keyholder ``index``."""
    return next((stage.home / "keyholders" / str(index)).rglob("vault.sqlite"))


def edit_journal(vault: Path) -> None:
    """Hides who was answered: another name in the first release."""
    with closing(sqlite3.connect(vault)) as database, database:
        number, document = _first_release(database)
        document["body"]["actor"] = "0x" + "00" * 20
        database.execute("UPDATE journal SET document = ? WHERE row = ?", (json.dumps(document), number))


def cut_journal(vault: Path) -> int:
    """Cuts a journal's tail off, from the first release on; gives how many rows went."""
    with closing(sqlite3.connect(vault)) as database, database:
        number, _ = _first_release(database)
        return database.execute("DELETE FROM journal WHERE row >= ?", (number,)).rowcount


def _first_release(database: sqlite3.Connection) -> tuple[int, dict[str, Any]]:
    rows = database.execute("SELECT row, document FROM journal ORDER BY row")
    found = ((row, json.loads(document)) for row, document in rows)
    release = next((one for one in found if one[1]["kind"] == "release"), None)
    if release is None:
        raise StoryBroken("there is no release in the journal on that disk")
    return release
