"""The demo: which of its steps comes next, the files it loads, and its log-in. Doing the steps is the command line's affair.

What is there decides, not a mark that something was done: a demo that was undone, or a box with data of its own, is left alone. Only what the
demo was begun with is kept, so that one that was interrupted goes on with the same service.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings, secret_file
from retainstream.lib import clock
from retainstream.lib.money import exponent
from retainstream.models import (
    AliasMove,
    ChurnDefinition,
    Customer,
    ImportBatch,
    JobRun,
    ModelVersion,
    ScoringRun,
    Setting,
    User,
)
from retainstream.security.actor import Actor
from retainstream.services import churn_definitions, preferences, replay
from retainstream.services.access import accounts
from retainstream.services.imports import files
from retainstream.services.segments import examples

SOURCE = files.MADE_HERE
EMAIL = "owner@example.com"
LOGIN_NAME = "demo-login"
SETTING = "demo"
UNFINISHED = ("queued", "applying")
GIVEN_UP = ("failed", "cancelled")
OPEN = ("queued", "running")
TARGETS = ("customers", "subscriptions", "events")
"""In the order of loading: who they are, what they pay for, what they did."""
CANCELS, PAYMENT_FAILS = "Cancels", "Payment fails"
_SETTLE_DAYS = 4  # billing news takes as long
_HISTORY_DAYS = 270  # before a day from which the past is looked at, so that a model can be trained as of it
_WEEKS, _MONTHS = 4, 4
# Three in a hundred customers leave in thirty days: a chance of one in ten is high there, and hardly anybody reaches the usual bands.
_BANDS = (0.05, 0.10, 0.20)

EVENT_MAPPING = {
    "target": "events",
    "known_at_time": True,
    "columns": [
        {"name": "event_id", "role": "key"},
        {"name": "user_id", "role": "customer"},
        {"name": "kind", "role": "kind"},
        {"name": "occurred_at", "role": "time", "format": "iso"},
        {"name": "received_at", "role": "received", "format": "iso"},
        {"name": "value", "role": "value"},
        *(
            {"name": name, "role": "property", "property": name}
            for name in ("device", "genre", "title", "topic", "reason")
        ),
    ],
}
"""Sent with the events: that an identifier which comes twice is one event sent twice is not to be guessed."""

StepName = Literal["begin", "load", "define", "replay", "train", "score"]


@dataclass(frozen=True)
class Made:
    """The service that the demo was begun with; it ends at the midnight `end`, microseconds UTC."""

    customers: int
    months: int
    seed: int
    end: int

    @property
    def past(self) -> list[tuple[int, str]]:
        """Past days to look from, rising, each with the model to use: one is trained as of the first, and scores on.

        Monthly, then weekly up to last week. The data is complete up to the last midnight before its end.
        """
        complete = self.end - clock.DAY_US
        spare = (round(self.months * 30.4375) - 1 - 7 * _WEEKS - _HISTORY_DAYS) // 30
        if spare < 0:
            return []
        ago = [7 * _WEEKS + 30 * month for month in range(min(spare, _MONTHS), 0, -1)]
        ago += [7 * week for week in range(_WEEKS, 0, -1)]
        days = [complete - days * clock.DAY_US for days in ago]
        return [(day, replay.EARLIER if at else replay.TRAIN) for at, day in enumerate(days)]


@dataclass(frozen=True)
class Step:
    """What is to be done next; with `job_id`, its job is open already and only has to be seen to its end.

    `target` belongs to a load, `day` and `model` to a replay.
    """

    name: StepName
    job_id: int | None = None
    target: str = ""
    day: int = 0
    model: str = ""


def next_step(session: Session) -> Step | None:
    """Return the step that comes next, None when the demo is complete or not wanted. Reads a handful of rows."""
    made = begun(session)
    if made is None:
        own = _any(session, Customer.id) or _any(session, ImportBatch.id, ImportBatch.state.not_in(GIVEN_UP))
        return None if own else Step("begin")
    batches = session.execute(
        select(ImportBatch.target, ImportBatch.state, ImportBatch.job_id).where(
            ImportBatch.source == SOURCE, ImportBatch.state.not_in(GIVEN_UP)
        )
    ).all()
    there = {target: (state, job_id) for target, state, job_id in batches}
    if any(state in ("undoing", "undone") for state, _ in there.values()):
        return None
    for target in TARGETS:
        state, job_id = there.get(target, ("", None))
        if state != "applied":
            return Step("load", job_id if state in UNFINISHED else None, target=target)
    if not _any(session, ChurnDefinition.id, ChurnDefinition.name == CANCELS):
        return Step("define")
    return _next_look(session, made)


def _next_look(session: Session, made: Made) -> Step | None:
    """Return the next replay, then the training and the scoring as of now."""
    for day, model in made.past:
        tried = _jobs(session, "replay", day)
        looked = _any(session, ScoringRun.id, ScoringRun.as_of == day, ScoringRun.state == "complete")
        possible = model == replay.TRAIN or _any(
            session, ModelVersion.id, ModelVersion.artifact_sha256.is_not(None), ModelVersion.as_of <= day
        )
        if possible and not (looked or tried & set(GIVEN_UP)):
            return Step("replay", _open_job(session, "replay", day), day=day, model=model)
    now = made.end - 2 * clock.DAY_US
    if not _any(session, ModelVersion.id, ModelVersion.as_of >= now):
        return Step("train", _open_job(session, "train"))
    scored = _any(session, ScoringRun.id, ScoringRun.state == "complete", ScoringRun.role != replay.ROLE)
    if _any(session, AliasMove.id) and not scored:
        return Step("score", _open_job(session, "score"))
    return None


def _jobs(session: Session, kind: str, day: int) -> set[str]:
    found = session.execute(select(JobRun.state, JobRun.payload).where(JobRun.kind == kind))
    return {state for state, payload in found if payload.get("as_of") == day}


def _open_job(session: Session, kind: str, day: int | None = None) -> int | None:
    found = session.execute(select(JobRun.id, JobRun.payload).where(JobRun.kind == kind, JobRun.state.in_(OPEN)))
    return next((job_id for job_id, payload in found if day is None or payload.get("as_of") == day), None)


def _any(session: Session, column: object, *conditions: object) -> bool:
    return session.scalar(select(column).where(*conditions).limit(1)) is not None  # type: ignore[call-overload]


def begun(session: Session) -> Made | None:
    """Return what the demo was begun with, None before."""
    kept = session.get(Setting, SETTING)
    return None if kept is None else Made(**cast("dict[str, int]", kept.value))


def begin(session: Session, customers: int, months: int, seed: int) -> None:
    """Settle what the demo is to be, unless that is done: a service whose last day is yesterday."""
    if begun(session) is None:
        now = clock.now_us()
        made = Made(customers, months, seed, now // clock.DAY_US * clock.DAY_US)
        session.add(Setting(name=SETTING, value=asdict(made), updated_at=now))


def define(session: Session, actor: Actor) -> None:
    """Put in force what leaving means, and from which chance on it is high.

    The loss by failed payments is a definition of its own, not in force: other things help against it.
    """
    window = {"horizon_days": 30, "lead_days": 0, "settle_days": _SETTLE_DAYS}
    churn_definitions.create(
        session, actor, {"name": PAYMENT_FAILS, "kind": "payment_failure", **window}, activate=False
    )
    preferences.write(session, actor, {"risk_bands": list(_BANDS)})
    churn_definitions.create(session, actor, {"name": CANCELS, "kind": "cancel", **window})
    examples.keep(session, actor)


def write_file(settings: Settings, made: Made, target: str) -> Path:
    """Write one of the simulated service's files into the instance folder; the same service, the same rows."""
    from retainstream.ml.simulator import Service, Simulation
    from retainstream.ml.simulator.files import write_customers, write_events, write_subscriptions
    from retainstream.ml.simulator.turns import Turns

    played = Turns(Simulation(Service(customers=made.customers, months=made.months, end=made.end, seed=made.seed)))
    write = {
        "customers": write_customers,
        # In the box's own currency, so that prices and costs can be compared, if it has cents as the made-up prices do.
        "subscriptions": partial(write_subscriptions, currency=settings.currency)
        if exponent(settings.currency) == 2
        else write_subscriptions,
        "events": write_events,
    }[target]
    path = settings.instance_path / "uploads" / f"demo-{target}.csv{'.gz' if target == 'events' else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(played, path)
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
