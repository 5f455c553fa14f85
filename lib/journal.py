"""systemd's journal through `journalctl -o json`: an argument list, never a shell, and records with their quirks.

A field may be a string, an array of bytes (text that is not UTF-8), null (too large), or an array of any of these (a
field that was given more than once).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lib.backwards_file import Budget

FIELDS = "MESSAGE,PRIORITY,_PID,SYSLOG_PID,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_TRANSPORT"
PRIORITIES = ("critical", "critical", "critical", "error", "warning", "notice", "info", "debug")
MEMORY_RAN_OUT = "[Oo]ut of memory: Killed process"
TOO_LARGE = "(a message that journald did not hand over: too large)"
LONGEST_COMPLAINT = 4_000


@dataclass(frozen=True)
class Journal:
    """Which journal to read, and with which program; `files` names journal files in place of the machine's journal."""

    unit: str
    program: str = "journalctl"
    files: tuple[Path, ...] = ()

    def arguments(self, lines: int, since: datetime | None, until: datetime | None, after: str | None) -> list[str]:
        """What to run. Every value stands in one word with its option, so that none can become an option."""
        return self._arguments([f"--unit={unit}" for unit in self.units()], lines, since, until, after)

    def units(self) -> list[str]:
        """The unit and its worker's, `x.service` and `x-worker.service`; a pattern stands for itself."""
        stem, dot, kind = self.unit.rpartition(".service")
        is_plain = bool(stem) and not kind and not set(stem) & set("*?[")
        return [self.unit, f"{stem}-worker{dot}"] if is_plain else [self.unit]

    def kernel_arguments(
        self, lines: int, since: datetime | None, until: datetime | None, after: str | None
    ) -> list[str]:
        """The same for what the kernel says of processes that it killed for want of memory: no unit has that."""
        chosen = ["_TRANSPORT=kernel", f"--grep={MEMORY_RAN_OUT}", "--case-sensitive=true"]
        return self._arguments(chosen, lines, since, until, after)

    def _arguments(
        self, chosen: list[str], lines: int, since: datetime | None, until: datetime | None, after: str | None
    ) -> list[str]:
        words = [self.program, *chosen, "--output=json", "--no-pager", "--all", "--quiet"]
        words += [f"--output-fields={FIELDS}", *(f"--file={file}" for file in self.files)]
        words += [] if since is None else [f"--since=@{since.timestamp():.6f}"]
        words += [] if until is None else [f"--until=@{until.timestamp():.6f}"]
        # After a cursor the oldest come first, and the reading ends by its budget: none is jumped over.
        words += ["--reverse", f"--lines={lines}"] if after is None else [f"--after-cursor={after}"]
        return words


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One record of the journal."""

    cursor: str
    time: datetime | None
    level: str
    message: str
    pid: int | None
    program: str
    unit: str


@dataclass(frozen=True)
class JournalReading:
    """What journalctl said: entries in its order, its complaint, and whether it could run at all."""

    entries: list[JournalEntry]
    complaint: str = ""
    is_installed: bool = True
    is_cut: bool = False


def read_journal(journal: Journal, words: list[str], budget: Budget) -> JournalReading:
    """Runs journalctl within the budget. Never raises for what it says or does."""
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list made here, no shell
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        )  # fmt: skip
    except FileNotFoundError:
        return JournalReading([], f"{journal.program} is not installed", is_installed=False)
    except OSError as error:
        return JournalReading([], error.strerror or str(error), is_installed=False)
    with process:
        out, complaint, is_cut = _collect(process, budget)
    lines = out.split(b"\n")
    if is_cut:
        lines.pop()
    entries = [entry for line in lines if (entry := read_entry(line)) is not None]
    return JournalReading(entries[: budget.lines], complaint, is_cut=is_cut or len(entries) >= budget.lines)


def read_entry(line: bytes) -> JournalEntry | None:
    """An entry as journalctl prints it, or None for a line that is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or "MESSAGE" not in row:
        return None
    priority = _number(row.get("PRIORITY"))
    return JournalEntry(
        cursor=field_text(row.get("__CURSOR")),
        time=_time(row.get("__REALTIME_TIMESTAMP")),
        level=PRIORITIES[priority] if priority is not None and 0 <= priority < len(PRIORITIES) else "info",
        message=field_text(row["MESSAGE"], missing=TOO_LARGE),
        pid=_number(row.get("_PID")) or _number(row.get("SYSLOG_PID")),
        program=field_text(row.get("SYSLOG_IDENTIFIER")),
        unit=field_text(row.get("UNIT")) or field_text(row.get("_SYSTEMD_UNIT")),
    )


def join_tracebacks(entries: list[JournalEntry]) -> list[tuple[JournalEntry, list[str]]]:
    """Each entry with the lines that follow it; journald keeps every line of a traceback as an entry of its own."""
    joined: list[tuple[JournalEntry, list[str]]] = []
    latest: dict[int | None, int] = {}
    inside: set[int | None] = set()
    for entry in entries:
        message, pid = entry.message, entry.pid
        begins = message.startswith("Traceback (most recent call last)")
        is_linked = message.startswith(("During handling of the above", "The above exception was the direct"))
        if pid in latest and (begins or pid in inside or is_linked):
            joined[latest[pid]][1].append(message)
        else:
            latest[pid] = len(joined)
            joined.append((entry, []))
        if begins:
            inside.add(pid)
        elif message and not message[0].isspace():
            inside.discard(pid)
    return joined


def field_text(value: Any, missing: str = "") -> str:
    """A field's text, whatever form it came in; a repeated field's texts stand on lines of their own."""
    if value is None:
        return missing
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if value and all(isinstance(item, int) and 0 <= item <= 255 for item in value):
            return bytes(value).decode("utf-8", "replace")
        return "\n".join(field_text(item, missing) for item in value)
    return str(value)


def _collect(process: subprocess.Popen[bytes], budget: Budget) -> tuple[bytes, str, bool]:
    """Reads both ends until the program ends or the budget does; then it is ended."""
    assert process.stdout is not None and process.stderr is not None  # noqa: S101 - they are pipes
    pipes = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    out, complaint = list(pipes)
    is_open = set(pipes)
    deadline = time.monotonic() + budget.seconds
    is_cut = False
    while is_open and not is_cut:
        ready, _, _ = select.select(list(is_open), [], [], max(0.0, deadline - time.monotonic()))
        for descriptor in ready:
            block = os.read(descriptor, 65_536)
            if not block:
                is_open.discard(descriptor)
            elif descriptor == out or len(pipes[complaint]) < LONGEST_COMPLAINT:
                pipes[descriptor] += block
        is_cut = not ready or len(pipes[out]) >= budget.bytes
    if is_cut:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return bytes(pipes[out]), pipes[complaint].decode("utf-8", "replace")[:LONGEST_COMPLAINT], is_cut


def _number(value: Any) -> int | None:
    text = field_text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _time(value: Any) -> datetime | None:
    microseconds = field_text(value)
    if not (microseconds.isascii() and microseconds.isdigit() and len(microseconds) < 18):
        return None
    return datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC)
