"""Measures five ways (eight with variants) of storing customers' attributes in SQLite.

Lives here: made-up customers, the checks that every candidate gives the same answers, the clock and the table. The candidates are in
`storage_candidates.py`. Does not live here: anything that the product runs; the decision is docs/decisions/0001-attribute-storage.md.

    python -m bench.storage --rows 1000000 --import-runs 1 --runs 3

Every candidate keeps versions that are never overwritten; a pointer says which one is current. Each matrix is built in
a process of its own, so that its peak memory can be told from that of the generator, and is compared with the source.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.storage_candidates import (
    CANDIDATES,
    CATEGORIES,
    CHANGED,
    CHARGES,
    PLAN,
    SPLIT,
    TENURE,
    TEXTS,
    WIDTH,
    Row,
    pick,
)

try:
    import pysqlite3 as sqlite
except ImportError:  # the standard module is older on many systems, and JSONB needs 3.45
    import sqlite3 as sqlite

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Customers:
    """Made-up customers; ids are 0..n-1. `values` is (n, 20) float64: NaN is missing, categories are codes."""

    values: np.ndarray

    def rows(self, ids: list[int] | slice) -> list[Row]:
        """Return customers as an importer has them after parsing: None for missing, categories as text."""
        columns: list[list[Any]] = []
        for position, column in enumerate(self.values[ids].T):
            if position < SPLIT:
                columns.append([None if isnan(x) else x for x in column.tolist()])
            else:
                columns.append([TEXTS[position - SPLIT][int(x)] for x in column.tolist()])
        return list(zip(*columns, strict=True))

    def segment(self) -> tuple[int, list[int]]:
        """Return the right answer of the filter: the count, and the first 50 ids by tenure downwards, then id."""
        return pick(self.values[:, CHARGES], self.values[:, PLAN], self.values[:, TENURE])


def make_customers(count: int, seed: int = 7) -> Customers:
    """Six whole-number columns, four with two decimals, four at full precision; 5% of the numbers are missing."""
    rng = np.random.default_rng(seed)
    values = np.empty((count, WIDTH))
    values[:, :6] = rng.poisson([30, 12, 1, 4, 0.3, 40], (count, 6))
    values[:, 6:10] = rng.gamma(4, [18, 400, 2, 5], (count, 4)).round(2)
    values[:, 10:SPLIT] = rng.normal(0, [1, 30, 1, 1], (count, 4))
    values[:, :SPLIT][rng.random((count, SPLIT)) < 0.05] = np.nan
    for offset, size in enumerate(CATEGORIES.values()):
        values[:, SPLIT + offset] = rng.integers(0, size, count)
    return Customers(values)


def connect(path: Path) -> Any:
    """Open with the pragmas that the product uses."""
    con = sqlite.connect(str(path), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-32768", "temp_store=MEMORY"):
        con.execute(f"PRAGMA {pragma}")
    con.execute("PRAGMA foreign_keys=ON")
    return con


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds by the wall clock, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def in_transaction(con: Any, work: Callable[[], None]) -> None:
    """Run as one writing unit."""
    con.execute("BEGIN IMMEDIATE")
    work()
    con.execute("COMMIT")


def load(candidate: Any, path: Path, people: Customers) -> tuple[float, Any]:
    """Make a new file and import everybody; the clock stops while the parsed rows are being made up."""
    for old in path.parent.glob(path.name + "*"):
        old.unlink()
    con = connect(path)
    store, seconds, count = candidate(con), 0.0, len(people.values)
    store.create()
    for start in range(0, count, store.block):
        ids = range(start, min(start + store.block, count))
        rows = people.rows(slice(ids.start, ids.stop))
        seconds += timed(partial(in_transaction, con, partial(store.insert, ids, rows)))[0]
    return seconds + timed(lambda: con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())[0], store


def peak_kib(key: str) -> int:
    """Read VmHWM or VmRSS of this process (Linux)."""
    return next(int(x.split()[1]) for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(key))


def matrix_child(name: str, path: Path, source: Path) -> None:
    """Build the matrix in this process; print seconds and peak MiB above the start; fail on a wrong cell."""
    store = next(c for c in CANDIDATES if c.__name__ == name)(connect(path))
    count = store.con.execute("SELECT count(*) FROM customers").fetchone()[0]
    before = peak_kib("VmRSS")
    seconds, matrix = timed(lambda: store.matrix(count))
    peak = (peak_kib("VmHWM") - before) / 1024
    if not np.array_equal(matrix, np.load(source).astype(np.float32), equal_nan=True):
        raise SystemExit(f"{name}: the matrix differs from the source")
    print(json.dumps([seconds, peak]))


def measure(candidate: Any, folder: Path, people: Customers, args: argparse.Namespace) -> dict[str, float]:
    """Measure one candidate; every answer is compared with the source."""
    path, source, rng = folder / "bench.db", folder / "source.npy", random.Random(11)
    imports = [load(candidate, path, people) for _ in range(args.import_runs)]
    store = imports[-1][1]
    size = path.stat().st_size
    command = [sys.executable, "-m", "bench.storage", "--child", candidate.__name__, str(path), str(source)]
    children = [json.loads(subprocess.check_output(command, cwd=ROOT)) for _ in range(args.runs)]
    ids = rng.sample(range(len(people.values)), min(1000, len(people.values)))
    reads = [timed(partial(store.read, i)) for i in ids]
    if [r for _, r in reads] != people.rows(ids):
        raise SystemExit(f"{candidate.__name__}: a customer reads back differently")
    segments = [timed(store.segment) for _ in range(args.runs)]
    if any(answer != people.segment() for _, answer in segments):
        raise SystemExit(f"{candidate.__name__}: the segment differs")
    updates = []
    for _ in range(args.runs):
        ids = sorted(rng.sample(range(len(people.values)), len(ids)))
        rows = [tuple(x + 1 if i in CHANGED[:2] and x is not None else x for i, x in enumerate(r))
                for r in people.rows(ids)]  # fmt: skip
        updates.append(timed(partial(in_transaction, store.con, partial(store.update, ids, rows)))[0])
        if [store.read(i) for i in ids[:20]] != rows[:20]:
            raise SystemExit(f"{candidate.__name__}: an update reads back differently")
    store.con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    grown = (path.stat().st_size - size) / args.runs
    store.con.close()
    return {
        "import s": median(s for s, _ in imports), "matrix s": median(s for s, _ in children),
        "peak MiB": median(m for _, m in children), "read us": 1e6 * median(s for s, _ in reads),
        "segment ms": 1e3 * median(s for s, _ in segments), "update ms": 1e3 * median(updates),
        "file MiB": size / 2**20, "grows MiB": grown / 2**20,
    }  # fmt: skip


def show(results: dict[str, dict[str, float]]) -> None:
    """Print Markdown: each figure, and in brackets how many times the best it is."""
    keys = list(next(iter(results.values())))
    best = {k: min(r[k] for r in results.values()) or 1e-9 for k in keys}
    print("| candidate | " + " | ".join(keys) + " |\n|" + " --- |" * (len(keys) + 1))
    for name, result in results.items():
        print(f"| {name} | " + " | ".join(f"{result[k]:.3g} ({result[k] / best[k]:.1f})" for k in keys) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of matrix, segment and update; the median is shown")
    parser.add_argument("--import-runs", type=int, default=1)
    parser.add_argument("--only", default="", help="class names, comma separated")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return matrix_child(args.child[0], Path(args.child[1]), Path(args.child[2]))
    people, results = make_customers(args.rows), {}
    print(f"{date.today()}  SQLite {sqlite.sqlite_version}  {args.rows:,} x {WIDTH}", flush=True)
    print(f"load at the start {os.getloadavg()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "source.npy", people.values)
        for candidate in CANDIDATES:
            if not args.only or candidate.__name__ in args.only.split(","):
                results[candidate.name] = measure(candidate, Path(folder), people, args)
                print(candidate.name, {k: round(v, 2) for k, v in results[candidate.name].items()}, flush=True)
    show(results)
    print(f"load at the end {os.getloadavg()}")


if __name__ == "__main__":
    main()
