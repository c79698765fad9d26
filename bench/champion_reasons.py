"""Reasons by the real champion: what `ChurnPredictor.fit` with its search makes of 100,000 x 20, explained for every customer, against bare `pred_contribs`.

    python -m bench.champion_reasons [--rows 100000] [--columns 20] [--sample 4000]

Each customer is explained by the booster that never saw them, so the bare side explains each fold's rows with that fold's booster, too; it is timed on a
sample of rows, spread over the folds, and extrapolated, since it is linear in rows.
"""

from __future__ import annotations

import argparse
import time


def main() -> None:
    """Train once, then time both ways on the same rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--sample", type=int, default=4_000)
    parser.add_argument("--trials", type=int, default=10)
    chosen = parser.parse_args()
    import numpy as np
    import xgboost

    from retainstream.ml import ChurnPredictor
    from retainstream.ml.datagen import generate_wide

    table = generate_wide(chosen.rows, chosen.columns, random_state=0)
    label = table["churn"].to_numpy()
    features = table.drop(columns=[name for name in ("churn", "user_id") if name in table])
    ids = np.arange(chosen.rows)
    predictor = ChurnPredictor(n_trials=chosen.trials, n_jobs=2, random_state=0).fit(features, label, row_ids=ids)
    served = predictor.served_
    folds = served.folds_of(chosen.rows, ids)
    base = served.encoder.base(features)
    started = time.perf_counter()
    found = served.contributions(base, folds, n_jobs=1)
    ours = time.perf_counter() - started
    bare = 0.0
    for fold, booster in enumerate(predictor.boosters_):
        rows = np.flatnonzero(folds == fold)[: chosen.sample // len(predictor.boosters_)]
        matrix = served.encoder.matrix(base[rows], fold)
        booster.set_param({"nthread": 1})
        started = time.perf_counter()
        booster.predict(xgboost.DMatrix(matrix, nthread=1), pred_contribs=True)
        bare += (time.perf_counter() - started) * (folds == fold).sum() / len(rows)
    trees = [booster.num_boosted_rounds() for booster in predictor.boosters_]
    print(
        f"{chosen.rows:,} x {features.shape[1]}, {len(trees)} boosters of {trees} trees, depth {predictor.report_.parameters.get('max_depth')}"
    )
    print(
        f"pred_contribs {bare:.1f} s (one thread, extrapolated); all reasons {ours:.2f} s: ratio {bare / ours:.1f} (aim 10); recomputed {found.recomputed} rows"
    )


if __name__ == "__main__":
    main()
