"""Today's list: what it is ranked by, how it is cut, and who is never in it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Forbidden, InvalidInput
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import Customer, Exposure, Identity, LatestScore
from retainstream.security.actor import SYSTEM, Actor
from retainstream.services import exposures, preferences, revisions
from retainstream.services.desk import queue, ranking, tasks
from retainstream.services.desk.queue import Today, Whose
from tests.services.desk.conftest import Team


def prefer(**changes: Any) -> None:
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, changes)


def today(settings: Settings, who: Actor = SYSTEM, whose: Whose = "team", **page: Any) -> Today:
    with read_unit() as session:
        return queue.read(session, who, settings, whose, PageRequest(**page))


def take(settings: Settings, who: Actor, user_id: str, **options: Any) -> int:
    with unit_of_work() as session:
        return tasks.take(session, who, settings, user_id, **options).id


def test_net_gain_is_acceptance_times_probability_times_value_less_cost(team: Team, settings: Settings) -> None:
    prefer(acceptance=0.5, value_minor=10_000, contact_cost_minor=250, incentive_minor=0, daily_capacity=10_000)
    with read_unit() as session:
        rows = session.execute(
            select(Identity.user_id, LatestScore.probability, Customer.revenue_minor)
            .join(Customer, Customer.id == Identity.customer_id)
            .join(LatestScore, LatestScore.customer_id == Customer.id)
        ).all()
    mean = sum(row[2] for row in rows) / len(rows)
    expected = {user_id: round(0.5 * p * 10_000 * revenue / mean - 250) for user_id, p, revenue in rows}
    found = today(settings, limit=500)
    assert found.measure == "net_gain"
    assert {entry.user_id: entry.net_gain_minor for entry in found.entries} == {
        user_id: gain for user_id, gain in expected.items() if gain > 0
    }
    gains = [entry.net_gain_minor or 0 for entry in found.entries]
    assert gains == sorted(gains, reverse=True)
    assert found.expected_gain_minor == sum(gains)
    assert found.counts.proposed_total == found.total == len(gains)


def test_unknown_revenue_is_worth_the_set_value_and_other_currencies_have_their_own_mean(
    team: Team, settings: Settings
) -> None:
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=0.5))
        session.execute(update(Customer).where(Customer.id == 1).values(revenue_minor=None))
        session.execute(update(Customer).where(Customer.id.in_([2, 3])).values(currency="JPY", revenue_minor=300))
        session.execute(update(Customer).where(Customer.id == 3).values(revenue_minor=100))
        revisions.bump(session, "customers")
        order = ranking.read(session, settings)
    flat = round(0.3 * 0.5 * 20_000 - 1_100)
    assert order.gain_at(order.place(1)) == flat
    assert order.gain_at(order.place(2)) == round(0.3 * 0.5 * 20_000 * 1.5 - 1_100)
    assert order.gain_at(order.place(3)) == round(0.3 * 0.5 * 20_000 * 0.5 - 1_100)
    assert order.place(5) is None  # has left


def test_what_is_done_due_or_taken_today_counts_once_against_the_capacity(team: Team, settings: Settings) -> None:
    prefer(daily_capacity=5)
    first = today(settings)
    assert [entry.state for entry in first.entries] == ["proposed"] * 5
    number = take(settings, team.ada, first.entries[0].user_id)
    second = today(settings)
    assert (second.used, second.total) == (1, 5)
    assert [entry.user_id for entry in second.entries] == [entry.user_id for entry in first.entries]
    with unit_of_work() as session:
        tasks.change(session, team.ada, settings, number, {"due_at": clock.now_us() - 1})
    assert today(settings).used == 1
    prefer(daily_capacity=1)
    assert (today(settings).empty, today(settings).total) == ("capacity_used", 1)


def test_due_tasks_come_first_then_tasks_and_proposals_by_gain(team: Team, settings: Settings) -> None:
    users = [entry.user_id for entry in today(settings).entries]
    late = take(settings, team.ada, users[7])
    take(settings, team.bea, users[3])
    with unit_of_work() as session:
        tasks.change(session, team.ada, settings, late, {"due_at": clock.now_us() - clock.HOUR_US})
    found = today(settings)
    assert found.entries[0].user_id == users[7]
    assert [entry.state for entry in found.entries[:5]] == ["overdue", "proposed", "proposed", "proposed", "upcoming"]
    assert found.counts.overdue == 1


def test_whose_part(team: Team, settings: Settings) -> None:
    users = [entry.user_id for entry in today(settings).entries]
    take(settings, team.ada, users[0])
    take(settings, team.bea, users[1])
    take(settings, team.bea, users[2], owner=None)
    assert [entry.user_id for entry in today(settings, team.ada, "mine").entries] == users[:1]
    assert [entry.user_id for entry in today(settings, team.ada, team.bea.user_id or 0).entries] == [users[1]]
    free = today(settings, team.ada, "unassigned")
    assert free.entries[0].user_id == users[2]
    assert users[0] not in {entry.user_id for entry in free.entries}
    assert free.counts == today(settings).counts
    assert free.counts.unassigned == 1


def test_pages_hold_everybody_once_in_order(team: Team, settings: Settings) -> None:
    whole = [entry.user_id for entry in today(settings).entries]
    found: list[str] = []
    cursor = None
    while True:
        page = today(settings, limit=7, cursor=cursor)
        found += [entry.user_id for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == whole
    with pytest.raises(InvalidInput):
        today(settings, cursor="elsewhere")


def test_a_sleeping_task_leaves_the_list_until_it_wakes(team: Team, settings: Settings) -> None:
    user = today(settings).entries[0].user_id
    number = take(settings, team.ada, user)
    with unit_of_work() as session:
        tasks.snooze(session, team.ada, settings, number, clock.now_us() + clock.HOUR_US)
    asleep = today(settings)
    assert user not in {entry.user_id for entry in asleep.entries}
    assert asleep.counts.snoozed == 1
    with unit_of_work() as session:
        tasks.wake(session, team.ada, settings, number)
    assert user in {entry.user_id for entry in today(settings).entries}


def test_whoever_was_treated_lately_rests(team: Team, settings: Settings) -> None:
    first, second = (entry.user_id for entry in today(settings).entries[:2])
    old = clock.now_us() - 15 * clock.DAY_US
    with unit_of_work() as session:
        exposures.record(session, team.ada, first, kind="call", source="api")
        exposures.record(session, team.ada, second, kind="call", source="api", at=old)
    found = today(settings)
    users = [entry.user_id for entry in found.entries]
    assert first not in users
    assert users[0] == second
    assert found.counts.resting == 1
    assert found.entries[0].last_act is not None
    assert found.entries[0].last_act.at == old
    prefer(rest_days=0)
    assert today(settings).entries[0].user_id == first


def test_the_hold_out_is_counted_and_never_shown(team: Team, settings: Settings) -> None:
    everybody = today(settings, limit=500).counts.proposed_total
    number = take(settings, team.ada, today(settings).entries[0].user_id)
    prefer(hold_out_share=0.5)
    with read_unit() as session:
        found = queue.read(session, SYSTEM, settings, "team", PageRequest(500))
        assert not [entry.user_id for entry in found.entries if exposures.held_out(session, entry.user_id)]
    assert 0 < found.counts.held_out < everybody
    shown = number in {entry.task.id for entry in found.entries if entry.task}
    assert found.counts.proposed_total + found.counts.held_out + shown == everybody


def test_without_probabilities_the_list_goes_by_rank_and_tells_no_money(team: Team, settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=None))
        revisions.bump(session, "scores")
    take(settings, team.ada, today(settings).entries[3].user_id)
    found = today(settings)
    assert found.measure == "rank"
    assert found.expected_gain_minor is None
    assert {entry.net_gain_minor for entry in found.entries} == {None}
    assert {entry.probability for entry in found.entries} == {None}
    assert found.total == found.capacity == 20


def test_an_empty_list_says_why(team: Team, settings: Settings) -> None:
    prefer(contact_cost_minor=10**9)
    assert (today(settings).empty, today(settings).total) == ("nothing_pays", 0)
    with unit_of_work() as session:
        session.query(LatestScore).delete()
        revisions.bump(session, "scores")
    assert today(settings).empty == "no_scores"
    with unit_of_work() as session:
        session.query(Customer).delete()
        revisions.bump(session, "customers")
    assert today(settings).empty == "no_customers"


def test_reading_writes_nothing_and_a_viewer_sees_no_names(team: Team, settings: Settings) -> None:
    found = today(settings, team.viewer)
    assert {entry.name for entry in found.entries} == {None}
    assert all(entry.name for entry in today(settings, team.ada).entries)
    assert found.entries[0].reasons[0]["sentence"]
    with read_unit() as session:
        assert session.scalars(select(Exposure)).all() == []
    with pytest.raises(Forbidden):
        today(settings, Actor("user", frozenset()))


def test_one_customers_line_is_the_lists_line(team: Team, settings: Settings) -> None:
    entry = today(settings).entries[2]
    with read_unit() as session:
        assert queue.entry_of(session, SYSTEM, settings, entry.user_id) == entry
        left = session.scalars(
            select(Identity.user_id).join(Customer, Customer.id == Identity.customer_id).where(Customer.churned)
        ).first()
        assert queue.entry_of(session, SYSTEM, settings, str(left)) is None
