"""Panels from events: the features of every customer at twelve dates, against reading the same events once from SQLite into arrays.

    python -m bench.panel [--events 10000000] [--customers 100000] [--dates 12] [--sizes 0.1 1]

Events of fifteen months, in five kinds, some with values, one property, some received days late. Reading is the plainest loop that ends in the arrays
which a builder takes: `fetchmany` and one array a column; nothing is parsed or hashed. Reading, and building twice, happen in a process of their own,
so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retainstream.ml.asof.builder import Builder
from retainstream.ml.asof.columns import DAY_US, NEVER, EventLog, History, ProfileLog, SubscriptionLog
from retainstream.ml.asof.dictionary import KindFacts, catalogue

KINDS = ("login", "watch", "search", "purchase", "payment_failed")
SHARES = (0.4, 0.35, 0.15, 0.08, 0.02)
VALUED = (1, 3)
START = 20_000 * DAY_US
DAYS = 450
BLOCK = 500_000
FETCH = 20_000
COLUMNS = "customer_id, kind_id, occurred_at, received_at, value, id, device"


def blocks(events: int, customers: int) -> Iterator[list[np.ndarray]]:
    """Yield columns in the order of time: a few customers do much, one event in fifty is received up to ten days late."""
    rng = np.random.default_rng(0)
    pace = rng.gamma(1.5, 1.0, customers)
    weights = np.cumsum(pace) / pace.sum()
    edges = np.linspace(0, DAYS * DAY_US, -(-events // BLOCK) + 1).astype(np.int64)
    for place, start in enumerate(range(0, events, BLOCK)):
        n = min(BLOCK, events - start)
        customer = np.minimum(np.searchsorted(weights, rng.random(n)), customers - 1)
        kind = rng.choice(len(KINDS), n, p=SHARES)
        occurred = START + np.sort(rng.integers(edges[place], edges[place + 1], n))
        late = np.where(rng.random(n) < 0.02, rng.integers(0, 10 * DAY_US, n), 0)
        value = np.where(np.isin(kind, VALUED), rng.gamma(2.0, 1.0, n).round(2), np.nan)
        device = np.where(kind <= 1, customer * 4 + rng.integers(0, 4, n) + 2**61, -1)
        yield [customer + 1, kind, occurred, occurred + late, value, np.arange(start, start + n), device]


def fill(path: str, events: int, customers: int) -> None:
    """Write the events into a table of the same columns."""
    connection = sqlite3.connect(path)
    connection.executescript(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE events (id INTEGER PRIMARY KEY, "
        "customer_id INTEGER, kind_id INTEGER, occurred_at INTEGER, received_at INTEGER, value REAL, device INTEGER)"
    )
    for columns in blocks(events, customers):
        columns[4] = np.where(np.isnan(columns[4]), None, columns[4])  # type: ignore[call-overload]
        rows = zip(*(column.tolist() for column in columns), strict=True)
        connection.executemany(f"INSERT INTO events ({COLUMNS}) VALUES (?,?,?,?,?,?,?)", rows)
    connection.commit()
    connection.close()


def read(path: str) -> list[np.ndarray]:
    """Return the columns of all events."""
    types = (np.int64, np.int16, np.int64, np.int64, np.float64, np.int64, np.int64)
    connection = sqlite3.connect(path)
    (events,) = connection.execute("SELECT max(id) + 1 FROM events").fetchone()
    columns = [np.empty(events, dtype=kind) for kind in types]
    cursor = connection.execute(f"SELECT {COLUMNS} FROM events ORDER BY id")
    start = 0
    while rows := cursor.fetchmany(FETCH):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column[start : start + len(rows)] = np.array(values, dtype=column.dtype)
        start += len(rows)
    return columns


def subscriptions(customers: int) -> SubscriptionLog:
    """Return one subscription a customer, and a price rise for every third."""
    rng = np.random.default_rng(1)
    started = START + rng.integers(-400, 300, customers) * DAY_US
    code = np.append(np.arange(customers), np.arange(0, customers, 3))
    rise = np.arange(len(code)) >= customers
    n = len(code)
    received = np.where(rise, np.maximum(START + 200 * DAY_US, started[code]), started[code])
    price = np.where(rise, 1199.0, 999.0)
    order = np.argsort(received, kind="stable")
    log = SubscriptionLog(
        code + 1, code, received, np.arange(n), started[code], np.full(n, NEVER), np.full(n, -1, dtype=np.int8),
        (code % 3).astype(np.int32), price, ("Basic", "Standard", "Premium"),
    )  # fmt: skip
    return log.take(order)


def peak_mib() -> float:
    """Return this process's largest resident size so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def measure(path: str, customers: int, dates: int) -> dict[str, Any]:
    """Read once, build every date twice, and return the better time."""
    import pandas as pd

    pd.DataFrame({"warm": np.zeros(1)})
    began = time.perf_counter()
    customer, kind, occurred, received, value, order, device = read(path)
    reading = time.perf_counter() - began
    after_read = peak_mib()
    events = EventLog(customer, kind, occurred, received, value, order, KINDS, {"device": device})
    nothing = np.zeros(0, dtype=np.int64)
    people = np.arange(1, customers + 1)
    history = History(
        people,
        events,
        subscriptions(customers),
        ProfileLog(nothing, nothing, nothing, {}, ()),
    )
    facts = {kind: KindFacts(1, 1, int(place in VALUED)) for place, kind in enumerate(KINDS)}
    specs = catalogue(facts, properties={"device"}, subscriptions=True)
    moments = [START + (DAYS - 30 * step) * DAY_US for step in reversed(range(dates))]
    times, first = [], 0.0
    for _ in range(2):
        began = time.perf_counter()
        builder = Builder(history, specs)
        first = time.perf_counter() - began
        total = 0.0
        for moment in moments:
            frame = builder.at(moment, people)
            total += len(frame)
        times.append(time.perf_counter() - began)
        del builder
    began = time.perf_counter()
    Builder(history, specs).at(moments[-1], people)
    one = time.perf_counter() - began
    return {"events": len(events), "features": len(specs), "rows": total, "read": reading, "build": min(times),
            "prepare": first, "one": one, "after_read": after_read, "peak": peak_mib()}  # fmt: skip


def main() -> None:
    """Fill a table of each size and measure it in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--dates", type=int, default=12)
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.1, 1.0])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.customers, chosen.dates)))
        return
    builds = []
    with tempfile.TemporaryDirectory() as folder:
        for size in chosen.sizes:
            events, customers = int(chosen.events * size), int(chosen.customers * size)
            path = str(Path(folder) / f"events-{events}.db")
            fill(path, events, customers)
            arguments = ["--measure", path, "--customers", str(customers), "--dates", str(chosen.dates)]
            done = subprocess.run(
                [sys.executable, "-m", "bench.panel", *arguments], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout)
            builds.append(found["build"])
            print(
                f"{found['events']:,} events, {customers:,} customers x {chosen.dates} dates x {found['features']} features: "
                f"read {found['read']:.2f} s, build {found['build']:.2f} s (of it coding {found['prepare']:.2f} s), "
                f"ratio {found['build'] / found['read']:.2f} (aim below 1); one date alone {found['one']:.2f} s; "
                f"peak {found['peak']:.0f} MiB, {found['after_read']:.0f} after reading"
            )
    if len(builds) == 2 and builds[0] > 0:
        growth = chosen.sizes[1] / chosen.sizes[0]
        print(f"{growth:.0f} times the events take {builds[1] / builds[0]:.1f} times as long to build")


if __name__ == "__main__":
    main()
