"""Routes of the desk: today's list for scripts to pull, tasks, and outcomes for them to write back. Notes and plays have modules of their own."""

from __future__ import annotations

from typing import Any

from flask import Response

from retainstream.api.base import (
    API_PREFIX,
    ApiBlueprint,
    ErrorSchema,
    actor,
    json_response,
    path_id,
    requires,
    with_etag,
)
from retainstream.api.idempotency import idempotent
from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput
from retainstream.schemas.paging import page_request
from retainstream.schemas.tasks import (
    AssignInputSchema,
    AssignmentSchema,
    DropInputSchema,
    OutcomeInputSchema,
    SlaSchema,
    TaskChangeSchema,
    TaskInputSchema,
    TaskListSchema,
    TaskQuerySchema,
    TaskSchema,
    TodayQuerySchema,
    TodaySchema,
)
from retainstream.security.permissions import Permission
from retainstream.services.desk import assigning, board, endings, queue, sla, tasks

blueprint = ApiBlueprint("tasks", "/tasks", "The desk: today's list, tasks and how they end")
_NO_TASK = "There is no such task."
_HAS_ENDED = "The task has ended."
_UNCHANGED = "Nothing changed since the ETag that was sent."


@blueprint.route("/today", methods=["GET"])
@requires(Permission.TASKS_READ)
@blueprint.arguments(TodayQuerySchema, location="query")
@blueprint.response(200, TodaySchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def today(query: dict[str, Any]) -> Response:
    """Return today's list: due tasks, then tasks and customers worth reaching by expected net gain, within the team's capacity."""
    with read_unit() as session:
        found = queue.read(
            session, actor(), box_settings(), query["owner"], page_request(query), cells=query["segment"]
        )
    return with_etag(found.to_dict())


@blueprint.route("/sla", methods=["GET"])
@requires(Permission.TASKS_READ)
@blueprint.response(200, SlaSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
def dates_kept() -> Response:
    """Return what is open and late, and how long ended tasks took, by owner."""
    with read_unit() as session:
        return with_etag(sla.read(session, actor(), box_settings()).to_dict())


@blueprint.route("", methods=["GET"])
@requires(Permission.TASKS_READ)
@blueprint.arguments(TaskQuerySchema, location="query")
@blueprint.response(200, TaskListSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such customer.")
def list_tasks(query: dict[str, Any]) -> Response:
    """List tasks, newest first."""
    owner = query["owner"]
    owner_id = {"team": None, "mine": actor().user_id or 0, "unassigned": 0}.get(owner, owner)
    narrowed = ("state", "user_id", "outcome", "play_id", "due_before", "standing", "ended_after")
    wanted = board.Wanted(owner_id=owner_id, cells=query["segment"], **{name: query[name] for name in narrowed})
    with read_unit() as session:
        return with_etag(board.listing(session, actor(), box_settings(), wanted, page_request(query)).to_dict())


@blueprint.route("", methods=["POST"])
@requires(Permission.TASKS_WRITE)
@idempotent
@blueprint.arguments(TaskInputSchema)
@blueprint.response(201, TaskSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such customer or play.")
@blueprint.alt_response(
    409,
    schema=ErrorSchema,
    description="The customer has an open task (`detail` names it and who has it), or belongs to the permanent hold-out.",
)
def take(sent: dict[str, Any]) -> Response:
    """Take a customer as a task: one that today's list proposes, or any other."""
    with unit_of_work() as session:
        found = tasks.take(
            session,
            actor(),
            box_settings(),
            sent["user_id"],
            owner=sent.get("owner_id", "me"),
            kind=sent.get("kind"),
            due_at=sent.get("due_at"),
            play=sent.get("play_id", "proposed"),
        )
    return json_response(found.to_dict(), 201, {"Location": f"{API_PREFIX}/tasks/{found.id}"})


@blueprint.route("/assign", methods=["POST"])
@requires(Permission.TASKS_WRITE)
@blueprint.arguments(AssignInputSchema)
@blueprint.response(200, AssignmentSchema)
def assign(sent: dict[str, Any]) -> Response:
    """Give many customers or tasks to one person, each wholly or not at all; the answer tells what became of each."""
    with unit_of_work() as session:
        found = assigning.assign_many(
            session,
            actor(),
            box_settings(),
            sent["owner_id"],
            user_ids=sent["user_ids"],
            top=sent["top"],
            reassign=sent["reassign"],
        )
    return json_response({"items": [one.to_dict() for one in found]})


@blueprint.route("/<string:task_id>", methods=["GET"])
@requires(Permission.TASKS_READ)
@blueprint.response(200, TaskSchema)
@blueprint.alt_response(304, description=_UNCHANGED)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_TASK)
def read(task_id: str) -> Response:
    """Return one task."""
    with read_unit() as session:
        return with_etag(board.read(session, actor(), box_settings(), path_id(task_id, "task")).to_dict())


@blueprint.route("/<string:task_id>", methods=["PATCH"])
@requires(Permission.TASKS_WRITE)
@blueprint.arguments(TaskChangeSchema)
@blueprint.response(200, TaskSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description="There is no such task, play or step.")
@blueprint.alt_response(
    409, schema=ErrorSchema, description="The task has ended, or somebody owns it although it must be free."
)
def change(sent: dict[str, Any], task_id: str) -> Response:
    """Change owner, date, sleep, kind or play of an open task, and tick its steps."""
    wanted: dict[str, Any] = {name: sent[name] for name in tasks.CHANGEABLE if name in sent}
    one = path_id(task_id, "task")
    steps = sent.get("steps") or []
    if not wanted and not steps:
        raise InvalidInput("Nothing was named that is to change.", fields={"body": ["at least one field"]})
    with unit_of_work() as session:
        if wanted:
            found = tasks.change(session, actor(), box_settings(), one, wanted, only_if_free=sent["only_if_free"])
        for step in steps:
            found = tasks.tick(session, actor(), box_settings(), one, step["step"], done=step["done"])
    return json_response(found.to_dict())


@blueprint.route("/<string:task_id>/outcome", methods=["POST"])
@requires(Permission.TASKS_WRITE)
@idempotent
@blueprint.arguments(OutcomeInputSchema)
@blueprint.response(200, TaskSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_TASK)
@blueprint.alt_response(
    409, schema=ErrorSchema, description="The task has ended, or the customer came into the permanent hold-out since."
)
def end(sent: dict[str, Any], task_id: str) -> Response:
    """End a task with what came of it. The act on the customer is written down in the same breath, unless a step was ticked within the day."""
    with unit_of_work() as session:
        found = endings.end(
            session,
            actor(),
            box_settings(),
            path_id(task_id, "task"),
            sent["outcome"],
            reason=sent["reason"],
            note=sent["note"],
        )
    return json_response(found.to_dict())


@blueprint.route("/<string:task_id>/drop", methods=["POST"])
@requires(Permission.TASKS_WRITE)
@blueprint.arguments(DropInputSchema)
@blueprint.response(200, TaskSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_TASK)
@blueprint.alt_response(409, schema=ErrorSchema, description=_HAS_ENDED)
def drop(sent: dict[str, Any], task_id: str) -> Response:
    """End a task because nothing was done: no act is written down; without a ticked act, what its taking wrote down about the hold-out is voided."""
    with unit_of_work() as session:
        found = endings.drop(session, actor(), box_settings(), path_id(task_id, "task"), reason=sent["reason"])
    return json_response(found.to_dict())


@blueprint.route("/<string:task_id>/reopen", methods=["POST"])
@requires(Permission.TASKS_WRITE)
@blueprint.response(200, TaskSchema)
@blueprint.alt_response(404, schema=ErrorSchema, description=_NO_TASK)
@blueprint.alt_response(409, schema=ErrorSchema, description="The task is open, or the customer has another open one.")
def reopen(task_id: str) -> Response:
    """Take back how a task ended, and the act that its end wrote down."""
    with unit_of_work() as session:
        found = endings.reopen(session, actor(), box_settings(), path_id(task_id, "task"))
    return json_response(found.to_dict())
