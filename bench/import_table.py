"""Measures an import of a flat table against its floor: a bare `pandas.read_csv` and a bare `executemany` of the same cells, in the same run.

Lives here: made-up customers written to a CSV, the floor, the clock. What is measured is the product's own preview and job, on a fresh database
with all its tables, indices and triggers; afterwards the counts and a sum are compared with the source.

    python bench/import_table.py --rows 1000000
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import event, text

from retainstream.app import create_minimal_app
from retainstream.config import ROOT, Settings
from retainstream.db import db, read_unit, sqlite_module, unit_of_work
from retainstream.jobs.inline import run_queued
from retainstream.lib import clock
from retainstream.lib.tabular import open_table
from retainstream.security.actor import SYSTEM
from retainstream.services.imports import batches, files
from retainstream.services.imports.apply import CHUNK_ROWS
from retainstream.services.imports.casting import Caster
from retainstream.services.imports.learning import learn
from retainstream.services.imports.preview import HEAD_ROWS, preview
from retainstream.services.imports.profile import Profiler
from retainstream.services.imports.reading import RowReader

NUMBERS, CATEGORIES = 12, 6
BLOCK = 5_000


def write_table(path: Path, rows: int, seed: int = 7) -> None:
    """Write a CSV of `rows` customers: identifier, 12 numbers (5% missing), 6 categories, and a label; 20 columns."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {"customer_id": [f"C{number:08d}" for number in draw.permutation(rows)]}
    for index in range(NUMBERS):
        values = draw.integers(0, 500, rows).astype(float) if index % 2 else draw.gamma(2.0, 30.0, rows).round(2)
        values[draw.random(rows) < 0.05] = np.nan
        columns[f"figure_{index}"] = values
    for index in range(CATEGORIES):
        columns[f"group_{index}"] = np.array([f"Kind {kind}" for kind in range(3 + 4 * index)])[
            draw.integers(0, 3 + 4 * index, rows)
        ]
    columns["churn"] = np.where(draw.random(rows) < 0.2, "Yes", "No")
    pd.DataFrame(columns).to_csv(path, index=False)


def floor(path: Path, folder: Path) -> dict[str, float]:
    """Return the seconds of a bare read and of a bare insert into one plain table without an index."""
    began = time.perf_counter()
    frame = pd.read_csv(path)
    read = time.perf_counter() - began
    connection = sqlite_module().connect(str(folder / "floor.db"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"CREATE TABLE plain ({', '.join(f'c{index}' for index in range(frame.shape[1]))})")
    began = time.perf_counter()
    statement = f"INSERT INTO plain VALUES ({', '.join('?' * frame.shape[1])})"
    rows = list(zip(*(frame[name].tolist() for name in frame.columns), strict=True))
    for start in range(0, len(rows), BLOCK):
        connection.execute("BEGIN")
        connection.executemany(statement, rows[start : start + BLOCK])
        connection.execute("COMMIT")
    insert = time.perf_counter() - began
    connection.close()
    return {"read_csv": read, "executemany": insert}


@contextlib.contextmanager
def statements() -> Iterator[dict[str, float]]:
    """Add up the seconds that the database takes for its statements and commits."""
    spent, began = {"statements": 0.0, "commits": 0.0}, [0.0]

    def before(*_: object) -> None:
        began[0] = time.perf_counter()

    def after(*_: object) -> None:
        spent["statements"] += time.perf_counter() - began[0]

    dialect = db.engine.dialect
    commit = dialect.do_commit

    def timed(connection: Any) -> None:
        start = time.perf_counter()
        commit(connection)
        spent["commits"] += time.perf_counter() - start

    event.listen(db.engine, "before_cursor_execute", before)
    event.listen(db.engine, "after_cursor_execute", after)
    dialect.do_commit = timed  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
        event.remove(db.engine, "after_cursor_execute", after)
        dialect.do_commit = commit  # type: ignore[method-assign]


def parts(path: Path, settings: Settings) -> dict[str, float]:
    """Return the seconds of the parts of a job that need no database, each on its own: reading, with casting, with learning."""
    table = open_table(path, files.limits(settings))
    mapping = learn(table.head(HEAD_ROWS), clock.now_us()).mapping
    figures: dict[str, float] = {}
    for name in ("read", "read_cast", "read_cast_learn"):
        began = time.perf_counter()
        caster, profiler = Caster(mapping, table.columns), Profiler(table)
        reader = RowReader(mapping, settings.currency, clock.now_us())
        for chunk in table.chunks(CHUNK_ROWS):
            if name.endswith("learn"):
                profiler.add(chunk)
            if name != "read":
                reader.rows(caster.cast(chunk))
        figures[f"part_{name}"] = time.perf_counter() - began
    return figures


def product(path: Path, settings: Settings) -> dict[str, float]:
    """Return the seconds of the request's part and of the job, and of loading the same file again."""
    figures: dict[str, float] = {}
    for name in ("", "again_"):
        began = time.perf_counter()
        with path.open("rb") as stream:
            upload = files.receive(stream, path.name, settings)
        with read_unit() as session:
            found = preview(upload.path, upload.filename, settings, session=session)
        found.require_answers()
        with unit_of_work() as session:
            batches.queue(
                session,
                SYSTEM,
                upload,
                found.mapping.to_dict(),
                on_error="reject",
                known_at_time=False,
                warnings=[],
                refine=not found.complete,
            )
        figures[f"{name}request"] = time.perf_counter() - began
        began, worked = time.perf_counter(), time.process_time()
        with statements() as spent:
            (job,) = run_queued(settings)
        figures[f"{name}job"] = time.perf_counter() - began
        figures |= {f"{name}job_{part}": seconds for part, seconds in spent.items()}
        figures[f"{name}job_cpu"] = time.process_time() - worked
        if job["state"] != "succeeded":
            raise SystemExit(f"the import failed: {job['error']}")
    return figures


def check(path: Path) -> None:
    """Compare what is stored with the file."""
    frame = pd.read_csv(path, usecols=["figure_0", "churn"])
    with read_unit() as session:
        slot = session.execute(text("SELECT slot FROM attribute_definitions WHERE name = 'figure_0'")).scalar_one()
        total = session.execute(text(f"SELECT sum({slot}) FROM attribute_versions")).scalar_one()
        customers, left = session.execute(text("SELECT count(*), sum(churned) FROM customers")).one()
    if (
        customers != len(frame)
        or left != int((frame["churn"] == "Yes").sum())
        or not np.isclose(total, frame["figure_0"].sum())
    ):
        raise SystemExit("what is stored differs from the file")


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "table.csv"
        write_table(path, arguments.rows)
        settings = Settings(instance=str(folder / "instance"), import_max_mb=2_000)
        app = create_minimal_app(settings)
        with app.app_context():
            from flask_migrate import upgrade

            from retainstream.extensions import migrate

            migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
            upgrade()
            figures = floor(path, folder) | product(path, settings) | parts(path, settings)
            check(path)
            db.engine.dispose()
        bare = figures["read_csv"] + figures["executemany"]
        figures |= {
            "rows": arguments.rows,
            "file_mb": path.stat().st_size / 1e6,
            "ratio": (figures["request"] + figures["job"]) / bare,
            "again_ratio": (figures["again_request"] + figures["again_job"]) / bare,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
