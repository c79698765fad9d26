"""Who needs somebody: groups agree with the lists and figures that stand beside them, and know nothing of later days."""

from __future__ import annotations

import math
import secrets
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.models import (
    Customer,
    Event,
    EventKind,
    Feed,
    Identity,
    LatestScore,
    ModelVersion,
    RunPerformance,
    ScoreHistory,
    ScoringRun,
    Task,
)
from retainstream.services import revisions, trend
from retainstream.services.customers import counted, groups, lists, window
from retainstream.services.customers.filters import CustomerFilter, count, ids
from tests.conftest import Cast
from tests.web.stocked import stock

DAY = clock.DAY_US


@pytest.fixture
def box(minimal_app: Flask) -> int:
    """A box with 60 customers, of whom 48 are active and scored; the as-of of their scores."""
    stock(60)
    with read_unit() as session:
        return session.scalars(select(ScoringRun.as_of)).one()


def earlier_run(moment: int, margins: dict[int, float], **values: object) -> int:
    with unit_of_work() as session:
        run = ScoringRun(
            model_version_id=1,
            role="replay",
            state="complete",
            scope="all",
            as_of=moment,
            data_as_of=moment,
            definition_id=1,
            feature_hash="f" * 64,
            started_at=moment,
            finished_at=moment,
            n_scored=len(margins),
            **values,
        )
        session.add(run)
        session.flush()
        session.add_all(ScoreHistory(customer_id=one, run_id=run.id, margin=margin) for one, margin in margins.items())
        revisions.bump(session, "scores")
        return run.id


def margins_now() -> dict[int, float]:
    with read_unit() as session:
        return dict(session.execute(select(LatestScore.customer_id, LatestScore.margin)).all())  # type: ignore[arg-type]


def read() -> groups.Groups:
    with read_unit() as session:
        return groups.read(session)


def test_nobody_is_in_a_group_before_anybody_was_scored(minimal_app: Flask) -> None:
    found = read()
    assert set(found.members) == set(groups.TITLES)
    assert not any(found.members.values())


@pytest.mark.usefixtures("box")
def test_leaving_soon_is_who_is_at_high_risk_and_most_is_lost_first() -> None:
    found = read().members["leaving_soon"]
    with read_unit() as session:
        assert len(found) == count(session, CustomerFilter(bands=(2, 3))) > 5
        loss = dict(
            session.execute(
                select(Customer.id, Customer.revenue_minor * LatestScore.probability).join(
                    LatestScore, LatestScore.customer_id == Customer.id
                )
            ).all()  # type: ignore[arg-type]
        )
    assert [loss[one] for one in found] == sorted((loss[one] for one in found), reverse=True)


def test_a_rise_is_told_from_an_honest_run_of_a_week_before(box: int) -> None:
    now = margins_now()
    riskiest = max(now, key=lambda one: now[one])
    earlier_run(box - 7 * DAY, {**now, riskiest: min(now.values()) - 1})
    found = read()
    assert found.members["risen"] == (riskiest,)
    assert found.rises[riskiest] > 0.9
    assert found.compared_with == box - 7 * DAY


@pytest.mark.parametrize("days", [2, 40])
def test_no_rise_is_told_from_a_run_of_another_time(box: int, days: int) -> None:
    now = margins_now()
    earlier_run(box - days * DAY, dict.fromkeys(now, 0.0))
    assert (read().members["risen"], read().compared_with) == ((), None)


def test_no_rise_is_told_from_a_model_that_knew_of_later_days(box: int) -> None:
    with unit_of_work() as session:
        session.get_one(ModelVersion, 1).as_of = box
    now = margins_now()
    riskiest = max(now, key=lambda one: now[one])
    earlier_run(box - 7 * DAY, {**now, riskiest: -9.0})
    assert read().members["risen"] == ()


def test_payment_trouble_is_a_failure_with_no_payment_since_as_far_as_was_known(box: int) -> None:
    def happened(session: object, customer: int, kind: int, days: float, late: float = 0.0) -> None:
        at = box - math.floor(days * DAY)
        session.add(  # type: ignore[attr-defined]
            Event(
                key=secrets.token_bytes(16),
                customer_id=customer,
                kind_id=kind,
                feed_id=1,
                occurred_at=at,
                received_at=at + math.floor(late * DAY),
            )
        )

    with unit_of_work() as session:
        session.add_all(
            EventKind(id=n, name=name, created_at=0)
            for n, name in ((1, "payment_failed"), (2, "payment_succeeded"), (3, "login"))
        )
        session.add(Feed(id=1, name="billing", created_at=0))
        session.flush()
        happened(session, 1, 1, 3)  # in trouble
        happened(session, 2, 1, 3)
        happened(session, 2, 2, 2)  # paid since
        happened(session, 3, 2, 9)
        happened(session, 3, 1, 3)  # paid before, failed since: in trouble
        happened(session, 4, 1, 40)  # long ago
        happened(session, 6, 1, 3, late=9)  # was not known yet
        happened(session, 7, 3, 3)  # another kind
        revisions.bump(session, "events", "scores")
    assert set(read().members["payment_trouble"]) == {1, 3}


@pytest.mark.usefixtures("box")
def test_the_list_behind_a_group_holds_its_members() -> None:
    with read_unit() as session:
        members = groups.read(session).members["leaving_soon"]
        assert count(session, groups.narrowed(session, CustomerFilter(), "leaving_soon")) == len(members)
        assert count(session, groups.narrowed(session, CustomerFilter(), "risen")) == 0
        with pytest.raises(InvalidInput, match="no group"):
            groups.narrowed(session, CustomerFilter(), "nobody")


@pytest.mark.parametrize(("limit", "plans"), [(1, ()), (3, ()), (2, ("Standard", "Premium", "Family")), (500, ())])
@pytest.mark.usefixtures("box")
def test_pages_of_a_group_follow_its_order_on_and_back(limit: int, plans: tuple[str, ...]) -> None:
    with read_unit() as session:
        members = groups.read(session).members["leaving_soon"]
        wanted = groups.narrowed(session, CustomerFilter(plans=plans), "leaving_soon")
        matching = set(session.scalars(ids(wanted)))
        expected = [one for one in members if one in matching]
        assert 2 < len(expected) == len(matching)
        assert (len(expected) < len(members)) == bool(plans)
        there, after = [], None
        while True:
            page = window.read(session, wanted, lists.GROUP_ORDER, limit=limit, after=after)
            assert lists.page_of_ids(session, wanted, "group", PageRequest(limit, after))[0] == page.ids
            there.append(page.ids)
            if page.following is None:
                break
            after = page.following
        assert [one for each in there for one in each] == expected
        back = [page.ids]
        while page.preceding:
            page = window.read(session, wanted, lists.GROUP_ORDER, limit=limit, before=page.preceding)
            back.append(page.ids)
        assert back[::-1] == there


@pytest.mark.usefixtures("box")
def test_only_a_group_has_a_groups_order() -> None:
    with read_unit() as session, pytest.raises(InvalidInput, match="sorted by 'group'"):
        window.read(session, CustomerFilter(), lists.GROUP_ORDER)


def test_the_trend_tells_what_was_expected_and_what_came(box: int) -> None:
    run = earlier_run(box - 60 * DAY, {1: 0.0, 2: 0.0}, summary={"expected_churners": 0.5, "predicted_churners": 1})
    with unit_of_work() as session:
        session.add(
            RunPerformance(
                run_id=run,
                data_end=box,
                evaluated_at=box,
                metrics={"observed_share": 0.5, "metrics": {"auc": {"value": 0.8}}},
            )
        )
    with read_unit() as session:
        past = trend.moments(session)
    assert [one.as_of for one in past] == [box - 60 * DAY, box]
    assert (past[0].expected_share, past[0].left_share, past[0].auc, past[0].predicted) == (0.25, 0.5, 0.8, 1)
    assert (past[1].left_share, past[1].auc) == (None, None)


def in_order(app: Flask, name: str) -> list[str]:
    """Return the identifiers of a group's members in its order."""
    with app.app_context(), read_unit() as session:
        names = dict(session.execute(select(Identity.customer_id, Identity.user_id)).all())  # type: ignore[arg-type]
        return [names[one] for one in groups.read(session).members[name]]


def test_the_api_lists_a_group(app: Flask, client: FlaskClient, cast: Cast) -> None:
    with app.app_context():
        made = stock(60)
    headers = cast.token("viewer")
    found = client.get("/api/v1/customers?group=leaving_soon", headers=headers).get_json()
    assert found["total"] == made.risky == len(found["items"])
    assert client.get("/api/v1/customers?group=risen", headers=headers).get_json()["total"] == 0
    assert [item["user_id"] for item in found["items"]] == in_order(app, "leaving_soon")
    by_risk = client.get("/api/v1/customers?group=leaving_soon&sort=-risk", headers=headers).get_json()["items"]
    margins = [item["margin"] for item in by_risk]
    assert margins == sorted(margins, reverse=True) != [item["margin"] for item in found["items"]]
    file = client.get("/api/v1/customers/export.csv?group=leaving_soon", headers=cast.token("analyst")).text
    assert [line.split(",")[0] for line in file.splitlines()[1:]] == in_order(app, "leaving_soon")
    alone = client.get("/api/v1/customers?sort=group", headers=headers)
    assert (alone.status_code, list(alone.get_json()["error"]["fields"])) == (422, ["sort"])
    refused = client.get("/api/v1/customers?group=nobody", headers=headers)
    assert refused.status_code == 422
    assert "group" in refused.get_json()["error"]["fields"]


def ended(customer: int, outcome: str, at: int) -> None:
    with unit_of_work() as session:
        times = {"created_at": at, "updated_at": at, "ended_at": at}
        session.add(Task(customer_id=customer, state="done", outcome=outcome, source="desk", steps=[], **times))
        revisions.bump(session, "desk")


@pytest.mark.usefixtures("box")
def test_saved_this_month_is_who_said_to_stay_when_their_last_task_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 5, 20, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    today = clock.to_us(now)
    before = read().members["leaving_soon"]
    assert read().members["saved"] == ()
    ended(1, "saved", today - 3 * DAY)
    ended(2, "saved", today - DAY)
    ended(3, "saved", today - 5 * DAY)
    ended(3, "left", today - 2 * DAY)  # said otherwise since
    ended(4, "saved", clock.to_us(datetime(2026, 4, 30, 23, 59, tzinfo=UTC)))
    ended(5, "saved", today - DAY)  # has left for good: no active customer
    found = read()
    assert found.members["saved"] == (2, 1) and found.saved == {2: today - DAY, 1: today - 3 * DAY}
    assert found.members["leaving_soon"] == before
    with read_unit() as session:
        wanted = groups.narrowed(session, CustomerFilter(), "saved")
        assert counted.total(session, wanted) == count(session, wanted) == 2
        assert lists.page_of_ids(session, wanted, "group", PageRequest(limit=10))[0] == [2, 1]
    ended(6, "saved", today)
    with read_unit() as session:
        assert counted.total(session, groups.narrowed(session, CustomerFilter(), "saved")) == 3, "at once, not later"
