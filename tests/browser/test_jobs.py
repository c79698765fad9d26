"""The pages of long work in a real browser: sound in both themes at both sizes, followed live, cancelled after a question."""

from __future__ import annotations

from typing import Any

import pytest

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import JobRun
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs
from tests.browser.conftest import Served
from tests.browser.test_pages import OpenTab, account, is_sound, sign_in

__all__ = ["account"]
BAD = {"code": "invalid_input", "message": "2 of 5 rows cannot be taken, so none was (import 1)."}
GOOD = {"batch_id": 1, "counts": {"rows": 5, "good": 5, "bad": 0, "new": 5}}


def add(served: Served, kind: str, state: str, **values: object) -> int:
    with served.app.app_context(), unit_of_work() as session:
        job = jobs.enqueue(session, SYSTEM, kind, {})
        job.state, job.started_at = state, clock.now_us()
        for name, value in values.items():
            setattr(job, name, value)
        return job.id


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_jobs_are_sound_in_both_themes(open_tab: OpenTab, served: Served, size: str) -> None:
    ended = {"finished_at": clock.now_us()}
    bad = add(served, "import", "failed", error=BAD, **ended)
    good = add(served, "import", "succeeded", result=GOOD, **ended)
    running = add(served, "train", "running", progress=0.4, phase="searching parameters")
    page: Any = open_tab(size).page
    sign_in(page)
    for theme in ("dark", "light"):
        page.context.add_cookies([{"name": "theme", "value": theme, "url": served.address}])
        for address in ("/jobs", "/jobs?state=cancelled", f"/jobs/{bad}", f"/jobs/{good}", f"/jobs/{running}"):
            page.goto(address)
            assert page.locator("html").get_attribute("data-theme") == theme
            is_sound(page)
        page.get_by_text("Cancel …").click()
        is_sound(page)


@pytest.mark.usefixtures("account")
def test_running_work_is_followed_and_cancelled(open_tab: OpenTab, served: Served) -> None:
    job_id = add(served, "train", "running", progress=0.4, phase="searching parameters")
    page: Any = open_tab().page
    sign_in(page)
    page.goto("/jobs")
    page.locator("#job-list").get_by_text("40%").wait_for()
    page.get_by_role("link", name="Training", exact=True).last.focus()
    with served.app.app_context(), unit_of_work() as session:
        session.get_one(JobRun, job_id).progress = 0.6
    page.locator("#job-list").get_by_text("60%").wait_for()
    assert page.evaluate("() => document.activeElement.id") == f"job-{job_id}"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job_id}")
    page.get_by_text("Cancel …").click()
    page.get_by_role("button", name="Cancel this job").click()
    page.get_by_text(f"Job {job_id} is asked to stop.").wait_for()
    assert page.get_by_role("heading", level=1).inner_text() == "Training is stopping."
