"""Commands that load files of events, subscriptions and orders; the same steps as the API's, with the job done in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retainstream.cli.loading import read_mapping, see_load
from retainstream.cli.terminal import in_app, settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib.counting import counted
from retainstream.security.actor import COMMAND
from retainstream.services.imports import batches, files

if TYPE_CHECKING:
    from retainstream.services.events.mapping import Target
    from retainstream.services.events.preview import EventPreview

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_TOLD = (
    "accepted", "duplicate", "no_customer", "unknown_customer", "erased", "bad", "late", "future", "new_customers",
)  # fmt: skip


def _options(command: Command) -> Command:
    """Add what all three commands take."""
    for option in (
        click.option(
            "--unknown-customers",
            type=click.Choice(["create", "skip"]),
            default="create",
            show_default=True,
            help="What becomes of rows whose customer is not on record.",
        ),
        click.option("--source", help="The feed that the rows come from; by default one for each kind of file."),
        click.option(
            "--known-at-time/--arrived-now",
            default=None,
            help="Whether each row was known when it happened, or only now.",
        ),
        click.option(
            "--on-error",
            type=click.Choice(["reject", "skip"]),
            default="reject",
            show_default=True,
            help="What one bad row means for the rest.",
        ),
        click.option(
            "--dry-run",
            is_flag=True,
            help="Print the proposed mapping, counts, warnings and first row errors as JSON; write nothing.",
        ),
        click.option(
            "--mapping", type=_FILE, help="JSON file with the mapping, as --dry-run proposes it, edited or not."
        ),
        click.argument("file", type=_FILE),
    ):
        command = option(command)
    return command


@click.command("import-events")
@_options
@click.option("--kind", help="Kind of every event of a file that has no column for it, such as login.")
@in_app
def import_events_command(file: Path, kind: str | None, **options: Any) -> None:
    """Load events from FILE: CSV, JSON lines or xlsx; also gzipped, or a zip with one file."""
    _load("events", file, kind=kind, **options)


@click.command("import-subscriptions")
@_options
@in_app
def import_subscriptions_command(file: Path, **options: Any) -> None:
    """Load subscriptions from FILE, one row for each: plan, price, start, end and why it ended."""
    _load("subscriptions", file, **options)


@click.command("import-orders")
@_options
@in_app
def import_orders_command(file: Path, **options: Any) -> None:
    """Load orders, or their lines, from FILE; they become events of the kinds purchase and refund."""
    _load("orders", file, **options)


def _load(
    target: Target,
    file: Path,
    *,
    mapping: Path | None,
    dry_run: bool,
    on_error: str,
    known_at_time: bool | None,
    source: str | None,
    unknown_customers: str,
    kind: str | None = None,
) -> None:
    from retainstream.services.events.preview import Asked, preview

    asked = Asked(kind, source, unknown_customers, known_at_time)
    sent = read_mapping(mapping)
    if dry_run:
        with read_unit() as session:
            found = preview(file, file.name, settings(), target, asked, sent, session=session)
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    batch_id, job_id, found = queue_file(
        target, file, sent, kind=kind, feed=source, unknown=unknown_customers, known_at_time=known_at_time, on_error=on_error
    )  # fmt: skip
    see_load(batch_id, job_id, found.warnings, describe_load, skipping=on_error == "skip")


def queue_file(
    target: Target,
    file: Path,
    mapping: object | None = None,
    *,
    kind: str | None = None,
    feed: str | None = None,
    unknown: str = "create",
    known_at_time: bool | None = None,
    on_error: str = "reject",
    source: str = "command",
) -> tuple[int, int, EventPreview]:
    """Copy a file to the uploads and queue its load; returns the batch, the job and what the preview found.

    Raises
    ------
    UnsupportedMedia, InvalidInput, TooLarge
        When the file or the mapping cannot be used.
    ConfirmationNeeded
        When a mapping has to name the customer or the time.
    """
    from retainstream.services.events.preview import Asked, preview

    asked = Asked(kind, feed, unknown, known_at_time)
    accepted = files.allowed(settings(), source)
    with file.open("rb") as stream:
        upload = files.receive(stream, file.name, accepted)
    try:
        found = preview(upload.path, upload.filename, accepted, target, asked, mapping)
        found.require_answers()
        with unit_of_work() as session:
            batch, job = batches.queue(
                session,
                COMMAND,
                upload,
                found.mapping.to_dict(),
                on_error=on_error,
                known_at_time=found.mapping.known_at_time,
                warnings=found.lasting_warnings,
                source=source,
                target=target,
                options={"feed": feed, "unknown": unknown},
            )
            return batch.id, job.id, found
    except BaseException:
        files.discard(settings(), upload.name)
        raise


def describe_load(result: dict[str, Any]) -> str:
    """Return the sentence about a load's result."""
    counts = result.get("counts", {})
    parts = [f"{counts[name]:,} {name.replace('_', ' ')}" for name in _TOLD if counts.get(name)]
    read = f"Import {result.get('batch_id')}: {counted(counts.get('rows', 0), 'row')} read"
    return f"{read}; {', '.join(parts)}." if parts else f"{read}."
