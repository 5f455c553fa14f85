"""How many requests of one process work at once: further ones wait for their turn, a held stream gives its turn away.

A process has more threads than turns, so that streams which only wait for news keep nobody waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.wsgi import ClosingIterator

from lib.probe_mark import PROBE_KEY

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
LEAVE_KEY = "lux.leave_gate"


class RequestGate:
    """A WSGI application that lets so many requests at once into another."""

    def __init__(self, application: Application, turns: int) -> None:
        self._application = application
        self._turns = threading.Semaphore(turns)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # A probe runs inside of a request that has its turn already.
        if PROBE_KEY in environ:
            return self._application(environ, start_response)
        turn = Turn(self._turns)
        environ[LEAVE_KEY] = turn.leave
        try:
            answer: Iterable[bytes] = self._application(environ, start_response)
        except BaseException:
            turn.leave()
            raise
        is_file = isinstance(answer, environ.get("wsgi.file_wrapper", ()))
        if is_file:
            # The server sends it by itself, if it gets it as it is.
            turn.leave()
        return answer if is_file else ClosingIterator(answer, turn.leave)


class Turn:
    """One request's turn, taken when it is made and given back once."""

    def __init__(self, turns: threading.Semaphore) -> None:
        turns.acquire()
        self._turns = turns
        self._lock = threading.Lock()
        self._has_left = False

    def leave(self) -> None:
        """Gives the turn to the next one."""
        with self._lock:
            if self._has_left:
                return
            self._has_left = True
        self._turns.release()


def leave_gate(environ: dict[str, Any]) -> None:
    """Gives a request's turn away before its answer has ended: from here on it only waits."""
    leave = environ.get(LEAVE_KEY)
    if leave is not None:
        leave()
