"""LUX with one more address that fails in many ways with secrets all around, for real gunicorn to serve.

`tests.planted:create_app()` is what gunicorn is told to serve; PLANTED are the secrets, and where each of them stands.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy import text

from access import public
from app import create_app as create_lux
from extensions import csrf, db

page = Blueprint("planted", __name__)
log = logging.getLogger("lux.planted")
HEADERS = (
    "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-CSRF-Token", "X-Session-Token",
    "X-Client-Secret", "X-Amz-Security-Token", "X-Signature",
)  # fmt: skip
FIELDS = (
    "password", "new_password", "api_key", "client_secret", "otp_code", "csrf_token", "private_note_key",
    "password_confirmation",
)  # fmt: skip
MEMBERS = (
    "token", "secret", "refreshToken", "accessKey", "pwd", "session_id", "credentials", "signing_key"
)  # fmt: skip
TEXTS = (
    "password={}", "token: {}", "Authorization: Bearer {}", "key sk-proj-{} is wrong", "ghp_{} was refused",
    "xoxb-{} is gone", "AWS said AKIA{}", "passphrase='{}'", '{{"client_secret": "{}"}}', "--api-key {}",
)  # fmt: skip
LOCALS = ("password", "api_key", "secret_key", "token", "credentials", "dsn", "private_key", "settings")
STATEMENTS = (
    "ALTER ROLE nobody_here PASSWORD '{}'", "SELECT api_key = '{}' FROM nowhere", "SELECT no_such(token => '{}')",
    "CREATE USER nobody_here WITH PASSWORD '{}' NO SUCH OPTION",
)  # fmt: skip
ADDRESSES = (
    "https://ann:{}@mail.example/", "https://x.example/?token={}", "https://x.example/a?b=1&api_key={}",
    "https://x.example/?password={}&a=b", "https://hooks.slack.com/services/T0/B0/{}", "amqp://guest:{}@queue.example/",
)  # fmt: skip
PIECE, MOST_MEMORY = 4 * 1024 * 1024, 512 * 1024 * 1024
SETTINGS = ("OPENAI_API_KEY", "ZAPIER_PASSWORD", "OPERATOR_TOKEN", "SESSION_SECRET", "SMTP_URL", "DATABASE_URL")


def secret_of(kind: str, number: int) -> str:
    """The secret that stands there: letters and digits, the same in the server and in the test."""
    digest = hashlib.sha256(f"{kind} {number}".encode()).hexdigest()
    return f"{digest[:10].upper()}{digest[10:20]}"


PLANTED: dict[str, str] = {
    f"{kind} {where}": secret_of(kind, number)
    for kind, places in (
        ("header", HEADERS),
        ("field", FIELDS),
        ("member", MEMBERS),
        ("text", TEXTS),
        ("local", LOCALS),
        ("statement", STATEMENTS),
        ("address", ADDRESSES),
        ("setting", SETTINGS),
    )
    for number, where in enumerate(places)
}


def basic(secret: str) -> str:
    """A Basic header with that password."""
    return "Basic " + base64.b64encode(f"ann:{secret}".encode()).decode()


def create_app() -> Flask:
    """LUX, and the address."""
    app = create_lux()
    app.register_blueprint(page)
    csrf.exempt(page)
    for view in (
        "fail_with_headers",
        "fail_with_text",
        "fail_with_locals",
        "fail_in_sql",
        "fail_in_stream",
        "fail_in_thread",
        "stream_until_told",
        "grow_until_killed",
    ):
        app.config["GUARDS"][f"planted.{view}"] = public
    return app


@page.post("/planted")
def fail_with_headers() -> str:
    """Fails with the whole request at hand."""
    headers = dict(request.headers)
    form, body = request.form.to_dict(), request.get_json(silent=True)
    log.info("headers %s", headers)
    log.warning("form %s and body %s", form, body)
    raise ValueError(f"cannot take {form or body}")


@page.get("/planted/text/<int:number>")
def fail_with_text(number: int) -> str:
    """Fails with a secret in the error's own words; beyond the texts come addresses and the settings themselves."""
    templates = [*TEXTS, *ADDRESSES]
    kind, at = ("text", number) if number < len(TEXTS) else ("address", number - len(TEXTS))
    if number < len(templates):
        raise RuntimeError(templates[number].format(secret_of(kind, at)))
    settings = current_app.config["LUX"]
    log.error("the settings are %s", settings)
    raise RuntimeError(" and ".join(settings.secrets()))


@page.get("/planted/locals")
def fail_with_locals() -> str:
    """Fails with secrets in variables, plain and nested."""
    password, api_key, secret_key, token = (secret_of("local", number) for number in range(4))
    credentials = {"ann": {"deep": [secret_of("local", 4)]}}
    dsn = f"postgresql://lux:{secret_of('local', 5)}@db/lux"
    private_key = secret_of("local", 6).encode()
    settings: dict[str, Any] = {"mail": {"smtp_password": secret_of("local", 7)}}
    shown = [len(str(one)) for one in (password, api_key, secret_key, token, credentials, dsn, private_key, settings)]
    raise LookupError(f"nothing of {sum(shown)} signs")


@page.get("/planted/sql/<int:number>")
def fail_in_sql(number: int) -> str:
    """Fails in a statement that holds a secret, by SQLAlchemy and by the driver."""
    statement = STATEMENTS[number].format(secret_of("statement", number))
    try:
        with psycopg.connect(current_app.config["LUX"].database_url) as connection:
            connection.execute(statement)
    except psycopg.Error:
        log.exception("the driver failed at %s", statement)
    db.session.execute(text(statement.replace(":", "\\:")))
    return ""


@page.get("/planted/stream")
def fail_in_stream() -> Response:
    """Fails in the middle of an answer, where gunicorn alone sees it."""

    def pieces() -> Iterator[str]:
        yield "begun"
        raise OSError(f"password={secret_of('local', 0)}")

    return Response(pieces())


@page.get("/planted/slow-stream")
def stream_until_told() -> Response:
    """Answers half, and the other half when a file stands in the data folder."""
    told = current_app.config["LUX"].lux_data_dir / "go-on"

    def pieces() -> Iterator[str]:
        yield "data: first\n\n"
        for _ in range(600):
            if told.exists():
                yield "data: second\n\n"
                return
            time.sleep(0.05)

    return Response(pieces(), mimetype="text/event-stream")


@page.get("/planted/thread")
def fail_in_thread() -> str:
    """Fails beside the request."""
    password = secret_of("local", 0)

    def fail() -> None:
        raise OSError(f"password={password}")

    thread = threading.Thread(target=fail, name="planted")
    thread.start()
    thread.join()
    return "the thread has failed"


@page.post("/planted/memory")
def grow_until_killed() -> str:
    """Takes more and more memory; where the kernel lets it have all of MOST_MEMORY, it ends as the kernel would."""
    held: list[bytes] = []
    while len(held) * PIECE < MOST_MEMORY:
        # Written to, or the kernel gives nothing but a promise.
        held.append(b"x" * PIECE)
    os.kill(os.getpid(), signal.SIGKILL)
    return ""
