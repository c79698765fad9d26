"""Jobs as people read them: what came of each in a sentence, why one failed and what to do then. Pure; where links lead is the page's affair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retainstream.web.current_jobs import NAMES
from retainstream.web.template_tools import day, whole

STATES = {
    "queued": ("Waiting", ""),
    "running": ("Running", ""),
    "succeeded": ("Done", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", "warn"),
}
"""State -> its word and the tone of its badge."""
OPEN = ("queued", "running")
KINDS = {
    "train": "Training",
    "score": "Scoring",
    "import": "Customers",
    "ingest": "Events",
    "undo": "Undo",
    "replay": "Replay",
    "judge": "Check",
    "analyse": "Analyses",
    "segments": "Segments",
    "report": "Reports",
    "demo": "Demo",
}
"""Kind -> the short word of its filter."""
_ADVICE = {
    "invalid_input": "Mend what it names, then ask for it again.",
    "not_ready": "Do first what it asks for, then try again.",
    "conflict": "Something else stood in the way; look at what runs or ran beside it, then try again.",
    "confirmation_needed": "It needs an answer first: ask for it anew from the page that it belongs to.",
    "process_died": "Most often the machine was short of memory or was switched off. Try again when less runs on it.",
    "out_of_memory": "Close what else runs on this machine, leave features out, or use a machine with more memory.",
    "busy": "Another write held the database for long. Try again in a moment.",
    "not_found": "What it was asked to work on has been removed since.",
    "unknown_kind": "A newer version queued it. Update this box, or ask for the work anew.",
}
_UNKNOWN = (
    "Try again. If it stays, give the number of this job to whoever runs this server: the log has the details under it."
)
_FILES = "Mend the file, or its mapping, and load it again; nothing of it was kept."
_COUNTS = {
    "rows": "Rows read",
    "new": "New customers",
    "changed": "Changed customers",
    "unchanged": "Unchanged customers",
    "accepted": "Taken in",
    "duplicate": "On record already",
    "duplicates": "Doubled in the file",
    "new_customers": "Customers made on the way",
    "no_customer": "Without a known customer",
    "late": "Arrived late",
    "future": "In the future",
    "bad": "Could not be taken",
    "erased": "Of erased customers",
}
_ALWAYS = ("rows", "bad")


@dataclass(frozen=True)
class JobLine:
    """A job in the list; `percent` is None unless it runs."""

    id: int
    name: str
    state: str
    word: str
    tone: str
    percent: int | None
    said: str
    asked_by: str
    created_at: str
    took: str


@dataclass(frozen=True)
class JobPage:
    """One job in full. `facts` and `figures` are pairs of a label and its words."""

    line: JobLine
    title: str
    facts: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str], ...]
    failure: str
    advice: str
    stopping: bool

    @property
    def open(self) -> bool:
        """Whether it still waits or runs."""
        return self.line.state in OPEN


def line(job: Mapping[str, Any], people: Mapping[int, str], now: datetime) -> JobLine:
    """Return a job of the service's form as a line; `now` bounds the time that an open one takes."""
    state = str(job["state"])
    word, tone = STATES[state]
    if job["cancel_requested"] and state == "running":
        word, tone = "Stopping", "warn"
    percent = int(100 * job["progress"]) if state == "running" else None
    return JobLine(
        id=int(job["id"]),
        name=NAMES.get(str(job["kind"]), str(job["kind"]).title()),
        state=state,
        word=word,
        tone=tone,
        percent=percent,
        said=_said(job),
        asked_by=_asked_by(job, people),
        created_at=str(job["created_at"]),
        took=_took(job, now),
    )


def page(job: Mapping[str, Any], people: Mapping[int, str], now: datetime, *, file_gone: bool) -> JobPage:
    """Return a job of the service's form in full; `file_gone` tells that a load cannot be tried again."""
    shown = line(job, people, now)
    error = job["error"] if isinstance(job["error"], dict) else None
    return JobPage(
        line=shown,
        title=_title(job, shown),
        facts=_facts(job, shown, now),
        figures=_figures(job),
        failure=str(error["message"]) if error else "",
        advice=advice(str(job["kind"]), str(error["code"]), file_gone=file_gone) if error else "",
        stopping=bool(job["cancel_requested"]) and shown.state == "running",
    )


def advice(kind: str, code: str, *, file_gone: bool = False) -> str:
    """Return what a person can do about a failure."""
    if kind in ("import", "ingest") and file_gone and code in ("invalid_input", "not_ready", "conflict"):
        return _FILES
    said = _ADVICE.get(code, _UNKNOWN)
    return f"{said} The file has to be sent anew." if file_gone else said


def duration(seconds: float) -> str:
    """Return a length of time roughly: "< 1 s", "42 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 1:
        return "< 1 s"
    total = int(seconds)
    hours, minutes, rest = total // 3600, total % 3600 // 60, total % 60
    parts = (
        (f"{hours} h", f"{minutes} min") if hours else (f"{minutes} min", f"{rest} s") if minutes else (f"{rest} s",)
    )
    return " ".join(part for part in parts if not part.startswith("0 "))


def sentence(job: Mapping[str, Any]) -> str:
    """Return what came of a job that succeeded."""
    result: Any = job["result"] or {}
    told: Callable[[Any], str] | None = _SENTENCES.get(str(job["kind"]))
    return told(result) if told else "Done."


def _said(job: Mapping[str, Any]) -> str:
    state = job["state"]
    if state == "succeeded":
        return sentence(job)
    if state == "failed":
        error = job["error"]
        return str(error["message"]) if isinstance(error, dict) else "It failed without a word."
    if state == "running":
        return str(job["phase"]).capitalize()
    return (
        "Its turn comes when what is before it has ended."
        if state == "queued"
        else "Stopped as asked; nothing was changed."
    )


def _title(job: Mapping[str, Any], shown: JobLine) -> str:
    if shown.state == "succeeded":
        return sentence(job)
    ending = {
        "queued": "waits for its turn.",
        "running": f"is at {shown.percent}%.",
        "failed": "failed.",
        "cancelled": "was cancelled.",
    }
    return f"{shown.name} {'is stopping.' if shown.word == 'Stopping' else ending[shown.state]}"


def _asked_by(job: Mapping[str, Any], people: Mapping[int, str]) -> str:
    who = job["requested_by"]
    return "The machine" if who is None else people.get(int(who), "Somebody")


def _seconds(begin: Any, end: Any) -> float | None:
    if begin is None or end is None:
        return None
    last = end if isinstance(end, datetime) else datetime.fromisoformat(str(end))
    return max(0.0, (last - datetime.fromisoformat(str(begin))).total_seconds())


def _took(job: Mapping[str, Any], now: datetime) -> str:
    seconds = _seconds(job["started_at"], job["finished_at"] or now)
    return "–" if seconds is None else duration(seconds)


def _facts(job: Mapping[str, Any], shown: JobLine, now: datetime) -> tuple[tuple[str, str], ...]:
    waited = _seconds(job["created_at"], job["started_at"] or job["finished_at"] or now)
    found = [("Asked for by", shown.asked_by), ("Waited", duration(waited or 0.0))]
    if job["started_at"] is not None:
        found.append(("Runs for" if shown.state in OPEN else "Ran for", shown.took))
    if int(job["attempts"]) > 1:
        found.append(("Attempts", whole(int(job["attempts"]))))
    return tuple(found)


def _figures(job: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    result: Any = job["result"]
    if not isinstance(result, dict):
        return ()
    kind = str(job["kind"])
    if kind in ("import", "ingest"):
        counts = result.get("counts", {})
        return tuple(
            (word, whole(counts[key]))
            for key, word in _COUNTS.items()
            if counts.get(key) or (key in _ALWAYS and key in counts)
        )
    if kind in ("score", "replay"):
        bands = result.get("bands", {})
        words = (("very_high", "Very high risk"), ("high", "High risk"), ("medium", "Medium risk"), ("low", "Low risk"))
        return tuple((word, whole(bands[key])) for key, word in words if key in bands)
    if kind == "train":
        return _measures(result.get("metrics"))
    return ()


def _measures(metrics: Any) -> tuple[tuple[str, str], ...]:
    words: Sequence[tuple[str, str]] = (
        ("auc", "AUC"),
        ("top_decile_lift", "Lift of the riskiest tenth"),
        ("ece", "Calibration error"),
        ("precision", "Precision"),
        ("recall", "Recall"),
    )
    found = []
    for key, word in words:
        item = metrics.get(key) if isinstance(metrics, dict) else None
        if isinstance(item, dict) and item.get("value") is not None:
            between = "" if item.get("low") is None else f" ({item['low']:.3f} to {item['high']:.3f})"
            found.append((word, f"{item['value']:.3f}{between}"))
    return tuple(found)


def _train(result: Any) -> str:
    version = result.get("model_version")
    verdict = result.get("verdict") or {}
    if not result.get("servable"):
        return f"Model {version} was trained and refused: {verdict.get('message', 'it is not good enough.')}"
    if result.get("champion"):
        return f"Model {version} is trained and in service."
    return f"Model {version} is trained; the one before it stays in service."


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _import(result: Any) -> str:
    counts = result.get("counts", {})
    bad = counts.get("bad", 0)
    taken = counts.get("accepted", counts.get("good", counts.get("rows", 0) - bad))
    left_out = f"; {_count(bad, 'row')} could not be taken" if bad else ""
    return f"Import {result.get('batch_id')}: {taken:,} of {_count(counts.get('rows', 0), 'row')} taken in{left_out}."


def _undo(result: Any) -> str:
    kept = int(result.get("kept", 0))
    touched = f" {_count(kept, 'customer')} changed since {'was' if kept == 1 else 'were'} kept." if kept else ""
    return f"Import {result.get('batch_id')} is undone.{touched}"


def _score(result: Any) -> str:
    return f"{_count(int(result.get('n_scored', 0)), 'customer')} scored with model {result.get('model_version')}."


def _replay(result: Any) -> str:
    scored = _count(int(result.get("n_scored", 0)), "customer")
    return f"As of {day(result.get('as_of'))}: {scored} scored with model {result.get('model_version')}."


def _judge(result: Any) -> str:
    judged, estimated = int(result.get("judged", 0)), int(result.get("estimated", 0))
    if not judged and not estimated:
        return "No earlier scoring was due for comparison."
    return f"{_count(judged, 'scoring')} compared with what happened, {estimated:,} estimated meanwhile."


def _analyse(result: Any) -> str:
    skipped = [words for words, told in result.items() if "skipped" in told]
    made = [words for words in result if words not in skipped]
    done = f"Made anew: {', '.join(made)}." if made else "Nothing could be made yet."
    return f"{done} With nothing to make yet: {', '.join(skipped)}." if skipped else done


def _report(result: Any) -> str:
    return f"A file with {_count(result['n_rows'], 'row')} is there."


def _demo(result: Any) -> str:
    if result.get("complete"):
        return "The demo is complete."
    return "A step of the demo is on its way; the next one follows by itself."


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "train": _train,
    "score": _score,
    "replay": _replay,
    "judge": _judge,
    "import": _import,
    "ingest": _import,
    "undo": _undo,
    "report": _report,
    "analyse": _analyse,
    "demo": _demo,
}
