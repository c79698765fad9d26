"""Untreated twins when a taking comes to nothing: what it wrote down is voided, unless another taking counts on it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import AuditEntry, Customer, Exposure, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import exposures, preferences, revisions
from retainstream.services.desk import assigning, endings, queue, ranking, tasks
from tests.services.desk.conftest import Team


@pytest.fixture
def list_of_today(team: Team, settings: Settings) -> list[str]:
    """The first eight of the list, where four in ten are held out and everybody is worth reaching."""
    assert team
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.4, "contact_cost_minor": 0, "incentive_minor": 0})
    with read_unit() as session:
        return [entry.user_id for entry in queue.read(session, SYSTEM, settings).entries[:8]]


def standing_twins() -> set[int]:
    with read_unit() as session:
        return set(session.scalars(select(Exposure.customer_id).where(Exposure.stands(), Exposure.arm == "held_out")))


def above(settings: Settings, customer_id: int) -> set[int]:
    """Those held out who rank above a customer."""
    with read_unit() as session:
        order = ranking.read(session, settings)
        place = order.place(customer_id) or 0
        return set(order.ids[:place][order.held[:place]].tolist())


def take(team: Team, settings: Settings, user_id: str) -> tuple[int, int]:
    with unit_of_work() as session:
        made = tasks.take(session, team.ada, settings, user_id)
    return made.id, made.customer_id


def take_together(team: Team, settings: Settings, user_ids: list[str]) -> list[int]:
    with unit_of_work() as session:
        found = assigning.assign_many(session, team.chief, settings, team.bea.user_id or 0, user_ids=user_ids)
    return [one.task_id or 0 for one in found]


def drop(team: Team, settings: Settings, task_id: int) -> None:
    with unit_of_work() as session:
        endings.drop(session, team.ada, settings, task_id, reason="taken back")


def test_a_taking_that_came_to_nothing_leaves_no_twin_but_its_trace(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    task_id, customer_id = take(team, settings, list_of_today[7])
    twins = standing_twins()
    assert twins == above(settings, customer_id) != set()
    drop(team, settings, task_id)
    assert standing_twins() == set()
    with read_unit() as session:
        rows = session.scalars(select(Exposure)).all()
        assert {row.customer_id for row in rows if row.voided_at is not None} == twins
        audited = session.scalars(select(AuditEntry.target_id).where(AuditEntry.action == "exposure.void"))
        assert {int(one or 0) for one in audited} == twins


def test_a_later_taking_keeps_the_twins_it_passed_over(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    low, lowest = take(team, settings, list_of_today[7])
    _, better = take(team, settings, list_of_today[4])
    assert standing_twins() == above(settings, lowest)
    drop(team, settings, low)
    assert standing_twins() == above(settings, better)
    again, _ = take(team, settings, list_of_today[7])
    assert standing_twins() == above(settings, lowest)
    assert again != low


def test_of_many_that_were_given_together_the_rest_keeps_its_twins(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    ids = take_together(team, settings, list_of_today)
    every = standing_twins()
    for task_id in ids[:-1]:
        drop(team, settings, task_id)
    assert standing_twins() == every
    drop(team, settings, ids[-1])
    assert standing_twins() == set()


def test_a_dropped_task_that_is_reopened_has_its_twins_again(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    task_id, _ = take(team, settings, list_of_today[7])
    twins = standing_twins()
    for _ in range(2):
        drop(team, settings, task_id)
        assert standing_twins() == set()
        with unit_of_work() as session:
            endings.reopen(session, team.ada, settings, task_id)
        assert standing_twins() == twins


def leave(customer_id: int) -> None:
    with unit_of_work() as session:
        session.get_one(Customer, customer_id).churned = True
        revisions.bump(session, "customers")


def test_a_reopened_task_has_the_twins_of_its_taking_those_who_left_since_too(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    task_id, _ = take(team, settings, list_of_today[7])
    twins = standing_twins()
    drop(team, settings, task_id)
    leave(min(twins))
    with unit_of_work() as session:
        endings.reopen(session, team.ada, settings, task_id)
    assert standing_twins() == twins


def test_a_twin_that_left_stays_when_one_of_several_takings_comes_to_nothing(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    better, _ = take_together(team, settings, [list_of_today[4], list_of_today[7]])
    twins = standing_twins()
    leave(min(twins))
    drop(team, settings, better)
    assert standing_twins() == twins


def test_a_dropped_task_whose_customer_was_reached_keeps_the_twins_it_shares(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    better, lower = take_together(team, settings, [list_of_today[4], list_of_today[7]])
    twins = standing_twins()
    with unit_of_work() as session:
        exposures.record(session, team.ada, list_of_today[7], kind="call", source="desk")
    drop(team, settings, lower)
    drop(team, settings, better)
    assert standing_twins() == twins


def test_long_after_its_taking_a_reopened_task_writes_no_twin_twice(
    team: Team, settings: Settings, list_of_today: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    better, _ = take_together(team, settings, [list_of_today[4], list_of_today[7]])
    now = clock.now_us()
    monkeypatch.setattr(clock, "now_us", lambda: now + 90 * clock.DAY_US)
    drop(team, settings, better)
    with unit_of_work() as session:
        endings.reopen(session, team.ada, settings, better)
    with read_unit() as session:
        whose = list(session.scalars(select(Exposure.customer_id).where(Exposure.stands(), Exposure.arm == "held_out")))
    assert len(whose) == len(set(whose))


def test_of_two_that_were_dropped_the_reopened_one_brings_back_its_own_twins(
    team: Team, settings: Settings, list_of_today: list[str]
) -> None:
    better, lower = take_together(team, settings, [list_of_today[0], list_of_today[7]])
    with read_unit() as session:
        customer_id = session.get_one(Task, better).customer_id
    drop(team, settings, lower)
    drop(team, settings, better)
    with unit_of_work() as session:
        endings.reopen(session, team.ada, settings, better)
    assert standing_twins() == above(settings, customer_id)
