"""Everybody's lifetime value, by the kind of contract that the data shows, and its check on a period held out: a step of the analyse job."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import LifetimeValue
from retainstream.services import as_of, jobs, preferences
from retainstream.services.analyses import material, purchases, runs
from retainstream.services.lifetime import buyers, subscribers
from retainstream.services.lifetime.terms import Check, Terms, Valued, estimate

KIND, WORDS = "lifetime", "lifetime value"


def make(context: jobs.JobContext, part: tuple[float, float]) -> dict[str, Any]:
    """Value everybody: a step of the analyse job. Raises NotReady, with the reason, where values cannot be told."""
    settings = context.settings
    with read_unit() as session:
        terms = Terms.of(preferences.read(session))
        bought = purchases.of_shop(session, settings)
        if bought is None:
            found, end = subscribers.valued(session, settings, terms), 0
        else:
            end = as_of.data_end(session)
        try:
            known = as_of.data_as_of(session)
        except NotReady:
            known = clock.now_us()
    context.progress(WORDS, sum(part) / 2)
    if bought is not None:
        found = buyers.valued(bought, ZoneInfo(settings.time_zone), end, terms)
    run_id = runs.begin(context, KIND, as_of=found.as_of, data_as_of=known, inputs=asdict(terms))
    _write(context, run_id, found)
    folder = settings.instance_path / material.FOLDER / KIND
    if found.check is not None:
        _keep(folder, run_id, found.check)
    with context.holding_unit() as session:
        runs.complete(session, run_id, n=int((~np.isnan(found.values.value)).sum()), summary=_summary(found))
    _sweep(folder, run_id)
    return {"contract": found.contract, "customers": len(found.customer), "as_of": clock.iso(found.as_of)}


def checked_customers(settings: Settings, run_id: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return whom a run's check was about, by rising id, and in which tenth each lies; None where that is not kept any more."""
    file = settings.instance_path / material.FOLDER / KIND / f"{run_id}.npz"
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as held:
        return held["customer"], held["part"]


def _keep(folder: Path, run_id: int, check: Check) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    np.savez(folder / f"{run_id}.npz", customer=check.customer, part=check.part)


def _sweep(folder: Path, newest: int) -> None:
    if folder.is_dir():
        for file in folder.iterdir():
            if file.suffix == ".npz" and file.stem != str(newest):
                file.unlink(missing_ok=True)


def _summary(found: Valued) -> dict[str, Any]:
    values, check = found.values, found.check
    return {
        "contract": found.contract,
        "currency": found.currency,
        "total": estimate(values.total),
        "unknown": values.unknown,
        "level": values.level,
        "method": values.method,
        "parameters": found.parameters,
        "notes": list(found.notes),
        "check": None
        if check is None
        else {
            "from": check.cut,
            "to": check.end,
            "method": check.method,
            "money": check.money,
            "purchases": check.purchases,
            "parameters": check.parameters,
        },
        "unchecked": found.unchecked,
    }


def _write(context: jobs.JobContext, run_id: int, found: Valued) -> None:
    values = found.values
    known = ~np.isnan(values.value)
    columns = (
        found.customer[known],
        *(np.rint(column[known]).astype(np.int64) for column in (values.value, values.low, values.high)),
        found.alive[known],
        found.purchases[known],
    )
    names = ("customer_id", "value_minor", "low_minor", "high_minor", "alive", "purchases")
    rows = (
        dict(zip(names, row, strict=True)) | {"run_id": run_id, "currency": found.currency}
        for row in zip(*(column.tolist() for column in columns), strict=True)
    )
    runs.write(context, LifetimeValue, rows)
