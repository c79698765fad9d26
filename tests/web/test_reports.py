"""The pages of reports: kept from a form or from a list, made, fetched, paused, deleted; and Excel beside CSV on the list of customers."""

from __future__ import annotations

import io
from collections.abc import Callable

import openpyxl
import pytest
from flask import Flask
from sqlalchemy import update

from retainstream.db import unit_of_work
from retainstream.models import Report
from tests.web.conftest import Browser
from tests.web.stocked import stock

SignIn = Callable[[str], Browser]
Run = Callable[[], list[dict[str, object]]]
FORM = {
    "name": "Riskiest",
    "what": "customers?band=high",
    "format": "csv",
    "every": "week",
    "weekday": "0",
    "day": "1",
    "hour": "7",
}


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    with app.app_context():
        stock(60)


def kept(browser: Browser, **other: str) -> str:
    answer = browser.post("/reports", {**FORM, **other}, page="/reports/new")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def test_a_list_is_scheduled_from_its_own_page_made_and_fetched(as_: SignIn, run_jobs: Run) -> None:
    browser = as_("analyst")
    assert "/reports/new?list=band%3Dhigh" in browser.get("/customers?band=high").text
    form = browser.get("/reports/new?list=band%3Dhigh").text
    assert "at high risk" in form and 'value="customers?band=high" selected' in form
    address = kept(browser, now="1")
    page = browser.get(address).text
    assert "It waits for other work to end" in page and "Every Monday at 07:00" in page
    assert [job["state"] for job in run_jobs()] == ["succeeded"]
    page = browser.get(address).text
    assert "with personal details" in page and f"{address}/files/1" in page
    file = browser.get(f"{address}/files/1")
    assert file.mimetype == "text/csv" and file.text.startswith("user_id,name,risk_band")
    assert "riskiest-" in file.headers["Content-Disposition"]
    assert file.text == browser.get("/customers.csv?band=high").text
    assert "1 file" in page and "Riskiest" in browser.get("/reports").text


def test_a_schedule_rests_and_goes_on_and_a_report_is_deleted_with_its_files(
    app: Flask, as_: SignIn, run_jobs: Run
) -> None:
    browser = as_("analyst")
    address = kept(browser, now="1")
    run_jobs()
    assert browser.post(f"{address}/pause", {"paused": "1"}, page=address).status_code == 303
    assert "paused" in browser.get("/reports").text and "next on" not in browser.get(address).text
    changed = {**FORM, "name": "Renamed"}
    assert browser.post(f"{address}/edit", changed).status_code == 303
    assert "paused" in browser.get(address).text, "a new name wakes nothing"
    assert browser.post(f"{address}/pause", {"paused": ""}, page=address).status_code == 303
    assert "next on" in browser.get(address).text
    folder = app.config["RETAINSTREAM"].instance_path / "reports"
    assert [path.name for path in folder.rglob("*.csv")] == ["1.csv"]
    assert browser.post(f"{address}/delete", {}, page=address).status_code == 303
    assert browser.get(address).status_code == 404 and list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"name": " "}, "a name of 1 to 80"),
        ({"what": "customers?band=purple"}, "a filter is not as expected"),
        ({"what": "weather"}, "one of customers"),
        ({"format": "docx"}, "one of html"),
        ({"every": "week", "weekday": "9"}, "a whole number from 0 to 6"),
        ({"every": "month", "day": "x"}, "a whole number from 1 to 31"),
        ({"every": "hour"}, "one of day"),
    ],
)
def test_what_is_no_report_is_said_beside_its_field(as_: SignIn, other: dict[str, str], words: str) -> None:
    answer = as_("analyst").post("/reports", {**FORM, "name": "Kept words", **other}, page="/reports/new")
    assert answer.status_code == 422 and words in answer.text
    assert "name" in other or "Kept words" in answer.text


def test_a_viewer_reads_reports_of_what_they_may_see_and_makes_none(as_: SignIn, run_jobs: Run) -> None:
    analyst, viewer = as_("analyst"), as_("viewer")
    people, home = kept(analyst, now="1"), kept(analyst, name="Overview", what="home", format="html", now="1")
    assert [job["state"] for job in run_jobs()] == ["succeeded"] * 2
    page = viewer.get("/reports").text
    assert "Overview" in page and "Riskiest" not in page and "/reports/new" not in page
    assert viewer.get(people).status_code == viewer.get(f"{people}/files/1").status_code == 404
    assert "Make it now" not in viewer.get(home).text and "Delete" not in viewer.get(home).text
    assert "6 of 48 customers at high risk" in viewer.client.get(f"{home}/files/2").text
    for act in ("make", "pause", "delete", "edit"):
        assert viewer.post(f"{home}/{act}", {}, page="/settings/tokens").status_code == 403
    assert viewer.get("/reports/new").status_code == viewer.get("/customers.xlsx").status_code == 403
    assert "/customers.xlsx" not in viewer.get("/customers").text
    assert 'href="/reports"' in viewer.get("/").text


def test_only_the_owner_or_an_administrator_changes_a_report(as_: SignIn) -> None:
    address = kept(as_("owner"), what="home")
    analyst = as_("analyst")
    assert f"{address}/edit" not in analyst.get(address).text and "Make it now" in analyst.get(address).text
    assert analyst.get(f"{address}/edit").status_code == 403
    assert analyst.post(f"{address}/delete", {}, page=address).status_code == 403


def test_an_empty_page_says_what_reports_are_for(as_: SignIn) -> None:
    assert "Make the first one" in as_("analyst").get("/reports").text
    assert "takes the role analyst" in as_("viewer").get("/reports").text


def test_while_one_is_made_the_page_asks_again_and_a_second_making_is_refused(as_: SignIn) -> None:
    browser = as_("analyst")
    address = kept(browser, now="1")
    for page in (address, "/reports"):
        part = browser.get(page, headers={"HX-Request": "true"}).text
        assert "<html" not in part and f'hx-get="{page}"' in part
    browser.post(f"{address}/make", {}, page="/reports/new")
    assert "It is being made already." in browser.get(address).text


def test_the_list_as_excel_is_what_is_shown(as_: SignIn) -> None:
    browser = as_("analyst")
    query = "?band=high&columns=risk,plan,revenue,scored"
    answer = browser.get(f"/customers.xlsx{query}")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    answer.close()
    rows = list(sheet.iter_rows(values_only=True))
    shown = [line.split(",") for line in browser.get(f"/customers.csv{query}").text.splitlines()]
    assert list(rows[0]) == shown[0] and sheet.freeze_panes == "A2"
    assert [row[0] for row in rows[1:]] == [line[0] for line in shown[1:]] and len(rows) == 4
    assert rows[1][6] == 24.99 and isinstance(rows[1][3], float) and rows[1][8].year >= 2024
    assert f"/customers.xlsx{query}".replace("&", "&amp;").replace(",", "%2C") in browser.get(f"/customers{query}").text


def test_an_analysis_is_kept_with_the_parameters_of_its_page(as_: SignIn) -> None:
    browser = as_("analyst")
    form = browser.get("/reports/new?subject=cohorts&parameters=unit%3Dweek").text
    assert 'value="cohorts?unit=week" selected' in form and "Cohorts: by week" in form
    address = kept(browser, what="cohorts?unit=week&grid=contract")
    page = browser.get(address).text
    assert "By week." in page and "/segments/cohorts?unit=week" in page
    assert 'value="cohorts?unit=week" selected' in browser.get(f"{address}/edit").text
    refused = browser.post("/reports", {**FORM, "what": "cohorts?unit=year"}, page="/reports/new")
    assert refused.status_code == 422 and "none of this report" in refused.text
    assert 'name="what"' in refused.text and 'value="cohorts?unit=year" selected' in refused.text


def test_a_report_whose_parameter_means_nothing_any_more_can_be_mended(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    address = kept(browser, what="survival?by=plan")
    with app.app_context(), unit_of_work() as session:
        session.execute(update(Report).values(query="by=attribute.gone"))
    form = browser.get(f"{address}/edit")
    assert form.status_code == 200 and 'value="survival?by=attribute.gone" selected' in form.text
    assert browser.post(f"{address}/edit", {**FORM, "what": "survival"}, page=f"{address}/edit").status_code == 303
