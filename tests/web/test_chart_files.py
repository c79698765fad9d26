"""Each chart has its figures as CSV beside it: the same figures, for whoever may see the page, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import FeatureImportance, Identity, LatestScore, ScoringRun
from retainstream.services import revisions
from retainstream.web import csv_files
from tests.web.conftest import Browser
from tests.web.modelled import add_version
from tests.web.stocked import add_customers, add_scores, stock

SignIn = Callable[[str], Browser]


def rows(browser: Browser, address: str) -> list[dict[str, str]]:
    """Return a file's rows by the names of its header."""
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.text)))


def linked(page: str, begin: str) -> str:
    """Return the address of the page's link to a file."""
    found = re.search(rf'href="({re.escape(begin)}[^"]*)"', page)
    assert found, begin
    return html.unescape(found[1])


def test_home_gives_the_figures_of_its_bars(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        made = stock(60)
    browser = as_("viewer")
    page = browser.get("/").text
    bins = rows(browser, linked(page, "/home/distribution.csv"))
    assert len(bins) == 20
    assert {one["measure"] for one in bins} == {"churn_probability"}
    assert sum(int(one["customers"]) for one in bins) == made.active
    table = re.findall(r"<tr><td>(\d+)% to \d+%</td><td class=\"right\">(?:<a[^>]*>)?(\d+)", page)
    shown = {round(100 * float(one["from"])): int(one["customers"]) for one in bins}
    assert table
    assert all(shown[int(low)] == int(count) for low, count in table)


def test_home_gives_what_the_model_looks_at_without_formulas(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(20)
        with unit_of_work() as session:
            session.execute(update(FeatureImportance).where(FeatureImportance.rank == 1).values(feature_name="=1+1"))
            revisions.bump(session, "model")
    browser = as_("viewer")
    found = rows(browser, linked(browser.get("/").text, "/home/drivers.csv"))
    assert [one["rank"] for one in found] == ["1", "2", "3"]
    assert found[0]["feature"] == "'=1+1"
    assert float(found[0]["share"]) == pytest.approx(0.52)


def test_home_gives_every_scoring_of_its_trend(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            first = session.scalars(select(ScoringRun)).one()
            first.scope, first.summary = "all", {"n": 48, "sum_probability": 12.0, "revenue_at_risk_minor": 123_450}
    browser = as_("viewer")
    found = rows(browser, "/home/trend.csv")
    assert len(found) == 1
    assert (found[0]["revenue_at_risk"], found[0]["currency"]) == ("1234.50", "USD")
    assert found[0]["model_version"] == "1"
    assert found[0]["left_share"] == ""


def test_reach_gives_its_curves_at_the_costs_of_the_page(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 100)
        add_scores(session, 100, add_version(session))
    browser = as_("viewer")
    page = browser.get("/model?acceptance=50&value=100&contact=2&incentive=0").text
    found = rows(browser, linked(page, "/model/versions/1/reach.csv"))
    assert [float(one["share_reached"]) for one in found][-1] == 1.0
    for one in found:
        gain = 0.5 * float(one["churners_found"]) * 100 - 2 * float(one["customers_reached"])
        assert float(one["expected_net_gain"]) == pytest.approx(gain)
    assert browser.get("/model/versions/1/reach.csv?value=much").status_code == 422
    assert browser.get("/model/versions/9/reach.csv").status_code == 404


def test_runs_come_with_what_was_promised(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 100)
        add_scores(session, 100, add_version(session))
        run = session.scalars(select(ScoringRun)).one()
        run.scope, run.definition_id, run.summary = "all", 7, {}
    browser = as_("viewer")
    page = browser.get("/model/performance").text
    found = rows(browser, linked(page, "/model/performance.csv"))
    assert len(found) == 1
    assert found[0]["promised_auc"] == "0.78"
    assert found[0]["observed_share"] == ""


def test_a_customers_reasons_and_standings_come_as_a_file(scored: Settings, app: Flask, as_: SignIn) -> None:
    assert scored.database_file.exists()
    with app.app_context(), read_unit() as session:
        query = select(Identity.user_id).join(LatestScore, LatestScore.customer_id == Identity.customer_id)
        user_id = session.scalar(query.limit(1))
    browser = as_("viewer")
    page = browser.get(f"/customers/{user_id}").text
    found = rows(browser, linked(page, "/customer/reasons/"))
    assert len(found) >= page.count('class="peer__title"') > 5
    parts = [abs(float(one["contribution"])) for one in found]
    assert parts == sorted(parts, reverse=True)
    assert all(0 <= float(one["share_same"]) <= 1 for one in found if one["share_same"])


def test_who_has_no_score_has_no_reasons(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 3)
    assert as_("viewer").get("/customer/reasons/cus_00000").status_code == 409


def test_visitors_get_no_file(app: Flask, browser: Browser) -> None:
    with app.app_context():
        stock(5)
    for address in ("/home/distribution.csv", "/home/trend.csv", "/home/drivers.csv", "/model/performance.csv"):
        assert browser.get(address).status_code in (302, 303)


def test_cells_cannot_be_formulas_and_numbers_stay_numbers() -> None:
    made = csv_files.text_of([("a", "b"), ("=cmd()", -1.5), ("@x", None), ("-2", True)])
    assert made == "a,b\r\n'=cmd(),-1.5\r\n'@x,\r\n-2,true\r\n"
