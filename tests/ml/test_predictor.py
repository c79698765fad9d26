"""The public face: scikit-learn's contract, who scores whom, reasons that add up, and the artifact."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from retainstream.ml import ChurnPredictor, Economics, FeatureSpec
from retainstream.ml.artifact import ArtifactError, sha256

IDS = np.arange(1500) + 1000

# A threshold of one half, because scikit-learn's checks compare predict with the larger of two probabilities.
EVEN = Economics(acceptance=0.5, value=4, cost=1)


@parametrize_with_checks(
    [ChurnPredictor(tune=False, n_estimators=30, repeats=1, learning_rate=0.3, min_child_weight=0.5, economics=EVEN)]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_s_own_checks(estimator, check):
    check(estimator)


def test_the_package_imports_without_the_heavy_libraries():
    code = (
        "import sys, retainstream.ml; from retainstream.ml.features import FeatureSpec;"
        "print(sorted({'xgboost', 'sklearn', 'pandas', 'scipy', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_training_row_is_scored_by_the_booster_that_never_saw_it(model, features_of):
    assert np.array_equal(model.margin(features_of, IDS), model.oof_margin_)
    served = model.served_
    fold = served.folds_of(1500, IDS)
    assert set(fold.tolist()) == {0, 1, 2, 3}
    row = features_of.iloc[[7]]
    base = model.encoder_.base(row)
    j = int(fold[7])
    alone = model.boosters_[j].inplace_predict(model.encoder_.matrix(base, j), predict_type="margin")
    assert model.margin(row, [1007])[0] == alone[0]


def test_a_new_row_gets_the_mean_of_all_boosters(model, features_of):
    rows = features_of.head(20)
    each = [
        booster.inplace_predict(model.encoder_.matrix(model.encoder_.base(rows), j), predict_type="margin")
        for j, booster in enumerate(model.boosters_)
    ]
    assert model.margin(rows) == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    mixed = model.margin(rows, np.where(np.arange(20) % 2, IDS[:20], -5))
    assert np.array_equal(mixed[1::2], model.oof_margin_[1:20:2])
    assert np.array_equal(mixed[::2], model.margin(rows)[::2])


def test_in_sample_scores_would_be_better_and_are_never_given(model, features_of, streaming):
    from sklearn.metrics import roc_auc_score

    seen = roc_auc_score(streaming["churn"], model.margin(features_of))
    assert roc_auc_score(streaming["churn"], model.margin(features_of, IDS)) < seen


def test_contributions_add_up_for_training_rows_and_new_rows(model, features_of):
    for ids in (IDS, None):
        found = model.contributions(features_of, ids)
        assert found.values.shape == features_of.shape
        assert found.base + found.values.sum(axis=1) == pytest.approx(model.margin(features_of, ids), abs=1e-4)


def test_score_rows_gives_everything_a_page_shows(model, features_of):
    batch = model.score_rows(features_of.head(50), IDS[:50], top=3)
    assert (batch.p0 <= batch.p1).all()
    if batch.probability is not None:
        assert ((batch.low <= batch.probability) & (batch.probability <= batch.high)).all()
        assert ((batch.low <= batch.p0) & (batch.p1 <= batch.high)).all()
        assert np.array_equal(batch.confidence, 1 - (batch.high - batch.low))
    assert ((batch.percentile >= 0) & (batch.percentile <= 100)).all()
    assert all(1 <= len(reasons) <= 3 for reasons in batch.reasons)
    if model.report_.calibration.passed:
        assert batch.probability == pytest.approx(model.probability(features_of.head(50), IDS[:50]))
    missing = features_of.head(50).isna().any(axis=1).to_numpy()
    assert [bool(notices) for notices in batch.notices] == missing.tolist()


@pytest.mark.parametrize("row_id", [1007, None])
def test_one_row_scores_like_the_same_row_in_a_table(model, features_of, row_id):
    row = features_of.iloc[7]
    one = model.score_one(row.to_dict(), row_id)
    batch = model.score_rows(features_of.iloc[[7]], None if row_id is None else [row_id])
    assert (one.margin, one.p0, one.p1, one.percentile) == (
        batch.margin[0], batch.p0[0], batch.p1[0], batch.percentile[0],
    )  # fmt: skip
    if batch.probability is not None:
        assert (*one.interval, one.confidence) == (batch.low[0], batch.high[0], batch.confidence[0])
    assert list(one.contributions.values()) == pytest.approx(batch.contributions.values[0].tolist(), abs=1e-6)
    assert [r.sentence for r in one.reasons] == [r.sentence for r in batch.reasons[0]]
    assert one.notices == batch.notices[0]


def test_a_row_without_any_known_value_is_scored_and_says_so(model):
    score = model.score_one({"plan": "Gold", "unheard_of": 3})
    assert np.isfinite(score.margin)
    kinds = {notice.feature: notice.kind for notice in score.notices}
    assert kinds["plan"] == "unseen"
    assert kinds["payment_failures"] == "missing"
    assert len(kinds) == len(model.features_)


def test_a_failed_gate_takes_the_probability_away_but_not_the_rank(model, features_of):
    from dataclasses import replace

    failed = clone(model)
    failed.__dict__.update(model.__dict__)
    report = replace(model.report_, calibration=replace(model.report_.calibration, passed=False))
    failed.served_ = replace(model.served_, report=report)
    assert failed.probability(features_of.head(3)) is None
    assert failed.score_rows(features_of.head(3)).probability is None
    assert failed.score_one({}).probability is None
    assert failed.score_rows(features_of.head(3)).percentile.shape == (3,)


def test_artifact_scores_the_same_to_the_bit(model, features_of):
    data = model.to_artifact()
    again = ChurnPredictor.from_artifact(data, sha256(data))
    assert again.report_ == model.report_
    for ids in (IDS, None):
        a, b = (
            model.score_rows(features_of.head(80), None if ids is None else ids[:80]),
            again.score_rows(features_of.head(80), None if ids is None else ids[:80]),
        )
        assert np.array_equal(a.margin, b.margin)
        assert np.array_equal(a.p1, b.p1)
        assert np.array_equal(a.contributions.values, b.contributions.values)
        assert a.reasons == b.reasons
    assert np.array_equal(again.predict(features_of), model.predict(features_of))
    assert again.get_params() == model.get_params()


def test_a_changed_artifact_is_refused(model):
    data = model.to_artifact()
    damaged = data[:500] + bytes([data[500] ^ 1]) + data[501:]
    with pytest.raises(ArtifactError):
        ChurnPredictor.from_artifact(damaged, sha256(data))


def test_named_features_are_selected_by_name_in_any_order(streaming):
    specs = [FeatureSpec("plan", "category", "Plan"), FeatureSpec("last_login_days", "integer", "Days since log-in")]
    predictor = ChurnPredictor(tune=False, n_estimators=20, repeats=1).fit(
        streaming, streaming["churn"], features=specs
    )
    assert [spec.name for spec in predictor.features_] == ["plan", "last_login_days"]
    turned = streaming[["last_login_days", "user_id", "plan"]]
    assert np.array_equal(predictor.margin(turned), predictor.margin(streaming))
    with pytest.raises(ValueError, match="missing from the data: plan"):
        predictor.margin(streaming.drop(columns="plan"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(1500), "one class only"),
        (np.arange(1500) % 3, "Only binary"),
        (np.where(np.arange(1500) == 4, np.nan, 1.0), "missing"),
        (np.zeros(10), "labels"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(features_of, labels, message):
    with pytest.raises(ValueError, match=message):
        ChurnPredictor(tune=False).fit(features_of, labels)


def test_repeated_row_ids_are_refused(features_of, streaming):
    with pytest.raises(ValueError, match="more than once"):
        ChurnPredictor(tune=False).fit(features_of, streaming["churn"], row_ids=np.zeros(1500, dtype=int))


def test_text_labels_and_threshold(streaming, features_of):
    labels = np.where(streaming["churn"] == 1, "Yes", "No")
    predictor = ChurnPredictor(tune=False, n_estimators=20, repeats=1, folds=3).fit(features_of, pd.Series(labels))
    assert predictor.classes_.tolist() == ["No", "Yes"]
    reached = predictor.predict(features_of) == "Yes"
    assert np.array_equal(reached, predictor.predict_proba(features_of)[:, 1] >= predictor.report_.threshold)
    assert predictor.report_.threshold == pytest.approx(11 / 60)
