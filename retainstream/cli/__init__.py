"""Commands for owners and scripts: `flask --app wsgi ...`. Each opens its units of work, calls services and prints. `register` lists them all."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add every command to the app."""
    from retainstream.cli import backup, definitions, demo, events, imports, people, work

    for command in (
        imports.import_command,
        events.import_events_command,
        events.import_subscriptions_command,
        events.import_orders_command,
        definitions.propose_churn_command,
        work.train_command,
        work.score_command,
        work.replay_command,
        work.jobs_command,
        people.create_user_command,
        people.reset_password_command,
        people.setup_code_command,
        demo.demo_command,
        backup.backup_command,
    ):
        app.cli.add_command(command)
