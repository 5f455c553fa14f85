"""Real nginx with the site's own configuration from deploy/, on free ports, in front of a real LUX."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import Lux, end_group, free_port, wait_until

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SYSTEM_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


@dataclass
class Site:
    """nginx with LUX's own configuration in front of a LUX."""

    port: int
    folder: Path
    lux: Lux

    def get(self, path: str, request_id: str = "") -> http.client.HTTPResponse:
        return self.send("GET", path, {"X-Request-ID": request_id} if request_id else {})

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=unverified())
        connection.request(method, path, body=body, headers={"Host": "lux.example", **headers})
        return connection.getresponse()


def unverified() -> ssl.SSLContext:
    """A context that takes the test's own certificate."""
    return ssl._create_unverified_context()  # noqa: S323 - the test's own certificate


@contextlib.contextmanager
def running_site(folder: Path, start_lux: Callable[..., Lux], **settings: str) -> Iterator[Site]:
    """The site as the installer writes it, in front of a LUX with these settings; nginx is ended at the end."""
    port, plain_port = free_port(), free_port()
    lux = start_lux(workers=1, PROXY_HOPS="1", LUX_PUBLIC_URL=f"https://127.0.0.1:{port}", **settings)
    program = shutil.which("nginx", path=SYSTEM_PATH) or "nginx"
    configuration = write_configuration(folder, lux, port, plain_port)
    words = [program, "-e", str(folder / "start.log"), "-c", str(configuration)]
    tested = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    nginx = subprocess.Popen(words)
    site = Site(port, folder, lux)
    try:
        wait_until(lambda: _answers(site), "the site to answer")
        yield site
    finally:
        end_group(nginx)


def write_configuration(folder: Path, lux: Lux, port: int, plain_port: int) -> Path:
    """deploy/nginx with the placeholders that the installer fills, and the ports and folders of a test."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lux.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    snippet = folder / "lux-proxy.conf"
    snippet.write_text(
        (DEPLOY / "nginx" / "lux-proxy.conf").read_text().replace("127.0.0.1:5000", f"127.0.0.1:{lux.port}")
    )
    text = (DEPLOY / "nginx" / "lux.conf").read_text()
    for placeholder, value in {
        "@DOMAIN@": "lux.example", "@CERTIFICATE@": str(certificate), "@KEY@": str(key), "@SNIPPET@": str(snippet),
        "/var/log/nginx": str(folder), "[::]:443": f"[::1]:{port}", "[::]:80": f"[::1]:{plain_port}",
        "listen 443": f"listen 127.0.0.1:{port}", "listen 80": f"listen 127.0.0.1:{plain_port}",
    }.items():  # fmt: skip
        text = text.replace(placeholder, value)
    text = re.sub(r"    listen \[::1\][^\n]*\n", "", text)
    assert "@" not in re.sub(r"#.*", "", text)
    user = "user root;" if os.geteuid() == 0 else ""
    folders = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"{user}\ndaemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{folders}{text}\n}}\n"
    configuration = folder / "nginx.conf"
    configuration.write_text(whole)
    return configuration


def _answers(site: Site) -> bool:
    try:
        return site.get("/livez").status == 200
    except OSError:
        return False
