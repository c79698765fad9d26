"""The page of lifetime values, and its figures as files."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, current_app, stream_with_context
from werkzeug.wrappers import Response as BaseResponse

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services.lifetime import listing, reading
from retainstream.web import analyses, csv_files, frame, lifetime_view
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_lifetime", __name__)
SHOWN = 10
_COLUMNS = ("user_id", "value", "low", "high", "currency", "p_alive", "expected_purchases")
_TENTHS = ("tenth", "customers", "predicted_mean", "actual_mean", "low", "high")


@blueprint.get("/revenue/lifetime")
@requires_page(Permission.CUSTOMERS_READ)
def show() -> BaseResponse:
    """Show the page; without values, why there are none."""
    settings: Settings = current_app.config["RETAINSTREAM"]
    person = signed_in_actor()
    with read_unit() as session:
        try:
            found = reading.standing(session, settings)
        except NotReady as why:
            nothing = analyses.not_yet(session, person, why.message, lifetime_view.PAGE)
            return frame.page(session, "revenue/lifetime.html", here="revenue", view=None, nothing=nothing)
        items = listing.predictions(session, PageRequest(limit=SHOWN))["items"]
        view = lifetime_view.view(found, items)  # type: ignore[arg-type]
        return frame.page(
            session, "revenue/lifetime.html", here="revenue", view=view, may_choose=person.may(Permission.SETTINGS_WRITE),
            may_export=person.may(Permission.CUSTOMERS_EXPORT),
        )  # fmt: skip


@blueprint.get("/revenue/lifetime.csv")
@requires_page(Permission.CUSTOMERS_EXPORT)
def predictions() -> BaseResponse:
    """Send everybody's value, those worth most first."""
    with read_unit() as session:
        as_of = reading.in_force(session).as_of

    def lines() -> Iterator[str]:
        yield csv_files.text_of([_COLUMNS])
        with read_unit() as session:
            for items in listing.every(session):
                yield csv_files.text_of(_line(item) for item in items)

    headers = {"Content-Disposition": f'attachment; filename="lifetime-{clock.from_us(as_of):%Y-%m-%d}.csv"'}
    return Response(stream_with_context(lines()), mimetype="text/csv", headers=headers)


@blueprint.get("/revenue/lifetime/tenths.csv")
@requires_page(Permission.CUSTOMERS_READ)
def tenths() -> BaseResponse:
    """Send the tenths of customers by value, and the plans."""
    with read_unit() as session:
        found = reading.standing(session, current_app.config["RETAINSTREAM"])
    lines = [
        (kind, one.title, one.n, *(to_major(minor, found.currency) for minor in (one.value_minor, one.least_minor, one.most_minor)), found.currency)
        for kind, parts in (("tenth", found.tenths), ("plan", found.plans))
        for one in parts
    ]  # fmt: skip
    header = ("by", "name", "customers", "value", "least", "most", "currency")
    return csv_files.download("lifetime-tenths.csv", [header, *lines])


@blueprint.get("/revenue/lifetime/check.csv")
@requires_page(Permission.CUSTOMERS_READ)
def check() -> BaseResponse:
    """Send what was expected and what came by tenth, in the main unit of the currency; only the header where nothing could be checked."""
    with read_unit() as session:
        found = reading.standing(session, current_app.config["RETAINSTREAM"])
    parts = [] if found.check is None else found.check["money"]["parts"]
    unit = float(to_major(1, found.currency))
    lines = [
        (
            part["part"],
            part["n"],
            *(None if part[name] is None else part[name] * unit for name in ("predicted", "actual", "low", "high")),
        )
        for part in parts
    ]
    return csv_files.download("lifetime-check.csv", [_TENTHS, *lines])


def _line(item: dict[str, object]) -> list[object]:
    amounts = [item[name] for name in ("value", "low", "high")]
    told = [one if isinstance(one, dict) else None for one in amounts]
    currency = str(told[0]["currency"]) if told[0] else ""
    major = [None if one is None else to_major(int(one["amount_minor"]), currency) for one in told]
    return [item["user_id"], *major, currency, item["p_alive"], item["expected_purchases"]]
