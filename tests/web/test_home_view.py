"""Sentences and drawings of the home page, without a box behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from retainstream.web import home_charts, home_view
from retainstream.web.template_tools import cash, day, last_day, moment, percent, whole

METRICS: dict[str, Any] = {
    "total_customers": 1000,
    "active_customers": 900,
    "churned_customers": 100,
    "labelled_customers": 1000,
    "churn_rate": 0.1,
    "scored_customers": 900,
    "predicted_churners": 41,
    "expected_churners": 88.4,
    "expected_churners_interval": [74.6, 102.2],
    "monthly_revenue": {"amount_minor": 1_000_000, "currency": "EUR"},
    "revenue_at_risk": {"amount_minor": 123_456, "currency": "EUR"},
    "other_currencies": [],
    "wording": "resembles those who left",
    "model": {"version": 3, "kind": "snapshot", "auc": 0.8449, "auc_interval": [0.836, 0.8541], "trained_at": None},
    "scored_at": None,
    "data_as_of": None,
    "stale": False,
}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (0, "No customer resembles those who left."),
        (1, "1 customer resembles those who left."),
        (41, "41 customers resemble those who left."),
        (1200, "1,200 customers resemble those who left."),
    ],
)
def test_headline_is_the_finding(found: int, sentence: str) -> None:
    title, lead = home_view.headline({**METRICS, "predicted_churners": found}, "scored", "")
    assert title == sentence
    assert (
        lead
        == "Added up over all 900 scored, the probabilities come to about 88 customers (75 to 102) and €1,235 a month."
    )


def test_simple_rule_is_called_one_and_never_a_model_that_ranks_well() -> None:
    model = {**METRICS["model"], "kind": "simple_rule", "auc": None, "auc_interval": [None, None]}
    metrics = {**METRICS, "model": model, "expected_churners": None, "expected_churners_interval": None}
    _, lead = home_view.headline(metrics, "scored", "")
    assert lead == "Out of 900 scored, by a simple rule: there is too little history for a model yet."
    assert home_view.kpis(metrics)[-1].note == "a simple rule; nothing to judge it by yet"


def test_before_there_are_scores_only_figures_that_are_known_are_shown() -> None:
    metrics = {**METRICS, "model": None, "predicted_churners": None, "revenue_at_risk": None, "horizon_days": None}
    assert [kpi.label for kpi in home_view.known_kpis(metrics, "")] == ["Active customers", "Churn rate"]
    nothing = {**metrics, "churn_rate": None, "labelled_customers": 0}
    assert home_view.known_kpis(nothing, "") == ()
    assert home_view.headline(nothing, "untrained", "")[1] == "1,000 customers are in."


@pytest.mark.parametrize(
    ("kind", "wording", "sentence", "title"),
    [
        (
            "forward",
            "leaves within 30 days",
            "2 customers are at high risk of leaving within 30 days.",
            "Leaving soon, worth most",
        ),
        (
            "forward",
            "leaves between 7 and 37 days from then",
            "2 customers are at high risk of leaving between 7 and 37 days from then.",
            "Leaving soon, worth most",
        ),
        (
            "simple_rule",
            "has been silent for longer than others",
            "2 customers have been silent for longer than others.",
            "Silent for longest, worth most",
        ),
    ],
)
def test_what_is_claimed_is_what_the_model_can_say(kind: str, wording: str, sentence: str, title: str) -> None:
    told = {**METRICS, "predicted_churners": 2, "wording": wording, "model": {**METRICS["model"], "kind": kind}}
    assert home_view.headline(told, "scored", "")[0] == sentence
    assert home_view.worst_title(told) == title


def test_lead_without_prices_or_probabilities() -> None:
    assert home_view.headline({**METRICS, "revenue_at_risk": None}, "scored", "")[1].endswith("(75 to 102).")
    assert "withheld" in home_view.headline({**METRICS, "expected_churners": None}, "scored", "")[1]


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"total_customers": 0}, "empty"),
        ({"model": None}, "untrained"),
        ({"scored_customers": 0}, "unscored"),
        ({}, "scored"),
    ],
)
def test_stages(changes: dict[str, Any], stage: str) -> None:
    assert home_view.stage_of({**METRICS, **changes}) == stage


def test_figures_say_their_n_or_interval() -> None:
    active, rate, predicted, revenue, quality = home_view.kpis(
        {**METRICS, "model": {**METRICS["model"], "trained_at": None}}
    )
    assert (active.figure, active.note) == ("900", "of 1,000 known")
    assert (rate.figure, rate.note) == ("10.0%", "100 of 1,000 whose outcome is known")
    assert (predicted.figure, predicted.note) == ("41", "high and very high risk; expected 88, 75–102")
    assert (revenue.figure, revenue.note) == ("€1,235", "12.3% of €10,000")
    assert (quality.figure, quality.aside) == ("0.845", "0.836–0.854")


def test_reasons_that_raise_come_first() -> None:
    reasons = [
        {"direction": "lowers", "finding": "Long with us"},
        {"direction": "raises", "finding": "Card failed"},
    ]
    item = {
        "user_id": "a",
        "plan": None,
        "tenure_months": 1.0,
        "churn_probability": 0.9999,
        "risk_percentile": 1.0,
        "risk_band": "very_high",
        "reasons": reasons,
        "revenue": None,
    }
    card = home_view.person_card(item)
    assert card.reasons == ("Card failed", "Long with us")
    assert (card.ring, card.about, card.money) == (99, "1 month", "")


COUNTS = st.lists(st.integers(0, 100_000), min_size=20, max_size=20)


@given(COUNTS, st.tuples(st.floats(0.01, 0.3), st.floats(0.31, 0.6), st.floats(0.61, 0.99)))
def test_every_bar_stays_in_the_drawing(counts: list[int], edges: tuple[float, float, float]) -> None:
    bins = [{"low": index / 20, "high": (index + 1) / 20, "count": count} for index, count in enumerate(counts)]
    names = ("low", "medium", "high", "very_high")
    bands = [{"band": name, "count": 0, "from": edge} for name, edge in zip(names, (0.0, *edges), strict=True)]
    chart = home_charts.chart({"n": sum(counts), "measure": "churn_probability", "bins": bins, "bands": bands})
    if sum(counts) == 0:
        assert chart is None
        return
    assert chart is not None
    shown = [bar.count for bar in chart.bars]
    assert shown == counts[: len(shown)]
    assert sum(shown) == sum(counts), "only an empty tail is cut off"
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= chart.width
        assert abs(bar.y + bar.height - chart.height) < 0.11
        assert (bar.height >= 2) == (bar.count > 0)
    order = [names.index(bar.band) for bar in chart.bars]
    assert order == sorted(order)


def test_formats() -> None:
    assert cash({"amount_minor": 1999, "currency": "USD"}) == "$19.99"
    assert cash({"amount_minor": 123_456, "currency": "USD"}, short=True) == "$1,235"
    assert cash({"amount_minor": 500, "currency": "JPY"}) == "¥500"
    assert cash({"amount_minor": -150, "currency": "EUR"}) == "−€1.50"
    assert cash({"amount_minor": 100, "currency": "SEK"}).startswith("SEK")
    assert (cash(None), whole(None), percent(None), whole(1234.6), percent(0.1234)) == ("–", "–", "–", "1,235", "12.3%")


def test_moments_are_told_in_the_zone_of_the_box(app: Flask) -> None:
    today = datetime(2026, 7, 1, tzinfo=UTC)
    with app.app_context():
        assert moment("2026-06-30T23:05:00Z", today=today) == "30 Jun, 23:05"
        assert moment("2025-11-20T06:10:00Z", today=today) == "20 Nov 2025, 06:10"
        assert moment(None) == "–"
        # What was known at a midnight are data to the day before.
        assert last_day("2026-11-20T00:00:00Z", today=today) == day("2026-11-19T23:59:59Z", today=today) != "–"
        assert last_day("2026-11-20T12:00:00Z", today=today) == day("2026-11-20T12:00:00Z", today=today)
        assert last_day(None) == "–"
