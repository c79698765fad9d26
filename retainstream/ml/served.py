"""A trained model at work: margins, probabilities, intervals, reasons, and the artifact it is kept in.

The rule of who scores whom lives here: a row that was in training is scored, calibrated and explained by what never saw
it; any other row by the mean of all K boosters. In-sample scores do not exist. Training lives in ``training.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.artifact import ArtifactError, pack, unpack
from retainstream.ml.calibration import Calibrator, mean_probability
from retainstream.ml.confidence import VennAbers, confidence, hull, shown
from retainstream.ml.contributions import Contributions, exact_contributions
from retainstream.ml.encoding import CategoryEncoder, Notice
from retainstream.ml.features import FeatureSpec
from retainstream.ml.merged import MergedBooster
from retainstream.ml.report import TrainingReport
from retainstream.ml.wording import Reason, compact_reasons, expand_reasons, top_reasons

if TYPE_CHECKING:
    import pandas as pd
    import xgboost

_FORMAT = 1
_PERCENTILE_POINTS = 1001
_NEW = -1  # the fold of a row that was not in training


@dataclass(frozen=True)
class ScoreBatch:
    """Scores of n rows.

    Attributes
    ----------
    margin : float64 array of shape (n,), log-odds
    probability : float64 array of shape (n,), or None when the calibration failed its gate
    p0, p1 : float64 arrays of shape (n,)
        Venn-Abers pair of the margin, which need not hold the probability.
    low, high : float64 arrays of shape (n,), or None as ``probability``
        The interval that is shown: the hull of p0, p1 and the probability.
    confidence : float64 array of shape (n,), 0 to 1, or None as ``probability``
        1 - (high - low).
    percentile : float64 array of shape (n,), 0 to 100
        Share of the training customers with a lower margin.
    contributions : Contributions
        Exact, shape (n, f), in log-odds; ``base + sum`` is the margin.
    reasons : list of n lists of Reason
    recomputed_share : float, 0 to 1
    notices : list of n tuples of Notice
        Missing values and unknown categories, row by row.
    """

    margin: np.ndarray
    probability: np.ndarray | None
    p0: np.ndarray
    p1: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    confidence: np.ndarray | None
    percentile: np.ndarray
    contributions: Contributions
    reasons: list[list[Reason]]
    recomputed_share: float
    notices: list[tuple[Notice, ...]]


@dataclass(frozen=True)
class Score:
    """The score of one row; fields as in :class:`ScoreBatch`. ``interval`` is (low, high)."""

    margin: float
    probability: float | None
    p0: float
    p1: float
    interval: tuple[float, float] | None
    confidence: float | None
    percentile: float
    base: float
    contributions: dict[str, float]
    reasons: list[Reason]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class ServedModel:
    """Everything that scoring needs; made by :meth:`assemble` or :meth:`from_artifact`.

    ``venn_abers`` has one predictor per fold and a last one for rows that were not in training. ``row_ids`` is sorted;
    ``row_folds`` goes with it.
    """

    boosters: list[xgboost.Booster]
    encoder: CategoryEncoder
    calibrators: list[Calibrator]
    venn_abers: list[VennAbers]
    row_ids: np.ndarray
    row_folds: np.ndarray
    percentiles: np.ndarray
    correlated: list[list[int]]
    typical: dict[str, Any]
    drift: dict[str, Any]
    report: TrainingReport

    @classmethod
    def assemble(
        cls,
        boosters: list[xgboost.Booster],
        encoder: CategoryEncoder,
        calibrators: list[Calibrator],
        venn_abers: list[VennAbers],
        report: TrainingReport,
        *,
        margin: np.ndarray,
        fold: np.ndarray,
        row_ids: np.ndarray | None,
        correlated: list[list[int]],
        typical: dict[str, Any],
        drift: dict[str, Any],
    ) -> ServedModel:
        """Put a model together from what a training made; ``margin`` and ``fold`` are of the training rows."""
        ids = np.empty(0, dtype=np.int64) if row_ids is None else np.asarray(row_ids, dtype=np.int64)
        order = np.argsort(ids, kind="stable")
        folds = fold[order].astype(np.int8) if len(ids) else np.empty(0, dtype=np.int8)
        percentiles = np.quantile(margin, np.linspace(0, 1, _PERCENTILE_POINTS))
        return cls(
            boosters,
            encoder,
            calibrators,
            venn_abers,
            ids[order],
            folds,
            percentiles,
            correlated,
            typical,
            drift,
            report,
        )

    @property
    def specs(self) -> tuple[FeatureSpec, ...]:
        """The features, in the order of the matrix."""
        return self.encoder.specs

    def folds_of(self, n: int, row_ids: np.ndarray | None) -> np.ndarray:
        """Return each row's fold, -1 for rows that were not in training, int64 of shape (n,)."""
        if row_ids is None:
            return np.full(n, _NEW, dtype=np.int64)
        ids = np.asarray(row_ids, dtype=np.int64)
        if ids.shape != (n,):
            raise ValueError(f"Expected {n} row ids, got shape {ids.shape}.")
        if not len(self.row_ids):
            return np.full(n, _NEW, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.row_ids, ids), len(self.row_ids) - 1)
        return np.where(self.row_ids[place] == ids, self.row_folds[place], _NEW).astype(np.int64)

    def _parts(self, fold: np.ndarray) -> Iterator[tuple[int, np.ndarray, float]]:
        """Yield (booster, rows it scores, weight of its say): 1 for rows it never saw, 1/K for new rows."""
        new = fold == _NEW
        for j in range(len(self.boosters)):
            own = np.flatnonzero(fold == j)
            if len(own):
                yield j, own, 1.0
            if new.any():
                yield j, np.flatnonzero(new), 1.0 / len(self.boosters)

    def margins(self, base: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Log-odds before calibration, float64 of shape (n,), for a base matrix and its folds."""
        margin = np.zeros(len(base), dtype=np.float64)
        for j, rows, weight in self._parts(fold):
            matrix = self.encoder.matrix(base[rows] if len(rows) < len(base) else base, j)
            margin[rows] += weight * self.boosters[j].inplace_predict(matrix, predict_type="margin").astype(np.float64)
        return margin

    def calibrated(self, margin: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Probabilities, whether or not they passed the gate; float64 of shape (n,)."""
        probability = np.empty(len(margin), dtype=np.float64)
        for j in np.unique(fold).tolist():
            rows = fold == j
            if j == _NEW:
                probability[rows] = mean_probability(self.calibrators, margin[rows])
            else:
                probability[rows] = self.calibrators[j].apply(margin[rows])
        return probability

    def intervals(self, margin: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Venn-Abers p0 and p1, float64 of shape (n,)."""
        p0, p1 = np.empty(len(margin)), np.empty(len(margin))
        for j in np.unique(fold).tolist():
            rows = fold == j
            p0[rows], p1[rows] = self.venn_abers[j].interval(margin[rows])  # _NEW is the last
        return p0, p1

    def percentile(self, margin: np.ndarray) -> np.ndarray:
        """Share of training customers with a lower margin, 0 to 100."""
        return np.asarray(np.interp(margin, self.percentiles, np.linspace(0, 100, _PERCENTILE_POINTS)))

    def contributions(self, base: np.ndarray, fold: np.ndarray, n_jobs: int = 1) -> Contributions:
        """Exact contributions, averaged exactly as the margins are."""
        return self.explained(base, fold, n_jobs)[1]

    @cached_property
    def _merged(self) -> MergedBooster | None:
        """All boosters as one; made when the first single row is scored and kept as long as the model."""
        return MergedBooster.of(self.boosters)

    def _explained_row(self, base: np.ndarray, fold: int) -> tuple[np.ndarray, Contributions]:
        """:meth:`explained` for one row, several times quicker when it was not in training."""
        folds = np.array([fold])
        if fold != _NEW or self._merged is None:
            return self.explained(base, folds, None)
        margin = self.margins(base, folds)
        matrices = [self.encoder.matrix(base, j) for j in range(len(self.boosters))]
        return margin, self._merged.contributions(matrices, margin)

    def explained(self, base: np.ndarray, fold: np.ndarray, n_jobs: int | None = 1) -> tuple[np.ndarray, Contributions]:
        """Margins as :meth:`margins` gives them together with their contributions, in one pass over the boosters."""
        values = np.zeros(base.shape, dtype=np.float32)
        start, margin = np.zeros(len(base), dtype=np.float64), np.zeros(len(base), dtype=np.float64)
        recomputed, most_for_new = 0, 0
        for j, rows, weight in self._parts(fold):
            matrix = self.encoder.matrix(base[rows] if len(rows) < len(base) else base, j)
            score = self.boosters[j].inplace_predict(matrix, predict_type="margin")
            found = exact_contributions(self.boosters[j], matrix, margin=score, n_jobs=n_jobs)
            margin[rows] += weight * score.astype(np.float64)
            values[rows] += np.float32(weight) * found.values
            start[rows] += weight * found.base
            if fold[rows[0]] == _NEW:  # K boosters look at the same new rows: count the rows, not the looks
                most_for_new = max(most_for_new, found.recomputed)
            else:
                recomputed += found.recomputed
        recomputed += most_for_new
        return margin, Contributions(values, start, recomputed / max(len(base), 1), recomputed)

    def score_rows(
        self, frame: pd.DataFrame, row_ids: np.ndarray | None = None, top: int = 5, n_jobs: int = 1
    ) -> ScoreBatch:
        """Score and explain rows; see :class:`ScoreBatch`."""
        base = self.encoder.base(frame)
        fold = self.folds_of(len(frame), row_ids)
        margin, found = self.explained(base, fold, n_jobs)
        p0, p1 = self.intervals(margin, fold)
        probability = self.calibrated(margin, fold) if self.report.calibration.passed else None
        low, high = (None, None) if probability is None else hull(p0, p1, probability)
        return ScoreBatch(
            margin=margin,
            probability=probability,
            p0=p0,
            p1=p1,
            low=low,
            high=high,
            confidence=None if low is None or high is None else confidence(low, high),
            percentile=self.percentile(margin),
            contributions=found,
            reasons=top_reasons(
                frame, found.values, self.specs, groups=self.correlated, reference=self.typical, top=top
            ),
            recomputed_share=found.recomputed_share,
            notices=self._notices(frame, base),
        )

    def _notices(self, frame: pd.DataFrame, base: np.ndarray) -> list[tuple[Notice, ...]]:
        notices: list[tuple[Notice, ...]] = [()] * len(base)
        incomplete = np.flatnonzero(np.isnan(base).any(axis=1))
        names = [spec.name for spec in self.specs]
        for i, values in zip(incomplete.tolist(), frame[names].iloc[incomplete].itertuples(index=False), strict=True):
            notices[i] = self.encoder.notices(dict(zip(names, values, strict=True)), base[i])
        return notices

    def score_one(self, values: Mapping[str, Any], row_id: int | None = None, top: int = 5) -> Score:
        """Score and explain one row of values by name; a name that is absent is a missing value.

        Parameters
        ----------
        values : mapping of feature name to value
        row_id : int, optional
            The row's id, if it may have been in training.
        top : int
            Number of reasons.
        """
        base = self.encoder.base_row(values)
        fold = self.folds_of(1, None if row_id is None else np.array([row_id]))
        margin, found = self._explained_row(base, int(fold[0]))
        p0, p1 = self.venn_abers[int(fold[0])].single(float(margin[0]))
        probability = float(self.calibrated(margin, fold)[0]) if self.report.calibration.passed else None
        interval, certainty = shown(p0, p1, probability)
        compact = compact_reasons(found.values, groups=self.correlated, top=top)[0]
        return Score(
            margin=float(margin[0]),
            probability=probability,
            p0=p0,
            p1=p1,
            interval=interval,
            confidence=certainty,
            percentile=float(self.percentile(margin)[0]),
            base=float(found.base[0]),
            contributions={s.name: float(v) for s, v in zip(self.specs, found.values[0], strict=True)},
            reasons=expand_reasons(compact, values, self.specs, self.typical),
            notices=self.encoder.notices(values, base[0]),
        )

    def to_artifact(self, extra: dict[str, Any]) -> bytes:
        """Return native XGBoost bytes and a JSON manifest in one container; nothing is pickled."""
        members = {f"booster-{j}.ubj": bytes(booster.save_raw("ubj")) for j, booster in enumerate(self.boosters)}
        members["row-ids.i64"] = self.row_ids.astype("<i8").tobytes()
        members["row-folds.i8"] = self.row_folds.astype("i1").tobytes()
        manifest = {
            "format": _FORMAT,
            "boosters": len(self.boosters),
            "encoder": self.encoder.to_dict(),
            "calibrators": [calibrator.to_dict() for calibrator in self.calibrators],
            "venn_abers": [predictor.to_dict() for predictor in self.venn_abers],
            "percentiles": self.percentiles.tolist(),
            "correlated": self.correlated,
            "typical": self.typical,
            "drift": self.drift,
            "report": self.report.to_dict(),
            "predictor": extra,
        }
        return pack(members, manifest)

    @classmethod
    def from_artifact(cls, data: bytes, expected_sha256: str) -> tuple[ServedModel, dict[str, Any]]:
        """Verify and read an artifact; return the model and the manifest's ``predictor`` entry.

        Raises
        ------
        ArtifactError
            When the hash differs, or the content is damaged or of another format.
        """
        manifest, members = unpack(data, expected_sha256)
        if manifest.get("format") != _FORMAT:
            raise ArtifactError("This model was saved in a format that this version cannot read.")
        try:
            return cls._read(manifest, members), manifest["predictor"]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError("The saved model is not complete.") from error

    @classmethod
    def _read(cls, manifest: dict[str, Any], members: Mapping[str, bytes]) -> ServedModel:
        import xgboost

        boosters = []
        for j in range(manifest["boosters"]):
            booster = xgboost.Booster({"nthread": 1})
            try:
                booster.load_model(bytearray(members[f"booster-{j}.ubj"]))
            except xgboost.core.XGBoostError as error:
                raise ArtifactError("A booster of the saved model cannot be read.") from error
            boosters.append(booster)
        return cls(
            boosters=boosters,
            encoder=CategoryEncoder.from_dict(manifest["encoder"]),
            calibrators=[Calibrator.from_dict(item) for item in manifest["calibrators"]],
            venn_abers=[VennAbers.from_dict(item) for item in manifest["venn_abers"]],
            row_ids=np.frombuffer(members["row-ids.i64"], dtype="<i8"),
            row_folds=np.frombuffer(members["row-folds.i8"], dtype="i1"),
            percentiles=np.asarray(manifest["percentiles"], dtype=np.float64),
            correlated=[list(group) for group in manifest["correlated"]],
            typical=manifest["typical"],
            drift=manifest["drift"],
            report=TrainingReport.from_dict(manifest["report"]),
        )


def check_ids(row_ids: Sequence[int] | np.ndarray | None, n: int) -> np.ndarray | None:
    """Return row ids as int64, or raise ``ValueError`` when they are not n different ones."""
    if row_ids is None:
        return None
    ids = np.asarray(row_ids, dtype=np.int64)
    if ids.shape != (n,):
        raise ValueError(f"Expected {n} row ids, got shape {ids.shape}.")
    if len(np.unique(ids)) != n:
        raise ValueError("A row id occurs more than once.")
    return ids
