"""How web processes die: what gunicorn's hooks and its log both see becomes one error, told by whoever knows the most.

The process that is aborted tells its stack itself; gunicorn's master tells of those that could not; the log importer
tells of what neither saw. All of them name the death alike (death_names), and the first recorded is counted.
"""

from __future__ import annotations

import logging
import mmap
import re
import struct
import sys
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from flask import Flask

from config import Settings
from diagnostics.traffic import Traffic, UnderWay
from error_logger import ErrorLogger
from lib.log_classes import RESOURCE, TIMEOUT
from lib.redaction import Redactor
from lib.release import release_name

TIMEOUT_TYPE, KILLED_TYPE, MEMORY_TYPE = "gunicorn.WorkerTimeout", "gunicorn.WorkerKilled", "gunicorn.OutOfMemory"
MOST_THREADS = 16
LONGEST_THREAD_STACK = 4_000
_SLOTS = 256
_PID = struct.Struct("<q")
_ENDED = re.compile(r"Worker \(pid:(\d+)\) (?:was sent (SIG\w+)|exited with code (\d+))")


def death_names(pid: int | str, at: datetime) -> list[str]:
    """What a process's death is called, the same for everybody who saw it within half a minute."""
    half = timedelta(seconds=30)
    minutes = sorted({(at + shift).astimezone(UTC).strftime("%Y-%m-%dT%H:%M") for shift in (-half, half)})
    return [f"death:{pid}:{minute}" for minute in minutes]


# ── in the process that is aborted ──


def capture_abort(app: Flask, pid: int) -> None:
    """Captures why this process is being aborted: the stack of the request that has waited longest. Never raises."""
    logger: ErrorLogger = app.extensions["lux_errors"]
    traffic: Traffic = app.extensions["lux_traffic"]
    frames = sys._current_frames()
    stuck = [one for one in traffic.list_stuck(0) if one.thread_id in frames]
    longest = stuck[0] if stuck else None
    frame = frames.get(longest.thread_id if longest else threading.main_thread().ident or 0)
    at = datetime.now(UTC)
    logger.capture(
        message="A web process gave no answer for too long and was ended.",
        error_type=TIMEOUT_TYPE,
        severity="critical",
        source="gunicorn",
        place=f"{longest.method} {longest.route}" if longest else "gunicorn",
        at=at,
        trace=trace_of(frame),
        context={"class": TIMEOUT, "pid": pid, "threads": _describe(stuck, frames, logger.redactor)},
        once=death_names(pid, at),
    )


def trace_of(frame: FrameType | None) -> TracebackType | None:
    """A traceback that shows where a frame of another thread stands now."""
    trace: TracebackType | None = None
    while frame is not None:
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return trace


def _describe(stuck: list[UnderWay], frames: dict[int, FrameType], redactor: Redactor) -> list[dict[str, Any]]:
    now = time.monotonic()
    return [
        {
            "request": f"{one.method} {one.route}",
            "seconds": round(now - one.started, 1),
            "stack": redactor.text("".join(traceback.format_stack(frames[one.thread_id])))[-LONGEST_THREAD_STACK:],
        }
        for one in stuck[:MOST_THREADS]
    ]


# ── in gunicorn's master ──


class AbortNotes:
    """Which processes have told of their abort themselves: memory that the master shares with its children."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS * _PID.size)

    def note(self, pid: int) -> None:
        """Notes that the process has told."""
        _PID.pack_into(self._memory, pid % _SLOTS * _PID.size, pid)

    def has(self, pid: int) -> bool:
        """Whether it has."""
        return bool(_PID.unpack_from(self._memory, pid % _SLOTS * _PID.size)[0] == pid)


class DeathWatch(logging.Handler):
    """Listens to what gunicorn's master says of its workers' ends, and tells of those that were no orderly ones."""

    def __init__(self, settings: Settings, notes: AbortNotes) -> None:
        super().__init__(logging.INFO)
        self._ends: dict[int, str] = {}
        self._notes = notes
        self._oom_kills = count_oom_kills()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps how a worker ended; gunicorn's hook is not told."""
        match = _ENDED.match(record.getMessage())
        if match is not None:
            self._ends[int(match.group(1))] = match.group(2) or f"code {match.group(3)}"

    def tell(self, pid: int, *, was_aborted: bool) -> None:
        """Captures the end of a worker, unless it was an orderly one or the worker has told of it itself."""
        end = self._ends.pop(pid, "")
        kills = count_oom_kills()
        is_memory, self._oom_kills = kills > self._oom_kills, kills
        if self._notes.has(pid) or end in ("", "SIGTERM", "SIGQUIT", "SIGINT"):
            return
        kind, what = KILLED_TYPE, f"A web process was killed ({end})."
        if was_aborted:
            kind, what = TIMEOUT_TYPE, "A web process stood still for too long and was ended before it could tell why."
        elif is_memory and end == "SIGKILL":
            kind, what = MEMORY_TYPE, "A web process was killed because memory ran out."
        self._capture(pid, kind, what)

    def _capture(self, pid: int, kind: str, what: str) -> None:
        settings, at = self._settings, datetime.now(UTC)
        # Without an address it only writes to the spool: the master has no thread and no connection.
        logger = ErrorLogger(
            database_url=None,
            folder=settings.lux_data_dir / "spool" / "errors",
            redactor=Redactor.knowing(settings.secrets()),
            release=release_name(Path(__file__).resolve().parent.parent),
            process="web",
        )
        context = {"class": TIMEOUT if kind == TIMEOUT_TYPE else RESOURCE, "pid": pid}
        logger.capture(
            message=what, error_type=kind, severity="critical", source="gunicorn", place="gunicorn", at=at,
            context=context, once=death_names(pid, at),
        )  # fmt: skip
        logger.stop()


def count_oom_kills() -> int:
    """How many processes the kernel has killed for want of memory: in our own group where it is known, else in all."""
    for path in (*_list_own_groups(), Path("/proc/vmstat")):
        try:
            rows = dict(line.split() for line in path.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if "oom_kill" in rows:
            return int(rows["oom_kill"])
    return 0


def _list_own_groups() -> list[Path]:
    """Where the kernel counts for this process's own group: a group of today, or one of the older kind."""
    groups, found = Path("/sys/fs/cgroup"), []
    try:
        rows = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        rows = []
    for row in rows:
        _, controllers, place = row.split(":", 2)
        if not controllers:
            found.append(groups / place.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            found.append(groups / "memory" / place.lstrip("/") / "memory.oom_control")
    return found
