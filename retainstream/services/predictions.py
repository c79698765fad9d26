"""Scores in force as people see them: presenting, telling stale ones, listing, and asking for new ones.

Presenting needs no model in memory: the stored reasons hold contributions, and their sentences are made from the values that were scored.
A snapshot model's are read from the attribute version that was scored, those of a model that looks ahead stand beside the score.
Making and storing scores is `services.scoring`, one customer in full `services.explanations`, a score that is not stored `services.on_the_spot`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest, decode_cursor, encode_cursor, number, whole_id
from retainstream.ml.features import FeatureSpec
from retainstream.models import (
    ChurnDefinition,
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
from retainstream.services import as_of, churn_definitions, datasets, feeds, jobs, model_card, registry
from retainstream.services.paging import reading_cursor
from retainstream.services.preferences import BAND_NAMES

if TYPE_CHECKING:
    from retainstream.ml.asof.rules import ChurnRule

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
    "kind": None,
    "definition": None,
    "as_of": None,
    "data_as_of": None,
    "scored_at": None,
    "stale": None,
    "stale_reasons": [],
}
"""What stands in place of the score of a customer who was never scored."""

STALE_REASONS = ("model_replaced", "values_changed", "as_of_old", "feed_silent")
"""Why a score may be stale: another model is in service; a snapshot's values were changed; the data reach further by more than a day; a feed went
silent, so that what looks like inactivity may be missing data."""
LATE_US = clock.DAY_US
_SORT = "predictions"


@dataclass(frozen=True)
class Vocabulary:
    """What the scores of a model version are worded with: its features in order, their typical values, and what it forecasts.

    `names` has a feature's name by what counts of its name or title: see `key_of`. `definition` has `id`, `name`, `kind`, `horizon_days` and
    `lead_days`; a labelled column has neither horizon nor lead.
    """

    specs: tuple[FeatureSpec, ...]
    typical: dict[str, float | str | None]
    names: dict[str, str]
    kind: str
    definition: dict[str, object]
    rule: ChurnRule | None = None
    """None for a snapshot, which speaks of no time."""

    @property
    def forward(self) -> bool:
        """Whether the model looks ahead."""
        return self.kind != registry.SNAPSHOT


_vocabularies: Kept[Vocabulary] = Kept(8)


@dataclass(frozen=True)
class ScoreRow:
    """A score in force with what its presentation needs; `scored_version` and `current_version` are attribute versions.

    The score of a model that looks ahead has no `scored_version`.
    """

    score: LatestScore
    model_version_id: int
    as_of: int
    data_as_of: int
    finished_at: int | None
    scored_version: int | None
    current_version: int | None


def vocabulary(session: Session, version_id: int, sha256: str | None = None) -> Vocabulary:
    """Return a model version's vocabulary; kept in memory, since versions never change."""
    sha256 = sha256 or session.scalar(select(ModelVersion.artifact_sha256).where(ModelVersion.id == version_id))
    return _vocabularies.of(f"{version_id}:{sha256}", lambda: _read_vocabulary(session, version_id))


def _read_vocabulary(session: Session, version_id: int) -> Vocabulary:
    query = (
        select(FeatureSet.features, ModelVersion.parameters, ModelVersion.kind, ChurnDefinition)
        .join(ModelVersion, ModelVersion.feature_set_id == FeatureSet.id)
        .join(ChurnDefinition, ChurnDefinition.id == ModelVersion.definition_id)
    )
    row = session.execute(query.where(ModelVersion.id == version_id)).first()
    if row is None:
        raise NotFound(f"There is no model version {version_id}.")
    features, parameters, kind, definition = row
    specs = tuple(FeatureSpec.from_dict(item) for item in features)
    names = {key_of(spec.title): spec.name for spec in specs} | {key_of(spec.name): spec.name for spec in specs}
    typical = cast("dict[str, float | str | None]", parameters.get("typical", {}))
    rule = None if kind == registry.SNAPSHOT else churn_definitions.rule_of(definition)
    return Vocabulary(specs, typical, names, kind, model_card.definition_in_short(definition), rule)


@dataclass(frozen=True)
class Freshness:
    """What tells whether a score still holds: the model in service, how far the data reach, and whether a feed went silent."""

    current_model: int | None
    data_end: int | None
    silent: bool

    @classmethod
    def now(cls, session: Session) -> Freshness:
        """Return how things stand."""
        current = registry.champion(session)
        if current is None or not current.forward:
            return cls(None if current is None else current.version_id, None, False)
        try:
            data_end = as_of.data_end(session)
        except NotReady:
            data_end = None
        return cls(current.version_id, data_end, bool(feeds.silent(session)))

    def stale_reasons(self, row: ScoreRow, *, forward: bool) -> list[str]:
        """Return which of `STALE_REASONS` hold for a score, in their order; `forward` tells that its model looks ahead."""
        found = (
            row.model_version_id != self.current_model,
            not forward and row.scored_version is not None and row.scored_version != row.current_version,
            forward and self.data_end is not None and row.as_of < self.data_end - LATE_US,
            forward and self.silent,
        )
        return [reason for reason, holds in zip(STALE_REASONS, found, strict=True) if holds]


def key_of(name: str) -> str:
    """Return what counts when a feature is named: letters and digits, so that a file's own header, the title and the slug mean the same."""
    return "".join(letter for letter in name.lower() if letter.isalnum()) or name


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
    return {
        row.score.customer_id: shown
        for row, shown in _present_all(session, score_rows(session, LatestScore.customer_id.in_(customer_ids)))
    }


def _present_all(session: Session, rows: Sequence[ScoreRow]) -> list[tuple[ScoreRow, dict[str, object]]]:
    """Present many rows: the values behind all their reasons are read by one query."""
    if not rows:
        return []
    fresh = Freshness.now(session)
    words = {version_id: vocabulary(session, version_id) for version_id in {row.model_version_id for row in rows}}
    versions = [version for row in rows if (version := _version_behind(row)) is not None]
    values = datasets.values_of(session, versions) if versions else {}
    return [
        (row, present_score(row, words[row.model_version_id], _values_behind(row, values), fresh=fresh)) for row in rows
    ]


def _version_behind(row: ScoreRow) -> int | None:
    """Return the attribute version that a score was made of; None for one that was made of history."""
    return None if row.score.reason_values is not None else row.scored_version or row.current_version


def _values_behind(row: ScoreRow, by_version: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    if row.score.reason_values is not None:
        return cast("dict[str, Any]", json.loads(row.score.reason_values))
    return by_version.get(_version_behind(row) or 0, {})


def present_score(
    row: ScoreRow, words: Vocabulary, values: Mapping[str, Any], *, fresh: Freshness
) -> dict[str, object]:
    """Return the API's form of a score; where its probability is withheld, so are interval and confidence, which speak of it.

    Parameters
    ----------
    values : mapping
        The values that the model saw, by the feature's name; at least those that the reasons speak of.
    fresh : Freshness
        How things stand now: what makes a score `stale`.
    """
    from retainstream.ml.confidence import shown
    from retainstream.ml.wording import expand_reasons

    score = row.score
    interval, certainty = shown(score.p0, score.p1, score.probability)
    stale = fresh.stale_reasons(row, forward=words.forward)
    return {
        "churn_probability": score.probability,
        "risk_percentile": score.percentile,
        "confidence": certainty,
        "interval": None if interval is None else list(interval),
        "risk_band": BAND_NAMES[score.band],
        "predicted": score.predicted,
        "margin": score.margin,
        "reasons": [reason.to_dict() for reason in expand_reasons(score.reasons, values, words.specs, words.typical)],
        "model_version": row.model_version_id,
        "kind": words.kind,
        "definition": words.definition,
        "as_of": clock.iso(row.as_of),
        "data_as_of": clock.iso(row.data_as_of),
        "scored_at": clock.iso(row.finished_at),
        "stale": bool(stale),
        "stale_reasons": stale,
    }


@dataclass(frozen=True)
class ResultFilter:
    """What a caller of the list of scores asked for; an absent field does not narrow. Bands are 0 low to 3 very high, `extra` are further conditions on Customer."""

    bands: tuple[int, ...] = ()
    plans: tuple[str, ...] = ()
    min_probability: float | None = None
    model_version: int | None = None
    extra: tuple[ColumnElement[bool], ...] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return SQL conditions on LatestScore, ScoringRun and Customer; customers that have left are not listed."""
        found: list[ColumnElement[bool]] = [Customer.visible(), Customer.churned.is_not(True), *self.extra]
        if self.bands:
            found.append(LatestScore.band.in_(self.bands))
        if self.plans:
            found.append(Customer.plan.in_(self.plans))
        if self.min_probability is not None:
            found.append(LatestScore.probability >= self.min_probability)
        if self.model_version is not None:
            found.append(ScoringRun.model_version_id == self.model_version)
        return found


def results(session: Session, wanted: ResultFilter, request: PageRequest = FIRST_PAGE) -> Page:
    """Return the scores in force, those most at risk first; raises InvalidInput for a cursor of another list."""
    conditions = wanted.conditions()
    query = (
        _rows_query()
        .add_columns(Identity.user_id)
        .join(Identity, Identity.customer_id == Customer.id)
        .where(*conditions)
    )
    counted = select(func.count()).select_from(LatestScore).join(Customer, Customer.id == LatestScore.customer_id)
    if wanted.model_version is not None:
        counted = counted.join(ScoringRun, ScoringRun.id == LatestScore.run_id)
    total = session.scalar(counted.where(*conditions)) or 0
    if request.cursor:
        margin, last = _after(request.cursor)
        below = LatestScore.margin < margin
        query = query.where(below | and_(LatestScore.margin == margin, LatestScore.customer_id > last))
    ordered = query.order_by(LatestScore.margin.desc(), LatestScore.customer_id)
    found = session.execute(ordered.offset(request.offset).limit(request.limit + 1)).all()
    rows = found[: request.limit]
    user_ids = {row[0].customer_id: row[-1] for row in rows}
    presented = _present_all(session, [ScoreRow(*row[:-1]) for row in rows])
    items = [{"user_id": user_ids[row.score.customer_id], **shown} for row, shown in presented]
    more = len(found) > len(rows)
    return Page(items, encode_cursor(_SORT, [rows[-1][0].margin, rows[-1][0].customer_id]) if more else None, total)


def _after(cursor: str) -> tuple[float, int]:
    with reading_cursor():
        margin, last = decode_cursor(cursor, _SORT, 2)
        return number(margin), whole_id(last)


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
            f"{len(strangers):,} of these customers {'is' if len(strangers) == 1 else 'are'} not known, such as {named}.",
            fields={"customer_ids": [f"unknown: {named}"]},
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


def statement(probability: float | None, percentile: float, words: Vocabulary) -> str:
    """Say in one sentence what a score means.

    A model that looks ahead tells how many customers like this left within its horizon; a snapshot tells likeness to those who left, never a
    forecast with a date.
    """
    if words.rule is not None:
        from retainstream.ml.forward import statement as forward

        return forward.statement(probability, percentile, words.rule, simple=words.kind == registry.SIMPLE_RULE)
    if probability is None:
        return f"Resembles those who left more than {percentile:.0%} of the customers do. The model's probabilities are not reliable enough to be shown."
    return f"Resembles those who left: of 100 customers like this in the data, about {probability * 100:.0f} had left."
