"""The simulated service: its causes show, its truth is true, and the company sees no more than it should."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from retainstream.ml.asof.columns import DAY_US
from retainstream.ml.simulator import KINDS, Service, Simulation
from retainstream.ml.simulator.files import write_customers, write_events, write_subscriptions
from retainstream.ml.simulator.record import history_of
from retainstream.ml.simulator.setup import CAUSES, NEVER, PAYMENT, TRIAL, VOLUNTARY

END = 1_767_225_600_000_000  # the first of January 2026
SERVICE = Service(customers=12_000, months=12, end=END, seed=11)
HORIZON = 30


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(SERVICE)


@pytest.fixture(scope="module")
def events(simulation):
    months = list(simulation.events())
    return {
        name: np.concatenate([getattr(month, name) for month in months])
        for name in ("who", "kind", "occurred", "received", "value", "properties", "key")
    } | {"codes": months[0].codes}


@pytest.fixture(scope="module")
def truth(simulation):
    """For each customer: day of leaving (far away for who stays) and cause."""
    left, cause = np.full(SERVICE.customers, NEVER), np.full(SERVICE.customers, -1)
    gone = simulation.departures
    left[gone.who], cause[gone.who] = gone.left_at, gone.cause
    return left, cause


def kind(name: str) -> int:
    return KINDS.index(name)


def rate(simulation, truth, day: int, cause: int) -> float:
    left, why = truth
    moment = simulation.start + day * DAY_US
    there = (simulation.people.joined < day) & (left >= moment)
    return float((there & (left < moment + HORIZON * DAY_US) & (why == cause)).sum() / there.sum())


def test_the_same_service_has_the_same_history_and_another_seed_another():
    small = Service(customers=400, months=3, end=END, seed=5)
    first, again = list(Simulation(small).events()), list(Simulation(small).events())
    for one, other in zip(first, again, strict=True):
        for part in fields(one)[:7]:
            np.testing.assert_array_equal(getattr(one, part.name), getattr(other, part.name))
    statements = Simulation(small)
    before = statements.statements()  # without having asked for events first
    list(statements.events())
    np.testing.assert_array_equal(before.received, statements.statements().received)
    other = list(Simulation(Service(customers=400, months=3, end=END, seed=6)).events())
    assert not np.array_equal(first[0].occurred, other[0].occurred)


def test_what_is_seen_changes_nothing_of_what_happens():
    some = Simulation(Service(customers=600, months=3, end=END, seed=5, events_per_month=5))
    many = Simulation(Service(customers=600, months=3, end=END, seed=5, events_per_month=27))
    assert 3 < sum(map(len, many.events())) / sum(map(len, some.events())) < 8
    np.testing.assert_array_equal(some.departures.left_at, many.departures.left_at)


def test_the_base_grows_and_customers_leave_at_a_believable_pace(simulation, truth):
    left, _ = truth
    first = (simulation.people.joined < 0).sum()
    last = (left == NEVER).sum()
    assert last > 1.2 * first
    quiet = [day for day in range(30, SERVICE.days - HORIZON, 30) if not 140 < day < 260]
    assert 0.025 < np.mean([rate(simulation, truth, day, VOLUNTARY) for day in quiet]) < 0.05
    assert 0.006 < np.mean([rate(simulation, truth, day, PAYMENT) for day in quiet]) < 0.02
    assert 0.002 < np.mean([rate(simulation, truth, day, TRIAL) for day in quiet]) < 0.02


def test_the_price_rise_makes_customers_leave_and_only_those_who_pay_more(simulation, truth):
    rise = simulation.world.rise_day
    calm = np.mean([rate(simulation, truth, day, VOLUNTARY) for day in (rise - 120, rise - 90, rise + 120)])
    assert rate(simulation, truth, rise, VOLUNTARY) > 1.35 * calm
    never = Simulation(Service(customers=12_000, months=12, end=END, seed=11, price_rise=None))
    left, cause = np.full(SERVICE.customers, NEVER), np.full(SERVICE.customers, -1)
    left[never.departures.who], cause[never.departures.who] = never.departures.left_at, never.departures.cause
    assert rate(never, (left, cause), rise, VOLUNTARY) < 1.25 * calm
    said, people = simulation.statements(), simulation.people
    paying = people.trial_days == 0
    new = paying & (people.joined >= simulation.world.notice_day)
    stayed = (
        paying & (people.joined < simulation.world.notice_day) & (truth[0] > simulation.start + (rise + 5) * DAY_US)
    )
    for group, prices in ((new, 1), (stayed, 2)):
        pairs = np.unique(np.column_stack([said.who, said.price_minor])[group[said.who]], axis=0)
        assert (np.bincount(pairs[:, 0], minlength=len(group))[group] == prices).all()


def test_failing_cards_lead_to_payment_churn_and_many_are_saved(simulation, events, truth):
    left, cause = truth
    failed = np.unique(events["who"][events["kind"] == kind("payment_failed")])
    settled = left < END - 5 * DAY_US  # news of the last days has not arrived
    lost = np.flatnonzero((cause == PAYMENT) & settled)
    assert np.isin(lost, failed).all()
    assert 0.1 < len(lost) / len(failed) < 0.6
    tries = np.bincount(events["who"][events["kind"] == kind("payment_failed")], minlength=SERVICE.customers)
    new = lost[simulation.people.joined[lost] >= 0]
    assert (tries[new] >= 4).all()


def test_who_watches_less_leaves_more(simulation, events, truth):
    left, cause = truth
    day = SERVICE.days - HORIZON
    moment = simulation.start + day * DAY_US
    watch = (events["kind"] == kind("watch")) & (events["occurred"] < moment)
    recent = np.bincount(
        events["who"][watch & (events["occurred"] >= moment - 14 * DAY_US)], minlength=SERVICE.customers
    )
    there = (simulation.people.joined < day - 60) & (left >= moment)
    leaves = (cause == VOLUNTARY) & (left < moment + HORIZON * DAY_US)
    assert leaves[there & (recent == 0)].mean() > 2 * leaves[there & (recent >= 4)].mean()


def test_seasons_show_in_viewing():
    year = Simulation(Service(customers=3_000, months=12, end=END, seed=3, joining=0.05, price_rise=None))
    by_month = {}
    for month in year.events():
        dates = month.occurred.astype("datetime64[us]").astype("datetime64[M]").astype(int) % 12
        for number in (0, 7):  # January, August
            rows = (month.kind == kind("watch")) & (dates == number)
            by_month[number] = by_month.get(number, 0) + rows.sum()
    left = np.full(3_000, NEVER)
    left[year.departures.who] = year.departures.left_at
    august = (year.people.joined < 220) & (left > year.start + 220 * DAY_US)
    assert by_month[0] / (year.people.joined < 15).sum() > 1.15 * by_month[7] / august.sum()


def test_the_oracle_is_calibrated_and_better_than_recency(simulation, events, truth):
    left, cause = truth
    chance, happened, lost, fell, since = [], [], [], [], []
    for day in (150, 220, 290, SERVICE.days - HORIZON):
        moment = simulation.start + day * DAY_US
        oracle = simulation.oracle(moment, HORIZON, replicates=16)
        within = left[oracle.who] < moment + HORIZON * DAY_US
        chance.append(oracle.voluntary)
        happened.append(within & (cause[oracle.who] == VOLUNTARY))
        lost.append(oracle.payment)
        fell.append(within & (cause[oracle.who] == PAYMENT))
        last = np.zeros(SERVICE.customers, np.int64)
        seen = (events["received"] < moment) & (events["kind"] == kind("login"))
        np.maximum.at(last, events["who"][seen], events["occurred"][seen])
        since.append(moment - last[oracle.who])
    p, y = np.concatenate(chance), np.concatenate(happened)
    for part in np.array_split(np.argsort(p), 10):
        expected, spread = p[part].mean(), np.sqrt((p[part] * (1 - p[part])).sum()) / len(part)
        assert abs(y[part].mean() - expected) < 4 * spread + 0.06 * expected
    q, z = np.concatenate(lost), np.concatenate(fell)
    assert abs(z.mean() - q.mean()) < 4 * np.sqrt(q.mean() / len(q))
    best = roc_auc_score(y, p)
    recency = roc_auc_score(y, np.concatenate(since))
    assert 0.78 < best < 0.89
    assert 0.58 < recency < 0.72


def test_the_oracle_knows_the_lead(simulation, truth):
    left, cause = truth
    moment = simulation.start + 200 * DAY_US
    oracle = simulation.oracle(moment, HORIZON, lead_days=7, replicates=8)
    stays = left[oracle.who] >= moment + 7 * DAY_US
    within = stays & (left[oracle.who] < moment + 37 * DAY_US) & (cause[oracle.who] == VOLUNTARY)
    p = oracle.voluntary[stays]
    assert abs(within[stays].mean() - p.mean()) < 4 * np.sqrt(p.mean() / len(p))
    with pytest.raises(ValueError, match="as_of"):
        simulation.oracle(END - DAY_US, HORIZON)
    with pytest.raises(ValueError, match="as_of"):
        simulation.oracle(moment + 1, HORIZON)


def test_nothing_happens_before_joining_or_after_leaving_and_nothing_arrives_after_the_end(simulation, events, truth):
    left, _ = truth
    joined = simulation.customers().signup
    assert (events["occurred"] < left[events["who"]]).all()
    assert (events["occurred"] > joined[events["who"]]).all()
    assert (events["received"] > events["occurred"]).all()
    assert events["received"].max() < END
    said = simulation.statements()
    assert said.received.max() < END
    ends = said.ended != NEVER
    assert (left[said.who[ends]] == said.ended[ends])[said.ended[ends] < END].all()
    assert (np.diff(said.received) >= 0).all()


def test_app_events_are_late_as_asked_and_billing_news_takes_days(events):
    device = np.where(events["properties"] >= 0, events["codes"]["device"][events["properties"]], -1)
    once = np.unique(events["key"], return_index=True)[1]
    lag = (events["received"] - events["occurred"])[once] / DAY_US
    mobile = np.isin(device[once], (1, 2))
    assert (lag[mobile] > 1 / 24).mean() == pytest.approx(SERVICE.late_share, abs=0.006)
    assert lag[mobile].max() <= 3.1
    billing = np.isin(events["kind"][once], [kind("payment_succeeded"), kind("payment_failed")])
    assert lag[billing].min() >= 1 and lag[billing].max() <= 4
    assert 1 - len(once) / len(events["key"]) == pytest.approx(SERVICE.duplicate_share, abs=0.001)


def test_an_event_that_is_sent_again_says_the_same(events):
    order = np.argsort(events["key"], kind="stable")
    same = np.flatnonzero(np.diff(events["key"][order]) == 0)
    assert len(same)
    for name in ("who", "kind", "occurred", "value", "properties"):
        np.testing.assert_array_equal(events[name][order][same], events[name][order][same + 1])


def test_noise_is_noise(simulation, truth):
    people, (_, cause) = simulation.people, truth
    leaves = cause == VOLUNTARY
    for column in (people.bucket, people.lucky):
        assert abs(np.corrcoef(column, leaves)[0, 1]) < 0.035
    assert leaves[people.channel == 3].mean() > leaves[people.channel == 1].mean()


def test_the_files_say_what_the_simulation_does(tmp_path):
    small = Simulation(Service(customers=300, months=3, end=END, seed=2))
    n = write_events(small, tmp_path / "events.csv.gz")
    with gzip.open(tmp_path / "events.csv.gz", "rt", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == n == sum(len(month) for month in small.events())
    assert {row["kind"] for row in rows} <= set(KINDS)
    watched = [row for row in rows if row["kind"] == "watch"]
    assert all(row["device"] and row["genre"] and row["title"] and float(row["value"]) > 0 for row in watched)
    assert all(row["occurred_at"] < row["received_at"] for row in rows)

    assert write_events(small, tmp_path / "events.jsonl") == n
    with (tmp_path / "events.jsonl").open() as stream:
        items = [json.loads(line) for line in stream]
    assert [item["key"] for item in items] == [row["event_id"] for row in rows]
    assert [item["properties"].get("title", "") for item in items] == [row["title"] for row in rows]

    assert write_customers(small, tmp_path / "customers.csv") == 300
    with (tmp_path / "customers.csv").open(newline="") as stream:
        people = list(csv.DictReader(stream))
    assert len({person["user_id"] for person in people}) == len({person["email"] for person in people}) == 300
    assert {row["user_id"] for row in rows} <= {person["user_id"] for person in people}

    write_subscriptions(small, tmp_path / "subscriptions.csv")
    with (tmp_path / "subscriptions.csv").open(newline="") as stream:
        said = list(csv.DictReader(stream))
    assert {row["end_reason"] for row in said} <= {*CAUSES, ""}
    assert Counter(row["user_id"] for row in said).keys() == {person["user_id"] for person in people}
    assert all((row["ended_at"] == "") == (row["end_reason"] == "") for row in said)
    trials = [row for row in said if row["plan"] == "trial"]
    assert trials and all(float(row["monthly_revenue"]) == 0 for row in trials)


def test_the_record_is_what_had_arrived(simulation, events):
    history = history_of(simulation, ("device", "title"))
    assert len(history.events) == len(np.unique(events["key"]))
    assert (np.diff(history.events.occurred) >= 0).all()
    assert history.events.properties["device"].max() == 4
    assert len(np.unique(history.subscriptions.customer)) == SERVICE.customers
    assert set(history.profiles.values) >= {"country", "bucket", "email_opt_out"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"customers": 0}, "customers"),
        ({"months": 1}, "months"),
        ({"late_share": 1.5}, "late_share"),
        ({"end": END + 1}, "end"),
    ],
)
def test_a_service_that_cannot_be_is_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        Service(**{"customers": 10, "months": 3, "end": END, **wrong})
