"""A real browser on a real server: chromium, without a screen, on a loopback port. Skipped where chromium is absent, except in CI, where that fails."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from retainstream.app import create_app
from retainstream.config import ROOT, Settings
from retainstream.db import db

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 90_000
"""How long a page may take on a busy machine. What never comes is waited for that long, so a test that fails is slow, and one that passes is not."""
AXE = ROOT / "tests" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
WATCH = """(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            window.shifts.push([entry.value, entry.sources.map(({ node }) => {
                const element = node && (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement);
                return element ? `${element.tagName.toLowerCase()}.${element.className.baseVal ?? element.className}` : 'gone';
            })]);
        }
    }).observe({ type: 'layout-shift', buffered: true });
})()"""
"""Has every page note what moves on it without having been asked to; `soundness.shifts` reads it."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The browser, one for all tests."""
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"chromium is not installed at {CHROMIUM}; CI must run the browser tests")
        pytest.skip(f"chromium is not installed at {CHROMIUM}")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Served:
    """A running server, and its app for filling the box."""

    app: Flask
    address: str


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """Run the app on a loopback port that the system chose."""
    app = create_app(replace(settings, log_level="error"))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Served(app, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A running server of this test's box."""
    with serving(settings) as running:
        yield running


@dataclass
class Tab:
    """One page of the browser, with everything that its console complained about."""

    page: Any
    complaints: list[str] = field(default_factory=list)


def new_context(chromium: Any, served: Served, size: str, **options: object) -> Any:
    """Return a browser of a size with nothing in it. Colours do not fade there: what is looked at has arrived at them."""
    width, height = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, base_url=served.address, reduced_motion="reduce", **options
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(WATCH)
    return context


OpenTab = Callable[..., Tab]


def listened(context: Any, address: str) -> Tab:
    """Open a page that notes what its console complains of, and what it asks of any other server."""
    tab = Tab(context.new_page())
    tab.page.on("console", lambda said: said.type in ("error", "warning") and tab.complaints.append(said.text))
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on(
        "request",
        lambda sent: sent.url.startswith((address, "data:")) or tab.complaints.append(f"asked {sent.url}"),
    )
    return tab


@pytest.fixture
def open_tab(chromium: object, served: Served) -> Iterator[Callable[..., Tab]]:
    """Return a function that opens a tab of a size; closing it checks that the console stayed silent."""
    contexts = []
    tabs: list[Tab] = []

    def open_(size: str = "desk", **options: object) -> Tab:
        contexts.append(new_context(chromium, served, size, **options))
        tabs.append(listened(contexts[-1], served.address))
        return tabs[-1]

    yield open_
    for context in contexts:
        context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


@pytest.fixture
def account(served: Served) -> None:
    """An analyst, whom `people.sign_in` signs in."""
    from tests.browser.people import add_account

    add_account(served.app)
