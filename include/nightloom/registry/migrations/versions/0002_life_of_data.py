"""Releases from quarantine, erasures, and the id of the registry that owns a store's prefix."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "releases",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("row_id", sa.Text, primary_key=True),
        sa.Column("version", sa.String(40), primary_key=True),
        sa.Column("rule", sa.String(100), primary_key=True),
        sa.Column("preparation", sa.String(64), nullable=False),
        sa.Column("from_night", sa.Date, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("released_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("row_digest", sa.String(64), primary_key=True),
        sa.Column("adapters", sa.Text, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("erased_at", sa.DateTime, nullable=False),
        sa.Column("finished_at", sa.DateTime),
    )
    op.create_table(
        "installation",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("registry_id", sa.String(36), nullable=False),
    )


def downgrade() -> None:
    for table in ("installation", "erasures", "releases"):
        op.drop_table(table)
