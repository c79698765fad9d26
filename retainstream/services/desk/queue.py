"""Today's list: open tasks that are awake, and customers worth reaching whom nobody has taken yet, within what the team can do in a day. Never writes.

Tasks that are due come first, then tasks that were taken and proposals together, each by net gain. Nobody of the permanent hold-out is ever in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.lib.pagination import FIRST_PAGE, PageRequest
from retainstream.models import Customer, Exposure, Identity, Note, Task
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import exposures, predictions
from retainstream.services.customers import cells as figures
from retainstream.services.desk import board, order, plays, standing
from retainstream.services.desk.board import PlayRef, TaskView
from retainstream.services.desk.order import Line
from retainstream.services.desk.people import Person
from retainstream.services.desk.standing import Standing

Whose = order.Whose
"""Whose part of the list: see `order.Whose`."""


@dataclass(frozen=True)
class Act:
    """The last act on a customer; `at` in microseconds UTC."""

    at: int
    kind: str

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {"at": clock.iso(self.at), "kind": self.kind}


@dataclass(frozen=True)
class Entry:
    """One line of today's list: a task, or a proposal (`task` None).

    Attributes
    ----------
    state : {"overdue", "due_today", "upcoming", "proposed"}
    name, email, phone : str or None
        None without the permission to see personal details.
    revenue : dict or None
        Monthly, as `{"amount_minor", "currency"}`.
    probability, percentile, interval, confidence, band
        The score in force, as `services.predictions` presents it; None where there is none, or where it is withheld.
    net_gain_minor : int or None
        Expected from reaching the customer, in minor units of `currency`, by the score in force; for a task of a customer who has none, what it was when
        the task was made. None while probabilities are withheld.
    reasons : tuple of dict
        The call script, strongest first: see `ml.wording.Reason`.
    play : PlayRef or None
        The task's, or the one that fits the reasons of a proposal.
    notes : int
        How many notes there are about the customer.
    """

    state: str
    customer_id: int
    user_id: str
    name: str | None
    email: str | None
    phone: str | None
    plan: str | None
    revenue: dict[str, int | str] | None
    probability: float | None
    percentile: float | None
    interval: tuple[float, float] | None
    confidence: float | None
    band: str | None
    net_gain_minor: int | None
    currency: str
    reasons: tuple[dict[str, Any], ...]
    task: TaskView | None
    play: PlayRef | None
    notes: int
    last_act: Act | None

    @property
    def owner(self) -> Person | None:
        """Return who has it."""
        return None if self.task is None else self.task.owner

    @property
    def due_at(self) -> int | None:
        """Return until when it is to be done, microseconds UTC."""
        return None if self.task is None else self.task.due_at

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "state": self.state,
            "user_id": self.user_id,
            "name": self.name,
            "email": self.email,
            "phone": self.phone,
            "plan": self.plan,
            "revenue": self.revenue,
            "churn_probability": self.probability,
            "risk_percentile": self.percentile,
            "interval": None if self.interval is None else list(self.interval),
            "confidence": self.confidence,
            "risk_band": self.band,
            "net_gain": money(self.net_gain_minor, self.currency),
            "reasons": list(self.reasons),
            "task": self.task and self.task.to_dict(),
            "play": self.play and self.play.to_dict(),
            "notes": self.notes,
            "last_act": self.last_act and self.last_act.to_dict(),
        }


@dataclass(frozen=True)
class Counts:
    """Counts of the whole team's desk, whatever part of the list is asked for.

    `proposed_total` are all who could be proposed, also beyond today's capacity: with a net gain above 0 where it is known. `held_out` are those who
    would be, or have an open task, and are left alone for good; `resting` those who were treated within the rest days. `open` counts tasks that are awake.
    """

    proposed_total: int
    held_out: int
    resting: int
    open: int
    snoozed: int
    overdue: int
    due_today: int
    unassigned: int
    done_today: int

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return dict(vars(self))


@dataclass(frozen=True)
class Today:
    """Today's list.

    Attributes
    ----------
    now, as_of : int, int or None
        When this was read, and the day that the scores look at; microseconds UTC.
    run_id : int or None
        The newest complete scoring run of the champion.
    measure : {"net_gain", "rank"} or None
        What the list is ranked by: expected net gain, or the risk's rank times relative worth while probabilities are withheld; None without scores.
    valued_by : {"lifetime_value", "revenue", "set_value"}
        What most customers' worth is told from: see `worth.Worth`.
    capacity, used : int
        What the team can do in a day, and how much of today's is done, due or taken.
    entries : tuple of Entry
        One page.
    total : int
        Length of the part of the list that was asked for.
    expected_gain_minor : int or None
        Sum of the net gains of that part, minor units of `currency`; None while probabilities are withheld and without scores.
    empty : str
        Why nobody is proposed: `no_customers`, `no_scores`, `nothing_pays` (no net gain above 0), `all_taken` (everybody worth it is taken, rests or is
        held out), `capacity_used`; empty where somebody is.
    """

    now: int
    as_of: int | None
    run_id: int | None
    measure: str | None
    valued_by: str
    capacity: int
    used: int
    currency: str
    entries: tuple[Entry, ...]
    total: int
    next_cursor: str | None
    expected_gain_minor: int | None
    empty: str
    counts: Counts

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "as_of": clock.iso(self.as_of),
            "run_id": self.run_id,
            "measure": self.measure,
            "valued_by": self.valued_by,
            "capacity": self.capacity,
            "used": self.used,
            "items": [entry.to_dict() for entry in self.entries],
            "total": self.total,
            "next_cursor": self.next_cursor,
            "expected_gain": money(self.expected_gain_minor, self.currency),
            "empty": self.empty or None,
            "counts": self.counts.to_dict(),
        }


def read(
    session: Session,
    actor: Actor,
    settings: Settings,
    whose: Whose = "team",
    request: PageRequest = FIRST_PAGE,
    *,
    cells: Sequence[str] = (),
) -> Today:
    """Return a page of today's list.

    Parameters
    ----------
    cells : sequence of str
        Addresses of figures, such as segments: only lines of customers whom all of them count. What the team can do in a day stays what it is, so
        that this leaves lines out and brings none in.

    Raises
    ------
    InvalidInput
        For a cursor of another list, and for an address that leads nowhere.
    Forbidden
        Without the permission to read tasks.
    """
    actor.require(Permission.TASKS_READ)
    desk = standing.read(session, settings)
    every = order.within(order.lines(desk, actor, whose), [figures.read(session, one).ids for one in cells])
    shown, following = order.page(every, request)
    gains = [line.gain for line in every if line.gain is not None]
    known = desk.ranking.run_id is not None and desk.ranking.gains is not None
    return Today(
        now=desk.now,
        as_of=desk.ranking.as_of,
        run_id=desk.ranking.run_id,
        measure=None if desk.ranking.run_id is None else "rank" if desk.ranking.gains is None else "net_gain",
        valued_by=desk.ranking.valued_by,
        capacity=desk.capacity,
        used=desk.used,
        currency=settings.currency,
        entries=_entries(session, actor, settings, shown),
        total=len(every),
        next_cursor=following,
        expected_gain_minor=sum(gains) if known else None,
        empty=_why_empty(desk),
        counts=_counts(desk),
    )


def entry_of(session: Session, actor: Actor, settings: Settings, user_id: str) -> Entry | None:
    """Return the line of one customer as it stands in the team's list, also beyond the page; None when it is not in it. Raises NotFound."""
    actor.require(Permission.TASKS_READ)
    customer_id = board.require_customer(session, user_id).id
    every = order.lines(standing.read(session, settings), actor, "team")
    found = [line for line in every if line.customer_id == customer_id]
    return _entries(session, actor, settings, found)[0] if found else None


def _counts(desk: Standing) -> Counts:
    states = [desk.state_of(task.due_at) for task in desk.tasks]
    return Counts(
        proposed_total=len(desk.candidates),
        held_out=desk.held,
        resting=len(desk.resting),
        open=len(desk.tasks),
        snoozed=desk.snoozed,
        overdue=states.count("overdue"),
        due_today=states.count("due_today"),
        unassigned=sum(task.owner_id is None for task in desk.tasks),
        done_today=desk.done_today,
    )


def _why_empty(desk: Standing) -> str:
    if not desk.ranking.customers:
        return "no_customers"
    if not len(desk.ranking.ids):
        return "no_scores"
    if not desk.ranking.worth:
        return "nothing_pays"
    if not len(desk.candidates):
        return "all_taken"
    return "" if len(desk.proposals) else "capacity_used"


def _entries(session: Session, actor: Actor, settings: Settings, lines: Sequence[Line]) -> tuple[Entry, ...]:
    """Present lines: everything about them is read by one query of each kind."""
    ids = [line.customer_id for line in lines]
    rows = select(Customer, Identity).join(Identity, Identity.customer_id == Customer.id).where(Customer.id.in_(ids))
    who = {customer.id: (customer, identity) for customer, identity in session.execute(rows)}
    scores = predictions.scores_of(session, ids) if actor.may(Permission.PREDICTIONS_READ) else {}
    tasks = session.scalars(select(Task).where(Task.id.in_([line.task_id for line in lines if line.task_id])))
    views = {task.id: task for task in board.views(session, settings, tasks.all())}
    noted = select(Note.customer_id, func.count()).where(Note.customer_id.in_(ids)).group_by(Note.customer_id)
    notes: dict[int, int] = dict(session.execute(noted).all())
    acts, fitting = _last_acts(session, ids), plays.proposer(session)
    personal = actor.may(Permission.CUSTOMERS_PERSONAL)
    found = []
    for line in lines:
        customer, identity = who[line.customer_id]
        score: dict[str, Any] = scores.get(customer.id) or predictions.NO_SCORE
        task = views.get(line.task_id or 0)
        found.append(
            Entry(
                state=line.state,
                customer_id=customer.id,
                user_id=identity.user_id,
                name=identity.name if personal else None,
                email=identity.email if personal else None,
                phone=identity.phone if personal else None,
                plan=customer.plan,
                revenue=money(customer.revenue_minor, customer.currency or settings.currency),
                probability=score["churn_probability"],
                percentile=score["risk_percentile"],
                interval=None if score["interval"] is None else tuple(score["interval"]),
                confidence=score["confidence"],
                band=score["risk_band"],
                net_gain_minor=line.gain,
                currency=settings.currency,
                reasons=tuple(score["reasons"]),
                task=task,
                play=fitting(score["reasons"]) if task is None else task.play,
                notes=notes.get(customer.id, 0),
                last_act=acts.get(customer.id),
            )
        )
    return tuple(found)


def _last_acts(session: Session, ids: Sequence[int]) -> dict[int, Act]:
    treated = (Exposure.customer_id.in_(ids), Exposure.arm == exposures.TREATED, Exposure.stands())
    rows = session.execute(
        select(Exposure.customer_id, Exposure.at, Exposure.kind).where(*treated).order_by(Exposure.at, Exposure.id)
    )
    return {customer: Act(at, kind) for customer, at, kind in rows}
