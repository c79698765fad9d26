"""Measures the loading of events against its floor: a bare `executemany` into a table with the same columns and indices, and into one without indices.

Lives here: made-up events, the floors, the clock, the size on disk, and the HTTP calls. What is measured is the product's `EventWriter` on a fresh
database with all its tables, foreign keys and triggers, and `POST /events` through the whole app. Medians of three runs unless `--runs` says otherwise.

    python -m bench.ingest --events 1000000 --on-record 5000000
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from sqlalchemy import text

from retainstream.app import create_app
from retainstream.config import ROOT, Settings
from retainstream.db import PAGE_SIZE, db, read_unit, sqlite_module, unit_of_work
from retainstream.lib import clock
from retainstream.models import ImportBatch
from retainstream.services.events.people import erased_test
from retainstream.services.events.rows import EventRows
from retainstream.services.events.writing import EventWriter

CHUNK = 10_000
KINDS = ("login", "watch", "purchase", "payment_failed", "search")
DEVICES = ('{"device":"tv"}', '{"device":"phone"}', None, None)


def chunks(
    events: int, customers: int, seed: int, *, named: bool = False, ordered: bool = False
) -> Iterator[EventRows]:
    """Yield events of two years, in no order unless `ordered` by time: a quarter with a value, half with a property, and a key of the sender's when `named`."""
    draw, now = np.random.default_rng(seed), clock.now_us()
    for start in range(0, events, CHUNK):
        size = min(CHUNK, events - start)
        ago = draw.integers(0, 730 * 86_400, size)
        if ordered:
            ago = np.linspace(730 * 86_400 * (1 - start / events), 730 * 86_400 * (1 - (start + size) / events), size)
        occurred = (now - ago.astype(np.int64) * 1_000_000).tolist()
        values = np.where(draw.random(size) < 0.25, draw.gamma(2.0, 20.0, size).round(2), np.nan).tolist()
        yield EventRows(
            [f"customer-{number}" for number in draw.integers(0, customers, size).tolist()],
            [KINDS[at] for at in draw.integers(0, len(KINDS), size).tolist()],
            occurred,
            occurred,
            [None if value != value else value for value in values],  # noqa: PLR0124 - NaN
            [DEVICES[at] for at in draw.integers(0, len(DEVICES), size).tolist()],
            [f"{seed}-{number}" if named else None for number in range(start, start + size)],
        )


def floor(folder: Path, tables: list[EventRows], *, indices: bool) -> float:
    """Return the seconds of a bare `executemany` of the same rows into a table of the same columns, in transactions of the same size."""
    file = folder / "floor.db"
    connection = sqlite_module().connect(str(file), isolation_level=None)
    for pragma in (f"page_size={PAGE_SIZE}", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-100000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(
        "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL, kind_id INTEGER NOT NULL, feed_id INTEGER NOT NULL, "
        "batch_id INTEGER, occurred_at BIGINT NOT NULL, received_at BIGINT NOT NULL, value FLOAT, properties TEXT, key BLOB NOT NULL)"
    )
    if indices:
        connection.execute("CREATE INDEX a ON events (customer_id, occurred_at)")
        connection.execute("CREATE UNIQUE INDEX b ON events (key)")
    draw = np.random.default_rng(3)
    spent = 0.0
    for rows in tables:
        size = len(rows)
        ids = [int(user_id.rpartition("-")[2]) + 1 for user_id in rows.user_ids]
        kinds = [KINDS.index(kind) + 1 for kind in rows.kinds]
        raw = draw.bytes(16 * size)
        keys = [raw[at : at + 16] for at in range(0, 16 * size, 16)]
        ones = [1] * size
        columns = (ids, kinds, ones, ones, rows.occurred, rows.received, rows.values, rows.properties, keys)
        ready = list(zip(*columns, strict=True))
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO events (customer_id, kind_id, feed_id, batch_id, occurred_at, received_at, value, properties, key) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ready,
        )
        connection.execute("COMMIT")
        spent += time.perf_counter() - began
    connection.close()
    for part in folder.glob("floor.db*"):
        part.unlink()
    return spent


def load(tables: list[EventRows]) -> float:
    """Return the seconds in which the product takes the events in as one batch, from columns to commits."""
    now = clock.now_us()
    with unit_of_work() as session:
        batch = ImportBatch(
            state="applying", target="events", source="bench", filename="", file_sha256="", size_bytes=0, created_at=now
        )
        session.add(batch)
        session.flush()
        batch_id, erased = batch.id, erased_test(session, b"")
    writer = EventWriter("bench", batch_id=batch_id, now=now, erased=erased)
    began = time.perf_counter()
    for rows in tables:
        with unit_of_work() as session:
            writer.write(session, rows)
    spent = time.perf_counter() - began
    with unit_of_work() as session:
        session.get_one(ImportBatch, batch_id).state = "applied"
    if writer.counts["accepted"] != sum(map(len, tables)):
        raise SystemExit(f"not everything was taken: {writer.counts}")
    return spent


def post(app: Flask, token: dict[str, str], tables: list[EventRows]) -> float:
    """Return the seconds of `POST /events` in bodies of 10,000, JSON and all."""
    client, spent = app.test_client(), 0.0
    for rows in tables:
        items: list[dict[str, Any]] = [
            {"user_id": user_id, "kind": kind, "occurred_at": at / 1e6, "value": value, "key": key}
            | ({} if told is None else {"properties": json.loads(told)})
            for user_id, kind, at, value, told, key in zip(
                rows.user_ids, rows.kinds, rows.occurred, rows.values, rows.properties, rows.keys, strict=True
            )
        ]
        body = json.dumps(items)
        began = time.perf_counter()
        answer = client.post("/api/v1/events", data=body, headers=token | {"Content-Type": "application/json"})
        spent += time.perf_counter() - began
        if answer.status_code != 200 or answer.get_json()["counts"]["accepted"] != len(rows):
            raise SystemExit(f"not everything was taken: {answer.get_data(as_text=True)[:300]}")
    return spent


def size_of_file() -> int:
    """Return the bytes of the database's pages that are in use."""
    with read_unit() as session:
        pages, free = (
            session.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("page_count", "freelist_count")
        )
    return int(pages - free) * PAGE_SIZE


def box(folder: Path) -> tuple[Flask, dict[str, str]]:
    """Return the app on a fresh database, and an administrator's header."""
    from flask_migrate import upgrade

    from retainstream.security.passwords import hash_password
    from retainstream.services.access.accounts import create_user
    from retainstream.services.access.login import issue_tokens

    generous = "1000000 per 1 minute"
    settings = Settings(
        instance=str(folder), jobs=False, access_minutes=120, limit_signed_in=generous, log_level="error"
    )
    app = create_app(settings)
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        with unit_of_work() as session:
            user = create_user(
                session,
                email="bench@example.com",
                name="",
                role="admin",
                password_hash=hash_password("not used here 1", 4),
            )
            token = {"Authorization": f"Bearer {issue_tokens(session, settings, user).access}"}
    return app, token


def measure(folder: Path, events: int, customers: int, on_record: int) -> dict[str, float]:
    """Return the figures of one run on a fresh box."""
    plain = list(chunks(events, customers, 1))
    named = list(chunks(min(events, 100_000), customers, 2, named=True))
    bare = floor(folder, plain, indices=True)
    without = floor(folder, plain, indices=False)
    app, token = box(folder / "instance")
    with app.app_context():
        empty = size_of_file()
        seconds = load(plain)
        figures = {
            "file_bytes_per_event": (size_of_file() - empty) / events
        }  # the customers and their search entries, too
        posted = post(app, token, named)
        figures |= {
            "events_per_second": events / seconds,
            "bare_with_indices_per_second": events / bare,
            "bare_without_indices_per_second": events / without,
            "rate_against_bare_with_indices": bare / seconds,
            "rate_against_bare_without_indices": without / seconds,
            "post_per_second": sum(map(len, named)) / posted,
        }
        again = EventWriter("bench", now=clock.now_us(), erased=lambda _: False)
        began = time.perf_counter()
        for rows in plain:
            with unit_of_work() as session:
                again.write(session, rows)
        figures["again_per_second"] = events / (time.perf_counter() - began)
        if again.counts["duplicate"] != events:
            raise SystemExit(f"the same events were taken twice: {again.counts}")
        in_order = list(chunks(events, customers, 3, ordered=True))
        figures["events_in_order_per_second"] = events / load(in_order)
        grown = 2 * events
        while grown < on_record:
            more = list(chunks(min(events, on_record - grown), customers, 100 + grown, ordered=True))
            seconds = load(more)
            grown += sum(map(len, more))
            figures[f"events_in_order_per_second_up_to_{grown}"] = sum(map(len, more)) / seconds
        db.engine.dispose()
    return figures


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument(
        "--on-record", type=int, default=5_000_000, help="load on until so many are on record, in the last run"
    )
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    runs: list[dict[str, float]] = []
    for number in range(asked.runs):
        with tempfile.TemporaryDirectory() as name:
            last = number == asked.runs - 1
            runs.append(measure(Path(name), asked.events, asked.customers, asked.on_record if last else 0))
    figures = {name: statistics.median(run[name] for run in runs if name in run) for name in runs[-1]}
    figures |= {
        "events": asked.events,
        "runs": asked.runs,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
