"""Trainings and replays in words: how far one is, what came of it, and what a replayed day would have said. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.web import model_reach
from retainstream.web.home_charts import BAND_WORDS
from retainstream.web.template_tools import day, moment, percent, whole

Answer = Mapping[str, Any]
OPEN = ("queued", "running")
PHASES = {
    "reading": "Reading what was known",
    "panel": "Looking at customers on past days",
    "checking": "Checking what may be learnt",
    "features": "Making features",
    "folds": "Splitting by time",
    "tuning": "Searching for good settings",
    "fitting": "Fitting",
    "calibrating": "Fitting the percentages",
    "judging": "Judging on rows it never saw",
    "explaining": "Measuring what it looks at",
    "saving": "Writing it down",
    "scoring": "Scoring everybody",
}
_LEAVE = "Long work runs one at a time. You may leave this page; the strip at the top follows it."
_WHAT = {"train": "The training", "replay": "The replay"}


@dataclass(frozen=True)
class JobView:
    """A training or a replay: the finding as a title, what stands under it, and progress while it is open."""

    id: int
    kind: str
    state: str
    title: str
    lead: str
    percent: int | None
    phase: str
    asked_at: str
    stopping: bool
    missing: tuple[tuple[str, str], ...] = ()
    version: int | None = None
    score_job: int | None = None

    @property
    def open(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in OPEN


@dataclass(frozen=True)
class Named:
    """One customer on a replayed list. `left` is yes, no, or not known."""

    place: int
    user_id: str
    chance: str
    band: str
    band_word: str
    left: str
    tone: str


@dataclass(frozen=True)
class Caught:
    """What working down the list to a share of customers would have found."""

    share: str
    reached: str
    churners: str
    caught: str
    lift: str


@dataclass(frozen=True)
class ReplayView:
    """What a replayed day says."""

    headline: str
    lead: str
    hindsight: str
    facts: tuple[tuple[str, str], ...]
    caught: tuple[Caught, ...]
    top: tuple[Named, ...]
    top_title: str
    top_note: str
    version: int
    left_out: str


@dataclass(frozen=True)
class ReplayLine:
    """One replay in the list of those that were made."""

    job_id: int
    day: str
    model: str
    asked: str
    state: str
    tone: str
    said: str
    address: str


def job(one: Answer, version: Answer | None = None) -> JobView:
    """Return a job of the service's form; `version` is the line of the version that a training recorded."""
    state, kind = str(one["state"]), str(one["kind"])
    result = one["result"] or {}
    title, lead = _told(one, version)
    verdict = result.get("verdict") or {}
    return JobView(
        id=int(one["id"]),
        kind=kind,
        state=state,
        title=title,
        lead=lead,
        percent=int(100 * one["progress"]) if state == "running" else None,
        phase=PHASES.get(str(one["phase"]), str(one["phase"]).capitalize()),
        asked_at=moment(one["created_at"]),
        stopping=bool(one["cancel_requested"]) and state == "running",
        missing=_missing(verdict) if not verdict.get("ok", True) or verdict.get("code") == "simple_rule" else (),
        version=result.get("model_version"),
        score_job=result.get("score_job"),
    )


def _told(one: Answer, version: Answer | None) -> tuple[str, str]:
    what, state = _WHAT.get(str(one["kind"]), "The work"), one["state"]
    if state in OPEN:
        # Progress is asked for again and again, this is not: it has to stay true until the end.
        stops = "It is stopping; nothing changes." if one["cancel_requested"] else _LEAVE
        return f"{what} is under way.", stops
    if state == "cancelled":
        return f"{what} was cancelled.", "Nothing has changed."
    if state == "failed":
        reason = str((one["error"] or {}).get("message") or "the log of the server says why.")
        return f"{what} did not come about.", f"{reason} What was in service stays in service."
    if one["kind"] == "train":
        return _trained(one["result"] or {}, version)
    return f"{what} is done.", ""


def _trained(result: Answer, version: Answer | None) -> tuple[str, str]:
    said = str((result.get("verdict") or {}).get("message", ""))
    number = result.get("model_version")
    if not result.get("servable"):
        return "The training was refused, and that is a finding.", f"{said} What was in service stays in service."
    if version is not None and version["kind"] == "simple_rule":
        return "Too little for a model yet: a simple rule ranks customers.", said
    if result.get("champion"):
        then = " Everybody is being scored by it." if result.get("score_job") else ""
        return f"Version {number} is trained and in service.", f"{said}{then}"
    return (
        f"Version {number} is trained, and not in service.",
        f"{said} Read its card, then put it into service if it convinces you.",
    )


def _missing(verdict: Answer) -> tuple[tuple[str, str], ...]:
    words = {
        "needed": "Needed",
        "have": "There are",
        "missing": "Missing",
        "needed_days": "Days of history needed",
        "have_days": "Days there are",
        "rows": "Customers",
        "unlabelled": "Whose outcome is not known",
        "columns": "Columns",
    }
    found = [(words[name], whole(value)) for name, value in (verdict.get("needs") or {}).items() if name in words]
    auc = verdict.get("needs") or {}
    if "auc" in auc:
        found.append(("AUC", f"{auc['auc']:.3f} ({auc['auc_low']:.3f} to {auc['auc_high']:.3f})"))
    return tuple(found)


def replay(told: Answer) -> ReplayView:
    """Return what a replay found; `told` is `services.replay.found`'s answer."""
    outcome, when = told["outcome"], day(told["as_of"])
    closed = bool(outcome["closed"])
    headline, lead = _finding(told, outcome, when) if closed else _still_open(outcome, when)
    left = sum(one["left"] is True for one in told["top"])
    judged = sum(one["left"] is not None for one in told["top"])
    return ReplayView(
        headline=headline,
        lead=lead,
        hindsight=f"With hindsight: version {told['model_version']} knew of later days than {when}. Nobody could have had these scores then."
        if told["hindsight"]
        else "",
        facts=_facts(told, outcome),
        caught=tuple(_caught(one, outcome["n"]) for one in outcome.get("caught") or ()) if closed else (),
        top=tuple(_named(place, one) for place, one in enumerate(told["top"], 1)),
        top_title=f"{left} of the first {judged} left" if judged else f"The first {len(told['top'])} of the list",
        top_note="who would have been called first, and who really left"
        if judged
        else "nobody’s outcome is certain yet",
        version=int(told["model_version"]),
        left_out=_left_out(outcome.get("left_out") or {}),
    )


def _finding(told: Answer, outcome: Answer, when: str) -> tuple[str, str]:
    n, churners = outcome.get("n") or 0, outcome.get("churners") or 0
    if not n:
        return f"Nobody who was scored on {when} can be judged.", "All of them are left out of the figures."
    tenth = model_reach.caught_in_tenth(outcome.get("caught") or (), n)
    lead = f"{whole(churners)} of {whole(n)} judged customers left; version {told['model_version']} scored {whole(told['n_scored'])}."
    if tenth is None:
        return f"On {when} nobody who could be judged was about to leave.", lead
    share = percent(tenth, 0)
    return f"On {when} it would have found {share} of churners among the first 10%.", lead


def _still_open(outcome: Answer, when: str) -> tuple[str, str]:
    return f"What became of the customers of {when} is not known for certain yet.", str(outcome.get("message", ""))


def _facts(told: Answer, outcome: Answer) -> tuple[tuple[str, str], ...]:
    found = [
        ("Looked ahead from", day(told["as_of"])),
        ("Model", f"version {told['model_version']}"),
        ("Scored", whole(told["n_scored"])),
    ]
    figures = outcome.get("metrics") or {}
    auc = figures.get("auc") or {}
    if auc.get("value") is not None:
        between = "" if auc.get("low") is None else f" ({auc['low']:.3f} to {auc['high']:.3f})"
        found.append(("AUC", f"{auc['value']:.3f}{between}"))
    if outcome.get("mean_probability") is not None and outcome.get("observed_share") is not None:
        found.append(("Predicted to leave", percent(outcome["mean_probability"])))
        found.append(("Left", percent(outcome["observed_share"])))
    slope = figures.get("calibration_slope") or {}
    if slope.get("value") is not None:
        between = "" if slope.get("low") is None else f" ({slope['low']:.2f} to {slope['high']:.2f})"
        found.append(("Calibration slope", f"{slope['value']:.2f}{between}; 1 is right".replace("-", "−")))
    found.append(("Scores", "kept in the customers’ history" if told.get("run_id") is not None else "not kept"))
    return tuple(found)


def _caught(one: Answer, n: int) -> Caught:
    return Caught(
        percent(model_reach.share_of(one, n), 0),
        whole(one["reached"]),
        whole(one["churners"]),
        percent(one["share_of_churners"], 0),
        "–" if one["lift"] is None else f"{one['lift']:.1f}",
    )


def _named(place: int, one: Answer) -> Named:
    probability, band = one["churn_probability"], str(one["risk_band"])
    chance = (
        percent(probability, 0)
        if probability is not None
        else f"above {percent(one['risk_percentile'], 0)} of customers"
    )
    left, tone = {True: ("Left", "bad"), False: ("Stayed", "good"), None: ("Not known", "")}[one["left"]]
    return Named(place, str(one["user_id"]), chance, band, BAND_WORDS[band], left, tone)


def _left_out(counts: Mapping[str, int]) -> str:
    found = [f"{whole(count)} {reason.replace('_', ' ')}" for reason, count in counts.items() if count]
    return f"Left out of the figures: {', '.join(found)}." if found else ""


def replay_lines(items: Sequence[Answer]) -> tuple[ReplayLine, ...]:
    """Return the replays among jobs, newest first."""
    words = {
        "queued": ("Waiting", ""),
        "running": ("Running", ""),
        "succeeded": ("Done", "good"),
        "failed": ("Refused", "bad"),
    }
    found = []
    for one in items:
        result = one["result"] or {}
        word, tone = words.get(str(one["state"]), ("Cancelled", "warn"))
        found.append(
            ReplayLine(
                job_id=int(one["id"]),
                day=day(result.get("as_of")) if result.get("as_of") else f"Job {one['id']}",
                model=f"version {result['model_version']}" if result.get("model_version") else "–",
                asked=moment(one["created_at"]),
                state=word,
                tone=tone,
                said=_in_short(one, result),
                address=f"/model/replay/{one['id']}" if one["state"] == "succeeded" else f"/model/jobs/{one['id']}",
            )
        )
    return tuple(found)


def _in_short(one: Answer, result: Answer) -> str:
    if one["state"] == "failed":
        return str((one["error"] or {}).get("message", ""))
    outcome = result.get("outcome") or {}
    if not outcome:
        return ""
    if not outcome.get("closed"):
        return f"open until {day(outcome.get('open_until'))}"
    tenth = model_reach.caught_in_tenth(outcome.get("caught") or (), outcome.get("n") or 0)
    share = "" if tenth is None else f"{percent(tenth, 0)} of churners in the first 10%"
    return f"{share}{', with hindsight' if result.get('hindsight') else ''}"
