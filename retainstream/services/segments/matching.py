"""Whom a rule means: a mask over everybody, and the figures of those it picks.

A missing value satisfies no comparison, so the opposite of a comparison holds for it; `known` and `unknown` ask for it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.services.segments.columns import Column, Numbers, Population, TagSets, Words
from retainstream.services.segments.rules import Group, Leaf, Node, Not, signature

PREVIEWED = 8
Mask = npt.NDArray[np.bool_]
_KEPT = 256


@dataclass(frozen=True)
class Look:
    """The figures of those whom a rule picks.

    Attributes
    ----------
    n, active : int
        All of them, and those who have not left.
    revenue_minor, at_risk_minor : int or None
        Monthly revenue of the active ones in `currency`, and the part that is expected to be lost; None where nothing is known of it.
    currency : str or None
        That of most of the priced ones.
    priced, scored : int
        Active ones in that currency with a price, and those with a probability: the n of the figures.
    expected, mean : float or None
        Sum and mean of the probabilities of active customers; None without any, as where probabilities are withheld.
    first : tuple of int
        Ids of a few active ones, the riskiest first.
    as_of : int
        Microseconds UTC: conditions that look back end there.
    """

    n: int
    active: int
    revenue_minor: int | None
    at_risk_minor: int | None
    currency: str | None
    priced: int
    scored: int
    expected: float | None
    mean: float | None
    first: tuple[int, ...]
    as_of: int


_looks: Kept[Look] = Kept(_KEPT)


def ids(population: Population, node: Node) -> np.ndarray:
    """Return the ids of those whom a rule picks, rising: int64. Raises NotReady as `mask`."""
    found: np.ndarray = population.ids[mask(population, node)]
    return found


def mask(population: Population, node: Node) -> Mask:
    """Return for everybody whether the rule holds: bool of shape (n,), in the order of the population.

    Raises
    ------
    NotReady
        When the rule asks for something that is no longer, or not yet, on record.
    """
    if isinstance(node, Not):
        return ~mask(population, node.part)
    if isinstance(node, Group):
        found = np.full(len(population.ids), node.how == "all")
        for part in node.parts:
            found = found & mask(population, part) if node.how == "all" else found | mask(population, part)
        return found
    field = population.fields.get(node.field)
    if field is None or field.missing or (field.kinds and node.kind not in field.kinds):
        why = field.missing if field is not None and field.missing else "it is not on record here any more"
        title = node.field if field is None else field.title
        raise NotReady(f"The rule asks for “{title}”, which cannot be told: {why}.")
    return holds(node, population.column(field, node.kind, node.days), population.moment)


def holds(leaf: Leaf, column: Column, moment: int) -> Mask:
    """Return whether a condition holds for each value of its column: bool of shape (n,); never for a missing value, but for `unknown`."""
    if isinstance(column, TagSets):
        wanted = set(leaf.value)
        answers: Mask = np.array([_of_tags(leaf.op, wanted, tags) for tags in column.sets] or [False], np.bool_)
        return np.asarray(answers[column.codes])
    missing = np.isnan(column.values) if isinstance(column, Numbers) else column.codes < 0
    if leaf.op in ("known", "unknown"):
        return missing if leaf.op == "unknown" else ~missing
    if isinstance(column, Words):
        # The last place answers for -1, a missing value.
        answers = np.array([*(_of_text(leaf, level) for level in column.levels), False], np.bool_)
        return np.asarray(answers[column.codes])
    return np.asarray(_of_numbers(leaf, column.values, moment) & ~missing)


def _of_tags(op: str, wanted: set[str], tags: frozenset[str]) -> bool:
    if op == "has_all":
        return wanted <= tags
    return bool(wanted & tags) == (op == "has_any")


def _of_text(leaf: Leaf, level: str) -> bool:
    if leaf.op == "contains":
        return str(leaf.value).casefold() in level.casefold()
    return (level in leaf.value) == (leaf.op == "in")


def _of_numbers(leaf: Leaf, values: Any, moment: int) -> Any:
    if leaf.op == "between":
        low, high = leaf.value
        return (values >= low) & (values <= high)
    if leaf.op in ("since", "before"):
        bound = clock.to_us(datetime.fromisoformat(leaf.value))
        return values >= bound if leaf.op == "since" else values < bound
    if leaf.op in ("last_days", "older_days", "next_days"):
        width, tomorrow = leaf.value * clock.DAY_US, moment + clock.DAY_US
        if leaf.op == "older_days":
            return values < moment - width
        if leaf.op == "next_days":
            return (values >= moment) & (values < tomorrow + width)
        return (values >= moment - width) & (values < tomorrow)
    compare: dict[str, Any] = {
        "eq": np.equal,
        "is": np.equal,
        "lt": np.less,
        "le": np.less_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
    }
    return compare[leaf.op](values, float(leaf.value))


def look(population: Population, node: Node) -> Look:
    """Return the figures of those whom a rule picks; raises NotReady as `mask`."""
    key = (population.state(), signature(node))
    return _looks.of(key, lambda: figures(population, mask(population, node)))


def figures(population: Population, picked: Mask) -> Look:
    """Return the figures of those whom a mask over the population picks."""
    known = population.figures()
    left, revenue, probability, margin = (
        _numbers(known[name]) for name in ("churned", "revenue", "churn_probability", "margin")
    )
    currencies = known["currency"]
    assert isinstance(currencies, Words)
    active = picked & (left != 1.0)
    scored = active & ~np.isnan(probability)
    priced = active & ~np.isnan(revenue)
    counts = np.bincount(currencies.codes[priced & (currencies.codes >= 0)], minlength=len(currencies.levels))
    main = int(counts.argmax()) if counts.sum() else -1
    priced &= currencies.codes == main
    judged = priced & scored
    n_scored = int(scored.sum())
    return Look(
        n=int(picked.sum()),
        active=int(active.sum()),
        revenue_minor=int(revenue[priced].sum()) if priced.any() else None,
        at_risk_minor=round(float((revenue[judged] * probability[judged]).sum())) if judged.any() else None,
        currency=currencies.levels[main] if main >= 0 else None,
        priced=int(priced.sum()),
        scored=n_scored,
        expected=float(probability[scored].sum()) if n_scored else None,
        mean=float(probability[scored].mean()) if n_scored else None,
        first=_riskiest(population.ids, active, margin),
        as_of=population.moment,
    )


def _numbers(column: Column) -> np.ndarray:
    assert isinstance(column, Numbers)
    return column.values


def _riskiest(everybody: np.ndarray, active: np.ndarray, margin: np.ndarray) -> tuple[int, ...]:
    """Return a few active customers, the highest margin first, those without a score last."""
    places = np.flatnonzero(active)
    height = np.where(np.isnan(margin[places]), -np.inf, margin[places])
    if len(places) > PREVIEWED:
        cut = np.partition(height, len(height) - PREVIEWED)[len(height) - PREVIEWED]
        keep = np.flatnonzero(height >= cut)
        places, height = places[keep], height[keep]
    order = np.lexsort((places, -height))[:PREVIEWED]
    return tuple(int(one) for one in everybody[places[order]])
