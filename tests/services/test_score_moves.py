"""The ledger of one customer's scores: parts that add up across runs and models, what became of each score, and pasts that were changed since."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.errors import NotFound
from retainstream.ml import score_moves as splitting
from retainstream.ml.features import FeatureSpec
from retainstream.models import (
    AttributeVersion,
    Event,
    Identity,
    ModelArtifact,
    ScoreHistory,
    ScoringRun,
)
from retainstream.schemas.performance import HistorySchema
from retainstream.security.actor import SYSTEM
from retainstream.services import registry, score_moves, timeline, timeline_scores
from retainstream.services.customers import erasure, record
from retainstream.services.scoring import single
from tests.history import DAY, Past
from tests.population import FRAME, staying
from tests.work import run_job

DAYS = (20, 27, 55, 62, 69)
Item = dict[str, Any]


@pytest.fixture(scope="module")
def moved_file(tmp_path_factory: pytest.TempPathFactory, looking_ahead: dict[str, Path], past: Past) -> Path:
    """A champion's run of model 1, and replays before it: model 2 of 69 days ago, scoring that day and a week later, and model 1 the other days."""
    settings = Settings(instance=str(tmp_path_factory.mktemp("moved")), bcrypt_cost=4, jobs=False, train_trials=2)
    shutil.copy(looking_ahead["scored"], settings.database_file)
    with create_minimal_app(settings).app_context():
        for days in reversed(DAYS):
            model = {69: "train", 62: 2}.get(days, 1)
            run_job(settings, "replay", {"as_of": past.end - days * DAY, "model": model, "keep_scores": True})
        db.engine.dispose()
    return settings.database_file


@pytest.fixture
def box(minimal_app: Flask, settings: Settings, moved_file: Path) -> Settings:
    assert minimal_app
    shutil.copy(moved_file, settings.database_file)
    return settings


def _items(box: Settings, customer_id: int, **options: Any) -> list[Item]:
    with read_unit() as session:
        found: Any = score_moves.history(session, box, customer_id, **options)
    assert HistorySchema().validate(found) == {}
    items: list[Item] = found["items"]
    return items


def _scored_in(runs: int) -> list[int]:
    """Return customers who were scored in so many runs."""
    query = select(ScoreHistory.customer_id).group_by(ScoreHistory.customer_id).having(func.count() == runs)
    with read_unit() as session:
        return list(session.scalars(query.order_by(ScoreHistory.customer_id)))


def _compared(items: list[Item]) -> list[tuple[Item, Item]]:
    """Return newer and older scores that a move may compare: of models that knew of later days, or of models that did not."""
    sorts = [[item for item in items if item["hindsight"] is hindsight] for hindsight in (False, True)]
    return [pair for sort in sorts for pair in itertools.pairwise(sort)]


def _total(parts: dict[str, float]) -> float:
    return sum(parts[name] for name in ("features", "model", "calibration", "unexplained"))


def test_parts_add_up_for_many_customers_within_a_model_and_across_two(box: Settings) -> None:
    swaps = 0
    for customer_id in _scored_in(6)[:60]:
        items = _items(box, customer_id)
        assert [item["model_version"] for item in items] == [1, 1, 1, 1, 2, 2]
        assert [item["hindsight"] for item in items] == [False, True, True, True, False, False]
        assert [item["move"] is None for item in items] == [False, False, False, True, False, True]
        for newer, older in _compared(items):
            move = newer["move"]
            assert (move["from_run_id"], move["from_as_of"]) == (older["run_id"], older["as_of"])
            on_margin, probability = move["margin"], move["probability"]
            assert on_margin["total"] == pytest.approx(newer["margin"] - older["margin"], abs=1e-9)
            assert probability["total"] == pytest.approx(
                newer["churn_probability"] - older["churn_probability"], abs=1e-9
            )
            for parts in (on_margin, probability):
                assert _total(parts) == pytest.approx(parts["total"], abs=1e-6)
                assert abs(parts["unexplained"]) < 1e-6  # nothing of the past was changed
            told = sum(one["margin"] for one in move["features"]) + move["other_features"]
            assert told == pytest.approx(on_margin["features"], abs=1e-6)
            if newer["model_version"] == older["model_version"]:
                assert on_margin["model"] == probability["model"] == probability["calibration"] == 0
            else:
                swaps += 1
                assert abs(on_margin["model"]) > 1e-6 and abs(probability["calibration"]) > 1e-9
    assert swaps >= 60


def test_parts_are_those_of_the_stated_order_by_hand(box: Settings) -> None:
    customer_id, items = next(
        (one, items) for one in _scored_in(6) if len((items := _items(box, one))[0]["move"]["features"]) > 2
    )
    newer, older = items[0], items[4]
    with read_unit() as session:
        runs = [session.get_one(ScoringRun, item["run_id"]) for item in (older, newer)]
        m1, m2 = (registry.load(session, run.model_version_id).served_ for run in runs)
        rule = _rule(session, runs[0].definition_id)
        x1, x2 = (single.at(session, box, customer_id, rule, m1.specs, run.as_of).values for run in runs)
        x2_for_2 = single.at(session, box, customer_id, rule, m2.specs, runs[1].as_of).values
    assert m1 is not m2
    now = m1.score_one(x2)
    p = [m1.score_one(x1).probability, now.probability, m2.score_one(x2_for_2).probability]
    swapped = float(m1.calibrators[0].apply(np.array([m2.score_one(x2_for_2).margin]))[0])
    assert None not in p
    expected = [p[1] - p[0], swapped - p[1], p[2] - swapped]  # type: ignore[operator]
    parts = newer["move"]["probability"]
    assert [parts[name] for name in ("features", "model", "calibration")] == pytest.approx(expected, abs=1e-6)
    before = m1.score_one(x1).contributions
    differences = {name: amount - before[name] for name, amount in now.contributions.items()}
    assert sum(differences.values()) == pytest.approx(newer["move"]["margin"]["features"], abs=1e-4)
    strongest = max(differences, key=lambda name: abs(differences[name]))
    first = newer["move"]["features"][0]
    assert first["feature"] == strongest
    assert first["margin"] == pytest.approx(differences[strongest], abs=1e-5)
    assert (first["before"], first["after"]) == (x1[strongest], x2[strongest])
    for one in newer["move"]["features"]:
        assert one["sentence"].startswith(one["title"])
        assert ("raises" if one["margin"] > 0 else "lowers") in one["sentence"]


def test_a_timeline_tells_each_score_and_how_far_it_moved(box: Settings) -> None:
    customer_id = _scored_in(6)[0]
    items = {item["run_id"]: item for item in _items(box, customer_id)}
    with read_unit() as session:
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == customer_id)) or ""
        page = timeline.read(session, SYSTEM, user_id, limit=200)
        entries = timeline_scores.told(session, box, user_id, page.entries)
    assert [entry.moment for entry in entries] == [entry.moment for entry in page.entries]
    scores = [entry.facts for entry in entries if entry.source == "score"]
    assert [facts["run_id"] for facts in scores] == list(items)
    for facts in scores:
        item, move = items[facts["run_id"]], facts["move"]
        assert {name: facts[name] for name in timeline_scores.FACTS} == {
            name: item[name] for name in timeline_scores.FACTS
        }
        if item["move"] is None:
            assert move is None
            continue
        before = items[move["from_run_id"]]
        assert (move["from_as_of"], move["from_risk_band"]) == (before["as_of"], before["risk_band"])
        assert move["margin"] == pytest.approx(item["move"]["margin"]["total"], abs=1e-9)
        assert move["probability"] == pytest.approx(item["move"]["probability"]["total"], abs=1e-9)


def _rule(session: Any, definition_id: int) -> Any:
    from retainstream.services.scoring import reading

    return reading.rule_of(session, definition_id)


def test_who_joined_later_has_fewer_scores_and_who_left_keeps_them(box: Settings, past: Past) -> None:
    with read_unit() as session:
        names = dict(session.execute(select(Identity.customer_id, Identity.user_id)).all())
    started = dict(zip(past.subscriptions.user_ids, past.subscriptions.started, strict=True))
    ended = dict(zip(past.subscriptions.user_ids, past.subscriptions.ended, strict=True))
    late = next(one for one in _scored_in(5) if started[names[one]] > past.end - 69 * DAY)
    items = _items(box, late)
    assert [item["model_version"] for item in items] == [1, 1, 1, 1, 2]  # none of the first day
    assert [item["move"] is None for item in items] == [False, False, False, True, True]
    gone = next(one for one in _scored_in(3) if (ended[names[one]] or past.end) < past.end - 32 * DAY)
    told = [item["outcome"] for item in _items(box, gone) if item["outcome"] is not None]
    assert {one["state"] for one in told} <= {"left", "stayed"} and any(one["state"] == "left" for one in told)
    assert all(one["left_at"] is not None for one in told)


def test_outcomes_appear_when_a_run_was_judged(box: Settings) -> None:
    customer_id = _scored_in(6)[0]
    items = _items(box, customer_id)
    judged = [item["outcome"] for item in items]
    assert judged[:3] == [None, None, None]  # their windows are open
    assert judged[-1] == {"state": "stayed", "left_at": None}


def test_a_past_that_was_changed_leaves_something_unexplained(box: Settings) -> None:
    before = {one: _items(box, one) for one in _scored_in(6)[:10]}
    with unit_of_work() as session:
        session.execute(delete(Event).where(Event.customer_id.in_(before)))
    for customer_id, items in before.items():
        after = _items(box, customer_id)
        assert [item["margin"] for item in after] == [item["margin"] for item in items]  # what was said was said
        for new, old in zip(after, items, strict=True):
            if new["move"] is not None:
                parts = new["move"]["probability"]
                assert _total(parts) == pytest.approx(parts["total"], abs=1e-6)
                assert parts["total"] == old["move"]["probability"]["total"]
    rest = [
        abs(item["move"]["margin"]["unexplained"])
        for one in before
        for item in _items(box, one)
        if item["move"] is not None
    ]
    assert max(rest) > 0.01


def test_only_the_newest_moves_are_split(box: Settings) -> None:
    items = _items(box, _scored_in(6)[0], moves=2)
    assert [item["move"] is not None for item in items] == [True, True, False, False, False, False]


def test_a_model_whose_bytes_are_gone_takes_its_moves_with_it(box: Settings) -> None:
    with unit_of_work() as session:
        session.execute(delete(ModelArtifact).where(ModelArtifact.model_version_id == 2))
    registry.forget_loaded()
    score_moves._models.clear()  # as after a start
    score_moves._calibrators.clear()
    items = _items(box, _scored_in(6)[0])
    assert [item["move"] is not None for item in items] == [False, True, True, False, False, False]
    assert [item["churn_probability"] is not None for item in items] == [True] * 4 + [False] * 2
    assert items[-1]["risk_band"] is None


def test_where_probabilities_are_withheld_only_the_margin_is_split(box: Settings, past: Past) -> None:
    result = run_job(box, "replay", {"as_of": past.end - 120 * DAY, "model": "train"})
    assert result["average_probability"] is None
    items = _items(box, _scored_in(7)[0])
    assert items[-1]["churn_probability"] is None and items[-1]["risk_band"] is not None
    move = items[-2]["move"]
    assert move["probability"] is None
    assert _total(move["margin"]) == pytest.approx(move["margin"]["total"], abs=1e-6)
    assert abs(move["margin"]["unexplained"]) < 1e-6


def test_erased_people_have_no_history(box: Settings) -> None:
    customer_id = _scored_in(6)[0]
    with unit_of_work() as session:
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == customer_id))
        assert user_id is not None
        erasure.erase(session, SYSTEM, user_id, key=b"k" * 32)
    with read_unit() as session, pytest.raises(NotFound):
        score_moves.history(session, box, customer_id)


def test_a_snapshots_move_follows_the_attributes_that_were_scored(scored: list[int], settings: Settings) -> None:
    customer_id = staying(scored)[3]
    user_id = str(FRAME["user_id"].iloc[scored.index(customer_id)])
    with read_unit() as session:
        numbers = [spec.name for spec in registry.load(session, 1).features_ if spec.kind in ("number", "integer")]
    with unit_of_work() as session:
        record.change(session, SYSTEM, user_id, record.Change({}, {}, {numbers[0]: 1}, None))
    run_job(settings, "score", {})
    newer, older = _items(settings, customer_id)
    move = newer["move"]
    assert older["move"] is None
    assert {one["feature"]: one["after"] for one in move["features"]}[numbers[0]] == 1
    for parts in (move["margin"], *([move["probability"]] if move["probability"] else [])):
        assert _total(parts) == pytest.approx(parts["total"], abs=1e-6)
        assert abs(parts["unexplained"]) < 1e-6
    assert move["margin"]["total"] == pytest.approx(newer["margin"] - older["margin"])
    with unit_of_work() as session:  # an attribute version that is gone cannot be rebuilt
        first = session.scalar(select(func.min(ScoreHistory.version_id)).where(ScoreHistory.customer_id == customer_id))
        session.execute(delete(AttributeVersion).where(AttributeVersion.id == first))
    assert _items(settings, customer_id)[0]["move"] is None


numbers = st.floats(-6, 6)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.tuples(*[numbers] * 5), st.floats(0.05, 3), st.floats(0.05, 3), st.floats(-2, 2))
def test_any_move_adds_up(margins: tuple[float, ...], slope: float, other: float, shift: float) -> None:
    def before(margin: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-slope * margin))

    def after(margin: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(other * margin + shift)))

    for parts in (
        splitting.margin_parts(*margins),
        splitting.probability_parts(*margins, before=before, after=after),
    ):
        assert parts.features + parts.model + parts.calibration + parts.unexplained == pytest.approx(
            parts.total, abs=1e-9
        )
    first, second, *_ = margins
    total = float(after(np.array([second]))[0] - before(np.array([first]))[0])
    assert splitting.probability_parts(*margins, before=before, after=after).total == pytest.approx(total, abs=1e-12)


def test_words_tell_old_and_new_and_what_did_not_change() -> None:
    specs = (FeatureSpec("days", "integer", "Days since last log-in"), FeatureSpec("plan", "category", "Plan"))
    found = splitting.by_feature(
        specs, {"days": 3, "plan": "Basic"}, {"days": None, "plan": "Basic"}, np.array([0.1, 0.2]), np.array([0.6, 0.1])
    )
    assert [one.sentence for one in found] == [
        "Days since last log-in went from 3 to blank: raises the score.",
        "Plan is Basic as before; beside what else changed this lowers the score.",
    ]
    assert splitting.by_feature(specs, {}, {}, np.array([0.1, 0.2]), np.array([0.1, 0.2])) == ()
