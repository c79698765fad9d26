"""Lifetime values of a box: by the contract that the data shows, with a check on what came, and whom each figure counts."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sqlalchemy import func, select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib.pagination import PageRequest
from retainstream.models import Customer, Identity, LatestScore, LifetimeValue, Subscription
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.analyses import material, runs
from retainstream.services.customers import cells, erasure
from retainstream.services.lifetime import listing, reading
from retainstream.services.lifetime.making import WORDS
from tests.ml.test_lifetime import END, _draw, _matching
from tests.services.events.filing import Filer
from tests.shop import open_shop
from tests.work import run_job


def _standing(settings: Settings) -> reading.Standing:
    with read_unit() as session:
        return reading.standing(session, settings)


def _ids(address: str) -> tuple[int, ...]:
    with read_unit() as session:
        return cells.read(session, address).ids


def _prefer(**chosen: object) -> None:
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, dict(chosen))


@pytest.mark.usefixtures("past_box")
def test_without_a_model_subscribers_go_by_the_curve_of_their_plan(settings: Settings) -> None:
    assert run_job(settings, "analyse")[WORDS]["contract"] == "subscription"
    found = _standing(settings)
    with read_unit() as session:
        held = material.read(session, settings)
        running = np.unique(held.span_customer[held.span_end == material.NEVER])
    assert list(_ids("lifetime:all")) == running.tolist() and found.n == len(running)
    assert found.summary["parameters"]["by_model"] == 0
    total = found.summary["total"]
    assert total["low"] < total["value"] < total["high"]
    assert total["value"] == pytest.approx(found.total_minor, abs=found.n)
    # 12 months of 9.99 less those who leave, and less a year's discount.
    assert 0.3 * 12 * 999 * found.n < found.total_minor < 12 * 999 * found.n / 1.04


@pytest.mark.usefixtures("past_box")
def test_what_was_held_out_is_what_was_paid(settings: Settings) -> None:
    run_job(settings, "analyse")
    check: dict[str, Any] | None = _standing(settings).check
    assert check is not None and check["parameters"]["months"] >= 3
    with read_unit() as session:
        held = material.read(session, settings)
    month = (check["to"] - check["from"]) // check["parameters"]["months"]
    there = set(held.span_customer[(held.span_start < check["from"]) & (held.span_end >= check["from"])].tolist())
    paid = 0
    for number in range(1, check["parameters"]["months"] + 1):
        at = check["from"] + number * month
        running = (held.span_start < at) & (held.span_end >= at)
        paid += sum(
            price
            for one, price in zip(
                held.span_customer[running].tolist(), held.span_revenue[running].tolist(), strict=True
            )
            if one in there
        )
    money = check["money"]
    assert money["n"] == len(there) and money["actual"] == pytest.approx(paid)
    assert money["ratio"] == pytest.approx(1, abs=0.15)
    # Everybody leaves sometimes: to expect that all go on paying is further off.
    assert money["mae"]["value"] > 0 and sum(part["n"] for part in money["parts"]) == money["n"]
    for tenth, n in _standing(settings).checked:
        assert len(_ids(f"lifetime:check-{tenth}")) == n


@pytest.mark.usefixtures("ahead_box")
def test_the_probabilities_of_a_model_tell_who_stays(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=0.1, p0=0.05, p1=0.2))
        scored = set(session.scalars(select(LatestScore.customer_id)))
    run_job(settings, "analyse")
    found = _standing(settings)
    assert found.summary["parameters"]["by_model"] == len(scored & set(_ids("lifetime:all"))) > 100
    with read_unit() as session:
        run = runs.in_force(session, "lifetime")
        assert run is not None
        rows = list(session.scalars(select(LifetimeValue).where(LifetimeValue.run_id == run.id)))
    mine = [row for row in rows if row.customer_id in scored]
    stays = 0.9 ** (np.arange(1, 13) * 365.25 / 12 / 30)
    worth = 999 * (stays * 1.1 ** (-np.arange(1, 13) / 12)).sum()
    assert {row.value_minor for row in mine} == {round(worth)}
    assert all(row.low_minor < row.value_minor < row.high_minor for row in mine)  # type: ignore[operator]
    assert mine[0].alive == pytest.approx(stays[-1]) and mine[0].purchases == pytest.approx(stays.sum())


@pytest.mark.usefixtures("past_box")
def test_margin_discount_and_period_are_those_that_people_chose(settings: Settings) -> None:
    run_job(settings, "analyse")
    whole = _standing(settings).total_minor
    _prefer(margin=0.5, annual_discount=0.0, value_months=6)
    run_job(settings, "analyse")
    found = _standing(settings)
    assert found.terms == {"months": 6, "margin": 0.5, "annual_discount": 0.0}
    assert found.total_minor < whole / 2
    _prefer(margin=1.0)
    run_job(settings, "analyse")
    assert _standing(settings).total_minor == pytest.approx(2 * found.total_minor, abs=found.n)
    for wrong in ({"margin": 0}, {"annual_discount": -0.1}, {"value_months": 0}, {"value_months": 1.5}):
        with pytest.raises(InvalidInput):
            _prefer(**wrong)


@pytest.mark.usefixtures("scored")
def test_a_table_with_tenure_and_prices_goes_by_its_curve_and_has_no_check(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(Customer).values(tenure_months=1 + Customer.id % 40))
    run_job(settings, "analyse")
    found = _standing(settings)
    with read_unit() as session:
        active = session.scalar(select(func.count()).select_from(Customer).where(Customer.churned.is_not(True)))
    assert (found.n, found.summary["contract"], found.check) == (active, "subscription", None)
    assert "without dates" in found.summary["unchecked"]
    plans = [one for one in found.plans if one.key != "plan/"]
    assert plans and sum(one.n for one in found.plans) == active
    for one in found.plans:
        assert len(_ids(f"lifetime:{one.key}")) == one.n


@pytest.mark.usefixtures("past_box")
def test_without_prices_it_says_what_is_missing(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(Subscription).values(revenue_minor=None))
    assert "No price" in run_job(settings, "analyse")[WORDS]["skipped"]
    with read_unit() as session, pytest.raises(NotReady, match="No price"):
        reading.standing(session, settings)


@pytest.fixture
def shop(minimal_app: Flask, settings: Settings) -> Settings:
    """A shop of 400 customers over two years; they buy at rates of their own, and drop out."""
    assert minimal_app
    open_shop(settings)
    return settings


def test_a_shop_is_valued_by_repeat_buying_and_judged_by_tenths(shop: Settings) -> None:
    found = _standing(shop)
    assert found.summary["contract"] == "purchases" and found.n == 400
    check = found.check
    assert check is not None
    assert sum(part["n"] for part in check["money"]["parts"]) == check["money"]["n"] > 200
    assert check["purchases"]["ratio"] == pytest.approx(1, abs=0.3) and 0.85 < check["money"]["covered"] <= 1
    means = [part["actual"] for part in check["money"]["parts"]]
    assert means[-1] > 3 * means[0]
    for one in (*found.tenths, found.top):
        assert len(_ids(f"lifetime:{one.key}")) == one.n
    assert sum(one.n for one in found.tenths) == found.n and found.top.n >= 40
    for wrong in ("lifetime:decile-11", "lifetime:plan/x", "lifetime:"):
        with pytest.raises(InvalidInput):
            _ids(wrong)


def test_predictions_are_paged_from_the_most_to_the_least(shop: Settings) -> None:
    pages, cursor = [], None
    while True:
        with read_unit() as session:
            page: dict[str, Any] = listing.predictions(session, PageRequest(limit=150, cursor=cursor))
        pages.append(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    items = [item for page in pages for item in page["items"]]
    values = [item["value"]["amount_minor"] for item in items]
    assert len(pages) == 3 and len({item["user_id"] for item in items}) == 400 == pages[0]["total"]
    assert values == sorted(values, reverse=True)
    assert all(item["low"]["amount_minor"] <= item["high"]["amount_minor"] for item in items)
    assert all(0 < item["p_alive"] <= 1 and item["expected_purchases"] >= 0 for item in items)
    with unit_of_work() as session:
        erasure.erase(session, SYSTEM, items[0]["user_id"], key=b"k" * 32)
    with read_unit() as session:
        after: dict[str, Any] = listing.predictions(session, PageRequest(limit=10))
    assert after["total"] == 399 and after["items"][0]["user_id"] == items[1]["user_id"]
    assert _standing(shop).n == 399
    with read_unit() as session, pytest.raises(InvalidInput):
        listing.predictions(session, PageRequest(cursor="nonsense"))


@pytest.mark.usefixtures("minimal_app")
def test_buyers_who_never_come_back_are_said_to_teach_nothing(settings: Settings) -> None:
    lines = ["customer,date,amount", *(f"c{one},2024-0{1 + one % 6}-1{one % 9},{5 + one}" for one in range(60))]
    Filer(settings).counts("orders", "\n".join(lines) + "\n")
    assert "bought twice" in run_job(settings, "analyse")[WORDS]["skipped"]


@pytest.mark.real_data
def test_cdnow_through_the_product_gives_the_published_figures(
    minimal_app: Flask, settings: Settings, real_data: Path, tmp_path: Path
) -> None:
    """BG/NBD r .243, alpha 4.414, a .793, b 2.426, LL -9582.4; Gamma-Gamma p 6.25, q 3.74, v 15.44; MAE .786, past rate 1.024.

    The file holds everybody, of whom the published sample is a tenth: customers of the same frequency, recency and age are taken, each choice as likely.
    What they spent is not published by customer, so that the figures of spending, and those of the 39 weeks after, are of one choice.
    """
    from retainstream.ml.repeat_buying import summarise

    assert minimal_app
    names = ["customer", "date", "n", "dollars"]
    everybody = pd.read_csv(real_data / "cdnow_master.txt", sep=r"\s+", skiprows=1, names=names, dtype=str)
    days = (pd.to_datetime(everybody["date"], format="%Y%m%d") - pd.Timestamp("1997-01-01")).dt.days.to_numpy()
    early = days <= END
    summary = summarise(everybody["customer"].astype(int).to_numpy()[early], days[early], END)
    groups = list(_matching(pd.read_csv(real_data / "cdnow_sample_summary.csv"), summary))
    chosen = {f"{one:05d}" for one in summary.customer[_draw(groups, np.random.default_rng(1))]}
    sample = everybody[everybody["customer"].isin(chosen)]
    sample.to_csv(
        tmp_path / "cdnow.csv", index=False, quoting=csv.QUOTE_MINIMAL, columns=["customer", "date", "dollars"]
    )
    Filer(settings).counts("orders", tmp_path / "cdnow.csv")
    run_job(settings, "analyse")
    check = _standing(settings).check
    assert check is not None
    buying, spending = check["parameters"]["bg_nbd"], check["parameters"]["gamma_gamma"]
    assert buying["n"] == 2357 and spending["n"] == 946
    for name, published in (("r", 0.243), ("alpha", 4.414), ("a", 0.793), ("b", 2.426)):
        assert buying[name] == pytest.approx(published, rel=0.01), name
    assert buying["log_likelihood"] == pytest.approx(-9582.43, abs=0.5)
    for name, published in (("p", 6.25), ("q", 3.74), ("v", 15.44)):
        assert spending[name] == pytest.approx(published, rel=0.15), name
    assert check["purchases"]["mae"]["value"] == pytest.approx(0.786, abs=0.03)
    assert check["purchases"]["baseline_mae"]["value"] == pytest.approx(1.024, abs=0.03)
    assert check["purchases"]["better"]
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(Identity)) == 2357
