"""Training: `ChurnPredictor.fit` on 120,000 x 5 with 300 trees against the bare XGBoost call on the same matrix with the same threads.

    python -m bench.training_speed [--rows 120000] [--rounds 3]

Above 100,000 rows the product trains two boosters, each on one half and judged on the other: as many rows in all as the bare call has. "Boosters" is the
phase that encodes, trains and scores the held-out halves; metrics, calibration, rivals and reasons are what the product adds, and stand apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

FEATURES = ["watch_time_hours", "subscription_age_months", "device_count", "last_login_days", "payment_failures"]


def main() -> None:
    """Alternate bare and own training and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=120_000)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    import numpy as np
    import xgboost

    from retainstream.ml import ChurnPredictor
    from retainstream.ml.datagen import generate_streaming_customers
    from retainstream.ml.tuning import booster_parameters

    table = generate_streaming_customers(chosen.rows, random_state=0)
    values, label = table[FEATURES], table["churn"].to_numpy()
    matrix = values.to_numpy(np.float32)
    bare, own, whole = [], [], []
    for _ in range(chosen.rounds):
        predictor = ChurnPredictor(tune=False, n_estimators=chosen.trees, n_jobs=chosen.threads, random_state=0)
        started = time.perf_counter()
        predictor.fit(values, label)
        whole.append(time.perf_counter() - started)
        report = predictor.report_
        own.append(report.timings["fitting"])
        parameters = booster_parameters(report.parameters, chosen.threads, seed=0)
        started = time.perf_counter()
        data = xgboost.QuantileDMatrix(matrix, label, nthread=chosen.threads)
        xgboost.train(parameters, data, num_boost_round=chosen.trees)
        bare.append(time.perf_counter() - started)
    limit, fit, total = statistics.median(bare), statistics.median(own), statistics.median(whole)
    print(
        f"training {chosen.rows:,} x {len(FEATURES)}, {chosen.trees} trees, {chosen.threads} threads, {report.folds} boosters, median of {chosen.rounds}"
    )
    print(
        f"bare xgboost.train {limit:.2f} s; boosters {fit:.2f} s: ratio {fit / limit:.2f} (aim 1.5); everything {total:.2f} s: ratio {total / limit:.2f}"
    )
    print("phases, s:", {name: round(seconds, 2) for name, seconds in report.timings.items()})


if __name__ == "__main__":
    main()
