"""Tasks: one open task a customer, what an end writes down, and what taking it back takes back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import AuditEntry, Customer, Exposure, Identity, Note, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import exposures, preferences, revisions, timeline
from retainstream.services.customers import erasure, portrait
from retainstream.services.desk import (
    assigning,
    board,
    endings,
    notes,
    play_templates,
    plays,
    queue,
    ranking,
    sla,
    tasks,
    tried,
)
from retainstream.services.desk.board import TaskView, Wanted
from tests.services.desk.conftest import Team


def best(settings: Settings, count: int = 1) -> list[str]:
    with read_unit() as session:
        return [entry.user_id for entry in queue.read(session, SYSTEM, settings).entries[:count]]


def acts() -> list[Exposure]:
    """What stands of what was written down; what was voided does not."""
    with read_unit() as session:
        return list(session.scalars(select(Exposure).where(Exposure.stands()).order_by(Exposure.id)))


@pytest.fixture
def task(team: Team, settings: Settings) -> TaskView:
    """A task of Ada's for the best of the list."""
    (user,) = best(settings)
    with unit_of_work() as session:
        return tasks.take(session, team.ada, settings, user)


def test_a_task_keeps_what_was_known_when_it_was_made(team: Team, settings: Settings, task: TaskView) -> None:
    assert (task.state, task.standing, task.source, task.kind) == ("open", "upcoming", "queue", "call")
    assert task.owner is not None
    assert (task.owner.name, task.run_id) == ("Ada", 1)
    assert task.probability is not None
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"value_minor": 50_000})
    with read_unit() as session:
        entry = queue.entry_of(session, SYSTEM, settings, task.user_id)
        assert entry is not None
        assert entry.net_gain_minor != task.net_gain_minor
        assert board.read(session, team.viewer, settings, task.id).net_gain_minor == task.net_gain_minor


def test_the_second_to_take_a_customer_is_told_who_was_first(team: Team, settings: Settings, task: TaskView) -> None:
    with unit_of_work() as session, pytest.raises(Conflict, match="Ada") as refused:
        tasks.take(session, team.bea, settings, task.user_id)
    assert refused.value.detail["task_id"] == task.id
    with unit_of_work() as session, pytest.raises(Conflict, match="Ada"):
        tasks.claim(session, team.bea, settings, task.id)


def test_of_two_who_claim_a_free_task_one_gets_it(team: Team, settings: Settings, task: TaskView) -> None:
    with unit_of_work() as session:
        tasks.assign(session, team.ada, settings, task.id, None)
    with unit_of_work() as session:
        tasks.claim(session, team.bea, settings, task.id)
    with unit_of_work() as session, pytest.raises(Conflict, match="Bea"):
        tasks.claim(session, team.ada, settings, task.id)


@pytest.mark.parametrize("outcome", ["saved", "left", "unreachable", "wrong"])
def test_an_end_writes_the_act_and_reopening_takes_back_exactly_that(
    team: Team, settings: Settings, task: TaskView, outcome: str
) -> None:
    with unit_of_work() as session:
        exposures.record(session, team.bea, task.user_id, kind="email", source="api")
    with unit_of_work() as session:
        ended = endings.end(
            session, team.ada, settings, task.id, outcome, reason="new card", note="Was kind.\nCall in May."
        )
    assert (ended.state, ended.outcome, ended.outcome_reason, ended.exposed) == ("done", outcome, "new card", True)
    assert [(act.kind, act.source, act.arm) for act in acts()] == [
        ("email", "api", "treated"),
        ("call", "desk", "treated"),
    ]
    with read_unit() as session:
        assert session.get_one(Customer, task.customer_id).churned is False
        assert [note.text for note in notes.of_customer(session, team.bea, task.user_id).items] == [
            "Was kind.\nCall in May."
        ]
    with unit_of_work() as session:
        again = endings.reopen(session, team.ada, settings, task.id)
    assert (again.state, again.outcome, again.outcome_reason, again.ended_at, again.exposed) == (
        "open",
        None,
        None,
        None,
        False,
    )
    assert [act.source for act in acts()] == ["api"]
    with read_unit() as session:
        listed = exposures.of_customer(session, task.user_id)[0].items
        assert [act["voided_at"] is not None for act in listed] == [True, False]
        assert exposures.treated(session)[0].tolist() == [task.customer_id]
        assert [
            entry.facts["kind"]
            for entry in timeline.read(session, team.ada, task.user_id).entries
            if entry.source == "exposure"
        ] == ["email"]
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "task.reopen")).one()
        assert "exposure_id" in entry.fields


def test_dropping_writes_no_act_and_frees_the_customer(team: Team, settings: Settings, task: TaskView) -> None:
    with unit_of_work() as session:
        dropped = endings.drop(session, team.ada, settings, task.id, reason="already called")
    assert (dropped.state, dropped.exposed, acts()) == ("dropped", False, [])
    with unit_of_work() as session:
        other = tasks.take(session, team.bea, settings, task.user_id)
    with unit_of_work() as session, pytest.raises(Conflict, match=str(other.id)):
        endings.reopen(session, team.ada, settings, task.id)


def test_an_ended_task_cannot_be_changed_or_ended_again(team: Team, settings: Settings, task: TaskView) -> None:
    with unit_of_work() as session:
        endings.end(session, team.ada, settings, task.id, "saved")
    with unit_of_work() as session:
        with pytest.raises(Conflict):
            endings.end(session, team.ada, settings, task.id, "saved")
        with pytest.raises(Conflict):
            endings.drop(session, team.ada, settings, task.id)
        with pytest.raises(Conflict):
            tasks.assign(session, team.ada, settings, task.id, None)
    assert len(acts()) == 1


def test_nobody_of_the_hold_out_is_taken_or_ended(team: Team, settings: Settings, task: TaskView) -> None:
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.5})
        held = ranking.held_out(session)
        member = session.scalars(select(Identity.user_id).where(Identity.customer_id.in_(held))).first()
        with pytest.raises(Conflict) as refused:
            tasks.take(session, team.ada, settings, str(member))
        assert refused.value.detail == {"held_out": True}
        # A share of one half may have caught the customer of the open task, too: then its end is refused, and it can be dropped.
        if task.customer_id in held:
            with pytest.raises(Conflict):
                endings.end(session, team.ada, settings, task.id, "saved")
            assert endings.drop(session, team.ada, settings, task.id).state == "dropped"
    assert acts() == []


def test_taking_from_the_queue_writes_down_the_untreated_twins_once(team: Team, settings: Settings) -> None:
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.4, "contact_cost_minor": 0, "incentive_minor": 0})
    users = best(settings, 6)
    with unit_of_work() as session:
        lowest = tasks.take(session, team.ada, settings, users[5])
    with read_unit() as session:
        order, held = ranking.read(session, settings), ranking.held_out(session)
        above = order.ids[: (order.place(lowest.customer_id) or 0) + 1].tolist()
    expected = {one for one in above if one in held}
    assert expected
    assert {(act.customer_id, act.arm, act.source) for act in acts()} == {(one, "held_out", "desk") for one in expected}
    assert {act.propensity for act in acts()} == {0.4}
    with unit_of_work() as session:
        tasks.take(session, team.ada, settings, users[0])
    assert len(acts()) == len(expected)
    with unit_of_work() as session:
        weakest = session.scalars(
            select(Identity.user_id).where(Identity.customer_id == int(order.ids[~order.held][-1]))
        ).one()
        assert tasks.take(session, team.ada, settings, weakest).source == "desk"
    assert len(acts()) == len(expected)


def test_many_are_given_each_wholly_or_not_at_all(team: Team, settings: Settings, task: TaskView) -> None:
    users = best(settings, 3)
    bea = team.bea.user_id or 0
    with unit_of_work() as session:
        found = assigning.assign_many(session, team.chief, settings, bea, user_ids=[*users, "nobody"])
    assert [one.result for one in found] == ["refused", "taken", "taken", "refused"]
    assert "Ada" in found[0].message
    with unit_of_work() as session:
        found = assigning.assign_many(session, team.chief, settings, bea, user_ids=users, reassign=True)
        assert [one.result for one in found] == ["given", "unchanged", "unchanged"]
        top = assigning.assign_many(session, team.chief, settings, bea, top=4)
        assert [one.result for one in top] == ["taken"] * 4
        for wrong in ({}, {"user_ids": users, "top": 1}, {"top": 0}, {"top": 501}):
            with pytest.raises(InvalidInput):
                assigning.assign_many(session, team.chief, settings, bea, **wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            assigning.assign_many(session, team.chief, settings, team.viewer.user_id or 0, top=1)
    with read_unit() as session:
        assert board.listing(session, team.viewer, settings, Wanted("open", bea)).total == 7
        assert session.scalar(select(func.count()).select_from(Task)) == 7


def test_changes_are_checked(team: Team, settings: Settings, task: TaskView) -> None:
    wrong: list[dict[str, Any]] = [
        {"snoozed_until": clock.now_us() - 1},
        {"kind": "dance"},
        {"owner_id": team.viewer.user_id},
        {"state": "done"},
    ]
    with unit_of_work() as session:
        for changes in wrong:
            with pytest.raises(InvalidInput):
                tasks.change(session, team.ada, settings, task.id, changes)
        with pytest.raises(NotFound):
            tasks.change(session, team.ada, settings, task.id, {"play_id": 77})
        with pytest.raises(NotFound):
            tasks.tick(session, team.ada, settings, task.id, 0)
        with pytest.raises(InvalidInput):
            endings.end(session, team.ada, settings, task.id, "won")
        with pytest.raises(InvalidInput):
            endings.end(session, team.ada, settings, task.id, "saved", reason="x" * 301)
        for outcome in endings.REASONED:
            with pytest.raises(InvalidInput, match="needs a reason"):
                endings.end(session, team.ada, settings, task.id, outcome)
        for act in (tasks.claim, endings.drop, endings.reopen):
            with pytest.raises(Forbidden):
                act(session, team.viewer, settings, task.id)
    assert acts() == []


def test_a_play_that_fits_the_reasons_comes_with_its_steps(team: Team, settings: Settings) -> None:
    with unit_of_work() as session:
        assert len(play_templates.offered(session)) == 4
        welcome = play_templates.adopt(session, team.chief, "drifting_away")
        assert "drifting_away" not in play_templates.offered(session)
        with pytest.raises(Conflict):
            play_templates.adopt(session, team.chief, "drifting_away")
    with read_unit() as session:
        entry = next(one for one in queue.read(session, SYSTEM, settings).entries if one.play)
    assert entry.play is not None
    assert entry.play.id == welcome.id
    with unit_of_work() as session:
        found = tasks.take(session, team.ada, settings, entry.user_id)
        assert [step.text for step in found.steps] == [step["text"] for step in welcome.steps]
        ticked = tasks.tick(session, team.ada, settings, found.id, 1)
        plays.change(session, team.chief, welcome.id, {"steps": [{"text": "Another", "kind": "call"}]})
    assert [step.done_at is not None for step in ticked.steps] == [False, True, False]
    with unit_of_work() as session:
        endings.end(session, team.ada, settings, found.id, "saved")
        counted = tried.of_plays(session, team.viewer)[welcome.id]
        assert (counted.done, counted.outcomes["saved"], counted.too_early, counted.causal) == (1, 1, 1, False)
        assert len(board.read(session, team.ada, settings, found.id).steps) == 3
    assert acts()[-1].source == f"play:{welcome.id}"


def test_the_first_raising_reason_that_a_play_speaks_of_decides(team: Team) -> None:
    step = [{"text": "Call", "kind": "call"}]
    with unit_of_work() as session:
        pay = plays.create(session, team.chief, {"name": "Pay", "features": ["payment_*"], "steps": step})
        use = plays.create(session, team.chief, {"name": "Use", "features": ["watch_time"], "steps": step})

        def named(*reasons: tuple[str, str]) -> int | None:
            given = [{"feature": feature, "direction": direction} for feature, direction in reasons]
            found = plays.propose(session, given)
            return None if found is None else found.id

        assert named(("watch_time", "raises"), ("payment_failures", "raises")) == use.id
        assert named(("watch_time", "lowers"), ("payment_failures", "raises")) == pay.id
        assert named(("watch_time_hours", "raises"), ("tenure", "raises")) is None
        plays.retire(session, team.chief, pay.id)
        assert named(("payment_failures", "raises")) is None
        with pytest.raises(Conflict, match="retired"):
            plays.create(session, team.chief, {"name": "pay", "steps": step})
        assert plays.restore(session, team.chief, pay.id).retired_at is None
        with pytest.raises(Forbidden):
            plays.create(session, team.ada, {"name": "Mine", "steps": step})
        with pytest.raises(InvalidInput) as refused:
            plays.create(session, team.chief, {"name": " ", "steps": [{"text": "x", "kind": "dance"}]})
        assert set(refused.value.fields) == {"name", "steps"}


def test_what_followed_a_play_is_counted_where_it_can_be_known(team: Team, settings: Settings) -> None:
    now, day = clock.now_us(), clock.DAY_US
    cases = [(40, True, 20), (40, True, 5), (40, False, None), (40, True, None), (40, None, None), (10, True, 5)]
    with unit_of_work() as session:
        play = play_templates.adopt(session, team.chief, "payment_failed").id
        for customer, (ended, churned, left) in enumerate(cases, start=1):
            task = Task(
                customer_id=customer, state="done", outcome="saved", kind="call", source="desk", steps=[], play_id=play,
                created_at=now - 50 * day, updated_at=now, ended_at=now - ended * day,
            )  # fmt: skip
            session.add(task)
            found = session.get_one(Customer, customer)
            found.churned, found.churned_at = churned, None if left is None else now - left * day
        session.flush()
        counted = tried.of_plays(session, team.viewer)[play]
    assert (counted.done, counted.judged, counted.left, counted.too_early, counted.not_known) == (6, 3, 1, 1, 2)
    assert counted.left_share == pytest.approx(1 / 3)


def test_notes_are_personal_and_deleted_by_their_author_alone(team: Team, settings: Settings, task: TaskView) -> None:
    with unit_of_work() as session:
        note = notes.write(session, team.ada, task.user_id, " Ring after six. ", task_id=task.id)
        assert (note.text, note.mine) == ("Ring after six.", True)
        for door in (
            lambda: notes.of_customer(session, team.viewer, task.user_id),
            lambda: notes.write(session, team.viewer, task.user_id, "x"),
            lambda: notes.remove(session, team.bea, note.id),
        ):
            with pytest.raises(Forbidden):
                door()
        with pytest.raises(InvalidInput):
            notes.write(session, team.ada, task.user_id, "  ")
        other = next(user for user in ("cus_00000", "cus_00001") if user != task.user_id)
        with pytest.raises(NotFound):
            notes.write(session, team.ada, other, "x", task_id=task.id)
        notes.remove(session, team.ada, note.id)
        assert notes.of_customer(session, team.ada, task.user_id).total == 0


def test_tasks_and_notes_stand_in_the_timeline_and_go_with_the_person(
    team: Team, settings: Settings, task: TaskView
) -> None:
    with unit_of_work() as session:
        endings.end(session, team.ada, settings, task.id, "saved", note="Was kind.")
    with unit_of_work() as session:
        told = {entry.source: entry.facts for entry in timeline.read(session, team.ada, task.user_id).entries}
        assert told["note"]["text"] == "Was kind."
        assert (told["task"]["outcome"], told["task"]["owner"]) == ("saved", "Ada")
        seen = {entry.source for entry in timeline.read(session, team.viewer, task.user_id).entries}
        assert "task" in seen
        assert "note" not in seen
        extent = portrait.extent(session, task.user_id)
        assert (extent.tasks, extent.notes) == (1, 1)
        found: Any = portrait.export(session, SYSTEM, task.user_id)
        assert (found["tasks"][0]["outcome"], found["notes"][0]["text"]) == ("saved", "Was kind.")
        assert "Ada" not in str(found["tasks"]) + str(found["notes"])
        removed = erasure.erase(session, SYSTEM, task.user_id, key=b"k" * 32)
        assert (removed["tasks"], removed["notes"], removed["exposures"]) == (1, 1, 1)
    with read_unit() as session:
        assert session.scalars(select(Note)).all() == []
        queue.read(session, SYSTEM, settings)


def test_sla_counts_add_up(team: Team, settings: Settings) -> None:
    now = clock.now_us()
    users = best(settings, 4)
    with unit_of_work() as session:
        made = [tasks.take(session, team.ada, settings, user).id for user in users[:2]]
        tasks.take(session, team.bea, settings, users[2])
        tasks.take(session, team.bea, settings, users[3], owner=None)
        row = session.get_one(Task, made[0])
        row.created_at = now - 4 * clock.HOUR_US
        late = session.get_one(Task, made[1])
        late.due_at = now - 1
        endings.end(session, team.ada, settings, made[0], "saved")
    with read_unit() as session:
        found = sla.read(session, team.viewer, settings)
    assert [(one.owner and one.owner.name, one.open, one.overdue, one.ended_7) for one in found.owners] == [
        ("Ada", 1, 1, 1),
        ("Bea", 1, 0, 0),
    ]
    assert (found.team.open, found.unassigned.open, found.team.in_time) == (3, 1, 1.0)
    assert found.team.median_hours == pytest.approx(4, abs=0.1)


def test_each_act_moves_the_desks_revision_and_no_figure_of_the_data(
    team: Team, settings: Settings, task: TaskView
) -> None:
    with unit_of_work() as session:
        before, figures = revisions.one(session, "desk"), revisions.read(session)
        tasks.snooze(session, team.ada, settings, task.id, clock.now_us() + clock.DAY_US)
        assert revisions.one(session, "desk") > before
        assert revisions.read(session) == figures
