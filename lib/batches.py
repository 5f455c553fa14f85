"""Work that threads bring one by one and that costs less done together: who comes first does it for all who wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Work done less than so many lingers ago means that more is on its way.
BUSY_TIMES = 4


class _Turn(Generic[T, R]):
    """One thread's item and, when its gate opens, either its result or the duty to work for those who wait."""

    __slots__ = ("error", "gate", "is_done", "item", "result")

    def __init__(self, item: T) -> None:
        self.item = item
        self.gate = threading.Lock()
        self.gate.acquire()
        self.is_done = False
        self.result: R | None = None
        self.error: BaseException | None = None


class Batches(Generic[T, R]):
    """Runs `work` on the items of all threads that wait; alone, an item is worked on at once and waits for nobody.

    `work` gets the items in the order they came and gives as many results; what it raises, every thread of the batch
    gets. While several threads bring work again and again, each batch lingers for a moment so that more can join it.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], most: int, *, linger_seconds: float = 0.0) -> None:
        self._work = work
        self._most = most
        self._linger_seconds = linger_seconds
        self._worked_at = float("-inf")
        self._is_shared = False
        self._lock = threading.Lock()
        self._waiting: list[_Turn[T, R]] = []
        self._is_led = False

    def do(self, item: T) -> R:
        """Has the item worked on, alone or with others; its result."""
        turn: _Turn[T, R] = _Turn(item)
        with self._lock:
            self._waiting.append(turn)
            is_leader, self._is_led = not self._is_led, True
        if not is_leader:
            turn.gate.acquire()
        if not turn.is_done:
            self._lead()
        if turn.error is not None:
            raise turn.error
        return turn.result  # type: ignore[return-value]  # done without an error: there is a result

    def _lead(self) -> None:
        if self._is_shared and time.monotonic() - self._worked_at < self._linger_seconds * BUSY_TIMES:
            time.sleep(self._linger_seconds)
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            for turn, result in zip(batch, self._work([turn.item for turn in batch]), strict=True):
                turn.result = result
        except BaseException as error:  # whatever it is, nobody may be left waiting
            for turn in batch:
                turn.error = error
        self._worked_at = time.monotonic()
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._is_led = heir is not None
            self._is_shared = heir is not None or len(batch) > 1
        for turn in batch:
            turn.is_done = True
            turn.gate.release()
        if heir is not None:
            heir.gate.release()
