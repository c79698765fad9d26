"""The whole specification, tried by schemathesis: no server error, no answer that it does not document, and no other shape than it says.

Jobs are recorded instead of run (the box of the tests has none running), and each call comes with fresh credentials, because some calls end them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import text

from retainstream.app import create_app
from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.models import User
from retainstream.services.access.login import issue_tokens

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


FOLDER = tempfile.mkdtemp(prefix="specification-")
SETTINGS = Settings(
    instance=FOLDER,
    secret_key="s" * 40,
    bcrypt_cost=4,
    jobs=False,
    limit_anonymous="1000000 per 1 minute",
    limit_signed_in="1000000 per 1 minute",
    limit_login="1000000 per 1 minute",
    log_level="error",
)
APP = create_app(SETTINGS)
# Read while pytest collects, because each operation becomes a test of its own; the box itself is filled by the fixture below.
schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", APP)


@pytest.fixture(scope="module", autouse=True)
def box(scored_file: Path) -> Iterator[None]:
    """Give the app a box with 600 scored customers."""
    shutil.copy(scored_file, SETTINGS.database_file)
    yield
    with APP.app_context():
        db.engine.dispose()
    shutil.rmtree(FOLDER)


def fresh_credentials() -> dict[str, str]:
    """Return the header of the maker, who is made an active administrator again whatever the last call did."""
    with APP.app_context(), unit_of_work() as session:
        session.execute(text("UPDATE users SET active = 1, role = 'admin' WHERE id = 1"))
        user = session.get_one(User, 1)
        return {"Authorization": f"Bearer {issue_tokens(session, SETTINGS, user).access}"}


@schema.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_operation_keeps_its_word(case: schemathesis.Case) -> None:
    case.call_and_validate(headers=fresh_credentials(), checks=CHECKS)


def test_the_specification_lists_what_the_issue_names() -> None:
    paths = APP.test_client().get("/api/v1/openapi.json").get_json()["paths"]
    found = {
        (method, re.sub(r"{\w+}", "{}", path.removeprefix("/api/v1")))
        for path, item in paths.items()
        for method in item
        if method != "parameters"
    }
    expected = {
        "auth": "post register, post login, post refresh, post logout, get me, get tokens, post tokens, delete tokens/{}, get sessions, delete sessions,"
        " delete sessions/{}, post password",
        "invitations": "get, post, delete {}",
        "dashboard": "get metrics, get distribution, get features, get trends, get groups, post predict",
        "customers": "get, get high-risk, get high-value, get {}, get {}/explanation, get {}/history, get {}/timeline,"
        " get {}/export, get {}/peers, post {}/what-if, patch {},"
        " delete {}, post import, get imports, post imports/{}/undo, get export.csv, get {}/health,"
        " get {}/tags, post {}/tags, delete {}/tags, post tags",
        "health-scores": "get, get history, get backtest, get export.csv",
        "predictions": "get results, post generate, post predict, post predict/batch, post replay, get replay/{}",
        "model": "get status, post train, get features, get metrics, get versions, get versions/{},"
        " post versions/{}/promote, post rollback",
        "events": "post, get",
        "subscriptions": "post, get",
        "orders": "post",
        "jobs": "get, get {}, delete {}",
        "users": "get, post",
        "audit": "get",
        "churn-definitions": "get, post, get {}, post {}/activate, post propose, post preview",
        "feeds": "get, patch {}, post {}/heartbeat",
        "findings": "get, patch {}",
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
