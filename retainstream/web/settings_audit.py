"""The audit trail for people: filters, pages, and the same as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, request, stream_with_context
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.lib.spreadsheet import safe_cell
from retainstream.security.permissions import Permission
from retainstream.services import audit
from retainstream.services.access import accounts
from retainstream.web import frame, settings_view
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.settings_tabs import tabs_for

blueprint = Blueprint("web_settings_audit", __name__)
PAGE, CHUNK = 50, 500
FILTERS = ("action", "person", "kind", "id", "from", "to")
KINDS = (
    ("user", "Person"), ("customer", "Customer"), ("import", "Import"), ("job", "Job"), ("model_version", "Model"),
    ("settings", "Preferences"), ("api_token", "API token"), ("session", "Session"), ("invitation", "Invitation"),
)  # fmt: skip
"""Kinds of things to look for, and their words."""
_COLUMNS = ("id", "at", "who", "action", "outcome", "target_kind", "target_id", "fields", "address", "request_id")


@blueprint.get("/settings/audit")
@requires_page(Permission.AUDIT_READ)
def show() -> BaseResponse:
    """Show the entries that fit the filters, newest first."""
    asked = _asked()
    try:
        filters, problems = _filters(asked), {}
    except InvalidInput as refusal:
        filters, problems = {}, refusal.fields
    with read_unit() as session:
        page = audit.entries(session, PageRequest(PAGE, request.args.get("cursor") or None), **filters)
        content = {
            "entries": [_line(item) for item in page.items],
            "total": page.total,
            "following": _address(asked, cursor=page.next_cursor) if page.next_cursor else "",
            "first": _address(asked) if request.args.get("cursor") else "",
            "file": _address(asked, path="/settings/audit.csv"),
        }
        return frame.page(
            session,
            "settings/audit.html",
            here="settings",
            status=422 if problems else 200,
            tabs_items=tabs_for(signed_in_actor()),
            asked=asked,
            actions=[("", "Any"), *((one, settings_view.act(one)) for one in audit.actions(session))],
            people=[("", "Anybody"), *((str(key), name) for key, name in accounts.names(session).items())],
            kinds=[("", "Anything"), *KINDS],
            problems=problems,
            **content,
        )


@blueprint.get("/settings/audit.csv")
@requires_page(Permission.AUDIT_READ)
def download() -> BaseResponse:
    """Send every entry that fits the filters, as CSV; read in chunks, so that a long trail takes no memory."""
    filters = _filters(_asked())
    response = Response(stream_with_context(_rows(filters)), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def _rows(filters: dict[str, Any]) -> Iterator[str]:
    yield _row(_COLUMNS)
    cursor: str | None = None
    while True:
        with read_unit() as session:
            page = audit.entries(session, PageRequest(CHUNK, cursor), **filters)
        lines = []
        for item in page.items:
            shown, target = _line(item), item["target"] or {}
            lines.append(
                _row((
                    item["id"], item["at"], shown["who"], item["action"], item["outcome"],
                    target.get("kind"), target.get("id"), " ".join(item["fields"]), item["address"], item["request_id"],  # type: ignore[attr-defined, arg-type]
                ))
            )  # fmt: skip
        yield "".join(lines)
        cursor = page.next_cursor
        if cursor is None:
            return


def _row(cells: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([safe_cell(cell) for cell in cells])
    return text.getvalue()


def _line(entry: dict[str, Any]) -> dict[str, Any]:
    actor = entry["actor"]
    return entry | {
        "who": settings_view.actor_words(actor["kind"], actor["email"], actor["api_token_id"]),
        "act": settings_view.act(entry["action"]),
    }


def _asked() -> dict[str, str]:
    return {name: request.args.get(name, "").strip()[:60] for name in FILTERS}


def _address(asked: dict[str, str], path: str = "/settings/audit", cursor: str | None = None) -> str:
    query = {name: value for name, value in [*asked.items(), ("cursor", cursor)] if value}
    return f"{path}?{urlencode(query)}" if query else path


def _filters(asked: dict[str, str]) -> dict[str, Any]:
    """Return the service's filters; days are those of the box's time zone, and the last one counts as a whole."""
    problems: dict[str, list[str]] = {}
    if asked["person"] and not (asked["person"].isdecimal() and len(asked["person"]) < 18):
        problems["person"] = ["one of the list"]
    since, until = (_day(asked[name], name, problems) for name in ("from", "to"))
    if since is not None and until is not None and since > until:
        problems["to"] = ["a day that is not before the first"]
    if problems:
        raise InvalidInput("Some filters are not as expected.", fields=problems)
    return {
        "action": asked["action"] or None,
        "user_id": int(asked["person"]) if asked["person"] else None,
        "target_kind": asked["kind"] or None,
        "target_id": asked["id"] or None,
        "since": None if since is None else _begins(since),
        "until": None if until is None else _begins(until + timedelta(days=1)),
    }


def _day(text: str, name: str, problems: dict[str, list[str]]) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
        if not 1970 <= found.year <= 9000:
            raise ValueError("beyond what the clock can hold")
    except ValueError:
        problems[name] = ["a day such as 2026-03-31"]
        return None
    return found


def _begins(day: date) -> int:
    settings: Settings = current_app.config["RETAINSTREAM"]
    return clock.to_us(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(settings.time_zone)))
