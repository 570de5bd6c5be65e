"""The tables of a vault's two databases.

``place`` is the order in which things came. A change here is a new revision in ``migrations`` and a new
number; a test holds tables and revisions together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VAULT = MetaData()
KEYS = MetaData()
METADATA = {"vault": VAULT, "keys": KEYS}
SCHEMAS = {"vault": 4, "keys": 2}
"""The number of each database's schema; in ``version`` it stands as ``vault_4``, ``keys_2``."""

version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def _bytes(name: str, *more: ForeignKey, primary_key: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, *more, primary_key=primary_key, nullable=False)


def _place() -> Column[int]:
    # SQLite counts by itself only in a column of exactly this type.
    return Column("place", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _generation(*, primary_key: bool = False) -> Column[str]:
    """For which group of keyholders a share is: the hex digits of its hash, none for the first group."""
    return Column("generation", String(64), primary_key=primary_key, nullable=False, server_default="")


statements = Table(
    "statements",
    VAULT,
    _bytes("segment"),
    Column("version", BigInteger, nullable=False),
    _bytes("hash"),
    _bytes("patient"),
    _bytes("body"),
    _bytes("signature"),
    _place(),
    UniqueConstraint("segment", "version", "hash", "signature", name="one_statement"),
    Index("statements_of", "patient", "segment"),
)
boxes = Table(
    "boxes",
    VAULT,
    _bytes("patient"),
    _bytes("grant_id"),
    _bytes("segment"),
    _bytes("box"),
    _place(),
    UniqueConstraint("patient", "grant_id", name="one_box"),
)
envelopes = Table(
    "envelopes",
    VAULT,
    _bytes("envelope", primary_key=True),
    _bytes("patient"),
    _bytes("segment"),
    _bytes("header"),
    _bytes("grant_id"),
    Index("envelopes_of", "patient", "segment"),
)
records = Table(
    "records",
    VAULT,
    _bytes("record_id"),
    _bytes("envelope", ForeignKey("envelopes.envelope")),
    Column("position", Integer, nullable=False),
    _bytes("sealed"),
    _place(),
    _generation(),
    UniqueConstraint("record_id", "generation", name="one_record"),
    UniqueConstraint("envelope", "position", "generation", name="one_position"),
)
# Envelopes of which no record was seen on chain yet, and since when (block time, seconds).
unanchored = Table(
    "unanchored",
    VAULT,
    _bytes("envelope", ForeignKey("envelopes.envelope"), primary_key=True),
    Column("since", BigInteger, nullable=False, index=True),
)
# Groups of keyholders that hand on what they hold, and take nothing new for that.
closed = Table("closed", VAULT, _generation(primary_key=True))
stops = Table(
    "stops",
    VAULT,
    _bytes("patient", primary_key=True),
    _bytes("grant_id", primary_key=True),
    _bytes("signature"),
)
# For ever, at 32 bytes each: a call carries no time, so one that was recorded could be presented again
# on the day its nonce is forgotten. The hour within which an entry is answered bounds releases alone.
nonces = Table("nonces", VAULT, _bytes("nonce", primary_key=True))
journal = Table(
    "journal",
    VAULT,
    Column("row", BigInteger, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
)
record_keys = Table(
    "record_keys",
    KEYS,
    _bytes("record_id", primary_key=True),
    Column("key", LargeBinary, nullable=True),
    _generation(primary_key=True),
)
