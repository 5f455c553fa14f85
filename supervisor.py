"""Runs LUX on one machine: the database, the web process and the worker, watched and restarted until it is stopped.

`make run` is this file. On a server, systemd does the same with one unit per process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import psycopg
from sqlalchemy.exc import SQLAlchemyError

import embedded_postgres
import schema
from config import SETTINGS, Settings, child_environment, load_settings
from errors import LuxError, StartRefused

ROOT = Path(__file__).resolve().parent
READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 15
LOOK_SECONDS = 0.2
DATABASE_LOOK_SECONDS = 3
LONGEST_WAIT_SECONDS = 30
CALM_SECONDS = 60
MOST_FAILED_STARTS = 3
LOG_LIMIT_BYTES = 10_000_000
# prctl's PR_SET_PDEATHSIG of Linux: a child is told when its parent dies, however it dies.
TELL_ME_WHEN_MY_PARENT_DIES = 1


class Stopped(Exception):
    """Somebody asked LUX to stop."""


@dataclass
class Child:
    """A process that LUX keeps running."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float = field(default=0.0)

    def start(self, environment: dict[str, str]) -> None:
        """Starts it in a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs with fixed words
                self.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=PARENTAL,
            )
        self.started_at = time.monotonic()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def how_it_ended(self) -> str:
        code = self.process.returncode if self.process else 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    def end_group(self) -> None:
        """Kills whatever is left of its process group: the children of a killed gunicorn hold its port."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_line(self) -> str:
        """The last line of its log that says something, for the person at the terminal."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace")[-20_000:].splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""


class Supervisor:
    """One run of LUX in one data folder."""

    def __init__(self, settings: Settings, out: IO[str]) -> None:
        self.settings = settings
        self.out = out
        self.is_stopping = False
        self.is_embedded = settings.database_url is None
        self.database_url = ""
        self.children: list[Child] = []
        self.lock: int | None = None

    def run(self) -> None:
        """Starts everything, watches it, and ends it all when asked. Raises StartRefused with one sentence."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        try:
            self._take_folder()
            check_port(self.settings.host, self.settings.port)
            self._start_database()
            self._start_children()
            self._wait_until_ready()
            self.say(f"LUX runs at {self.settings.lux_public_url} (Ctrl-C stops it).")
            self._say_first_start()
            self._watch()
        except (Stopped, KeyboardInterrupt):
            self._end()
            self.say("LUX has stopped.")
        finally:
            self._end()

    def say(self, line: str) -> None:
        """Prints a line; a terminal that is gone is no reason to fall over."""
        try:
            print(line, file=self.out, flush=True)
        except (OSError, ValueError):
            self.out = Path(os.devnull).open("w")  # noqa: SIM115 - kept until the end

    def _ask_to_stop(self, number: int, _frame: FrameType | None) -> None:
        if self.is_stopping and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.is_stopping = True

    def _check_stop(self) -> None:
        if self.is_stopping:
            raise Stopped

    def _take_folder(self) -> None:
        folder = self.settings.lux_data_dir
        try:
            (folder / "logs").mkdir(parents=True, exist_ok=True)
            self.lock = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            probe = folder / "logs" / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StartRefused(
                f"The folder {folder} cannot be written ({error.strerror}): "
                "make it yours, or set LUX_DATA_DIR to another folder."
            ) from error
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(self.lock, 20, 0).decode(errors="replace").strip()
            raise StartRefused(f"LUX already runs in {folder} (process {pid}): stop that one first.") from error
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, f"{os.getpid()}\n".encode(), 0)

    def _start_database(self) -> None:
        self._check_stop()
        if self.is_embedded:
            self.database_url = embedded_postgres.ensure_running(self.settings.lux_data_dir)
        else:
            self.database_url = self.settings.database_url or ""
        self._check_stop()
        try:
            schema.migrate(self.database_url)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StartRefused(f"The database cannot be brought up to date: {reason}") from error

    def _start_children(self) -> None:
        self._check_stop()
        logs = self.settings.lux_data_dir / "logs"
        gunicorn_log = self._gunicorn_log()
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy" / "gunicorn.conf.py")]
        flask = [sys.executable, "-m", "flask", "--app", "app", "lux", "work"]
        self.children = [
            Child("web process", [*gunicorn, "app:create_app()"], gunicorn_log),
            Child("worker", flask, logs / "worker.log"),
        ]
        for child in self.children:
            child.start(self._environment())

    def _gunicorn_log(self) -> Path:
        """The file that the log reader looks at; the default's folder exists on servers only."""
        given = self.settings.gunicorn_error_log
        default = next(row.default for row in SETTINGS if row.name == "GUNICORN_ERROR_LOG")
        return self.settings.lux_data_dir / "logs" / "gunicorn.err" if str(given) == default else given

    def _environment(self) -> dict[str, str]:
        return child_environment(
            DATABASE_URL=self.database_url,
            GUNICORN_ERROR_LOG=str(self._gunicorn_log()),
            LUX_DATA_DIR=str(self.settings.lux_data_dir),
            PYTHONUNBUFFERED="1",
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not self._answers():
            self._check_stop()
            self._look_after_children()
            failing = next((child for child in self.children if child.failures >= MOST_FAILED_STARTS), None)
            if failing is not None or time.monotonic() > deadline:
                child = failing or self.children[0]
                raise StartRefused(f"The {child.name} does not come up: {child.last_line()} (all of it in {child.log})")
            time.sleep(LOOK_SECONDS / 2)

    def _answers(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.settings.host, self.settings.host)  # noqa: S104 - compared
        connection = http.client.HTTPConnection(host, self.settings.port, timeout=5)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _say_first_start(self) -> None:
        """Shows what only the owner may see, while there is no owner yet."""
        with psycopg.connect(self.database_url) as connection:
            if connection.execute("SELECT 1 FROM users WHERE role = 'owner' LIMIT 1").fetchone():
                return
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", "lux", "first-start"],
            cwd=ROOT,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        for line in (done.stdout if done.returncode == 0 else done.stderr[-500:]).splitlines():
            self.say(line)

    def _watch(self) -> None:
        look_at_database = time.monotonic() + DATABASE_LOOK_SECONDS
        while True:
            self._check_stop()
            self._look_after_children()
            if self.is_embedded and time.monotonic() > look_at_database:
                self._look_after_database()
                look_at_database = time.monotonic() + DATABASE_LOOK_SECONDS
            time.sleep(LOOK_SECONDS)

    def _look_after_children(self) -> None:
        for child in self.children:
            if child.is_running():
                if child.failures and time.monotonic() - child.started_at > CALM_SECONDS:
                    child.failures = 0
            elif child.restart_at:
                if time.monotonic() >= child.restart_at:
                    child.restart_at = 0.0
                    child.start(self._environment())
            else:
                self._note_end(child)

    def _note_end(self, child: Child) -> None:
        child.end_group()
        wait_seconds = min(2**child.failures - 1, LONGEST_WAIT_SECONDS)
        child.failures += 1
        child.restart_at = time.monotonic() + wait_seconds
        when = f"in {wait_seconds} s" if wait_seconds else "now"
        self.say(f"The {child.name} ended, {child.how_it_ended()}; starting it again {when}. Its log: {child.log}")

    def _look_after_database(self) -> None:
        if embedded_postgres.is_running(self.settings.lux_data_dir):
            return
        self.say("The embedded PostgreSQL stopped; starting it again.")
        try:
            embedded_postgres.ensure_running(self.settings.lux_data_dir)
        except StartRefused as error:
            self.say(error.detail)

    def _end(self) -> None:
        """Ends everything in order: the web and the worker, what is left of them, then the database."""
        try:
            for child in self.children:
                if child.process is not None and child.is_running():
                    child.process.terminate()
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            while any(child.is_running() for child in self.children) and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS / 4)
        except KeyboardInterrupt:
            self.say("Ending at once.")
        finally:
            for child in self.children:
                child.end_group()
            self.children = []
            if self.is_embedded and self.database_url:
                self.database_url = ""
                embedded_postgres.stop(self.settings.lux_data_dir)
            if self.lock is not None:
                os.close(self.lock)
                self.lock = None


def check_port(host: str, port: int) -> None:
    """Raises StartRefused when nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reasons = {
                errno.EADDRINUSE: f"Port {port} on {host} is taken by another program: set PORT to a free one.",
                errno.EACCES: f"Port {port} may not be used by this user: set PORT to one above 1023.",
                errno.EADDRNOTAVAIL: f"HOST {host} is no address of this machine.",
            }
            reason = reasons.get(error.errno or 0, f"HOST {host} cannot be used: {error.strerror or error}.")
            raise StartRefused(reason) from error


def parental_bond() -> Callable[[], None] | None:
    """What a child does between fork and exec, where the system knows it: be told when the supervisor dies."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def bond() -> None:
        libc.prctl(TELL_ME_WHEN_MY_PARENT_DIES, signal.SIGTERM)

    return bond


PARENTAL = parental_bond()


def main() -> int:
    """Runs LUX; returns the exit status."""
    try:
        Supervisor(load_settings(), sys.stdout).run()
    except LuxError as error:
        print(error.detail, file=sys.stderr)  # noqa: T201 - this is the program's voice
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
