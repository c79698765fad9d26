"""Shapes of the desk: today's list, tasks, how they end, notes, and how dates are kept. Plays have shapes of their own in `schemas.plays`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from retainstream.models.desk import ACT_KINDS, OUTCOMES
from retainstream.schemas.base import MomentField, Schema
from retainstream.schemas.customers import MoneySchema, ReasonSchema, segments_field
from retainstream.schemas.paging import (
    LARGEST_ID,
    MOMENT,
    ListSchema,
    PageQuerySchema,
    TrueOrFalse,
    id_field,
    plain_text,
    text_field,
)

KIND = ma.validate.OneOf(ACT_KINDS)
OUTCOME = ma.validate.OneOf(OUTCOMES)
STATES = ("open", "done", "dropped")
STANDINGS = ("awake", "overdue", "due_today", "upcoming", "snoozed")
WHOSE = ("team", "mine", "unassigned")
_MOST = 500
_STANDINGS = ("overdue", "due_today", "upcoming", "snoozed", "done", "dropped")


def _lines(value: str) -> None:
    """Refuse what no note holds; unlike other texts it may have several lines."""
    plain_text(value.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))


def note_field(shortest: int = 1, **options: Any) -> ma.fields.String:
    """Return a field for the text of a note, which may have several lines."""
    return ma.fields.String(validate=[ma.validate.Length(min=shortest, max=4_000), _lines], **options)


def _moment(what: str = "") -> ma.fields.String:
    return ma.fields.String(required=True, allow_none=True, metadata={**MOMENT, "description": what})


class OwnerField(ma.fields.String):
    """`team`, `mine`, `unassigned`, or somebody's id."""

    EXPECTED = f"one of {', '.join(WHOSE)}, or the id of a person"
    default_error_messages = {"invalid": EXPECTED, "invalid_utf8": EXPECTED}  # noqa: RUF012 - the parent declares it so

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text in WHOSE:
            return text
        if text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= LARGEST_ID:
            return int(text)
        raise self.make_error("invalid")


class PersonSchema(Schema):
    """Somebody of the team."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class PlayRefSchema(Schema):
    """A play by id and name."""

    id = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)


class StepSchema(Schema):
    """A step of a task."""

    text = ma.fields.String(required=True)
    kind = ma.fields.String(required=True, validate=KIND)
    done_at = _moment("When it was ticked")
    done_by = ma.fields.Nested(PersonSchema, required=True, allow_none=True)


class TaskSchema(Schema):
    """Something to do for one customer."""

    id = ma.fields.Integer(required=True)
    user_id = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    standing = ma.fields.String(required=True, validate=ma.validate.OneOf(_STANDINGS))
    kind = ma.fields.String(required=True, validate=KIND)
    source = ma.fields.String(
        required=True,
        metadata={"description": "`queue`: today's list proposed it; `desk`: taken for a customer of choice"},
    )
    play = ma.fields.Nested(PlayRefSchema, required=True, allow_none=True)
    steps = ma.fields.List(ma.fields.Nested(StepSchema), required=True)
    owner = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    due_at = _moment()
    snoozed_until = _moment()
    run_id = ma.fields.Integer(required=True, allow_none=True)
    churn_probability = ma.fields.Float(
        required=True, allow_none=True, metadata={"description": "Known when the task was made"}
    )
    net_gain = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    outcome = ma.fields.String(required=True, allow_none=True, validate=OUTCOME)
    outcome_reason = ma.fields.String(required=True, allow_none=True)
    exposed = ma.fields.Boolean(
        required=True, metadata={"description": "Its end, or a ticked step, is written down as an act on the customer"}
    )
    created_at = _moment()
    created_by = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    updated_at = _moment()
    ended_at = _moment()
    ended_by = ma.fields.Nested(PersonSchema, required=True, allow_none=True)


class TaskListSchema(ListSchema):
    """Tasks, newest first."""

    items = ma.fields.List(ma.fields.Nested(TaskSchema), required=True)


class LastActSchema(Schema):
    """The last act on a customer."""

    at = _moment()
    kind = ma.fields.String(required=True)


class EntrySchema(Schema):
    """A line of today's list: an open task, or a proposal, whose `task` is null."""

    state = ma.fields.String(
        required=True, validate=ma.validate.OneOf(("overdue", "due_today", "upcoming", "proposed"))
    )
    user_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True, allow_none=True)
    email = ma.fields.String(required=True, allow_none=True)
    phone = ma.fields.String(required=True, allow_none=True)
    plan = ma.fields.String(required=True, allow_none=True)
    revenue = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    churn_probability = ma.fields.Float(required=True, allow_none=True)
    risk_percentile = ma.fields.Float(required=True, allow_none=True)
    interval = ma.fields.List(ma.fields.Float(), required=True, allow_none=True)
    confidence = ma.fields.Float(required=True, allow_none=True)
    risk_band = ma.fields.String(required=True, allow_none=True)
    net_gain = ma.fields.Nested(
        MoneySchema,
        required=True,
        allow_none=True,
        metadata={"description": "Expected from reaching the customer: acceptance x probability x value - cost"},
    )
    reasons = ma.fields.List(
        ma.fields.Nested(ReasonSchema), required=True, metadata={"description": "The script of a call, strongest first"}
    )
    task = ma.fields.Nested(TaskSchema, required=True, allow_none=True)
    play = ma.fields.Nested(PlayRefSchema, required=True, allow_none=True)
    notes = ma.fields.Integer(required=True, metadata={"description": "How many notes there are"})
    last_act = ma.fields.Nested(LastActSchema, required=True, allow_none=True)


class DeskCountsSchema(Schema):
    """Counts of the whole team's desk."""

    proposed_total = ma.fields.Integer(
        required=True, metadata={"description": "Who could be proposed, also beyond today's capacity"}
    )
    held_out = ma.fields.Integer(
        required=True, metadata={"description": "Who would be, and are left alone for good: the permanent hold-out"}
    )
    resting = ma.fields.Integer(required=True, metadata={"description": "Who were treated within the rest days"})
    open = ma.fields.Integer(required=True)
    snoozed = ma.fields.Integer(required=True)
    overdue = ma.fields.Integer(required=True)
    due_today = ma.fields.Integer(required=True)
    unassigned = ma.fields.Integer(required=True)
    done_today = ma.fields.Integer(required=True)


class TodaySchema(ListSchema):
    """Today's list: due tasks first, then tasks and proposals by net gain, within the team's capacity."""

    items = ma.fields.List(ma.fields.Nested(EntrySchema), required=True)
    as_of = _moment("The day that the scores look at")
    run_id = ma.fields.Integer(required=True, allow_none=True)
    measure = ma.fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf(("net_gain", "rank")),
        metadata={"description": "`rank` times relative worth while probabilities are withheld; null without scores"},
    )
    valued_by = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(("lifetime_value", "revenue", "set_value")),
        metadata={"description": "What most customers' worth is told from; `set_value`: all are worth what was set"},
    )
    capacity = ma.fields.Integer(required=True)
    used = ma.fields.Integer(required=True, metadata={"description": "Done, due or taken today"})
    expected_gain = ma.fields.Nested(MoneySchema, required=True, allow_none=True)
    empty = ma.fields.String(
        required=True,
        allow_none=True,
        validate=ma.validate.OneOf(("no_customers", "no_scores", "nothing_pays", "all_taken", "capacity_used")),
        metadata={"description": "Why nobody is proposed; null where somebody is"},
    )
    counts = ma.fields.Nested(DeskCountsSchema, required=True)


class TodayQuerySchema(PageQuerySchema):
    """Whose part of today's list, and which page of it."""

    owner = OwnerField(
        load_default="team",
        metadata={
            "description": "`team`, `mine`, `unassigned` (proposals too), or somebody's id",
            "example": "team",
        },
    )
    segment = segments_field()


class TaskQuerySchema(PageQuerySchema):
    """Which tasks."""

    state = ma.fields.String(load_default=None, validate=ma.validate.OneOf(STATES))
    owner = OwnerField(
        load_default="team",
        metadata={"description": "`team`, `mine`, `unassigned`, or somebody's id", "example": "mine"},
    )
    user_id = text_field(200, 1, load_default=None)
    segment = segments_field()
    outcome = ma.fields.String(load_default=None, validate=OUTCOME)
    due_before = MomentField(load_default=None)
    standing = ma.fields.String(
        load_default=None,
        validate=ma.validate.OneOf(STANDINGS),
        metadata={"description": "How open tasks stand; `awake` are all that are not snoozed"},
    )
    play_id = ma.fields.Integer(load_default=None, validate=ma.validate.Range(min=1, max=2**53))
    ended_after = MomentField(load_default=None, metadata={"description": "Those that ended then or later"})


class TaskInputSchema(Schema):
    """A customer to take as a task."""

    user_id = text_field(200, 1, required=True)
    owner_id = id_field(allow_none=True, metadata={"description": "The caller where it is left out, nobody for null"})
    kind = ma.fields.String(validate=KIND, metadata={"description": "That of the play by default, or a call"})
    due_at = MomentField(metadata={"description": "After the preferred number of days where it is left out"})
    play_id = id_field(
        allow_none=True,
        metadata={"description": "The one that fits the reasons where it is left out, none for null"},
    )


class StepTickSchema(Schema):
    """A step to tick, counted from 0. One of any kind but `other` is written down as an act on the customer; taking the tick back voids it."""

    step = ma.fields.Integer(required=True, strict=True, validate=ma.validate.Range(min=0, max=99))
    done = TrueOrFalse(load_default=True)


class TaskChangeSchema(Schema):
    """What to change of an open task; what is left out stays, and null clears."""

    owner_id = id_field(allow_none=True)
    due_at = MomentField(allow_none=True, metadata={"description": "From today until a year ahead"})
    snoozed_until = MomentField(
        allow_none=True, metadata={"description": "Later than now, until a year ahead; null wakes it"}
    )
    kind = ma.fields.String(validate=KIND)
    play_id = id_field(allow_none=True, metadata={"description": "Its steps take the place of the present ones"})
    steps = ma.fields.List(ma.fields.Nested(StepTickSchema), validate=ma.validate.Length(max=100))
    only_if_free = TrueOrFalse(
        load_default=False,
        metadata={"description": "409 when somebody else owns the task: of two who reach for it, one gets it"},
    )


class OutcomeInputSchema(Schema):
    """What came of a task. `left` is what somebody was told: it does not change whether the customer counts as churned."""

    outcome = ma.fields.String(required=True, validate=OUTCOME)
    reason = text_field(300, load_default="", metadata={"description": "Why; needed for `left` and `wrong`"})
    note = note_field(0, load_default="", metadata={"description": "Needs `customers:personal`"})


class DropInputSchema(Schema):
    """Why nothing was done."""

    reason = text_field(300, load_default="")


class AssignInputSchema(Schema):
    """Whom to give to whom."""

    owner_id = id_field(required=True)
    user_ids = ma.fields.List(text_field(200, 1), load_default=list, validate=ma.validate.Length(max=_MOST))
    top = ma.fields.Integer(
        strict=True,
        load_default=None,
        validate=ma.validate.Range(min=1, max=_MOST),
        metadata={"description": "Instead of `user_ids`: so many from the top of the unassigned part of today's list"},
    )
    reassign = TrueOrFalse(load_default=False, metadata={"description": "Take tasks from others, too"})


class AssignedSchema(Schema):
    """What became of one customer."""

    user_id = ma.fields.String(required=True)
    result = ma.fields.String(required=True, validate=ma.validate.OneOf(("taken", "given", "unchanged", "refused")))
    task_id = ma.fields.Integer(required=True, allow_none=True)
    message = ma.fields.String(required=True, allow_none=True)


class AssignmentSchema(Schema):
    """What became of each, in the order that was asked for."""

    items = ma.fields.List(ma.fields.Nested(AssignedSchema), required=True)


class KeptSchema(Schema):
    """How one person, or the team, keeps dates."""

    owner = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    open = ma.fields.Integer(required=True)
    overdue = ma.fields.Integer(required=True)
    due_today = ma.fields.Integer(required=True)
    snoozed = ma.fields.Integer(required=True)
    ended_7 = ma.fields.Integer(required=True, metadata={"description": "With an outcome, in the last 7 days"})
    ended_30 = ma.fields.Integer(required=True)
    median_hours = ma.fields.Float(required=True, allow_none=True, metadata={"description": "From taking to end"})
    in_time = ma.fields.Float(required=True, allow_none=True, metadata={"description": "Share that ended by its date"})


class SlaSchema(Schema):
    """How dates are kept."""

    team = ma.fields.Nested(KeptSchema, required=True)
    unassigned = ma.fields.Nested(KeptSchema, required=True)
    owners = ma.fields.List(ma.fields.Nested(KeptSchema), required=True)


class NoteSchema(Schema):
    """What somebody wrote down about a customer."""

    id = ma.fields.Integer(required=True)
    user_id = ma.fields.String(required=True)
    task_id = ma.fields.Integer(required=True, allow_none=True)
    at = _moment()
    author = ma.fields.Nested(PersonSchema, required=True, allow_none=True)
    text = ma.fields.String(required=True)
    pinned = ma.fields.Boolean(required=True)
    mine = ma.fields.Boolean(required=True, metadata={"description": "The caller wrote it, and may delete it"})


class NoteListSchema(ListSchema):
    """A customer's notes, newest first."""

    items = ma.fields.List(ma.fields.Nested(NoteSchema), required=True)


class NoteInputSchema(Schema):
    """A note to write."""

    text = note_field(required=True)
    task_id = id_field(load_default=None, allow_none=True)
    pinned = TrueOrFalse(load_default=False)
