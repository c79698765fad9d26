"""What the page about feeds shows, as frozen dataclasses made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retainstream.web.template_tools import ago, day, moment, whole

Answer = Mapping[str, Any]
MINUTES, HOURS, DAYS = "minutes", "hours", "days"
UNITS = {MINUTES: 60, HOURS: 3_600, DAYS: 86_400}
SHORTEST, LONGEST = 60, 365 * 86_400
"""Seconds that a person may set; as in the API."""
SILENT, UNKNOWN, ALIVE, FILES, MUTED = "silent", "unknown", "alive", "files", "muted"
_ORDER = (SILENT, UNKNOWN, ALIVE, FILES, MUTED)


@dataclass(frozen=True)
class Typed:
    """What a person typed about one feed, as it was typed."""

    feed: str
    pause: str
    unit: str
    muted: bool


@dataclass(frozen=True)
class FeedView:
    """One feed. `state` is one of `_ORDER`; `pause`, `unit` and `muted` fill its form."""

    key: str
    name: str
    state: str
    tone: str
    icon: str
    word: str
    since: str
    last_arrival: str
    last_arrival_ago: str
    alive_at: str
    rows: str
    span: str
    pace: str
    pause: str
    unit: str
    muted: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeedsView:
    """The whole page."""

    headline: str
    lead: str
    feeds: tuple[FeedView, ...]
    may_write: bool


def page_view(
    feeds: Sequence[Answer],
    *,
    may_write: bool,
    typed: Typed | None = None,
    problems: tuple[str, ...] = (),
) -> FeedsView:
    """Return the page; `typed` with its `problems` stands in the form of its feed."""
    items = [feed_view(feed, f"feed-{index}") for index, feed in enumerate(feeds)]
    if typed is not None:
        items = [_with_typed(item, typed, problems) for item in items]
    items.sort(key=lambda item: _ORDER.index(item.state))
    title, lead = headline(items)
    return FeedsView(title, lead, tuple(items), may_write)


def headline(feeds: Sequence[FeedView]) -> tuple[str, str]:
    """Return the finding about all feeds as a sentence, and what stands under it."""
    if not feeds:
        return (
            "No feed yet.",
            "A feed is a source of events or subscriptions: your app, your billing, a file. This page tells when one stops.",
        )
    silent = [feed for feed in feeds if feed.state == SILENT]
    watched = [feed for feed in feeds if feed.state in (SILENT, ALIVE)]
    if len(silent) == 1:
        return f"The feed “{silent[0].name}” went silent.", _SILENT_LEAD
    if silent:
        return f"{len(silent)} of {len(feeds)} feeds went silent.", _SILENT_LEAD
    if not watched:
        files = all(feed.state == FILES for feed in feeds)
        if files:
            return f"{_feeds(len(feeds))}, {'all ' if len(feeds) > 1 else ''}from files.", _FILES_LEAD
        return f"{_feeds(len(feeds))} on record, none of them watched yet.", _UNWATCHED_LEAD
    one = len(watched) == 1
    return (
        f"{'The feed that is watched is' if one else f'All {len(watched)} feeds that are watched are'} alive.",
        _ALIVE_LEAD,
    )


_SILENT_LEAD = "Customers of whom the data stopped look like customers who stopped: training waits until the feed is mended or muted."
_ALIVE_LEAD = "A feed that pauses for longer than it may is called silent, so that missing data is not taken for missing customers."
_FILES_LEAD = "A file is no sign of life, so these are only measured against one another. Once rows arrive live, or a heartbeat, the clock measures them."
_UNWATCHED_LEAD = "A feed is watched once it was heard of on seven days, or once you say how long it may pause."


def feed_view(feed: Answer, key: str) -> FeedView:
    """Return one feed as a person reads it."""
    state = _state(feed)
    tone, icon, word = _STATES[state]
    pause, unit = spelled(feed["expected_seconds"])
    first, last = feed["first_occurred_at"], feed["last_occurred_at"]
    return FeedView(
        key=key,
        name=str(feed["name"]),
        state=state,
        tone=tone,
        icon=icon,
        word=word,
        since=f"since {moment(feed['silent_since'])}" if feed["silent"] else "",
        last_arrival=moment(feed["last_received_at"]),
        last_arrival_ago=ago(feed["last_received_at"]) if feed["last_received_at"] else "",
        alive_at=f"{moment(feed['heartbeat_at'])}" if feed["live"] else "none: rows came from files",
        rows=whole(feed["rows"]),
        span="–" if first is None else f"{day(first)} to {day(last)}",
        pace=_pace(feed),
        pause=pause,
        unit=unit,
        muted=bool(feed["muted"]),
    )


_STATES = {
    SILENT: ("bad", "warning", "Silent"),
    UNKNOWN: ("", "info", "Not known well enough"),
    ALIVE: ("good", "check", "Alive"),
    FILES: ("", "data", "From files"),
    MUTED: ("", "lock", "Muted"),
}


def _state(feed: Answer) -> str:
    if feed["silent"]:
        return SILENT
    if feed["muted"]:
        return MUTED
    if feed["live"]:
        return UNKNOWN if feed["allowed_pause_seconds"] is None else ALIVE
    return FILES


def _pace(feed: Answer) -> str:
    allowed = feed["allowed_pause_seconds"]
    if allowed is None:
        return "not known yet: it takes arrivals on seven days"
    return f"up to {duration(allowed)}, {'as you set' if feed['expected_seconds'] is not None else 'by its own pace'}"


def duration(seconds: int) -> str:
    """Return a length of time in the largest unit that fits it well."""
    for unit in (DAYS, HOURS, MINUTES):
        count = seconds / UNITS[unit]
        if count >= 2 or unit == MINUTES or count == 1:
            figure = f"{count:.1f}".rstrip("0").rstrip(".")
            return f"{figure} {unit.removesuffix('s') if figure == '1' else unit}"
    raise AssertionError("minutes fit everything")


def spelled(seconds: int | None) -> tuple[str, str]:
    """Return seconds as the form has them: a figure, and the largest unit that it is whole in; nothing for a feed's own pace."""
    if seconds is None:
        return "", HOURS
    unit = next((unit for unit in (DAYS, HOURS) if seconds % UNITS[unit] == 0), MINUTES)
    return f"{seconds / UNITS[unit]:g}", unit


def pause_of(typed: Typed) -> tuple[int | None, tuple[str, ...]]:
    """Return the seconds that a person typed, None for the feed's own pace, and what is wrong with it."""
    if typed.unit not in UNITS:
        return None, ("minutes, hours or days",)
    if not typed.pause:
        return None, ()
    try:
        seconds = round(float(typed.pause.replace(",", ".")) * UNITS[typed.unit])
    except (ValueError, OverflowError):
        return None, ("a number, such as 12, or nothing for its own pace",)
    if not SHORTEST <= seconds <= LONGEST:
        return None, ("a pause from 1 minute to 365 days",)
    return seconds, ()


def _with_typed(item: FeedView, typed: Typed, problems: tuple[str, ...]) -> FeedView:
    if item.name != typed.feed:
        return item
    return replace(item, pause=typed.pause, unit=typed.unit, muted=typed.muted, problems=problems)


def what_changed(feed: Answer) -> str:
    """Return what holds for a feed after a change."""
    if feed["muted"]:
        return f"“{feed['name']}” is muted: its silence does not count."
    if feed["expected_seconds"] is None:
        return f"“{feed['name']}” is measured by its own pace."
    return f"“{feed['name']}” may pause for {duration(feed['expected_seconds'])}."


def _feeds(count: int) -> str:
    return f"{count} feed{'' if count == 1 else 's'}"
