"""What the revenue page says, made from the services' answers: the finding, the key figures, the tables. The drawings are `revenue_charts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.lib import clock
from retainstream.services.revenue import at_risk, bridge, calendar, cells
from retainstream.services.revenue.at_risk import AtRisk
from retainstream.services.revenue.bridge import Book
from retainstream.services.revenue.sales import Sales
from retainstream.services.revenue.trends import Trends
from retainstream.web.charts import Spark, sparkline
from retainstream.web.home_charts import BAND_WORDS
from retainstream.web.revenue_charts import Bars, Waterfall, bars, waterfall
from retainstream.web.revenue_words import amount, customers, listed
from retainstream.web.template_tools import cash, day, last_day, percent

Row = Mapping[str, Any]
_FEWEST = 4  # figures that make a line
_LINES = 24  # months in the table; the choice and the file have all


@dataclass(frozen=True)
class Kpi:
    """A key figure; `counted` is a count in words that leads to exactly those customers."""

    label: str
    figure: str
    aside: str = ""
    counted: str = ""
    address: str = ""
    note: str = ""
    spark: Spark | None = None
    risk: bool = False


@dataclass(frozen=True)
class Entry:
    """An amount of a table, with how many customers are behind it and where they are listed."""

    amount: str
    count: int
    address: str


@dataclass(frozen=True)
class Line:
    """One month of the table: its name, the page of it, whether it is over, its figures in the bridge's order, and retention."""

    name: str
    address: str
    chosen: bool
    complete: bool
    entries: tuple[Entry, ...]
    net: str
    gross: str


@dataclass(frozen=True)
class PlanLine:
    """What one plan brings at the end of the chosen month, and how that changed in a year."""

    plan: str
    entry: Entry
    share: str
    change: str
    spark: Spark | None


@dataclass(frozen=True)
class RiskLine:
    """One band or plan: customers with their list, monthly revenue and expected loss."""

    key: str
    word: str
    count: int
    address: str
    monthly: str
    at_risk: str
    share: str


@dataclass(frozen=True)
class RiskView:
    """What is at risk today."""

    title: str
    note: str
    bands: tuple[RiskLine, ...]
    plans: tuple[RiskLine, ...]


@dataclass(frozen=True)
class SalesLine:
    """One month of a shop."""

    name: str
    complete: bool
    amount: str
    count: int
    address: str


@dataclass(frozen=True)
class MonthView:
    """The chosen month: its name, bridge, and neighbours in the choice; `incomplete` says how far a running one goes."""

    name: str
    code: str
    title: str
    waterfall: Waterfall
    before: str
    after: str
    incomplete: str


@dataclass(frozen=True)
class RevenueView:
    """The page. Without a bridge `why_not` says why, and `month` is None."""

    headline: str
    lead: str
    why_not: str = ""
    currency: str = ""
    kpis: tuple[Kpi, ...] = ()
    month: MonthView | None = None
    chart: Bars | None = None
    lines: tuple[Line, ...] = ()
    plans: tuple[PlanLine, ...] = ()
    plans_title: str = ""
    notes: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    risk: RiskView | None = None
    sales: tuple[SalesLine, ...] = ()


def view(book: Book, trends: Trends, risk: AtRisk, chosen: int) -> RevenueView:
    """Return the page for a chosen month of the bridge."""
    rows: list[Any] = bridge.rows(book)
    place, currency = book.place(chosen), book.currency
    row = rows[place]
    return RevenueView(
        headline=_headline(row, chosen, currency),
        lead=_lead(row, currency, book),
        currency=currency,
        kpis=_kpis(book, rows, place, risk),
        month=_month(book, row, chosen),
        chart=bars(rows, currency),
        lines=tuple(_line(one, currency, chosen) for one in reversed(rows[-_LINES:])),
        plans=_plans(trends, place, currency),
        plans_title=f"What each plan brings at the end of {calendar.name(chosen)}",
        notes=_notes(book),
        options=tuple((calendar.code(month), calendar.name(month)) for month in reversed(book.months)),
        risk=risk_view(risk),
    )


def without_bridge(why: str, risk: AtRisk, sold: Sales | None) -> RevenueView:
    """Return what can be said without subscriptions: monthly revenue as customers are today, and sales."""
    if sold is not None:
        rows: list[Any] = sold.rows()
        whole = [row for row in rows if row["complete"]] or rows
        last = whole[-1]
        when = calendar.name(calendar.period(last["month"]))
        headline = f"{amount(last['sales'], sold.currency)} were sold in {when}, to {customers(last['customers'])}"
        lead = "Sales by month, less what was given back. They do not recur: nobody has promised to buy again."
        return RevenueView(
            headline, lead, why, risk=risk_view(risk), sales=tuple(_sale(row, sold) for row in reversed(rows))
        )
    if risk.monthly is None:
        return RevenueView("No revenue is on record", "Neither customers nor subscriptions came with a price.", why)
    return RevenueView(
        f"{cash(dict(risk.monthly), short=True)} a month from {customers(sum(row.priced for row in risk.plans))}",
        "Monthly revenue of customers who have not left, as they are today.",
        why,
        risk=risk_view(risk),
    )


def _headline(row: Row, month: int, currency: str) -> str:
    change = row["closing"] - row["opening"]
    when = calendar.name(month) if row["complete"] else f"{calendar.name(month)} so far"
    if not change:
        return f"Monthly revenue stayed at {amount(row['closing'], currency)} in {when}"
    verb = "grew" if change > 0 else "fell"
    return f"Monthly revenue {verb} by {amount(abs(change), currency)} to {amount(row['closing'], currency)} in {when}"


def _lead(row: Row, currency: str, book: Book) -> str:
    came = row["new"] + row["reactivation"] + row["expansion"]
    went = row["contraction"] + row["churn"]
    return (
        f"{amount(came, currency)} came and {amount(-went, currency)} went."
        f" {customers(row['closing_customers'])} paid at its end. Data to {last_day(clock.iso(book.as_of))}."
    )


def _kpis(book: Book, rows: Sequence[Row], place: int, risk: AtRisk) -> tuple[Kpi, ...]:
    row, month, currency = rows[place], book.first + place, book.currency
    n = row["closing_customers"]
    upto = rows[max(0, place - 23) : place + 1]
    average = f"{amount(round(row['closing'] / n), currency, exact=True)} a customer" if n else "nobody pays"
    return (
        Kpi(
            "Recurring revenue",
            amount(row["closing"], currency),
            "a month",
            customers(n),
            listed(cells.address(month, "closing")),
            average,
            sparkline([one["closing"] for one in upto]),
        ),
        _retention("Net retention, 12 months", "net_retention_12", "year_ago", book, rows, place),
        _retention("Gross retention, 12 months", "gross_retention_12", "kept", book, rows, place),
        _risk_kpi(risk),
    )


def _retention(label: str, name: str, cell: str, book: Book, rows: Sequence[Row], place: int) -> Kpi:
    share = rows[place][name]
    if share is None:
        have = place + 1
        missing = f"needs the month twelve before; {have} month{' is' if have == 1 else 's are'} on record"
        return Kpi(label, "–", note=missing)
    month = book.first + place
    then, kept = bridge.year_back(book, month)
    n, note = (then, "paid a year before; what they bring now, growth included")
    if cell == "kept":
        n, note = kept, f"of the {then:,} who paid a year before still pay; growth is left out"
    past = [one[name] for one in rows[: place + 1] if one[name] is not None]
    line = sparkline(past) if len(past) >= _FEWEST else None
    return Kpi(label, percent(share), "of revenue", customers(n), listed(cells.address(month, cell)), note, line)


def _risk_kpi(risk: AtRisk) -> Kpi:
    if risk.monthly is None or risk.at_risk is None:
        return Kpi("Revenue at risk", "–", note="needs prices and scores of customers")
    share = risk.at_risk["amount_minor"] / risk.monthly["amount_minor"] if risk.monthly["amount_minor"] else None
    note = f"{percent(share)} of {cash(dict(risk.monthly), short=True)}, expected loss by the scores of {day(risk.scored_at)}"
    return Kpi("Revenue at risk", cash(dict(risk.at_risk), short=True), "a month", note=note, risk=True)


def _month(book: Book, row: Row, month: int) -> MonthView:
    name = calendar.name(month)
    kept = row["net_retention"]
    title = (
        f"{name}, from end to end"
        if kept is None
        else f"{percent(kept)} of the revenue at the beginning of {name} stayed"
    )
    incomplete = "" if row["complete"] else f"This month runs: figures reach to {last_day(clock.iso(book.as_of))}."
    before, after = (_page(one) if one in book.months else "" for one in (month - 1, month + 1))
    return MonthView(name, calendar.code(month), title, waterfall(month, row, book.currency), before, after, incomplete)


def _page(month: int) -> str:
    return f"/revenue?month={calendar.code(month)}"


def _line(row: Row, currency: str, chosen: int) -> Line:
    month = calendar.period(row["month"])
    entries = tuple(
        Entry(
            amount(row[figure], currency, signed=figure in bridge.KINDS),
            row[f"{figure}_customers"],
            listed(cells.address(month, figure)),
        )
        for figure in bridge.FIGURES
    )
    net, gross = percent(row["net_retention"]), percent(row["gross_retention"])
    return Line(calendar.name(month), _page(month), month == chosen, row["complete"], entries, net, gross)


def _plans(trends: Trends, place: int, currency: str) -> tuple[PlanLine, ...]:
    month = trends.months[place]
    found = []
    for at, plan in enumerate(trends.plans):
        if not month.plans[at]:
            continue
        past = [one.plans[at] for one in trends.months[: place + 1]]
        year_ago = past[-13] if len(past) > bridge.TRAILING else None
        change = f"{100 * (past[-1] / year_ago - 1):+.1f}%".replace("-", "−") if year_ago else "–"
        address = listed(cells.plan_address(month.month, plan))
        entry = Entry(amount(past[-1], currency), month.plan_customers[at], address)
        share = percent(past[-1] / month.revenue)
        found.append(PlanLine(plan or "No plan", entry, share, change, sparkline(past[-24:])))
    return tuple(sorted(found, key=lambda line: -line.entry.count))


def _notes(book: Book) -> tuple[str, ...]:
    notes = [f"Calendar months in {book.zone}. Monthly revenue is that of the subscriptions that run at a month's end."]
    if book.hidden:
        first = calendar.name(book.first)
        notes.append(f"The bridge begins with {first}: before it, those who had left already are not on record.")
    if book.other_currency:
        notes.append(f"{book.other_currency:,} subscriptions in other currencies are in no figure here.")
    return tuple(notes)


def risk_view(risk: AtRisk) -> RiskView | None:
    """Return what is at risk today; None without prices."""
    if risk.monthly is None:
        return None
    title = "What is at risk, as customers are today"
    if risk.at_risk is not None:
        title = f"{cash(dict(risk.at_risk), short=True)} of {cash(dict(risk.monthly), short=True)} a month is expected to go"
    scored = f", scored {day(risk.scored_at)}" if risk.scored_at else "; nobody is scored yet"
    bands = tuple(
        _risk_line(row, row.key, BAND_WORDS[row.key], f"/customers?band={row.key}", risk.currency) for row in risk.bands
    )
    plans = tuple(
        _risk_line(row, "", row.key or "No plan", listed(cells.today_address(row.key)), risk.currency)
        for row in risk.plans
    )
    return RiskView(title, f"{customers(risk.customers)} who have not left{scored}", bands, plans)


def _risk_line(row: at_risk.Row, key: str, word: str, address: str, currency: str) -> RiskLine:
    share = percent(row.at_risk / row.monthly) if row.at_risk is not None and row.monthly else "–"
    monthly, lost = amount(row.monthly, currency), amount(row.at_risk, currency)
    return RiskLine(key, word, row.customers, address, monthly, lost, share)


def _sale(row: Row, sold: Sales) -> SalesLine:
    month = calendar.period(row["month"])
    address = listed(cells.address(month, "sales"))
    return SalesLine(
        calendar.name(month), row["complete"], amount(row["sales"], sold.currency), row["customers"], address
    )
