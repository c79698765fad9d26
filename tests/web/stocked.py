"""A box with customers, a model and scores, written straight into the tables: pages are tested without training anything."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from sqlalchemy.orm import Session

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec
from retainstream.models import (
    AliasMove,
    AttributeDefinition,
    AttributeVersion,
    ChurnDefinition,
    Customer,
    FeatureImportance,
    FeatureSet,
    Identity,
    Label,
    LatestScore,
    ModelMetric,
    ModelVersion,
    ScoringRun,
)
from retainstream.services import preferences, revisions

PLANS = ("Basic", "Standard", "Premium", "Family")
PRICES = (999, 1499, 1999, 2499)
SPECS = (
    FeatureSpec("last_login_days", "integer", "Days since last log-in", unit="days"),
    FeatureSpec("watch_time_hours", "number", "Watch time", unit="hours"),
    FeatureSpec("payment_failures", "integer", "Payment failures"),
)


@dataclass(frozen=True)
class Stock:
    """What was written: how many customers there are, are active, and stand in the bands high and very high."""

    customers: int
    active: int
    risky: int


def add_customers(session: Session, count: int) -> int:
    """Add customers of whom every fifth has left; return how many are active."""
    now = clock.now_us()
    active = 0
    definition = ChurnDefinition(id=1, version=1, kind="labelled_column", name="churn", parameters={}, created_at=now)
    session.add(definition)
    facts: list[object] = []  # about customers, and so written after them
    for index in range(count):
        left = index % 5 == 4
        active += not left
        plan = index % len(PLANS)
        customer = Customer(
            id=index + 1,
            version_id=index + 1,
            plan=PLANS[plan],
            revenue_minor=PRICES[plan],
            currency="USD",
            tenure_months=float(index % 60),
            churned=left,
            tags=[],
            created_at=now,
            updated_at=now,
        )
        session.add(customer)
        facts.append(Identity(customer_id=customer.id, user_id=f"cus_{index:05d}", name=f"Name {index}"))
        facts.append(Label(customer_id=customer.id, definition_id=1, value=left, known_at=now))
        facts.append(
            AttributeVersion(
                id=index + 1,
                customer_id=customer.id,
                valid_from=now,
                known_at=now,
                plan=PLANS[plan],
                n01=float(index % 40),
                n02=round(30.0 / (1 + index % 13), 1),
                n03=float(index % 4),
            )
        )
    session.flush()
    session.add_all(facts)
    for number, spec in enumerate(SPECS, start=1):
        session.add(
            AttributeDefinition(
                name=spec.name, title=spec.title, kind=spec.kind, unit=spec.unit, slot=f"n{number:02d}", created_at=now
            )
        )
    revisions.bump(session, "customers")
    session.flush()
    return active


def add_model(session: Session, *, servable: bool = True, calibrated: bool = True, message: str = "ok") -> int:
    """Add a model version, in service when it is servable, and return its id."""
    now = clock.now_us()
    features = FeatureSet(id=1, sha256="f" * 64, features=[asdict(spec) for spec in SPECS], created_at=now)
    session.add(features)
    session.flush()
    version = ModelVersion(
        definition_id=1,
        feature_set_id=1,
        servable=servable,
        verdict={"ok": servable, "message": message},
        parameters={"typical": {"last_login_days": 3.0, "watch_time_hours": 20.0, "payment_failures": 0.0}},
        report={},
        data_window={},
        seed=0,
        calibrated=calibrated,
        libraries={},
        trained_at=now,
        artifact_sha256="a" * 64 if servable else None,
    )
    session.add(version)
    session.flush()
    session.add(
        ModelMetric(
            model_version_id=version.id, subject="xgboost", name="auc", value=0.8449, low=0.836, high=0.8541, n=1000
        )
    )
    for rank, (spec, share) in enumerate(zip(SPECS, (0.52, 0.31, 0.17), strict=True), start=1):
        session.add(
            FeatureImportance(
                model_version_id=version.id, feature_name=spec.name, shap_value=share * 2, share=share, rank=rank
            )
        )
    if servable:
        session.add(AliasMove(alias="champion", model_version_id=version.id, moved_at=now, reason="test"))
    revisions.bump(session, "model")
    session.flush()
    return version.id


def add_scores(session: Session, count: int, version_id: int, *, calibrated: bool = True, most: float = 0.95) -> int:
    """Score the active customers, falling from `most`; return how many stand in the bands high and very high."""
    now = clock.now_us()
    run = ScoringRun(
        model_version_id=version_id,
        role="champion",
        state="complete",
        as_of=now,
        data_as_of=now,
        definition_id=1,
        feature_hash="f" * 64,
        started_at=now + 1,
        finished_at=now + 2,
    )
    session.add(run)
    session.flush()
    chosen = preferences.Preferences()
    active = [index for index in range(count) if index % 5 != 4]
    risky = 0
    for place, index in enumerate(active):
        p = most * math.exp(-6.0 * place / len(active)) + 0.001
        percentile = 1 - place / len(active)
        band = chosen.band_of(p if calibrated else None, percentile)
        risky += band >= 2
        reasons = [[0, round(2.1 * p, 3), 0.5], [1, round(1.2 * p, 3), 0.3], [2, -0.2, 0.2]]
        session.add(
            LatestScore(
                customer_id=index + 1,
                run_id=run.id,
                margin=math.log(p / (1 - p)),
                probability=p if calibrated else None,
                p0=max(0.0, p - 0.02),
                p1=min(1.0, p + 0.02),
                percentile=percentile,
                band=band,
                predicted=band >= 2,
                reasons=json.dumps(reasons),
            )
        )
    revisions.bump(session, "scores")
    session.flush()
    return risky


def stock(count: int = 60, *, calibrated: bool = True, most: float = 0.95) -> Stock:
    """Fill the box in one unit of work. Needs an app context."""
    with unit_of_work() as session:
        active = add_customers(session, count)
        version = add_model(session, calibrated=calibrated)
        risky = add_scores(session, count, version, calibrated=calibrated, most=most)
    return Stock(count, active, risky)
