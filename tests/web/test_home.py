"""The home page in each state of the box."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, JobRun, Label, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs, revisions
from retainstream.services.customers.filters import CustomerFilter, count
from retainstream.web import current_jobs
from tests.web.conftest import Browser
from tests.web.healthy import add_health
from tests.web.stocked import add_customers, add_model, stock

SignIn = Callable[[str], Browser]


def test_empty_box_teaches_how_to_begin(as_: SignIn) -> None:
    page = as_("analyst").get("/").text
    assert "No customers yet." in page
    assert "flask --app wsgi import customers.csv" in page
    assert "http://localhost/api/v1/customers/import" in page
    assert ">Train</button>" not in page
    assert ">Score now</button>" not in page


def test_an_empty_box_offers_the_demo_to_who_may_load_it_until_it_begins(as_: SignIn) -> None:
    assert "Load the demo" not in as_("analyst").get("/").text
    owner = as_("owner")
    assert "Load the demo" in owner.get("/").text
    assert owner.post("/set-up/demo", {}, page="/").status_code == 303
    assert "Load the demo" not in owner.get("/").text


def test_the_running_work_is_read_once(app: Flask, as_: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, reads = as_("analyst"), []
    read = current_jobs.read
    monkeypatch.setattr(current_jobs, "read", lambda session: reads.append(session) or read(session))
    assert browser.get("/").status_code == 200
    assert len(reads) == 1


def test_the_health_of_the_business_is_one_line_that_leads_to_its_parts(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60)
    browser = as_("viewer")
    assert "The business has" not in browser.get("/").text
    with app.app_context(), unit_of_work() as session:
        add_health(session)
    home, parts = browser.get("/").text, browser.get("/health-scores").text
    said = re.search(r"The business has \d+ of 100 points; [a-z ]+ is the weakest part", home)
    assert said and said[0] in parts
    assert 'href="/health-scores#business"' in home and 'id="business"' in parts


def test_viewer_of_an_empty_box_is_told_whom_to_ask(as_: SignIn) -> None:
    page = as_("viewer").get("/").text
    assert "curl" not in page
    assert "ask an administrator" in page


def test_customers_without_a_model_offer_training(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
    assert "No model yet." in as_("viewer").get("/").text
    browser = as_("analyst")
    page = browser.get("/").text
    assert "10 customers are in, 2 of them left." in page
    assert ">Train</button>" in page


def test_refused_model_says_why(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        add_model(session, servable=False, message="There is nothing to learn from: the AUC interval holds 0.5.")
    page = as_("analyst").get("/").text
    assert "No model could be put into service." in page
    assert "The last training was refused: There is nothing to learn from" in page


def test_after_a_refusal_more_data_is_asked_for_and_not_the_same_training_again(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        add_model(session, servable=False, message="There is nothing to learn from: the AUC interval holds 0.5.")
    page = as_("analyst").get("/").text
    assert "Give it more to learn from" in page
    assert '<a class="button button--act" href="/data/import">' in page
    assert 'action="/train"' not in page


def test_customers_of_whom_nothing_says_who_left_are_not_sent_to_a_training(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        session.query(Label).delete()
        session.query(ChurnDefinition).delete()
        revisions.bump(session, "customers")
    page = as_("analyst").get("/").text
    assert "Say who has left" in page
    assert 'action="/train"' not in page
    viewer = as_("viewer").get("/").text
    assert "An analyst or administrator can do this." in viewer
    assert "button--act" not in viewer


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("train", "A model is learning who leaves."),
        ("score", "Everybody is being scored."),
        ("demo", "The demo is being made."),
    ],
)
def test_home_follows_the_work_it_waits_for(app: Flask, as_: SignIn, kind: str, said: str) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        job = jobs.enqueue(session, SYSTEM, kind, {})
        job.state, job.progress, job.phase = "running", 0.4, "tuning"
    page = as_("analyst").get("/").text
    assert said in page
    assert "Searching for good settings" in page
    assert 'hx-select="#home"' in page
    assert "button--act" not in page


def test_first_file_is_awaited_on_an_empty_home(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        jobs.enqueue(session, SYSTEM, "import", {})
    page = as_("analyst").get("/").text
    assert "Your file is coming in." in page
    assert "Waiting for its turn" in page
    assert "Import a file" not in page


def test_model_without_scores_offers_scoring(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        add_model(session)
    page = as_("analyst").get("/").text
    assert "nobody has been scored yet" in page
    assert ">Score now</button>" in page


def test_headline_counts_the_list_that_it_opens(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        made = stock(200)
        with read_unit() as session:
            listed = count(session, CustomerFilter(bands=(2, 3)))
    page = as_("viewer").get("/").text
    assert made.risky == listed > 10
    assert f"{listed} customers resemble those who left." in page
    leaving = page.split('<section class="section" aria-labelledby="row-leaving_soon"')[1].split("</section>")[0]
    assert leaving.count('class="card band-') == 10
    assert f"{listed} in all" in leaving or f"All {listed}<" in leaving
    assert re.search(r">160</(a|span)>", page)
    assert "0.845" in page
    assert "0.836–0.854" in page
    assert "next 30 days" not in page
    assert 'aria-label="churn probability 95%"' in page
    assert "Days since last log-in" in page
    assert "52%" in page
    assert "$" in page
    assert "Data to " in page


def test_first_card_is_of_whom_most_would_be_lost_with_reasons(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60)
    page = as_("viewer").get("/").text
    first = page.split('class="card band-')[1]
    # 65% of 24.99 a month is more than 95% of 9.99.
    assert "cus_00003" in first
    assert "High risk" in first
    assert "$24.99" in first
    assert len(re.findall(r"<li>[^<]+</li>", first.split("</ul>")[0])) == 2
    assert "Name 0" not in page


def test_nobody_at_risk_is_said(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(30, most=0.2)
    page = as_("viewer").get("/").text
    assert "No customer resembles those who left." in page
    assert "Nobody is at high risk" in page


def test_withheld_probabilities_are_not_shown(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60, calibrated=False)
    page = as_("viewer").get("/").text
    assert "its probabilities are withheld" in page
    assert "Percentile of risk" in page
    assert "churn probability" not in page
    assert "riskier than" in page


def test_changed_data_makes_the_chip_amber(app: Flask, as_: SignIn) -> None:
    from retainstream.lib import clock
    from retainstream.models import Customer
    from retainstream.services import revisions

    with app.app_context():
        stock(20)
    browser = as_("analyst")
    assert "out of date" not in browser.get("/").text
    with app.app_context(), unit_of_work() as session:
        session.get_one(Customer, 1).updated_at = clock.now_us() + 10
        revisions.bump(session, "customers")
    page = browser.get("/").text
    assert "chip--warn" in page
    assert "out of date" in page


@pytest.mark.parametrize(("who", "buttons"), [("viewer", 0), ("agent", 0), ("analyst", 2), ("owner", 2)])
def test_buttons_are_for_those_who_may(app: Flask, as_: SignIn, who: str, buttons: int) -> None:
    with app.app_context():
        stock(20)
    page = as_(who).get("/").text
    assert page.count('action="/train"') + page.count('action="/score"') == buttons


def test_score_button_queues_one_job(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(20)
    browser = as_("analyst")
    assert browser.post("/score", {}, page="/").location == "/"
    assert "Scoring is queued" in browser.get("/").text
    assert browser.post("/score", {}, page="/").location == "/"
    assert "already queued or running" in browser.get("/").text
    with app.app_context(), read_unit() as session:
        assert [(job.kind, job.state) for job in session.query(JobRun)] == [("score", "queued")]


def test_train_button_queues_a_training(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(20)
    browser = as_("analyst")
    assert browser.post("/train", {}, page="/").location == "/"
    with app.app_context(), read_unit() as session:
        assert [job.kind for job in session.query(JobRun)] == ["train"]


def _job(app: Flask, **changes: object) -> None:
    with app.app_context(), unit_of_work() as session:
        job = jobs.enqueue(session, SYSTEM, "train", {})
        for name, value in changes.items():
            setattr(job, name, value)


def test_running_job_is_followed_by_polling(app: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    idle = browser.get("/jobs/current", headers={"HX-Request": "true"})
    assert "every 20s" in idle.text
    assert "Training" not in idle.text
    _job(app, state="running", progress=0.64, phase="fitting")
    busy = browser.get("/jobs/current", headers={"HX-Request": "true"})
    assert "Training" in busy.text
    assert "64%" in busy.text
    assert "every 2s" in busy.text
    assert "was=open" in busy.text
    assert "<html" not in busy.text
    assert 'id="jobs"' in busy.text
    assert busy.text.strip() in browser.get("/").text
    again = browser.get("/jobs/current", headers={"HX-Request": "true", "If-None-Match": busy.headers["ETag"]})
    assert (again.status_code, again.text) == (304, "")


def test_a_page_is_told_when_the_work_that_it_saw_has_ended(app: Flask, as_: SignIn) -> None:
    browser = as_("viewer")
    _job(app, state="succeeded", finished_at=2)
    for was in ("open", "ended"):
        told = browser.get(f"/jobs/current?was={was}").text
        assert "data-ended" in told
        assert "was=ended" in told, "it stays said until the page is loaded anew"
    assert "data-ended" not in browser.get("/jobs/current").text


def test_failed_job_says_what_happened(app: Flask, as_: SignIn) -> None:
    _job(app, state="failed", finished_at=2, error={"code": "boom", "message": "The disk is full."})
    assert "Training failed: The disk is full." in as_("viewer").get("/").text


def test_home_leads_to_todays_list(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(50)
    assert 'href="/today">Today’s list</a>' in as_("agent").get("/").text


def test_who_said_to_stay_this_month_has_a_row_of_its_own(app: Flask, as_: SignIn) -> None:
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            now = clock.now_us()
            times = {"created_at": now, "updated_at": now, "ended_at": now}
            session.add(Task(customer_id=1, state="done", outcome="saved", source="desk", steps=[], **times))
            revisions.bump(session, "desk")
    browser = as_("viewer")
    page = browser.get("/").text
    assert "Saved this month" in page and "Said to stay on" in page and "not a causal figure" in page
    assert "/customers?group=saved" in page
    assert "cus_00000" in browser.get("/customers?group=saved").text
