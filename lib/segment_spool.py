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
READ_BYTES = 1024 * 1024


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
        for line in self._read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                value = json.loads(line) if line else None
                if isinstance(value, dict):
                    lines.append(value)
        return lines

    def _read_bytes(self) -> bytes:
        """By the open file, not by its name: what somebody has deleted meanwhile is still there for its holder."""
        pieces, at = [], 0
        while piece := os.pread(self.descriptor, READ_BYTES, at):
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)

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
            segment = None
            with contextlib.suppress(OSError):
                segment = _lock_file(path, os.O_RDONLY)
            if segment is not None:
                yield segment

    def count_waiting_bytes(self) -> int:
        """How many bytes of all processes wait in the folder."""
        return sum(_size(path) for path in self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else 0

    def _open(self) -> Segment:
        if self._active is None or self._pid != os.getpid():
            self.folder.mkdir(parents=True, exist_ok=True)
            segment = None
            while segment is None:
                # Between being made and being locked it looks abandoned: another process may have taken it over.
                path = self.folder / f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
                segment = _lock_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
            self._active, self._size, self._pid = segment, 0, os.getpid()
        return self._active


def _lock_file(path: Path, flags: int) -> Segment | None:
    """The file, locked; None when another process holds it or has removed it. Raises OSError."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return Segment(path, descriptor)
    os.close(descriptor)
    return None


def _modified(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
