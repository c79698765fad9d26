"""Rate limits with the real figures: per address, per person, per account at the log-in; headers; exact over threads and processes."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import time_machine
from flask import Flask, Response
from flask.testing import FlaskClient

from retainstream.app import create_app
from retainstream.config import Settings
from retainstream.db import db, sqlite_module, unit_of_work
from retainstream.security.passwords import hash_password
from retainstream.security.rate_storage import SCHEME, SqliteRateStorage
from retainstream.services.access.accounts import create_user
from retainstream.services.access.login import issue_tokens

PASSWORD = "correct horse 42"
EMAIL = "viewer@example.com"


@pytest.fixture
def limited(settings: Settings) -> Iterator[Flask]:
    """An app with the limits of the settings' defaults."""
    real = Settings()
    strict = replace(
        settings,
        limit_anonymous=real.limit_anonymous,
        limit_signed_in="12 per 15 minutes",
        limit_login=real.limit_login,
    )
    made = create_app(strict)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def person(limited: Flask) -> dict[str, str]:
    """Make the one account and return its Authorization header."""
    settings: Settings = limited.config["RETAINSTREAM"]
    hashed = hash_password(PASSWORD, 4)
    with limited.app_context(), unit_of_work() as session:
        user = create_user(session, EMAIL, "V", "viewer", hashed)
        return {"Authorization": f"Bearer {issue_tokens(session, settings, user).access}"}


def try_log_in(app: Flask, email: str, password: str, address: str) -> Response:
    body = {"email": email, "password": password}
    return app.test_client().post("/api/v1/auth/login", json=body, environ_base={"REMOTE_ADDR": address})


def test_strangers_get_a_hundred_calls_by_address(limited: Flask) -> None:
    client = limited.test_client()
    for left in range(99, -1, -1):
        answer = client.get("/api/v1/auth/me")
        assert answer.status_code == 401
        assert answer.headers["RateLimit-Remaining"] == str(left)
    assert answer.headers["RateLimit-Limit"] == "100"
    assert 890 < int(answer.headers["RateLimit-Reset"]) <= 900
    refused = client.get("/api/v1/auth/me")
    assert refused.status_code == 429
    assert refused.json["error"]["code"] == "too_many_requests"
    assert 890 < int(refused.headers["Retry-After"]) <= 900
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert client.get("/api/auth/me").status_code == 429, "the short path is the same route"
    assert client.get("/live").status_code == 200
    assert "RateLimit-Limit" not in client.get("/live").headers
    assert client.get("/api/v1/auth/me", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 401
    with time_machine.travel("2099-01-01", tick=True):
        assert client.get("/api/v1/auth/me").status_code == 401


def test_a_person_is_counted_apart_from_the_address(limited: Flask, person: dict[str, str]) -> None:
    client = limited.test_client()
    for _ in range(12):
        assert client.get("/api/v1/auth/me", headers=person).status_code == 200
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    refused = client.get("/api/v1/auth/me", headers=person, environ_base=elsewhere)
    assert refused.status_code == 429
    assert refused.headers["RateLimit-Limit"] == "12"
    assert client.get("/api/v1/auth/me").headers["RateLimit-Remaining"] == "99"


def test_a_token_that_does_not_hold_counts_for_the_address(limited: Flask) -> None:
    client = limited.test_client()
    client.get("/api/v1/auth/me", headers={"Authorization": "Bearer rs_guess"})
    assert (
        client.get("/api/v1/auth/me", headers={"Authorization": "Bearer rs_other"}).headers["RateLimit-Remaining"]
        == "98"
    )


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_an_account_is_locked_after_ten_tries_from_anywhere(limited: Flask, person: dict[str, str], email: str) -> None:
    for number in range(10):
        assert try_log_in(limited, email, "wrong", f"10.0.0.{number}").status_code == 401
    for password in ("wrong", PASSWORD):
        locked = try_log_in(limited, email.upper(), password, "10.0.1.1")
        assert locked.status_code == 429
        assert 890 < int(locked.headers["Retry-After"]) <= 900
    assert try_log_in(limited, "third@example.com", "wrong", "10.0.1.2").status_code == 401
    with time_machine.travel("2099-01-01", tick=True):
        expected = 200 if email == EMAIL else 401
        assert try_log_in(limited, email, PASSWORD, "10.0.1.1").status_code == expected


def test_an_address_is_shut_out_after_ten_tries_and_then_locks_nobody_else(
    limited: Flask, person: dict[str, str]
) -> None:
    for number in range(10):
        assert try_log_in(limited, f"guess{number}@example.com", "wrong", "10.0.0.1").status_code == 401
    for _ in range(15):
        assert try_log_in(limited, EMAIL, PASSWORD, "10.0.0.1").status_code == 429
    assert try_log_in(limited, EMAIL, PASSWORD, "10.0.0.2").status_code == 200


def test_a_right_password_gives_the_tries_back(limited: Flask, person: dict[str, str]) -> None:
    for _ in range(4):
        for _ in range(2):
            assert try_log_in(limited, EMAIL, "wrong", "10.0.0.1").status_code == 401
        assert try_log_in(limited, EMAIL, PASSWORD, "10.0.0.1").status_code == 200
    assert [try_log_in(limited, EMAIL, "wrong", "10.0.0.1").status_code for _ in range(3)] == [401, 401, 429]


def test_tries_at_the_same_moment_do_not_slip_through(limited: Flask, person: dict[str, str]) -> None:
    statuses: list[int] = []

    def worker(number: int) -> None:
        statuses.extend(try_log_in(limited, EMAIL, "wrong", f"10.1.{number}.{index}").status_code for index in range(5))

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [401] * 10 + [429] * 10


def _hit_many(path: str, times: int) -> list[int]:
    storage = SqliteRateStorage(f"{SCHEME}://{path}", driver=sqlite_module())
    return [storage.incr("key", 900) for _ in range(times)]


def test_counts_are_exact_over_processes(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        counts = pool.starmap(_hit_many, [(str(tmp_path / "limits.db"), 300)] * 2)
    assert sorted(counts[0] + counts[1]) == list(range(1, 601))


def test_workers_that_start_together_share_a_fresh_file(tmp_path: Path) -> None:
    barrier, counts = threading.Barrier(8), []

    def worker() -> None:
        barrier.wait()
        counts.extend(_hit_many(str(tmp_path / "limits.db"), 5))

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == list(range(1, 41))


def test_no_log_in_without_counting(limited: Flask, person: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise sqlite_module().OperationalError("disk I/O error")

    monkeypatch.setattr(SqliteRateStorage, "hit", broken)
    answer = try_log_in(limited, EMAIL, PASSWORD, "10.0.0.1")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_a_damaged_counter_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    path.write_bytes(b"this is no database" * 100)
    assert _hit_many(str(path), 2) == [1, 2]


def test_the_storage_keeps_the_contract_of_limits(tmp_path: Path) -> None:
    storage = SqliteRateStorage(f"{SCHEME}://{tmp_path / 'limits.db'}", driver=sqlite_module())
    with time_machine.travel("2031-01-01T00:00:00Z", tick=False) as clock:
        assert storage.check()
        assert storage.get("a") == 0
        assert [storage.incr("a", 10), storage.incr("a", 10, amount=4)] == [1, 5]
        clock.shift(9.5)
        assert storage.get("a") == 5
        assert storage.get_expiry("a") == pytest.approx(1924992010)
        clock.shift(0.5)
        assert storage.get("a") == 0
        assert storage.incr("a", 10) == 1
        storage.give_back("a")
        storage.give_back("a")
        assert storage.get("a") == 0
        storage.incr("b", 10)
        storage.clear("b")
        assert storage.get("b") == 0
        assert storage.reset() == 1


def test_names_of_accounts_are_not_in_the_counters(limited: Flask, person: dict[str, str], client: FlaskClient) -> None:
    try_log_in(limited, EMAIL, "wrong", "10.0.0.1")
    settings: Settings = limited.config["RETAINSTREAM"]
    written = b"".join(file.read_bytes() for file in settings.instance_path.glob("limits.db*"))
    assert b"login/" in written
    assert EMAIL.encode() not in written
