"""Segments under a name, and who was in them when: looks note who came and went, a changed rule moves people, addresses open them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import AuditEntry, Customer, Identity, JobRun, SegmentMember
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.permissions import permissions_of
from retainstream.services import revisions
from retainstream.services.customers import cells, erasure
from retainstream.services.segments import membership, saved, standing
from retainstream.services.segments.saved import SegmentView
from tests.services.segments.people import Person
from tests.work import run_job

BASIC = {"field": "plan", "op": "in", "value": ["Basic"]}


def keep(rule: Any = BASIC, name: str = "On Basic") -> SegmentView:
    with unit_of_work() as session:
        return saved.create(session, SYSTEM, {"name": name, "rule": rule}, time_zone="UTC")


def look(settings: Settings) -> dict[str, Any]:
    with read_unit() as session:
        waiting = session.scalar(select(JobRun.id).where(JobRun.kind == "segments", JobRun.state == "queued"))
    return run_job(settings, "segments", job=waiting)


def history(segment: SegmentView) -> tuple[membership.Size, ...]:
    with read_unit() as session:
        return membership.history(session, segment.id)


def put_on(plan: str | None, *ids: int) -> None:
    with unit_of_work() as session:
        for one in ids:
            session.get_one(Customer, one).plan = plan
        revisions.bump(session, "customers")


def opened(address: str) -> tuple[int, ...]:
    with read_unit() as session:
        return cells.read(session, address).ids


def on(people: list[Person], plan: str) -> list[int]:
    return [one.id for one in people if one.values["plan"] == plan]


def test_looks_note_who_came_and_who_went(people: list[Person], settings: Settings) -> None:
    segment = keep()
    before = on(people, "Basic")
    assert look(settings) == {"segments": 1, "entered": len(before), "left": 0}
    came, went = on(people, "Premium")[:2], before[:1]
    put_on("Basic", *came)
    put_on(None, *went)
    assert look(settings) == {"segments": 1, "entered": 2, "left": 1}
    first, second = history(segment)
    assert (first.n, second.n, second.entered, second.left) == (len(before), len(before) + 1, 2, 1)
    assert opened(f"segment:{segment.id}@entered:{second.as_of}") == tuple(came)
    assert opened(f"segment:{segment.id}@left:{second.as_of}") == tuple(went)
    assert opened(f"segment:{segment.id}@present:{first.as_of}") == tuple(before)
    assert set(opened(f"segment:{segment.id}")) == (set(before) | set(came)) - set(went)
    with read_unit() as session:
        assert membership.moves(session, segment.id) == ((second.as_of, 2, 1), (first.as_of, len(before), 0))
        assert standing.one(session, segment.id).change == 1


def test_a_look_that_finds_nothing_new_is_noted_once_a_day(
    people: list[Person], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people
    segment = keep()
    look(settings)
    look(settings)
    assert len(history(segment)) == 1
    later = clock.now_us() + clock.DAY_US
    monkeypatch.setattr(membership.clock, "now_us", lambda: later)
    look(settings)
    assert [size.entered for size in history(segment)][1:] == [0]


def test_who_comes_back_stays_twice(people: list[Person], settings: Settings) -> None:
    one = on(people, "Basic")[0]
    segment = keep()
    for plan in ("Basic", "Premium", "Basic"):
        put_on(plan, one)
        look(settings)
    with read_unit() as session:
        rows = session.scalars(select(SegmentMember).where(SegmentMember.customer_id == one)).all()
    assert [row.left_at is None for row in rows] == [False, True]
    assert rows[0].left_at is not None and rows[0].left_at < rows[1].entered_at
    assert opened(f"segment:{segment.id}@present:{rows[0].entered_at}").count(one) == 1


def test_another_rule_is_another_revision_and_moves_people_at_the_next_look(
    people: list[Person], settings: Settings
) -> None:
    segment = keep()
    look(settings)
    with unit_of_work() as session:
        changed = saved.change(
            session, SYSTEM, segment.id, {"rule": {"any": [BASIC, {**BASIC, "value": ["Premium"]}]}}, time_zone="UTC"
        )
        assert changed.revision == 2
        assert saved.change(session, SYSTEM, segment.id, {"description": "All"}, time_zone="UTC").revision == 2
    look(settings)
    newest = history(segment)[-1]
    assert (newest.revision, newest.entered, newest.left) == (2, len(on(people, "Premium")), 0)


def test_an_erased_person_is_out_of_every_look(people: list[Person], settings: Settings) -> None:
    segment = keep()
    look(settings)
    size = history(segment)[0]
    gone = on(people, "Basic")[0]
    with unit_of_work() as session:
        user_id = session.scalar(select(Identity.user_id).where(Identity.customer_id == gone))
        erasure.erase(session, SYSTEM, str(user_id), key=b"k" * 32)
    assert gone not in opened(f"segment:{segment.id}@entered:{size.as_of}")
    with read_unit() as session:
        assert membership.moves(session, segment.id)[0][1] == size.n - 1


def test_the_analyse_job_looks_too_and_tells_what_cannot_be_told(people: list[Person], settings: Settings) -> None:
    assert people
    segment = keep()
    keep({"field": "attribute.city", "op": "known"}, "City known")
    with unit_of_work() as session:
        session.connection().exec_driver_sql("DELETE FROM attribute_definitions WHERE name = 'city'")
        revisions.bump(session, "customers")
    told = run_job(settings, "analyse")["segments"]
    assert told["segments"] == 2
    assert "City known" in told["skipped_segments"]
    assert len(history(segment)) == 1
    with read_unit() as session:
        standings = {one.segment.name: one for one in standing.every(session)}
    assert standings["City known"].look is None
    assert "not on record" in standings["City known"].problem
    with pytest.raises(InvalidInput, match="not on record"):
        opened(f"segment:{standings['City known'].segment.id}")


@pytest.mark.parametrize("key", ["0", "x", "1@entered", "1@went:5", "999999"])
def test_wrong_addresses_lead_nowhere(people: list[Person], key: str) -> None:
    assert people
    with pytest.raises(InvalidInput):
        opened(f"segment:{key}")


def test_saving_is_checked_audited_and_asks_for_one_look(people: list[Person]) -> None:
    assert people
    segment = keep()
    keep(name="Other")
    with unit_of_work() as session:
        with pytest.raises(Conflict, match="already"):
            saved.create(session, SYSTEM, {"name": "ON basic", "rule": BASIC}, time_zone="UTC")
        with pytest.raises(InvalidInput) as told:
            saved.change(session, SYSTEM, segment.id, {"name": " ", "rule": {"all": []}, "x": 1}, time_zone="UTC")
        assert set(told.value.fields) == {"name", "rule.all", "x"}
        viewer = Actor("user", permissions_of("viewer"))
        with pytest.raises(Forbidden):
            saved.delete(session, viewer, segment.id)
        assert saved.delete(session, SYSTEM, segment.id) == "On Basic"
        with pytest.raises(NotFound):
            saved.read(session, segment.id)
    with read_unit() as session:
        acts = list(session.scalars(select(AuditEntry.action).where(AuditEntry.target_kind == "segment")))
        assert sorted(acts) == ["segment.create", "segment.create", "segment.delete"]
        assert len(session.scalars(select(JobRun).where(JobRun.kind == "segments")).all()) == 1
