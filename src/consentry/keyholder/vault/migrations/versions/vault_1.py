"""The first tables of a vault, in SQLite alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels = "vault_1", None, ("vault",)


def upgrade() -> None:
    """Makes them, as SQLite had them."""
    blob, whole = sa.LargeBinary, sa.BigInteger
    op.create_table(
        "statements",
        sa.Column("segment", blob, primary_key=True),
        sa.Column("version", whole, primary_key=True),
        sa.Column("hash", blob, primary_key=True),
        sa.Column("patient", blob),
        sa.Column("body", blob),
        sa.Column("signature", blob, primary_key=True),
    )
    op.create_table(
        "boxes",
        sa.Column("patient", blob, primary_key=True),
        sa.Column("grant_id", blob, primary_key=True),
        sa.Column("segment", blob),
        sa.Column("box", blob),
    )
    op.create_table(
        "envelopes",
        sa.Column("envelope", blob, primary_key=True),
        sa.Column("patient", blob),
        sa.Column("segment", blob),
        sa.Column("header", blob),
        sa.Column("grant_id", blob),
    )
    op.create_table(
        "records",
        sa.Column("record_id", blob, primary_key=True),
        sa.Column("envelope", blob, sa.ForeignKey("envelopes.envelope")),
        sa.Column("position", sa.Integer),
        sa.Column("sealed", blob),
    )
    op.create_table(
        "stops",
        sa.Column("patient", blob, primary_key=True),
        sa.Column("grant_id", blob, primary_key=True),
        sa.Column("signature", blob),
    )
    op.create_table("nonces", sa.Column("nonce", blob, primary_key=True))
    op.create_table(
        "journal",
        sa.Column("row", whole, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text),
    )
