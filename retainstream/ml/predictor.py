"""``ChurnPredictor``: the public face of this package, an estimator that keeps scikit-learn's contract.

It checks inputs and hands over: training is in ``training.py``, scoring in ``served.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from retainstream.ml.contributions import Contributions
from retainstream.ml.economics import Economics
from retainstream.ml.features import FeatureSpec, check_specs, infer_features
from retainstream.ml.served import Score, ScoreBatch, ServedModel, check_ids
from retainstream.ml.training import Plan, train

_SEARCHED = (
    "n_estimators",
    "max_depth",
    "learning_rate",
    "min_child_weight",
    "subsample",
    "colsample_bytree",
    "reg_lambda",
)


class ChurnPredictor(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated, explained churn scores from K cross-fitted XGBoost boosters.

    Parameters
    ----------
    n_trials : int, default 20
        Trials of the parameter search; always all of them, so that a seed gives one result.
    folds : int, optional
        Boosters that are served. Default: 5, and 2 above 100,000 rows.
    repeats : int, optional
        How often the folds are dealt for the figures. Default: 3 up to 10,000 rows, 2 up to 20,000, else 1.
    n_estimators : int, optional
        Trees per booster; with ``tune`` the most that a trial may grow. Default: 300, with ``tune`` 1,200.
    max_depth, learning_rate, min_child_weight, subsample, colsample_bytree, reg_lambda : float, optional
        XGBoost's parameters; a given one is not searched.
    n_jobs : int, default 1
        Threads. Results are the same twice with the same number.
    random_state : int, default 0
        Seed of everything that is left to chance.
    tune : bool, default True
        Search parameters; otherwise defaults are used for those not given.
    economics : Economics, optional
        What reaching a customer costs and brings; sets the threshold of :meth:`predict`.

    Attributes
    ----------
    boosters_ : list of K xgboost.Booster
    encoder_ : CategoryEncoder
    calibrators_ : list of K Calibrator
        The k-th is fitted on the other folds.
    report_ : TrainingReport
    features_ : tuple of FeatureSpec
    served_ : ServedModel
    oof_margin_ : float64 array of shape (n,)
        Out-of-fold log-odds of the training rows; absent after :meth:`from_artifact`.
    classes_ : array of shape (2,)
        The second is churned.
    n_features_in_ : int
    feature_names_in_ : array of str
        Only when fitted on a DataFrame.

    Notes
    -----
    Tiny data are fitted as long as two rows of each class differ; whether the result means anything is said by
    ``report_`` and :func:`retainstream.ml.assess`.

    Examples
    --------
    >>> from retainstream.ml import ChurnPredictor, generate_streaming_customers
    >>> frame = generate_streaming_customers(2_000)
    >>> X, y = frame.drop(columns=["user_id", "churn"]), frame["churn"]
    >>> model = ChurnPredictor(tune=False, n_estimators=50).fit(X, y, row_ids=range(2_000))
    >>> model.score_rows(X.head(3), row_ids=[0, 1, 2]).margin.shape
    (3,)
    """

    def __init__(
        self,
        n_trials: int = 20,
        folds: int | None = None,
        repeats: int | None = None,
        n_estimators: int | None = None,
        max_depth: int | None = None,
        learning_rate: float | None = None,
        min_child_weight: float | None = None,
        subsample: float | None = None,
        colsample_bytree: float | None = None,
        reg_lambda: float | None = None,
        n_jobs: int = 1,
        random_state: int | None = 0,
        tune: bool = True,
        economics: Economics | None = None,
    ) -> None:
        self.n_trials = n_trials
        self.folds = folds
        self.repeats = repeats
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.tune = tune
        self.economics = economics

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def fit(
        self,
        X: pd.DataFrame | np.ndarray,
        y: Any,
        *,
        features: Sequence[FeatureSpec] | None = None,
        row_ids: Sequence[int] | np.ndarray | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Self:
        """Train on customers whose outcome is known.

        Parameters
        ----------
        X : DataFrame or array of shape (n, f)
            Missing values are ``None`` or NaN. Arrays hold numbers only.
        y : array of shape (n,)
            Two values; the larger (1, True, "Yes") is churned. No missing values.
        features : sequence of FeatureSpec, optional
            The columns to use and their kinds; guessed from the values when not given. Needs a DataFrame.
        row_ids : int array of shape (n,), optional
            Different ids, by which a training row is known again when it is scored.
        progress : callable, optional
            Called with a phase (reading, folds, tuning, fitting, calibrating, judging, explaining) and the share of all
            work done, 0 to 1. It may raise to cancel.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On one class only, more than two classes, missing labels, or fewer than two different rows of a class.
        """
        frame, labels = self._training_frame(X, y, features is not None)
        specs = list(features) if features is not None else infer_features(frame)
        check_specs(specs, [str(name) for name in frame.columns])
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("The labels hold one class only; a classifier needs customers who left and who stayed.")
        ids = check_ids(row_ids, len(frame))
        self._selects_ = features is not None
        self.served_, self.oof_margin_ = train(
            frame[[spec.name for spec in specs]],
            codes.astype(np.int8),
            specs,
            self._plan(),
            row_ids=ids,
            progress=progress,
        )
        return self

    @classmethod
    def of(cls, served: ServedModel, plan: Plan) -> ChurnPredictor:
        """Return a fitted predictor around a model that was trained elsewhere, such as one that looks forward.

        Parameters
        ----------
        served : ServedModel
        plan : Plan
            What it was trained by; becomes the parameters.
        """
        named: dict[str, Any] = {name: value for name, value in plan.fixed.items() if name in _SEARCHED}
        model = cls(
            n_trials=plan.n_trials, folds=plan.folds, repeats=plan.repeats, n_jobs=plan.n_jobs, random_state=plan.seed,
            tune=plan.tune, economics=plan.economics, **named,
        )  # fmt: skip
        model.served_ = served
        model.classes_ = np.array([0, 1])
        model.n_features_in_ = len(served.specs)
        model.feature_names_in_ = np.asarray([spec.name for spec in served.specs], dtype=object)
        model._selects_ = True
        return model

    def _training_frame(self, X: pd.DataFrame | np.ndarray, y: Any, selects: bool) -> tuple[pd.DataFrame, np.ndarray]:
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True)
            if y is None:
                raise ValueError("This estimator requires y to be passed, but the target y is None.")
            labels = column_or_1d(y, warn=True)
            if len(labels) != len(X):
                raise ValueError(f"Found {len(X)} rows and {len(labels)} labels.")
            if pd.isna(labels).any():
                raise ValueError("Some labels are missing; leave these rows out.")
            if not len(X) or not X.shape[1]:
                raise ValueError(
                    f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s); both are needed."
                )
            frame = X.set_axis([str(name) for name in X.columns], axis=1)
        else:
            if selects:
                raise ValueError("Features can be named for a DataFrame only.")
            matrix, labels = validate_data(
                self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2
            )
            frame = self._named(matrix)
        check_classification_targets(labels)
        kind = type_of_target(labels, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        return frame, np.asarray(labels)

    @staticmethod
    def _named(matrix: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(matrix, columns=[f"x{j}" for j in range(matrix.shape[1])], copy=False)

    def _plan(self) -> Plan:
        fixed = {name: getattr(self, name) for name in _SEARCHED if getattr(self, name) is not None}
        return Plan(
            n_trials=self.n_trials,
            folds=self.folds,
            repeats=self.repeats,
            tune=self.tune,
            fixed=fixed,
            n_jobs=self.n_jobs,
            seed=0 if self.random_state is None else int(self.random_state),
            economics=self.economics if self.economics is not None else Economics(),
        )

    def _frame(self, X: pd.DataFrame | np.ndarray) -> pd.DataFrame:
        """Check rows to be scored; a frame fitted with named features is selected from by name, in any order."""
        check_is_fitted(self, "served_")
        names = [spec.name for spec in self.features_]
        if isinstance(X, pd.DataFrame) and self._selects_:
            absent = [name for name in names if name not in X.columns]
            if absent:
                raise ValueError(f"These features are missing from the data: {', '.join(absent)}.")
            return X[names]
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=False, skip_check_array=True)
            return X.set_axis(names, axis=1)
        matrix = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return pd.DataFrame(matrix, columns=names, copy=False)

    @property
    def boosters_(self) -> list[Any]:
        """The K served boosters."""
        return self.served_.boosters

    @property
    def encoder_(self) -> Any:
        """The frozen encoder."""
        return self.served_.encoder

    @property
    def calibrators_(self) -> list[Any]:
        """The K cross-fitted calibrators."""
        return self.served_.calibrators

    @property
    def report_(self) -> Any:
        """The training's report."""
        return self.served_.report

    @property
    def features_(self) -> tuple[FeatureSpec, ...]:
        """The features, in order."""
        return self.served_.specs

    def margin(self, X: pd.DataFrame | np.ndarray, row_ids: Any = None) -> np.ndarray:
        """Log-odds before calibration, float64 of shape (n,).

        A row whose id was in training is scored by the booster that never saw it, any other by the mean of all.
        """
        frame = self._frame(X)
        return self.served_.margins(self.encoder_.base(frame), self.served_.folds_of(len(frame), row_ids))

    def probability(self, X: pd.DataFrame | np.ndarray, row_ids: Any = None) -> np.ndarray | None:
        """Calibrated probability of churn, float64 of shape (n,); ``None`` when the calibration failed its gate."""
        return self._calibrated(X, row_ids) if self.report_.calibration.passed else None

    def _calibrated(self, X: pd.DataFrame | np.ndarray, row_ids: Any = None) -> np.ndarray:
        frame = self._frame(X)
        fold = self.served_.folds_of(len(frame), row_ids)
        return self.served_.calibrated(self.served_.margins(self.encoder_.base(frame), fold), fold)

    def predict_proba(self, X: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Probabilities of staying and leaving, shape (n, 2), as scikit-learn's contract wants them.

        They are given even when the calibration failed its gate; what people see comes from :meth:`probability`.
        """
        p = self._calibrated(X)
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Class of each row, shape (n,): churned where reaching the customer pays, that is at ``report_.threshold``."""
        churned = self._calibrated(X) >= self.report_.threshold
        return np.asarray(self.classes_[churned.astype(np.int64)])

    def contributions(self, X: pd.DataFrame | np.ndarray, row_ids: Any = None) -> Contributions:
        """Exact contributions to the margin, in log-odds, shape (n, f); averaged exactly as margins are."""
        frame = self._frame(X)
        fold = self.served_.folds_of(len(frame), row_ids)
        return self.served_.contributions(self.encoder_.base(frame), fold, self.n_jobs)

    def score_rows(self, X: pd.DataFrame | np.ndarray, row_ids: Any = None, top: int = 5) -> ScoreBatch:
        """Score and explain rows: everything a customer page shows."""
        return self.served_.score_rows(self._frame(X), row_ids, top, self.n_jobs)

    def score_one(self, values: Mapping[str, Any], row_id: int | None = None, top: int = 5) -> Score:
        """Score and explain one row given as values by feature name, in a few milliseconds."""
        check_is_fitted(self, "served_")
        return self.served_.score_one(values, row_id, top)

    def to_artifact(self) -> bytes:
        """Return the model as bytes: native XGBoost, JSON and a hash for each part."""
        check_is_fitted(self, "served_")
        parameters = {key: value for key, value in self.get_params().items() if key != "economics"}
        names = getattr(self, "feature_names_in_", None)
        return self.served_.to_artifact(
            {
                "parameters": parameters,
                "economics": None if self.economics is None else self.economics.to_dict(),
                "classes": self.classes_.tolist(),
                "feature_names_in": None if names is None else list(names),
                "n_features_in": int(self.n_features_in_),
                "selects": self._selects_,
            }
        )

    @classmethod
    def from_artifact(cls, data: bytes, expected_sha256: str) -> ChurnPredictor:
        """Rebuild a fitted predictor; the hash is verified before anything is read.

        Raises
        ------
        ArtifactError
            When the hash differs or the content is damaged.
        """
        served, extra = ServedModel.from_artifact(data, expected_sha256)
        economics = None if extra["economics"] is None else Economics.from_dict(extra["economics"])
        model = cls(**extra["parameters"], economics=economics)
        model.served_ = served
        model.classes_ = np.asarray(extra["classes"])
        model.n_features_in_ = extra["n_features_in"]
        if extra["feature_names_in"] is not None:
            model.feature_names_in_ = np.asarray(extra["feature_names_in"], dtype=object)
        model._selects_ = extra["selects"]
        return model
