"""Nothing is lost: PostgreSQL stopped under errors, a process killed meanwhile, a disk without a byte left."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import embedded_postgres
from tests.servers import Lux, running_lux, wait_until

ERRORS_A_SECOND = 20
SECONDS = 6
FAILING = "/first-start/no-such-link"
# Whoever is not root becomes one in a name space of their own.
ON_A_SMALL_DISK = (
    "unshare",
    "-m" if os.geteuid() == 0 else "-rm",
    "sh",
    "-c",
    'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"',
)


def ask(lux: Lux, statuses: Counter[int]) -> None:
    """Asks for a page that needs the database; 0 stands for no answer at all."""
    try:
        statuses[lux.request("GET", FAILING)[0]] += 1
    except (OSError, http.client.HTTPException):
        statuses[0] += 1


def ask_steadily(lux: Lux, seconds: float) -> Counter[int]:
    """So many requests a second for so long; how many got which answer."""
    statuses: Counter[int] = Counter()
    threads = []
    for _ in range(int(seconds * ERRORS_A_SECOND)):
        threads.append(threading.Thread(target=ask, args=(lux, statuses)))
        threads[-1].start()
        time.sleep(1 / ERRORS_A_SECOND)
    for thread in threads:
        thread.join()
    return statuses


def count_errors(lux: Lux) -> int:
    with lux.connect() as connection:
        query = "SELECT coalesce(sum(count), 0)::int FROM error_groups WHERE place LIKE %s"
        row = connection.execute(query, ("%first-start%",)).fetchone()
    return int(row[0]) if row else 0


def lose_the_database(seconds: float) -> tuple[Counter[int], int]:
    """PostgreSQL stopped for so long under errors, a web process killed in the middle; answers, and errors counted."""
    folder = Path(tempfile.mkdtemp(prefix="lux-away-"))
    try:
        url = embedded_postgres.ensure_running(folder, durable=False)
        with running_lux(url, workers=2) as lux:
            embedded_postgres.stop(folder)
            killer = threading.Timer(seconds / 2, lambda: lux.list_web_processes()[0].kill())
            killer.start()
            statuses = ask_steadily(lux, seconds)
            killer.join()
            embedded_postgres.ensure_running(folder, durable=False)
            answered = statuses[503]
            wait_until(lambda: count_errors(lux) >= answered, f"{answered} errors")
            wait_until(lambda: not list((lux.data_dir / "spool" / "errors").glob("*.jsonl")), "an empty spool")
            return statuses, count_errors(lux)
    finally:
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def test_while_postgresql_is_stopped_and_a_process_is_killed_only_what_is_in_flight_is_lost() -> None:
    statuses, counted = lose_the_database(SECONDS)
    asked = SECONDS * ERRORS_A_SECOND
    assert set(statuses) <= {503, 0}
    assert sum(statuses.values()) == asked
    assert statuses[503] > asked * 0.5  # the rest met the process that was killed, or a machine with much to do
    assert statuses[503] <= counted <= asked


@pytest.fixture
def cramped(database_url: str) -> Iterator[tuple[Lux, str]]:
    """A LUX on a disk of four megabytes of its own; where nobody may mount one, its files get a limit instead."""
    may_mount = subprocess.run([*ON_A_SMALL_DISK, tempfile.gettempdir(), "true"], check=False).returncode == 0
    how = "a disk that is full" if may_mount else "files that may not grow"
    with running_lux(database_url, has_web=False, workers=1) as lux:
        if how == "a disk that is full":
            lux.start_web(*ON_A_SMALL_DISK, str(lux.data_dir))
        else:
            lux.start_web()
        with lux.connect() as connection:
            connection.execute("DROP TABLE one_time_links CASCADE")
        yield lux, how


def fill(lux: Lux, how: str) -> None:
    """Takes the last byte that LUX could write."""
    (process,) = lux.list_web_processes()
    if how == "files that may not grow":
        process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return
    filler = os.open(filler_of(lux), os.O_WRONLY | os.O_CREAT, 0o600)
    size = 1 << 20
    while size:
        try:
            os.write(filler, b"x" * size)
        except OSError:
            size //= 2
    os.close(filler)


def free(lux: Lux, how: str) -> None:
    """Gives the room back."""
    (process,) = lux.list_web_processes()
    if how == "files that may not grow":
        process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        filler_of(lux).unlink()


def filler_of(lux: Lux) -> Path:
    """A file on the disk that only LUX's own processes see."""
    return Path(f"/proc/{lux.list_web_processes()[0].pid}/root{lux.data_dir}/filler")


def test_with_no_byte_left_on_the_disk_the_app_goes_on_and_counts_exactly(cramped: tuple[Lux, str]) -> None:
    lux, how = cramped
    before = {process.pid for process in lux.list_web_processes()}
    fill(lux, how)
    statuses: Counter[int] = Counter()
    for _ in range(120):
        ask(lux, statuses)
    assert statuses == {500: 120}
    assert lux.request("GET", "/livez")[0] == lux.request("GET", "/sign-in")[0] == 200
    body = b'{"email": "ann@example.com"}'
    assert lux.request("POST", "/api/webhook/zapier-contact", body, {"Content-Type": "application/json"})[0] == 401
    wait_until(lambda: count_errors(lux) == 120, "120 errors")
    free(lux, how)
    for _ in range(20):
        ask(lux, statuses)
    wait_until(lambda: count_errors(lux) == 140, "140 errors")
    assert {process.pid for process in lux.list_web_processes()} == before, "no process has died of it"
