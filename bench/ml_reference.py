"""Accuracy and calibration on files with a churn column, next to the simple rivals on the same folds.

    python bench/ml_reference.py telco.csv iranian_churn.csv --drop customerID --trials 20

The label is the column called churn, exited or target (any case), or the last one. Columns that look like identifiers
(all different texts or whole numbers called id / number) are left out; exact duplicate rows are dropped with ``--unique``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retainstream.ml import ChurnPredictor, assess
from retainstream.ml.metrics import Calibration, Ranking, row_log_loss
from retainstream.ml.report import Estimate

_LABELS = ("churn", "exited", "target", "churned")
_YES = {"yes", "true", "t", "1", "1.0", "true.", "churned"}


def read(path: Path, drop: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Read a table and its label; text columns that are numbers but for blanks become numbers."""
    frame = pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig")
    names = {str(name).strip().lower(): name for name in frame.columns}
    label = next((names[name] for name in _LABELS if name in names), frame.columns[-1])
    y = frame.pop(label).astype(str).str.strip().str.lower().isin(_YES).to_numpy(dtype=np.int8)
    frame = frame.drop(columns=[name for name in drop if name in frame.columns])
    for name in list(frame.columns):
        column = frame[name]
        if not pd.api.types.is_numeric_dtype(column):
            text = column.astype("string").str.strip()
            numbers = pd.to_numeric(text.replace("", pd.NA), errors="coerce")
            if numbers.notna().mean() > 0.9:
                frame[name] = numbers
            elif column.nunique() > 0.2 * len(frame):
                frame = frame.drop(columns=name)
        elif column.is_unique and str(name).lower().endswith(("id", "number")):
            frame = frame.drop(columns=name)
    return frame, y


def show(name: str, estimate: Estimate) -> str:
    """Format a figure with its interval."""
    return f"{name} {estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def nested(frame: pd.DataFrame, y: np.ndarray, trials: int, threads: int, seed: int) -> str:
    """Figures on rows that took part in nothing, the search of parameters included; pooled over five outer folds."""
    margin, probability = np.empty(len(y)), np.empty(len(y))
    for learn, held in StratifiedKFold(5, shuffle=True, random_state=seed).split(frame, y):
        model = ChurnPredictor(n_trials=trials, n_jobs=threads, random_state=seed, repeats=1)
        model.fit(frame.iloc[learn], y[learn])
        margin[held] = model.margin(frame.iloc[held])
        probability[held] = model.predict_proba(frame.iloc[held])[:, 1]
    one = np.ones((1, len(y)))
    auc = Ranking(y, margin).auc(one)[0]
    line = Calibration(y, probability, 0.5).evaluate(one)
    return (
        f"nested, scored as new rows: auc {auc:.4f}, log loss {row_log_loss(y, probability).mean():.4f}, "
        f"ece {line['ece'][0]:.4f}, calibration slope {line['calibration_slope'][0]:.3f}"
    )


def main() -> None:
    """Train on each file and print what the report says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--drop", nargs="*", default=[], help="columns to leave out")
    parser.add_argument("--unique", action="store_true", help="drop exact duplicate rows first")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nested", action="store_true", help="also train on 4/5 five times and score the rest as new")
    arguments = parser.parse_args()
    for path in arguments.files:
        frame, y = read(path, arguments.drop)
        if arguments.unique:
            kept = ~frame.assign(_label=y).duplicated().to_numpy()
            frame, y = frame[kept].reset_index(drop=True), y[kept]
        began = time.perf_counter()
        model = ChurnPredictor(n_trials=arguments.trials, n_jobs=arguments.threads, random_state=arguments.seed)
        report = model.fit(frame, y).report_
        print(f"\n{path.name}: {report.n} rows, {report.n_features} features, base rate {report.base_rate:.4f}, "
              f"{report.duplicate_rows} duplicate rows, {time.perf_counter() - began:.1f} s")  # fmt: skip
        print("  " + "  ".join(show(key, report.metrics[key]) for key in ("auc", "log_loss", "ece")))
        print(
            "  " + "  ".join(show(key, report.metrics[key]) for key in ("calibration_slope", "calibration_intercept"))
        )
        print("  " + "  ".join(show(key, report.metrics[key]) for key in ("pr_auc", "top_decile_lift", "brier")))
        print(f"  calibration {report.calibration.method}, passed {report.calibration.passed} "
              f"{' '.join(report.calibration.reasons)}; {assess(report).code}; {report.parameters}")  # fmt: skip
        for rival in report.rivals:
            print(f"  {rival.title}: {show('auc', rival.auc)}, {show('difference', rival.auc_difference)}, "
                  f"{show('log loss difference', rival.log_loss_difference)}")  # fmt: skip
        print(f"  seconds: {report.timings}")
        if arguments.nested:
            print("  " + nested(frame, y, arguments.trials, arguments.threads, arguments.seed))


if __name__ == "__main__":
    main()
