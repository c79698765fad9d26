"""What the page of one import shows: its progress, what became of its rows, what to do next; and what an undo would take away. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retainstream.web import data_words as words
from retainstream.web.data_view import OPEN, taken_names, target_words
from retainstream.web.next_step import NextStep
from retainstream.web.template_tools import moment, whole

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Fate:
    """How many rows had one fate."""

    label: str
    count: str
    note: str
    tone: str


@dataclass(frozen=True)
class Progress:
    """The job that works on an import."""

    id: int
    words: str
    percent: int | None
    may_cancel: bool


@dataclass(frozen=True)
class ImportView:
    """One import."""

    id: int
    title: str
    lead: str
    filename: str
    target: str
    state: str
    tone: str
    progress: Progress | None
    error: str
    fates: tuple[Fate, ...]
    next: NextStep | None
    told: tuple[tuple[str, str], ...]
    errors: tuple[tuple[str, str, str, str], ...]
    bad: int
    kept: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str, str], ...]
    customers: str
    may_undo: bool
    may_download: bool
    may_import: bool


@dataclass(frozen=True)
class UndoView:
    """What an undo would take away, and what has to be confirmed on top."""

    id: int
    filename: str
    title: str
    losses: tuple[str, ...]
    warning: str


def import_view(
    item: Answer, job: Answer | None, *, next_step: NextStep | None, linked: bool, **may: bool
) -> ImportView:
    """Return the page of one import.

    Parameters
    ----------
    item : mapping
        As `batches.present` answers.
    job : mapping, optional
        The job that worked on it last, as `jobs.present` answers.
    linked : bool
        Whether the person may open the list of customers.
    may : bool
        `undo`, `download`, `cancel` and `imports`.
    """
    state, tone = words.STATES.get(item["state"], (str(item["state"]), ""))
    running = job is not None and job["state"] in ("queued", "running")
    if item["state"] == "applied" and running:
        state, tone = words.STATES["undoing"]
    bad = int(item["counts"].get("bad", 0))
    return ImportView(
        id=int(item["id"]),
        title=_title(item, running),
        lead=_lead(item),
        filename=item["filename"],
        target=target_words(item),
        state=state,
        tone=tone,
        progress=_progress(job, may["cancel"]) if job is not None and running else None,
        error=_error(item, job),
        fates=_fates(item) if item["state"] in ("applied", "failed") else (),
        next=next_step if item["state"] == "applied" and not running else None,
        told=tuple(
            (entry.get("severity", "info"), words.told(entry, later=True))
            for entry in item["warnings"]
            if "message" in entry
        ),
        errors=tuple(
            (whole(entry["line"]), entry["column"] or "–", _value(entry["value"]), entry["expected"])
            for entry in item["errors"]
        ),
        bad=bad,
        kept=tuple(item["kept_customers"]),
        facts=_facts(item),
        columns=_columns(item),
        customers="/customers?status=all" if linked and item["state"] == "applied" else "",
        may_undo=may["undo"] and item["state"] == "applied" and not running,
        may_download=may["download"] and bool(item["errors"]),
        may_import=may["imports"],
    )


def _title(item: Answer, running: bool) -> str:
    state, counts, name = item["state"], item["counts"], item["filename"]
    if state == "applied" and running:
        return f"{name} is being taken back."
    if state in OPEN:
        return f"{name} is coming in." if state != "undoing" else f"{name} is being taken back."
    if state == "applied":
        taken = sum(int(counts.get(part, 0)) for part in taken_names(item["target"]))
        if item["target"] == "customers":
            return f"{whole(taken)} customers are in." if taken else "Everything in this file was on record already."
        return (
            f"{whole(taken)} {words.ROWS[item['target']]} are in."
            if taken
            else "Everything in this file was on record already."
        )
    said = {
        "failed": f"{name} was not imported.",
        "cancelled": f"The import of {name} was cancelled.",
        "undone": f"{name} was taken back.",
    }
    return said.get(state, str(name))


def _lead(item: Answer) -> str:
    state = item["state"]
    if state in ("queued", "applying"):
        return "Nothing shows before all of it is in. This page may be left; the work goes on."
    if state == "failed":
        return "Nothing of it is on record."
    if state == "undone":
        kept = int(item["counts"].get("kept", 0))
        return (
            f"{whole(kept)} customers who were touched since were kept."
            if kept
            else "Nothing of it is on record any more."
        )
    return f"From {item['filename']}, {moment(item['applied_at'] or item['created_at'])}."


def _progress(job: Answer, may_cancel: bool) -> Progress:
    percent = int(100 * float(job["progress"])) if job["state"] == "running" else None
    said = "Waiting for its turn" if job["state"] == "queued" else str(job["phase"] or "at work").capitalize()
    if job["cancel_requested"]:
        said = "Stopping"
    return Progress(int(job["id"]), said, percent, may_cancel and not job["cancel_requested"])


def _error(item: Answer, job: Answer | None) -> str:
    if item["state"] == "failed" and item["error"]:
        return str(item["error"])
    undo_failed = job is not None and job["kind"] == "undo" and job["state"] == "failed"
    if undo_failed and job is not None and isinstance(job["error"], Mapping):
        return f"The undo failed: {job['error'].get('message', '')}"
    return ""


def _fates(item: Answer) -> tuple[Fate, ...]:
    counts, customers = item["counts"], item["target"] == "customers"
    found = [Fate("Rows in the file", whole(counts.get("rows")), "", "")]
    for name, label, note, always, tone in words.COUNTS["customers" if customers else "events"]:
        if item["state"] == "failed" and name != "bad":
            continue
        if counts.get(name) or (always and name in counts):
            some = bool(counts[name])
            said = {"accepted": "added", "bad": "not taken"}.get(name, note) if some else ""
            found.append(Fate(label, whole(counts[name]), said, tone if some else ""))
    return tuple(found)


def _value(value: object) -> str:
    text = "hidden" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _facts(item: Answer) -> tuple[tuple[str, str], ...]:
    size = int(item["size_bytes"])
    shown = f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1000:.1f} kB"
    facts = [
        ("File", item["filename"]),
        ("Size", shown),
        ("Holds", target_words(item)),
        ("Sent", f"{moment(item['created_at'])}, {words.SOURCES.get(item['source'], item['source'])}"),
        ("Bad rows", "left out" if item["on_error"] == "skip" else "one refuses the whole file"),
        ("Counts as known", "at the dates in the file" if item["known_at_time"] else "from the time of the import"),
        ("SHA-256", str(item["file_sha256"])),
    ]
    if item["undone_at"]:
        facts.append(("Undone", moment(item["undone_at"])))
    return tuple(facts)


def _columns(item: Answer) -> tuple[tuple[str, str, str], ...]:
    roles = dict(words.ROLES.get(item["target"], ()))
    found = []
    for column in item["mapping"].get("columns", []):
        role = column["role"]
        key = f"personal:{column.get('field')}" if role == "personal" else role
        detail = column.get("reason") or (
            f"{', '.join(column['churned_values'])} means left" if column.get("churned_values") else ""
        )
        found.append((str(column["name"]), roles.get(key, role), str(detail)))
    return tuple(found)


def undo_view(item: Answer, warning: str) -> UndoView:
    """Return what an undo takes away, in sentences."""
    counts, target = item["counts"], item["target"]
    losses = []
    if target == "customers":
        if counts.get("new"):
            losses.append(f"{whole(counts['new'])} customers that this file brought, with their scores and labels.")
        if counts.get("changed"):
            losses.append(
                f"What it changed in {whole(counts['changed'])} customers; they are again as they were before."
            )
    elif counts.get("accepted"):
        losses.append(f"{whole(counts['accepted'])} {words.ROWS[target]}.")
    if target != "customers" and counts.get("new_customers"):
        losses.append(f"{whole(counts['new_customers'])} customers who were first seen in it.")
    if not losses:
        losses.append("Nothing: all that it holds was on record before.")
    return UndoView(int(item["id"]), item["filename"], f"Take back {item['filename']}?", tuple(losses), warning)
