"""Findings that a person muted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("findings", sa.Column("muted_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("findings", "muted_at")
