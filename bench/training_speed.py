"""Training: `ChurnPredictor.fit` on 120,000 x 5 with 300 trees against the bare XGBoost call on the same matrix with the same threads.

    python -m bench.training_speed [--rows 120000] [--rounds 3]

Metrics, calibration, rivals and reasons are what the product adds; their time is printed apart.
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

    table = generate_streaming_customers(chosen.rows, random_state=0)
    values, label = table[FEATURES], table["churn"].to_numpy()
    matrix = values.to_numpy(np.float32)
    bare, own, whole = [], [], []
    report = None
    for _ in range(chosen.rounds):
        predictor = ChurnPredictor(tune=False, n_estimators=chosen.trees, n_jobs=chosen.threads, random_state=0)
        started = time.perf_counter()
        predictor.fit(values, label)
        whole.append(time.perf_counter() - started)
        report = predictor.report_
        own.append(sum(report.timings[name] for name in ("fitting",)))
        parameters = {**predictor.booster_parameters_, "nthread": chosen.threads, "seed": 0}
        started = time.perf_counter()
        xgboost.train(
            parameters, xgboost.QuantileDMatrix(matrix, label, nthread=chosen.threads), num_boost_round=chosen.trees
        )
        bare.append(time.perf_counter() - started)
    limit, fit, total = statistics.median(bare), statistics.median(own), statistics.median(whole)
    print(
        f"training {chosen.rows:,} x {len(FEATURES)}, {chosen.trees} trees, {chosen.threads} threads, median of {chosen.rounds}"
    )
    print(
        f"bare xgboost.train {limit:.2f} s; boosters {fit:.2f} s: ratio {fit / limit:.2f} (aim 1.5); everything {total:.2f} s: ratio {total / limit:.2f}"
    )
    assert report is not None
    print("phases, s:", {name: round(seconds, 2) for name, seconds in report.timings.items()})


if __name__ == "__main__":
    main()
