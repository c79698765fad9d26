"""Signing in and out in the browser, through the same gate as the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.models import AuditEntry, UserSession
from retainstream.services.access import accounts
from retainstream.web.browser_session import local_target
from tests.conftest import Cast
from tests.web.conftest import Browser


def test_signing_in_opens_the_page_that_was_asked_for(browser: Browser, cast: Cast) -> None:
    asked = browser.get("/?from=mail")
    assert (asked.status_code, asked.location) == (303, "/sign-in?next=%2F%3Ffrom%3Dmail")
    answer = browser.sign_in(cast.emails["viewer"], cast.password, next="/?from=mail")
    assert (answer.status_code, answer.location) == (303, "/?from=mail")
    assert browser.get("/").status_code == 200
    assert browser.get("/sign-in?next=/").location == "/"


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser, cast: Cast) -> None:
    answer = browser.sign_in(cast.emails["viewer"], cast.password)
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if value.startswith("retainstream="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires=" in cookie


def test_cookie_from_before_signing_in_is_worth_nothing(browser: Browser, cast: Cast) -> None:
    token = browser.token("/sign-in")
    assert browser.sign_in(cast.emails["viewer"], cast.password).status_code == 303
    refused = browser.client.post("/sign-out", data={"csrf_token": token})
    assert refused.status_code == 400
    assert "This form was open for too long" in refused.text
    assert refused.headers["X-Request-ID"] in refused.text


@pytest.mark.parametrize(
    ("email", "password"),
    [("viewer@example.com", "wrong password"), ("nobody@example.com", "correct horse 42"), ("", "")],
)
def test_wrong_password_and_unknown_address_get_the_same_answer(
    browser: Browser, cast: Cast, email: str, password: str
) -> None:
    answer = browser.sign_in(email, password)
    assert answer.status_code == 422
    assert "The e-mail address or the password is not right." in answer.text
    assert "correct horse 42" not in answer.text
    assert browser.get("/").status_code == 303


def test_deactivated_account_is_out_at_once(app: Flask, as_: Callable[[str], Browser], cast: Cast) -> None:
    browser = as_("agent")
    with app.app_context(), unit_of_work() as session:
        accounts.end_everything(session, accounts.get(session, cast.users["agent"]))
    assert browser.get("/").location == "/sign-in"
    assert "Your session has ended" in browser.get("/sign-in").text
    assert "Your session has ended" not in Browser(app).get("/sign-in").text


def test_signing_out_ends_the_session_on_the_server(app: Flask, as_: Callable[[str], Browser]) -> None:
    browser = as_("viewer")
    stolen = browser.client.get_cookie("retainstream")
    assert browser.post("/sign-out", {}, page="/").location == "/sign-in"
    assert stolen is not None
    browser.client.set_cookie("retainstream", stolen.value)
    assert browser.get("/").status_code == 303
    with app.app_context(), read_unit() as session:
        assert [row.revoked_at is not None for row in session.query(UserSession)] == [True]
        actions = [row.action for row in session.query(AuditEntry).order_by(AuditEntry.id)]
    assert actions[-2:] == ["login.succeed", "logout.session"]


def test_session_ends_by_itself(as_: Callable[[str], Browser], settings: Settings) -> None:
    import time_machine

    from retainstream.lib import clock

    browser = as_("viewer")
    with time_machine.travel(clock.now() + timedelta(days=settings.session_days, minutes=1)):
        assert browser.get("/").status_code == 303


def test_session_is_touched_at_most_once_an_hour(app: Flask, as_: Callable[[str], Browser]) -> None:
    import time_machine

    from retainstream.lib import clock

    browser = as_("viewer")

    def last_seen() -> int:
        with app.app_context(), read_unit() as session:
            return session.query(UserSession).one().last_seen_at

    begun = last_seen()
    browser.get("/")
    assert last_seen() == begun
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        browser.get("/")
    assert last_seen() > begun


def test_sign_in_without_a_csrf_token_is_refused(browser: Browser, cast: Cast) -> None:
    answer = browser.client.post("/sign-in", data={"email": cast.emails["owner"], "password": cast.password})
    assert answer.status_code == 400
    assert browser.get("/").status_code == 303


@pytest.fixture
def strict(settings: Settings) -> Iterator[Browser]:
    """A browser on a box that allows three tries in 15 minutes."""
    from retainstream.app import create_app

    app = create_app(replace(settings, limit_login="3 per 15 minutes"))
    app.testing = True
    with app.app_context(), unit_of_work() as session:
        accounts.create_user(
            session, "ana@example.com", "Ana", "viewer", accounts.checked_hash(settings, "", "correct horse 42")
        )
    yield Browser(app)
    with app.app_context():
        db.engine.dispose()


def test_guessing_is_locked_out_for_the_api_too(strict: Browser) -> None:
    for _ in range(3):
        assert strict.sign_in("ana@example.com", "wrong password").status_code == 422
    locked = strict.sign_in("ana@example.com", "correct horse 42")
    assert locked.status_code == 429
    assert "Too many log-in tries" in locked.text
    assert 0 < int(locked.headers["Retry-After"]) <= 900
    by_api = strict.client.post("/api/v1/auth/login", json={"email": "ana@example.com", "password": "correct horse 42"})
    assert by_api.status_code == 429


def test_htmx_of_a_signed_out_person_is_sent_to_sign_in(browser: Browser, cast: Cast) -> None:
    answer = browser.get("/jobs/current", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "",
        "evil",
        " /x",
        "/" + "a" * 600,
    ],
)
def test_only_paths_of_this_site_are_gone_to(target: str) -> None:
    assert local_target(target) == "/"


@given(st.text())
def test_every_target_stays_here(text: str) -> None:
    target = local_target(text)
    assert target.startswith("/")
    assert not target.startswith("//")
    assert "\\" not in target
    assert not any(ord(character) <= 32 for character in target)
