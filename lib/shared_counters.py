"""Counters and histograms that all processes of a machine share, in one small memory-mapped file.

A series is a name with its labels; it has one slot. Counting never raises and never waits for a disk; what is counted
survives restarts. See docs/decisions/metrics.md.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from lib.rate_limit import open_whole

SLOTS = 4096
PROBES = 256
# The upper ends of the buckets in seconds; the last bucket has none.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_KEY_BYTES = 152
_SLOT = struct.Struct(f"<d12Q{_KEY_BYTES}s")
_SUM = struct.Struct("<d")
_BUCKET = struct.Struct("<Q")
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
    """The counters in a file. Without a place for it they live in this process alone."""

    def __init__(self, path: Path, slots: int = SLOTS) -> None:
        self.path = path
        self.slots = slots
        self.dropped_count = 0
        self._places: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()
        self._memory: mmap.mmap | None = None
        self._descriptor = -1
        self._pid = 0

    def count(self, name: str, *labels: str, amount: float = 1.0) -> None:
        """Adds to a counter."""
        with self._held() as memory:
            place = self._place(memory, (name, *labels))
            if place is not None:
                _SUM.pack_into(memory, place, _SUM.unpack_from(memory, place)[0] + amount)

    def observe(self, name: str, *labels: str, value: float, counted: Sequence[tuple[str, ...]] = ()) -> None:
        """Adds a value to a histogram and one to each named counter with its labels, at the cost of one."""
        at_bucket = _SUM.size + bisect_left(BOUNDS, value) * _BUCKET.size
        with self._held() as memory:
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
        """Every series, by name and labels."""
        with self._held() as memory:
            whole = memory[:]
        found = []
        for place in range(0, self.slots * _SLOT.size, _SLOT.size):
            total, *buckets, key = _SLOT.unpack_from(whole, place)
            if key[0]:
                name, *labels = key.rstrip(b"\0").decode("utf-8", "replace").split(_SEPARATOR)
                found.append(Series(name, tuple(labels), total, tuple(buckets)))
        return sorted(found, key=lambda series: (series.name, series.labels))

    @contextlib.contextmanager
    def _held(self) -> Iterator[mmap.mmap]:
        """The memory, with this machine's other processes and this one's other threads kept out."""
        with self._lock:
            memory = self._memory if self._memory is not None and self._pid == os.getpid() else self._map()
            if self._descriptor < 0:
                yield memory
                return
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield memory
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

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
                memory[place + _KEY_AT : place + _SLOT.size] = key
                self._places[series] = place
                return place
        self.dropped_count += 1
        return None

    def _map(self) -> mmap.mmap:
        # After a fork once more: a lock belongs to the opening of the file, which parent and child would share.
        size, self._pid = self.slots * _SLOT.size, os.getpid()
        try:
            descriptor = open_whole(self.path, size)
            self._memory, self._descriptor = mmap.mmap(descriptor, size), descriptor
        except OSError:
            self._memory, self._descriptor = mmap.mmap(-1, size), -1
        return self._memory


def counters() -> SharedCounters:
    """The counters of the app that is running now."""
    found: SharedCounters = current_app.extensions["lux_counters"]
    return found
