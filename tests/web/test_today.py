"""Today through its forms, without a script: the list, what is done to it and taken back, who may do what, and what it says when there is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import AuditEntry, Customer, Exposure, Identity, Note, Task, User
from retainstream.security.actor import SYSTEM
from retainstream.services import preferences
from retainstream.services.desk import play_templates, plays
from retainstream.services.segments import saved
from tests.web.conftest import Browser
from tests.web.stocked import stock

As = Callable[[str], Browser]
BEST = "cus_00001"


@pytest.fixture
def desk(app: Flask) -> Flask:
    """Sixty customers of whom 48 are scored, nobody held out."""
    with app.app_context():
        stock(60)
        with unit_of_work() as session:
            preferences.write(session, SYSTEM, {"hold_out_share": 0.0, "daily_capacity": 8})
    return app


def listed(page: str) -> list[str]:
    return re.findall(r'<li class="row" data-user="([^"]+)">', page)


def tasks(app: Flask) -> list[Task]:
    with app.app_context(), read_unit() as session:
        return list(session.scalars(select(Task).order_by(Task.id)))


def acts(app: Flask) -> list[Exposure]:
    with app.app_context(), read_unit() as session:
        return list(session.scalars(select(Exposure).where(Exposure.stands())))


def entry(browser: Browser, user_id: str) -> str:
    return browser.get(f"/today?open={user_id}").text


def send(browser: Browser, act: str, user_id: str, **form: str) -> str:
    """Send a form of an entry as the page has it, and return the page that it leads to."""
    page = entry(browser, user_id)
    task = re.search(r'name="task" value="(\d+)"', page)
    sent = {"user_id": user_id, "whose": "team", **({"task": task[1]} if task else {}), **form}
    answer = browser.post(f"/today/{act}", sent, page="/today")
    return browser.get(answer.location).text if answer.status_code == 303 else answer.text


def test_the_list_fills_the_capacity_and_opens_the_best(desk: Flask, as_: As) -> None:
    page = as_("agent").get("/today").text
    found = listed(page)
    assert len(found) == 8
    assert "8 customers to reach today" in page
    assert f'id="entry" data-user="{found[0]}"' in page
    assert "What to talk about" in page
    assert "raises" in page
    assert '0</span> <span class="kpi__aside">of 8 used' in page


def test_an_entry_is_opened_by_its_address_and_as_a_part(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    third = listed(browser.get("/today").text)[2]
    assert f'id="entry" data-user="{third}"' in entry(browser, third)
    part = browser.get(f"/today/entry?open={third}&whose=team", headers={"HX-Request": "true"})
    assert part.headers["HX-Replace-Url"] == f"/today?open={third}"
    assert "<html" not in part.text
    assert browser.get(f"/today/entry?open={third}").location == f"/today?open={third}"
    gone = browser.get("/today/entry?open=nobody", headers={"HX-Request": "true"})
    assert gone.status_code == 404
    assert "is not in today’s list" in entry(browser, "cus_00004")


def test_taking_giving_and_the_parts_of_the_list(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    assert f"{best} is yours now." in send(browser, "take", best)
    assert listed(browser.get("/today?whose=mine").text) == [best]
    assert best not in listed(browser.get("/today?whose=unassigned").text)
    assert "is yours already" in send(browser, "take", best)
    with desk.app_context(), read_unit() as session:
        analyst = session.scalars(select(User).where(User.role == "analyst")).one()
        theirs, name = analyst.id, analyst.name or analyst.email
    due = (clock.now() + timedelta(days=9)).date().isoformat()
    page = send(browser, "change", best, owner_id=str(theirs), due=due, kind="visit", play_id="0")
    assert name in page
    (task,) = tasks(desk)
    assert (task.owner_id, task.kind) == (theirs, "visit")
    assert listed(browser.get(f"/today?whose={theirs}").text) == [best]
    send(browser, "undo", best)
    assert tasks(desk)[0].kind == "call"
    assert browser.get("/today?whose=9999").status_code == 404
    assert browser.get("/today?whose=everybody").status_code == 422


def test_an_outcome_is_an_act_and_undo_takes_back_both(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best, second = listed(browser.get("/today").text)[:2]
    page = send(browser, "outcome", best, outcome="saved", reason="changed the plan", then=second)
    assert f"{best}: stays. Written down as an act." in page
    assert f'id="entry" data-user="{second}"' in page
    (task,) = tasks(desk)
    assert (task.state, task.outcome, task.outcome_reason) == ("done", "saved", "changed the plan")
    assert [act.kind for act in acts(desk)] == ["call"]
    assert best not in listed(page)
    page = send(browser, "undo", second)
    assert "Taken back:" in page
    assert acts(desk) == []
    assert tasks(desk)[0].state == "dropped"
    assert listed(page)[0] == best
    assert "There is nothing to take back." in send(browser, "undo", best)


def test_who_leaves_or_was_wrong_here_has_a_reason(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    assert '<option value="Too expensive" label="Leaves">' in entry(browser, best)
    for outcome in ("left", "wrong"):
        page = send(browser, "outcome", best, outcome=outcome, reason=" ")
        assert "Expected why, in a line." in page
        assert re.search(rf'value="{outcome}" required data-key="\d" checked', page)
    assert (tasks(desk), acts(desk)) == ([], [])
    assert "Written down as an act" in send(browser, "outcome", best, outcome="wrong", reason="A test account")


def test_a_date_that_nobody_can_mean_stays_in_the_form_and_an_old_one_is_put_back(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    send(browser, "take", best)
    form = {"owner_id": "0", "kind": "call", "play_id": "0"}
    for day in ("2001-01-01", "2199-01-01"):
        page = send(browser, "change", best, due=day, **form)
        assert f'value="{day}"' in page
        assert "Expected a day from" in page
    assert "Expected a day from" in send(browser, "snooze", best, until="2199-01-01")
    with desk.app_context(), unit_of_work() as session:
        session.scalars(select(Task)).one().due_at = late = clock.now_us() - 9 * clock.DAY_US
    send(browser, "change", best, due=f"{clock.now():%Y-%m-%d}", **form)
    assert tasks(desk)[0].due_at != late
    assert "Taken back" in send(browser, "undo", best)
    assert tasks(desk)[0].due_at == late


def test_ticking_a_step_is_an_act_until_it_is_taken_back(desk: Flask, as_: As) -> None:
    with desk.app_context(), unit_of_work() as session:
        steps = [{"text": "Look", "kind": "other"}, {"text": "Ring", "kind": "call"}]
        play = plays.create(session, SYSTEM, {"name": "Talk", "features": [], "steps": steps}).id
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    send(browser, "change", best, owner_id="0", due="", kind="", play_id=str(play))
    assert "Written down" not in send(browser, "step", best, step="0", done="1")
    assert "Written down as an act" in send(browser, "step", best, step="1", done="1")
    assert [act.kind for act in acts(desk)] == ["call"]
    send(browser, "undo", best)
    assert acts(desk) == []
    send(browser, "step", best, step="1", done="1")
    assert "what was ticked stays written down" in send(browser, "drop", best)
    assert [act.kind for act in acts(desk)] == ["call"]


def test_a_form_that_is_sent_twice_acts_once(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    form = {"user_id": best, "whose": "team", "outcome": "saved"}
    for _ in range(2):
        browser.post("/today/outcome", form, page="/today")
    assert len(acts(desk)) == 1
    assert "somebody was quicker" in browser.get("/today").text


def test_what_somebody_changed_since_is_not_taken_back(desk: Flask, as_: As) -> None:
    browser, other = as_("agent"), as_("analyst")
    best = listed(browser.get("/today").text)[0]
    send(browser, "take", best)
    send(other, "take", best)
    assert "Somebody changed it since" in send(browser, "undo", best)
    assert tasks(desk)[0].state == "open"


def test_snoozing_wakes_on_the_day_and_can_be_undone(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    page = send(browser, "snooze", best, until="tomorrow")
    assert f"{best} sleeps until" in page
    assert best not in listed(page)
    assert best in browser.get("/today/tasks?standing=snoozed").text
    assert best in listed(send(browser, "undo", best))
    page = send(browser, "snooze", best, until="2001-01-01")
    assert 'aria-invalid="true"' in page
    assert 'value="2001-01-01"' in page
    assert 'aria-invalid="true"' in send(browser, "snooze", best, until="soon")


def test_steps_are_ticked_and_notes_written(desk: Flask, as_: As) -> None:
    with desk.app_context(), unit_of_work() as session:
        play_templates.adopt(session, SYSTEM, "drifting_away")
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    assert "proposed play" in entry(browser, best)
    send(browser, "take", best)
    assert "Step 1" in send(browser, "step", best, step="0", done="1")
    assert tasks(desk)[0].steps[0]["done_by"] is not None
    send(browser, "undo", best)
    assert tasks(desk)[0].steps[0]["done_by"] is None
    page = send(browser, "note", best, text="Prefers the <b>evening</b>")
    assert "Prefers the &lt;b&gt;evening&lt;/b&gt;" in page
    page = send(browser, "note", best, text="   ")
    assert "1 to 4,000 characters" in page
    number = re.search(r'name="note" value="(\d+)"', entry(browser, best))
    assert number
    assert "is deleted" in send(browser, "note/delete", best, note=number[1])
    with desk.app_context(), read_unit() as session:
        assert session.scalars(select(Note)).all() == []


def test_a_refused_outcome_keeps_what_was_typed(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    page = send(browser, "outcome", best, outcome="saved", reason="x" * 301)
    assert "at most 300 characters" in page
    assert "x" * 301 in page
    assert 'value="saved" required data-key="1" checked' in page
    assert tasks(desk) == []


def test_many_are_given_at_once_and_taken_back(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    first = listed(browser.get("/today").text)[:3]
    page = browser.get("/today").text
    token = browser.token("/today")
    assert "Give to" in page
    browser.client.post("/today/assign", data={"csrf_token": token, "whose": "team", "ticked": first, "me": "1"})
    assert {task.owner_id for task in tasks(desk)} != {None}
    assert len(tasks(desk)) == 3
    assert "3 customers given to you." in browser.get("/today").text
    send(browser, "undo", first[0])
    assert {task.state for task in tasks(desk)} == {"dropped"}
    answer = browser.post("/today/assign", {"whose": "team", "top": "5", "me": "1"}, page="/today")
    assert "5 customers given to you." in browser.get(answer.location).text
    answer = browser.post("/today/assign", {"whose": "team", "top": "0", "me": "1"}, page="/today")
    assert "a number from 1 to 500" in browser.get(answer.location).text


def test_dropping_writes_no_act(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    best = listed(browser.get("/today").text)[0]
    assert "Only a task that was taken" in send(browser, "drop", best)
    send(browser, "take", best)
    assert "no act is written down" in send(browser, "drop", best)
    assert acts(desk) == []
    assert tasks(desk)[0].state == "dropped"


def test_a_viewer_reads_and_cannot_act(desk: Flask, as_: As) -> None:
    viewer, agent = as_("viewer"), as_("agent")
    best = listed(viewer.get("/today").text)[0]
    send(agent, "note", best, text="secret")
    page = entry(viewer, best)
    assert "End it" not in page
    assert "data-key" not in page
    assert "secret" not in page
    assert "Name " not in page
    assert "1 note." in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    for act in ("take", "change", "snooze", "step", "note", "note/delete", "outcome", "drop", "assign", "undo"):
        sent = {"csrf_token": token[1], "user_id": best, "whose": "team", "outcome": "saved", "text": "x"}
        assert viewer.client.post(f"/today/{act}", data=sent).status_code == 403
    assert viewer.get("/today.csv").status_code == 403
    assert tasks(desk) == []


def test_the_list_goes_as_a_file_and_into_the_audit(desk: Flask, as_: As) -> None:
    answer = as_("analyst").get("/today.csv?whose=team")
    assert answer.mimetype == "text/csv"
    lines = answer.text.splitlines()
    assert lines[0].startswith("state,user_id,plan")
    assert len(lines) == 9
    with desk.app_context(), read_unit() as session:
        assert "customer.export" in {row.action for row in session.scalars(select(AuditEntry))}


def test_agents_take_their_own_list_as_a_file_and_no_other(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    found = listed(browser.get("/today").text)
    send(browser, "take", found[1])
    send(as_("analyst"), "take", found[2])
    assert "/today.csv" not in browser.get("/today").text
    assert 'href="/today.csv?whose=mine"' in browser.get("/today?whose=mine").text
    answer = browser.get("/today.csv?whose=mine")
    assert [line.split(",")[1] for line in answer.text.splitlines()[1:]] == [found[1]]
    with desk.app_context(), read_unit() as session:
        assert "customer.export" in {row.action for row in session.scalars(select(AuditEntry))}
        ids = {row.role: row.id for row in session.scalars(select(User))}
    assert browser.get(f"/today.csv?whose={ids['agent']}").status_code == 200
    for other in ("team", "unassigned", str(ids["analyst"]), "segment:1"):
        assert browser.get(f"/today.csv?whose={other}").status_code == 403
    assert as_("viewer").get("/today.csv?whose=mine").status_code == 403


def test_every_count_opens_the_tasks_that_it_counts(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    found = listed(browser.get("/today").text)
    for user in found[:3]:
        send(browser, "take", user)
    send(browser, "outcome", found[0], outcome="left", reason="Too expensive")
    with desk.app_context(), unit_of_work() as session:
        late = session.scalars(select(Task).where(Task.state == "open").order_by(Task.id)).first()
        assert late is not None
        late.due_at = clock.now_us() - clock.DAY_US
    page = browser.get("/today").text
    counted = re.findall(r'href="(/today/tasks\?[^"]+)">([\d,]+)', page)
    assert len(counted) > 8
    for address, count in counted:
        shown = browser.get(address.replace("&amp;", "&")).text
        assert f"<h1>{count} task" in shown or (count == "0" and "<h1>No such task" in shown), address
    assert browser.get("/today/tasks?standing=lost").status_code == 422
    assert "take this filter away" in browser.get("/today/tasks?state=done&outcome=left").text


def test_what_it_says_when_there_is_nothing(app: Flask, as_: As) -> None:
    browser = as_("agent")
    assert "Today’s list will be here" in browser.get("/today").text
    assert "No open task" in browser.get("/today?whose=mine").text
    assert "Nobody has taken a task yet" in browser.get("/today/tasks").text
    with app.app_context():
        stock(20, calibrated=False)
    page = browser.get("/today").text
    assert "probabilities are withheld" in page
    assert "Top " in page


def test_a_full_day_and_costs_too_high_are_told(desk: Flask, as_: As) -> None:
    browser = as_("agent")
    browser.post("/today/assign", {"whose": "team", "top": "8", "me": "1"}, page="/today")
    assert "The day is full" in browser.get("/today").text
    with desk.app_context(), unit_of_work() as session:
        preferences.write(session, SYSTEM, {"contact_cost_minor": 10**9})
    assert "is worth a call today" in browser.get("/today?whose=unassigned").text


def test_the_rail_leads_to_today(desk: Flask, as_: As) -> None:
    page = as_("viewer").get("/today").text
    assert re.search(r'href="/today" aria-current="page"', page)


def test_a_segment_narrows_the_list(desk: Flask, as_: As) -> None:
    with desk.app_context(), unit_of_work() as session:
        rule = {"field": "plan", "op": "in", "value": ["Premium"]}
        segment = saved.create(session, SYSTEM, {"name": "On Premium", "rule": rule}, time_zone="UTC", look=False)
        premium = set(session.scalars(select(Identity.user_id).join(Customer).where(Customer.plan == "Premium")))
    browser = as_("agent")
    every = listed(browser.get("/today").text)
    page = browser.get(f"/today?whose=segment%3A{segment.id}").text
    wanted = [one for one in every if one in premium]
    assert 0 < len(wanted) < len(every)
    assert listed(page) == wanted
    assert f"{len(wanted)} customers of “On Premium” to reach today" in page
    assert f'value="segment:{segment.id}" selected' in page
    assert "Hand out" not in page and "Hand out" in browser.get("/today").text
    # Whoever does something there comes back to it.
    took = {"user_id": wanted[0], "whose": f"segment:{segment.id}"}
    answer = browser.post("/today/take", took, page="/today")
    assert f"whose=segment%3A{segment.id}" in answer.location
    sent = as_("owner").get(f"/today.csv?whose=segment:{segment.id}").text.splitlines()[1:]
    assert sorted(line.split(",")[1] for line in sent) == sorted(wanted)
    assert browser.get("/today?whose=segment:999").status_code == 404
    assert browser.get("/today?whose=segment:x").status_code == 422
