"""What stands in front: nginx keeps files back (Mautic CVE-2024-47056), and nobody smuggles a request past it.

Peers fell to gunicorn before 22 and 26. Each raw shape goes to gunicorn directly and through nginx: one answer at most,
and none of it a fault.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.nginx_site import Site, running_site, unverified
from tests.servers import Lux, running_lux

HOST = "lux.example"
SECOND = f"GET /readyz HTTP/1.1\r\nHost: {HOST}\r\nX-Smuggled: yes\r\n\r\n"
BEHIND = f"0\r\n\r\n{SECOND}"


def post(*headers: str, body: str = "", version: str = "1.1", path: str = "/livez") -> bytes:
    """A POST as raw bytes, its headers exactly as given."""
    head = "".join(f"{header}\r\n" for header in (f"Host: {HOST}", *headers))
    return f"POST {path} HTTP/{version}\r\n{head}\r\n{body}".encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked"
SHAPES = {
    "length and chunks": post(f"Content-Length: {len(BEHIND)}", CHUNKED, body=BEHIND),
    "chunks and a short length": post(CHUNKED, "Content-Length: 4", body=f"5\r\nhello\r\n{BEHIND}"),
    "chunked twice": post(CHUNKED, CHUNKED, "Content-Length: 4", body=BEHIND),
    "a coding that nobody knows": post("Transfer-Encoding: xchunked", f"Content-Length: {len(BEHIND)}", body=BEHIND),
    "a space before the colon": post("Transfer-Encoding : chunked", f"Content-Length: {len(BEHIND)}", body=BEHIND),
    "a folded line": post("Transfer-Encoding:\r\n chunked", f"Content-Length: {len(BEHIND)}", body=BEHIND),
    "a tab before the value": post("Transfer-Encoding:\x0bchunked", f"Content-Length: {len(BEHIND)}", body=BEHIND),
    "identity after chunked": post("Transfer-Encoding: chunked, identity", "Content-Length: 3", body=BEHIND),
    "identity before chunked": post("Transfer-Encoding: identity, chunked", "Content-Length: 3", body=BEHIND),
    "two lengths": post("Content-Length: 3", f"Content-Length: {3 + len(SECOND)}", body=f"abc{SECOND}"),
    "a list of lengths": post(f"Content-Length: 3, {3 + len(SECOND)}", body=f"abc{SECOND}"),
    "a length with a sign": post("Content-Length: +3", body=f"abc{SECOND}"),
    "a negative length": post("Content-Length: -1", body=SECOND),
    "a length in hex": post("Content-Length: 0x3", body=f"abc{SECOND}"),
    "a length with an underscore": post("Content-Length: 1_0", body=f"abc{SECOND}"),
    "a chunk without end": post(CHUNKED, body=f"FFFFFFFFFFFFFFFFF\r\nabc\r\n{BEHIND}"),
    "a negative chunk": post(CHUNKED, body=f"-1\r\n{BEHIND}"),
    "a chunk in hex with 0x": post(CHUNKED, body=f"0x3\r\nabc\r\n{BEHIND}"),
    "a bare LF behind a chunk": post(CHUNKED, body=f"2;\nxx\r\n{len(SECOND):x}\r\n{SECOND}\r\n0\r\n\r\n"),
    "bare LFs in the head": post(f"X: a\nContent-Length: {len(BEHIND)}\nY: b", body=BEHIND),
    "a bare CR in the head": post("X: a\rTransfer-Encoding: chunked", "Content-Length: 3", body=f"abc{SECOND}"),
    "a NUL in the head": post("X: a\x00b", "Content-Length: 3", body=f"abc{SECOND}"),
    "chunks in HTTP/1.0": post(CHUNKED, f"Content-Length: {len(BEHIND)}", body=BEHIND, version="1.0"),
    "trailers that are headers": post(CHUNKED, body="3\r\nabc\r\n0\r\nContent-Length: 500\r\nHost: evil\r\n\r\n"),
    "two hosts": post("Host: evil.example", "Content-Length: 0"),
    "a header without a name": post(": x", "Content-Length: 3", body=f"abc{SECOND}"),
    "an underscore for a hyphen": post("Content_Length: 0", "Transfer_Encoding: chunked", "Content-Length: 0"),
    "a second request in the line": f"GET /livez HTTP/1.1 {SECOND}".encode(),
    "a version of its own": f"GET /livez HTTP/9.9\r\nHost: {HOST}\r\n\r\n".encode(),
    "no version": b"GET /livez\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a head without end": f"GET /livez HTTP/1.1\r\nHost: {HOST}\r\n".encode() + b"X: " + b"a" * 70_000,
}  # fmt: skip
WORDS = """
/.env /.env.local /.env.production /.git/config /.git/HEAD /.gitignore /.htaccess /.svn/entries /.ssh/id_rsa
/.aws/credentials /.DS_Store /.well-known/../.env /static/.env /assets/../.env /backup.sql /backup.sql.gz
/lux.sql /dump.sql /database.dump /backup.zip /backup.tar.gz /www.zip /site.tar /lux.env /config.py /app.py
/app.py~ /config.py.bak /requirements.txt /Makefile /docker-compose.yml /var/session_secret /var/logs/app.log
/session_secret /logs/app.log /phpinfo.php /wp-config.php.bak /server-status /assets/x/../../app.py
/assets/x/..%2f..%2fconfig.py /static/..%2f.env /%2e%65nv /%2egit/config //.env /./.env /a/%2e%2e/.env
/assets/x/%2e%2e/%2e%2e/etc/passwd
"""
KEPT_BACK = WORDS.split()


@pytest.fixture(scope="module")
def site(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all of it."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Lux:
            return stack.enter_context(running_lux(database_url, **options))

        yield stack.enter_context(running_site(tmp_path_factory.mktemp("site"), start))


def talk(connection: socket.socket, raw: bytes) -> bytes:
    """Sends, then reads whatever comes until the other side ends it or says nothing for a second."""
    said = b""
    connection.settimeout(1.0)
    try:
        connection.sendall(raw)
        while piece := connection.recv(65_536):
            said += piece
    except OSError:
        pass  # silence and a reset are answers too: nothing more came
    return said


def statuses(said: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", said)]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_smuggles_a_request_past_gunicorn(site: Site, shape: str) -> None:
    with socket.create_connection(("127.0.0.1", site.lux.port)) as connection:
        found = statuses(talk(connection, SHAPES[shape]))
    assert len(found) <= 1, found
    assert not [status for status in found if status >= 500 and status != 501], found


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_smuggles_a_request_past_nginx(site: Site, shape: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", site.port)) as plain,
        unverified().wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        found = statuses(talk(connection, SHAPES[shape]))
    assert len(found) <= 1, found
    # 501 is nginx's word for a coding it does not know, 505 for a version.
    assert not [status for status in found if status >= 500 and status not in (501, 505)], found


def test_there_are_sixteen_shapes_and_more() -> None:
    assert len(SHAPES) >= 16


def test_after_all_of_it_both_answer_as_before(site: Site) -> None:
    assert site.get("/livez").status == 200
    assert site.lux.request("GET", "/livez")[0] == 200
    assert "Traceback" not in site.lux.read_log("web")


@pytest.mark.parametrize("path", KEPT_BACK)
def test_no_file_of_the_server_is_served(site: Site, path: str) -> None:
    for where in (path, f"{path}?x=1", quote(path, safe="/%.")):
        answer = site.get(where)
        body = answer.read()
        assert answer.status in (400, 404), (where, answer.status)
        for secret in (
            b"SESSION_SECRET",
            b"repositoryformatversion",
            b"root:x:0",
            b"create_app",
            b"a-secret-for-tests",
        ):
            assert secret not in body


def test_a_visitor_cannot_say_who_he_is(site: Site) -> None:
    """The peer, the protocol and the host are nginx's words: not the visitor's."""
    forged = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
        "Host": "localhost",
    }
    assert site.send("GET", "/api/diagnostics/errors", forged).status in (401, 404, 421)
    assert site.send("POST", "/api/auto-repair/start", forged, b"{}").status in (400, 401, 403, 404)
    assert site.send("GET", "/metrics", {"X-Forwarded-For": "127.0.0.1"}).status in (200, 401, 403)
    answer = site.send("GET", "/settings/", {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"})
    assert "evil.example" not in (answer.headers.get("Location") or "")
