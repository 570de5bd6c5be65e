"""The order in which things came is a column of its own (it was SQLite's row id), nothing is null, and
whose something is can be looked up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "vault_2", "vault_1"


def upgrade() -> None:
    """Makes every table anew and copies each row, in its order: SQLite alters no column. In PostgreSQL
    there is nothing to copy, since no vault of schema 1 was ever in one."""
    tables, connection = _tables(), op.get_bind()
    if connection.dialect.name != "sqlite":
        for table in reversed(tables):
            op.drop_table(table.name)
        tables[0].metadata.create_all(connection)
        return
    for table in tables:
        op.rename_table(table.name, f"{table.name}_1")
    for table in tables:
        table.create(connection)
        names = table.columns.keys()
        values = ["rowid" if name == "place" else name for name in names]
        copied = f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(values)}"
        op.execute(f"{copied} FROM {table.name}_1 ORDER BY rowid")
    for table in reversed(tables):
        op.drop_table(f"{table.name}_1")


def _tables() -> list[sa.Table]:
    metadata = sa.MetaData()

    def table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
        return sa.Table(name, metadata, *parts)

    def blob(name: str, *more: sa.ForeignKey, primary_key: bool = False) -> sa.Column[bytes]:
        return sa.Column(name, sa.LargeBinary, *more, primary_key=primary_key, nullable=False)

    def place() -> sa.Column[int]:
        return sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)

    return [
        table(
            "statements",
            blob("segment"),
            sa.Column("version", sa.BigInteger, nullable=False),
            *(blob(name) for name in ("hash", "patient", "body", "signature")),
            place(),
            sa.UniqueConstraint("segment", "version", "hash", "signature", name="one_statement"),
            sa.Index("statements_of", "patient", "segment"),
        ),
        table(
            "boxes",
            *(blob(name) for name in ("patient", "grant_id", "segment", "box")),
            place(),
            sa.UniqueConstraint("patient", "grant_id", name="one_box"),
        ),
        table(
            "envelopes",
            blob("envelope", primary_key=True),
            *(blob(name) for name in ("patient", "segment", "header", "grant_id")),
            sa.Index("envelopes_of", "patient", "segment"),
        ),
        table(
            "records",
            blob("record_id"),
            blob("envelope", sa.ForeignKey("envelopes.envelope")),
            sa.Column("position", sa.Integer, nullable=False),
            blob("sealed"),
            place(),
            sa.UniqueConstraint("record_id", name="one_record"),
            sa.UniqueConstraint("envelope", "position", name="one_position"),
        ),
        table(
            "stops",
            blob("patient", primary_key=True),
            blob("grant_id", primary_key=True),
            blob("signature"),
        ),
        table("nonces", blob("nonce", primary_key=True)),
        table(
            "journal",
            sa.Column("row", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("document", sa.Text, nullable=False),
        ),
    ]
