"""What a person sees when something fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from retainstream.errors import Busy, Forbidden
from tests.web.conftest import Browser


def test_unknown_address_is_a_calm_page_with_the_request_id(browser: Browser) -> None:
    answer = browser.get("/nothing-here", headers={"X-Request-ID": "abc-12345678"})
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "abc-12345678" in answer.text
    assert 'href="/"' in answer.text


def test_unknown_api_address_stays_json(browser: Browser) -> None:
    answer = browser.client.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.json is not None
    assert answer.json["error"]["code"] == "not_found"


def test_wrong_method_keeps_allow(browser: Browser) -> None:
    answer = browser.client.put("/sign-in")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert "does not take that kind of request" in answer.text


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (Busy("The database is busy.", retry_after=2), 503, "The database is busy."),
        (Forbidden("Not you."), 403, "Not you."),
        (ZeroDivisionError("secret detail"), 500, "Something went wrong here"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_failures_never_show_a_trace(app: Flask, browser: Browser, error: Exception, status: int, says: str) -> None:
    def fail() -> None:
        raise error

    app.add_url_rule("/failing", "failing", fail)
    page = browser.get("/failing")
    assert page.status_code == status
    assert says in page.text
    assert "Traceback" not in page.text
    assert "secret detail" not in page.text
    toast = browser.get("/failing", headers={"HX-Request": "true"})
    assert toast.status_code == status
    assert "<html" not in toast.text
    assert says in toast.text
    assert (toast.headers["HX-Retarget"], toast.headers["HX-Reswap"]) == ("#toasts", "beforeend")
    assert "HX-Request" in toast.headers["Vary"]
    restored = browser.get("/failing", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in restored.text


def test_viewer_gets_a_page_that_says_what_is_missing(as_: Callable[[str], Browser]) -> None:
    answer = as_("viewer").post("/train", {}, page="/")
    assert answer.status_code == 403
    assert "model:train" in answer.text
    assert "Ask an administrator" in answer.text
