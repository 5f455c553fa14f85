"""How many requests of one process may wait for something long: streams held open, answers that a model writes.

A process has few threads; whoever finds no place is answered at once and asks again, so that pages stay quick.
"""

from __future__ import annotations

import threading
from functools import cache


@cache
def held_places(threads: int) -> threading.BoundedSemaphore:
    """The places of this process: half of its threads, one at least."""
    return threading.BoundedSemaphore(max(1, threads // 2))
