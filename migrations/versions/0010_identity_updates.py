"""When somebody's personal details were changed by hand or by a file."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identities", sa.Column("updated_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("identities", "updated_at")
