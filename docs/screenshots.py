"""Makes the pictures of docs/pictures anew, from a demo on a fresh instance: `python docs/screenshots.py`, some minutes.

Needs the development requirements and chromium (`CHROMIUM` names another place than /usr/bin/chromium). `--address` takes a running demo instead,
with `--email` and the password in RETAINSTREAM_PASSWORD; `--all` also makes those that no document shows.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
PATIENCE = 300


@dataclass(frozen=True)
class Picture:
    """One page: the file's name, its address, and whether a document shows it. `first` follows the first link that matches it."""

    name: str
    address: str
    shown: bool = True
    first: str = ""


PICTURES_OF = (
    Picture("home", "/"),
    Picture("today", "/today"),
    Picture("customers", "/customers"),
    Picture("customer", "/customers?band=very_high&band=high", first="main table a[href^='/customers/']"),
    Picture("model", "/model"),
    Picture("data", "/data"),
    Picture("import", "/data/import"),
    Picture("feeds", "/data/feeds", shown=False),
    Picture("findings", "/data/findings", shown=False),
    Picture("definitions", "/data/definitions"),
    Picture("features", "/data/features", shown=False),
    Picture("jobs", "/jobs", shown=False),
    Picture("settings", "/settings", shown=False),
    Picture("tokens", "/settings/tokens", shown=False),
    Picture("people", "/settings/people", shown=False),
    Picture("preferences", "/settings/preferences"),
    Picture("audit", "/settings/audit", shown=False),
)


@contextlib.contextmanager
def demo() -> Iterator[tuple[str, str, str]]:
    """Start a demo on a fresh instance; yield its address, and the e-mail address and password of its administrator."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        settings = {**os.environ, "RETAINSTREAM_INSTANCE": folder, "PORT": str(port), "DEMO": "1"}
        server = subprocess.Popen([sys.executable, "-m", "retainstream.serve"], cwd=ROOT, env=settings)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, server)
            email, password = (Path(folder) / "demo-login").read_text().split("\n")[:2]
            yield address, email, password
        finally:
            server.terminate()
            server.wait(60)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; raises RuntimeError when it ends or takes too long."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/live", timeout=5):
            return
        time.sleep(1)
    raise RuntimeError("The demo did not come up.")


def take(address: str, email: str, password: str, *, everything: bool) -> None:
    """Sign in at every size and take the pictures."""
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for size, (width, height) in SIZES.items():
            page = browser.new_context(viewport={"width": width, "height": height}, base_url=address).new_page()
            page.goto("/sign-in")
            page.get_by_label("E-mail").fill(email)
            page.get_by_label("Password").fill(password)
            page.keyboard.press("Enter")
            page.wait_for_url("**/")
            for picture in PICTURES_OF:
                if everything or picture.shown:
                    _shoot(page, picture, size)
        browser.close()


def _shoot(page: Any, picture: Picture, size: str) -> None:
    page.goto(picture.address)
    if picture.first:
        page.goto(page.locator(picture.first).first.get_attribute("href"))
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURES / f"{picture.name}-{size}.png")
    print(f"{picture.name}-{size}.png")


def main() -> None:
    """Read the command line and take the pictures."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--address")
    asked.add_argument("--email", default="owner@example.com")
    asked.add_argument("--all", action="store_true")
    given = asked.parse_args()
    if given.address:
        take(given.address, given.email, os.environ["RETAINSTREAM_PASSWORD"], everything=given.all)
        return
    with demo() as (address, email, password):
        take(address, email, password, everything=given.all)


if __name__ == "__main__":
    main()
