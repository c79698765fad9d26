"""Whatever people do at the desk, in whatever order: nobody of the hold-out is shown, taken or treated."""

from __future__ import annotations

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import RetainStreamError
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import Exposure, Identity, Note, Task
from retainstream.security.actor import SYSTEM
from retainstream.services import exposures, preferences, revisions
from retainstream.services.desk import assigning, endings, queue, tasks
from tests.services.desk.conftest import Team

ACTS = ("take", "queue", "top", "named", "end", "drop", "reopen", "snooze", "share")
steps = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 59)), min_size=1, max_size=10)


def do(session: Session, team: Team, settings: Settings, act: str, number: int) -> None:
    ada = team.ada.user_id or 0
    ids = list(session.scalars(select(Task.id).order_by(Task.id)))
    one = ids[number % len(ids)] if ids else 0
    if act == "take":
        tasks.take(session, team.ada, settings, f"cus_{number:05d}")
    elif act == "queue":
        entries = queue.read(session, SYSTEM, settings, "unassigned").entries
        if entries:
            tasks.take(session, team.ada, settings, entries[number % len(entries)].user_id)
    elif act == "top":
        assigning.assign_many(session, team.chief, settings, ada, top=1 + number % 5)
    elif act == "named":
        users = [f"cus_{(number + place) % 60:05d}" for place in range(4)]
        assigning.assign_many(session, team.chief, settings, ada, user_ids=users, reassign=True)
    elif act == "end":
        outcome = ("saved", "left", "unreachable", "wrong")[number % 4]
        endings.end(session, team.ada, settings, one, outcome, reason="as it is")
    elif act == "drop":
        endings.drop(session, team.ada, settings, one)
    elif act == "reopen":
        endings.reopen(session, team.ada, settings, one)
    elif act == "snooze":
        tasks.snooze(session, team.ada, settings, one, clock.now_us() + clock.HOUR_US)
    else:
        preferences.write(session, SYSTEM, {"hold_out_share": (number % 6) / 10})


@given(st.integers(0, 5), steps)
@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_nobody_of_the_hold_out_is_ever_reached(
    team: Team, settings: Settings, share: int, sequence: list[tuple[str, int]]
) -> None:
    with unit_of_work() as session:
        for model in (Note, Task, Exposure):
            session.execute(delete(model))
        revisions.bump(session, "desk", "removals")
        preferences.write(session, SYSTEM, {"hold_out_share": share / 10, "daily_capacity": 8})
    for act, number in sequence:
        with read_unit() as session:
            newest = session.scalar(select(func.max(Exposure.id))) or 0
            last = session.scalar(select(func.max(Task.id))) or 0
        try:
            with unit_of_work() as session:
                do(session, team, settings, act, number)
        except RetainStreamError:
            pass
        with read_unit() as session:
            users: dict[int, str] = dict(session.execute(select(Identity.customer_id, Identity.user_id)).all())
            held = {one for one, user_id in users.items() if exposures.held_out(session, user_id)}
            found = queue.read(session, SYSTEM, settings, "team", PageRequest(500))
            assert not held & {entry.customer_id for entry in found.entries}
            for written in session.scalars(select(Exposure).where(Exposure.id > newest)):
                assert (written.arm == exposures.HELD_OUT) == (written.customer_id in held)
            assert not held & set(session.scalars(select(Task.customer_id).where(Task.id > last)))
            waiting = session.scalars(select(Task.customer_id).where(Task.state == "open")).all()
            assert len(waiting) == len(set(waiting))
