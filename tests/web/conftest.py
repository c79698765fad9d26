"""A browser without a screen: a client that reads forms as a person would, and every HTML answer goes through the linter."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from retainstream.db import unit_of_work
from retainstream.models import Customer
from retainstream.services import revisions
from tests.conftest import Cast
from tests.html_lint import lint
from tests.web.stocked import stock


class Browser:
    """Gets pages, fills in forms with the page's own CSRF token, and lints every HTML answer."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()

    def get(self, address: str, **options: object) -> TestResponse:
        """Open an address without following redirects."""
        return self._checked(self.client.get(address, **options))  # type: ignore[arg-type]

    def token(self, address: str) -> str:
        """Return the CSRF token of the page at an address."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(address).text)
        assert found, f"{address} has no form"
        return found[1]

    def post(self, address: str, form: dict[str, str], *, page: str | None = None, **options: object) -> TestResponse:
        """Send a form as the page (by default the one at the same address) would."""
        data = {"csrf_token": self.token(page or address), **form}
        return self._checked(self.client.post(address, data=data, **options))  # type: ignore[arg-type]

    def sign_in(self, email: str, password: str, **form: str) -> TestResponse:
        """Sign in through the form."""
        return self.post("/sign-in", {"email": email, "password": password, **form})

    def _checked(self, response: TestResponse) -> TestResponse:
        if response.mimetype == "text/html" and response.text and response.status_code not in (301, 302, 303, 308):
            assert problems_of(self.app, response.text) == [], response.request.path
        return response


_SOUND: set[int] = set()
"""What the linter found nothing wrong with, without its words: most pages come again and again, such as that on which everybody signs in."""
_WORDS = re.compile(r">\s*[^<\s][^<]*")
_SECRET = re.compile(r'name="csrf_token" value="[^"]+"')


def problems_of(app: Flask, text: str) -> list[str]:
    """Return what is wrong with a page or a fragment."""
    bones = hash(_SECRET.sub("", _WORDS.sub(">w", text)))
    if bones in _SOUND and "[ERROR]" not in text and "Undefined" not in text:
        return []
    problems = lint(app, text, fragment="<html" not in text)
    if not problems:
        _SOUND.add(bones)
    return problems


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A browser that nobody is signed in with."""
    return Browser(app)


@pytest.fixture
def as_(app: Flask, cast: Cast) -> Callable[[str], Browser]:
    """Return a function that gives a browser signed in as one of the cast."""

    def sign_in(who: str) -> Browser:
        browser = Browser(app)
        assert browser.sign_in(cast.emails[who], cast.password).status_code == 303
        return browser

    return sign_in


@pytest.fixture
def filled(app: Flask) -> Flask:
    """A box of 200 customers, 160 of them active and scored; some have tags."""
    with app.app_context():
        stock(200)
        with unit_of_work() as session:
            for number in (1, 2, 3):
                session.get_one(Customer, number).tags = ["vip"]
            session.get_one(Customer, 3).tags = ["call back", "vip"]
            revisions.bump(session, "customers")
    return app
