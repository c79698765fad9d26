"""The command that copies the database while the server runs."""

from __future__ import annotations

from pathlib import Path

import click

from retainstream.cli.terminal import in_app
from retainstream.db import unit_of_work
from retainstream.lib.counting import counted
from retainstream.security.actor import COMMAND
from retainstream.services import audit, backups


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@in_app
def backup_command(target: Path) -> None:
    """Write a consistent, checked copy of the database to TARGET, a new file."""
    copy = backups.copy_database(target.absolute())
    with unit_of_work() as session:
        audit.record(session, COMMAND, "backup.create")
    click.echo(
        f"{copy.path}: {copy.size_bytes / 2**20:.1f} MB, {counted(copy.customers, 'customer')}, integrity checked."
    )
    click.echo("Keep the file secret_key of the instance folder with it.")
