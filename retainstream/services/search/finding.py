"""Finds customers, pages, segments, saved views, plays, reports, open tasks and acts by what somebody typed, in groups by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.customers import views
from retainstream.services.desk import plays
from retainstream.services.reports import saved as kept_reports
from retainstream.services.reports import schedules
from retainstream.services.search import people, places
from retainstream.services.search.places import Place
from retainstream.services.search.ranking import folded, rank
from retainstream.services.segments import saved

LONGEST: Final = 100
TITLES: Final = {
    "customer": "Customers",
    "page": "Pages",
    "act": "Acts",
    "segment": "Segments",
    "view": "Saved views",
    "task": "Open tasks",
    "play": "Plays",
    "report": "Reports",
}
"""Kinds of hits with the title of their group; of two groups whose best hits fit equally well, the one that stands first here comes first."""
_MOST: Final = {"customer": 6, "page": 6, "act": 6}
_MOST_OF_OTHERS: Final = 4
_VIEWS: Final = PageRequest(limit=500)
_KINDS = {"call": "Call", "email": "E-mail", "message": "Message", "offer": "Offer", "visit": "Visit", "other": "Task"}


@dataclass(frozen=True)
class Hit:
    """One thing found, and the page that it leads to; an act with `posts` is done by sending `fields` there.

    `facts` are figures and instants behind the words of `detail`, for whoever shows them in another form.
    """

    kind: str
    title: str
    detail: str
    address: str
    icon: str
    rank: int
    posts: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        told = {name: getattr(self, name) for name in ("kind", "title", "detail", "address", "posts")}
        return {**told, "fields": dict(self.fields), "facts": dict(self.facts)}


@dataclass(frozen=True)
class Group:
    """The hits of one kind, the best first; `more` is where all of them are, empty when these are all or nothing lists them."""

    kind: str
    hits: tuple[Hit, ...]
    more: str = ""

    @property
    def title(self) -> str:
        """Return what the group is called."""
        return TITLES[self.kind]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "kind": self.kind,
            "title": self.title,
            "items": [hit.to_dict() for hit in self.hits],
            "more": self.more or None,
        }


def clean(text: str) -> str:
    """Return what somebody typed as it is searched for: printable, with single spaces, and not too long."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST].strip()


def find(session: Session, actor: Actor, text: str) -> tuple[Group, ...]:
    """Return what fits a text, in groups: first the group whose best hit fits best.

    Only what the actor may open is there: nothing leads to an answer 403. An empty text answers with the pages and acts.

    Parameters
    ----------
    text : str
        At most `LONGEST` characters are looked at. Case does not count.
    """
    asked = clean(text)
    wanted = folded(asked)
    found = {
        "act": [_place("act", place, wanted) for place in places.offered(actor, places.ACTS)],
        "page": [_place("page", place, wanted) for place in places.offered(actor, places.PAGES)],
    }
    groups = {kind: _group(kind, filter(None, hits), in_order=not asked) for kind, hits in found.items()}
    if asked:
        for finder in (_of_customers, _of_plays, _of_reports):
            groups |= finder(session, actor, asked)
    # While nothing is asked for, what can be done stands above where one can go.
    ranked = [group for kind in (TITLES if asked else found) if (group := groups.get(kind)) is not None and group.hits]
    return tuple(sorted(ranked, key=lambda group: group.hits[0].rank))


def _group(kind: str, hits: Iterable[Hit], more: str = "", *, in_order: bool = False) -> Group:
    every = list(hits) if in_order else sorted(hits, key=lambda hit: hit.rank)
    most = len(every) if in_order else _MOST.get(kind, _MOST_OF_OTHERS)
    return Group(kind, tuple(every[:most]), more if len(every) > most else "")


def _place(kind: str, place: Place, wanted: str) -> Hit | None:
    fits = rank(wanted, place.title, place.also)
    if fits is None:
        return None
    return Hit(kind, place.title, place.detail, place.address, place.icon, fits, place.posts, place.fields)


def _named(kind: str, icon: str, wanted: str, things: Iterable[tuple[str, str, str]]) -> list[Hit]:
    """Return the hits among things with a name, a detail and an address."""
    return [
        Hit(kind, name, detail, address, icon, fits)
        for name, detail, address in things
        if (fits := rank(wanted, name)) is not None
    ]


def _of_customers(session: Session, actor: Actor, asked: str) -> dict[str, Group]:
    """Return what only somebody who may read customers finds: them, segments of them, kept lists, and what is to be done for them."""
    if not actor.may(Permission.CUSTOMERS_READ):
        return {}
    wanted = folded(asked)
    persons = people.customers(session, asked, personal=actor.may(Permission.CUSTOMERS_PERSONAL))
    found = {
        "customer": _group("customer", map(_person, persons), f"/customers?{urlencode({'q': asked, 'status': 'all'})}"),
        "segment": _group(
            "segment",
            _named(
                "segment", "segments", wanted,
                ((one.name, one.description, f"/customers?{urlencode({'cell': one.cell, 'status': 'all'})}") for one in saved.listed(session)),
            ),
        ),
        "view": _group(
            "view",
            _named(
                "view", "bookmark", wanted,
                (
                    (str(one["name"]), "" if one["mine"] else f"of {one['owner']}", f"/customers?{one['parameters']}")
                    for one in views.seen_by(session, actor, _VIEWS).items
                ),
            ),
        ),
    }  # fmt: skip
    if actor.may(Permission.TASKS_READ):
        tasks = people.open_tasks(session, asked, persons)
        found["task"] = _group("task", map(_task, tasks))
    return found


def _person(one: people.Person) -> Hit:
    band = None if one.band is None else f"{one.band.replace('_', ' ')} risk"
    told = (one.name, one.email, one.plan, "left" if one.left else band)
    facts = {"user_id": one.user_id, "risk_band": one.band, "plan": one.plan}
    detail = " · ".join(part for part in told if part)
    return Hit("customer", one.user_id, detail, _page_of(one.user_id), "people", one.rank, facts=facts)


def _page_of(user_id: str) -> str:
    return f"/customers/{quote(user_id, safe='/')}"


def _task(one: people.OpenTask) -> Hit:
    told = (one.play, f"of {one.owner}" if one.owner else "nobody has it yet")
    facts = {"user_id": one.user_id, "due_at": clock.iso(one.due_at)}
    detail = " · ".join(part for part in told if part)
    address = f"{_page_of(one.user_id)}#task"
    return Hit("task", f"{_KINDS[one.kind]}: {one.user_id}", detail, address, "today", one.rank, facts=facts)


def _of_plays(session: Session, actor: Actor, asked: str) -> dict[str, Group]:
    if not actor.may(Permission.TASKS_READ):
        return {}
    to: Callable[[int], str] = lambda _: "/today/plays"  # noqa: E731 - one of two ways to the same thing
    if actor.may(Permission.PLAYS_WRITE):
        to = "/today/plays/{}".format
    things = ((play.name, play.description, to(play.id)) for play in plays.listed(session, actor))
    return {"play": _group("play", _named("play", "today", folded(asked), things))}


def _of_reports(session: Session, actor: Actor, asked: str) -> dict[str, Group]:
    if not actor.may(Permission.DASHBOARD_READ):
        return {}
    things = (
        (one.report.name, f"{one.subject.title} · {schedules.words(one.report.schedule)}", f"/reports/{one.report.id}")
        for one in kept_reports.every(session, actor)
    )
    return {"report": _group("report", _named("report", "report", folded(asked), things))}
