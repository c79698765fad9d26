"""A box in which no page is empty: every kind of thing is on record, so that a walk over all pages sees each of them full."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.lib import clock
from retainstream.models import AliasMove, Event, Identity, LatestScore, RunPerformance, ScoringRun, SegmentSize, Task
from retainstream.security.actor import SYSTEM, Actor
from retainstream.services import feeds, findings, predictions
from retainstream.services.access import accounts, api_tokens, resolve, sessions
from retainstream.services.customers import tagging
from retainstream.services.desk import assigning, endings, notes, play_templates, plays, tasks
from retainstream.services.events import drafts
from retainstream.services.imports import files
from retainstream.services.reports import saved
from retainstream.services.segments import saved as segments
from tests.browser.conftest import Served
from tests.browser.past import tell_past
from tests.browser.people import EMAIL, PASSWORD, cookie
from tests.services.as_of import happened
from tests.services.as_of.happened import DAY, START
from tests.web.healthy import add_health
from tests.web.modelled import add_job, add_version, replayed

LONG = "a.feed.whose.name.is.about.as.long.as.a.name.may.be-" + "0123456789" * 2
REFUSED = {"code": "invalid_input", "message": "2 of 5 rows cannot be taken, so none was (import 1)."}


@dataclass(frozen=True)
class Filled:
    """A signed-in administrator's cookie, and what addresses of pages are made with."""

    cookie: dict[str, Any]
    names: dict[str, str]


def add_eventful(session: Session) -> None:
    """Eighty customers who log in every few days and stop at some time; a silent feed, and findings open and closed."""
    rng = np.random.default_rng(1)
    ids = [happened.customer(session, f"c{number}") for number in range(80)]
    happened.event(session, ids[0], "login", 0)
    first = session.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()
    rows = [
        {
            "customer_id": customer, "kind_id": first.kind_id, "feed_id": first.feed_id,
            "occurred_at": START + int(moment * DAY), "received_at": START + int(moment * DAY),
            "key": (100_000 * customer + place).to_bytes(16, "big"),
        }
        for customer in ids
        for place, moment in enumerate(rng.uniform(0, 100) + np.cumsum(rng.exponential(4, 60)))
        if moment < rng.exponential(250)
    ]  # fmt: skip
    session.execute(insert(Event), rows)
    happened.event(session, ids[0], "login", 299.9)
    findings.hold(session, "odd", LONG, f"Something is odd with {LONG}.")
    findings.close_others(session, "odd", set())
    seen = clock.now_us() - 3 * clock.DAY_US
    feeds.arrived(session, LONG, n=5, first_occurred=seen, last_occurred=seen, received=seen, now=seen)
    feeds.change(session, SYSTEM, LONG, {"expected_seconds": 3600})


def fill(served: Served) -> Filled:
    """Fill a box that holds the 600 scored customers of the fixture `scored_file`."""
    settings: Settings = served.app.config["RETAINSTREAM"]
    with served.app.app_context():
        token, person = _sign_in(settings)
        with unit_of_work() as session:
            predictions.generate(session, person)
        assert {job["state"] for job in run_queued(settings)} == {"succeeded"}
        names = {**_load(settings, person), **_add_models(), **_add_people(person)}
        with read_unit() as session:
            query = select(Identity.user_id).join(LatestScore, LatestScore.customer_id == Identity.customer_id)
            names["user_id"] = str(session.scalar(query.order_by(LatestScore.margin.desc()).limit(1)))
        tell_past(settings, person, names["user_id"])
        with unit_of_work() as session:
            add_eventful(session)
        names |= _work_at_the_desk(settings, person)
        names["segment"] = _keep_segment(person)
        with unit_of_work() as session:
            names["scheme"] = str(add_health(session))
        names |= _report(settings, person)
        with unit_of_work() as session:
            tagging.tag(session, person, tagging.picked(session, [names["user_id"]]), "vip", add=True)
            names |= _work(session)  # last: a job that is said to be running would be run with those that are
    return Filled(cookie(served, token), names)


def _sign_in(settings: Settings) -> tuple[str, Actor]:
    with unit_of_work() as session:
        hashed = accounts.checked_hash(settings, "", PASSWORD)
        user = accounts.create_user(session, EMAIL, "Ana Silva", "admin", hashed)
        token = sessions.create(session, settings, user, user_agent="Mozilla/5.0 Firefox/130.0", address="127.0.0.1")
    with read_unit() as session:
        found = resolve.by_session(session, token)
    assert found is not None
    return token, found[0]


def _load(settings: Settings, person: Actor) -> dict[str, str]:
    """Load a file in which one row is bad, and leave another on trial."""
    good = "customer_id,plan,monthly_price\n" + "".join(f"x{at},basic,{at}.50\n" for at in range(20)) + "x20,basic,?!\n"
    asked = "customer_id,plan,price,churn\n" + "".join(
        f"y{at:03d},{'basic' if at % 2 else 'plus'},{at}.5,{int(at % 5 > 0)}\n" for at in range(80)
    )
    made = []
    for name, text in (("people.csv", good), ("more.csv", asked)):
        upload = files.receive(io.BytesIO(text.encode()), name, settings)
        with read_unit() as session:
            made.append(drafts.begin(session, settings, person, upload, None))
    with unit_of_work() as session:
        batch, _ = drafts.queue(session, person, made[0])
        number = batch.id
    assert {job["state"] for job in run_queued(settings)} == {"succeeded"}
    return {"draft": made[1].token, "import": str(number)}


def _add_models() -> dict[str, str]:
    with unit_of_work() as session:
        first, second = (add_version(session, champion=False, calibrated=good) for good in (True, False))
        # The first was in service once, so that there is a model to go back to.
        served = session.scalars(select(AliasMove)).one()
        moves = [(first, "tried"), (served.model_version_id, "rolled back")]
        session.add_all(
            AliasMove(alias="champion", model_version_id=one, moved_at=served.moved_at + 1 + at, reason=why)
            for at, (one, why) in enumerate(moves)
        )
        _add_runs(session, first)
    return {"version": str(first), "other": str(second)}


def _add_runs(session: Session, version_id: int) -> None:
    """Add a run whose window has closed, and one whose outcome is open."""
    now = clock.now_us()
    caught = [{"share_reached": 0.1, "reached": 60, "share_of_churners": 0.3, "lift": 3.0}]
    promised = {"metrics": {"auc": {"value": 0.78, "low": 0.75, "high": 0.8}}, "caught": caught}
    runs = [
        ScoringRun(
            model_version_id=version_id, role="champion", scope="all", state="complete", as_of=moment, data_as_of=moment,
            definition_id=7, feature_hash="e" * 64, started_at=now, finished_at=now, n_scored=600, summary={},
        )
        for moment in (now - 90 * clock.DAY_US, now)
    ]  # fmt: skip
    session.add_all(runs)
    session.flush()
    came = {
        "n": 600, "churners": 30, "mean_probability": 0.06, "observed_share": 0.05, "caught": caught,
        "metrics": {"auc": {"value": 0.76, "low": 0.7, "high": 0.8}}, "promised": promised,
    }  # fmt: skip
    session.add(RunPerformance(run_id=runs[0].id, data_end=now, evaluated_at=now, metrics=came))


def _add_people(person: Actor) -> dict[str, str]:
    with unit_of_work() as session:
        invited = accounts.invite(session, person, email="new@example.com", role="viewer")
        api_tokens.create(session, person, name="night export", days=30)
        reset = accounts.start_reset(session, person, int(person.user_id or 0))
    return {"invitation": invited.token, "reset": reset.token, "person": str(person.user_id)}


def _work_at_the_desk(settings: Settings, person: Actor) -> dict[str, str]:
    """Adopt plays, and leave tasks of every kind: late, with a note, asleep, ended."""
    with unit_of_work() as session:
        play = play_templates.adopt(session, person, "drifting_away")
        plays.retire(session, person, play_templates.adopt(session, person, "payment_failed").id)
        given = assigning.assign_many(session, person, settings, int(person.user_id or 0), top=5)
        late, noted, asleep, ended, _ = given
        now = clock.now_us()
        tasks.change(session, person, settings, int(late.task_id or 0), {"play_id": play.id})
        session.get_one(Task, late.task_id).due_at = now - clock.DAY_US  # a day has passed since it was given
        notes.write(session, person, noted.user_id, "Prefers to be called in the evening.", task_id=noted.task_id)
        tasks.snooze(session, person, settings, int(asleep.task_id or 0), now + 3 * clock.DAY_US)
        endings.end(session, person, settings, int(ended.task_id or 0), "saved", reason="took the smaller plan")
    return {"play": str(play.id)}


def _report(settings: Settings, person: Actor) -> dict[str, str]:
    """Keep reports: one that was made, one that could not be (its segment is gone), one that rests."""
    weekly = {"every": "week", "weekday": 0, "hour": 7}
    wishes = (
        {"name": "Riskiest of the week", "subject": "customers", "parameters": "band=high", "format": "csv", "schedule": weekly},
        {"name": LONG, "subject": "customers", "parameters": "cell=segment:99999", "format": "pdf"},
        {"name": "Overview", "subject": "home", "format": "html", "schedule": weekly},
    )  # fmt: skip
    with unit_of_work() as session:
        ids = [saved.create(session, person, settings, wish).id for wish in wishes]
        for one in ids[:2]:
            saved.request(session, person, one)
        saved.change(session, person, settings, ids[2], {"paused": True})
    ended = [job["state"] for job in run_queued(settings) if job["kind"] == "report"]
    assert ended == ["succeeded", "failed"], ended
    return {"report": str(ids[0]), "unmade": str(ids[1])}


def _keep_segment(person: Actor) -> str:
    """Keep a segment with conditions of many kinds that was looked at on two days."""
    inner = [
        {"field": "events.count", "kind": "login", "days": 30, "op": "le", "value": 3},
        {"field": "churn_probability", "op": "between", "value": [0.2, 0.9]},
        {"field": "plan", "op": "unknown"},
    ]
    rule = {"all": [{"field": "tags", "op": "has_none", "value": ["vip"]}, {"any": inner}]}
    with unit_of_work() as session:
        one = segments.create(session, person, {"name": "Quiet or risky", "rule": rule}, time_zone="UTC", look=False).id
        for days, n in ((2, 110), (1, 104)):
            looked = clock.now_us() - days * clock.DAY_US
            session.add(SegmentSize(segment_id=one, as_of=looked, revision=1, n=n, entered=4, left=10))
    return str(one)


def _work(session: Session) -> dict[str, str]:
    """Add jobs of every state."""
    counts = {"batch_id": 1, "counts": {"rows": 5, "good": 5, "bad": 0, "new": 5}}
    jobs = {
        "failed": add_job(session, "import", "failed", error=REFUSED),
        "done": add_job(session, "import", "succeeded", result=counts),
        "replay": add_job(session, "replay", "succeeded", result=replayed()),
        "hindsight": add_job(session, "replay", "succeeded", result=replayed(hindsight=True)),
        "running": add_job(session, "train", "running", progress=0.4, phase="searching parameters"),
    }
    return {name: str(one) for name, one in jobs.items()}
