"""Which envelopes are not known to be anchored. Of those that were dealt before, none is: they stay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "vault_3", "vault_2"


def upgrade() -> None:
    """Makes the one new table."""
    op.create_table(
        "unanchored",
        sa.Column(
            "envelope", sa.LargeBinary, sa.ForeignKey("envelopes.envelope"), primary_key=True, nullable=False
        ),
        sa.Column("since", sa.BigInteger, nullable=False, index=True),
    )
