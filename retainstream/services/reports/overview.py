"""Home and the model in service as reports: the figures that the pages show, from the services that they ask."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from retainstream.lib.workbook import Heading
from retainstream.services import dashboard, model_card, registry, trend
from retainstream.services.reports.cells import NOTHING
from retainstream.services.reports.documents import Asking, Document, Figure, Table, amount, instant, small

_BANDS = {"low": "Low", "medium": "Medium", "high": "High", "very_high": "Very high"}
_COUNTS = Heading("customers", "whole", "Customers")
_METRICS = {
    "auc": "AUC",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "ece": "Calibration error",
    "f1": "F1",
    "auc_difference": "AUC, model less this",
    "log_loss_difference": "Log loss, model less this",
    "empc": "Profit per customer (EMPC)",
}
_RIVALS = {"xgboost": "The model"}
"""What figures are of; the others are said as they are called."""


def home(asking: Asking) -> Document:
    """Return the overview: who is there, how much is at risk, how the scores spread, what the model looks at, and how it went over time."""
    session = asking.session
    found: Any = dashboard.metrics(session, asking.settings)
    expected, interval = found["expected_churners"], found["expected_churners_interval"]
    risky = found["predicted_churners"]
    title = (
        f"{found['active_customers']:,} customers"
        if risky is None
        else f"{risky:,} of {found['active_customers']:,} customers at high risk"
    )
    figures = (
        Figure(
            "Active customers", _whole(found["active_customers"]), f"{_whole(found['churned_customers'])} have left"
        ),
        Figure("At high risk", _whole(risky), f"of {_whole(found['scored_customers'])} scored"),
        Figure("Expected to leave", NOTHING if expected is None else f"{expected:,.0f}", _between(interval)),
        Figure("Monthly revenue", amount(found["monthly_revenue"]), "of active customers"),
        Figure("Revenue at risk", amount(found["revenue_at_risk"]), "a month, weighed by the chance of leaving"),
    )
    tables = (*_spread(asking), *_drivers(asking), *_over_time(asking))
    notes = ("Scores are out of date: newer data came in, or a nightly scoring was missed.",) if found["stale"] else ()
    lead = (
        f"Each score says that a customer {found['wording']}." if risky is not None else "Nobody has been scored yet."
    )
    return Document(title, lead, instant(found["as_of"]), tables, figures, notes)


def _spread(asking: Asking) -> list[Table]:
    found: Any = dashboard.distribution(asking.session)
    measure = "probability" if found["measure"] == "churn_probability" else "rank among customers"
    bands = [(_BANDS[band["band"]], band["from"], band["count"]) for band in reversed(found["bands"])]
    bins = [(one["low"], one["high"], one["count"]) for one in found["bins"]]
    if not found["n"]:
        return []
    return [
        small(
            "By risk",
            (Heading("risk", title="Risk"), Heading("from", "share", "From"), _COUNTS),
            bands,
            bar="customers",
        ),
        small(
            "How the scores spread",
            (Heading("from", "share", "From"), Heading("to", "share", "To"), _COUNTS),
            bins,
            bar="customers",
            note=f"By {measure}; n = {found['n']:,} active customers.",
        ),
    ]


def _drivers(asking: Asking) -> list[Table]:
    found: Any = dashboard.features(asking.session)
    rows = [(one["rank"], one["title"], one["share"]) for one in found["items"][:15]]
    headings = (
        Heading("rank", "whole", "Rank"),
        Heading("feature", title="Feature"),
        Heading("share", "share", "Share"),
    )
    note = "Share of the whole influence on scores."
    return [small("What the model looks at", headings, rows, bar="share", note=note)] if rows else []


def _over_time(asking: Asking) -> list[Table]:
    past = [one.to_dict() for one in trend.moments(asking.session)]
    headings = (
        Heading("as_of", "date", "As of"),
        Heading("model_version", "whole", "Model"),
        Heading("scored", "whole", "Scored"),
        Heading("predicted_churners", "whole", "At high risk"),
        Heading("expected_churners", "number", "Expected to leave"),
        Heading("expected_share", "share", "Expected"),
        Heading("left_share", "share", "Left"),
        Heading("auc", "number", "AUC"),
    )
    rows = [
        [_moment(one[heading.name]) if heading.kind == "date" else one[heading.name] for heading in headings]
        for one in past
    ]
    note = "What came of a scoring is known once its window has closed."
    return [small("Scorings so far", headings, rows, note=note)] if rows else []


def model(asking: Asking) -> Document:
    """Return the card of the model in service; raises NotReady without one."""
    session = asking.session
    current = registry.required_champion(session)
    card: Any = model_card.card(session, current.version_id)
    definition, window = card["definition"], card["data_window"]
    horizon = definition["horizon_days"]
    figures = (
        Figure("Ranks customers", _three(card["auc"]), f"AUC, {_between(card['auc_interval'], 3)}"),
        Figure("Learned from", _whole(card["n"]), f"customers, {_whole(card['n_churned'])} of them gone"),
        Figure("Looks ahead", NOTHING if horizon is None else f"{horizon} days", definition["name"]),
        Figure(
            "Probabilities",
            "Hold" if card["calibrated"] else "Withheld",
            "calibrated" if card["calibrated"] else "only ranks are shown",
        ),
    )
    metrics = [
        (
            _RIVALS.get(subject, _words(subject)),
            _METRICS.get(name, _words(name)),
            one["value"],
            one["low"],
            one["high"],
            one["n"],
        )
        for subject, told in card["metrics"].items()
        for name, one in told.items()
    ]
    headings = (
        Heading("subject", title="Of"),
        Heading("figure", title="Figure"),
        Heading("value", "number", "Value"),
        Heading("low", "number", "From"),
        Heading("high", "number", "To"),
        Heading("n", "whole", "n"),
    )
    facts = [(_words(name), value) for name, value in window.items() if isinstance(value, str | int | float)]
    tables = [
        small("Figures with their intervals", headings, metrics),
        *_drivers(asking),
        *(
            [small("The data it learned from", (Heading("fact", title="Fact"), Heading("value", title="Value")), facts)]
            if facts
            else []
        ),
    ]
    notes = tuple(str(note) for note in (card["report"] or {}).get("notes", []))
    title = f"Model: version {current.version_id} is in service"
    lead = str((card["verdict"] or {}).get("message", ""))
    trained = _moment(card["as_of"] or card["trained_at"])
    return Document(title, lead, instant(trained and trained.isoformat()), tuple(tables), figures, notes)


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _whole(value: float | None) -> str:
    return NOTHING if value is None else f"{round(value):,}"


def _three(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _between(interval: Any, digits: int = 0) -> str:
    return "no interval" if not interval else f"95% interval {interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
