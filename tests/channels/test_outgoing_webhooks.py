"""One attempt at an outgoing webhook: signed, to exactly the address that was checked, within time and size."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from channels import outgoing_webhooks
from channels.outgoing_webhooks import (
    DEFERRED,
    DELIVERED,
    FAILED,
    UNKNOWN,
    AddressRefused,
    Limits,
    WebhookOutcome,
    WebhookParcel,
    post_webhook,
    read_address,
)
from lib.webhook_signature import make_secret
from tests.fakes.webhook_receiver import METADATA, WebhookReceiver

SECRET = make_secret()
BODY = '{"type":"post.due","text":"Grüner Tee 🍵"}'.encode()
QUICK = Limits(lookup_seconds=0.5, connect_seconds=0.3, total_seconds=0.6)
# Spellings of this machine and of clouds' own addresses, as filters have been walked around with.
SPELLINGS = [
    "http://{port}", "https://127.0.0.1:{port}/", "https://localhost:{port}/", "https://LOCALHOST.:{port}/",
    "https://127.1:{port}/", "https://2130706433:{port}/", "https://0x7f000001:{port}/", "https://0177.0.0.1:{port}/",
    "https://0:{port}/", "https://0.0.0.0:{port}/", "https://[::1]:{port}/", "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/", "https://[::ffff:7f00:1]:{port}/", "https://[64:ff9b::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/", "https://[fe80::1%25lo]:{port}/", "https://user@127.0.0.1:{port}/",
    "https://good.example@127.0.0.1:{port}/", "https://127.0.0.1:{port}\\@good.example/", "https://ⓛocalhost:{port}/",
    "https://127。0。0。1:{port}/", "https:127.0.0.1:{port}/", "//127.0.0.1:{port}/", "https://127.0.0.1:{port}#@good.example",
    "http://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "file:///etc/passwd", "https://lux.localhost:{port}/",
    "https://printer.local:{port}/", "https://intranet:{port}/", "https://169.254.169.254/", "https://[fd00:ec2::254]/",
    "https://metadata.google.internal/", "https://a.example:99999/", "https://a.example:0/", "https://", "", "https:///x",
    "https://a .example/", "https://a.example/\r\nX: y",
]  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as one:
        one.secret = SECRET
        yield one


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost that nobody trusts unless told to, and a server's side of it."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
         "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def post(url: str, **options: object) -> WebhookOutcome:
    parcel = WebhookParcel(url, "msg_1", BODY, (SECRET,))
    return post_webhook(parcel, **{"allow_local": True, "limits": QUICK, **options})  # type: ignore[arg-type]  # of a test


def test_what_arrives_is_the_body_letter_by_letter_with_a_signature_that_the_receiver_believes(
    receiver: WebhookReceiver,
) -> None:
    outcome = post(receiver.url)
    assert (outcome.state, outcome.status, outcome.address) == (DELIVERED, 200, "127.0.0.1")
    (call,) = receiver.calls
    assert call.body == BODY
    assert call.is_signed
    assert call.message_id == "msg_1"
    assert call.path == "/hooks/catch/1"
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert call.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("204", DELIVERED), ("500", DEFERRED), ("502", DEFERRED), ("408", DEFERRED), ("429", DEFERRED),
        ("400", FAILED), ("401", FAILED), ("404", FAILED), ("410", FAILED), ("304", FAILED),
    ],
)  # fmt: skip
def test_an_answer_says_whether_another_try_makes_sense(receiver: WebhookReceiver, answer: str, state: str) -> None:
    receiver.behave = lambda _call: answer
    outcome = post(receiver.url)
    assert (outcome.state, outcome.status) == (state, int(answer))
    assert outcome.is_gone == (answer == "410")
    assert outcome.wait_seconds == (90 if answer == "429" else None)


def test_a_redirect_to_a_clouds_own_address_is_not_followed(receiver: WebhookReceiver) -> None:
    receiver.behave = lambda _call: "redirect"
    outcome = post(receiver.url)
    assert outcome.state == FAILED
    assert METADATA in outcome.text
    assert "follows no redirect" in outcome.text
    assert receiver.hits == 1


@pytest.mark.parametrize("fault", ["hang", "drip", "silence", "endless headers"])
def test_a_receiver_that_gives_no_answer_leaves_it_unknown_and_holds_nobody_up(
    receiver: WebhookReceiver, fault: str
) -> None:
    receiver.behave = lambda _call: fault
    outcome = post(receiver.url)
    assert outcome.state == UNKNOWN
    assert "nobody can tell" in outcome.text


@pytest.mark.parametrize("fault", ["huge", "cut"])
def test_an_answer_counts_whatever_becomes_of_its_body_and_little_of_it_is_read(
    receiver: WebhookReceiver, fault: str
) -> None:
    receiver.behave = lambda _call: fault
    outcome = post(receiver.url)
    assert (outcome.state, outcome.status) == (DELIVERED, 200)
    assert len(outcome.text) <= outgoing_webhooks.LONGEST_TEXT


def test_nobody_at_the_address_is_worth_another_try() -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    outcome = post(url)
    assert outcome.state == DEFERRED
    assert "Nobody answered" in outcome.text


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_this_machine_or_a_cloud_is_called(receiver: WebhookReceiver, spelling: str) -> None:
    outcome = post(spelling.replace("{port}", str(receiver.port)), allow_local=False)
    assert outcome.state in (FAILED, DEFERRED)
    assert receiver.hits == 0


def test_in_development_too_only_the_machines_plain_names_are_called(receiver: WebhookReceiver) -> None:
    for name in ("127.1", "2130706433", "[::ffff:127.0.0.1]", "localhost.localdomain", "10.0.0.1"):
        with pytest.raises(AddressRefused):
            read_address(f"http://{name}:{receiver.port}/", allow_local=True)
    assert read_address(f"http://localhost:{receiver.port}", allow_local=True).is_local
    with pytest.raises(AddressRefused, match="https"):
        read_address(f"http://localhost:{receiver.port}", allow_local=False)


def answers(*replies: Sequence[str]) -> tuple[Callable[[str, int], Sequence[str]], list[str]]:
    """A resolver of a name whose owner changes the answer from one question to the next, and who was asked."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return replies[min(len(asked), len(replies)) - 1]

    return resolve, asked


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], [""]],
)
def test_a_name_with_one_address_that_must_not_be_called_is_not_called_at_all(
    receiver: WebhookReceiver, found: list[str]
) -> None:
    resolve, _ = answers(found)
    outcome = post(f"https://hooks.example:{receiver.port}/", resolve=resolve, allow_local=True)
    assert outcome.state == FAILED
    assert "does not call those" in outcome.text
    assert receiver.hits == 0


def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_called(receiver: WebhookReceiver) -> None:
    # The first answer is harmless and, from here, nobody's; the second would be this machine.
    resolve, asked = answers(["93.184.216.34"], ["127.0.0.1"])
    outcome = post(f"https://hooks.example:{receiver.port}/", resolve=resolve)
    assert asked == ["hooks.example"]
    assert outcome.address == "93.184.216.34"
    assert outcome.state == DEFERRED
    assert receiver.hits == 0


def test_a_local_name_that_leads_elsewhere_is_not_called(receiver: WebhookReceiver) -> None:
    resolve, _ = answers(["93.184.216.34"])
    assert post(f"http://localhost:{receiver.port}/", resolve=resolve).text == "This name does not mean this machine."


def test_a_look_up_that_hangs_is_left_behind(receiver: WebhookReceiver) -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        receiver.is_over.wait(30)
        return ["93.184.216.34"]

    outcome = post("https://hooks.example/", resolve=resolve)
    assert (outcome.state, outcome.address) == (DEFERRED, "")
    assert "time was up" in outcome.text


def test_over_https_the_certificate_has_to_be_the_names_own(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, context = certificate
    with WebhookReceiver(tls=context) as secure:
        secure.secret = SECRET
        untrusted = post(f"https://localhost:{secure.port}/")
        assert untrusted.state == DEFERRED
        assert "certificate is not trusted" in untrusted.text
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert "certificate is not trusted" in post(f"https://127.0.0.1:{secure.port}/").text
        assert secure.calls == []
        assert post(f"https://localhost:{secure.port}/").state == DELIVERED
        assert secure.calls[0].is_signed
