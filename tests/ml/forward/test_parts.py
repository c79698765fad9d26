"""Folds in time, samples of customers, the recency rival, capacities, and the sentence of a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retainstream.ml import Economics
from retainstream.ml.asof.columns import DAY_US
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.forward.folds import inner_folds, whole_customers
from retainstream.ml.forward.rivals import monotone_rate
from retainstream.ml.forward.stability import capacities
from retainstream.ml.forward.statement import statement
from tests.ml.forward.made_panel import RULE


@given(
    dates=st.integers(1, 9),
    customers=st.integers(30, 80),
    maturity=st.integers(1, 130),
    folds=st.integers(1, 3),
    seed=st.integers(0, 5),
)
def test_inner_folds_learn_only_from_windows_that_had_closed(dates, customers, maturity, folds, seed):
    rng = np.random.default_rng(seed)
    customer, as_of = np.tile(np.arange(customers), dates), np.repeat(np.arange(dates), customers) * 30 * DAY_US
    y = (rng.random(len(customer)) < 0.4).astype(np.int8)
    found = inner_folds(as_of, customer, y, maturity_us=maturity * DAY_US, folds=folds, rng=rng)
    assert 1 <= len(found.pairs) <= 3
    for learn, look in found.pairs:
        if found.by == "time":
            assert as_of[learn].max() + maturity * DAY_US <= as_of[look].min()
        else:
            if found.by == "customer" and dates > 1:  # only where a side would have too few of a class
                late = as_of >= np.unique(as_of)[-max(dates // 3, 1)]
                sides = (y[learn][~late[learn]], y[look][late[look]])
                assert min(min(side.sum(), len(side) - side.sum()) for side in sides) < 5
            if found.by == "time_and_customer":
                assert as_of[learn].max() < as_of[look].min()
            assert not np.intersect1d(customer[learn], customer[look]).size
        assert len(np.unique(y[learn])) == len(np.unique(y[look])) == 2


@given(rows=st.lists(st.integers(0, 40), min_size=1, max_size=300), most=st.integers(1, 300), seed=st.integers(0, 5))
def test_samples_hold_all_rows_of_a_customer_and_no_more_than_asked(rows, most, seed):
    customer = np.asarray(rows, dtype=np.int64) * 7
    chosen = whole_customers(customer, most, np.random.default_rng(seed))
    taken = np.unique(customer[chosen])
    assert np.array_equal(chosen, np.flatnonzero(np.isin(customer, taken)))
    assert len(chosen) <= most or len(taken) == 1


@given(seed=st.integers(0, 30), falling=st.booleans())
def test_the_recency_rival_never_turns(seed, falling):
    rng = np.random.default_rng(seed)
    silence = np.where(rng.random(400) < 0.1, np.nan, rng.exponential(20, 400)).astype(np.float32)
    z = np.nan_to_num(silence, nan=60.0) / 20 - 1
    y = (rng.random(400) < 1 / (1 + np.exp(z if falling else -z))).astype(np.int8)
    judged = np.append(np.linspace(-5, 200, 100), np.nan).astype(np.float32)
    rate = monotone_rate(silence, y, judged)
    steps = np.diff(rate[:-1])
    assert (steps <= 1e-12).all() if falling else (steps >= -1e-12).all()
    assert ((rate > 0) & (rate < 1)).all()
    assert (np.diff(rate[:-1]) != 0).all()  # silences longer than all that were learnt from are told apart


def test_a_team_reaches_the_top_of_each_month_not_of_all_months():
    """One month has far higher scores; its customers must not take the other month's places."""
    rng = np.random.default_rng(0)
    as_of = np.repeat([1, 2], 1000)
    margin = rng.normal(size=2000) + np.where(as_of == 2, 50.0, 0.0)
    y = (rng.random(2000) < 1 / (1 + np.exp(2 - margin % 50))).astype(np.int8)
    economics = Economics(acceptance=0.5, value=100.0, cost=4.0)
    found = {c.share_reached: c for c in capacities(as_of, y, margin, np.arange(2000), economics, rng)}[0.1]
    top = np.concatenate([np.flatnonzero(as_of == d)[np.argsort(-margin[as_of == d])[:100]] for d in (1, 2)])
    assert found.reached == pytest.approx(100)
    assert found.churners_found == pytest.approx(y[top].sum() / 2, abs=0.5)
    assert found.lift.value == pytest.approx(y[top].mean() / y.mean(), rel=0.01)
    gain = 0.5 * 100 * found.churners_found - 4.0 * 100
    assert found.net_gain.value == pytest.approx(gain)
    assert found.net_gain.low < gain < found.net_gain.high


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.3, "3 in 10 customers like this cancelled within 30 days."),
        (0.34, "34 in 100 customers like this cancelled within 30 days."),
        (0.012, "1 in 100 customers like this cancelled within 30 days."),
        (0.001, "Fewer than 1 in 100 customers like this cancelled within 30 days."),
        (0.999, "More than 99 in 100 customers like this cancelled within 30 days."),
    ],
)
def test_a_probability_is_told_in_people(probability, said):
    assert statement(probability, 0.8, RULE) == said


def test_a_score_without_probability_is_told_as_a_rank():
    assert "than 83% of customers" in statement(None, 0.83, RULE)
    assert "not reliable" in statement(None, 0.83, RULE)
    assert "Silent for longer than 99% of customers" in statement(None, 1.0, RULE, simple=True)


def test_the_lead_and_the_way_of_leaving_are_said():
    lead = ChurnRule("inactivity", horizon_days=30, lead_days=7, inactive_days=30)
    assert statement(0.5, 0.9, lead) == "5 in 10 customers like this fell silent between 7 and 37 days later."
    assert statement(0.5, 0.9, replace(RULE, horizon_days=1)).endswith("within a day.")
