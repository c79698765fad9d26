"""What a sample says about the label: columns that give it away, and signs that it is the wrong way round."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retainstream.lib.tabular import Chunk
from retainstream.services.imports.casting import CastChunk, Caster
from retainstream.services.imports.labels import value_direction
from retainstream.services.imports.mapping import ColumnMapping, Mapping
from retainstream.services.imports.names import KEPT, LEFT_VALUES, words_of
from retainstream.services.imports.profile import TableProfile

GIVEAWAY_AUC = 0.95
_FEWEST = 10  # customers who left, and who stayed, before anything is said
_SMOOTHING = 10.0
_CLEAR = 0.05
_COMPLAINTS = frozenset(["complain", "complains", "complaint", "complaints", "complained"])

Values = np.ndarray | Sequence[str | None]


@dataclass(frozen=True)
class Sign:
    """How a column whose direction is well known sits with the label.

    Attributes
    ----------
    expectation : str
        What customers who leave usually show, such as "more complaints".
    auc : float
        Chance that a customer marked as churned shows more of it than one marked as kept, 0 to 1; 0.5 says nothing.
    """

    column: str
    expectation: str
    auc: float

    @property
    def agrees(self) -> bool:
        """Whether the column clearly supports the label as it is."""
        return self.auc > 0.5 + _CLEAR

    @property
    def disagrees(self) -> bool:
        """Whether the column clearly speaks against it."""
        return self.auc < 0.5 - _CLEAR


def cast_sample(profile: TableProfile, mapping: Mapping) -> CastChunk:
    """Cast the profile's sample with a mapping; rows that do not fit it are left out."""
    rows = len(profile.sample[0]) if profile.sample else 0
    chunk = Chunk(1, list(range(1, rows + 1)), list(profile.sample))
    return Caster(mapping, [column.name for column in profile.columns]).cast(chunk)


def giveaways_from_sample(columns: AnyMapping[str, Values], label: np.ndarray) -> dict[str, float]:
    """Find columns that nearly tell the label all by themselves.

    Parameters
    ----------
    columns : mapping of str to array or sequence
        float64 arrays with NaN for missing, or texts with None for missing; all as long as `label`.
    label : numpy.ndarray
        1 left, 0 stayed, -1 unknown (left out).

    Returns
    -------
    dict of str to float
        Name to area under the ROC curve, for areas of 0.95 and more: of the values where they are known, or of being known
        at all. Categories are coded by the share who left in the other half of the rows, so that rare ones can't win by chance.
    """
    known = label >= 0
    outcome = label[known] == 1
    if min(outcome.sum(), (~outcome).sum()) < _FEWEST:
        return {}
    found: dict[str, float] = {}
    for name, values in columns.items():
        area = _strength(values, known, outcome)
        if area >= GIVEAWAY_AUC:
            found[name] = round(float(area), 4)
    return found


def area_under_curve(score: np.ndarray, outcome: np.ndarray) -> float:
    """Return the area under the ROC curve by the rank-sum formula, ties counting half; NaN when one class is missing.

    Source: Hanley and McNeil (1982), "The meaning and use of the area under a receiver operating characteristic curve".
    """
    positives = int(outcome.sum())
    negatives = len(outcome) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[inverse][outcome].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def label_signs(sample: CastChunk) -> list[Sign]:
    """Compare the label with columns whose direction is well known: complaints, being active, time as a customer."""
    if sample.label is None:
        return []
    label = np.asarray(sample.label.values)
    signs: list[Sign] = []
    for column in sample.columns.values():
        found = _direction(column.mapping, column.values)
        if found is None:
            continue
        score, expectation = found
        use = (label >= 0) & np.isfinite(score)
        outcome = label[use] == 1
        if min(outcome.sum(), (~outcome).sum()) >= _FEWEST:
            signs.append(Sign(column.mapping.name, expectation, area_under_curve(score[use], outcome)))
    return signs


def _direction(mapping: ColumnMapping, values: Values) -> tuple[np.ndarray, str] | None:
    """Return a score that customers who leave usually have more of, for the few headers where that is beyond doubt."""
    words = set(words_of(mapping.name))
    if mapping.role not in ("feature", "tenure", "plan"):
        return None
    if isinstance(values, np.ndarray):
        if mapping.role == "tenure":
            return -values, "a shorter time as a customer"
        if words & _COMPLAINTS:
            return values, "more complaints"
        if mapping.kind == "boolean" and words & {"inactive"}:
            return values, "being inactive"
        if mapping.kind == "boolean" and words & KEPT:
            return -values, "being inactive"
        return None
    spoken = {value: value_direction(value) for value in {value for value in values if value is not None}}
    if (
        len(spoken) >= 2
        and 1 in spoken.values()
        and -1 in spoken.values()
        and (words & {"status", "state"} or words & LEFT_VALUES)
    ):
        return np.array([np.nan if value is None else float(spoken[value]) for value in values]), "being inactive"
    return None


def _strength(values: Values, known: np.ndarray, outcome: np.ndarray) -> float:
    if isinstance(values, np.ndarray):
        numbers = values[known].astype(np.float64)
        there = np.isfinite(numbers)
        score = numbers
    else:
        texts = [value for value, use in zip(values, known, strict=True) if use]
        there = np.array([value is not None for value in texts])
        score = _share_who_left(texts, outcome)
    areas = [area_under_curve(there.astype(float), outcome)]
    inside = outcome[there]
    if min(inside.sum(), (~inside).sum()) >= _FEWEST:
        # What is told by the filled rows counts for as much of the table as they are.
        area = area_under_curve(score[there], inside)
        areas.append(0.5 + (max(area, 1 - area) - 0.5) * float(there.mean()))
    return max(max(area, 1 - area) for area in areas)


def _share_who_left(texts: list[str | None], outcome: np.ndarray) -> np.ndarray:
    base = float(outcome.mean())
    coded = np.empty(len(texts))
    codes = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    index = np.array([codes[text] for text in texts])
    half = np.arange(len(texts)) % 2 == 0
    for mine, other in ((half, ~half), (~half, half)):
        totals = np.bincount(index[other], minlength=len(codes))
        left = np.bincount(index[other], weights=outcome[other].astype(float), minlength=len(codes))
        coded[mine] = ((left + _SMOOTHING * base) / (totals + _SMOOTHING))[index[mine]]
    return coded
