"""Who was a customer when, what they paid, and when they did something: arrays that the job makes once and every analysis reads.

They lie in the folder `analyses` of the instance, one folder a run, and are mapped into memory, not read. Disposable: without them pages say that the
analysis is not there yet, and the next run of the job makes them anew. They hold ids of customers and times, nothing else of anybody; whoever was
hidden or erased since is left out when they are read.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import db, read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import AnalysisRun, Customer
from retainstream.services import as_of, churn_definitions, jobs, revisions
from retainstream.services.analyses import runs, spans

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import EventLog, History
    from retainstream.ml.asof.rules import ChurnRule

FOLDER = "analyses"
NEVER = spans.NEVER
SNAPSHOT, FORWARD = "snapshot", "forward"
_MONTH_ZERO, _EPOCH_MONDAY = 12 * 1970, 4  # 1970-01-01 was a Thursday: day 4 of the epoch is a Monday


@dataclass(frozen=True)
class Material:
    """What is known of everybody at one time. All arrays are int64 of shape (n,) unless said otherwise, sorted by customer and then time.

    Attributes
    ----------
    run_id, as_of : int
        `as_of` is the end of the data, microseconds UTC: only what happened and was known before it is here.
    kind : {"forward", "snapshot"}
        Snapshot: a box with a labelled table and no history; only `tenure_*` are filled, and they say nothing of when.
    definition_id : int or None
        The churn definition by which `stay_*` end.
    currency : str
        Of `span_revenue`: that of most of the subscriptions; others are not in `span_*` and counted in `other_currency`.
    stay_customer, stay_start, stay_end, stay_counts
        Unbroken times of being a customer; `stay_end` is NEVER while it lasts; `stay_counts` (bool) whether it ended in the way of the definition.
    span_customer, span_start, span_end, span_revenue, span_plan
        Subscriptions at one plan and price each: monthly revenue in minor units, place in `plans` (-1: none). A change of price ends one span
        and begins another in the same moment.
    month_customer, month_period : and week_customer, week_period
        In which calendar months (12 x year + month - 1) and weeks (Mondays since 1970-01-05) of the box's time zone a customer did something.
    tenure_customer, tenure_months (float64), tenure_left (bool)
        For a snapshot: how long each has been a customer, and whether the label says that they left.
    plans : tuple of str
    """

    run_id: int
    as_of: int
    kind: str
    definition_id: int | None
    currency: str
    other_currency: int
    plans: tuple[str, ...]
    stay_customer: np.ndarray
    stay_start: np.ndarray
    stay_end: np.ndarray
    stay_counts: np.ndarray
    span_customer: np.ndarray
    span_start: np.ndarray
    span_end: np.ndarray
    span_revenue: np.ndarray
    span_plan: np.ndarray
    month_customer: np.ndarray
    month_period: np.ndarray
    week_customer: np.ndarray
    week_period: np.ndarray
    tenure_customer: np.ndarray
    tenure_months: np.ndarray
    tenure_left: np.ndarray


_GROUPS = ("stay", "span", "month", "week", "tenure")
_ARRAYS = tuple(name for name in Material.__annotations__ if name.split("_")[0] in _GROUPS)
_lock = threading.Lock()
_held: dict[tuple[Any, ...], Material] = {}


def read(session: Session, settings: Settings) -> Material:
    """Return the material in force, without those who were hidden or erased since; raises NotReady before it was ever made."""
    run = runs.in_force(session, "material")
    folder = None if run is None else settings.instance_path / FOLDER / str(run.id)
    if run is None or folder is None or not (folder / "header.json").is_file():
        raise NotReady("The customer base has not been looked at over time yet; the first look takes a minute.")
    counters = revisions.read(session)
    key = (db.engine.url.database, run.id, run.made_at, counters["removals"], counters["customers"])
    with _lock:
        found = _held.get(key)
    if found is None:
        found = _visible(session, _load(run, folder))
        with _lock:
            _held.clear()
            _held[key] = found
    return found


def make(context: jobs.JobContext, part: tuple[float, float]) -> dict[str, Any]:
    """Make the material anew and put it in force: a step of the analyse job."""
    with read_unit() as session:
        definition = churn_definitions.in_force(session)
        rule = None if definition is None else churn_definitions.rule_of(definition)
        try:
            end = as_of.data_end(session)
            history = as_of.history(session, context.settings)
        except NotReady:
            end, history = 0, None
        arrays, header = _made(session, context.settings, rule, history, end)
        known = as_of.data_as_of(session) if history is not None else clock.now_us()
    context.progress("customers over time", sum(part) / 2)
    moment = end or clock.now_us() // clock.DAY_US * clock.DAY_US
    header["definition_id"] = None if definition is None else definition.id
    run_id = runs.begin(context, "material", as_of=moment, data_as_of=known, inputs=header)
    folder = context.settings.instance_path / FOLDER
    _write(folder / str(run_id), arrays, header)
    with context.holding_unit() as session:
        counts = {name: len(arrays[f"{name}_customer"]) for name in _GROUPS}
        runs.complete(session, run_id, n=_people(arrays), summary=counts)
    _sweep(folder, run_id)
    return {"customers": _people(arrays), "as_of": clock.iso(moment), **counts}


def _made(
    session: Session, settings: Settings, rule: ChurnRule | None, history: History | None, end: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays: dict[str, np.ndarray] = {name: np.zeros(0, np.int64) for name in _ARRAYS}
    header: dict[str, Any] = {"kind": SNAPSHOT, "currency": settings.currency, "other_currency": 0, "plans": []}
    if rule is None or history is None:
        arrays |= _tenures(session)
        if not len(arrays["tenure_customer"]):
            raise NotReady("There is neither a history of events or subscriptions nor a table with tenure and a label.")
        return arrays, header
    from retainstream.ml.asof.outcomes import stays

    header["kind"] = FORWARD
    found = stays(rule, history, end)
    arrays |= {"stay_customer": found.customer, "stay_start": found.start, "stay_end": found.end}
    arrays["stay_counts"] = found.counts
    known, told = spans.read(session, settings, end)
    header |= told
    return arrays | known | _activity(history.events, ZoneInfo(settings.time_zone), end), header


def _tenures(session: Session) -> dict[str, np.ndarray]:
    rows = session.execute(
        select(Customer.id, Customer.tenure_months, Customer.churned)
        .where(Customer.visible(), Customer.tenure_months.is_not(None), Customer.churned.is_not(None))
        .order_by(Customer.id)
    ).all()
    return {
        "tenure_customer": np.array([row[0] for row in rows], np.int64),
        "tenure_months": np.array([row[1] for row in rows], np.float64),
        "tenure_left": np.array([bool(row[2]) for row in rows], np.bool_),
    }


def _activity(events: EventLog, zone: ZoneInfo, end: int) -> dict[str, np.ndarray]:
    """Return the distinct pairs of customer and month, and of customer and week, with an event that was known before the end of the data."""
    rows = np.flatnonzero((events.occurred < end) & (events.received < end))
    customer, day = events.customer[rows], local_days(events.occurred[rows], zone)
    pairs = np.unique(np.column_stack([customer, day]), axis=0) if len(rows) else np.zeros((0, 2), np.int64)
    customer, day = pairs[:, 0], pairs[:, 1]
    months = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _MONTH_ZERO
    weeks = (day - _EPOCH_MONDAY) // 7
    found: dict[str, np.ndarray] = {}
    for name, period in (("month", months), ("week", weeks)):
        new = np.append(True, (np.diff(customer) != 0) | (np.diff(period) != 0)) if len(day) else np.zeros(0, np.bool_)
        found |= {f"{name}_customer": customer[new], f"{name}_period": period[new]}
    return found


def local_days(moments: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return the calendar days of a time zone on which instants (int64 microseconds UTC) fall, as days since 1970-01-01, int64."""
    if not len(moments):
        return np.zeros(0, np.int64)
    import pandas as pd

    local = pd.DatetimeIndex(moments.astype("datetime64[us]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return local.to_numpy().astype("datetime64[D]").astype(np.int64)


def _people(arrays: dict[str, np.ndarray]) -> int:
    return len(np.unique(np.concatenate([arrays[f"{name}_customer"] for name in _GROUPS])))


def _write(folder: Path, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", arrays[name], allow_pickle=False)
    draft = folder / "header.tmp"
    draft.write_text(json.dumps(header))
    os.replace(draft, folder / "header.json")  # noqa: PTH105 - the header is what makes the folder whole


def _load(run: AnalysisRun, folder: Path) -> Material:
    header = json.loads((folder / "header.json").read_text())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    return Material(
        run_id=run.id,
        as_of=run.as_of,
        kind=header["kind"],
        definition_id=header["definition_id"],
        currency=header["currency"],
        other_currency=header["other_currency"],
        plans=tuple(header["plans"]),
        **arrays,
    )


def _visible(session: Session, found: Material) -> Material:
    """Leave out whoever is not there any more; the arrays stay mapped where nobody is missing."""
    there = np.fromiter(session.scalars(select(Customer.id).where(Customer.visible())), np.int64)
    there.sort()
    kept: dict[str, Any] = {}
    for group in _GROUPS:
        rows = np.isin(getattr(found, f"{group}_customer"), there)
        for name in (each for each in _ARRAYS if each.startswith(f"{group}_")):
            kept[name] = getattr(found, name) if rows.all() else getattr(found, name)[rows]
    return Material(**{name: kept.get(name, getattr(found, name)) for name in Material.__annotations__})


def _sweep(folder: Path, newest: int) -> None:
    """Remove the folders of older runs but for the one before, which somebody may be reading."""
    numbered = sorted((int(each.name) for each in folder.iterdir() if each.name.isdigit()), reverse=True)
    for run_id in [number for number in numbered if number != newest][1:]:
        shutil.rmtree(folder / str(run_id), ignore_errors=True)
