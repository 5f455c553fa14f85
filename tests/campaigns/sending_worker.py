"""Workers for tests that kill them: each line on stdin forks one that sends the campaign until it is finished.

`python -m tests.campaigns.sending_worker 1`; a worker writes "ready" and its process id on a line of stdout.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from app import create_app
from campaigns.recovery import release_stale_claims
from campaigns.sending import send_due_messages
from config import load_settings
from extensions import db
from models import Campaign

LEASE_SECONDS = 1.5


def work(campaign_id: int) -> None:
    app = create_app(load_settings(dotenv=None))
    with app.app_context():
        os.write(1, f"ready {os.getpid()}\n".encode())
        while True:
            release_stale_claims()
            send_due_messages(campaign_id, lease_seconds=LEASE_SECONDS)
            if db.session.get_one(Campaign, campaign_id, populate_existing=True).state == "finished":
                return
            db.session.rollback()
            time.sleep(0.1)


def main(campaign_id: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            work(campaign_id)
            os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
