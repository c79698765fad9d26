"""Statements about subscriptions: what is new is written, history as it became known, and the customers' own rows follow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.jobs.background import Background
from retainstream.lib import clock
from retainstream.services.events import standing
from retainstream.services.events.writing import SubscriptionWriter
from tests.services.events.conftest import DAY, NOW, batch, nobody, on_record, set_state, statement

Write = Callable[..., list[str]]
STATEMENTS = "SELECT plan, ended_at, end_reason, received_at FROM subscriptions ORDER BY received_at, id"
CUSTOMER = "SELECT plan, revenue_minor, currency, signup_at, churned, churned_at FROM customers"


def follow(now: int = NOW) -> int:
    ids = [row[0] for row in on_record("SELECT id FROM customers")]
    with unit_of_work() as session:
        return standing.refresh(session, ids, now)


def test_a_statement_that_says_nothing_new_is_a_duplicate(write: Write) -> None:
    assert write(statement(), statement()) == ["accepted", "duplicate"]
    assert write(statement(plan="pro"), now=NOW + 1) == ["accepted"]
    assert write(statement(plan="pro"), now=NOW + 2) == ["duplicate"]
    assert write(statement(), now=NOW + 3) == ["accepted"]  # back to basic is news
    assert [row[0] for row in on_record(STATEMENTS)] == ["basic", "pro", "basic"]


def test_history_becomes_known_at_its_start_and_at_its_end(write: Write) -> None:
    ended = statement(ended=NOW - 10 * DAY, reason="voluntary", known_at_time=True)
    running = statement(known_at_time=True)
    assert write(running) == ["accepted"]
    assert write(ended) == ["accepted"]
    assert write(ended, running, ended) == ["duplicate"] * 3
    assert on_record(STATEMENTS) == [
        ("basic", None, None, NOW - 90 * DAY),
        ("basic", NOW - 10 * DAY, "voluntary", NOW - 10 * DAY),
    ]


def test_an_end_ahead_is_never_known_in_the_future(write: Write) -> None:
    write(statement(ended=NOW + 20 * DAY, reason="voluntary", known_at_time=True))
    assert [row[3] for row in on_record(STATEMENTS)] == [NOW - 90 * DAY, NOW]
    follow()
    assert on_record(CUSTOMER)[0][4:] == (0, None)
    with unit_of_work() as session:
        assert standing.pass_time(session, NOW, NOW + DAY) == 0
        assert standing.pass_time(session, NOW + DAY, NOW + 21 * DAY) == 1
    assert on_record(CUSTOMER)[0][4:] == (1, NOW + 20 * DAY)


def test_the_start_of_a_subscription_whose_end_is_announced_tells_how_far_the_data_goes(minimal_app: Flask) -> None:
    writer = SubscriptionWriter("test", now=NOW, erased=nobody)
    with unit_of_work() as session:
        counts = writer.write(session, statement(started=NOW - DAY, ended=NOW + 20 * DAY, reason="voluntary")).counts
    assert (counts["future"], counts["late"]) == (1, 0)
    told = writer.arrival()
    assert (told["first_occurred"], told["last_occurred"], told["received"]) == (NOW - DAY, NOW - DAY, NOW)
    assert told["days"] == [NOW // DAY]


def test_a_key_stays_with_its_customer(write: Write) -> None:
    assert write(statement(key="k"), statement(key="k", user_id="v")) == ["accepted", "other_customer"]
    assert write(statement(key="k", user_id="v"), feed="another") == ["accepted"]


def test_customers_follow_their_newest_statements(write: Write) -> None:
    write(statement(key="old", ended=NOW - 30 * DAY, reason="payment_failed", plan="basic"))
    follow()
    assert on_record(CUSTOMER) == [("basic", 900, "EUR", NOW - 90 * DAY, 1, NOW - 30 * DAY)]
    write(statement(key="new", plan="pro", revenue_minor=1500, started=NOW - 5 * DAY))
    write(statement(key="add-on", plan="extra", revenue_minor=300, started=NOW - 6 * DAY))
    follow()
    assert on_record(CUSTOMER) == [("pro", 1800, "EUR", NOW - 90 * DAY, 0, None)]
    assert follow() == 0


def test_a_load_is_followed_and_taken_back(write: Write) -> None:
    with unit_of_work() as session:
        connection = session.connection()
        connection.exec_driver_sql(
            "INSERT INTO customers (id, version_id, plan, revenue_minor, currency, signup_at, churned, churned_at, tags, created_at, updated_at) "
            "VALUES (1, 5, 'silver', 700, 'EUR', 123, 1, 456, '[]', 1, 1)"
        )
        connection.exec_driver_sql("INSERT INTO identities (customer_id, user_id) VALUES (1, 'u')")
        connection.exec_driver_sql(
            "INSERT INTO attribute_versions (id, customer_id, source, valid_from, known_at, plan, revenue_minor, currency, signup_at) "
            "VALUES (5, 1, 'import', 1, 1, 'silver', 700, 'EUR', 123)"
        )
        connection.exec_driver_sql(
            "INSERT INTO churn_definitions (id, name, version, kind, created_at, parameters) VALUES (1, 'x', 1, 'labelled_column', 1, '{}')"
        )
        connection.exec_driver_sql(
            "INSERT INTO labels (customer_id, definition_id, value, churned_at, known_at) VALUES (1, 1, 1, 456, 1)"
        )
    before = on_record(CUSTOMER)
    load = batch(target="subscriptions")
    write(statement(plan="pro"), batch_id=load)
    with unit_of_work() as session:
        assert standing.follow_batch(session, load, NOW) == 0  # nobody sees it yet
    set_state(load, "applied")
    with unit_of_work() as session:
        assert standing.follow_batch(session, load, NOW) == 1
    assert on_record(CUSTOMER) == [("pro", 900, "EUR", 123, 0, None)]
    set_state(load, "undoing")
    with unit_of_work() as session:
        assert standing.withdraw_batch(session, load, NOW) == 1
    assert on_record(CUSTOMER) == before


def test_the_hourly_round_lets_announced_ends_take_effect(
    minimal_app: Flask, settings: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(statement(ended=NOW + DAY, reason="voluntary"))
    follow()
    assert on_record(CUSTOMER)[0][4:] == (0, None)
    monkeypatch.setattr(clock, "now_us", lambda: NOW + 2 * DAY)
    Background(minimal_app, settings).keep_house()
    assert on_record(CUSTOMER)[0][4:] == (1, NOW + DAY)
