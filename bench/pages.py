"""Server time and weight of every page on a box with 100,000 customers and their events, warm, beside a bare Flask route in the same process.

    python -m bench.pages [--customers 100000] [--instance FOLDER] [--requests 40]

Without a folder a demo of that size is made first, by the command that an owner uses; with one, the box in it is copied. Times are of the whole
request in the app, sign-in checks and rendering included, without the network. Weights are of the page as gzip would send it, and with the styles,
scripts and fonts that it names.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

ROOT = Path(__file__).resolve().parent.parent
EMAIL, PASSWORD = "bench@example.com", "correct horse 42 battery"
AIM_MS, AIM_KB = 100, 300
WARM = 3
_ASSET = re.compile(r'(?:href|src)="(/static/[^"]+)"')


@dataclass(frozen=True)
class Told:
    """One page: milliseconds at the median and at the 95th percentile, and kilobytes of the page and of all that it needs."""

    address: str
    median: float
    p95: float
    page_kb: float
    all_kb: float


def box(folder: Path, instance: Path | None, customers: int) -> None:
    """Put a box into a folder: a copy of one, or a demo."""
    if instance is not None:
        shutil.copytree(instance, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock", "metrics"))
        return
    # A year of 100,000 customers is more rows than a box takes in one file unless its owner says so.
    roomy = {"RETAINSTREAM_IMPORT_MAX_ROWS": "50000000", "RETAINSTREAM_IMPORT_MAX_MB": "20000"}
    settings = {**os.environ, **roomy, "RETAINSTREAM_INSTANCE": str(folder)}
    for command in (["db", "upgrade"], ["demo", "--customers", str(customers)]):
        subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *command],
            cwd=ROOT,
            env=settings,
            check=True,
            capture_output=True,
        )


def signed_in(app: Flask) -> FlaskClient:
    """Return a client with a session of an administrator."""
    from retainstream.db import unit_of_work
    from retainstream.services.access import accounts

    with app.app_context():
        hashed = accounts.checked_hash(app.config["RETAINSTREAM"], EMAIL, PASSWORD)
        with unit_of_work() as session:
            accounts.ensure_admin(session, EMAIL, hashed)
    client = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    answer = client.post("/sign-in", data={"csrf_token": token[1], "email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 303, answer.text[:200]
    return client


def pages(client: FlaskClient) -> Iterator[str]:
    """Yield the addresses that are measured: every place of the rail with what it leads to, lists that differ in what they ask, and one customer."""
    yield from (
        "/",
        "/customers",
        "/customers?band=high&band=very_high",
        "/customers?q=cus_00&sort=-revenue",
        "/customers?group=risen",
    )
    first = re.search(r'href="(/customers/[^"?]+)"', client.get("/customers").text)
    assert first is not None
    yield first[1]
    yield from (
        "/today",
        "/today/tasks",
        "/today/plays",
        "/search?q=cus_00",
        "/segments",
        "/segments/new",
        "/segments/rfm",
        "/segments/cohorts",
        "/segments/cohorts?grid=activity&unit=week",
        "/segments/survival",
        "/segments/survival?by=plan",
        "/revenue",
        "/revenue/months",
        "/revenue/lifetime",
        "/health-scores",
        "/health-scores/schemes",
        "/customers?cell=rfm:Loyal&status=all",
        "/customers?cell=health:band.good&status=all",
        "/reports",
    )
    yield from (
        "/model",
        "/model/versions",
        "/model/performance",
        "/data",
        "/data/import",
        "/data/feeds",
        "/data/findings",
        "/data/definitions",
        "/data/features",
    )
    yield from (
        "/jobs",
        "/settings",
        "/settings/tokens",
        "/settings/people",
        "/settings/preferences",
        "/settings/audit",
    )


def measure(client: FlaskClient, address: str, requests: int) -> Told:
    """Ask for a page again and again."""
    for _ in range(WARM):
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
    spent = []
    for _ in range(requests):
        began = time.perf_counter()
        body = client.get(address).data
        spent.append(1000 * (time.perf_counter() - began))
    page_kb = len(gzip.compress(body)) / 1000
    assets = {client.get(asset).data for asset in _ASSET.findall(body.decode()) if "api-docs" not in asset}
    fonts = [ROOT / "retainstream" / "static" / "vendor" / "inter-5.3.0" / "inter-latin-wght-normal.woff2"]
    weight = sum(len(gzip.compress(asset)) for asset in assets if not asset.startswith(b"wOF2")) + sum(
        font.stat().st_size for font in fonts
    )
    spent.sort()
    return Told(address, statistics.median(spent), spent[int(0.95 * len(spent))], page_kb, page_kb + weight / 1000)


def bare(requests: int) -> float:
    """Return the median milliseconds of a route that answers a constant."""
    app = Flask("bare")
    app.add_url_rule("/", view_func=lambda: "ok")
    client, spent = app.test_client(), []
    for _ in range(10 * requests):
        began = time.perf_counter()
        client.get("/")
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent)


def _analyse(app: Flask) -> None:
    """Make the analyses where a box has none, and say how long that took."""
    from retainstream.db import read_unit, unit_of_work
    from retainstream.errors import Conflict
    from retainstream.jobs.inline import run_queued
    from retainstream.security.actor import SYSTEM
    from retainstream.services.analyses import job, runs

    settings = app.config["RETAINSTREAM"]
    with read_unit() as session:
        missing = runs.in_force(session, "material") is None
    if missing or not (settings.instance_path / "analyses").is_dir():
        began = time.perf_counter()
        with contextlib.suppress(Conflict), unit_of_work() as session:
            job.request(session, SYSTEM)
        ended = run_queued(settings)
        assert {each["state"] for each in ended} == {"succeeded"}, ended
        print(f"analyses made in {time.perf_counter() - began:.0f} s")


def main() -> None:
    """Run and print a line for each page."""
    wanted = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    wanted.add_argument("--customers", type=int, default=100_000)
    wanted.add_argument("--instance", type=Path)
    wanted.add_argument("--requests", type=int, default=40)
    given = wanted.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pages-"))
    try:
        box(folder, given.instance, given.customers)
        report(folder, given.requests)
    finally:
        shutil.rmtree(folder)


def report(folder: Path, requests: int) -> None:
    """Measure every page of the box in a folder."""
    from flask_migrate import upgrade
    from sqlalchemy import text

    from retainstream.app import create_app
    from retainstream.config import Settings
    from retainstream.db import db, read_unit

    app = create_app(Settings(instance=str(folder), jobs=False, log_level="error"))
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
        with read_unit() as session:
            counts = [
                session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                for name in ("customers", "latest_scores", "events")
            ]
        db.engine.dispose()
        _analyse(app)
    client, limit = signed_in(app), bare(requests)
    print(
        f"{counts[0]:,} customers, {counts[1]:,} of them scored, {counts[2]:,} events; bare Flask route {limit:.2f} ms"
    )
    print(f"  {'page':44} median ms   p95 ms  x bare   page kB   all kB")
    missed = 0
    for address in pages(client):
        told = measure(client, address, requests)
        missed += told.p95 > AIM_MS or told.all_kb > AIM_KB
        print(
            f"  {told.address:44} {told.median:9.1f} {told.p95:8.1f} {told.median / limit:7.0f} {told.page_kb:9.1f} {told.all_kb:8.0f}",
            flush=True,
        )
    print(f"  aims: p95 {AIM_MS} ms, {AIM_KB} kB; pages that miss one: {missed}")


if __name__ == "__main__":
    main()
