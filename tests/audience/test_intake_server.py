"""The webhook through real gunicorn and a PostgreSQL that is killed: nothing is lost, nothing is done twice."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import embedded_postgres
import schema
from audience.intake import drain_spool, finish_stale_intake
from audience.intake_spool import intake_spool
from tests.emptying import empty_tables
from tests.servers import Lux, running_lux, wait_until

ADDRESS = "/api/webhook/zapier-contact"
FIXTURES = json.loads((Path(__file__).parents[1] / "fixtures" / "webhook_payloads.json").read_text())
USER, PASSWORD = "zapier", "a-password-for-tests-only-0123456789"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SETTINGS: dict[str, Any] = {
    "ZAPIER_USERNAME": USER,
    "ZAPIER_PASSWORD": PASSWORD,
    "WEBHOOK_RATE_PER_SECOND": "100000",
    "WEBHOOK_BURST": "100000",
}
# What a server's processes remember for some seconds.
REMEMBERED = frozenset({"webhook_credentials", "segments", "source_rules", "intake_mappings"})
Answer = tuple[int, dict[str, str], dict[str, Any]]


def post(lux: Lux, body: Any, content_type: str = "application/json", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Authorization": BASIC, "Content-Type": content_type, **names}
    status, answered, text = lux.request("POST", ADDRESS, raw, {name: value for name, value in sent.items() if value})
    return status, answered, json.loads(text)


def forget_everybody(lux: Lux) -> None:
    with lux.connect() as connection:
        empty_tables(connection, kept=REMEMBERED)


@pytest.fixture(scope="module")
def lux(database_url: str) -> Iterator[Lux]:
    """One server with two processes for all tests of this file that do it no harm."""
    with running_lux(database_url, workers=2, **SETTINGS) as server:
        yield server


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: f"{fixture['id']}-{fixture['origin']}")
def test_each_recorded_body_byte_for_byte(lux: Lux, fixture: dict[str, Any]) -> None:
    forget_everybody(lux)
    body = base64.b64decode(fixture["body_base64"])
    status, headers, answer = post(lux, body, fixture["content_type"])
    assert status == fixture["expect_status"], answer
    assert answer["receipt"]
    assert answer["warnings"] == fixture["expect_warnings"]
    with lux.connect() as connection:
        kept = connection.execute("SELECT body, state FROM intake_bodies").fetchall()
        assert kept == [(body, "done" if status < 400 else "dead")]
        contact = connection.execute("SELECT id, email, name, phone, source, subscription FROM contacts").fetchone()
    expected = fixture["expect_contact"]
    if expected is None:
        assert contact is None
        assert headers["Content-Type"] == "application/problem+json"
        assert answer["message"] == answer["detail"][:250]
        return
    fields = (expected["email"], expected["name"], expected["phone"], expected["source"])
    assert contact == (answer["id"], *fields, "subscribed")
    assert (answer["email"], answer["name"], answer["phone"], answer["source"]) == fields
    assert answer["segments"] == expected["segments"]
    assert answer["status"] == "created"


def test_two_hundred_parallel_posts_of_one_address_make_one_contact(lux: Lux) -> None:
    forget_everybody(lux)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: post(lux, {"email": "ann@example.com", "score": n % 7}), range(200)))
    assert Counter(status for status, _, _ in answers) == {201: 1, 200: 199}
    assert lux.count("contacts") == 1
    assert lux.count("consent_entries", "contact_id IS NOT NULL") == 1
    assert len({answer["id"] for _, _, answer in answers}) == 1


def test_two_hundred_parallel_posts_of_one_body_have_their_effects_once(lux: Lux) -> None:
    forget_everybody(lux)
    body = {"email": "ann@example.com", "source": "Newsletter"}
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: post(lux, body), range(200)))
    assert Counter(status for status, _, _ in answers) == {201: 1, 200: 199}
    assert lux.count("side_effects") == 1
    assert lux.count("contact_events") == 1
    status, _, again = post(lux, body)
    assert (status, again["duplicate"], again["status"]) == (200, True, "unchanged")


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        ("", True),
        ("Basic " + base64.b64encode(b"zapier:wrong").decode(), True),
        ("Basic " + base64.b64encode(b"nobody:" + PASSWORD.encode()).decode(), True),
        ("Basic not-base64!", True),
        ("Basic", True),
        ("Bearer wrong", True),
        ("Digest username=zapier", True),
    ],
)
def test_wrong_credentials_are_refused_and_nothing_is_kept(lux: Lux, authorization: str, challenge: bool) -> None:
    forget_everybody(lux)
    status, headers, answer = post(lux, {"email": "ann@example.com"}, Authorization=authorization)
    assert status == 401
    assert headers["WWW-Authenticate"] == 'Basic realm="lux-webhook", charset="UTF-8"'
    assert answer["receipt"]
    assert lux.count("intake_bodies") == 0


def test_a_bearer_token_opens_the_webhook(lux: Lux) -> None:
    assert post(lux, {"email": "bearer@example.com"}, Authorization=f"Bearer {PASSWORD}")[0] in (200, 201)


def test_the_credential_opens_nothing_else(lux: Lux) -> None:
    assert lux.request("GET", "/api/me", headers={"Authorization": BASIC})[0] == 200
    for path in ("/contacts/", "/webhook-inbox/", "/settings/"):
        assert lux.request("GET", path, headers={"Authorization": BASIC})[0] in (302, 303, 401, 403)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (b"[" * 200_000, "application/json", 400, "unparseable"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "text/plain", 400, "unparseable"),
        (b"x" * (256 * 1024 + 1), "application/json", 413, "too_large"),
        (b"<a/>", "application/xml", 415, "unsupported_type"),
        (b"\x89PNG", "image/png", 415, "unsupported_type"),
        (b"", "application/json", 400, "unparseable"),
        (b"{}", "application/json", 422, "email_missing_or_invalid"),
        (b"[]", "application/json", 422, "email_missing_or_invalid"),
        (b'{"email":"ann lee@example.com"}', "application/json", 422, "email_missing_or_invalid"),
    ],
)
def test_what_cannot_be_used_is_refused_as_json_and_noted(
    lux: Lux, body: bytes, content_type: str, status: int, reason: str
) -> None:
    forget_everybody(lux)
    got, headers, answer = post(lux, body, content_type)
    assert (got, answer["reason"], answer["status"]) == (status, reason, status)
    assert headers["Content-Type"] == "application/problem+json"
    assert lux.count("intake_bodies", "state = 'dead'") == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_refused_as_json_with_allow(lux: Lux, method: str) -> None:
    status, headers, text = lux.request(method, ADDRESS, headers={"Authorization": BASIC})
    assert status == 405
    assert "POST" in headers["Allow"]
    assert json.loads(text)["receipt"]


def raw_request(lux: Lux, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", lux.port), timeout=20) as link:
        link.sendall(request)
        link.shutdown(socket.SHUT_WR)
        answer = b""
        while more := link.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"Content-Length: 500\r\n\r\n{}",
    ],
)
def test_a_body_that_breaks_off_is_the_callers_mistake(lux: Lux, rest: bytes) -> None:
    head = f"POST {ADDRESS} HTTP/1.1\r\nHost: lux\r\nAuthorization: {BASIC}\r\nContent-Type: application/json\r\n"
    answer = raw_request(lux, head.encode() + rest)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer[:200]


def test_a_chunked_body_is_read(lux: Lux) -> None:
    body = b'{"email":"chunked@example.com"}'
    head = f"POST {ADDRESS} HTTP/1.1\r\nHost: lux\r\nAuthorization: {BASIC}\r\nConnection: close\r\n"
    chunk = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert raw_request(lux, head.encode() + chunk).startswith(b"HTTP/1.1 20")


def test_the_accepted_rate_is_limited_over_all_processes(database_url: str) -> None:
    changed = {**SETTINGS, "WEBHOOK_RATE_PER_SECOND": "0.2", "WEBHOOK_BURST": "10"}
    with running_lux(database_url, workers=2, **changed) as server:
        answers = [post(server, {"email": f"p{number}@example.com"}) for number in range(14)]
        statuses = [status for status, _, _ in answers]
        assert statuses[:10] == [201] * 10
        assert 429 in statuses[10:]
        refused = next(headers for status, headers, _ in answers if status == 429)
        assert refused["Retry-After"].isdigit()
        assert server.count("contacts") == statuses.count(201)


@pytest.fixture
def own_postgres() -> Iterator[tuple[Path, str]]:
    """A durable PostgreSQL for this test alone, which it may kill."""
    folder = Path(tempfile.mkdtemp(prefix="lux-kill-"))
    url = embedded_postgres.ensure_running(folder)
    schema.migrate(url)
    yield folder, url
    embedded_postgres.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def kill_postgres(folder: Path) -> None:
    os.kill(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def post_while(lux: Lux, count: int, disturb: Callable[[int], None]) -> Counter[int]:
    """Posts many bodies, every tenth of them useless; an answer that never came is sent again, as senders do."""
    statuses: Counter[int] = Counter()
    lock = threading.Lock()

    def send(number: int) -> None:
        disturb(number)
        body = (
            {"name": f"n{number}"} if number % 10 == 0 else {"email": f"p{number}@example.com", "source": "Newsletter"}
        )
        for _ in range(100):
            try:
                status = post(lux, body)[0]
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
                continue
            with lock:
                statuses[status] += 1
            if status not in (429, 503):
                return
        raise AssertionError(f"{number} was never taken")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(send, range(count)))
    return statuses


@pytest.mark.timeout(600)
def test_no_post_is_lost_when_postgres_is_killed_and_comes_back(own_postgres: tuple[Path, str]) -> None:
    folder, url = own_postgres
    posts = 2_000
    with running_lux(url, workers=2, **SETTINGS) as server:

        def disturb(number: int) -> None:
            if number == posts // 4:
                kill_postgres(folder)
            if number == posts // 2:
                embedded_postgres.ensure_running(folder)

        statuses = post_while(server, posts, disturb)
        assert set(statuses) <= {200, 201, 202, 422}, statuses
        assert statuses[202] > 0
        app = server.make_app()
        with app.app_context():
            waiting = intake_spool().count()
            settle(server)
            assert intake_spool().count() == 0
        contacts, dead = server.count("contacts"), dead_count(server)
        assert contacts + dead == posts, (statuses, waiting, contacts, dead)
        assert contacts == posts - posts // 10
        assert server.count("consent_entries") == contacts
        assert server.count("segment_memberships") == contacts


def dead_count(lux: Lux) -> int:
    with lux.connect() as connection:
        row = connection.execute(
            "SELECT coalesce(sum(seen_count), 0) FROM intake_bodies WHERE state = 'dead'"
        ).fetchone()
    return int(row[0]) if row else 0


def settle(lux: Lux) -> None:
    """Does what the clock's jobs do until nothing waits."""

    def is_settled() -> bool:
        drain_spool()
        finish_stale_intake(older_than_seconds=0)
        return intake_spool().is_empty() and lux.count("intake_bodies", "state = 'new'") == 0

    wait_until(is_settled, "the inbox to be worked off")


@pytest.mark.timeout(600)
def test_no_post_is_lost_when_gunicorn_is_killed(own_postgres: tuple[Path, str]) -> None:
    _, url = own_postgres
    posts = 600
    with running_lux(url, workers=2, **SETTINGS) as server:
        app = server.make_app()

        def disturb(number: int) -> None:
            if number in (150, 350):
                for process in server.list_web_processes():
                    process.kill()

        post_while(server, posts, disturb)
        with app.app_context():
            settle(server)
        assert server.count("contacts") == posts - posts // 10
        assert server.count("consent_entries") == posts - posts // 10
        assert dead_count(server) >= posts // 10


def test_without_database_and_spool_the_sender_keeps_the_body(own_postgres: tuple[Path, str]) -> None:
    folder, url = own_postgres
    with running_lux(url, workers=1, **SETTINGS) as server:
        assert post(server, {"email": "ann@example.com"})[0] == 201
        (server.data_dir / "spool").write_text("a file where the folder should be")
        kill_postgres(folder)
        status, headers, answer = post(server, {"email": "bob@example.com"})
        assert status == 503
        assert headers["Retry-After"].isdigit()
        assert answer["receipt"]
        embedded_postgres.ensure_running(folder)


def test_a_process_that_starts_without_a_database_still_knows_its_callers(own_postgres: tuple[Path, str]) -> None:
    folder, url = own_postgres
    with running_lux(url, workers=1, **SETTINGS) as server:
        assert post(server, {"email": "ann@example.com"})[0] == 201
        kill_postgres(folder)
        for process in server.list_web_processes():
            process.kill()
        wait_until(server._answers, "gunicorn to start a new process")
        assert post(server, {"email": "bob@example.com"})[0] == 202
        assert post(server, {"email": "bob@example.com"}, Authorization="Bearer wrong")[0] == 401
        embedded_postgres.ensure_running(folder)
        with server.make_app().app_context():
            settle(server)
        assert server.count("contacts") == 2
