"""A model that looks forward: time is respected, the test window judges, and the same panel gives the same bits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from retainstream.ml import ChurnPredictor, TrainingReport, assess
from retainstream.ml.artifact import sha256
from retainstream.ml.asof.panel import Split, split
from retainstream.ml.forward.training import train_forward
from retainstream.ml.metrics import Ranking
from tests.ml.forward.made_panel import QUICK, make_panel, split_at

TUNED = replace(QUICK, tune=True, n_trials=3, fixed={"n_estimators": 60.0})


def auc_of(panel, judged) -> float:
    y = panel.y[judged.rows]
    return float(Ranking(y, judged.margin).auc(np.ones((1, len(y))))[0])


def plain(report: TrainingReport) -> dict:
    values = report.to_dict()
    values.pop("timings")
    return values


def test_the_report_says_when_on_whom_and_how_well(panel, trained):
    model, judged = trained
    report, parts = model.report, split(panel)
    assert assess(report).ok
    assert np.array_equal(judged.rows, parts.test)
    assert report.auc.value == pytest.approx(auc_of(panel, judged))
    assert (report.n, report.n_churned) == (len(parts.test), int(panel.y[parts.test].sum()))
    forward = report.forward
    assert (forward.kind, forward.horizon_days, forward.data_end, forward.test_openings) == (
        "forward",
        30,
        panel.data_end,
        1,
    )
    assert [w.name for w in forward.windows] == ["train", "calibrate", "test"]
    assert [w.n for w in forward.windows] == [len(parts.train), len(parts.calibrate), len(parts.test)]
    for earlier, later in zip(forward.windows, forward.windows[1:], strict=False):
        assert earlier.dates[-1] + panel.rule.maturity_us <= later.dates[0]
    assert report.metrics["calibration_slope"] == report.calibration.slope  # one figure has one interval
    assert report.metrics["calibration_intercept"] == report.calibration.intercept
    assert forward.inner_folds_by == "time"
    assert forward.left_out == {"lead": 3}
    again = TrainingReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert again == report
    assert TrainingReport.from_dict({**report.to_dict(), "forward": None}).forward is None


def test_rivals_learn_from_train_and_stand_beside_with_paired_differences(panel, trained):
    report = trained[0].report
    rivals = {rival.name: rival for rival in report.rivals}
    assert list(rivals) == ["base_rate", "recency", "best_single_feature", "logistic_regression", "random_forest"]
    assert rivals["recency"].feature == "days_since_activity"
    assert rivals["base_rate"].auc.value == pytest.approx(0.5)
    assert rivals["recency"].auc_difference.low > 0  # plan and failed payments count too
    for rival in rivals.values():
        assert rival.auc_difference.value == pytest.approx(report.auc.value - rival.auc.value)
        assert rival.rows == report.n


def test_many_columns_with_long_tails_make_no_straw_man_of_the_logistic_regression():
    """A hundred amounts that say nothing, fitted as they come, once left it behind the base rate and behind recency alone."""

    def amounts(frame, y, when, rng):
        tails = {f"amount_{j}": np.exp(2.5 * rng.normal(size=len(y))).astype(np.float32) for j in range(100)}
        return pd.concat([frame, pd.DataFrame(tails)], axis=1)

    report = train_forward(make_panel(300, level=-2.5, change=amounts), QUICK)[0].report
    rivals = {rival.name: rival for rival in report.rivals}
    fair = rivals["logistic_regression"]
    assert fair.log_loss.value < min(rivals[name].log_loss.value for name in ("base_rate", "recency"))
    assert fair.auc.value > max(rivals[name].auc.value for name in ("recency", "best_single_feature"))


def test_rivals_too_are_calibrated_on_the_window_before_the_last():
    """Twice as many leave from the calibrate window on: the model is told there, and so are those it is compared with."""
    panel = make_panel(900, level=-3.0)
    parts = split(panel)
    rng, y = np.random.default_rng(5), panel.y.copy()
    later = panel.as_of >= panel.as_of[parts.calibrate].min()
    y[later & (rng.random(len(y)) < 0.15)] = 1
    report = train_forward(replace(panel, y=y), QUICK)[0].report
    untold = -np.mean(np.log(np.where(y[parts.test] == 1, y[parts.train].mean(), 1 - y[parts.train].mean())))
    for rival in report.rivals:
        assert rival.log_loss.value < untold - 0.02, rival.name


def test_a_box_without_activity_has_no_recency_rival():
    made = make_panel(300)
    without = replace(made, frame=made.frame.drop(columns="days_since_activity"), specs=made.specs[1:])
    names = [rival.name for rival in train_forward(without, QUICK)[0].report.rivals]
    assert names == ["base_rate", "best_single_feature", "logistic_regression", "random_forest"]


def test_what_worked_only_in_the_past_is_found_out_by_the_test_window():
    def fad(frame, y, when, rng):
        signal = np.where(when < 8, 2.0 * y, 0.0) + rng.normal(size=len(y))
        return frame[["noise"]].assign(fad=signal.astype(np.float32))

    panel = make_panel(500, change=fad)
    report = train_forward(panel, QUICK, split=split_at(panel, 1, 2))[0].report
    random = {item.by: item.auc for item in report.forward.random_splits}
    assert report.auc.high < 0.6
    assert min(random.values()) > report.auc.value + 0.15
    inner = [point for point in report.forward.stability if point.part == "inner"]
    assert min(point.auc.value for point in inner) > 0.8


def test_drift_shows_date_by_date_and_fails_the_gate():
    drifting = make_panel(1200, drift=0.3, level=-4.0)
    model, _ = train_forward(drifting, QUICK)
    tests = [point for point in model.report.forward.stability if point.part == "test"]
    assert all(point.observed.low > point.mean_probability for point in tests)
    assert not model.report.calibration.passed
    steady = train_forward(make_panel(1200), QUICK)[0].report
    assert steady.calibration.passed
    for point in steady.forward.stability:
        if point.part != "inner":
            assert abs(point.observed.value - point.mean_probability) < 0.06
        assert point.auc.low <= point.auc.value <= point.auc.high


def test_a_model_that_fades_shows_in_the_figures_by_date():
    panel = make_panel(700, fades_from=9)
    report = train_forward(panel, QUICK, split=split_at(panel, 1, 2))[0].report
    before, after = [point.auc for point in report.forward.stability if point.part == "test"]
    assert before.low > after.high


def test_a_miscalibrated_calibrate_window_fails_the_gate_and_hides_percentages():
    panel = make_panel(1500)
    parts = split(panel)
    y = panel.y.copy()
    rows = parts.calibrate
    y[rows] = np.where(np.random.default_rng(1).random(len(rows)) < 0.3, 1, y[rows])
    model, _ = train_forward(replace(panel, y=y), QUICK)
    verdict = model.report.calibration
    assert not verdict.passed and verdict.reasons
    scored = model.score_rows(panel.frame.iloc[:5])
    assert scored.probability is None
    assert scored.low is scored.high is scored.confidence is None
    one = model.score_one(panel.frame.iloc[0].to_dict())
    assert (one.probability, one.interval, one.confidence) == (None, None, None)
    assert np.isfinite(scored.percentile).all()


def test_the_same_panel_gives_the_same_bits_and_another_seed_another_model(panel):
    (first, a), (second, b) = train_forward(panel, TUNED), train_forward(panel, TUNED)
    assert np.array_equal(a.margin, b.margin) and np.array_equal(a.probability, b.probability)
    assert plain(first.report) == plain(second.report)
    assert first.report.trials == 3
    other = train_forward(panel, replace(TUNED, seed=1))[1]
    assert not np.array_equal(a.margin, other.margin)


def test_the_order_of_learning_is_that_of_the_panel_not_of_its_labels_to_come(panel, trained):
    """Labels of the test window touch no margin, no calibrator, no parameter: they only judge."""
    parts = split(panel)
    y = panel.y.copy()
    y[parts.test] = np.random.default_rng(0).permutation(y[parts.test])
    model, judged = train_forward(replace(panel, y=y), QUICK)
    assert np.array_equal(judged.margin, trained[1].margin)
    assert np.array_equal(judged.probability, trained[1].probability)
    assert model.calibrators == trained[0].calibrators
    assert model.report.auc.high < 0.6 < trained[0].report.auc.low


def test_an_artifact_scores_as_the_model_did(panel, trained):
    model, judged = trained
    data = ChurnPredictor.of(model, QUICK).to_artifact()
    again = ChurnPredictor.from_artifact(data, sha256(data))
    rows = panel.frame.iloc[judged.rows]
    assert np.array_equal(again.margin(rows), judged.margin)
    assert np.array_equal(again.probability(rows), judged.probability)
    assert again.get_params()["max_depth"] == 3
    assert again.predict(rows).tolist() == (judged.probability >= model.report.threshold).astype(int).tolist()
    batch = again.score_rows(rows.iloc[:400])
    added = batch.contributions.base + batch.contributions.values.sum(axis=1)
    assert np.abs(added - batch.margin).max() < 1e-4
    one = again.score_one(rows.iloc[3].to_dict())
    assert one.margin == pytest.approx(float(batch.margin[3]), abs=1e-6)
    assert one.probability == pytest.approx(float(batch.probability[3]), abs=1e-6)
    low, high = one.interval
    assert low <= one.p0 <= one.p1 <= high and low <= one.probability <= high
    assert one.confidence == pytest.approx(1 - (high - low))
    everybody = again.score_rows(panel.frame)
    assert ((everybody.low <= everybody.probability) & (everybody.probability <= everybody.high)).all()
    assert one.reasons and sum(one.contributions.values()) + one.base == pytest.approx(one.margin, abs=1e-4)


def test_treated_rows_teach_and_judge_nothing():
    panel = make_panel(500)
    treated = np.random.default_rng(2).random(len(panel)) < 0.2
    spoiled = replace(panel, treated=treated, y=np.where(treated, 1 - panel.y, panel.y).astype(np.int8))
    model, judged = train_forward(spoiled, QUICK)
    assert not treated[judged.rows].any()
    forward = model.report.forward
    assert (forward.treated, forward.treated_share) == (int(treated.sum()), pytest.approx(treated.mean()))
    parts = split(panel)
    assert [w.treated for w in forward.windows] == [
        int(treated[rows].sum()) for rows in (parts.train, parts.calibrate, parts.test)
    ]
    clean, again = train_forward(panel.take(~treated), QUICK)
    assert np.array_equal(judged.margin, again.margin)
    assert clean.report.metrics == model.report.metrics


def test_intervals_drawn_by_customer_are_wider_where_customers_repeat():
    panel = make_panel(250, 16, sticky=1.0)

    y = panel.y.copy()
    rng = np.random.default_rng(4)
    leaves = rng.random(250) < 0.3  # whoever leaves is of a kind that shows on every date
    y[:] = leaves[panel.customer - 100] & (rng.random(len(y)) < 0.9)
    panel = replace(panel, y=y)
    parts = split_at(panel, 4, 6)
    grouped = train_forward(panel, QUICK, split=parts)[0].report.auc
    customer = np.arange(len(panel), dtype=np.int64)
    alone = train_forward(replace(panel, customer=customer), QUICK, split=parts)[0].report.auc
    assert grouped.value == pytest.approx(alone.value, abs=0.05)
    assert grouped.high - grouped.low > 1.4 * (alone.high - alone.low)


def test_few_dates_choose_parameters_by_customer_and_say_so():
    close = make_panel(600, 4)
    report = train_forward(close, TUNED, split=split_at(close, 1, 1))[0].report
    assert report.forward.inner_folds_by == "time"
    slow = replace(close, rule=replace(close.rule, settle_days=60))
    report = train_forward(slow, TUNED, split=split_at(slow, 1, 1))[0].report
    assert report.forward.inner_folds_by == "time_and_customer"
    assert any("later dates of other customers" in note for note in report.notes)
    assert [point.part for point in report.forward.stability] == ["inner", "inner", "inner", "calibrate", "test"]
    panel = make_panel(600, 3)
    report = train_forward(panel, TUNED, split=split_at(panel, 1, 1))[0].report
    assert report.forward.inner_folds_by == "customer"
    assert any("too few dates" in note for note in report.notes)
    assert [point.part for point in report.forward.stability] == ["calibrate", "test"]


@pytest.mark.parametrize("part", ["train", "calibrate", "test"])
def test_a_window_without_churners_is_refused_by_name(panel, part):
    rows = getattr(split(panel), part)
    y = panel.y.copy()
    y[rows] = 0
    with pytest.raises(ValueError, match=f"The {part} window has 0 rows"):
        train_forward(replace(panel, y=y), QUICK)


def test_windows_out_of_order_are_refused(panel):
    parts = split(panel)
    with pytest.raises(ValueError, match="must end before"):
        train_forward(panel, QUICK, split=Split(parts.test, parts.calibrate, parts.train, 0, {}))


def test_progress_rises_to_one_and_may_cancel(panel):
    seen: list[tuple[str, float]] = []
    train_forward(panel, TUNED, progress=lambda phase, share: seen.append((phase, share)))
    assert list(dict.fromkeys(phase for phase, _ in seen)) == [
        "reading", "folds", "tuning", "fitting", "calibrating", "judging", "explaining",
    ]  # fmt: skip
    shares = [share for _, share in seen]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)

    class CancelledError(Exception):
        pass

    def cancel(phase: str, share: float) -> None:
        if phase == "judging":
            raise CancelledError

    with pytest.raises(CancelledError):
        train_forward(panel, QUICK, progress=cancel)
