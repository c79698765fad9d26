"""RFM groups, survival and lifetime value as reports. Before the analyses were made they say so, as the pages do."""

from __future__ import annotations

from typing import Any

from retainstream.lib.money import to_major
from retainstream.lib.workbook import Heading
from retainstream.services.lifetime import reading as lifetimes
from retainstream.services.reports import parameters
from retainstream.services.reports.cells import NOTHING
from retainstream.services.reports.documents import Asking, Document, Figure, amount, instant, small
from retainstream.services.rfm import reading as rfm_reading
from retainstream.services.survival import curves, present

_CUSTOMERS = Heading("customers", "whole", "Customers")
_MEANING = {"purchases": "what they bought", "activity": "what they did"}


def rfm(asking: Asking) -> Document:
    """Return the named groups with how many are in each, and the map; raises NotReady before they were made."""
    found = rfm_reading.standing(asking.session)
    currency = found.currency
    groups = [
        (
            one.name,
            one.n,
            None if currency is None or one.money_minor is None else to_major(one.money_minor, currency),
            one.probability,
            one.meaning,
        )
        for one in found.groups
    ]
    headings = (
        Heading("group", title="Group"),
        _CUSTOMERS,
        Heading("money", "money", "Money" if currency is None else f"Money, {currency}"),
        Heading("churn_probability", "share", "Mean probability"),
        Heading("meaning", "long", "Who they are"),
    )
    places = [(f"R{recency}", *row) for recency, row in reversed(list(enumerate(found.grid, 1)))]
    grid = (
        Heading("recency", title="Recency"),
        *(Heading(f"f{one}", "whole", f"F{one}") for one in range(1, len(found.grid) + 1)),
    )
    tables = (
        small("Groups", headings, groups, bar="customers"),
        small("Map", grid, places, note="Customers by recency (R5: the latest) and frequency (F5: the most often)."),
    )
    title = f"{found.n:,} customers by recency, frequency and money"
    lead = f"Scored in fifths by {_MEANING.get(found.meaning, found.meaning)}."
    return Document(title, lead, found.as_of, tables)


def survival(asking: Asking) -> Document:
    """Return the share of customers who stay for how long, with its interval, and departures by tenure; raises NotReady before it was made.

    With the parameter `by` of the page: a curve for each group, and whether they differ.
    """
    by = parameters.read(asking.query).get("by", "")
    found = curves.read(asking.session, asking.settings, by)
    told: Any = present.survival(found)
    if by:
        return _by_group(told)
    hazards: Any = present.tenure(found, curves.tenure(asking.session, asking.settings))
    group = told["groups"][0]
    steps = [[one[heading.name] for heading in _CURVE] for one in group["steps"]]
    rates = [
        (one["after_months"], one["until_months"], one["left"], one["rate"], one["low"], one["high"])
        for one in hazards["items"]
        if one["enough"]
    ]
    by_tenure = (
        Heading("after_months", "number", "From month"),
        Heading("until_months", "number", "To month"),
        Heading("left", "whole", "Left"),
        Heading("rate", "share", "Leave in a month"),
        Heading("low", "share", "From"),
        Heading("high", "share", "To"),
    )
    median = group["median"]
    figures = (
        Figure("Customers", f"{told['n']:,}", f"{told['n_left']:,} of them left"),
        Figure("Half stay for", NOTHING if median is None else f"{median:.1f} months", _interval(group)),
    )
    tables = (
        small("How many stay", _CURVE, steps, bar="share", note="Kaplan-Meier with 95% intervals."),
        small("Departures by tenure", by_tenure, rates, note="Months with too few customers are left out."),
    )
    lead = "The share of customers who are still there after so many months."
    title = "How long customers stay" if median is None else f"Half of the customers stay for {median:.1f} months"
    return Document(title, lead, instant(told["as_of"]), tables, figures)


_GROUP = Heading("group", title="Group")
_CURVE = (
    Heading("until_months", "number", "Months"),
    Heading("share", "share", "Still there"),
    Heading("low", "share", "From"),
    Heading("high", "share", "To"),
    Heading("at_risk", "whole", "Followed so far"),
    Heading("left", "whole", "Left"),
)


def _by_group(told: Any) -> Document:
    """Return curves of several groups, held against each other."""
    groups = [
        (one["label"], one["n"], one["n_left"], one["median"], one["median_low"], one["median_high"])
        for one in told["groups"]
    ]
    in_short = (
        _GROUP,
        _CUSTOMERS,
        Heading("left", "whole", "Left"),
        Heading("half_stay_months", "number", "Half stay for, months"),
        Heading("from", "number", "From"),
        Heading("to", "number", "To"),
    )
    steps = [
        (group["label"], *(one[heading.name] for heading in _CURVE))
        for group in told["groups"]
        for one in group["steps"]
    ]
    tests = [
        (" and ".join(one["groups"]) if place else "all groups", one["chi2"], one["df"], one["p"], one["p_holm"])
        for place, one in enumerate([told["log_rank"], *told["pairs"]] if told["log_rank"] else [])
    ]
    of_tests = (
        Heading("groups", title="Groups"),
        Heading("chi2", "number", "Chi-squared"),
        Heading("df", "whole", "Degrees of freedom"),
        Heading("p", "number", "p"),
        Heading("p_holm", "number", "p, Holm"),
    )
    tables = (
        small("Groups", in_short, groups, bar="customers"),
        small("How many stay", (_GROUP, *_CURVE), steps, note="Kaplan-Meier with 95% intervals."),
        *([small("Do they differ?", of_tests, tests, note="Log-rank tests.")] if tests else []),
    )
    lead = "The share of customers who are still there after so many months, group by group."
    return Document(f"How long customers stay, by {told['title']}", lead, instant(told["as_of"]), tables)


def _interval(group: dict[str, Any]) -> str:
    low, high = group["median_low"], group["median_high"]
    if low is None:
        return "not seen yet"
    return f"95% interval {low:.1f} to {'no end' if high is None else f'{high:.1f}'}"


def lifetime(asking: Asking) -> Document:
    """Return what customers are worth over the horizon, by tenth and plan; raises NotReady before it was made."""
    found = lifetimes.standing(asking.session, asking.settings)
    told: Any = lifetimes.present(found)
    money = found.currency
    headings = (
        Heading("customers", title="Customers"),
        Heading("n", "whole", "n"),
        Heading("value", "money", f"Together, {money}"),
        Heading("mean", "money", "Each"),
        Heading("least", "money", "From"),
        Heading("most", "money", "To"),
    )

    def rows(parts: Any) -> list[list[object]]:
        return [
            [one["title"], one["n"], *(_major(one[name]) for name in ("value", "mean", "least", "most"))]
            for one in parts
        ]

    total = told["total"]
    figures = (
        Figure("Worth together", amount(total["value"]), f"{amount(total['low'])} to {amount(total['high'])}"),
        Figure("Customers", f"{found.n:,}", f"over {found.terms['months']} months"),
        Figure("The top tenth", amount(told["top_tenth"]["value"]), f"{told['top_tenth']['n']:,} customers"),
    )
    tables = (
        small("By tenth, from the least to the most", headings, rows(told["tenths"])),
        small("By plan", headings, rows(told["plans"])),
    )
    notes = tuple(str(note) for note in told["notes"])
    title = f"{found.n:,} customers are worth {amount(total['value'])} over {found.terms['months']} months"
    return Document(title, str(told["method"]), found.as_of, tables, figures, notes)


def _major(money: Any) -> object:
    return None if money is None else to_major(money["amount_minor"], money["currency"])
