"""Asks what LUX depends on whether it works: the database, its schema, the model, the mail server, a channel, the disk.

To add a dependency, write a function that says what it saw and list it in DEPENDENCIES with the words that point at it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import psycopg
from flask import current_app
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

import processes
import schema
from ai import ModelFailed, Question, ask
from channels import find_channel
from channels.base import ChannelError
from config import current_settings
from extensions import Model, db
from models import ChannelState
from probes.base import TestResult

PINGS = 20
CONNECT_SECONDS = 3
MODEL_SECONDS = 8.0
SAMPLE_BYTES = 65_536


@dataclass(frozen=True)
class Seen:
    """What an attempt brought."""

    passed: bool
    text: str


@dataclass(frozen=True)
class Dependency:
    """One thing outside of the code. `words` are the beginnings of rule keys and classes of errors that point at it."""

    key: str
    kind: str
    tried: str
    expected: str
    ask: Callable[[], Seen]
    words: tuple[str, ...]


def database_url() -> str:
    """The database's address as psycopg takes it."""
    return str(current_app.config["SQLALCHEMY_DATABASE_URI"]).replace("postgresql+psycopg://", "postgresql://", 1)


def ping_database(times: int = PINGS) -> Seen:
    """A fresh connection and, through the pool, as many pings as asked for."""
    try:
        psycopg.connect(database_url(), connect_timeout=CONNECT_SECONDS, application_name="lux probe").close()
        for _ in range(times):
            with db.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
    except (psycopg.Error, SQLAlchemyError) as error:
        return Seen(False, f"{type(error).__name__}: {_first_line(error)}")
    return Seen(True, f"a new connection and {times} of {times} pings through the pool")


def find_restart(since: datetime) -> TestResult | None:
    """That the database was started after a moment, whoever did it; None when it runs from before."""
    started = db.session.scalar(text("SELECT pg_postmaster_start_time()"))
    db.session.rollback()
    if started is None or started <= since:
        return None
    seen = f"it was started on {started:%d %b %Y at %H:%M:%S}"
    return TestResult("dependency", "look when the database was started", "after the error began", seen, True)


def is_schema_at_head() -> Seen:
    """Whether every migration has run, and every column of models.py is there."""
    try:
        with db.engine.connect() as connection:
            if not schema.is_at_head(connection):
                return Seen(False, "the schema is not at the newest migration")
            missing = list_missing(connection)
    except SQLAlchemyError as error:
        return Seen(False, f"{type(error).__name__}: {_first_line(error)}")
    return Seen(not missing, f"missing: {', '.join(missing[:5])}" if missing else "every table and column is there")


def list_missing(connection: Connection) -> list[str]:
    """Tables and columns that models.py declares and the database does not have."""
    found = inspect(connection)
    missing = []
    columns = found.get_multi_columns()
    there = {name: {column["name"] for column in rows} for (_, name), rows in columns.items()}
    for table in Model.metadata.sorted_tables:
        if table.name not in there:
            missing.append(table.name)
        else:
            missing += [f"{table.name}.{one.name}" for one in table.columns if one.name not in there[table.name]]
    return missing


def ask_model() -> Seen:
    """The shortest question that a model can be asked."""
    question = Question("probe", [{"role": "user", "content": "Say OK."}], longest_answer_tokens=16)
    try:
        ask(question, time_budget_seconds=MODEL_SECONDS)
    except ModelFailed as failure:
        # A cut answer is an answer: the question asks for no more than a sign of life.
        return Seen(failure.cause == "cut", f"{failure.cause}: {failure.detail}")
    return Seen(True, "it answered")


def sign_in_to_mail() -> Seen:
    """One connection with sign-in. A paused channel is left alone: every refused sign-in brings a lock-out nearer."""
    channel, settings = find_channel("email"), current_settings()
    if channel is None or channel.is_test_outbox(settings):
        return Seen(False, "no mail server is set")
    try:
        channel.open(settings, connections=1).close()
    except ChannelError as error:
        return Seen(False, error.text)
    return Seen(True, "it takes the sign-in")


def is_channel_open() -> Seen:
    """Whether the e-mail channel may send."""
    state = db.session.get(ChannelState, "email", populate_existing=True)
    if state is not None and state.is_paused:
        return Seen(False, f"paused: {state.reason or 'no reason given'}")
    return Seen(True, "open")


def write_sample() -> Seen:
    """A file of 64 KiB, written through to the disk and removed."""
    folder = current_settings().lux_data_dir
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(SAMPLE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Seen(False, error.strerror or type(error).__name__)
    return Seen(True, "64 KiB written and synced")


def is_clock_led() -> Seen:
    """Whether one process leads the clock."""
    leaders = processes.list_leaders()
    return Seen(bool(leaders), "it is led" if leaders else f"nobody has led it for {processes.LEADER_SECONDS} s")


def is_worker_alive() -> Seen:
    """Whether a worker has shown itself."""
    count = len(processes.list_heartbeats("worker", 60))
    return Seen(count > 0, f"{count} seen in the last minute")


DEPENDENCIES: list[Dependency] = [
    Dependency(
        "database", "database", "connect to the database and ping it", f"a connection and {PINGS} pings", ping_database,
        ("OperationalError", "InterfaceError", "AdminShutdown", "TooManyConnections", "ConnectionTimeout",
         "TimeoutError", "DisconnectionError", "CannotConnectNow", "database", "pool"),
    ),
    Dependency(
        "schema", "database", "compare the database with models.py", "every table and column", is_schema_at_head,
        ("UndefinedTable", "UndefinedColumn", "ProgrammingError", "schema", "migration"),
    ),
    Dependency(
        "model", "dependency", "ask the model for one word", "an answer", ask_model,
        ("ModelFailed", "openai.", "model", "AuthenticationError", "RateLimitError", "APITimeoutError"),
    ),
    Dependency(
        "mail", "dependency", "sign in to the mail server", "the sign-in is taken", sign_in_to_mail,
        ("ChannelRefused", "ChannelUnavailable", "smtp", "SMTP", "mail"),
    ),
    Dependency(
        "channel", "dependency", "look at the e-mail channel", "it may send", is_channel_open, ("mail-channel",),
    ),
    Dependency(
        "disk", "configuration", "write 64 KiB to LUX_DATA_DIR", "the disk takes it", write_sample,
        ("DiskFull", "disk", "no-space"),
    ),
    Dependency(
        "clock", "dependency", "look for the clock's leader", "one process leads", is_clock_led, ("clock",),
    ),
    Dependency(
        "worker", "dependency", "look for a worker", "one was seen in the last minute", is_worker_alive,
        ("worker-absent", "claims"),
    ),
]  # fmt: skip


def get_dependency(key: str) -> Dependency:
    """The dependency of that key; raises LookupError."""
    for dependency in DEPENDENCIES:
        if dependency.key == key:
            return dependency
    raise LookupError(key)


def run_dependency_probe(key: str, *, is_live_baseline: bool = False) -> TestResult:
    """Asks one dependency; never raises for what it finds."""
    dependency = get_dependency(key)
    try:
        seen = dependency.ask()
    except Exception as error:  # a probe that breaks is a probe that did not pass
        seen = Seen(False, f"{type(error).__name__}: {_first_line(error)}")
    finally:
        db.session.rollback()
    return TestResult(
        dependency.kind,
        dependency.tried,
        dependency.expected,
        seen.text[:300],
        seen.passed,
        f"dependency:{key}",
        is_live_baseline,
    )


def find_dependencies(error_type: str, rule: str, further: Iterable[str] = ()) -> list[str]:
    """The dependencies that an error's class, a rule's key or a repair points at; in the order of DEPENDENCIES."""
    named = set(further)
    name = error_type.rpartition(".")[2]
    for dependency in DEPENDENCIES:
        if name in dependency.words or any(rule.startswith(word) for word in dependency.words):
            named.add(dependency.key)
    return [dependency.key for dependency in DEPENDENCIES if dependency.key in named]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
