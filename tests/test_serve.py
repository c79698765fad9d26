"""The launcher: strict settings, and one real start from an empty folder to a server that answers and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from retainstream import serve
from retainstream.config import PREFIX, ROOT, Settings, SettingsError

Started = subprocess.Popen[str]


def test_an_instance_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsError, match="RETAINSTREAM_INSTANCE"):
            serve.insist_on_folder(Settings(instance=str(folder)))


def test_the_flask_command_names_a_wrong_setting_in_one_line() -> None:
    environ = {**os.environ, "RETAINSTREAM_JOBS": "maybe"}
    ended = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "jobs"],
        check=False,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 3
    assert ended.stderr.startswith("RETAINSTREAM_JOBS is 'maybe'") and "Traceback" not in ended.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(instance: Path, **variables: str) -> Started:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ = {
        **kept,
        "RETAINSTREAM_INSTANCE": str(instance),
        "RETAINSTREAM_LOG_LEVEL": "error",
        "DEMO": "0",
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "retainstream.serve"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("environ", "name"),
    [({"PORT": "80a"}, "PORT"), ({"PORT": "0"}, "PORT"), ({"PORT": "70000"}, "PORT"), ({"DEMO": "perhaps"}, "DEMO")],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is"):
        serve.read_launch(environ)


def test_defaults() -> None:
    assert serve.read_launch({"PORT": "", "HOST": ""}) == serve.Launch("127.0.0.1", 8000, demo=True)


def test_a_taken_port_is_told_before_any_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="choose another PORT"):
            serve.insist_on_port(serve.Launch("127.0.0.1", port, demo=False))


@pytest.mark.parametrize("variable", [{"RETAINSTREAM_BCRYPT_COST": "99"}, {"RETAINSTREAM_TYPO": "1"}])
def test_a_wrong_setting_stops_the_start_with_one_sentence(tmp_path: Path, variable: dict[str, str]) -> None:
    started = launch(tmp_path / "instance", **variable)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 2
    assert errors.count("\n") == 1
    assert next(iter(variable)) in errors
    assert not (tmp_path / "instance").exists()


def members_of(group: int) -> list[int]:
    """Return the live processes of a session, zombies aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == group and state != "Z":
                found.append(int(entry.name))
    return found


def lines_until(started: Started, what: str) -> Iterator[str]:
    assert started.stdout is not None
    for line in started.stdout:
        yield line.strip()
        if what in line:
            return
    raise AssertionError(f"ended before it said {what!r}: {started.stderr.read() if started.stderr else ''}")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_it_starts_answers_and_stops_without_a_trace(tmp_path: Path, end: signal.Signals) -> None:
    port = free_port()
    started = launch(tmp_path / "instance", PORT=str(port))
    try:
        said = list(lines_until(started, "answers at"))
        assert any(line.startswith("Set-up code") for line in said)
        assert f"http://127.0.0.1:{port}" in said[-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            assert answer.status == 200
        for secret in ("secret_key", "setup-code", "retainstream.db"):
            assert (tmp_path / "instance" / secret).stat().st_mode & 0o077 == 0
        os.kill(started.pid, end)
        started.wait(30)
        give_up = time.monotonic() + 30
        while members_of(started.pid):
            assert time.monotonic() < give_up, "a process was left behind"
            time.sleep(0.05)
    finally:
        for pid in members_of(started.pid):
            os.kill(pid, signal.SIGKILL)
        started.communicate()
