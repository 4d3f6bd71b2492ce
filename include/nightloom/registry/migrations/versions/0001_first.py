"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "nights",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("cut_from", sa.DateTime, nullable=False),
        sa.Column("cut_to", sa.DateTime, nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("stage", sa.String(20), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("manifest", sa.String(64)),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_table(
        "refs",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
        sa.Column("night", sa.Date, nullable=False),
    )
    op.create_table(
        "ref_log",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("recipe", sa.String(40), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("old", sa.String(64)),
        sa.Column("new", sa.String(64), nullable=False),
        sa.Column("night", sa.Date, nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(64)),
        sa.Column("moved_at", sa.DateTime, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("line_hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_index("ix_ref_log_ref", "ref_log", ["recipe", "name", "number"])
    op.create_table(
        "manifests",
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("manifest", sa.String(64), primary_key=True),
        sa.Column("recipe", sa.String(40)),
        sa.Column("night", sa.Date),
        sa.Column("made_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_manifests_recipe_night", "manifests", ["recipe", "night"])
    op.create_table(
        "leases",
        sa.Column("scope", sa.String(100), primary_key=True),
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    for table in ("leases", "manifests", "ref_log", "refs", "outcomes", "nights"):
        op.drop_table(table)
