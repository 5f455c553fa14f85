"""Somebody who listens where outgoing webhooks lead, on this machine, for as long as the demo is being made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

OK, NOT_FOUND = 200, 404
REFUSED_PATH = "/refused"


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(NOT_FOUND if self.path == REFUSED_PATH else OK)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Says nothing: the demo tells its own progress."""


@contextmanager
def open_receiver() -> Iterator[str]:
    """Listens on a free port of the loopback; gives its address."""
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, name="demo-receiver", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
