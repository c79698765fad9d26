"""Panels: everybody who was active on each observation date, with what was known then and what came after; and their split in time.

Which dates those are is `dates`, who was active `standing`, what came after `outcomes`, what was known `builder`;
the columns are filled by `filling`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.dates import (
    EVERY_DAYS,
    LATER,
    MAX_DATES,
    Calendar,
    TooLittleHistory,
    calendar,
    needed_days,
    observation_dates,
    parts_of,
)
from retainstream.ml.asof.filling import Columns
from retainstream.ml.asof.outcomes import Outcomes, standing
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.features import FeatureSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Outline",
    "Panel",
    "Split",
    "TooLittleHistory",
    "assemble",
    "observation_dates",
    "outline",
    "revenue_at",
    "split",
]
Treated = tuple[np.ndarray, np.ndarray]
_PER_ROW = ("customer", "as_of", "y", "left_at", "revenue_minor", "treated")


@dataclass(frozen=True)
class Outline:
    """The rows of a panel without their features.

    Attributes
    ----------
    customer, as_of, left_at : int64 arrays of shape (n,)
        Sorted by (as_of, customer).
    y : int8 array of shape (n,)
        1 left, 0 stayed.
    calendar : Calendar
    left_out : dict of str to int
        Rows that are not here, by reason: those of `Labels.left_out`; `announced`; `purged` (their date falls between two parts).
    other_reason : int
        Rows with y = 0 that left in another way within the window.
    """

    customer: np.ndarray
    as_of: np.ndarray
    y: np.ndarray
    left_at: np.ndarray
    calendar: Calendar
    left_out: dict[str, int]
    other_reason: int


@dataclass(frozen=True)
class Panel:
    """Customers on observation dates: features, outcome, and what is needed to judge a model of them.

    Attributes
    ----------
    frame : DataFrame of shape (n, f)
        One column per entry of `specs`: float32 (NaN missing), categories as pandas categoricals with sorted categories.
    customer, as_of, left_at : int64 arrays of shape (n,)
        Sorted by (as_of, customer); a customer has a row for each date on which it was active. `left_at` as in `Labels`.
    y : int8 array of shape (n,)
        1 left in the window, 0 stayed; no open row, none that was left out.
    revenue_minor : float64 array of shape (n,)
        Monthly price of the subscriptions that ran, as known then; NaN for none.
    treated : bool array of shape (n,)
        Something was done to the customer between the as-of time and the close of its window.
    dates : tuple of int
        Rising.
    data_end : int
    rule : ChurnRule
    specs : tuple of FeatureSpec
    left_out : dict of str to int
        As in `Outline`.
    left_out_features : tuple of str
        Names of specifications that have no column: profile columns that were known on fewer than half of the rows (they were imported
        later than most dates), and columns without any value.
    other_reason : int
    every_days : int
        Distance of two dates.
    customers_in_all : int
        Customers before sampling.
    notes : tuple of str
        What a reader should know of how the panel was made.
    later : int
        How many dates calibration and test each take at most, see `dates.parts_of`.
    """

    frame: pd.DataFrame
    customer: np.ndarray
    as_of: np.ndarray
    y: np.ndarray
    left_at: np.ndarray
    revenue_minor: np.ndarray
    treated: np.ndarray
    dates: tuple[int, ...]
    data_end: int
    rule: ChurnRule
    specs: tuple[FeatureSpec, ...]
    left_out: dict[str, int]
    left_out_features: tuple[str, ...] = ()
    other_reason: int = 0
    every_days: int = EVERY_DAYS
    customers_in_all: int = 0
    notes: tuple[str, ...] = ()
    later: int = LATER[0]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> Panel:
        """Return the rows of a mask or of rising positions; `dates` become those that are left."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        kept: dict[str, Any] = {name: getattr(self, name)[rows] for name in _PER_ROW}
        dates = tuple(int(date) for date in np.unique(kept["as_of"]))
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), dates=dates, **kept)


@dataclass(frozen=True)
class Split:
    """Rows of a panel in time: train < calibrate < test.

    Attributes
    ----------
    train, calibrate, test : int64 arrays
        Rising positions in the panel. A customer may be in several parts, at different dates.
    purged : int
        Rows in no part, because their window reaches into the next one, or because they were purged when the panel was made.
    parts : dict of str to dict
        By name: `from` and `to` (first and last date), `dates`, `n`, `churned`.
    """

    train: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    purged: int
    parts: dict[str, dict[str, object]]


def outline(
    history: History,
    rule: ChurnRule,
    *,
    data_end: int,
    every_days: int = EVERY_DAYS,
    max_dates: int = MAX_DATES,
    later: int = LATER[0],
    outcomes: Outcomes | None = None,
) -> Outline:
    """Return which rows a panel would have, and what became of them; parameters and errors as `assemble`.

    `history` ends with what was known at `data_end`; `outcomes` are those of rule, history and data_end, for a caller that has them.
    """
    chosen = calendar(rule, history, data_end, every_days, max_dates, later)
    outcomes = outcomes or Outcomes(rule, history, data_end)
    kept: list[tuple[np.ndarray, ...]] = []
    left_out: dict[str, int] = {}
    other = 0
    for as_of in chosen.dates:
        seen = standing(rule, history, as_of)
        found = outcomes.labels(seen.customers, as_of)
        reasons = {**found.left_out, "announced": len(seen.announced)}
        if as_of not in chosen.parts.dates:
            reasons = {"purged": int((found.y >= 0).sum())}
        else:
            rows = found.y >= 0
            n = int(rows.sum())
            kept.append((seen.customers[rows], np.full(n, as_of), found.y[rows], found.left_at[rows]))
            other += found.other_reason
        for why, count in reasons.items():
            if count:
                left_out[why] = left_out.get(why, 0) + count
    customer, dates, y, left_at = (np.concatenate(part) for part in zip(*kept, strict=True))
    return Outline(customer, dates, y, left_at, chosen, left_out, other)


def assemble(
    history: History,
    specs: Sequence[FeatureSpec],
    rule: ChurnRule,
    *,
    data_end: int,
    every_days: int = EVERY_DAYS,
    treated: Treated | None = None,
    max_rows: int | None = None,
    max_dates: int = MAX_DATES,
    later: int = LATER[0],
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Panel:
    """Build a panel of everything that was known before `data_end`; nothing later changes it, to the bit.

    What differs from what was asked for is told in the panel's notes.

    Parameters
    ----------
    history : History
    specs : sequence of FeatureSpec
        Each with a recipe.
    rule : ChurnRule
    data_end : int
        Microseconds UTC; a row whose window closes later is not in the panel.
    every_days : int
        Distance of observation dates; a short history may make it smaller (see `dates.calendar`).
    treated : pair of int64 arrays, optional
        Customers and when something was done to them, in any order.
    max_rows : int, optional
        With more rows, customers are drawn; all rows of a customer stay together.
    max_dates, later : int
        Most observation dates, of which the newest count, and most for calibration and for test (one of `dates.LATER`).
    seed : int
        Of the draw.
    progress : callable, optional
        Is told the share of the work that is done, 0 to 1.

    Raises
    ------
    TooLittleHistory
        When there is no room for three parts in time.
    """
    history = history.cut(data_end)
    plan = outline(history, rule, data_end=data_end, every_days=every_days, max_dates=max_dates, later=later)
    everybody = len(np.unique(plan.customer))
    rows = _drawn(plan.customer, max_rows, seed)
    plan = replace(plan, **{name: getattr(plan, name)[rows] for name in ("customer", "as_of", "y", "left_at")})
    notes = _notes(plan, everybody, drawn=not rows.all(), seed=seed)
    columns, revenue, exposed = _filled(history, specs, rule, plan, treated, progress)
    frame, kept, dropped = columns.finish()
    return Panel(
        frame=frame, customer=plan.customer, as_of=plan.as_of, y=plan.y, left_at=plan.left_at, revenue_minor=revenue, treated=exposed,
        dates=tuple(int(date) for date in np.unique(plan.as_of)), data_end=data_end, rule=rule, specs=kept, left_out=plan.left_out,
        left_out_features=dropped, other_reason=plan.other_reason, every_days=plan.calendar.every_days, customers_in_all=everybody,
        notes=notes, later=later,
    )  # fmt: skip


def _notes(plan: Outline, everybody: int, *, drawn: bool, seed: int) -> tuple[str, ...]:
    """Return what a reader should know of a plan whose rows are of some of `everybody`."""
    notes = [plan.calendar.note] if plan.calendar.note else []
    if drawn:
        some = len(np.unique(plan.customer))
        notes.append(f"{some:,} of {everybody:,} customers were drawn (seed {seed}), each with all of its rows.")
    return tuple(notes)


def _filled(
    history: History,
    specs: Sequence[FeatureSpec],
    rule: ChurnRule,
    plan: Outline,
    treated: Treated | None,
    progress: Callable[[float], None] | None,
) -> tuple[Columns, np.ndarray, np.ndarray]:
    """Return, date by date and in the order of the plan's rows, features, monthly prices, and whether something was done to the customer."""
    from retainstream.ml.asof.builder import Builder

    builder = Builder(history, specs)
    columns = Columns(specs, len(plan.y))
    revenue = np.full(len(plan.y), np.nan)
    exposed = np.zeros(len(plan.y), bool)
    dates = plan.calendar.parts.dates
    for done, as_of in enumerate(dates):
        first, last = np.searchsorted(plan.as_of, [as_of, as_of + 1])
        part = slice(int(first), int(last))
        columns.fill(part, builder.at(as_of, plan.customer[part]))
        revenue[part] = revenue_at(history, as_of, plan.customer[part])
        if treated is not None:
            exposed[part] = _exposed(treated, plan.customer[part], as_of, as_of + rule.maturity_us)
        if progress is not None:
            progress((done + 1) / len(dates))
    return columns, revenue, exposed


def split(panel: Panel) -> Split:
    """Divide a panel into train < calibrate < test by date, purged.

    With m = ``panel.rule.maturity_us``: as_of + m <= first date of the next part, for every row of a part. `dates.parts_of` says how many
    dates each part has.

    Raises
    ------
    TooLittleHistory
        When the panel's dates leave no room for three parts.
    """
    parts = parts_of(panel.dates, panel.rule, panel.later)
    if parts is None:
        have = (panel.data_end - panel.dates[0]) // DAY_US if panel.dates else 0
        raise TooLittleHistory(
            f"The {len(panel.dates)} observation dates leave no room for training, calibration and test one after another.",
            needed_days(panel.rule),
            have,
        )
    positions, described = {}, {}
    for part in fields(parts):
        dates = getattr(parts, part.name)
        rows = np.flatnonzero(np.isin(panel.as_of, dates))
        positions[part.name] = rows
        described[part.name] = {
            "from": dates[0], "to": dates[-1], "dates": list(dates), "n": len(rows), "churned": int(panel.y[rows].sum()),
        }  # fmt: skip
    purged = len(panel) - sum(len(rows) for rows in positions.values()) + panel.left_out.get("purged", 0)
    return Split(positions["train"], positions["calibrate"], positions["test"], purged, described)


def _drawn(customer: np.ndarray, max_rows: int | None, seed: int) -> np.ndarray:
    """Return a mask of the rows of customers that were drawn: in the order of a hash of id and seed, as many as fit."""
    if max_rows is None or len(customer) <= max_rows:
        return np.ones(len(customer), bool)
    ids, counts = np.unique(customer, return_counts=True)
    order = np.argsort(_hashed(ids, seed), kind="stable")
    fitting = ids[order[np.cumsum(counts[order]) <= max_rows]]
    return np.isin(customer, fitting)


def _hashed(ids: np.ndarray, seed: int) -> np.ndarray:
    """Return the SplitMix64 hash (Steele, Lea and Flood 2014) of ids."""
    x = ids.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def revenue_at(history: History, as_of: int, customers: np.ndarray) -> np.ndarray:
    """Return the monthly price, in minor units, of each customer's subscriptions that ran at a time, as known then.

    `customers` are rising ids; float64 of their shape, NaN for nobody's price.
    """
    revenue = np.full(len(customers), np.nan)
    if not len(history.subscriptions) or not len(customers):
        return revenue
    running = history.subscriptions.state_at(as_of)
    running = running.take((running.ended > as_of) & np.isfinite(running.price_minor))
    place = np.minimum(np.searchsorted(customers, running.customer), len(customers) - 1)
    ours = customers[place] == running.customer
    revenue[place[ours]] = 0.0
    np.add.at(revenue, place[ours], running.price_minor[ours])
    return revenue


def _exposed(treated: Treated, customers: np.ndarray, start: int, stop: int) -> np.ndarray:
    customer, at = treated
    return np.isin(customers, customer[(at >= start) & (at < stop)])
