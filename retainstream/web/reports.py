"""The pages of reports: the list, one with its files, the form, and making, pausing, deleting. Their API is `api.reports`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, current_app, flash, render_template, request, send_file
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Conflict, Forbidden, InvalidInput, RetainStreamError
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services.customers import asked
from retainstream.services.reports import files, lists, parameters, saved
from retainstream.services.reports.saved import ReportView
from retainstream.web import current_jobs, frame, reports_form, reports_view
from retainstream.web.browser_session import go
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.reports_form import Typed

blueprint = Blueprint("web_reports", __name__)
PAGE = 30


def _may_read() -> Callable[[Any], bool]:
    person = signed_in_actor()
    return lambda file: saved.may_read_file(person, file)


@blueprint.get("/reports")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """List the reports that the person may read; while one is being made, HTMX asks for the list again."""
    person = signed_in_actor()
    with read_unit() as session:
        lines = [reports_view.line(view, _may_read()) for view in saved.every(session, person)]
        content: dict[str, Any] = {"lines": lines, "busy": any(line.busy for line in lines)}
        if frame.wants_fragment():
            return current_app.make_response(render_template("reports/_list.html", **content))
        return frame.page(
            session, "reports/reports.html", here="reports", may_write=person.may(saved.WRITES), **content
        )


@blueprint.get("/reports/new")
@requires_page(Permission.CUSTOMERS_EXPORT)
def new() -> BaseResponse:
    """Show the form of a new report."""
    with read_unit() as session:
        return _form(session, reports_form.fresh(request.args))


def _form(session: Session, typed: Typed, view: ReportView | None = None, status: int = 200) -> BaseResponse:
    try:
        what = reports_form.subjects(session, signed_in_actor(), typed.values["what"])
    except RetainStreamError as bad:  # a list that is none, or no longer
        typed = reports_form.refused(typed, {"what": [bad.message]})
        what, status = reports_form.subjects(session, signed_in_actor(), ""), 422
    return frame.page(
        session,
        "reports/form.html",
        here="reports",
        status=status,
        form=typed,
        what=what,
        choices=reports_form,
        view=view,
        time_zone=box_settings().time_zone,
    )


@blueprint.post("/reports")
@requires_page(Permission.CUSTOMERS_EXPORT)
def create() -> BaseResponse:
    """Keep a report, and have its first file made when that is asked for."""
    person, typed = signed_in_actor(), reports_form.sent(request.form)
    try:
        with unit_of_work() as session:
            report = saved.create(session, person, box_settings(), reports_form.wish(typed))
            if request.form.get("now") == "1":
                saved.request(session, person, report.id)
    except (InvalidInput, Conflict) as bad:
        with read_unit() as session:
            return _form(session, reports_form.refused(typed, bad.fields or {"name": [bad.message]}), status=bad.status)
    flash(f"Kept the report “{report.name}”.", "good")
    return go(f"/reports/{report.id}")


@blueprint.get("/reports/<int:report_id>")
@requires_page(Permission.DASHBOARD_READ)
def one(report_id: int) -> BaseResponse:
    """Show a report and its files; while it is being made, HTMX asks for its progress again."""
    person = signed_in_actor()
    with read_unit() as session:
        view = saved.one(session, person, report_id)
        found = files.listed(session, person, report_id, PageRequest(PAGE, request.args.get("cursor") or None))
        work = next((job for job in current_jobs.read(session).open if job.id == view.job), None)
        content = reports_view.page(
            view,
            found,
            work,
            may_read=_may_read(),
            may_make=person.may(saved.WRITES),
            listed=_said(session, view),
        )
        if frame.wants_fragment():
            return current_app.make_response(render_template("reports/_files.html", view=content))
        return frame.page(session, "reports/report.html", here="reports", view=content)


def _said(session: Session, view: ReportView) -> str:
    try:
        if not view.subject.listed:
            words = parameters.said(session, view.subject.key, view.report.query)
            return f"{words[:1].upper()}{words[1:]}." if words else ""
        return lists.said(session, asked.read_query(view.report.query))
    except RetainStreamError as gone:  # such as a segment that was deleted since
        return gone.message


@blueprint.get("/reports/<int:report_id>/edit")
@requires_page(Permission.CUSTOMERS_EXPORT)
def edit(report_id: int) -> BaseResponse:
    """Show the form of a report on record."""
    with read_unit() as session:
        view = saved.one(session, signed_in_actor(), report_id)
        if not view.may_change:
            raise Forbidden(f"Only {view.owner}, whose report this is, can change it, or an administrator.")
        return _form(session, reports_form.of(view.report), view)


@blueprint.post("/reports/<int:report_id>/edit")
@requires_page(Permission.CUSTOMERS_EXPORT)
def change(report_id: int) -> BaseResponse:
    """Change a report."""
    person, typed = signed_in_actor(), reports_form.sent(request.form)
    wish = reports_form.wish(typed)
    try:
        with unit_of_work() as session:
            kept = saved.one(session, person, report_id).report
            if wish.pop("subject") != kept.subject:
                raise InvalidInput(
                    "A report keeps its subject.",
                    fields={"what": ["the same subject as before; make a new report for another one"]},
                )
            if wish["schedule"] == reports_form.wish(reports_form.of(kept))["schedule"]:
                del wish["schedule"]  # one that rests goes on resting
            saved.change(session, person, box_settings(), report_id, wish)
    except InvalidInput as bad:
        with read_unit() as session:
            view = saved.one(session, person, report_id)
            return _form(session, reports_form.refused(typed, bad.fields), view, bad.status)
    flash("Changed. What was made before stays as it is.", "good")
    return go(f"/reports/{report_id}")


@blueprint.post("/reports/<int:report_id>/make")
@requires_page(Permission.CUSTOMERS_EXPORT)
def make(report_id: int) -> BaseResponse:
    """Have a report made now."""
    try:
        with unit_of_work() as session:
            saved.request(session, signed_in_actor(), report_id)
    except Conflict:
        flash("It is being made already.", "bad")
    else:
        flash("The report is being made; this page shows it when it is there.", "good")
    return go(f"/reports/{report_id}")


@blueprint.post("/reports/<int:report_id>/pause")
@requires_page(Permission.CUSTOMERS_EXPORT)
def pause(report_id: int) -> BaseResponse:
    """Let a schedule rest, or go on."""
    rests = request.form.get("paused") == "1"
    with unit_of_work() as session:
        saved.change(session, signed_in_actor(), box_settings(), report_id, {"paused": rests})
    flash("Paused: it is made by hand only, until it goes on." if rests else "It goes on by its schedule.", "good")
    return go(f"/reports/{report_id}")


@blueprint.post("/reports/<int:report_id>/delete")
@requires_page(Permission.CUSTOMERS_EXPORT)
def delete(report_id: int) -> BaseResponse:
    """Delete a report with its files."""
    with unit_of_work() as session:
        name = saved.delete(session, signed_in_actor(), report_id)
    with unit_of_work() as session:
        files.sweep(session, box_settings())
    flash(f"Deleted the report “{name}” and its files.", "good")
    return go("/reports")


@blueprint.get("/reports/<int:report_id>/files/<int:file_id>")
@requires_page(Permission.DASHBOARD_READ)
def download(report_id: int, file_id: int) -> BaseResponse:
    """Send a file."""
    person = signed_in_actor()
    with read_unit() as session:
        found = files.find(session, person, box_settings(), report_id, file_id)
    if found.people:
        with unit_of_work() as session:
            files.record(session, person, file_id)
    return send_file(found.path, mimetype=found.mimetype, as_attachment=True, download_name=found.name)
