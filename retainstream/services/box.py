"""How the box itself is: what the health page answers and the figures that Prometheus scrapes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import sqlite_is_old, sqlite_module
from retainstream.lib import clock
from retainstream.models import Customer, JobRun, LatestScore, ScoringRun
from retainstream.services import registry

LOW_DISK_BYTES = 500 * 1024 * 1024

Figure = tuple[str, str, tuple[str, ...], list[tuple[tuple[str, ...], float]]]


@dataclass(frozen=True)
class Health:
    """Findings about the box; `ok` is False when something needs a person now."""

    ok: bool
    database: str
    sqlite_version: str
    findings: list[str]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "status": "ok" if self.ok else "degraded",
            "database": self.database,
            "sqlite_version": self.sqlite_version,
            "findings": self.findings,
        }


def health(session: Session, settings: Settings) -> Health:
    """Return how the box is. Reads two rows and one directory entry."""
    findings: list[str] = []
    session.execute(text("SELECT 1"))
    if sqlite_is_old():
        findings.append(
            f"SQLite {sqlite_module().sqlite_version} has a rare corruption bug that 3.51.3 mended; install the pysqlite3 wheel."
        )
    if shutil.disk_usage(settings.database_file.parent).free < LOW_DISK_BYTES:
        findings.append("Less than 500 MB of disk are free.")
    stuck = session.scalar(
        select(func.count())
        .select_from(JobRun)
        .where(JobRun.state == "running", JobRun.lease_until < clock.now_us() - 5 * clock.MINUTE_US)
    )
    if stuck:
        findings.append("A running job has not been heard of for five minutes.")
    return Health(not findings, "ok", sqlite_module().sqlite_version, findings)


def is_migrated(session: Session) -> bool:
    """Tell whether the tables are there."""
    found = session.execute(
        text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    ).first()
    return found is not None


def figures(session: Session, settings: Settings) -> list[Figure]:
    """Return what the database knows, as metric families of (name, help, labels, samples)."""
    jobs = session.execute(select(JobRun.kind, JobRun.state, func.count()).group_by(JobRun.kind, JobRun.state)).all()
    bands = dict(
        session.execute(
            select(LatestScore.band, func.count())
            .join(Customer, Customer.id == LatestScore.customer_id)
            .where(Customer.visible(), Customer.churned.is_not(True))
            .group_by(LatestScore.band)
        ).all()
    )
    customers = session.scalar(select(func.count()).select_from(Customer).where(Customer.visible())) or 0
    current = registry.champion(session)
    auc = None if current is None else registry.auc_of(session, current.version_id)
    scored = session.scalar(select(func.max(ScoringRun.finished_at)).where(ScoringRun.state == "complete"))
    size = settings.database_file.stat().st_size if settings.database_file.exists() else 0
    found: list[Figure] = [
        (
            "retainstream_jobs",
            "Job runs by kind and state.",
            ("kind", "state"),
            [((kind, state), float(n)) for kind, state, n in jobs],
        ),
        ("retainstream_customers", "Customers on record.", (), [((), float(customers))]),
        (
            "retainstream_high_risk_customers",
            "Customers in the bands high and very high who have not left.",
            (),
            [((), float(bands.get(2, 0) + bands.get(3, 0)))],
        ),
        ("retainstream_scored_customers", "Customers with a score in force.", (), [((), float(sum(bands.values())))]),
        ("retainstream_database_bytes", "Size of the database file.", (), [((), float(size))]),
    ]
    if auc is not None and auc.value is not None:
        found.append(("retainstream_model_auc", "Out-of-fold AUC of the champion.", (), [((), auc.value)]))
    if scored is not None:
        found.append(
            ("retainstream_scored_timestamp_seconds", "When the last scoring run ended.", (), [((), scored / 1e6)])
        )
    return found
