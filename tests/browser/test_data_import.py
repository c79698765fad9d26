"""From a file in the hand to customers on record, in a real browser; with errors, an answer, an undo, and without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retainstream.jobs.inline import run_queued
from tests.browser.conftest import Served, Tab
from tests.browser.test_pages import account, is_sound, sign_in

OpenTab = Callable[..., Tab]
PREVIEW = re.compile(r"/data/import/[0-9a-f]{32}$")
__all__ = ["account"]


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


def in_both_themes(page: Any) -> None:
    """Check a page as it is and in the other theme."""
    is_sound(page)
    page.evaluate("() => document.documentElement.setAttribute('data-theme', 'light')")
    is_sound(page)
    page.evaluate("() => document.documentElement.setAttribute('data-theme', 'dark')")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_a_file_goes_in_with_its_errors_and_is_taken_back(
    open_tab: OpenTab, served: Served, people: Path, size: str
) -> None:
    page: Any = open_tab(size, reduced_motion="reduce").page
    sign_in(page)
    page.goto("/data")
    in_both_themes(page)
    page.get_by_role("link", name="Import a file").first.click()
    page.wait_for_url("**/data/import")
    in_both_themes(page)
    page.set_input_files("#file", str(people))
    page.wait_for_url(PREVIEW)
    assert page.get_by_role("heading", name="Which value of churn means").is_visible()
    assert page.get_by_role("button", name=re.compile("^Import")).count() == 0
    page.get_by_role("button", name=re.compile("“0” means left: 20.0%")).click()
    page.get_by_role("heading", name="80 customers, of whom 20.0% left.").wait_for()
    page.select_option("#c1-role", "feature")
    page.get_by_role("button", name="Check again").last.click()
    page.locator("#c1-read").wait_for()
    page.get_by_role("button", name="Import 79 rows").click()
    page.wait_for_url("**/data/imports/1")
    page.get_by_text("Waiting for its turn").wait_for()
    work(served)
    page.get_by_role("heading", name="79 customers are in.").wait_for()
    settled(page)
    page.get_by_role("button", name="Train").wait_for()
    in_both_themes(page)
    with page.expect_download() as offered:
        page.get_by_role("link", name="Bad rows as CSV").click()
    assert "c007" in Path(offered.value.path()).read_text()
    page.get_by_role("link", name="Undo").click()
    page.wait_for_url("**/undo")
    in_both_themes(page)
    page.get_by_role("button", name="Take it back").click()
    page.wait_for_url("**/data/imports/1")
    work(served)
    page.get_by_role("heading", name="people.csv was taken back.").wait_for()


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_the_page_of_a_file_on_trial_is_sound(open_tab: OpenTab, people: Path, size: str) -> None:
    page: Any = open_tab(size, reduced_motion="reduce").page
    sign_in(page)
    page.goto("/data/import")
    page.set_input_files("#file", str(people))
    page.wait_for_url(PREVIEW)
    in_both_themes(page)


@pytest.mark.usefixtures("account")
def test_a_dropped_file_is_looked_at_at_once(open_tab: OpenTab) -> None:
    page: Any = open_tab().page
    sign_in(page)
    page.goto("/data/import")
    text = "user,at,event\\n" + "".join(f"u{at % 5},2026-01-{1 + at % 28:02d},login\\n" for at in range(40))
    dropped = page.evaluate_handle(
        f"() => {{ const held = new DataTransfer(); held.items.add(new File(['{text}'], 'log.csv')); return held; }}"
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
    page.wait_for_url(PREVIEW)
    assert page.get_by_role("heading", name="40 events.").is_visible()


@pytest.mark.usefixtures("account")
def test_a_file_goes_in_without_a_script(open_tab: OpenTab, served: Served, people: Path) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page)
    page.goto("/data/import")
    page.set_input_files("#file", str(people))
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name=re.compile("“0” means left")).click()
    page.get_by_role("button", name="Import 79 rows").click()
    work(served)
    page.goto("/data/imports/1")
    assert page.get_by_role("heading", name="79 customers are in.").is_visible()
