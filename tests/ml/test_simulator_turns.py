"""Turns: customers change plan and come back, and everything else is the simulation's own, to the bit."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest

from retainstream.ml.simulator import Service, Simulation
from retainstream.ml.simulator.emission import FAILED, KINDS, NOTICE, PAID
from retainstream.ml.simulator.files import write_events, write_subscriptions
from retainstream.ml.simulator.setup import NEVER, PRICES_MINOR, RISE_MINOR, TRIAL
from retainstream.ml.simulator.turns import RETURN_SHARE, Turns

END = 1_767_225_600_000_000  # the first of January 2026
DAY_US = 86_400_000_000
SERVICE = Service(customers=4_000, months=14, end=END, seed=11)
COLUMNS = ("who", "kind", "occurred", "received", "value", "properties", "key")


@pytest.fixture(scope="module")
def turns() -> Turns:
    return Turns(Simulation(SERVICE))


@pytest.fixture(scope="module")
def own() -> Simulation:
    return Simulation(SERVICE)


@pytest.fixture(scope="module")
def events(turns):
    months = list(turns.events())
    assert all((np.diff(month.received) >= 0).all() for month in months)
    return {name: np.concatenate([getattr(month, name) for month in months]) for name in COLUMNS}


@pytest.fixture(scope="module")
def left(own):
    found = np.full(SERVICE.customers, NEVER)
    found[own.departures.who] = own.departures.left_at
    return found


def test_what_was_played_stays_as_it_was(turns, own, events):
    first = {name: np.concatenate([getattr(month, name) for month in own.events()]) for name in COLUMNS}
    mine = events["key"] < 10**12
    for name in COLUMNS:
        if name != "value":
            np.testing.assert_array_equal(events[name][mine], first[name])
    moved = np.flatnonzero(~np.isclose(events["value"][mine], first["value"], equal_nan=True))
    assert len(moved)
    assert np.isin(first["kind"][moved], (PAID, FAILED, NOTICE)).all()
    assert np.isin(first["who"][moved], turns.changes.who).all()
    np.testing.assert_array_equal(turns.first.departures.left_at, own.departures.left_at)
    said, before = turns.statements(), own.statements()
    same = ~np.isin(said.who, turns.changes.who) & (said.number == 0)
    kept = ~np.isin(before.who, turns.changes.who)
    overtaken = (said.ended[same] != NEVER) & (before.ended[kept] == NEVER)  # by the end that was stated before
    assert overtaken.mean() < 0.01
    for name in vars(before):
        if name in {"ended", "reason"}:
            np.testing.assert_array_equal(
                getattr(said, name)[same][~overtaken], getattr(before, name)[kept][~overtaken]
            )
            continue
        np.testing.assert_array_equal(getattr(said, name)[same], getattr(before, name)[kept])


def test_the_same_service_turns_the_same_way(turns):
    again = Turns(Simulation(SERVICE)).statements()
    for name, column in vars(turns.statements()).items():
        np.testing.assert_array_equal(column, getattr(again, name))


def test_customers_change_plan_up_and_down_and_pay_accordingly(turns, own, events, left):
    changes, said = turns.changes, turns.statements()
    assert len(np.unique(changes.who)) == len(changes.who)
    assert 0.05 < len(changes.who) / SERVICE.customers < 0.25
    steps = changes.plan - own.people.plan[changes.who]
    assert set(steps.tolist()) == {-1, 1}
    assert (steps == 1).sum() > (steps == -1).sum() > 20
    assert (changes.at < left[changes.who]).all()
    prices = {(plan, int(PRICES_MINOR[plan] + raised * RISE_MINOR[plan])) for plan in range(4) for raised in (0, 1)}
    assert set(zip(said.plan.tolist(), said.price_minor.tolist(), strict=True)) <= prices
    since = np.full(SERVICE.customers, NEVER)
    since[changes.who] = changes.received
    plan = own.people.plan.copy()
    plan[changes.who] = changes.plan
    after = (said.received >= since[said.who]) & (said.number == 0)
    assert (said.plan[after] == plan[said.who[after]]).all()
    assert (
        said.plan[(said.received < since[said.who]) & (said.plan > 0)]
        == own.people.plan[said.who[(said.received < since[said.who]) & (said.plan > 0)]]
    ).all()
    paid = (events["kind"] == PAID) & (events["key"] < 10**12) & (events["occurred"] > since[events["who"]])
    minor = np.round(events["value"][paid] * 100).astype(int)
    assert set(zip(plan[events["who"][paid]].tolist(), minor.tolist(), strict=True)) <= prices


def test_a_change_of_plan_never_undoes_an_end(turns, own, left):
    said = turns.statements()
    order = np.lexsort((said.received, said.number, said.who))
    last = order[np.append(np.diff(said.who[order].astype(np.int64) * 2 + said.number[order]) != 0, True)]
    ended = last[(said.number[last] == 0) & (left[said.who[last]] < END - 5 * DAY_US)]
    assert (said.ended[ended] == left[said.who[ended]]).all()


def test_some_of_those_who_left_come_back_and_live(turns, own, events, left):
    who, day = turns.returners
    paying = own.departures.who[own.departures.cause != TRIAL]
    assert np.isin(who, paying).all()
    assert len(np.unique(who)) == len(who)
    assert (
        0.3 * RETURN_SHARE < len(who) / len(paying) <= 1.2 * RETURN_SHARE
    )  # of those who left of late, few are back yet
    back = own.start + day.astype(np.int64) * DAY_US
    assert (back > left[who] + 14 * DAY_US).all()
    second = events["key"] >= 10**12
    assert set(events["who"][second].tolist()) <= set(who.tolist())
    begun = np.full(SERVICE.customers, NEVER)
    begun[who] = back
    assert (events["occurred"][second] >= begun[events["who"][second]]).all()
    away = (events["occurred"] > left[events["who"]]) & (events["occurred"] < begun[events["who"]])
    assert not away.any()
    assert {KINDS[kind] for kind in np.unique(events["kind"][second])} >= {"login", "watch", "payment_succeeded"}
    said = turns.statements()
    again = said.number == 1
    assert set(said.who[again].tolist()) == set(who.tolist())
    assert (said.started[again] >= begun[said.who[again]]).all()
    assert (said.plan[again] > 0).all()
    assert (said.ended[again] < END).any(), "some leave a second time"


def test_where_nobody_left_nobody_comes_back():
    small = Turns(Simulation(Service(customers=3, months=2, end=END, seed=1)))
    assert small.second is None
    assert (small.statements().number == 0).all()
    assert sum(len(month) for month in small.events()) > 0


def test_the_files_name_a_second_subscription(tmp_path):
    turns = Turns(Simulation(Service(customers=900, months=8, end=END, seed=2)))
    assert write_subscriptions(turns, tmp_path / "subscriptions.csv") == len(turns.statements())
    with (tmp_path / "subscriptions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    owners = {(row["subscription_id"], row["user_id"]) for row in rows}
    assert len({key for key, _ in owners}) == len(owners)
    held = Counter(user for _, user in owners)
    assert max(held.values()) == 2
    assert {key for key, user in owners if held[user] == 2} >= {
        f"sub_{user[4:]}-2" for user, n in held.items() if n == 2
    }
    n = write_events(turns, tmp_path / "events.csv")
    with (tmp_path / "events.csv").open(newline="") as stream:
        said = [tuple(row.values()) for row in csv.DictReader(stream)]
    assert len(said) == n
    # An event that is sent again says the same under its key; only when it arrived differs.
    assert len({row[0] for row in said}) == len({(*row[:4], *row[5:]) for row in said})
