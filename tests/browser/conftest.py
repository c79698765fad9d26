"""A real browser on a real server: chromium, without a screen, on a loopback port. Skipped where chromium is absent, except in CI, where that fails."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

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
AXE = ROOT / "tests" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
SIZES = {"desk": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The browser, one for all tests."""
    if shutil.which(CHROMIUM) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"chromium is not installed at {CHROMIUM}; CI must run the browser tests")
        pytest.skip(f"chromium is not installed at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Served:
    """A running server, and its app for filling the box."""

    app: Flask
    address: str


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """The app on a loopback port that the system chose."""
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


@dataclass
class Tab:
    """One page of the browser, with everything that its console complained about."""

    page: object
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def open_tab(chromium: object, served: Served) -> Iterator[Callable[..., Tab]]:
    """Return a function that opens a tab of a size; closing it checks that the console stayed silent."""
    contexts = []
    tabs: list[Tab] = []

    def open_(size: str = "desk", **options: object) -> Tab:
        width, height = SIZES[size]
        context = chromium.new_context(  # type: ignore[attr-defined]
            viewport={"width": width, "height": height}, base_url=served.address, **options
        )
        contexts.append(context)
        tab = Tab(context.new_page())
        tab.page.on(
            "console", lambda message: message.type in ("error", "warning") and tab.complaints.append(message.text)
        )  # type: ignore[attr-defined]
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))  # type: ignore[attr-defined]
        tab.page.on(  # type: ignore[attr-defined]
            "request",
            lambda request: (
                request.url.startswith((served.address, "data:")) or tab.complaints.append(f"asked {request.url}")
            ),
        )
        tabs.append(tab)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []
