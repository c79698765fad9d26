"""The tables behind the model's charts, with the figures unrounded; `csv_files` makes files of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from retainstream.web import model_reach
from retainstream.web.model_reach import Costs, Crowd, Curve

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


_RUN = (
    "as_of",
    "role",
    "hindsight",
    "model_version",
    "scored",
    "state",
    "outcome",
    "promised_auc",
    "auc",
    "auc_low",
    "auc_high",
    "promised_in_first_tenth",
    "in_first_tenth",
    "mean_probability",
    "observed_share",
)


def runs(items: Iterable[Answer]) -> Cells:
    """Return runs with what was promised and what came, or is estimated to; `outcome` is realised, estimated or empty."""
    yield _RUN
    for one in items:
        came = one["realised"] or one["estimated"] or {}
        promised = one["promised"]
        auc = (came.get("metrics") or {}).get("auc") or {}
        yield [
            *(one[name] for name in ("as_of", "role", "hindsight", "model_version", "n_scored", "state")),
            "realised" if one["realised"] else "estimated" if one["estimated"] else "",
            (promised["metrics"].get("auc") or {}).get("value"),
            *_spread(auc),
            model_reach.caught_in_tenth(promised["caught"], one["n_scored"]),
            model_reach.caught_in_tenth(came.get("caught") or (), came.get("n") or 0),
            came.get("mean_probability"),
            (one["realised"] or {}).get("observed_share"),
        ]


def reach(known: Curve, crowd: Crowd, costs: Costs) -> Cells:
    """Return the lift and gain curve in heads, and what it brings at these costs, in the currency's main unit."""
    yield "share_reached", "customers_reached", "churners_found", "share_of_churners", "lift", "expected_net_gain"
    for share, caught in known.points[1:]:
        reached, found = share * crowd.customers, caught * crowd.leavers
        yield [share, reached, found, caught, caught / share, model_reach.net_gain(costs, found, reached)]
