"""The whole specification, tried by schemathesis: no server error, no answer that it does not document, and no other shape than it says.

Jobs are recorded instead of run (the box of the tests has none running), and each call comes with fresh credentials, because some calls end them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from sqlalchemy import text

from retainstream.app import create_app
from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.models import User
from retainstream.services.access.login import issue_tokens

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def scored_app(scored: Settings) -> Iterator[Flask]:
    """The web app on a box with scored customers."""
    made = create_app(scored)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def api_schema(scored_app: Flask) -> schemathesis.BaseSchema:
    """The specification that the app itself answers."""
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", scored_app)


schema = schemathesis.pytest.from_fixture("api_schema")


def fresh_credentials(app: Flask, chosen: Settings) -> dict[str, str]:
    """Return the header of the maker, who is made an active administrator again whatever the last call did."""
    with app.app_context(), unit_of_work() as session:
        session.execute(text("UPDATE users SET active = 1, role = 'admin' WHERE id = 1"))
        user = session.get_one(User, 1)
        return {"Authorization": f"Bearer {issue_tokens(session, chosen, user).access}"}


@schema.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_operation_keeps_its_word(case: schemathesis.Case, scored_app: Flask, scored: Settings) -> None:
    case.call_and_validate(headers=fresh_credentials(scored_app, scored), checks=CHECKS)


def test_the_specification_lists_what_the_issue_names(scored_app: Flask) -> None:
    paths = scored_app.test_client().get("/api/v1/openapi.json").get_json()["paths"]
    found = {(method, path.removeprefix("/api/v1")) for path, item in paths.items() for method in item if method != "parameters"}
    expected = {
        "auth": "post register, post login, post refresh, post logout, get me, get tokens, post tokens, delete tokens/{token_id}",
        "dashboard": "get metrics, get distribution, get features, post predict",
        "customers": "get, get high-risk, get high-value, get {user_id}, get {user_id}/explanation, get {user_id}/history, patch {user_id},"
        " delete {user_id}, post import, get imports, post imports/{batch_id}/undo, get export.csv",
        "predictions": "get results, post generate, post predict, post predict/batch",
        "model": "get status, post train, get features, get metrics, get versions, get versions/{version_id},"
        " post versions/{version_id}/promote, post rollback",
        "jobs": "get, get {job_id}, delete {job_id}",
        "users": "get, post",
        "audit": "get",
    }
    wanted = set()
    for group, routes in expected.items():
        for route in routes.split(","):
            method, _, rest = route.strip().partition(" ")
            wanted.add((method, f"/{group}/{rest}".rstrip("/")))
    assert wanted - found == set()
    for item in paths.values():
        for method, operation in item.items():
            if method != "parameters":
                assert operation.get("summary") or operation.get("description")
