"""The `flask --app app lux …` commands: what an operator does from a shell."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from accounts.first_start import find_owner_token
from accounts.password_reset import make_reset_link
from accounts.rotation import rotate_secrets, tell_rotation
from accounts.users import find_user_by_email
from accounts.webhook_credentials import ensure_first_credential, find_first_credential
from config import Settings, current_settings, load_settings
from diagnosis.base import NOTHING_WRONG, UNKNOWN, Surroundings
from diagnosis.deciding import diagnose
from diagnosis.excerpts import Excerpt, read_excerpt
from diagnosis.opinion import add_opinion
from diagnosis.reading import signals_of_excerpt
from diagnosis.telling import tell
from errors import LuxError, SettingInvalid
from lib.redaction import Redactor
from worker import work

lux = AppGroup("lux", help="Run and look after LUX.")


def init_commands(app: Flask) -> None:
    """Adds the group `lux` to the flask command."""
    app.cli.add_command(lux)


class FileUnread(click.ClickException):
    """The file that a command was given cannot be read."""

    exit_code = 2


def is_offline_command(words: Sequence[str]) -> bool:
    """Whether a command line asks for `lux diagnose`, which must work when database, disk or settings are broken."""
    place = words.index("lux") if "lux" in words else len(words)
    return list(words[place + 1 : place + 2]) == ["diagnose"] and "--ask-model" not in words


def make_offline_app() -> Flask:
    """An app that knows the commands and, where they are valid, the settings; it starts and opens nothing."""
    app = Flask("lux", static_folder=None)
    try:
        app.config["LUX"] = load_settings()
    except SettingInvalid as error:
        click.echo(f"The settings are not valid, so the diagnosis does without them: {error}", err=True)
    init_commands(app)
    return app


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


@lux.command("password-link")
@click.argument("address")
def make_password_link(address: str) -> None:
    """Prints a link with which the user of ADDRESS chooses a new password: for an owner whom no mail reaches."""
    user = find_user_by_email(address)
    if user is None or not user.is_active:
        raise click.ClickException("There is no active user with this address.")
    click.echo(current_settings().lux_public_url + "/password-reset/" + make_reset_link(user))
    click.echo("It works once, for one hour. The audit trail tells that it was made.")


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


@lux.command("rotate")
def rotate() -> None:
    """Encrypts what is stored under the first SESSION_SECRET, and says when the former values may go."""
    click.echo("\n".join(tell_rotation(rotate_secrets())))


@lux.command("work")
def run_worker() -> None:
    """Runs the worker: carries out what the queue holds, until it is stopped."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # Flask's documented way
    try:
        work(app)
    except LuxError as error:
        raise click.ClickException(error.detail) from error


@lux.command("diagnose")
@click.argument("file")
@click.option("--json", "is_json", is_flag=True, help="Print the diagnosis as one JSON object.")
@click.option(
    "--all", "is_whole", is_flag=True, help="With --json: a list, with every fault that has a cause of its own."
)
@click.option("--exit-code", "tells_by_code", is_flag=True, help="End with 0: nothing wrong, 1: a fault, 3: unknown.")
@click.option(
    "--ask-model", "asks_model", is_flag=True, help="Ask the model too when no rule is sure; needs the database."
)
@click.pass_context
def diagnose_file(
    context: click.Context, file: str, *, is_json: bool, is_whole: bool, tells_by_code: bool, asks_model: bool
) -> None:
    """Says what is wrong by FILE, a log excerpt or traceback; - reads standard input.

    Needs no database. Ends with 0 when it could answer, with 2 when FILE cannot be read.
    """
    settings: Settings | None = current_app.config.get("LUX")
    redactor = Redactor.knowing(settings.secrets()) if settings else Redactor()
    signals = signals_of_excerpt(_read_file(file), redactor)
    found = diagnose(signals, Surroundings.of(settings) if settings else Surroundings())
    if asks_model:
        found = add_opinion(found, signals)
    if is_json:
        rows = [diagnosis.as_row() for diagnosis in found]
        click.echo(json.dumps(rows if is_whole else rows[0], indent=2))
    else:
        click.echo("\n".join(tell(found, signals)))
    if tells_by_code:
        context.exit({NOTHING_WRONG: 0, UNKNOWN: 3}.get(found[0].rule, 1))


def _read_file(name: str) -> Excerpt:
    """What a file or standard input holds; ends the command with one sentence when it cannot be read."""
    try:
        if name == "-":
            return read_excerpt(sys.stdin.buffer)
        with Path(name).open("rb") as file:
            return read_excerpt(file)
    except OSError as error:
        raise FileUnread(f"{name} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise click.BadParameter("this is no name of a file.") from error
