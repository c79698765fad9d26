"""What a report of an analysis can be told beside its subject: the parameters of its page's address, checked, and in words.

The parameters of a list of customers are `services.customers.asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.services.cohorts import grids
from retainstream.services.revenue import calendar
from retainstream.services.survival import grouping

Check = Callable[[Session, str], str]
"""Takes a value, raises InvalidInput for one that is none, and returns it in words; empty for the one that counts unless somebody chooses."""
_UNITS = {"month": "", "week": "by week"}
_GRIDS = {"contract": "", "activity": "by what they did"}


def _one_of(name: str, words: Mapping[str, str]) -> Check:
    def check(_: Session, value: str) -> str:
        if value not in words:
            raise InvalidInput(f"There is no {name} {value[:40]!r}.", fields={name: [f"one of {', '.join(words)}"]})
        return words[value]

    return check


def _by(session: Session, value: str) -> str:
    choice = grouping.chosen(session, value)
    return f"by {choice.title}" if choice.key != grouping.ALL else ""


def _month(_: Session, value: str) -> str:
    return f"to {calendar.name(calendar.period(value))}"


TAKEN: dict[str, dict[str, Check]] = {
    "cohorts": {"unit": _one_of("unit", _UNITS), "grid": _one_of("grid", _GRIDS)},
    "survival": {"by": _by},
    "revenue": {"month": _month},
}
"""Subject -> its parameters, as the address of its page names them; other subjects take none."""


def read(query: str) -> dict[str, str]:
    """Return what a query string on record says."""
    return dict(parse_qsl(query))


def checked(session: Session, subject: str, query: str) -> str:
    """Return a query string in one canonical form: without what would count anyway.

    Raises
    ------
    InvalidInput
        Naming `parameters`, for a name that the subject does not take, for one that comes twice, and for a value that is none of its.
    """
    taken = TAKEN.get(subject, {})
    try:
        pairs = parse_qsl(
            query.removeprefix("?"), keep_blank_values=True, strict_parsing=bool(query), max_num_fields=20
        )
    except ValueError as bad:
        raise _refused("a query string such as " + "&".join(f"{name}=..." for name in taken)) from bad
    given = dict(pairs)
    if len(pairs) != len(given):
        raise _refused("each name once")
    if unknown := [name for name in given if name not in taken]:
        raise _refused(f"no {unknown[0][:40]!r}; taken: {', '.join(taken) or 'nothing for this subject'}")
    kept = []
    for name, check in taken.items():
        value = given.get(name, "").strip()
        if not value:
            continue
        try:
            words = check(session, value)
        except InvalidInput as bad:
            told = "; ".join(each for every in bad.fields.values() for each in every)
            raise _refused(f"{name}: {told}") from bad
        if words:
            kept.append((name, value))
    return urlencode(kept)


def said(session: Session, subject: str, query: str) -> str:
    """Return what parameters on record mean, in words such as "by week"; empty for none. Raises InvalidInput for what there is no longer."""
    given = read(query)
    words = (check(session, given[name]) for name, check in TAKEN.get(subject, {}).items() if name in given)
    return ", ".join(word for word in words if word)


def offered(session: Session, subject: str) -> list[tuple[str, str]]:
    """Return the query strings that a form offers for a subject, each with its words; not those of single months, which go out of date."""
    if subject == "cohorts":
        pairs = [{"unit": unit, "grid": grid} for grid in grids.GRIDS for unit in grids.UNITS]
    elif subject == "survival":
        pairs = [{"by": choice.key} for choice in grouping.choices(session) if choice.key != grouping.ALL]
    else:
        pairs = []
    queries = [
        urlencode({name: value for name, value in one.items() if TAKEN[subject][name](session, value)}) for one in pairs
    ]
    return [(query, said(session, subject, query)) for query in queries if query]


def _refused(expected: str) -> InvalidInput:
    return InvalidInput("These parameters are none of this report's.", fields={"parameters": [expected]})
