"""Ticked steps: one that reaches the customer is an act, whatever becomes of the task; taking the tick back takes the act back."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.models import Exposure, Setting
from retainstream.security.actor import SYSTEM
from retainstream.services import exposures, preferences
from retainstream.services.desk import endings, plays, queue, standing, tasks
from retainstream.services.desk.board import TaskView
from tests.services.desk.conftest import Team

LOOK_UP, MESSAGE, CALL = 0, 1, 2


@pytest.fixture
def task(team: Team, settings: Settings) -> TaskView:
    """A task of Ada's with a step that nobody notices, a message and a call; four in ten are held out."""
    kinds = {"Look it up": "other", "Write": "message", "Call": "call"}
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.4, "contact_cost_minor": 0, "incentive_minor": 0})
        steps = [{"text": text, "kind": kind} for text, kind in kinds.items()]
        play = plays.create(session, team.chief, {"name": "Talk", "features": [], "steps": steps})
    with unit_of_work() as session:
        user_id = queue.read(session, SYSTEM, settings).entries[7].user_id
        return tasks.take(session, team.ada, settings, user_id, play=play.id)


def tick(team: Team, settings: Settings, task: TaskView, step: int, *, done: bool = True) -> TaskView:
    with unit_of_work() as session:
        return tasks.tick(session, team.ada, settings, task.id, step, done=done)


def acts(arm: str = "treated") -> list[Exposure]:
    """What stands of what was written down."""
    with read_unit() as session:
        query = select(Exposure).where(Exposure.stands(), Exposure.arm == arm)
        return list(session.scalars(query.order_by(Exposure.id)))


def test_only_a_step_that_reaches_the_customer_is_an_act(team: Team, settings: Settings, task: TaskView) -> None:
    assert not tick(team, settings, task, LOOK_UP).exposed
    assert acts() == []
    assert tick(team, settings, task, MESSAGE).exposed
    tick(team, settings, task, MESSAGE)
    assert [(act.customer_id, act.kind, act.source) for act in acts()] == [(task.customer_id, "message", "play:1")]
    tick(team, settings, task, CALL)
    assert [act.kind for act in acts()] == ["message", "call"]


def test_taking_a_tick_back_voids_its_act_alone(team: Team, settings: Settings, task: TaskView) -> None:
    for step in (MESSAGE, CALL):
        tick(team, settings, task, step)
    tick(team, settings, task, MESSAGE, done=False)
    assert [act.kind for act in acts()] == ["call"]
    assert not tick(team, settings, task, CALL, done=False).exposed
    with read_unit() as session:
        assert session.scalars(select(Exposure.voided_at).where(Exposure.arm == "treated")).all().count(None) == 0
    tick(team, settings, task, CALL)
    assert [act.kind for act in acts()] == ["call"]


def test_a_dropped_task_keeps_its_ticked_acts_the_rest_and_the_twins(
    team: Team, settings: Settings, task: TaskView
) -> None:
    tick(team, settings, task, MESSAGE)
    twins = [act.customer_id for act in acts("held_out")]
    assert twins
    with unit_of_work() as session:
        assert endings.drop(session, team.ada, settings, task.id).exposed
    assert ([act.kind for act in acts()], [act.customer_id for act in acts("held_out")]) == (["message"], twins)
    with read_unit() as session:
        desk = standing.read(session, settings)
        assert desk.ranking.place(task.customer_id) in desk.resting.tolist()
    with unit_of_work() as session:
        endings.reopen(session, team.ada, settings, task.id)
    assert [act.customer_id for act in acts("held_out")] == twins


def test_without_a_tick_that_reached_anybody_a_drop_leaves_nothing(
    team: Team, settings: Settings, task: TaskView
) -> None:
    tick(team, settings, task, LOOK_UP)
    tick(team, settings, task, CALL)
    tick(team, settings, task, CALL, done=False)
    with unit_of_work() as session:
        assert not endings.drop(session, team.ada, settings, task.id).exposed
    assert (acts(), acts("held_out")) == ([], [])


@pytest.mark.parametrize(("hours", "expected"), [(1, ["call"]), (30, ["call", "message"])])
def test_an_end_is_an_act_of_its_own_unless_a_tick_was_just_before(
    team: Team, settings: Settings, task: TaskView, hours: int, expected: list[str]
) -> None:
    tick(team, settings, task, CALL)
    with unit_of_work() as session:
        earlier = update(Exposure).where(Exposure.arm == "treated")
        session.execute(earlier.values(at=clock.now_us() - hours * clock.HOUR_US))
        ended = endings.end(session, team.ada, settings, task.id, "saved")
    assert ended.exposed
    assert [act.kind for act in acts()] == expected
    with unit_of_work() as session:
        endings.reopen(session, team.ada, settings, task.id)
    assert [act.kind for act in acts()] == ["call"], "the tick is still there"


def test_a_step_does_not_reach_whoever_is_held_out_by_now(team: Team, settings: Settings, task: TaskView) -> None:
    salts = (salt for salt in map(str, range(99)) if exposures.in_hold_out(salt, task.user_id, 0.4))
    with unit_of_work() as session:
        session.get_one(Setting, "hold_out_salt").value = next(salts)
    with pytest.raises(Conflict):
        tick(team, settings, task, CALL)
    assert acts() == []
