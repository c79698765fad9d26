"""The pages of health scores: before there are any, with a table and with a past, schemes edited, refused, adopted and undone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.models import AnalysisRun
from retainstream.security.actor import SYSTEM
from retainstream.services import revisions
from retainstream.services.health import schemes
from retainstream.services.health.schemes import SchemeView
from retainstream.services.segments import saved
from tests.history import define, make_past, write_past
from tests.web.conftest import Browser
from tests.web.stocked import stock
from tests.web.test_figures import figures, listed
from tests.work import run_job

As = Callable[[str], Browser]
PAGE, SCHEMES = "/health-scores", "/health-scores/schemes"


@pytest.fixture
def scored(app: Flask, settings: Settings) -> None:
    """60 customers of a table, 48 of them active, with health scores."""
    with app.app_context():
        stock(60)
        run_job(settings, "analyse")


@pytest.fixture
def past(app: Flask, settings: Settings) -> None:
    """Half a year of 260 customers, with health scores of four dates."""
    with app.app_context():
        with unit_of_work() as session:
            write_past(session, make_past(260, months=9))
            define(session)
        run_job(settings, "analyse")


def active(app: Flask) -> tuple[SchemeView, ...]:
    with app.app_context(), read_unit() as session:
        return schemes.active(session)


def sent(scheme: SchemeView, **changes: str) -> dict[str, str]:
    form = {"name": scheme.name, "segment_id": "", "band-weak": "40", "band-fair": "60", "band-good": "80"}
    for place, part in enumerate(scheme.parts):
        form |= {f"part-{place}-key": part.key, f"part-{place}-weight": str(part.weight)}
        form |= {f"part-{place}-worst": str(part.worst), f"part-{place}-best": str(part.best)}
    return form | changes


def propose(app: Flask, scheme: SchemeView) -> None:
    """Have the back-test of the run in force propose all weight for the first part."""
    weights = dict.fromkeys(scheme.keys, 0) | {scheme.keys[0]: 100}
    figure = {"value": 0.8, "low": 0.7, "high": 0.9}
    with app.app_context(), unit_of_work() as session:
        run = session.scalars(
            select(AnalysisRun).where(AnalysisRun.kind == "health").order_by(AnalysisRun.id.desc())
        ).first()
        assert run is not None
        own: dict[str, Any] = {
            "message": None, "better": True, "weights": weights, "intervals": dict.fromkeys(scheme.keys, figure), "gain": figure,
            "current": figure, "proposed": figure, "learnt": 900, "learnt_left": 90, "judged": 300, "judged_left": 30,
        }  # fmt: skip
        rivals = {
            "health": figure,
            "model": figure,
            "silence": figure,
            "against_model": figure,
            "against_silence": None,
        }
        beside = {"message": None, **rivals, "n": 300, "customers": 200, "left": 30, "dates": [], "bands": []}
        told = {str(scheme.id): {"past": beside, "beside_model": beside, "proposal": own}}
        run.summary = {**run.summary, "backtest": {"message": None, "schemes": told}}
        run.made_at += 1
        revisions.bump(session, "analyses")


def test_before_there_are_scores_one_button_makes_them(as_: As) -> None:
    page = as_("analyst").get(PAGE).text
    assert "No health scores yet" in page
    assert "Make them now" in page
    assert "Make them now" not in as_("viewer").get(PAGE).text
    assert "No schemes yet" in as_("analyst").get(SCHEMES).text


@pytest.mark.usefixtures("scored")
def test_a_table_shows_bands_and_says_what_cannot_be_said(as_: As) -> None:
    page = as_("analyst").get(PAGE).text
    assert "cannot be said here yet" in page
    assert "labelled table" in page
    assert "No trend yet" in page
    assert "not known: retention" in page


@pytest.mark.usefixtures("past")
def test_a_past_shows_falls_the_back_test_and_weights(app: Flask, as_: As) -> None:
    analyst = as_("analyst")
    page = analyst.get(PAGE).text
    assert "AUC with 95% intervals" in page
    assert "Silence alone" in page
    assert "replay a past day" in page
    assert "fell by 10 points or more" in page
    followed = 0
    for address, figure in figures(page).items():
        assert listed(analyst.get(address).text) == figure, address
        followed += 1
    assert followed > 15
    for name in ("scores", "bands", "backtest", "business"):
        file = analyst.get(f"{PAGE}/{name}.csv")
        assert file.mimetype == "text/csv"
        assert file.text.count("\n") >= 2, name


@pytest.mark.usefixtures("scored")
def test_proposed_weights_are_adopted_and_undone(app: Flask, as_: As) -> None:
    (scheme,) = active(app)
    propose(app, scheme)
    analyst = as_("analyst")
    assert "Other weights would have told better" in analyst.get(PAGE).text
    assert "Adopt the proposed weights" not in as_("viewer").get(PAGE).text
    assert analyst.post(f"{SCHEMES}/{scheme.id}/adopt", {}, page=PAGE).status_code == 303
    (adopted,) = active(app)
    assert [part.weight for part in adopted.parts] == [100, *([0] * (len(scheme.parts) - 1))]
    page = analyst.get(PAGE).text
    assert "Back to the weights before" in page
    assert "newer than the last scores" in page
    analyst.post(f"{SCHEMES}/{adopted.id}/undo", {}, page=PAGE)
    assert [part.weight for part in active(app)[0].parts] == [part.weight for part in scheme.parts]
    analyst.post(f"{SCHEMES}/{scheme.id}/adopt", {}, page=PAGE)
    assert "replaced or deleted" in analyst.get(PAGE).text or "newer" in analyst.get(PAGE).text


@pytest.mark.usefixtures("scored")
def test_the_editor_keeps_what_adds_up_and_names_what_does_not(app: Flask, as_: As) -> None:
    (scheme,) = active(app)
    analyst, address = as_("analyst"), f"{SCHEMES}/{scheme.id}"
    assert "would have" in analyst.get(address).text
    wrong = analyst.post(address, sent(scheme, **{"part-0-weight": "200", "name": "Ours"}))
    assert wrong.status_code == 422
    assert "Weight: expected a whole number from 0 to 100." in wrong.text and 'value="Ours"' in wrong.text
    wrong = analyst.post(address, sent(scheme, **{"part-0-weight": "0"}))
    assert wrong.status_code == 422 and "add up to 100, not" in wrong.text
    wrong = analyst.post(address, sent(scheme, **{"part-0-worst": "many", "band-weak": "90"}))
    assert "two different numbers" in wrong.text and "three rising figures" in wrong.text
    kept = analyst.post(address, sent(scheme, name="Ours"))
    assert (kept.status_code, active(app)[0].name) == (303, "Ours")
    assert analyst.get(address).status_code == 404, "it was replaced"
    page = analyst.get(SCHEMES).text
    assert "Ours" in page and "Back to what it was before" in page


@pytest.mark.usefixtures("scored")
def test_parts_are_added_and_taken_out_without_a_script(app: Flask, as_: As) -> None:
    (scheme,) = active(app)
    analyst, address = as_("analyst"), f"{SCHEMES}/{scheme.id}/preview"
    page = f"{SCHEMES}/{scheme.id}"
    dropped = analyst.post(address, sent(scheme, drop="0"), page=page).text
    assert f'value="{scheme.keys[0]}"' in dropped, "it may be chosen again"
    assert f'name="part-0-key" value="{scheme.keys[1]}"' in dropped
    again = sent(scheme, drop="0") | {"drop": "", "part-0-key": "", "add": scheme.keys[0]}
    added = analyst.post(address, again, page=page).text
    assert re.search(rf'name="part-\d+-key" value="{re.escape(scheme.keys[0])}"', added)
    part = analyst.post(address, sent(scheme), page=page, headers={"HX-Request": "true"})
    assert "<html" not in part.text and "would have" in part.text
    part = analyst.post(address, sent(scheme, **{"part-0-weight": "x"}), page=page, headers={"HX-Request": "true"})
    assert "No preview yet" in part.text


@pytest.mark.usefixtures("scored")
def test_a_segment_gets_its_own_scheme_and_loses_it(app: Flask, as_: As) -> None:
    (scheme,) = active(app)
    with app.app_context(), unit_of_work() as session:
        rule = {"field": "plan", "op": "in", "value": ["Basic"]}
        segment = saved.create(session, SYSTEM, {"name": "Basic", "rule": rule}, time_zone="UTC")
    analyst = as_("analyst")
    assert analyst.post(SCHEMES, sent(scheme, name="Own"), page=f"{SCHEMES}/new").status_code == 422
    kept = analyst.post(SCHEMES, sent(scheme, name="Own", segment_id=str(segment.id)), page=f"{SCHEMES}/new")
    assert kept.status_code == 303
    own = active(app)[1]
    assert own.segment == "Basic"
    twice = analyst.post(SCHEMES, sent(scheme, name="Twice", segment_id=str(segment.id)), page=f"{SCHEMES}/new")
    assert twice.status_code == 422 and "already" in twice.text
    assert "Segment “Basic”" in analyst.get(SCHEMES).text
    analyst.post(f"{SCHEMES}/{own.id}/delete", {}, page=SCHEMES)
    assert len(active(app)) == 1


@pytest.mark.usefixtures("scored")
def test_a_viewer_looks_and_changes_nothing(app: Flask, as_: As) -> None:
    (scheme,) = active(app)
    viewer = as_("viewer")
    assert f"{SCHEMES}/{scheme.id}" not in viewer.get(SCHEMES).text
    assert viewer.get(f"{SCHEMES}/{scheme.id}").status_code == 403
    assert viewer.get(f"{PAGE}/scores.csv").status_code == 403
    assert viewer.post(f"{SCHEMES}/{scheme.id}", sent(scheme), page="/").status_code == 403


@pytest.mark.usefixtures("past")
def test_a_customer_has_health_with_parts_and_a_trend_and_lists_a_column(app: Flask, as_: As) -> None:
    analyst = as_("analyst")
    fallen = re.findall(r'class="health-who"><a href="(/customers/[^"]+)"', analyst.get(PAGE).text)
    page = analyst.get(fallen[0]).text
    assert re.search(r"Health: \d+ of 100, (critical|weak|fair|good); .+ costs most", page)
    assert re.search(r"Down \d+ points since", page)
    assert "Time since the last activity" in page and "By the scheme “Default”" in page
    listed_page = analyst.get("/customers?columns=health,plan").text
    assert re.search(r'data-label="Health"', listed_page)
    file = analyst.get("/customers.csv?columns=health").text.splitlines()
    assert file[0].endswith("health_score,health_band")
    assert re.search(r",\d+(\.\d+)?,(critical|weak|fair|good)$", "\n".join(file), re.MULTILINE)
