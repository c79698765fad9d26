"""Revenue and cohorts as reports. Before the analyses were made they say so, as the pages do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from retainstream.lib.money import to_major
from retainstream.lib.workbook import Heading
from retainstream.services.cohorts import grids
from retainstream.services.reports import parameters
from retainstream.services.reports.documents import Asking, Document, Figure, Table, amount, small
from retainstream.services.revenue import at_risk, bridge, calendar, trends

_MONTHS = 24
_AGES = 12
_BRIDGE = ("opening", "new", "expansion", "contraction", "churn", "reactivation", "closing")


def revenue(asking: Asking) -> Document:
    """Return recurring revenue by month: its bridge, how much of it stayed, and what is at risk by plan; raises NotReady before it was made.

    The months end with the one that the parameter `month` names, otherwise with the newest. What is at risk is that of now.
    """
    session, settings = asking.session, asking.settings
    book, risk = bridge.read(session, settings), at_risk.read(session, settings)
    last = parameters.read(asking.query).get("month") or "9999-12"
    rows = [row for row in bridge.rows(book) if str(row["month"]) <= last][-_MONTHS:]
    told: Any = trends.answer(session, settings)
    months = [one for one in told["items"] if one["month"] <= last][-_MONTHS:]
    tables = (
        *([_where_it_went(rows, book.currency)] if rows else []),
        *([_by_month(months, book.currency)] if months else []),
        _at_risk(risk.plans, book.currency),
    )
    figures = (
        Figure("Monthly revenue", amount(risk.monthly), "of active customers"),
        Figure("Revenue at risk", amount(risk.at_risk), "a month, weighed by the chance of leaving"),
        Figure("Customers", f"{risk.customers:,}", "active"),
    )
    newest = calendar.name(calendar.period(str(rows[-1]["month"]))) if rows else "no month on record"
    lead = bridge.WHY_NOT.get(book.lacks) or f"Recurring revenue to {newest}, in the time zone {book.zone}."
    return Document("Revenue by month", lead, book.as_of, tables, figures)


def _where_it_went(rows: Sequence[Mapping[str, object]], currency: str) -> Table:
    names = [name for name in _BRIDGE if name in rows[0]]
    headings = (
        Heading("month", title="Month"),
        *(Heading(name, "money", name.capitalize()) for name in names),
        Heading("net_retention", "share", "Net retention"),
        Heading("gross_retention", "share", "Gross retention"),
        Heading("complete", "flag", "Over"),
    )
    lines = [
        [
            row["month"],
            *(_major(row[name], currency) for name in names),
            row["net_retention"],
            row["gross_retention"],
            row["complete"],
        ]
        for row in reversed(rows)
    ]
    return small("Where revenue went", headings, lines, note=f"In {currency}, newest month first.")


def _by_month(months: Sequence[Mapping[str, object]], currency: str) -> Table:
    headings = (
        Heading("month", title="Month"),
        Heading("customers", "whole", "Paying customers"),
        Heading("revenue", "money", "Revenue"),
        Heading("average", "money", "For each"),
    )
    lines = [
        (one["month"], one["customers"], _major(one["revenue_minor"], currency), _major(one["average_minor"], currency))
        for one in reversed(months)
    ]
    return small("By month", headings, lines)


def _at_risk(plans: Iterable[at_risk.Row], currency: str) -> Table:
    headings = (
        Heading("plan", title="Plan"),
        Heading("customers", "whole", "Customers"),
        Heading("monthly_revenue", "money", "Revenue / month"),
        Heading("revenue_at_risk", "money", "At risk"),
    )
    lines = [
        (row.key or "no plan", row.customers, _major(row.monthly, currency), _major(row.at_risk, currency))
        for row in plans
    ]
    return small("At risk now, by plan", headings, lines)


def cohorts(asking: Asking) -> Document:
    """Return the share of each month's new customers who stayed, for the last two years; raises NotReady before it was made.

    The parameters `unit` and `grid` are those of the page: weeks instead of months, and who did something instead of who was still there.
    """
    asked = parameters.read(asking.query)
    found = grids.read(asking.session, asking.settings, asked.get("grid", "contract"), asked.get("unit", "month"))
    table, first = found.table, max(0, len(found.table.cohorts) - _MONTHS)
    ages = min(_AGES + 1, table.share.shape[1])
    headings = (
        Heading("cohort", title="Came in"),
        Heading("customers", "whole", "Customers"),
        *(Heading(f"{found.unit}_{age}", "share", f"+{age}") for age in range(ages)),
    )
    rows = [
        [
            grids.name_of(int(table.cohorts[row]), found.unit),
            int(table.sizes[row]),
            *(float(table.share[row, age]) if table.mature[row, age] else None for age in range(ages)),
        ]
        for row in range(first, len(table.cohorts))
    ]
    note = f"Only {found.unit}s that are over are shown: later ones may still change."
    did = "were still there in" if found.grid == "contract" else "did something in"
    lead = f"Of those who came in one {found.unit}, the share who {did} each later one."
    title = "Cohorts" if not asked else f"Cohorts {parameters.said(asking.session, 'cohorts', asking.query)}"
    return Document(title, lead, found.as_of, (small("Who stayed", headings, rows, note=note),))


def _major(minor: object, currency: str) -> Decimal | None:
    return to_major(minor, currency) if isinstance(minor, int) else None
