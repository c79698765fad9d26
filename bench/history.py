"""Measures the way from SQLite to columns of history: events through `services.as_of`, with nothing on disk and with all of it.

The limit is measured in the same run: the same rows fetched by the bare driver and thrown away.

    python -m bench.history --events 1000000
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import Base, db, read_unit
from retainstream.services import as_of

KINDS = ("login", "watch", "purchase", "payment_failed")
START, SECOND, HOUR = 1_700_000_000_000_000, 1_000_000, 3_600_000_000
BARE = (
    "SELECT id, customer_id, kind_id, occurred_at, received_at, value, CAST(json_extract(properties, '$.device') AS TEXT)"
    " FROM events ORDER BY id"
)


def fill(events: int) -> None:
    """Store events of a hundredth as many customers, half of them with a device."""
    chance, customers = random.Random(1), max(1, events // 100)

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(events):
            at, kind = START + number * SECOND + chance.randrange(HOUR), chance.randrange(1, 5)
            device = json.dumps({"device": f"d{chance.randrange(500)}"}) if kind < 3 else None
            value = chance.random() * 5 if kind == 2 else None
            yield chance.randrange(1, customers + 1), kind, at, at + 5, value, device, number.to_bytes(16, "big")

    connection = db.engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO feeds (id, name, created_at, n_rows, muted, arrivals) VALUES (1, 'a', 1, 0, 0, '[]')")
    cursor.executemany("INSERT INTO event_kinds (name, created_at) VALUES (?, 1)", [(name,) for name in KINDS])
    people = [(number + 1,) for number in range(customers)]
    cursor.executemany("INSERT INTO customers (id, tags, created_at, updated_at) VALUES (?, '[]', 1, 1)", people)
    cursor.executemany(
        "INSERT INTO events (customer_id, kind_id, feed_id, occurred_at, received_at, value, properties, key)"
        " VALUES (?, ?, 1, ?, ?, ?, ?, ?)",
        rows(),
    )
    cursor.execute("COMMIT")
    connection.close()


def bare() -> None:
    """Fetch what the door fetches, and throw it away."""
    connection = db.engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute(BARE)
    while cursor.fetchmany(256):
        pass
    connection.close()


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Fill a box, read it, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(instance=folder, jobs=False)
        with create_minimal_app(settings).app_context():
            Base.metadata.create_all(db.engine)
            fill(events)

            def history() -> object:
                with read_unit() as session:
                    return as_of.history(session, settings)

            limit = seconds(bare)
            print(f"{events:,} events; bare fetch {limit:.2f} s")
            for name in ("nothing on disk, columns written", "everything on disk"):
                took = seconds(history)
                print(f"history, {name}: {took:.2f} s, {took / limit:.2f} times the bare fetch")
            db.engine.dispose()


if __name__ == "__main__":
    main()
