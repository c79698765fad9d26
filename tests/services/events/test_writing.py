"""Events are on record once, whatever is sent again and in whatever order, and each row has its fate."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.lib.identifiers import keyed_hash
from retainstream.models import ErasureEntry, ImportBatch
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.customers.erasure import erase
from retainstream.services.events.people import erased_test
from retainstream.services.events.writing import MOST_KINDS, EventWriter
from retainstream.services.imports import turns
from tests.services.events.conftest import DAY, NOW, Event, batch, event_rows, nobody, on_record, set_state

Write = Callable[..., list[str]]
EVENTS = (
    "SELECT i.user_id, k.name, e.occurred_at, e.value, e.properties FROM events e JOIN identities i USING (customer_id) "
    "JOIN event_kinds k ON k.id = e.kind_id ORDER BY 1, 2, 3, 4, 5"
)

one_event = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["login", "watch"]),
    st.integers(NOW - 3, NOW),
    st.sampled_from([None, 0.0, 1.5]),
    st.sampled_from([None, '{"device":"tv"}']),
    st.none(),
)


@st.composite
def sendings(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """Return a set of events, some with keys, and sendings of them: each at least once, in any order, many again."""
    plain = draw(st.lists(one_event, min_size=1, max_size=12, unique=True))
    events: list[Event] = [(*event[:5], f"k{at}") if draw(st.booleans()) else event for at, event in enumerate(plain)]
    sent = draw(st.permutations(events))
    cuts = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    parts = [list(sent[a:b]) for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    again = draw(st.lists(st.lists(st.sampled_from(events), max_size=8, unique=True), max_size=3))
    return events, draw(st.permutations([*parts, *again]))


@given(sendings())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_order_and_any_repetition_leaves_the_same_events(
    migrated_file: Path, case: tuple[list[Event], list[list[Event]]]
) -> None:
    events, parts = case
    with tempfile.TemporaryDirectory() as folder:
        box = Settings(instance=folder)
        shutil.copy(migrated_file, box.database_file)
        with create_minimal_app(box).app_context():
            accepted: Counter[str] = Counter()
            for part in parts:
                writer = EventWriter("test", now=NOW, erased=nobody)
                with unit_of_work() as session:
                    accepted += writer.write(session, event_rows(part)).counts
            found = on_record(EVENTS)
            db.engine.dispose()
    assert accepted["accepted"] == len(events)
    assert sorted(map(repr, found)) == sorted(repr(event[:5]) for event in events)


def test_equal_rows_of_one_load_count_as_often_as_they_come(write: Write) -> None:
    login: Event = ("u", "login", NOW - DAY, None, None, None)
    chunks = [event_rows([login, login]), event_rows([login]), event_rows([login, login])]
    assert write(*chunks) == ["accepted"] * 5
    assert write(*chunks) == ["duplicate"] * 5
    assert write(event_rows([login] * 6)) == ["duplicate"] * 5 + ["accepted"]
    assert write(event_rows([login]), feed="another") == ["accepted"]


def test_the_first_of_two_events_with_one_key_stays(write: Write) -> None:
    first: Event = ("u", "login", NOW - DAY, 1.0, None, "k")
    second: Event = ("u", "login", NOW - DAY, 2.0, None, "k")
    assert write(event_rows([first, second])) == ["accepted", "duplicate"]
    assert write(event_rows([second])) == ["duplicate"]
    assert on_record("SELECT value FROM events") == [(1.0,)]


def test_every_fate_is_counted(minimal_app: Flask) -> None:
    secret = b"key"
    with unit_of_work() as session:
        session.add(ErasureEntry(keyed_hash=keyed_hash(secret, "gone"), erased_at=NOW))
        session.flush()
        erased = erased_test(session, secret)
    rows: list[Event] = [
        ("u", "login", NOW - 9 * DAY, None, None, None),
        ("u", "login", NOW - 9 * DAY, None, None, None),
        ("gone", "login", NOW, None, None, None),
        (" ", "login", NOW, None, None, None),
        ("u", "login", NOW + DAY, None, None, "ahead"),
        ("u", "login", NOW - 10 * DAY, None, None, "older"),
        ("u", "login", NOW - 10 * DAY, None, None, "older"),
        ("v", "watch", NOW - 1, None, None, None),
    ]
    writer = EventWriter("test", now=NOW, erased=erased)
    with unit_of_work() as session:
        fates = writer.write(session, event_rows(rows, received=NOW))
    assert fates.per_row == ["accepted"] * 2 + ["erased", "no_customer"] + ["accepted"] * 2 + ["duplicate", "accepted"]
    expected = {"accepted": 5, "duplicate": 1, "erased": 1, "no_customer": 1, "late": 3, "future": 1}
    assert fates.counts == expected | {"out_of_order": 1, "new_customers": 2, "new_kinds": 2}
    told = writer.arrival()
    assert (told["n"], told["first_occurred"], told["last_occurred"]) == (5, NOW - 10 * DAY, NOW - 1)

    stranger = event_rows([("w", "login", NOW, None, None, None), ("u", "login", NOW, None, None, None)])
    strict = EventWriter("test", now=NOW, unknown="skip", erased=nobody)
    with unit_of_work() as session:
        assert strict.write(session, stranger).per_row == ["unknown_customer", "accepted"]
    assert on_record("SELECT user_id FROM identities ORDER BY 1") == [("u",), ("v",)]


def test_identifiers_in_the_place_of_kinds_are_stopped(write: Write) -> None:
    rows: list[Event] = [("u", f"kind_{number}", NOW, None, None, None) for number in range(MOST_KINDS + 2)]
    fates = write(event_rows(rows))
    assert Counter(fates) == {"accepted": MOST_KINDS, "too_many_kinds": 2}
    assert write(event_rows([rows[0], rows[-1]])) == ["duplicate", "too_many_kinds"]


def test_a_load_notes_its_range_and_its_people_are_searchable(write: Write) -> None:
    write(event_rows([("before", "login", NOW, None, None, None)]))
    load = batch()
    repeated: Event = ("before", "login", NOW, None, None, None)
    rows: list[Event] = [(f"person-{number}", "login", NOW, None, None, None) for number in range(120)]
    fates = write(event_rows([repeated]), event_rows(rows[:60]), event_rows(rows[60:]), feed="test", batch_id=load)
    assert Counter(fates) == {"accepted": 120, "duplicate": 1}
    ((first, last),) = on_record(f"SELECT first_event_id, last_event_id FROM import_batches WHERE id = {load}")
    assert on_record(f"SELECT min(id), max(id), count(*) FROM events WHERE batch_id = {load}") == [(first, last, 120)]
    assert on_record("SELECT count(*) FROM customer_search WHERE customer_search MATCH '\"person-7\"'") == [(11,)]


def test_what_came_again_stays_when_the_load_that_brought_it_is_given_up(write: Write) -> None:
    load = batch()
    event: Event = ("u", "login", NOW, None, None, "k")
    other: Event = ("v", "login", NOW, None, None, "l")
    write(event_rows([event, other]), batch_id=load)
    assert write(event_rows([event])) == ["duplicate"]
    turns.purge(unit_of_work, load)
    assert on_record(EVENTS) == [("u", "login", NOW, None, None)]
    assert on_record("SELECT batch_id FROM customers") == [(None,)]


def test_customers_of_an_undone_load_are_kept_without_what_it_said(write: Write) -> None:
    load = batch("applied", "customers")
    with unit_of_work() as session:
        session.execute(
            text(
                "INSERT INTO customers (id, batch_id, version_id, plan, churned, tags, created_at, updated_at) "
                f"VALUES (7, {load}, 99, 'gold', 1, '[]', 1, 1)"
            )
        )
        session.execute(text("INSERT INTO identities (customer_id, user_id) VALUES (7, 'u')"))
    set_state(load, "undoing")
    assert write(event_rows([("u", "login", NOW, None, None, None)])) == ["accepted"]
    assert on_record("SELECT id, batch_id, version_id, plan, churned FROM customers") == [(7, None, None, None, None)]


def test_a_customer_who_is_taken_away_between_chunks_is_made_anew(minimal_app: Flask) -> None:
    writer = EventWriter("test", now=NOW, erased=nobody)
    with unit_of_work() as session:
        writer.write(session, event_rows([("u", "login", NOW - 1, None, None, None)]))
    with unit_of_work() as session:
        session.execute(text("DELETE FROM customers"))
        revisions.bump(session, "removals")
    with unit_of_work() as session:
        fates = writer.write(session, event_rows([("u", "login", NOW, None, None, None)]))
    assert fates.counts["new_customers"] == 1
    assert on_record(EVENTS) == [("u", "login", NOW, None, None)]


def test_somebody_who_is_erased_between_chunks_does_not_come_back(minimal_app: Flask) -> None:
    with unit_of_work() as session:
        writer = EventWriter("test", now=NOW, erased=erased_test(session, b"key"))
        writer.write(session, event_rows([("u", "login", NOW - 1, None, None, None)]))
    with unit_of_work() as session:
        erase(session, SYSTEM, "u", key=b"key")
    with unit_of_work() as session:
        assert writer.write(session, event_rows([("u", "login", NOW, None, None, None)])).per_row == ["erased"]
    assert on_record("SELECT count(*) FROM customers") == [(0,)]


def test_a_load_that_is_not_applied_shows_nothing(write: Write) -> None:
    load = batch()
    write(event_rows([("u", "login", NOW, None, None, None)]), batch_id=load)
    with unit_of_work() as session:
        assert session.get_one(ImportBatch, load).state == "applying"
    assert on_record("SELECT batch_id FROM customers UNION ALL SELECT batch_id FROM events") == [(load,), (load,)]
