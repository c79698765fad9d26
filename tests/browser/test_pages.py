"""Pages in a real browser: no accessibility finding, no console error, nothing from elsewhere, nothing wider than the screen."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.models import JobRun
from retainstream.security.actor import SYSTEM
from retainstream.services import jobs
from retainstream.services.access import setup
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import EMAIL, PASSWORD, sign_in
from tests.browser.soundness import is_sound, is_sound_in_both_themes, is_steady
from tests.web.stocked import stock


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_set_up_leads_to_an_empty_home(open_tab: OpenTab, served: Served, size: str) -> None:
    page: Any = open_tab(size).page
    page.goto("/")
    expect(page).to_have_url(re.compile(re.escape("/set-up") + "$"))
    # Once more, with the font at hand: what its coming does has a test below.
    page.reload()
    is_steady(page)
    is_sound_in_both_themes(page)
    page.get_by_label("Set-up code").fill(setup.setup_code(served.app.config["RETAINSTREAM"]))
    page.get_by_label("E-mail").fill("ana@example.com")
    page.get_by_label("Your name").fill("Ana Silva")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/set-up/begin")
    is_steady(page)
    is_sound_in_both_themes(page)
    page.get_by_role("link", name="Start empty").click()
    page.wait_for_url(f"{served.address}/")
    assert page.get_by_role("heading", level=1).inner_text() == "No customers yet."
    is_steady(page)
    is_sound_in_both_themes(page)


@pytest.mark.usefixtures("account")
def test_form_signs_in_and_the_account_menu_turns_the_theme_and_signs_out(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(50)
    page: Any = open_tab("phone").page
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    assert "resemble those who left." in page.get_by_role("heading", level=1).inner_text()
    shape = page.locator(".band__shape use").first
    assert shape.evaluate("use => use.getBoundingClientRect().width") > 0
    page.locator(".account__mark").click()
    is_sound_in_both_themes(page, ".account")
    page.get_by_role("button", name="Light theme").click()
    page.locator("html[data-theme=light]").wait_for()
    page.locator(".account__mark").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


@pytest.mark.usefixtures("account")
def test_a_font_that_comes_late_moves_nothing(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(50)
    page: Any = open_tab().page
    sign_in(page, served)

    def late(route: Any) -> None:
        time.sleep(0.4)
        route.continue_()

    page.route("**/*.woff2", late)
    page.goto("/")
    is_steady(page)


@pytest.mark.usefixtures("account")
def test_everything_is_reached_by_keyboard_with_visible_focus(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(50)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/")
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.innerText.trim()"))
        if "Account of Ana Silva" in reached[-1]:
            page.keyboard.press("Enter")
        style = page.evaluate(
            "() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)] }"
        )
        assert style[0] != "none", reached[-1]
        assert style[1] >= 2, reached[-1]
        if reached[-1] == "As a table":
            break
    assert reached[0] == "Skip to the content"
    assert {
        "RetainStream",
        "Home",
        "Light theme",
        "Settings",
        "API docs",
        "Sign out",
        "Train",
        "Score now",
        "As a table",
    } <= set(reached)


@pytest.mark.usefixtures("account")
def test_score_button_toasts_and_running_work_is_followed(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(50)
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/")
    page.get_by_role("button", name="Score now").click()
    page.get_by_text("Scoring is queued").wait_for()
    page.get_by_text("Scoring · waiting").wait_for()
    is_sound(page)

    def change(**values: object) -> None:
        with served.app.app_context(), unit_of_work() as session:
            job = session.query(JobRun).one()
            for name, value in values.items():
                setattr(job, name, value)

    change(state="running", progress=0.64, phase="scoring")
    page.get_by_text("Scoring · 64%").wait_for()
    is_sound(page)
    with page.expect_navigation():
        change(state="succeeded", finished_at=1, progress=1.0)
    page.locator("#jobs").wait_for(state="attached")
    expect(page.locator("#jobs .chip")).to_have_count(0)


@pytest.mark.usefixtures("account")
def test_pages_read_and_forms_post_without_javascript(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(50)
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_text("Training is queued")).to_be_visible()
    expect(page.get_by_text("Training · waiting")).to_be_visible()


@pytest.mark.usefixtures("account")
def test_failed_poll_shows_a_toast(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context(), unit_of_work() as session:
        jobs.enqueue(session, SYSTEM, "train", {})
    tab = open_tab()
    page: Any = tab.page
    sign_in(page, served)
    page.goto("/")
    page.route("**/jobs/current*", lambda route: route.fulfill(
        status=503,
        content_type="text/html",
        headers={"HX-Retarget": "#toasts", "HX-Reswap": "beforeend"},
        body='<div class="toast toast--bad"><p>The database is busy.</p><button class="toast__close" type="button">x</button></div>',
    ))  # fmt: skip
    page.get_by_text("The database is busy.").first.wait_for()
    page.unroute("**/jobs/current*")
    page.keyboard.press("Escape")
    # The browser itself logs every failed request; that one was made here.
    tab.complaints[:] = [text for text in tab.complaints if "503" not in text]


def test_api_docs_work_without_the_internet(open_tab: OpenTab) -> None:
    page: Any = open_tab().page
    page.goto("/api/v1/docs")
    page.get_by_text("RetainStream API").first.wait_for()
    page.locator(".opblock-summary-control").first.wait_for()
    assert page.locator(".opblock").count() > 10
    page.locator(".opblock-summary-control").first.click()
    page.locator(".opblock-body").first.wait_for()
