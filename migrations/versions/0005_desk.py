"""Plays, tasks and notes: the desk."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plays",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plays")),
        sa.UniqueConstraint("name", name=op.f("uq_plays_name")),
        sqlite_autoincrement=True,
    )

    op.create_table(
        "tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("play_id", sa.Integer(), nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("snoozed_until", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("net_gain_minor", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("outcome_reason", sa.String(length=300), nullable=True),
        sa.Column("exposure_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("(state = 'done') = (outcome IS NOT NULL)", name=op.f("ck_tasks_outcome_when_done")),
        sa.CheckConstraint("kind IN ('call','email','message','offer','visit','other')", name=op.f("ck_tasks_kind")),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('saved','left','unreachable','wrong')", name=op.f("ck_tasks_outcome")
        ),
        sa.CheckConstraint("state IN ('open','done','dropped')", name=op.f("ck_tasks_state")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_tasks_created_by"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_tasks_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_tasks_ended_by"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["exposure_id"], ["exposures.id"], name=op.f("fk_tasks_exposure_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_tasks_owner_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["play_id"], ["plays.id"], name=op.f("fk_tasks_play_id")),
        sa.ForeignKeyConstraint(["run_id"], ["scoring_runs.id"], name=op.f("fk_tasks_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_customer", "tasks", ["customer_id", "id"])
    op.create_index("ix_tasks_ended", "tasks", ["ended_at"])
    op.create_index("ix_tasks_owner_state", "tasks", ["owner_id", "state"])
    op.create_index("ix_tasks_play", "tasks", ["play_id"])
    op.create_index("ix_tasks_state_due", "tasks", ["state", "due_at"])
    op.create_index(
        "uq_tasks_open_customer", "tasks", ["customer_id"], unique=True, sqlite_where=sa.text("state = 'open'")
    )

    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_notes_author_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_notes_customer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_notes_task_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notes_customer_at", "notes", ["customer_id", "at"])


def downgrade() -> None:
    op.drop_table("notes")
    op.drop_table("tasks")
    op.drop_table("plays")
