"""What a customer is worth beside the usual one: by lifetime value once there is one, never twice by risk, and bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import AnalysisRun, Customer, LatestScore, LifetimeValue
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences, revisions
from retainstream.services.desk import queue, ranking, worth
from retainstream.services.desk.ranking import Ranking
from tests.services.desk.conftest import Team


def value_run(values: dict[int, tuple[int, float, float]], contract: str = "subscription") -> None:
    """Put a lifetime run in force: customer -> value in minor units, chance of being there, and months or purchases."""
    with unit_of_work() as session:
        run = AnalysisRun(
            kind="lifetime", state="complete", as_of=1, data_as_of=1, made_at=1, n=len(values), inputs={},
            summary={"contract": contract},
        )  # fmt: skip
        session.add(run)
        session.flush()
        for customer, (value, alive, months) in values.items():
            row = {"value_minor": value, "low_minor": 0, "high_minor": value, "currency": "USD"}
            session.add(LifetimeValue(run_id=run.id, customer_id=customer, alive=alive, purchases=months, **row))
        revisions.bump(session, "analyses")


def alike(probability: float = 0.5, revenue: int = 1_000) -> None:
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=probability))
        session.execute(update(Customer).values(revenue_minor=revenue, plan="basic", currency="USD"))
        revisions.bump(session, "customers", "scores")


def ranked(settings: Settings) -> Ranking:
    with read_unit() as session:
        return ranking.read(session, settings)


def gain(order: Ranking, customer: int) -> int:
    found = order.gain_at(order.place(customer))
    assert found is not None
    return found


def test_a_lifetime_value_takes_the_place_of_revenue_for_those_who_have_one(team: Team, settings: Settings) -> None:
    alike()
    before = ranked(settings)
    assert before.valued_by == "revenue"
    flat = gain(before, int(before.ids[0]))
    ids = before.ids.tolist()
    # All stay as long; one in two brings twice as much in a month, although revenue says that all pay the same.
    value_run({one: (12_000 * (1 + place % 2), 0.5, 10.0) for place, one in enumerate(ids)})
    after = ranked(settings)
    assert after.valued_by == "lifetime_value"
    cheap, dear = gain(after, ids[0]), gain(after, ids[1])
    assert dear + 1_100 == pytest.approx(2 * (cheap + 1_100), abs=2), "the cost of reaching is 11.00 by default"
    assert (cheap + dear) / 2 == pytest.approx(flat, abs=1), "what the usual customer is worth stays what a person set"


def test_who_is_about_to_leave_is_worth_what_they_are_worth_when_kept(team: Team, settings: Settings) -> None:
    """Of two who pay the same the one at risk has the smaller lifetime value, for it is the risk that makes it small."""
    alike()
    ids = ranked(settings).ids.tolist()
    value_run({one: (800 if one == ids[5] else 18_000, 0.1, 0.8 if one == ids[5] else 18.0) for one in ids})
    with unit_of_work() as session:
        session.execute(update(LatestScore).where(LatestScore.customer_id == ids[5]).values(probability=0.8))
        revisions.bump(session, "scores")
    after = ranked(settings)
    assert after.ids[0] == ids[5]
    assert gain(after, ids[5]) + 1_100 == pytest.approx(1.6 * (gain(after, ids[6]) + 1_100), rel=0.001)


def test_a_plan_that_customers_stay_longer_with_makes_them_worth_more(team: Team, settings: Settings) -> None:
    n = worth.FEWEST_OF_PLAN
    plans = tuple(["short"] * n + ["long"] * n + ["rare"])
    months = np.array([4.0] * n + [20.0] * n + [8.0])
    found = worth.of_subscribers(months * 1_000, months, plans)
    assert found[:n] == pytest.approx(4_000) and found[n:-1] == pytest.approx(20_000)
    assert found[-1] == pytest.approx(1_000 * np.median(months)), "too few of the plan: everybody speaks for it"
    assert np.isnan(worth.of_subscribers(np.array([3.0]), np.array([0.001]), ("short",))).all()


def test_a_buyer_is_worth_what_one_who_still_buys_is_worth() -> None:
    found = worth.of_buyers(np.array([500.0, 5_000.0, np.nan]), np.array([0.05, 0.5, 0.5]))
    assert found[:2] == pytest.approx([10_000, 10_000]) and np.isnan(found[2])


def test_one_customer_of_fifty_thousand_a_month_leaves_the_others_in_the_list(team: Team, settings: Settings) -> None:
    alike()
    with read_unit() as session:
        before = queue.read(session, SYSTEM, settings)
    giant = ranked(settings).ids.tolist()[30]
    with unit_of_work() as session:
        session.execute(update(Customer).where(Customer.id == giant).values(revenue_minor=5_000_000))
        revisions.bump(session, "customers")
    with read_unit() as session:
        after = queue.read(session, SYSTEM, settings)
    assert after.entries[0].customer_id == giant
    assert (after.total, after.counts.proposed_total) == (before.total, before.counts.proposed_total)
    order = ranked(settings)
    n = len(order.ids)
    assert gain(order, giant) + 1_100 == pytest.approx(10 * (gain(order, order.ids[1]) + 1_100), rel=0.001)
    least = (gain(order, order.ids[-1]) + 1_100) / (0.3 * 0.5 * 20_000)
    assert least == pytest.approx(n / (n + worth.MOST - 1), abs=0.001)


def test_withheld_probabilities_rank_by_percentile_times_the_same_worth(team: Team, settings: Settings) -> None:
    alike()
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=None, percentile=0.5))
        preferences.write(session, SYSTEM, {"daily_capacity": 5})
        revisions.bump(session, "scores")
    ids = ranked(settings).ids.tolist()
    value_run({one: (30_000 if one == ids[7] else 10_000, 0.5, 10.0) for one in ids})
    order = ranked(settings)
    assert order.gains is None and order.ids[0] == ids[7]
    assert order.values[0] == pytest.approx(3 * order.values[1])


AMOUNTS = st.lists(st.integers(0, 10**9) | st.just(float("nan")), min_size=1, max_size=40)


@given(AMOUNTS, st.integers(2, 100))
def test_factors_average_one_keep_the_order_and_bound_everybody(amounts: list[float], scale: int) -> None:
    held = np.array(amounts, dtype=np.float64)
    currency = ("EUR",) * len(held)
    found = worth.factors(held, currency)
    known = ~np.isnan(found)
    if not known.any():
        assert not (np.nan_to_num(held) > 0).any()
        return
    assert (known == ~np.isnan(held)).all()
    assert found[known].mean() == pytest.approx(1)
    own, told = held[known], found[known]
    order = np.argsort(own, kind="stable")
    assert (np.diff(told[order]) >= -1e-9).all()
    paying = own > 0
    assert told.max() <= worth.MOST * np.median(told[paying]) * (1 + 1e-9)
    assert worth.factors(held * scale, currency)[known] == pytest.approx(told, rel=1e-6, abs=1e-9)


def test_every_currency_has_a_mean_of_its_own_and_below_nought_is_nought() -> None:
    found = worth.factors(np.array([100.0, 300, 5, -5, 0, np.nan]), ("EUR", "EUR", "JPY", "JPY", "SEK", "SEK"))
    assert found[:4] == pytest.approx([0.5, 1.5, 2, 0])
    assert np.isnan(found[4:]).all(), "nobody pays anything in that currency"
