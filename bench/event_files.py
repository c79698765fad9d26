"""Measures a file of events through the door (upload, preview, job, shown) against a bare `executemany` of the same rows, in the same run.

Lives here: the CSV, the clock, and the seconds that the parts take alone. The made-up events and the floor (a table with the same columns and
indices) are those of `bench.ingest`. Afterwards the same file is loaded again, and the first load is undone.

    python -m bench.event_files --events 1000000
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench.ingest import chunks, floor
from retainstream.app import create_minimal_app
from retainstream.config import ROOT, Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.lib import clock
from retainstream.lib.tabular import open_table
from retainstream.security.actor import SYSTEM
from retainstream.services.events.keys import EventKeys
from retainstream.services.events.loading import CHUNK_ROWS, Repeats, read_table, reader_for
from retainstream.services.events.preview import Asked, preview
from retainstream.services.events.rows import EventRows
from retainstream.services.imports import batches, files

HEADER = ("customer_id", "event", "occurred_at", "amount", "device")


def write_file(path: Path, tables: list[EventRows]) -> None:
    """Write the events as a CSV with times in ISO 8601."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for rows in tables:
            for user_id, kind, at, value, told in zip(
                rows.user_ids, rows.kinds, rows.occurred, rows.values, rows.properties, strict=True
            ):
                moment = datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                writer.writerow([user_id, kind, moment, value, json.loads(told)["device"] if told else ""])


def load(path: Path, settings: Settings) -> dict[str, Any]:
    """Load the file as a request and its job do; returns the seconds of both, and the counts."""
    began = time.perf_counter()
    with path.open("rb") as stream:
        upload = files.receive(stream, path.name, settings)
    with read_unit() as session:
        found = preview(upload.path, upload.filename, settings, "events", Asked(), session=session)
    found.require_answers()
    with unit_of_work() as session:
        batches.queue(
            session,
            SYSTEM,
            upload,
            found.mapping.to_dict(),
            on_error="reject",
            known_at_time=found.mapping.known_at_time,
            warnings=found.lasting_warnings,
            target="events",
        )
    request = time.perf_counter() - began
    return {"request": request, **run(settings)}


def run(settings: Settings) -> dict[str, Any]:
    """Run the queued job and return its seconds and counts."""
    began = time.perf_counter()
    (job,) = run_queued(settings)
    if job["state"] != "succeeded":
        raise SystemExit(f"the job failed: {job['error']}")
    return {"job": time.perf_counter() - began, "counts": job["result"]["counts"]}


def parts(path: Path, settings: Settings) -> dict[str, float]:
    """Return the seconds of the parts of a job that need no database: reading text, reading values, making keys."""
    table = open_table(path, files.limits(settings))
    found = preview(path, path.name, settings, "events", Asked())
    figures = {"part_text": 0.0, "part_values": 0.0, "part_repeats": 0.0, "part_keys": 0.0}
    began = time.perf_counter()
    for _ in table.chunks(CHUNK_ROWS):
        pass
    figures["part_text"] = time.perf_counter() - began
    keys, repeats, began = EventKeys("bench"), Repeats(), time.perf_counter()
    for chunk, read, _ in read_table(table, reader_for(found.mapping, table, settings, clock.now_us()), CHUNK_ROWS):
        start = time.perf_counter()
        repeats.add(chunk)
        figures["part_repeats"] += time.perf_counter() - start
        start = time.perf_counter()
        if isinstance(read.rows, EventRows):
            keys.make(read.rows)
        figures["part_keys"] += time.perf_counter() - start
    whole = time.perf_counter() - began
    figures["part_values"] = whole - sum(figures.values())
    return figures


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=50_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "events.csv"
        tables = list(chunks(arguments.events, arguments.customers, 7, named=False))
        write_file(path, tables)
        settings = Settings(instance=str(folder / "instance"), import_max_mb=2_000)
        app = create_minimal_app(settings)
        with app.app_context():
            from flask_migrate import upgrade

            from retainstream.extensions import migrate

            migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
            upgrade()
            worked = time.process_time()
            bare = floor(folder, tables, indices=True)
            bare_cpu, worked = time.process_time() - worked, time.process_time()
            del tables
            first = load(path, settings)
            cpu = time.process_time() - worked
            figures = {"executemany": bare, "request": first["request"], "job": first["job"]}
            figures |= {"executemany_cpu": bare_cpu, "load_cpu": cpu, "cpu_ratio": cpu / bare_cpu}
            figures |= parts(path, settings)
            if first["counts"]["accepted"] != arguments.events:
                raise SystemExit(f"not everything was taken: {first['counts']}")
            again = load(path, settings)
            if again["counts"]["duplicate"] != arguments.events:
                raise SystemExit(f"the second load was not met by the first: {again['counts']}")
            figures |= {"again_request": again["request"], "again_job": again["job"]}
            with unit_of_work() as session:
                batches.queue_undo(session, SYSTEM, 1, confirm=True)
            figures["undo"] = run(settings)["job"]
            with read_unit() as session:
                left = session.execute(text("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM customers)"))
                if left.scalar_one():
                    raise SystemExit("the undo left rows behind")
            db.engine.dispose()
        figures |= {
            "events": arguments.events,
            "file_mb": path.stat().st_size / 1e6,
            "ratio": (figures["request"] + figures["job"]) / bare,
            "per_second": arguments.events / (figures["request"] + figures["job"]),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
