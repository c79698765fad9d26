"""Commands about people: make an account, set a password, show the set-up code. Passwords are asked for or made, never arguments."""

from __future__ import annotations

import secrets
import sys

import click
from sqlalchemy import select

from retainstream.cli.terminal import in_app, settings
from retainstream.db import read_unit, unit_of_work
from retainstream.errors import NotFound
from retainstream.models import User
from retainstream.security.actor import COMMAND
from retainstream.security.permissions import Role
from retainstream.services import audit
from retainstream.services.access import accounts, setup


def _password(given_on_stdin: bool) -> tuple[str, bool]:
    """Return a password and whether it was made here; from standard input it is the first line."""
    if given_on_stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    return secrets.token_urlsafe(15), True


@click.command("create-user")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default="viewer", show_default=True)
@click.option("--name", default="", help="Name as it is shown.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; otherwise one is made and printed."
)
@in_app
def create_user_command(email: str, role: str, name: str, password_stdin: bool) -> None:
    """Make an account."""
    password, made = _password(password_stdin)
    hashed = accounts.checked_hash(settings(), email, password)
    with unit_of_work() as session:
        user = accounts.create_user(session, email, name, role, hashed)
        audit.record(session, COMMAND, "user.create", "user", user.id, fields=["email", "name", "role", "password"])
    click.echo(f"{user.email} may sign in as {user.role}." + (f" Password: {password}" if made else ""))


@click.command("reset-password")
@click.argument("email")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; otherwise one is made and printed."
)
@in_app
def reset_password_command(email: str, password_stdin: bool) -> None:
    """Set a new password, and end every session and token of the account."""
    password, made = _password(password_stdin)
    hashed = accounts.checked_hash(settings(), email, password)
    with unit_of_work() as session:
        user = session.scalar(select(User).where(User.email == accounts.clean_email(email)))
        if user is None:
            raise NotFound(f"There is no account with the address {email}.")
        leave = accounts.start_reset(session, COMMAND, user.id)
        accounts.finish_reset(session, COMMAND, leave.token, hashed)
    click.echo(f"{user.email} has a new password." + (f" Password: {password}" if made else ""))


@click.command("setup-code")
@in_app
def setup_code_command() -> None:
    """Print the code with which the first administrator registers."""
    with read_unit() as session:
        needed = setup.setup_needed(session)
    if not needed:
        raise click.ClickException("This box is set up; an administrator can invite more people.")
    click.echo(setup.setup_code(settings()))
