"""A walk over every page at both sizes and in both themes: sound, silent, and steady while it loads. A page that is not on the walk fails it.

Each page is looked at as a whole at a desk in the dark. Sizes share their colours and themes all but their colours: on a phone it is in the light, and
looked at for colours and for what may be otherwise at that size. Pages stand open here (what can be unfolded is unfolded, and each menu is looked into), on a box in which nothing is empty. What takes a journey to get
to, such as an error beside a field, is in the test of the page that it belongs to.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from retainstream.config import Settings
from tests.browser import soundness
from tests.browser.conftest import SIZES, OpenTab, Served, listened, new_context, serving
from tests.browser.filled import Filled, fill
from tests.browser.people import sign_in

PAGES: dict[str, tuple[str, ...]] = {
    "/customer/edit/<path:user_id>": ("/customer/edit/{user_id}",),
    "/customer/erase/<path:user_id>": ("/customer/erase/{user_id}",),
    "/customer/moves/<path:user_id>": ("/customer/moves/{user_id}",),
    "/customer/timeline/<path:user_id>": ("/customer/timeline/{user_id}", "/customer/timeline/{user_id}?source=score"),
    "/customers": ("/customers?band=high&band=very_high", "/customers?q=zzzz"),
    "/customers/<path:user_id>": ("/customers/{user_id}?w.last_login_days=0", "/customers/x1"),
    "/data/definitions/propose": ("/data/definitions/propose?kind=inactivity",),
    "/data/features/by-name/<string:name>": ("/data/features/by-name/login_count_30",),
    "/data/features/by-name/<string:name>/values": ("/data/features/by-name/login_count_30/values",),
    "/data/import/<token>": ("/data/import/{draft}",),
    "/data/imports/<int:number>": ("/data/imports/{import}",),
    "/data/imports/<int:number>/undo": ("/data/imports/{import}/undo",),
    "/health-scores/schemes/<int:scheme_id>": ("/health-scores/schemes/{scheme}",),
    "/invitation/<token>": ("/invitation/{invitation}",),
    "/jobs": ("/jobs", "/jobs?state=cancelled"),
    "/jobs/<int:job_id>": ("/jobs/{failed}", "/jobs/{done}", "/jobs/{running}"),
    "/model/compare": ("/model/compare?first={version}&second={other}",),
    "/model/jobs/<int:job_id>": ("/model/jobs/{running}",),
    "/model/replay/<int:job_id>": ("/model/replay/{replay}", "/model/replay/{hindsight}"),
    "/model/versions/<int:version_id>": ("/model/versions/{version}",),
    "/model/versions/<int:version_id>/promote": ("/model/versions/{version}/promote",),
    "/new-password/<token>": ("/new-password/{reset}",),
    "/search": ("/search", "/search?q=model", "/search?q=zzzz"),
    "/reports/<int:report_id>": ("/reports/{report}", "/reports/{unmade}"),
    "/reports/<int:report_id>/edit": ("/reports/{report}/edit",),
    "/reports/new": ("/reports/new?list=band%3Dhigh%26plan%3DBasic",),
    "/segments/<int:segment_id>": ("/segments/{segment}",),
    "/segments/<int:segment_id>/edit": ("/segments/{segment}/edit",),
    "/revenue": ("/revenue", "/revenue?month=2024-03"),
    "/segments/cohorts": (
        "/segments/cohorts",
        "/segments/cohorts?show=gone",
        "/segments/cohorts?grid=activity&unit=week",
    ),
    "/segments/survival": ("/segments/survival", "/segments/survival?by=plan"),
    "/settings/audit": ("/settings/audit", "/settings/audit?action=nothing"),
    "/settings/people/<int:user_id>": ("/settings/people/{person}",),
    "/today": ("/today", "/today?whose=mine", "/today?open={user_id}"),
    "/today/plays/<int:play_id>": ("/today/plays/{play}",),
    "/today/tasks": ("/today/tasks", "/today/tasks?standing=overdue"),
}
"""Rule of a page with parameters -> addresses to walk, filled in from what the box holds. A rule without parameters is its own address."""
NO_PAGES = {
    "web_current_jobs.current": "a part of every page",
    "web_customer_timeline.move": "a part of a customer's page",
    "web_customer.what_if": "a part of a customer's page",
    "web_customer.reasons": "a file",
    "web_customer.scores": "a file",
    "web_customer_acts.export": "a file",
    "web_customers.export_xlsx": "a file",
    "web_reports.download": "a file",
    "web_set_up.show": "only while nobody is registered: test_set_up_leads_to_an_empty_home",
    "web_set_up.begin": "only while nothing is on record: test_set_up_leads_to_an_empty_home",
    "web_today.entry": "a part of Today",
}
VISITORS = ("/sign-in", "/invitation/", "/new-password/")
"""Pages of somebody who is not signed in."""
MISSING = "/nothing-is-here"
FRAME = (".rail", ".top")
THEMES = {"desk": "dark", "phone": "light"}
EMPTY = (
    "/",
    "/health-scores",
    "/health-scores/schemes",
    "/customers",
    "/data",
    "/data/definitions",
    "/data/features",
    "/data/feeds",
    "/model",
    "/revenue",
    "/revenue/months",
    "/revenue/lifetime",
    "/segments/rfm",
    "/jobs",
    "/reports",
    "/segments",
    "/segments/new",
    "/today",
    "/today/plays",
    "/today/tasks",
)
"""Pages that say something else while nothing is on record."""
UNFOLD = "() => document.querySelectorAll('main details:not(.menu)').forEach((each) => { each.open = true; })"
MENUS = "() => [...document.querySelectorAll('main details.menu')].map((each, at) => { each.dataset.menu = at; return at; })"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, scored_file: Path) -> Iterator[tuple[Served, Filled]]:
    """A running server of the filled box; the walk changes nothing, so one is enough."""
    instance = tmp_path_factory.mktemp("full")
    shutil.copy(scored_file, instance / "retainstream.db")
    limits = dict.fromkeys(("limit_anonymous", "limit_signed_in", "limit_login"), "1000000 per 1 minute")
    settings = Settings(instance=str(instance), bcrypt_cost=4, jobs=False, train_trials=2, **limits)
    with serving(settings) as running:
        yield running, fill(running)


def addresses(served: Served, names: dict[str, str]) -> list[str]:
    """Return the addresses of the walk; fails for a page that nobody gave an address."""
    found, forgotten = [], []
    for rule in sorted(served.app.url_map.iter_rules(), key=str):
        plain = re.sub(r"\(max=\d+\)", "", rule.rule)
        if not rule.endpoint.startswith("web_") or "GET" not in (rule.methods or ()) or plain.startswith("/api/"):
            continue
        if rule.endpoint in NO_PAGES or plain.endswith(".csv"):
            continue
        if plain in PAGES:
            found += [address.format(**names) for address in PAGES[plain]]
        elif rule.arguments:
            forgotten.append(plain)
        else:
            found.append(plain)
    assert forgotten == [], "give these pages an address in PAGES, or say in NO_PAGES why they are none"
    return [*found, MISSING]


@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_sound_silent_and_steady(chromium: Any, full: tuple[Served, Filled], size: str) -> None:
    served, box = full
    visitor, person = (new_context(chromium, served, size) for _ in range(2))
    person.add_cookies([box.cookie])
    tabs = {True: listened(visitor, served.address), False: listened(person, served.address)}
    wrong: list[str] = []
    for tab in tabs.values():
        # The font is fetched here; what its coming does to a page has a test of its own.
        tab.page.goto("/sign-in")
    for address in addresses(served, box.names):
        tab = tabs[address.startswith(VISITORS)]
        found = _walk(tab.page, address, size)
        # The browser itself logs the answer 404 that is asked for.
        found += [f"console: {said}" for said in tab.complaints if address != MISSING or "404" not in said]
        tab.complaints.clear()
        wrong += [f"{address}: {one}" for one in found]
    for context in (visitor, person):
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("account")
def test_pages_of_an_empty_box_are_sound_silent_and_steady(open_tab: OpenTab, served: Served) -> None:
    page = open_tab("phone").page
    sign_in(page, served)
    wrong = [f"{address}: {one}" for address in EMPTY for one in _walk(page, address, "phone")]
    assert not wrong, "\n".join(wrong)


def _walk(page: Any, address: str, size: str) -> list[str]:
    """Return everything that is wrong with one page."""
    answer = page.goto(address)
    soundness.settle(page)
    found = [] if answer.status == (404 if address == MISSING else 200) else [f"answers {answer.status}"]
    if not answer.url.endswith(address):
        found.append(f"leads to {answer.url}")
    moved = soundness.shifts(page)
    if sum(size for size, _ in moved) >= soundness.STILL:
        found.append(f"moves while it loads: {moved}")
    if soundness.overflow(page) > 0:
        found.append("is wider than the screen")
    page.evaluate(UNFOLD)
    if address == "/":
        # The frame is the same around every page, so it is looked at once, and in both themes, since it is another on a phone.
        return found + _look(page, size) + _look(page, size, theme="light" if size == "desk" else "dark")
    found += _look(page, size, without=FRAME)
    for menu in page.evaluate(MENUS):
        part = f'[data-menu="{menu}"]'
        page.evaluate("(part) => { document.querySelector(part).open = true; }", part)
        found += _look(page, size, part)
        page.evaluate("(part) => { document.querySelector(part).open = false; }", part)
    return found


def _look(
    page: Any, size: str, within: str | None = None, *, without: Sequence[str] = (), theme: str = ""
) -> list[str]:
    """Return what axe finds in the theme of the size, or in another; the page comes in the dark one and leaves in it."""
    theme = theme or THEMES[size]
    soundness.turn(page, theme)
    rules = () if size == "desk" else soundness.COLOURS + soundness.SIZED
    found = soundness.findings(page, within, without=without, colours=False, rules=rules)
    soundness.turn(page, "dark")
    if soundness.overflow(page) > 0:
        found.append(f"is wider than the screen when unfolded: {within}")
    return [f"{theme}: {one}" for one in found]
