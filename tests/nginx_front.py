"""Real nginx in front of real gunicorn, on free ports of loopback, with the logs that they write."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import end_group, free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 2;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        server_name front.example;
        client_max_body_size 1k;
        large_client_header_buffers 4 16k;
        proxy_read_timeout 1s;
        location /files/ {{ root {folder}; }}
        location /forbidden/ {{ deny all; }}
        location /refused {{ proxy_pass http://127.0.0.1:{dead_port}; }}
        location /gone {{ proxy_pass http://unix:{folder}/gone.sock; }}
        location /no-entry {{ proxy_pass http://unix:{folder}/no-entry.sock; }}
        location /hang {{ proxy_read_timeout 30s; proxy_pass http://127.0.0.1:{app_port}; }}
        location /stuck {{ proxy_read_timeout 30s; proxy_pass http://127.0.0.1:{app_port}; }}
        location / {{ proxy_pass http://127.0.0.1:{app_port}; }}
    }}
}}
"""
APP = """
import os, signal, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    if path in ("/slow", "/hang"):
        time.sleep(2 if path == "/slow" else 60)
    if path == "/stuck":
        os.kill(os.getpid(), signal.SIGSTOP)
    if path == "/broken":
        raise KeyError("email")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""


@dataclass
class Front:
    """The pair, and where its logs are."""

    folder: Path
    port: int

    @property
    def nginx_log(self) -> Path:
        return self.folder / "error.log"

    @property
    def gunicorn_log(self) -> Path:
        return self.folder / "gunicorn.err"

    def get(self, path: str, headers: dict[str, str] | None = None) -> int:
        """The status of a GET; the path goes out as it is."""
        return self._request("GET", path, None, headers or {})

    def post(self, path: str, size: int) -> int:
        """The status of a POST of so many bytes."""
        return self._request("POST", path, b"x" * size, {})

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def wait_for_line(self, log: Path, part: str) -> None:
        """Waits until a log has a line with these words."""
        wait_until(lambda: part in log.read_text(errors="replace"), f"{part!r} in {log.name}")


@contextlib.contextmanager
def running_front(folder: Path) -> Iterator[Front]:
    """Starts both, waits until they answer, ends both."""
    port, app_port = free_port(), free_port()
    (folder / "files").mkdir()
    (folder / "toy.py").write_text(APP)
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(folder / "no-entry.sock"))
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    values = {"folder": folder, "port": port, "app_port": app_port, "dead_port": free_port(), "user": user}
    configuration.write_text(CONFIGURATION.format(**values))
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    nginx = subprocess.Popen([program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)])
    gunicorn = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--chdir", str(folder), "--bind", f"127.0.0.1:{app_port}"),
            *("--workers", "3", "--worker-class", "sync", "--timeout", "3", "--no-control-socket"),
            *("--error-logfile", str(folder / "gunicorn.err"), "toy:app"),
        ]
    )
    front = Front(folder, port)
    try:
        wait_until(lambda: _answers(front), "nginx and gunicorn to answer")
        yield front
    finally:
        end_group(nginx)
        end_group(gunicorn)
        silent.close()


def _answers(front: Front) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return front.get("/ready") == 200
    time.sleep(0.05)
    return False
