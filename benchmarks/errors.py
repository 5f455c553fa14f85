"""The error logger beside sentry-sdk, the same exceptions in the same process, and beside Bugsink, end to end.

sentry-sdk is given a transport that drops what it is handed, so that only the capture is measured: the time that a
failing request pays. Goals: capture p50 ≤ 1 ms, p99 ≤ 5 ms; ≥ 500 errors a second into the database; a request without
an error pays ≤ 20 µs.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import sentry_sdk
from sentry_sdk.transport import Transport

import embedded_postgres
import schema
from app import create_app
from benchmarks.peers.bugsink import running_bugsink
from config import load_settings
from error_logger import ErrorLogger
from lib.redaction import Redactor

ERRORS = 2_000
STORM = 10_000
REQUESTS = 3_000
# So many errors by Bugsink and by LUX, in so many rounds.
SHARED = 400
ROUNDS = 3
LONGEST_ROUND_SECONDS = 60


class Nowhere(Transport):
    """Takes every envelope and forgets it."""

    def capture_envelope(self, envelope: Any) -> None:
        self.taken = getattr(self, "taken", 0) + 1


def main() -> int:
    """Prints the figures; 1 when a goal is missed."""
    folder = Path(tempfile.mkdtemp(prefix="lux-bench-"))
    try:
        url = embedded_postgres.ensure_running(folder)
        schema.migrate(url)
        logger = ErrorLogger(
            database_url=url, folder=folder / "spool", redactor=Redactor(), release="bench", process="bench"
        )
        sentry_sdk.init(dsn="http://key@127.0.0.1:1/1", transport=Nowhere, default_integrations=False)
        goals = [compare(logger), measure_rate(logger, url), measure_requests(url, folder)]
        goals.append(compare_rates(logger, folder))
        logger.stop()
        return 0 if all(goals) else 1
    finally:
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def compare(logger: ErrorLogger) -> bool:
    """Capture by LUX and by sentry-sdk, one after the other, for the same exception."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ERRORS):
        error = fail(number)
        ours.append(timed(partial(logger.capture, error, place=f"place {number % 50}")))
        error = fail(number)
        theirs.append(timed(partial(sentry_sdk.capture_exception, error)))
    for name, times in (("LUX", ours), ("sentry-sdk", theirs)):
        print(f"{name:12} capture p50 {statistics.median(times):7.3f} ms   p99 {percentile(times, 99):7.3f} ms")
    print(f"sentry-sdk takes {statistics.median(theirs) / statistics.median(ours):.1f} times as long at the median")
    logger.flush_now(30)
    return statistics.median(ours) <= 1 and percentile(ours, 99) <= 5


def measure_rate(logger: ErrorLogger, url: str) -> bool:
    """Ten thousand errors of one kind and five hundred kinds, until all are in the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE error_groups CASCADE")
        started = time.monotonic()
        for number in range(STORM):
            logger.capture(fail(number), place="storm")
        captured = time.monotonic() - started
        logger.flush_now(120)
        storm = time.monotonic() - started
        count, samples = connection.execute(
            "SELECT sum(count), (SELECT count(*) FROM error_log) FROM error_groups"
        ).fetchone() or (0, 0)
        started = time.monotonic()
        for number in range(STORM // 4):
            logger.capture(fail(number), place=f"kind {number % 500}")
        logger.flush_now(120)
        kinds = STORM / 4 / (time.monotonic() - started)
    print(f"storm of {STORM:,} of one kind: captured in {captured:.1f} s, in the database after {storm:.1f} s")
    print(f"  counted {count:,}, samples kept {samples}")
    print(f"500 kinds: {kinds:,.0f} errors a second end to end")
    return int(count) == STORM and samples <= 40 and STORM / storm >= 500 and kinds >= 500


def measure_requests(url: str, folder: Path) -> bool:
    """A request without an error, with the logger's hook and without it, in turn."""
    app = create_app(load_settings({"DATABASE_URL": url, "LUX_DATA_DIR": str(folder)}, dotenv=None))
    chains: tuple[Any, ...] = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    whole = [list(chain[None]) for chain in chains]
    without = {
        name: [[one for one in chain if getattr(one, "__qualname__", "").split(".")[0] != name] for chain in whole]
        for name in ("ErrorLogger", "Traffic")
    }
    client = app.test_client()
    goals = []
    for name, reduced in without.items():
        times: dict[bool, list[float]] = {True: [], False: []}
        for number in range(REQUESTS):
            is_on = number % 2 == 0
            for chain, functions in zip(chains, whole if is_on else reduced, strict=True):
                chain[None] = list(functions)
            times[is_on].append(timed(lambda: client.get("/livez", buffered=True)))
        costs = (statistics.median(times[True]) - statistics.median(times[False])) * 1000
        print(f"a request without an error pays {costs:.1f} µs for {name}")
        goals.append(costs <= 20)
    return all(goals)


def compare_rates(logger: ErrorLogger, folder: Path) -> bool:
    """The same errors from the moment of capture until all are in the database, by Bugsink and by LUX, in turn."""
    with running_bugsink(folder / "bugsink") as bugsink:
        rates: dict[str, list[float]] = {"LUX": [], f"Bugsink {bugsink.version}": []}
        for _ in range(ROUNDS):
            before, started = bugsink.count_digested(), time.monotonic()
            bugsink.send(SHARED, fail)
            while bugsink.count_digested() - before < SHARED and time.monotonic() - started < LONGEST_ROUND_SECONDS:
                time.sleep(0.2)
            digested = bugsink.count_digested() - before
            rates[f"Bugsink {bugsink.version}"].append(digested / (time.monotonic() - started))
            started = time.monotonic()
            for number in range(SHARED):
                logger.capture(fail(number), place=f"kind {number % 50}")
            logger.flush_now(60)
            rates["LUX"].append(SHARED / (time.monotonic() - started))
    for name, found in rates.items():
        print(f"{name:14} {statistics.median(found):7,.0f} errors a second until they are in the database")
    ours, theirs = (statistics.median(found) for found in rates.values())
    print(f"LUX takes {ours / max(theirs, 0.1):.1f} times as many errors a second")
    return ours >= theirs


def fail(number: int) -> Exception:
    """An exception with a way through a few functions and something to redact."""

    def deeper(depth: int) -> None:
        if depth:
            deeper(depth - 1)
        raise ValueError(f"order {number} of 'ann{number}@example.com' was refused: token=abcdef{number}")

    try:
        deeper(8)
    except ValueError as error:
        return error
    raise AssertionError


def timed(action: Callable[[], object]) -> float:
    """How long it takes, in milliseconds."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def percentile(times: list[float], share: float) -> float:
    """The value below which so many of a hundred lie."""
    return statistics.quantiles(times, n=100)[int(share) - 1]


if __name__ == "__main__":
    raise SystemExit(main())
