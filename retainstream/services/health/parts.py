"""The parts of which this box can make a health score: what each is made from, which end is healthy, and its values as of a time.

Every part is a feature of the box's dictionary, or a ratio of two, read by the builder that training uses: only what was known counts. Which parts
make whose score is `schemes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sqlalchemy.orm import Session

from retainstream.ml.features import FeatureSpec
from retainstream.services import as_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SILENCE, ACTIVITY, BREADTH, PAYMENT, TENURE, PRICE, SUPPORT = (
    "silence",
    "activity",
    "breadth",
    "payment",
    "tenure",
    "price",
    "support",
)
FEATURE = "feature."
RECENCY = "days_since_activity"
"""The feature that tells the last sign of life: also the plainest rival in a back-test."""
_SUPPORT = re.compile(r"(^|_)(support|ticket|complaint|help|case)(_|s?$)")
_BAD_WHEN_HIGH = re.compile(r"fail|refund|complaint|ticket|support|cancel|error|bounce|overdue|dispute|late|last_")
_NAMED = (
    # part, feature, title, weight, healthy end, (0 points at, 100 points at) where they are the same for every box
    (SILENCE, RECENCY, "Time since the last activity", 35, "low", None),
    (BREADTH, "kinds_used_30", "Kinds of activity in the last 30 days", 10, "high", None),
    (PAYMENT, "payment_failures", "Failed payments in the last 90 days", 15, "low", (2.0, 0.0)),
    (TENURE, "tenure_days", "Time as a customer", 10, "high", None),
    (PRICE, "price_change_percent_90", "Price rise in the last 90 days", 5, "low", (20.0, 0.0)),
)
_RATIO = ("active_days_30", "active_days_90")
_SUPPORT_ENDS = (4.0, 0.0)
_GOOD_SHARE, _BAD_SHARE = 0.75, 0.05
"""Of the customers, so many lie short of the end that gives 100 points, and so many beyond the end that gives 0."""


@dataclass(frozen=True)
class Source:
    """Where a part comes from.

    Attributes
    ----------
    key : str
        Short, unique; one of the names above, or `feature.` and a feature's name.
    specs : tuple of FeatureSpec
        The feature; of the ratio the short window and the long one.
    good : {"high", "low"}
        Which end is healthy, unless somebody says otherwise.
    weight : int
        Before any is chosen; 0 for parts that a default does not take.
    ends : pair of floats, optional
        Values for 0 and for 100 points, where they do not depend on the box.
    """

    key: str
    title: str
    specs: tuple[FeatureSpec, ...]
    good: Literal["high", "low"]
    unit: str = ""
    weight: int = 0
    ends: tuple[float, float] | None = None

    @property
    def ratio(self) -> bool:
        """Tell whether the part holds two windows against each other."""
        return len(self.specs) == 2


def catalogue(session: Session) -> dict[str, Source]:
    """Return every part that this box can make, by key: the named ones first, then each numeric feature."""
    return catalogue_of(as_of.dictionary(session))


def catalogue_of(known: Iterable[FeatureSpec]) -> dict[str, Source]:
    """Return the parts that can be made of some features."""
    numeric = {spec.name: spec for spec in known if spec.kind != "category" and spec.recipe is not None}
    found: dict[str, Source] = {}
    # An attribute of a table that happens to have the name is a feature like any other: nobody knows over which days it was counted.
    timed = {
        name: spec for name, spec in numeric.items() if spec.recipe is not None and spec.recipe.source != "profile"
    }
    for key, name, title, weight, good, ends in _NAMED:
        if name in timed:
            spec = timed[name]
            found[key] = Source(key, title, (spec,), good, spec.unit or "", weight, ends)  # type: ignore[arg-type]
    if all(name in timed for name in _RATIO):
        specs = tuple(numeric[name] for name in _RATIO)
        found[ACTIVITY] = Source(ACTIVITY, "Activity against one’s own past", specs, "high", "% of usual", 20, None)
    if support := _support(numeric.values()):
        title = f"{support.title}"
        found[SUPPORT] = Source(SUPPORT, title, (support,), "low", support.unit or "", 5, _SUPPORT_ENDS)
    taken = {source.specs[0].name for source in found.values() if not source.ratio}
    for name, spec in numeric.items():
        if name not in taken:
            found[f"{FEATURE}{name}"] = _of_feature(spec)
    return found


def _support(specs: Iterable[FeatureSpec]) -> FeatureSpec | None:
    """Return the count, over 90 days, of a kind of event that tells of contacts with support; None when no kind does."""
    for spec in specs:
        recipe = spec.recipe
        if recipe is None or (recipe.source, recipe.aggregate, recipe.window_days) != ("events", "count", 90):
            continue
        if recipe.event is not None and _SUPPORT.search(recipe.event):
            return spec
    return None


def _of_feature(spec: FeatureSpec) -> Source:
    """Return a feature as a part. The healthy end is a first guess by what the feature says; whoever makes a scheme sets it."""
    assert spec.recipe is not None
    aggregate, words = spec.recipe.aggregate, f"{spec.recipe.event or ''} {spec.name}"
    low = aggregate == "days_since_last" or bool(_BAD_WHEN_HIGH.search(words))
    return Source(f"{FEATURE}{spec.name}", spec.title, (spec,), "low" if low else "high", spec.unit or "")


def specs_of(sources: Iterable[Source], known: Iterable[FeatureSpec] = ()) -> tuple[FeatureSpec, ...]:
    """Return the features that some parts are made from, each once, with the last sign of life where `known` has it."""
    found = {spec.name: spec for source in sources for spec in source.specs}
    found |= {spec.name: spec for spec in known if spec.name == RECENCY}
    return tuple(found.values())


def values(frame: pd.DataFrame, sources: Sequence[Source | None]) -> np.ndarray:
    """Return the values of some parts.

    Parameters
    ----------
    frame : DataFrame of shape (n, f)
        From the as-of builder; a feature that it lacks is missing for everybody.
    sources : sequence of Source or None, of length k
        None for a part that can no longer be made: it is missing for everybody.

    Returns
    -------
    float64 array of shape (n, k)
        NaN is missing. A ratio is in per cent of the customer's usual activity: active days of the last 30 against a third of those of the
        last 90; without any active day in 90 there is nothing to hold it against.
    """
    import numpy as np

    found = np.full((len(frame), len(sources)), np.nan)
    for place, source in enumerate(sources):
        if source is None or any(spec.name not in frame for spec in source.specs):
            continue
        columns = [frame[spec.name].to_numpy(dtype=np.float64) for spec in source.specs]
        if source.ratio:
            usual = columns[1] / 3.0
            found[:, place] = np.where(usual > 0, 100.0 * columns[0] / np.where(usual > 0, usual, 1.0), np.nan)
        else:
            found[:, place] = columns[0]
    return found


def ends_of(source: Source, column: np.ndarray, good: str | None = None) -> tuple[float, float] | None:
    """Return which values give 0 and 100 points, by how a part spreads over customers; None where it tells nobody apart.

    The source's own where it has them. Else 100 points from where the healthier quarter begins, 0 where only one in twenty is worse.
    """
    import numpy as np

    if source.ends is not None and good in (None, source.good):
        return source.ends
    known = column[~np.isnan(column)]
    if not len(known) or known.min() == known.max():
        return None
    high = (good or source.good) == "high"
    shares = (_BAD_SHARE, _GOOD_SHARE) if high else (1 - _BAD_SHARE, 1 - _GOOD_SHARE)
    worst, best = (float(value) for value in np.quantile(known, shares))
    if worst == best or (worst < best) != high:
        worst, best = (float(known.min()), float(known.max())) if high else (float(known.max()), float(known.min()))
    return _round(worst, best)


def _round(worst: float, best: float) -> tuple[float, float]:
    """Round two ends to figures that people write, while they stay apart."""
    for digits in (0, 1, 2, 4):
        pair = (round(worst, digits), round(best, digits))
        if pair[0] != pair[1] and (digits or abs(worst - best) >= 3):
            return pair
    return worst, best


def by_label(
    found: Mapping[str, Source], columns: Mapping[str, np.ndarray], left: np.ndarray, most: int = 5
) -> list[Source]:
    """Return, of a table with a label and no history, the attributes that tell leavers apart best, each with the healthy end that the label shows.

    `columns` are by key, `left` a bool array of the same customers; weights by how well each tells them apart (twice the distance of its AUC
    from a half), the strongest first. None without a label of both kinds.
    """
    import numpy as np

    from retainstream.ml.metrics import Ranking

    told: list[tuple[float, Source]] = []
    for key, column in columns.items():
        rows = ~np.isnan(column)
        gone = left[rows]
        if not 0 < gone.sum() < len(gone):
            continue
        auc = float(Ranking(gone, column[rows]).auc(np.ones((1, len(gone))))[0])
        if abs(auc - 0.5) >= 0.02:
            told.append((abs(auc - 0.5), replace(found[key], good="low" if auc > 0.5 else "high", ends=None)))
    told.sort(key=lambda one: (-one[0], one[1].key))
    return [replace(source, weight=max(1, round(200 * strength))) for strength, source in told[:most]]
