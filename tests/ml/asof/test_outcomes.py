"""Who is active, who left and when, for every kind of rule: by hand, and where a rule must always hold, by hypothesis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.asof.columns import DAY_US, NEVER, History
from retainstream.ml.asof.outcomes import (
    churn_between,
    churn_by_month,
    departures,
    labels,
    standing,
)
from retainstream.ml.asof.rules import ChurnRule
from tests.ml.asof.made_history import day, history

SILENT_30 = ChurnRule("inactivity", 30, inactive_days=30)
CANCEL = ChurnRule("cancel", 30)


def outcome(
    rule: ChurnRule, past: History, as_of: float, data_end: float, customer: int = 1
) -> tuple[int, float | None]:
    """Return y and the day of leaving of one customer that is active at a time."""
    population = standing(rule, past, day(as_of)).customers
    assert customer in population
    found = labels(rule, past, population, day(as_of), day(data_end))
    place = int(np.searchsorted(population, customer))
    left_at = int(found.left_at[place])
    return int(found.y[place]), None if left_at == NEVER else (left_at - day(0)) / DAY_US


def logins(*days: float, customer: int = 1) -> list[tuple[int, float, str]]:
    return [(customer, at, "login") for at in days]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((90, 110, 125, 150, 170, 180), (0, None)),  # never silent for 30 days
        ((90, 110, 150), (1, 110)),  # 110 and then not before 150
        ((90,), (1, 90)),  # already silent at 100, never came back
        ((95, 120, 149.9, 170), (0, None)),  # silent for a little less than 30 days
        ((95, 120, 150, 170), (1, 120)),  # silent for exactly 30 days is silent
        ((90, 100), (1, 100)),  # on the very as-of time: not known then, so it belongs to the window
        ((90, 115, 130), (0, 130)),  # left, but on the first day after the window
        ((90, 110, 145, 150), (1, 110)),  # came back after it had left: it left nevertheless
    ],
)
def test_inactivity_is_dated_at_the_last_activity(days: tuple[float, ...], expected: tuple[int, float | None]) -> None:
    assert outcome(SILENT_30, history(logins(*days)), 100, 190) == expected


def test_active_is_who_was_silent_for_fewer_than_n_days() -> None:
    past = history(
        logins(70.1, customer=1) + logins(70, customer=2) + logins(100, customer=3) + [(4, 99, "payment_failed")]
    )
    assert standing(SILENT_30, past, day(100)).customers.tolist() == [1]
    named = replace(SILENT_30, activity=("payment_failed",))
    assert standing(named, past, day(100)).customers.tolist() == [4]


def test_an_event_that_arrived_later_was_not_known() -> None:
    past = history([(1, 60, "login"), (1, 95, "login", 101)])
    assert standing(SILENT_30, past, day(100)).customers.tolist() == []
    assert standing(SILENT_30, past, day(102)).customers.tolist() == [1]


def test_late_news_of_activity_changes_the_outcome_until_it_has_settled() -> None:
    past = history([(1, 99, "login"), (1, 120, "login", 163), (1, 140, "login", 163), (1, 165, "login")])
    assert outcome(SILENT_30, past, 100, 160) == (1, 99)
    assert outcome(SILENT_30, past, 100, 170) == (0, None)
    settled = replace(SILENT_30, settle_days=5)
    assert labels(settled, past, np.array([1]), day(100), day(160)).left_out == {"window_open": 1}
    assert outcome(settled, past, 100, 165)[0] == 0


def test_who_leaves_within_the_lead_is_left_out_and_counted() -> None:
    rule = replace(SILENT_30, lead_days=10)
    past = history(
        logins(95, 105, customer=1)
        + logins(95, 100, customer=2)
        + logins(95, 110, customer=3)
        + logins(95, customer=4)
        + logins(95, 120, 139, customer=5)
    )
    found = labels(rule, past, np.arange(1, 6), day(100), day(170))
    assert found.y.tolist() == [-1, -1, 1, 1, 1]
    assert found.left_out == {"left_within_lead": 2}
    strict = replace(rule, already_silent="leave_out")
    found = labels(strict, past, np.arange(1, 6), day(100), day(170))
    assert found.y.tolist() == [-1, -1, 1, -1, 1]
    assert found.left_out == {"left_within_lead": 2, "already_silent": 1}


def test_an_open_window_has_no_labels() -> None:
    past = history(logins(95, 105, 120))
    found = labels(SILENT_30, past, np.array([1]), day(100), day(160) - 1)
    assert (found.y.tolist(), found.left_at.tolist(), found.left_out) == ([-1], [NEVER], {"window_open": 1})
    assert labels(SILENT_30, past, np.array([1]), day(100), day(160)).y.tolist() == [1]


def test_a_cancellation_counts_and_a_failed_payment_is_another_way_of_leaving() -> None:
    past = history(
        subscriptions=[
            {"customer": 1, "started": 10},
            {"customer": 1, "started": 10, "ended": 110, "reason": "voluntary", "received": 110},
            {"customer": 2, "started": 10},
            {"customer": 2, "started": 10, "ended": 111, "reason": "payment_failed", "received": 111},
            {"customer": 3, "started": 10},
            {"customer": 4, "started": 10},
            {"customer": 4, "started": 10, "ended": 112, "received": 112},
        ]
    )
    everybody = standing(CANCEL, past, day(100)).customers
    assert everybody.tolist() == [1, 2, 3, 4]
    for rule, y, others in (
        (CANCEL, [1, 0, 0, 0], 2),
        (ChurnRule("payment_failure", 30), [0, 1, 0, 0], 2),
        (ChurnRule("non_renewal", 30), [1, 1, 0, 1], 0),
        (ChurnRule("cancel", 30, reasons=("voluntary", "other")), [1, 0, 0, 1], 1),
    ):
        found = labels(rule, past, everybody, day(100), day(140))
        assert (found.y.tolist(), found.other_reason, found.left_out) == (y, others, {})
    assert labels(CANCEL, past, everybody, day(100), day(140)).left_at.tolist() == [day(110), NEVER, NEVER, NEVER]


def test_an_announced_end_is_in_no_population() -> None:
    past = history(
        subscriptions=[
            {"customer": 1, "started": 10},
            {"customer": 1, "started": 10, "ended": 120, "reason": "voluntary", "received": 90},
            {"customer": 2, "started": 10},
            {"customer": 2, "started": 10, "ended": 120, "reason": "voluntary", "received": 100},
            {"customer": 3, "started": 10, "ended": 105, "key": 30},
            {"customer": 3, "started": 50, "key": 31},
        ]
    )
    seen = standing(CANCEL, past, day(100))
    assert (seen.customers.tolist(), seen.announced.tolist()) == ([2, 3], [1])
    assert outcome(CANCEL, past, 100, 130, customer=2) == (1, 120)


def test_news_of_an_end_that_came_late_is_neither_a_one_nor_a_zero() -> None:
    past = history(
        subscriptions=[
            {"customer": 1, "started": 10},
            {"customer": 1, "started": 10, "ended": 95, "reason": "voluntary", "received": 104},
            {"customer": 2, "started": 10},
            {"customer": 2, "started": 105, "received": 106},
        ]
    )
    found = labels(CANCEL, past, np.array([1, 2]), day(100), day(140))
    assert found.y.tolist() == [-1, -1]
    assert found.left_out == {"already_left": 1, "corrected": 1}


@pytest.mark.parametrize(("again", "expected"), [(112, (1, 110)), (117, (1, 110)), (117.5, (1, 110)), (110, (0, None))])
def test_without_grace_only_a_subscription_that_follows_at_once_continues(
    again: float, expected: tuple[int, float | None]
) -> None:
    assert outcome(CANCEL, resubscribed(again), 100, 180) == expected


@pytest.mark.parametrize(("again", "expected"), [(112, (0, 150)), (117, (0, 150)), (117.5, (1, 110))])
def test_who_subscribes_again_within_the_grace_has_not_left(again: float, expected: tuple[int, float | None]) -> None:
    graceful = replace(CANCEL, grace_days=7)
    ends_later = resubscribed(again, {"ended": 150, "reason": "voluntary"})
    assert outcome(graceful, ends_later, 100, 180) == expected


def resubscribed(again: float, more: dict[str, object] | None = None) -> History:
    """Return a customer whose subscription ended on day 110 and whose next one began later."""
    rows: list[dict[str, object]] = [
        {"customer": 1, "key": 1, "started": 10},
        {"customer": 1, "key": 1, "started": 10, "ended": 110, "reason": "voluntary", "received": 110},
        {"customer": 1, "key": 2, "started": again},
    ]
    if more:
        rows.append({"customer": 1, "key": 2, "started": again, "received": more["ended"], **more})
    return history(subscriptions=rows)


def test_trials_end_or_become_paid() -> None:
    trial = {"plan": "Trial", "started": 90}
    past = history(
        subscriptions=[
            {"customer": 1, **trial},
            {"customer": 1, **trial, "ended": 104, "reason": "trial_ended", "received": 104},
            {"customer": 2, **trial},
            {"customer": 2, **trial, "ended": 104, "reason": "trial_ended", "received": 104},
            {"customer": 2, "key": 20, "plan": "Standard", "started": 104},
            {"customer": 3, "plan": "Standard", "started": 50},
            {"customer": 4, "plan": "Free month", "price": 0.0, "started": 90},
            {"customer": 5, "key": 50, "plan": "Standard", "started": 50},
            {"customer": 5, "key": 51, **trial},
        ]
    )
    rule = ChurnRule("trial_end", 30)
    population = standing(rule, past, day(100)).customers
    assert population.tolist() == [1, 2, 4]
    assert labels(rule, past, population, day(100), day(140)).y.tolist() == [1, 0, 0]


def test_departures_are_all_certain_ones() -> None:
    past = history(logins(10, 20, 60, 100, customer=1) + logins(15, 40, 65, customer=2))
    customers, left_at = departures(SILENT_30, past, day(100))
    assert (customers.tolist(), left_at.tolist()) == ([1, 1, 2], [day(20), day(60), day(65)][: len(left_at)])
    customers, left_at = departures(SILENT_30, past, day(94))
    assert (customers.tolist(), left_at.tolist()) == ([1, 1], [day(20), day(60)])


def test_months_by_hand() -> None:
    past = history(
        subscriptions=[
            {"customer": 1, "started": -40},
            {"customer": 1, "started": -40, "ended": 5, "reason": "voluntary", "received": 5},
            {"customer": 2, "started": -40},
            {"customer": 2, "started": -40, "ended": 33, "reason": "voluntary", "received": 20},
            {"customer": 3, "started": -40},
            {"customer": 3, "started": -40, "ended": 34, "reason": "payment_failed", "received": 34},
            {"customer": 4, "started": 10},
        ]
    )
    found = churn_by_month(CANCEL, past, day(60))
    assert [(row.month, row.active, row.left) for row in found] == [
        ("2025-12", 3, 0),
        ("2026-01", 3, 1),
        ("2026-02", 3, 1),
    ]
    assert found[2].rate == pytest.approx(1 / 3)
    assert (found[2].announced, found[2].left_announced, found[2].label_share) == (1, 1, 0.0)


def test_an_empty_history_has_nobody_and_nothing() -> None:
    for rule in (SILENT_30, CANCEL, ChurnRule("trial_end", 7)):
        past = history()
        assert standing(rule, past, day(10)).customers.tolist() == []
        assert [part.tolist() for part in departures(rule, past, day(10))] == [[], []]
        assert labels(rule, past, np.array([7]), day(0), day(90)).left_out == {"corrected": 1}
        assert churn_by_month(rule, past, day(90)) == ()


times = st.integers(0, 4 * 150).map(lambda quarter: quarter / 4)
event_rows = st.lists(
    st.tuples(
        st.integers(1, 4), times, st.sampled_from(["login", "watch", "refund"]), st.sampled_from([0, 0, 0, 3, 20])
    ).map(lambda row: (row[0], row[1], row[2], row[1] + row[3])),
    max_size=40,
)


@st.composite
def subscription_rows(draw: st.DrawFn) -> list[dict[str, object]]:
    """Draw statements about up to eight subscriptions of four customers; some are superseded."""
    rows: list[dict[str, object]] = []
    for key in range(draw(st.integers(0, 8))):
        row: dict[str, object] = {
            "customer": draw(st.integers(1, 4)), "key": key, "started": draw(times), "plan": draw(st.sampled_from(["trial", "basic"])),
        }  # fmt: skip
        rows.append(row)
        if draw(st.booleans()):
            ended = draw(times)
            reason = draw(st.sampled_from(["voluntary", "payment_failed", "trial_ended", "other"]))
            rows.append(
                {
                    **row,
                    "ended": ended,
                    "reason": reason,
                    "received": max(0.0, ended + draw(st.sampled_from([-9, 0, 0, 4]))),
                }
            )
    return rows


rules = st.one_of(
    st.builds(
        ChurnRule, st.just("inactivity"), st.sampled_from([7, 30]), st.sampled_from([0, 5]), inactive_days=st.sampled_from([3, 14, 30]),
        already_silent=st.sampled_from(["count", "leave_out"]), settle_days=st.sampled_from([0, 4]),
    ),
    st.builds(
        ChurnRule, st.sampled_from(["cancel", "payment_failure", "trial_end", "non_renewal"]), st.sampled_from([7, 30]),
        st.sampled_from([0, 5]), grace_days=st.sampled_from([0, 5]), settle_days=st.sampled_from([0, 4]),
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(rules, event_rows, subscription_rows(), st.integers(20, 140))
def test_nothing_known_later_changes_who_is_active_or_what_became_of_them(
    rule: ChurnRule, events: list, statements: list, end: int
) -> None:
    past = history(events, statements)
    cut = past.cut(day(end))
    as_of = day(end) - rule.maturity_us
    for moment in (as_of, day(end)):
        assert standing(rule, past, moment).customers.tolist() == standing(rule, cut, moment).customers.tolist()
        assert standing(rule, past, moment).announced.tolist() == standing(rule, cut, moment).announced.tolist()
    population = standing(rule, past, as_of).customers
    full, part = (labels(rule, which, population, as_of, day(end)) for which in (past, cut))
    assert full.y.tolist() == part.y.tolist()
    assert full.left_at.tolist() == part.left_at.tolist()
    assert (full.left_out, full.other_reason) == (part.left_out, part.other_reason)
    assert churn_by_month(rule, past, day(end)) == churn_by_month(rule, cut, day(end))


@settings(max_examples=150, deadline=None)
@given(rules, event_rows, subscription_rows(), st.integers(20, 140))
def test_without_late_news_a_closed_window_stays_as_it_is(
    rule: ChurnRule, events: list, statements: list, end: int
) -> None:
    past = history([row[:3] for row in events], [on_time(row) for row in statements])
    as_of = day(end) - rule.maturity_us
    population = standing(rule, past, as_of).customers
    soon, much_later = (labels(rule, past, population, as_of, at) for at in (day(end), day(400)))
    assert soon.y.tolist() == much_later.y.tolist()


def on_time(row: dict[str, object]) -> dict[str, object]:
    """Return the statement as one that arrives when it becomes true."""
    return {**row, "received": max(row["started"], row.get("ended", 0))}  # type: ignore[type-var]


@settings(max_examples=150, deadline=None)
@given(rules, event_rows, subscription_rows(), st.integers(20, 140))
def test_the_count_by_sweep_agrees_with_the_labels(rule: ChurnRule, events: list, statements: list, end: int) -> None:
    """Two programs that share no code for it: departures and window counts."""
    rule = replace(rule, lead_days=0, already_silent="count" if rule.kind == "inactivity" else rule.already_silent)
    past = history([row[:3] for row in events], [on_time(row) for row in statements])
    start = day(end) - rule.maturity_us
    seen = standing(rule, past, start)
    found = labels(rule, past, seen.customers, start, day(end))
    row = churn_between(rule, past, day(end), [(start, start + rule.horizon_days * DAY_US)])[0]
    known = found.y >= 0
    assert known.all()
    assert row.active == len(seen.customers) + len(seen.announced)
    assert row.left + row.silent - row.left_announced == int((found.y == 1).sum())


@settings(max_examples=100, deadline=None)
@given(event_rows, st.integers(1, 40))
def test_a_customer_left_where_it_was_not_active_n_days_later(events: list, n: int) -> None:
    rule = ChurnRule("inactivity", 30, inactive_days=n)
    past = history([row[:3] for row in events])
    customers, left_at = departures(rule, past, day(400))
    for customer in np.unique(past.events.customer).tolist():
        at = np.unique(past.events.occurred[past.events.customer == customer])
        activity = [
            int(t) for t in at if any(row[0] == customer and day(row[1]) == t and row[2] != "refund" for row in events)
        ]
        expected = [t for t in activity if customer not in standing(rule, past, t + n * DAY_US).customers]
        assert left_at[customers == customer].tolist() == expected


def test_a_trial_whose_end_is_known_from_its_first_day_is_not_announced() -> None:
    trial = {"plan": "trial", "started": 90, "ended": 104, "reason": "trial_ended"}
    past = history(
        (),
        [
            {"customer": 1, "key": 1, **trial},
            {"customer": 2, "key": 2, **trial},
            {"customer": 2, "key": 3, "plan": "basic", "started": 104},
        ],
    )
    rule = ChurnRule("trial_end", 30)
    assert standing(rule, past, day(100)).announced.tolist() == []
    assert outcome(rule, past, 100, 190) == (1, 104)
    assert outcome(rule, past, 100, 190, customer=2) == (0, None)
