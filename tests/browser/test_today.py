"""Today in a browser: a day's work with the keyboard alone, recorded step by step; the same work without a script; and the desk on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from retainstream.db import read_unit, unit_of_work
from retainstream.models import Exposure, Note, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.desk import play_templates
from tests.browser.conftest import OpenTab, Served
from tests.browser.people import EMAIL, PASSWORD, sign_in
from tests.browser.soundness import is_sound_everywhere, is_sound_in_both_themes
from tests.web.stocked import stock

HERE = "() => document.activeElement.closest('.row')?.dataset.user ?? null"
OPEN = "() => document.getElementById('entry')?.dataset.user"
ROWS = "() => [...document.querySelectorAll('#queue .row')].map((row) => row.dataset.user)"
NO_POINTER = """() => {
    window.pointed = 0;
    ['pointerdown', 'mousedown', 'touchstart'].forEach((kind) => document.addEventListener(kind, () => { window.pointed += 1; }, true));
}"""


@pytest.fixture
def desk(served: Served, account: None) -> Served:
    """Sixty customers, room for eight a day, nobody held out, and a play."""
    with served.app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0, "daily_capacity": 8})
            play_templates.adopt(session, SYSTEM, "drifting_away")
    return served


def tasks(served: Served) -> list[Task]:
    with served.app.app_context(), read_unit() as session:
        return list(session.scalars(select(Task).order_by(Task.id)))


def count(served: Served, what: type) -> int:
    with served.app.app_context(), read_unit() as session:
        return len(session.scalars(select(what)).all())


def acts(served: Served) -> int:
    """Return how many acts stand."""
    with served.app.app_context(), read_unit() as session:
        return len(session.scalars(select(Exposure).where(Exposure.stands())).all())


def opened(page: Any, user_id: str) -> None:
    """Wait until an entry is there, with the keyboard on its row."""
    page.wait_for_function("(user) => document.getElementById('entry')?.dataset.user === user", arg=user_id)
    page.wait_for_function("(user) => document.activeElement.closest('.row')?.dataset.user === user", arg=user_id)


def said(page: Any, words: str) -> None:
    """Wait until a message says something, in the region that screen readers listen to."""
    page.locator("#toasts[role=status][aria-live=polite]").get_by_text(words).first.wait_for()


def test_a_day_with_the_keyboard_alone(open_tab: OpenTab, desk: Served) -> None:
    page: Any = open_tab().page
    page.add_init_script(f"({NO_POINTER})()")
    press, write = page.keyboard.press, page.keyboard.type

    # Sign in, and go to Today by the rail.
    page.goto("/sign-in")
    page.wait_for_function("() => document.activeElement.name === 'email' || document.activeElement === document.body")
    while page.evaluate("() => document.activeElement.name") != "email":
        press("Tab")
    write(EMAIL)
    press("Tab")
    write(PASSWORD)
    press("Enter")
    page.wait_for_url("**/")
    while page.evaluate("() => document.activeElement.getAttribute('href')") != "/today":
        press("Tab")
    press("Enter")
    page.wait_for_url("**/today")
    rows = page.evaluate(ROWS)
    assert len(rows) == 8
    assert page.evaluate(OPEN) == rows[0]

    # j and k walk, and open what they stand on; the focus can be seen.
    press("j")
    assert page.evaluate(HERE) == rows[0]
    for key, place in (("j", 1), ("j", 2), ("k", 1)):
        press(key)
        opened(page, rows[place])
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") != "none"
    expect(page).to_have_url(re.compile(re.escape(f"/today?open={rows[1]}") + "$"))
    press("Enter")
    expect(page.locator("#entry-title")).to_be_focused()
    press("Escape")
    opened(page, rows[1])

    # x ticks two, a gives both to me; u takes it back, and again they are given.
    press("x")
    press("j")
    opened(page, rows[2])
    press("x")
    page.get_by_text("2 ticked").wait_for()
    press("a")
    said(page, "2 customers given to you.")
    assert {task.state for task in tasks(desk)} == {"open"}
    opened(page, page.evaluate(OPEN))
    press("u")
    said(page, "Taken back: 2 customers given to you.")
    assert {task.state for task in tasks(desk)} == {"dropped"}

    # a takes the one that is open.
    press("k")
    press("j")
    here = page.evaluate(HERE)
    opened(page, here)
    press("a")
    said(page, f"{here} is yours now.")

    # n writes a note; the keys are letters there.
    opened(page, here)
    press("n")
    expect(page.locator("#note")).to_be_focused()
    write("jk1 prefers the evening")
    press("Control+Enter")
    said(page, f"Noted about {here}.")
    assert count(desk, Note) == 1

    # s puts it off until tomorrow: the one below is open then; u brings it back.
    opened(page, here)
    press("s")
    said(page, f"{here} sleeps until")
    assert here not in page.evaluate(ROWS)
    press("u")
    said(page, "Taken back:")
    opened(page, here)

    # 1 and a reason end it; it is an act. u takes both back.
    press("1")
    expect(page.locator("#reason")).to_be_focused()
    write("took the smaller plan")
    press("Enter")
    said(page, f"{here}: stays. Written down as an act.")
    ended = next(task for task in tasks(desk) if task.state == "done")
    assert (ended.outcome, ended.outcome_reason) == ("saved", "took the smaller plan")
    assert acts(desk) == 1
    assert page.evaluate(HERE) is not None, "the keyboard goes on in the list"
    press("u")
    said(page, "Taken back:")
    opened(page, here)
    assert (acts(desk), count(desk, Exposure)) == (0, 1), "what was taken back is voided, and stays on record"

    # S asks for the day, e for the owner; Escape gives the keyboard back to the row.
    press("S")
    expect(page.locator("#until")).to_be_focused()
    press("Escape")
    press("?")
    page.get_by_role("dialog", name="Keys").get_by_text("Take it, or give those who are ticked to me").wait_for()
    press("Escape")
    assert page.evaluate("() => window.pointed") == 0


def test_a_key_waits_for_the_entry_that_it_means(open_tab: OpenTab, desk: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, desk)
    page.goto("/today")
    rows = page.evaluate(ROWS)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("a")
    said(page, f"{rows[2]} is yours now.")
    assert len(tasks(desk)) == 1


def test_what_was_typed_is_there_when_its_entry_is_again(open_tab: OpenTab, desk: Served) -> None:
    page: Any = open_tab().page
    sign_in(page, desk)
    page.goto("/today")
    rows = page.evaluate(ROWS)
    press = page.keyboard.press
    press("n")
    page.keyboard.type("half a note")
    press("Escape")
    press("j")
    opened(page, rows[1])
    assert page.locator("#note").input_value() == ""
    press("k")
    opened(page, rows[0])
    assert page.locator("#note").input_value() == "half a note"
    press("n")
    press("Control+Enter")
    said(page, f"Noted about {rows[0]}.")
    assert page.locator("#note").input_value() == ""


def test_a_day_without_a_script(open_tab: OpenTab, desk: Served) -> None:
    page: Any = open_tab(java_script_enabled=False).page
    sign_in(page, desk)
    page.goto("/today")
    row = page.locator("#queue .row__link").nth(2)
    user = row.locator(".row__id").inner_text()
    row.click()
    assert page.locator("#entry-title").inner_text() == user
    page.get_by_role("button", name="Take it").first.click()
    page.get_by_text(f"{user} is yours now.").wait_for()
    page.get_by_role("button", name="Done: Look what they used most, and when that stopped").click()
    expect(
        page.get_by_role("button", name="Take back: Look what they used most, and when that stopped")
    ).to_be_visible()
    page.get_by_label("New note").fill("Calls back on Friday")
    page.get_by_role("button", name="Write it down").click()
    page.locator(".note-line__text", has_text="Calls back on Friday").wait_for()
    page.get_by_label("Not reached").check()
    page.get_by_label("Why, in a line").fill("voice box")
    page.get_by_role("button", name="End it").click()
    page.get_by_text(f"{user}: not reached").wait_for()
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_text("Taken back:").wait_for()
    assert [task.state for task in tasks(desk)] == ["open"]
    assert page.locator("#entry-title").inner_text() == user


def test_messages_menus_and_complaints_are_sound(open_tab: OpenTab, desk: Served) -> None:
    tab = open_tab()
    page: Any = tab.page
    sign_in(page, desk)
    page.goto("/today")
    page.keyboard.press("a")
    page.get_by_role("button", name="Undo", exact=True).wait_for()
    page.locator("#queue .row__tick").first.check()
    is_sound_everywhere(page)
    page.locator("#entry .menu > summary").first.click()
    page.locator("#until").fill("2001-01-01")
    page.get_by_role("button", name="Snooze", exact=True).click()
    page.get_by_text("later than now").wait_for()
    expect(page.locator("#until")).to_be_focused()
    is_sound_in_both_themes(page, "#entry")
    assert all("422" in complaint for complaint in tab.complaints)
    tab.complaints.clear()  # the browser itself logs a form that was refused


def test_on_a_phone_the_entry_stands_above_and_the_bar_holds_everything(open_tab: OpenTab, desk: Served) -> None:
    page: Any = open_tab("phone").page
    sign_in(page, desk)
    page.goto("/today")
    row = page.locator("#queue .row__link").nth(3)
    user = row.locator(".row__id").inner_text()
    row.click()
    page.wait_for_function("(user) => document.getElementById('entry')?.dataset.user === user", arg=user)
    assert page.locator("#entry").bounding_box()["y"] < page.locator("#queue").bounding_box()["y"]
    bar = page.locator(".rail")
    shown = [link for link in bar.locator(".rail__link").all() if link.is_visible()]
    assert len(shown) == 6
    assert all(link.bounding_box()["height"] >= 44 for link in shown)
    bar.get_by_text("More").click()
    is_sound_in_both_themes(page, ".rail")
    bar.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/settings")
    assert "rail__link--here" in bar.locator("summary").get_attribute("class")
