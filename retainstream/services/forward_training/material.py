"""What a training that looks ahead reads: the history, cut at its moment, who was treated, and the features that can be made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, NotReady
from retainstream.services import as_of, churn_definitions, exposures
from retainstream.services.forward_training.asked import Asked, check, definition_for

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml import FeatureSpec
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.ml.features import Recipe


@dataclass(frozen=True)
class Material:
    """What a training goes by beside the history: `moment` is what it is as of, `treated` are customers and times of acts on them."""

    definition_id: int
    rule: ChurnRule
    moment: int
    treated: tuple[np.ndarray, np.ndarray]


def gather(session: Session, settings: Settings, asked: Asked) -> tuple[Material, History]:
    """Read what a training needs; errors as of `check`, and NotFound for an unknown definition.

    The history is not cut at the moment yet: a replay looks at the rest of it afterwards.
    """
    moment = check(session, asked)
    definition = definition_for(session, asked.definition_id)
    rule = None if definition is None else churn_definitions.rule_of(definition)
    if definition is None or rule is None:
        raise NotReady(
            "No churn definition that looks ahead is in force: create one, or train on the labelled column as it is."
        )
    material = Material(definition.id, rule, moment, exposures.treated(session, moment))
    return material, as_of.history(session, settings)


def newest_known(history: History) -> int:
    """Return when the newest row of a history became known, microseconds UTC; 0 for an empty one."""
    times = (history.events.known, history.subscriptions.received, history.profiles.known)
    return max((int(part.max()) for part in times if len(part)), default=0)


def chosen_features(known: Sequence[FeatureSpec], exclude: Iterable[str]) -> tuple[FeatureSpec, ...]:
    """Return the features but for those with these names or titles; errors as of `learning.train`."""
    if not known:
        raise NotReady("Nothing was known by then that a model could learn from: no events, and no subscriptions.")
    left_out = {str(name).strip().lower() for name in exclude}
    words = {word for spec in known for word in (spec.name.lower(), spec.title.lower())}
    if strangers := sorted(left_out - words):
        raise InvalidInput(
            f"There is no feature called {strangers[0]!r} to leave out.",
            fields={"exclude": [f"unknown: {name}" for name in strangers]},
        )
    found = tuple(spec for spec in known if not {spec.name.lower(), spec.title.lower()} & left_out)
    if not found:
        raise InvalidInput("No feature is left to learn from.", fields={"exclude": ["leaves at least one"]})
    return found


def known_then(specs: Iterable[FeatureSpec], history: History) -> tuple[FeatureSpec, ...]:
    """Return the features but for attributes of which a cut history holds no value: on a past day nobody knew that there would be such a column."""
    return tuple(spec for spec in specs if spec.recipe is None or _has_values(history, spec.recipe))


def _has_values(history: History, recipe: Recipe) -> bool:
    if recipe.source != "profile":
        return True
    values = history.profiles.values.get(str(recipe.event))
    return values is not None and bool((values == values).any() if values.dtype.kind == "f" else (values >= 0).any())  # noqa: PLR0124 - NaN


def names_of(specs: Sequence[FeatureSpec], words: Iterable[str]) -> list[str]:
    """Return the names of features that are given by name or title; a word that is no feature is taken as a name."""
    known = {word: spec.name for spec in specs for word in (spec.title.lower(), spec.name.lower())}
    return [known.get(str(word).strip().lower(), str(word).strip()) for word in words]
