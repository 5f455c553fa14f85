"""The errors of one process between capture and database: on disk at once, recorded by a thread of its own.

While the database is away they stay in the spool; what a killed process leaves behind, another takes over.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import time
from pathlib import Path

import psycopg

from error_groups import Event, record_events
from lib.segment_spool import Segment, SegmentSpool

WRITE_EVERY_SECONDS = 0.1
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
ABANDONED_EVERY_SECONDS = 5.0
MOST_UNSPOOLED = 1_000


class ErrorSpool:
    """Keeps events and brings them into the database. With no address of one, it only keeps them, for others."""

    def __init__(self, folder: Path, database_url: str | None) -> None:
        self._spool = SegmentSpool(folder)
        self._database_url = database_url
        # What the disk did not take: one event a group and hour, which counts for all of them.
        self._unspooled: dict[tuple[str, str], Event] = {}
        self._unspooled_lock = threading.Lock()
        self._wake = threading.Event()
        # Somebody waits for the database: the pause before the next attempt ends at once.
        self._hurry = threading.Event()
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._sealed: list[Segment] = []
        self._is_writing = False

    def keep(self, event: Event) -> bool:
        """Keeps an event: on the disk, or in memory when that is full or read-only; False when no place is left."""
        try:
            self._spool.append(event)
        except OSError:
            if self._database_url is None or not self._remember(event):
                return False
        self.start()
        return True

    def start(self) -> None:
        """Starts the writer, which also takes over what dead processes have left."""
        if self._database_url is None:
            return
        if self._pid != os.getpid():
            self._pid, self._thread, self._sealed = os.getpid(), None, []
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._write_for_ever, name="error-logger", daemon=True)
            self._thread.start()
        self._wake.set()

    def flush_now(self, timeout_seconds: float = 5.0) -> bool:
        """Waits until everything kept so far is in the database; False when it could not be within the time."""
        deadline = time.monotonic() + timeout_seconds
        self._hurry.set()
        while self._is_waiting() and time.monotonic() < deadline:
            self.start()
            threading.Event().wait(0.02)
        return not self._is_waiting()

    def stop(self) -> None:
        """Ends the writer; what it could not record stays on the disk for the next process."""
        if self._database_url is not None:
            self.flush_now(2.0)
        self._is_ending = True
        self._hurry.set()
        self._wake.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout=3)
        last = self._spool.seal()
        for segment in [*self._sealed, *([last] if last else [])]:
            segment.sync()
            segment.release()
        self._sealed = []

    def has_in_memory(self) -> bool:
        """Whether something would be lost with this process: the disk did not take it, and it is not recorded yet."""
        return bool(self._unspooled)

    def _is_waiting(self) -> bool:
        return bool(self._is_writing or self._spool.has_lines() or self._unspooled or self._sealed)

    def _remember(self, event: Event) -> bool:
        key = (str(event["fp"]), str(event["at"])[:13])
        with self._unspooled_lock:
            former = self._unspooled.get(key)
            if former is None and len(self._unspooled) >= MOST_UNSPOOLED:
                return False
            if former is not None:
                event["times"] = int(event.get("times", 1)) + int(former.get("times", 1))
                event["first"] = former.get("first", former["at"])
            event.pop("context", None)
            self._unspooled[key] = event
        return True

    def _forget(self, written: dict[tuple[str, str], Event]) -> None:
        """Takes off what is recorded now; what came to it meanwhile stays."""
        with self._unspooled_lock:
            for key, event in written.items():
                rest = int(self._unspooled[key].get("times", 1)) - int(event.get("times", 1))
                if rest:
                    self._unspooled[key]["times"] = rest
                else:
                    del self._unspooled[key]

    def _write_for_ever(self) -> None:
        failures, looked_at = 0, 0.0
        connection: psycopg.Connection | None = None
        while not self._is_ending:
            self._wake.wait(ABANDONED_EVERY_SECONDS)
            self._wake.clear()
            threading.Event().wait(WRITE_EVERY_SECONDS)
            try:
                is_time = time.monotonic() - looked_at > ABANDONED_EVERY_SECONDS
                if not self._is_waiting() and not is_time:
                    continue
                if connection is None or connection.closed:
                    connection = self._connect()
                self._is_writing = True
                self._write_once(connection)
                if is_time:
                    self._take_over(connection)
                    looked_at = time.monotonic()
                failures = 0
            except Exception as error:
                with contextlib.suppress(Exception):
                    if connection is not None:
                        connection.close()
                connection = None
                if failures:
                    # One cut connection is mended in a second; it takes two to say that the database is away.
                    _say(f"errors wait in the spool: {type(error).__name__}")
                is_hurried = self._hurry.wait(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures = 0 if is_hurried else failures + 1
                self._hurry.clear()
                self._wake.set()
            finally:
                self._is_writing = False
        if connection is not None:
            connection.close()

    def _write_once(self, connection: psycopg.Connection) -> None:
        segment = self._spool.seal()
        if segment is not None:
            self._sealed.append(segment)
        while self._sealed:
            try:
                record_events(connection, self._sealed[0].read(), self._sealed[0].name)
            except Exception:
                self._sealed[0].sync()
                raise
            self._sealed.pop(0).remove()
        # Looked at first and removed after: whoever waits for an empty memory must not see it empty too early.
        with self._unspooled_lock:
            written = {key: dict(event) for key, event in self._unspooled.items()}
        if written:
            record_events(connection, list(written.values()), f"memory-{secrets.token_hex(8)}")
            self._forget(written)

    def _take_over(self, connection: psycopg.Connection) -> None:
        for segment in self._spool.list_abandoned():
            try:
                record_events(connection, segment.read(), segment.name)
            except Exception:
                segment.release()
                raise
            segment.remove()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self._database_url or "",
            connect_timeout=10,
            application_name="lux errors",
            options="-c statement_timeout=10000",
        )


def _say(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(f"LUX {text}\n")
