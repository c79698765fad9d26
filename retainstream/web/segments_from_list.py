"""The filter of a list of customers as a rule, so that it can be kept as a segment; what no rule can say is told."""

from __future__ import annotations

from sqlalchemy.orm import Session

from retainstream.errors import NotFound, RetainStreamError
from retainstream.lib.identifiers import row_id
from retainstream.services.customers import asked
from retainstream.services.customers.asked import Asked
from retainstream.services.customers.groups import TITLES
from retainstream.services.segments import saved
from retainstream.services.segments.rules import Group, Leaf, Node, Not

_LEFT = Leaf("churned", "is", True)
_RANGES = (("probability", "churn_probability"), ("revenue", "revenue"), ("tenure", "tenure_months"))


def rule(session: Session, query: str) -> tuple[Node | None, str]:
    """Return the rule of a list's query string, and what of it was left out in words; no rule for a query that is none."""
    try:
        found = asked.read_query(query.removeprefix("?"))
    except (RetainStreamError, ValueError):
        return None, "That list's filter could not be read."
    parts, left_out = _parts(session, found)
    if not parts:
        return None, _told(left_out)
    return (parts[0] if len(parts) == 1 else Group("all", tuple(parts))), _told(left_out)


def _parts(session: Session, found: Asked) -> tuple[list[Node], list[str]]:
    parts: list[Node] = []
    if found.status != "all":
        # Of whom it is not known whether they left counts as active, as in the list.
        parts.append(_LEFT if found.status == "left" else Not(_LEFT))
    if found.bands:
        parts.append(Leaf("risk_band", "in", found.bands))
    if found.plans:
        parts.append(Leaf("plan", "in", found.plans))
    if found.tags:
        parts.append(Leaf("tags", "has_all", found.tags))
    for name, key in _RANGES:
        low, high = getattr(found, f"min_{name}"), getattr(found, f"max_{name}")
        if low is not None and high is not None:
            parts.append(Leaf(key, "between", (low, high)))
        elif low is not None or high is not None:
            parts.append(Leaf(key, "ge", low) if high is None else Leaf(key, "le", high))
    left_out = [f"the search for “{found.q}”"] if found.q else []
    if found.group:
        left_out.append(f"the group “{TITLES[found.group]}”")
    for address in found.cells:
        kind, _, key = address.partition(":")
        number = row_id(key)
        try:
            if kind != "segment" or number is None:
                raise NotFound(address)
            parts.append(saved.read(session, number).node)
        except NotFound:
            left_out.append(f"the figure {address}")
    return parts, left_out


def _told(left_out: list[str]) -> str:
    if not left_out:
        return ""
    return f"A rule cannot say {' or '.join(left_out)}, so that was left out."
