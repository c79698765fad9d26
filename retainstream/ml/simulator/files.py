"""Writes a simulated service to the files that an import takes: customers, subscriptions, events."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np

from retainstream.ml.simulator.emission import KINDS, PROPERTIES, EventColumns
from retainstream.ml.simulator.people import CustomerColumns
from retainstream.ml.simulator.setup import CAUSES, CURRENCY, NEVER, PLANS, Service
from retainstream.ml.simulator.statements import StatementColumns

CUSTOMER_COLUMNS = (
    "user_id",
    "name",
    "email",
    "signup_date",
    "country",
    "channel",
    "age_band",
    "email_opt_out",
    "bucket",
    "lucky_number",
)
SUBSCRIPTION_COLUMNS = (
    "subscription_id",
    "user_id",
    "plan",
    "monthly_revenue",
    "currency",
    "started_at",
    "ended_at",
    "end_reason",
    "received_at",
)
EVENT_COLUMNS = ("event_id", "user_id", "kind", "occurred_at", "received_at", "value", *PROPERTIES)
_ROWS = 50_000


class Played(Protocol):
    """What is written: a simulation, or one with turns."""

    @property
    def service(self) -> Service:
        """What was asked for."""

    def customers(self, rows: slice = ...) -> CustomerColumns:
        """Return the customers."""

    def statements(self) -> StatementColumns:
        """Return the statements about subscriptions."""

    def events(self) -> Iterator[EventColumns]:
        """Yield the events, a month at a time."""


def write_customers(simulation: Played, path: Path) -> int:
    """Write one row of CSV for each customer; returns how many. A name that ends in .gz is packed."""
    n = simulation.service.customers
    with _text(path) as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(CUSTOMER_COLUMNS)
        for first in range(0, n, _ROWS):
            found = simulation.customers(slice(first, first + _ROWS))
            rows.writerows(
                zip(
                    found.user_id,
                    found.name,
                    found.email,
                    _dates(found.signup),
                    found.country,
                    found.channel,
                    found.age_band,
                    np.where(found.email_opt_out, "yes", "no"),
                    found.bucket,
                    found.lucky_number,
                    strict=True,
                )
            )
    return n


def write_subscriptions(simulation: Played, path: Path, currency: str = CURRENCY) -> int:
    """Write one row of CSV for each statement about a subscription, in the order of arrival; returns how many."""
    found = simulation.statements()
    ids = _user_ids(simulation)
    reasons = np.array([*CAUSES, ""], dtype=object)  # -1, none, is the last one
    with _text(path) as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(SUBSCRIPTION_COLUMNS)
        for first in range(0, len(found), _ROWS):
            at = slice(first, first + _ROWS)
            who, ended = found.who[at], found.ended[at]
            open_ended = ended == NEVER
            ends = np.where(open_ended, "", _instants(np.where(open_ended, 0, ended)))
            prices = [f"{minor / 100:.2f}" for minor in found.price_minor[at].tolist()]
            rows.writerows(
                (f"sub_{user[4:]}{f'-{number + 1}' if number else ''}", user, PLANS[plan], price, currency, *rest)
                for user, number, plan, price, *rest in zip(
                    ids[who],
                    found.number[at].tolist(),
                    found.plan[at].tolist(),
                    prices,
                    _instants(found.started[at]),
                    ends,
                    reasons[found.reason[at]],
                    _instants(found.received[at]),
                    strict=True,
                )
            )
    return len(found)


def write_events(simulation: Played, path: Path, progress: Callable[[float], None] | None = None) -> int:
    """Write all events, a month at a time; returns how many.

    Parameters
    ----------
    path : Path
        CSV with a column for each property, or with `.jsonl` in its name JSON lines with an object of properties. A name that ends
        in `.gz` is packed.
    progress : callable, optional
        Told the share that is written, 0 to 1, after each month.
    """
    ids = _user_ids(simulation)
    lines = _json_lines if ".jsonl" in path.name else _csv_lines
    written, span = 0, simulation.service.days
    with _text(path) as stream:
        if lines is _csv_lines:
            stream.write(",".join(EVENT_COLUMNS) + "\n")
        for number, month in enumerate(simulation.events(), start=1):
            for first in range(0, len(month), _ROWS):
                stream.writelines(lines(month, ids, slice(first, first + _ROWS)))
            written += len(month)
            if progress:
                progress(min(1.0, 30 * number / span))
    return written


def _csv_lines(month: EventColumns, ids: np.ndarray, at: slice) -> Iterator[str]:
    cells = month.cells
    return map(
        "e{},{},{},{},{},{},{}\n".format,
        month.key[at].tolist(),
        ids[month.who[at]],
        np.array(KINDS, dtype=object)[month.kind[at]],
        _instants(month.occurred[at]),
        _instants(month.received[at]),
        _numbers(month.value[at], ""),
        cells[month.properties[at]],
    )


def _json_lines(month: EventColumns, ids: np.ndarray, at: slice) -> Iterator[str]:
    texts = np.array([*month.texts, "{}"], dtype=object)
    return map(
        '{{"key":"e{}","user_id":{},"kind":"{}","occurred_at":"{}","received_at":"{}","value":{},"properties":{}}}\n'.format,
        month.key[at].tolist(),
        map(json.dumps, ids[month.who[at]]),
        np.array(KINDS, dtype=object)[month.kind[at]],
        _instants(month.occurred[at]),
        _instants(month.received[at]),
        _numbers(month.value[at], "null"),
        texts[month.properties[at]],
    )


def _user_ids(simulation: Played) -> np.ndarray:
    return simulation.customers().user_id


def _numbers(values: np.ndarray, none: str) -> list[str]:
    return [none if value != value else f"{value:.10g}" for value in values.tolist()]  # noqa: PLR0124 - NaN differs from itself


def _instants(moments: np.ndarray) -> list[str]:
    texts = np.datetime_as_string(moments.astype("datetime64[us]").astype("datetime64[s]"), timezone="UTC")
    found: list[str] = texts.tolist()
    return found


def _dates(moments: np.ndarray) -> list[str]:
    found: list[str] = np.datetime_as_string(moments.astype("datetime64[us]").astype("datetime64[D]")).tolist()
    return found


def _text(path: Path) -> TextIO:
    """Open a file for writing text; packed without a time stamp or name, so that the same rows are the same bytes."""
    if path.suffix != ".gz":
        return path.open("w", encoding="utf-8", newline="")
    packed = gzip.GzipFile(filename="", fileobj=path.open("wb"), mode="wb", compresslevel=1, mtime=0)
    return io.TextIOWrapper(packed, encoding="utf-8", newline="")
