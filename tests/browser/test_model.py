"""The model pages in a real browser: the slider moves the figures, a training is followed to its end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.models import JobRun
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound
from tests.web.modelled import add_version
from tests.web.stocked import add_customers, add_scores


def fill(served: Served) -> None:
    """A version in service, with scores."""
    with served.app.app_context(), unit_of_work() as session:
        add_customers(session, 100)
        version = add_version(session)
        add_scores(session, 100, version)


@pytest.mark.usefixtures("account")
def test_slider_moves_the_figures_and_keeps_the_address_true(open_tab: OpenTab, served: Served) -> None:
    fill(served)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/model")
    page.get_by_text("Reach 8 of 80").wait_for()
    page.get_by_label("We can reach").fill("24")
    page.get_by_text("Reach 24 of 80").wait_for()
    expect(page).to_have_url(re.compile(re.escape("reach=24")))
    page.get_by_label("Cost of a contact").fill("1000")
    page.get_by_text("At these costs no number pays").wait_for()
    expect(page).to_have_url(re.compile(re.escape("contact=1000")))
    page.reload()
    page.get_by_text("At these costs no number pays").wait_for()
    assert page.get_by_label("We can reach").input_value() == "24"


@pytest.mark.usefixtures("account")
def test_training_is_followed_to_its_verdict(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context(), unit_of_work() as session:
        add_customers(session, 60)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/model")
    page.get_by_role("link", name="Train …").click()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("heading", name="The training is under way.").wait_for()
    is_sound(page)

    def change(**values: object) -> None:
        with served.app.app_context(), unit_of_work() as session:
            job = session.query(JobRun).one()
            for name, value in values.items():
                setattr(job, name, value)

    change(state="running", progress=0.4, phase="tuning")
    page.get_by_text("Searching for good settings").wait_for()
    verdict = {
        "ok": False,
        "code": "nothing_to_learn",
        "message": "There is nothing to learn from these columns.",
        "needs": {},
    }
    change(state="succeeded", finished_at=2, result={"model_version": None, "servable": False, "verdict": verdict})
    page.get_by_role("heading", name="The training was refused, and that is a finding.").wait_for()
    is_sound(page)
