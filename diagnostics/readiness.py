"""Whether LUX can serve: the database answers within a second, and its schema is what this code expects.

Asked on a thread and a connection of its own: a database that hangs must not hang whoever asks whether it does.
"""

from __future__ import annotations

import queue
import threading

from flask import current_app
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from schema import is_at_head

PATIENCE_SECONDS = 1.0
# So many may wait for a hanging database at once; whoever comes after them is told at once.
MOST_WAITING = 4

_waiting = threading.BoundedSemaphore(MOST_WAITING)


def find_obstacle() -> str | None:
    """Why LUX is not ready, in a sentence, or None."""
    if not _waiting.acquire(blocking=False):
        return "The database does not answer."
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    url = str(current_app.config["SQLALCHEMY_DATABASE_URI"])
    threading.Thread(target=_look, args=(url, answers), name="readiness", daemon=True).start()
    try:
        return answers.get(timeout=PATIENCE_SECONDS)
    except queue.Empty:
        return "The database does not answer within a second."


def _look(url: str, answers: queue.SimpleQueue[str | None]) -> None:
    options = {"connect_timeout": 2, "application_name": "lux readiness", "options": "-c statement_timeout=1000"}
    try:
        with create_engine(url, poolclass=NullPool, connect_args=options).connect() as connection:
            answers.put(None if is_at_head(connection) else "The database is not at the newest migration.")
    except SQLAlchemyError:
        answers.put("The database does not answer.")
    finally:
        _waiting.release()
