"""Scores made on the spot, of given values or of a customer, with reasons; nothing is stored.

The quick path: one small read tells whether the champion and the preferences in memory are still those in force. Scores in force are
`services.predictions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, InvalidInput, NotFound, NotReady, RetainStreamError
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.services import as_of, datasets, preferences, registry, revisions
from retainstream.services.predictions import Vocabulary, customer_ids_of, key_of, statement, vocabulary
from retainstream.services.preferences import BAND_NAMES, Preferences
from retainstream.services.scoring import PREDICTED_FROM_BAND, single

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor
    from retainstream.ml.served import Score
    from retainstream.services.scoring.single import Seen

MAX_BATCH = 1_000
_LONGEST_VALUE = 10_000


@dataclass(frozen=True)
class People:
    """Customers who are to be scored: ids by the owner's identifier, and by id their present values or what a model that looks ahead saw of them."""

    ids: dict[str, int]
    values: dict[int, dict[str, Any]]
    seen: dict[int, Seen]


@dataclass(frozen=True)
class Scorer:
    """The champion in memory with what turns its margins into an answer."""

    champion: registry.Champion
    predictor: ChurnPredictor
    words: Vocabulary
    preferences: Preferences

    @classmethod
    def of(cls, session: Session) -> Scorer:
        """Return the scorer of the model and the preferences in force, kept until either changes; raises NotReady without a model."""
        counters = revisions.read(session)
        key = f"{session.get_bind().engine.url}|{counters['model']}|{counters['settings']}"
        return _scorers.of(key, lambda: cls._made(session))

    @classmethod
    def _made(cls, session: Session) -> Scorer:
        current = registry.required_champion(session)
        predictor = registry.load(session, current.version_id, current.sha256)
        words = vocabulary(session, current.version_id, current.sha256)
        return cls(current, predictor, words, preferences.read(session))

    def by_features(self, features: Mapping[str, object]) -> dict[str, object]:
        """Score values given by feature name or title; raises InvalidInput naming what is no feature or no single value."""
        return self._answer(self.predictor.score_one(self._named(features)))

    def people(self, session: Session, settings: Settings, user_ids: Iterable[str]) -> People:
        """Read the customers with these identifiers, all at once; unknown ones are not there. Raises NotReady where a look ahead has no data."""
        ids = customer_ids_of(session, user_ids)
        if self.words.rule is None or not ids:
            return People(ids, datasets.values_of_customers(session, ids.values()), {})
        end = as_of.data_end(session)
        return People(ids, {}, single.several(session, settings, ids.values(), self.words.rule, self.words.specs, end))

    def by_customer(self, people: People, user_id: str) -> dict[str, object]:
        """Score a customer: the present values, by the booster that never saw this customer; or the features as of the end of the data.

        Raises
        ------
        NotFound
            For an unknown customer.
        Conflict
            When the model looks ahead and the customer has left, or has announced to leave.
        """
        customer_id = people.ids.get(user_id)
        if customer_id is None:
            raise NotFound(f"There is no customer with the identifier {user_id[:80]!r}.")
        if self.words.rule is None:
            values = people.values[customer_id]
            return {"user_id": user_id, **self._answer(self.predictor.score_one(values, row_id=customer_id))}
        seen = people.seen[customer_id]
        if not seen.active:
            raise Conflict(
                "This customer has announced to leave, or has left already: a model that looks ahead scores those who are still there."
            )
        moments = {"as_of": clock.iso(seen.as_of), "data_as_of": clock.iso(seen.data_as_of)}
        return {"user_id": user_id, **self._answer(self.predictor.score_one(seen.values)), **moments}

    def _named(self, features: Mapping[str, object]) -> dict[str, object]:
        values: dict[str, object] = {}
        problems: dict[str, list[str]] = {}
        for given, value in features.items():
            name = self.words.names.get(key_of(str(given)))
            path = f"features.{str(given)[:100]}"
            if name is None:
                problems[path] = ["The model has no such feature."]
            elif name in values:
                problems[path] = [f"The feature {name} is given twice."]
            elif complaint := _complaint(value):
                problems[path] = [complaint]
            else:
                values[name] = value
        if problems:
            known = ", ".join(spec.name for spec in self.words.specs[:30])
            path, (complaint,) = next(iter(problems.items()))
            raise InvalidInput(
                f"{path.removeprefix('features.')!r} cannot be used: {complaint.rstrip('.')}. The model's features are: {known}.",
                fields=problems,
            )
        return values

    def _answer(self, score: Score) -> dict[str, object]:
        percentile = score.percentile / 100.0
        band = self.preferences.band_of(score.probability, percentile)
        return {
            "churn_probability": score.probability,
            "risk_percentile": percentile,
            "confidence": score.confidence,
            "interval": None if score.interval is None else list(score.interval),
            "risk_band": BAND_NAMES[band],
            "predicted": band >= PREDICTED_FROM_BAND,
            "margin": score.margin,
            "base": score.base,
            "reasons": [reason.to_dict() for reason in score.reasons],
            "notices": [notice.to_dict() for notice in score.notices],
            "statement": statement(score.probability, percentile, self.words),
            "model_version": self.champion.version_id,
            "kind": self.words.kind,
            "definition": self.words.definition,
            "as_of": None,
            "data_as_of": None,
        }


_scorers: Kept[Scorer] = Kept(2)


def _complaint(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        whole = len(value) <= _LONGEST_VALUE and not any(0xD800 <= ord(char) <= 0xDFFF for char in value)
        return None if whole else f"a text of up to {_LONGEST_VALUE:,} whole characters"
    if isinstance(value, int | float):
        fine = abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)
        return None if fine else "a number of ordinary size"
    return "a number, a text, true, false or null"


def predict(session: Session, settings: Settings, item: Mapping[str, Any]) -> dict[str, object]:
    """Score `{"features": {...}}` or `{"user_id": ...}` on the spot; nothing is stored."""
    scorer = Scorer.of(session)
    return _one(scorer, scorer.people(session, settings, _named([item])), item)


def _named(items: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the identifiers that items ask for, as far as those are texts."""
    given = (item.get("user_id") for item in items)
    return {user_id for user_id in given if isinstance(user_id, str) and not _complaint(user_id)}


def _one(scorer: Scorer, people: People, item: Mapping[str, Any]) -> dict[str, object]:
    features, user_id = item.get("features"), item.get("user_id")
    if strangers := sorted(str(key)[:100] for key in item if key not in ("features", "user_id")):
        raise InvalidInput("An item has features or a user_id, and nothing else.", fields={strangers[0]: ["unknown"]})
    if (features is None) == (user_id is None):
        raise InvalidInput("Give either features or a user_id.", fields={"features": ["either this or user_id"]})
    if features is not None and not isinstance(features, Mapping):
        raise InvalidInput("Features are given as names with values.", fields={"features": ["an object"]})
    if features is None and (not isinstance(user_id, str) or _complaint(user_id)):
        raise InvalidInput("A user_id is a text.", fields={"user_id": ["a text"]})
    if features is not None:
        return scorer.by_features(features)
    return scorer.by_customer(people, str(user_id))


def predict_batch(session: Session, settings: Settings, items: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """Score up to 1,000 items; each answer has the item's place and either its score or what was wrong with it."""
    if len(items) > MAX_BATCH:
        raise InvalidInput(f"A batch has at most {MAX_BATCH:,} items.", fields={"items": [f"at most {MAX_BATCH:,}"]})
    scorer = Scorer.of(session)
    people = scorer.people(session, settings, _named(items))
    answers: list[dict[str, object]] = []
    for index, item in enumerate(items):
        try:
            answers.append({"index": index, "score": _one(scorer, people, item), "error": None})
        except NotReady:
            raise
        except RetainStreamError as error:
            answers.append(
                {
                    "index": index,
                    "score": None,
                    "error": {"code": error.code, "message": error.message, "fields": error.fields},
                }
            )
    return answers
