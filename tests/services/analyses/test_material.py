"""The material of analyses: made by the job, as-of, read back without those who are gone, and skipped where there is nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import func, select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import AnalysisRun, Customer, Event, Identity
from retainstream.security.actor import SYSTEM
from retainstream.services import churn_definitions
from retainstream.services.analyses import material, runs
from retainstream.services.customers import erasure
from tests.history import Past
from tests.work import run_job

WORDS = "customers over time"


def read(settings: Settings) -> material.Material:
    with read_unit() as session:
        return material.read(session, settings)


@pytest.mark.usefixtures("past_box")
def test_stays_spans_and_activity_are_those_of_the_data(settings: Settings, past: Past) -> None:
    told = run_job(settings, "analyse")[WORDS]
    found = read(settings)
    assert found.kind == material.FORWARD
    assert found.as_of == past.data_end
    assert told["customers"] == len(np.unique(np.concatenate([found.stay_customer, found.month_customer])))
    with read_unit() as session:
        month = func.strftime("%Y-%m", Event.occurred_at / 1_000_000, "unixepoch")
        pairs = select(Event.customer_id, month).where(Event.occurred_at < found.as_of).distinct()
        expected = {(one, int(text[:4]) * 12 + int(text[5:]) - 1) for one, text in session.execute(pairs)}
    assert set(zip(found.month_customer.tolist(), found.month_period.tolist(), strict=True)) == expected
    assert (found.span_start < found.span_end).all()
    assert (np.diff(found.stay_customer) >= 0).all()


@pytest.mark.usefixtures("past_box")
def test_who_is_erased_is_left_out_at_once(settings: Settings) -> None:
    run_job(settings, "analyse")
    one = int(read(settings).stay_customer[0])
    with unit_of_work() as session:
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == one))
        assert user_id is not None
        erasure.erase(session, SYSTEM, user_id, key=b"k" * 32)
    assert one not in read(settings).stay_customer
    assert one not in read(settings).month_customer


@pytest.mark.usefixtures("past_box")
def test_a_second_run_takes_over_and_the_same_day_is_kept_once(settings: Settings) -> None:
    run_job(settings, "analyse")
    first = read(settings).run_id
    run_job(settings, "analyse")
    assert read(settings).run_id != first
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(AnalysisRun).where(AnalysisRun.kind == "material")) == 1
        assert runs.in_force(session, "material") is not None


@pytest.mark.usefixtures("past_box")
def test_without_its_files_it_is_not_ready(settings: Settings) -> None:
    run_job(settings, "analyse")
    for file in (settings.instance_path / material.FOLDER).rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(NotReady):
        read(settings)


@pytest.mark.usefixtures("scored")
def test_a_labelled_table_gives_tenures_and_no_times(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(Customer).values(tenure_months=Customer.id % 40))
    told = run_job(settings, "analyse")[WORDS]
    found = read(settings)
    with read_unit() as session:
        n = session.scalar(
            select(func.count())
            .select_from(Customer)
            .where(Customer.tenure_months.is_not(None), Customer.churned.is_not(None))
        )
        assert churn_definitions.in_force(session) is not None
    assert found.kind == material.SNAPSHOT
    assert len(found.tenure_customer) == n == told["tenure"]
    assert not len(found.stay_customer)


@pytest.mark.usefixtures("minimal_app")
def test_an_empty_box_says_what_is_missing(settings: Settings) -> None:
    told = run_job(settings, "analyse")[WORDS]
    assert "neither a history" in told["skipped"]


def test_days_are_those_of_the_box() -> None:
    moment = clock.to_us(datetime(2024, 3, 10, 23, 30, tzinfo=UTC))
    moments = np.array([moment], np.int64)
    assert (
        material.local_days(moments, ZoneInfo("UTC"))[0] + 1
        == material.local_days(moments, ZoneInfo("Europe/Berlin"))[0]
    )
