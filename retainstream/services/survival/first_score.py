"""Where customers stood when they were first scored: those of one rank are followed from that day on, so that what a model said is held against what came.

A customer enters the risk set with the score, at the age of that day; scores by a model that knew of later days than the one it scored do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import ModelVersion, ScoreHistory, ScoringRun
from retainstream.services.survival.lives import DAYS_PER_MONTH, Lives

LABELS = ("riskiest tenth", "next 15%", "next 25%", "safer half")
_EDGES = np.array([0.10, 0.25, 0.50])
_MOST_RUNS = 12


@dataclass(frozen=True)
class FirstScore:
    """Arrays of shape (n,), in the order of the lives: place among `LABELS` (-1: none), and how old the stay was then, in months."""

    place: np.ndarray
    entry: np.ndarray


def runs(session: Session) -> list[tuple[int, int]]:
    """Return id and as-of of the runs that count, oldest first: the first of each month, of the newest dozen of months."""
    rows = session.execute(
        select(ScoringRun.id, ScoringRun.as_of)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .where(ScoringRun.state == "complete", ScoringRun.scope == "all", ScoringRun.role.in_(("champion", "replay")))
        .where(ModelVersion.as_of <= ScoringRun.as_of)
        .order_by(ScoringRun.as_of, ScoringRun.id)
    )
    first: dict[str, tuple[int, int]] = {}
    for run_id, as_of in rows:
        first.setdefault(f"{clock.from_us(as_of):%Y-%m}", (run_id, as_of))
    return list(first.values())[-_MOST_RUNS:]


def read(session: Session, lives: Lives) -> FirstScore:
    """Return where each customer stood in the first run that scored them while they were there."""
    place, entry = np.full(len(lives), -1, np.int64), lives.entry.copy()
    for run_id, as_of in runs(session):
        query = select(ScoreHistory.customer_id, ScoreHistory.margin).where(ScoreHistory.run_id == run_id)
        rows = session.execute(query).all()
        if not rows:
            continue
        customer = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        share = _share_above(np.fromiter((row[1] for row in rows), np.float64, len(rows)))
        order = np.argsort(customer)
        at = np.minimum(np.searchsorted(customer[order], lives.customer), len(rows) - 1)
        age = (as_of - lives.came) // clock.DAY_US / DAYS_PER_MONTH
        scored = (customer[order][at] == lives.customer) & (age >= lives.entry) & (age < lives.months) & (place < 0)
        place[scored] = np.searchsorted(_EDGES, share[order][at][scored], side="right")
        entry[scored] = age[scored]
    return FirstScore(place, entry)


def _share_above(margin: np.ndarray) -> np.ndarray:
    """Return the share of customers with a higher margin, ties sharing the middle of their places; 0 to 1."""
    ordered = np.sort(margin)
    below, upto = (np.searchsorted(ordered, margin, side=side) for side in ("left", "right"))
    return np.asarray(1 - (below + upto) / (2 * len(margin)))
