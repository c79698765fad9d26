"""Where one customer's values stand among the customers that a model learnt from.

The artifact of every version holds the spread of each feature, so that nothing is counted on a request and nothing has to be kept beside it.
Only figures are made here; what is said of them is the page's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.services import registry

SAME_FROM = 0.25
"""From this share on, customers in the same bin count as having the same value rather than as being ordered within it."""


@dataclass(frozen=True)
class Standing:
    """Where a value stands.

    Attributes
    ----------
    below : float, optional
        Share (0 to 1) of customers with a lower value, to the middle of those with about the same; None for a category and a missing value.
    same : float
        Share (0 to 1) of customers with the same category, in the same bin, or for whom the value is missing too.
    """

    below: float | None
    same: float


def of(session: Session, version_id: int, values: Mapping[str, Any]) -> dict[str, Standing]:
    """Return where the values of one customer stand, by feature; a feature that nothing is known of is left out.

    Parameters
    ----------
    values : mapping of feature name to JSON scalar
        As the model saw them; None for a missing one.

    Raises
    ------
    Conflict
        When the version cannot be loaded.
    """
    spread: Mapping[str, Any] = registry.load(session, version_id).served_.drift["features"]
    found = {name: standing(spread[name], value) for name, value in values.items() if name in spread}
    return {name: place for name, place in found.items() if place is not None}


def standing(spread: Mapping[str, Any], value: object) -> Standing | None:
    """Return where a value stands in a spread as `ml.drift_reference` makes it; None for an empty spread, and for a text among numbers."""
    counts: Sequence[int] = spread["counts"]
    total = sum(counts)
    if not total:
        return None
    if value is None:
        return Standing(None, counts[-1] / total)
    if "levels" in spread:
        levels: Sequence[str] = spread["levels"]
        place = levels.index(str(value)) if str(value) in levels else len(levels)
        return Standing(None, counts[place] / total)
    if not isinstance(value, int | float):
        return None
    return _among_numbers(spread["edges"], counts[:-1], float(value))


def _among_numbers(edges: Sequence[float], counts: Sequence[int], value: float) -> Standing | None:
    """Place a number among those who have one; a bin holds `edges[i - 1] <= v < edges[i]`, and those of a wide one count as equals."""
    known = sum(counts)
    if not known:
        return None
    place = bisect_right(edges, value)
    same = counts[place] / known
    within = 0.5
    if same < SAME_FROM and 0 < place < len(edges):
        within = (value - edges[place - 1]) / (edges[place] - edges[place - 1])
    return Standing((sum(counts[:place]) + within * counts[place]) / known, same)
