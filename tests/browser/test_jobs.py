"""The pages of long work in a real browser: followed live, cancelled after a question."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import JobRun
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in


def add(served: Served, kind: str, state: str, **values: object) -> int:
    with served.app.app_context(), unit_of_work() as session:
        job = jobs.enqueue(session, SYSTEM, kind, {})
        job.state, job.started_at = state, clock.now_us()
        for name, value in values.items():
            setattr(job, name, value)
        return job.id


@pytest.mark.usefixtures("account")
def test_running_work_is_followed_and_cancelled(open_tab: OpenTab, served: Served) -> None:
    job_id = add(served, "train", "running", progress=0.4, phase="searching parameters")
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/jobs")
    page.locator("#job-list").get_by_text("40%").wait_for()
    page.get_by_role("link", name="Training", exact=True).last.focus()
    with served.app.app_context(), unit_of_work() as session:
        session.get_one(JobRun, job_id).progress = 0.6
    page.locator("#job-list").get_by_text("60%").wait_for()
    expect(page.locator(f"#job-{job_id}")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job_id}")
    page.get_by_text("Cancel …").click()
    page.get_by_role("button", name="Cancel this job").click()
    page.get_by_text(f"Job {job_id} is asked to stop.").wait_for()
    assert page.get_by_role("heading", level=1).inner_text() == "Training is stopping."


def end(served: Served, job_id: int) -> None:
    with served.app.app_context(), unit_of_work() as session:
        job = session.get_one(JobRun, job_id)
        job.state, job.finished_at = "succeeded", clock.now_us()


@pytest.mark.usefixtures("account")
def test_a_page_loads_itself_when_work_has_ended_but_never_while_somebody_writes(
    open_tab: OpenTab, served: Served
) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    first = add(served, "train", "running")
    page.goto("/segments/new")
    page.get_by_text("Training · 0%").wait_for()
    page.evaluate("() => { window.seen = true; }")
    end(served, first)
    page.wait_for_function("() => !window.seen")
    second = add(served, "train", "running")
    page.reload()
    page.get_by_text("Training · 0%").wait_for()
    page.get_by_label("Name", exact=True).fill("Half a name")
    end(served, second)
    page.get_by_role("link", name="Work has ended").wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == "Half a name"
    page.get_by_role("link", name="Work has ended").click()
    expect(page.get_by_role("link", name="Work has ended")).to_have_count(0)


@pytest.mark.usefixtures("account")
def test_a_form_that_came_back_with_complaints_is_not_loaded_anew(open_tab: OpenTab, served: Served) -> None:
    tab = open_tab()
    page: Any = tab.page
    sign_in(page, served)
    job = add(served, "train", "running")
    page.goto("/settings")
    page.get_by_label("Name", exact=True).fill(" ")
    page.get_by_label("Name", exact=True).press("Enter")
    page.locator("[aria-invalid=true]").wait_for()
    page.get_by_text("Training · 0%").wait_for()
    page.evaluate("() => { window.seen = true; }")
    end(served, job)
    page.locator("#jobs[data-ended]").wait_for(state="attached")
    page.wait_for_timeout(500)
    # The address of such a page may be one that only takes forms: no link leads to it.
    expect(page.get_by_role("link", name="Work has ended")).to_have_count(0)
    assert page.evaluate("() => window.seen") and page.locator("[aria-invalid=true]").count()
    assert all("422" in complaint for complaint in tab.complaints)
    tab.complaints.clear()
