"""The first visit, invitations and one-time password links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import JobRun, User
from retainstream.security.actor import COMMAND
from retainstream.services.access import accounts, setup
from tests.conftest import Cast
from tests.web.conftest import Browser
from tests.web.stocked import add_customers

FORM = {"email": "Ana@Example.com", "name": "Ana Silva", "password": "a few easy words"}


def test_empty_box_leads_to_set_up(browser: Browser) -> None:
    first = browser.get("/")
    assert first.location == "/sign-in"
    assert browser.get("/sign-in").location == "/set-up"
    assert "Set-up code" in browser.get("/set-up").text


def test_code_makes_an_administrator_who_is_signed_in(app: Flask, browser: Browser, settings: Settings) -> None:
    code = setup.setup_code(settings)
    answer = browser.post("/set-up", {**FORM, "code": f" {code.lower()} "})
    assert (answer.status_code, answer.location) == (303, "/set-up/begin")
    choice = browser.get("/set-up/begin")
    assert "Welcome, Ana Silva." in choice.text
    assert "Load the demo" in choice.text
    assert "Start empty" in choice.text
    home = browser.get("/")
    assert "Ana Silva" in home.text
    assert "Admin" in home.text
    assert "No customers yet." in home.text
    with app.app_context(), read_unit() as session:
        assert [(user.email, user.role) for user in session.query(User)] == [("ana@example.com", "admin")]
    assert not setup.code_file(settings).exists()
    assert browser.get("/set-up").location == "/sign-in"
    assert browser.client.post("/set-up", data={**FORM, "csrf_token": browser.token("/")}).location == "/sign-in"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"code": "NOPE"}, "The set-up code is not the one"),
        ({"email": "ana"}, "Expected an address such as ana@example.com."),
        ({"name": "  "}, "Expected a name of 1 to 200 characters."),
        ({"password": "short"}, "Expected from 10 to 200 characters."),
        ({"password": "ana@example.com"}, "Expected not the e-mail address."),
    ],
)
def test_complaints_stand_at_their_field_and_keep_the_rest(
    app: Flask, browser: Browser, settings: Settings, wrong: dict[str, str], says: str
) -> None:
    answer = browser.post("/set-up", {"code": setup.setup_code(settings), **FORM, **wrong})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert FORM["password"] not in answer.text
    with app.app_context(), read_unit() as session:
        assert setup.setup_needed(session)


def test_guessing_the_code_is_counted(settings: Settings) -> None:
    from retainstream.app import create_app

    app = create_app(replace(settings, limit_login="3 per 15 minutes"))
    app.testing = True
    browser = Browser(app)
    statuses = [browser.post("/set-up", {**FORM, "code": f"GUESS-{number}"}).status_code for number in range(4)]
    assert statuses == [422, 422, 422, 429]
    owner = {"code": setup.setup_code(settings), "csrf_token": browser.token("/set-up"), **FORM}
    elsewhere = browser.client.post("/set-up", data=owner, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.location == "/set-up/begin"


def test_how_to_begin_is_asked_only_while_the_box_is_empty_and_only_of_administrators(
    app: Flask, as_: Callable[[str], Browser]
) -> None:
    owner = as_("owner")
    assert "How would you like to begin?" in owner.get("/set-up/begin").text
    assert as_("analyst").get("/set-up/begin").status_code == 403
    with app.app_context(), unit_of_work() as session:
        add_customers(session, 3)
    assert owner.get("/set-up/begin").location == "/"


def test_invitation_makes_an_account_with_its_role(app: Flask, browser: Browser, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        leave = accounts.invite(session, COMMAND, email="new@example.com", role="agent")
    address = f"/invitation/{leave.token}"
    refused = browser.post(address, {**FORM, "email": "other@example.com"})
    assert refused.status_code == 422
    assert "Expected the address that was invited." in refused.text
    answer = browser.post(address, {**FORM, "email": "new@example.com"})
    assert answer.location == "/"
    assert "Agent" in browser.get("/").text
    again = Browser(app).post(address, {**FORM, "email": "new@example.com"})
    assert again.status_code == 422
    assert "The invitation does not hold" in again.text


def test_reset_link_sets_a_password_once(app: Flask, browser: Browser, cast: Cast) -> None:
    with app.app_context(), unit_of_work() as session:
        leave = accounts.start_reset(session, COMMAND, cast.users["agent"])
    address = f"/new-password/{leave.token}"
    assert browser.post(address, {"password": "short"}).status_code == 422
    assert browser.post(address, {"password": "quite another one"}).location == "/sign-in"
    assert browser.sign_in(cast.emails["agent"], cast.password).status_code == 422
    assert browser.sign_in(cast.emails["agent"], "quite another one").status_code == 303
    used = Browser(app).get(address)
    assert used.status_code == 403
    assert "<h1>This link does not hold</h1>" in used.text
    assert "Ask an administrator for a new one." in used.text
    assert "role" not in used.text.split("<main")[1]


def test_demo_is_queued_once_by_an_administrator(app: Flask, as_: Callable[[str], Browser]) -> None:
    assert as_("analyst").post("/set-up/demo", {}, page="/").status_code == 403
    owner = as_("owner")
    assert owner.post("/set-up/demo", {}, page="/set-up/begin").location == "/"
    page = owner.get("/").text
    assert "The demo is being made." in page
    assert "Making the demo" in page
    assert ">Import a file</a>" not in page
    owner.post("/set-up/demo", {}, page="/")
    assert "being made already" in owner.get("/").text
    with app.app_context(), read_unit() as session:
        assert [(job.kind, job.state) for job in session.query(JobRun)] == [("demo", "queued")]
