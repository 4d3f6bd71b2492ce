"""All tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_nights()
    _create_refs()
    _create_index()
    _create_leases_and_decisions()
    _create_trials()


def _create_nights() -> None:
    op.create_table(
        "nights",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("opened_by", sa.String(20), nullable=False),
        sa.Column("recipe_digest", sa.String(64)),
    )
    op.create_table(
        "cuts",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("stage", sa.String(20), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("cut_from", sa.DateTime, nullable=False),
        sa.Column("cut_to", sa.DateTime, nullable=False),
        sa.Column("is_committed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "recipes",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("stage", sa.String(20), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("manifest", sa.String(64)),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_index("ix_outcomes_status", "outcomes", ["status", "night", "recipe", "stage"])
    op.create_index("ix_outcomes_manifest", "outcomes", ["manifest"])


def _create_refs() -> None:
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
        sa.Column("cites", sa.String(64)),
        sa.Column("by_hand", sa.Boolean, nullable=False),
        sa.Column("moved_at", sa.DateTime, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("line_hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_index("ix_ref_log_ref", "ref_log", ["recipe", "name", "number"])
    op.create_index("ix_ref_log_recipe", "ref_log", ["recipe", "number"])
    op.create_index("ix_ref_log_new", "ref_log", ["new"])
    op.create_index("ix_ref_log_cites", "ref_log", ["cites"])


def _create_index() -> None:
    op.create_table(
        "manifests",
        sa.Column("manifest", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_manifests_kind", "manifests", ["kind", "manifest"])
    op.create_table(
        "edges",
        sa.Column("parent", sa.String(64), primary_key=True),
        sa.Column("child_kind", sa.String(40), primary_key=True),
        sa.Column("child", sa.String(64), primary_key=True),
        sa.Column("part", sa.String(10), primary_key=True),
        sa.Column("path", sa.String(100), primary_key=True),
        sa.Column("parent_kind", sa.String(40), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_edges_child", "edges", ["child", "parent_kind", "parent"])
    op.create_table(
        "members",
        sa.Column("recipe", sa.String(40), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("manifest", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("noted_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_members_recipe_kind", "members", ["recipe", "kind", "noted_at", "manifest", "night"])
    op.create_index("ix_members_kind", "members", ["kind", "noted_at", "manifest", "recipe", "night"])
    op.create_index("ix_members_manifest", "members", ["manifest", "recipe"])
    op.create_index("ix_members_night", "members", ["night", "kind", "manifest"])


def _create_leases_and_decisions() -> None:
    op.create_table(
        "leases",
        sa.Column("scope", sa.String(100), primary_key=True),
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
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


def _create_trials() -> None:
    op.create_table(
        "trials",
        sa.Column("trial", sa.String(64), primary_key=True),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("device", sa.String(100), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("checkpoint", sa.String(64)),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.Column("finished_at", sa.DateTime),
    )
    op.create_table(
        "metrics",
        sa.Column("trial", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for table in (
        *("metrics", "trials", "installation", "erasures", "releases", "leases", "members", "edges", "manifests"),
        *("ref_log", "refs", "outcomes", "recipes", "nights"),
    ):
        op.drop_table(table)
