"""`python -m retainstream.serve`: everything from an empty folder to a server that answers. `make run` calls it.

Checks the settings, migrates, loads the demo (unless DEMO=0), says how to get in, and becomes gunicorn. What was done before is not repeated.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from retainstream.config import ROOT, Settings, SettingsError, load_settings

WRONG_SETTING = 2


@dataclass(frozen=True)
class Launch:
    """What only the launcher needs to know: where to listen and whether to load the demo."""

    host: str
    port: int
    demo: bool


def read_launch(environ: Mapping[str, str]) -> Launch:
    """Return HOST, PORT and DEMO of an environment; raises SettingsError naming the one that cannot be used."""
    port = environ.get("PORT") or "8000"
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise SettingsError(f"PORT is {port!r}; expected a number from 1 to 65535")
    demo = (environ.get("DEMO") or "1").strip().lower()
    if demo not in ("0", "1", "no", "yes", "off", "on", "false", "true"):
        raise SettingsError(f"DEMO is {demo!r}; expected 0 or 1")
    return Launch(environ.get("HOST") or "127.0.0.1", int(port), demo in ("1", "yes", "on", "true"))


def insist_on_port(launch: Launch) -> None:
    """Raise SettingsError when nothing can listen on the address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(launch.host, launch.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"HOST {launch.host}, PORT {launch.port} cannot be listened on: {reason}; choose another PORT"
        ) from error


def insist_on_folder(settings: Settings) -> None:
    """Make the instance folder; raises SettingsError when it can't be made or written to."""
    folder = settings.instance_path
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise SettingsError(
            f"RETAINSTREAM_INSTANCE is '{folder}'; expected a folder that can be made here ({error.strerror})"
        ) from None
    if not writable:
        raise SettingsError(f"RETAINSTREAM_INSTANCE is '{folder}'; expected a folder that this account may write to")


def prepare(settings: Settings) -> None:
    """Bring the database to the newest revision and add the rows that every box has. Imports what it needs when called."""
    from flask_migrate import upgrade

    from retainstream.app import create_minimal_app
    from retainstream.db import db, empty_log, read_unit, unit_of_work
    from retainstream.extensions import migrate
    from retainstream.services import as_of, jobs
    from retainstream.services.customers import erasure_ledger

    app = create_minimal_app(settings)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    with app.app_context():
        upgrade()
        with unit_of_work() as session:
            jobs.seed_schedules(session)
            brought_back = erasure_ledger.replay(session, settings)
        if brought_back:  # by restoring a copy from before they were erased
            empty_log()
        with read_unit() as session:
            as_of.forget_outdated_columns(session, settings)
        db.engine.dispose()


def welcome(settings: Settings, launch: Launch) -> list[str]:
    """Return what the person at the terminal should know; with the demo, its steps are done first, in a process of their own."""
    from retainstream.app import create_minimal_app
    from retainstream.db import db, read_unit, unit_of_work
    from retainstream.security.passwords import hash_password
    from retainstream.services import demo
    from retainstream.services.access import setup

    app = create_minimal_app(settings)
    with app.app_context():
        with read_unit() as session:
            step, nobody = demo.next_step(session), setup.setup_needed(session)
        login_file = settings.instance_path / demo.LOGIN_NAME
        if launch.demo and nobody:
            login = demo.login(settings)
            hashed = hash_password(login.password, settings.bcrypt_cost)
            with unit_of_work() as session:
                demo.make_admin(session, login, hashed)
            lines = [
                f"Log in as {login.email} with the password {login.password}",
                f"(shown once; kept in {login.file})",
            ]
        elif nobody:
            lines = [f"Set-up code for the first administrator: {setup.setup_code(settings)}"]
        else:
            lines = [f"The demo's log-in is in {login_file}"] if login_file.exists() else []
        db.engine.dispose()
    if launch.demo and step is not None:
        subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", "demo"], cwd=ROOT, check=True)
    return lines


def become_server(settings: Settings, launch: Launch) -> None:
    """Replace this process by gunicorn, so that there is no parent whose death could leave it behind."""
    counters = settings.instance_path / "metrics"
    shutil.rmtree(counters, ignore_errors=True)
    counters.mkdir(parents=True)
    environment = {
        **os.environ,
        "HOST": launch.host,
        "PORT": str(launch.port),
        "PROMETHEUS_MULTIPROC_DIR": str(counters),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    os.chdir(ROOT)
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
    os.execve(sys.executable, command, environment)


def main() -> int:
    """Start the server; returns only when it cannot."""
    os.umask(0o077)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        settings, launch = load_settings(os.environ), read_launch(os.environ)
        insist_on_folder(settings)
        insist_on_port(launch)
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return WRONG_SETTING
    try:
        prepare(settings)
        lines = welcome(settings, launch)
    except subprocess.CalledProcessError as failed:
        sys.stderr.write("The demo could not be loaded; see above. DEMO=0 starts without it.\n")
        return failed.returncode
    except KeyboardInterrupt:
        return 130
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    become_server(settings, launch)
    return 1


if __name__ == "__main__":
    sys.exit(main())
