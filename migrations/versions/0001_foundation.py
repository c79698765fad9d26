"""Foundation: access, customers, imports, jobs, models, scores, and the box's own records."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attribute_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("unit", sa.String(length=40), nullable=True),
        sa.Column("slot", sa.String(length=3), nullable=True),
        sa.Column("feature", sa.Boolean(), nullable=False),
        sa.Column("actionable", sa.Boolean(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('number','integer','boolean','category','text','date')",
            name=op.f("ck_attribute_definitions_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attribute_definitions")),
        sa.UniqueConstraint("name", name=op.f("uq_attribute_definitions_name")),
        sa.UniqueConstraint("slot", name=op.f("uq_attribute_definitions_slot")),
    )
    op.create_table(
        "churn_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=True),
        sa.Column("lead_days", sa.Integer(), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('labelled_column','cancel','payment_failure','trial_end','non_renewal','inactivity')",
            name=op.f("ck_churn_definitions_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_churn_definitions")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_churn_definitions_name_version")),
    )
    op.create_table(
        "erasure_ledger",
        sa.Column("keyed_hash", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("keyed_hash", name=op.f("pk_erasure_ledger")),
    )
    op.create_table(
        "feature_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_sets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_feature_sets_sha256")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=120), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_due", ["delivered_at", "not_before"], unique=False)

    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(length=5), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("last_queued_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_schedules_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254, collation="NOCASE"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_login_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("role IN ('admin','analyst','agent','viewer')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_users_created_at"), ["created_at"], unique=False)

    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_api_tokens_user_created", ["user_id", "created_at"], unique=False)

    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_user_id", sa.Integer(), nullable=True),
        sa.Column("api_token_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("target_kind", sa.String(length=40), nullable=True),
        sa.Column("target_id", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["actor_user_id"], ["users.id"], name=op.f("fk_audit_entries_actor_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entries_action_at", ["action", "at"], unique=False)
        batch_op.create_index("ix_audit_entries_actor_at", ["actor_user_id", "at"], unique=False)
        batch_op.create_index("ix_audit_entries_at", ["at"], unique=False)
        batch_op.create_index("ix_audit_entries_target", ["target_kind", "target_id", "at"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("route", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("location", sa.String(length=300), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_keys")),
        sa.UniqueConstraint("user_id", "route", "key", name=op.f("uq_idempotency_keys_user_id_route_key")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_keys_created_at"), ["created_at"], unique=False)

    op.create_table(
        "import_batches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("filename", sa.String(length=300), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("upload_name", sa.String(length=100), nullable=True),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("mapping_sha256", sa.String(length=64), nullable=False),
        sa.Column("on_error", sa.String(length=8), nullable=False),
        sa.Column("known_at_time", sa.Boolean(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued','applying','applied','failed','cancelled','undoing','undone')",
            name=op.f("ck_import_batches_state"),
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_import_batches_created_by")),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["churn_definitions.id"], name=op.f("fk_import_batches_definition_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batches")),
    )
    with op.batch_alter_table("import_batches", schema=None) as batch_op:
        batch_op.create_index("ix_import_batches_created", ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_import_batches_job_id"), ["job_id"], unique=False)
        batch_op.create_index("ix_import_batches_sha", ["file_sha256"], unique=False)
        batch_op.create_index("ix_import_batches_state", ["state"], unique=False)

    op.create_table(
        "invitations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254, collation="NOCASE"), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_invitations_created_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitations_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitations_email"), ["email"], unique=False)

    op.create_table(
        "job_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=120), nullable=True),
        sa.Column("phase", sa.String(length=100), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("requested_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued','running','succeeded','failed','cancelled')", name=op.f("ck_job_runs_state")
        ),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_job_runs_progress")),
        sa.ForeignKeyConstraint(["requested_by"], ["users.id"], name=op.f("fk_job_runs_requested_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
    )
    with op.batch_alter_table("job_runs", schema=None) as batch_op:
        batch_op.create_index("ix_job_runs_kind_id", ["kind", "id"], unique=False)
        batch_op.create_index("ix_job_runs_state_id", ["state", "id"], unique=False)
        batch_op.create_index(
            "uq_job_runs_open_dedupe",
            ["dedupe_key"],
            unique=True,
            sqlite_where=sa.text("state IN ('queued','running')"),
        )

    op.create_table(
        "model_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("feature_set_id", sa.Integer(), nullable=False),
        sa.Column("servable", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("data_window", sa.JSON(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("calibrated", sa.Boolean(), nullable=False),
        sa.Column("aborted", sa.Boolean(), nullable=False),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=True),
        sa.Column("libraries", sa.JSON(), nullable=False),
        sa.Column("trained_at", sa.BigInteger(), nullable=False),
        sa.Column("trained_by", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["churn_definitions.id"], name=op.f("fk_model_versions_definition_id")
        ),
        sa.ForeignKeyConstraint(["feature_set_id"], ["feature_sets.id"], name=op.f("fk_model_versions_feature_set_id")),
        sa.ForeignKeyConstraint(["trained_by"], ["users.id"], name=op.f("fk_model_versions_trained_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
    )
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.create_index("ix_model_versions_trained", ["trained_at"], unique=False)

    op.create_table(
        "password_resets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_password_resets_created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_password_resets_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_resets")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_password_resets_token_hash")),
    )
    with op.batch_alter_table("password_resets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_password_resets_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_password_resets_user_id"), ["user_id"], unique=False)

    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["updated_by"], ["users.id"], name=op.f("fk_settings_updated_by")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "token_families",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_token_families_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_families")),
    )
    with op.batch_alter_table("token_families", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_token_families_user_id"), ["user_id"], unique=False)

    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_sessions_token_hash")),
    )
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_user_sessions_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_user_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "alias_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alias", sa.String(length=16), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=True),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.Column("moved_by", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_alias_moves_model_version_id")
        ),
        sa.ForeignKeyConstraint(["moved_by"], ["users.id"], name=op.f("fk_alias_moves_moved_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alias_moves")),
    )
    with op.batch_alter_table("alias_moves", schema=None) as batch_op:
        batch_op.create_index("ix_alias_moves_alias_id", ["alias", "id"], unique=False)

    op.create_table(
        "customers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("version_id", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.String(length=200), nullable=True),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("signup_at", sa.BigInteger(), nullable=True),
        sa.Column("tenure_months", sa.Float(), nullable=True),
        sa.Column("churned", sa.Boolean(), nullable=True),
        sa.Column("churned_at", sa.BigInteger(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"], name=op.f("fk_customers_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.create_index("ix_customers_batch", ["batch_id"], unique=False)
        batch_op.create_index("ix_customers_churned_revenue", ["churned", "revenue_minor"], unique=False)
        batch_op.create_index("ix_customers_created", ["created_at"], unique=False)
        batch_op.create_index("ix_customers_plan", ["plan"], unique=False)
        batch_op.create_index("ix_customers_revenue", ["revenue_minor"], unique=False)
        batch_op.create_index("ix_customers_signup", ["signup_at"], unique=False)
        batch_op.create_index("ix_customers_tenure", ["tenure_months"], unique=False)

    op.create_table(
        "feature_importance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("feature_name", sa.String(length=120), nullable=False),
        sa.Column("shap_value", sa.Float(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_feature_importance_model_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_importance")),
        sa.UniqueConstraint(
            "model_version_id", "feature_name", name=op.f("uq_feature_importance_model_version_id_feature_name")
        ),
    )
    op.create_table(
        "import_row_errors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("column", sa.String(length=300), nullable=True),
        sa.Column("value", sa.String(length=200), nullable=True),
        sa.Column("expected", sa.String(length=300), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=True),
        sa.Column("cells", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batches.id"], name=op.f("fk_import_row_errors_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_row_errors")),
    )
    with op.batch_alter_table("import_row_errors", schema=None) as batch_op:
        batch_op.create_index("ix_import_row_errors_batch_line", ["batch_id", "line"], unique=False)
        batch_op.create_index(batch_op.f("ix_import_row_errors_user_id"), ["user_id"], unique=False)

    op.create_table(
        "model_artifacts",
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_model_artifacts_model_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_version_id", name=op.f("pk_model_artifacts")),
    )
    op.create_table(
        "model_metrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_model_metrics_model_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_metrics")),
        sa.UniqueConstraint(
            "model_version_id", "subject", "name", name=op.f("uq_model_metrics_model_version_id_subject_name")
        ),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("family_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["family_id"], ["token_families.id"], name=op.f("fk_refresh_tokens_family_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_tokens_token_hash")),
    )
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refresh_tokens_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_refresh_tokens_family_id"), ["family_id"], unique=False)

    op.create_table(
        "scoring_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("data_as_of", sa.BigInteger(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("feature_hash", sa.String(length=64), nullable=False),
        sa.Column("n_scored", sa.Integer(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("histograms", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("state IN ('running','complete','abandoned')", name=op.f("ck_scoring_runs_state")),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["churn_definitions.id"], name=op.f("fk_scoring_runs_definition_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_scoring_runs_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scoring_runs")),
    )
    with op.batch_alter_table("scoring_runs", schema=None) as batch_op:
        batch_op.create_index("ix_scoring_runs_model", ["model_version_id", "id"], unique=False)
        batch_op.create_index("ix_scoring_runs_state_id", ["state", "id"], unique=False)

    op.create_table(
        "attribute_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("previous_id", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.String(length=200), nullable=True),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("signup_at", sa.BigInteger(), nullable=True),
        sa.Column("tenure_months", sa.Float(), nullable=True),
        sa.Column("extra", sa.JSON(), nullable=True),
        sa.Column("n01", sa.Float(), nullable=True),
        sa.Column("n02", sa.Float(), nullable=True),
        sa.Column("n03", sa.Float(), nullable=True),
        sa.Column("n04", sa.Float(), nullable=True),
        sa.Column("n05", sa.Float(), nullable=True),
        sa.Column("n06", sa.Float(), nullable=True),
        sa.Column("n07", sa.Float(), nullable=True),
        sa.Column("n08", sa.Float(), nullable=True),
        sa.Column("n09", sa.Float(), nullable=True),
        sa.Column("n10", sa.Float(), nullable=True),
        sa.Column("n11", sa.Float(), nullable=True),
        sa.Column("n12", sa.Float(), nullable=True),
        sa.Column("n13", sa.Float(), nullable=True),
        sa.Column("n14", sa.Float(), nullable=True),
        sa.Column("n15", sa.Float(), nullable=True),
        sa.Column("n16", sa.Float(), nullable=True),
        sa.Column("n17", sa.Float(), nullable=True),
        sa.Column("n18", sa.Float(), nullable=True),
        sa.Column("n19", sa.Float(), nullable=True),
        sa.Column("n20", sa.Float(), nullable=True),
        sa.Column("n21", sa.Float(), nullable=True),
        sa.Column("n22", sa.Float(), nullable=True),
        sa.Column("n23", sa.Float(), nullable=True),
        sa.Column("n24", sa.Float(), nullable=True),
        sa.Column("n25", sa.Float(), nullable=True),
        sa.Column("n26", sa.Float(), nullable=True),
        sa.Column("n27", sa.Float(), nullable=True),
        sa.Column("n28", sa.Float(), nullable=True),
        sa.Column("n29", sa.Float(), nullable=True),
        sa.Column("n30", sa.Float(), nullable=True),
        sa.Column("n31", sa.Float(), nullable=True),
        sa.Column("n32", sa.Float(), nullable=True),
        sa.Column("n33", sa.Float(), nullable=True),
        sa.Column("n34", sa.Float(), nullable=True),
        sa.Column("n35", sa.Float(), nullable=True),
        sa.Column("n36", sa.Float(), nullable=True),
        sa.Column("n37", sa.Float(), nullable=True),
        sa.Column("n38", sa.Float(), nullable=True),
        sa.Column("n39", sa.Float(), nullable=True),
        sa.Column("n40", sa.Float(), nullable=True),
        sa.Column("t01", sa.String(), nullable=True),
        sa.Column("t02", sa.String(), nullable=True),
        sa.Column("t03", sa.String(), nullable=True),
        sa.Column("t04", sa.String(), nullable=True),
        sa.Column("t05", sa.String(), nullable=True),
        sa.Column("t06", sa.String(), nullable=True),
        sa.Column("t07", sa.String(), nullable=True),
        sa.Column("t08", sa.String(), nullable=True),
        sa.Column("t09", sa.String(), nullable=True),
        sa.Column("t10", sa.String(), nullable=True),
        sa.Column("t11", sa.String(), nullable=True),
        sa.Column("t12", sa.String(), nullable=True),
        sa.Column("t13", sa.String(), nullable=True),
        sa.Column("t14", sa.String(), nullable=True),
        sa.Column("t15", sa.String(), nullable=True),
        sa.Column("t16", sa.String(), nullable=True),
        sa.Column("t17", sa.String(), nullable=True),
        sa.Column("t18", sa.String(), nullable=True),
        sa.Column("t19", sa.String(), nullable=True),
        sa.Column("t20", sa.String(), nullable=True),
        sa.Column("t21", sa.String(), nullable=True),
        sa.Column("t22", sa.String(), nullable=True),
        sa.Column("t23", sa.String(), nullable=True),
        sa.Column("t24", sa.String(), nullable=True),
        sa.Column("t25", sa.String(), nullable=True),
        sa.Column("t26", sa.String(), nullable=True),
        sa.Column("t27", sa.String(), nullable=True),
        sa.Column("t28", sa.String(), nullable=True),
        sa.Column("t29", sa.String(), nullable=True),
        sa.Column("t30", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"], name=op.f("fk_attribute_versions_batch_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_attribute_versions_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attribute_versions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("attribute_versions", schema=None) as batch_op:
        batch_op.create_index("ix_attribute_versions_batch", ["batch_id"], unique=False)
        batch_op.create_index("ix_attribute_versions_customer", ["customer_id", "id"], unique=False)

    op.create_table(
        "identities",
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=60), nullable=True),
        sa.Column("other", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_identities_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_identities")),
        sa.UniqueConstraint("user_id", name=op.f("uq_identities_user_id")),
    )
    op.create_table(
        "identity_changes",
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=60), nullable=True),
        sa.Column("other", sa.JSON(), nullable=True),
        sa.Column("before_name", sa.String(length=300), nullable=True),
        sa.Column("before_email", sa.String(length=254), nullable=True),
        sa.Column("before_phone", sa.String(length=60), nullable=True),
        sa.Column("before_other", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batches.id"], name=op.f("fk_identity_changes_batch_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_identity_changes_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "customer_id", name=op.f("pk_identity_changes")),
    )
    with op.batch_alter_table("identity_changes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_changes_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("definition_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("value", sa.Boolean(), nullable=False),
        sa.Column("churned_at", sa.BigInteger(), nullable=True),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batches.id"], name=op.f("fk_labels_batch_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_labels_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["definition_id"], ["churn_definitions.id"], name=op.f("fk_labels_definition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    )
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.create_index("ix_labels_batch", ["batch_id"], unique=False)
        batch_op.create_index("ix_labels_customer", ["customer_id", "definition_id", "id"], unique=False)

    op.create_table(
        "latest_scores",
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("p0", sa.Float(), nullable=False),
        sa.Column("p1", sa.Float(), nullable=False),
        sa.Column("percentile", sa.Float(), nullable=False),
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("predicted", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("notices", sa.Text(), nullable=True),
        sa.CheckConstraint("band BETWEEN 0 AND 3", name=op.f("ck_latest_scores_band")),
        sa.CheckConstraint(
            "probability IS NULL OR (probability >= 0 AND probability <= 1)", name=op.f("ck_latest_scores_probability")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_latest_scores_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["scoring_runs.id"], name=op.f("fk_latest_scores_run_id")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_latest_scores")),
    )
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.create_index("ix_latest_scores_band_margin", ["band", "margin"], unique=False)
        batch_op.create_index("ix_latest_scores_margin", ["margin"], unique=False)
        batch_op.create_index("ix_latest_scores_run", ["run_id"], unique=False)

    op.create_table(
        "score_history",
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_score_history_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["scoring_runs.id"], name=op.f("fk_score_history_run_id")),
        sa.PrimaryKeyConstraint("customer_id", "run_id", name=op.f("pk_score_history")),
        sqlite_with_rowid=False,
    )

    # Search by identifier, name or e-mail: trigrams, kept true by triggers on the identities.
    op.execute(
        "CREATE VIRTUAL TABLE customer_search USING fts5("
        "user_id, name, email, content='identities', content_rowid='customer_id', tokenize='trigram')"
    )
    # Erased people must not live on in the index's old segments.
    op.execute("INSERT INTO customer_search (customer_search, rank) VALUES ('secure-delete', 1)")
    op.execute(
        # An import indexes its own rows, a chunk in one statement: the full-text index flushes after every row of a trigger, which is 20 times slower.
        "CREATE TRIGGER identities_search_insert AFTER INSERT ON identities WHEN NOT EXISTS ("
        "SELECT 1 FROM customers JOIN import_batches ON import_batches.id = customers.batch_id "
        "WHERE customers.id = new.customer_id AND import_batches.state = 'applying') BEGIN "
        "INSERT INTO customer_search (rowid, user_id, name, email) VALUES (new.customer_id, new.user_id, new.name, new.email); END"
    )
    op.execute(
        "CREATE TRIGGER identities_search_delete AFTER DELETE ON identities BEGIN "
        "INSERT INTO customer_search (customer_search, rowid, user_id, name, email) "
        "VALUES ('delete', old.customer_id, old.user_id, old.name, old.email); END"
    )
    op.execute(
        "CREATE TRIGGER identities_search_update AFTER UPDATE ON identities BEGIN "
        "INSERT INTO customer_search (customer_search, rowid, user_id, name, email) "
        "VALUES ('delete', old.customer_id, old.user_id, old.name, old.email); "
        "INSERT INTO customer_search (rowid, user_id, name, email) VALUES (new.customer_id, new.user_id, new.name, new.email); END"
    )
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_entries_no_{verb.lower()} BEFORE {verb} ON audit_entries "
            "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        )


def downgrade() -> None:
    for name in ("audit_entries_no_update", "audit_entries_no_delete"):
        op.execute(f"DROP TRIGGER {name}")
    for verb in ("insert", "delete", "update"):
        op.execute(f"DROP TRIGGER identities_search_{verb}")
    op.execute("DROP TABLE customer_search")
    op.drop_table("score_history")
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.drop_index("ix_latest_scores_run")
        batch_op.drop_index("ix_latest_scores_margin")
        batch_op.drop_index("ix_latest_scores_band_margin")

    op.drop_table("latest_scores")
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.drop_index("ix_labels_customer")
        batch_op.drop_index("ix_labels_batch")

    op.drop_table("labels")
    with op.batch_alter_table("identity_changes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_changes_customer_id"))

    op.drop_table("identity_changes")
    op.drop_table("identities")
    with op.batch_alter_table("attribute_versions", schema=None) as batch_op:
        batch_op.drop_index("ix_attribute_versions_customer")
        batch_op.drop_index("ix_attribute_versions_batch")

    op.drop_table("attribute_versions")
    with op.batch_alter_table("scoring_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_scoring_runs_state_id")
        batch_op.drop_index("ix_scoring_runs_model")

    op.drop_table("scoring_runs")
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_refresh_tokens_family_id"))
        batch_op.drop_index(batch_op.f("ix_refresh_tokens_expires_at"))

    op.drop_table("refresh_tokens")
    op.drop_table("model_metrics")
    op.drop_table("model_artifacts")
    with op.batch_alter_table("import_row_errors", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_import_row_errors_user_id"))
        batch_op.drop_index("ix_import_row_errors_batch_line")

    op.drop_table("import_row_errors")
    op.drop_table("feature_importance")
    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.drop_index("ix_customers_tenure")
        batch_op.drop_index("ix_customers_signup")
        batch_op.drop_index("ix_customers_revenue")
        batch_op.drop_index("ix_customers_plan")
        batch_op.drop_index("ix_customers_created")
        batch_op.drop_index("ix_customers_churned_revenue")
        batch_op.drop_index("ix_customers_batch")

    op.drop_table("customers")
    with op.batch_alter_table("alias_moves", schema=None) as batch_op:
        batch_op.drop_index("ix_alias_moves_alias_id")

    op.drop_table("alias_moves")
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_user_sessions_user_id"))
        batch_op.drop_index(batch_op.f("ix_user_sessions_expires_at"))

    op.drop_table("user_sessions")
    with op.batch_alter_table("token_families", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_token_families_user_id"))

    op.drop_table("token_families")
    op.drop_table("settings")
    with op.batch_alter_table("password_resets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_password_resets_user_id"))
        batch_op.drop_index(batch_op.f("ix_password_resets_created_by"))

    op.drop_table("password_resets")
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.drop_index("ix_model_versions_trained")

    op.drop_table("model_versions")
    with op.batch_alter_table("job_runs", schema=None) as batch_op:
        batch_op.drop_index("uq_job_runs_open_dedupe", sqlite_where=sa.text("state IN ('queued','running')"))
        batch_op.drop_index("ix_job_runs_state_id")
        batch_op.drop_index("ix_job_runs_kind_id")

    op.drop_table("job_runs")
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitations_email"))
        batch_op.drop_index(batch_op.f("ix_invitations_created_by"))

    op.drop_table("invitations")
    with op.batch_alter_table("import_batches", schema=None) as batch_op:
        batch_op.drop_index("ix_import_batches_state")
        batch_op.drop_index("ix_import_batches_sha")
        batch_op.drop_index(batch_op.f("ix_import_batches_job_id"))
        batch_op.drop_index("ix_import_batches_created")

    op.drop_table("import_batches")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_keys_created_at"))

    op.drop_table("idempotency_keys")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_entries_target")
        batch_op.drop_index("ix_audit_entries_at")
        batch_op.drop_index("ix_audit_entries_actor_at")
        batch_op.drop_index("ix_audit_entries_action_at")

    op.drop_table("audit_entries")
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.drop_index("ix_api_tokens_user_created")

    op.drop_table("api_tokens")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_users_created_at"))

    op.drop_table("users")
    op.drop_table("schedules")
    op.drop_table("revisions")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_due")

    op.drop_table("outbox")
    op.drop_table("feature_sets")
    op.drop_table("erasure_ledger")
    op.drop_table("churn_definitions")
    op.drop_table("attribute_definitions")
