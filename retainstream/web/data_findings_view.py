"""What the page about findings shows, as frozen dataclasses made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from retainstream.lib.pagination import Page
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.web.template_tools import ago, moment, whole

Answer = Mapping[str, Any]
Counts = Mapping[str, Mapping[str, int]]
STATES = {"open": "Open", "muted": "Muted", "closed": "Gone"}
SEVERITIES = {
    "error": ("bad", "warning", "Serious"),
    "warning": ("warn", "info", "Worth a look"),
    "info": ("", "info", "Note"),
}
"""Tone, shape and word of each, gravest first."""


@dataclass(frozen=True)
class Kind:
    """What a kind of finding is called (`{}` is its subject) while it holds and afterwards, what it means, what to do, and what muting it brings."""

    title: str
    past: str
    meaning: str
    advice: str
    muting: str


KINDS = {
    "feed_silent": Kind(
        "The feed “{}” is silent",
        "The feed “{}” was silent",
        "Training waits for it, and scores may take silence for leaving: both look at what customers did lately.",
        "See whether its sender still runs; its next rows, or a heartbeat, end this by themselves. If it may pause for longer, say so with the feed.",
        "Muting it mutes the feed: training no longer waits for its rows.",
    ),
    "rows_left_out": Kind(
        "The newest load of {} is not complete",
        "A load of {} was not complete",
        "Scores, figures and trainings know nothing of the rows that were left out.",
        "Open the import: it tells what was wrong with each row, and has the bad ones as a file to mend and load again. A load that is undone or "
        "followed by a whole one ends this.",
        "",
    ),
}
_OTHER = Kind("", "", "", "It ends by itself once it no longer holds.", "")


@dataclass(frozen=True)
class Chip:
    """A filter: its word, how many findings it shows, where it leads, and whether it is on."""

    word: str
    count: str
    address: str
    on: bool


@dataclass(frozen=True)
class FindingView:
    """One finding. `act` is what its button does to it: "mute", "unmute" or nothing; `places` are (address, words)."""

    id: int
    anchor: str
    tone: str
    icon: str
    word: str
    title: str
    sentence: str
    meaning: str
    advice: str
    times: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    act: str
    act_note: str


@dataclass(frozen=True)
class Undo:
    """What was done a moment ago, and the form's answer that takes it back."""

    id: int
    message: str
    muted: str
    state: str


@dataclass(frozen=True)
class FindingsView:
    """The whole page; `empty` is the title and the text of what stands there without any finding."""

    headline: str
    lead: str
    state: str
    states: tuple[Chip, ...]
    severities: tuple[Chip, ...]
    items: tuple[FindingView, ...]
    empty: tuple[str, str] | None
    words: str
    following: str
    first: str


def page_view(
    page: Page,
    counts: Counts,
    *,
    state: str,
    severity: str | None,
    later: bool,
    person: Actor,
    feeds: Sequence[str],
) -> FindingsView:
    """Return the page; `feeds` are the names of all feeds in the order of their page, `later` tells of a page after the first."""
    title, lead = headline(counts)
    anchors = {name: f"feed-{index}" for index, name in enumerate(feeds)}
    items = tuple(finding_view(item, person, anchors) for item in page.items)
    of_state = counts[state]
    severities = [
        Chip(word, whole(of_state[key]), address(state, key), key == severity)
        for key, (_, _, word) in SEVERITIES.items()
        if of_state[key] or key == severity
    ]
    all_of_them = Chip("All", whole(sum(of_state.values())), address(state), severity is None)
    return FindingsView(
        headline=title,
        lead=lead,
        state=state,
        states=tuple(
            Chip(word, whole(sum(counts[key].values())), address(key), key == state) for key, word in STATES.items()
        ),
        severities=(all_of_them, *severities) if len(severities) > 1 or severity else (),
        items=items,
        empty=None if items else _empty(counts, state, severity),
        words=f"{whole(page.total)} {'finding' if page.total == 1 else 'findings'}",
        following=address(state, severity, page.next_cursor) if page.next_cursor else "",
        first=address(state, severity) if later else "",
    )


def address(state: str, severity: str | None = None, cursor: str | None = None) -> str:
    """Return where a list of findings stands; the open ones of any severity are the page itself."""
    asked = {
        name: value
        for name, value in (("state", state if state != "open" else None), ("severity", severity), ("cursor", cursor))
        if value
    }
    return f"/data/findings?{urlencode(asked)}" if asked else "/data/findings"


def headline(counts: Counts) -> tuple[str, str]:
    """Return what is wrong as a sentence, and what stands under it."""
    number, grave = sum(counts["open"].values()), counts["open"]["error"]
    if not number:
        muted = sum(counts["muted"].values())
        besides = f" {whole(muted)} {'finding is' if muted == 1 else 'findings are'} muted." if muted else ""
        return "Nothing is known to be wrong with the data.", f"{_WATCHED}{besides}"
    if number == 1:
        return "One thing is wrong with the data.", _MEND if grave else _LOOK
    part = (
        ""
        if not grave
        else ", all serious"
        if grave == number
        else f", {'one' if grave == 1 else whole(grave)} of them serious"
    )
    return f"{whole(number)} things are wrong with the data{part}.", _MEND if grave else _LOOK


_WATCHED = "What the box watches shows up here by itself when it breaks, and leaves when it is mended."
_MEND = "A model learns from the data as it is: mend what is serious before the next training."
_TEACH = (
    "The box learns how often each feed of events and subscriptions arrives, and counts the rows of each file that it had to leave out. When a feed "
    "stops or a load is not complete, it says so here, with what that means for the scores and what to do."
)
_LOOK = "None of it stops anything. Look at it when there is time, or mute what is expected."


def _empty(counts: Counts, state: str, severity: str | None) -> tuple[str, str]:
    if severity is not None:
        return "None of this gravity", "Choose another gravity, or all of them."
    if state == "muted":
        return (
            "Nothing is muted",
            "Mute a finding that is expected, such as a feed that rests over the holidays: it waits here instead, and comes back when you say so.",
        )
    if state == "closed":
        return (
            "Nothing has gone away yet",
            "A finding that was mended is kept here, with when it began and ended, so that a dent in the figures can be explained later.",
        )
    if any(sum(counts[one].values()) for one in ("muted", "closed")):
        return "All clear", "Nothing open needs anybody. What was muted or is over stands behind the words above."
    return "Findings come by themselves", _TEACH


def finding_view(finding: Answer, person: Actor, anchors: Mapping[str, str]) -> FindingView:
    """Return one finding for a person; `anchors` are those of feeds on their page, by name."""
    tone, icon, word = SEVERITIES[str(finding["severity"])]
    state, kind = str(finding["state"]), KINDS.get(str(finding["kind"]), _OTHER)
    holds = state != "closed"
    act = {"open": "mute", "muted": "unmute"}.get(state, "") if person.may(Permission.EVENTS_WRITE) else ""
    return FindingView(
        id=int(finding["id"]),
        anchor=f"finding-{finding['id']}",
        tone=tone if state == "open" else "",
        icon=icon if state == "open" else "lock" if holds else "check",
        word=word if state == "open" else f"{STATES[state]}, {word[0].lower()}{word[1:]}",
        title=title_of(finding),
        sentence=str(finding["message"]),
        meaning=kind.meaning if holds else "",
        advice=kind.advice if state == "open" else "",
        times=_times(finding),
        places=places(finding["detail"], person, anchors),
        act=act,
        act_note=kind.muting if act == "mute" else "",
    )


def title_of(finding: Answer) -> str:
    """Return what a finding is called; one of a kind without words of its own goes by its kind and subject."""
    kind, subject = str(finding["kind"]), str(finding["subject"])
    if kind in KINDS:
        return (KINDS[kind].past if finding["state"] == "closed" else KINDS[kind].title).format(subject)
    words = kind.replace("_", " ").capitalize()
    return f"{words}: {subject}" if subject else words


def _times(finding: Answer) -> tuple[str, ...]:
    """Return since when it holds, where that is known, when it was noticed, and what came after."""
    opened, since = finding["opened_at"], finding["detail"].get("since")
    if finding["closed_at"]:
        return (f"from {moment(since or opened)} to {moment(finding['closed_at'])}",)
    muted = (f"muted {ago(finding['muted_at'])}",) if finding["muted_at"] else ()
    noticed = (f"noticed {moment(opened)}",) if since else ()
    return (f"since {moment(since or opened)} ({ago(since or opened)})", *noticed, *muted)


def places(detail: Answer, person: Actor, anchors: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return where a finding is mended, among the pages that the person may open."""
    found = []
    if (feed := str(detail.get("feed", ""))) in anchors:
        found.append((f"/data/feeds#{anchors[feed]}", "The feed"))
    if isinstance(batch := detail.get("batch_id"), int) and person.may(Permission.IMPORTS_READ):
        found.append((f"/data/imports/{batch}", "The import"))
    if (feature := detail.get("feature")) and person.may(Permission.MODEL_READ):
        found.append((f"/data/features/by-name/{quote(str(feature), safe='')}", "The feature"))
    return tuple(found)


def undo(finding: Answer) -> Undo:
    """Return the offer to take back what was just done to a finding."""
    muted = finding["state"] == "muted"
    said = f"Muted: {title_of(finding)}." if muted else f"It counts again: {title_of(finding)}."
    return Undo(int(finding["id"]), said, "no" if muted else "yes", "open" if muted else "muted")
