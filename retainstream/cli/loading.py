"""What the commands that load a file share: reading a mapping, and following the load to its end with what it says. The commands are `imports` and `events`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import click

from retainstream.cli.terminal import in_options, see_through
from retainstream.db import read_unit
from retainstream.services.imports import batches

SHOWN_ERRORS = 10


def read_mapping(path: Path | None) -> object | None:
    """Return a mapping from a file of JSON, None without one; ends the command where it is not JSON."""
    if path is None:
        return None
    try:
        return cast(object, json.loads(path.read_text(encoding="utf-8-sig")))
    except ValueError as bad:
        raise click.ClickException(f"{path} is not JSON: {bad}") from bad


def see_load(
    batch_id: int,
    job_id: int,
    warnings: Sequence[Mapping[str, object]],
    describe: Callable[[dict[str, Any]], str],
    *,
    skipping: bool,
) -> None:
    """Say the warnings, see the load to its end and say what came of it; bad rows are shown where they were left out or nothing was taken."""
    for warning in warnings:
        click.echo(f"{warning['severity']}: {in_options(str(warning['message']))}", err=True)
    try:
        result = see_through(job_id)
    except click.ClickException:
        _show_row_errors(batch_id)
        raise
    click.echo(describe(result))
    if skipping:
        _show_row_errors(batch_id)


def _show_row_errors(batch_id: int) -> None:
    with read_unit() as session:
        for error in islice(batches.row_errors(session, batch_id), SHOWN_ERRORS):
            place = f"line {error.line}" + (f", column {error.column}" if error.column else "")
            value = f" {error.value!r};" if error.value is not None else ""
            click.echo(f"  {place}:{value} expected {error.expected}", err=True)
