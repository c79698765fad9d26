"""Commands that load files of events, subscriptions and orders, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

Run = Callable[..., Result]
EVENTS = "who what when\n" + "".join(f"{n % 30 + 1} {n % 7} {1_082_040_961 + n * 7_919}\n" for n in range(200))


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=list(arguments))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_text(EVENTS)
    return path


def test_a_dry_run_prints_a_mapping_that_can_be_sent_back(run: Run, log: Path, tmp_path: Path) -> None:
    dry = run("import-events", str(log), "--kind", "message", "--dry-run")
    assert dry.exit_code == 0, dry.output
    found = json.loads(dry.stdout)
    assert found["counts"]["accepted"] == 200 and found["mapping"]["kind"] == "message"
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps(found["mapping"]))
    done = run("import-events", str(log), "--mapping", str(mapping), "--source", "chat")
    assert done.exit_code == 0, done.output
    assert "Import 1: 200 rows read; 200 accepted, 30 new customers." in done.output
    again = run("import-events", str(log), "--kind", "message", "--source", "chat")
    assert "200 duplicate" in again.output


def test_orders_and_subscriptions(run: Run, tmp_path: Path) -> None:
    orders, subscriptions = tmp_path / "orders.csv", tmp_path / "subscriptions.csv"
    orders.write_text("customer_id,date,amount\na,2024-01-01,3.50\nb,2024-01-02,soon\nc,2024-01-03,1.25\n" + "d,2024-01-04,9\n" * 40)  # fmt: skip
    subscriptions.write_text("customer_id,plan,start,end\na,gold,2024-01-01,\nb,basic,2024-01-01,2024-02-01\n")
    refused = run("import-orders", str(orders))
    assert refused.exit_code == 1 and "line 3, column amount: 'soon'; expected a number such as 12.5" in refused.output
    taken = run("import-orders", str(orders), "--on-error", "skip", "--arrived-now")
    assert taken.exit_code == 0 and "42 accepted, 1 bad, 42 late" in taken.output
    loaded = run("import-subscriptions", str(subscriptions), "--unknown-customers", "skip")
    assert loaded.exit_code == 0 and "1 accepted, 1 unknown customer" in loaded.output
    nothing = run("import-events", str(tmp_path / "nowhere.csv"))
    assert nothing.exit_code == 2


def test_churn_is_proposed_and_put_in_force_without_a_server(run: Run, tmp_path: Path) -> None:
    refused = run("train")
    assert refused.exit_code == 1 and "/churn-definitions/propose" in refused.output
    empty = run("propose-churn")
    assert empty.exit_code == 1 and "Traceback" not in empty.output
    events = tmp_path / "events.csv"
    lines = [f"u{n % 40},login,2024-{n % 9 + 1:02d}-{n * 7 % 28 + 1:02d}T10:00:00Z" for n in range(1200)]
    events.write_text("\n".join(["user_id,kind,occurred_at", *lines]))
    assert run("import-events", str(events), "--known-at-time").exit_code == 0
    looked = run("propose-churn")
    assert (
        looked.exit_code == 0 and "inactivity, horizon 30 days" in looked.output and "came back after" in looked.output
    )
    assert "in force" not in looked.output
    used = run("propose-churn", "--horizon-days", "14", "--use")
    assert (
        used.exit_code == 0
        and "Definition 1, “Silent for" in used.output
        and "is in force. Does its last" in used.output
    )
    ahead = run("train", "--trials", "1")
    assert "no churn definition" not in ahead.output


def test_errors_name_the_options_of_the_command(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    times = [f"2024-03-{n % 28 + 1:02d}T08:00:00Z" for n in range(60)]
    rows = "".join(f"u{n},login,{time}\n" for n, time in enumerate([*times, "soon"]))
    file.write_text("user_id,event,occurred_at\n" + rows, encoding="utf-8")
    refused = run("import-events", str(file))
    assert refused.exit_code == 1
    assert "1 of 61 rows" in refused.output and "--on-error skip" in refused.output
    assert "--arrived-now" in refused.output
    assert "on_error" not in refused.output and "known_at_time" not in refused.output
