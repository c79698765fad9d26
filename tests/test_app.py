"""The composed app: late rules build the addresses that the framework's own would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Map, Rule

from retainstream.app import LateRule
from retainstream.config import ROOT
from tests.conftest import Cast


def test_every_address_is_built_as_the_frameworks_own_rule_builds_it(app: Flask) -> None:
    assert app.testing
    for late in app.url_map.iter_rules():
        own = Rule(late.rule, defaults=late.defaults, endpoint=late.endpoint)
        Map([own], merge_slashes=False)
        values = {
            name: f"{place} ä/?" if "path:" in late.rule else place + 7 for place, name in enumerate(late.arguments)
        }
        for told in (values, values | {"page": 2, "q": "a b&ü"}):
            for unknown in (True, False):
                wanted = own.build(told, append_unknown=unknown)
                assert wanted is not None
                assert late.build(told, append_unknown=unknown) == wanted  # compiled by this call
                assert late.build(told, append_unknown=unknown) == wanted  # and found compiled by this one


def test_the_routes_of_the_app_are_late(app: Flask) -> None:
    early = {rule.endpoint for rule in app.url_map.iter_rules() if not isinstance(rule, LateRule)}
    assert early <= {"static"}, "the framework adds that one before anybody can say which rules to use"


TOO_LARGE = "99999999999999999999"
"""An id beyond 64 bits, which SQLite cannot even be asked for."""


def test_a_number_in_an_address_that_no_row_can_have_is_not_found(app: Flask, client: FlaskClient, cast: Cast) -> None:
    client.post("/sign-in", data=_sign_in_form(client, cast))
    answers: dict[str, int] = {}
    for rule in app.url_map.iter_rules():
        if "<int" not in rule.rule:
            continue
        address = re.sub(r"<int[^>]*>", TOO_LARGE, rule.rule)
        address = re.sub(r"<[^>]*>", "x", address)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            answers[f"{method} {address}"] = client.open(address, method=method).status_code
    assert len(answers) > 30
    # A customer may be called anything, slashes too, so that such an address may be that of a page which is only read.
    assert {asked: status for asked, status in answers.items() if status not in (404, 405)} == {}
    assert sum(status == 404 for status in answers.values()) > 30


def _sign_in_form(client: FlaskClient, cast: Cast) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    return {"csrf_token": found[1], "email": cast.emails["owner"], "password": cast.password}


def test_every_module_with_routes_is_registered(app: Flask) -> None:
    made = {
        f"retainstream.{face}.{found.stem}"
        for face in ("api", "web")
        for found in (ROOT / "retainstream" / face).glob("*.py")
        if re.search(r"^\w*blueprint = \w*Blueprint\(", found.read_text(encoding="utf-8"), re.MULTILINE)
    }
    routed = {view.__module__ for view in app.view_functions.values()}
    assert len(made) > 60
    assert made - routed == {"retainstream.web.style"}, "a module makes routes that nobody registers"


def test_the_app_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from retainstream.app import create_app; from retainstream.config import Settings;"
        "create_app(Settings(instance=sys.argv[1], secret_key='s' * 40, jobs=False));"
        "print(sorted({'xgboost', 'sklearn', 'pandas', 'scipy', 'optuna', 'reportlab', 'xlsxwriter'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == "[]"
