"""A stocked box with its people, and a way to make a report to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.security.actor import Actor
from retainstream.security.passwords import hash_password
from retainstream.security.permissions import permissions_of
from retainstream.services.access.accounts import create_user
from retainstream.services.reports import files, saved
from tests.web.stocked import stock
from tests.work import run_job

Make = Callable[..., tuple[dict[str, Any], Path]]


@pytest.fixture
def person(minimal_app: Flask) -> Actor:
    """An analyst in a box of 60 customers."""
    assert minimal_app
    stock(60)
    with unit_of_work() as session:
        user = create_user(session, "ana@example.com", "Ana", "analyst", hash_password("correct horse 42", 4))
        return Actor("user", permissions_of("analyst"), user_id=user.id, name="Ana")


@pytest.fixture
def keep(settings: Settings, person: Actor) -> Callable[..., int]:
    """Return a function that keeps a report and returns its id."""

    def kept(subject: str = "customers", form: str = "csv", query: str = "", **other: Any) -> int:
        with unit_of_work() as session:
            given = {"name": "Report", "subject": subject, "format": form, "parameters": query, **other}
            return saved.create(session, person, settings, given).id

    return kept


@pytest.fixture
def make(settings: Settings, keep: Callable[..., int]) -> Make:
    """Return a function that makes a new report and returns what the job said, and the file."""

    def made(subject: str = "customers", form: str = "csv", query: str = "") -> tuple[dict[str, Any], Path]:
        number = keep(subject, form, query)
        result = run_job(settings, "report", {"report_id": number})
        return result, files.folder_of(settings) / f"{number}/{result['file_id']}.{form}"

    return made
