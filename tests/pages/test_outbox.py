"""The test outbox shows each message as its reader would get it, and nothing else of the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from campaigns.sending import send_due_messages
from tests.campaigns.ledger_scene import make_contacts, start


@pytest.fixture
def marketer(sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in("marketer")


@pytest.fixture
def outbox(app: Flask) -> Iterator[Path]:
    folder = app.config["LUX"].lux_data_dir / "outbox"
    for file in folder.glob("*.eml"):
        file.unlink()
    yield folder
    for file in folder.glob("*.eml"):
        file.unlink()


def test_an_empty_outbox_says_how_messages_get_there(marketer: FlaskClient, outbox: Path) -> None:
    assert "Nothing here yet" in marketer.get("/outbox/").get_data(as_text=True)


def test_each_message_is_shown_with_headers_html_text_and_source(marketer: FlaskClient, outbox: Path) -> None:
    send_due_messages(start(make_contacts(2)))
    assert "p1@people.example" in marketer.get("/outbox/").get_data(as_text=True)
    name = sorted(path.name for path in outbox.glob("*.eml"))[0]
    page = marketer.get(f"/outbox/{name}").get_data(as_text=True)
    assert "List-Unsubscribe=One-Click" in page
    assert "News for Person1" in page
    shown = marketer.get(f"/outbox/{name}/html")
    assert "Hello Person1" in shown.get_data(as_text=True)
    assert "sandbox" in shown.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["../session_secret", "..%2Fsession_secret", "session_secret", ".x.eml", "no.eml", "%2Fetc%2Fpasswd"]
)
def test_nothing_else_of_the_machine_is_shown(marketer: FlaskClient, outbox: Path, name: str) -> None:
    for path in (f"/outbox/{name}", f"/outbox/{name}/html"):
        assert marketer.get(path).status_code == 404


def test_a_broken_file_does_not_bring_the_page_down(marketer: FlaskClient, outbox: Path) -> None:
    outbox.mkdir(exist_ok=True)
    (outbox / "000000000001-deadbeef.eml").write_bytes(b"\xff\xfe\x00 not a message\r\n\r\n" + bytes(range(256)))
    (outbox / "000000000002-deadbeef.eml").write_bytes(
        b'Content-Type: text/html; charset="no-such"\r\nSubject: =?x?q?=ff?=\r\n\r\n<b>\xff</b>'
    )
    for path in ("/outbox/", "/outbox/000000000001-deadbeef.eml", "/outbox/000000000002-deadbeef.eml"):
        assert marketer.get(path).status_code == 200
    assert marketer.get("/outbox/000000000002-deadbeef.eml/html").status_code == 200
