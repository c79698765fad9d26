"""The command that loads a flat table; the same steps as the API's import, with the job done in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from retainstream.cli.loading import read_mapping, see_load
from retainstream.cli.terminal import in_app, settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import ConfirmationNeeded
from retainstream.lib.counting import counted
from retainstream.security.actor import COMMAND
from retainstream.services.imports import batches, files

if TYPE_CHECKING:
    from retainstream.services.imports.learning import Answer
    from retainstream.services.imports.preview import Preview

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--mapping", type=_FILE, help="JSON file with the mapping, as --dry-run proposes it, edited or not.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the proposed mapping, counts, warnings and first row errors as JSON; write nothing.",
)
@click.option(
    "--on-error",
    type=click.Choice(["reject", "skip"]),
    default="reject",
    show_default=True,
    help="What one bad row means for the rest.",
)
@click.option("--confirm-label", "label", flag_value="confirm", help="The label is the right way round.")
@click.option("--flip-label", "label", flag_value="flip", help="The label is the other way round.")
@click.option(
    "--known-at-time/--arrived-now",
    default=None,
    help="Whether the file's values were known at the times it names, or only now.",
)
@in_app
def import_command(
    file: Path, mapping: Path | None, dry_run: bool, on_error: str, label: str | None, known_at_time: bool | None
) -> None:
    """Load customers from FILE: CSV, JSON lines or xlsx; also gzipped, or a zip with one file."""
    from retainstream.services.imports.preview import (
        preview,  # brings numpy, which other commands and the server do without
    )

    sent = read_mapping(mapping)
    answer = cast("Answer | None", label)
    if dry_run:
        with read_unit() as session:
            found = preview(
                file, file.name, settings(), sent, label=answer, known_at_time=known_at_time, session=session
            )
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    batch_id, job_id, found = queue_file(file, sent, label=answer, known_at_time=known_at_time, on_error=on_error)
    see_load(batch_id, job_id, found.learnt.warnings, describe_import, skipping=on_error == "skip")


def queue_file(
    file: Path,
    mapping: object | None = None,
    *,
    label: Answer | None = None,
    known_at_time: bool | None = None,
    on_error: str = "reject",
    source: str = "command",
) -> tuple[int, int, Preview]:
    """Copy a file to the uploads and queue its import; returns the batch, the job and what the preview found.

    Raises
    ------
    UnsupportedMedia, InvalidInput, TooLarge
        When the file or the mapping cannot be used.
    ConfirmationNeeded
        When a person has to answer first.
    """
    from retainstream.services.imports.preview import preview

    accepted = files.allowed(settings(), source)
    with file.open("rb") as stream:
        upload = files.receive(stream, file.name, accepted)
    try:
        found = preview(upload.path, upload.filename, accepted, mapping, label=label, known_at_time=known_at_time)
        _require_answers(found)
        with unit_of_work() as session:
            batch, job = batches.queue(
                session,
                COMMAND,
                upload,
                found.mapping.to_dict(),
                on_error=on_error,
                known_at_time=found.mapping.known_at_time,
                warnings=found.learnt.warnings,
                refine=mapping is None and not found.complete,
                source=source,
            )
            return batch.id, job.id, found
    except BaseException:
        files.discard(settings(), upload.name)
        raise


def _require_answers(found: Preview) -> None:
    try:
        found.require_answers()
    except ConfirmationNeeded as question:
        hint = "Answer with --confirm-label or --flip-label, or send a --mapping that names the label."
        raise ConfirmationNeeded(f"{found.learnt.questions[0]['message']} {hint}", detail=question.detail) from question


def describe_import(result: dict[str, Any]) -> str:
    """Return the sentence about an import's result."""
    counts = result.get("counts", {})
    parts = [
        f"{counts[name]:,} {name}" for name in ("new", "changed", "unchanged", "bad", "erased") if counts.get(name)
    ]
    return f"Import {result.get('batch_id')}: {counted(counts.get('rows', 0), 'row')} read" + (
        f"; {', '.join(parts)}." if parts else "."
    )
