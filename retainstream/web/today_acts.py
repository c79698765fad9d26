"""What people do at the desk, from Today and from the page of a customer: take, assign, put off, tick, note, end; and take the last of it back.

An act on a proposal takes it first, in the same unit of work. Each form comes back to where it was sent from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, flash, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.current import box_settings
from retainstream.db import unit_of_work
from retainstream.errors import Conflict, InvalidInput, NotFound, RetainStreamError
from retainstream.lib import clock
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services.desk import acts, board, endings, notes, queue, tasks
from retainstream.services.desk.board import TaskView
from retainstream.web import frame, handing_out, today, today_form, today_undo, today_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.template_tools import day, moment
from retainstream.web.today_form import Place, Refused
from retainstream.web.today_undo import Step
from retainstream.web.today_words import outcome

blueprint = Blueprint("web_today_acts", __name__)
_TYPED_AS = {"due_at": "due"}
"""Field of a task -> its field in the forms, where they are called differently."""
_GONE = "This customer is not in today’s list any more: somebody was quicker."


@dataclass(frozen=True)
class Done:
    """What was done in words, how it is undone, and whether the entry leaves the list."""

    words: str
    steps: tuple[Step, ...]
    leaves: bool = False


Act = Callable[[Session, Actor, Settings, Place], Done]


def _do(act: Act, form: str, *fields: str) -> BaseResponse:
    """Run an act in a unit of work, and come back; a form with a complaint comes back as it was typed."""
    person, settings, sent = signed_in_actor(), box_settings(), today_form.place(request.form)
    try:
        with unit_of_work() as session:
            done = act(session, person, settings, sent)
            undone = today_undo.keep(session, done.words, sent.user_id, done.steps)
    except InvalidInput as wrong:
        if sent.customer:
            flash(_complaint(wrong), "bad")
            return _back(sent, sent.user_id)
        told = {_TYPED_AS.get(name, name): problems for name, problems in wrong.fields.items()}
        refused = Refused(form, today_form.typed(request.form, *fields), told)
        return today.answer(sent.whose, sent.cursor, sent.user_id, refused=refused, status=wrong.status)
    except (Conflict, NotFound) as refusal:
        flash(refusal.message, "bad")
        return _back(sent, "" if sent.task_id is None else sent.user_id)
    flash(done.words + ("" if undone or not done.steps else " It is too much to be undone in one go."), "good")
    return _back(sent, sent.then if done.leaves else sent.user_id)


def _complaint(wrong: InvalidInput) -> str:
    told = [problem for problems in wrong.fields.values() for problem in problems]
    return f"{wrong.message} Expected {', '.join(told)}." if told else wrong.message


def _back(sent: Place, opened: str) -> BaseResponse:
    if sent.customer:
        return go(url_for("web_customer.show", user_id=sent.user_id))
    if frame.wants_fragment():
        return today.answer(sent.whose, sent.cursor, opened)
    return go(today_view.address(sent.whose, open_=opened, cursor=sent.cursor))


def _task(session: Session, person: Actor, settings: Settings, sent: Place) -> tuple[TaskView, tuple[Step, ...]]:
    """Return the task that is meant, and what undoes its making where it is made now.

    Raises
    ------
    Conflict
        For a proposal that is none any more: somebody took it, or it was dealt with.
    """
    if sent.task_id is not None:
        return board.read(session, person, settings, sent.task_id), ()
    _insist_on_proposal(session, person, settings, sent)
    made = tasks.take(session, person, settings, sent.user_id)
    return made, (("drop", made.id, None),)


def _insist_on_proposal(session: Session, person: Actor, settings: Settings, sent: Place) -> None:
    """Raise Conflict where Today proposes somebody no longer, so that a form that is sent twice acts once."""
    if not sent.customer and queue.entry_of(session, person, settings, sent.user_id) is None:
        raise Conflict(_GONE)


@blueprint.post("/today/take")
@requires_page(Permission.TASKS_WRITE)
def take() -> BaseResponse:
    """Take a customer, or a task that nobody has."""

    def act(session: Session, person: Actor, settings: Settings, sent: Place) -> Done:
        found, steps = _task(session, person, settings, sent)
        if not steps:
            if found.owner is not None and found.owner.id == person.user_id:
                return Done(f"{sent.user_id} is yours already.", ())
            steps = (("owner_id", found.id, found.owner.id if found.owner else None),)
            tasks.assign(session, person, settings, found.id, person.user_id)
        return Done(f"{sent.user_id} is yours now.", steps)

    return _do(act, "take")


@blueprint.post("/today/change")
@requires_page(Permission.TASKS_WRITE)
def change() -> BaseResponse:
    """Change who has a task, its date, what kind of act it is, and its play; a proposal is taken with them."""

    def act(session: Session, person: Actor, settings: Settings, sent: Place) -> Done:
        form = request.form
        owner = today_form.chosen_id(form.get("owner_id", ""), "owner_id")
        play = today_form.chosen_id(form.get("play_id", ""), "play_id")
        due, kind = today_form.evening(form.get("due", ""), settings.time_zone, "due"), form.get("kind", "")
        if sent.task_id is None:
            _insist_on_proposal(session, person, settings, sent)
            made = tasks.take(
                session, person, settings, sent.user_id, owner=owner, kind=kind or None, due_at=due, play=play
            )
            return Done(f"{sent.user_id} is {_whose(made, person)} now.", (("drop", made.id, None),))
        found = board.read(session, person, settings, sent.task_id)
        before = {
            "owner_id": found.owner.id if found.owner else None,
            "play_id": found.play.id if found.play else None,
            "due_at": found.due_at,
            "kind": found.kind,
        }
        changes = today_form.differing({"owner_id": owner, "play_id": play, "due_at": due, "kind": kind}, before)
        if not changes:
            return Done("Nothing was different, so nothing was changed.", ())
        made = tasks.change(session, person, settings, found.id, changes)
        words = f"{sent.user_id}: {_whose(made, person)}"
        words += f", by {day(clock.iso(made.due_at))}." if made.due_at is not None else ", without a date."
        return Done(words, tuple((name, found.id, before[name]) for name in changes))

    return _do(act, "change", "owner_id", "play_id", "due", "kind")


def _whose(task: TaskView, person: Actor) -> str:
    if task.owner is None:
        return "nobody’s"
    return "yours" if task.owner.id == person.user_id else f"{task.owner.name}’s"


@blueprint.post("/today/snooze")
@requires_page(Permission.TASKS_WRITE)
def snooze() -> BaseResponse:
    """Put a task off until a day, or wake it; a proposal is taken first."""

    def act(session: Session, person: Actor, settings: Settings, sent: Place) -> Done:
        text = request.form.get("until", "")
        until = None if text == "now" else today_form.morning(text, settings.time_zone, "until")
        found, steps = _task(session, person, settings, sent)
        before: Step = ("snoozed_until", found.id, found.snoozed_until)
        tasks.change(session, person, settings, found.id, {"snoozed_until": until})
        if until is None:
            return Done(f"{sent.user_id} is awake.", (before,))
        return Done(f"{sent.user_id} sleeps until {moment(clock.iso(until))}.", steps or (before,), leaves=True)

    return _do(act, "snooze", "until")


@blueprint.post("/today/step")
@requires_page(Permission.TASKS_WRITE)
def tick() -> BaseResponse:
    """Tick a step of the play, or take the tick back."""

    def act(session: Session, person: Actor, settings: Settings, sent: Place) -> Done:
        number, ticked = request.form.get("step", ""), request.form.get("done") == "1"
        if not number.isascii() or not number.isdigit() or len(number) > 3:
            raise NotFound("There is no such step.")
        found, _ = _task(session, person, settings, sent)
        now = tasks.tick(session, person, settings, found.id, int(number), done=ticked)
        words = f"Step {int(number) + 1} of {sent.user_id} is {'done' if ticked else 'to be done'}."
        if ticked and now.steps[int(number)].kind != acts.INNER:
            words += " Written down as an act."
        return Done(words, (("tick", found.id, [int(number), not ticked]),))

    return _do(act, "step")


@blueprint.post("/today/note")
@requires_page(Permission.TASKS_WRITE)
def note() -> BaseResponse:
    """Write a note about a customer, with the task where there is one."""

    def act(session: Session, person: Actor, _: Settings, sent: Place) -> Done:
        text = request.form.get("text", "")
        written = notes.write(session, person, sent.user_id, text, task_id=sent.task_id)
        return Done(f"Noted about {sent.user_id}.", (("note", written.id, None),))

    return _do(act, "note", "text")


@blueprint.post("/today/note/delete")
@requires_page(Permission.TASKS_WRITE)
def delete_note() -> BaseResponse:
    """Delete a note of one's own."""

    def act(session: Session, person: Actor, _: Settings, sent: Place) -> Done:
        number = request.form.get("note", "")
        if not today_form.is_id(number):
            raise NotFound("There is no such note.")
        notes.remove(session, person, int(number))
        return Done(f"The note about {sent.user_id} is deleted.", ())

    return _do(act, "note")


@blueprint.post("/today/outcome")
@requires_page(Permission.TASKS_WRITE)
def end() -> BaseResponse:
    """End a task with what came of it; a proposal is taken first."""

    def act(session: Session, person: Actor, settings: Settings, sent: Place) -> Done:
        found, steps = _task(session, person, settings, sent)
        reason, chosen = request.form.get("reason", ""), request.form.get("outcome", "")
        endings.end(session, person, settings, found.id, chosen, reason=reason)
        words = f"{sent.user_id}: {outcome(chosen).lower()}. Written down as an act."
        return Done(words, (("reopen", found.id, None), *steps), leaves=True)

    return _do(act, "outcome", "outcome", "reason")


@blueprint.post("/today/drop")
@requires_page(Permission.TASKS_WRITE)
def drop() -> BaseResponse:
    """End a task because nothing was done."""

    def act(session: Session, person: Actor, settings: Settings, sent: Place) -> Done:
        if sent.task_id is None:
            raise Conflict("Only a task that was taken can be dropped.")
        dropped = endings.drop(session, person, settings, sent.task_id, reason=request.form.get("reason", ""))
        acted = "what was ticked stays written down as an act" if dropped.exposed else "no act is written down"
        words = f"The task of {sent.user_id} is dropped; {acted}."
        return Done(words, (("reopen", sent.task_id, None),), leaves=True)

    return _do(act, "drop", "reason")


@blueprint.post("/today/assign")
@requires_page(Permission.TASKS_WRITE)
def assign() -> BaseResponse:
    """Give those who are ticked, or the first that nobody has, to somebody."""
    person, settings, sent = signed_in_actor(), box_settings(), today_form.place(request.form)
    form = request.form
    top = form.get("top", "")
    ticked = [] if top else form.getlist("ticked")
    try:
        if top and not today_form.is_id(top):
            raise InvalidInput("How many is not a number.", fields={"top": ["a number from 1 to 500"]})
        chosen = person.user_id if form.get("me") else today_form.chosen_id(form.get("owner_id", ""), "owner_id")
        with unit_of_work() as session:
            given = handing_out.give(
                session,
                person,
                settings,
                chosen,
                user_ids=ticked,
                top=int(top) if top else None,
                reassign=form.get("reassign") == "1",
                opened=sent.user_id,
            )
    except InvalidInput as wrong:
        flash(_complaint(wrong) if wrong.fields.get("top") else wrong.message, "bad")
        return _back(sent, sent.user_id)
    for words in given.refused:
        flash(words, "bad")
    flash(given.words, "good")
    return _back(sent, sent.user_id)


@blueprint.post("/today/undo")
@requires_page(Permission.TASKS_WRITE)
def undo() -> BaseResponse:
    """Take the last act back."""
    sent, kept = today_form.place(request.form), today_undo.take_out()
    if kept is None:
        flash("There is nothing to take back.", "good")
        return _back(sent, sent.user_id)
    try:
        with unit_of_work() as session:
            today_undo.run(session, signed_in_actor(), box_settings(), kept)
    except RetainStreamError as refusal:
        flash(refusal.message, "bad")
        return _back(sent, sent.user_id)
    flash(f"Taken back: {kept.words}", "good")
    return _back(sent, kept.user_id)
