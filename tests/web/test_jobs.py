"""The pages of long work: filters, progress, results and failures in words, asking again and cancelling."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import JobRun
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs
from tests.conftest import Cast
from tests.web.conftest import Browser

SignIn = Callable[[str], Browser]


def add(app: Flask, kind: str = "train", state: str = "queued", **values: object) -> int:
    with app.app_context(), unit_of_work() as session:
        job = jobs.enqueue(session, SYSTEM, kind, {})
        job.state = state
        if state not in ("queued", "running"):
            job.started_at, job.finished_at = job.created_at, job.created_at + 65 * clock.SECOND_US
        for name, value in values.items():
            setattr(job, name, value)
        return job.id


def test_empty_list_teaches(as_: SignIn) -> None:
    page = as_("viewer").get("/jobs").text
    assert "Nothing has run yet" in page
    assert 'hx-trigger="every 2s"' not in page.split('id="job-list"')[1]


def test_list_says_what_came_of_each_and_who_asked(app: Flask, as_: SignIn, cast: Cast) -> None:
    add(app, "import", "succeeded", requested_by=cast.users["analyst"],
        result={"batch_id": 3, "counts": {"rows": 12, "good": 10, "bad": 2, "new": 10}})  # fmt: skip
    add(app, "score", "failed", error={"code": "not_ready", "message": "No model is in service."})
    add(app, "undo", "cancelled")
    page = as_("viewer").get("/jobs").text
    assert "Import 3: 10 of 12 rows taken in; 2 rows could not be taken." in page
    assert "No model is in service." in page
    assert ">Analyst</td>" in page
    assert "1 min 5 s" in page
    assert "3 jobs" in page


def test_filters_are_links_and_wrong_ones_are_refused(app: Flask, as_: SignIn) -> None:
    add(app, "train", "failed", error={"code": "x", "message": "boom"})
    add(app, "score", "succeeded", result={"n_scored": 5, "model_version": 1})
    viewer = as_("viewer")
    page = viewer.get("/jobs?state=failed").text
    assert 'href="/jobs?kind=train&amp;state=failed"' in page
    assert "boom" in page
    assert "5 customers scored" not in page
    assert "No such jobs" in viewer.get("/jobs?state=failed&kind=undo").text
    assert viewer.get("/jobs?state=lost").status_code == 422
    assert viewer.get("/jobs?cursor=x").status_code == 422


def test_pages_neither_repeat_nor_skip(app: Flask, as_: SignIn) -> None:
    with app.app_context(), unit_of_work() as session:
        for _ in range(30):
            session.add(JobRun(kind="judge", state="succeeded", result={}, created_at=clock.now_us()))
    viewer, seen, address = as_("viewer"), [], "/jobs?kind=judge"
    while address:
        page = viewer.get(address).text
        seen += re.findall(r'id="job-(\d+)"', page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) == 30


def test_open_work_is_followed_by_fragments_and_ended_work_is_not(app: Flask, as_: SignIn) -> None:
    job_id = add(app, state="running", progress=0.42, phase="fitting", started_at=clock.now_us())
    viewer = as_("viewer")
    assert 'hx-get="/jobs?state=running"' in viewer.get("/jobs?state=running").text
    part = viewer.get("/jobs", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "42%" in part
    assert "Fitting" in part
    one = viewer.get(f"/jobs/{job_id}", headers={"HX-Request": "true"}).text
    assert f'hx-get="/jobs/{job_id}"' in one
    with app.app_context(), unit_of_work() as session:
        job = session.get_one(JobRun, job_id)
        job.state, job.finished_at, job.result = (
            "succeeded",
            clock.now_us(),
            {"model_version": 2, "servable": True, "champion": True},
        )
    ended = viewer.get(f"/jobs/{job_id}")
    assert "Model 2 is trained and in service." in ended.text
    assert "every 2s" not in ended.text


RESULTS: list[tuple[str, dict[str, object], str]] = [
    ("train", {"model_version": 4, "servable": False, "verdict": {"message": "Too few left."}}, "Model 4 was trained and refused: Too few left."),
    ("train", {"model_version": 4, "servable": True, "champion": False, "metrics": {"auc": {"value": 0.7, "low": 0.6, "high": 0.8}}}, "0.700 (0.600 to 0.800)"),
    ("score", {"n_scored": 1, "model_version": 2, "bands": {"low": 1}}, "1 customer scored with model 2."),
    ("replay", {"n_scored": 20, "model_version": 2, "as_of": "2024-06-25T00:00:00Z"}, "As of 25 Jun 2024: 20 customers scored with model 2."),
    ("judge", {"judged": 2, "estimated": 1, "unreadable": 0}, "2 scorings compared with what happened, 1 estimated meanwhile."),
    ("judge", {"judged": 0, "estimated": 0, "unreadable": 0}, "No earlier scoring was due for comparison."),
    ("ingest", {"batch_id": 2, "counts": {"rows": 1, "accepted": 1, "bad": 0, "late": 1}}, "Import 2: 1 of 1 row taken in."),
    ("undo", {"batch_id": 2, "counts": {}, "kept": 1}, "Import 2 is undone. 1 customer changed since was kept."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "result", "says"), RESULTS)
def test_every_kind_says_in_words_what_came_of_it(
    app: Flask, as_: SignIn, kind: str, result: dict[str, object], says: str
) -> None:
    job_id = add(app, kind, "succeeded", result=result)
    assert says in as_("viewer").get(f"/jobs/{job_id}").text


MADE: list[tuple[str, dict[str, object], str, str]] = [
    ("train", {"model_version": 4, "servable": False, "verdict": {"message": "No."}}, "/model/versions/4", "Version 4"),
    ("score", {"n_scored": 1, "model_version": 2}, "/", "Home"),
    (
        "replay",
        {"n_scored": 2, "model_version": 2, "as_of": "2024-06-25T00:00:00Z"},
        "/model/replay/1",
        "What it found",
    ),
    ("judge", {"judged": 2, "estimated": 1}, "/model/performance", "Promised and realised"),
    ("import", {"batch_id": 7, "counts": {}}, "/data/imports/7", "Import 7"),
    ("ingest", {"batch_id": 8, "counts": {}}, "/data/imports/8", "Import 8"),
    ("undo", {"batch_id": 8, "counts": {}}, "/data/imports/8", "Import 8"),
    ("demo", {"complete": True}, "/", "Home"),
]


@pytest.mark.parametrize(("kind", "result", "address", "word"), MADE)
def test_done_work_leads_to_what_it_made(
    app: Flask, as_: SignIn, kind: str, result: dict[str, object], address: str, word: str
) -> None:
    done, failed = add(app, kind, "succeeded", result=result), add(app, kind, "failed")
    browser = as_("analyst")
    button = f'<a class="button" href="{address}">{word}</a>'
    assert browser.get(f"/jobs/{done}").text.count(button) == 1
    assert button not in browser.get(f"/jobs/{failed}").text


def test_a_load_that_failed_leads_to_its_page_and_an_old_result_leads_nowhere(app: Flask, as_: SignIn) -> None:
    failed, old = add(app, "import", "failed", payload={"batch_id": 5}), add(app, "train", "succeeded", result={})
    browser = as_("analyst")
    assert 'href="/data/imports/5"' in browser.get(f"/jobs/{failed}").text
    assert "/model/versions/" not in browser.get(f"/jobs/{old}").text
    assert "/data/imports/" not in as_("viewer").get(f"/jobs/{failed}").text  # who may not open imports


def test_failure_says_what_to_do(app: Flask, as_: SignIn) -> None:
    job_id = add(app, "import", "failed", error={"code": "invalid_input", "message": "2 of 5 rows cannot be taken."})
    owner = as_("owner")
    page = owner.get(f"/jobs/{job_id}").text
    assert "2 of 5 rows cannot be taken." in page
    assert "load it again" in page
    assert "Try again</button>" not in page  # its file is gone
    odd = add(app, "train", "failed", error={"code": "from_tomorrow", "message": "Something new."})
    assert "give the number of this job" in owner.get(f"/jobs/{odd}").text
    assert owner.get("/jobs/999").status_code == 404


@pytest.mark.parametrize(("who", "offered"), [("viewer", 0), ("agent", 0), ("analyst", 1), ("owner", 1)])
def test_buttons_are_for_those_who_may(app: Flask, as_: SignIn, who: str, offered: int) -> None:
    waiting, failed = add(app), add(app, "judge", "failed", error={"code": "busy", "message": "Busy."})
    browser = as_(who)
    assert browser.get(f"/jobs/{waiting}").text.count(f'action="/jobs/{waiting}/cancel"') == offered
    assert browser.get(f"/jobs/{failed}").text.count(f'action="/jobs/{failed}/retry"') == offered
    if not offered:
        for address in (f"/jobs/{waiting}/cancel", f"/jobs/{failed}/retry"):
            assert browser.post(address, {}, page="/jobs").status_code == 403


def test_cancelling_and_asking_again(app: Flask, as_: SignIn) -> None:
    waiting, failed = add(app), add(app, "judge", "failed", error={"code": "busy", "message": "Busy."})
    browser = as_("analyst")
    assert browser.post(f"/jobs/{waiting}/cancel", {}, page="/jobs").location == f"/jobs/{waiting}"
    assert "is cancelled." in browser.get(f"/jobs/{waiting}").text
    browser.post(f"/jobs/{waiting}/cancel", {}, page="/jobs")
    assert "has ended already" in browser.get(f"/jobs/{waiting}").text
    browser.post(f"/jobs/{waiting}/retry", {}, page="/jobs")  # no customers to train on
    assert "toast--bad" in browser.get(f"/jobs/{waiting}").text
    fresh = browser.post(f"/jobs/{failed}/retry", {}, page="/jobs").location
    assert fresh not in (f"/jobs/{failed}", None)
    assert "Check of past scores waits for its turn." in browser.get(fresh).text
    with app.app_context(), read_unit() as session:
        assert session.query(JobRun).filter_by(kind="judge", state="queued").count() == 1


def test_running_work_that_was_asked_to_stop_says_so_and_is_not_asked_twice(app: Flask, as_: SignIn) -> None:
    job_id = add(app, state="running", cancel_requested=True, started_at=clock.now_us(), progress=0.2)
    page = as_("owner").get(f"/jobs/{job_id}").text
    assert "Training is stopping." in page
    assert f"/jobs/{job_id}/cancel" not in page
