"""A restart of the web process, as systemd does it with a socket of its own, refuses nobody."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from config import child_environment
from tests.servers import Lux, end_group, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
RESTARTS = 2


def start_with_socket(lux: Lux, listener: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """gunicorn as systemd starts it: the listening socket is its third descriptor."""
    become_gunicorn = (
        f"import os, sys; os.dup2({listener.fileno()}, 3); "
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); python = sys.executable; "
        "os.execv(python, [python, '-m', 'gunicorn', '-c', 'deploy/gunicorn.conf.py', 'app:create_app()'])"
    )
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-c", become_gunicorn],
            cwd=ROOT,
            env=child_environment(**lux.settings),
            stdout=out,
            stderr=out,
            pass_fds=[listener.fileno()],
        )


def ask(port: int) -> str:
    """One visit: the status, or the name of what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/livez", headers={"Connection": "close"})
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def wait_for_visits(seen: Counter[str]) -> None:
    """Waits until some more visits were answered."""
    before = seen["200"]
    wait_until(lambda: seen["200"] > before + 20, f"visits to be answered, so far {seen}")


def test_a_restart_under_load_answers_everybody(start_lux: Callable[..., Lux], tmp_path: Path) -> None:
    lux = start_lux(has_web=False)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    log = tmp_path / "web.log"
    process = start_with_socket(lux, listener, log)
    seen: Counter[str] = Counter()
    stopping = threading.Event()

    def visit() -> None:
        while not stopping.is_set():
            seen[ask(port)] += 1
            time.sleep(0.02)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    try:
        first = ask(port)
        assert first == "200", (first, log.read_text()[-2000:])
        for visitor in visitors:
            visitor.start()
        for _ in range(RESTARTS):
            wait_for_visits(seen)
            process.terminate()
            process.wait(timeout=60)
            process = start_with_socket(lux, listener, log)
        wait_for_visits(seen)
    finally:
        stopping.set()
        for visitor in visitors:
            if visitor.ident is not None:
                visitor.join(timeout=60)
        end_group(process)
        listener.close()
    assert set(seen) == {"200"}, (seen, log.read_text()[-2000:])
