"""What a caller is told whose request misses: a wrong address, method, content type, or a misspelt field."""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import UnprocessableEntity

from retainstream.api.base import error_response
from retainstream.lib import clock
from retainstream.schemas.events import EventQuerySchema
from retainstream.schemas.exposures import ExposureInputSchema
from retainstream.schemas.features import AsOfSchema
from retainstream.schemas.model import TrainSchema
from retainstream.schemas.predictions import ReplaySchema
from retainstream.security.permissions import Permission
from tests.conftest import Cast


def test_a_wrong_address_is_named_with_the_way_to_the_right_ones(client: FlaskClient) -> None:
    answer = client.get("/api/v1/custommers")
    assert answer.status_code == 404 and answer.json is not None
    assert "/api/v1/custommers" in answer.json["error"]["message"]
    assert "/api/v1/docs" in answer.json["error"]["message"]


def test_a_wrong_method_is_told_the_possible_ones(client: FlaskClient) -> None:
    answer = client.put("/api/v1/auth/login")
    assert answer.status_code == 405 and answer.json is not None
    assert "POST" in answer.json["error"]["message"]
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_that_is_not_declared_as_json_is_refused_and_not_taken_for_none(
    client: FlaskClient, cast: Cast, content_type: str | None
) -> None:
    answer = client.post("/api/v1/auth/login", data=b'{"email": "a@example.com"}', content_type=content_type)
    assert answer.status_code == 415 and answer.json is not None
    assert answer.json["error"]["code"] == "unsupported_media_type"
    assert "application/json" in answer.json["error"]["message"]


def test_an_absent_body_is_still_none(client: FlaskClient) -> None:
    answer = client.post("/api/v1/auth/login")
    assert answer.status_code == 422 and answer.json is not None
    assert "email" in answer.json["error"]["fields"]


@pytest.mark.parametrize(
    ("path", "body", "field", "named"),
    [
        ("model/train", {"trails": 5}, "trails", "trials"),
        ("churn-definitions", {"inactive_day": 30}, "inactive_day", "inactive_days"),
        ("events", {"event": [], "sources": "app"}, "event", "events"),
        ("predictions/replay", {"asof": "2026-01-01"}, "asof", "as_of"),
        ("customers/u/exposures", {"kind": "call", "when": "2026-01-01"}, "when", "at"),
    ],
)
def test_a_misspelt_field_is_told_the_fields_there_are(
    client: FlaskClient, cast: Cast, path: str, body: dict[str, object], field: str, named: str
) -> None:
    answer = client.post(f"/api/v1/{path}", json=body, headers=cast.token("owner"))
    assert answer.status_code == 422 and answer.json is not None
    (sentence,) = answer.json["error"]["fields"][field]
    assert re.search(rf"\b{named}\b", sentence)


def test_a_misspelt_parameter_of_a_query_is_told_those_there_are(client: FlaskClient, cast: Cast) -> None:
    answer = client.get("/api/v1/events?since=2026-01-01", headers=cast.token("owner"))
    assert answer.status_code == 422 and answer.json is not None
    assert "from, to" in answer.json["error"]["fields"]["since"][0]


def test_no_route_takes_a_parameter_that_it_does_not_know(app: Flask, client: FlaskClient, cast: Cast) -> None:
    """A filter in vain must not answer the whole base: `?segment=4` of a route that has no such filter."""
    head = cast.token("owner")
    swallowed = {}
    for rule in app.url_map.iter_rules():
        guard = getattr(app.view_functions[rule.endpoint], "guard", None)
        if not rule.rule.startswith("/api/") or not isinstance(guard, Permission):
            continue
        address = re.sub(r"<[^>]*>", "1", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            answer = client.open(f"{address}?nonsense=4", method=method, json={}, headers=head)
            if "nonsense" not in answer.get_json().get("error", {}).get("fields", {}) or answer.status_code != 422:
                swallowed[f"{method} {address}"] = (answer.status_code, answer.text[:200])
    assert swallowed == {}
    refused = client.get("/api/v1/audit?nonsense=4", headers=cast.token("agent"))
    assert refused.status_code == client.delete("/api/v1/users/1?nonsense=4", headers=cast.token("agent")).status_code
    assert refused.status_code == 403


MOMENTS = [
    ("2026-08-01", "2026-08-01T00:00:00Z"),
    ("2026-08-01T00:30:00", "2026-08-01T00:30:00Z"),
    ("2026-08-01T02:30:00+02:00", "2026-08-01T00:30:00Z"),
    ("2026-08-01T00:30Z", "2026-08-01T00:30:00Z"),
]


@pytest.mark.parametrize(("written", "meant"), MOMENTS)
def test_a_day_and_an_instant_with_or_without_a_zone_are_read_alike(written: str, meant: str) -> None:
    for schema, field in ((ReplaySchema(), "as_of"), (TrainSchema(), "as_of"), (AsOfSchema(), "as_of")):
        assert clock.iso(schema.load({field: written})[field]) == meant
        assert clock.iso(schema.load({field: written.replace("+", " ")})[field]) == meant  # as a query has it
    assert clock.iso(ExposureInputSchema().load({"kind": "call", "at": written})["at"]) == meant
    events = EventQuerySchema().load({"from": written, "to": written})
    assert clock.iso(events["since"]) == clock.iso(events["until"]) == meant


@pytest.mark.parametrize("wrong", ["soon", "2026-13-01", "01.08.2026", "", "0001-01-01T00:00:00+14:00", 5, True, [1]])
@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "events", "from"),
        ("GET", "events", "to"),
        ("GET", "customers/u/features", "as_of"),
        ("POST", "customers/u/exposures", "at"),
        ("POST", "predictions/replay", "as_of"),
        ("POST", "model/train", "as_of"),
    ],
)
def test_a_wrong_time_says_what_was_expected_with_an_example(
    client: FlaskClient, cast: Cast, method: str, path: str, field: str, wrong: object
) -> None:
    sent = {"query_string": {field: str(wrong)}} if method == "GET" else {"json": {field: wrong, "kind": "call"}}
    answer = client.open(f"/api/v1/{path}", method=method, headers=cast.token("owner"), **sent)  # type: ignore[arg-type]
    assert answer.status_code == 422 and answer.json is not None
    (sentence,) = answer.json["error"]["fields"][field]
    assert "2026-03-31T12:00:00Z" in sentence and "UTC" in sentence


def test_a_misspelt_dry_run_loads_nothing(app: Flask, client: FlaskClient, cast: Cast) -> None:
    head = cast.token("analyst")
    table = io.BytesIO(
        b"id,days,churn\n" + b"".join(b"u%d,%d,%s\n" % (i, i % 7, b"yes" if i % 4 else b"no") for i in range(40))
    )
    answer = client.post("/api/v1/customers/import", headers=head, data={"file": (table, "t.csv"), "dryrun": "true"})
    assert answer.status_code == 422 and answer.json is not None
    assert "dryrun" in answer.json["error"]["fields"]
    listed = client.get("/api/v1/customers/imports", headers=head)
    assert listed.json is not None and listed.json["total"] == 0


def test_a_foreign_key_is_not_called_an_access_token(client: FlaskClient, cast: Cast) -> None:
    answer = client.get("/api/v1/customers", headers={"X-API-Key": "nonsense"})
    assert answer.status_code == 401 and answer.json is not None
    assert "API token" in answer.json["error"]["message"]


def test_a_field_with_the_name_of_a_place_keeps_its_error(app: Flask) -> None:
    error = UnprocessableEntity()
    error.data = {"messages": {"json": {"query": ["needed"], "form": {"files": ["odd"], "3": ["odder"]}}}}  # type: ignore[attr-defined]
    with app.test_request_context():
        body = error_response(error).get_json()["error"]
    assert body["fields"] == {"query": ["needed"], "form.files": ["odd"], "form.3": ["odder"]}
