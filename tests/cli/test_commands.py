"""Commands as a person types them: import, train, score, jobs, people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from retainstream.app import create_app
from retainstream.config import Settings
from retainstream.db import db, read_unit, unit_of_work
from retainstream.ml.datagen import generate_streaming_customers
from retainstream.models import Customer, ImportBatch, User
from retainstream.security.actor import COMMAND
from retainstream.services import jobs

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return runner.invoke(args=list(arguments), input=stdin)

    return invoke


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    generate_streaming_customers(400, 3).to_csv(path, index=False)
    return path


def counts(app: Flask, *models: type) -> list[int]:
    with app.app_context(), read_unit() as session:
        return [session.scalar(select(func.count()).select_from(model)) or 0 for model in models]


def test_a_command_may_be_the_first_thing_on_a_machine(settings: Settings, table: Path) -> None:
    (settings.instance_path / "retainstream.db").unlink()
    app = create_app(settings)
    done = app.test_cli_runner().invoke(args=["import", str(table)])
    assert done.exit_code == 0, done.output
    assert counts(app, Customer) == [400]
    with app.app_context():
        db.engine.dispose()


def test_a_dry_run_prints_a_mapping_that_can_be_sent_back(app: Flask, run: Run, table: Path, tmp_path: Path) -> None:
    dry = run("import", str(table), "--dry-run")
    assert dry.exit_code == 0, dry.output
    proposed = json.loads(dry.stdout)
    assert proposed["counts"]["rows"] == 400
    assert counts(app, Customer, ImportBatch) == [0, 0]
    edited = tmp_path / "mapping.json"
    edited.write_text(json.dumps(proposed["mapping"]))
    done = run("import", str(table), "--mapping", str(edited), "--confirm-label")
    assert done.exit_code == 0, done.output
    assert "400 rows read; 400 new." in done.stdout
    again = run("import", str(table), "--mapping", str(edited), "--confirm-label")
    assert "400 unchanged" in again.stdout
    assert counts(app, Customer) == [400]


def test_bad_rows_are_shown_with_place_and_reason(app: Flask, run: Run, table: Path) -> None:
    lines = table.read_text().splitlines()
    mapping = table.with_suffix(".json")
    mapping.write_text(json.dumps(json.loads(run("import", str(table), "--dry-run").stdout)["mapping"]))
    lines[3] = re.sub(r"^([^,]*,[^,]*),[^,]*", r"\1,plenty", lines[3])
    table.write_text("\n".join(lines))
    refused = run("import", str(table), "--mapping", str(mapping), "--confirm-label")
    assert refused.exit_code == 1
    assert "line 4" in refused.output
    assert "plenty" in refused.output
    assert counts(app, Customer) == [0]
    skipped = run("import", str(table), "--mapping", str(mapping), "--confirm-label", "--on-error", "skip")
    assert skipped.exit_code == 0, skipped.output
    assert counts(app, Customer) == [399]


def test_what_is_no_table_gets_one_sentence(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.csv"
    page.write_text("<!doctype html><html><body>moved</body></html>")
    answer = run("import", str(page))
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: ")
    assert "Traceback" not in answer.output
    broken = tmp_path / "mapping.json"
    broken.write_text("{")
    assert "is not JSON" in run("import", str(page), "--mapping", str(broken)).output


def test_training_without_customers_says_what_is_needed(run: Run) -> None:
    answer = run("train")
    assert answer.exit_code == 1 or "not put into service" in answer.output
    assert "Traceback" not in answer.output
    assert run("score").output.startswith("Error: ")


def test_a_job_is_cancelled(app: Flask, run: Run) -> None:
    with app.app_context(), unit_of_work() as session:
        job_id = jobs.enqueue(session, COMMAND, "train", {}).id
    assert "is cancelled" in run("jobs", "--cancel", str(job_id)).output
    assert "has ended already" in run("jobs", "--cancel", str(job_id)).output
    assert "cancelled" in run("jobs", "--state", "cancelled").output


def test_accounts_are_made_and_let_in_again(app: Flask, run: Run) -> None:
    code = run("setup-code").output.strip()
    assert re.fullmatch(r"[A-Z2-9]{4}(-[A-Z2-9]{4}){2}", code)
    made = run("create-user", "Bob@Example.com", "--role", "analyst")
    password = made.output.strip().rpartition(" ")[2]
    assert "bob@example.com may sign in as analyst" in made.output
    client = app.test_client()
    body = {"email": "bob@example.com", "password": password}
    assert client.post("/api/v1/auth/login", json=body).status_code == 200
    assert run("reset-password", "bob@example.com", "--password-stdin", stdin="quite another 77\n").exit_code == 0
    assert client.post("/api/v1/auth/login", json=body).status_code == 401
    assert client.post("/api/v1/auth/login", json={**body, "password": "quite another 77"}).status_code == 200
    assert "already an account" in run("create-user", "bob@example.com").output
    assert "no account" in run("reset-password", "nobody@example.com").output
    assert run("setup-code").exit_code == 1
    with app.app_context(), read_unit() as session:
        assert session.scalars(select(User.role)).all() == ["analyst"]


def test_a_backup_is_a_whole_database_that_only_its_owner_may_read(run: Run, tmp_path: Path, table: Path) -> None:
    assert run("import", str(table)).exit_code == 0
    target = tmp_path / "copy.db"
    done = run("backup", str(target))
    assert done.exit_code == 0 and "400 customers" in done.output
    assert target.stat().st_mode & 0o777 == 0o600
    restored = create_app(Settings(instance=str(tmp_path / "restored"), database_url=f"sqlite:///{target}", jobs=False))
    with restored.app_context():
        with read_unit() as session:
            assert session.scalar(select(func.count()).select_from(Customer)) == 400
        db.engine.dispose()


def test_a_backup_never_writes_over_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    refused = run("backup", str(tmp_path / "precious"))
    assert refused.exit_code == 1 and "exists already" in refused.output
    assert (tmp_path / "precious").read_text() == "mine"
    assert run("backup", str(tmp_path / "nowhere" / "copy.db")).exit_code == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
