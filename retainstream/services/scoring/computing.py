"""Scores, places among all, reasons with the values behind them, and sums over a run. No database here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retainstream.services import jobs
from retainstream.services.preferences import BAND_NAMES, Preferences
from retainstream.services.registry import Version

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from retainstream.ml import ChurnPredictor, FeatureSpec
    from retainstream.services.scoring.standings import Standings

PREDICTED_FROM_BAND = 2
"""From this band on (high) a customer is predicted to leave: `predicted_churners` is the length of the list that opens."""
REASONS_KEPT = 5
HISTOGRAM_BINS = 20
_CHUNK = 50_000
_Z95 = 1.959964


@dataclass(frozen=True)
class Rows:
    """Customers to score, one row each, by rising id.

    Attributes
    ----------
    frame : DataFrame of shape (n, f)
        The features of the model.
    ids : int64 array of shape (n,)
    version_ids : int64 array of shape (n,), optional
        The attribute versions that were read; none where features are made from history.
    revenue_minor : float64 array of shape (n,)
        Monthly revenue in minor units; NaN where there is none.
    data_as_of : int
        When the newest of these values became known, microseconds UTC; 0 without rows.
    """

    frame: pd.DataFrame
    ids: np.ndarray
    version_ids: np.ndarray | None
    revenue_minor: np.ndarray
    data_as_of: int

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Work:
    """What a run has in hand. `standings` is there for a forward-looking model only."""

    model: Version
    predictor: ChurnPredictor
    rows: Rows
    preferences: Preferences
    scope: str
    role: str
    as_of: int
    feature_hash: str
    standings: Standings | None = None


@dataclass
class Scores:
    """Scores of n customers in the order of the rows; `probability` is None when the model is not calibrated.

    `reason_values` stays empty for a snapshot model, whose values are kept as attribute versions.
    """

    margin: np.ndarray
    p0: np.ndarray
    p1: np.ndarray
    probability: np.ndarray | None
    reasons: list[str] = field(default_factory=list)
    reason_values: list[str] = field(default_factory=list)
    notices: dict[int, list[list[str]]] = field(default_factory=dict)
    recomputed: int = 0

    @classmethod
    def empty(cls, n: int, *, calibrated: bool) -> Scores:
        """Return room for n scores."""
        import numpy as np

        return cls(np.empty(n), np.empty(n), np.empty(n), np.empty(n) if calibrated else None)


@dataclass(frozen=True)
class Ranks:
    """Place of each customer among the scored (0 to 1, 1 nearest to leaving), and the band that follows."""

    percentile: np.ndarray
    band: np.ndarray


def score(context: jobs.JobContext, work: Work, keep: Callable[[slice, Scores], None], behind: float = 0.05) -> Scores:
    """Score chunk by chunk outside of any unit; `keep` is called with each chunk that is done.

    Parameters
    ----------
    behind : float
        The share of the whole job that is done before.
    """
    n = len(work.rows)
    scores = Scores.empty(n, calibrated=work.predictor.report_.calibration.passed)
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        _score_chunk(work, scores, start, stop, context.threads)
        keep(slice(start, stop), scores)
        context.progress("scoring", behind + (0.88 - behind) * stop / n)
    return scores


def _score_chunk(work: Work, scores: Scores, start: int, stop: int, threads: int) -> None:
    """Fill one chunk. A customer that was in a snapshot model's training is scored by what never saw it; the predictor knows them by id."""
    from retainstream.ml.wording import compact_reasons

    served = work.predictor.served_
    frame = work.rows.frame.iloc[start:stop]
    base = served.encoder.base(frame)
    fold = served.folds_of(stop - start, work.rows.ids[start:stop])
    margin, found = served.explained(base, fold, threads)
    scores.margin[start:stop] = margin
    scores.p0[start:stop], scores.p1[start:stop] = served.intervals(margin, fold)
    if scores.probability is not None:
        scores.probability[start:stop] = served.calibrated(margin, fold)
    scores.recomputed += found.recomputed
    reasons = compact_reasons(found.values, groups=served.correlated, top=REASONS_KEPT)
    scores.reasons += reasons
    if work.rows.version_ids is None:
        scores.reason_values += values_behind(reasons, frame, base, served.specs)
    _note(scores, frame, base, [spec.name for spec in served.specs], start)


def values_behind(
    reasons: Sequence[str], frame: pd.DataFrame, base: np.ndarray, specs: Sequence[FeatureSpec]
) -> list[str]:
    """Return, for each row, the values that its reasons speak of, as JSON by feature name.

    Parameters
    ----------
    reasons : sequence of n str
        Compact reasons; their first item names the feature by its place.
    base : float32 array of shape (n, f)
        The encoder's matrix, which holds the numbers as the model saw them.
    """
    import numpy as np

    told = [[reason[0] for reason in json.loads(compact)] for compact in reasons]
    rows = np.repeat(np.arange(len(told)), [len(columns) for columns in told])
    places = np.array([j for columns in told for j in columns], dtype=np.int64)
    texts = base[rows, places].astype(str).astype(object)  # the shortest text that is the same float32
    texts[texts == "nan"] = "null"
    for j, spec in enumerate(specs):
        if spec.kind == "category":
            here = np.flatnonzero(places == j)
            values = frame[spec.name].astype(object).to_numpy()[rows[here]]
            texts[here] = [json.dumps(category(value), ensure_ascii=False) for value in values]
    names = [f"{json.dumps(spec.name, ensure_ascii=False)}:" for spec in specs]
    following = iter(texts.tolist())
    return ["{" + ",".join([names[j] + next(following) for j in columns]) + "}" for columns in told]


def written(value: np.float32, kind: str) -> float | int | bool | None:
    """Return a number of the model's matrix as a person writes it: the shortest one that is the same float32; NaN is None."""
    number = float(value)
    if number != number:  # noqa: PLR0124 - NaN
        return None
    if kind == "boolean" and number in (0, 1):
        return bool(number)
    return int(number) if number.is_integer() else float(str(value))


def category(value: Any) -> str | None:
    """Return a category's text; None where it is missing."""
    return value if isinstance(value, str) else None


def _note(scores: Scores, frame: Any, base: np.ndarray, names: list[str], start: int) -> None:
    """Keep which values were missing, and which the model could not read: a category that it does not know."""
    import numpy as np

    for j, name in enumerate(names):
        empty = np.flatnonzero(np.isnan(base[:, j]))
        if len(empty):
            absent = frame[name].isna().to_numpy()[empty]
            for i, missing in zip(empty.tolist(), absent.tolist(), strict=True):
                scores.notices.setdefault(start + i, []).append([name, "missing" if missing else "unseen"])


def rank(work: Work, scores: Scores, others: np.ndarray) -> Ranks:
    """Rank among all scored customers: those of this run and, for a run over some customers, the margins of all `others` in force."""
    import numpy as np

    everybody = np.sort(np.append(scores.margin, others))
    below = np.searchsorted(everybody, scores.margin, side="left")
    upto = np.searchsorted(everybody, scores.margin, side="right")
    percentile = (below + upto) / (2.0 * max(len(everybody), 1))  # ties share the middle of their places
    edges, value = (
        (work.preferences.percentile_bands, percentile)
        if scores.probability is None
        else (work.preferences.risk_bands, scores.probability)
    )
    return Ranks(percentile, np.searchsorted(np.asarray(edges), value, side="right"))


def summary(work: Work, scores: Scores, ranks: Ranks) -> dict[str, object]:
    """Sum a run up. Figures made of probabilities are None when the model's are not to be shown.

    The interval of the expected number of churners is that of a sum of independent yes/no outcomes (Poisson binomial), by the normal
    approximation: it covers chance alone, not the model's own error.
    """
    import numpy as np

    n = len(work.rows)
    counts = np.bincount(ranks.band, minlength=len(BAND_NAMES))
    missing, unseen = _noted(scores)
    found: dict[str, object] = {
        "predicted_churners": int(counts[PREDICTED_FROM_BAND:].sum()),
        "bands": {name: int(count) for name, count in zip(BAND_NAMES, counts, strict=True)},
        "recomputed_share": scores.recomputed / max(n, 1),
        "missing_values": missing,
        "unseen_categories": unseen,
        "expected_churners": None,
        "expected_churners_interval": None,
        "average_probability": None,
        "revenue_at_risk_minor": None,
    }
    if work.standings is not None:
        found |= work.standings.counts()
    p = scores.probability
    if p is not None:
        expected, spread = float(p.sum()), _Z95 * float(np.sqrt((p * (1 - p)).sum()))
        found |= {
            "expected_churners": expected,
            "expected_churners_interval": [max(expected - spread, 0.0), min(expected + spread, float(n))],
            "average_probability": float(p.mean()) if n else None,
            "revenue_at_risk_minor": round(float(np.nansum(work.rows.revenue_minor * p))),
        }
    return found


def _noted(scores: Scores) -> tuple[dict[str, int], dict[str, int]]:
    """Count missing values and unseen categories by feature."""
    missing: dict[str, int] = {}
    unseen: dict[str, int] = {}
    for noted in scores.notices.values():
        for name, kind in noted:
            where = missing if kind == "missing" else unseen
            where[name] = where.get(name, 0) + 1
    return missing, unseen


def histograms(scores: Scores) -> dict[str, object]:
    """Return counts in 20 equal bins of the margin and of the probability, with the edges: what drift is later measured against."""
    import numpy as np

    found: dict[str, object] = {}
    for name, values, limits in (("margin", scores.margin, None), ("probability", scores.probability, (0.0, 1.0))):
        if values is not None and len(values):
            counts, edges = np.histogram(values, bins=HISTOGRAM_BINS, range=limits)
            found[name] = {"counts": counts.tolist(), "edges": [round(float(edge), 6) for edge in edges]}
    return found
