"""What Today shows, as frozen dataclasses made from the services' answers: the rows, the open entry, a task and its notes. No database and no request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.services.desk.board import Step, TaskView
from retainstream.services.desk.notes import NoteView
from retainstream.services.desk.queue import Entry, Today
from retainstream.services.desk.sla import Kept, Sla
from retainstream.services.desk.tried import Tried
from retainstream.web import customer_view
from retainstream.web.customer_view import BAND_WORDS, ReasonView
from retainstream.web.template_tools import ago, cash, day, moment, percent
from retainstream.web.today_words import KINDS, followed, initials, kept, outcome

_TONES = {"overdue": "bad", "due_today": "warn"}


@dataclass(frozen=True)
class Row:
    """One line of the list. `state` is overdue, due_today, upcoming or proposed; `ring` is 0 to 100; `then` is who stands below, or nobody."""

    number: int
    user_id: str
    address: str
    part: str
    about: str
    band: str
    band_word: str
    figure: str
    gain: str
    state: str
    state_word: str
    tone: str
    owner: str
    initials: str
    notes: int
    here: bool
    then: str


@dataclass(frozen=True)
class StepView:
    """A step of a task; `words` say by whom and when it was done."""

    number: int
    text: str
    kind: str
    done: bool
    words: str


@dataclass(frozen=True)
class TaskPanel:
    """A task. `due_day` is a date such as 2026-03-31, empty without one; `ended` says how it ended, empty while it is open."""

    id: int
    standing: str
    word: str
    tone: str
    kind: str
    kind_word: str
    play_id: int | None
    play: str
    steps: tuple[StepView, ...]
    owner_id: int | None
    owner: str
    due: str
    due_day: str
    asleep: str
    taken: str
    ended: str
    reason: str


@dataclass(frozen=True)
class NoteLine:
    """A note: its text, who wrote it and when, and whether the reader may delete it."""

    id: int
    text: str
    who: str
    when: str
    mine: bool


@dataclass(frozen=True)
class EntryView:
    """The open entry. `task` is None for a proposal; `play` is the play that would be begun, and `play_words` what followed where it was tried."""

    user_id: str
    name: str
    email: str
    phone: str
    about: str
    band: str
    band_word: str
    figure: str
    certainty: str
    gain: str
    reasons: tuple[ReasonView, ...]
    task: TaskPanel | None
    state_word: str
    tone: str
    play_id: int | None
    play: str
    play_words: str
    last_act: str
    then: str


@dataclass(frozen=True)
class KeptRow:
    """How one person keeps dates; `whose` goes into addresses, `today` opens their part of the list."""

    name: str
    whose: str
    today: str
    figures: Kept
    in_time: str
    took: str


def address(whose: str, *, open_: str = "", cursor: str = "") -> str:
    """Return the page's address of a part of the list, with an entry opened."""
    wanted = {"whose": whose if whose != "team" else "", "cursor": cursor, "open": open_}
    query = urlencode({name: value for name, value in wanted.items() if value})
    return f"/today?{query}" if query else "/today"


def customer_address(user_id: str) -> str:
    """Return the address of a customer's page; an identifier may hold anything."""
    return f"/customers/{quote(user_id, safe='/')}"


def rows(today: Today, whose: str, cursor: str, opened: str) -> tuple[Row, ...]:
    """Return the page's lines; `opened` is whose entry stands beside them."""
    following = [*(entry.user_id for entry in today.entries[1:]), ""][: len(today.entries)]
    return tuple(
        _row(number, entry, then, whose, cursor, entry.user_id == opened)
        for number, (entry, then) in enumerate(zip(today.entries, following, strict=True), start=1)
    )


def _row(number: int, entry: Entry, then: str, whose: str, cursor: str, here: bool) -> Row:
    word, tone = standing_words(entry.state, entry.due_at)
    part = urlencode({"open": entry.user_id, "whose": whose, "cursor": cursor, "then": then})
    owner = entry.owner.name if entry.owner else ""
    return Row(
        number=number,
        user_id=entry.user_id,
        address=address(whose, open_=entry.user_id, cursor=cursor),
        part=f"/today/entry?{part}",
        about=_about(entry),
        band=entry.band or "",
        band_word=BAND_WORDS.get(entry.band or "", "Not scored"),
        figure=_figure(entry),
        gain=cash(money(entry.net_gain_minor, entry.currency), short=True) if entry.net_gain_minor is not None else "",
        state=entry.state,
        state_word=word,
        tone=tone,
        owner=owner,
        initials=initials(owner) if owner else "",
        notes=entry.notes,
        here=here,
        then=then,
    )


def entry_view(entry: Entry, tried: Tried | None, then: str, time_zone: str) -> EntryView:
    """Return an entry in full; `tried` is what followed where its play was tried."""
    task = entry.task
    word, tone = standing_words(entry.state, entry.due_at)
    return EntryView(
        user_id=entry.user_id,
        name=entry.name or "",
        email=entry.email or "",
        phone=entry.phone or "",
        about=_about(entry),
        band=entry.band or "",
        band_word=BAND_WORDS.get(entry.band or "", "Not scored"),
        figure=_figure(entry),
        certainty=_certainty(entry),
        gain="–" if entry.net_gain_minor is None else cash(money(entry.net_gain_minor, entry.currency)),
        reasons=tuple(customer_view.reasons(entry.reasons)),
        task=None if task is None else panel(task, time_zone),
        state_word=word,
        tone=tone,
        play_id=entry.play.id if entry.play else None,
        play=entry.play.name if entry.play else "",
        play_words=followed(tried) if entry.play and tried else "",
        last_act=f"{KINDS.get(entry.last_act.kind, entry.last_act.kind)}, {ago(clock.iso(entry.last_act.at))}"
        if entry.last_act
        else "",
        then=then,
    )


def panel(task: TaskView, time_zone: str) -> TaskPanel:
    """Return a task as a panel."""
    word, tone = standing_words(task.standing, task.due_at)
    by = f" by {task.created_by.name}" if task.created_by else ""
    ended = ""
    if task.state != "open":
        how = outcome(task.outcome) if task.outcome else "Dropped: nothing was done"
        ended = f"{how}, {moment(clock.iso(task.ended_at))}" + (f", {task.ended_by.name}" if task.ended_by else "")
    return TaskPanel(
        id=task.id,
        standing=task.standing,
        word=word,
        tone=tone,
        kind=task.kind,
        kind_word=KINDS[task.kind],
        play_id=task.play.id if task.play else None,
        play=task.play.name if task.play else "",
        steps=tuple(_step(number, step) for number, step in enumerate(task.steps)),
        owner_id=task.owner.id if task.owner else None,
        owner=task.owner.name if task.owner else "",
        due=day(clock.iso(task.due_at)) if task.due_at is not None else "",
        due_day=_date(task.due_at, time_zone),
        asleep=moment(clock.iso(task.snoozed_until)) if task.standing == "snoozed" else "",
        taken=f"Taken {moment(clock.iso(task.created_at))}{by}",
        ended=ended,
        reason=task.outcome_reason or "",
    )


def _step(number: int, step: Step) -> StepView:
    words = ""
    if step.done_at is not None:
        words = moment(clock.iso(step.done_at)) + (f", {step.done_by.name}" if step.done_by else "")
    return StepView(
        number, step.text, "" if step.kind == "other" else KINDS[step.kind], step.done_at is not None, words
    )


def standing_words(standing: str, due_at: int | None) -> tuple[str, str]:
    """Return how a task or proposal stands in words, with its tone: bad, warn or nothing."""
    due = day(clock.iso(due_at)) if due_at is not None else ""
    words = {
        "proposed": "Proposed",
        "overdue": f"Overdue since {due}",
        "due_today": "Due today",
        "upcoming": f"By {due}" if due else "No date",
        "snoozed": "Asleep",
        "done": "Done",
        "dropped": "Dropped",
    }
    return words[standing], _TONES.get(standing, "")


def note_lines(notes: Sequence[NoteView]) -> tuple[NoteLine, ...]:
    """Return notes as lines."""
    return tuple(
        NoteLine(note.id, note.text, note.author.name if note.author else "", moment(clock.iso(note.at)), note.mine)
        for note in notes
    )


def kept_rows(found: Sla) -> tuple[KeptRow, ...]:
    """Return how each owner keeps dates, and what nobody owns, where it is anything."""
    lines = [_kept_row(one.owner.name, str(one.owner.id), one) for one in found.owners if one.owner]
    return tuple([*lines, _kept_row("Nobody yet", "0", found.unassigned)] if found.unassigned.open else lines)


def _kept_row(name: str, owner: str, figures: Kept) -> KeptRow:
    today = address("unassigned" if owner == "0" else owner)
    return KeptRow(name, owner, today, figures, percent(figures.in_time, 0), kept(figures) if figures.ended_30 else "–")


def _about(entry: Entry) -> str:
    parts = [entry.plan or "No plan"]
    if entry.revenue:
        parts.append(f"{cash(entry.revenue)} a month")
    return " · ".join(parts)


def _figure(entry: Entry) -> str:
    """Return the risk: a probability, or how few are riskier where it is withheld."""
    if entry.probability is not None:
        return percent(entry.probability, 0 if entry.probability >= 0.1 else 1)
    if entry.percentile is None:
        return "–"
    return f"Top {max(1, round(100 * (1 - entry.percentile)))}%"


def _certainty(entry: Entry) -> str:
    if entry.probability is None or entry.interval is None:
        return ""
    low, high = entry.interval
    digits = 0 if high >= 0.1 else 1
    return f"{percent(low, digits)}–{percent(high, digits)}"


def _date(at: int | None, time_zone: str) -> str:
    if at is None:
        return ""
    local: datetime = clock.from_us(at).astimezone(ZoneInfo(time_zone))
    return f"{local:%Y-%m-%d}"
