"""Made-up customers: plausible, seeded, and as learnable as stated."""

from __future__ import annotations

import pandas as pd
from sklearn.metrics import roc_auc_score

from retainstream.ml import generate_streaming_customers, generate_wide


def test_customers_are_plausible():
    frame = generate_streaming_customers(30_000, random_state=1)
    assert frame["user_id"].iloc[0] == "cus_000001"
    assert frame["user_id"].is_unique
    assert 0.08 < frame["churn"].mean() < 0.15
    assert not frame.isna().any().any()
    assert (frame["subscription_age_months"] <= frame["tenure_months"]).all()
    assert (frame["device_count"] >= 1).all()
    assert frame["last_login_days"].between(0, 90).all()
    assert frame["watch_time_hours"].between(0, 300).all()
    assert set(frame["plan"]) == {"Basic", "Standard", "Premium", "Family"}
    assert list(frame.columns) == [
        "user_id", "plan", "monthly_price", "watch_time_hours", "subscription_age_months", "device_count",
        "last_login_days", "payment_failures", "tenure_months", "churn",
    ]  # fmt: skip


def test_same_number_same_customers():
    pd.testing.assert_frame_equal(generate_streaming_customers(500, 4), generate_streaming_customers(500, 4))
    assert not generate_streaming_customers(500, 4).equals(generate_streaming_customers(500, 5))


def test_the_best_possible_model_is_good_and_not_perfect():
    frame = generate_streaming_customers(60_000, random_state=2, with_hazard=True)
    assert 0.85 < roc_auc_score(frame["churn"], frame["hazard"]) < 0.90
    deciles = frame.groupby(pd.qcut(frame["hazard"], 10), observed=True).agg({"churn": "mean", "hazard": "mean"})
    assert (deciles["churn"] - deciles["hazard"]).abs().max() < 0.02


def test_known_causes_point_the_stated_way():
    frame = generate_streaming_customers(30_000, random_state=3)
    by_failures = frame.groupby(frame["payment_failures"].clip(upper=2))["churn"].mean()
    assert by_failures.is_monotonic_increasing
    assert frame.groupby("plan")["churn"].mean()["Basic"] > frame.groupby("plan")["churn"].mean()["Family"]


def test_wide_table_mixes_kinds():
    frame = generate_wide(2_000, 12, random_state=0)
    assert frame.shape == (2000, 13)
    assert frame["feature_00"].isna().mean() > 0
    assert pd.api.types.is_integer_dtype(frame["feature_01"])
    assert isinstance(frame["feature_04"].dtype, pd.CategoricalDtype)
    assert 0.05 < frame["churn"].mean() < 0.35
