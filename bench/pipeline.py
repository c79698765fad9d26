"""The whole way of a box, from files to a night's scores, each step in a process of its own: seconds, peak memory, and how both grow.

    python -m bench.pipeline [--customers 100000] [--events 10000000] [--sizes 0.1 1] [--keep FOLDER]

A simulated service is written to files and loaded by the commands that an owner uses; then history is read, a panel built, a model trained,
everybody scored, and one past day replayed. Beside them stand limits, measured on the very rows of the same run: `executemany` into a table with
the same indices, one read of the events by a bare cursor, `xgboost.train` on the train window, and `Booster.predict` of the scored customers.

With `--keep`, boxes and figures stay in a folder, and what is done there is not done again: a run that was stopped goes on where it was, and
`--sizes 0.1` and later `--sizes 1` make one report.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.memory import Peak
from bench.panel import peak_mib

END = 1_767_225_600_000_000  # the first of January 2026
DAY_US = 86_400_000_000
MONTHS = 14
REPLAYED_DAYS_BEFORE = 60
_FETCH = 10_000
_COLUMNS = "customer_id, kind_id, feed_id, batch_id, occurred_at, received_at, value, properties, key"
Figures = dict[str, Any]


class Clock:
    """Seconds on the wall and of the processors since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self, name: str = "") -> Figures:
        """Return both, as `seconds` and `cpu`, with a name before them where one is given."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {f"{name}_seconds": wall, f"{name}_cpu": cpu} if name else {"seconds": wall, "cpu": cpu}


def write(folder: Path, customers: int, events: int) -> Figures:
    """Write the files; the activity is chosen so that about so many events come out."""
    from dataclasses import replace

    from retainstream.ml.simulator import Service, Simulation
    from retainstream.ml.simulator.files import write_customers, write_events, write_subscriptions

    trial = Service(customers=5_000, months=MONTHS, end=END, seed=1)
    each = sum(map(len, Simulation(trial).events())) / trial.customers
    pace = min(60.0, max(3.0, trial.events_per_month * events / customers / each))
    simulation = Simulation(replace(trial, customers=customers, events_per_month=pace))
    began = Clock()
    write_customers(simulation, folder / "customers.csv")
    write_subscriptions(simulation, folder / "subscriptions.csv")
    written = write_events(simulation, folder / "events.csv")
    return {**began.read(), "customers": customers, "events": written,
            "file_bytes": (folder / "events.csv").stat().st_size}  # fmt: skip


def command(*arguments: str) -> Figures:
    """Run one of the product's commands; ends the process when it fails."""
    from flask import current_app

    began = Clock()
    done = current_app.test_cli_runner().invoke(args=list(arguments))
    spent = began.read()
    if done.exit_code:
        raise SystemExit(f"{' '.join(arguments)}: {done.output[-2000:]}\n{done.exception!r}")
    return {**spent, "said": done.stdout.strip().splitlines()[-1:]}


def define(_folder: Path) -> Figures:
    """Put the churn definition in force."""
    from retainstream.db import unit_of_work
    from retainstream.security.actor import SYSTEM
    from retainstream.services import churn_definitions

    wanted = {"name": "Cancelled", "kind": "cancel", "horizon_days": 30, "settle_days": 5}
    began = Clock()
    with unit_of_work() as session:
        churn_definitions.create(session, SYSTEM, wanted)
    return began.read()


def train(_folder: Path) -> Figures:
    """Train by the command's job without scoring, and keep the seconds of its phases."""
    from retainstream.db import read_unit
    from retainstream.models import ModelVersion
    from retainstream.services import registry

    found = _job("train", {"score": False, "ignore_silent_feeds": True})

    with read_unit() as session:
        version = session.get_one(ModelVersion, found["result"]["model_version"])
        report = registry.load(session, version.id, version.artifact_sha256).report_
    metrics = {name: round(report.metrics[name].value, 3) for name in ("auc", "calibration_slope")}
    return {**found["spent"], "phases": report.timings, "version": version.id, **metrics}


def _job(kind: str, options: dict[str, Any]) -> Figures:
    """Queue a job through its service and do it here."""
    from flask import current_app

    from retainstream.db import unit_of_work
    from retainstream.jobs.inline import run_queued
    from retainstream.security.actor import SYSTEM
    from retainstream.services import predictions, replay, training

    doors: dict[str, Callable[..., Any]] = {
        "train": lambda session: training.request(session, SYSTEM, options),
        "score": lambda session: predictions.generate(session, SYSTEM),
        "replay": lambda session: replay.request(session, SYSTEM, options),
    }
    began = Clock()
    with unit_of_work() as session:
        doors[kind](session)
    ended = run_queued(current_app.config["RETAINSTREAM"])
    spent = began.read()
    if [job["state"] for job in ended] != ["succeeded"]:
        raise SystemExit(f"{kind}: {ended}")
    return {"spent": spent, "result": ended[0]["result"]}


def score(_folder: Path) -> Figures:
    """Score everybody; the first time who has left is written down, too."""
    found = _job("score", {})
    return {**found["spent"], "scored": found["result"]["n_scored"]}


def replayed(_folder: Path) -> Figures:
    """Score everybody as of a past day with the model that there is."""
    options = {"as_of": END - REPLAYED_DAYS_BEFORE * DAY_US, "model": _version_id()}
    found = _job("replay", options)
    return {**found["spent"], "scored": found["result"]["n_scored"]}


def _version_id() -> int:
    from retainstream.db import read_unit
    from retainstream.services import registry

    with read_unit() as session:
        return registry.required_champion(session).version_id


def history(_folder: Path, *, cold: bool) -> Figures:
    """Read history with nothing in the column cache, or with all of it."""
    from flask import current_app

    from retainstream.db import read_unit
    from retainstream.services import as_of

    settings = current_app.config["RETAINSTREAM"]
    if cold:
        as_of.forget_columns(settings)
    began = Clock()
    with read_unit() as session:
        found = as_of.history(session, settings)
    return {**began.read(), "events": len(found.events)}


def panel(_folder: Path) -> Figures:
    """Build the panel that a training builds; then the bare training and prediction of the same matrices, as limits."""
    import numpy as np
    import xgboost
    from flask import current_app

    from retainstream.db import read_unit
    from retainstream.ml.asof import panel as panels
    from retainstream.ml.forward.windows import read
    from retainstream.ml.training import Phases, Plan
    from retainstream.ml.tuning import booster_parameters
    from retainstream.services import as_of, forward_training, registry
    from retainstream.services.forward_training import Asked

    with read_unit() as session:
        material, found = forward_training.gather(
            session, current_app.config["RETAINSTREAM"], Asked(ignore_silent_feeds=True)
        )
        found = found.cut(material.moment)
        known = as_of.dictionary(session, found)
        served = registry.load(session, *_stored(session)).served_
    began = Clock()
    made = panels.assemble(found, known, material.rule, data_end=material.moment)
    spent = began.read()
    peak = peak_mib()
    del found, material
    gc.collect()
    work = read(made, Plan(), panels.split(made), Phases(None))
    work.encoder.add_order(base := work.base(work.rows["train"]), work.y("train"))
    matrix, y = work.encoder.matrix(base, 0), work.y("train")
    parameters = served.report.parameters
    began = Clock()
    data = xgboost.QuantileDMatrix(matrix, label=y, nthread=1)
    booster = xgboost.train(booster_parameters(parameters, 1, 0), data, int(parameters["n_estimators"]))
    spent |= began.read("train")
    newest = np.flatnonzero(made.as_of == made.dates[-1])
    scored = work.encoder.matrix(work.base(newest), 0)
    began = Clock()
    booster.inplace_predict(scored, predict_type="margin")
    spent |= began.read("predict")
    return {**spent, "peak_at_panel": peak, "rows": len(made), "dates": len(made.dates), "features": len(made.specs),
            "train_rows": len(y), "predicted": len(newest)}  # fmt: skip


def _stored(session: Any) -> tuple[int, str]:
    from retainstream.services import registry

    model = registry.required_champion(session)
    return model.version_id, model.sha256


def _rows(connection: Any) -> Iterator[list[tuple[Any, ...]]]:
    cursor = connection.execute(f"SELECT {_COLUMNS} FROM events ORDER BY id")
    while rows := cursor.fetchmany(_FETCH):
        yield rows


def floors(folder: Path) -> Figures:
    """Read the events once and write them once, by the bare driver, into a table with the same columns and indices."""
    from retainstream.db import PAGE_SIZE, sqlite_module

    source = sqlite_module().connect(str(_database(folder)))
    began = Clock()
    n = sum(map(len, _rows(source)))
    spent = began.read() | began.read("read")
    target = folder / "floor.db"
    target.unlink(missing_ok=True)
    bare = sqlite_module().connect(str(target), isolation_level=None)
    for pragma in (f"page_size={PAGE_SIZE}", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-100000"):
        bare.execute(f"PRAGMA {pragma}")
    for (sql,) in source.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'events' AND type IN ('table', 'index') AND sql <> ''"
    ):
        bare.execute(sql)
    wall = cpu = 0.0
    for rows in _rows(source):
        began = Clock()
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany(f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        bare.execute("COMMIT")
        wall, cpu = (told + more for told, more in zip((wall, cpu), began.read().values(), strict=True))
    bare.close()
    for part in folder.glob("floor.db*"):
        part.unlink()
    return {**spent, "write_seconds": wall, "write_cpu": cpu, "events": n}


def sizes(folder: Path) -> Figures:
    """Return the bytes of the database and of the column cache."""
    from retainstream.db import sqlite_module

    connection = sqlite_module().connect(str(_database(folder)))
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    cache = sum(path.stat().st_size for path in (folder / "instance" / "columns").iterdir())
    return {"seconds": 0.0, "cpu": 0.0, "database": (pages - free) * size, "cache": cache}


def _database(folder: Path) -> Path:
    from retainstream.config import Settings

    found = Settings(instance=str(folder / "instance")).database_file
    assert found is not None
    return Path(found)


def _file(verb: str, name: str) -> Callable[[Path], Figures]:
    return lambda folder: command(verb, str(folder / name))


STEPS: dict[str, tuple[str, Callable[[Path], Figures]]] = {
    "customers": ("load customers", _file("import", "customers.csv")),
    "subscriptions": ("load subscriptions", _file("import-subscriptions", "subscriptions.csv")),
    "events": ("load events", _file("import-events", "events.csv")),
    "define": ("define churn", define),
    "floors": ("limits of reading and writing", floors),
    "cold": ("history, nothing in the cache", lambda folder: history(folder, cold=True)),
    "warm": ("history, all in the cache", lambda folder: history(folder, cold=False)),
    "train": ("training job", train),
    "first": ("scoring job, the first", score),
    "night": ("scoring job, every night", score),
    "replay": ("replay of a day", replayed),
    "panel": ("panel alone", panel),
    "sizes": ("sizes", sizes),
}


def one_step(name: str, folder: Path) -> None:
    """Do one step in this process and print its figures as JSON."""
    warnings.filterwarnings("ignore", module="apispec")
    import optuna  # noqa: F401 - what every step may need is there before the clock runs
    import pandas as pd  # noqa: F401
    import sklearn.isotonic  # noqa: F401
    import xgboost  # noqa: F401

    from retainstream.app import create_app
    from retainstream.config import Settings

    settings = Settings(
        instance=str(folder / "instance"), jobs=False, log_level="error", import_max_mb=20_000, import_max_rows=100_000_000,
        import_max_unpacked_mb=40_000,
    )  # fmt: skip
    app = create_app(settings)
    with app.app_context():
        figures = STEPS[name][1](folder)
    print(json.dumps({**figures, "peak_mib": peak_mib()}, default=str))


def measured(folder: Path, size: float, customers: int, events: int) -> dict[str, Figures]:
    """Do what is not done yet in a folder, each step in a process of its own, and return all figures."""
    kept = folder / "figures.json"
    found: dict[str, Figures] = json.loads(kept.read_text()) if kept.exists() else {}
    (folder / "instance").mkdir(parents=True, exist_ok=True)
    for name in ("write", *STEPS):
        if name in found:
            continue
        if name == "write":
            found[name] = write(folder, int(customers * size), int(events * size))
        else:
            found[name] = _in_a_process(name, folder)
        print(f"{size:g}: {name} {found[name]['seconds']:.1f} s", file=sys.stderr, flush=True)
        kept.write_text(json.dumps(found, indent=1))
    return found


def _in_a_process(name: str, folder: Path) -> Figures:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.pipeline", "--step", name, "--keep", str(folder)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )  # fmt: skip
    with Peak(process.pid) as peak:
        said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the step {name} failed")
    figures: Figures = json.loads(said.splitlines()[-1])
    return {**figures, "tree_mb": peak.largest, "load": os.getloadavg()[0]}


LIMITS = {
    "events": ("bare executemany", "floors", "write"),
    "cold": ("one bare read of the events", "floors", "read"),
    "warm": ("one bare read of the events", "floors", "read"),
    "panel": ("one bare read of the events", "floors", "read"),
    "train": ("bare xgboost.train", "panel", "train"),
    "first": ("bare predict", "panel", "predict"),
    "night": ("bare predict", "panel", "predict"),
    "replay": ("bare predict", "panel", "predict"),
}
"""For a step that has one: what its limit is, in which step it was measured, and under which name."""
UNTOLD = ("define", "floors", "sizes")


def lines_of(found: dict[str, Figures]) -> Iterator[str]:
    """Write the table of one size."""
    wrote, made, kept, n = found["write"], found["panel"], found["sizes"], found["write"]["events"]
    yield (
        f"{wrote['customers']:,} customers, {n:,} events; panel of {made['rows']:,} rows ({made['dates']} dates, "
        f"{made['features']} features), {made['train_rows']:,} to learn from; {found['night']['scored']:,} scored"
    )
    yield f"  {'step':31}{'wall s':>8}{'CPU s':>8}{'peak MiB':>9}{'load':>5}   of CPU, times the limit"
    for name, (title, _) in STEPS.items():
        if name in UNTOLD:
            continue
        told, against = found[name], ""
        if name in LIMITS:
            what, step, short = LIMITS[name]
            limit = found[step][f"{short}_cpu"]
            against = f"{told['cpu'] / limit:,.1f} x {what} ({limit:.2f} s)"
        peak = told.get("peak_at_panel", told["peak_mib"])
        yield f"  {title:31}{told['seconds']:8.1f}{told['cpu']:8.1f}{peak:9.0f}{told['load']:5.0f}   {against}"
    phases = ", ".join(f"{name} {took:.0f} s" for name, took in found["train"]["phases"].items())
    yield (
        f"  per event: file {wrote['file_bytes'] / n:.0f} bytes, database {kept['database'] / n:.0f}, column cache "
        f"{kept['cache'] / n:.0f}; {n / found['events']['cpu']:,.0f} events a CPU second loaded; phases of training: {phases}"
    )


def growth(small: dict[str, Figures], big: dict[str, Figures]) -> Iterator[str]:
    """Write how the figures of each step grow from one size to the other."""
    times = big["write"]["events"] / small["write"]["events"]
    yield f"with {times:.1f} times the events, so many times the CPU (wall, memory):"
    for name, (title, _) in STEPS.items():
        if name not in UNTOLD:
            cpu, wall, peak = (big[name][key] / max(small[name][key], 1e-9) for key in ("cpu", "seconds", "peak_mib"))
            yield f"  {title:31}{cpu:6.1f} ({wall:.1f}, {peak:.1f})"


def main() -> None:
    """Measure each size, or do one step of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.1, 1.0])
    parser.add_argument(
        "--keep", type=Path, help="folder in which boxes and figures stay; a fresh one that is removed by default"
    )
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        one_step(asked.step, asked.keep)
        return
    with ExitStack() as stack:
        base = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shown = [measured(base / f"{size:g}", size, asked.customers, asked.events) for size in asked.sizes]
        for found in shown:
            print("\n".join(lines_of(found)))
        if len(shown) > 1:
            print("\n".join(growth(shown[0], shown[-1])))


if __name__ == "__main__":
    main()
