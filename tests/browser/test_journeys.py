"""Whole journeys through the product in a real browser, from what a person has to what they want. What single pages do is tested beside the pages.

Other journeys stand with their pages: import with errors and undo (`test_data_import`), the definition wizard (`test_data_pages`), what-if
(`test_customer`), a session ended from elsewhere (`test_settings`).
"""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from retainstream.db import unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.security.permissions import ROLE_PERMISSIONS
from retainstream.services.access import accounts, setup
from retainstream.web.navigation import DESTINATIONS
from tests.browser.conftest import Served, Tab
from tests.web.stocked import stock

PASSWORD = "correct horse 42"
FORBIDDEN = ("/train", "/score", "/set-up/demo", "/settings/people", "/settings/preferences")
"""Where a viewer's own hands might send a form that no page of theirs offers."""
OpenTab = Callable[..., Tab]


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """Somebody's own table: people who have not come for long have mostly left."""
    lines = ["customer_id,plan,monthly_price,days_since_visit,churn"]
    for at in range(240):
        silent = at * 7 % 60
        left = silent > 40 if at % 9 else silent % 2 == 0
        lines.append(f"c{at:03d},{'basic' if at % 3 else 'plus'},{9 + at % 4}.50,{silent},{'yes' if left else 'no'}")
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines))
    return path


def join(served: Served, role: str) -> None:
    """Make an account with a role."""
    with served.app.app_context(), unit_of_work() as session:
        hashed = accounts.checked_hash(served.app.config["RETAINSTREAM"], "", PASSWORD)
        accounts.create_user(session, "ana@example.com", "Ana Silva", role, hashed)


def sign_in(page: Any) -> None:
    """Sign in through the form."""
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("ana@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def at_work(served: Served) -> threading.Thread:
    """Run what is queued beside the browser, as the worker would."""

    def run() -> None:
        with served.app.app_context():
            run_queued(served.app.config["RETAINSTREAM"])

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_first_start_to_first_scores(open_tab: OpenTab, served: Served, own_file: Path) -> None:
    page: Any = open_tab().page
    page.goto("/")
    page.get_by_label("Set-up code").fill(setup.setup_code(served.app.config["RETAINSTREAM"]))
    page.get_by_label("E-mail").fill("ana@example.com")
    page.get_by_label("Your name").fill("Ana Silva")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Import my file").click()
    page.set_input_files("#file", str(own_file))
    page.get_by_role("heading", name=re.compile(r"^240 customers, of whom [\d.]+% left\.$")).wait_for()
    page.get_by_role("button", name="Import 240 rows").click()
    page.get_by_role("heading", name="mine.csv is coming in.").wait_for()
    importing = at_work(served)
    page.get_by_role("heading", name="240 customers are in.").wait_for()
    importing.join()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("heading", name="A model is learning who leaves.").wait_for()
    page.get_by_text("Waiting for its turn").wait_for()
    training = at_work(served)
    page.get_by_role("heading", name="resemble those who left.").wait_for()
    training.join()
    first = page.locator(".people .card").first
    assert first.locator(".card__why li").count() >= 1
    name = first.locator(".card__name").inner_text()
    first.click()
    page.get_by_role("heading", name=name, level=1).wait_for()
    expect(page.get_by_role("heading", name="Why this score")).to_be_visible()
    expect(page.get_by_text("Days since visit is").first).to_be_visible()


def asked(served: Served, token: str) -> tuple[int, Any]:
    """Call the API over real HTTP with a token, as curl does, and return status and answer."""
    request = urllib.request.Request(f"{served.address}/api/v1/customers", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_token_is_made_used_over_http_and_refused_once_revoked(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(30)
    join(served, "analyst")
    page: Any = open_tab().page
    sign_in(page)
    page.goto("/settings/tokens")
    page.get_by_role("textbox", name="Name").fill("night export")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_text("Copy it now").wait_for()
    token = page.locator("#token").inner_text().strip()
    status, answer = asked(served, token)
    assert (status, len(answer["items"])) == (200, 24)
    page.goto("/settings/tokens")
    assert token not in page.content()
    page.get_by_text("Revoke …").click()
    page.get_by_role("button", name="Revoke it").click()
    page.locator(".badge", has_text="revoked").wait_for()
    status, answer = asked(served, token)
    assert status == 401
    assert "token" in answer["error"]["message"]


def allowed(served: Served, address: str, method: str) -> bool:
    """Tell whether a viewer may send this, by the guard of the view that would answer."""
    path = urlsplit(address).path
    endpoint, _ = served.app.url_map.bind("localhost").match(path, method)
    guard = getattr(served.app.view_functions[endpoint], "guard", "public")
    return guard == "public" or guard in ROLE_PERMISSIONS["viewer"]


def sent(page: Any, address: str) -> int:
    """Send the form that every page has to another address, as hands that know the address would, and return the status of the answer."""
    with page.expect_navigation() as arrived:
        page.evaluate(
            """(address) => {
                const form = document.querySelector('form[action="/appearance"]');
                form.action = address;
                form.submit();
            }""",
            address,
        )
    return int(arrived.value.status)


def test_viewer_meets_no_forbidden_button_and_a_readable_page_when_refused(open_tab: OpenTab, served: Served) -> None:
    with served.app.app_context():
        stock(30)
    join(served, "viewer")
    tab = open_tab()
    page: Any = tab.page
    sign_in(page)
    rail = [str(link.get_attribute("href")) for link in page.locator("a.rail__link").all()]
    assert rail == [place.address for place in DESTINATIONS if place.permission in ROLE_PERMISSIONS["viewer"]]
    for address in rail:
        assert page.goto(address).status == 200
        forms = [str(form.get_attribute("action")) for form in page.locator("form[method=post]").all()]
        links = [str(link.get_attribute("href")) for link in page.locator("a[href^='/']:not([href^='/api'])").all()]
        offered = [(where, "POST") for where in forms] + [(where, "GET") for where in links]
        assert [one for one in offered if not allowed(served, *one)] == [], address
    for address in FORBIDDEN:
        page.goto("/")
        assert sent(page, address) == 403
        expect(page.get_by_role("heading", name="Not for your role")).to_be_visible()
        page.get_by_role("link", name="Back to Home").click()
        page.get_by_role("heading", name="resemble those who left.").wait_for()
    # The browser itself logs every refusal that was asked for here.
    tab.complaints[:] = [text for text in tab.complaints if "403" not in text]
