"""One command runs LUX: it comes up, survives crashes of its parts, ends whole, and refuses in one sentence."""

from __future__ import annotations

import contextlib
import http.client
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

import embedded_postgres
import schema
from config import child_environment
from tests.servers import PATIENCE_SECONDS, ROOT, free_port, wait_until


@dataclass
class Run:
    """A supervisor under test and what it has said so far."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def wait_for(self, pattern: str) -> str:
        """The first line that fits, waited for."""

        def found() -> str | None:
            return next((line for line in self.lines if re.search(pattern, line)), None)

        deadline = time.monotonic() + PATIENCE_SECONDS
        while found() is None and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.05)
        line = found()
        assert line is not None, f"no {pattern!r} in {self.lines}; {self.read_logs()}"
        return line

    def read_logs(self) -> str:
        """The ends of its logs, to find out why something did not happen."""
        logs = sorted((self.folder / "logs").glob("*"))
        return "; ".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)

    def answers(self, path: str = "/livez") -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def family(self) -> list[psutil.Process]:
        """Everything that this run has started and that is still alive: by parentage and by data folder."""
        found = []
        for process in psutil.process_iter(["pid", "status"]):
            with contextlib.suppress(psutil.Error):
                is_ours = (
                    str(self.folder) in process.environ().get("LUX_DATA_DIR", "") or str(self.folder) in process.cwd()
                )
                if is_ours and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                    found.append(process)
        return found

    def find_child(self, words: str) -> psutil.Process | None:
        """The supervisor's child whose command has these words."""
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if words in " ".join(child.cmdline())), None)

    def child(self, words: str) -> psutil.Process:
        """The same, waited for."""
        wait_until(lambda: self.find_child(words) is not None, f"a child with {words!r} in its command")
        child = self.find_child(words)
        assert child is not None
        return child


Start = Callable[..., Run]


@contextlib.contextmanager
def starting() -> Iterator[Start]:
    """Gives a function that starts supervisors, and ends all of them and what they have left."""
    runs: list[Run] = []

    def start_run(folder: Path | None = None, port: int | None = None, **settings: str) -> Run:
        place = folder or Path(tempfile.mkdtemp(prefix="lux-run-"))
        number = port or free_port()
        values = {"LUX_DATA_DIR": str(place), "PORT": str(number), "WEB_WORKERS": "1", "WEB_THREADS": "2", **settings}
        process = subprocess.Popen(
            [sys.executable, "supervisor.py"],
            cwd=ROOT,
            env=child_environment(**values),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        run = Run(place, number, process)
        threading.Thread(target=run.listen, daemon=True).start()
        runs.append(run)
        return run

    yield start_run
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(timeout=60)
    for run in runs:
        embedded_postgres.stop(run.folder)
        for process in run.family():
            process.kill()
        shutil.rmtree(run.folder, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a supervisor on a data folder and port of its own: start(folder, port, TIMEZONE="Mars")."""
    with starting() as start_run:
        yield start_run


@pytest.fixture(scope="module")
def known_folder() -> Iterator[Path]:
    """The data folder of a LUX that has run before, whose database is at head: its next start is a warm one."""
    folder = Path(tempfile.mkdtemp(prefix="lux-known-"))
    schema.migrate(embedded_postgres.ensure_running(folder))
    embedded_postgres.stop(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def running(start: Start, known_folder: Path) -> Run:
    """A LUX that is up and that its test may end, on a copy of a known folder."""
    return start_warm(start, known_folder)


@pytest.fixture(scope="module")
def lasting(known_folder: Path) -> Iterator[Run]:
    """A LUX that is up and that every test leaves up."""
    with starting() as start_run:
        yield start_warm(start_run, known_folder)


def start_warm(start: Start, known_folder: Path) -> Run:
    """Starts a LUX on a copy of a known folder and waits until it runs."""
    run = start(copy_of(known_folder))
    run.wait_for("LUX runs at")
    return run


def copy_of(known_folder: Path) -> Path:
    """A folder of its own with all that the other has."""
    folder = Path(tempfile.mkdtemp(prefix="lux-run-"))
    # With owners and times: the server's own user must find it his.
    subprocess.run(["cp", "-a", f"{known_folder}/.", str(folder)], check=True)
    return folder


def assert_refused(run: Run, *words: str) -> None:
    """It ended with status 1 and one sentence that has these words."""
    assert run.process.wait(timeout=60) == 1
    time.sleep(0.2)
    assert len(run.lines) == 1, run.lines
    for word in words:
        assert word in run.lines[0]


def test_it_comes_up_shows_the_owners_link_and_ends_whole_at_ctrl_c(start: Start) -> None:
    run = start()
    assert run.wait_for("LUX runs at") == f"LUX runs at http://127.0.0.1:{run.port} (Ctrl-C stops it)."
    link = run.wait_for("/first-start/")
    assert run.answers("/readyz")
    assert run.answers(link[link.index("/first-start/") :])
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=60) == 0
    assert run.family() == []
    assert run.wait_for("stopped") == "LUX has stopped."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_leaves_no_process_behind_when_it_is_ended(running: Run, number: signal.Signals) -> None:
    assert len(running.family()) > 5
    running.process.send_signal(number)
    assert running.process.wait(timeout=60) == 0
    assert running.family() == []


def test_a_killed_supervisor_takes_web_and_worker_with_it_and_the_next_start_finds_the_database(
    running: Run, start: Start
) -> None:
    web, worker = running.child("gunicorn"), running.child("flask")
    running.process.kill()
    running.process.wait()
    gone, alive = psutil.wait_procs([web, worker], timeout=20)
    assert alive == []
    assert len(gone) == 2
    again = start(running.folder, running.port)
    again.wait_for("LUX runs at")


def test_it_ends_when_its_terminal_is_closed(known_folder: Path) -> None:
    folder = copy_of(known_folder)
    values = {"LUX_DATA_DIR": str(folder), "PORT": str(free_port()), "WEB_WORKERS": "1"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "supervisor.py"], child_environment(**values))  # noqa: S606 - no shell is meant
    try:
        said = ""
        while "LUX runs at" not in said:
            assert select.select([terminal], [], [], 60)[0], said
            said += os.read(terminal, 4096).decode()
    finally:
        os.close(terminal)
    run = Run(folder, 0, subprocess.Popen(["true"]))
    os.waitpid(pid, 0)
    wait_until(lambda: run.family() == [], "every process to end")
    shutil.rmtree(folder)


def test_a_second_start_on_the_same_folder_is_refused(lasting: Run, start: Start) -> None:
    second = start(LUX_DATA_DIR=str(lasting.folder))
    assert_refused(second, "LUX already runs in", str(lasting.folder), str(lasting.process.pid))
    assert lasting.answers()


def test_a_killed_web_process_is_named_and_started_again(lasting: Run) -> None:
    before = lasting.child("gunicorn")
    before.kill()
    line = lasting.wait_for("The web process ended")
    assert "killed by SIGKILL; starting it again now" in line
    wait_until(lambda: lasting.child("gunicorn").pid != before.pid and lasting.answers(), "the new web process")


def test_a_killed_worker_is_named_and_started_again(lasting: Run) -> None:
    before = lasting.child("flask")
    before.kill()
    assert "killed by SIGKILL" in lasting.wait_for("The worker ended")
    wait_until(lambda: lasting.child("flask").pid != before.pid, "the new worker")


def test_a_killed_database_is_started_again(lasting: Run) -> None:
    pid = int((lasting.folder / "postgres" / "postmaster.pid").read_text().split()[0])
    psutil.Process(pid).kill()
    lasting.wait_for("The embedded PostgreSQL stopped; starting it again")
    wait_until(lambda: lasting.answers("/readyz"), "the database to be back")


def test_a_taken_port_is_refused(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = start(port=taken.getsockname()[1])
        assert_refused(run, f"Port {run.port} on 127.0.0.1 is taken", "PORT")
        assert run.family() == []


def test_a_folder_that_cannot_be_written_is_refused(start: Start) -> None:
    run = start(LUX_DATA_DIR="/proc/lux", SESSION_SECRET="not-made-in-the-folder-0123456789abc")
    assert_refused(run, "/proc/lux", "cannot be written", "LUX_DATA_DIR")


def test_a_folder_that_cannot_be_written_is_refused_before_the_secret_is_made(start: Start) -> None:
    run = start(LUX_DATA_DIR="/proc/lux")
    assert_refused(run, "/proc/lux", "cannot be written", "LUX_DATA_DIR")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("PORT", "eighty"),
        ("TIMEZONE", "Mars/Olympus"),
        ("LUX_ENV", "staging"),
        ("DATABASE_URL", "mysql://elsewhere"),
        ("SMTP_URL", "mail.example.com"),
        ("WEB_WORKERS", "0"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(start: Start, setting: str, value: str) -> None:
    assert_refused(start(**{setting: value}), setting)


def test_a_host_that_is_not_here_is_refused(start: Start) -> None:
    assert_refused(start(HOST="203.0.113.7"), "HOST 203.0.113.7")


def test_a_database_that_does_not_answer_is_refused(start: Start) -> None:
    run = start(DATABASE_URL=f"postgresql://lux:secret-word@127.0.0.1:{free_port()}/lux")
    assert_refused(run, "database")
    assert "secret-word" not in run.lines[0]


def test_it_runs_on_a_given_database_and_leaves_it_running(database_url: str, start: Start) -> None:
    run = start(DATABASE_URL=database_url)
    run.wait_for("LUX runs at")
    assert not (run.folder / "postgres").exists()
    run.process.terminate()
    assert run.process.wait(timeout=60) == 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
