"""What a file seems to hold: customers, events, orders or subscriptions. A first choice for a person to change; it decides nothing else."""

from __future__ import annotations

from retainstream.services.events import hints
from retainstream.services.events.mapping import EventMapping
from retainstream.services.events.proposal import propose
from retainstream.services.imports.labels import find_candidates
from retainstream.services.imports.profile import TableProfile

_REPEATS = 1.2
"""Rows for each customer from which a table is taken for a list of what they did."""


def likely_target(profile: TableProfile, now: int) -> str:
    """Return `customers`, `events`, `orders` or `subscriptions`.

    A column that says who left makes a table of customers, unless the same customers come again and again. Things with a start and an end
    are subscriptions; rows with a time whose customers repeat are orders where there is money or a product in them, and events otherwise.

    Parameters
    ----------
    profile : TableProfile
        Of the file or of its head.
    now : int
        Microseconds UTC.
    """
    happened = propose(profile, "events", now)
    repeats = _rows_per_customer(profile, happened) >= _REPEATS
    labelled = any(candidate.certain for candidate in find_candidates(profile.columns))
    if labelled and not repeats:
        return "customers"
    if repeats and happened.role("time") is not None and _names_what_happened(profile, happened):
        return "events"
    if _is_subscriptions(profile, propose(profile, "subscriptions", now)):
        return "subscriptions"
    if happened.role("customer") is None or happened.role("time") is None:
        return "customers"
    ordered = propose(profile, "orders", now)
    traded = any(ordered.role(role) for role in ("order", "product", "amount", "price"))
    named = ordered.role("amount") is not None or ordered.role("price") is not None
    if repeats and traded and named and not _names_what_happened(profile, happened):
        return "orders"
    return "events" if repeats or _names_what_happened(profile, happened) else "customers"


def _rows_per_customer(profile: TableProfile, mapping: EventMapping) -> float:
    customer = mapping.role("customer")
    if customer is None:
        return 1.0
    column = profile.column(customer.name)
    return column.filled / max(column.distinct, 1)


def _is_subscriptions(profile: TableProfile, mapping: EventMapping) -> bool:
    """Rows that start and may end. A table of customers has a start, too, so that one of the ends must be missing or the header must say so."""
    started, ended = mapping.role("started"), mapping.role("ended")
    if started is None or ended is None or mapping.role("customer") is None:
        return False
    words = {word for column in profile.columns for word in hints.words_in(column, profile.has_header)}
    return profile.column(ended.name).blanks > 0 or "subscription" in words


def _names_what_happened(profile: TableProfile, mapping: EventMapping) -> bool:
    """Whether a column with a telling header says what happened."""
    kind = mapping.role("kind")
    if kind is None or not profile.has_header:
        return False
    return bool(hints.words_in(profile.column(kind.name), True) & {"event", "action", "kind", "activity", "page"})
