"""How many requests of one process may wait for something long: answers that a model writes, streams held open.

Whoever finds no place is answered at once and asks again, so that pages stay quick.
"""

from __future__ import annotations

import threading
from functools import cache

# Streams wait on threads of their own, beside those that answer requests.
STREAMS = 128


@cache
def held_places(threads: int) -> threading.BoundedSemaphore:
    """The places of answers that are waited for: half of the process's turns, one at least."""
    return threading.BoundedSemaphore(max(1, threads // 2))


@cache
def stream_places() -> threading.BoundedSemaphore:
    """The places of streams in this process."""
    return threading.BoundedSemaphore(STREAMS)
