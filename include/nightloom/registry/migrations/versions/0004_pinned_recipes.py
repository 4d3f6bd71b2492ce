"""Recipes that nights are pinned to."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "recipes",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.add_column("nights", sa.Column("recipe_digest", sa.String(64)))


def downgrade() -> None:
    op.drop_column("nights", "recipe_digest")
    op.drop_table("recipes")
