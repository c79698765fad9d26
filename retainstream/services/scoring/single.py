"""One customer as a model that looks ahead sees them at a time: the small read behind a prediction on the spot and behind an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.services import as_of, forward_training
from retainstream.services.scoring.computing import category, written

if TYPE_CHECKING:
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
    from retainstream.ml.asof.builder import features
    from retainstream.ml.asof.outcomes import standing

    history = as_of.history(session, settings, customer_ids=[customer_id], properties=properties_of(specs)).cut(moment)
    frame = features(history, specs, moment, [customer_id])
    values: dict[str, Any] = {}
    for spec in specs:
        value = frame[spec.name].iloc[0]
        values[spec.name] = category(value) if spec.kind == "category" else written(value, spec.kind)
    active = customer_id in standing(rule, history, moment).customers
    return Seen(values, active, moment, forward_training.newest_known(history))


def at_data_end(
    session: Session, settings: Settings, customer_id: int, rule: ChurnRule, specs: Sequence[FeatureSpec]
) -> Seen:
    """Return a customer as of the end of the data; raises NotReady without any."""
    return at(session, settings, customer_id, rule, specs, as_of.data_end(session))


def properties_of(specs: Sequence[FeatureSpec]) -> list[str]:
    """Return the properties of events that these features count."""
    recipes = [spec.recipe for spec in specs if spec.recipe is not None]
    return sorted({recipe.property for recipe in recipes if recipe.property is not None})
