"""E-mail over SMTP: policies, faults and speed limits, against a server that misbehaves and against postfix's."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from channels.base import ChannelRefused, ChannelUnavailable, Outcome, Parcel, send
from channels.email import SmtpSession
from channels.smtp_address import parse_smtp_url
from errors import SettingInvalid
from tests.fakes.smtp_server import SmtpServer

CONTENT = b"From: a@b.example\r\nSubject: x\r\n\r\nBody\r\n"
SINK = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"


def parcel(number: int = 1, recipient: str = "p@people.example") -> Parcel:
    return Parcel(number, "hello@lumen.example", recipient, CONTENT)


def open_session(url: str, connections: int = 3, context: ssl.SSLContext | None = None) -> SmtpSession:
    return SmtpSession(parse_smtp_url(url), connections=connections, context=context)


def send_all(session: SmtpSession, count: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    started = 0
    deadline = time.monotonic() + 60
    while len(outcomes) < count and time.monotonic() < deadline:
        while session.free_count and started < count:
            started += 1
            session.start(parcel(started, f"p{started}@people.example"))
        outcomes += session.poll(0.2)
    return outcomes


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody trusts unless told to, and a server's side of it."""
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out", folder / "cert.pem",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", pem)
    return folder / "cert.pem", context


@pytest.mark.parametrize("pipelining", [True, False])
def test_messages_go_over_kept_connections(pipelining: bool) -> None:
    with SmtpServer(pipelining=pipelining) as server:
        session = open_session(server.url())
        outcomes = send_all(session, 50)
        session.close()
    assert {outcome.state for outcome in outcomes} == {"sent"} and len(outcomes) == 50
    assert {outcome.key for outcome in outcomes} == set(range(1, 51))
    assert all(outcome.queue_id for outcome in outcomes)
    assert server.connections <= 3 and len(server.letters) == 50
    assert server.letters[0].raw == CONTENT


def test_a_large_message_arrives_whole() -> None:
    large = CONTENT + b"0123456789abcdef" * 60 + b"\r\n" + (b"x" * 76 + b"\r\n") * 60_000
    with SmtpServer() as server:
        session = open_session(server.url("timeout=20"), 1)
        outcome = send(session, Parcel(1, "a@b.example", "c@d.example", large))
        session.close()
    assert outcome.state == "sent" and server.letters[0].raw == large


@pytest.mark.parametrize(
    ("fault", "state", "code"),
    [
        ("450 at RCPT", "deferred", 450),
        ("550 at RCPT", "failed", 550),
        ("452 after body", "deferred", 452),
        ("554 after body", "failed", 554),
        ("421 at MAIL", "deferred", 421),
        ("421 after body", "deferred", 421),
        ("disconnect at DATA", "deferred", None),
        ("disconnect after body", "unknown", None),
        ("hang at DATA", "deferred", None),
        ("hang after body", "unknown", None),
    ],
)
def test_a_fault_becomes_its_outcome(fault: str, state: str, code: int | None) -> None:
    with SmtpServer(behave=lambda letter: fault) as server:
        session = open_session(server.url("timeout=1"), 1)
        outcome = send(session, parcel())
        session.close()
    assert (outcome.state, outcome.code) == (state, code)
    assert outcome.wants_slower == (code == 421)


def test_after_any_fault_the_next_message_goes_out() -> None:
    faults = iter(["550 at RCPT", "450 at RCPT", "554 after body", "disconnect at DATA", "421 at RCPT", ""])
    with SmtpServer(behave=lambda letter: next(faults) if letter.recipient else "") as server:
        session = open_session(server.url("timeout=2"), 1)
        states = [send(session, parcel(number)).state for number in range(1, 7)]
        session.close()
    assert states == ["failed", "deferred", "failed", "deferred", "deferred", "sent"]
    assert len(server.letters) == 1


def test_only_a_missing_mailbox_is_a_bad_address() -> None:
    with SmtpServer(behave=lambda letter: "5.1.1 at RCPT" if "gone" in letter.recipient else "550 at RCPT") as server:
        session = open_session(server.url(), 1)
        assert send(session, parcel(1, "gone@people.example")).is_bad_address
        assert not send(session, parcel(2)).is_bad_address
        session.close()


def test_a_server_that_wants_few_connections_gets_few() -> None:
    with SmtpServer(most_connections=2) as server:
        session = open_session(server.url(), 8)
        outcomes = send_all(session, 40)
        session.close()
    assert [outcome.state for outcome in outcomes] == ["sent"] * 40


def test_sessions_side_by_side_share_the_servers_limit() -> None:
    with SmtpServer() as server:
        url = server.url("timeout=5&connections=4")
        first, second = open_session(url, 4), open_session(url, 4)
        assert (first.connection_limit, second.connection_limit) == (4, 1)
        assert (len(send_all(first, 20)), len(send_all(second, 5))) == (20, 5)
        first.close()
        third = open_session(url, 4)
        assert third.connection_limit == 3
        second.close()
        third.close()


def test_a_server_that_is_slow_to_accept_is_waited_for() -> None:
    with SmtpServer(greeting_delay_seconds=0.5) as server:
        session = open_session(server.url(), 1)
        assert send(session, parcel()).state == "sent"
        session.close()


@pytest.mark.parametrize("greeting", [b"554 no service here", b"hello, this is no mail server", b"421 busy"])
def test_a_server_that_does_not_greet_is_unavailable(greeting: bytes) -> None:
    with SmtpServer(greeting=greeting) as server, pytest.raises(ChannelUnavailable):
        open_session(server.url("timeout=2"))


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ChannelUnavailable, match="No connection"):
        open_session(f"smtp://127.0.0.1:{port}")


def test_starttls_is_used_with_a_trusted_certificate(certificate: tuple[Path, ssl.SSLContext]) -> None:
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    for at_once in (False, True):
        with SmtpServer(tls=certificate[1], speaks_tls_at_once=at_once, user="lux", password="pä ss") as server:
            session = open_session(server.url("timeout=5", user="lux:p%C3%A4%20ss@"), 2, trust)
            outcomes = send_all(session, 20)
            session.close()
        assert [outcome.state for outcome in outcomes] == ["sent"] * 20
        assert ("STARTTLS" in server.commands) is not at_once


def test_a_certificate_that_is_not_trusted_is_refused(certificate: tuple[Path, ssl.SSLContext]) -> None:
    for at_once in (False, True):
        with (
            SmtpServer(tls=certificate[1], speaks_tls_at_once=at_once) as server,
            pytest.raises(ChannelUnavailable, match=r"(?i)certificate"),
        ):
            open_session(server.url())
        assert not [command for command in server.commands if command.startswith("MAIL")]


def test_required_starttls_that_is_not_offered_sends_nothing() -> None:
    with SmtpServer() as server, pytest.raises(ChannelUnavailable, match="STARTTLS"):
        open_session(server.url("starttls=required"))
    assert not [command for command in server.commands if command.startswith(("AUTH", "MAIL"))]


def test_a_refused_sign_in_is_not_tried_again() -> None:
    with SmtpServer(refuse_sign_in=True) as server, pytest.raises(ChannelRefused) as refused:
        open_session(server.url(user="lux:wrong@"), 5)
    assert refused.value.code == 535 and not refused.value.should_retry
    assert len([command for command in server.commands if command.startswith("AUTH")]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "smtp://",
        "smtp://h?starttls=perhaps",
        "smtp://h?connections=0",
        "smtp://h?timeout=x",
        "smtp://h?a=b",
    ],
)
def test_a_wrong_smtp_url_is_one_sentence(url: str) -> None:
    with pytest.raises(SettingInvalid, match="SMTP_URL"):
        parse_smtp_url(url)


def test_a_password_wants_encryption_unless_the_server_is_this_machine() -> None:
    assert parse_smtp_url("smtp://u:p@mail.example").starttls == "required"
    assert parse_smtp_url("smtp://mail.example").starttls == "offered"
    assert parse_smtp_url("smtp://u:p@127.0.0.1").starttls == "offered"


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ([], {"sent"}),
        (["-r", "rcpt"], {"deferred"}),
        (["-f", "rcpt"], {"failed"}),
        (["-r", "mail"], {"deferred"}),
        (["-f", "."], {"failed"}),
        (["-r", "."], {"deferred"}),
        (["-q", "data"], {"deferred"}),
        (["-q", "."], {"unknown"}),
        (["-W", "data:1"], {"sent"}),
        (["-p"], {"sent"}),
    ],
)
def test_postfixs_smtp_sink_agrees(options: list[str], states: set[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sink = subprocess.Popen([SINK, "-u", "nobody", *options, f"127.0.0.1:{port}", "100"], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        session = open_session(f"smtp://127.0.0.1:{port}?timeout=10", 2)
        outcomes = send_all(session, 6)
        session.close()
    finally:
        sink.send_signal(signal.SIGTERM)
        sink.wait(10)
    assert Counter(outcome.state for outcome in outcomes) == Counter(dict.fromkeys(states, 6))


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
