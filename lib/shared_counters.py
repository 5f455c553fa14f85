"""Counters and histograms that all processes of a machine share, each in a small memory-mapped file of its own.

A series is a name with its labels; it has one slot in each file, and is the sum of them. Counting never raises and
never waits for a disk or another process; what is counted survives restarts. See docs/decisions/metrics.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from lib.rate_limit import open_whole

SLOTS = 4096
PROBES = 256
# The upper ends of the buckets in seconds; the last bucket has none.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# More processes at once than that count for themselves alone.
MOST_FILES = 256
_KEY_BYTES = 152
# Native numbers, each on its own eight bytes: written as a whole, so that who reads meanwhile sees no half.
_SLOT = struct.Struct(f"@d12Q{_KEY_BYTES}s")
_SUM = struct.Struct("@d")
_BUCKET = struct.Struct("@Q")
_KEY_AT = _SLOT.size - _KEY_BYTES
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Series:
    """One series as it stands: the sum of what was added and, for a histogram, how many fell into each bucket."""

    name: str
    labels: tuple[str, ...]
    total: float
    buckets: tuple[int, ...]


class SharedCounters:
    """The counters of one process, beside those of the others: `path`, `path.1`, `path.2` and so on.

    A process holds a file while it lives; the next one takes it over with what was counted in it. Without a place for a
    file the counters live in this process alone.
    """

    def __init__(self, path: Path, slots: int = SLOTS) -> None:
        self.path = path
        self.slots = slots
        self.dropped_count = 0
        self._places: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()
        self._memory: mmap.mmap | None = None
        self._is_private = True
        self._pid = 0

    def count(self, name: str, *labels: str, amount: float = 1.0) -> None:
        """Adds to a counter."""
        with self._lock:
            memory = self._mapped()
            place = self._place(memory, (name, *labels))
            if place is not None:
                _SUM.pack_into(memory, place, _SUM.unpack_from(memory, place)[0] + amount)

    def observe(self, name: str, *labels: str, value: float, counted: Sequence[tuple[str, ...]] = ()) -> None:
        """Adds a value to a histogram and one to each named counter with its labels, at the cost of one."""
        at_bucket = _SUM.size + bisect_left(BOUNDS, value) * _BUCKET.size
        with self._lock:
            memory = self._mapped()
            place = self._place(memory, (name, *labels))
            if place is not None:
                _SUM.pack_into(memory, place, _SUM.unpack_from(memory, place)[0] + value)
                at = place + at_bucket
                _BUCKET.pack_into(memory, at, _BUCKET.unpack_from(memory, at)[0] + 1)
            for series in counted:
                counter = self._place(memory, series)
                if counter is not None:
                    _SUM.pack_into(memory, counter, _SUM.unpack_from(memory, counter)[0] + 1.0)

    def list_series(self) -> list[Series]:
        """Every series as the sum of all processes, by name and labels."""
        sums: dict[bytes, list[float]] = {}
        for whole in self._read_all():
            for place in range(0, len(whole) - _SLOT.size + 1, _SLOT.size):
                if whole[place + _KEY_AT]:
                    *numbers, key = _SLOT.unpack_from(whole, place)
                    held = sums.setdefault(key, [0.0] * len(numbers))
                    sums[key] = [one + other for one, other in zip(held, numbers, strict=True)]
        found = []
        for key, (total, *buckets) in sums.items():
            name, *labels = key.rstrip(b"\0").decode("utf-8", "replace").split(_SEPARATOR)
            found.append(Series(name, tuple(labels), total, tuple(int(count) for count in buckets)))
        return sorted(found, key=lambda series: (series.name, series.labels))

    def _read_all(self) -> list[bytes]:
        files = [self.path, *self.path.parent.glob(f"{self.path.name}.*")]
        found = []
        for file in files:
            with contextlib.suppress(OSError):
                found.append(file.read_bytes())
        with self._lock:
            memory = self._mapped()
            return [*found, memory[:]] if self._is_private else found

    def _place(self, memory: mmap.mmap, series: tuple[str, ...]) -> int | None:
        """Where the series stands; a new one gets a free slot. None when all near it are taken."""
        place = self._places.get(series)
        if place is not None:
            return place
        key = _SEPARATOR.join(series).encode("utf-8", "replace")[:_KEY_BYTES].ljust(_KEY_BYTES, b"\0")
        start = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
        for probe in range(min(PROBES, self.slots)):
            place = (start + probe) % self.slots * _SLOT.size
            held = memory[place + _KEY_AT : place + _SLOT.size]
            if held == key or not held[0]:
                # Its first byte last: only then the slot is taken, for readers and after a death alike.
                memory[place + _KEY_AT + 1 : place + _SLOT.size] = key[1:]
                memory[place + _KEY_AT] = key[0]
                self._places[series] = place
                return place
        self.dropped_count += 1
        return None

    def _mapped(self) -> mmap.mmap:
        """This process's own memory; after a fork the child takes another file than its parent."""
        if self._memory is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._memory, self._is_private = self._take_memory()
            self._places.clear()
        return self._memory

    def _take_memory(self) -> tuple[mmap.mmap, bool]:
        """The first file that nobody holds, or memory of this process's own."""
        size = self.slots * _SLOT.size
        with contextlib.suppress(OSError):
            for number in range(MOST_FILES):
                file = self.path if number == 0 else self.path.with_name(f"{self.path.name}.{number}")
                descriptor = open_whole(file, size)
                try:
                    # The map keeps the file open, and so held, for as long as it lives.
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return mmap.mmap(descriptor, size), False
                except BlockingIOError:
                    continue
                finally:
                    os.close(descriptor)
        return mmap.mmap(-1, size), True


def counters() -> SharedCounters:
    """The counters of the app that is running now."""
    found: SharedCounters = current_app.extensions["lux_counters"]
    return found
