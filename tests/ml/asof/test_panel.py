"""Panels: no open row, nothing of the future, parts that do not touch, and honest words about what was left out."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.asof.columns import DAY_US, History, ProfileLog
from retainstream.ml.asof.dates import LATER, calendar, needed_days, parts_of
from retainstream.ml.asof.outcomes import labels, standing
from retainstream.ml.asof.panel import Panel, TooLittleHistory, assemble, observation_dates, outline, split
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.features import FeatureSpec, Recipe
from tests.ml.asof.made_history import day, event_log, history

SILENT_14 = ChurnRule("inactivity", 14, inactive_days=14)
SPECS = (
    FeatureSpec("login_count_30d", "integer", "Logins", recipe=Recipe("events", "count", "login", 30)),
    FeatureSpec("last_login_days", "number", "Days since login", recipe=Recipe("events", "days_since_last", "login")),
)


def habits(customers: int, days: int, seed: int) -> list[tuple[int, float, str]]:
    """Return logins of customers who each come at their own pace and each stop at some time."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(1, customers + 1):
        begins, stops = np.sort(rng.uniform(0, days * 1.3, 2))
        gaps = rng.exponential(rng.uniform(1, 8), 400)
        at = begins + np.cumsum(gaps)
        rows += [(customer, float(t), "login") for t in at[at < min(stops, days)]]
    return rows


@pytest.fixture(scope="module")
def past() -> History:
    return history(habits(120, 400, seed=3))


def test_dates_run_back_from_the_newest_window_that_has_closed() -> None:
    rule = ChurnRule("cancel", 30, lead_days=5, settle_days=2)
    dates = observation_dates(rule, day(0), day(300))
    assert dates[-1] == day(300 - 37)
    assert set(np.diff(dates)) == {30 * DAY_US}
    assert day(65) <= dates[0] < day(96)  # a quarter of 263 days of history first
    assert observation_dates(rule, day(0), day(3000))[0] >= day(90)
    assert observation_dates(rule, day(0), day(30)) == ()
    assert observation_dates(rule, day(0), day(300), 7, 200)[0] >= day(200)


def test_a_panel_holds_everybody_who_was_active_on_each_date(past: History) -> None:
    panel = assemble(past, SPECS, SILENT_14, data_end=day(400))
    assert panel.dates[-1] == day(400 - 28)
    assert not panel.notes
    n = 0
    for as_of in panel.dates:
        rows = panel.as_of == as_of
        seen = standing(SILENT_14, past, as_of)
        found = labels(SILENT_14, past, seen.customers, as_of, day(400))
        assert panel.customer[rows].tolist() == seen.customers.tolist()
        assert panel.y[rows].tolist() == found.y.tolist()
        assert panel.left_at[rows].tolist() == found.left_at.tolist()
        n += int(rows.sum())
    assert len(panel) == n == len(panel.frame)
    assert 0 < panel.y.mean() < 1


def test_the_features_are_those_of_each_date(past: History) -> None:
    panel = assemble(past, SPECS, SILENT_14, data_end=day(400))
    row = len(panel) // 2
    mine = (past.events.customer == panel.customer[row]) & (past.events.occurred < panel.as_of[row])
    since = (panel.as_of[row] - past.events.occurred[mine].max()) / DAY_US
    recent = past.events.occurred[mine] >= panel.as_of[row] - 30 * DAY_US
    assert panel.frame["last_login_days"][row] == pytest.approx(since, rel=1e-6)
    assert panel.frame["login_count_30d"][row] == recent.sum()


def assert_purged(panel: Panel) -> None:
    found = split(panel)
    maturity = panel.rule.maturity_us
    names = [panel.as_of[rows] for rows in (found.train, found.calibrate, found.test)]
    for earlier, later in itertools.pairwise(names):
        assert earlier.max() + maturity <= later.min()
    assert names[-1].max() + maturity <= panel.data_end
    assert names[-1].max() == max(panel.dates)
    rows = np.concatenate([found.train, found.calibrate, found.test])
    assert len(np.unique(rows)) == len(rows)
    assert sum(int(part["n"]) for part in found.parts.values()) == len(rows)  # type: ignore[call-overload]
    assert found.purged == len(panel) - len(rows) + panel.left_out.get("purged", 0)


rules = st.one_of(
    st.builds(ChurnRule, st.just("inactivity"), st.sampled_from([7, 14, 30]), st.sampled_from([0, 7]), inactive_days=st.sampled_from([7, 21])),
    st.builds(
        ChurnRule, st.just("inactivity"), st.just(14), inactive_days=st.just(14), already_silent=st.just("leave_out"), settle_days=st.just(3)
    ),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(rules, st.integers(250, 400), st.sampled_from([30, 14]), st.integers(0, 3), st.sampled_from(LATER))
def test_no_window_of_one_part_reaches_into_the_next(
    rule: ChurnRule, end: int, every: int, seed: int, later: int
) -> None:
    panel = assemble(history(habits(20, 400, seed)), SPECS, rule, data_end=day(end), every_days=every, later=later)
    assert (panel.as_of + rule.maturity_us <= day(end)).all()  # no open row, though the history goes on
    assert set(np.unique(panel.y)) <= {0, 1}
    assert_purged(panel)


@settings(max_examples=25, deadline=None)
@given(
    rules,
    st.integers(250, 380),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(1, 30), st.floats(0, 400), st.sampled_from(["login", "surprise"]), st.floats(0, 60)), max_size=20),
)  # fmt: skip
def test_a_row_added_later_changes_no_bit_of_a_panel(
    rule: ChurnRule, end: int, seed: int, added: list[tuple[int, float, str, float]]
) -> None:
    rows = habits(20, 300, seed)
    later = [(who, at, kind, max(end, at) + delay) for who, at, kind, delay in added]
    treated = (np.arange(1, 21), np.full(20, day(200)))
    plain, more = (
        assemble(history(events), SPECS, rule, data_end=day(end), treated=treated, max_rows=60)
        for events in (rows, rows + later)
    )
    pd.testing.assert_frame_equal(plain.frame, more.frame, check_exact=True)
    for name in ("customer", "as_of", "y", "left_at", "treated"):
        assert getattr(plain, name).tolist() == getattr(more, name).tolist(), name
    assert np.array_equal(plain.revenue_minor, more.revenue_minor, equal_nan=True)
    assert (plain.dates, plain.left_out, plain.notes) == (more.dates, more.left_out, more.notes)
    one, other = split(plain), split(more)
    assert one.parts == other.parts
    assert one.train.tolist() == other.train.tolist()


@settings(max_examples=200, deadline=None)
@given(rules, st.integers(0, 60), st.sampled_from([30, 14, 7]), st.sampled_from(LATER))
def test_more_dates_for_the_later_parts_are_taken_only_where_six_are_left_to_learn_from(
    rule: ChurnRule, count: int, every: int, later: int
) -> None:
    dates = tuple(day(every * place) for place in range(count))
    usual, found = parts_of(dates, rule), parts_of(dates, rule, later)
    assert (usual is None) == (found is None)
    if usual is None or found is None:
        return
    assert len(found.test) in (1, *range(2, later + 1, 2))
    for earlier, after in itertools.pairwise((found.train, found.calibrate, found.test)):
        assert earlier[-1] + rule.maturity_us <= after[0]
    if len(found.test) > 2:
        assert len(found.train) >= 6 and len(found.calibrate) == len(found.test)
    else:
        assert found == usual
    assert found.test[-1] == dates[-1]
    assert parts_of(found.dates, rule, later) == found  # a panel is split as its calendar was


def test_more_dates_for_the_later_parts_take_none_from_training_and_are_told(past: History) -> None:
    plain, wide = (assemble(past, SPECS, SILENT_14, data_end=day(400), every_days=7, later=later) for later in (2, 6))
    sizes = [[len(part["dates"]) for part in split(panel).parts.values()] for panel in (plain, wide)]
    assert sizes == [[20, 2, 2], [20, 6, 6]]
    assert not plain.notes and "calibration and test take 6 dates each instead of 2" in wide.notes[0]
    assert wide.later == wide.take(wide.y == 1).later == 6
    explicit = assemble(past, SPECS, SILENT_14, data_end=day(400), every_days=7)
    pd.testing.assert_frame_equal(plain.frame, explicit.frame, check_exact=True)


def test_a_short_history_is_observed_more_often_and_says_so() -> None:
    short = history(habits(60, 130, seed=1))
    panel = assemble(short, SPECS, SILENT_14, data_end=day(130))
    assert panel.every_days == 7
    assert "every 7 days instead of every 30" in panel.notes[0]
    assert_purged(panel)


def test_too_little_history_says_how_much_it_takes() -> None:
    rule = SILENT_14
    everyday = [(customer, float(at), "login") for customer in (1, 2) for at in range(92)]
    with pytest.raises(TooLittleHistory, match="needs 91 days of history") as refused:
        assemble(history(everyday), SPECS, rule, data_end=day(80))
    assert (refused.value.needed_days, refused.value.have_days) == (91, 80)
    assert_purged(assemble(history(everyday), SPECS, rule, data_end=day(91)))
    with pytest.raises(TooLittleHistory):
        assemble(history(everyday), SPECS, rule, data_end=day(90))
    with pytest.raises(TooLittleHistory, match="There are 0"):
        assemble(history(), SPECS, rule, data_end=day(80))
    with pytest.raises(TooLittleHistory, match="leave no room"):
        split(assemble(history(everyday), SPECS, rule, data_end=day(91)).take(np.array([0, 1])))


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 60), st.integers(0, 60), st.sampled_from([30, 60, 10, 7]))
def test_the_days_that_are_named_add_up_to_those_that_are_needed(
    horizon: int, lead: int, settle: int, every: int
) -> None:
    rule = ChurnRule("cancel", horizon, lead, settle_days=settle)
    with pytest.raises(TooLittleHistory) as refused:
        calendar(rule, history(), day(0), every)
    needed, before, calibrates, judges, certain, have = (int(word) for word in re.findall(r"\d+", str(refused.value)))
    assert needed == before + calibrates + judges + certain == needed_days(rule, every) == refused.value.needed_days
    assert have == 0
    statements = [{"customer": 1, "started": 0}]
    enough = history([], statements)
    assert len(calendar(rule, enough, day(needed), every).parts.dates) >= 3
    with pytest.raises(TooLittleHistory):
        calendar(rule, enough, day(needed - 1), every)


def test_many_rows_are_drawn_by_customer(past: History) -> None:
    full = assemble(past, SPECS, SILENT_14, data_end=day(400))
    drawn = assemble(past, SPECS, SILENT_14, data_end=day(400), max_rows=100)
    assert 60 < len(drawn) <= 100
    for customer in np.unique(drawn.customer):
        assert (drawn.customer == customer).sum() == (full.customer == customer).sum()
    assert f"{len(np.unique(drawn.customer))} of {drawn.customers_in_all} customers were drawn" in drawn.notes[-1]
    other = assemble(past, SPECS, SILENT_14, data_end=day(400), max_rows=100, seed=1)
    assert set(other.customer) != set(drawn.customer)


def test_treated_is_who_was_treated_between_the_date_and_the_close_of_its_window(past: History) -> None:
    as_of = day(400 - 28)
    treated = (np.arange(1, 121), np.full(120, as_of + 27 * DAY_US))
    panel = assemble(past, SPECS, SILENT_14, data_end=day(400), treated=treated)
    assert np.array_equal(panel.treated, panel.as_of == as_of)


def test_a_profile_that_was_known_too_late_is_no_feature(past: History) -> None:
    n = len(past.customers)
    country = FeatureSpec("country", "category", "Country", recipe=Recipe("profile", "value", "country"))
    codes = np.arange(n, dtype=np.int32) % 2

    def with_profiles(known: int) -> Panel:
        profiles = ProfileLog(
            past.customers, np.full(n, known), np.arange(n), {"country": codes}, (country,), {"country": ("GB", "DE")}
        )
        return assemble(replace(past, profiles=profiles), (*SPECS, country), SILENT_14, data_end=day(400))

    early = with_profiles(day(0))
    assert early.frame["country"].cat.categories.tolist() == ["DE", "GB"]
    expected = np.where(codes[np.searchsorted(past.customers, early.customer)] == 0, "GB", "DE")
    assert early.frame["country"].astype(str).tolist() == expected.tolist()
    late = with_profiles(day(360))
    assert late.left_out_features == ("country",)
    assert [spec.name for spec in late.specs] == list(late.frame.columns) == [spec.name for spec in SPECS]


def test_subscriptions_bring_price_and_announced_ends() -> None:
    statements = [{"customer": c, "started": 0, "price": 100.0 * c} for c in range(1, 31)]
    for c in range(1, 21):
        ended = 20.0 * c
        statements.append(
            {**statements[c - 1], "ended": ended, "reason": "voluntary", "received": ended - 15 * (c % 2)}
        )
    past = history([(c, float(at), "login") for c in range(1, 31) for at in range(0, 400, 5)], statements)
    rule = ChurnRule("cancel", 30)
    panel = assemble(past, SPECS, rule, data_end=day(400))
    assert panel.revenue_minor.tolist() == (panel.customer * 100.0).tolist()
    assert_purged(panel)
    plan = outline(past, rule, data_end=day(400))
    assert plan.left_out == panel.left_out
    announced = sum(len(standing(rule, past, date).announced) for date in panel.dates)
    assert panel.left_out.get("announced", 0) == announced > 0


def test_a_stray_event_long_ago_does_not_stretch_the_panel(past: History) -> None:
    rows = habits(120, 400, seed=3)
    assert len(rows) > 1000
    stray = history([(7, -9000.0, "login"), *rows])
    assert (
        assemble(stray, SPECS, SILENT_14, data_end=day(400)).dates
        == assemble(past, SPECS, SILENT_14, data_end=day(400)).dates
    )
    assert event_log([]).occurred.shape == (0,)
