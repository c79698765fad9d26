"""Every route says who may call it, and the map of roles is what decides. Walks the app's own list, so a new route cannot be forgotten."""

from __future__ import annotations

import itertools

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from retainstream.security.permissions import ROLE_PERMISSIONS, Permission, Role
from tests.conftest import ROLES, Cast

FRAMEWORK = {"static", "api-docs.openapi_json"}
"""Views of the framework that nobody's rows come from."""


def guard_of(app: Flask, rule: Rule) -> object:
    return getattr(app.view_functions[rule.endpoint], "guard", None)


def guarded_api_rules(app: Flask) -> list[Rule]:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    return [rule for rule in rules if isinstance(guard_of(app, rule), Permission)]


def test_every_view_is_guarded_or_openly_public(app: Flask) -> None:
    naked = [
        f"{rule.endpoint} ({rule.rule})"
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in FRAMEWORK
        and not rule.endpoint.endswith(".static")
        and not isinstance(guard_of(app, rule), Permission)
        and guard_of(app, rule) != "public"
    ]
    assert not naked, f"these views say nothing about who may call them: {naked}"


def test_what_is_public_in_the_api_is_listed_here(app: Flask) -> None:
    public = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and guard_of(app, rule) == "public"
    }
    entrances = {"/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/reset"}
    assert entrances <= public
    assert {rule for rule in public - entrances if "docs" not in rule and "openapi" not in rule} == set()


def call(client: FlaskClient, app: Flask, rule: Rule, method: str, headers: dict[str, str]) -> int:
    with app.test_request_context():
        values = dict.fromkeys(rule.arguments, "999999")
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method)
    return client.open(path, method=method, headers=headers).status_code


def methods_of(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


@pytest.mark.parametrize("who", ROLES)
def test_each_role_is_refused_exactly_where_the_map_says(client: FlaskClient, app: Flask, cast: Cast, who: str) -> None:
    """Calls come without input, so that what is allowed stops at 404 or 422, or does harmless work: only 403 and 401 count here."""
    wrong = []
    for rule in guarded_api_rules(app):
        needed = guard_of(app, rule)
        for method in methods_of(rule):
            if rule.endpoint == "auth.log_out":
                continue  # it would end the log-in that the other calls use
            status = call(client, app, rule, method, cast.token(who))
            if (status == 403) != (needed not in ROLE_PERMISSIONS[Role(ROLES[who])]) or status in (401, 429):
                wrong.append(f"{method} {rule.rule} needs {needed}: {status}")
    assert not wrong


def test_without_a_log_in_every_guarded_route_answers_401(client: FlaskClient, app: Flask) -> None:
    answers = {
        f"{method} {rule.rule}": call(client, app, rule, method, {})
        for rule in guarded_api_rules(app)
        for method in methods_of(rule)
    }
    assert len(answers) > 8
    assert {path: status for path, status in answers.items() if status != 401} == {}


def test_an_api_token_without_scopes_for_a_route_is_refused_there(client: FlaskClient, app: Flask, cast: Cast) -> None:
    made = client.post(
        "/api/v1/auth/tokens", json={"name": "narrow", "scopes": ["audit:read"]}, headers=cast.token("owner")
    )
    headers = {"X-API-Key": made.json["token"]}
    for rule in guarded_api_rules(app):
        for method in methods_of(rule):
            status = call(client, app, rule, method, headers)
            assert (status == 403) == (guard_of(app, rule) is not Permission.AUDIT_READ), (
                f"{method} {rule.rule}: {status}"
            )


def test_each_role_may_do_all_that_lower_ones_may() -> None:
    ladder = [Role.VIEWER, Role.AGENT, Role.ANALYST, Role.ADMIN]
    for lower, higher in itertools.pairwise(ladder):
        assert ROLE_PERMISSIONS[lower] < ROLE_PERMISSIONS[higher]
    assert ROLE_PERMISSIONS[Role.ADMIN] == frozenset(Permission)
