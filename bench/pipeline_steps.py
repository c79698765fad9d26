"""The steps of the whole way of a box, each a function from its folder to its figures. In which order, and what is told of them: `bench.pipeline`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
    """Queue a job through its service and do it here; what follows it by itself, such as the analyses after a scoring, stays in the queue."""
    from flask import current_app

    from retainstream.db import unit_of_work
    from retainstream.jobs.inline import run_or_follow
    from retainstream.security.actor import SYSTEM
    from retainstream.services import predictions, replay, training

    doors: dict[str, Callable[..., Any]] = {
        "train": lambda session: training.request(session, SYSTEM, options),
        "score": lambda session: predictions.generate(session, SYSTEM),
        "replay": lambda session: replay.request(session, SYSTEM, options),
    }
    began = Clock()
    with unit_of_work() as session:
        job_id = doors[kind](session).id
    ended = run_or_follow(job_id, current_app.config["RETAINSTREAM"], lambda *_: None)
    spent = began.read()
    if ended["state"] != "succeeded":
        raise SystemExit(f"{kind}: {ended}")
    return {"spent": spent, "result": ended["result"]}


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


def file_loaded(verb: str, name: str) -> Callable[[Path], Figures]:
    return lambda folder: command(verb, str(folder / name))
