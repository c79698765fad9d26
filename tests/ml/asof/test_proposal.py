"""Proposed definitions: silences counted by hand, planted habits recovered, and the largest that history allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.asof import proposal
from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.gaps import Silences, thinned
from retainstream.ml.asof.gaps import silences as of_activity
from retainstream.ml.asof.outcomes import activity_of, churn_by_month, departures, stays
from retainstream.ml.asof.proposal import propose_inactivity, propose_subscription
from retainstream.ml.asof.rules import ChurnRule
from tests.ml.asof.made_history import day, history

ACTIVE = ChurnRule("inactivity", 30, inactive_days=1)


def silences(past: History, data_end: int) -> Silences:
    return of_activity(activity_of(ACTIVE, past.events, data_end), data_end)


def test_silences_by_hand() -> None:
    past = history(
        [
            (1, 0.2, "login"), (1, 0.9, "login"), (1, 3, "login"), (1, 3.5, "invoice"), (1, 10.5, "login"),
            (2, 4, "login"), (2, 5, "login"), (2, 30, "login"),
        ]
    )  # fmt: skip
    found = silences(past, day(20))
    assert np.flatnonzero(found.ended).tolist() == [1, 3, 7]
    assert np.flatnonzero(found.running).tolist() == [9, 14]  # active on day 10 and on day 5, complete up to day 19
    assert found.at_risk[[1, 3, 7, 9, 14]].tolist() == [5, 4, 3, 2, 1]
    assert (found.reached(7), found.reached(10), found.reached(11)) == (3, 2, 1)
    assert found.quantile(0.5) == 3
    assert found.came_back(7) is None  # too few were watched


def test_who_came_back_allows_for_silences_that_still_go_on() -> None:
    """Everybody comes back after 20 days; half of the customers are still in their first week of silence."""
    rows = [(c, float(at), "login") for c in range(60) for at in range(0, 200, 20)]
    rows += [(c, 195.0, "login") for c in range(100, 160)]
    found = silences(history(rows), day(199))
    assert found.followed_days == 20
    assert found.came_back(7) == found.came_back(20) == 1.0
    assert found.came_back(21) is None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 120)), max_size=300))
def test_the_share_that_came_back_is_a_share_and_never_grows(rows: list[tuple[int, int]]) -> None:
    found = silences(history([(who, float(at), "login") for who, at in rows]), day(120))
    shares = [share for n in range(1, 130) if (share := found.came_back(n)) is not None]
    assert all(0 <= share <= 1 for share in shares)
    assert all(later <= earlier + 1e-12 for earlier, later in zip(shares, shares[1:], strict=False))  # noqa: RUF007
    reached = [found.reached(n) for n in range(1, 130)]
    assert reached == sorted(reached, reverse=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4 * 60)), max_size=80), st.sampled_from([1, 2, 7]))
def test_the_first_and_last_of_a_day_are_enough_to_see_who_left(rows: list[tuple[int, int]], n: int) -> None:
    past = history([(who, at / 4, "login") for who, at in rows])
    rule = ChurnRule("inactivity", 30, inactive_days=n)
    done = activity_of(rule, past.events, day(80))
    few = stays(rule, past, day(80), thinned(done))
    every = stays(rule, past, day(80))
    for name in ("customer", "start", "end"):
        assert getattr(few, name).tolist() == getattr(every, name).tolist()


def habits(customers: int, days: int, seed: int, pause: float) -> History:
    """Return customers who come every few days, sometimes pause for up to `pause` days, and stop for good at some time."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        gaps = np.where(rng.random(200) < 0.1, rng.uniform(5, pause, 200), rng.uniform(0.5, 5, 200))
        at = rng.uniform(0, 60) + np.cumsum(gaps)
        rows += [(customer, float(t), "login") for t in at[at < min(days, rng.exponential(300))]]
    return history(rows)


def test_the_proposal_is_the_shortest_silence_after_which_few_come_back() -> None:
    found = propose_inactivity(habits(400, 500, 1, pause=25), data_end=day(500))
    n = found.chosen.grounds.rule.inactive_days
    assert n in (21, 30)  # pauses end within 25 days
    assert found.chosen.grounds.trainable
    assert found.chosen.came_back is not None
    assert found.chosen.came_back <= proposal.ACCEPTED_RETURNS
    shorter = [each for each in found.candidates if (each.grounds.rule.inactive_days or 0) < (n or 0)]
    assert all(each.came_back is not None and each.came_back > proposal.ACCEPTED_RETURNS for each in shorter)
    assert [each.grounds.rule.inactive_days for each in found.candidates] == sorted(
        {*proposal.CANDIDATE_DAYS, found.silences.quantile(0.95)}  # type: ignore[type-var]
    )


def test_a_short_history_gets_the_longest_silence_that_it_can_train() -> None:
    past = habits(400, 160, 2, pause=100)
    found = propose_inactivity(past, data_end=day(160))
    assert found.chosen.grounds.trainable
    longer = [
        each
        for each in found.candidates
        if each.grounds.rule.inactive_days > found.chosen.grounds.rule.inactive_days  # type: ignore[operator]
    ]
    assert longer
    assert found.chosen.grounds.training_dates >= 3
    assert not any(each.grounds.training_dates >= 3 for each in longer)
    assert "days of history" in str(longer[-1].grounds.problem)


@pytest.mark.real_data
def test_a_shop_of_a_year_is_not_taught_by_its_first_fortnight(real_data: Path) -> None:
    """90 days of silence leave one date to learn from, in the second week of the record."""
    import pandas as pd

    rows = pd.read_csv(
        real_data / "online_retail.csv.gz", usecols=["InvoiceDate", "CustomerID"], parse_dates=["InvoiceDate"]
    )
    rows = rows.dropna().drop_duplicates()
    at = (rows["InvoiceDate"] - pd.Timestamp("2010-12-01")) / pd.Timedelta(days=1)
    past = history(list(zip(rows["CustomerID"].astype(int), at, ["purchase"] * len(rows), strict=True)))
    found = propose_inactivity(past, data_end=day(373))
    by_days = {each.grounds.rule.inactive_days: each.grounds for each in found.candidates}
    assert by_days[90].trainable
    assert by_days[90].training_dates == 1
    assert found.chosen.grounds.rule.inactive_days == 60
    assert found.chosen.grounds.training_dates == 5


def test_nothing_can_be_trained_from_a_week() -> None:
    found = propose_inactivity(habits(50, 8, 3, pause=9), data_end=day(8))
    assert not found.chosen.grounds.trainable
    assert found.chosen.grounds.churn_per_month is None


def test_where_nothing_can_be_trained_the_shortest_silence_that_nothing_speaks_against_is_proposed() -> None:
    visits = [(customer, customer % 8 + 8.5 * turn, "login") for customer in range(200) for turn in range(4)]
    found = propose_inactivity(history([row for row in visits if row[1] < 28]), data_end=day(28))
    known = [each for each in found.candidates if each.came_back is not None]
    assert not any(each.grounds.trainable for each in found.candidates)
    assert known and all(each.came_back > proposal.ACCEPTED_RETURNS for each in known)  # type: ignore[operator]
    assert found.chosen is next(each for each in found.candidates if each.came_back is None)


def test_figures_are_those_of_the_rule() -> None:
    past = habits(300, 400, 4, pause=20)
    found = propose_inactivity(past, data_end=day(400))
    grounds = found.chosen.grounds
    months = churn_by_month(grounds.rule, past, day(400))[-12:]
    assert grounds.months == len(months)
    assert grounds.churn_per_month == pytest.approx(sum(m.left for m in months) / sum(m.active for m in months))
    assert grounds.departures == len(departures(grounds.rule, past, day(400))[0])


def test_late_news_sets_the_days_to_settle() -> None:
    late = history(
        [(c, float(at), "login", at + (2.5 if at % 10 == 0 else 0.001)) for c in range(30) for at in range(300)]
    )
    found = propose_inactivity(late, data_end=day(300))
    assert found.lateness.settle_days == 3
    assert {each.grounds.rule.settle_days for each in found.candidates} == {3}
    prompt = history([(c, float(at), "login", at + 0.01) for c in range(30) for at in range(300)])
    assert propose_inactivity(prompt, data_end=day(300)).lateness.settle_days == 0


def subscriptions(reason: str | None) -> History:
    rng = np.random.default_rng(5)
    rows: list[dict[str, object]] = []
    for customer in range(900):
        started = float(rng.uniform(0, 350))
        rows.append({"customer": customer, "started": started})
        ended = started + float(rng.exponential(150))
        if ended < 400:
            why = "payment_failed" if customer % 4 == 0 else reason
            rows.append({**rows[-1], "ended": ended, "received": ended + 1.5, **({"reason": why} if why else {})})
    return history(subscriptions=rows)


def test_every_way_in_which_subscriptions_end_is_described() -> None:
    past = subscriptions("voluntary")
    found = propose_subscription(past, "cancel", data_end=day(400))
    by_kind = {each.rule.kind: each for each in found.by_kind}
    assert found.chosen is by_kind["cancel"]
    assert found.chosen.rule.reasons == ("voluntary",)
    assert found.chosen.trainable
    assert by_kind["cancel"].departures > 2 * by_kind["payment_failure"].departures > 0
    assert by_kind["non_renewal"].departures == by_kind["cancel"].departures + by_kind["payment_failure"].departures
    assert not by_kind["trial_end"].trainable
    assert (found.lateness.settle_days, found.without_reason) == (2, 0)


def test_ends_without_a_reason_count_as_cancellations_where_hardly_any_has_one() -> None:
    found = propose_subscription(subscriptions(None), "cancel", data_end=day(400))
    assert found.chosen.rule.reasons == ("voluntary", "other")
    assert found.chosen.trainable
    assert found.without_reason > 0


@pytest.mark.real_data
def test_a_forum_of_half_a_year_gets_a_proposal_that_can_be_trained(real_data: Path) -> None:
    import pandas as pd

    talk = pd.read_csv(real_data / "collegemsg.txt", sep=" ")
    seconds = talk.iloc[:, -1].to_numpy()
    rows = [
        (int(who), (at * 1_000_000 - day(0)) / DAY_US, "message")
        for who, at in zip(talk.iloc[:, 0], seconds, strict=True)
    ]
    found = propose_inactivity(history(rows), data_end=int(seconds.max()) * 1_000_000 // DAY_US * DAY_US)
    assert found.chosen.grounds.trainable
    assert found.chosen.grounds.rule.inactive_days == 21
    assert found.chosen.came_back is not None
    assert 0.3 < found.chosen.came_back < 0.5
