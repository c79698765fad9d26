"""The simple rule: silence ranks, nothing is calibrated, and it works wherever a model does."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from retainstream.ml import ChurnPredictor, TrainingReport
from retainstream.ml.artifact import sha256
from retainstream.ml.forward.rule import rule_model
from tests.ml.forward.made_panel import QUICK, RULE, SPECS, make_panel


@pytest.fixture(scope="module")
def made():
    return make_panel(250, 2)


@pytest.fixture(scope="module")
def rule(made):
    return rule_model(made.frame, SPECS, rule=RULE, data_end=made.data_end, plan=QUICK)


def test_the_longer_silent_the_higher_and_never_a_percentage(made, rule):
    silence = made.frame["days_since_activity"].to_numpy()
    scored = rule.score_rows(made.frame)
    assert (np.diff(scored.margin[np.argsort(silence, kind="stable")]) >= 0).all()
    assert np.corrcoef(np.argsort(np.argsort(silence)), scored.percentile)[0, 1] > 0.99
    assert scored.probability is None
    assert scored.low is scored.high is scored.confidence is None  # what is not shown has no interval either
    verdict = rule.report.calibration
    assert not verdict.passed and "too little history to calibrate" in verdict.reasons[0].lower()
    assert rule.report.forward.kind == "simple_rule"
    assert [spec.name for spec in rule.specs] == ["days_since_activity"]


def test_without_outcomes_nothing_is_claimed(rule):
    report = rule.report
    assert math.isnan(report.auc.value)
    assert (report.n, report.forward.windows, report.rivals) == (0, (), ())
    again = TrainingReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert again.to_dict() == report.to_dict()


def test_outcomes_judge_the_rule_and_do_not_teach_it(made, rule):
    judged = rule_model(made.frame, SPECS, rule=RULE, data_end=made.data_end, plan=QUICK, judged_by=made)
    assert 0.6 < judged.report.auc.low < judged.report.auc.value < judged.report.auc.high < 0.95
    assert judged.report.n == len(made)
    assert not judged.report.calibration.passed
    assert [point.part for point in judged.report.forward.stability] == ["judged", "judged"]
    assert bytes(judged.boosters[0].save_raw("json")) == bytes(rule.boosters[0].save_raw("json"))


def test_one_class_of_outcomes_judges_nothing(made):
    from dataclasses import replace

    stayed = replace(made, y=np.zeros_like(made.y))
    report = rule_model(made.frame, SPECS, rule=RULE, data_end=made.data_end, plan=QUICK, judged_by=stayed).report
    assert (report.n, report.n_churned) == (len(made), 0)
    assert math.isnan(report.auc.value)


def test_it_travels_as_an_artifact_and_scores_one(made, rule):
    data = ChurnPredictor.of(rule, QUICK).to_artifact()
    again = ChurnPredictor.from_artifact(data, sha256(data))
    assert np.array_equal(again.margin(made.frame), rule.score_rows(made.frame).margin)
    one = again.score_one({"days_since_activity": 500.0})
    assert one.probability is None and one.percentile > 99
    assert one.contributions["days_since_activity"] + one.base == pytest.approx(one.margin, abs=1e-4)
    assert one.reasons[0].feature == "days_since_activity"
    unknown = again.score_one({})
    assert 10 < unknown.percentile < 90


def test_it_needs_silence_to_go_by(made):
    with pytest.raises(ValueError, match="no event yet that counts as activity"):
        rule_model(made.frame, SPECS[1:], rule=RULE, data_end=made.data_end)
    same = made.frame.assign(days_since_activity=np.float32(3))
    with pytest.raises(ValueError, match="at least two customers"):
        rule_model(same, SPECS, rule=RULE, data_end=made.data_end)
