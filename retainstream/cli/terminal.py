"""How commands begin and speak: tables on a fresh machine, one sentence for an error, one line that follows a job."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import inspect

from retainstream.config import Settings
from retainstream.db import db, unit_of_work
from retainstream.errors import RetainStreamError
from retainstream.jobs.inline import run_or_follow
from retainstream.services import jobs

Command = TypeVar("Command", bound=Callable[..., Any])
_WIDTH = 70
_IN_OPTIONS = (
    ("Send known_at_time=false", "Say --arrived-now"),
    ("known_at_time=false", "--arrived-now"),
    ("known_at_time=true", "--known-at-time"),
    (" (known_at_time)", " (--known-at-time)"),
    ("on_error=skip", "--on-error skip"),
    ("Send kind to", "Say --kind to"),
    ("ignore_silent_feeds", "--ignore-silent-feeds"),
)
"""How sentences that speak to callers of the API name what a command takes."""


def settings() -> Settings:
    """Return the settings of the current app."""
    return cast(Settings, current_app.config["RETAINSTREAM"])


def in_options(sentence: str) -> str:
    """Return a sentence with the options of commands in the place of the API's fields."""
    for field, option in _IN_OPTIONS:
        sentence = sentence.replace(field, option)
    return sentence


def in_app(command: Command) -> Command:
    """Run a command in the app's context, on a database that has its tables.

    A domain error becomes one sentence, its complaints by field, and exit status 1.
    """

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            _make_tables()
            return command(*args, **kwargs)
        except RetainStreamError as error:
            complaints = [f"  {name}: {'; '.join(texts)}" for name, texts in error.fields.items()]
            raise click.ClickException(in_options("\n".join([error.message, *complaints]))) from error

    return cast(Command, with_appcontext(guarded))


def _make_tables() -> None:
    """Migrate a database without any table: a command may be the first thing that runs on a machine. Others are left to the start."""
    if inspect(db.engine).has_table("alembic_version"):
        return
    from flask_migrate import upgrade

    upgrade()
    with unit_of_work() as session:
        jobs.seed_schedules(session)


def see_through(job_id: int, threads: int | None = None) -> dict[str, Any]:
    """Run or follow a job, drawing its progress, and return its result; a job that did not succeed ends the command."""
    draw = sys.stderr.isatty()
    shown = ""

    def observe(phase: str, fraction: float) -> None:
        nonlocal shown
        line = f"{phase} {int(100 * fraction):3d}%" if draw else phase
        if line == shown:
            return
        shown = line
        click.echo(f"\r{line:<{_WIDTH}.{_WIDTH}}" if draw else f"  {line}", nl=not draw, err=True)

    job = run_or_follow(job_id, settings(), observe, threads)
    if draw and shown:
        click.echo(f"\r{'':<{_WIDTH}}\r", nl=False, err=True)
    if job["state"] == "succeeded":
        return cast("dict[str, Any]", job["result"] or {})
    error = cast("dict[str, Any]", job["error"] or {})
    raise click.ClickException(in_options(str(error.get("message") or f"Job {job_id} was {job['state']}.")))
