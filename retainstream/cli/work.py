"""Commands that start long work and look at it: train, score, replay, jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from retainstream.cli.terminal import in_app, see_through
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.lib.counting import counted
from retainstream.lib.pagination import PageRequest
from retainstream.schemas.jobs import JOB_STATES
from retainstream.security.actor import COMMAND
from retainstream.services import jobs, predictions, replay, training

_DAY = click.DateTime(["%Y-%m-%d"])


def _instant(day: datetime | None) -> int | None:
    return None if day is None else clock.to_us(day.replace(tzinfo=UTC))


@click.command("train")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of every draw; the same seed gives the same model."
)
@click.option("--trials", type=click.IntRange(1, 500), help="Trials of the hyper-parameter search.")
@click.option("--exclude", multiple=True, metavar="FEATURE", help="Leave a feature out; may be repeated.")
@click.option(
    "--keep", multiple=True, metavar="FEATURE", help="Keep a suspicious feature all the same; may be repeated."
)
@click.option(
    "--definition", "definition_id", type=int, metavar="ID", help="Churn definition; the one in force by default."
)
@click.option("--as-of", type=_DAY, help="Use only what was known before this day.")
@click.option("--every-days", type=click.IntRange(7, 90), help="Days between observation dates; 30 by default.")
@click.option("--ignore-silent-feeds", is_flag=True, default=None, help="Train although a feed went silent.")
@in_app
def train_command(
    as_of: datetime | None, exclude: tuple[str, ...], keep: tuple[str, ...], **options: int | None
) -> None:
    """Train a model by the churn definition in force, and score everybody with it."""
    asked = {**options, "as_of": _instant(as_of), "exclude": list(exclude) or None, "keep": list(keep) or None}
    with unit_of_work() as session:
        job_id = training.request(session, COMMAND, asked).id
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
    n = int(str(scored.get("n_scored", 0)))
    return f"{counted(n, 'customer')} {'is' if n == 1 else 'are'} scored with model {scored.get('model_version')}."


@click.command("score")
@in_app
def score_command() -> None:
    """Score every customer that has not left with the model in service."""
    with unit_of_work() as session:
        job_id = predictions.generate(session, COMMAND).id
    click.echo(describe_scoring(see_through(job_id)))


@click.command("replay")
@click.option("--as-of", type=_DAY, required=True, help="The day to go back to.")
@click.option(
    "--definition", "definition_id", type=int, metavar="ID", help="Churn definition; the one in force by default."
)
@click.option(
    "--model", default=replay.TRAIN, show_default=True, metavar="train|earlier|ID",
    help="Train one as of that day, take the newest that knew no more, or a version.",
)  # fmt: skip
@click.option(
    "--keep-scores/--no-keep-scores", default=None,
    help="Put the scores into the customers' history; by default unless the model knew of later days.",
)  # fmt: skip
@click.option("--trials", type=click.IntRange(1, 500), help="Trials of the hyper-parameter search.")
@in_app
def replay_command(
    as_of: datetime, definition_id: int | None, model: str, keep_scores: bool | None, trials: int | None
) -> None:
    """Say what this would have said on a past day, and who really left."""
    if model not in (replay.TRAIN, replay.EARLIER) and not model.isdigit():
        raise click.BadParameter("train, earlier, or the id of a model version", param_hint="--model")
    options = {
        "as_of": _instant(as_of),
        "definition_id": definition_id,
        "model": int(model) if model.isdigit() else model,
        "keep_scores": keep_scores,
        "trials": trials,
    }
    with unit_of_work() as session:
        job_id = replay.request(session, COMMAND, options).id
    see_through(job_id)
    with read_unit() as session:
        click.echo(describe_replay(replay.found(session, job_id)))


def describe_replay(found: dict[str, Any]) -> str:
    """Return what a replay found, and the first ten of its list."""
    day, outcome = str(found["as_of"])[:10], found["outcome"]
    scored = f"As of {day}: {counted(found['n_scored'], 'customer')} scored with model {found['model_version']}"
    lines = [f"{scored}; {found['announced']:,} had announced to leave, {found['left']:,} had left."]
    if not outcome["closed"]:
        lines.append(outcome["message"])
    else:
        auc = outcome["metrics"].get("auc")
        figure = "" if auc is None else f"; AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
        lines.append(f"{outcome['churners']:,.0f} of {outcome['n']:,} left in the window{figure}.")
        lines += [
            f"  among the first {part['reached']:,} ({part['share_reached']:.0%}): {part['churners']:,.0f} who left, {part['lift']:.1f} times as many as at random"
            for part in outcome["caught"]
            if part["lift"] is not None
        ]
    said = {None: "", True: "left", False: "stayed"}
    for item in found["top"][:10]:
        share = f"{item['churn_probability']:.0%}" if item["churn_probability"] is not None else item["risk_band"]
        lines.append(f"  {item['user_id']:<24} {share:>9}  {said[item['left']]}".rstrip())
    return "\n".join(lines)


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
