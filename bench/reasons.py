"""Speed of exact reasons for everybody against XGBoost's own ``pred_contribs``, on the same rows in the same run.

    OMP_WAIT_POLICY=PASSIVE python bench/reasons.py [--full] [--threads N] [--json]

Not a test: it prints figures and judges nothing, except that both methods must give the same values. ``pred_contribs``
is linear in rows, so by default it is timed on a stated number of them and extrapolated; ``--full`` times it on all.
The two are timed alternately, and the best of the repeats is taken, so that a busy machine troubles both alike.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retainstream.ml.contributions import exact_contributions
from retainstream.ml.wording import compact_reasons


def made_data(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two fifths whole-valued columns, the others real-valued, 3% missing, and a label with interactions."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, columns)).astype(np.float32)
    whole = columns * 2 // 5
    matrix[:, :whole] = rng.integers(0, 50, (rows, whole))
    score = matrix[:, whole] + matrix[:, whole + 1] * matrix[:, whole + 2] + (matrix[:, 0] - 25) / 20 - 1
    y = (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(int)
    matrix[rng.random(matrix.shape) < 0.03] = np.nan
    return matrix, y


def bare(booster: xgb.Booster, matrix: np.ndarray, threads: int) -> np.ndarray:
    """The call that is compared with."""
    return booster.predict(xgb.DMatrix(matrix, nthread=threads), pred_contribs=True)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Train once, then time both methods."""
    matrix, y = made_data(options.rows, options.columns, seed=0)
    settings = {"objective": "binary:logistic", "max_depth": options.depth, "eta": 0.05, "nthread": options.threads}
    booster = xgb.train(settings, xgb.DMatrix(matrix, y, nthread=options.threads), options.trees)
    booster = xgb.Booster(model_file=booster.save_raw("ubj"))  # as it is served: without its training cache
    margin = booster.predict(xgb.DMatrix(matrix, nthread=options.threads), output_margin=True)
    subset = matrix if options.full else matrix[: options.sample]
    ours, theirs, single = [], [], []
    for _ in range(options.repeats):
        start = time.perf_counter()
        found = exact_contributions(booster, matrix, margin=margin, n_jobs=options.threads)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        expected = bare(booster, subset, options.threads)
        theirs.append((time.perf_counter() - start) * len(matrix) / len(subset))
    for row in range(50):
        start = time.perf_counter()
        exact_contributions(booster, matrix[row : row + 1], margin=margin[row : row + 1])
        single.append(time.perf_counter() - start)
    start = time.perf_counter()
    compact_reasons(found.values)
    stored = time.perf_counter() - start
    return {
        "rows": options.rows,
        "columns": options.columns,
        "trees": options.trees,
        "depth": options.depth,
        "threads": options.threads,
        "pred_contribs_rows_timed": len(subset),
        "pred_contribs_seconds": round(min(theirs), 1),
        "exact_contributions_seconds": round(min(ours), 2),
        "ratio": round(min(theirs) / min(ours), 1),
        "recomputed_rows": found.recomputed,
        "largest_difference": float(np.abs(found.values[: len(subset)] - expected[:, :-1]).max()),
        "ranking_and_stored_form_seconds": round(stored, 2),
        "single_row_median_ms": round(float(np.median(single)) * 1000, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> int:
    """Read the options, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1, help="for both methods")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--sample", type=int, default=2_000, help="rows that pred_contribs is timed on")
    parser.add_argument("--full", action="store_true", help="time pred_contribs on all rows")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args()
    figures = measured(options)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):<34} {value}")
    return 0 if figures["largest_difference"] <= 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
