"""News between processes: told with the transaction, heard by who waits, and nobody waits for ever without them."""

from __future__ import annotations

import psycopg
from flask import Flask

from extensions import db
from news import Listener, news, note_news
from tests.servers import wait_until


def tell(topic: str) -> None:
    note_news(db.session, topic)
    db.session.commit()


def listen(listener: Listener) -> None:
    wait_until(lambda: listener.is_live, "the listener")


def test_who_waits_wakes_when_the_transaction_is_committed_and_not_before(app: Flask) -> None:
    listener = news()
    with listener.waiting("run 7") as waiter, listener.waiting("run 8") as other:
        listen(listener)
        note_news(db.session, "run 7")
        db.session.rollback()
        assert not waiter.wait(), "what was rolled back is no news"
        tell("run 7")
        assert waiter.wait()
        tell("run 7")
        assert not other.wait(), "another's news wake nobody else"
        assert waiter.wait(), "news that came meanwhile are not lost"


def test_without_a_listener_who_waits_looks_often_and_the_listener_comes_back(app: Flask, database_url: str) -> None:
    listener = news()
    with listener.waiting("run 7") as waiter:
        listen(listener)
        with psycopg.connect(database_url, autocommit=True) as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lux news'"
            connection.execute(ended)
        wait_until(lambda: not listener.is_live, "the end of the listener")
        assert not waiter.wait(), "it returns by itself"
        listen(listener)
        tell("run 7")
        assert waiter.wait()


def test_nobody_listens_when_nobody_waits(app: Flask) -> None:
    listener = Listener(str(app.config["SQLALCHEMY_DATABASE_URI"]))
    assert listener._thread is None
