"""A customer's scores over time, what became of each, and why a score is another one than before.

A move is split by `retainstream.ml.score_moves`. What the models saw is read again: the attribute versions that a snapshot scored, and for a
model that looks ahead the features as of the run, built from what was known then with the version's own specifications.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import Conflict, NotFound
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import Customer, ModelVersion, RunPerformance, ScoreHistory, ScoreOutcome, ScoringRun
from retainstream.services import as_of, datasets, predictions, preferences, registry
from retainstream.services.preferences import BAND_NAMES, Preferences
from retainstream.services.scoring import single
from retainstream.services.scoring.computing import category, written

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from retainstream.ml.asof.columns import History
    from retainstream.ml.features import FeatureSpec
    from retainstream.ml.score_moves import Calibrate
    from retainstream.ml.served import ServedModel

MOVES = 12
"""So many of the newest moves are split; older ones are not."""
OUTCOMES = ("stayed", "left", "left_within_lead")
_HISTORY_LIMIT = 500
_MODELS_KEPT, _CALIBRATORS_KEPT = 6, 32
_models: Kept[ServedModel] = Kept(_MODELS_KEPT)
_calibrators: Kept[ServedModel] = Kept(_CALIBRATORS_KEPT)


@dataclass(frozen=True)
class _Score:
    """A score on record; `outcome` is None until the run was judged, and where the judgement left the customer out.

    `knew_until` is the as-of of its model, None for a snapshot.
    """

    run: ScoringRun
    margin: float
    attributes: int | None
    outcome: int | None
    left_at: int | None
    knew_until: int | None

    @property
    def hindsight(self) -> bool:
        """Whether the model had learnt from days after the one it scored, so that nobody could have seen this score then."""
        return self.knew_until is not None and self.knew_until > self.run.as_of


@dataclass(frozen=True)
class _Pair:
    """Two consecutive scores under one definition, both with hindsight or both without."""

    first: _Score
    second: _Score


@dataclass(frozen=True)
class _Rebuilt:
    """What a version makes of a customer at a run: margin and contributions of shape (f,), in log-odds, and the values behind them."""

    margin: float
    contributions: np.ndarray
    values: dict[str, Any]


class _Unrebuilt(Exception):
    """A score whose inputs or whose model are not there any more."""


def history(
    session: Session, settings: Settings, customer_id: int, *, limit: int = _HISTORY_LIMIT, moves: int = MOVES
) -> dict[str, object]:
    """Return the scores of a customer, newest as-of first.

    Each has the probability that its own model gave it (None where withheld), the band by the preferences in force, its outcome once
    judged, and its `move` since the score before under the same definition: for the `moves` newest, where both can be rebuilt. A score with
    `hindsight` is compared with others of its sort only: what somebody could have seen on a day never moved from what nobody could.

    Raises
    ------
    NotFound
        When the customer is unknown.
    """
    if session.scalar(select(Customer.id).where(Customer.id == customer_id, Customer.visible())) is None:
        raise NotFound("There is no such customer.")
    scores = _scores(session, customer_id, limit)
    models = _Models(session)
    ledger = _Ledger(session, settings, customer_id, models)
    split = ledger.moves(_pairs(scores)[:moves])
    chosen = preferences.read(session)
    return {"items": [_item(session, models, chosen, customer_id, score, split.get(score.run.id)) for score in scores]}


def move_to(session: Session, settings: Settings, customer_id: int, run_id: int) -> dict[str, object] | None:
    """Return the move that led to the score of one run, as `history` has it; None where there is none, or where it cannot be rebuilt."""
    wanted = [pair for pair in _pairs(_scores(session, customer_id, _HISTORY_LIMIT)) if pair.second.run.id == run_id]
    return _Ledger(session, settings, customer_id, _Models(session)).moves(wanted).get(run_id)


def _scores(session: Session, customer_id: int, limit: int) -> list[_Score]:
    told = and_(ScoreOutcome.run_id == ScoringRun.id, ScoreOutcome.customer_id == customer_id)
    judged = RunPerformance.run_id.is_not(None)  # outcomes of a judging that did not end count for nothing
    query = (
        select(
            ScoringRun, ScoreHistory.margin, ScoreHistory.version_id, case((judged, ScoreOutcome.state)),
            case((judged, ScoreOutcome.left_at)), ModelVersion.as_of,
        )
        .join(ScoreHistory, ScoreHistory.run_id == ScoringRun.id)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .outerjoin(RunPerformance, RunPerformance.run_id == ScoringRun.id)
        .outerjoin(ScoreOutcome, told)
        .where(ScoreHistory.customer_id == customer_id, ScoringRun.state == "complete")
        .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [_Score(*row) for row in session.execute(query)]


def _pairs(scores: Sequence[_Score]) -> list[_Pair]:
    """Return consecutive scores of the same definition and sort, by the later one, newest first."""
    newer: dict[tuple[int, bool], _Score] = {}
    found: dict[int, _Pair] = {}
    for score in scores:
        sort = (score.run.definition_id, score.hindsight)
        after = newer.get(sort)
        if after is not None:
            found[after.run.id] = _Pair(score, after)
        newer[sort] = score
    return [found[score.run.id] for score in scores if score.run.id in found]


def _item(
    session: Session,
    models: _Models,
    chosen: Preferences,
    customer_id: int,
    score: _Score,
    move: dict[str, object] | None,
) -> dict[str, object]:
    run = score.run
    words = predictions.vocabulary(session, run.model_version_id)
    probability, percentile = models.shown(run.model_version_id, customer_id, score.margin)
    band = None if percentile is None else BAND_NAMES[chosen.band_of(probability, percentile)]
    outcome = None
    if score.outcome is not None:
        outcome = {"state": OUTCOMES[score.outcome], "left_at": clock.iso(score.left_at)}
    return {
        "run_id": run.id,
        "scored_at": clock.iso(run.finished_at),
        "as_of": clock.iso(run.as_of),
        "data_as_of": clock.iso(run.data_as_of),
        "margin": score.margin,
        "churn_probability": probability,
        "risk_band": band,
        "model_version": run.model_version_id,
        "kind": words.kind,
        "definition": words.definition,
        "role": run.role,
        "hindsight": score.hindsight,
        "outcome": outcome,
        "move": move,
    }


class _Models:
    """The versions behind a history. Whole models are kept few, what calibrates them is small and kept for more."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._found: dict[int, ServedModel | None] = {}

    def whole(self, version_id: int) -> ServedModel:
        """Return a version with its boosters; raises _Unrebuilt when it cannot be loaded."""
        try:
            version = registry.loadable(self.session, version_id)
            key = version.sha256
            return _models.of(key, lambda: registry.load(self.session, version_id, key).served_)
        except Conflict as gone:
            raise _Unrebuilt from gone

    def calibrator(self, version_id: int) -> ServedModel | None:
        """Return a version without its boosters; None when it cannot be loaded."""
        if version_id not in self._found:
            try:
                key = registry.loadable(self.session, version_id).sha256
                self._found[version_id] = _calibrators.of(key, lambda: replace(self.whole(version_id), boosters=[]))
            except (Conflict, _Unrebuilt):
                self._found[version_id] = None
        return self._found[version_id]

    def shown(self, version_id: int, customer_id: int, margin: float) -> tuple[float | None, float | None]:
        """Return probability (None where withheld) and percentile (0 to 1) of a margin as its own version has them; None without it."""
        import numpy as np

        found = self.calibrator(version_id)
        if found is None:
            return None, None
        margins = np.array([margin], dtype=np.float64)
        percentile = float(found.percentile(margins)[0]) / 100.0
        if not found.report.calibration.passed:
            return None, percentile
        fold = found.folds_of(1, np.array([customer_id]))
        return float(found.calibrated(margins, fold)[0]), percentile


class _Ledger:
    """Rebuilds what the models of some moves saw, each version once, and splits the moves."""

    def __init__(self, session: Session, settings: Settings, customer_id: int, models: _Models) -> None:
        self.session, self.settings, self.customer_id, self.models = session, settings, customer_id, models
        self._rebuilt: dict[tuple[int, int], _Rebuilt] = {}
        self._seen: dict[tuple[tuple[FeatureSpec, ...], int], dict[str, Any]] = {}

    def moves(self, pairs: Sequence[_Pair]) -> dict[int, dict[str, object]]:
        """Return the moves that can be split, by the later run."""
        wanted: dict[int, dict[int, _Score]] = defaultdict(dict)
        for pair in pairs:
            first, second = pair.first.run, pair.second.run
            wanted[first.model_version_id].update({first.id: pair.first, second.id: pair.second})
            wanted[second.model_version_id][second.id] = pair.second
        past = self._past(list(wanted)) if pairs else None
        for version_id, scores in wanted.items():
            try:
                self._rebuild(version_id, list(scores.values()), past)
            except _Unrebuilt:
                continue
        return {pair.second.run.id: move for pair in pairs if (move := self._split(pair)) is not None}

    def _past(self, version_ids: Sequence[int]) -> History | None:
        """Read the customer's history once for all versions; None where only snapshots are asked for."""
        specs: list[FeatureSpec] = []
        for version_id in version_ids:
            words = predictions.vocabulary(self.session, version_id)
            specs += words.specs if words.forward else ()
        if not specs:
            return None
        properties = single.properties_of(specs)
        return as_of.history(self.session, self.settings, customer_ids=[self.customer_id], properties=properties)

    def _rebuild(self, version_id: int, scores: list[_Score], past: History | None) -> None:
        """Score a customer anew by one version, as of all the runs that moves compare, in one pass."""
        import numpy as np

        served = self.models.whole(version_id)
        words = predictions.vocabulary(self.session, version_id)
        seen = list(self._forward(served.specs, scores, past) if words.forward else self._snapshots(scores))
        base = np.vstack([served.encoder.base_row(values) for _, values in seen])
        fold = served.folds_of(len(seen), np.full(len(seen), self.customer_id))
        margin, found = served.explained(base, fold, None)
        for (score, values), one, contributions in zip(seen, margin.tolist(), found.values, strict=True):
            self._rebuilt[version_id, score.run.id] = _Rebuilt(one, contributions, values)

    def _forward(
        self, specs: tuple[FeatureSpec, ...], scores: list[_Score], past: History | None
    ) -> Iterator[tuple[_Score, dict[str, Any]]]:
        """Yield what a version saw at its runs; versions with the same features share what was built."""
        from retainstream.ml.asof.builder import Builder

        assert past is not None  # read for every version that looks ahead
        builder: Builder | None = None
        for score in sorted(scores, key=lambda one: one.run.as_of):
            moment = score.run.as_of
            if (specs, moment) not in self._seen:
                builder = builder or Builder(past, specs)
                self._seen[specs, moment] = _values(builder.at(moment, [self.customer_id]), specs)
            yield score, self._seen[specs, moment]

    def _snapshots(self, scores: list[_Score]) -> Iterator[tuple[_Score, dict[str, Any]]]:
        values = datasets.values_of(self.session, [one.attributes for one in scores if one.attributes is not None])
        for score in scores:
            if score.attributes not in values:
                raise _Unrebuilt
            yield score, values[score.attributes]

    def _split(self, pair: _Pair) -> dict[str, object] | None:
        """Return a move as the API has it; None when a part of it cannot be rebuilt."""
        from retainstream.ml import score_moves

        first, second = pair.first.run, pair.second.run
        m1x1, m1x2, m2x2 = (
            self._rebuilt.get(key)
            for key in (
                (first.model_version_id, first.id),
                (first.model_version_id, second.id),
                (second.model_version_id, second.id),
            )
        )
        if m1x1 is None or m1x2 is None or m2x2 is None:
            return None
        margins = (pair.first.margin, pair.second.margin, m1x1.margin, m1x2.margin, m2x2.margin)
        on_margin = score_moves.margin_parts(*margins)
        before, after = (self._calibrate(run.model_version_id) for run in (first, second))
        probability = None
        if before is not None and after is not None:
            probability = score_moves.probability_parts(*margins, before=before, after=after).to_dict()
        specs = predictions.vocabulary(self.session, first.model_version_id).specs
        told = score_moves.by_feature(specs, m1x1.values, m1x2.values, m1x1.contributions, m1x2.contributions)
        return {
            "from_run_id": first.id,
            "from_as_of": clock.iso(first.as_of),
            "from_model_version": first.model_version_id,
            "probability": probability,
            "margin": on_margin.to_dict(),
            "features": [one.to_dict() for one in told],
            "other_features": on_margin.features - sum(one.margin for one in told),
        }

    def _calibrate(self, version_id: int) -> Calibrate | None:
        """Return what turns margins of this customer into a version's probabilities; None where they are withheld."""
        import numpy as np

        found = self.models.calibrator(version_id)
        if found is None or not found.report.calibration.passed:
            return None

        def calibrate(margins: np.ndarray) -> np.ndarray:
            return found.calibrated(margins, found.folds_of(len(margins), np.full(len(margins), self.customer_id)))

        return calibrate


def _values(frame: pd.DataFrame, specs: Sequence[FeatureSpec]) -> dict[str, Any]:
    """Return the one row of a frame as JSON scalars that mean the very numbers which the model reads."""
    return {
        spec.name: category(cell) if spec.kind == "category" else written(cell, spec.kind)
        for spec, cell in ((spec, frame[spec.name].iloc[0]) for spec in specs)
    }
