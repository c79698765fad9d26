"""Who sits at the browser: the account of these tests, and its way in."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import select

from retainstream.db import unit_of_work
from retainstream.models import User
from retainstream.services.access import accounts, sessions
from tests.browser.conftest import Served

EMAIL = "ana@example.com"
PASSWORD = "correct horse 42"


def add_account(app: Flask, role: str = "analyst") -> None:
    """Make the account, with a role."""
    with app.app_context(), unit_of_work() as session:
        hashed = accounts.checked_hash(app.config["RETAINSTREAM"], "", PASSWORD)
        accounts.create_user(session, EMAIL, "Ana Silva", role, hashed)


def sign_in(page: Any, served: Served) -> None:
    """Sign the page's browser in without loading a page; the form of the sign-in page has tests of its own."""
    with served.app.app_context(), unit_of_work() as session:
        user = session.scalars(select(User).where(User.email == EMAIL)).one()
        token = sessions.create(session, served.app.config["RETAINSTREAM"], user, user_agent="Mozilla/5.0 Chrome/140.0")
    page.context.add_cookies([cookie(served, token)])


def cookie(served: Served, token: str) -> dict[str, Any]:
    """Return the cookie of a browser that holds a session."""
    signer: Any = served.app.session_interface.get_signing_serializer(served.app)  # type: ignore[attr-defined]
    value = signer.dumps({"_user_id": token, "_fresh": True, "_permanent": True})
    return {"name": served.app.config["SESSION_COOKIE_NAME"], "value": value, "url": served.address}
