"""Time: feeds, events, subscriptions, declared features, findings, exposures, realised performance."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_kinds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_kinds")),
        sa.UniqueConstraint("name", name=op.f("uq_event_kinds_name")),
    )
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("first_occurred_at", sa.BigInteger(), nullable=True),
        sa.Column("last_occurred_at", sa.BigInteger(), nullable=True),
        sa.Column("last_received_at", sa.BigInteger(), nullable=True),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("n_rows", sa.BigInteger(), nullable=False),
        sa.Column("expected_seconds", sa.BigInteger(), nullable=True),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("arrivals", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("name", name=op.f("uq_feeds_name")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("severity IN ('info','warning','error')", name=op.f("ck_findings_severity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.create_index("ix_findings_opened", ["opened_at"], unique=False)
        batch_op.create_index(
            "uq_findings_open", ["kind", "subject"], unique=True, sqlite_where=sa.text("closed_at IS NULL")
        )

    op.create_table(
        "feature_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=True),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("wording_up", sa.String(length=200), nullable=True),
        sa.Column("wording_down", sa.String(length=200), nullable=True),
        sa.Column("actionable", sa.Boolean(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_feature_definitions_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_definitions")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_feature_definitions_name_version")),
    )
    op.create_table(
        "test_openings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("first_as_of", sa.BigInteger(), nullable=False),
        sa.Column("last_as_of", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["churn_definitions.id"], name=op.f("fk_test_openings_definition_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_test_openings_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_openings")),
        sa.UniqueConstraint("model_version_id", name=op.f("uq_test_openings_model_version_id")),
    )
    with op.batch_alter_table("test_openings", schema=None) as batch_op:
        batch_op.create_index("ix_test_openings_definition", ["definition_id", "first_as_of"], unique=False)

    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("kind_id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("properties", sa.Text(), nullable=True),
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"], name=op.f("fk_events_batch_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_events_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_events_feed_id")),
        sa.ForeignKeyConstraint(["kind_id"], ["event_kinds.id"], name=op.f("fk_events_kind_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("ix_events_customer_occurred", ["customer_id", "occurred_at"], unique=False)
        batch_op.create_index("uq_events_key", ["key"], unique=True)

    op.create_table(
        "exposures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("arm", sa.String(length=8), nullable=False),
        sa.Column("propensity", sa.Float(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("arm IN ('treated','held_out')", name=op.f("ck_exposures_arm")),
        sa.CheckConstraint("propensity > 0 AND propensity <= 1", name=op.f("ck_exposures_propensity")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_exposures_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["users.id"], name=op.f("fk_exposures_recorded_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exposures")),
    )
    with op.batch_alter_table("exposures", schema=None) as batch_op:
        batch_op.create_index("ix_exposures_customer_at", ["customer_id", "at"], unique=False)

    op.create_table(
        "run_performance",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("data_end", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_at", sa.BigInteger(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["scoring_runs.id"], name=op.f("fk_run_performance_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_performance")),
    )
    op.create_table(
        "score_outcomes",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN (0, 1, 2)", name=op.f("ck_score_outcomes_state")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_score_outcomes_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["scoring_runs.id"], name=op.f("fk_score_outcomes_run_id")),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_score_outcomes")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("score_outcomes", schema=None) as batch_op:
        batch_op.create_index("ix_score_outcomes_customer", ["customer_id"], unique=False)

    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("feed_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("plan", sa.String(length=200), nullable=True),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.String(length=16), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "end_reason IS NULL OR end_reason IN ('voluntary','payment_failed','trial_ended','other')",
            name=op.f("ck_subscriptions_end_reason"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"], name=op.f("fk_subscriptions_batch_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_subscriptions_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_subscriptions_feed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.create_index("ix_subscriptions_batch", ["batch_id"], unique=False)
        batch_op.create_index("ix_subscriptions_customer", ["customer_id"], unique=False)
        batch_op.create_index("ix_subscriptions_key", ["key", "received_at"], unique=False)

    with op.batch_alter_table("import_batches", schema=None) as batch_op:
        batch_op.add_column(sa.Column("target", sa.String(length=16), server_default="customers", nullable=False))
        batch_op.add_column(sa.Column("first_event_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("last_event_id", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reason_values", sa.Text(), nullable=True))

    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("as_of", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("score_history", schema=None) as batch_op:
        batch_op.create_index("ix_score_history_run", ["run_id"], unique=False)

    with op.batch_alter_table("scoring_runs", schema=None) as batch_op:
        batch_op.create_index("ix_scoring_runs_as_of", ["as_of"], unique=False)

    op.execute(
        "INSERT INTO settings (name, value, updated_at)"
        " VALUES ('hold_out_salt', json_quote(lower(hex(randomblob(16)))), CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))"
    )


def downgrade() -> None:
    op.execute("DELETE FROM settings WHERE name = 'hold_out_salt'")
    with op.batch_alter_table("scoring_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_scoring_runs_as_of")

    with op.batch_alter_table("score_history", schema=None) as batch_op:
        batch_op.drop_index("ix_score_history_run")

    # SQLite's own DROP COLUMN: rebuilding these tables would break the triggers that name them.
    for table, column in (
        ("model_versions", "as_of"),
        ("latest_scores", "reason_values"),
        ("import_batches", "last_event_id"),
        ("import_batches", "first_event_id"),
        ("import_batches", "target"),
    ):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")

    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.drop_index("ix_subscriptions_key")
        batch_op.drop_index("ix_subscriptions_customer")
        batch_op.drop_index("ix_subscriptions_batch")

    op.drop_table("subscriptions")
    with op.batch_alter_table("score_outcomes", schema=None) as batch_op:
        batch_op.drop_index("ix_score_outcomes_customer")

    op.drop_table("score_outcomes")
    op.drop_table("run_performance")
    with op.batch_alter_table("exposures", schema=None) as batch_op:
        batch_op.drop_index("ix_exposures_customer_at")

    op.drop_table("exposures")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index("uq_events_key")
        batch_op.drop_index("ix_events_customer_occurred")

    op.drop_table("events")
    with op.batch_alter_table("test_openings", schema=None) as batch_op:
        batch_op.drop_index("ix_test_openings_definition")

    op.drop_table("test_openings")
    op.drop_table("feature_definitions")
    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.drop_index("uq_findings_open", sqlite_where=sa.text("closed_at IS NULL"))
        batch_op.drop_index("ix_findings_opened")

    op.drop_table("findings")
    op.drop_table("feeds")
    op.drop_table("event_kinds")
