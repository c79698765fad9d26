"""The data pages of the feature dictionary: what a model may learn from, how each spreads, and the editor of one's own."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, current_app, flash, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from retainstream.current import box_settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import Busy, InvalidInput, NotFound, NotReady
from retainstream.ml.features import FeatureSpec
from retainstream.security.permissions import Permission
from retainstream.services import as_of, dashboard, feature_dictionary
from retainstream.services.as_of import facts
from retainstream.web import data_features_form as forms
from retainstream.web import data_features_view as views
from retainstream.web import frame
from retainstream.web.browser_session import go
from retainstream.web.data_features_form import Form
from retainstream.web.data_features_view import SpreadView
from retainstream.web.guards import requires_page, signed_in_actor

blueprint = Blueprint("web_features", __name__)
PAGE = "/data/features"
LONGEST_QUERY = 100


@blueprint.get(PAGE)
@requires_page(Permission.MODEL_READ)
def show() -> BaseResponse:
    """Show the dictionary, or what of it was searched for."""
    origin = request.args.get("origin", "")
    start = request.args.get("from", 0, type=int)
    with read_unit() as session:
        view = views.list_view(
            as_of.dictionary(session),
            feature_dictionary.versions(session),
            _shares(session),
            query=request.args.get("q", "").strip()[:LONGEST_QUERY],
            origin=origin if origin in views.ORIGINS else "",
            start=max(0, start),
        )
        shown: dict[str, Any] = {"view": view, "origins": views.ORIGINS, "may_declare": _may_declare()}
        if frame.wants_fragment():
            return current_app.make_response(render_template("data/_feature_list.html", **shown))
        return frame.page(session, "data/features.html", here="data", **shown)


@blueprint.get(f"{PAGE}/by-name/<string:name>")
@requires_page(Permission.MODEL_READ)
def one(name: str) -> BaseResponse:
    """Show one feature; its values come after, because they take a moment."""
    return _one(name)


@blueprint.get(f"{PAGE}/by-name/<string:name>/values")
@requires_page(Permission.MODEL_READ)
def values(name: str) -> BaseResponse:
    """Show how a feature spreads over all customers: as a part of its page, or with the page around it."""
    with read_unit() as session:
        spread, refusal = _spread(session, _named(session, name))
    if frame.wants_fragment():
        html = render_template(
            "data/_feature_values.html", spread=spread, refusal=refusal, csv=f"{_address(name)}/values.csv"
        )
        return current_app.make_response(html)
    return _one(name, spread, refusal)


@blueprint.get(f"{PAGE}/by-name/<string:name>/values.csv")
@requires_page(Permission.MODEL_READ)
def download(name: str) -> BaseResponse:
    """Give how a feature spreads as CSV."""
    with read_unit() as session:
        spec = _named(session, name)
        found = as_of.spread(session, box_settings(), spec)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if found.levels:
        writer.writerow(("value", "customers"))
        # A text that a spreadsheet would take for a formula gets a quote before it.
        writer.writerows((f"'{word}" if word[:1] in "=+-@\t\r" else word, count) for word, count in found.levels)
    else:
        writer.writerow(("from", "to", "customers"))
        writer.writerows((each.low, each.high, each.count) for each in found.bins)
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="values.csv"'
    return response


@blueprint.get(f"{PAGE}/new")
@requires_page(Permission.MODEL_TRAIN)
def editor() -> BaseResponse:
    """Show the editor, empty or filled with a declared feature whose next version is to be made."""
    name = request.args.get("of", "")
    with read_unit() as session:
        if not name:
            return _editor(session, Form())
        if name not in feature_dictionary.versions(session):
            raise NotFound("Only a feature that was declared here can be changed.")
        return _editor(session, forms.of_spec(_named(session, name)))


@blueprint.post(f"{PAGE}/preview")
@requires_page(Permission.MODEL_TRAIN)
def preview() -> BaseResponse:
    """Show how the feature in the editor would spread; nothing is stored."""
    form = forms.of_sent(request.form)
    body, problems = forms.body_of(form)
    # Figures need neither a title nor a name, and the editor is filled in any order.
    unnamed = {name: found for name, found in problems.items() if name not in ("title", "name")}
    body |= {"name": "preview", "title": form.title[:120] or "Value"}
    spread, refusal = None, ""
    with read_unit() as session:
        if not unnamed:
            try:
                spread, refusal = _spread(session, feature_dictionary.checked(session, body))
            except InvalidInput as refused:
                unnamed = forms.as_complaints(refused.fields)
        if frame.wants_fragment():
            html = render_template(
                "data/_feature_values.html", spread=spread, refusal=refusal, csv="", problems=unnamed
            )
            return current_app.make_response(html)
        return _editor(session, replace(form, problems=unnamed), spread, refusal, status=422 if unnamed else 200)


@blueprint.post(PAGE)
@requires_page(Permission.MODEL_TRAIN)
def declare() -> BaseResponse:
    """Declare the feature in the editor."""
    actor = signed_in_actor()
    form = forms.of_sent(request.form)
    body, problems = forms.body_of(form)
    if not problems:
        with read_unit() as session:
            versions = feature_dictionary.versions(session)
            taken = {spec.name for spec in as_of.dictionary(session) if spec.name not in versions}
        try:
            with unit_of_work() as session:
                made = feature_dictionary.declare(session, actor, body, taken=taken)
                name, words = made.name, f"“{made.title}”, version {made.version}, is declared."
        except InvalidInput as refused:
            problems = forms.as_complaints(refused.fields) or {"title": [refused.message]}
    if problems:
        with read_unit() as session:
            return _editor(session, replace(form, problems=problems), status=422)
    flash(f"{words} The next training learns from it.", "good")
    return go(_address(name))


@blueprint.post(f"{PAGE}/by-name/<string:name>/withdraw")
@requires_page(Permission.MODEL_TRAIN)
def withdraw(name: str) -> BaseResponse:
    """Take a declared feature out of the dictionary."""
    actor = signed_in_actor()
    with unit_of_work() as session:
        feature_dictionary.withdraw(session, actor, name)
    flash(f"“{name}” is withdrawn. Models that learnt from it go on with it.", "good")
    return go(PAGE)


def _one(name: str, spread: SpreadView | None = None, refusal: str = "") -> BaseResponse:
    with read_unit() as session:
        spec = _named(session, name)
        shares = _shares(session)
        feature = views.feature_view(
            spec, feature_dictionary.versions(session), shares, max(shares.values(), default=0.0)
        )
        shown: dict[str, Any] = {
            "feature": feature,
            "spread": spread,
            "refusal": refusal,
            "csv": f"{feature.address}/values.csv",
        }
        return frame.page(session, "data/feature.html", here="data", may_declare=_may_declare(), **shown)


def _editor(
    session: Session, form: Form, spread: SpreadView | None = None, refusal: str = "", status: int = 200
) -> BaseResponse:
    kinds = sorted({*facts.on_record(session).kinds, *([form.event] if form.event else [])})
    shown: dict[str, Any] = {
        "form": form,
        "event_choices": [("", "All activity"), *((kind, kind) for kind in kinds)],
        "words": forms,
        "spread": spread,
        "refusal": refusal,
    }
    return frame.page(session, "data/feature_editor.html", here="data", status=status, **shown)


def _named(session: Session, name: str) -> FeatureSpec:
    found = next((spec for spec in as_of.dictionary(session) if spec.name == name), None)
    if found is None:
        raise NotFound(f"There is no feature called {name[:80]!r}; it may have been withdrawn.")
    return found


def _spread(session: Session, spec: FeatureSpec) -> tuple[SpreadView | None, str]:
    try:
        return views.spread_view(as_of.spread(session, box_settings(), spec), spec), ""
    except (Busy, NotReady) as refused:
        return None, refused.message


def _shares(session: Session) -> dict[str, float]:
    items: list[dict[str, Any]] = dashboard.features(session)["items"]  # type: ignore[assignment]
    return {str(item["feature"]): float(item["share"]) for item in items}


def _address(name: str) -> str:
    return f"{PAGE}/by-name/{name}"


def _may_declare() -> bool:
    return signed_in_actor().may(Permission.MODEL_TRAIN)
