"""A few customers as a model that looks ahead sees them at a time: the small read behind predictions on the spot and behind an explanation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.services import as_of
from retainstream.services.scoring.computing import category, written

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.ml.features import FeatureSpec


@dataclass(frozen=True)
class Seen:
    """What a model saw of a customer.

    Attributes
    ----------
    values : dict
        JSON scalars by the feature's name; numbers mean the very float32 that the model reads.
    active : bool
        Whether the model's rule counts the customer among those to be scored.
    as_of, data_as_of : int
        Microseconds UTC; the latter is 0 for somebody of whom nothing was known.
    """

    values: dict[str, Any]
    active: bool
    as_of: int
    data_as_of: int


def at(
    session: Session, settings: Settings, customer_id: int, rule: ChurnRule, specs: Sequence[FeatureSpec], moment: int
) -> Seen:
    """Return a customer as of a moment, built by the builder that training and scoring use."""
    return several(session, settings, [customer_id], rule, specs, moment)[customer_id]


def several(
    session: Session,
    settings: Settings,
    customer_ids: Iterable[int],
    rule: ChurnRule,
    specs: Sequence[FeatureSpec],
    moment: int,
) -> dict[int, Seen]:
    """Return customers as of a moment, by their id; their history is read once for all."""
    from retainstream.ml.asof.builder import features
    from retainstream.ml.asof.outcomes import standing

    ids = sorted(set(customer_ids))
    history = as_of.history(session, settings, customer_ids=ids, properties=properties_of(specs)).cut(moment)
    frame = features(history, specs, moment, ids)
    active = set(standing(rule, history, moment).customers.tolist())
    newest = _newest_known(history)
    columns = [(spec, frame[spec.name].to_numpy()) for spec in specs]
    return {
        one: Seen(
            {
                spec.name: category(cells[row]) if spec.kind == "category" else written(cells[row], spec.kind)
                for spec, cells in columns
            },
            one in active,
            moment,
            newest.get(one, 0),
        )
        for row, one in enumerate(ids)
    }


def _newest_known(history: History) -> dict[int, int]:
    """Return when the newest row of each customer became known, microseconds UTC; one of whom nothing was known is not there."""
    parts = (
        (history.events.customer, history.events.known),
        (history.subscriptions.customer, history.subscriptions.received),
        (history.profiles.customer, history.profiles.known),
    )
    newest: dict[int, int] = {}
    for customers, known in parts:
        for one, at_ in zip(customers.tolist(), known.tolist(), strict=True):
            newest[one] = max(newest.get(one, 0), at_)
    return newest


def properties_of(specs: Sequence[FeatureSpec]) -> list[str]:
    """Return the properties of events that these features count."""
    recipes = [spec.recipe for spec in specs if spec.recipe is not None]
    return sorted({recipe.property for recipe in recipes if recipe.property is not None})
