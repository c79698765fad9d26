"""The OpenAPI document is complete for whoever reads it first, and the same for everybody after."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask.testing import FlaskClient

from retainstream.config import ROOT

ADDRESS = "/api/v1/openapi.json"


def test_every_route_of_the_api_is_described(app: Flask, client: FlaskClient) -> None:
    document = client.get(ADDRESS).get_json()
    told = {(path, method) for path, item in document["paths"].items() for method in item if method != "parameters"}
    tags = {tag["name"] for tag in document["tags"]}
    routed = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] in tags:
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            routed |= {(path, method.lower()) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert routed == told
    assert len(told) > 80


def test_the_page_about_the_api_names_routes_that_there_are(client: FlaskClient) -> None:
    def plain(path: str) -> str:
        return re.sub(r"{\w+}", "{}", path)

    known = {
        (method, plain(path.removeprefix("/api/v1")))
        for path, item in client.get(ADDRESS).get_json()["paths"].items()
        for method in item
    }
    text = (ROOT / "docs" / "api.md").read_text()
    named = {
        (method.lower(), plain(path)) for method, path in re.findall(r"\b(GET|POST|PATCH|DELETE) (/[\w{}/.-]+)", text)
    }
    absent = {("get", "/metrics"), ("get", "/churn/predictions")}  # names of the first design
    assert named - known == absent and len(named) > 20


def test_readers_who_come_first_together_get_the_whole_document(app: Flask) -> None:
    readers = 4
    gate = threading.Barrier(readers)

    def read(_: int) -> bytes:
        gate.wait()
        return app.test_client().get(ADDRESS).data

    with ThreadPoolExecutor(readers) as pool:
        first, *others = pool.map(read, range(readers))
    assert {first} == set(others)
    assert app.test_client().get(ADDRESS).data == first
