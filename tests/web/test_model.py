"""The pages about models, in each state of the box and for each role."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.models import Customer, JobRun
from retainstream.services import registry, revisions
from tests.web.conftest import Browser
from tests.web.modelled import add_job, add_version, replayed, report
from tests.web.stocked import add_customers, add_model, add_scores

SignIn = Callable[[str], Browser]


def model(app: Flask, count: int = 60, **options: Any) -> int:
    """Put a model into service, with customers and scores."""
    with app.app_context(), unit_of_work() as session:
        add_customers(session, count)
        version = add_version(session, **options)
        add_scores(session, count, version, calibrated=options.get("calibrated", True))
    return version


def test_card_says_what_the_model_is_worth(app: Flask, as_: SignIn) -> None:
    model(app)
    page = as_("viewer").get("/model").text
    assert "The model finds 34% of churners among the first 10%." in page
    assert "the 95% interval is 29% to 39%" in page
    assert "not clearly better than a simpler way: only Days since last log-in and random forest." in page
    assert "a feature seems to know the outcome" in page
    assert "Clearly better than 1 of 3 simple rivals" in page
    assert "The rival is better" in page
    assert "A subscription ends within 30 days" in page
    assert "“Payment failures” seems to give the answer away" in page
    assert "would have claimed an AUC of 0.910 instead of 0.780" in page
    assert "The percentages mean what they say" in page
    assert "Steady from date to date: AUC 0.77 to 0.79" in page
    assert "/model/train" not in page


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        (
            {"calibrated": False},
            (
                "It ranks well, percentages withheld: it finds 34% of churners among the first 10%.",
                "Percentages are withheld because: the slope is 0.6",
            ),
        ),
        (
            {"kind": "snapshot"},
            ("The model finds 34% of those who left among the first 10%.", "it cannot say when anybody would leave"),
        ),
        (
            {"kind": "simple_rule", "calibrated": False, "told": {}, "message": "It should suffice on 2027-01-03."},
            ("No model yet: customers are ranked by how long they have been silent.", "2027-01-03"),
        ),
        ({"told": {}}, ("tells who leaves from who stays.",)),
    ],
)
def test_every_kind_has_a_sensible_card(
    app: Flask, as_: SignIn, options: dict[str, Any], sentences: tuple[str, ...]
) -> None:
    version = model(app, **options)
    for address in ("/model", f"/model/versions/{version}"):
        page = as_("analyst").get(address).text
        for sentence in sentences:
            assert sentence in page


def test_empty_box_without_customers_without_definition_and_untrained(app: Flask, as_: SignIn) -> None:
    browser = as_("analyst")
    page = browser.get("/model").text
    assert "Customers first" in page
    assert "/data/import" in page
    assert "/data/import" not in as_("viewer").get("/model").text
    for address in ("/model/versions", "/model/performance", "/model/replay", "/model/train"):
        assert browser.get(address).status_code == 200
    with app.app_context(), unit_of_work() as session:
        session.add(Customer(id=10_000, tags=[], created_at=1, updated_at=1))
        revisions.bump(session, "customers")
    page = browser.get("/model").text
    assert "Say who has left" in page
    assert '<a class="button button--act" href="/data/import">' in page
    assert "Define churn" not in page
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
    assert "Ready to train" in browser.get("/model").text
    viewer = as_("viewer").get("/model").text
    assert "An analyst or administrator can train" in viewer
    assert "/model/train" not in viewer


def test_refused_training_says_what_is_missing(app: Flask, as_: SignIn) -> None:
    told = "The training window has 12 customers who left; at least 20 are needed, so 8 are missing. At today's pace they should be there on 2027-02-01."
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        version = add_version(session, servable=False, told={}, message=told)
        verdict = {
            "ok": False,
            "code": "too_few_churners",
            "message": told,
            "needs": {"needed": 20, "have": 12, "missing": 8},
        }
        job = add_job(
            session, "train", "succeeded", result={"model_version": version, "servable": False, "verdict": verdict, "champion": False}
        )  # fmt: skip
    browser = as_("analyst")
    page = browser.get("/model").text
    assert "The last training was refused" in page
    assert "2027-02-01" in page
    page = browser.get(f"/model/jobs/{job}").text
    assert "The training was refused, and that is a finding." in page
    assert re.search(r"<dt>Missing</dt><dd>8</dd>", page)
    assert "2027-02-01" in page
    assert f"Version {version} was refused." in browser.get(f"/model/versions/{version}").text
    assert browser.get(f"/model/versions/{version}/promote").status_code == 409


def test_reach_form_answers_without_a_script(app: Flask, as_: SignIn) -> None:
    model(app, 100)  # 80 are scored
    browser = as_("viewer")
    page = browser.get("/model?reach=8&acceptance=50&value=100&contact=2&incentive=3").text
    assert "Reach 8 of 80" in page
    assert 'name="reach" type="range" min="1" max="80" step="1" value="8"' in page
    found = float(re.search(r"about ([\d.]+) of the ([\d.]+)", page)[1])  # type: ignore[index]
    gain = 0.5 * found * 100 - 5 * 8
    shown = re.search(r'Expected net gain</dt><dd><span class="kpi__figure[^"]*">(−?)\$([\d,]+)<', page)
    assert shown
    assert abs(float(shown[2].replace(",", "")) * (-1 if shown[1] else 1) - gain) < 4
    part = browser.get("/model?reach=40", headers={"HX-Request": "true", "HX-Target": "reach-answer"})
    assert part.text.lstrip().startswith('<div id="reach-answer"')
    assert "Reach 40 of 80" in part.text
    assert "no interval so far down" in part.text


def test_bad_costs_are_named_and_kept(app: Flask, as_: SignIn) -> None:
    model(app)
    browser = as_("viewer")
    for wrong in ("acceptance=0", "value=much", "contact=-1", "incentive=nan", "acceptance=101"):
        answer = browser.get(f"/model?reach=5&{wrong}")
        assert answer.status_code == 422
        assert answer.text.count('aria-invalid="true"') == 1
        assert f'value="{wrong.split("=")[1]}"' in answer.text


def test_tables_are_downloaded(app: Flask, as_: SignIn) -> None:
    version = model(app)
    browser = as_("viewer")
    for table in ("calibration", "gains", "dates", "rivals", "metrics", "drivers"):
        answer = browser.get(f"/model/versions/{version}/{table}.csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert answer.mimetype == "text/csv"
        assert len(rows) >= 2
        if table == "gains":
            shares = [one["share_churners"] for one in report()["gains"]]
            assert [float(row["share_churners"]) for row in rows] == shares
    assert browser.get(f"/model/versions/{version}/other.csv").status_code == 404


def test_versions_promote_and_go_back(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 20)
        first = add_version(session)
        second = add_version(session, champion=False, calibrated=False)
    browser = as_("analyst")
    page = browser.get("/model/versions").text
    assert f"/model/versions/{second}/promote" in page
    assert "/model/rollback" not in page
    assert browser.get("/model/rollback").status_code == 409
    page = browser.get(f"/model/versions/{second}/promote").text
    assert "Percentages will be withheld" in page
    assert browser.post(f"/model/versions/{second}/promote", {}).location == "/model"
    with app.app_context(), read_unit() as session:
        assert registry.required_champion(session).version_id == second
        assert [job.kind for job in session.query(JobRun)] == ["score"]
    assert f"Go back to version {first}" in browser.get("/model/versions").text
    assert "Percentages will be shown" in browser.get("/model/rollback").text
    assert browser.post("/model/rollback", {}).location == "/model"
    with app.app_context(), read_unit() as session:
        assert registry.required_champion(session).version_id == first
    assert "is back in service" in browser.get("/model").text


def test_two_versions_side_by_side(app: Flask, as_: SignIn) -> None:
    better = report()
    better["metrics"]["auc"] = {"value": 0.9, "low": 0.88, "high": 0.92}
    with app.app_context(), unit_of_work() as session:
        first, second = add_version(session), add_version(session, told=better, champion=False)
    browser = as_("viewer")
    page = browser.get(f"/model/compare?first={first}&second={second}").text
    assert f"Version {first} beside version {second}" in page
    assert page.count(">Better</span>") == 1
    assert browser.get("/model/compare?first=x&second=2").status_code == 422
    assert browser.get(f"/model/compare?first={first}&second=999").status_code == 404


def test_better_is_not_claimed_across_test_windows(app: Flask, as_: SignIn) -> None:
    other = report()
    other["metrics"]["auc"] = {"value": 0.9, "low": 0.88, "high": 0.92}
    other["forward"]["windows"][2]["dates"] = [99]
    with app.app_context(), unit_of_work() as session:
        first, second = add_version(session), add_version(session, told=other, champion=False)
    page = as_("viewer").get(f"/model/compare?first={first}&second={second}").text
    assert "a difference may lie in the months" in page
    assert ">Better</span>" not in page


def test_training_is_asked_for_followed_and_cancelled(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 60)
    browser = as_("analyst")
    form = {"seed": "3", "trials": "5", "promote": "yes", "exclude": ""}
    location = browser.post("/model/train", form).location
    assert location == "/model/jobs/1"
    with app.app_context(), read_unit() as session:
        assert session.query(JobRun).one().payload == {"promote": True, "seed": 3, "trials": 5}
    page = browser.get(location).text
    assert "The training is under way." in page
    assert "Waiting for its turn" in page
    assert 'hx-get="/model/jobs/1"' in page
    assert browser.post("/model/train", form).location == location
    with app.app_context(), unit_of_work() as session:
        job = session.query(JobRun).one()
        job.state, job.progress, job.phase = "running", 0.42, "tuning"
    part = browser.get(location, headers={"HX-Request": "true"})
    assert "Searching for good settings" in part.text
    assert "42%" in part.text
    assert "<html" not in part.text
    assert "Searching for good settings" in browser.get("/model").text
    assert browser.post(f"{location}/cancel", {}, page=location).location == location
    assert "it is asked to stop" in browser.get(location).text
    with app.app_context(), unit_of_work() as session:
        session.query(JobRun).one().state = "cancelled"
    assert "The training was cancelled." in browser.get(location).text
    assert browser.get(location, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


def test_bad_options_come_back_with_what_was_typed(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 60)
    browser = as_("analyst")
    usual = {"seed": "0", "trials": "5", "exclude": ""}
    for name, typed in (("trials", "0"), ("seed", "-1"), ("trials", "many"), ("exclude", "no such feature")):
        answer = browser.post("/model/train", {**usual, name: typed})
        assert answer.status_code == 422
        assert answer.text.count('aria-invalid="true"') == 1
        assert typed in answer.text
    assert browser.post("/model/train", {**usual, "definition_id": "99"}).status_code == 404


def test_training_that_came_about_says_what_it_is_worth(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        first, second = add_version(session), add_version(session)
        result = {
            "model_version": second,
            "servable": True,
            "champion": True,
            "score_job": 9,
            "verdict": {"ok": True, "message": "It does."},
        }
        job = add_job(session, "train", "succeeded", result=result)
    page = as_("viewer").get(f"/model/jobs/{job}").text
    assert f"Version {second} is trained and in service." in page
    assert "Everybody is being scored by it." in page
    assert "The model finds 34% of churners among the first 10%." in page
    assert f"/model/compare?first={first}&amp;second={second}" in page


def test_training_without_data_says_what_it_needs(as_: SignIn) -> None:
    answer = as_("analyst").post("/model/train", {"seed": "0", "trials": "5"})
    assert answer.status_code == 409
    assert "notice--bad" in answer.text


def test_replay_says_who_really_left(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        add_version(session)
        closed = add_job(session, "replay", "succeeded", result=replayed())
        opened = add_job(session, "replay", "succeeded", result=replayed(closed=False))
        knowing = add_job(session, "replay", "succeeded", result=replayed(hindsight=True))
        failed = add_job(
            session, "replay", "failed", error={"code": "not_ready", "message": "As of 2026-03-01 no model could be."}
        )
    browser = as_("viewer")
    page = browser.get(f"/model/replay/{closed}").text
    assert "it would have found 34% of churners among the first 10%." in page
    assert "1 of the first 2 left" in page
    assert "cus_00000" in page
    assert "With hindsight" not in page
    page = browser.get(f"/model/replay/{opened}").text
    assert "is not known for certain yet" in page
    assert page.count(">Not known</span>") == 2
    assert "Nobody could have had these scores then" in browser.get(f"/model/replay/{knowing}").text
    assert browser.get(f"/model/jobs/{closed}").location == f"/model/replay/{closed}"
    assert "no model could be" in browser.get(f"/model/jobs/{failed}").text
    page = browser.get("/model/replay").text
    assert page.count("34% of churners in the first 10%") == 2
    assert "<form" not in page.split('id="main"')[1].split("</main>")[0]


def test_replay_without_history_is_refused_in_words(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
    browser = as_("analyst")
    assert "A replay needs dated history" in browser.get("/model/replay").text
    answer = browser.post("/model/replay", {"as_of": "2026-03-01", "model": "train"}, page="/model/train")
    assert answer.status_code == 409
    assert "notice--bad" in answer.text
    assert browser.post("/model/replay", {"as_of": "soon"}, page="/model/train").status_code == 422


@pytest.mark.parametrize("who", ["viewer", "agent"])
def test_those_who_only_read_get_no_button_and_no_act(app: Flask, as_: SignIn, who: str) -> None:
    version = model(app)
    with app.app_context(), unit_of_work() as session:
        other = add_version(session, champion=False)
        add_job(session, "train", "running", progress=0.1, phase="fitting")
    browser = as_(who)
    pages = (
        "/model",
        f"/model/versions/{version}",
        f"/model/versions/{other}",
        "/model/versions",
        "/model/jobs/1",
        "/model/performance",
    )
    for address in pages:
        main = browser.get(address).text.split('id="main"')[1]
        assert "/model/train" not in main
        assert "/promote" not in main
        assert 'method="post"' not in main
    posts = (
        "/model/train",
        f"/model/versions/{other}/promote",
        "/model/rollback",
        "/model/replay",
        "/model/jobs/1/cancel",
    )
    for address in posts:
        assert browser.post(address, {}, page="/model").status_code == 403
    assert browser.get("/model/train").status_code == 403


def test_pages_of_things_that_do_not_exist(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        score = add_job(session, "score", "running")
    browser = as_("viewer")
    gone = ("/model/versions/9", "/model/jobs/99", f"/model/jobs/{score}", f"/model/replay/{2**63}", "/model/replay/77")
    for address in gone:
        assert browser.get(address).status_code == 404


def test_old_model_without_a_report_has_a_card(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 10)
        add_model(session)
    page = as_("viewer").get("/model").text
    assert "In service" in page
    assert 'id="reach"' not in page
