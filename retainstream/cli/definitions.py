"""Command that says what "churned" could mean on this box, and puts it in force; the steps of POST /churn-definitions/propose and POST /churn-definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import click

from retainstream.cli.terminal import in_app, settings
from retainstream.db import unit_of_work
from retainstream.lib.counting import counted
from retainstream.security.actor import COMMAND
from retainstream.services import churn_definitions, proposals

_KINDS = ("cancel", "payment_failure", "trial_end", "non_renewal", "inactivity")


@click.command("propose-churn")
@click.option("--kind", type=click.Choice(_KINDS), help="Inactivity without subscriptions, else cancel, when left out.")
@click.option(
    "--horizon-days", type=click.IntRange(1, 730), default=30, show_default=True, help="Length of the window."
)
@click.option(
    "--lead-days", type=click.IntRange(0, 365), default=0, show_default=True,
    help="Days between the day of a score and the window.",
)  # fmt: skip
@click.option("--use", is_flag=True, help="Make what is proposed the definition in force; the next training learns it.")
@in_app
def propose_churn_command(use: bool, **asked: Any) -> None:
    """Say who counts as gone, from the customers' own histories, and what training would have."""
    found = proposals.propose(settings(), asked)
    wanted = cast("Mapping[str, Any]", found["definition"])
    click.echo(describe_proposal(found))
    if not use:
        return
    with unit_of_work() as session:
        made = churn_definitions.create(
            session, COMMAND, {key: value for key, value in wanted.items() if key != "activate"}
        )
        shown = churn_definitions.present(made, made)
    click.echo(
        f"Definition {shown['id']}, “{shown['name']}” version {shown['version']}, is in force. {shown['sentence']}"
    )


def describe_proposal(found: Mapping[str, Any]) -> str:
    """Return what a proposal found: the definition, its sentences, and a line for each choice."""
    definition = found["definition"]
    lines = [
        f"{definition['name']}: {definition['kind']}, horizon {definition['horizon_days']} days, lead {definition['lead_days']} days."
    ]
    lines += [f"  {sentence}" for sentence in found["sentences"]]
    for choice in (*found["candidates"], *found["reasons"]):
        name = f"{choice['inactive_days']} days" if "inactive_days" in choice else choice["kind"]
        share = choice["churn_per_month"]
        month = "unknown churn" if share is None else f"{share:.1%} a month"
        back = choice.get("came_back")
        month += "" if back is None else f", {back:.0%} came back after"
        training = choice["problem"] or f"{counted(choice['rows'], 'row')}, {choice['churners']:,} of which left"
        lines.append(f"  {name:<16} {month}; {training}")
    return "\n".join(lines)
