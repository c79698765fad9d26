"""What could be done next for a customer: which play and why, when an offer is in order, and what else is bought."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import (
    AnalysisRun,
    Customer,
    Event,
    EventKind,
    Exposure,
    Feed,
    LatestScore,
    Play,
    Setting,
    Task,
)
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.permissions import ROLE_PERMISSIONS, Role
from retainstream.services import exposures, preferences, revisions
from retainstream.services.analyses import material
from retainstream.services.recommendations import advice, cross_sell
from retainstream.services.recommendations.advice import Advice
from tests.web.stocked import stock

VIEWER = Actor(kind="user", permissions=ROLE_PERMISSIONS[Role.VIEWER], user_id=1)


@pytest.fixture(autouse=True)
def box(minimal_app: Flask) -> None:
    """60 customers, the first of whom is at the highest risk; a play for days since the last log-in; no hold-out."""
    stock(60)
    now = clock.now_us()
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.0})
        steps = [{"text": "Ring", "kind": "call"}]
        session.add(
            Play(
                id=1, name="Say hello", description="", features=["last_*"], steps=steps, created_at=now, updated_at=now
            )
        )


def advise(settings: Settings, user_id: str = "cus_00000", actor: Actor = SYSTEM) -> Advice:
    with read_unit() as session:
        return advice.of_customer(session, actor, settings, user_id)


def met(found: Advice) -> dict[str, bool | None]:
    assert found.offer is not None
    return {condition.key: condition.met for condition in found.offer.conditions}


def test_a_play_comes_with_the_reason_that_it_fits_and_what_followed(settings: Settings) -> None:
    now = clock.now_us()
    with unit_of_work() as session:
        for number in (2, 3):
            ended = now - 40 * clock.DAY_US
            session.add(
                Task(
                    customer_id=number, state="done", outcome="saved", source="desk", play_id=1, steps=[],
                    created_at=ended, updated_at=ended, ended_at=ended,
                )
            )  # fmt: skip
    found = advise(settings)
    assert found.action is not None
    assert (found.action.play.name, found.action.reason["feature"]) == ("Say hello", "last_login_days")
    assert (found.action.tried.done, found.action.tried.causal) == (2, False)
    told: Any = found.to_dict()
    assert "not a causal figure" in told["next_action"]["caution"]
    assert told["next_action"]["reason"]["sentence"]


def test_why_there_is_no_play_is_said(settings: Settings) -> None:
    now = clock.now_us()
    with unit_of_work() as session:
        session.add(Task(customer_id=1, state="open", source="desk", steps=[], created_at=now, updated_at=now))
        session.execute(
            update(LatestScore).where(LatestScore.customer_id == 2).values(reasons=json.dumps([[2, -0.2, 1.0]]))
        )
        session.execute(
            update(LatestScore).where(LatestScore.customer_id == 3).values(reasons=json.dumps([[1, 0.2, 1.0]]))
        )
    assert "open task" in advise(settings).why_not
    assert "raises the score" in advise(settings, "cus_00001").why_not
    assert "No play in force" in advise(settings, "cus_00002").why_not
    assert "has left" in advise(settings, "cus_00004").why_not
    with pytest.raises(NotFound):
        advise(settings, "nobody")


def test_an_offer_is_in_order_when_every_condition_is_met(settings: Settings) -> None:
    found = advise(settings)
    assert met(found) == dict.fromkeys(("active", "not_held_out", "rested", "net_gain", "depth"), True)
    assert found.offer is not None
    assert found.offer.in_order
    assert found.offer.at_most is not None
    assert found.offer.at_most > preferences.Preferences().incentive_minor, (
        "what is gained beyond the usual incentive can be spent, too"
    )


def spoil_by_leaving() -> None:
    with unit_of_work() as session:
        session.execute(update(Customer).where(Customer.id == 1).values(churned=True))


def spoil_by_hold_out() -> None:
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"hold_out_share": 0.5})
        salt = exposures.salt(session)
        assert exposures.in_hold_out(salt, "cus_00000", 1.0)


def spoil_by_an_act() -> None:
    now = clock.now_us()
    with unit_of_work() as session:
        session.add(
            Exposure(
                customer_id=1,
                at=now - 3 * clock.DAY_US,
                kind="call",
                source="t",
                arm="treated",
                propensity=1.0,
                recorded_at=now,
            )
        )


def spoil_by_cost() -> None:
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"contact_cost_minor": 900_000, "incentive_minor": 0})


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (spoil_by_leaving, {"active", "net_gain", "depth"}),
        (spoil_by_an_act, {"rested"}),
        (spoil_by_cost, {"net_gain", "depth"}),
    ],
)
def test_each_condition_can_fail(settings: Settings, spoil: Callable[[], None], broken: set[str]) -> None:
    spoil()
    with unit_of_work() as session:
        revisions.bump(session, "customers")
    found = advise(settings)
    assert {key for key, value in met(found).items() if not value} == broken
    assert found.offer is not None
    assert not found.offer.in_order


def test_whoever_is_held_out_gets_no_offer(settings: Settings) -> None:
    spoil_by_hold_out()
    with read_unit() as session:
        alone = [f"cus_{number:05d}" for number in range(4) if exposures.held_out(session, f"cus_{number:05d}")]
        others = [f"cus_{number:05d}" for number in range(4) if f"cus_{number:05d}" not in alone]
    for names, wanted in ((alone, False), (others, True)):
        for name in names:
            assert met(advise(settings, name))["not_held_out"] is wanted


def test_nothing_is_proposed_for_whoever_is_held_out(settings: Settings) -> None:
    assert advise(settings).action is not None
    with unit_of_work() as session:
        session.get_one(Setting, "hold_out_salt").value = next(
            salt for salt in map(str, range(99)) if exposures.in_hold_out(salt, "cus_00000", 0.5)
        )
        preferences.write(session, SYSTEM, {"hold_out_share": 0.5})
    found = advise(settings)
    assert found.action is None
    assert "permanent hold-out, which is kept apart to measure what acts save" in found.why_not


def test_nothing_is_proposed_within_the_days_of_rest(settings: Settings) -> None:
    spoil_by_an_act()
    found = advise(settings)
    assert (found.action, "3 days ago" in found.why_not) == (None, True)
    with unit_of_work() as session:
        preferences.write(session, SYSTEM, {"rest_days": 3})
    assert advise(settings).action is not None


def test_without_shown_probabilities_the_gain_is_not_known(settings: Settings) -> None:
    with unit_of_work() as session:
        session.execute(update(LatestScore).values(probability=None))
        revisions.bump(session, "scores")
    found = advise(settings)
    assert (met(found)["net_gain"], met(found)["depth"]) == (None, None)
    assert found.offer is not None
    assert (found.offer.at_most, found.offer.in_order) == (None, False)


def test_nobody_sees_what_they_may_not(settings: Settings) -> None:
    nothing = Actor(kind="user", permissions=frozenset(), user_id=1)
    found = advise(settings, actor=nothing)
    assert (found.action, found.offer, found.cross_sell["items"]) == (None, None, [])
    assert "events:read" in str(advise(settings, actor=VIEWER).cross_sell["note"])


def shop() -> None:
    """60 customers buy things: whoever of the first 20 bought a kettle bought tea, and one in four of the others did."""
    now = clock.now_us()
    with unit_of_work() as session:
        session.add(Feed(id=1, name="shop", created_at=now))
        session.add(EventKind(id=1, name="purchase", created_at=now))
        session.flush()
        lines = [(one, "kettle") for one in range(1, 21)] + [(one, "tea") for one in range(2, 21)]
        lines += [(one, "tea") for one in range(21, 61, 4)] + [(one, "cup") for one in range(1, 61)]
        for number, (customer, product) in enumerate(lines):
            session.add(
                Event(
                    customer_id=customer, kind_id=1, feed_id=1, occurred_at=now - clock.DAY_US, received_at=now,
                    key=number.to_bytes(16, "big"), properties=json.dumps({"product": product}),
                )
            )  # fmt: skip


def count(settings: Settings) -> dict[str, Any]:
    """Do the step of the analyse job, on a material that is in force."""
    now = clock.now_us()
    with unit_of_work() as session:
        run = AnalysisRun(kind="material", state="complete", as_of=now, data_as_of=now, made_at=now)
        session.add(run)
        session.flush()
        folder = settings.instance_path / material.FOLDER / str(run.id)
    folder.mkdir(parents=True)
    context: Any = SimpleNamespace(settings=settings, progress=lambda *_: None)
    return cross_sell.make(context, (0.0, 1.0))


def test_products_that_go_together_are_told_with_their_counts(settings: Settings) -> None:
    shop()
    assert count(settings) == {"buyers": 60, "pairs": 2}
    found: Any = advise(settings).cross_sell
    (item,) = found["items"]
    assert (item["bought"], item["product"], item["both"], item["n_bought"], item["n"]) == ("kettle", "tea", 19, 20, 60)
    assert item["lift"] == pytest.approx((19 / 20) / (29 / 60))
    assert item["interval"][0] < 0.95 < item["interval"][1]
    already: Any = advise(settings, "cus_00001").cross_sell
    assert (already["items"], already["note"]) == (
        [],
        "Nothing is bought surely more often by those who bought the same.",
    )
    with read_unit() as session:
        listed: Any = cross_sell.listing(session, settings, 10)
    assert {(one["bought"], one["product"]) for one in listed["items"]} == {("kettle", "tea"), ("tea", "kettle")}


def test_without_orders_there_is_a_sentence(settings: Settings) -> None:
    found: Any = advise(settings).cross_sell
    assert found["items"] == []
    assert "have not been made yet" in found["note"]
    with pytest.raises(NotReady, match="no purchases with a product"):
        count(settings)
    after: Any = advise(settings).cross_sell
    assert "no purchases with a product" in after["note"]
