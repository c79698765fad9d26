"""Reads everything that Today shows: the list, the open entry with its notes and play, capacity, and how dates are kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotFound
from retainstream.lib.money import money
from retainstream.lib.pagination import PageRequest
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.desk import notes, people, plays, queue, sla, tried
from retainstream.services.desk.people import Person
from retainstream.services.desk.plays import PlayView
from retainstream.services.desk.queue import Entry, Today
from retainstream.services.desk.sla import Sla
from retainstream.services.segments import saved
from retainstream.web import today_form, today_undo, today_view, today_words
from retainstream.web.template_tools import cash
from retainstream.web.today_undo import Undo
from retainstream.web.today_view import EntryView, KeptRow, NoteLine, Row

PAGE = 25
_NOTES = PageRequest(limit=5)
Tab = tuple[str, str, str]


@dataclass(frozen=True)
class May:
    """What the person in front of the desk may do."""

    write: bool
    personal: bool
    plays: bool
    export: bool
    settings: bool


@dataclass(frozen=True)
class Opened:
    """The entry beside the list, with its notes (None for those who may not read them), how many there are, and the steps of a play not begun yet."""

    view: EntryView
    notes: tuple[NoteLine, ...] | None
    notes_total: int
    planned: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Everything on the page. `missing` names a customer who was asked for and is not in the list, `segments` are (address of a part, name)."""

    whose: str
    cursor: str
    title: str
    lead: str
    parts: tuple[Tab, ...]
    segments: tuple[tuple[str, str], ...]
    today: Today
    rows: tuple[Row, ...]
    opened: Opened | None
    asked: bool
    missing: str
    people: tuple[Person, ...]
    plays: tuple[PlayView, ...]
    sla: Sla
    kept: tuple[KeptRow, ...]
    empty: tuple[str, str]
    why_nobody: str
    beyond: tuple[str, str] | None
    following: str
    first: str
    gain: str
    took: str
    undo: Undo | None
    me: int
    may: May


def may_of(person: Actor) -> May:
    """Return what a person may do at the desk."""
    return May(
        write=person.may(Permission.TASKS_WRITE),
        personal=person.may(Permission.CUSTOMERS_PERSONAL),
        plays=person.may(Permission.PLAYS_WRITE),
        export=person.may(Permission.CUSTOMERS_EXPORT),
        settings=person.may(Permission.SETTINGS_WRITE),
    )


def read(session: Session, person: Actor, settings: Settings, whose: str, cursor: str, wanted: str) -> Page:
    """Return the page; `wanted` is whose entry was asked for, or nobody.

    Raises
    ------
    InvalidInput
        For a part of the list that there is not, and for a cursor of another list.
    """
    part = today_form.whose_of(whose)
    segment = today_form.segment_of(whose)
    within = () if segment is None else (saved.read(session, segment).cell,)
    today = queue.read(session, person, settings, part, PageRequest(PAGE, cursor or None), cells=within)
    entry = _chosen(session, person, settings, today, wanted)
    shown = today_view.rows(today, whose, cursor, entry.user_id if entry else "")
    team = people.assignable(session)
    owner = _name(session, part) if isinstance(part, int) else ""
    segments = tuple((one.cell, one.name) for one in saved.listed(session))
    group = dict(segments).get(whose, "")
    dates = sla.read(session, person, settings)
    proposed = sum(row.state == "proposed" for row in shown)
    return Page(
        whose=whose,
        cursor=cursor,
        title=today_words.title(today, whose, owner, group),
        lead=today_words.lead(today),
        parts=_parts(whose, owner or group, _open_of(dates, person)),
        segments=segments,
        today=today,
        rows=shown,
        opened=None if entry is None else opened(session, person, settings, entry, _below(shown, entry)),
        asked=bool(wanted),
        missing=wanted if wanted and entry is None else "",
        people=team,
        plays=plays.listed(session, person),
        sla=dates,
        kept=today_view.kept_rows(dates),
        empty=today_words.empty(today, whose),
        why_nobody=today_words.why_nobody(today) if whose == "team" else "",
        beyond=today_words.beyond(today, proposed)
        if whose == "team" and not cursor and not today.next_cursor and today.empty in ("", "capacity_used")
        else None,
        following=today_view.address(whose, cursor=today.next_cursor) if today.next_cursor else "",
        first=today_view.address(whose),
        gain="–"
        if today.expected_gain_minor is None
        else cash(money(today.expected_gain_minor, today.currency), short=True),
        took=today_words.kept(dates.team),
        undo=today_undo.offered(),
        me=person.user_id or 0,
        may=may_of(person),
    )


def _chosen(session: Session, person: Actor, settings: Settings, today: Today, wanted: str) -> Entry | None:
    if not wanted:
        return today.entries[0] if today.entries else None
    for entry in today.entries:
        if entry.user_id == wanted:
            return entry
    try:
        return queue.entry_of(session, person, settings, wanted)
    except NotFound:
        return None


def opened(session: Session, person: Actor, settings: Settings, entry: Entry, then: str) -> Opened:
    """Return an entry in full; `then` is who stands below it."""
    counts = None if entry.play is None else tried.of_plays(session, person).get(entry.play.id, tried.NEVER)
    planned: tuple[str, ...] = ()
    if entry.task is None and entry.play is not None:
        planned = tuple(step["text"] for step in plays.read(session, person, entry.play.id).steps)
    found = notes.of_customer(session, person, entry.user_id, _NOTES) if may_of(person).personal else None
    return Opened(
        view=today_view.entry_view(entry, counts, then, settings.time_zone),
        notes=None if found is None else today_view.note_lines(found.items),
        notes_total=entry.notes if found is None else found.total,
        planned=planned,
    )


def _below(rows: tuple[Row, ...], entry: Entry) -> str:
    return next((row.then for row in rows if row.user_id == entry.user_id), "")


def _name(session: Session, owner: int) -> str:
    found = people.named(session, [owner]).get(owner)
    if found is None:
        raise NotFound("There is nobody with that number.")
    return found.name


def _open_of(dates: Sla, person: Actor) -> int:
    return next((one.open for one in dates.owners if one.owner and one.owner.id == person.user_id), 0)


def _parts(whose: str, owner: str, mine: int) -> tuple[Tab, ...]:
    words = {"team": "Team", "mine": f"Mine {mine:,}" if mine else "Mine", "unassigned": "Not taken"}
    found = [(key, word, today_view.address(key)) for key, word in words.items()]
    if owner:
        found.append((whose, owner, today_view.address(whose)))
    return tuple(found)
