"""Measures the way from SQLite to a matrix: 1,000,000 customers x 20 features through `services.datasets`.

Lives here: made-up customers in the product's own tables, and the clock. The limit is measured in the same run: the same rows and columns
fetched by the bare driver and thrown away, which no reader in Python can beat. The read happens in a process of its own, so that its
peak memory is its own.

    python bench/matrix.py --rows 1000000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import Base, db, read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, ImportBatch
from retainstream.services import attributes, datasets
from retainstream.services.attributes import Wanted

NUMBERS, INTEGERS, CATEGORIES = 8, 6, 6
LEVELS = (3, 4, 5, 8, 15, 30)
_BLOCK = 20_000


def wanted() -> list[Wanted]:
    """Return twenty features: 8 numbers, 6 whole numbers, 6 categories."""
    return [
        *(Wanted(f"number_{k}", f"Number {k}", "number") for k in range(NUMBERS)),
        *(Wanted(f"integer_{k}", f"Integer {k}", "integer") for k in range(INTEGERS)),
        *(Wanted(f"category_{k}", f"Category {k}", "category") for k in range(CATEGORIES)),
    ]


def blocks(rows: int) -> Iterator[tuple[range, list[list[Any]], list[bool]]]:
    """Yield ids, one list of values a feature, and labels; one value in fifty is missing."""
    rng = np.random.default_rng(0)
    for start in range(1, rows + 1, _BLOCK):
        ids = range(start, min(start + _BLOCK, rows + 1))
        n = len(ids)
        columns: list[list[Any]] = [rng.normal(50, 20, n).round(2).tolist() for _ in range(NUMBERS)]
        columns += [rng.integers(0, 100, n).astype(float).tolist() for _ in range(INTEGERS)]
        columns += [[f"Level {k}" for k in rng.integers(0, levels, n).tolist()] for levels in LEVELS]
        for column in columns[::3]:
            for place in rng.integers(0, n, n // 50).tolist():
                column[place] = None
        yield ids, columns, (rng.random(n) < 0.2).tolist()


def fill(rows: int) -> None:
    """Write customers, their versions and their labels, as an applied import leaves them."""
    Base.metadata.create_all(db.engine)
    now = clock.now_us()
    with unit_of_work() as session:
        session.add(
            ChurnDefinition(id=1, name="churn", version=1, kind="labelled_column", parameters={}, created_at=now)
        )
        session.flush()
        batch = ImportBatch(
            id=1,
            state="applied",
            source="bench",
            filename="",
            file_sha256="",
            size_bytes=0,
            definition_id=1,
            created_at=now,
        )
        session.add(batch)
        builder = attributes.RowBuilder(attributes.allocate(session, wanted()))
    people = "INSERT INTO customers (id, batch_id, version_id, plan, revenue_minor, churned, tags, created_at, updated_at) VALUES (?,1,?,'Basic',999,?,'[]',?,?)"
    marks = ",".join("?" * len(builder.columns))
    versions = (
        "INSERT INTO attribute_versions (id, customer_id, batch_id, source, valid_from, known_at, "
        f"{','.join(builder.columns)}) VALUES (?,?,1,'import',?,?,{marks})"
    )
    labels = "INSERT INTO labels (customer_id, definition_id, batch_id, value, known_at) VALUES (?,1,1,?,?)"
    for ids, columns, churned in blocks(rows):
        with unit_of_work() as session:
            write = session.connection().exec_driver_sql
            write(people, [(one, one, gone, now, now) for one, gone in zip(ids, churned, strict=True)])
            cells = zip(*builder.slot_columns(columns), strict=True)
            write(versions, [(one, one, now, now, *row) for one, row in zip(ids, cells, strict=True)])
            write(labels, [(one, gone, now) for one, gone in zip(ids, churned, strict=True)])


def peak_mib() -> float:
    """Return this process's largest resident size so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def bare_read() -> float:
    """Return the seconds that the driver needs for the same rows and columns, each block thrown away."""
    with read_unit() as session:
        sources = [column.source for column in datasets.columns(session)]
        names = ", ".join(f"v.{source.key}" for source in sources)
        cursor = session.connection().connection.cursor()
        began = time.perf_counter()
        cursor.execute(
            f"SELECT c.id, v.id, {names} FROM customers c JOIN attribute_versions v ON v.id = c.version_id ORDER BY c.id"
        )
        while cursor.fetchmany(256):
            pass
        cursor.execute("SELECT customer_id, value FROM labels ORDER BY customer_id, id")
        while cursor.fetchmany(256):
            pass
        return time.perf_counter() - began


def measure(settings: Settings, runs: int) -> None:
    """Read the matrix and print the seconds, the limit, their ratio and the memory; the child's whole work."""
    with create_minimal_app(settings).app_context():
        with read_unit() as session:
            datasets.columns(session)
        import pandas as pd

        assert pd
        before = peak_mib()
        taken, limits, shape = [], [], (0, 0)
        for _ in range(runs):
            limits.append(bare_read())
            began = time.perf_counter()
            with read_unit() as session:
                data = datasets.training_set(session)
            taken.append(time.perf_counter() - began)
            shape = data.frame.shape
            assert data.y is not None
            assert len(data.y) == shape[0]
            del data
        print(f"{shape[0]:,} x {shape[1]} to a matrix with labels: {median(taken):.2f} s (median of {runs})")
        print(
            f"limit, the bare driver:                  {median(limits):.2f} s, ratio {median(taken) / median(limits):.2f}"
        )
        print(f"peak memory: {before:.0f} MiB before, {peak_mib():.0f} MiB after")


def main() -> None:
    """Fill a temporary database, then read it in a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--read", metavar="FOLDER", help="only read the database in this folder")
    args = parser.parse_args()
    if args.read:
        measure(Settings(instance=args.read), args.runs)
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with create_minimal_app(Settings(instance=folder)).app_context():
            fill(args.rows)
            db.engine.dispose()
        print(f"filled in {time.perf_counter() - began:.0f} s; {os.cpu_count()} processors", flush=True)
        subprocess.run([sys.executable, __file__, "--read", folder, "--runs", str(args.runs)], check=True)


if __name__ == "__main__":
    main()
