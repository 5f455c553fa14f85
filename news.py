"""News between processes: who writes says what has changed, and who waits for it wakes at once, in any process.

note_news() belongs into the writer's transaction; `with news().waiting(topic) as waiter` is for whoever streams it on.
Each process listens on one connection of its own, as long as anybody waits in it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from flask import Flask, current_app
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session, scoped_session

log = logging.getLogger("lux.news")

CHANNEL = "lux_news"
# A waiter looks by itself now and then: often while nobody listens, such as when the database restarts.
LOOK_SECONDS = 2.0
BLIND_LOOK_SECONDS = 0.2
IDLE_SECONDS = 30.0
RETRY_SECONDS = 1.0


def note_news(writer: Connection | Session | scoped_session[Any], topic: str) -> None:
    """Wakes all who wait for this topic, once the writer's transaction is committed."""
    writer.execute(text("SELECT pg_notify(:channel, :topic)"), news_of(topic))


def news_of(topic: str) -> dict[str, str]:
    """The values of pg_notify(:channel, :topic), for who has a statement of their own."""
    return {"channel": CHANNEL, "topic": topic}


class Waiter:
    """Somebody who waits for news of one topic."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._has_news = threading.Event()

    def wake(self) -> None:
        """There is news."""
        self._has_news.set()

    def wait(self) -> bool:
        """Until there is news since the last wait, or it is time to look anyway; whether there was news."""
        has_news = self._has_news.wait(LOOK_SECONDS if self._listener.is_live else BLIND_LOOK_SECONDS)
        self._has_news.clear()
        return has_news


class Listener:
    """The waiters of one process and the thread that wakes them."""

    def __init__(self, database_url: str) -> None:
        self.is_live = False
        self._url = database_url
        self._lock = threading.Lock()
        self._waiters: dict[str, set[Waiter]] = {}
        self._thread: threading.Thread | None = None
        self._left_at = 0.0

    @contextlib.contextmanager
    def waiting(self, topic: str) -> Iterator[Waiter]:
        """A waiter for news of a topic, from now on."""
        waiter = Waiter(self)
        with self._lock:
            self._waiters.setdefault(topic, set()).add(waiter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="lux news", daemon=True)
                self._thread.start()
        try:
            yield waiter
        finally:
            with self._lock:
                self._waiters[topic].discard(waiter)
                if not self._waiters[topic]:
                    del self._waiters[topic]
                self._left_at = time.monotonic()

    def _listen(self) -> None:
        while True:
            try:
                with psycopg.connect(
                    self._url, autocommit=True, application_name="lux news", connect_timeout=5
                ) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.is_live = True
                    while not self._has_ended():
                        for note in connection.notifies(timeout=LOOK_SECONDS):
                            self._wake(note.payload)
                return
            except psycopg.Error as error:
                self.is_live = False
                if self._has_ended(patience_seconds=0.0):
                    return
                log.warning("Nobody listens for news (%s); who waits looks by themselves.", type(error).__name__)
                time.sleep(RETRY_SECONDS)

    def _has_ended(self, patience_seconds: float = IDLE_SECONDS) -> bool:
        """Whether nobody has waited for a while; then the thread is over and the next waiter starts another."""
        with self._lock:
            if self._waiters or time.monotonic() - self._left_at < patience_seconds:
                return False
            self.is_live, self._thread = False, None
            return True

    def _wake(self, topic: str) -> None:
        with self._lock:
            waiters = list(self._waiters.get(topic, ()))
        for waiter in waiters:
            waiter.wake()


def init_news(app: Flask) -> None:
    """Gives the app its listener; it connects when somebody waits."""
    url = str(app.config["SQLALCHEMY_DATABASE_URI"]).replace("postgresql+psycopg://", "postgresql://", 1)
    app.extensions["lux_news"] = Listener(url)


def news() -> Listener:
    """The listener of the app that is running now."""
    found: Listener = current_app.extensions["lux_news"]
    return found
