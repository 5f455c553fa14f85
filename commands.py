"""The `flask --app app lux …` commands: what an operator does from a shell."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from accounts.first_start import find_owner_token
from accounts.webhook_credentials import ensure_first_credential, find_first_credential
from config import current_settings
from errors import LuxError
from worker import work

lux = AppGroup("lux", help="Run and look after LUX.")


def init_commands(app: Flask) -> None:
    """Adds the group `lux` to the flask command."""
    app.cli.add_command(lux)


@lux.command("settings")
def show_settings() -> None:
    """Prints every setting with secrets masked."""
    for name, value, meaning in current_settings().masked():
        click.echo(f"{name:26} {value:40} {meaning}")


@lux.command("owner-link")
def make_owner_link() -> None:
    """Prints a one-time link that makes the owner; earlier ones stop working."""
    token = find_owner_token()
    if token is None:
        raise click.ClickException("This LUX has an owner already.")
    click.echo(current_settings().lux_public_url + "/first-start/" + token)


@lux.command("first-start")
def show_first_start() -> None:
    """Prints what the first start shows: the link that makes the owner, and the webhook's credential once made."""
    public_url = current_settings().lux_public_url
    ensure_first_credential()
    token = find_owner_token()
    if token is not None:
        click.echo(f"Make the owner's account, once, at {public_url}/first-start/{token}")
    credential = find_first_credential()
    if credential is not None:
        click.echo(f"Zapier posts contacts to {public_url}/api/webhook/zapier-contact")
        click.echo(f"  as user {credential.username} with the password {credential.password}")


@lux.command("work")
def run_worker() -> None:
    """Runs the worker: carries out what the queue holds, until it is stopped."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
    try:
        work(app)
    except LuxError as error:
        raise click.ClickException(error.detail) from error
