"""Curves, sentences and drawings of the model pages, without a box behind them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.web import model_charts, model_performance_view, model_reach
from retainstream.web.model_reach import Costs, Crowd
from tests.web.modelled import report

CROWD = Crowd(2000, 100.0, "customers", "leavers")


def test_curve_goes_through_its_points_and_knows_how_far_its_interval_goes() -> None:
    known = model_reach.curve(report())
    assert known is not None
    assert known.found(0.0) == 0.0
    assert known.found(0.1) == pytest.approx(0.34)
    assert known.found(0.15) == pytest.approx(0.43)
    assert known.found(1.0) == 1.0
    assert known.interval(0.1) == pytest.approx((0.29, 0.39))
    assert known.interval(0.4) is None
    assert model_reach.curve({}) is None


def test_snapshot_takes_the_interval_of_the_lift() -> None:
    told = report(forward=False)
    assert model_reach.first_tenth(told) == (pytest.approx(0.34), pytest.approx((0.28, 0.40)))


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30).map(sorted),
    st.integers(1, 100_000),
    st.floats(0.0, 5_000.0),
    st.floats(0.01, 1.0),
    st.floats(0.01, 1e5),
    st.floats(0.0, 1e4),
)
def test_no_number_on_the_grid_gains_more_than_the_best_one(
    found: list[float], customers: int, leavers: float, acceptance: float, value: float, cost: float
) -> None:
    gains = [{"share_reached": (i + 1) / len(found), "share_churners": one} for i, one in enumerate(found)]
    known = model_reach.curve({"gains": gains})
    assert known is not None
    crowd, costs = Crowd(customers, leavers, "", ""), Costs(acceptance, value, cost, 0.0)

    def gain(n: int) -> float:
        return model_reach.net_gain(costs, known.found(n / customers) * leavers, n)

    best = model_reach.best_reach(known, crowd, costs)
    assert 0 <= best <= customers
    # A corner may lie between two whole numbers; then the whole one below it loses less than one customer's share of the leavers.
    room = acceptance * value * leavers * 1.0 / customers * len(found) + cost + 1e-6
    assert all(gain(best) >= gain(round(i * customers / 7)) - room for i in range(8))


@given(st.integers(1, 5_000), st.text(max_size=6))
def test_any_text_in_the_form_gives_an_answer(customers: int, text: str) -> None:
    query = dict.fromkeys(("reach", "acceptance", "value", "contact", "incentive"), text)
    crowd = Crowd(customers, 0.05 * customers, "", "")
    wanted = model_reach.asked(query, crowd, Costs(0.3, 200.0, 1.0, 10.0))
    assert 1 <= wanted.reach <= customers
    assert 0 < wanted.costs.acceptance <= 1
    known = model_reach.curve(report())
    assert known is not None
    told = model_reach.view(known, crowd, wanted, "$")
    for place in (told.gains.at, told.money.at):
        assert 44.0 <= place[0] <= 628.0
        assert 0.0 <= place[1] <= 320.0


def test_dots_of_the_calibration_stay_in_the_drawing() -> None:
    drawn = model_charts.calibration(report())
    assert drawn is not None
    assert len(drawn.dots) == len(drawn.rows) == 10
    for dot in drawn.dots:
        assert dot.high <= dot.y <= dot.low
        assert dot.high >= 10.0
        assert dot.low <= drawn.axes.floor
    assert model_charts.calibration({}) is None
    assert model_charts.calibration(report(passed=False)).title.endswith("withheld")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "It ranked as promised: AUC 0.71 promised, 0.70 realised."),
        ({"realised_auc": 0.6}, "It ranked less well than promised: AUC 0.71 promised, 0.60 realised."),
        (
            {"mean_probability": 0.09},
            "It ranked as promised: AUC 0.71 promised, 0.70 realised, and its percentages were too high.",
        ),
        ({"runs": 0}, "Nothing has been judged yet."),
    ],
)
def test_promise_and_outcome_in_a_sentence(app: Any, changes: dict[str, Any], sentence: str) -> None:
    summary = {
        "role": "champion", "runs": 3, "first_as_of": None, "last_as_of": None, "customers": 900, "churners": 45.0,
        "promised_auc": 0.71, "realised_auc": 0.70, "mean_probability": 0.05, "observed_share": 0.05, "message": None,
    }  # fmt: skip
    with app.app_context():
        told = model_performance_view.view({"items": [], "total": 0, "summary": {**summary, **changes}})
    assert told.headline == sentence


def test_shares_of_older_runs_are_told_from_heads() -> None:
    old = [{"reached": 100, "share_of_churners": 0.3}, {"reached": 200, "share_of_churners": 0.5}]
    assert model_reach.caught_in_tenth(old, 1000) == 0.3
    new = [{"share_reached": 0.1, "reached": 7, "share_of_churners": {"value": 0.4}}]
    assert model_reach.caught_in_tenth(new, 70) == 0.4
    assert model_reach.caught_in_tenth([], 0) is None
