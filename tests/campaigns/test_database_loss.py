"""kill -9 of the database in mid-send: what the mail server said is kept and written down once it is back."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

import embedded_postgres
import schema
from app import create_app
from campaigns.sending import send_due_messages
from campaigns.tallies import count_states
from config import load_settings
from extensions import db
from models import Campaign
from tests.campaigns.ledger_scene import list_states, make_contacts, start
from tests.fakes.smtp_server import SmtpServer

CONNECTIONS = 4


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lux-loss-"))
    yield made
    embedded_postgres.stop(made)
    shutil.rmtree(made, ignore_errors=True)


def make_app(folder: Path, base: dict[str, str], smtp_url: str) -> Flask:
    url = embedded_postgres.ensure_running(folder)
    schema.migrate(url)
    settings = {**base, "LUX_DATA_DIR": str(folder), "DATABASE_URL": url, "SMTP_URL": smtp_url}
    return create_app(load_settings(settings, dotenv=None))


def test_a_killed_database_costs_no_message(folder: Path, base_environment: dict[str, str]) -> None:
    with SmtpServer(reply_delay_seconds=0.004) as server:
        app = make_app(folder, base_environment, server.url(f"timeout=10&connections={CONNECTIONS}"))
        with app.app_context():
            campaign_id = start(make_contacts(600))
            db.session.remove()
            worker = threading.Thread(target=_send_until_finished, args=(app, campaign_id))
            worker.start()
            _wait_for_letters(server, 100)
            _kill_postmaster(folder)
            embedded_postgres.ensure_running(folder)
            worker.join(90)
            assert not worker.is_alive()
            states = list_states(campaign_id)
            counts = count_states(campaign_id)
            doubts = db.session.execute(text("SELECT address, unknown_count FROM messages")).all()
            db.session.remove()
            db.engine.dispose()
    letters = Counter(letter.recipient for letter in server.letters)
    assert states == {"sent": 600} and counts.is_balanced and counts.sent == 600
    doubles = {address for address, count in letters.items() if count > 1}
    assert len(letters) == 600 and len(doubles) <= CONNECTIONS
    assert doubles <= {address for address, count in doubts if count}


def _send_until_finished(app: Flask, campaign_id: int) -> None:
    """As the queue does: a task that fails is tried again."""
    deadline = time.monotonic() + 80
    while time.monotonic() < deadline:
        with app.app_context():
            try:
                send_due_messages(campaign_id, lease_seconds=2)
                if db.session.get_one(Campaign, campaign_id, populate_existing=True).state == "finished":
                    return
            except Exception:  # whatever the lost database makes of it: the next try counts
                db.session.remove()
        time.sleep(0.2)


def _wait_for_letters(server: SmtpServer, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(server.letters) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def _kill_postmaster(folder: Path) -> None:
    """The whole family at once, as a power cut would."""
    pid_file = next(folder.rglob("postmaster.pid"))
    pid = int(pid_file.read_text().splitlines()[0])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in [pid, *map(int, children)]:
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
