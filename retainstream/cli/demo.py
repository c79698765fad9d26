"""The command that fills an empty box with a simulated streaming service, looks at it from past days, trains and scores.

What is there is not done again, so an interrupted demo goes on where it was.
"""

from __future__ import annotations

import click

from retainstream.cli import events, imports
from retainstream.cli.terminal import in_app, see_through, settings
from retainstream.cli.work import describe_replay, describe_scoring, describe_training
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.security.actor import COMMAND
from retainstream.services import demo, predictions, replay, training
from retainstream.services.demo import Made, Step

TRIALS = 12
"""Of each hyper-parameter search: half the usual, for a demo that is there soon."""


@click.command("demo")
@click.option("--customers", type=click.IntRange(500, 1_000_000), default=6_000, show_default=True)
@click.option(
    "--months",
    type=click.IntRange(3, 60),
    default=14,
    show_default=True,
    help="Length of the service's history; it ends yesterday.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True)
@in_app
def demo_command(customers: int, months: int, seed: int) -> None:
    """Load, train and score a demo, as far as that is not done yet; a box with data of its own is left alone."""
    step = _next()
    if step is None:
        click.echo("The demo is complete, or this box has data of its own; nothing was done.")
        return
    if step.name == "begin":
        with unit_of_work() as session:
            demo.begin(session, customers, months, seed)
    with read_unit() as session:
        made = demo.begun(session)
    assert made is not None
    click.echo(
        f"A made-up streaming service: {made.customers:,} customers over {made.months} months, seed {made.seed}."
    )
    before = None
    while (step := _next()) is not None:
        if step == before:  # it was done and is still to do: doing it again would not help
            raise click.ClickException(f"The demo could not go on after the step {step.name!r}; see `flask jobs`.")
        _do(step, made)
        before = step


def _next() -> Step | None:
    with read_unit() as session:
        return demo.next_step(session)


def _do(step: Step, made: Made) -> None:
    # Nobody looks at a dashboard yet, so the work may take what the night may.
    threads = settings().job_threads_night
    if step.name == "load":
        click.echo(f"Loading {step.target} ...")
        describe = imports.describe_import if step.target == "customers" else events.describe_load
        click.echo(describe(see_through(step.job_id or _queue_load(made, step.target), threads)))
    elif step.name == "define":
        with unit_of_work() as session:
            demo.define(session, COMMAND)
    elif step.name == "replay":
        click.echo(f"Looking from {str(clock.iso(step.day))[:10]} ...")
        _look_back(step, threads)
    elif step.name == "train":
        click.echo("Training ...")
        click.echo(describe_training(see_through(step.job_id or _queue_training(made), threads)))
    elif step.name == "score":
        click.echo("Scoring ...")
        click.echo(describe_scoring(see_through(step.job_id or _queue_scoring(), threads)))


def _queue_load(made: Made, target: str) -> int:
    path = demo.write_file(settings(), made, target)
    try:
        if target == "customers":
            return imports.queue_file(path, known_at_time=True, source=demo.SOURCE)[1]
        if target == "subscriptions":
            return events.queue_file("subscriptions", path, known_at_time=True, source=demo.SOURCE)[1]
        return events.queue_file("events", path, demo.EVENT_MAPPING, source=demo.SOURCE)[1]
    finally:
        path.unlink()


def _look_back(step: Step, threads: int) -> None:
    """Replay a past day; one on which too little was known is said and passed over."""
    job_id = step.job_id or _queue_replay(step)
    try:
        see_through(job_id, threads)
    except click.ClickException as refused:
        click.echo(f"  {refused.message}")
        return
    with read_unit() as session:
        told = describe_replay(replay.found(session, job_id))
    for line in told.splitlines()[:2]:
        click.echo(line)


def _queue_replay(step: Step) -> int:
    asked = {"as_of": step.day, "model": step.model, "trials": TRIALS if step.model == replay.TRAIN else None}
    with unit_of_work() as session:
        return replay.request(session, COMMAND, asked).id


def _queue_training(made: Made) -> int:
    with unit_of_work() as session:
        return training.request(session, COMMAND, {"trials": TRIALS, "seed": made.seed}).id


def _queue_scoring() -> int:
    with unit_of_work() as session:
        return predictions.generate(session, COMMAND).id
