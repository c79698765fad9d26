"""The customers behind one figure of revenue: `revenue:2026-10.churn`, and likewise for each movement, for `opening` and for `closing`.

`revenue:2026-10.year_ago` are those who paid twelve months before the month's end, `.kept` those of them who pay at it, `.sales` who bought in a month of a
shop, and `.plan.<name>` who pays for a plan at the month's end. `revenue:today.plan.<name>` are those who have a plan and have not left.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy.orm import Session

from retainstream.db import settings_in_use
from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.services.customers.cells import Cell
from retainstream.services.revenue import at_risk, bridge, calendar, sales
from retainstream.services.revenue.bridge import Book

if TYPE_CHECKING:
    import numpy as np

_KEY = re.compile(r"(\d{4}-\d{2}|today)\.([a-z_]+)(?:\.(.*))?")
_PLAN, _SALES, _TODAY = "plan", "sales", "today"
_LONGEST = 40
WORDS = {
    "new": "paid for the first time in",
    "reactivation": "came back in",
    "expansion": "paid more at the end than at the beginning of",
    "contraction": "paid less at the end than at the beginning of",
    "churn": "stopped paying in",
}


def address(month: int, figure: str) -> str:
    """Return the address of a figure."""
    return f"revenue:{calendar.code(month)}.{figure}"


def plan_address(month: int, plan: str) -> str:
    """Return the address of those who pay for a plan at a month's end."""
    return address(month, f"{_PLAN}.{_token(plan)}")


def today_address(plan: str) -> str:
    """Return the address of those who have a plan and have not left."""
    return f"revenue:{_TODAY}.{_PLAN}.{_token(plan)}"


def make(session: Session, key: str) -> Cell:
    """Return the cell of a key; raises InvalidInput for one that leads nowhere at present."""
    match = _KEY.fullmatch(key)
    try:
        if match is None:
            raise NotFound("There is no such figure of revenue.")
        if match[1] == _TODAY:
            return _today(session, match[2], match[3])
        month = calendar.period(match[1])
        if match[2] == _SALES and match[3] is None:
            return _sales(session, month)
        book = bridge.read(session, settings_in_use())
        words, found = _behind(book, month, match[2], match[3])
        return Cell(words, tuple(found.tolist()), book.as_of)
    except (NotFound, NotReady) as nothing:
        raise InvalidInput(nothing.message, fields={"cell": ["the address of a figure of revenue"]}) from nothing


def _behind(book: Book, month: int, figure: str, plan: str | None) -> tuple[str, np.ndarray]:
    place, name = book.place(month), calendar.name(month)
    if figure == _PLAN and plan is not None:
        for known in ("", *book.found.plans):
            if _token(known) == plan:
                return f"Paid for {known or 'no named plan'} at the end of {name}", bridge.paying(book, month, known)
    elif plan is None:
        if figure in WORDS:
            return f"Customers who {WORDS[figure]} {name}", bridge.moved(book, month, figure)
        if figure == "opening":
            return f"Paying at the beginning of {name}", bridge.paying(book, month - 1)
        if figure == "closing":
            return f"Paying at the end of {name}", bridge.paying(book, month)
        if figure in ("year_ago", "kept") and place + 1 >= bridge.TRAILING:
            if figure == "year_ago":
                return f"Paying twelve months before the end of {name}", bridge.paying(book, month - bridge.TRAILING)
            return f"Paying at the end of {name} and twelve months before", bridge.kept_paying(book, month)
    raise NotFound(f"There is no such figure of the revenue of {name}.")


def _sales(session: Session, month: int) -> Cell:
    sold = sales.read(session, settings_in_use())
    if sold is None:
        raise NotFound("No sales are on record here.")
    return Cell(
        f"Bought or returned something in {calendar.name(month)}", tuple(sold.buyers(month).tolist()), sold.as_of
    )


def _today(session: Session, figure: str, plan: str | None) -> Cell:
    if figure == _PLAN and plan is not None:
        for known in at_risk.plans(session):
            if _token(known) == plan:
                return Cell(f"Not left, on {known or 'no plan'}", at_risk.on_plan(session, known))
    raise NotFound("There is no such figure of revenue.")


def _token(plan: str) -> str:
    """Return a plan's name as a part of an address; a hash of it where it would be long."""
    plain = quote(plan, safe="")
    return plain if len(plain) <= _LONGEST else hashlib.sha256(plan.encode()).hexdigest()[:16]
