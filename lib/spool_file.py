"""An append-only file of JSON records for the time when the database is away: fsynced, drained oldest first.

Any number of processes may append and drain at once. A record is acknowledged only when it is on disk; a record may be
taken twice when a drainer dies in the middle, so whoever takes it must recognise it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]

BATCH = 50
# A spool that grows past this is refused: the sender keeps the body and comes again.
LARGEST_BYTES = 2 * 1024**3


class SpoolFull(OSError):
    """The spool has reached its largest size."""


class SpoolFile:
    """The spool of one kind of record: `folder/name.jsonl`, and `folder/name.<time>.jsonl` while it is drained."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.active = folder / f"{name}.jsonl"

    def append(self, record: Record) -> None:
        """Writes one record and waits until it is on disk. Raises OSError when it cannot be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock("append"):
            is_new = not self.active.exists()
            descriptor = os.open(self.active, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if size > LARGEST_BYTES:
                    raise SpoolFull(f"The spool {self.active.name} is full.")
                # A writer that died in mid-line leaves a torn end: the next record begins a line of its own.
                line = (b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b"") + _line(record)
                try:
                    _write_all(descriptor, line)
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)
            if is_new:
                _sync_folder(self.folder)

    def is_empty(self) -> bool:
        """Whether nothing waits, at the cost of a look into the folder."""
        return not self._files()

    def count(self) -> int:
        """How many records wait."""
        return sum(1 for path in self._files() for _ in _records(path, _done_bytes(path)))

    def oldest_at(self) -> float | None:
        """When the oldest waiting record was written, in seconds since the epoch, or None."""
        for path in self._files():
            for record, _end in _records(path, _done_bytes(path)):
                written_at = record.get("spooled_at")
                return float(written_at) if isinstance(written_at, int | float) else path.stat().st_mtime
        return None

    def drain(self, take: Callable[[list[Record]], None]) -> int:
        """Hands over all records, oldest first, in batches; returns how many.

        A batch whose `take` returned is gone from the spool. An exception of `take` leaves it and all later ones.
        Does nothing while another process drains.
        """
        if self.is_empty():
            return 0
        with self._lock("drain", wait=False) as is_mine:
            if not is_mine:
                return 0
            self._set_aside()
            return sum(self._drain_file(path, take) for path in self._files() if path != self.active)

    def _drain_file(self, path: Path, take: Callable[[list[Record]], None]) -> int:
        taken = 0
        batch: list[Record] = []
        done = _done_bytes(path)
        for record, end in _records(path, done):
            batch.append(record)
            done = end
            if len(batch) >= BATCH:
                take(batch)
                _mark_done(path, done)
                taken += len(batch)
                batch = []
        if batch:
            take(batch)
            taken += len(batch)
        _keep_torn_lines(path)
        path.unlink()
        _mark_path(path).unlink(missing_ok=True)
        _sync_folder(self.folder)
        return taken

    def _set_aside(self) -> None:
        """Moves the active file away, so that appending goes on into a new one."""
        with self._lock("append"):
            if self.active.exists():
                self.active.rename(self.folder / f"{self.name}.{time.time_ns():020d}.jsonl")
                _sync_folder(self.folder)

    def _files(self) -> list[Path]:
        """Oldest first: those set aside, then the active one."""
        aside = sorted(self.folder.glob(f"{self.name}.[0-9]*.jsonl"))
        return [*aside, self.active] if self.active.exists() else aside

    @contextmanager
    def _lock(self, kind: str, *, wait: bool = True) -> Iterator[bool]:
        """A lock between processes and threads: each holder opens the lock file for itself."""
        descriptor = os.open(self.folder / f"{self.name}.{kind}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield True
        except BlockingIOError:
            if wait:
                raise
            yield False
        finally:
            os.close(descriptor)


def _line(record: Record) -> bytes:
    body = json.dumps({"spooled_at": time.time(), **record}, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _records(path: Path, start: int) -> Iterator[tuple[Record, int]]:
    """The whole records of a file from an offset on, each with the offset behind it; torn lines are passed over."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            end = start
            for line in file:
                end += len(line)
                record = _read_line(line)
                if record is not None:
                    yield record, end
    except FileNotFoundError:  # drained by another process just now
        return


def _read_line(line: bytes) -> Record | None:
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        is_whole = int(checksum, 16) == zlib.crc32(body)
        record = json.loads(body) if is_whole else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _keep_torn_lines(path: Path) -> None:
    """What cannot be read is never thrown away: it goes to a file for a person to look at."""
    torn = [line for line in path.read_bytes().splitlines(keepends=True) if line.strip() and _read_line(line) is None]
    if torn:
        with path.with_name(path.name.partition(".")[0] + ".torn").open("ab") as file:
            file.writelines(torn)
            file.flush()
            os.fsync(file.fileno())


def _mark_path(path: Path) -> Path:
    return path.with_suffix(".done")


def _done_bytes(path: Path) -> int:
    try:
        return int(_mark_path(path).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _mark_done(path: Path, done: int) -> None:
    fresh = _mark_path(path).with_suffix(".done.new")
    fresh.write_text(str(done))
    fresh.replace(_mark_path(path))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
