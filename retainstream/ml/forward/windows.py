"""The windows of a panel as a training uses them: which rows, encoded how, and described.

Where one window ends and the next begins is decided in `retainstream.ml.asof.panel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.forward.stability import day_of
from retainstream.ml.report import Window
from retainstream.ml.training import Phases, Plan

if TYPE_CHECKING:
    from retainstream.ml.asof.panel import Panel, Split

PARTS = ("train", "calibrate", "test")
_CHUNK = 65_536


@dataclass(frozen=True)
class Work:
    """The panel, the positions of each window's rows that are used, and what steers the steps."""

    panel: Panel
    rows: dict[str, np.ndarray]
    purged: int
    encoder: CategoryEncoder
    plan: Plan
    phases: Phases
    rng: np.random.Generator

    def y(self, part: str) -> np.ndarray:
        """Labels of a window's rows, 0 or 1."""
        return np.asarray(self.panel.y[self.rows[part]])

    def customer(self, part: str) -> np.ndarray:
        """Customers of a window's rows, int64."""
        return np.asarray(self.panel.customer[self.rows[part]])

    def as_of(self, part: str) -> np.ndarray:
        """Observation dates of a window's rows, microseconds UTC."""
        return np.asarray(self.panel.as_of[self.rows[part]])

    def base(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows of the panel by position: float32 of shape (len(rows), f)."""
        found = np.empty((len(rows), len(self.encoder.specs)), dtype=np.float32)
        for start in range(0, len(rows), _CHUNK):  # a frame of all rows would be a second copy
            found[start : start + _CHUNK] = self.encoder.base(self.panel.frame.iloc[rows[start : start + _CHUNK]])
        return found


def read(panel: Panel, plan: Plan, split: Split | None, phases: Phases) -> Work:
    """Take the windows, without the treated, and freeze the levels of categories on the train window."""
    phases.begin("reading")
    if split is None:
        from retainstream.ml.asof.panel import split as split_in_time

        split = split_in_time(panel)
    rows = {part: untreated(panel, getattr(split, part)) for part in PARTS}
    _require_usable(panel, rows)
    encoder = CategoryEncoder(panel.specs)
    categories = [spec.name for spec in panel.specs if spec.kind == "category"]
    encoder.fit_levels(panel.frame[categories].iloc[rows["train"]])
    return Work(panel, rows, int(split.purged), encoder, plan, phases, np.random.default_rng([plan.seed, 2]))


def untreated(panel: Panel, rows: np.ndarray) -> np.ndarray:
    """Keep the rows whose customers were not treated."""
    return np.asarray(rows[~np.asarray(panel.treated)[rows]])


def _require_usable(panel: Panel, rows: dict[str, np.ndarray]) -> None:
    for part in PARTS:
        y = panel.y[rows[part]]
        churned = int((y == 1).sum())
        if min(churned, len(y) - churned) < 2:
            raise ValueError(
                f"The {part} window has {churned:,} rows of customers who left and {len(y) - churned:,} of customers who stayed; "
                "at least two of each are needed."
            )
    for earlier, later in pairwise(PARTS):
        if not panel.as_of[rows[earlier]].max() < panel.as_of[rows[later]].min():
            raise ValueError(f"The {earlier} window must end before the {later} window begins.")


def window(panel: Panel, name: str, rows: np.ndarray) -> Window:
    """Describe some rows of a panel, of which treated ones have been left out."""
    as_of, y = panel.as_of[rows], panel.y[rows]
    dates = np.unique(as_of)
    treated = np.asarray(panel.treated) & (panel.as_of >= dates[0]) & (panel.as_of <= dates[-1])
    return Window(
        name=name,
        first=day_of(int(dates[0])),
        last=day_of(int(dates[-1])),
        dates=tuple(dates.tolist()),
        n=len(rows),
        customers=len(np.unique(panel.customer[rows])),
        n_churned=int(y.sum()),
        base_rate=float(y.mean()),
        treated=int(treated.sum()),
    )
