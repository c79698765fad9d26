"""Plays in pages: templates to adopt, the editor, retiring, what followed as counts that claim no cause, and tasks on the page of a customer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import Play, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import exposures, preferences
from retainstream.services.desk import board, endings, tasks
from retainstream.services.desk.board import Wanted
from tests.web.conftest import Browser
from tests.web.stocked import stock

As = Callable[[str], Browser]
WHO = "cus_00001"


@pytest.fixture
def desk(app: Flask) -> Flask:
    """Sixty customers of whom 48 are scored, nobody held out."""
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
    return app


def adopt(browser: Browser, key: str = "drifting_away") -> str:
    """Adopt a template and return the play's address."""
    answer = browser.post("/today/plays/adopt", {"key": key}, page="/today/plays")
    assert answer.status_code == 303
    return str(answer.location)


def test_templates_are_offered_and_nothing_is_in_force_until_one_is_adopted(desk: Flask, as_: As) -> None:
    browser = as_("analyst")
    page = browser.get("/today/plays").text
    assert page.count(">Adopt<") == 4
    with desk.app_context(), read_unit() as session:
        assert session.query(Play).count() == 0
    assert "Welcome back" in browser.get(adopt(browser)).text
    page = browser.get("/today/plays").text
    assert page.count(">Adopt<") == 3
    assert "not causal figures" in page
    answer = browser.post("/today/plays/adopt", {"key": "drifting_away"}, page="/today/plays")
    assert "There is a play called" in browser.get(answer.location).text


def test_a_play_is_written_changed_and_kept_as_typed_when_refused(desk: Flask, as_: As) -> None:
    browser = as_("analyst")
    token = browser.token("/today/plays/new")
    sent = {
        "csrf_token": token,
        "name": "Ask",
        "features": "last_login*\n\nnps\n",
        "step": ["Call", ""],
        "kind": ["call", "call"],
    }
    assert browser.client.post("/today/plays/new", data=sent).status_code == 303
    with desk.app_context(), read_unit() as session:
        play = session.query(Play).one()
        assert (play.features, play.steps) == (["last_login*", "nps"], [{"text": "Call", "kind": "call"}])
        address = f"/today/plays/{play.id}"
    assert "last_login*" in browser.get(address).text
    sent |= {"step": ["Write", "Call"], "kind": ["email", "call"]}
    assert browser.client.post(address, data=sent).status_code == 303
    assert "Write" in browser.get("/today/plays").text
    refused = browser.client.post("/today/plays/new", data={**sent, "name": "ASK", "description": "typed before"})
    assert refused.status_code == 409
    assert "There is a play called" in refused.text
    assert "typed before" in refused.text
    refused = browser.client.post(address, data={**sent, "name": "", "step": [], "kind": []})
    assert refused.status_code == 422
    assert refused.text.count('aria-invalid="true"') == 2
    assert browser.get("/today/plays/99").status_code == 404


def test_a_retired_play_is_proposed_no_longer_and_stays_countable(desk: Flask, as_: As) -> None:
    browser = as_("analyst")
    address = adopt(browser)
    browser.post(f"{address}/retire", {}, page="/today/plays")
    page = browser.get("/today/plays").text
    assert "Retired" in page
    assert "proposed play" not in browser.get("/today").text
    browser.post(f"{address}/retire", {"again": "1"}, page="/today/plays")
    assert "proposed play" in browser.get("/today").text


def test_what_followed_is_counted_and_each_count_opens_its_tasks(desk: Flask, as_: As, settings: Settings) -> None:
    browser = as_("analyst")
    adopt(browser)
    month = 40 * clock.DAY_US
    with desk.app_context(), unit_of_work() as session:
        for number, outcome in ((0, "saved"), (1, "saved"), (2, "left")):
            made = tasks.take(session, SYSTEM, settings, f"cus_{number:05d}", owner=None)
            endings.end(session, SYSTEM, settings, made.id, outcome, reason="as it is")
        session.get_one(Task, 1).ended_at = clock.now_us() - month
        tasks.take(session, SYSTEM, settings, "cus_00003", owner=None)
    page = browser.get("/today/plays").text
    assert '0% <span class="quiet">0 of 1</span>' in page
    assert "2 too early to say" in page
    counted = re.findall(r'href="(/today/tasks\?play=[^"]+)">([\d,]+)', page)
    assert [count for _, count in counted] == ["3", "1", "2", "1"]
    for address, count in counted:
        assert f"<h1>{count} task" in browser.get(address.replace("&amp;", "&")).text
    assert "Not a causal figure." in browser.get("/today?open=cus_00003").text


def test_others_read_plays_and_cannot_write_them(desk: Flask, as_: As) -> None:
    address = adopt(as_("analyst"))
    for who in ("agent", "viewer"):
        browser = as_(who)
        page = browser.get("/today/plays").text
        assert ">Adopt<" not in page
        assert "Retire" not in page
        assert browser.get(address).status_code == 403
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token
        for target in ("/today/plays/adopt", "/today/plays/new", address, f"{address}/retire"):
            assert browser.client.post(target, data={"csrf_token": token[1]}).status_code == 403


def test_a_list_of_tasks_by_how_they_stand_agrees_with_each_task(desk: Flask, settings: Settings) -> None:
    with desk.app_context(), unit_of_work() as session:
        now = clock.now_us()
        dues = (now - clock.DAY_US, now + 1, now + 9 * clock.DAY_US, None, now)
        for number, due in enumerate(dues):
            made = tasks.take(session, SYSTEM, settings, f"cus_{number if number < 4 else 5:05d}", owner=None)
            session.get_one(Task, made.id).due_at = due
        session.get_one(Task, 5).snoozed_until = now + clock.DAY_US
        session.flush()
        every = board.listing(session, SYSTEM, settings, Wanted()).items
        for standing in board.STANDINGS:
            found = board.listing(session, SYSTEM, settings, Wanted(standing=standing))
            awake = ("overdue", "due_today", "upcoming")
            wanted = [one.id for one in every if one.standing in (awake if standing == "awake" else (standing,))]
            assert [one.id for one in found.items] == wanted, standing


def test_a_task_is_made_worked_on_and_ended_on_the_page_of_a_customer(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    home = f"/customers/{WHO}"
    place = {"user_id": WHO, "from": "customer"}
    assert "No open task" in browser.get(home).text
    answer = browser.post("/today/change", {**place, "owner_id": "0", "due": "", "kind": "", "play_id": "0"}, page=home)
    assert answer.location == home
    page = browser.get(home).text
    assert "Open task" in page
    assert "nobody has it yet" in page
    task = re.search(r'name="task" value="(\d+)"', page)
    assert task
    place["task"] = task[1]
    browser.post("/today/note", {**place, "text": "Asked for a smaller plan"}, page=home)
    browser.post("/today/snooze", {**place, "until": "tomorrow"}, page=home)
    page = browser.get(home).text
    assert "asleep until" in page
    assert page.count("Asked for a smaller plan") == 2, "as a note, and in the timeline"
    browser.post("/today/snooze", {**place, "until": "now"}, page=home)
    browser.post("/today/snooze", {**place, "until": "2001-01-01"}, page=home)
    assert "later than now" in browser.get(home).text
    browser.post("/today/outcome", {**place, "outcome": "left", "reason": "moved abroad"}, page=home)
    page = browser.get(home).text
    assert "No open task" in page
    assert "Task (call): leaves" in page
    browser.post("/today/undo", place, page=home)
    assert "Open task" in browser.get(home).text


def test_a_viewer_sees_the_task_and_no_notes_and_the_hold_out_has_neither(desk: Flask, as_: As) -> None:
    agent, viewer = as_("agent"), as_("viewer")
    home = f"/customers/{WHO}"
    agent.post(
        "/today/change", {"user_id": WHO, "from": "customer", "owner_id": "0", "kind": "", "play_id": "0"}, page=home
    )
    agent.post("/today/note", {"user_id": WHO, "from": "customer", "text": "a secret"}, page=home)
    page = viewer.get(home).text
    assert "Open task" in page
    assert "a secret" not in page
    assert "End it" not in page
    with desk.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.5})
        held = next(f"cus_{at:05d}" for at in range(2, 60) if exposures.held_out(session, f"cus_{at:05d}"))
    page = agent.get(f"/customers/{held}").text
    assert "no task can be made" in page
    assert "Make a task" not in page
