"""What a dead worker leaves is put right: nothing is lost, and what may have gone twice says so."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from flask import Flask
from sqlalchemy import text

from campaigns.recovery import release_stale_claims, resume_sending
from campaigns.tallies import count_states
from config import child_environment
from extensions import db
from models import Campaign
from tests.campaigns.ledger_scene import list_states, make_contacts, start
from tests.fakes.smtp_server import SmtpServer

ROOT = Path(__file__).resolve().parent.parent.parent
MESSAGES, KILLS, WORKERS, CONNECTIONS = 5_000, 20, 3, 5


def hold(campaign_id: int, state: str, count: int, *, lease_seconds: float) -> None:
    """As if a worker held messages and were heard of for the last time so long before its lease ends."""
    db.session.execute(
        text(
            "UPDATE messages SET state = :state, claimed_by = 'w1', next_try_at = NULL WHERE id IN"
            " (SELECT id FROM messages WHERE campaign_id = :id AND state = 'pending' ORDER BY id LIMIT :count)"
        ),
        {"state": state, "id": campaign_id, "count": count},
    )
    db.session.execute(
        text(
            "INSERT INTO sending_leases (worker, campaign_id, until)"
            " VALUES ('w1', :id, now() + make_interval(secs => :seconds))"
            " ON CONFLICT (worker) DO UPDATE SET until = excluded.until"
        ),
        {"id": campaign_id, "seconds": lease_seconds},
    )
    db.session.execute(
        text(f"UPDATE campaign_tallies SET pending = pending - :count, {state} = {state} + :count"),
        {"count": count},
    )
    db.session.commit()


def test_a_living_worker_keeps_what_it_holds(app: Flask) -> None:
    campaign_id = start(make_contacts(3))
    hold(campaign_id, "claimed", 3, lease_seconds=60)
    assert release_stale_claims() == 0
    assert list_states(campaign_id) == {"claimed": 3}


def test_what_a_dead_worker_had_claimed_waits_again(app: Flask) -> None:
    campaign_id = start(make_contacts(3))
    hold(campaign_id, "claimed", 3, lease_seconds=-1)
    assert release_stale_claims() == 3
    assert list_states(campaign_id) == {"pending": 3}
    assert count_states(campaign_id).pending == 3 and count_states(campaign_id).is_balanced


def test_what_a_dead_worker_had_begun_is_in_doubt_and_resent_once(app: Flask) -> None:
    campaign_id = start(make_contacts(2))
    hold(campaign_id, "attempting", 2, lease_seconds=-1)
    release_stale_claims()
    assert list_states(campaign_id) == {"pending": 2}
    doubts = db.session.execute(text("SELECT unknown_count, response FROM messages")).all()
    assert [row[0] for row in doubts] == [1, 1] and "ended before" in doubts[0][1]
    hold(campaign_id, "attempting", 2, lease_seconds=-1)
    release_stale_claims()
    assert list_states(campaign_id) == {"unknown": 2}
    assert count_states(campaign_id).unknown == 2 and count_states(campaign_id).is_balanced


def test_by_policy_doubtful_messages_are_listed_for_a_person(app: Flask) -> None:
    campaign_id = start(make_contacts(2), unknown_policy="list")
    hold(campaign_id, "attempting", 2, lease_seconds=-1)
    release_stale_claims()
    assert list_states(campaign_id) == {"unknown": 2}


def test_the_clock_finishes_a_campaign_that_has_nothing_left(app: Flask) -> None:
    campaign_id = start(make_contacts(2), unknown_policy="list")
    hold(campaign_id, "attempting", 2, lease_seconds=-1)
    release_stale_claims()
    resume_sending()
    db.session.expire_all()
    assert db.session.get_one(Campaign, campaign_id).state == "finished"


def test_the_clock_gives_a_campaign_with_due_messages_one_task(app: Flask) -> None:
    campaign_id = start(make_contacts(2))
    db.session.execute(text("DELETE FROM procrastinate_jobs"))
    db.session.commit()
    assert [resume_sending(), resume_sending(), resume_sending()] == [1, 0, 0]
    jobs = db.session.execute(text("SELECT task_name, lock, args->>'campaign_id' FROM procrastinate_jobs")).all()
    assert jobs == [("send_due_messages", f"sending-{campaign_id}", str(campaign_id))]


def test_twenty_kills_over_five_thousand_messages_lose_nothing(app: Flask, base_environment: dict[str, str]) -> None:
    """kill -9 of sending workers, again and again, in the middle of everything."""
    campaign_id = start(make_contacts(MESSAGES))
    with SmtpServer(reply_delay_seconds=0.008) as server:
        environment = child_environment(
            **base_environment, SMTP_URL=server.url(f"timeout=20&connections={CONNECTIONS}"), LUX_ENV="development"
        )
        with _Workers(campaign_id, environment) as workers:
            for _ in range(WORKERS):
                workers.add()
            chance = random.Random(7)  # noqa: S311 - the same kills each time
            for kill in range(KILLS):
                workers.add()
                time.sleep(chance.uniform(0.05, 0.6))
                workers.kill_oldest()
                server.reply_delay_seconds = 0.008 if kill < KILLS - 5 else 0.004
            server.reply_delay_seconds = 0.0
            workers.wait_until_finished(campaign_id)
        letters = Counter(letter.recipient for letter in server.letters)
    states = list_states(campaign_id)
    assert sum(states.values()) == MESSAGES and set(states) <= {"sent", "unknown"}
    counts = count_states(campaign_id)
    assert counts.planned == counts.sent + counts.failed + counts.suppressed + counts.unknown == MESSAGES
    rows = db.session.execute(text("SELECT address, state, unknown_count FROM messages")).all()
    assert [row[0] for row in rows if row[1] == "sent" and not letters[row[0]]] == []
    doubles = {address: count - 1 for address, count in letters.items() if count > 1}
    assert sum(doubles.values()) <= KILLS * CONNECTIONS
    in_doubt = {row[0]: row[2] for row in rows}
    assert [address for address, count in doubles.items() if in_doubt[address] < count] == []
    # The kills did hit workers in the middle of sending.
    assert sum(in_doubt.values()) > 0


class _Workers:
    """Sending workers, forked by a process that has everything loaded, killed by their process id."""

    def __init__(self, campaign_id: int, environment: dict[str, str]) -> None:
        words = [sys.executable, "-m", "tests.campaigns.sending_worker", str(campaign_id)]
        self._nursery = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._alive: list[int] = []

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._nursery.kill()
        self._nursery.communicate()

    def add(self) -> None:
        assert self._nursery.stdin is not None and self._nursery.stdout is not None
        self._nursery.stdin.write("one more\n")
        self._nursery.stdin.flush()
        self._alive.append(int(self._nursery.stdout.readline().split()[1]))

    def kill_oldest(self) -> None:
        os.kill(self._alive.pop(0), signal.SIGKILL)

    def wait_until_finished(self, campaign_id: int) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            db.session.rollback()
            if db.session.get_one(Campaign, campaign_id, populate_existing=True).state == "finished":
                return
            time.sleep(0.2)
        raise AssertionError("The campaign does not come to an end.")
