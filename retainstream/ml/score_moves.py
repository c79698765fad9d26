"""Why a score is another one than before: what changed about the customer, what changed about the model, and what its calibrator says.

With m1, m2 the models that made two scores, x1, x2 what they saw and c1, c2 their calibrators, the change of the probability is split in a
stated order: features c1(m1(x2)) - c1(m1(x1)), model c1(m2(x2)) - c1(m1(x2)), calibration c2(m2(x2)) - c1(m2(x2)). Another order would
give other parts. Where x cannot be rebuilt as it was (its past was changed), the rest is said to be unexplained. Reading x is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retainstream.ml.features import FeatureSpec
from retainstream.ml.values import say as in_words

Calibrate = Callable[[np.ndarray], np.ndarray]
NOTICEABLE = 5e-4
"""A feature that moves the margin by less (log-odds) is not named: sums in another order differ by as much as a hundredth of it."""


@dataclass(frozen=True)
class Parts:
    """A change and what it is made of: ``features + model + calibration + unexplained == total`` but for rounding.

    All in log-odds for a margin, and in probability (-1 to 1) for a probability. On the margin, calibration is 0.
    """

    total: float
    features: float
    model: float
    calibration: float
    unexplained: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True)
class FeatureMove:
    """What one feature has to do with the features' part on the margin.

    Attributes
    ----------
    feature, title : str
    before, after : JSON scalar
        The values that the models saw; None for a missing one. Equal when only the other features make it count for more or less.
    margin : float
        Difference of the exact contributions under the first model, log-odds.
    sentence : str
    """

    feature: str
    title: str
    before: Any
    after: Any
    margin: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def margin_parts(first: float, second: float, m1x1: float, m1x2: float, m2x2: float) -> Parts:
    """Split the change of the margin.

    Parameters
    ----------
    first, second : float
        The margins on record.
    m1x1, m1x2, m2x2 : float
        Margins of the two models for what was rebuilt, log-odds.
    """
    total = second - first
    return Parts(total, m1x2 - m1x1, m2x2 - m1x2, 0.0, total - (m2x2 - m1x1))


def probability_parts(
    first: float, second: float, m1x1: float, m1x2: float, m2x2: float, *, before: Calibrate, after: Calibrate
) -> Parts:
    """Split the change of the probability; parameters as :func:`margin_parts`.

    Parameters
    ----------
    before, after : callable
        The calibrators of the two models: margins of shape (n,) to probabilities.
    """
    p1, start, moved, swapped = before(np.array([first, m1x1, m1x2, m2x2], dtype=np.float64)).tolist()
    p2, end = after(np.array([second, m2x2], dtype=np.float64)).tolist()
    total = p2 - p1
    return Parts(total, moved - start, swapped - moved, end - swapped, total - (end - start))


def by_feature(
    specs: Sequence[FeatureSpec],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    contributions_before: np.ndarray,
    contributions_after: np.ndarray,
    *,
    top: int = 5,
) -> tuple[FeatureMove, ...]:
    """Return the features that moved the margin most under one model, strongest first; fewer where fewer did.

    Parameters
    ----------
    before, after : mapping of feature name to value
    contributions_before, contributions_after : float arrays of shape (f,)
        Exact contributions under the first model, columns in the order of `specs`. Their differences add up to the features' part.
    """
    moved = np.asarray(contributions_after, dtype=np.float64) - np.asarray(contributions_before, dtype=np.float64)
    strongest = np.argsort(-np.abs(moved), kind="stable")[:top]
    return tuple(
        _told(specs[j], before.get(specs[j].name), after.get(specs[j].name), float(moved[j]))
        for j in strongest.tolist()
        if abs(moved[j]) >= NOTICEABLE
    )


def _told(spec: FeatureSpec, before: Any, after: Any, margin: float) -> FeatureMove:
    effect = "raises" if margin > 0 else "lowers"
    old, new = in_words(before, spec), in_words(after, spec)
    if old == new:
        sentence = f"{spec.title} is {new} as before; beside what else changed this {effect} the score."
    else:
        sentence = f"{spec.title} went from {old} to {new}: {effect} the score."
    return FeatureMove(spec.name, spec.title, before, after, margin, sentence)
