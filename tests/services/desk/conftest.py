"""A box with 60 customers, 48 of them active and scored, and a team: services of the desk are tested on it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask import Flask

from retainstream.db import unit_of_work
from retainstream.models import Setting
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.passwords import hash_password
from retainstream.security.permissions import permissions_of
from retainstream.services import preferences
from retainstream.services.access.accounts import create_user
from tests.web.stocked import stock


@dataclass(frozen=True)
class Team:
    """Who works at the desk."""

    ada: Actor
    bea: Actor
    chief: Actor
    viewer: Actor


@pytest.fixture
def team(minimal_app: Flask) -> Team:
    """The box, with a hold-out of nobody until a test asks for one, and two agents, an analyst and a viewer."""
    assert minimal_app
    stock(60)
    hashed = hash_password("correct horse 42", 4)
    found = {}
    with unit_of_work() as session:
        session.get_one(Setting, "hold_out_salt").value = "salt of the tests"  # the same members in every run
        preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
        for name, role in (("ada", "agent"), ("bea", "agent"), ("chief", "analyst"), ("viewer", "viewer")):
            user = create_user(session, f"{name}@example.com", name.title(), role, hashed)
            found[name] = Actor("user", permissions_of(role), user_id=user.id, name=user.name)
    return Team(**found)
