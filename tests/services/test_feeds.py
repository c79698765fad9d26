"""A feed that goes silent raises a finding and stops a training; one that comes back closes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import SYSTEM
from retainstream.services import feeds, findings, muting

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def _arrive(name: str, *, live: bool = True) -> None:
    now = clock.now_us()
    with unit_of_work() as session:
        feeds.arrived(session, name, n=10, first_occurred=now, last_occurred=now, received=now, now=now, live=live)


def _daily(name: str, days: int, every: int = 1) -> datetime:
    for day in range(0, days, every):
        with time_machine.travel(START + timedelta(days=day), tick=False):
            _arrive(name)
    return START + timedelta(days=day)


def _watch() -> list[str]:
    with unit_of_work() as session:
        return [silence.name for silence in feeds.watch(session)]


def _open_findings() -> list[str]:
    with read_unit() as session:
        return [str(item["subject"]) for item in findings.listed(session).items]


def test_a_daily_feed_is_silent_after_its_pauses_and_back_with_its_next_rows(minimal_app: Flask) -> None:
    last = _daily("app", 20)
    with time_machine.travel(last + timedelta(days=2), tick=False):
        assert _watch() == []
    with time_machine.travel(last + timedelta(days=4), tick=False):
        assert _watch() == ["app"] and _open_findings() == ["app"]
        assert _watch() == ["app"] and _open_findings() == ["app"]  # the same finding, not one more
        with read_unit() as session, pytest.raises(NotReady, match=r"app.*went silent.*customers who stopped"):
            feeds.require_alive(session)
        _arrive("app")
        assert _watch() == [] and _open_findings() == []
        with read_unit() as session:
            feeds.require_alive(session)
            (closed,) = findings.listed(session, state="all").items
    assert closed["closed_at"] is not None


def test_a_feed_may_pause_as_long_as_it_used_to(minimal_app: Flask) -> None:
    last = _daily("billing", 60, every=7)
    with time_machine.travel(last + timedelta(days=14), tick=False):
        assert _watch() == []
    with time_machine.travel(last + timedelta(days=16), tick=False):
        assert _watch() == ["billing"]


def test_too_few_arrivals_say_nothing_unless_a_person_did(minimal_app: Flask) -> None:
    last = _daily("young", 3)
    with time_machine.travel(last + timedelta(days=100), tick=False):
        assert _watch() == []
        with unit_of_work() as session:
            feeds.change(session, SYSTEM, "young", {"expected_seconds": 3600})
        assert _watch() == ["young"]
        with unit_of_work() as session:
            feeds.change(session, SYSTEM, "young", {"muted": True})
        assert _watch() == [] and _open_findings() == []


def test_a_heartbeat_is_a_sign_of_life(minimal_app: Flask) -> None:
    last = _daily("app", 20)
    with time_machine.travel(last + timedelta(days=5), tick=False):
        assert _watch() == ["app"]
        with unit_of_work() as session:
            shown = feeds.heartbeat(session, SYSTEM, "app")
        assert shown["silent"] is False and _open_findings() == []
        with unit_of_work() as session, pytest.raises(NotFound):
            feeds.heartbeat(session, SYSTEM, "nobody")


def test_loaded_history_is_measured_by_itself_and_not_by_the_wall_clock(minimal_app: Flask) -> None:
    """Two feeds of one closed history: the one that ends with it is alive, the one that broke off half-way is not."""
    now, end = clock.now_us(), clock.to_us(datetime(2020, 12, 31, tzinfo=UTC))
    for name, last in (("shop", end), ("app", end - 40 * clock.DAY_US)):
        days = range(last // clock.DAY_US - 60, last // clock.DAY_US + 1)
        with unit_of_work() as session:
            feeds.arrived(
                session, name, n=9, first_occurred=0, last_occurred=last, received=last, now=now, days=days, live=False
            )
    assert _watch() == ["app"]


def test_a_muted_silence_is_a_muted_finding_until_the_feed_is_back(minimal_app: Flask) -> None:
    last = _daily("app", 20)
    with time_machine.travel(last + timedelta(days=5), tick=False):
        _watch()
        with unit_of_work() as session:
            number = int(str(findings.listed(session).items[0]["id"]))
            assert muting.mute(session, SYSTEM, number, True)["state"] == "muted"
        assert _watch() == [] and _open_findings() == []
        with read_unit() as session:
            feeds.require_alive(session)
            assert findings.listed(session, state="muted").total == 1
            assert findings.counts(session)["muted"]["error"] == 1
        with unit_of_work() as session:
            assert muting.mute(session, SYSTEM, number, False)["state"] == "open"
        assert _watch() == ["app"]
        with unit_of_work() as session:
            feeds.change(session, SYSTEM, "app", {"muted": True})
            assert findings.listed(session, state="muted").total == 1
        _arrive("app")
        assert _watch() == []
        with unit_of_work() as session:
            assert findings.listed(session, state="closed").items[0]["id"] == number
            with pytest.raises(Conflict, match="no longer holds"):
                muting.mute(session, SYSTEM, number, True)
            with pytest.raises(NotFound):
                muting.mute(session, SYSTEM, 99, True)


def test_findings_are_listed_gravest_first_and_paged_without_a_gap(minimal_app: Flask) -> None:
    with unit_of_work() as session:
        for number in range(12):
            findings.hold(session, "odd", f"s{number}", "Odd.", severity=findings.SEVERITIES[number % 3])
        seen: list[tuple[object, object]] = []
        cursor: str | None = None
        while True:
            page = findings.listed(session, PageRequest(limit=5, cursor=cursor))
            seen += [(item["severity"], item["subject"]) for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert findings.listed(session, severity="info").total == 4
        with pytest.raises(InvalidInput):
            findings.listed(session, PageRequest(cursor="W10"), state="muted")
    expected = [(name, f"s{number}") for at, name in enumerate(findings.SEVERITIES) for number in range(9 + at, -1, -3)]
    assert seen == expected


def test_a_mute_of_another_kind_stays_while_the_finding_holds(minimal_app: Flask) -> None:
    with unit_of_work() as session:
        found = findings.hold(session, "odd", "x" * 300, "Odd.")
        muting.mute(session, SYSTEM, found.id, True)
        since = found.muted_at
        assert findings.hold(session, "odd", "x" * 300, "Odd still.").id == found.id
        assert (found.muted_at, findings.state_of(found)) == (since, "muted")
        assert findings.close_others(session, "odd", {"x" * 300}) == 0
        assert findings.close_others(session, "odd", set()) == 1
        again = findings.hold(session, "odd", "x" * 300, "Odd again.")
        assert again.id != found.id and findings.state_of(again) == "open"
