"""The tables behind the model's charts as CSV, with the figures unrounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Answer = Mapping[str, Any]
Cells = Iterable[Sequence[object]]


def _spread(figure: Answer) -> list[object]:
    return [figure.get(name) for name in ("value", "low", "high")]


def _calibration(told: Answer) -> Cells:
    yield "mean_probability", "observed", "low", "high", "n"
    for one in (told["report"] or {}).get("calibration_curve") or ():
        yield [one[name] for name in ("mean_probability", "observed", "low", "high", "n")]


def _gains(told: Answer) -> Cells:
    yield "share_reached", "share_churners", "lift"
    for one in (told["report"] or {}).get("gains") or ():
        yield [one[name] for name in ("share_reached", "share_churners", "lift")]


def _dates(told: Answer) -> Cells:
    yield "day", "part", "n", "n_churned", "observed", "mean_probability", "auc", "auc_low", "auc_high"
    for one in ((told["report"] or {}).get("forward") or {}).get("stability") or ():
        first = [one[name] for name in ("day", "part", "n", "n_churned")]
        yield [*first, one["observed"]["value"], one["mean_probability"], *_spread(one["auc"])]


def _rivals(told: Answer) -> Cells:
    yield "rival", "auc", "auc_low", "auc_high", "auc_difference", "difference_low", "difference_high"
    for one in (told["report"] or {}).get("rivals") or ():
        yield [one["title"], *_spread(one["auc"]), *_spread(one["auc_difference"])]


def _metrics(told: Answer) -> Cells:
    yield "subject", "metric", "value", "low", "high", "n"
    for subject, figures in (told["metrics"] or {}).items():
        for name, figure in figures.items():
            yield [subject, name, *_spread(figure), figure["n"]]


def _drivers(told: Answer) -> Cells:
    titles = {one["name"]: one["title"] for one in told["features"]}
    yield "rank", "feature", "title", "share", "mean_absolute_contribution"
    for one in told["importance"]:
        yield [one["rank"], one["feature"], titles.get(one["feature"], ""), one["share"], one["value"]]


TABLES: dict[str, Callable[[Answer], Cells]] = {
    "calibration": _calibration,
    "gains": _gains,
    "dates": _dates,
    "rivals": _rivals,
    "metrics": _metrics,
    "drivers": _drivers,
}
"""Name in the address -> the rows of a card's table, the header first."""


def as_csv(cells: Cells) -> str:
    """Return rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in cells:
        writer.writerow([f"'{one}" if isinstance(one, str) and one[:1] in "=+-@\t\r" else one for one in row])
    return out.getvalue()
