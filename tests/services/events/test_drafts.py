"""A file on trial: kept once, found by its owner, gone with its file."""

from __future__ import annotations

import io
import os

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotFound
from retainstream.lib import clock
from retainstream.security.actor import SYSTEM
from retainstream.services.events import drafts
from retainstream.services.events.drafts import Draft
from retainstream.services.imports import files

TABLE = "customer_id,plan,churn\n" + "".join(f"c{at},{'ab'[at % 2]},{at % 3 // 2}\n" for at in range(60))


@pytest.fixture
def draft(app: Flask, settings: Settings) -> Draft:
    """A table of customers that nobody has decided on."""
    upload = files.receive(io.BytesIO(TABLE.encode()), "people.csv", settings)
    with app.app_context(), read_unit() as session:
        return drafts.begin(session, settings, SYSTEM, upload)


def test_what_was_kept_is_found_as_it_was(settings: Settings, draft: Draft) -> None:
    assert draft.target == "customers"
    assert drafts.find(settings, SYSTEM, draft.token) == draft


@pytest.mark.parametrize("token", ["", "..", "0" * 32, "../retainstream.db", "0" * 31 + "\n"])
def test_a_token_that_names_nothing_finds_nothing(settings: Settings, draft: Draft, token: str) -> None:
    with pytest.raises(NotFound, match="Choose the file again"):
        drafts.find(settings, SYSTEM, token)


def test_a_draft_without_its_file_is_gone(settings: Settings, draft: Draft) -> None:
    files.discard(settings, draft.token)
    with pytest.raises(NotFound):
        drafts.find(settings, SYSTEM, draft.token)


def test_a_draft_that_was_touched_today_outlives_the_sweep_and_one_of_yesterday_does_not(
    app: Flask, settings: Settings, draft: Draft
) -> None:
    folder = files.folder(settings)
    past = clock.now_us() / 1_000_000 - 90_000
    for path in folder.iterdir():
        os.utime(path, (past, past))
    drafts.keep(settings, draft)
    with app.app_context(), read_unit() as session:
        assert files.sweep(session, settings) == 0
        for path in folder.iterdir():
            os.utime(path, (past, past))
        assert files.sweep(session, settings) == 2
    assert list(folder.iterdir()) == []


def test_only_one_of_two_presses_takes_a_draft_and_a_failure_gives_it_back(
    app: Flask, settings: Settings, draft: Draft
) -> None:
    with pytest.raises(ZeroDivisionError), drafts.taken(settings, draft):
        raise ZeroDivisionError
    with app.app_context(), drafts.taken(settings, draft):
        with pytest.raises(NotFound), drafts.taken(settings, draft):
            pass
        with unit_of_work() as session:
            drafts.queue(session, SYSTEM, draft)
    with pytest.raises(NotFound):
        drafts.find(settings, SYSTEM, draft.token)
