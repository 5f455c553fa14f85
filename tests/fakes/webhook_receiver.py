"""A receiver of webhooks on a free port of loopback: checks each signature, remembers what came, misbehaves on request.

    with WebhookReceiver() as receiver:
        receiver.secret = "whsec_…"
        receiver.behave = lambda call: "500"

`behave` is asked once per call and names a status or one of: hang, drip, huge, redirect, silence, cut, endless headers.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METADATA = "http://169.254.169.254/latest/meta-data/"


@dataclass
class Call:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    is_signed: bool
    at: float = field(default_factory=time.time)

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def message_id(self) -> str:
        return self.headers.get("webhook-id", "")


class WebhookReceiver:
    """Listens from `with` on. `calls` is every request; `hits` counts connections, requests or not."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[Call] = []
        self.hits = 0
        self.secret = ""
        self.behave: Callable[[Call], str] = lambda call: "200"
        self.is_over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.hits += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.path, headers, body, receiver.checks(headers, body))
                receiver.calls.append(call)
                with contextlib.suppress(OSError):
                    receiver.answer(self, receiver.behave(call))
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/catch/1"

    def __enter__(self) -> WebhookReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()

    def checks(self, headers: dict[str, str], body: bytes) -> bool:
        """The check of a receiver, written from the specification and not from what LUX does."""
        if not self.secret:
            return False
        key = b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        expected = "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        is_fresh = abs(time.time() - int(headers.get("webhook-timestamp", "0"))) < 300
        return is_fresh and expected in headers.get("webhook-signature", "").split(" ")

    def answer(self, handler: BaseHTTPRequestHandler, behaviour: str) -> None:
        write = handler.wfile.write
        if behaviour == "hang":
            self.is_over.wait(60)
        elif behaviour == "silence":
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif behaviour == "redirect":
            write(f"HTTP/1.1 307 See\r\nLocation: {METADATA}\r\nContent-Length: 0\r\n\r\n".encode())
        elif behaviour == "drip":
            for letter in "HTTP/1.1 200 OK\r\n" + "X-Slow: yes\r\n" * 1000:
                write(letter.encode())
                if self.is_over.wait(0.1):
                    return
        elif behaviour == "huge":
            write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            for _ in range(1000):
                write(b"x" * 1_000_000)
        elif behaviour == "endless headers":
            write(b"HTTP/1.1 200 OK\r\n")
            for number in range(100_000):
                write(f"X-{number}: yes\r\n".encode())
        elif behaviour == "cut":
            write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly so m")
        else:
            status, _, rest = behaviour.partition(" ")
            text = rest.encode() or b'{"status": "success"}'
            extra = b"Retry-After: 90\r\n" if status in ("429", "503") else b""
            write(f"HTTP/1.1 {status} Word\r\nContent-Length: {len(text)}\r\n".encode() + extra + b"\r\n" + text)
