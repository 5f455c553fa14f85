"""The webhook beside a bare Flask + psycopg2 upsert view: same gunicorn, same PostgreSQL with fsync, same run, in turn.

Goal: at least half the bare view's rate, with the durable inbox, credentials, limits and all reading included.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import psycopg

import embedded_postgres
import schema
from benchmarks.bare_view import TABLE
from benchmarks.http_load import Load, post_many
from config import child_environment
from tests.servers import end_group, free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
POSTS = 2_000
WARM_UP = 400
CONNECTIONS = 16
GOAL = 0.5
USER, PASSWORD = "bench", "a-password-for-this-benchmark-only-0123456789"


def main() -> int:
    """Runs both in turn and prints their medians and the ratio; 1 when the goal is missed."""
    folder = Path(tempfile.mkdtemp(prefix="lux-bench-"))
    try:
        url = embedded_postgres.ensure_running(folder)
        schema.migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
        return _measure(folder, url)
    finally:
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, url: str) -> int:
    settings = {
        "LUX_DATA_DIR": str(folder),
        "DATABASE_URL": url,
        "ZAPIER_USERNAME": USER,
        "ZAPIER_PASSWORD": PASSWORD,
        "WEBHOOK_RATE_PER_SECOND": "1000000",
        "WEBHOOK_BURST": "100000",
        "WEB_WORKERS": "2",
        "WEB_THREADS": "8",
    }
    ports = {"bare": free_port(), "lux": free_port()}
    servers = [
        _serve("benchmarks.bare_view:create_app()", {**settings, "PORT": str(ports["bare"])}, folder / "bare.log"),
        _serve("app:create_app()", {**settings, "PORT": str(ports["lux"])}, folder / "lux.log"),
    ]
    loads: dict[str, list[Load]] = {"bare": [], "lux": []}
    try:
        wait_until(lambda: _answer(ports), "both gunicorns to answer", 60)
        for name in ports:
            _post(name, ports[name], "warm", WARM_UP)
        for number in range(ROUNDS):
            for name in ("bare", "lux") if number % 2 == 0 else ("lux", "bare"):
                loads[name].append(_post(name, ports[name], f"r{number}", POSTS))
        _check(url)
    finally:
        for server in servers:
            end_group(server)
    return _tell(loads)


def _post(name: str, port: int, series: str, count: int) -> Load:
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    path, headers = {
        "bare": ("/contact", ""),
        "lux": ("/api/webhook/zapier-contact", f"Authorization: Basic {basic}\r\n"),
    }[name]

    def body_of(number: int) -> bytes:
        fields = {"email": f"{series}.{number}@example.com", "name": f"Ann {number}", "phone": "+12025550143"}
        return json.dumps({**fields, "source": "Newsletter", "company": "Acme"}).encode()

    return post_many(port, path, count, body_of, connections=CONNECTIONS, headers=headers)


def _check(url: str) -> None:
    """Every post of the webhook is a contact and a done row of the inbox, or the figure means nothing."""
    expected = WARM_UP + ROUNDS * POSTS
    with psycopg.connect(url) as connection:
        for query in ("SELECT count(*) FROM contacts", "SELECT count(*) FROM intake_bodies WHERE state = 'done'"):
            row = connection.execute(query).fetchone()
            assert row == (expected,), (query, row, expected)


def _tell(loads: dict[str, list[Load]]) -> int:
    rates = {name: statistics.median(load.rate for load in runs) for name, runs in loads.items()}
    for name, label in (("bare", "bare Flask + psycopg2 upsert"), ("lux", "LUX webhook, durable inbox")):
        runs = loads[name]
        statuses: Counter[int] = sum((load.statuses for load in runs), Counter())
        print(
            f"{label:30} {rates[name]:7.0f} posts/s  median {statistics.median(r.median_ms for r in runs):5.1f} ms"
            f"  p99 {statistics.median(r.p99_ms for r in runs):6.1f} ms  {dict(statuses)}"
        )
    pairs = [lux.rate / bare.rate for lux, bare in zip(loads["lux"], loads["bare"], strict=True)]
    ratio = statistics.median(pairs)
    print(f"ratio {ratio:.2f} (rounds {min(pairs):.2f} to {max(pairs):.2f}; goal at least {GOAL})")
    return 0 if ratio >= GOAL else 1


def _serve(target: str, settings: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """The same gunicorn for both; only LUX's own configuration starts the clock, which the bare view has not."""
    workers = ["--workers", settings["WEB_WORKERS"], "--threads", settings["WEB_THREADS"], "--keep-alive", "5"]
    address = ["--bind", f"127.0.0.1:{settings['PORT']}", "--worker-class", "gthread", "--worker-tmp-dir", "/dev/shm"]  # noqa: S108 - as deploy/gunicorn.conf.py
    own = ["-c", "deploy/gunicorn.conf.py"] if target.startswith("app:") else [*address, *workers]
    command = [sys.executable, "-m", "gunicorn", *own, target]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=child_environment(**settings), stdout=output, stderr=output, start_new_session=True
        )


def _answer(ports: dict[str, int]) -> bool:
    for port in ports.values():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
