"""A training's result: the same twice, honest about what it saw, and refused when there is nothing in it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from retainstream.ml import ChurnPredictor, TrainingReport, assess, generate_streaming_customers, giveaways

QUICK = {"n_trials": 4, "repeats": 1, "folds": 3, "n_estimators": 80}


def quick(frame: pd.DataFrame, **more) -> ChurnPredictor:
    return ChurnPredictor(**(QUICK | more)).fit(frame.drop(columns=["churn", "user_id"]), frame["churn"])


def test_same_seed_same_model_and_another_seed_another(streaming):
    first, second, other = quick(streaming), quick(streaming), quick(streaming, random_state=1)
    assert np.array_equal(first.oof_margin_, second.oof_margin_)
    assert not np.array_equal(first.oof_margin_, other.oof_margin_)
    a, b = first.report_.to_dict(), second.report_.to_dict()
    a.pop("timings"), b.pop("timings")
    assert a == b


def test_report_survives_json_and_its_intervals_hold_its_figures(model):
    report = model.report_
    again = TrainingReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert again == report
    assert set(report.metrics) == {
        "auc", "pr_auc", "log_loss", "brier", "ece", "calibration_slope", "calibration_intercept", "top_decile_lift",
        "precision", "recall", "f1",
    }  # fmt: skip
    for name, estimate in report.metrics.items():
        assert estimate.low <= estimate.value <= estimate.high, name
    assert report.metrics["calibration_slope"] == report.calibration.slope  # one figure has one interval
    assert report.metrics["calibration_intercept"] == report.calibration.intercept
    assert report.n == 1500
    assert report.base_rate == pytest.approx(report.n_churned / report.n)
    assert sum(item.share for item in report.importance) == pytest.approx(1)
    assert [b.n for b in report.calibration_curve] == [150] * 10
    assert report.gains[-1].share_churners == pytest.approx(1)


def test_rivals_stand_beside_the_model_with_paired_differences(model):
    rivals = {rival.name: rival for rival in model.report_.rivals}
    assert set(rivals) == {"base_rate", "best_single_feature", "logistic_regression"}
    assert rivals["base_rate"].auc.value == pytest.approx(0.5)
    for rival in rivals.values():
        assert rival.auc_difference.value == pytest.approx(model.report_.auc.value - rival.auc.value)
        assert rival.auc_difference.low <= rival.auc_difference.value <= rival.auc_difference.high
    paired = rivals["logistic_regression"].auc_difference
    alone = model.report_.auc
    assert paired.high - paired.low < alone.high - alone.low


def test_progress_rises_through_the_phases_and_may_cancel(streaming):
    seen: list[tuple[str, float]] = []
    frame = streaming.drop(columns=["churn", "user_id"])
    ChurnPredictor(**QUICK).fit(frame, streaming["churn"], progress=lambda phase, share: seen.append((phase, share)))
    phases = list(dict.fromkeys(phase for phase, _ in seen))
    assert phases == ["reading", "folds", "tuning", "fitting", "calibrating", "judging", "explaining"]
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)

    class CancelledError(Exception):
        pass

    def cancel(phase: str, share: float) -> None:
        if phase == "fitting":
            raise CancelledError

    with pytest.raises(CancelledError):
        ChurnPredictor(**QUICK).fit(frame, streaming["churn"], progress=cancel)


def test_copies_do_not_leak_between_folds():
    """Noise written three times over looks learnable when a copy is in training; kept together it does not."""
    rng = np.random.default_rng(0)
    once = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    y = rng.integers(0, 2, 300)
    frame, labels = pd.concat([once] * 3, ignore_index=True), np.tile(y, 3)
    report = ChurnPredictor(tune=False, repeats=1, max_depth=6).fit(frame, labels).report_
    assert report.duplicate_rows == 600
    assert report.auc.value < 0.62
    assert not assess(report).ok


def test_random_labels_are_nothing_to_learn(streaming):
    shuffled = streaming.assign(churn=np.random.default_rng(5).permutation(streaming["churn"]))
    verdict = assess(quick(shuffled).report_)
    assert (verdict.ok, verdict.code) == (False, "nothing_to_learn")
    assert "nothing to learn" in verdict.message
    assert assess(quick(streaming).report_).ok


def test_a_faint_signal_is_served_but_not_praised():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"usage": rng.normal(size=6000)})
    labels = (rng.random(6000) < 1 / (1 + np.exp(1 - 0.28 * frame["usage"]))).astype(int)
    verdict = assess(ChurnPredictor(tune=False, repeats=1, max_depth=2).fit(frame, labels).report_)
    assert verdict.ok
    assert "only a little" in verdict.message and "0.5 would be chance" in verdict.message


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("label_missing", lambda x, y: (x, None)),
        ("label_missing", lambda x, y: (x, np.where(np.arange(len(y)) < 3, np.nan, y))),
        ("one_class", lambda x, y: (x, np.zeros(len(y)))),
        ("too_few_rows", lambda x, y: (x[:150], np.arange(150) % 2)),
        ("too_few_churners", lambda x, y: (x, (np.arange(len(y)) < 12).astype(int))),
        ("too_few_stayers", lambda x, y: (x, (np.arange(len(y)) >= 12).astype(int))),
        ("features_constant", lambda x, y: (x.assign(**dict.fromkeys(x, 1)), y)),
        ("ok", lambda x, y: (x, y)),
    ],
)
def test_data_are_assessed_before_training(features_of, streaming, code, make):
    verdict = assess(*make(features_of, streaming["churn"].to_numpy()))
    assert verdict.code == code
    assert verdict.ok == (code == "ok")
    if code == "too_few_churners":
        assert verdict.needs == {"needed": 30, "have": 12, "missing": 18}
        assert "18 more" in verdict.message
    if code == "one_class":
        assert "the same outcome (all stayed)" in verdict.message
        assert "(all left)" in assess(features_of, np.ones(len(features_of))).message


def test_a_column_that_gives_the_answer_away_is_named_and_scored_both_ways(streaming):
    rng = np.random.default_rng(1)
    churn = streaming["churn"].to_numpy()
    frame = streaming.assign(
        cancel_reason=np.where(churn == 1, rng.choice(["price", "content"], 1500), None),
        exit_survey=np.where((churn == 1) & (rng.random(1500) < 0.5), "sent", "no"),
    )
    features = frame.drop(columns=["churn", "user_id"])
    found = {item.feature: item for item in giveaways(features, churn)}
    assert set(found) == {"cancel_reason", "exit_survey"}
    assert found["cancel_reason"].single_auc > 0.98
    assert found["cancel_reason"].auc_with > 0.99
    assert found["cancel_reason"].auc_without < 0.95
    report = ChurnPredictor(tune=False, n_estimators=40, repeats=1).fit(features, churn).report_
    assert {item.feature for item in report.giveaways} == set(found)
    assert report.auc_without_giveaways < 0.95 < report.auc.value


def test_an_honest_table_has_no_giveaways(streaming, features_of, model):
    assert giveaways(features_of, streaming["churn"].to_numpy()) == []
    assert model.report_.giveaways == ()


def test_the_drift_reference_counts_every_row(model, features_of):
    drift = model.served_.drift
    assert set(drift["features"]) == set(features_of.columns)
    for name, reference in drift["features"].items():
        assert sum(reference["counts"]) == 1500, name
        assert reference["counts"][-1] == int(features_of[name].isna().sum())
        assert 0 < reference["noise"] < 0.1
    assert sum(drift["margin"]["counts"]) == 1500


def test_probabilities_hold_for_customers_who_come_later():
    customers = generate_streaming_customers(12_000, random_state=11)
    features = customers.drop(columns=["churn", "user_id"])
    learned = ChurnPredictor(tune=False, n_estimators=150, max_depth=3, repeats=1)
    learned.fit(features[:6000], customers["churn"][:6000])
    p = learned.probability(features[6000:])
    assert p is not None
    later = customers["churn"][6000:].to_numpy()
    assert abs(p.mean() - later.mean()) < 0.015
    from retainstream.ml.metrics import Calibration

    assert Calibration(later, p, 0.2).evaluate(np.ones((1, 6000)))["ece"][0] < 0.02


@pytest.mark.real_data
def test_telco_reaches_the_reference(real_data):
    frame = pd.read_csv(real_data / "telco.csv")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    y = (frame.pop("Churn") == "Yes").astype(int)
    report = ChurnPredictor(n_trials=8, repeats=1).fit(frame.drop(columns="customerID"), y).report_
    assert report.auc.high > 0.845
    assert report.auc.value > 0.843
    assert report.log_loss.value < 0.420
    assert report.metrics["ece"].value < 0.02
    assert report.calibration.passed
