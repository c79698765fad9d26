"""The demo: which of its steps are still to be done, the file it loads, and its log-in. Doing the steps is the command line's affair.

What is there decides, not a mark that something was done: a demo that was undone, or a box with data of its own, is left alone.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings, secret_file
from retainstream.models import AliasMove, ImportBatch, JobRun, ModelVersion, ScoringRun, User
from retainstream.services.access import accounts

SOURCE = "demo"
EMAIL = "owner@example.com"
LOGIN_NAME = "demo-login"
UNFINISHED = ("queued", "applying")


@dataclass(frozen=True)
class Pending:
    """Steps that the demo still needs; with `job_id`, a step's job is open already and only has to be seen to its end."""

    load: bool
    train: bool
    score: bool
    job_id: int | None = None

    @property
    def nothing(self) -> bool:
        """Tell whether the demo is complete or not wanted."""
        return not (self.load or self.train or self.score)


def pending(session: Session) -> Pending:
    """Return what is left to do. Reads a handful of rows."""
    batches = session.execute(
        select(ImportBatch.source, ImportBatch.state).where(ImportBatch.state.not_in(("failed", "cancelled")))
    ).all()
    demo = {state for source, state in batches if source == SOURCE}
    if not batches:
        return Pending(load=True, train=True, score=True)
    if not demo & {*UNFINISHED, "applied"}:
        return Pending(load=False, train=False, score=False)
    step = {"import": bool(demo & set(UNFINISHED)), "train": not _any(session, ModelVersion.id)}
    step["score"] = not _any(session, ScoringRun.id, ScoringRun.state == "complete") and (
        step["train"] or _any(session, AliasMove.id)
    )
    first = next((kind for kind, wanted in step.items() if wanted), None)
    job_id = (
        session.scalar(select(JobRun.id).where(JobRun.kind == first, JobRun.state.in_(("queued", "running"))).limit(1))
        if first
        else None
    )
    return Pending(step["import"], step["train"], step["score"], job_id)


def _any(session: Session, column: object, *conditions: object) -> bool:
    return session.scalar(select(column).where(*conditions).limit(1)) is not None  # type: ignore[call-overload]


def write_file(settings: Settings, customers: int, seed: int) -> Path:
    """Write the made-up customers of a streaming service to a CSV file in the instance folder; the same seed, the same file."""
    from retainstream.ml.datagen import generate_streaming_customers

    path = settings.instance_path / "uploads" / f"demo-{customers}-{seed}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    generate_streaming_customers(customers, seed).to_csv(path, index=False)
    return path


@dataclass(frozen=True)
class Login:
    """The demo administrator's log-in; `fresh` tells that nobody was shown the password yet."""

    email: str
    password: str
    file: Path
    fresh: bool


def login(settings: Settings) -> Login:
    """Return the demo's log-in from its mode-600 file, which is made on first call."""
    path = settings.instance_path / LOGIN_NAME
    fresh = not path.exists()
    email, password = secret_file(path, lambda: f"{EMAIL}\n{secrets.token_urlsafe(15)}").split("\n")
    return Login(email, password, path, fresh)


def admin_wanted(session: Session) -> bool:
    """Tell whether the demo's administrator is to be made: nobody is there yet."""
    return not _any(session, User.id)


def make_admin(session: Session, found: Login, password_hash: str) -> None:
    """Make the demo's administrator, unless somebody came first."""
    if admin_wanted(session):
        accounts.ensure_admin(session, found.email, password_hash)
