"""Bugsink from PyPI, as its own documentation sets it up on one server: SQLite, its queue snappea, gunicorn.

It gets a virtual environment of its own in a folder that goes away afterwards.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import sentry_sdk
from sentry_sdk.transport import Transport

from tests.servers import end_group, free_port

SENDERS = 4
LIMITS = (
    "MAX_EVENTS_PER_PROJECT_PER_5_MINUTES",
    "MAX_EVENTS_PER_PROJECT_PER_HOUR",
    "MAX_EVENTS_PER_5_MINUTES",
    "MAX_EVENTS_PER_HOUR",
)
PROJECT = """
from projects.models import Project
from teams.models import Team
team = Team.objects.create(name="bench")
print("KEY", Project.objects.create(team=team, name="bench", retention_max_event_count=10**6).sentry_key.hex)
"""


@dataclass(frozen=True)
class Bugsink:
    """A running one: its project's key, its port, and where it keeps what it has digested."""

    version: str
    key: str
    port: int
    database: Path

    def count_digested(self) -> int:
        """How many events are in its database."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as connection:
            return int(connection.execute("SELECT count(*) FROM events_event").fetchone()[0])

    def send(self, count: int, make_error: Callable[[int], Exception]) -> None:
        """Hands it so many errors as the SDK that is made for it describes them, over a few connections at once."""
        sentry_sdk.init(dsn=f"http://{self.key}@127.0.0.1:{self.port}/1", transport=Kept, default_integrations=False)
        for number in range(count):
            sentry_sdk.capture_exception(make_error(number))
        envelopes, Kept.envelopes = Kept.envelopes, []
        threads = [threading.Thread(target=self._post, args=(envelopes[number::SENDERS],)) for number in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _post(self, envelopes: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"X-Sentry-Auth": f"Sentry sentry_key={self.key}", "Content-Type": "application/x-sentry-envelope"}
        for envelope in envelopes:
            connection.request("POST", "/api/1/envelope/", envelope, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"Bugsink answered {answer.status}")


class Kept(Transport):
    """Keeps what the SDK would send."""

    envelopes: ClassVar[list[bytes]] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.envelopes.append(envelope.serialize())


@contextlib.contextmanager
def running_bugsink(folder: Path) -> Iterator[Bugsink]:
    """Installs it, sets it up, starts its two processes; ends them. Raises CalledProcessError where that fails."""
    programs = folder / "venv" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    _run(folder, sys.executable, "-m", "venv", str(folder / "venv"))
    _run(folder, str(programs / "pip"), "install", "-q", "--disable-pip-version-check", "bugsink")
    port = free_port()
    options = ("--template=singleserver", "--host=127.0.0.1", f"--port={port}", f"--base-dir={folder}")
    _run(folder, str(programs / "bugsink-create-conf"), *options)
    with (folder / "bugsink_conf.py").open("a") as conf:
        conf.writelines(f'BUGSINK["{name}"] = 10_000_000\n' for name in LIMITS)
    _run(folder, str(programs / "bugsink-manage"), "migrate", "-v0")
    _run(folder, str(programs / "bugsink-manage"), "migrate", "snappea", "--database=snappea", "-v0")
    said = _run(folder, str(programs / "bugsink-manage"), "shell", "-c", PROJECT)
    key = next(line.split()[1] for line in said.splitlines() if line.startswith("KEY"))
    version = _run(folder, str(programs / "pip"), "show", "bugsink").split("Version: ")[1].split()[0]
    web = [str(programs / "gunicorn"), f"--bind=127.0.0.1:{port}", "--workers=2"]
    with (folder / "log").open("ab") as log:
        running = [
            subprocess.Popen(command, cwd=folder, env=_environment(folder), stdout=log, stderr=log)
            for command in ([*web, "bugsink.wsgi"], [str(programs / "bugsink-runsnappea")])
        ]
    try:
        time.sleep(5)
        yield Bugsink(version, key, port, folder / "db.sqlite3")
    finally:
        for process in running:
            end_group(process)


def _run(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=True)
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of this LUX's own settings, but what pip needs to find packages."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), **kept}
