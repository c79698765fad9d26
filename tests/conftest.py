"""The fixed cast, a migrated database file copied for each test, and doors into the app. Fakes stand only at the ports."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from jinja2.bccache import Bucket, BytecodeCache

from retainstream.app import create_app, create_minimal_app
from retainstream.config import ROOT, Settings
from retainstream.db import db, unit_of_work
from tests.once import made_once

PASSWORD = "correct horse 42"
SALT = "salt"
# How quickly examples come says something of the machine, and nothing of the product.
hypothesis_settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("steady")
ROLES = {"owner": "admin", "analyst": "analyst", "agent": "agent", "viewer": "viewer"}


# What has been imported and collected lives to the end. A collector that walks through all of it again and again costs as much as many a
# test, so it is set apart once it is there (below), and the collector comes less often.
gc.set_threshold(20_000, 10, 10)


class CompiledTemplates(BytecodeCache):
    """Templates that one test's app compiled serve the apps of all later ones: most of the time of a page's test went into them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self.kept[bucket.key, bucket.checksum] = bucket.code


Flask.jinja_options = {"bytecode_cache": CompiledTemplates()}


WAITING = (
    "tests/jobs/test_kill_forward.py",
    "tests/browser/test_every_page.py",
    "tests/jobs/test_kill.py",
    "tests/browser/",
    "tests/jobs/",
    "tests/cli/",
    "tests/test_serve.py",
    "tests/test_restore.py",
)
"""Tests that wait for browsers and processes, where the longest are first."""
WORKING = ("tests/api/test_specification.py", "tests/services/test_", "tests/ml/")
"""Where the longest of all others are."""
BESIDE = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with long tests first, and between those that wait some that work, so that no core is idle.

    A worker takes a file at a time, and one that takes a long file last keeps everybody waiting.
    """
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)

    def in_order(starts: tuple[str, ...], among: list[str]) -> list[str]:
        return sorted(among, key=lambda file: next((at for at, one in enumerate(starts) if file.startswith(one)), 99))

    waiting = in_order(WAITING, [file for file in files if file.startswith(WAITING)])
    working = in_order(WORKING, [file for file in files if not file.startswith(WAITING)])
    order = []
    for at, file in enumerate(waiting):
        order += [file, *working[at * BESIDE : (at + 1) * BESIDE]]
    order += working[len(waiting) * BESIDE :]
    items[:] = [item for file in order for item in files[file]]


def pytest_collection_finish() -> None:
    """Set apart whatever the tests stand on."""
    gc.collect()
    gc.freeze()


def migrate_file(settings: Settings) -> None:
    """Bring the database of these settings to the newest revision."""
    from flask_migrate import upgrade

    from retainstream.extensions import migrate

    app = create_minimal_app(settings)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    with app.app_context():
        upgrade()
        db.engine.dispose()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file; copied, never opened, by the tests. Who is held out from acts is the same in every run."""

    def make(folder: Path) -> None:
        settings = Settings(instance=str(folder))
        migrate_file(settings)
        with contextlib.closing(sqlite3.connect(settings.database_file)) as connection, connection:
            connection.execute("UPDATE settings SET value = json_quote(?) WHERE name = 'hold_out_salt'", (SALT,))

    return Settings(instance=str(made_once(tmp_path_factory, "template", make))).database_file


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    """Settings of a fresh box: quick password hashes, limits out of the way, no background jobs."""
    instance = tmp_path / "instance"
    instance.mkdir()
    shutil.copy(migrated_file, instance / "retainstream.db")
    return Settings(
        instance=str(instance),
        bcrypt_cost=4,
        jobs=False,
        limit_anonymous="1000000 per 1 minute",
        limit_signed_in="1000000 per 1 minute",
        limit_login="1000000 per 1 minute",
        log_level="error",
        train_trials=2,
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The whole web app."""
    made = create_app(settings)
    made.testing = True
    made.config["PROPAGATE_EXCEPTIONS"] = False
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An HTTP client without a log-in."""
    return app.test_client()


@pytest.fixture
def minimal_app(settings: Settings) -> Iterator[Flask]:
    """The app of a command or a job, with its context pushed: for tests of services."""
    made = create_minimal_app(settings)
    made.config["SECRET_KEY"] = settings.resolved_secret_key()
    with made.app_context():
        yield made
        db.engine.dispose()


@dataclass(frozen=True)
class Cast:
    """The people of the tests: owner (admin), analyst, agent, viewer. An outsider has no account and so no entry."""

    users: dict[str, int]
    emails: dict[str, str]
    tokens: dict[str, str]
    password: str = PASSWORD

    def token(self, who: str) -> dict[str, str]:
        """Return the Authorization header of one of the cast."""
        return {"Authorization": f"Bearer {self.tokens[who]}"}


@pytest.fixture
def cast(app: Flask, settings: Settings) -> Cast:
    """The cast on the database of `app`, each with an access token."""
    from retainstream.security.passwords import hash_password
    from retainstream.services.access.accounts import create_user
    from retainstream.services.access.login import issue_tokens

    hashed = hash_password(PASSWORD, settings.bcrypt_cost)
    lasting = replace(settings, access_minutes=120)
    users, emails, tokens = {}, {}, {}
    with app.app_context(), unit_of_work() as session:
        for who, role in ROLES.items():
            user = create_user(session, email=f"{who}@example.com", name=who.title(), role=role, password_hash=hashed)
            users[who], emails[who] = user.id, user.email
            tokens[who] = issue_tokens(session, lasting, user).access
    return Cast(users, emails, tokens)


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], list[dict[str, object]]]:
    """Return a function that runs every queued job to its end in this process and returns what became of them."""

    def run() -> list[dict[str, object]]:
        from retainstream.jobs.inline import run_queued

        with app.app_context():
            return run_queued(app.config["RETAINSTREAM"])

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("RETAINSTREAM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data sets are not on this machine; set RETAINSTREAM_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def scored_file(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Path:
    """A database with 600 customers of the generator, imported, trained on and scored through the product's own doors."""
    folder = made_once(tmp_path_factory, "generated", lambda folder: _import_train_and_score(folder, migrated_file))
    return Settings(instance=str(folder)).database_file


def _import_train_and_score(instance: Path, migrated_file: Path) -> None:
    import io

    from retainstream.jobs.inline import run_queued
    from retainstream.ml.datagen import generate_streaming_customers

    shutil.copy(migrated_file, instance / "retainstream.db")
    chosen = Settings(
        instance=str(instance), secret_key="s" * 40, bcrypt_cost=4, jobs=False, train_trials=2, log_level="error"
    )
    made = create_app(chosen)
    token = _sign_in(made, chosen)
    table = generate_streaming_customers(600, random_state=1).to_csv(index=False).encode()
    client = made.test_client()
    sent = {"file": (io.BytesIO(table), "customers.csv")}
    assert client.post("/api/v1/customers/import", data=sent, headers=token).status_code == 202
    with made.app_context():
        assert {job["state"] for job in run_queued(chosen)} == {"succeeded"}
        assert client.post("/api/v1/model/train", json={}, headers=token).status_code == 202
        assert {job["state"] for job in run_queued(chosen)} == {"succeeded"}
        with unit_of_work() as session:
            session.connection().exec_driver_sql("UPDATE users SET active = 0")
        db.engine.dispose()


def _sign_in(app: Flask, settings: Settings) -> dict[str, str]:
    from retainstream.security.passwords import hash_password
    from retainstream.services.access.accounts import create_user
    from retainstream.services.access.login import issue_tokens

    with app.app_context(), unit_of_work() as session:
        user = create_user(
            session, email="maker@example.com", name="", role="admin", password_hash=hash_password(PASSWORD, 4)
        )
        return {"Authorization": f"Bearer {issue_tokens(session, settings, user).access}"}


@pytest.fixture
def scored(settings: Settings, scored_file: Path) -> Settings:
    """Use before `app` or `client`: the box of this test holds 600 scored customers. The maker's account is switched off."""
    shutil.copy(scored_file, settings.database_file)
    return settings
