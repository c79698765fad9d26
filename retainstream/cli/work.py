"""Commands that start long work and look at it: train, score, jobs."""

from __future__ import annotations

import click

from retainstream.cli.terminal import in_app, see_through
from retainstream.db import read_unit, unit_of_work
from retainstream.lib.pagination import PageRequest
from retainstream.schemas.jobs import JOB_STATES
from retainstream.security.actor import COMMAND
from retainstream.services import jobs, predictions, training


@click.command("train")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of every draw; the same seed gives the same model."
)
@click.option("--trials", type=click.IntRange(1, 500), help="Trials of the hyper-parameter search.")
@click.option("--exclude", multiple=True, metavar="FEATURE", help="Leave a feature out; may be repeated.")
@in_app
def train_command(seed: int | None, trials: int | None, exclude: tuple[str, ...]) -> None:
    """Train a model on the customers whose outcome is known, and score everybody with it."""
    options = {"seed": seed, "trials": trials, "exclude": list(exclude) or None}
    with unit_of_work() as session:
        job_id = training.request(session, COMMAND, options).id
    trained = see_through(job_id)
    click.echo(describe_training(trained))
    if trained.get("score_job"):
        click.echo(describe_scoring(see_through(int(trained["score_job"]))))


def describe_training(trained: dict[str, object]) -> str:
    """Return the sentence about a training's result."""
    metrics, verdict = trained.get("metrics"), trained.get("verdict")
    auc = metrics.get("auc") if isinstance(metrics, dict) else None
    figure = ""
    if isinstance(auc, dict) and auc.get("value") is not None:
        figure = f", AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    service = "in service" if trained.get("champion") else "not put into service"
    reason = f" {verdict.get('message', '')}" if isinstance(verdict, dict) and not trained.get("servable") else ""
    return f"Model {trained.get('model_version')} is trained{figure}; {service}.{reason}"


def describe_scoring(scored: dict[str, object]) -> str:
    """Return the sentence about a scoring's result."""
    return f"{scored.get('n_scored', 0)} customers are scored with model {scored.get('model_version')}."


@click.command("score")
@in_app
def score_command() -> None:
    """Score every customer that has not left with the model in service."""
    with unit_of_work() as session:
        job_id = predictions.generate(session, COMMAND).id
    click.echo(describe_scoring(see_through(job_id)))


@click.command("jobs")
@click.option("--state", type=click.Choice(JOB_STATES), help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@click.option("--cancel", "cancel_id", type=int, metavar="ID", help="Cancel this job instead of listing.")
@in_app
def jobs_command(state: str | None, limit: int, cancel_id: int | None) -> None:
    """List jobs, newest first, or cancel one."""
    if cancel_id is not None:
        with unit_of_work() as session:
            job = jobs.cancel(session, COMMAND, cancel_id)
            outcome = "is cancelled" if job.state == "cancelled" else "is asked to stop"
        click.echo(f"Job {cancel_id} {outcome}.")
        return
    with read_unit() as session:
        page = jobs.list_jobs(session, PageRequest(limit=limit), state=state)
    for item in page.items:
        error = item["error"]
        said = error.get("message", "") if isinstance(error, dict) else item["phase"]
        share = item["progress"] if isinstance(item["progress"], float) else 0.0
        click.echo(
            f"{item['id']:>6}  {item['kind']:<7} {item['state']:<10} {share:>5.0%}  {item['created_at']}  {said}"
        )
    click.echo(f"{page.total} jobs")
