"""Makes the pictures of docs/pictures anew, from a demo on a fresh instance: `python docs/screenshots.py`, some minutes.

Needs the development requirements and chromium (`CHROMIUM` names another place than /usr/bin/chromium). `--address` takes a running demo instead,
with `--email` and the password in RETAINSTREAM_PASSWORD; `--all` also makes those that no document shows. A play is adopted and somebody taken first,
so that the desk is not empty.
"""

from __future__ import annotations

import argparse
import contextlib
import io
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
PAUSE_MS = 2000


@dataclass(frozen=True)
class Picture:
    """One page: the file's name, its address, and whether a document shows it.

    `first` follows the first link that matches it, `within` brings an element to the top, and `keys` are pressed. `phone` is whether there is one of
    a phone, too.
    """

    name: str
    address: str
    shown: bool = True
    first: str = ""
    within: str = ""
    keys: tuple[str, ...] = ()
    phone: bool = True


PICTURES_OF = (
    Picture("home", "/"),
    Picture("today", "/today"),
    Picture("customers", "/customers"),
    Picture("customer", "/today", first=".entry__id a"),
    Picture("timeline", "/today", first=".entry__id a", within="section:has(#timeline-title)", phone=False),
    Picture("palette", "/", keys=("Control+k", *"seg"), phone=False),
    Picture("segment", "/segments", first="main table a[href^='/segments/']", shown=False, phone=False),
    Picture("builder", "/segments/1/edit", phone=False),
    Picture("rfm", "/segments/rfm", phone=False),
    Picture("cohorts", "/segments/cohorts"),
    Picture("survival", "/segments/survival?by=plan", phone=False),
    Picture("revenue", "/revenue"),
    Picture("months", "/revenue/months", shown=False, phone=False),
    Picture("lifetime", "/revenue/lifetime", phone=False),
    Picture("health", "/health-scores", phone=False),
    Picture("reports", "/reports", shown=False, phone=False),
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
            _prepare(page)
            for picture in PICTURES_OF:
                if (everything or picture.shown) and (picture.phone or size == "desk"):
                    _shoot(page, picture, size)
        browser.close()


def _prepare(page: Any) -> None:
    """Wait until the jobs of the demo are done; where the desk is empty, adopt a play and take the first two of the list."""
    until = time.monotonic() + PATIENCE
    while "?was=open" in page.request.get("/jobs/current").text() and time.monotonic() < until:
        time.sleep(2)
    page.goto("/today/plays")
    if page.get_by_role("heading", name="Templates to begin with").count():
        page.locator("li", has=page.get_by_role("heading", name="Welcome back")).get_by_role("button").click()
        for number in (1, 2):
            page.goto("/today")
            page.locator(f"#row-{number}").click()
            page.get_by_role("button", name="Take it").first.click()
            page.wait_for_load_state("networkidle")


def _shoot(page: Any, picture: Picture, size: str) -> None:
    page.goto(picture.address)
    if picture.first:
        page.goto(page.locator(picture.first).first.get_attribute("href"))
    page.wait_for_load_state("networkidle")
    for key in picture.keys:
        page.keyboard.press(key)
    if picture.keys:
        page.wait_for_timeout(PAUSE_MS)
    if picture.within:
        page.locator(picture.within).evaluate(
            "(part) => window.scrollTo(0, part.getBoundingClientRect().top + scrollY - 16)"
        )
    from PIL import Image

    # 256 colours of its own, the rare ones among them, are enough for a page, and a third of the size
    drawn = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    drawn.save(PICTURES / f"{picture.name}-{size}.png", optimize=True)
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
