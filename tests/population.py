"""Customers written straight into the tables, as an applied import leaves them: for tests of what comes after the import."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import AttributeVersion, ChurnDefinition, Customer, Identity, ImportBatch, Label
from retainstream.services import attributes, revisions
from retainstream.services.attributes import Wanted

COLUMNS = (
    Wanted("watch_time_hours", "Watch time (hours)", "number", unit="hours"),
    Wanted("last_login_days", "Days since last log-in", "integer"),
    Wanted("payment_failures", "Payment failures", "integer"),
    Wanted("paperless", "Paperless", "boolean"),
    Wanted("plan_name", "Plan", "category"),
    Wanted("joined", "Joined", "date"),
    Wanted("comment", "Comment", "text"),
)
PLANS = ("Basic", "Standard", "Premium")


def make_frame(n: int = 600, seed: int = 1, *, learnable: bool = True) -> pd.DataFrame:
    """Return customers of a streaming service with a churn column; not `learnable` draws the label by coin."""
    rng = np.random.default_rng(seed)
    watch, login = rng.gamma(2.0, 10.0, n), rng.integers(0, 60, n)
    failures, plan = rng.poisson(0.5, n), rng.integers(0, 3, n)
    strength = -1.6 - 0.05 * watch + 0.06 * login + 0.8 * failures - 0.5 * plan
    chance = 1 / (1 + np.exp(-strength)) if learnable else np.full(n, 0.3)
    return pd.DataFrame(
        {
            "user_id": [f"u{seed}-{i:06d}" for i in range(n)],
            "watch_time_hours": watch.round(2),
            "last_login_days": login,
            "payment_failures": failures,
            "paperless": rng.random(n) < 0.5,
            "plan_name": [PLANS[k] for k in plan],
            "joined": 1_600_000_000_000_000,
            "comment": "says hello",
            "churn": rng.random(n) < chance,
        }
    )


FRAME = make_frame(500)
"""The customers of most tests."""


def staying(ids: list[int]) -> list[int]:
    """Return those of `FRAME`'s ids, in its order, whose customer has not left."""
    return [one for one, gone in zip(ids, FRAME["churn"], strict=True) if not gone]


def populate(
    session: Session, frame: pd.DataFrame, *, state: str = "applied", labelled: bool = True, known_at: int | None = None
) -> list[int]:
    """Store a frame as one import and return the customers' ids. Missing values are None or NaN."""
    now = clock.now_us()
    definition = session.query(ChurnDefinition).first()
    if definition is None:
        definition = ChurnDefinition(name="churn", version=1, kind="labelled_column", parameters={}, created_at=now)
        session.add(definition)
        session.flush()
    batch = ImportBatch(
        state=state,
        source="api",
        filename="t.csv",
        file_sha256="0" * 64,
        size_bytes=1,
        definition_id=definition.id,
        created_at=now,
    )
    session.add(batch)
    found = attributes.allocate(session, COLUMNS)
    rows = frame.to_dict("records")
    left = [bool(row["churn"]) if labelled else None for row in rows]
    customers = [
        Customer(
            batch_id=batch.id, plan=_plain(row["plan_name"]), revenue_minor=1_000, currency="USD", churned=churned, tags=[],
            created_at=now, updated_at=now,
        )
        for row, churned in zip(rows, left, strict=True)
    ]  # fmt: skip
    session.add_all(customers)
    session.flush()
    versions = []
    for row, customer in zip(rows, customers, strict=True):
        version = AttributeVersion(customer_id=customer.id, batch_id=batch.id, valid_from=now, known_at=known_at or now)
        for item in found:
            if item.slot is None:
                version.extra = {**(version.extra or {}), item.name: _plain(row[item.name])}
            else:
                setattr(version, item.slot, _plain(row[item.name]))
        versions.append(version)
        session.add(Identity(customer_id=customer.id, user_id=row["user_id"]))
    session.add_all(versions)
    session.flush()
    for customer, version, churned in zip(customers, versions, left, strict=True):
        customer.version_id = version.id
        if labelled:
            session.add(
                Label(
                    customer_id=customer.id, definition_id=definition.id, batch_id=batch.id, value=churned, known_at=now
                )
            )
    ids = [customer.id for customer in customers]
    revisions.bump(session, "customers")
    session.flush()
    return ids


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
