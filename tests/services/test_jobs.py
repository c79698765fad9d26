"""Jobs as rows: queueing, claiming once, leases and generations, ending, cancelling, schedules, housekeeping."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.jobs import handlers, inline
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import AuditEntry, IdempotencyKey, JobRun, Schedule, User
from retainstream.security.actor import COMMAND
from retainstream.services import jobs
from retainstream.services.jobs import timetable

pytestmark = pytest.mark.usefixtures("minimal_app")


def queue(kind: str = "count", dedupe_key: str | None = None, **payload: object) -> int:
    with unit_of_work() as session:
        return jobs.enqueue(session, COMMAND, kind, payload, dedupe_key).id


def claim(job_id: int | None = None, lease: float = 60) -> jobs.Claim | None:
    with unit_of_work() as session:
        return jobs.claim(session, "test", lease, job_id)


def taken(lease: float = 60) -> jobs.Claim:
    claimed = claim(lease=lease)
    assert claimed is not None
    return claimed


def row(job_id: int) -> JobRun:
    with read_unit() as session:
        return jobs.get(session, job_id)


def test_a_job_is_queued_with_an_audit_entry_and_shown() -> None:
    job_id = queue(steps=3)
    shown = jobs.present(row(job_id))
    assert (shown["state"], shown["progress"], shown["attempts"], shown["result"]) == ("queued", 0, 0, None)
    with read_unit() as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.target_id) == ("job.queue", str(job_id))


def test_the_same_work_is_queued_once_until_it_ended() -> None:
    first = queue(dedupe_key="train")
    with pytest.raises(Conflict) as refused:
        queue(dedupe_key="train")
    assert refused.value.detail == {"job_id": first}
    claimed = taken()
    with pytest.raises(Conflict):
        queue(dedupe_key="train")
    with unit_of_work() as session:
        jobs.finish(session, claimed, {})
    assert queue(dedupe_key="train") != first


def test_work_that_must_see_a_change_is_queued_once_behind_the_run_that_began_before() -> None:
    def anew() -> int | None:
        with unit_of_work() as session:
            found = jobs.enqueue_anew(session, COMMAND, "analyse", {}, "analyse")
            return None if found is None else found.id

    def ended(claimed: jobs.Claim) -> None:
        with unit_of_work() as session:
            jobs.finish(session, claimed, {})

    first = anew()
    assert first is not None and anew() is None, "one that waits sees the change"
    running = taken()
    second = anew()
    assert second not in (None, first) and anew() is None
    ended(running)
    assert anew() is None
    running = taken()
    assert running.job_id == second
    third = anew()
    assert third is not None
    ended(running)
    ended(taken())
    assert claim() is None


def test_the_oldest_is_claimed_and_nothing_beside_it() -> None:
    older, newer = queue(), queue()
    claimed = taken()
    assert (claimed.job_id, claimed.generation, claimed.attempts) == (older, 1, 1)
    assert claim() is None
    assert claim(newer) is None
    with unit_of_work() as session:
        jobs.finish(session, claimed, {})
    assert taken().job_id == newer


@pytest.mark.parametrize("end", ["finish", "fail", "end_cancelled", "give_back", "retry_or_fail"])
def test_an_older_generation_can_end_nothing(end: str) -> None:
    job_id = queue()
    stale = taken(lease=0)
    with unit_of_work() as session:
        assert jobs.requeue_expired(session) == 1
    fresh = taken()
    calls = {"finish": ({},), "fail": ("x", "y")}
    with unit_of_work() as session:
        assert getattr(jobs, end)(session, stale, *calls.get(end, ())) is False
        assert jobs.heartbeat(session, stale, 60) is jobs.Standing.LOST
        assert jobs.heartbeat(session, fresh, 60) is jobs.Standing.HELD
    assert (row(job_id).state, row(job_id).generation) == ("running", fresh.generation)


def test_a_lost_run_cannot_commit(settings: Settings) -> None:
    queue()
    stale = taken(lease=0)
    with read_unit() as session:
        context = jobs.JobContext.load(session, stale, settings, 1)
    with unit_of_work() as session:
        jobs.requeue_expired(session)
    with pytest.raises(jobs.JobLost), context.holding_unit() as session:
        session.add(Schedule(name="x", kind="x", at="01:00"))
    with pytest.raises(jobs.JobLost):
        context.progress("on", 0.5)
    with read_unit() as session:
        assert session.scalar(select(func.count()).select_from(Schedule)) == 0


def test_an_expired_lease_is_retried_and_then_given_up() -> None:
    job_id = queue()
    for attempt in (1, 2, 3):
        assert taken(lease=0).attempts == attempt
        with unit_of_work() as session:
            jobs.requeue_expired(session)
    ended = row(job_id)
    assert ended.state == "failed"
    assert ended.error is not None
    assert "3 times" in str(ended.error["message"])


def test_a_living_lease_and_one_known_to_be_alive_are_left_alone() -> None:
    queue()
    claimed = taken(lease=60)
    with unit_of_work() as session:
        assert jobs.requeue_expired(session) == 0
    with time_machine.travel(clock.from_us(clock.now_us() + 61 * clock.SECOND_US)), unit_of_work() as session:
        assert jobs.requeue_expired(session, [claimed]) == 0
        assert jobs.requeue_expired(session) == 1


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked() -> None:
    first, second = queue(), queue()
    claimed = taken()
    with unit_of_work() as session:
        assert jobs.cancel(session, COMMAND, second).state == "cancelled"
        assert jobs.cancel(session, COMMAND, first).state == "running"
        assert jobs.cancel(session, COMMAND, first).cancel_requested
        assert jobs.standing(session, claimed) is jobs.Standing.CANCEL
        assert jobs.retry_or_fail(session, claimed)
    assert row(first).state == "cancelled"
    with unit_of_work() as session, pytest.raises(Conflict):
        jobs.cancel(session, COMMAND, first)
    with unit_of_work() as session, pytest.raises(NotFound):
        jobs.cancel(session, COMMAND, 999)


def test_giving_back_does_not_count_as_an_attempt() -> None:
    job_id = queue()
    with unit_of_work() as session:
        pass
    claimed = taken()
    with unit_of_work() as session:
        assert jobs.give_back(session, claimed)
    assert (row(job_id).state, row(job_id).attempts) == ("queued", 0)
    assert taken().generation == 2


def test_a_result_that_json_cannot_hold_is_refused() -> None:
    queue()
    claimed = taken()
    with unit_of_work() as session, pytest.raises(ValueError, match="not JSON compliant"):
        jobs.finish(session, claimed, {"auc": math.nan})


def test_lists_are_filtered_and_paged() -> None:
    ids = [queue("train" if number % 2 else "score") for number in range(7)]
    with read_unit() as session:
        page = jobs.list_jobs(session, PageRequest(limit=3))
        assert [item["id"] for item in page.items] == ids[:-4:-1]
        assert page.total == 7
        following = jobs.list_jobs(session, PageRequest(limit=3, cursor=page.next_cursor))
        assert [item["id"] for item in following.items] == ids[3:0:-1]
        assert [item["id"] for item in jobs.list_jobs(session, PageRequest(limit=3, offset=6)).items] == [ids[0]]
        assert jobs.list_jobs(session, kind="train").total == 3
        assert jobs.list_jobs(session, state="running").total == 0
        with pytest.raises(InvalidInput):
            jobs.list_jobs(session, PageRequest(cursor="bm9uc2Vuc2U"))


def test_run_in_process_reports_and_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(handlers.HANDLERS, "count", "tests.jobs.counting:count")
    monkeypatch.setitem(handlers.HANDLERS, "broken", "tests.jobs.counting:break_down")
    queue(steps=2, pause=0), queue("broken"), queue("no such kind")
    counted, broken, unknown = inline.run_queued(settings)
    assert (counted["state"], counted["progress"]) == ("succeeded", 1.0)
    assert broken["state"] == unknown["state"] == "failed"
    assert "secret" not in str(broken["error"])
    assert "no such kind" in str(unknown["error"])
    seen: list[tuple[str, float]] = []
    job = inline.run_or_follow(
        queue(steps=2, pause=0), settings, lambda phase, fraction: seen.append((phase, fraction))
    )
    assert job["state"] == "succeeded"
    assert seen == [("counting", 0.5), ("counting", 1.0)]


def test_progress_inside_a_unit_is_a_mistake(settings: Settings) -> None:
    queue()
    claimed = taken()
    with read_unit() as session:
        context = jobs.JobContext.load(session, claimed, settings, 1)
    with unit_of_work(), pytest.raises(RuntimeError, match="between units"):
        context.progress("x", 0.1)


def test_threads_follow_the_local_hour(settings: Settings) -> None:
    berlin = replace(settings, time_zone="Europe/Berlin", job_threads_day=1, job_threads_night=4)
    assert jobs.threads_at(berlin, datetime(2026, 7, 1, 20, 30, tzinfo=UTC)) == 4
    assert jobs.threads_at(berlin, datetime(2026, 7, 1, 12, 0, tzinfo=UTC)) == 1
    assert jobs.threads_at(berlin, datetime(2026, 7, 1, 4, 30, tzinfo=UTC)) == 1


def queue_due_at(moment: str, zone: str = "UTC") -> list[int]:
    with time_machine.travel(datetime.fromisoformat(moment), tick=False), unit_of_work() as session:
        return jobs.queue_due(session, zone)


def test_schedules_queue_once_a_night_and_catch_up_once() -> None:
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False), unit_of_work() as session:
        assert jobs.seed_schedules(session) == len(timetable.SEEDS)
        assert jobs.seed_schedules(session) == 0
        session.execute(delete(Schedule).where(Schedule.kind != "score"))
        session.execute(update(Schedule).values(kind="count"))
    assert queue_due_at("2026-03-02T02:29:00+00:00") == []
    (first,) = queue_due_at("2026-03-02T02:31:00+00:00")
    assert queue_due_at("2026-03-02T02:32:00+00:00") == []
    with unit_of_work() as session:
        jobs.cancel(session, COMMAND, first)
    assert len(queue_due_at("2026-03-09T14:00:00+00:00")) == 1
    assert queue_due_at("2026-03-09T14:01:00+00:00") == []
    assert queue_due_at("2026-03-10T02:31:00+00:00") == [], "last night's is still open and counts as this one's"
    with unit_of_work() as session:
        session.execute(update(JobRun).values(state="succeeded"))
        session.execute(update(Schedule).values(enabled=False))
    assert queue_due_at("2026-03-12T02:31:00+00:00") == []


def test_nobody_is_scored_or_judged_at_night_before_there_is_a_model() -> None:
    with unit_of_work() as session:
        jobs.seed_schedules(session)
        session.execute(update(Schedule).values(last_queued_at=0))
        assert jobs.queue_due(session, "UTC") == []
        assert set(session.scalars(select(Schedule.kind))) == {kind for _, kind, _ in timetable.SEEDS}


@given(
    st.integers(0, 2 * 365 * 24 * 60),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
@hypothesis_settings(max_examples=200, deadline=None)
def test_the_latest_due_time_is_past_and_less_than_a_day_and_a_jump_ago(
    minutes: int, hour: int, minute: int, zone: str
) -> None:
    now = clock.to_us(datetime(2026, 1, 1, tzinfo=UTC)) + minutes * clock.MINUTE_US
    due = timetable.latest_due(f"{hour:02}:{minute:02}", zone, now)
    assert due <= now < due + 26 * clock.HOUR_US


def test_housekeeping_takes_only_what_is_old(minimal_app: Flask) -> None:
    old, ended, still_open = queue(), queue(), queue()
    now = clock.now_us()
    with unit_of_work() as session:
        session.execute(
            update(JobRun).where(JobRun.id == old).values(state="failed", finished_at=now - 91 * clock.DAY_US)
        )
        session.execute(
            update(JobRun).where(JobRun.id == ended).values(state="failed", finished_at=now - 89 * clock.DAY_US)
        )
        session.execute(update(JobRun).where(JobRun.id == still_open).values(created_at=0))
        session.add(User(id=1, email="a@example.com", password_hash="x", role="viewer", created_at=now))
        session.flush()
        for key, age in (("old", 3), ("new", 0)):
            session.add(
                IdempotencyKey(user_id=1, route="r", key=key, request_hash="h", created_at=now - age * clock.DAY_US)
            )
    with unit_of_work() as session:
        gone = jobs.sweep_old_rows(session)
    assert gone["job_runs"] == gone["idempotency_keys"] == 1
    with read_unit() as session:
        assert set(session.scalars(select(JobRun.id))) == {ended, still_open}
        assert session.scalars(select(IdempotencyKey.key)).all() == ["new"]
