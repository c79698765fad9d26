"""What people send from Today and from the page of a customer: where they stood, days, owners, plays. Reads forms, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.services.desk.queue import Whose

_LONGEST = 500


@dataclass(frozen=True)
class Place:
    """Where a form was sent from: a part of the list and its page, who is meant, and who stood below.

    `task_id` is None for a proposal. `customer` is True for a form of the page of a customer, which is where its sender comes back to.
    """

    whose: str
    cursor: str
    user_id: str
    then: str
    task_id: int | None
    customer: bool


@dataclass(frozen=True)
class Refused:
    """A form that could not be done: which, what was typed, and what is wrong with it. `form` is note, outcome, change, snooze or assign."""

    form: str = ""
    values: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)


NOTHING_REFUSED = Refused()


def place(sent: Mapping[str, str]) -> Place:
    """Return where a form was sent from."""
    task = sent.get("task", "")
    return Place(
        whose=sent.get("whose", "")[:40] or "team",
        cursor=sent.get("cursor", "")[:_LONGEST],
        user_id=sent.get("user_id", "")[:_LONGEST],
        then=sent.get("then", "")[:_LONGEST],
        task_id=int(task) if is_id(task) else None,
        customer=sent.get("from") == "customer",
    )


def segment_of(text: str) -> int | None:
    """Return the segment whose part of the team's list is asked for, as `segment:3`; None for another part."""
    number = text.removeprefix("segment:")
    return int(number) if number != text and is_id(number) else None


def whose_of(text: str) -> Whose:
    """Return whose part of the list is asked for, of a segment the team's; raises InvalidInput."""
    if segment_of(text) is not None:
        return "team"
    if text in ("team", "mine", "unassigned"):
        return text  # type: ignore[return-value]
    if is_id(text):
        return int(text)
    raise InvalidInput(
        "There is no such part of the list.", fields={"whose": ["team, mine, unassigned, an id, or segment:<id>"]}
    )


def is_id(text: str) -> bool:
    """Tell whether a text is the id of something."""
    return text.isascii() and text.isdigit() and 0 < len(text) < 16 and int(text) > 0


def chosen_id(text: str, name: str) -> int | None:
    """Return the id that a choice stands for, None for nobody or nothing; raises InvalidInput naming the field."""
    if text in ("", "0"):
        return None
    if not is_id(text):
        raise InvalidInput("That is not one of the choices.", fields={name: ["one of the choices"]})
    return int(text)


def morning(text: str, time_zone: str, name: str) -> int:
    """Return the first instant of a typed day, or of tomorrow for `tomorrow`, microseconds UTC; raises InvalidInput naming the field."""
    zone = ZoneInfo(time_zone)
    tomorrow = clock.now().astimezone(zone).date() + timedelta(days=1)
    chosen = tomorrow if text == "tomorrow" else _day(text, name)
    return clock.to_us(datetime.combine(chosen, time.min, tzinfo=zone))


def evening(text: str, time_zone: str, name: str) -> int | None:
    """Return the last microsecond of a typed day, None where none was typed; raises InvalidInput naming the field."""
    if not text:
        return None
    following = _day(text, name) + timedelta(days=1)
    return clock.to_us(datetime.combine(following, time.min, tzinfo=ZoneInfo(time_zone))) - 1


def _day(text: str, name: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not 2000 <= found.year <= 2200:
        raise InvalidInput("That is not a day.", fields={name: ["a date such as 2026-03-31"]})
    return found


def typed(sent: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return what was typed into some fields, for a form that comes back with complaints."""
    return {name: sent.get(name, "")[:4_100] for name in names}


def differing(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wanted otherwise than it is."""
    return {name: value for name, value in wanted.items() if value != present[name]}
