"""Runs meet what happened: figures by an independent count, estimates until a window has closed, and judging that is killed, repeated or late."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sklearn.metrics import brier_score_loss, roc_auc_score
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import (
    Customer,
    Exposure,
    Identity,
    RunPerformance,
    ScoreHistory,
    ScoreOutcome,
    ScoringRun,
    Subscription,
)
from retainstream.schemas.performance import PerformanceSchema
from retainstream.security.actor import SYSTEM
from retainstream.services import performance, registry, score_moves
from retainstream.services.customers import erasure
from retainstream.services.events.rows import EventRows
from retainstream.services.performance import figures, judging
from tests.history import DAY, Past, make_box, write_events
from tests.work import run_job


@pytest.fixture(scope="module")
def replayed_file(tmp_path_factory: pytest.TempPathFactory, looking_ahead: dict[str, Path], past: Past) -> Path:
    """A champion's run that is open (1), a replay by a model of that day (2), a later one by the same (3), one with hindsight (4), and one whose
    model withholds its probabilities (5)."""
    settings = Settings(instance=str(tmp_path_factory.mktemp("replayed")), bcrypt_cost=4, jobs=False, train_trials=2)
    shutil.copy(looking_ahead["scored"], settings.database_file)
    with create_minimal_app(settings).app_context():
        for days, model in ((65, "train"), (50, 2), (120, 1), (120, "train")):
            result = run_job(settings, "replay", {"as_of": past.end - days * DAY, "model": model, "keep_scores": True})
            assert result["outcome"]["closed"]
        assert result["average_probability"] is None
        with unit_of_work() as session:
            runs = session.scalars(select(RunPerformance.run_id).order_by(RunPerformance.run_id)).all()
            assert runs == [2, 3, 4, 5]  # a replay of a closed window is judged at once; here they wait for the job
            session.execute(delete(RunPerformance))
            session.execute(delete(ScoreOutcome))
        db.engine.dispose()
    return settings.database_file


@pytest.fixture
def box(minimal_app: Flask, settings: Settings, replayed_file: Path) -> Settings:
    assert minimal_app
    shutil.copy(replayed_file, settings.database_file)
    return settings


def _left(session: Session, past: Past, as_of: int, days: int = 30) -> set[int]:
    """Return who left of their own accord in the days after, straight from what was written."""
    rows = past.subscriptions
    names = {
        name
        for name, ended, reason in zip(rows.user_ids, rows.ended, rows.reasons, strict=True)
        if ended is not None and reason == "voluntary" and as_of <= ended < as_of + days * DAY
    }
    found = session.execute(select(Identity.user_id, Identity.customer_id)).all()
    return {customer_id for name, customer_id in found if name in names}


def _listed(session: Session, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = performance.results(session, **asked)
    assert PerformanceSchema().validate(answer) == {}
    return answer


def _by_run(session: Session, **asked: Any) -> dict[int, dict[str, Any]]:
    return {item["run_id"]: item for item in _listed(session, **asked)["items"]}


def test_realised_figures_are_those_of_sklearn_on_labels_counted_by_hand(box: Settings, past: Past) -> None:
    result = run_job(box, "judge")
    assert (result["judged"], result["estimated"], result["unreadable"]) == (4, 1, 0)
    with read_unit() as session:
        items = _by_run(session)
        assert [items[run]["state"] for run in range(1, 6)] == ["open", *["judged"] * 4]
        for run_id in (2, 3, 4, 5):
            run = session.get_one(ScoringRun, run_id)
            left = _left(session, past, run.as_of)
            rows = session.execute(
                select(ScoreHistory.customer_id, ScoreHistory.margin)
                .where(ScoreHistory.run_id == run_id)
                .order_by(ScoreHistory.customer_id)
            ).all()
            y = np.array([row.customer_id in left for row in rows])
            margin = np.array([row.margin for row in rows])
            found = items[run_id]["realised"]
            assert found["estimated"] is False and found["left_out"] == {}
            assert (found["n"], found["churners"]) == (len(rows), y.sum())
            assert found["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(y, margin))
            served = registry.load(session, run.model_version_id).served_
            p = served.calibrated(margin, served.folds_of(len(rows), None))
            if items[run_id]["calibrated"]:
                assert found["metrics"]["brier"]["value"] == pytest.approx(brier_score_loss(y, p), rel=1e-6)
                assert found["mean_probability"] == pytest.approx(p.mean())
            tenth = round(0.1 * len(rows))
            caught = next(one for one in found["caught"] if one["reached"] == tenth)
            first = np.argsort(-margin, kind="stable")[:tenth]
            ties = int((margin == margin[first[-1]]).sum())
            assert abs(caught["churners"] - y[first].sum()) <= (0 if ties == 1 else ties)
            states = dict(
                session.execute(
                    select(ScoreOutcome.customer_id, ScoreOutcome.state).where(ScoreOutcome.run_id == run_id)
                ).all()
            )
            assert states == {row.customer_id: int(row.customer_id in left) for row in rows}


def test_customers_who_were_treated_are_counted_and_set_apart(box: Settings, past: Past) -> None:
    with unit_of_work() as session:
        moment = session.get_one(ScoringRun, 2).as_of
        scored = list(session.scalars(select(ScoreHistory.customer_id).where(ScoreHistory.run_id == 2)))
        left = _left(session, past, moment)
        called = set(scored[::7])
        acts = [(one, moment + 3 * DAY, "treated") for one in called]
        acts += [(one, moment + 3 * DAY, "held_out") for one in scored[1::7]]  # on whom nothing was done
        acts += [(one, at, "treated") for one in scored[2::7] for at in (moment - 1, moment + 31 * DAY)]
        for one, at, arm in acts:
            session.add(_act(one, at, arm))
    run_job(box, "judge")
    with read_unit() as session:
        items = _by_run(session)
        rows = session.execute(select(ScoreHistory.customer_id, ScoreHistory.margin).where(ScoreHistory.run_id == 2))
        alone = [(row.margin, row.customer_id in left) for row in rows if row.customer_id not in called]
    found = items[2]["realised"]
    assert (found["treated"], found["n"]) == (len(called), len(scored))
    untreated = found["untreated"]
    assert (untreated["n"], untreated["churners"]) == (len(scored) - len(called), len(left & set(scored) - called))
    expected = roc_auc_score([y for _, y in alone], [margin for margin, _ in alone])
    assert untreated["metrics"]["auc"]["value"] == pytest.approx(expected)
    assert "calibration_slope" in untreated["metrics"]
    assert (items[5]["realised"]["treated"], items[5]["realised"]["untreated"]) == (0, None)


def _act(customer_id: int, at: int, arm: str) -> Exposure:
    return Exposure(customer_id=customer_id, at=at, kind="call", source="t", arm=arm, propensity=0.9, recorded_at=at)


def test_promised_and_realised_are_told_of_the_same_capacities(box: Settings) -> None:
    run_job(box, "judge")
    with read_unit() as session:
        items = _by_run(session)
    for item in items.values():
        told = item["realised"] or item["estimated"]
        capacities = [(one["share_reached"], one["reached"]) for one in told["caught"]]
        assert capacities == [(one["share_reached"], one["reached"]) for one in item["promised"]["caught"]]
        assert [share for share, _ in capacities] == [0.01, 0.02, 0.05, 0.1, 0.2, 0.3]
        assert all(heads == max(1, round(share * told["n"])) for share, heads in capacities)


def test_promised_stands_beside_realised_and_replays_are_told_from_the_champions_runs(box: Settings) -> None:
    with read_unit() as session:
        before = _listed(session)
        assert before["summary"]["runs"] == 0 and "estimate" in before["summary"]["message"]
        assert [item["state"] for item in before["items"]] == ["open", *["due"] * 4]
    run_job(box, "judge")
    with read_unit() as session:
        after = _listed(session)
        items = {item["run_id"]: item for item in after["items"]}
        promised = registry.load(session, 2).report_.metrics["auc"].value
    assert [item["run_id"] for item in after["items"]] == [1, 3, 2, 5, 4]
    assert [items[run]["hindsight"] for run in range(1, 6)] == [False, False, False, True, False]
    assert items[2]["promised"]["metrics"]["auc"]["value"] == pytest.approx(promised)
    assert items[2]["promised"]["caught"] and items[2]["promised"]["n"] > 0
    summary = after["summary"]
    assert (summary["role"], summary["runs"]) == ("replay", 3)  # without the one that had hindsight
    assert "replays" in summary["message"]
    counted = [(items[run]["realised"]["n"], items[run]["realised"]["metrics"]["auc"]["value"]) for run in (2, 3, 5)]
    mean = np.average([auc for _, auc in counted], weights=[n for n, _ in counted])
    assert summary["realised_auc"] == pytest.approx(mean)
    assert summary["churners"] == sum(items[run]["realised"]["churners"] for run in (2, 3, 5))
    probable = [(items[run]["realised"]["n"], items[run]["realised"]["mean_probability"]) for run in (2, 3)]
    mean = np.average([p for _, p in probable], weights=[n for n, _ in probable])
    assert summary["mean_probability"] == pytest.approx(mean)


def test_an_estimate_holds_the_place_until_the_window_has_closed(box: Settings, past: Past) -> None:
    with read_unit() as session:
        fresh = _by_run(session)[1]
        run = session.get_one(ScoringRun, 1)
        expected = run.summary["expected_churners"]
    assert fresh["calibrated"] and fresh["state"] == "open" and fresh["realised"] is None
    estimated = fresh["estimated"]
    assert estimated["estimated"] is True and estimated["observed_share"] is None
    assert estimated["churners"] == pytest.approx(expected)
    assert 0.5 < estimated["metrics"]["auc"]["value"] < 1 and estimated["metrics"]["auc"]["low"] is None
    assert fresh["window"]["closes_at"] > fresh["as_of"]
    run_job(box, "judge")
    figures._estimates._kept.clear()  # as in another process
    with read_unit() as session:
        assert session.get_one(ScoringRun, 1).summary[figures.ESTIMATE] == estimated
        assert _by_run(session)[1]["estimated"] == estimated
    with unit_of_work() as session:
        _go_on(session, past, days=40)
    assert run_job(box, "judge")["judged"] == 1
    with read_unit() as session:
        closed = _listed(session)
        item = next(one for one in closed["items"] if one["run_id"] == 1)
        scored = set(session.scalars(select(ScoreHistory.customer_id).where(ScoreHistory.run_id == 1)))
        left = len(_left(session, past, run.as_of) & scored)
    assert item["state"] == "judged" and item["estimated"] is None
    assert item["realised"]["n"] == item["n_scored"]
    assert item["realised"]["churners"] == left > 0  # on the year's last day
    assert item["realised"]["metrics"] == {}  # too few for a rank to have a quality
    assert (closed["summary"]["role"], closed["summary"]["runs"], closed["summary"]["message"]) == ("champion", 1, None)


def test_a_page_that_takes_estimates_at_hand_makes_none(box: Settings) -> None:
    with read_unit() as session:
        assert _by_run(session, at_hand=True)[1]["estimated"] is None
    run_job(box, "judge")
    with read_unit() as session:
        assert _by_run(session, at_hand=True)[1]["estimated"] == _by_run(session)[1]["estimated"] is not None


def _go_on(session: Session, past: Past, days: int) -> None:
    """Let somebody log in so many days after the end, so that the data reach there."""
    at = past.end + days * DAY
    write_events(session, EventRows([past.events.user_ids[0]], ["login"], [at], [at], [None], [None], [None]))


def test_the_first_judgement_stands(box: Settings, past: Past) -> None:
    run_job(box, "judge")
    with read_unit() as session:
        before = _by_run(session)[2]["realised"]
    with unit_of_work() as session:
        for period in session.scalars(select(Subscription).where(Subscription.ended_at.is_not(None))):
            period.end_reason = "payment_failed"  # a correction that changes every outcome
        _go_on(session, past, days=2)
    assert run_job(box, "judge")["judged"] == 0
    with read_unit() as session:
        assert _by_run(session)[2]["realised"] == before
        assert session.scalar(select(func.count()).select_from(ScoreOutcome).where(ScoreOutcome.state == 1))


class KilledError(BaseException):
    """As a SIGKILL in the middle."""


def test_a_judging_that_was_killed_counts_for_nothing_and_is_done_again(
    box: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judging._outcome_rows

    def killed(*given: Any) -> Iterator[Any]:
        yield from itertools.islice(whole(*given), 2)
        raise KilledError

    monkeypatch.setattr(judging, "_WRITE", 100)
    monkeypatch.setattr(judging, "_outcome_rows", killed)
    with pytest.raises(KilledError):
        run_job(box, "judge")
    monkeypatch.undo()
    with unit_of_work() as session:  # what a kill leaves: outcomes, one of them wrong by now, and no figures
        assert session.scalar(select(func.count()).select_from(ScoreOutcome)) == 200
        assert session.scalar(select(func.count()).select_from(RunPerformance)) == 0
        session.merge(ScoreOutcome(run_id=4, customer_id=session.scalar(_one_of(4)), state=2, left_at=5))
    with read_unit() as session:
        someone = session.scalar(_one_of(4))
        assert someone is not None
        shown: Any = score_moves.history(session, box, someone)["items"]
        assert all(item["outcome"] is None for item in shown)
    assert run_job(box, "judge")["judged"] == 4
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(RunPerformance)) == 4
        scored = sum(session.get_one(ScoringRun, run).n_scored for run in (2, 3, 4, 5))
        assert session.scalar(select(func.count()).select_from(ScoreOutcome)) == scored
        assert not session.scalar(select(func.count()).select_from(ScoreOutcome).where(ScoreOutcome.state == 2))
    assert run_job(box, "judge")["judged"] == 0


def _one_of(run_id: int) -> Any:
    return select(func.min(ScoreHistory.customer_id)).where(ScoreHistory.run_id == run_id)


def test_who_was_erased_is_counted_and_leaves_no_outcome(box: Settings) -> None:
    with unit_of_work() as session:
        gone = session.scalar(_one_of(2))
        assert gone is not None
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == gone))
        assert user_id is not None
        erasure.erase(session, SYSTEM, user_id, key=b"k" * 32)
    run_job(box, "judge")
    with read_unit() as session:
        item = _by_run(session)[2]
        assert item["realised"]["left_out"] == {"erased": 1}
        assert item["realised"]["n"] == item["n_scored"] - 1
        assert session.get(Customer, gone) is None
        assert not session.scalar(
            select(func.count()).select_from(ScoreOutcome).where(ScoreOutcome.customer_id == gone)
        )


def test_percentages_of_a_model_that_withholds_them_are_nowhere(box: Settings) -> None:
    with read_unit() as session:
        before = _by_run(session)[5]
    run_job(box, "judge")
    with read_unit() as session:
        after = _by_run(session)[5]
    assert before["state"] == "due" and before["estimated"] is None and before["calibrated"] is False
    assert set(after["promised"]["metrics"]) == {"auc", "pr_auc", "top_decile_lift"}
    assert after["realised"]["mean_probability"] is None and after["realised"]["observed_share"] > 0
    assert set(after["realised"]["metrics"]) == {"auc", "pr_auc", "top_decile_lift"}


def test_pages_and_filters(box: Settings) -> None:
    run_job(box, "judge")
    with read_unit() as session:
        whole = [item["run_id"] for item in _listed(session)["items"]]
        first = _listed(session, request=PageRequest(3))
        second = _listed(session, request=PageRequest(3, first["next_cursor"]))
        assert [item["run_id"] for page in (first, second) for item in page["items"]] == whole
        assert (first["total"], second["next_cursor"]) == (5, None)
        assert [item["run_id"] for item in _listed(session, role="champion")["items"]] == [1]
        assert [item["run_id"] for item in _listed(session, model_version=2)["items"]] == [3, 2]
        assert _listed(session, model_version=2)["total"] == 2
        assert _listed(session, model_version=99)["items"] == []


def test_leavers_within_the_lead_are_told_apart(
    minimal_app: Flask, settings: Settings, tmp_path: Path, migrated_file: Path, past: Past
) -> None:
    assert minimal_app
    (tmp_path / "lead").mkdir()
    shutil.copy(make_box(tmp_path / "lead", migrated_file, past, lead_days=10), settings.database_file)
    moment = past.end - 80 * DAY
    result = run_job(settings, "replay", {"as_of": moment, "model": "train", "trials": 1})
    run_job(settings, "judge")
    with read_unit() as session:
        item = _by_run(session)[result["run_id"]]
        soon = _left(session, past, moment, days=10)
        later = _left(session, past, moment + 10 * DAY)
        outcomes = session.execute(
            select(ScoreOutcome.customer_id, ScoreOutcome.state, ScoreOutcome.left_at).where(
                ScoreOutcome.run_id == result["run_id"]
            )
        ).all()
        scored = set(session.scalars(select(ScoreHistory.customer_id).where(ScoreHistory.run_id == result["run_id"])))
    by_state = {code: {row.customer_id for row in outcomes if row.state == code} for code in (0, 1, 2)}
    assert by_state[2] == soon & scored and by_state[1] == later & scored
    assert by_state[2] and by_state[1]
    assert all(moment <= row.left_at < moment + 10 * DAY for row in outcomes if row.state == 2)
    assert item["realised"]["left_out"]["left_within_lead"] >= len(by_state[2])
    assert item["window"]["opens_at"] == clock.iso(moment + 10 * DAY)


def test_a_box_without_any_history_has_nothing_to_judge(minimal_app: Flask, settings: Settings) -> None:
    assert minimal_app
    assert run_job(settings, "judge") == {"judged": 0, "estimated": 0, "unreadable": 0, "data_end": None}
    with read_unit() as session:
        assert _listed(session)["items"] == []
