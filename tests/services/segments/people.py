"""Customers for segments: every kind of value, each of them missing for some, with events before and after the end of the data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import (
    AttributeDefinition,
    AttributeVersion,
    ChurnDefinition,
    Customer,
    Event,
    EventKind,
    FeatureSet,
    Feed,
    Identity,
    ImportBatch,
    LatestScore,
    ModelVersion,
    ScoringRun,
)
from retainstream.services import revisions

DAY = clock.DAY_US
END = 19_900 * DAY
"""The end of the data: the start of the day of the newest event."""
PLANS = ("Basic", "Standard", "Premium")
TAGS = ("vip", "trial", "quiet")
KINDS = ("login", "purchase")


@dataclass
class Person:
    """What is on record of one customer, in the words of a rule's fields; None is missing. Events are (kind, occurred, received, value)."""

    id: int
    values: dict[str, object]
    events: list[tuple[str, int, int, float | None]] = field(default_factory=list)


def add_people(session: Session, n: int = 80, seed: int = 3) -> list[Person]:
    """Add customers of whom some lack each value, two hidden ones, and events of which some came in too late to be known."""
    rng = np.random.default_rng(seed)
    now = clock.now_us()
    run_id = _prepare(session, now)
    unfinished = ImportBatch(
        state="applying", source="api", filename="t.csv", file_sha256="0" * 64, size_bytes=1, created_at=now
    )
    session.add(unfinished)
    session.flush()
    people = [_person(session, rng, number, run_id, now) for number in range(1, n + 1)]
    for number in range(n + 1, n + 3):  # of an import that is not applied: nobody may see them
        session.add(
            Customer(id=number, batch_id=unfinished.id, plan=PLANS[0], tags=["vip"], created_at=now, updated_at=now)
        )
        session.flush()
        session.add(Identity(customer_id=number, user_id=f"hidden-{number}"))
    # The newest event says where the data ends.
    session.add(Event(customer_id=1, kind_id=1, feed_id=1, occurred_at=END + 1, received_at=END + 1, key=b"e" * 16))
    people[0].events.append(("login", END + 1, END + 1, None))
    for name in ("customers", "scores", "events"):
        revisions.bump(session, name)
    session.flush()
    return people


def _prepare(session: Session, now: int) -> int:
    definition = ChurnDefinition(id=1, version=1, kind="labelled_column", name="churn", parameters={}, created_at=now)
    features = FeatureSet(id=1, sha256="f" * 64, features=[], created_at=now)
    session.add_all([definition, features, Feed(id=1, name="shop", created_at=now, last_occurred_at=END + 1)])
    session.add_all(EventKind(id=number, name=name, created_at=now) for number, name in enumerate(KINDS, start=1))
    for name, kind, slot in (
        ("watch_hours", "number", "n01"),
        ("paperless", "boolean", "n02"),
        ("renewal", "date", "n03"),
        ("city", "category", "t01"),
        ("comment", "text", "t02"),
        ("overflowing", "number", None),
    ):
        session.add(AttributeDefinition(name=name, title=name.capitalize(), kind=kind, slot=slot, created_at=now))
    session.flush()
    version = ModelVersion(
        definition_id=1, feature_set_id=1, servable=True, verdict={}, parameters={}, report={}, data_window={}, seed=0,
        calibrated=True, libraries={}, trained_at=now,
    )  # fmt: skip
    session.add(version)
    session.flush()
    run = ScoringRun(
        model_version_id=version.id, role="champion", state="complete", as_of=END, data_as_of=END, definition_id=1,
        feature_hash="f" * 64, started_at=now, finished_at=now,
    )  # fmt: skip
    session.add(run)
    session.flush()
    return run.id


def _person(session: Session, rng: np.random.Generator, number: int, run_id: int, now: int) -> Person:
    def maybe(value: object, share: float = 0.75) -> object:
        return value if rng.random() < share else None

    scored = rng.random() < 0.8
    probability = round(float(rng.random()), 2)
    values: dict[str, object] = {
        "plan": maybe(PLANS[int(rng.integers(3))]),
        "revenue": maybe(int(rng.integers(0, 5)) * 500),
        "tenure_months": maybe(float(rng.integers(0, 12))),
        "signup_at": maybe(END - int(rng.integers(-5, 60)) * DAY + 1),
        "churned": maybe(bool(rng.random() < 0.3)),
        "tags": [tag for tag in TAGS if rng.random() < 0.3],
        "attribute.watch_hours": maybe(round(float(rng.integers(0, 40)) / 4, 2)),
        "attribute.paperless": maybe(bool(rng.random() < 0.5)),
        "attribute.renewal": maybe(END + int(rng.integers(-40, 40)) * DAY),
        "attribute.city": maybe(("Oslo", "Lima")[int(rng.integers(2))]),
        "attribute.comment": maybe(("Says HELLO", "silent")[int(rng.integers(2))]),
        "attribute.overflowing": maybe(float(rng.integers(0, 5))),
        "churn_probability": probability if scored else None,
        "risk_band": ("low", "medium", "high", "very_high")[min(3, int(4 * probability))] if scored else None,
    }
    one = Person(number, values)
    extra = {"overflowing": values["attribute.overflowing"]} if values["attribute.overflowing"] is not None else None
    session.add(
        Customer(
            id=number, version_id=number, plan=values["plan"], revenue_minor=values["revenue"], currency="EUR",
            tenure_months=values["tenure_months"], signup_at=values["signup_at"], churned=values["churned"],
            tags=values["tags"], created_at=now, updated_at=now,
        )
    )  # fmt: skip
    session.flush()
    session.add(Identity(customer_id=number, user_id=f"p-{number:03d}"))
    session.add(
        AttributeVersion(
            id=number, customer_id=number, valid_from=now, known_at=now, n01=values["attribute.watch_hours"],
            n02=values["attribute.paperless"], n03=values["attribute.renewal"], t01=values["attribute.city"],
            t02=values["attribute.comment"], extra=extra,
        )
    )  # fmt: skip
    if scored:
        session.add(
            LatestScore(
                customer_id=number, run_id=run_id, margin=probability, probability=probability, p0=0.1, p1=0.2,
                percentile=probability, band=min(3, int(4 * probability)), predicted=False, reasons="[]",
            )
        )  # fmt: skip
    for place in range(int(rng.integers(0, 6))):
        kind = int(rng.integers(1, 3))
        occurred = END - int(rng.integers(1, 40)) * DAY + 7
        late = rng.random() < 0.2
        received = END + 5 if late else occurred
        value = float(rng.integers(1, 9)) if rng.random() < 0.7 else None
        key = bytes([number, place]) + b"0" * 14
        session.add(
            Event(
                customer_id=number, kind_id=kind, feed_id=1, occurred_at=occurred, received_at=received, value=value,
                key=key,
            )
        )  # fmt: skip
        one.events.append((KINDS[kind - 1], occurred, received, value))
    session.flush()
    return one
