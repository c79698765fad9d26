"""Survival as the API and files show it: plain figures, unrounded, None where there is none, each with the address of whom it counts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from retainstream.lib import clock
from retainstream.services.survival import cells
from retainstream.services.survival.curves import Group, Survival

if TYPE_CHECKING:
    from retainstream.ml.group_survival import LogRank
    from retainstream.ml.tenure import TenureHazards

KIND = "survival"
STEP_COLUMNS = ("group", "months", "share", "low", "high", "at_risk", "left")


def survival(found: Survival) -> dict[str, Any]:
    """Return the curves with their tables and tests."""
    lives, choice = found.lives, found.grouping.choice
    return {
        "by": choice.key,
        "title": choice.title,
        "kind": lives.kind,
        "as_of": clock.iso(lives.as_of),
        "recorded_from": clock.iso(lives.recorded_from),
        "n": len(lives),
        "n_left": int(lives.left.sum()),
        "n_entered_late": int((lives.entry > 0).sum()),
        "n_left_otherwise": lives.otherwise,
        "n_unknown_start": len(lives.unknown),
        "n_without_value": found.without,
        "n_value_known_late": found.grouping.late,
        "groups": [_group(found, group) for group in found.groups],
        "log_rank": None if found.log_rank is None else _test(found, found.log_rank),
        "pairs": [_test(found, pair) for pair in found.pairs],
    }


def tenure(found: Survival, hazards: TenureHazards) -> dict[str, Any]:
    """Return departures by tenure."""
    items = []
    for place in range(len(hazards.rate)):
        start, end = float(hazards.start[place]), float(hazards.end[place])
        items.append(
            {
                "after_months": start,
                "until_months": _known(end),
                "left": int(hazards.events[place]),
                "customer_months": float(hazards.exposure[place]),
                "rate": _known(hazards.rate[place]),
                "low": _known(hazards.low[place]),
                "high": _known(hazards.high[place]),
                "enough": bool(hazards.enough[place]),
                "cell": _address("left", cells.EVERYBODY, "Everybody", start, end),
            }
        )
    return {"as_of": clock.iso(found.lives.as_of), "kind": found.lives.kind, "n": len(found.lives), "items": items}


def every_step(found: Survival) -> Iterator[tuple[object, ...]]:
    """Yield each time at which somebody of a group left, as `STEP_COLUMNS` names its figures."""
    for group in found.groups:
        curve = group.curve
        columns = (curve.time, curve.survival, curve.low, curve.high, curve.at_risk, curve.events)
        for time, share, low, high, at_risk, left in zip(*(column.tolist() for column in columns), strict=True):
            yield group.label, time, share, _known(low), _known(high), at_risk, left


def _group(found: Survival, group: Group) -> dict[str, Any]:
    curve, by = group.curve, cells.by_token(found.grouping.choice)
    return {
        "label": group.label,
        "n": curve.n,
        "n_left": curve.n_events,
        "median": curve.median,
        "median_low": curve.median_low,
        "median_high": curve.median_high,
        "enough": curve.evidence.enough,
        "cell": _address("all", by, group.token),
        "points": [
            {"months": time, "share": share, "low": _known(low), "high": _known(high)}
            for time, share, low, high in group.points.tolist()
        ],
        "steps": [
            {
                "after_months": step.since,
                "until_months": step.until,
                "share": step.share,
                "low": step.low,
                "high": step.high,
                "left": step.left,
                "left_by": step.left_by,
                "at_risk": step.at_risk,
                "left_cell": _address("left", by, group.token, step.since, step.until),
                "at_risk_cell": _address("risk", by, group.token, step.until),
            }
            for step in group.steps
        ],
    }


def _test(found: Survival, test: LogRank) -> dict[str, Any]:
    return {
        "groups": [found.grouping.labels[int(label)] for label in test.labels],
        "chi2": test.chi2,
        "df": test.df,
        "p": test.p,
        "p_holm": test.p_adjusted,
        "enough": test.evidence.enough,
    }


def _address(*parts: object) -> str:
    return f"{KIND}:{cells.key_of(*parts)}"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
