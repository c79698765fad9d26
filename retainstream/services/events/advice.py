"""What a person should know about a proposed or edited mapping of events, orders or subscriptions before it is loaded. Decides nothing."""

from __future__ import annotations

from retainstream.lib import clock
from retainstream.lib.counting import counted
from retainstream.services.events import hints
from retainstream.services.events.mapping import NEEDED, EventColumn, EventMapping
from retainstream.services.events.proposal import DEFAULT_KIND, sample_of
from retainstream.services.imports.profile import TableProfile
from retainstream.services.imports.warnings import ImportWarning as Warned

_SHOWN = 6
_ASKS = {
    "customer": "No column seems to name the customer: give one the role customer in the mapping.",
    "time": "No column holds times that can be read: give one the role time, with its format, in the mapping.",
    "started": "No column says when a subscription started: give one the role started, with its format, in the mapping.",
}


def advise(profile: TableProfile, mapping: EventMapping) -> list[Warned]:
    """Return what there is to know, the questions that need an answer first."""
    found = [
        _nearly(profile, role) or Warned(f"no_{role}", "serious", None, _ASKS[role], needs_confirmation=True)
        for role in NEEDED[mapping.target]
        if mapping.role(role) is None
    ]
    found += _about_times(profile, mapping)
    found += _about_customers(profile, mapping)
    found += _about_money(mapping)
    found += _about_reasons(profile, mapping)
    if mapping.target == "events" and mapping.kind == DEFAULT_KIND:
        message = f"No column says what happened: every row becomes an event of the kind {DEFAULT_KIND!r}. Send kind to name it."
        found.append(Warned("no_kind", "warning", None, message))
    if not profile.has_header:
        message = "The file has no header: its columns were told apart by their values only."
        found.append(Warned("header_missing", "info", None, message))
    if profile.ragged:
        have = "has" if profile.ragged == 1 else "have"
        message = f"{counted(profile.ragged, 'row')} {have} another number of cells than the header."
        found.append(Warned("ragged_rows", "warning", None, message, {"rows": profile.ragged}))
    return found


def _nearly(profile: TableProfile, role: str) -> Warned | None:
    """Return the question for a column that would be the time, but for some cells: one bad cell of a small file is too many to propose it."""
    columns = [column for column in profile.columns if column.date_format and column.date_share < hints.MOSTLY]
    if role == "customer" or not columns:
        return None
    best = max(columns, key=lambda column: column.date_share)
    readable = f"{round(best.date_share * best.filled):,} of {counted(best.filled, 'value')}"
    message = (
        f"{readable} in {best.name} can be read as times: give it the role {role} with the format {best.date_format} in the mapping to load it;"
        " rows with the others become bad rows."
    )
    return Warned(f"no_{role}", "serious", best.name, message, needs_confirmation=True)


def ambiguous_dates(profile: TableProfile, column: EventColumn) -> str | None:
    """Return the format that reads every sampled date just as well, day and month the other way round; None when the values tell."""
    other = {"dmy": "mdy", "mdy": "dmy"}.get(column.format or "")
    if other is None:
        return None
    texts = {text for text in sample_of(profile, column.name) if text and text.strip()}
    return other if hints.reads_all(sorted(texts)[:5_000], other) else None


def _about_times(profile: TableProfile, mapping: EventMapping) -> list[Warned]:
    found: list[Warned] = []
    for column in mapping.columns:
        words = hints.words_in(profile.column(column.name), profile.has_header)
        if column.role in ("time", "started", "ended", "received"):
            known = hints.TIME | hints.HAPPENED | hints.RECEIVED | hints.STARTED | hints.ENDED
            moment = hints.moment_of(profile.column(column.name), words | {"time"})
            if words and not words & known and moment is not None:
                first, last = (str(clock.iso(edge))[:10] for edge in (moment.low, moment.high))
                message = f"{column.name} holds times ({first} to {last}), whatever its header says: it is taken as the {column.role}."
                found.append(Warned("misleading_name", "warning", column.name, message, {"role": column.role}))
            if ambiguous_dates(profile, column) is not None:
                message = f"{column.name} reads as day first and as month first alike; {_order(column)} is taken."
                found.append(Warned("ambiguous_dates", "serious", column.name, message))
        elif (
            words & (hints.TIME - {"at", "day"})
            and not words & (hints.LENGTH | hints.NOT_WHEN)
            and column.role != "kind"
            and hints.moment_of(profile.column(column.name), words) is None
            and profile.column(column.name).filled
        ):
            message = f"{column.name} is named as a time, but its values are none that can be read."
            found.append(Warned("time_unreadable", "warning", column.name, message))
    if mapping.known_at_time and (mapping.role("time") or mapping.role("started")):
        message = (
            "The times lie in the past, so each row counts as known when it happened (known_at_time). "
            "Send known_at_time=false when the rows really reached the business later than that."
        )
        found.append(Warned("history", "info", None, message))
    return found


def _order(column: EventColumn) -> str:
    return "day first" if column.format == "dmy" else "month first"


def _about_customers(profile: TableProfile, mapping: EventMapping) -> list[Warned]:
    customer = mapping.role("customer")
    if customer is None:
        return []
    found: list[Warned] = []
    words = hints.words_in(profile.column(customer.name), profile.has_header)
    if words & (hints.OTHER_THING - hints.PERSON) and not words & (hints.PERSON | hints.FIRST_PARTY):
        message = f"{customer.name} is taken as the customer, although its header names another thing."
        found.append(Warned("misleading_name", "warning", customer.name, message, {"role": "customer"}))
    people = {text for text in sample_of(profile, customer.name) if text}
    for column in mapping.columns:
        if column.role != "property" or column.kind == "boolean":
            continue
        profiled = profile.column(column.name)
        said = hints.words_in(profiled, profile.has_header)
        if not hints.is_id_like(profiled) or profiled.distinct < 20 or said & (hints.OTHER_THING - hints.SECOND_PARTY):
            continue
        texts = {text for text in sample_of(profile, column.name) if text}
        if len(texts & people) >= 0.5 * min(len(texts), len(people)) and len(people) >= 20:
            message = (
                f"{customer.name} and {column.name} seem to name the same people: {customer.name} is taken as the customer who acts, "
                f"and {column.name} as a property."
            )
            found.append(Warned("two_parties", "info", column.name, message))
    return found


def _about_money(mapping: EventMapping) -> list[Warned]:
    if mapping.target != "orders":
        return []
    amount, price, quantity = mapping.role("amount"), mapping.role("price"), mapping.role("quantity")
    if amount is None and price is None:
        return [Warned("no_amount", "warning", None, "No column holds an amount: purchases are kept without a value.")]
    if amount is None and price is not None and quantity is not None:
        message = f"The value of each row is {price.name} times {quantity.name}."
        return [Warned("price_times_quantity", "info", None, message)]
    return []


def _about_reasons(profile: TableProfile, mapping: EventMapping) -> list[Warned]:
    if mapping.target != "subscriptions" or mapping.role("ended") is None:
        return []
    column = mapping.role("reason")
    if column is None:
        message = (
            f"No column says why subscriptions ended: each end counts as {mapping.no_reason or 'of no known reason'} (no_reason). "
            "Cancellations and failed payments cannot be told apart."
        )
        return [Warned("no_reason", "warning", None, message)]
    words = profile.column(column.name).counts
    unknown = [word for word in words if hints.end_reason(word.strip().casefold()) is None]
    unknown = [word for word in unknown if mapping.reasons.get(word.strip().casefold()) == "other"]
    if not unknown:
        return []
    shown = ", ".join(repr(word) for word in unknown[:_SHOWN])
    message = (
        f"Some words of {column.name} say no known reason ({shown}); they count as other. Edit reasons in the mapping."
    )
    return [Warned("unknown_reasons", "warning", column.name, message, {"words": unknown[:50]})]
