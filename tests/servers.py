"""A whole LUX for a test: real gunicorn, if asked a real worker, on a free port and with a database of its own.

`start_lux(workers=4, has_worker=True, SMTP_URL="smtp://…")` gives one; the fixture ends all of them.
"""

from __future__ import annotations

import contextlib
import http.client
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest
from flask import Flask

import schema
from app import create_app
from config import child_environment, load_settings
from error_logger import stop_listening

ROOT = Path(__file__).resolve().parent.parent
# How long a test waits for what must come; no measure of speed, for the machine may be busy with others.
PATIENCE_SECONDS = 120
APPLICATION = "app:create_app()"
TEMPLATE = "lux_template"


@dataclass
class Lux:
    """A running LUX and what a test may do to it."""

    port: int
    data_dir: Path
    database_url: str
    settings: dict[str, str]
    web: subprocess.Popen[bytes] | None = None
    worker: subprocess.Popen[bytes] | None = None
    logs: dict[str, Path] = field(default_factory=dict)
    apps: list[Flask] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_app(self) -> Flask:
        """An app in the test's own process on the same database, for making rows and looking at them."""
        self.apps.append(create_app(load_settings(self.settings, dotenv=None)))
        return self.apps[-1]

    def connect(self) -> psycopg.Connection:
        """A fresh connection to its database; each statement stands at once."""
        return psycopg.connect(self.database_url, autocommit=True)

    def count(self, table: str, where: str = "true") -> int:
        """How many committed rows a table has."""
        with self.connect() as connection:
            row = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
            return int(row[0]) if row else 0

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request, as it is; status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def start_web(self, *before: str, application: str = APPLICATION) -> None:
        """Starts gunicorn and waits until it answers; `before` are words that stand before its command."""
        gunicorn = [*before, sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", application]
        self.web = self._start("web", gunicorn)
        wait_until(self._answers, f"the web process to answer (see {self.logs['web']})")

    def start_worker(self) -> None:
        """Starts the worker and waits until it shows itself."""
        self.worker = self._start("worker", [sys.executable, "-m", "flask", "--app", "app", "lux", "work"])
        name = f"%:{self.worker.pid}"
        where = f"kind = 'worker' AND name LIKE '{name}'"
        wait_until(lambda: self.count("process_heartbeats", where) == 1, "the worker to show itself")

    def list_web_processes(self) -> list[psutil.Process]:
        """gunicorn's children: the processes that serve."""
        return psutil.Process(self.web.pid).children() if self.web else []

    def kill_web(self) -> None:
        """kill -9 for gunicorn and its children, all at once."""
        end_group(self.web)
        self.web = None

    def kill_worker(self) -> None:
        """kill -9 for the worker."""
        end_group(self.worker)
        self.worker = None

    def read_log(self, name: str = "web") -> str:
        """What the web process or the worker said."""
        return self.logs[name].read_text(errors="replace") if name in self.logs else ""

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        self.logs[name] = self.data_dir / f"{name}.log"
        with self.logs[name].open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=child_environment(**self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        assert self.web is not None and self.web.poll() is None, self.read_log("web")[-2000:]
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/livez")[0] == 200
        return False


@contextlib.contextmanager
def running_lux(
    database_url: str,
    *,
    workers: int = 1,
    has_web: bool = True,
    has_worker: bool = False,
    application: str = APPLICATION,
    **settings: str,
) -> Iterator[Lux]:
    """A LUX on a free port with a database of its own beside `database_url`; ended and swept away at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lux-server-"))
    own_url = make_database(database_url)
    port = free_port()
    values = {
        "LUX_DATA_DIR": str(folder),
        "DATABASE_URL": own_url,
        "PORT": str(port),
        "LUX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WEB_WORKERS": str(workers),
        "WEB_THREADS": "4",
        "SESSION_SECRET": "a-secret-for-tests-only-0123456789abcdef",
        # The clock would repair at six and at noon what a test has broken on purpose.
        "AUTO_REPAIR": "off",
        **settings,
    }
    lux = Lux(port=port, data_dir=folder, database_url=own_url, settings=values)
    try:
        if has_web:
            lux.start_web(application=application)
        if has_worker:
            lux.start_worker()
        yield lux
    finally:
        for process in (lux.web, lux.worker):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in (lux.web, lux.worker):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if process is not None:
                    process.wait(timeout=60)
            end_group(process)
        for app in lux.apps:
            # Its database goes: what this process logs from now on is for another app to hear.
            stop_listening(app)
        drop_database(database_url, own_url)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_lux(database_url: str) -> Iterator[Callable[..., Lux]]:
    """Starts a LUX for this test: start_lux(workers=2, has_worker=True, TIMEZONE="UTC")."""
    with contextlib.ExitStack() as stack:

        def start(**options: object) -> Lux:
            return stack.enter_context(running_lux(database_url, **options))  # type: ignore[arg-type]  # handed through

        yield start


def make_database(server_url: str) -> str:
    """A new database at head on the same server; its address. Copied from a template that is migrated once."""
    name = f"lux_{secrets.token_hex(6)}"
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(4, 2)")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        schema.migrate(with_database(server_url, TEMPLATE))
        wait_until(lambda: not is_in_use(connection, TEMPLATE), "the template to be left alone")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    return with_database(server_url, name)


def drop_database(server_url: str, url: str) -> None:
    """Drops a database made by make_database, whoever is still connected to it."""
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def is_in_use(connection: psycopg.Connection, name: str) -> bool:
    """Whether anybody is connected to a database."""
    row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone()
    return bool(row and row[0])


def with_database(url: str, name: str) -> str:
    """The same address with another database's name."""
    parts = urlsplit(url)
    return urlunsplit(("postgresql", parts.netloc, f"/{name}", parts.query, ""))


def end_group(process: subprocess.Popen[bytes] | None) -> None:
    """kill -9 for a process we started and all it started."""
    if process is None:
        return
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    wait_until(lambda: all(has_ended(member) for member in family), "what it started to end")


def has_ended(process: psutil.Process) -> bool:
    """Whether a process does and holds nothing any more; when somebody takes note of its end is another matter."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_true: Callable[[], object], what: str, timeout_seconds: float = PATIENCE_SECONDS) -> None:
    """Waits for something to become true; says what it waited for when it does not."""
    deadline = time.monotonic() + timeout_seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {timeout_seconds:.0f} s for {what}"
        time.sleep(0.05)
