"""The composed app: late rules build the addresses that the framework's own would."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import Map, Rule

from retainstream.app import LateRule
from retainstream.config import ROOT


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
