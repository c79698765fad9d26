"""RFM of a box: the meaning in force, months that are made on the first day, moves that sum, and whom each figure counts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.ml.rfm import NAMES
from retainstream.models import AnalysisRun, Customer, Event, Identity, LatestScore, RfmScore, Subscription
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.analyses import runs
from retainstream.services.customers import cells, erasure
from retainstream.services.rfm import reading, values
from tests.history import Past
from tests.services.events.filing import Filer
from tests.work import run_job

ORDERS = """customer,date,order,amount
a,2024-01-10,1,10
a,2024-02-20,2,20
a,2024-02-20,2,5
a,2024-04-02,3,30
b,2024-01-05,4,100
c,2024-03-15,5,7
c,2024-03-16,6,-7
d,2024-04-29,7,1
d,2024-04-30,8,1
"""


@pytest.fixture
def shop(minimal_app: Flask, settings: Settings) -> Settings:
    """A shop of four customers: their orders are complete to the end of April 2024."""
    assert minimal_app
    Filer(settings).counts("orders", ORDERS)
    run_job(settings, "analyse")
    return settings


def _rows(settings: Settings, day: str = "now") -> dict[str, tuple[int, ...]]:
    """Return recency, frequency, money of each customer as of a day."""
    with read_unit() as session:
        run = next(one for one in reading.days(session, settings) if one.name == day)
        found = reading.rows(session, run.run_id)
        names = {row[0]: row[1] for row in session.execute(select(Identity.customer_id, Identity.user_id))}
        columns = (found.recency_days, found.frequency, found.money)
        return {
            names[one]: row
            for one, *row in zip(found.customer.tolist(), *(c.tolist() for c in columns), strict=True)
        }  # fmt: skip


def _ids(address: str) -> tuple[int, ...]:
    with read_unit() as session:
        return cells.read(session, address).ids


def test_a_shop_is_scored_by_what_was_bought_and_as_of_each_month(shop: Settings) -> None:
    # The last complete day is 29 April: the second purchase of d is of a day that is not over.
    assert _rows(shop) == {"a": [28, 3, 6500], "b": [116, 1, 10000], "c": [46, 1, 0], "d": [1, 1, 100]}
    assert _rows(shop, "2024-02") == {"a": [10, 2, 3500], "b": [56, 1, 10000]}
    with read_unit() as session:
        found = reading.standing(session)
        assert [day.name for day in reading.days(session, shop)] == ["2024-01", "2024-02", "2024-03", "now"]
    assert (found.meaning, found.currency, found.n) == ("purchases", shop.currency, 4)
    assert sum(group.n for group in found.groups) == sum(map(sum, found.grid)) == 4


def test_every_figure_opens_whom_it_counts(shop: Settings) -> None:
    with read_unit() as session:
        found = reading.standing(session)
    for group in found.groups:
        assert len(_ids(f"rfm:{group.name}")) == group.n
    for r, row in enumerate(found.grid, 1):
        assert len(_ids(f"rfm:r{r}")) == sum(row)
        for f, n in enumerate(row, 1):
            assert len(_ids(f"rfm:r{r}f{f}")) == n
    assert len(_ids("rfm:all")) == found.n
    for wrong in ("rfm:", "rfm:r6f1", "rfm:Nobody", "rfm:a>b@now..now", "rfm:entered>New@2024-01..2024-99"):
        with pytest.raises(InvalidInput):
            _ids(wrong)


@pytest.mark.usefixtures("past_box")
def test_moves_between_months_sum_to_the_population(settings: Settings, past: Past) -> None:
    told = run_job(settings, "analyse")["RFM"]
    assert told["meaning"] == values.ACTIVITY
    with read_unit() as session:
        known = reading.days(session, settings)
        moves = reading.migration(session, settings, known[4].name, known[5].name)
        sides = [reading.rows(session, known[at].run_id).customer for at in (4, 5)]
    population = np.union1d(*sides)
    assert moves.table.counts.sum() == len(population) == moves.table.population
    assert moves.table.counts[:-1].sum() == len(sides[0]) and moves.table.counts[:, :-1].sum() == len(sides[1])
    assert moves.table.entered and moves.table.left
    span = f"{known[4].name}..{known[5].name}"
    assert list(_ids(f"rfm:*>*@{span}")) == population.tolist()
    assert len(_ids(f"rfm:entered>*@{span}")) == moves.table.entered
    for row, before in enumerate((*NAMES, "entered")):
        for column, after in enumerate((*NAMES, "left")):
            assert len(_ids(f"rfm:{before}>{after}@{span}")) == moves.table.counts[row, column]


@pytest.mark.usefixtures("past_box")
def test_activity_is_that_of_customers_and_their_own_days(settings: Settings, past: Past) -> None:
    run_job(settings, "analyse")
    with read_unit() as session:
        found = reading.rows(session, runs.in_force(session, "rfm").id)  # type: ignore[union-attr]
        end = found.as_of
        day = Event.occurred_at / clock.DAY_US
        since = end - 90 * clock.DAY_US
        query = select(Event.customer_id, func.max(Event.occurred_at)).where(Event.occurred_at < end)
        last = {row[0]: row[1] for row in session.execute(query.group_by(Event.customer_id))}
        days = select(Event.customer_id, func.count(func.distinct(func.floor(day))))
        days = days.where(Event.occurred_at >= since, Event.occurred_at < end).group_by(Event.customer_id)
        active = {row[0]: row[1] for row in session.execute(days)}
        gone = set(session.scalars(select(Subscription.customer_id).where(Subscription.ended_at < end)))
    assert end == past.data_end and not gone & set(found.customer.tolist())
    for one, recency, frequency, money in zip(
        found.customer.tolist(), found.recency_days.tolist(), found.frequency.tolist(), found.money.tolist(), strict=True
    ):  # fmt: skip
        assert frequency == active.get(one, 0) and money == 999
        if one in last:
            assert recency <= (end - last[one]) // clock.DAY_US


@pytest.mark.usefixtures("past_box")
def test_a_month_is_made_once_and_again_when_somebody_is_erased(settings: Settings) -> None:
    first = run_job(settings, "analyse")["RFM"]
    again = run_job(settings, "analyse")["RFM"]
    assert first["months_made"] == first["months"] > 5 and again["months_made"] == 0
    with unit_of_work() as session:
        newest = runs.in_force(session, "rfm")
        assert newest is not None
        one = session.scalars(select(RfmScore.customer_id).where(RfmScore.run_id == newest.id).limit(1)).one()
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == one))
        assert user_id is not None and one in _in(session, newest.id)
        erasure.erase(session, SYSTEM, user_id, key=b"k" * 32)
    with read_unit() as session:
        assert one not in _in(session, newest.id)
        assert one not in session.scalars(select(RfmScore.customer_id)).all()
    assert run_job(settings, "analyse")["RFM"]["months_made"] > 0
    with read_unit() as session:
        in_force = runs.in_force(session, "rfm")
        assert in_force is not None
        assert in_force.as_of == session.scalar(select(func.max(AnalysisRun.as_of)).where(AnalysisRun.kind == "rfm"))


def _in(session: Session, run_id: int) -> list[int]:
    return reading.rows(session, run_id).customer.tolist()


@pytest.mark.usefixtures("ahead_box")
def test_a_group_tells_the_risk_of_those_who_have_a_probability(settings: Settings) -> None:
    run_job(settings, "analyse")
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=0.25))
        revisions.bump(session, "scores")
    with read_unit() as session:
        groups = reading.standing(session).groups
    assert sum(group.scored for group in groups) > 0
    assert {group.probability for group in groups if group.scored} == {0.25}
    assert all(group.money_minor == 999 * group.n for group in groups)


@pytest.mark.usefixtures("scored")
def test_a_table_without_dates_says_so(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(Customer).values(tenure_months=12.0))
    assert "without dates" in run_job(settings, "analyse")["RFM"]["skipped"]
    with read_unit() as session, pytest.raises(NotReady):
        reading.standing(session)


def test_months_end_in_the_time_zone_of_the_box() -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = clock.to_us(datetime(2023, 11, 15, tzinfo=UTC))
    until = clock.to_us(datetime(2024, 3, 31, 23, 0, tzinfo=UTC))  # 1 April, 01:00 in Berlin
    ends = values.month_ends(first, until, zone, 12)
    assert [values.month_name(end, zone) for end in ends] == ["2023-11", "2023-12", "2024-01", "2024-02", "2024-03"]
    assert values.month_ends(first, until, ZoneInfo("UTC"), 2)[-1] == clock.to_us(datetime(2024, 3, 1, tzinfo=UTC))


@pytest.mark.real_data
def test_online_retail_through_the_product_is_the_one_liner_of_pandas(
    minimal_app: Flask, settings: Settings, real_data: Path, tmp_path: Path
) -> None:
    assert minimal_app
    lines = pd.read_csv(real_data / "online_retail.csv.gz", encoding="utf-8", dtype={"CustomerID": str})
    lines = lines.dropna(subset=["CustomerID"])
    people = sorted(lines["CustomerID"].unique())[::8]
    lines = lines[lines["CustomerID"].isin(people)]
    lines.to_csv(tmp_path / "retail.csv", index=False)
    Filer(settings).counts("orders", tmp_path / "retail.csv")
    run_job(settings, "analyse")
    found = _rows(settings)
    with read_unit() as session:
        end = pd.Timestamp(reading.standing(session).as_of, unit="us")
    lines = lines.assign(
        at=pd.to_datetime(lines["InvoiceDate"]), paid=(lines["Quantity"] * lines["UnitPrice"]).round(2)
    )
    known = lines[lines["at"] < end]
    known = known.assign(bought=known["paid"].ge(0) & ~known["InvoiceNo"].astype(str).str.startswith("C"))
    bought = known[known["bought"]].groupby("CustomerID").agg(last=("at", "max"), n=("InvoiceNo", "nunique"))
    paid = known.groupby("CustomerID")["paid"].sum()
    assert {one.removesuffix(".0") for one in bought.index} == set(found)
    for one, row in bought.iterrows():
        recency, frequency, money = found[str(one).removesuffix(".0")]
        assert (recency, frequency) == ((end - row["last"]).days, row["n"])
        assert money == pytest.approx(100 * paid[one], abs=60)  # each line is rounded to pence
