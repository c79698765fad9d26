"""From a file in the hand to customers on record, in a real browser; with errors, an answer, an undo, and without a script."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from retainstream.jobs.inline import run_queued
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import sign_in
from tests.browser.soundness import is_sound_everywhere

PREVIEW = re.compile(r"/data/import/[0-9a-f]{32}$")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Customers whose label looks the wrong way round; the price of one cannot be read."""
    lines = ["customer_id,plan,price,churn"]
    lines += [
        f"c{at:03d},{'basic' if at % 2 else 'plus'},{'?!' if at == 7 else at}.5,{int(at % 5 > 0)}" for at in range(80)
    ]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines))
    return path


def work(served: Served) -> None:
    with served.app.app_context():
        run_queued(served.app.config["RETAINSTREAM"])


def settled(page: Any) -> None:
    """Wait for the reload that follows the end of running work."""
    page.wait_for_selector('#jobs[hx-get="/jobs/current"]', state="attached")
    page.wait_for_load_state()


@pytest.mark.usefixtures("account")
def test_a_file_goes_in_with_its_errors_and_is_taken_back(open_tab: OpenTab, served: Served, people: Path) -> None:
    page: Any = open_tab("phone").page
    sign_in(page, served)
    page.goto("/data")
    page.get_by_role("link", name="Import a file").first.click()
    page.wait_for_url("**/data/import")
    page.set_input_files("#file", str(people))
    page.wait_for_url(PREVIEW)
    expect(page.get_by_role("heading", name="Which value of churn means")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Import"))).to_have_count(0)
    page.get_by_role("button", name=re.compile("“0” means left: 20.0%")).click()
    page.get_by_role("heading", name="80 customers, of whom 20.0% left.").wait_for()
    page.select_option("#c1-role", "feature")
    page.get_by_role("button", name="Check again").last.click()
    page.locator("#c1-read").wait_for()
    is_sound_everywhere(page)
    page.get_by_role("button", name="Import 79 rows").click()
    page.wait_for_url("**/data/imports/1")
    page.get_by_text("Waiting for its turn").wait_for()
    work(served)
    page.get_by_role("heading", name="79 customers are in.").wait_for()
    settled(page)
    page.get_by_role("button", name="Train").wait_for()
    with page.expect_download() as offered:
        page.get_by_role("link", name="Bad rows as CSV").click()
    assert "c007" in Path(offered.value.path()).read_text()
    page.get_by_role("link", name="Undo").click()
    page.wait_for_url("**/undo")
    page.get_by_role("button", name="Take it back").click()
    page.wait_for_url("**/data/imports/1")
    work(served)
    page.get_by_role("heading", name="people.csv was taken back.").wait_for()


@pytest.mark.usefixtures("account")
def test_a_dropped_file_is_looked_at_at_once(open_tab: OpenTab, served: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, served)
    page.goto("/data/import")
    text = "user,at,event\\n" + "".join(f"u{at % 5},2026-01-{1 + at % 28:02d},login\\n" for at in range(40))
    dropped = page.evaluate_handle(
        f"() => {{ const held = new DataTransfer(); held.items.add(new File(['{text}'], 'log.csv')); return held; }}"
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
    page.wait_for_url(PREVIEW)
    expect(page.get_by_role("heading", name="40 events.")).to_be_visible()


@pytest.mark.usefixtures("account")
def test_a_file_goes_in_without_a_script(open_tab: OpenTab, served: Served, people: Path) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, served)
    page.goto("/data/import")
    page.set_input_files("#file", str(people))
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name=re.compile("“0” means left")).click()
    page.get_by_role("button", name="Import 79 rows").click()
    work(served)
    page.goto("/data/imports/1")
    expect(page.get_by_role("heading", name="79 customers are in.")).to_be_visible()
