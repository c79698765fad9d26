"""The form of a report: what its fields hold, the choices that it offers, and what it asks the service for."""

from __future__ import annotations

from calendar import day_name
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from retainstream.errors import RetainStreamError
from retainstream.lib.pagination import PageRequest
from retainstream.models import Report
from retainstream.security.actor import Actor
from retainstream.services.customers import asked, views
from retainstream.services.reports import lists, parameters
from retainstream.services.reports.formats import FORMATS
from retainstream.services.reports.subjects import SUBJECTS

EVERY = (("", "Only by hand"), ("day", "Every day"), ("week", "Every week"), ("month", "Every month"))
WEEKDAYS = tuple((str(day), day_name[day]) for day in range(7))
DAYS = (*((str(day), f"{day}.") for day in range(1, 31)), ("31", "last day"))
HOURS = tuple((str(hour), f"{hour:02d}:00") for hour in range(24))
FORMS = tuple((key, one.word) for key, one in FORMATS.items())
_FIELDS = ("name", "what", "format", "every", "weekday", "day", "hour")
_USUAL = {"format": "pdf", "every": "week", "weekday": "0", "day": "1", "hour": "7"}
_LIST = "customers?"
_OF_SERVICE = {"parameters": "what", "subject": "what"}


@dataclass(frozen=True)
class Typed:
    """What stands in the form, and what is wrong with it by field."""

    values: Mapping[str, str]
    problems: Mapping[str, list[str]] = field(default_factory=dict)


def fresh(given: Mapping[str, str]) -> Typed:
    """Return the form of a new report; `given` may say which list (`list`, a query string), or which subject with which parameters."""
    subject, query = given.get("subject", ""), given.get("parameters", "")
    wanted = subject + (f"?{query}" if query else "")
    what = _LIST + given["list"] if "list" in given else wanted if subject in SUBJECTS else "home"
    return Typed({**_USUAL, "name": given.get("name", "")[:80], "what": what})


def of(report: Report) -> Typed:
    """Return the form of a report on record."""
    schedule = {name: str(value) for name, value in (report.schedule or {}).items()}
    what = _LIST + report.query if report.subject == "customers" else report.subject
    if report.query and report.subject != "customers":
        what += f"?{report.query}"
    return Typed({**_USUAL, "every": "", **schedule, "name": report.name, "what": what, "format": report.format})


def sent(form: Mapping[str, str]) -> Typed:
    """Return what somebody sent."""
    return Typed({name: form.get(name, "") for name in _FIELDS})


def wish(typed: Typed) -> dict[str, Any]:
    """Return what the service is asked for."""
    values = typed.values
    subject, _, query = values["what"].partition("?")
    every = values["every"]
    schedule = (
        {"every": every, **{name: _number(values[name]) for name in ("hour", "weekday", "day")}} if every else None
    )
    return {
        "name": values["name"],
        "subject": subject,
        "parameters": query,
        "format": values["format"],
        "schedule": schedule,
    }


def refused(typed: Typed, problems: Mapping[str, list[str]]) -> Typed:
    """Return the form with what the service found wrong, beside its own fields; what belongs to none stands with the list."""
    found: dict[str, list[str]] = {}
    for name, told in problems.items():
        own = _OF_SERVICE.get(name, name)
        found.setdefault(own if own in _FIELDS else "what", []).extend(told)
    return Typed(typed.values, found)


def subjects(session: Session, person: Actor, chosen: str) -> list[tuple[str, str]]:
    """Return value and words of what can be reported: pages, everybody, saved views, and the list that is chosen if it is none of these."""
    found = []
    for key, one in SUBJECTS.items():
        if one.listed or not person.may(one.permission):
            continue
        found.append((key, one.title))
        variants = parameters.offered(session, key)
        found += [(f"{key}?{query}", f"{one.title}: {words}") for query, words in variants]
        if chosen.startswith(f"{key}?") and chosen not in {value for value, _ in found}:
            found.append(
                (chosen, f"{one.title}: {_said(session, key, chosen.removeprefix(f'{key}?'))}".removesuffix(": "))
            )
    if not person.may(SUBJECTS["customers"].permission):
        return found
    kept = views.seen_by(session, person, PageRequest(limit=2 * views.MOST)).items
    found += [(_LIST, "List: everybody who has not left")]
    known = {_LIST}
    for view in kept:
        value = f"{_LIST}{view['parameters']}"
        if value not in known:
            known.add(value)
            found.append((value, f"List: {view['name']}"))
    if chosen.startswith(_LIST) and chosen not in known:
        found.append((chosen, f"List: {_said(session, 'customers', chosen.removeprefix(_LIST))}"[:160]))
    return found


def _said(session: Session, key: str, query: str) -> str:
    """Return what parameters mean, or why they mean nothing any more, as of a segment that is gone: the form is where that is mended."""
    try:
        if SUBJECTS[key].listed:
            return lists.said(session, asked.read_query(query))
        return parameters.said(session, key, parameters.checked(session, key, query))
    except RetainStreamError as gone:
        return gone.message


def _number(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text
