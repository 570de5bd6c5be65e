"""A record has a key for each group of keyholders for which it is held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "keys_2", "keys_1"


def upgrade() -> None:
    """Makes the table anew and copies each row, for the first group: a primary key is not altered."""
    op.rename_table("record_keys", "record_keys_1")
    op.create_table(
        "record_keys",
        sa.Column("record_id", sa.LargeBinary, primary_key=True),
        sa.Column("key", sa.LargeBinary),
        sa.Column("generation", sa.String(64), primary_key=True, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("record_id", "generation", name="record_keys_2"),
    )
    op.execute("INSERT INTO record_keys (record_id, key) SELECT record_id, key FROM record_keys_1")
    op.drop_table("record_keys_1")
