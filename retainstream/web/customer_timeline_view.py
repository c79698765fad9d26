"""What happened to one customer, in words and by day. No database and no request here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from retainstream.lib import clock
from retainstream.ml.features import title_of
from retainstream.services.timeline import Entry
from retainstream.services.timeline_days import Day
from retainstream.services.timeline_scores import earlier
from retainstream.web.customer_history_view import main_reasons
from retainstream.web.template_tools import cash, day, moment, percent

_BAD = ("fail", "declin", "cancel", "chargeback", "complain", "refund", "dunning")
_REASONS = {
    "voluntary": "cancelled",
    "payment_failed": "payment failed",
    "trial_ended": "trial ended",
    "other": "for another reason",
}
ACTS = {"call": "Call", "email": "E-mail", "offer": "Offer"}
OUTCOMES = {
    "saved": ("saved", "good"),
    "left": ("leaves", "bad"),
    "unreachable": ("not reached", "warn"),
    "wrong": ("wrong on the list", ""),
}
"""Outcome of a task -> its word and tone."""
_LATE_US = clock.DAY_US
_SHOWN_PROPERTIES = 4
_SHOWN_OF_A_DAY = 40
SOURCES = {
    "event": "Events",
    "subscription": "Subscription",
    "version": "Imports and edits",
    "score": "Scores",
    "exposure": "Acts",
    "task": "Tasks",
    "note": "Notes",
}
"""Kind of entries -> what its chip says."""

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class EntryView:
    """One thing that happened, or the events of a day; `tone` is good, warn, bad or nothing.

    `parts` are the events of a day one by one, and `more` the address of all of them when these are not all; `why` is the address of what moved a score.
    """

    time: str
    title: str
    detail: str
    tone: str
    parts: tuple[EntryView, ...] = ()
    more: str = ""
    why: str = ""


@dataclass(frozen=True)
class Chip:
    """A source that the timeline can be narrowed to, and the address of that."""

    words: str
    address: str
    on: bool


@dataclass(frozen=True)
class Addresses:
    """Where the parts of a timeline lead: to all events of a day (its beginning, microseconds UTC), and to what moved the score of a run."""

    day: Callable[[int], str]
    move: Callable[[int], str]


@dataclass(frozen=True)
class DayView:
    """What happened on one day."""

    day: str
    entries: tuple[EntryView, ...]


def days(entries: Sequence[Entry], history: Sequence[Answer]) -> tuple[DayView, ...]:
    """Return a page of the timeline by local day, newest first; `history` has the figures of the scores, newest first."""
    scores = {item["run_id"]: (item, earlier(history, place)) for place, item in enumerate(history)}
    return tuple(
        DayView(word, tuple(_entry(entry, scores) for entry in found))
        for word, found in groupby(entries, key=lambda entry: day(entry.at))
    )


def by_day(found: Sequence[Day], history: Sequence[Answer], addresses: Addresses) -> tuple[DayView, ...]:
    """Return whole days, newest first, with the events of each as one entry that can be opened."""
    scores = {item["run_id"]: (item, earlier(history, place)) for place, item in enumerate(history)}
    return tuple(_day(one, scores, addresses) for one in found)


def _day(one: Day, scores: Mapping[int, tuple[Answer, Answer | None]], addresses: Addresses) -> DayView:
    told = [(entry.moment, _linked(_entry(entry, scores), entry, scores, addresses)) for entry in one.entries]
    if len(one.events) == one.event_count == 1:
        told.append((one.events[0].moment, _entry(one.events[0], scores)))
    elif one.events:
        told.append((one.events[0].moment, _events(one, addresses)))
    told.sort(key=lambda pair: pair[0], reverse=True)
    return DayView(day(clock.iso(one.start)), tuple(view for _, view in told))


def _linked(
    view: EntryView, entry: Entry, scores: Mapping[int, tuple[Answer, Answer | None]], addresses: Addresses
) -> EntryView:
    """Return a score with its main reason where that is at hand, and otherwise with where it is told."""
    if entry.source != "score":
        return view
    item, earlier = scores.get(entry.facts["run_id"], (None, None))
    if item is None or earlier is None:
        return view
    if item["move"] is None:
        return replace(view, why=addresses.move(entry.facts["run_id"]))
    return replace(view, detail=" · ".join([*main_reasons(item["move"]), view.detail]))


def _events(one: Day, addresses: Addresses) -> EntryView:
    counts = ", ".join(f"{count:,} × {title_of(kind).lower()}" for kind, count in one.counts)
    tone = "bad" if any(_tone(kind) for kind, _ in one.counts) else ""
    shown = tuple(_entry(entry, {}) for entry in one.events[:_SHOWN_OF_A_DAY])
    more = addresses.day(one.start) if one.event_count > len(shown) else ""
    return EntryView("", f"{one.event_count:,} events", counts, tone, shown, more)


def _entry(entry: Entry, scores: Mapping[int, tuple[Answer, Answer | None]]) -> EntryView:
    time = moment(entry.at).rpartition(", ")[2]
    facts = entry.facts
    if entry.source == "event":
        return EntryView(time, title_of(facts["kind"]), _event_detail(facts), _tone(facts["kind"]))
    if entry.source == "subscription":
        return _subscription(time, facts)
    if entry.source == "version":
        return _version(time, facts)
    if entry.source == "exposure":
        act = ACTS.get(facts["kind"], title_of(facts["kind"]))
        if facts["arm"] == "held_out":
            return EntryView(time, f"{act}: left alone on purpose", f"hold-out, from {facts['origin']}", "")
        return EntryView(time, f"{act} noted", f"from {facts['origin']}", "good")
    if entry.source == "task":
        return _task(time, facts)
    if entry.source == "note":
        return EntryView(time, f"Note by {facts['author']}" if facts["author"] else "Note", facts["text"], "")
    return _score("", facts, scores.get(facts["run_id"]))


def _event_detail(facts: Answer) -> str:
    told = [] if facts["value"] is None else [f"{facts['value']:,.2f}".rstrip("0").rstrip(".")]
    told += [
        f"{title_of(name).lower()} {value}" for name, value in list(facts["properties"].items())[:_SHOWN_PROPERTIES]
    ]
    if facts["late_us"] >= _LATE_US:
        late = round(facts["late_us"] / clock.DAY_US)
        told.append(f"arrived {late} day{'' if late == 1 else 's'} later")
    return " · ".join(told)


def _tone(kind: str) -> str:
    return "bad" if any(word in kind.lower() for word in _BAD) else ""


def _subscription(time: str, facts: Answer) -> EntryView:
    plan = str(facts["plan"] or "no plan")
    price = f"{cash(facts['revenue'])} a month" if facts["revenue"] else ""
    if facts["ended_at"]:
        why = _REASONS.get(str(facts["end_reason"]), "")
        detail = " · ".join(part for part in (plan, price, why) if part)
        return EntryView(time, f"Subscription ends {day(facts['ended_at'])}", detail, "bad")
    detail = " · ".join(part for part in (price, f"since {day(facts['started_at'])}") if part)
    return EntryView(time, f"Subscription: {plan}", detail, "")


def _version(time: str, facts: Answer) -> EntryView:
    if facts["origin"] == "edit":
        return EntryView(time, "Edited by hand", "", "")
    title = "Imported" if facts["first"] else "Updated by an import"
    return EntryView(time, title, str(facts["file"] or ""), "")


def _task(time: str, facts: Answer) -> EntryView:
    what = f"Task ({ACTS.get(facts['kind'], title_of(facts['kind'])).lower()})"
    if facts["state"] == "done":
        word, tone = OUTCOMES[facts["outcome"]]
    else:
        word, tone = ("dropped" if facts["state"] == "dropped" else "taken"), ""
    told = (facts["play"], facts["reason"], f"of {facts['owner']}" if facts["owner"] else "")
    return EntryView(time, f"{what}: {word}", " · ".join(part for part in told if part), tone)


def _score(time: str, facts: Answer, found: tuple[Answer, Answer | None] | None) -> EntryView:
    how = f"version {facts['model_version']}" + (", replayed" if facts["role"] == "replay" else "")
    if found is None or found[0]["churn_probability"] is None:
        return EntryView(time, "Scored", how, "")
    now = found[0]["churn_probability"]
    then = found[1]["churn_probability"] if found[1] is not None else None
    if then is None:
        return EntryView(time, f"Score {percent(now)}", how, "")
    rise = now - then
    tone = "warn" if rise >= 0.02 else "good" if rise <= -0.02 else ""
    return EntryView(time, f"Score {percent(then)} → {percent(now)}", how, tone)
