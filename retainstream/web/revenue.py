"""The revenue page: the bridge of a month, how it was month by month, by plan, and what is at risk. Closing months is `revenue_months`."""

from __future__ import annotations

from flask import Blueprint, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.current import box_settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.security.permissions import Permission
from retainstream.services.revenue import at_risk, bridge, calendar, sales, trends
from retainstream.services.revenue.bridge import Book
from retainstream.web import analyses, csv_files, frame, revenue_tabs, revenue_view
from retainstream.web.guards import requires_page, signed_in_actor
from retainstream.web.revenue_view import RevenueView
from retainstream.web.revenue_words import major

blueprint = Blueprint("web_revenue", __name__)
revenue_tabs.register(blueprint)
_BRIDGE = ("month", "complete", *(name for one in bridge.FIGURES for name in (one, f"{one}_customers")))
_RETENTION = ("net_retention", "gross_retention", "net_retention_12", "gross_retention_12")
_TRENDS = ("month", "complete", "plan", "revenue", "customers", "average", "revenue_at_risk")
_RISK = ("by", "value", "customers", "customers_with_amount", "monthly_revenue", "revenue_at_risk")


@blueprint.get("/revenue")
@requires_page(Permission.DASHBOARD_READ)
def show() -> BaseResponse:
    """Show the page for a month, by default the newest that is over."""
    asked = request.args.get("month") or ""
    month = calendar.period(asked) if asked else None
    with read_unit() as session:
        view, nothing = read(session, box_settings(), month)
        return frame.page(session, "revenue/revenue.html", here="revenue", view=view, nothing=nothing)


def read(session: Session, box: Settings, month: int | None) -> tuple[RevenueView, analyses.NotYet | None]:
    """Return the page's content, and what it says instead of a bridge while that was never made."""
    risk = at_risk.read(session, box)
    try:
        book = bridge.read(session, box)
    except NotReady as why:
        if not bridge.history(session):
            return revenue_view.without_bridge(bridge.WHY_NOT[bridge.SNAPSHOT], risk, None), None
        nothing = analyses.not_yet(session, signed_in_actor(), why.message, "/revenue")
        return revenue_view.without_bridge("", risk, None), nothing
    if book.bridge is None:
        return revenue_view.without_bridge(bridge.WHY_NOT[book.lacks], risk, sales.read(session, box)), None
    chosen = month if month is not None else _newest(book)
    book.place(chosen)
    return revenue_view.view(book, trends.read(session, box), risk, chosen), None


def _newest(book: Book) -> int:
    return book.last_complete if book.last_complete is not None else book.months[-1]


@blueprint.get("/revenue/bridge.csv")
@requires_page(Permission.DASHBOARD_READ)
def bridge_file() -> BaseResponse:
    """Send the bridge, a month a line, amounts in the main unit of the currency, as in all files."""
    with read_unit() as session:
        book = bridge.read(session, box_settings())
    rows = [
        {**row, **{name: major(row[name], book.currency) for name in bridge.FIGURES}, "currency": book.currency}
        for row in bridge.rows(book)
    ]
    return csv_files.download("revenue-bridge.csv", csv_files.table(rows, ("currency", *_BRIDGE, *_RETENTION)))


@blueprint.get("/revenue/trends.csv")
@requires_page(Permission.DASHBOARD_READ)
def trends_file() -> BaseResponse:
    """Send revenue by month: a line for all plans together, with an empty plan, and one for each plan."""
    with read_unit() as session:
        found = trends.read(session, box_settings())
    lines: list[tuple[object, ...]] = []
    for one in found.months:
        whole = ("all plans", one.revenue, one.customers, one.average, one.at_risk)
        plans = zip(found.plans, one.plans, one.plan_customers, strict=True)
        parts = [(plan or "no plan", paid, n, round(paid / n) if n else None, None) for plan, paid, n in plans]
        for plan, paid, n, average, risk in (whole, *parts):
            amounts = [major(minor, found.currency) for minor in (paid, average, risk)]
            month = (found.currency, calendar.code(one.month), one.complete)
            lines.append((*month, plan, amounts[0], n, *amounts[1:]))
    return csv_files.download("revenue-trends.csv", [("currency", *_TRENDS), *lines])


@blueprint.get("/revenue/at-risk.csv")
@requires_page(Permission.DASHBOARD_READ)
def risk_file() -> BaseResponse:
    """Send what is at risk today by band and by plan."""
    with read_unit() as session:
        found = at_risk.read(session, box_settings())
    lines = [
        (
            *(found.currency, by, row.key, row.customers, row.priced),
            *(major(minor, found.currency) for minor in (row.monthly, row.at_risk)),
        )
        for by, rows in (("band", found.bands), ("plan", found.plans))
        for row in rows
    ]
    return csv_files.download("revenue-at-risk.csv", [("currency", *_RISK), *lines])


@blueprint.get("/revenue/sales.csv")
@requires_page(Permission.DASHBOARD_READ)
def sales_file() -> BaseResponse:
    """Send the sales of a shop by month."""
    with read_unit() as session:
        found = sales.read(session, box_settings())
    if found is None:
        raise NotReady("No sales are on record here: revenue is told by subscriptions, or there is none.")
    rows = [{**row, "sales": major(row["sales"], found.currency), "currency": found.currency} for row in found.rows()]
    return csv_files.download(
        "sales.csv", csv_files.table(rows, ("currency", "month", "complete", "sales", "customers"))
    )
