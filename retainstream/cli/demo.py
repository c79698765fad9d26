"""The command that fills an empty box with made-up customers of a streaming service, trains and scores. What is there is not done again."""

from __future__ import annotations

import click

from retainstream.cli.imports import describe_import, queue_file
from retainstream.cli.terminal import in_app, see_through, settings
from retainstream.cli.work import describe_scoring, describe_training
from retainstream.db import read_unit, unit_of_work
from retainstream.security.actor import COMMAND
from retainstream.services import demo, registry, training


@click.command("demo")
@click.option("--customers", type=click.IntRange(500, 1_000_000), default=20_000, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True)
@in_app
def demo_command(customers: int, seed: int) -> None:
    """Load, train and score a demo, as far as that is not done yet; a box with data of its own is left alone."""
    # Nobody looks at a dashboard yet, so the work may take what the night may.
    threads = settings().job_threads_night
    steps = _pending()
    if steps.nothing:
        click.echo("The demo is complete, or this box has data of its own; nothing was done.")
        return
    if steps.load:
        click.echo(f"Loading {customers:,} made-up customers ...")
        click.echo(describe_import(see_through(steps.job_id or _queue_load(customers, seed), threads)))
        steps = _pending()
    if steps.train:
        click.echo("Training ...")
        click.echo(describe_training(see_through(steps.job_id or _queue_training(), threads)))
        steps = _pending()
    if steps.score:
        click.echo("Scoring ...")
        click.echo(describe_scoring(see_through(steps.job_id or _queue_scoring(), threads)))


def _pending() -> demo.Pending:
    with read_unit() as session:
        return demo.pending(session)


def _queue_load(customers: int, seed: int) -> int:
    path = demo.write_file(settings(), customers, seed)
    try:
        return queue_file(path, label="confirm", source=demo.SOURCE)[1]
    finally:
        path.unlink()


def _queue_training() -> int:
    with unit_of_work() as session:
        return training.request(session, COMMAND, {}).id


def _queue_scoring() -> int:
    with unit_of_work() as session:
        job_id = training.queue_scoring(session, COMMAND, registry.required_champion(session).version_id)
    if job_id is None:
        raise click.ClickException("A scoring began just now; it will be done soon.")
    return job_id
