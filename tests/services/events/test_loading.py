"""Loading files: every row has a fate, the same file again adds nothing, undo leaves nothing behind, and refused files no trace."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import ConfirmationNeeded, InvalidInput, UnsupportedMedia
from retainstream.lib import clock
from retainstream.models import Feed
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.events import loading
from retainstream.services.events import preview as previews
from retainstream.services.events.preview import Asked
from retainstream.services.imports import batches, files
from retainstream.services.jobs import JobCancelled, JobContext
from tests.services.events.conftest import event_rows, on_record, statement
from tests.services.events.filing import Filer, events_seen, people_seen, rows_in, statements_seen

EVENTS = "user_id,event,occurred_at,amount,device\n" + "".join(
    f"u{n % 25:02d},{'login' if n % 3 else 'watch'},2024-03-{n % 28 + 1:02d}T08:00:{n % 60:02d}Z,{n % 7}.5,{'tv' if n % 2 else ''}\n"
    for n in range(300)
)
SUBSCRIPTIONS = (
    "customer_id,plan,price,start,end,reason\n"
    "a,basic,9.99,2024-01-01,2024-05-01,customer cancelled\n"
    "b,pro,19.99,2024-02-01,,\n"
    "c,pro,19.99,2024-02-01,2024-03-01,card declined\n"
)
Write = Callable[..., list[str]]
NONE = {"customers": 0, "identities": 0, "events": 0, "subscriptions": 0}


@pytest.fixture
def filer(minimal_app: Flask, settings: Settings) -> Filer:
    return Filer(settings)


def revision(name: str) -> int:
    with read_unit() as session:
        return revisions.read(session)[name]


def test_events_come_out_as_they_went_in(filer: Filer) -> None:
    counts = filer.counts("events", EVENTS)
    assert (counts["rows"], counts["accepted"], counts["new_customers"], counts["new_kinds"]) == (300, 300, 25, 2)
    ((row, _),) = ((row, n) for row, n in events_seen().items() if row[0] == "u01" and row[2] % clock.DAY_US == 28_801 * 1_000_000 and row[4] == 1.5)  # fmt: skip
    moment = clock.to_us(clock.datetime.fromisoformat("2024-03-02T08:00:01+00:00"))
    assert row == ("u01", "login", moment, moment, 1.5, '{"device":"tv"}')
    assert revision("events") == 1


@pytest.mark.parametrize("packed", ["jsonl", "gz", "list"])
def test_other_formats_say_the_same(filer: Filer, packed: str) -> None:
    filer.counts("events", EVENTS)
    names, *lines = (line.split(",") for line in EVENTS.splitlines())
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    sent = {
        "jsonl": "\n".join(json.dumps(row | {"amount": float(row["amount"])}) for row in rows).encode(),
        "gz": gzip.compress(EVENTS.encode()),
        "list": json.dumps(rows).encode(),
    }[packed]
    again = filer.counts("events", sent)
    assert (again["accepted"], again["duplicate"]) == (0, 300)


def test_equal_rows_of_a_file_are_all_kept_and_the_file_again_adds_nothing(filer: Filer) -> None:
    content = EVENTS + EVENTS.partition("\n")[2][: EVENTS.partition("\n")[2].index("\n") + 1] * 3
    found = filer.preview("events", content)
    assert found.counts["accepted"] == 303 and found.counts["repeated"] == 3
    number, job = filer.load("events", content)
    assert job["result"]["counts"]["accepted"] == 303 and job["result"]["counts"]["repeated"] == 3
    assert max(events_seen().values()) == 4
    again = filer.preview("events", content)
    assert (again.counts["accepted"], again.counts["duplicate"]) == (0, 303)
    assert filer.counts("events", content)["duplicate"] == 303
    other = filer.counts("events", content, Asked(feed="another system"))
    assert other["accepted"] == 303 and sum(events_seen().values()) == 606
    with read_unit() as session:
        assert "repeated_rows" in {item["code"] for item in batches.get(session, number).warnings}


def test_a_key_of_the_sender_counts_once(filer: Filer) -> None:
    content = "event_id,user_id,event,time\n" + "".join(f"e{n},u{n},login,2024-03-01\n" for n in range(30))
    assert filer.counts("events", content)["accepted"] == 30
    changed = content.replace("login", "watch")
    assert filer.counts("events", changed)["duplicate"] == 30


def test_rows_that_cannot_be_read_name_their_cell(filer: Filer) -> None:
    content = (
        EVENTS
        + "u01,login,yesterday,1.5,tv\nu01,login,,1.5,tv\nu01,login,2024-03-01T08:00:00Z,much,tv\n,login,never,x,\n"
    )
    content += "u01,login,1970-01-02T00:00:00Z,1,tv\nu01,,2024-03-01T08:00:00Z,1,tv\nu01,login,2024-03-01T08:00:00Z\n"
    found = filer.preview("events", content)
    errors = [(item["line"], item["column"], item["code"]) for item in found.errors]
    assert errors == [
        (302, "occurred_at", "not_a_date"), (303, "occurred_at", "missing_time"), (304, "amount", "not_a_number"),
        (306, "occurred_at", "time_out_of_range"), (307, "event", "not_a_kind"), (308, None, "wrong_cell_count"),
    ]  # fmt: skip
    assert found.errors[0]["value"] == "yesterday" and found.counts["no_customer"] == 1
    number, job = filer.load("events", content)
    assert job["state"] == "failed" and job["error"]["code"] == "rows_rejected"
    assert rows_in() == NONE
    with read_unit() as session:
        kept = list(batches.row_errors(session, number))
        assert [error.line for error in kept] == [302, 303, 304, 306, 307, 308]
        assert kept[0].user_id == "u01" and kept[0].cells == ["u01", "login", "yesterday", "1.5", "tv"]
        assert batches.get(session, number).state == "failed"
    counts = filer.counts("events", content, on_error="skip")
    assert (counts["rows"], counts["good"], counts["bad"], counts["accepted"], counts["no_customer"]) == (307, 301, 6, 300, 1)  # fmt: skip


def test_when_a_row_became_known(filer: Filer) -> None:
    content = "user_id,event,at,received_at\nx,login,2024-03-01,2024-03-05\ny,login,2024-03-01,\n"
    filer.counts("events", content)
    known = {row[0]: (row[3] - row[2]) // clock.DAY_US for row in events_seen()}
    assert known == {"x": 4, "y": 0}
    now = clock.now_us()
    filer.counts("events", content, Asked(known_at_time=False, feed="b"))
    assert max(row[3] for row in events_seen()) >= now
    with read_unit() as session:
        assert [batches.get(session, number).known_at_time for number in (1, 2)] == [True, False]


def test_unknown_customers_may_be_skipped(filer: Filer) -> None:
    filer.counts("events", "user_id,event,at\nu01,login,2024-03-01\n")
    counts = filer.counts("events", EVENTS, Asked(unknown="skip"))
    assert (counts["accepted"], counts["unknown_customer"]) == (12, 288)
    assert rows_in("customers") == {"customers": 1}
    assert filer.preview("events", EVENTS, Asked(unknown="skip")).counts["unknown_customer"] == 288


def test_orders_become_purchases_and_refunds(filer: Filer) -> None:
    content = "invoice,customer,date,product,quantity,price\n" + "".join(
        f"{1000 + n},c{n},2024-03-{n + 1:02d},p{n},{n + 1},2.55\n" for n in range(20)
    )
    content += "C1003,c3,2024-03-20,p3,-4,2.55\nC1004,c4,2024-03-20,p4,-5,2.55\nC1005,c5,2024-03-20,p5,-6,2.55\n1021,c5,2024-03-21,p5,1,0\n"
    content += "C1006,c6,2024-03-22,p6,1,2.55\n1022,,2024-03-22,p6,1,2.55\n" + "".join(
        f"C{1100 + n},c7,2024-03-23,p7,-1,1\n" for n in range(16)
    )
    counts = filer.counts("orders", content)
    assert counts["no_customer"] == 1 and counts["accepted"] == 41
    seen = {json.loads(row[5])["order"]: (row[1], row[4], json.loads(row[5])["quantity"]) for row in events_seen()}
    assert seen["1003"] == ("purchase", 10.2, 4) and seen["C1003"] == ("refund", 10.2, 4)
    assert seen["1021"] == ("purchase", 0.0, 1)
    assert seen["C1006"][0] == "refund"


def test_subscriptions_make_statements_and_customers_follow_them(filer: Filer) -> None:
    counts = filer.counts("subscriptions", SUBSCRIPTIONS)
    assert (counts["accepted"], counts["statements"], counts["new_customers"]) == (3, 5, 3)
    day = clock.to_us(clock.datetime.fromisoformat("2024-05-01T00:00:00+00:00"))
    assert people_seen()[0] == ("a", "basic", 999, 1, day) and people_seen()[1] == ("b", "pro", 1999, 0, None)
    last = {row[0]: (row[5] is not None, row[6]) for row in statements_seen()}
    assert last == {"a": (True, "voluntary"), "b": (False, None), "c": (True, "payment_failed")}
    assert filer.counts("subscriptions", SUBSCRIPTIONS)["duplicate"] == 3
    bad = filer.preview("subscriptions", SUBSCRIPTIONS + "d,pro,-1,2024-05-01,2024-04-01,\n")
    assert {item["code"] for item in bad.errors} == {"negative_price", "end_before_start"}


def test_an_end_that_nobody_will_see_is_none(filer: Filer) -> None:
    rows = "".join(f"c{n},gold,2024-01-{n + 1:02d},{'9999-12-31' if n % 3 else '2024-06-01'}\n" for n in range(20))
    number, job = filer.load("subscriptions", "customer_id,plan,start,end\n" + rows)
    assert job["state"] == "succeeded" and job["result"]["counts"]["bad"] == 0, job
    assert [row[3] for row in people_seen()].count(0) == 13
    with read_unit() as session:
        assert "9999-12-31" in batches.get(session, number).mapping["blanks"]  # type: ignore[operator]


def test_kinds_that_only_an_undone_load_brought_are_forgotten(filer: Filer) -> None:
    filer.counts("events", "user_id,event,at\nu01,login,2024-03-01\n", Asked(feed="first"))
    number, _ = filer.load("events", EVENTS)
    filer.counts("events", "user_id,event,at\nu01,search,2024-03-01\n", Asked(feed="last"))
    filer.undo(number)
    with read_unit() as session:
        names = set(session.execute(text("SELECT name FROM event_kinds")).scalars())
    assert names == {"login", "search"}


def test_undo_takes_back_what_only_the_load_brought(filer: Filer) -> None:
    filer.counts("events", "user_id,event,at\nu01,login,2024-02-01\n", Asked(feed="a"))
    before = (events_seen(), people_seen(), rows_in())
    number, _ = filer.load("events", EVENTS)
    subscriptions, _ = filer.load("subscriptions", SUBSCRIPTIONS.replace("a,basic", "u01,basic").replace("b,pro", "u02,pro"))  # fmt: skip
    assert filer.undo(number)["result"]["kept"] == 1
    assert [person[0] for person in people_seen()] == ["c", "u01", "u02"]
    assert sum(events_seen().values()) == 1
    removals = revision("removals")
    assert filer.undo(subscriptions)["state"] == "succeeded"
    assert (events_seen(), people_seen(), rows_in()) == before
    assert revision("removals") > removals
    with read_unit() as session:
        feed = session.query(Feed).filter(Feed.name == "events").one()
        assert (feed.n_rows, feed.last_occurred_at) == (0, None)


def test_an_undo_leaves_what_was_sent_again_one_by_one(filer: Filer, write: Write) -> None:
    content = "user_id,event,at,value\n" + "".join(f"u{n},watch,2024-03-0{n}T08:00:00Z,1.5\n" for n in range(1, 5))
    number = filer.load("events", content, Asked(feed="site"))[0]
    ((moment,),) = on_record("SELECT max(occurred_at) FROM events")
    again = event_rows([("u4", "watch", moment, 1.5, None, None)])
    assert write(again, feed="site") == ["duplicate"]
    assert write(again, feed="another") == ["accepted"]
    filer.undo(number)
    assert events_seen() == {("u4", "watch", moment, moment, 1.5, None): 2} and [row[0] for row in people_seen()] == [
        "u4"
    ]
    assert write(again, feed="site") == ["duplicate"]


def test_an_undo_leaves_statements_that_were_sent_again_one_by_one(filer: Filer, write: Write) -> None:
    number = filer.load("subscriptions", SUBSCRIPTIONS, Asked(feed="billing"))[0]
    rows = on_record(
        "SELECT i.user_id, s.plan, s.revenue_minor, s.currency, s.started_at, s.ended_at, s.end_reason FROM subscriptions AS s "
        "JOIN identities AS i USING (customer_id) WHERE i.user_id IN ('a', 'b') ORDER BY s.received_at DESC, s.id DESC"
    )
    for user, plan, revenue, currency, started, ended, reason in {row[0]: row for row in reversed(rows)}.values():
        told = {"plan": plan, "revenue_minor": revenue, "currency": currency, "started": started}
        again = statement(user_id=user, **told, ended=ended, reason=reason)
        assert write(again, feed="billing") == ["duplicate"]
    before = people_seen()
    filer.undo(number)
    assert people_seen() == [row for row in before if row[0] in ("a", "b")]
    assert {row[0] for row in statements_seen()} == {"a", "b"} and len(statements_seen()) == 2


def test_an_undo_asks_before_it_takes_what_a_later_load_confirmed(filer: Filer) -> None:
    number, _ = filer.load("events", EVENTS)
    filer.load("events", EVENTS)
    with pytest.raises(ConfirmationNeeded, match="held 300 rows"):
        filer.undo(number)
    assert filer.undo(number, confirm=True)["state"] == "succeeded" and rows_in() == NONE


def test_undoing_a_table_of_customers_keeps_those_to_whom_something_happened(filer: Filer) -> None:
    from tests.services.imports.loading import Loader

    loader = Loader(filer.settings)
    table = "customer_id,plan,usage,churn\n" + "".join(
        f"u{n:02d},gold,{n % 5},{'Yes' if n % 4 == 0 else 'No'}\n" for n in range(60)
    )
    customers, _ = loader.load(table)
    filer.counts("events", EVENTS)
    assert loader.undo(customers, confirm=True)["result"]["kept"] == 25
    assert sum(events_seen().values()) == 300 and len(people_seen()) == 25
    assert filer.undo(2)["state"] == "succeeded" and rows_in() == NONE


def test_a_cancelled_load_leaves_no_row(filer: Filer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK_ROWS", 50)
    progress = JobContext.progress

    def cancel_late(self: JobContext, phase: str, fraction: float) -> None:
        progress(self, phase, fraction)
        if fraction > 0.5:
            raise JobCancelled("enough")

    monkeypatch.setattr(JobContext, "progress", cancel_late)
    number, job = filer.load("events", EVENTS)
    assert job["state"] == "cancelled" and rows_in() == NONE
    with read_unit() as session:
        assert batches.get(session, number).state == "cancelled"
    assert list(files.folder(filer.settings).iterdir()) == []


def test_an_erased_person_does_not_come_back(filer: Filer) -> None:
    from retainstream.services.customers.erasure import erase

    filer.counts("events", EVENTS)
    with unit_of_work() as session:
        erase(session, SYSTEM, "u01", key=filer.settings.resolved_secret_key().encode())
    counts = filer.counts("events", EVENTS, Asked(feed="again"))
    assert counts["erased"] == 12 and counts["accepted"] == 288
    assert not [row for row in events_seen() if row[0] == "u01"]


def test_what_cannot_be_a_file_or_a_wish(filer: Filer) -> None:
    for content, kind in ((b"%PDF-1.7 \x00\x01", UnsupportedMedia), (b"", UnsupportedMedia)):
        with pytest.raises(kind):
            filer.preview("events", content)
    with pytest.raises(InvalidInput) as wrong:
        filer.preview("events", EVENTS, Asked(feed="a\nb"))
    assert "source" in wrong.value.fields
    with pytest.raises(InvalidInput) as wrong:
        filer.preview("events", EVENTS, Asked(kind="\u4f60"))
    assert "kind" in wrong.value.fields
    with pytest.raises(ConfirmationNeeded):
        filer.queue("events", "user_id,amount\na,1.5\nb,2.5\n")


CELL = st.sampled_from(["", "u1", "u2", " u3 ", "2024-03-01", "2024-03-01T10:00:00Z", "1709251200", "1709251200000", "-5", "1,5", "£3.20",
                        "login", "NextSong", "nan", "17850.0", "é", "\x00", '"', "99999999999999999999", "-", "C12"])  # fmt: skip


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12), target=st.sampled_from(["events", "orders", "subscriptions"]))  # fmt: skip
def test_no_file_ends_in_anything_but_a_fate_for_each_row(filer: Filer, rows: list[Any], target: str) -> None:
    content = "\n".join(["user_id,time,what", *(",".join(cells) for cells in rows)])
    mapping = {
        "columns": [
            {"name": "user_id", "role": "customer", "format": "drop_point_zero"},
            {"name": "time", "role": "started" if target == "subscriptions" else "time", "format": "iso"},
            {"name": "what", "role": {"events": "kind", "orders": "amount", "subscriptions": "plan"}[target]},
        ],
        "known_at_time": True,
    }
    try:
        number = filer.queue(target, content, None, mapping, on_error="skip")
    except (UnsupportedMedia, InvalidInput):
        return
    job = filer.run()
    assert job["state"] in ("succeeded", "failed"), job
    if job["state"] == "succeeded":
        counts = job["result"]["counts"]
        fates = ("accepted", "duplicate", "bad", "no_customer", "unknown_customer", "erased", "other_customer")
        assert counts["rows"] == sum(counts.get(name, 0) for name in fates), counts
        filer.undo(number, confirm=True)
    with read_unit() as session:
        assert session.execute(text("SELECT count(*) FROM events WHERE batch_id = :n"), {"n": number}).scalar_one() == 0


def test_a_large_file_whose_head_does_not_tell_day_from_month_is_read_on(
    filer: Filer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "WHOLE_BYTES", 500)
    monkeypatch.setattr(previews, "HEAD_ROWS", 50)
    content = "user_id,event,date\n" + "".join(f"u{n % 9},login,{n // 20 + 1}/{n % 9 + 1}/2024\n" for n in range(400))
    found = filer.preview("events", content)
    time = found.mapping.role("time")
    assert not found.complete and time is not None and time.format == "dmy"
    turned = "user_id,event,date\n" + "".join(f"u{n % 9},login,{n % 9 + 1}/{n // 20 + 1}/2024\n" for n in range(400))
    time = filer.preview("events", turned).mapping.role("time")
    assert time is not None and time.format == "mdy"
    assert filer.counts("events", turned)["accepted"] == 400


def test_a_large_file_of_starts_whose_ends_come_later_keeps_the_ends(
    filer: Filer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "WHOLE_BYTES", 500)
    monkeypatch.setattr(previews, "HEAD_ROWS", 50)
    head = "subscription_id,user_id,plan,started_at,ended_at,end_reason\n"
    starts = "".join(f"s{n},u{n},basic,2024-01-{n % 28 + 1:02d},,\n" for n in range(400))
    ends = "".join(f"s{n},u{n},basic,2024-01-{n % 28 + 1:02d},2024-0{n % 6 + 3}-15,card expired\n" for n in range(60))
    found = filer.preview("subscriptions", head + starts + ends)
    ended, reason = found.mapping.role("ended"), found.mapping.role("reason")
    assert not found.complete and ended is not None and reason is not None
    assert (ended.name, ended.format, reason.name) == ("ended_at", "iso", "end_reason")
    assert filer.counts("subscriptions", head + starts + ends)["accepted"] == 460
    with read_unit() as session:
        reasons = session.execute(text("SELECT end_reason, count(*) FROM subscriptions GROUP BY 1")).all()
    assert {tuple(row) for row in reasons} == {(None, 400), ("payment_failed", 60)}


def test_a_column_that_was_left_out_as_empty_and_is_not_is_told(filer: Filer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "WHOLE_BYTES", 500)
    monkeypatch.setattr(previews, "HEAD_ROWS", 50)
    monkeypatch.setattr(previews, "SETTLING_ROWS", 60)
    rows = "".join(f"u{n % 9},login,2024-02-{n % 20 + 1:02d},{'tv' if n > 25_000 else ''}\n" for n in range(30_000))
    number, _ = filer.load("events", "user_id,event,at,device\n" + rows)
    with read_unit() as session:
        told = session.execute(text("SELECT warnings FROM import_batches WHERE id = :n"), {"n": number}).scalar_one()
    assert "device is empty at the head of the file" in told
