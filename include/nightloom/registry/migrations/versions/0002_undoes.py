"""A move of a ref says which earlier move it takes back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("ref_log", sa.Column("undoes", sa.Integer))
