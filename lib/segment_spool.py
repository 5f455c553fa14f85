"""Lines on disk between the moment something happened and the moment the database has it.

A process appends to a segment of its own, seals it, and removes it once its lines are recorded. A process that is
killed leaves its segments behind; whoever gets the lock on one may take it over. A segment's name is unique for ever,
so that a segment recorded twice can be recognised.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIX = ".jsonl"


@dataclass
class Segment:
    """A sealed file that this process holds the lock of."""

    path: Path
    descriptor: int

    @property
    def name(self) -> str:
        return self.path.name

    def read(self) -> list[dict[str, Any]]:
        """Its lines. A last line that a dying process left half written is passed over."""
        lines = []
        for line in self.path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                value = json.loads(line) if line else None
                if isinstance(value, dict):
                    lines.append(value)
        return lines

    def sync(self) -> None:
        """Waits until its lines are on the disk itself."""
        with contextlib.suppress(OSError):
            os.fsync(self.descriptor)

    def remove(self) -> None:
        """Its lines are recorded elsewhere: the file goes."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.release()

    def release(self) -> None:
        """Lets others take it over."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class SegmentSpool:
    """The segments of one process in a folder that processes share. Safe for threads; made anew after a fork."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._active: Segment | None = None
        self._size = 0
        self._pid = os.getpid()

    def append(self, record: dict[str, Any]) -> None:
        """Writes one line, which then survives the death of this process. Raises OSError when it cannot be written."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
        with self._lock:
            segment = self._open()
            written = os.write(segment.descriptor, line)
            if written != len(line):
                os.ftruncate(segment.descriptor, self._size)
                raise OSError("The spool could not take the whole line.")
            self._size += written

    def seal(self) -> Segment | None:
        """The segment written so far, or None when nothing waits; the next line begins a new one."""
        with self._lock:
            if self._active is None or self._size == 0 or self._pid != os.getpid():
                return None
            sealed, self._active, self._size = self._active, None, 0
            return sealed

    def has_lines(self) -> bool:
        """Whether lines wait in this process's open segment."""
        return self._size > 0

    def list_abandoned(self) -> Iterator[Segment]:
        """Segments whose process is gone, oldest first; each is locked for the caller."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob(f"*{SUFFIX}"), key=_modified):
            segment = _lock_file(path)
            if segment is not None:
                yield segment

    def count_waiting_bytes(self) -> int:
        """How many bytes of all processes wait in the folder."""
        return sum(_size(path) for path in self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else 0

    def _open(self) -> Segment:
        if self._active is None or self._pid != os.getpid():
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._active, self._size, self._pid = Segment(path, descriptor), 0, os.getpid()
        return self._active


def _lock_file(path: Path) -> Segment | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_still_there = os.fstat(descriptor).st_ino == os.stat(path).st_ino  # noqa: PTH116 - beside fstat
    except OSError:
        is_still_there = False
    if not is_still_there:
        os.close(descriptor)
        return None
    return Segment(path, descriptor)


def _modified(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
