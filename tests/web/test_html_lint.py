"""The linter finds what it is there for."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.html_lint import lint

PAGE = '<!doctype html><html lang="en"><head><title>x</title></head><body><main><h1>x</h1>{}</main></body></html>'


def test_clean_page_is_clean(app: Flask) -> None:
    form = '<form method="post" action="/sign-out"><input type="hidden" name="csrf_token" value="x"><button>Out</button></form>'
    assert lint(app, PAGE.format(form + '<label for="a">A</label><input id="a"><a href="/">Home</a>')) == []


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ("<div><span></div></span>", "closes"),
        ("<div>", "closes"),
        ("<p><div></div></p>", "stands inside"),
        ('<i id="a"></i><i id="a"></i>', "the id a stands 2 times"),
        ('<input name="a">', "has no label"),
        ('<form method="post" action="/sign-out"></form>', "carries no csrf_token"),
        ('<div hx-get="/nowhere" hx-target="this"></div>', "resolves to no view"),
        ('<div hx-get="/jobs/current"></div>', "names no target"),
        ('<div hx-get="/jobs/current" hx-target="#gone"></div>', "refers to nothing"),
        ('<a href="/nowhere">x</a>', "leads nowhere"),
        ('<i style="color: red"></i>', "inline attribute style"),
        ('<i onclick="x()"></i>', "inline attribute onclick"),
        ("<script>x()</script>", "is inline"),
        ("<h1>again</h1>", "2 <h1>"),
        ("<button></button>", "no words"),
        ('<img src="/static/favicon.svg">', "no alt"),
        ('<i aria-labelledby="gone"></i>', "refers to nothing"),
        ("<li>x</li>", "outside of a list"),
        ("<form><form></form></form>", "inside a form"),
    ],
)
def test_each_fault_is_found(app: Flask, html: str, says: str) -> None:
    assert any(says in problem for problem in lint(app, PAGE.format(html)))
