"""Promised against realised, run by run, in words. Pure functions from the listing of the performance service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retainstream.web import model_reach
from retainstream.web.template_tools import day, percent, whole

Answer = Mapping[str, Any]
_CLOSE = 0.03
"""By so much less than promised an AUC may come out and still be called kept."""
_OFF = 0.25
"""So far, relative to the share that left, may the mean probability be before it is said."""
_STATES = {
    "judged": ("Realised", "good"),
    "due": ("Judged next", "warn"),
    "open": ("Still open", ""),
    "not_kept": ("Scores not kept", ""),
}


@dataclass(frozen=True)
class RunLine:
    """One run: what was promised, and what came of it or is estimated to; `how` says which, and so does its tone."""

    looked_from: str
    role: str
    hindsight: bool
    version: int
    n: str
    promised_auc: str
    came_auc: str
    came_between: str
    promised_tenth: str
    came_tenth: str
    predicted: str
    observed: str
    how: str
    tone: str
    when: str


@dataclass(frozen=True)
class PerformanceView:
    """Runs and their sum in a sentence."""

    headline: str
    lead: str
    facts: tuple[tuple[str, str, str], ...]
    lines: tuple[RunLine, ...]
    total: int
    unestimated: bool


def view(told: Answer) -> PerformanceView:
    """Return the page's content; `told` is `services.performance.results`' answer."""
    summary = told["summary"]
    headline, lead = _finding(summary)
    waiting = any(
        one["state"] in ("open", "due") and one["calibrated"] and one["estimated"] is None for one in told["items"]
    )
    lines = tuple(line(one) for one in told["items"])
    return PerformanceView(headline, lead, _facts(summary), lines, int(told["total"]), waiting)


def _finding(summary: Answer) -> tuple[str, str]:
    if not summary["runs"]:
        return "Nothing has been judged yet.", str(summary["message"] or "")
    lead = f"{_runs(summary)} over {whole(summary['customers'])} scores, {whole(summary['churners'])} of which left."
    if summary["message"]:
        lead = f"{lead} {summary['message']}"
    promised, came = summary["promised_auc"], summary["realised_auc"]
    if promised is None or came is None:
        return "Judged, without an AUC to compare.", lead
    ranked = "It ranked as promised" if came >= promised - _CLOSE else "It ranked less well than promised"
    return f"{ranked}: AUC {promised:.2f} promised, {came:.2f} realised{_off(summary)}.", lead


def _off(summary: Answer) -> str:
    """Return what is said of the percentages where they were clearly off, all judged runs together."""
    predicted, left = summary["mean_probability"], summary["observed_share"]
    if predicted is None or left is None or abs(predicted - left) <= _OFF * max(left, 0.001):
        return ""
    return f", and its percentages were too {'high' if predicted > left else 'low'}"


def _runs(summary: Answer) -> str:
    what = "replay" if summary["role"] == "replay" else "run"
    return f"{summary['runs']} judged {what}{'' if summary['runs'] == 1 else 's'}"


def _facts(summary: Answer) -> tuple[tuple[str, str, str], ...]:
    if not summary["runs"]:
        return ()
    span = f"{day(summary['first_as_of'])} to {day(summary['last_as_of'])}"
    found = [("Judged", str(summary["runs"]), span)]
    if summary["promised_auc"] is not None:
        found.append(("AUC promised", f"{summary['promised_auc']:.3f}", "by the models’ own test windows"))
        found.append(("AUC realised", f"{summary['realised_auc']:.3f}", "by who really left"))
    if summary["mean_probability"] is not None:
        found.append(("Predicted to leave", percent(summary["mean_probability"]), "mean of the probabilities"))
        found.append(("Left", percent(summary["observed_share"]), "of the same customers"))
    return tuple(found)


def line(one: Answer) -> RunLine:
    """Return a run as a line; an estimate is never shown as if it had happened."""
    came = one["realised"] or one["estimated"]
    how, tone = _STATES[str(one["state"])]
    if one["realised"] is None and one["estimated"] is not None:
        how, tone = "Estimated", "warn"
    auc = ((came or {}).get("metrics") or {}).get("auc") or {}
    promised = one["promised"]["metrics"].get("auc") or {}
    return RunLine(
        looked_from=day(one["as_of"]),
        role="In service" if one["role"] == "champion" else "Replay",
        hindsight=bool(one["hindsight"]),
        version=int(one["model_version"]),
        n=whole(one["n_scored"]),
        promised_auc=_three(promised.get("value")),
        came_auc=_three(auc.get("value")),
        came_between="" if auc.get("low") is None else f"{auc['low']:.3f} to {auc['high']:.3f}",
        promised_tenth=percent(model_reach.caught_in_tenth(one["promised"]["caught"], one["n_scored"]), 0),
        came_tenth=percent(
            model_reach.caught_in_tenth((came or {}).get("caught") or (), (came or {}).get("n") or 0), 0
        ),
        predicted=percent((came or {}).get("mean_probability")),
        observed=percent((one["realised"] or {}).get("observed_share")),
        how=how,
        tone=tone,
        when=f"window closes {day(one['window']['closes_at'])}" if one["state"] == "open" else "",
    )


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
