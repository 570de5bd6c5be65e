"""What one keyholder holds, in two databases: SQLite files in a folder, or PostgreSQL by URL.

``tables``      what stands in them (SQLAlchemy Core), and their schemas' numbers
``database``    one database: its connections, transactions and failures
``books``       `Vault`, the face that the keyholder sees
``leftovers``   what was dealt and never anchored
``stock``       what is held, page by page: for who takes it over, and for who lets it go
``copies``      backups, the copy of the record keys, and what is got back from them
``inventory``   what is held, and what the journal says is held
``checking``    whether a vault is whole
``migrations``  from an older schema to this one (Alembic); only `migrate` does that

A record's leaf and share lie sealed under a key of their own, which is kept in the second database that
is left out of backups: destroying that key shreds the record, whatever pages and logs a database keeps.
"""

from __future__ import annotations

from consentry.errors import UsageError
from consentry.keyholder.held import Held

try:
    from consentry.keyholder.vault.books import Vault
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] != "sqlalchemy":
        raise
    raise UsageError(
        "a keyholder on this machine needs its database's packages: pip install 'consentry[keyholder]'"
    ) from None

__all__ = ["Held", "Vault"]
