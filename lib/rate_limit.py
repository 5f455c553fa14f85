"""Token buckets that all processes of a machine share, in one small memory-mapped file.

Each key has one number, the moment at which its bucket would be full again (the generic cell rate algorithm). The file
has room for a fixed number of keys; a full bucket's place is free for another key. See docs/decisions/rate-limit.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SLOTS = 8192
PROBES = 8
_SLOT = struct.Struct("<16sd")


class SharedBuckets:
    """Buckets by key. `rate` tokens come back a second, `burst` fit in."""

    def __init__(
        self, path: Path, *, rate: float, burst: int, slots: int = SLOTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.interval = 1.0 / rate
        self.tolerance = self.interval * (burst - 1)
        # The clock starts again at boot: a moment further ahead than a bucket can be is from before.
        self.furthest = self.interval * burst + 1.0
        self.slots = slots
        self.clock = clock
        self._memory: mmap.mmap | None = None
        self._descriptor = -1
        self._pid = 0
        self._thread_lock = threading.Lock()

    def take(self, key: str) -> int:
        """Takes a token: 0 when there was one, otherwise the whole seconds after which one will be there."""
        digest = _digest(key)
        with self._thread_lock:
            memory = self._mapped()
            with self._held():
                now = self.clock()
                place, full_at = self._find(memory, digest, now)
                wait = self._wait(full_at, now)
                if wait == 0:
                    _SLOT.pack_into(memory, place, digest, max(full_at, now) + self.interval)
                return wait

    def wait_of(self, key: str) -> int:
        """The whole seconds until a token is there, 0 when there is one now; takes none and waits for nobody."""
        with self._thread_lock:
            memory = self._mapped()
        now = self.clock()
        return self._wait(self._find(memory, _digest(key), now)[1], now)

    def _wait(self, full_at: float, now: float) -> int:
        early = max(full_at, now) - now - self.tolerance
        return max(1, math.ceil(early)) if early > 1e-9 else 0

    def _find(self, memory: mmap.mmap, digest: bytes, now: float) -> tuple[int, float]:
        """The key's place and moment; for a new key the place that matters least."""
        start = int.from_bytes(digest[:8], "little")
        free, free_at = -1, math.inf
        for probe in range(PROBES):
            place = (start + probe) % self.slots * _SLOT.size
            held, full_at = _SLOT.unpack_from(memory, place)
            if full_at - now > self.furthest:
                full_at = 0.0
            if held == digest:
                return place, full_at
            if full_at < free_at:
                free, free_at = place, full_at
        return free, 0.0

    def _mapped(self) -> mmap.mmap:
        if self._memory is None or self._pid != os.getpid():
            self._pid, size = os.getpid(), self.slots * _SLOT.size
            try:
                self._descriptor = open_whole(self.path, size)
                self._memory = mmap.mmap(self._descriptor, size)
            except OSError:
                # No room on the disk: until the next start the buckets are this process's own.
                self._descriptor, self._memory = -1, mmap.mmap(-1, size)
        return self._memory

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Keeps this machine's other processes out."""
        if self._descriptor < 0:
            yield
            return
        # Not lockf: there the kernel takes threads of two processes that hold and want two files for a deadlock.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def open_whole(path: Path, size: int) -> int:
    """Opens a file of exactly that size with all its room taken: a write into a map of a full disk ends the process.

    Raises OSError when there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(descriptor)
        if found.st_size != size:
            os.ftruncate(descriptor, size)
        if found.st_blocks * 512 < size:
            os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
