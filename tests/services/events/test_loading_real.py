"""Real files of events and orders through the doors, without a mapping written by hand; the facts are those of the data's own index."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.lib import clock
from retainstream.services.events.preview import Asked
from retainstream.services.imports import batches
from tests.services.events.filing import Filer, rows_in

pytestmark = pytest.mark.real_data


@pytest.fixture
def filer(minimal_app: Flask, settings: Settings) -> Filer:
    return Filer(settings)


def one(query: str) -> tuple[object, ...]:
    with read_unit() as session:
        return tuple(session.execute(text(query)).one())


def span() -> tuple[str, str]:
    first, last = one("SELECT min(occurred_at), max(occurred_at) FROM events")
    return str(clock.iso(int(str(first))))[:10], str(clock.iso(int(str(last))))[:10]


def codes(number: int) -> set[object]:
    with read_unit() as session:
        return {item["code"] for item in batches.get(session, number).warnings}


@pytest.mark.parametrize("target", ["orders", "events"])
def test_cdnow(filer: Filer, real_data: Path, target: str) -> None:
    number, job = filer.load(target, real_data / "cdnow_master.txt")
    counts = job["result"]["counts"]
    assert {name: counts[name] for name in ("rows", "accepted", "bad", "duplicate", "new_customers", "repeated")} == {
        "rows": 69_659, "accepted": 69_659, "bad": 0, "duplicate": 0, "new_customers": 23_570, "repeated": 255,
    }  # fmt: skip
    assert span() == ("1997-01-01", "1998-06-30")
    kind = "purchase" if target == "orders" else "event"
    assert one("SELECT DISTINCT k.name FROM events AS e JOIN event_kinds AS k ON k.id = e.kind_id") == (kind,)
    assert one("SELECT count(*) FROM events WHERE value = 0") == (80,)
    assert one("SELECT count(*) FROM identities WHERE user_id = '00001'") == (1,)
    assert one("SELECT count(*) FROM events WHERE received_at <> occurred_at") == (0,)
    assert {"history", "repeated_rows"} <= codes(number)
    again = filer.counts(target, real_data / "cdnow_master.txt")
    assert (again["accepted"], again["duplicate"]) == (0, 69_659)
    assert filer.undo(2)["state"] == "succeeded" and rows_in("events") == {"events": 69_659}
    assert filer.undo(number)["state"] == "succeeded"
    assert set(rows_in().values()) == {0}


def test_college_messages_have_their_time_in_a_column_called_weight(filer: Filer, real_data: Path) -> None:
    number, job = filer.load("events", real_data / "collegemsg.txt", Asked(kind="message"))
    counts = job["result"]["counts"]
    assert (counts["rows"], counts["accepted"], counts["bad"]) == (59_835, 59_835, 0)
    lines = [line.split() for line in (real_data / "collegemsg.txt").read_text().splitlines()[1:]]
    assert counts["new_customers"] == len({line[0] for line in lines})
    assert {"misleading_name", "two_parties"} <= codes(number)
    first, last = one("SELECT min(occurred_at), max(occurred_at) FROM events")
    times = [int(line[2]) for line in lines]
    assert (first, last) == (min(times) * 1_000_000, max(times) * 1_000_000)
    assert (int(str(last)) - int(str(first))) // clock.DAY_US == 193
    (shown,) = one("SELECT properties FROM events WHERE occurred_at = 1082040961000000")
    assert json.loads(str(shown)) == {"target": 2}


def test_online_retail(filer: Filer, real_data: Path) -> None:
    number, job = filer.load("orders", real_data / "online_retail.csv.gz")
    counts = job["result"]["counts"]
    assert (counts["rows"], counts["no_customer"], counts["bad"]) == (541_909, 135_080, 0)
    assert counts["accepted"] == 541_909 - 135_080 and counts["new_customers"] == 4_372
    assert span() == ("2010-12-01", "2011-12-09")
    kinds = "SELECT count(*) FROM events AS e JOIN event_kinds AS k ON k.id = e.kind_id WHERE k.name = '{}'"
    assert one(kinds.format("refund")) == (8_905,) and one(kinds.format("purchase")) == (397_924,)
    assert one("SELECT count(*) FROM identities WHERE user_id = '17850'") == (1,)
    assert one("SELECT count(*) FROM events WHERE value < 0") == (0,)
    assert one(
        "SELECT sum(value) FROM events AS e JOIN event_kinds AS k ON k.id = e.kind_id WHERE k.name = 'purchase'"
    ) == (pytest.approx(8_911_407.904),)
    assert {"no_customer", "repeated_rows", "price_times_quantity", "history"} <= codes(number)


def test_sparkify(filer: Filer, real_data: Path) -> None:
    path = real_data / "sparkify_log_2018_11.jsonl.gz"
    with gzip.open(path, "rt") as stream:
        rows = [json.loads(line) for line in stream]
    number, job = filer.load("events", path)
    counts = job["result"]["counts"]
    nobody = sum(row["userId"] == "" for row in rows)
    assert (counts["rows"], counts["no_customer"], counts["accepted"]) == (8_056, nobody, 8_056 - nobody)
    assert counts["new_customers"] == len({row["userId"] for row in rows} - {""})
    kinds = {row["page"] for row in rows if row["userId"]}
    assert one("SELECT count(*) FROM event_kinds") == (len(kinds),)
    songs = sum(row["page"] == "NextSong" and row["userId"] != "" for row in rows)
    found = one("SELECT count(*) FROM events AS e JOIN event_kinds AS k ON k.id = e.kind_id WHERE k.name = 'nextsong'")
    assert found == (songs,)
    heard = sum(row["length"] or 0 for row in rows if row["userId"])
    assert one("SELECT sum(value) FROM events") == (pytest.approx(heard),)
    assert "no_customer" in codes(number)
    shown = one("SELECT properties FROM events ORDER BY id LIMIT 1")[0]
    assert json.loads(str(shown))["level"] == "free" and "Frye" not in str(shown)
