"""RFM, health scores, lifetime values, and months that are closed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "analysis_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("data_as_of", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('material','rfm','health','lifetime')", name=op.f("ck_analysis_runs_kind")),
        sa.CheckConstraint("state IN ('running','complete','abandoned')", name=op.f("ck_analysis_runs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_runs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_analysis_runs_kind_as_of", "analysis_runs", ["kind", "as_of"])
    op.create_index("ix_analysis_runs_kind_state", "analysis_runs", ["kind", "state", "id"])

    op.create_table(
        "rfm_scores",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("recency_days", sa.Float(), nullable=False),
        sa.Column("frequency", sa.BigInteger(), nullable=False),
        sa.Column("monetary_minor", sa.BigInteger(), nullable=True),
        sa.Column("r", sa.Integer(), nullable=False),
        sa.Column("f", sa.Integer(), nullable=False),
        sa.Column("m", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_rfm_scores_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], name=op.f("fk_rfm_scores_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_rfm_scores")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rfm_scores_customer_id", "rfm_scores", ["customer_id"])
    op.create_index("ix_rfm_scores_name", "rfm_scores", ["run_id", "name", "customer_id"])

    op.create_table(
        "health_schemes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("segment_id", sa.Integer(), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("bands", sa.JSON(), nullable=False),
        sa.Column("proposed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_health_schemes_created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segments.id"], name=op.f("fk_health_schemes_segment_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_schemes")),
        sqlite_autoincrement=True,
    )

    op.create_table(
        "health_scores",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("scheme_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("band", sa.String(length=8), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_health_scores_confidence")),
        sa.CheckConstraint("score IS NULL OR (score >= 0 AND score <= 100)", name=op.f("ck_health_scores_score")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_health_scores_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], name=op.f("fk_health_scores_run_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["scheme_id"], ["health_schemes.id"], name=op.f("fk_health_scores_scheme_id")),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_health_scores")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_health_scores_band", "health_scores", ["run_id", "band", "customer_id"])
    op.create_index("ix_health_scores_customer_id", "health_scores", ["customer_id"])

    op.create_table(
        "lifetime_values",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("low_minor", sa.BigInteger(), nullable=True),
        sa.Column("high_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("alive", sa.Float(), nullable=True),
        sa.Column("purchases", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_lifetime_values_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], name=op.f("fk_lifetime_values_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_lifetime_values")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lifetime_values_customer_id", "lifetime_values", ["customer_id"])
    op.create_index("ix_lifetime_values_value", "lifetime_values", ["run_id", "value_minor", "customer_id"])

    op.create_table(
        "closed_months",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["closed_by"], ["users.id"], name=op.f("fk_closed_months_closed_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closed_months")),
        sa.UniqueConstraint("period", "currency", name=op.f("uq_closed_months_period_currency")),
    )

    op.create_table(
        "month_corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("closed_month_id", sa.Integer(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("figure", sa.String(length=24), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["closed_month_id"],
            ["closed_months.id"],
            name=op.f("fk_month_corrections_closed_month_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_month_corrections")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_month_corrections_month", "month_corrections", ["closed_month_id", "found_at"])


def downgrade() -> None:
    op.drop_table("month_corrections")
    op.drop_table("closed_months")
    op.drop_table("lifetime_values")
    op.drop_table("health_scores")
    op.drop_table("health_schemes")
    op.drop_table("rfm_scores")
    op.drop_table("analysis_runs")
