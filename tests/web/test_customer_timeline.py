"""The timeline of a customer: whole days with their events together, chips that narrow it, older parts, a single day, and what moved a score."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import Event, EventKind, Exposure, Feed
from tests.web.conftest import Browser
from tests.web.stocked import stock

HX = {"HX-Request": "true"}
BOX = {**HX, "HX-Target": "timeline-box"}
ONE = "/customer/timeline/cus_00000"
NOON = 1_767_268_800_000_000  # 1 January 2026, 12:00 UTC
SignIn = Callable[[str], Browser]


@pytest.fixture(autouse=True)
def box(app: Flask) -> None:
    """60 log-ins and a failed payment on New Year's Day, one log-in on each of the 40 days before, and a call."""
    with app.app_context():
        stock(10)
        with unit_of_work() as session:
            session.add(Feed(id=1, name="app", created_at=NOON))
            session.add_all(
                [
                    EventKind(id=1, name="login", created_at=NOON),
                    EventKind(id=2, name="payment_failed", created_at=NOON),
                ]
            )
            session.flush()
            times = [NOON + minute * clock.MINUTE_US for minute in range(60)]
            times += [NOON - days * clock.DAY_US for days in range(1, 41)]
            for number, at in enumerate([*times, NOON]):
                kind = 2 if number == len(times) else 1
                properties = json.dumps({"card": "<visa>"}) if kind == 2 else None
                session.add(
                    Event(
                        customer_id=1, kind_id=kind, feed_id=1, occurred_at=at, received_at=at,
                        key=number.to_bytes(16, "big"), properties=properties,
                    )
                )  # fmt: skip
            session.add(
                Exposure(
                    customer_id=1, at=NOON, kind="call", source="crm", arm="treated", propensity=1.0, recorded_at=NOON
                )
            )


def test_the_events_of_a_day_stand_together_with_counts(as_: SignIn) -> None:
    browser = as_("agent")
    for page in (browser.get(ONE).text, browser.get("/customers/cus_00000").text):
        assert "61 events" in page
        assert "60 × login, 1 × payment failed" in page.lower()
        assert page.count("timeline__clock") == 40, "the newest of them are there to be opened"
        assert f"{ONE}?day=2026-01-01" in page
        assert "Call noted" in page


def test_a_day_is_told_event_by_event(as_: SignIn) -> None:
    page = as_("agent").get(f"{ONE}?day=2026-01-01").text
    assert page.count("timeline__title") == 61
    assert "card &lt;visa&gt;" in page
    assert "Events of cus_00000 on" in page
    assert "No events are on record" in as_("agent").get(f"{ONE}?day=2020-01-01").text
    for odd in ("soon", "2026-02-31", "0001-01-01T", "9999-99-99"):
        assert as_("agent").get(f"{ONE}?day={odd}").status_code == 422


def test_older_parts_come_as_they_are_asked_for(as_: SignIn) -> None:
    browser = as_("agent")
    address, seen = ONE, 0
    while address:
        part = browser.get(address, headers=HX).text
        assert "<html" not in part
        assert "filters" not in part
        seen += part.count("timeline__when")
        more = re.search(r'hx-get="([^"]*cursor=[^"]*)"', part)
        address = more[1].replace("&amp;", "&") if more else ""
    # 41 days with events, and that of the load.
    assert seen == 42


def test_chips_narrow_to_a_source(as_: SignIn) -> None:
    browser = as_("agent")
    narrowed = browser.get(f"{ONE}?source=exposure", headers=BOX).text
    assert "Call noted" in narrowed
    assert "events" not in narrowed.replace(">Events<", "")
    assert 'aria-current="true"' in narrowed
    assert "Nothing of this kind is on record" in browser.get(f"{ONE}?source=note").text
    assert browser.get(f"{ONE}?source=rumour").status_code == 422
    older = browser.get(f"{ONE}?source=event", headers=BOX).text
    assert re.search(r"cursor=[^\"]*&amp;source=event|source=event&amp;cursor=", older), (
        "what is older is narrowed, too"
    )


def test_a_viewer_is_offered_no_source_that_stays_closed(as_: SignIn) -> None:
    viewer = as_("viewer")
    page = viewer.get(ONE).text
    assert "source=event" not in page
    assert "source=note" not in page
    assert "61 events" not in page
    assert "61" not in viewer.get(f"{ONE}?day=2026-01-01").text.split("<main")[1]


def test_what_moved_a_score_is_told_on_its_own(as_: SignIn) -> None:
    browser = as_("viewer")
    address = "/customer/move/cus_00000"
    for run in ("1", "999", "x", "", "9" * 40):
        answer = browser.get(f"{address}?run={run}", headers=HX)
        assert (answer.status_code, "cannot be told any more" in answer.text) == (200, True)
    assert browser.get(f"{address}?run=1").headers["Location"] == "/customer/moves/cus_00000"
    assert browser.get("/customer/move/nobody?run=1", headers=HX).status_code == 404
