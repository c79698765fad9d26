"""Cohort grids of a box whose figures were counted by hand, with news that comes late; and whom each cell opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.models import Customer, Identity
from retainstream.services.cohorts import grids
from retainstream.services.customers import cells
from retainstream.services.events.rows import EventRows, SubscriptionRows
from tests.history import Past, define, write_past
from tests.work import run_job

# Who, since when, until when, and when the end became known where that was later.
PERIODS = (
    ("ann", "2024-01-10", None, None),
    ("bea", "2024-01-12", "2024-02-20", None),
    ("cem", "2024-01-15", "2024-03-05", "2024-05-20"),
    ("dan", "2024-02-03", "2024-02-25", None),
    ("eva", "2024-02-07", None, None),
    ("fay", "2024-03-01", "2024-04-01", None),
    ("gil", "2024-02-20", "2024-03-10", None),
    ("gil", "2024-04-05", None, None),
    ("hal", "2023-11-01", None, None),
)
# Who did something, when, and when that became known where it was later.
ACTS = (
    ("ann", "2024-01-10", None),
    ("ann", "2024-02-11", None),
    ("ann", "2024-04-30", None),
    ("bea", "2024-01-31", None),
    ("cem", "2024-01-20", None),
    ("cem", "2024-02-15", "2024-05-20"),
    ("eva", "2024-02-08", None),
    ("eva", "2024-03-02", None),
)


def us(day: str) -> int:
    return clock.to_us(datetime.fromisoformat(day).replace(tzinfo=UTC))


def rows(until: str) -> Past:
    """Return what was known by the noon of a day; the newest event is of then, and says how far the data reach."""
    noon = us(until) + 12 * clock.HOUR_US
    acts = [(who, us(day), us(known or day)) for who, day, known in ACTS]
    acts = [act for act in acts if act[2] < noon] + [("eva", noon, noon)]
    events = EventRows(
        [act[0] for act in acts], ["login"] * len(acts), [act[1] for act in acts], [act[2] for act in acts],
        [None] * len(acts), [None] * len(acts), [None] * len(acts),
    )  # fmt: skip
    said: list[tuple[str, int, int | None, str | None, int]] = []
    for who, start, end, known in PERIODS:
        said.append((who, us(start), None, None, us(start)))
        if end is not None:
            said.append((who, us(start), us(end), "voluntary", us(known or end)))
    said = sorted((one for one in said if one[4] < noon), key=lambda one: one[4])
    n = len(said)
    subscriptions = SubscriptionRows(
        user_ids=[one[0] for one in said], keys=[None] * n, plans=["standard"] * n, revenue_minor=[999] * n,
        currencies=["EUR"] * n, started=[one[1] for one in said], ended=[one[2] for one in said],
        reasons=[one[3] for one in said], received=[one[4] for one in said],
    )  # fmt: skip
    return Past(events, subscriptions, noon)


def make(settings: Settings, until: str, **definition: object) -> None:
    with unit_of_work() as session:
        write_past(session, rows(until))
        define(session, **definition)  # type: ignore[arg-type]
    run_job(settings, "analyse")


def read(settings: Settings, grid: str = "contract", unit: str = "month") -> grids.Cohorts:
    with read_unit() as session:
        return grids.read(session, settings, grid, unit)


def retained(found: grids.Cohorts) -> dict[str, list[int]]:
    """Return the reached counts by cohort."""
    table = found.table
    return {
        grids.name_of(int(cohort), found.unit): table.retained[row, table.reached[row]].tolist()
        for row, cohort in enumerate(table.cohorts)
    }


def names(key: str) -> list[str]:
    with read_unit() as session:
        ids = cells.read(session, f"cohort:{key}").ids
        return sorted(session.scalars(select(Identity.user_id).where(Identity.customer_id.in_(ids))))


@pytest.mark.usefixtures("minimal_app")
def test_the_contract_grid_is_the_one_counted_by_hand(settings: Settings) -> None:
    make(settings, "2024-05-11")
    found = read(settings)
    # May still runs. An end at midnight is of the month that begins: fay was there at the end of March.
    assert retained(found) == {"2024-01": [3, 2, 2, 2, 2], "2024-02": [2, 1, 1, 1], "2024-03": [1, 0, 0]}
    assert found.table.sizes.tolist() == [3, 3, 1]
    assert grids.name_of(found.clock.last_complete, "month") == "2024-04"
    assert found.table.mature.sum(axis=1).tolist() == [4, 3, 2]
    assert found.table.age_sizes.tolist() == [7, 7, 6, 3, 0]
    assert found.table.age_retained.tolist() == [6, 3, 3, 2, 0]
    assert names("contract/month/early") == ["hal"]


@pytest.mark.usefixtures("minimal_app")
def test_news_that_comes_late_changes_the_grid_only_once_it_is_known(settings: Settings) -> None:
    make(settings, "2024-05-11")
    assert names("contract/month/2024-01/2/here") == ["ann", "cem"]
    assert retained(read(settings, "activity"))["2024-01"] == [3, 1, 0, 1, 0]
    make(settings, "2024-06-01")
    assert names("contract/month/2024-01/2/here") == ["ann"]
    assert names("contract/month/2024-01/2/gone") == ["bea", "cem"]
    assert retained(read(settings))["2024-01"] == [3, 2, 1, 1, 1]
    assert retained(read(settings, "activity"))["2024-01"] == [3, 2, 0, 1, 0]
    assert grids.name_of(read(settings).clock.last_complete, "month") == "2024-05"


@pytest.mark.usefixtures("minimal_app")
def test_weeks_begin_on_monday(settings: Settings) -> None:
    make(settings, "2024-02-26")
    found = read(settings, unit="week")
    assert retained(found)["2024-01-08"] == [2, 2, 2, 2, 2, 2, 1]
    assert names("contract/week/2024-01-08/6/gone") == ["bea"]
    assert names("contract/week/2024-01-15/size") == ["cem"]


@pytest.mark.usefixtures("minimal_app")
def test_months_are_those_of_the_box(settings: Settings) -> None:
    make(settings, "2024-05-11")
    there = read(replace(settings, time_zone="America/New_York"))
    # Midnight in UTC is the evening before in New York: fay came in February and left in March.
    assert retained(there)["2024-02"] == [3, 1, 1, 1]
    assert "2024-03" not in retained(there)


@pytest.mark.usefixtures("minimal_app")
def test_every_cell_opens_those_that_it_counts(settings: Settings) -> None:
    make(settings, "2024-05-11")
    for grid in grids.GRIDS:
        for unit in grids.UNITS:
            found = read(settings, grid, unit)
            table = found.table
            for row, cohort in enumerate(table.cohorts):
                name = grids.name_of(int(cohort), unit)
                assert len(names(f"{grid}/{unit}/{name}/size")) == table.sizes[row]
                for age in np.flatnonzero(table.reached[row]):
                    here, gone = (names(f"{grid}/{unit}/{name}/{age}/{part}") for part in ("here", "gone"))
                    assert len(here) == table.retained[row, age]
                    assert len(here) + len(gone) == table.sizes[row]
                    assert not set(here) & set(gone)
            for age in np.flatnonzero(table.age_sizes):
                assert len(names(f"{grid}/{unit}/all/{age}/here")) == table.age_retained[age]
                assert len(names(f"{grid}/{unit}/all/{age}/size")) == table.age_sizes[age]


@pytest.mark.usefixtures("minimal_app")
def test_an_address_that_leads_nowhere_says_so(settings: Settings) -> None:
    make(settings, "2024-05-11")
    nowhere = ["contract", "contract/month/2024-01", "contract/month/2024-01/9/here", "contract/month/2024-01/-1/here"]
    nowhere += ["contract/month/2024-13/0/here", "contract/month/2024-01/0/there", "contract/week/2024-01-09/0/here"]
    nowhere += [
        "contract/day/2024-01/0/here",
        "contract/month/2023-11/0/here",
        "contract/month/2024-01/0/size",
        "x/month/early",
    ]
    for key in nowhere:
        with pytest.raises(InvalidInput):
            names(key)


@pytest.mark.usefixtures("minimal_app")
def test_under_a_rule_of_inactivity_a_month_is_complete_only_when_silence_is_certain(settings: Settings) -> None:
    make(settings, "2024-05-11", kind="inactivity", inactive_days=20)
    found = read(settings)
    assert found.certain_after == 20
    assert grids.name_of(found.clock.last_complete, "month") == "2024-03"
    assert names("contract/month/early") == ["ann", "cem"]  # they may have been customers before the first event


@pytest.mark.usefixtures("scored")
def test_a_table_without_dates_says_why_there_are_no_cohorts(settings: Settings) -> None:
    with pytest.raises(NotReady, match="not been looked at"):
        read(settings)
    with unit_of_work() as session:
        session.execute(update(Customer).values(tenure_months=5))
    run_job(settings, "analyse")
    with pytest.raises(NotReady, match="table without dates"):
        read(settings)
