"""The words of the customer page: pure functions, one sentence at a time. A box's time zone is all that they need of an app."""

from __future__ import annotations

from typing import Any

import pytest

from retainstream.errors import InvalidInput
from retainstream.ml.features import FeatureSpec
from retainstream.services.peers import Standing
from retainstream.services.timeline import Entry
from retainstream.services.timeline_days import Day
from retainstream.web import customer_edit, customer_history_view, customer_timeline_view, customer_view

pytestmark = pytest.mark.usefixtures("minimal_app")
DAY = 86_400_000_000


def told(**changes: Any) -> dict[str, Any]:
    """Return a scored customer as the API shows it."""
    definition = {"id": 2, "kind": "cancel", "horizon_days": 30, "lead_days": 0}
    plain = {
        "user_id": "ada", "plan": "Gold", "revenue": {"amount_minor": 2000, "currency": "EUR"}, "signup_at": "2024-01-01T00:00:00Z",
        "tenure_months": None, "churned": False, "tags": [], "attributes": [], "updated_at": "2024-06-01T00:00:00Z",
        "churn_probability": 0.28, "risk_percentile": 0.99, "confidence": 0.77, "interval": [0.25, 0.48], "risk_band": "high",
        "margin": -0.9, "reasons": [], "kind": "forward", "definition": definition, "model_version": 2,
        "as_of": "2024-05-31T00:00:00Z", "scored_at": "2024-05-31T02:00:00Z", "stale_reasons": [],
    }  # fmt: skip
    return plain | changes


def scored(as_of: str, probability: float | None, **changes: Any) -> dict[str, Any]:
    """Return a score of a history."""
    plain = {
        "run_id": int(as_of[8:10]), "as_of": f"{as_of}T00:00:00Z", "churn_probability": probability, "margin": -1.0, "risk_band": "low",
        "model_version": 1, "role": "champion", "hindsight": False, "outcome": None, "move": None, "definition": {"id": 2},
    }  # fmt: skip
    return plain | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Cancels within 30 days"),
        (
            {"definition": {"kind": "non_renewal", "horizon_days": 60, "lead_days": 7}},
            "Leaves between 7 and 67 days on",
        ),
        ({"kind": "snapshot"}, "Like those who left"),
        ({"kind": "simple_rule"}, "Silent for longer than others"),
        ({"churn_probability": None}, "By rank: cancels within 30 days"),
    ],
)
def test_only_a_model_that_looks_ahead_names_a_time(changes: dict[str, Any], words: str) -> None:
    assert customer_view.claim(told(**changes)) == words


def test_certainty_is_withheld_with_the_probability() -> None:
    shown = customer_view.score(told(), None, None)
    assert shown.aside == "25%–48%, confidence 0.77"
    withheld = customer_view.score(told(churn_probability=None, confidence=None, interval=None), None, None)
    assert (withheld.aside, withheld.figure, withheld.ring) == ("", "Top 1%", 99)


def test_change_is_since_the_score_before_of_the_same_sort() -> None:
    history = [
        scored("2024-05-31", 0.28),
        scored("2024-05-24", 0.9, hindsight=True),
        scored("2024-05-23", 0.9, definition={"id": 9}),
        scored("2024-05-17", 0.17),
    ]
    before = customer_history_view.before(history, "2024-05-31T00:00:00Z")
    assert before is history[3]
    assert customer_view.score(told(), None, before).change == "+11 points since 17 May 2024"
    assert customer_view.score(told(), None, None).change == "first score"
    assert customer_history_view.before(history[:2], "2024-05-31T00:00:00Z") is None


def test_months_of_somebody_who_left_end_with_the_leaving() -> None:
    left = customer_view.customer(
        told(churned=True, risk_band=None, churn_probability=None), None, None, "2024-07-01T00:00:00Z"
    )
    assert left.state == "left"
    assert "left on 1 Jul 2024" in left.about
    assert left.cells[1].figure == "6 months"
    unknown = customer_view.customer(told(churned=True, risk_band=None, churn_probability=None), None, None)
    assert unknown.cells[1].figure == "–"


def test_chart_says_its_finding_and_leaves_hindsight_out_of_the_line() -> None:
    history = [
        scored("2024-05-31", 0.28, model_version=2),
        scored("2024-05-24", 0.95, hindsight=True),
        scored("2024-04-01", 0.05),
    ]
    drawn = customer_history_view.chart(history)
    assert drawn is not None
    assert drawn.title == "Up 23 points since 1 Apr 2024"
    assert drawn.line.count("L") == 1
    assert [dot.quiet for dot in drawn.dots] == [False, True, False]
    assert len(drawn.changes) == 1
    assert [row.role for row in drawn.rows] == ["in service", "with hindsight", "in service"]
    assert customer_history_view.chart(history[:1]) is None


def test_withheld_history_is_drawn_in_log_odds() -> None:
    drawn = customer_history_view.chart([scored("2024-05-31", None, margin=0.5), scored("2024-05-01", None)])
    assert drawn is not None
    assert drawn.measure == "Score, log-odds"
    assert drawn.title == "Higher than on 1 May 2024"
    assert "%" not in "".join(tick.words for tick in drawn.y_ticks)


def test_a_move_is_told_by_its_parts() -> None:
    parts = {"total": 0.11, "features": 0.013, "model": 0.33, "calibration": -0.233, "unexplained": 0.0}
    one = {"margin": 0.2, "sentence": "Watch time went from 9 to 2: raises the score."}
    move = {"probability": parts, "margin": parts, "features": [one], "from_as_of": "2024-05-24T00:00:00Z"}
    (shown,) = customer_history_view.moves([scored("2024-05-31", 0.28, move=move)])
    assert shown.words == "17.0% to 28.0%"
    assert [(part.name, part.words) for part in shown.parts] == [
        ("What changed about the customer", "+1.3 points"),
        ("Another model", "+33 points"),
        ("Its calibration", "−23 points"),
    ]
    assert shown.sentences == (("Watch time went from 9 to 2", "raises"),)


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        (5, Standing(0.824, 0.1), "higher than for 82% of customers"),
        (5, Standing(0.1, 0.1), "lower than for 90% of customers"),
        (0, Standing(0.45, 0.9), "like 90% of customers"),
        (None, Standing(None, 0.3), "as for 30% of customers"),
        (5, Standing(1.0, 0.001), "higher than for 99% of customers"),
    ],
)
def test_peers_in_words(value: object, place: Standing, words: str) -> None:
    spec = FeatureSpec("hours", "number", "Hours")
    item = {"feature": "hours", "value": value, "contribution": 0.4}
    (shown,) = customer_view.peers([item], {"hours": spec}, {"hours": place})
    assert (shown.words, shown.direction) == (words, "raises")


def test_timeline_in_words_by_day() -> None:
    at = 1_717_000_000_000_000
    entries = [
        Entry((at, 3, 31), "score", {"run_id": 31, "role": "champion", "model_version": 2}),
        Entry((at, 0, 1), "event", {"kind": "payment_failed", "feed": "b", "value": 9.5, "properties": {"card": "visa"}, "late_us": 3 * DAY}),
        Entry((at - 3 * DAY, 4, 1), "exposure", {"kind": "call", "origin": "crm", "arm": "held_out"}),
    ]  # fmt: skip
    first, second = customer_timeline_view.days(entries, [scored("2024-05-31", 0.28), scored("2024-05-17", 0.17)])
    assert [entry.title for entry in first.entries] == ["Score 17.0% → 28.0%", "Payment failed"]
    assert first.entries[1].detail == "9.5 · card visa · arrived 3 days later"
    assert [entry.tone for entry in first.entries] == ["warn", "bad"]
    assert second.entries[0].title == "Call: left alone on purpose"


def test_days_tell_events_together_and_scores_with_what_moved_them() -> None:
    at = 1_717_000_000_000_000
    score = Entry((at, 3, 31), "score", {"run_id": 31, "role": "champion", "model_version": 2})
    failed = Entry(
        (at, 0, 1), "event", {"kind": "payment_failed", "feed": "b", "value": 9.5, "properties": {}, "late_us": 0}
    )
    visit = Entry(
        (at - 1, 0, 2), "event", {"kind": "login", "feed": "b", "value": None, "properties": {}, "late_us": 0}
    )
    start = at - at % DAY
    whole = Day(start, start + DAY, (score,), (failed, visit), (("login", 8), ("payment_failed", 1)))
    single = Day(start - DAY, start, (), (visit,), (("login", 1),))
    to = customer_timeline_view.Addresses(day=lambda start: f"/day/{start}", move=lambda run: f"/move/{run}")
    before, now = scored("2024-05-17", 0.17), scored("2024-05-31", 0.28)
    newest, older = customer_timeline_view.by_day([whole, single], [now, before], to)
    told, together = newest.entries
    assert (told.title, told.why) == ("Score 17.0% → 28.0%", "/move/31")
    assert (together.title, together.detail, together.tone) == ("9 events", "8 × login, 1 × payment failed", "bad")
    assert [part.title for part in together.parts] == ["Payment failed", "Login"]
    assert together.more == f"/day/{start}"
    assert (older.entries[0].title, older.entries[0].parts) == ("Login", ())
    features = [
        {"sentence": "Log-ins went from 9 to 5: raises the score.", "margin": 0.1},
        {"sentence": "Plan is basic as before; beside what else changed this lowers the score.", "margin": -0.4},
    ]
    move = {"features": features, "probability": None, "margin": {"total": -0.3, "features": -0.3}}
    (moved,) = customer_timeline_view.by_day([whole], [{**now, "move": move}, before], to)
    assert moved.entries[0].detail.startswith("Plan is basic as before, beside what else changed: lowers it")
    assert moved.entries[0].why == ""
    by_model = {**move, "probability": {"total": 0.08, "features": 0.0}}
    assert customer_history_view.main_reasons(by_model, 2)[0] == "Most of it is another model, not the customer"


def test_edit_sends_only_what_was_changed_and_keeps_the_old() -> None:
    record = told(attributes=[{"name": "age", "title": "Age", "kind": "integer", "unit": None, "value": 40}])
    as_is = customer_edit.present(record, "USD")
    assert customer_edit.changes(record, "USD", as_is) == ({}, {})
    body, old = customer_edit.changes(record, "USD", {**as_is, "plan": "", "amount": "1,250.5", "a.age": ""})
    assert body == {
        "plan": None,
        "revenue": {"amount_minor": 125050, "currency": "EUR"},
        "attributes": {"age": None},
    }
    assert old == {"plan": "Gold", "revenue": record["revenue"], "attributes": {"age": 40}}
    with pytest.raises(InvalidInput) as wrong:
        customer_edit.changes(record, "USD", {**as_is, "amount": "much", "a.age": "old", "signup_at": "soon"})
    assert set(wrong.value.fields) == {"amount", "a.age", "signup_at"}
