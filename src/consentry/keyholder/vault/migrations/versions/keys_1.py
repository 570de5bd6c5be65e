"""The record keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels = "keys_1", None, ("keys",)


def upgrade() -> None:
    """Makes their one table."""
    op.create_table(
        "record_keys",
        sa.Column("record_id", sa.LargeBinary, primary_key=True),
        sa.Column("key", sa.LargeBinary),
    )
