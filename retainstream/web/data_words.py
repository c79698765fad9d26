"""The words that the data pages use for what files hold: targets, roles of columns, ways of reading them, and what becomes of rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TARGETS = {
    "customers": "Customers, one row each",
    "events": "Events: who did what, when",
    "subscriptions": "Subscriptions: who had what, from when to when",
    "orders": "Orders or purchases",
}
SHORT_TARGETS = {"customers": "Customers", "events": "Events", "subscriptions": "Subscriptions", "orders": "Orders"}
ROWS = {"customers": "customers", "events": "events", "subscriptions": "subscriptions", "orders": "rows of orders"}

ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    "customers": (
        ("identifier", "Customer’s identifier"),
        ("label", "Says who left"),
        ("feature", "Trait to learn from"),
        ("plan", "Plan"),
        ("monthly_revenue", "Monthly revenue"),
        ("tenure", "Time as a customer"),
        ("signup", "Sign-up date"),
        ("churn_date", "Date of leaving"),
        ("date", "Another date"),
        ("personal:name", "Personal: name"),
        ("personal:email", "Personal: e-mail"),
        ("personal:phone", "Personal: telephone"),
        ("personal:other", "Personal: other"),
        ("ignored", "Leave out"),
    ),
    "events": (
        ("customer", "Customer"),
        ("time", "When it happened"),
        ("kind", "What happened"),
        ("value", "Its value"),
        ("received", "When you learnt of it"),
        ("key", "Unique key of the row"),
        ("property", "Keep as a property"),
        ("ignored", "Leave out"),
    ),
    "orders": (
        ("customer", "Customer"),
        ("time", "When it happened"),
        ("amount", "Amount of the row"),
        ("price", "Price of one piece"),
        ("quantity", "Quantity"),
        ("currency", "Currency"),
        ("order", "Order number"),
        ("product", "Product"),
        ("received", "When you learnt of it"),
        ("key", "Unique key of the row"),
        ("property", "Keep as a property"),
        ("ignored", "Leave out"),
    ),
    "subscriptions": (
        ("customer", "Customer"),
        ("key", "Subscription’s number"),
        ("started", "Start"),
        ("ended", "End"),
        ("reason", "Why it ended"),
        ("plan", "Plan"),
        ("price", "Price a month"),
        ("currency", "Currency"),
        ("received", "When you learnt of it"),
        ("ignored", "Leave out"),
    ),
}

_SHAPES = (
    ("iso", "2026-03-31, or with time"),
    ("ymd", "2026/3/31"),
    ("dmy", "31/03/2026, day first"),
    ("mdy", "03/31/2026, month first"),
    ("yyyymmdd", "20260331"),
    ("d_month_y", "31 March 2026"),
    ("unix_s", "Seconds since 1970"),
    ("unix_ms", "Milliseconds since 1970"),
)
DATES = tuple((f"date:{key}", shape) for key, shape in _SHAPES)
TIMES = tuple(
    (f"time:{key}", shape)
    for key, shape in (*_SHAPES, ("unix_us", "Microseconds since 1970"), ("unix_ns", "Nanoseconds since 1970"))
)
DECIMALS = (("number:.", "1,234.5"), ("number:,", "1.234,5"))
IDENTIFIERS = (("id:as_is", "As it stands"), ("id:drop_point_zero", "17850.0 as 17850"))
PROPERTY_KINDS = (("text", "Text"), ("number", "Number"), ("boolean", "Yes or no"))
KINDS = (
    ("integer", "Whole number"),
    ("number:.", "Number, 1,234.5"),
    ("number:,", "Number, 1.234,5"),
    ("boolean", "Yes or no"),
    ("category", "One of a few words"),
    ("text", "Free text, not learnt from"),
)
UNITS = (("days", "days"), ("weeks", "weeks"), ("months", "months"), ("years", "years"))
REASONS = {
    "voluntary": "The customer chose to",
    "payment_failed": "Payment failed",
    "trial_ended": "Trial ended",
    "other": "Other",
}

FORMATS = {"csv": "CSV", "jsonl": "JSON lines", "json": "JSON list", "xlsx": "Excel"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
QUESTIONS = {
    "no_customer": "Which column names the customer?",
    "no_time": "Which column says when it happened?",
    "no_started": "Which column says when a subscription started?",
    "kind_conflict": "A column is of another kind than on record.",
}

# name in the counts, label, note, shown even at 0, tone
COUNTS: dict[str, tuple[tuple[str, str, str, bool, str], ...]] = {
    "customers": (
        ("new", "New customers", "", True, ""),
        ("changed", "Changed", "on record, with other values", False, ""),
        ("unchanged", "Unchanged", "on record as they are", False, ""),
        ("duplicates", "Repeated rows", "each counts once", False, ""),
        ("erased", "Erased people", "left out as they asked", False, ""),
        ("bad", "Bad rows", "cannot be read", True, "bad"),
    ),
    "events": (
        ("accepted", "New", "to be added", True, ""),
        ("duplicate", "On record already", "not added again", False, ""),
        ("new_customers", "New customers", "seen here for the first time", False, ""),
        ("no_customer", "Without a customer", "left out", False, ""),
        ("unknown_customer", "Of unknown customers", "left out", False, ""),
        ("erased", "Of erased people", "left out as they asked", False, ""),
        ("too_many_kinds", "Of too many kinds", "left out", False, ""),
        ("other_customer", "Of another customer", "its number belongs to somebody else", False, "bad"),
        ("late", "Told late", "a day or more after they happened", False, ""),
        ("future", "Dated ahead", "they count once their time has come", False, ""),
        ("bad", "Bad rows", "cannot be read", True, "bad"),
    ),
}

STATES = {
    "queued": ("Waiting", ""),
    "applying": ("Running", ""),
    "applied": ("On record", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", ""),
    "undoing": ("Being undone", "warn"),
    "undone": ("Undone", ""),
}
SOURCES = {"browser": "in the browser", "api": "over the API", "cli": "by command", "demo": "demo"}

_IN_PLACE = {
    "history": "The times lie in the past, so each row counts as known when it happened. Untick “This is history” below if the rows reached "
    "you later than that.",
    "no_kind": "No column says what happened: every row becomes an event of one kind. Name it below, or say which column tells it.",
    "no_reason": "No column says why subscriptions ended, so that cancellations and failed payments cannot be told apart.",
    "unknown_reasons": "Some words for why a subscription ended are not known; they count as other. Say below what they mean.",
    "no_customer": "No column seems to name the customer.",
    "no_time": "No column holds times that can be read.",
    "no_started": "No column says when a subscription started.",
}
"""What the services tell in words for scripts, as it is said on a page where the answer is at hand."""
_AFTERWARDS = {
    "history": "The times lay in the past, so each row counts as known when it happened.",
    "no_kind": "No column said what happened: every row became an event of one kind.",
    "no_reason": "No column said why subscriptions ended, so that cancellations and failed payments cannot be told apart.",
    "unknown_reasons": "Some words for why a subscription ended were not known; they count as other.",
}

_PATHS = {
    "mapping.kind": "Kind of event: ",
    "mapping.currency": "Currency: ",
    "mapping.identifier_made": "Identifier: ",
    "kind": "Kind of event: expected ",
    "source": "Source: expected ",
}
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
_READ = {
    "user_id": "Customer",
    "kind": "Kind",
    "occurred_at": "Happened",
    "value": "Value",
    "properties": "Properties",
    "plan": "Plan",
    "started_at": "Started",
    "ended_at": "Ended",
    "end_reason": "Reason",
}


def told(item: Mapping[str, Any], *, later: bool = False) -> str:
    """Return a warning's sentence for a page: where it can be answered, or `later`, when the file has been loaded."""
    code, message = str(item["code"]), str(item["message"])
    if later:
        return _AFTERWARDS.get(code, message)
    # Rows without a customer have the same code as a file without a column for it, which is a question.
    return message if code == "no_customer" and not item["needs_confirmation"] else _IN_PLACE.get(code, message)


def file_problem(path: str, sentence: str) -> str:
    """Return a complaint about the whole file with the name of what it is about."""
    said = f"{_PATHS.get(path, '')}{sentence}"
    return said if said.endswith(".") else f"{said}."


def as_read(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as it would be kept, under words instead of names of fields."""
    return {word: _plain(item[name]) for name, word in _READ.items() if name in item}


def _plain(value: Any) -> Any:
    """Return an instant without what nobody reads, a reason in words; anything else as it is."""
    fits = _INSTANT.match(value) if isinstance(value, str) else None
    if fits is None:
        return REASONS.get(value, value) if isinstance(value, str) else value
    return fits[1] if fits[2] == "00:00:00" else f"{fits[1]} {fits[2]}"
