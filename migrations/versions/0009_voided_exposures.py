"""An act that was taken back stays on record, with when."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("exposures", sa.Column("voided_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM exposures WHERE voided_at IS NOT NULL")  # without the column they would count again
    with op.batch_alter_table("exposures") as table:
        table.drop_column("voided_at")
