"""Whether there is enough to train on, and whether what was trained may be served: a code and a sentence to act on.

The gate on probabilities is another question, answered in ``calibration.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.report import TrainingReport

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 200  # below, intervals are so wide that no rival can be told from the model
MIN_OF_EACH = 30  # churners and stayers: six in each of five folds
# The parameters were chosen among a few dozen on these very rows, which flatters the figure a little: with random labels
# two models of sixteen beat 0.5 at 95%. The verdict therefore asks for three standard errors instead of 1.96.
_WIDER = 3 / 1.96
_FAINT = 0.6  # an AUC below this is told as what it is: hardly more than chance


@dataclass(frozen=True)
class Verdict:
    """Whether a training may begin, or its model be served; ``needs`` has the figures behind the sentence."""

    ok: bool
    code: str
    message: str
    needs: dict[str, float] = field(default_factory=dict)


def assess(subject: TrainingReport | pd.DataFrame | np.ndarray, y: Any = None) -> Verdict:
    """Say whether data are enough to train on, or whether a trained model may be served.

    Parameters
    ----------
    subject : TrainingReport, or DataFrame / array of shape (n, f)
        A report is judged by what its model learned; data (with ``y``) by what there is to learn from.
    y : array of shape (n,), optional
        Labels of the data, two values; missing is ``None`` or NaN.

    Returns
    -------
    Verdict
        Codes: ``ok``, ``label_missing``, ``one_class``, ``too_few_rows``, ``too_few_churners``, ``too_few_stayers``,
        ``features_constant``, ``nothing_to_learn``. At least 200 rows, 30 churners and 30 stayers are asked for.
    """
    if isinstance(subject, TrainingReport):
        return _assess_report(subject)
    return _assess_data(subject, y)


def _assess_report(report: TrainingReport) -> Verdict:
    auc = report.auc
    low = auc.value - _WIDER * (auc.value - auc.low)
    high = auc.value + _WIDER * (auc.high - auc.value)
    if low > 0.5 and auc.value < _FAINT:
        return Verdict(
            True, "ok", f"The model tells only a little of who leaves (AUC {auc.value:.3f}; 0.5 would be chance)."
        )
    if low > 0.5:
        return Verdict(True, "ok", f"The model tells who leaves from who stays (AUC {auc.value:.3f}).")
    return Verdict(
        False,
        "nothing_to_learn",
        f"There is nothing to learn from these columns: the AUC is {auc.value:.3f} (between {low:.3f} and "
        f"{high:.3f}), which chance alone would give. No model is served. Add columns that say how customers use "
        "the service, or check that the churn column is the right one.",
        {"auc": auc.value, "auc_low": low, "auc_high": high},
    )


def _assess_data(data: pd.DataFrame | np.ndarray, y: Any) -> Verdict:
    import pandas as pd

    labels = pd.Series([], dtype=float) if y is None else pd.Series(np.asarray(y).ravel())
    unknown = int(labels.isna().sum())
    if len(labels) == 0 or unknown:
        missing = len(data) if y is None else unknown
        return Verdict(
            False, "label_missing",
            f"For {missing:,} of {len(data):,} customers it is not known whether they left. Name the column that says so, "
            "or leave these customers out.",
            {"rows": len(data), "unlabelled": missing},
        )  # fmt: skip
    classes = sorted(labels.unique(), key=str)
    if len(classes) < 2:
        outcome = {0: "all stayed", 1: "all left"}.get(classes[0], classes[0])
        return Verdict(
            False, "one_class",
            f"All {len(labels):,} customers have the same outcome ({outcome}). A model needs customers who left and "
            "customers who stayed.",
            {"rows": len(labels)},
        )  # fmt: skip
    churners = int((labels == classes[-1]).sum())
    for code, have, least, what in (
        ("too_few_rows", len(labels), MIN_ROWS, "customers"),
        ("too_few_churners", churners, MIN_OF_EACH, "customers who left"),
        ("too_few_stayers", len(labels) - churners, MIN_OF_EACH, "customers who stayed"),
    ):
        if have < least:
            return Verdict(
                False, code,
                f"There are {have:,} {what}; at least {least} are needed for figures that mean something. "
                f"{least - have} more will do.",
                {"needed": least, "have": have, "missing": least - have},
            )  # fmt: skip
    frame = pd.DataFrame(data)
    if not any(_differs(frame.iloc[:, j]) for j in range(frame.shape[1])):
        return Verdict(
            False, "features_constant",
            "Every column has the same value for all customers, so nothing can tell them apart. Add columns that differ.",
            {"columns": frame.shape[1]},
        )  # fmt: skip
    return Verdict(True, "ok", f"{len(labels):,} customers, {churners:,} of whom left: enough to train on.")


def _differs(column: pd.Series) -> bool:
    """Whether a column holds two different values; missing is one."""
    missing = column.isna()
    known = column[~missing]
    return bool(len(known) and (missing.any() or (known != known.iloc[0]).any()))
