"""A record can be held for one group of keyholders and for the one that comes after it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "vault_4", "vault_3"


def upgrade() -> None:
    """What is held is for the first group."""
    with op.batch_alter_table("records") as records:
        records.add_column(sa.Column("generation", sa.String(64), nullable=False, server_default=""))
        for name, columns in (("one_record", ["record_id"]), ("one_position", ["envelope", "position"])):
            records.drop_constraint(name, type_="unique")
            records.create_unique_constraint(name, [*columns, "generation"])
    generation = sa.Column("generation", sa.String(64), primary_key=True, nullable=False, server_default="")
    op.create_table("closed", generation)
