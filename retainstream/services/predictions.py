"""Scores as people see them: presenting those in force, listing them, and scoring on the spot with nothing stored.

Presenting needs no model in memory: the stored reasons hold contributions, and their sentences are made from the values that were scored.
Making and storing scores is `services.scoring`; one customer in full is `services.explanations`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput, NotFound, NotReady, RetainStreamError
from retainstream.lib import clock
from retainstream.lib.pagination import Page, decode_cursor, encode_cursor
from retainstream.ml.features import FeatureSpec
from retainstream.models import (
    Customer,
    FeatureSet,
    Identity,
    JobRun,
    LatestScore,
    ModelVersion,
    ScoreHistory,
    ScoringRun,
)
from retainstream.security.actor import Actor
from retainstream.services import datasets, jobs, preferences, registry
from retainstream.services.preferences import BAND_NAMES, Preferences
from retainstream.services.scoring import PREDICTED_FROM_BAND

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor
    from retainstream.ml.served import Score

NO_SCORE: dict[str, object] = {
    "churn_probability": None,
    "risk_percentile": None,
    "confidence": None,
    "interval": None,
    "risk_band": None,
    "predicted": None,
    "margin": None,
    "reasons": [],
    "model_version": None,
    "as_of": None,
    "data_as_of": None,
    "scored_at": None,
    "stale": None,
}
"""What stands in place of the score of a customer who was never scored."""

MAX_BATCH = 1_000
_LONGEST_VALUE = 10_000
_SORT = "predictions"


@dataclass(frozen=True)
class Vocabulary:
    """What a model version's stored reasons are worded with: its features in order, and their typical values."""

    specs: tuple[FeatureSpec, ...]
    typical: dict[str, float | str | None]
    names: dict[str, str]
    """A feature's name by its name or title in lower case."""


_vocabularies: registry.LoadedModels[Vocabulary] = registry.LoadedModels(8)


@dataclass(frozen=True)
class ScoreRow:
    """A score in force with what its presentation needs; `scored_version` and `current_version` are attribute versions."""

    score: LatestScore
    model_version_id: int
    as_of: int
    data_as_of: int
    finished_at: int | None
    scored_version: int | None
    current_version: int | None


def vocabulary(session: Session, version_id: int) -> Vocabulary:
    """Return a model version's vocabulary; kept in memory, since versions never change."""
    sha256 = session.scalar(select(ModelVersion.artifact_sha256).where(ModelVersion.id == version_id))
    return _vocabularies.get(f"{version_id}:{sha256}", lambda: _read_vocabulary(session, version_id))


def _read_vocabulary(session: Session, version_id: int) -> Vocabulary:
    query = select(FeatureSet.features, ModelVersion.parameters).join(ModelVersion, ModelVersion.feature_set_id == FeatureSet.id)
    row = session.execute(query.where(ModelVersion.id == version_id)).first()
    if row is None:
        raise NotFound(f"There is no model version {version_id}.")
    specs = tuple(FeatureSpec.from_dict(item) for item in row[0])
    names = {spec.title.strip().lower(): spec.name for spec in specs} | {spec.name.lower(): spec.name for spec in specs}
    return Vocabulary(specs, cast("dict[str, float | str | None]", row[1].get("typical", {})), names)


def score_rows(session: Session, *conditions: ColumnElement[bool]) -> list[ScoreRow]:
    """Return scores in force that meet conditions on LatestScore and Customer."""
    return [ScoreRow(*row) for row in session.execute(_rows_query().where(*conditions))]


def _rows_query() -> Select[*tuple[Any, ...]]:
    history = and_(ScoreHistory.customer_id == LatestScore.customer_id, ScoreHistory.run_id == LatestScore.run_id)
    run = ScoringRun
    return (
        select(
            LatestScore, run.model_version_id, run.as_of, run.data_as_of, run.finished_at, ScoreHistory.version_id, Customer.version_id
        )
        .join(run, run.id == LatestScore.run_id)
        .join(Customer, Customer.id == LatestScore.customer_id)
        .outerjoin(ScoreHistory, history)
    )  # fmt: skip


def scores_of(session: Session, customer_ids: Sequence[int]) -> dict[int, dict[str, object]]:
    """Return the scores in force of some customers, with reasons, by customer id; one that was never scored is absent."""
    return {row.score.customer_id: shown for row, shown in _present_all(session, score_rows(session, LatestScore.customer_id.in_(customer_ids)))}


def _present_all(session: Session, rows: Sequence[ScoreRow]) -> list[tuple[ScoreRow, dict[str, object]]]:
    """Present many rows: the values behind all their reasons are read by one query."""
    if not rows:
        return []
    current = registry.champion(session)
    words = {version_id: vocabulary(session, version_id) for version_id in {row.model_version_id for row in rows}}
    versions = [version for row in rows if (version := row.scored_version or row.current_version) is not None]
    values = datasets.values_of(session, versions)
    found = []
    for row in rows:
        own = values.get(row.scored_version or row.current_version or 0, {})
        shown = present_score(row, words[row.model_version_id], own, current_model=None if current is None else current.version_id)
        found.append((row, shown))
    return found


def present_score(row: ScoreRow, words: Vocabulary, values: Mapping[str, Any], *, current_model: int | None) -> dict[str, object]:
    """Return the API's form of a score.

    Parameters
    ----------
    values : mapping
        The features of the attribute version that was scored, by name.
    current_model : int, optional
        The model in service. A score of another one, or of values that have changed since, is `stale`.
    """
    from retainstream.ml.wording import expand_reasons

    score = row.score
    changed = row.scored_version is not None and row.scored_version != row.current_version
    return {
        "churn_probability": score.probability,
        "risk_percentile": score.percentile,
        "confidence": 1.0 - (score.p1 - score.p0),
        "interval": [score.p0, score.p1],
        "risk_band": BAND_NAMES[score.band],
        "predicted": score.predicted,
        "margin": score.margin,
        "reasons": [reason.to_dict() for reason in expand_reasons(score.reasons, values, words.specs, words.typical)],
        "model_version": row.model_version_id,
        "as_of": clock.iso(row.as_of),
        "data_as_of": clock.iso(row.data_as_of),
        "scored_at": clock.iso(row.finished_at),
        "stale": changed or row.model_version_id != current_model,
    }


@dataclass(frozen=True)
class ResultFilter:
    """What a caller of the list of scores asked for; an absent field does not narrow. Bands are 0 low to 3 very high."""

    bands: tuple[int, ...] = ()
    plans: tuple[str, ...] = ()
    min_probability: float | None = None
    model_version: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return SQL conditions on LatestScore, ScoringRun and Customer; customers that have left are not listed."""
        found: list[ColumnElement[bool]] = [Customer.visible(), Customer.churned.is_not(True)]
        if self.bands:
            found.append(LatestScore.band.in_(self.bands))
        if self.plans:
            found.append(Customer.plan.in_(self.plans))
        if self.min_probability is not None:
            found.append(LatestScore.probability >= self.min_probability)
        if self.model_version is not None:
            found.append(ScoringRun.model_version_id == self.model_version)
        return found


def results(session: Session, wanted: ResultFilter, *, limit: int = 50, cursor: str | None = None, page: int | None = None) -> Page:
    """Return the scores in force, those most at risk first; raises InvalidInput for a cursor of another list."""
    conditions = wanted.conditions()
    query = _rows_query().add_columns(Identity.user_id).join(Identity, Identity.customer_id == Customer.id).where(*conditions)
    counted = select(func.count()).select_from(LatestScore).join(Customer, Customer.id == LatestScore.customer_id)
    if wanted.model_version is not None:
        counted = counted.join(ScoringRun, ScoringRun.id == LatestScore.run_id)
    total = session.scalar(counted.where(*conditions)) or 0
    if cursor:
        margin, last = _after(cursor)
        below = LatestScore.margin < margin
        query = query.where(below | and_(LatestScore.margin == margin, LatestScore.customer_id > last))
    elif page is not None:
        query = query.offset((page - 1) * limit)
    rows = session.execute(query.order_by(LatestScore.margin.desc(), LatestScore.customer_id).limit(limit + 1)).all()
    user_ids = {row[0].customer_id: row[-1] for row in rows}
    presented = _present_all(session, [ScoreRow(*row[:-1]) for row in rows[:limit]])
    items = [{"user_id": user_ids[row.score.customer_id], **shown} for row, shown in presented]
    following = encode_cursor(_SORT, [rows[limit - 1][0].margin, rows[limit - 1][0].customer_id]) if len(rows) > limit else None
    return Page(items, following, total)


def _after(cursor: str) -> tuple[float, int]:
    try:
        margin, last = decode_cursor(cursor, _SORT, 2)
        if not isinstance(margin, float | int) or isinstance(last, bool) or not isinstance(last, int) or not 0 <= last < 2**63:
            raise ValueError("not a cursor of this list")
        return float(margin), last
    except (ValueError, OverflowError) as bad:
        raise InvalidInput("The cursor does not belong to this list.", fields={"cursor": [str(bad)]}) from bad


def generate(session: Session, actor: Actor, user_ids: Sequence[str] | None = None) -> JobRun:
    """Queue the scoring of all customers that have not left, or of the named ones.

    Raises
    ------
    NotReady
        When no model is in service.
    InvalidInput
        When a name belongs to no customer; names the first ones.
    Conflict
        When the same scoring is queued or running.
    """
    registry.required_champion(session)
    if user_ids is None:
        return jobs.enqueue(session, actor, "score", {"scope": "all"}, dedupe_key="score:all")
    found = customer_ids_of(session, user_ids)
    if strangers := [user_id for user_id in user_ids if user_id not in found]:
        named = ", ".join(repr(user_id[:40]) for user_id in strangers[:3])
        raise InvalidInput(
            f"{len(strangers):,} of these customers are not known, such as {named}.", fields={"customer_ids": [f"unknown: {named}"]}
        )
    return jobs.enqueue(session, actor, "score", {"scope": "ids", "customer_ids": sorted(set(found.values()))})


def customer_ids_of(session: Session, user_ids: Iterable[str]) -> dict[str, int]:
    """Return the surrogate ids of visible customers by the owner's identifier; unknown ones are absent."""
    unique = sorted(set(user_ids))
    found: dict[str, int] = {}
    for start in range(0, len(unique), 500):
        query = select(Identity.user_id, Identity.customer_id).join(Customer, Customer.id == Identity.customer_id)
        rows = session.execute(query.where(Identity.user_id.in_(unique[start : start + 500]), Customer.visible()))
        found.update((row.user_id, row.customer_id) for row in rows)
    return found


@dataclass(frozen=True)
class Scorer:
    """The champion in memory with what turns its margins into an answer; made once for a request."""

    champion: registry.Champion
    predictor: ChurnPredictor
    words: Vocabulary
    preferences: Preferences

    @classmethod
    def of(cls, session: Session) -> Scorer:
        """Return a scorer of the model in service; raises NotReady when there is none."""
        current = registry.required_champion(session)
        predictor = registry.load(session, current.version_id, current.sha256)
        words = _vocabularies.get(f"{current.version_id}:{current.sha256}", lambda: _read_vocabulary(session, current.version_id))
        return cls(current, predictor, words, preferences.read(session))

    def by_features(self, features: Mapping[str, object]) -> dict[str, object]:
        """Score values given by feature name or title; raises InvalidInput naming what is no feature or no single value."""
        return self._answer(self.predictor.score_one(self._named(features)))

    def by_customer(self, session: Session, user_id: str) -> dict[str, object]:
        """Score a customer's present values, by the booster that never saw this customer; raises NotFound."""
        customer_id = customer_ids_of(session, [user_id]).get(user_id)
        if customer_id is None:
            raise NotFound(f"There is no customer with the identifier {user_id[:80]!r}.")
        values = datasets.customer_values(session, customer_id)
        return {"user_id": user_id, **self._answer(self.predictor.score_one(values, row_id=customer_id))}

    def _named(self, features: Mapping[str, object]) -> dict[str, object]:
        values: dict[str, object] = {}
        problems: dict[str, list[str]] = {}
        for given, value in features.items():
            name = self.words.names.get(str(given).strip().lower())
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
            first = next(iter(problems)).removeprefix("features.")
            raise InvalidInput(f"The value of {first!r} cannot be used. The model's features are: {known}.", fields=problems)
        return values

    def _answer(self, score: Score) -> dict[str, object]:
        percentile = score.percentile / 100.0
        band = self.preferences.band_of(score.probability, percentile)
        return {
            "churn_probability": score.probability,
            "risk_percentile": percentile,
            "confidence": score.confidence,
            "interval": [score.p0, score.p1],
            "risk_band": BAND_NAMES[band],
            "predicted": band >= PREDICTED_FROM_BAND,
            "margin": score.margin,
            "base": score.base,
            "reasons": [reason.to_dict() for reason in score.reasons],
            "notices": [notice.to_dict() for notice in score.notices],
            "statement": statement(score.probability, percentile),
            "model_version": self.champion.version_id,
        }


def _complaint(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return None if len(value) <= _LONGEST_VALUE else f"a text of up to {_LONGEST_VALUE:,} characters"
    if isinstance(value, int | float):
        fine = abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)
        return None if fine else "a number of ordinary size"
    return "a number, a text, true, false or null"


def statement(probability: float | None, percentile: float) -> str:
    """Say in one sentence what a score of a snapshot model means: likeness to those who left, never a forecast with a date."""
    if probability is None:
        return f"Resembles those who left more than {percentile:.0%} of the customers do. The model's probabilities are not reliable enough to be shown."
    return f"Resembles those who left: of 100 customers like this in the data, about {probability * 100:.0f} had left."


def predict(session: Session, item: Mapping[str, Any]) -> dict[str, object]:
    """Score `{"features": {...}}` or `{"user_id": ...}` on the spot; nothing is stored."""
    return _one(session, Scorer.of(session), item)


def _one(session: Session, scorer: Scorer, item: Mapping[str, Any]) -> dict[str, object]:
    features, user_id = item.get("features"), item.get("user_id")
    if (features is None) == (user_id is None):
        raise InvalidInput("Give either features or a user_id.", fields={"features": ["either this or user_id"]})
    return scorer.by_features(features) if features is not None else scorer.by_customer(session, str(user_id))


def predict_batch(session: Session, items: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """Score up to 1,000 items; each answer has the item's place and either its score or what was wrong with it."""
    if len(items) > MAX_BATCH:
        raise InvalidInput(f"A batch has at most {MAX_BATCH:,} items.", fields={"items": [f"at most {MAX_BATCH:,}"]})
    scorer = Scorer.of(session)
    answers: list[dict[str, object]] = []
    for index, item in enumerate(items):
        try:
            answers.append({"index": index, "score": _one(session, scorer, item), "error": None})
        except NotReady:
            raise
        except RetainStreamError as error:
            answers.append({"index": index, "score": None, "error": {"code": error.code, "message": error.message, "fields": error.fields}})
    return answers
