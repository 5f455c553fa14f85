"""How soon a model's first words reach the browser while a hundred streams are open: agents' runs, and Ask LUX.

Real gunicorn, worker and database; a model server that speaks OpenAI's protocol notes when it sends its first words.
Each stream follows a run of its own; the worker carries out six at a time, the others wait. Then messages to Ask LUX,
one after another, beside a hundred streams again.

Goal: within 50 milliseconds, nine times out of ten.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from itsdangerous import URLSafeTimedSerializer

import embedded_postgres
from accounts.sessions import start_session
from agents import get_agent
from agents.runs import start_run, stop_run
from agents.tasks.campaign.brief import CampaignBrief
from campaigns.brand import BrandValues, change_brand
from extensions import db
from tests.fakes.openai_server import OpenAIServer, good_campaign
from tests.makers import make_user
from tests.servers import Lux, running_lux

STREAMS = 100
# Ask LUX takes thirty messages a minute from one person.
MESSAGES = 30
GOAL_MS = 50.0
PATIENCE_SECONDS = 240.0
MARK = re.compile(r"errand (\d+)")
LINK = "https://lumen.example/shop"


class Model:
    """What the model server says, and when its first words of each errand left."""

    def __init__(self) -> None:
        self.sent_at: dict[int, float] = {}

    def say(self, body: dict[str, Any]) -> Any:
        """A campaign for an agent, a few sentences for Ask LUX."""
        marks = MARK.findall(json.dumps(body["messages"]))
        campaign = good_campaign(body) if "response_format" in body else "Letters that are short are read. " * 12
        if marks:
            self.sent_at[int(marks[-1])] = time.perf_counter()
        return campaign


class Streams:
    """Streams of events read by one thread: when the first text of each came."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port = port
        self._cookie = cookie
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._buffers: dict[int, bytes] = {}
        self.text_at: dict[int, float] = {}
        self.over: set[int] = set()
        self.lost: set[int] = set()
        self._is_done = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def open(self, errand: int, method: str, path: str, body: bytes = b"", headers: str = "") -> None:
        """Opens one stream."""
        link = socket.create_connection(("127.0.0.1", self._port))
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAccept: text/event-stream\r\n"
        link.sendall(f"{head}Cookie: {self._cookie}\r\n{headers}{length}\r\n".encode() + body)
        with self._lock:
            self._buffers[errand] = b""
            self._selector.register(link, selectors.EVENT_READ, errand)

    def close(self) -> None:
        """Closes all of them."""
        self._is_done = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # sockets only
        self._selector.close()

    def _read(self) -> None:
        while not self._is_done:
            with self._lock:
                ready = self._selector.select(timeout=0)
            if not ready:
                time.sleep(0.0005)
            for key, _ in ready:
                self._take(key.fileobj, key.data)  # type: ignore[arg-type]  # sockets only

    def _take(self, link: socket.socket, errand: int) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = link.recv(65536)
        now = time.perf_counter()
        self._buffers[errand] += data
        if errand not in self.text_at and b"event: text" in self._buffers[errand]:
            self.text_at[errand] = now
        if b"event: over" in data or b"event: end" in data:
            self.over.add(errand)
        if not data:
            self.lost.add(errand)
            with self._lock:
                self._selector.unregister(link)
            link.close()


def main() -> int:
    model = Model()
    with tempfile.TemporaryDirectory(prefix="lux-streams-") as folder, OpenAIServer(piece_delay_seconds=0.02) as server:
        server.answers = [model.say]
        url = embedded_postgres.ensure_running(Path(folder))
        try:
            with running_lux(
                url,
                workers=2,
                has_worker=True,
                WEB_THREADS="8",
                OPENAI_API_KEY=server.key,
                OPENAI_BASE_URL=server.url,
                AI_DAILY_BUDGET_USD="1000",
                AI_AGENT_BUDGET_USD="1000",
            ) as lux:
                slowest = tell("an agent's run", measure_runs(lux, model))
                slowest = max(slowest, tell("a message to Ask LUX", measure_messages(lux, model)))
        finally:
            embedded_postgres.stop(Path(folder))
    print(f"Goal: {GOAL_MS:.0f} ms, nine times out of ten.")
    return 0 if slowest <= GOAL_MS else 1


def measure_runs(lux: Lux, model: Model) -> list[float]:
    """Milliseconds from the model's first words to the browser, for each of a hundred runs that all are watched."""
    with in_app(lux) as (cookie, _):
        change_brand(BrandValues(company="Lumen Tea", website="https://lumen.example"), actor="benchmark")
        agent = get_agent("email_crm")
        streams = Streams(lux.port, cookie)
        for number in range(STREAMS):
            brief = CampaignBrief(goal=f"Sell tea, errand {number}", link=LINK)
            run_id = start_run(agent, agent.tasks[0], brief, user_id=None).id
            streams.open(number, "GET", f"/agents/email_crm/runs/{run_id}/events")
    wait_for(lambda: len(streams.text_at) + len(streams.lost - set(streams.text_at)) >= STREAMS, "the runs")
    streams.close()
    return list_delays(model, streams)


def measure_messages(lux: Lux, model: Model) -> list[float]:
    """The same for messages, one after another, beside a hundred streams that wait."""
    with in_app(lux) as (cookie, token):
        agent = get_agent("email_crm")
        # Nobody carries it out: the worker is sent away, so that its streams wait.
        lux.kill_worker()
        run_id = start_run(agent, agent.tasks[0], CampaignBrief(goal="Wait for a worker", link=LINK), user_id=None).id
        streams = Streams(lux.port, cookie)
        for number in range(STREAMS):
            streams.open(-1 - number, "GET", f"/agents/email_crm/runs/{run_id}/events")
        asking = Streams(lux.port, cookie)
        time.sleep(2)
        for number in range(1000, 1000 + MESSAGES):
            body = json.dumps({"message": f"How do I write a good subject line? errand {number}"}).encode()
            headers = f"Content-Type: application/json\r\nX-CSRFToken: {token}\r\n"
            asking.open(number, "POST", "/chatbot/send", body, headers)
            wait_for(lambda number=number: number in asking.over | asking.lost, "an answer")  # type: ignore[misc]  # bound at once
        open_still = STREAMS - len(streams.lost)
        stop_run(run_id)
    print(f"{open_still} of {STREAMS} other streams were open to the end.")
    asking.close()
    streams.close()
    return list_delays(model, asking)


@contextlib.contextmanager
def in_app(lux: Lux) -> Iterator[tuple[str, str]]:
    """An app in this process on the same database; the cookie and the CSRF token of somebody who is signed in."""
    app = lux.make_app()
    with app.app_context():
        token = start_session(make_user(role="marketer"), peer="127.0.0.1", user_agent="benchmark")
        with app.test_request_context():
            serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]  # Flask's own cookie
        secret = secrets.token_hex(20)
        cookie = f"lux={serializer.dumps({'token': token, 'csrf_token': secret})}"
        # What a page of LUX would put into its forms.
        yield cookie, URLSafeTimedSerializer(str(app.secret_key), salt="wtf-csrf-token").dumps(secret)
        db.session.remove()
        db.engine.dispose()


def list_delays(model: Model, streams: Streams) -> list[float]:
    """Milliseconds of each errand that was answered."""
    found = [1000 * (at - model.sent_at[errand]) for errand, at in streams.text_at.items() if errand in model.sent_at]
    return sorted(found)


def tell(what: str, delays: list[float]) -> float:
    """Prints the figures of one kind; the delay that nine of ten stay below."""
    if len(delays) < MESSAGES:
        sys.exit(f"Only {len(delays)} of {what} were answered.")
    ninth = delays[int(len(delays) * 0.9)]
    print(
        f"{what:22} {len(delays):4} measured   median {statistics.median(delays):6.1f} ms   "
        f"nine of ten {ninth:6.1f} ms   longest {delays[-1]:6.1f} ms",
        flush=True,
    )
    return ninth


def wait_for(is_true: Callable[[], bool], what: str) -> None:
    """Waits without taking the processor from what is measured."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            sys.exit(f"Waited too long for {what}.")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
