"""What the first data page shows: what is on record, and the list of imports. One import is `data_one_view`. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retainstream.web import data_words as words
from retainstream.web.template_tools import ago, day, moment, whole

if TYPE_CHECKING:
    from retainstream.services.events.holdings import Holdings

Answer = Mapping[str, Any]
SHOWN_KINDS = 12
OPEN = ("queued", "applying", "undoing")
_ROWS_ACCEPTED = {"customers": ("new", "changed"), "events": ("accepted",)}


@dataclass(frozen=True)
class Holding:
    """One figure of what is on record; `address` opens the list that it counts."""

    label: str
    figure: str
    note: str
    address: str = ""


@dataclass(frozen=True)
class KindRow:
    """One kind of event."""

    name: str
    events: str
    customers: str
    share: str


@dataclass(frozen=True)
class ImportRow:
    """One import in the list."""

    id: int
    filename: str
    target: str
    state: str
    tone: str
    rows: str
    taken: str
    bad: int
    when: str
    when_long: str
    source: str
    open: bool


@dataclass(frozen=True)
class OverviewView:
    """The first of the data pages."""

    title: str
    lead: str
    empty: bool
    holdings: tuple[Holding, ...]
    kinds: tuple[KindRow, ...]
    more_kinds: int
    imports: tuple[ImportRow, ...]
    imports_words: str
    following: str
    first: str
    may_import: bool


def overview(
    metrics: Answer,
    held: Holdings,
    imports: Sequence[Answer],
    *,
    total: int,
    following: str,
    first: str,
    linked: bool,
    may_import: bool,
) -> OverviewView:
    """Return the first page; `linked` tells whether the person may open the list of customers."""
    customers, active = int(metrics["total_customers"]), int(metrics["active_customers"])
    empty = not customers and not held.events and not imports
    rows = tuple(import_row(item) for item in imports)
    shown = whole(len(rows))
    return OverviewView(
        title=_overview_title(customers, held),
        lead=_overview_lead(held),
        empty=empty,
        holdings=_holdings(customers, active, held, linked=linked),
        kinds=tuple(
            KindRow(
                kind.name, whole(kind.events), whole(kind.customers), f"{100 * kind.events / held.kinds[0].events:.1f}%"
            )
            for kind in held.kinds[:SHOWN_KINDS]
        ),
        more_kinds=max(0, len(held.kinds) - SHOWN_KINDS),
        imports=rows,
        imports_words=f"{shown} of {whole(total)} imports"
        if total > len(rows)
        else f"{whole(total)} {'import' if total == 1 else 'imports'}",
        following=following,
        first=first,
        may_import=may_import,
    )


def _overview_title(customers: int, held: Holdings) -> str:
    if not customers and not held.events:
        return "Nothing is on record yet."
    told = f"{whole(customers)} {'customer' if customers == 1 else 'customers'}"
    return f"{told} and {whole(held.events)} events on record." if held.events else f"{told} on record."


def _overview_lead(held: Holdings) -> str:
    if held.data_end is None:
        return "Customers come as tables; events say what they did and when, so that a model can look forward."
    return f"Complete up to {day(held.data_end)}; the newest row came in {ago(held.received)}."


def _holdings(customers: int, active: int, held: Holdings, *, linked: bool) -> tuple[Holding, ...]:
    address = "/customers?status=all" if linked else ""
    left = customers - active
    found = [
        Holding("Customers", whole(customers), f"{whole(active)} active, {whole(left)} left", address),
        Holding("Events", whole(held.events), _kinds_of(len(held.kinds))),
        Holding(
            "Subscription statements",
            whole(held.subscriptions),
            "starts, changes and ends" if held.subscriptions else "none yet",
        ),
    ]
    if held.data_end is not None:
        found.append(Holding("Complete up to", day(held.data_end), "the start of that day"))
    return tuple(found)


def _kinds_of(count: int) -> str:
    return "none yet" if not count else "of one kind" if count == 1 else f"of {count} kinds"


def import_row(item: Answer) -> ImportRow:
    """Return one line of the list of imports."""
    state, tone = words.STATES.get(item["state"], (str(item["state"]), ""))
    counts = item["counts"]
    taken = sum(int(counts.get(name, 0)) for name in taken_names(item["target"]))
    told = item["applied_at"] or item["created_at"]
    return ImportRow(
        id=int(item["id"]),
        filename=item["filename"],
        target=target_words(item),
        state=state,
        tone=tone,
        rows=whole(counts["rows"]) if "rows" in counts else "–",
        taken=whole(taken) if item["state"] == "applied" else "–",
        bad=int(counts.get("bad", 0)),
        when=ago(told),
        when_long=moment(told),
        source=source_words(item),
        open=item["state"] in OPEN,
    )


def taken_names(target: str) -> tuple[str, ...]:
    """Return the counts that make up the rows that an import added."""
    return _ROWS_ACCEPTED["customers" if target == "customers" else "events"]


def target_words(item: Answer) -> str:
    """Return what an import holds."""
    return words.SHORT_TARGETS.get(str(item["target"]), str(item["target"]))


def source_words(item: Answer) -> str:
    """Return how an import came."""
    return words.SOURCES.get(str(item["source"]), str(item["source"]))
