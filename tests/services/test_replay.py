"""What would this have said on a past day? Equal, to the bit, to the same replay on a box that never learned of anything later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.ml.asof.outcomes import labels, standing
from retainstream.models import (
    AliasMove,
    AttributeVersion,
    Customer,
    Exposure,
    JobRun,
    LatestScore,
    ModelVersion,
    ScoreHistory,
    ScoringRun,
)
from retainstream.schemas.predictions import ReplayAnswerSchema
from retainstream.security.actor import SYSTEM
from retainstream.services import as_of, attributes, churn_definitions, registry, replay
from retainstream.services.attributes import Wanted
from retainstream.services.events.rows import EventRows
from retainstream.services.scoring import writing
from tests.history import DAY, START, Past, define, write_events
from tests.work import run_job

LATER = "seen_later"
"""An attribute that was imported after the day."""


def _later_things(session: Session, past: Past, day: int) -> None:
    """Add what tempts a builder to look ahead: late news, attributes known before and after, and acts on customers."""
    rng = np.random.default_rng(7)
    ids = list(session.scalars(select(Customer.id).order_by(Customer.id)))
    n = 400
    at = (day - rng.integers(1, 40 * DAY, n)).tolist()
    received = [moment + int(rng.integers(0, 30 * DAY)) for moment in at]
    names = [past.events.user_ids[int(i)] for i in rng.integers(0, len(past.events), n)]
    kinds = ["support" if rng.random() < 0.5 else "login" for _ in range(n)]
    write_events(session, EventRows(names, kinds, at, received, [None] * n, [None] * n, [None] * n))
    slots = attributes.allocate(session, [Wanted("age", "Age", "integer"), Wanted("city", "City", "category")])
    slots_of_later = attributes.allocate(session, [Wanted(LATER, "Seen later", "number")])
    for one in ids:
        version = AttributeVersion(customer_id=one, valid_from=day - 200 * DAY, known_at=day + DAY, source="import")
        setattr(version, str(slots_of_later[0].slot), float(one))
        session.add(version)
        for known in (day - 200 * DAY, day + 3 * DAY):
            version = AttributeVersion(customer_id=one, valid_from=known, known_at=known, source="import")
            for slot, value in zip(
                slots, (float(rng.integers(18, 80)), ["Lyon", "Bath", "Kiel"][int(rng.integers(0, 3))]), strict=True
            ):
                setattr(version, str(slot.slot), value)
            session.add(version)
        moment = day + int(rng.integers(-90, 30)) * DAY
        if rng.random() < 0.2:
            act = Exposure(
                customer_id=one,
                at=moment,
                kind="call",
                source="t",
                arm="treated",
                propensity=1.0,
                recorded_at=moment + DAY,
            )
            session.add(act)
    session.flush()


_KNOWN = " UNION ".join(
    f"SELECT customer_id FROM {table}" for table in ("events", "subscriptions", "attribute_versions")
)


def _forget_later(session: Session, day: int) -> None:
    """Remove everything that was received, known or created on or after a day."""
    for statement in (
        "DELETE FROM events WHERE occurred_at >= :day OR received_at >= :day",
        "DELETE FROM subscriptions WHERE received_at >= :day",
        "DELETE FROM attribute_versions WHERE known_at >= :day",
        f"DELETE FROM attribute_definitions WHERE name = '{LATER}'",
        "DELETE FROM exposures WHERE at >= :day OR recorded_at >= :day",
        f"DELETE FROM customers WHERE id NOT IN ({_KNOWN})",
        "DELETE FROM event_kinds WHERE id NOT IN (SELECT kind_id FROM events)",
        "UPDATE customers SET plan = NULL, revenue_minor = NULL, churned = NULL, churned_at = NULL",
        "INSERT INTO revisions (name, value) VALUES ('removals', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
    ):
        session.execute(text(statement), {"day": day})


def _replayed(settings: Settings, day: int) -> dict[str, object]:
    """Replay a day and return all that must not depend on later rows."""
    result = run_job(settings, "replay", {"as_of": day, "trials": 1})
    with read_unit() as session:
        version = session.get_one(ModelVersion, result["model_version"])
        run = session.get_one(ScoringRun, result["run_id"])
        scores = session.execute(
            select(ScoreHistory.customer_id, ScoreHistory.margin)
            .where(ScoreHistory.run_id == run.id)
            .order_by(ScoreHistory.customer_id)
        ).all()
        timeless = {key: value for key, value in version.report.items() if key != "timings"}
        return {
            "scores": [tuple(row) for row in scores],
            "features": run.feature_hash,
            "data_as_of": run.data_as_of,
            "summary": {key: value for key, value in run.summary.items() if key not in ("outcome", "top")},
            "report": timeless,
            "window": version.data_window,
            "typical": version.parameters["typical"],
        }


@pytest.mark.parametrize(("kind", "days_back"), [("cancel", 45), ("cancel", 60), ("inactivity", 20)])
def test_what_came_later_changes_nothing_to_the_bit(
    past_box: Settings, past: Past, tmp_path: Path, kind: str, days_back: int
) -> None:
    day = past.data_end - days_back * DAY
    with unit_of_work() as session:
        _later_things(session, past, day)
        if kind == "inactivity":
            define(session, "inactivity", inactive_days=21)
    db.engine.dispose()
    twin = Settings(instance=str(tmp_path / "twin"), bcrypt_cost=4, jobs=False, train_trials=2)
    twin.instance_path.mkdir()
    shutil.copy(past_box.database_file, twin.database_file)
    whole = _replayed(past_box, day)
    with create_minimal_app(twin).app_context():
        with unit_of_work() as session:
            _forget_later(session, day)
        cut = _replayed(twin, day)
        db.engine.dispose()
    assert len(whole["scores"]) > 100  # type: ignore[arg-type]
    assert any("support" in str(item) for item in whole["report"]["importance"])  # type: ignore[index]
    for part, value in whole.items():
        assert json.dumps(value, sort_keys=True) == json.dumps(cut[part], sort_keys=True), part


def test_a_replay_is_judged_by_who_really_left_and_touches_nothing_in_force(ahead_box: Settings, past: Past) -> None:
    day = past.data_end - 60 * DAY

    def in_force() -> tuple[object, ...]:
        with read_unit() as session:
            return (
                session.execute(select(LatestScore.customer_id, LatestScore.run_id, LatestScore.margin)).all(),
                session.execute(select(AliasMove.id, AliasMove.model_version_id)).all(),
                session.execute(select(Customer.id, Customer.churned, Customer.churned_at, Customer.updated_at)).all(),
            )

    before = in_force()
    result = run_job(ahead_box, "replay", {"as_of": day})
    assert in_force() == before
    with read_unit() as session:
        run = session.get_one(ScoringRun, result["run_id"])
        version = session.get_one(ModelVersion, result["model_version"])
        rule = churn_definitions.rule_of(churn_definitions.get(session, version.definition_id))
        assert rule is not None
        history = as_of.history(session, ahead_box)
        first = run.summary["top"][0]["customer_id"]  # type: ignore[index]
        roles = session.scalars(
            select(ScoringRun.role)
            .join(ScoreHistory, ScoreHistory.run_id == ScoringRun.id)
            .where(ScoreHistory.customer_id == first)
        ).all()
    assert (run.role, run.as_of, version.as_of, run.state) == ("replay", day, day, "complete")
    assert "replay" in roles
    here = standing(rule, history, day).customers
    left = int((labels(rule, history, here, day, past.data_end).y == 1).sum())
    outcome = result["outcome"]
    assert (outcome["closed"], outcome["n"], outcome["churners"]) == (True, len(here), left)
    assert outcome["metrics"]["auc"]["low"] > 0.5
    assert 0 < outcome["metrics"]["calibration_slope"]["value"] < 3
    assert outcome["caught"][-1]["lift"] > 1
    assert result["hindsight"] is False
    assert len(result["top"]) == replay.TOP


def test_an_open_window_says_until_when(past_box: Settings, past: Past) -> None:
    day = past.data_end - 10 * DAY
    outcome = run_job(past_box, "replay", {"as_of": day, "trials": 1})["outcome"]
    assert outcome["closed"] is False
    assert outcome["open_until"] == clock.iso(day + 30 * DAY)
    assert "until" in outcome["message"]


def test_scores_need_not_be_kept(ahead_box: Settings, past: Past) -> None:
    with read_unit() as session:
        before = session.scalar(select(func.count()).select_from(ScoreHistory))
    result = run_job(ahead_box, "replay", {"as_of": past.data_end - 60 * DAY, "keep_scores": False, "trials": 1})
    assert result["run_id"] is None
    assert result["n_scored"] > 100
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ScoreHistory)) == before
        assert session.scalars(select(ScoringRun.role)).all() == ["champion"]


def test_an_earlier_model_and_a_later_one(ahead_box: Settings, past: Past) -> None:
    day, early = past.data_end - 40 * DAY, past.data_end - 70 * DAY
    with unit_of_work() as session:
        with pytest.raises(NotReady, match="let the replay train one"):
            replay.request(session, SYSTEM, {"as_of": day, "model": "earlier"})
        with pytest.raises(NotFound):
            replay.request(session, SYSTEM, {"as_of": day, "model": 99})
        with pytest.raises(InvalidInput, match="later day"):
            replay.request(session, SYSTEM, {"as_of": past.end + 9 * DAY})
    own = run_job(ahead_box, "train", {"as_of": early, "promote": False, "trials": 1})["model_version"]
    earlier = run_job(ahead_box, "replay", {"as_of": day, "model": "earlier"})
    assert (earlier["model_version"], earlier["hindsight"]) == (own, False)
    champion = run_job(ahead_box, "replay", {"as_of": day, "model": 1})
    assert (champion["model_version"], champion["hindsight"]) == (1, True)
    assert earlier["run_id"] is not None
    assert champion["run_id"] is None  # nobody could have had these scores that day
    kept = run_job(ahead_box, "replay", {"as_of": day, "model": 1, "keep_scores": True})
    assert kept["run_id"] is not None
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 2
        current = registry.champion(session)
        assert current is not None
        assert current.version_id == 1
    with unit_of_work() as session:
        session.execute(text("UPDATE model_versions SET kind = 'snapshot' WHERE id = 1"))
        with pytest.raises(Conflict, match="snapshot"):
            replay.request(session, SYSTEM, {"as_of": day, "model": 1})


def test_too_little_on_that_day_says_what_is_missing(past_box: Settings) -> None:
    with pytest.raises(NotReady, match="Nothing was known by then"):
        run_job(past_box, "replay", {"as_of": START, "trials": 1})


def test_a_killed_replay_is_taken_up_without_a_second_model(
    past_box: Settings, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with unit_of_work() as session:
        job = replay.request(session, SYSTEM, {"as_of": past.data_end - 60 * DAY, "trials": 1}).id
        with pytest.raises(Conflict, match="already queued"):
            replay.request(session, SYSTEM, {"as_of": past.data_end - 60 * DAY, "trials": 1})
    with monkeypatch.context() as patched:
        patched.setattr(writing, "complete", killed)
        patched.setattr(writing, "clean_up", lambda _: None)
        with pytest.raises(KilledError):
            run_job(past_box, job=job)
    result = run_job(past_box, job=job, reopen=True)
    again = run_job(past_box, job=job, reopen=True)
    assert again == result
    with read_unit() as session:
        assert session.scalars(select(ScoringRun.state).order_by(ScoringRun.id)).all() == ["abandoned", "complete"]
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 1
        assert session.scalar(select(func.count()).select_from(ScoreHistory)) == result["n_scored"]
        found = replay.found(session, job)
        assert not ReplayAnswerSchema().validate(json.loads(json.dumps(found, allow_nan=False)))
        assert all(str(item["user_id"]).startswith("p1-") for item in found["top"])  # type: ignore[attr-defined]
        assert "user_id" not in json.dumps(session.get_one(JobRun, job).result)  # results outlive an erasure
        with pytest.raises(NotFound):
            replay.found(session, 99)


def test_a_day_on_which_nobody_was_a_customer_yet(ahead_box: Settings) -> None:
    result = run_job(ahead_box, "replay", {"as_of": START, "model": 1})
    assert (result["n_scored"], result["top"], result["expected_churners"]) == (0, [], 0.0)
    assert (result["outcome"]["closed"], result["outcome"]["n"]) == (True, 0)
